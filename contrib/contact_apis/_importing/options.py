"""The options of ``contact-apis import``, each stated once: its name, its type, its default and its help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from attrs import field, frozen

from contact_apis._vendors.registry import VENDORS

from .terminal import printable

if TYPE_CHECKING:
    from .mapping import PhoneRules

    Target = StrEnum
else:
    Target = StrEnum("Target", {name: name for name in VENDORS})


class Output(StrEnum):
    """Whom the output is for."""

    TEXT = "text"
    JSON = "json"


class PhoneForm(StrEnum):
    """How a number that has a country's code is known."""

    PLUS = "plus"
    INTERNATIONAL = "international"


def bad_parameter(option: str, sentence: str) -> typer.BadParameter:
    """The usage error that names the option; what cannot be shown on a terminal is escaped."""
    return typer.BadParameter(printable(sentence), param_hint=f"'{option}'")


@frozen
class Assignment:
    """One ``NAME=VALUE`` of the command line."""

    name: str
    value: str

    @classmethod
    def by_first_sign(cls, text: str) -> Assignment:
        """``NAME=VALUE``, where the value may hold equals signs."""
        name, sign, value = text.partition("=")
        return cls._checked(text, name, sign, value, "NAME=VALUE")

    @classmethod
    def by_last_sign(cls, text: str) -> Assignment:
        """``COLUMN=FIELD``, where the column's name may hold equals signs."""
        name, sign, value = text.rpartition("=")
        return cls._checked(text, name, sign, value, "COLUMN=FIELD")

    @classmethod
    def _checked(cls, text: str, name: str, sign: str, value: str, form: str) -> Assignment:
        if not (sign and name):
            raise typer.BadParameter(f"{printable(text)} must have the form {form}")
        if not text.isprintable():
            shown = printable(name.encode(errors="replace").decode())
            raise typer.BadParameter(f"{shown} has characters that are not text")
        return cls(name, value)


def assigned(option: str, given: Iterable[Assignment]) -> dict[str, str]:
    """The values by name.

    Raises:
        typer.BadParameter: a name is given twice.
    """
    values: dict[str, str] = {}
    for assignment in given:
        if assignment.name in values:
            raise bad_parameter(option, f"{assignment.name} is given twice")
        values[assignment.name] = assignment.value
    return values


@frozen
class WordMeanings:
    """One ``--values``: what words of a column stand for, each word in small letters."""

    column: str
    meanings: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> WordMeanings:
        """``COLUMN: WORD,WORD=VALUE; WORD=VALUE``; with a blank after the colon, the column's name may hold colons."""
        separator = ":"
        if ": " in text:
            separator = ": "
        column, sign, groups = text.partition(separator)
        column = column.strip()
        if not (sign and column and groups.strip(" ;")):
            raise typer.BadParameter('must have the form "COLUMN: WORD,WORD=VALUE; WORD=VALUE"')
        meanings: list[tuple[str, str]] = []
        for group in filter(str.strip, groups.split(";")):
            words, equals, value = group.rpartition("=")
            if not (equals and value.strip()):
                raise typer.BadParameter(
                    f"{printable(column)}: each group must have the form WORD,WORD=VALUE"
                )
            for word in words.split(","):
                if not word.strip():
                    raise typer.BadParameter(
                        f"{printable(column)}: a word is empty; an empty cell cannot be given a meaning"
                    )
                meanings.append((word.strip().casefold(), value.strip()))
        return cls(column, tuple(meanings))


RegionOption = Annotated[
    str | None,
    typer.Option(
        help="Default region of phone numbers without a country code: two letters, such as GB. A row's own country takes precedence."
    ),
]
PhonesOption = Annotated[
    PhoneForm,
    typer.Option(
        "--phones",
        help="Whether a number with a country code must begin with +, or may omit it.",
    ),
]
LenientPhonesOption = Annotated[
    bool,
    typer.Option(
        "--lenient-phones", help="Accept phone numbers of a possible length, assigned or not."
    ),
]


@frozen(kw_only=True)
class ImportOptions:
    """What one import is asked to do: each field is an option of the command, and reads there as it is annotated here."""

    file: Annotated[
        str,
        typer.Argument(
            help="CSV with a header, or JSON Lines; plain or gzip; - for standard input.",
            metavar="FILE",
        ),
    ]
    to: Annotated[Target, typer.Option(help="Target service.")]
    maps: Annotated[
        list[Assignment],
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            parser=Assignment.by_last_sign,
            help="Map a column to a field. Needed where the names differ.",
        ),
    ] = field(factory=list[Assignment])
    sets: Annotated[
        list[Assignment],
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            parser=Assignment.by_first_sign,
            help="Set a field to this value in every row. Separate list ids by semicolons.",
        ),
    ] = field(factory=list[Assignment])
    custom: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN", help="Column to send as a custom field, where the service has them."
        ),
    ] = field(factory=list[str])
    ignored: Annotated[
        list[str],
        typer.Option("--ignore", metavar="COLUMN", help="Column to leave out."),
    ] = field(factory=list[str])
    region: RegionOption = None
    values: Annotated[
        list[WordMeanings],
        typer.Option(
            metavar="COLUMN: WORD,WORD=VALUE; WORD=VALUE",
            parser=WordMeanings.parse,
            help='Translate words of a column into values, as in "Status: yes,SUBSCRIBED=subscribed; no,cleaned=unsubscribed".',
        ),
    ] = field(factory=list[WordMeanings])
    phone_form: PhonesOption = PhoneForm.PLUS
    lenient_phones: LenientPhonesOption = False
    encoding: Annotated[
        str | None,
        typer.Option(help="Input encoding, such as cp1252. Required unless it is UTF-8 or UTF-16."),
    ] = None
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check every row and send nothing. Needs no credentials."),
    ] = False
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most this many rows.")] = None
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, help="Maximum number of requests in flight.")
    ] = 64
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Maximum requests per second, evenly spaced.")
    ] = None
    max_retries: Annotated[
        int, typer.Option(min=0, help="Retries for each row. Six retries span about 20 seconds.")
    ] = 6
    timeout: Annotated[float, typer.Option(min=0.1, help="Timeout of one attempt, in seconds.")] = (
        30.0
    )
    journal: Annotated[
        Path | None,
        typer.Option(
            help="Journal (SQLite) that makes the import resumable. Default: FILE.journal."
        ),
    ] = None
    results: Annotated[
        Path | None, typer.Option(help="Write the outcome of each row to this file, as JSON Lines.")
    ] = None
    failed: Annotated[
        Path | None,
        typer.Option(
            help="Write the rows that did not succeed to this file, ready to import again."
        ),
    ] = None
    retry_unknown: Annotated[
        bool,
        typer.Option(
            "--retry-unknown",
            help="Resend rows with an unknown outcome, even where that may repeat a welcome e-mail.",
        ),
    ] = False
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Continue even if every row so far is rejected for the same reason.",
        ),
    ] = False
    resend_welcome: Annotated[
        bool,
        typer.Option(
            "--resend-welcome",
            help="Send the welcome e-mail to contacts that had one already, where a row that is sent asks for it. Without this option"
            " such a row is sent without the e-mail.",
        ),
    ] = False
    output: Annotated[Output, typer.Option(help="Format of the summary.")] = Output.TEXT

    @property
    def columns(self) -> Mapping[str, str]:
        """The field of each column that ``--map`` names."""
        return assigned("--map", self.maps)

    @property
    def constants(self) -> Mapping[str, str]:
        """The value of each field that ``--set`` names."""
        return assigned("--set", self.sets)

    @property
    def phones(self) -> PhoneRules:
        """How phone numbers are read."""
        return phone_rules(self.region, self.phone_form, lenient=self.lenient_phones)

    @property
    def words(self) -> dict[str, dict[str, str]]:
        """What ``--values`` says of words, by column and by word in small letters."""
        words: dict[str, dict[str, str]] = {}
        for given in self.values:
            known = words.setdefault(given.column, {})
            for word, value in given.meanings:
                if known.setdefault(word, value) != value:
                    raise bad_parameter("--values", f"{given.column}: {word} is given two meanings")
        return words

    @property
    def as_json(self) -> bool:
        return self.output is Output.JSON


def phone_rules(region: str | None, form: PhoneForm, *, lenient: bool) -> PhoneRules:
    """The rules that the three options about phone numbers stand for."""
    from .mapping import PhoneRules  # which the help needs not load

    return PhoneRules(region, lenient, form is PhoneForm.INTERNATIONAL)

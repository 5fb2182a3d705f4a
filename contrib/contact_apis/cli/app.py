"""The command's arguments and screens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from contact_apis._http.addresses import is_loopback
from contact_apis._suite._options import contract_command
from contact_apis._vendors.registry import VENDORS, titles
from contact_apis._version import __version__

if TYPE_CHECKING:
    from contact_apis._importing.mapping import PhoneRules

    Target = StrEnum
else:
    Target = StrEnum("Target", {name: name for name in VENDORS})

ABOUT = f"Typed clients, a mock and a contract suite for the contact APIs of {titles()}."
app = typer.Typer(
    name="contact-apis",
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,  # boxes are for terminals
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Output(StrEnum):
    """Whom the output is for."""

    TEXT = "text"
    JSON = "json"


class Phones(StrEnum):
    """How a number that has a country's code is known."""

    PLUS = "plus"
    INTERNATIONAL = "international"


PhonesOption = Annotated[
    Phones,
    typer.Option(
        help="Whether digits that begin with a country's code need a plus, or are taken without."
    ),
]
LenientPhonesOption = Annotated[
    bool,
    typer.Option(
        "--lenient-phones", help="Take phone numbers of a possible length, assigned or not."
    ),
]


class EmailRule(StrEnum):
    """When the mock of Retainful wants an e-mail identifier; its page can be read in three ways."""

    TO_CREATE = "to-create"
    ALWAYS = "always"
    NEVER = "never"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"contact-apis {__version__}")
        raise typer.Exit


@app.callback(help=ABOUT)
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """What the command is about is said above."""


@app.command(epilog="Example: contact-apis mock --port 8025 --fault 429=0.02 --latency 0.05")
def mock(
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen at; beyond loopback anybody who reaches it can use it."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="TCP port; 0 takes a free one.", min=0, max=65535)
    ] = 8025,
    env: Annotated[
        bool, typer.Option("--env", help="Print nothing but NAME=value lines to export.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND=RATE or KIND=xCOUNT; KIND is a status from 400 to 599, reset, truncate, malformed or hang."
        ),
    ] = None,
    latency: Annotated[
        float, typer.Option(help="Seconds that each answer is delayed.", min=0)
    ] = 0.0,
    custom_field: Annotated[
        list[str] | None,
        typer.Option(
            help="A custom field that Pristo's populations define; without any, all are taken."
        ),
    ] = None,
    second_population: Annotated[
        bool, typer.Option("--second-population", help="Give Pristo a second population.")
    ] = False,
    retainful_email: Annotated[
        EmailRule, typer.Option(help="When Retainful wants an e-mail identifier.")
    ] = EmailRule.TO_CREATE,
) -> None:
    """Serve both APIs on loopback, in memory; the page at / shows what arrives."""
    try:
        from contact_apis.mock import MockServer
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("uvicorn", "starlette"):
            raise
        _fail("the mock needs an extra; install it with: pip install 'contact-apis[mock]'")
    try:
        server = MockServer(
            host=host,
            port=port,
            custom_fields=custom_field or None,
            second_population=second_population,
            retainful_email=retainful_email.value,
            faults=fault or (),
            latency=latency,
        )
    except ValueError as error:
        _fail(f"--fault: {error}")
    except OSError as error:
        _fail(
            f"{host} port {port} cannot be used ({error.strerror}); choose another with --port, or 0 for a free one"
        )
    if not is_loopback(host):
        typer.echo(
            "contact-apis: warning: whoever reaches this address reads and changes what the mock stores",
            err=True,
        )
    if not env:
        typer.echo(
            f"{titles()} answer at {server.base_url}; open it in a browser to see what arrives."
        )
        typer.echo("Export these and clients find it. Ctrl-C ends it.\n")
    typer.echo("\n".join(f"{name}={value}" for name, value in server.env.items()))
    server.serve()


@app.command(
    "import",
    epilog="Example: contact-apis import customers.csv --to pristo --map E-Mail=email --custom tier --ignore notes --rate 20",
)
def import_(
    file: Annotated[
        str,
        typer.Argument(
            help="CSV with a header, or JSON lines; plain or gzip; - for standard input.",
            metavar="FILE",
        ),
    ],
    to: Annotated[Target, typer.Option(help="Whose contacts they become.")],
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="Which field a column fills, where its name does not say so.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A value for every row; several list ids are separated by semicolons.",
        ),
    ] = None,
    custom: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column that goes to Pristo's custom fields."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column that is left out.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="Two letters, such as GB: where phone numbers without a country's code belong. A row's own country comes first."
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN: WORD,WORD=VALUE; WORD=VALUE",
            help='What words of a column mean, such as "Status: yes,SUBSCRIBED=subscribed; no,cleaned=unsubscribed".',
        ),
    ] = None,
    phones: PhonesOption = Phones.PLUS,
    lenient_phones: LenientPhonesOption = False,
    encoding: Annotated[
        str | None, typer.Option(help="Of the file, where what is found out is not right.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row, send nothing; needs no credentials.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take only so many rows of the file.")
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, help="Requests in flight at once.")
    ] = 64,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Requests a second, evenly spaced.")
    ] = None,
    max_retries: Annotated[
        int, typer.Option(min=0, help="Further attempts for a row; six wait out twenty seconds.")
    ] = 6,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that an attempt may take.")
    ] = 30.0,
    journal: Annotated[
        Path | None,
        typer.Option(help="Where it is noted what became of each row; FILE.journal if not said."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Write what became of each row there, as JSON lines.")
    ] = None,
    failed: Annotated[
        Path | None,
        typer.Option(help="Write the rows that did not make it there, to be imported again."),
    ] = None,
    retry_unknown: Annotated[
        bool,
        typer.Option(
            "--retry-unknown",
            help="Send rows again that may have started a welcome e-mail already.",
        ),
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Send on although all rows so far are rejected for the same reason.",
        ),
    ] = False,
    resend_welcome: Annotated[
        bool,
        typer.Option(
            "--resend-welcome",
            help="Send the welcome e-mail to contacts that had one already, where a row that is sent asks for it. Without this option"
            " such a row is sent without the e-mail.",
        ),
    ] = False,
    output: Annotated[Output, typer.Option(help="How the summary is written.")] = Output.TEXT,
) -> None:
    """Push a file of contacts. Run the same command again to go on after whatever stopped it.

    Every row is read and checked before the first is sent. Exit codes: 0 all in; 1 some rows refused, failed or unknown; 2 usage
    or configuration; 3 credentials refused; 4 service down; 5 the disk is full, or the journal or a report cannot be written;
    6 all rows so far rejected for the same reason; 129, 130 or 143 stopped by a signal (SIGHUP, SIGINT, SIGTERM).
    """
    from contact_apis._importing.run import Request, run_import

    wish = Request(
        file=file,
        to=to.value,
        columns=_pairs("--map", map_, last=True),
        constants=_pairs("--set", set_),
        custom=custom or [],
        ignored=ignore or [],
        phones=_phone_rules(region, phones, lenient=lenient_phones),
        words=_words(values),
        encoding=encoding,
        dry_run=dry_run,
        limit=limit,
        concurrency=concurrency,
        rate=rate,
        max_retries=max_retries,
        timeout=timeout,
        journal=journal,
        results=results,
        failed=failed,
        retry_unknown=retry_unknown,
        keep_going=keep_going,
        resend_welcome=resend_welcome,
        as_json=output is Output.JSON,
    )
    raise typer.Exit(_told(lambda: run_import(wish)))


@app.command(
    epilog="Example: contact-apis upsert --to pristo --set id=4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a11 --set email=ada@example.com"
)
def upsert(
    to: Annotated[Target, typer.Option(help="Whose contact it becomes.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A field; without any, a JSON object is read from standard input.",
        ),
    ] = None,
    custom: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="One of Pristo's custom fields.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="Two letters, such as GB: where a phone number without a country's code belongs."
        ),
    ] = None,
    phones: PhonesOption = Phones.PLUS,
    lenient_phones: LenientPhonesOption = False,
    output: Annotated[Output, typer.Option(help="How the outcome is written.")] = Output.TEXT,
) -> None:
    """Create or update one contact, from options or from a JSON object on standard input.

    Exit codes: 0 done; 1 refused, failed or unknown; 2 usage or configuration; 3 credentials refused; 4 no answer.
    """
    from .upsert import upsert_one

    fields, own = _pairs("--set", set_), _pairs("--custom", custom)
    rules = _phone_rules(region, phones, lenient=lenient_phones)
    raise typer.Exit(
        _told(lambda: upsert_one(to.value, fields, own, rules, as_json=output is Output.JSON))
    )


@app.command(epilog="Example: contact-apis check --to pristo")
def check(to: Annotated[Target | None, typer.Option(help="Only this service.")] = None) -> None:
    """Say whether the services can be reached and take the credentials. Nothing is written.

    Exit codes: 0 they do; 2 a variable is missing or impossible; 3 credentials refused; 4 no answer, or another than expected.
    """
    from .upsert import check_services

    raise typer.Exit(check_services([to.value] if to else list(VENDORS)))


app.command(
    "contract",
    epilog="Example: contact-apis contract --target live --api pristo --reports reports/pristo",
)(
    contract_command(lambda sentence: _fail(sentence))  # noqa: PLW0108  # which is defined below
)


def _told(work: Callable[[], int]) -> int:
    """Does the work, and says in one sentence what the user has to mend."""
    from contact_apis import ConfigurationError
    from contact_apis._importing.journal import JournalError, JournalFullError
    from contact_apis._importing.rows import InputError

    try:
        return work()
    except JournalFullError as error:
        _fail(f"{error}; nothing was sent. Make room and re-run the same command", code=5)
    except (ConfigurationError, InputError, JournalError) as error:
        _fail(str(error))


def _words(given: list[str] | None) -> dict[str, dict[str, str]]:
    """``--values`` as meanings by column and by word in small letters."""
    found: dict[str, dict[str, str]] = {}
    for each in given or []:
        column, sign, rest = each.partition(": " if ": " in each else ":")
        if not sign or not column.strip() or not rest.strip(" ;"):
            _fail('--values must have the form "COLUMN: WORD,WORD=VALUE; WORD=VALUE"')
        words = found.setdefault(column.strip(), {})
        for group in filter(str.strip, rest.split(";")):
            names, equals, value = group.rpartition("=")
            if not equals or not value.strip():
                _fail(f"--values {column.strip()}: each group must have the form WORD,WORD=VALUE")
            for name in names.split(","):
                word = name.strip().casefold()
                if not word:
                    _fail(
                        f"--values {column.strip()}: a word is empty; an empty cell says nothing, and cannot be given a meaning"
                    )
                if words.setdefault(word, value.strip()) != value.strip():
                    _fail(f"--values {column.strip()}: {name.strip()} is given two meanings")
    return found


def _phone_rules(region: str | None, phones: Phones, *, lenient: bool) -> PhoneRules:
    from contact_apis._importing.mapping import PhoneRules

    return PhoneRules(region, lenient, phones is Phones.INTERNATIONAL)


def _pairs(option: str, given: list[str] | None, *, last: bool = False) -> dict[str, str]:
    """NAME=VALUE options as a dictionary; ``last`` where it is the name that may hold an equals sign."""
    pairs: dict[str, str] = {}
    for each in given or []:
        name, sign, value = each.rpartition("=") if last else each.partition("=")
        if not (sign and name):
            _fail(f"{option} {each} must have the form {'COLUMN=FIELD' if last else 'NAME=VALUE'}")
        if not each.isprintable():
            _fail(
                f"{option} {name.encode(errors='replace').decode()} has characters that are no text"
            )
        if name in pairs:
            _fail(f"{option} {name} is given twice")
        pairs[name] = value
    return pairs


def _fail(sentence: str, *, code: int = 2) -> NoReturn:
    from contact_apis._importing.terminal import QuietStream

    stream = QuietStream(sys.stderr)
    stream.write(f"contact-apis: {sentence}\n")
    stream.flush()
    raise typer.Exit(code)

"""Mutants that change text in the many ways in which backends do."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator

from contact_apis._openapi.document import Json
from contact_apis._vendors.pristo.mock import PristoMock
from tests.mutants.catalogue import Subject, subjects

NAMES = ("name", "lastName")
TEXT = ["pristo.text-unchanged", "pristo.answer-shows-what-was-sent"]


def changing(change: Callable[[str], str], *members: str) -> type[PristoMock]:
    """A Pristo that changes the text of some members (``customFields`` for the custom values) before it stores it."""

    class Changing(PristoMock):
        def merge(self, stored: Json, given: Json) -> Json:
            changed = {
                name: change(value) if name in members and isinstance(value, str) else value
                for name, value in given.items()
            }
            if "customFields" in members and "customFields" in given:
                changed["customFields"] = {
                    key: change(value) for key, value in given["customFields"].items()
                }
            return super().merge(stored, changed)

    return Changing


def _without(pattern: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, "", text)


def _only_first(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: change(text[:1]) + text[1:]


# How text of a name is changed; in names alone where nothing else is said.
CHANGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "nfc": ("is composed (NFC)", lambda text: unicodedata.normalize("NFC", text)),
    "nfd": ("is taken apart (NFD)", lambda text: unicodedata.normalize("NFD", text)),
    "nfkc": (
        "is brought to a compatible form (NFKC)",
        lambda text: unicodedata.normalize("NFKC", text),
    ),
    "casefolded": ("is folded to small letters", str.casefold),
    "upper-cased": ("is put in capitals", str.upper),
    "title-cased": ("gets a capital at each word", str.title),
    "capitalised": ("gets a capital at its start alone", str.capitalize),
    "first-letter-raised": ("gets a capital first letter", _only_first(str.upper)),
    "html-escaped": ("is escaped for HTML", html.escape),
    "html-unescaped-ampersand": ("loses its ampersands", _without("&")),
    "quotes-doubled": ("has its single quotes doubled", lambda text: text.replace("'", "''")),
    "backslashed-quotes": ("gets backslashes before quotes", lambda text: text.replace("'", "\\'")),
    "curly-quotes": ("gets curly quotes", lambda text: text.replace("'", "’")),
    "utf8mb3": (
        "has question marks beyond the basic plane",
        lambda text: re.sub("[\U00010000-\U0010ffff]", "?", text),
    ),
    "astral-dropped": ("loses what is beyond the basic plane", _without("[\U00010000-\U0010ffff]")),
    "cut-at-astral": (
        "is cut at the first character beyond the basic plane",
        lambda text: re.split("[\U00010000-\U0010ffff]", text)[0],
    ),
    "mojibake": ("is UTF-8 read as Latin-1", lambda text: text.encode().decode("latin-1")),
    "ascii": ("is put into ASCII", lambda text: text.encode("ascii", "replace").decode()),
    "latin-1": (
        "is put into Latin-1",
        lambda text: text.encode("latin-1", "replace").decode("latin-1"),
    ),
    "accents-stripped": (
        "loses its combining marks",
        lambda text: "".join(
            each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each)
        ),
    ),
    "points-stripped": ("loses its Hebrew points", _without("[\u0591-\u05c7]")),
    "marks-dropped": (
        "loses combining marks that stand alone",
        lambda text: "".join(each for each in text if not unicodedata.combining(each)),
    ),
    "sharp-s": ("has ss for ß", lambda text: text.replace("ß", "ss")),
    "dotted-i": ("has I for İ", lambda text: text.replace("İ", "I")),
    "reversed-when-right-to-left": (
        "is reversed when it is Hebrew",
        lambda text: text[::-1] if re.search("[א-ת]", text) else text,
    ),
    "hyphen-to-blank": ("has blanks for hyphens", lambda text: text.replace("-", " ")),
    "dots-dropped": ("loses its dots", _without(r"\.")),
    "blanks-dropped": ("loses its blanks", _without(" ")),
    "only-letters": ("keeps letters and blanks alone", _without(r"[^\w\s]")),
    "first-word-alone": ("keeps its first word alone", lambda text: (text.split() or [""])[0]),
}


def _names_changed() -> Iterator[Subject]:
    """Text that is changed in names."""
    for name, (what, change) in CHANGES.items():
        yield from subjects(
            f"names-{name}", f"Text in names {what}.", TEXT, service=changing(change, *NAMES)
        )


# What happens to odd names, which a service may refuse but not change.
ODD: dict[str, tuple[str, Callable[[str], str]]] = {
    "zwj-stripped": ("loses joiners without width", _without("\u200d")),
    "ligatures-undone": ("has its ligatures undone", lambda text: text.replace("ﬁ", "fi")),
    "tags-stripped": ("loses what stands in angle brackets", _without("<[^>]*>")),
    "angle-brackets-escaped": (
        "has its angle brackets escaped",
        lambda text: text.replace("<", "&lt;").replace(">", "&gt;"),
    ),
    "double-quotes-escaped": (
        "has its double quotes escaped",
        lambda text: text.replace('"', "&quot;"),
    ),
    "double-quotes-dropped": ("loses its double quotes", _without('"')),
    "backslashes-dropped": ("loses its backslashes", _without(r"\\")),
    "percent-decoded": ("loses its percent signs", _without("%")),
    "semicolon-cut": ("is cut at a semicolon", lambda text: text.split(";")[0]),
    "blanks-collapsed": ("has one blank for two", lambda text: re.sub(" +", " ", text)),
    "no-break-blank": ("has plain blanks for others", lambda text: text.replace("\u00a0", " ")),
    "cut-at-64": ("is cut after 64 characters", lambda text: text[:64]),
    "cut-at-100": ("is cut after 100 characters", lambda text: text[:100]),
    "cut-at-255": ("is cut after 255 characters", lambda text: text[:255]),
    "cut-at-255-bytes": (
        "is cut after 255 bytes",
        lambda text: text.encode()[:255].decode(errors="ignore"),
    ),
    "null-word-dropped": (
        "is emptied when it is the word null",
        lambda text: "" if text == "null" else text,
    ),
    "leading-zeros-dropped": (
        "loses leading zeros",
        lambda text: text.lstrip("0") if text.isdigit() else text,
    ),
}


def _odd_names_changed() -> Iterator[Subject]:
    """Text that is changed in odd names."""
    for name, (what, change) in ODD.items():
        yield from subjects(
            f"odd-names-{name}", f"Text in a name {what}.", TEXT, service=changing(change, "name")
        )


def _as_number(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else str(number)


# What happens to custom values, which are text and must be taken.
VALUES: dict[str, tuple[str, Callable[[str], str]]] = {
    "as-numbers": ("go through numbers and back", _as_number),
    "without-leading-zeros": (
        "lose their leading zeros",
        lambda text: text.lstrip("0") or "0" if text.isdigit() else text,
    ),
    "without-plus": ("lose a leading plus sign", lambda text: text.removeprefix("+")),
    "as-dates": (
        "that look like dates get a time",
        lambda text: text + "T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text,
    ),
    "null-emptied": (
        "that are the word null are emptied",
        lambda text: "" if text == "null" else text,
    ),
    "truth-values-as-numbers": (
        "that are the word true become 1",
        lambda text: "1" if text == "true" else text,
    ),
    "trailing-zeros-dropped": (
        "lose trailing zeros of a fraction",
        lambda text: text.rstrip("0") if re.fullmatch(r"0\.\d+", text) else text,
    ),
    "json-emptied": (
        "that look like JSON are emptied",
        lambda text: "" if text in ("[]", "{}") else text,
    ),
    "cut-at-200": ("are cut after 200 characters", lambda text: text[:200]),
    "cut-at-254": ("are cut after 254 characters", lambda text: text[:254]),
    "cut-at-255-bytes": (
        "are cut after 255 bytes",
        lambda text: text.encode()[:255].decode(errors="ignore"),
    ),
    "cut-at-255-units": (
        "are cut after 255 units of UTF-16",
        lambda text: text.encode("utf-16-le")[:510].decode("utf-16-le", "ignore"),
    ),
    "lowered": ("are put in small letters", str.lower),
    "nfc": ("are composed (NFC)", lambda text: unicodedata.normalize("NFC", text)),
    "ascii": ("are put into ASCII", lambda text: text.encode("ascii", "replace").decode()),
}


def _custom_values_changed() -> Iterator[Subject]:
    """Text that is changed in custom values."""
    for name, (what, change) in VALUES.items():
        yield from subjects(
            f"custom-values-{name}",
            f"Custom values {what}.",
            TEXT,
            service=changing(change, "customFields"),
        )


LANGUAGES = {"he": "iw", "id": "in", "yi": "ji"}
FIELDS: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "email-lowered": ("email", "is put in small letters", str.lower),
    "email-domain-alone-lowered": (
        "email",
        "loses its capitals before the @",
        lambda text: text[:1].lower() + text[1:],
    ),
    "email-tag-dropped": (
        "email",
        "loses its tag after a plus sign",
        lambda text: re.sub(r"\+[^@]*", "", text),
    ),
    "email-dots-dropped": (
        "email",
        "loses dots before the @",
        lambda text: text.partition("@")[0].replace(".", "") + "@" + text.partition("@")[2],
    ),
    "email-apostrophe-escaped": ("email", "is escaped for HTML", html.escape),
    "phone-plus-dropped": ("phone", "loses its plus sign", lambda text: text.removeprefix("+")),
    "phone-with-zeros": (
        "phone",
        "has zeros for its plus sign",
        lambda text: text.replace("+", "00"),
    ),
    "phone-formatted": (
        "phone",
        "gets blanks and brackets",
        lambda text: re.sub(r"^\+1(\d{3})(\d{3})", r"+1 (\1) \2-", text),
    ),
    "phone-without-country": (
        "phone",
        "loses its country code",
        lambda text: text.removeprefix("+1"),
    ),
    "phone-cut": ("phone", "loses its last digit", lambda text: text[:-1]),
    "languages-renamed": (
        "language",
        "is renamed as in old libraries",
        lambda text: LANGUAGES.get(text, text),
    ),
    "languages-upper-cased": ("language", "is put in capitals", str.upper),
    "languages-with-region": (
        "language",
        "gets a region",
        lambda text: {"en": "en-US", "pt": "pt-BR"}.get(text, text),
    ),
    "languages-of-three-letters-shown": (
        "language",
        "becomes a code of three letters",
        lambda text: {"fr": "fra", "zh": "zho"}.get(text, text),
    ),
}


def _fields_changed() -> Iterator[Subject]:
    """Text that is changed in fields of a form of their own."""
    for name, (member, what, change) in FIELDS.items():
        yield from subjects(
            name,
            f"The {member} {what}.",
            [*TEXT, "pristo.language-codes-accepted", "pristo.answer-fits-schema"],
            service=changing(change, member),
        )


MUTANTS: tuple[Subject, ...] = (
    *_names_changed(),
    *_odd_names_changed(),
    *_custom_values_changed(),
    *_fields_changed(),
)

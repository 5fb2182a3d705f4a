"""What may be said aloud: a service's words without credentials, and without what a request carried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from contact_apis._openapi.document import Json

LONGEST_WORDS = 2000  # characters of a service's words that are kept
_LIMIT = 300  # characters of them in a text of ours
# Addresses, ids and numbers that a service may know of somebody, whoever sent them. Each word is looked through once: a service
# that sends a long one must not keep us busy.
_PERSONAL = re.compile(
    r"(?<!\S)[^\s@]*+@\S*|\+?\d[\d\s().:-]{4,}\d|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}"
)


def without(values: Iterable[str], text: str) -> str:
    """The text with each value hidden where it stands as a word, in whatever letter case."""
    longest_first = sorted(filter(str.strip, values), key=len, reverse=True)
    return re.sub(
        "|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in longest_first) or "(?!)",
        "***",
        text,
        flags=re.IGNORECASE,
    )


def speakable(text: str, secrets: Iterable[str], sent: Json | list[Json] | str | None) -> str:
    """A service's words as a log may show them: one short line without secrets, values sent, addresses and numbers."""
    names = {
        name for is_name, name in _texts(sent) if is_name
    }  # of fields: a service needs to speak of them
    values = {value for is_name, value in _texts(sent) if not is_name}
    hidden = {*secrets, *(values - names)}
    shown = _PERSONAL.sub("***", without(hidden, text[:LONGEST_WORDS]))
    if (
        len(text) >= LONGEST_WORDS
    ):  # it may have been cut in the middle of a value, which is then not recognised at its end
        shown = shown[: max(0, len(shown) - max(map(len, hidden), default=0))]
    return "".join(each if each.isprintable() else " " for each in shown)[:_LIMIT]


def _texts(sent: Json | list[Json] | str | float | None) -> Iterator[tuple[bool, str]]:
    """All names and values of a JSON value, each with whether it is a name."""
    if isinstance(sent, dict):
        yield from ((True, name) for name in sent)
        for member in sent.values():
            yield from _texts(member)
    elif isinstance(sent, list):
        for item in sent:
            yield from _texts(item)
    elif sent is not None and not isinstance(sent, bool):
        yield False, str(sent)

"""Times that are given as text, as JSON and files have them."""

from __future__ import annotations

import copy
import re
from datetime import date, datetime
from functools import lru_cache
from typing import Any, cast

import attrs

from contact_apis._errors import Fault

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    _DATE.pattern
    + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)  # RFC 3339, 5.6
_SHOWN = {
    "time": "an RFC 3339 time, such as 2024-03-21T10:30:00Z",
    "date": "a date, such as 2024-03-21",
}


@lru_cache
def _members(model: type[object]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """The members of a generated model: name, name in the document, and ``time``, ``date`` or both where it is a time and no text."""
    if not attrs.has(model):
        return ()
    members: list[tuple[str, str, tuple[str, ...]]] = []
    for each in attrs.fields(model):
        written = str(each.type)
        kinds = tuple(
            kind
            for kind, name in (("time", "datetime"), ("date", "date"))
            if re.search(rf"\.{name}\b", written)
        )
        takes_text = re.search(r"\bstr\b", written) is not None
        wire_name = re.sub("_(.)", lambda match: match[1].upper(), each.name.rstrip("_"))
        if takes_text:
            kinds = ()
        members.append((each.name, wire_name, kinds))
    return tuple(members)


def with_times(value: object, faults: list[Fault], path: str = "") -> object:
    """A model in which text that stands for a time is a time. What was given is not changed; without such text it is the same object.

    Args:
        value: a generated model, or a member of one.
        faults: each text that is no such time, and each time that does not say in which zone it is meant (generated code would
            take it for local), is added.
        path: of the value.
    """
    if isinstance(value, list):
        return _items_with_times(cast("list[object]", value), faults, path)
    if isinstance(value, datetime) and value.utcoffset() is None:
        faults.append(Fault(path, "must have a time zone"))
    changed: dict[str, object] = {}
    for name, wire_name, kinds in _members(cast("Any", type(value))):
        member = getattr(value, name)
        place = f"{path}.{wire_name}".removeprefix(".")
        if kinds and isinstance(member, str):
            read = _read(member, kinds, place, faults)
        else:
            read = with_times(member, faults, place)
        if read is not member:
            changed[name] = read
    if not changed:
        return value
    other = copy.copy(value)
    for name, member in changed.items():
        setattr(other, name, member)
    return other


def _items_with_times(given: list[object], faults: list[Fault], path: str) -> list[object]:
    items = [with_times(item, faults, f"{path}[{place}]") for place, item in enumerate(given)]
    if all(map(_same, given, items)):
        return given
    return items


def _same(one: object, other: object) -> bool:
    return one is other


def _read(text: str, kinds: tuple[str, ...], place: str, faults: list[Fault]) -> object:
    match = _TIME.fullmatch(text)
    try:
        if "date" in kinds and _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if "time" in kinds and match is not None:
            moment = datetime.fromisoformat(text.upper())
            if match["zone"] is None:
                faults.append(
                    Fault(
                        place,
                        "must have a time zone: end it with Z or an offset, as in 2024-03-21T10:30:00Z",
                    )
                )
            return moment
    except ValueError:  # a month, a day or an hour that there is none of
        pass
    faults.append(Fault(place, f"must be {', or '.join(_SHOWN[each] for each in kinds)}"))
    return text

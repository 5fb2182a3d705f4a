"""Faults in words. Loaded when the first one is found, for a good request needs none of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import jsonschema_rs

from contact_apis._errors import Fault

_KINDS = {"array": "an array", "integer": "a whole number", "null": "null", "object": "an object"}


def faults_of(error: jsonschema_rs.ValidationError) -> Iterator[Fault]:
    """What a validator found, without the values that it found it in."""
    path = _dotted(error.instance_path)
    kind: Mapping[str, Any] = error.kind.as_dict()
    match error.kind.name:
        case "required":
            yield Fault(_dotted([*error.instance_path, kind["property"]]), "is missing")
        case "additionalProperties":
            for name in kind["unexpected"]:
                yield Fault(_dotted([*error.instance_path, name]), "is not a field of the contract")
        case rule if rule in _REMEDIES:
            yield Fault(path, _REMEDIES[rule](kind))
        case _:
            yield Fault(path, f"breaks the rule {error.schema_path[-1]}: {error.message}")


def _right_type(kind: Mapping[str, Any]) -> str:
    kinds = [_KINDS.get(name, f"a {name}") for name in kind["types"]]
    return f"must be {' or '.join(kinds)}"


def _right_format(kind: Mapping[str, Any]) -> str:
    return f"must have the format {kind['format']}"


def _longer(kind: Mapping[str, Any]) -> str:
    return f"must have at least {kind['limit']} characters"


def _shorter(kind: Mapping[str, Any]) -> str:
    return f"must have at most {kind['limit']} characters"


def _more_members(kind: Mapping[str, Any]) -> str:
    members = "members"
    if kind["limit"] == 1:
        members = "member"
    return f"must have at least {kind['limit']} {members}"


def _one_of_the_options(kind: Mapping[str, Any]) -> str:
    options = ", ".join(map(str, _options(kind)))
    return f"must be one of {options}"


def _one_of_the_branches(kind: Mapping[str, Any]) -> str:
    return " or ".join(_remedies(kind["context"])) or "fits none of the accepted forms"


_REMEDIES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "type": _right_type,
    "format": _right_format,
    "minLength": _longer,
    "maxLength": _shorter,
    "minItems": _more_members,
    "minProperties": _more_members,
    "enum": _one_of_the_options,
    "anyOf": _one_of_the_branches,
    "oneOf": _one_of_the_branches,
    "oneOfNotValid": _one_of_the_branches,
}
"""What would mend a value that breaks a rule, by the rule."""


def _remedies(branches: Iterable[Iterable[jsonschema_rs.ValidationError]]) -> Iterable[str]:
    """What would make a value fit, by the branches that it might fit; each once, in their order."""
    found: dict[str, None] = {}
    for branch in branches:
        for error in branch:
            for fault in faults_of(error):
                found[fault.remedy] = None
    return found


def unwritable(value: object, kind: str) -> list[Fault]:
    """Every place of a value that cannot be written as JSON in UTF-8, or else the kind of error that it gave."""
    try:
        found = list(_unwritable(value))
    except RecursionError:
        return [Fault("", "is nested too deeply")]
    return found or [Fault("", f"cannot be written as the contract asks ({kind})")]


def _unwritable(value: object, path: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    match value:
        case dict():
            for name, each in cast("dict[object, object]", value).items():
                yield from _unwritable(name, path)
                yield from _unwritable(each, (*path, str(name)))
        case list() | tuple():
            for place, each in enumerate(cast("list[object]", value)):
                yield from _unwritable(each, (*path, place))
        case _:
            if remedy := _scalar_remedy(value):
                yield Fault(_dotted(path), remedy)


def _scalar_remedy(value: object) -> str | None:
    """What would mend a value that is not a container, or ``None`` where JSON can hold it."""
    match value:
        case float() if not math.isfinite(value):
            return "must be a finite number"
        case str() if any("\ud800" <= character <= "\udfff" for character in value):
            return "must be text without lone surrogates"
        case str() | int() | float() | None:
            return None
        case _:
            return f"must be a JSON value, which {type(value).__name__} is not"


def _options(kind: Mapping[str, Any]) -> list[Any]:
    options = kind["options"]
    if isinstance(options, str):
        options = json.loads(options)
    return list(options)


def _dotted(path: list[str | int] | tuple[str | int, ...]) -> str:
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}"
    return text.removeprefix(".")

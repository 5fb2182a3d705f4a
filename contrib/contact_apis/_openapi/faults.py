"""Faults in words. Loaded when the first one is found, for a good request needs none of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
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
        case "type":
            yield Fault(path, "must be " + " or ".join(_KINDS.get(each, f"a {each}") for each in kind["types"]))
        case "format":
            yield Fault(path, f"must have the format {kind['format']}")
        case "maxLength" | "minLength" as name:
            bound = "at most" if name == "maxLength" else "at least"
            yield Fault(path, f"must have {bound} {kind['limit']} characters")
        case "minItems" | "minProperties":
            yield Fault(path, f"must have at least {kind['limit']} member{'s' * (kind['limit'] != 1)}")
        case "enum":
            yield Fault(path, f"must be one of {', '.join(map(str, _options(kind)))}")
        case "anyOf" | "oneOf" | "oneOfNotValid":
            branches = [fault.remedy for branch in kind["context"] for each in branch for fault in faults_of(each)]
            yield Fault(path, " or ".join(dict.fromkeys(branches)) or "fits none of the accepted forms")
        case _:
            yield Fault(path, f"breaks the rule {error.schema_path[-1]}: {error.message}")


def unwritable(value: object, kind: str) -> list[Fault]:
    """Every place of a value that cannot be written as JSON in UTF-8, or else the kind of error that it gave."""
    try:
        return list(_unwritable(value)) or [Fault("", f"cannot be written as the contract asks ({kind})")]
    except RecursionError:
        return [Fault("", "is nested too deeply")]


def _unwritable(value: object, path: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    match value:
        case dict():
            for name, each in cast("dict[object, object]", value).items():
                yield from _unwritable(name, path)
                yield from _unwritable(each, (*path, str(name)))
        case list() | tuple():
            for place, each in enumerate(cast("list[object]", value)):
                yield from _unwritable(each, (*path, place))
        case float() if not math.isfinite(value):
            yield Fault(_dotted(path), "must be a finite number")
        case str() if any("\ud800" <= each <= "\udfff" for each in value):
            yield Fault(_dotted(path), "must be text without lone surrogates")
        case str() | int() | float() | None:
            return
        case _:
            yield Fault(_dotted(path), f"must be a JSON value, which {type(value).__name__} is not")


def _options(kind: Mapping[str, Any]) -> list[Any]:
    options = kind["options"]
    return list(json.loads(options)) if isinstance(options, str) else list(options)


def _dotted(path: list[str | int] | tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")

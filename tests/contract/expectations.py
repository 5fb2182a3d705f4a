"""What a breach expected of an answer, in a form that a script without this suite can check.

A reproducer is written in two languages (see :mod:`.reproducers`); both know the kinds below by these names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import jsonschema_rs
from attrs import frozen

Json = dict[str, Any]

Kind = Literal[
    "answered",  # an answer comes, whole
    "status",  # the status matches `value`
    "statuses",  # of requests at once: the statuses but for 429, in ascending order with blanks between them, match `value`
    "not-status",  # the status does not match `value`
    "json",  # the body is JSON in UTF-8
    "media",  # the Content-Type, without its parameters, matches `value`
    "header",  # the header `path`, where there is one, matches `value`
    "echo",  # the header `path`, where there is one, is `value`; letter case means nothing
    "type",  # the value at `path`, where there is one, is of one of the JSON types `value` (separated by |)
    "present",  # there is a value at `path`, where there is an object around it
    "absent",  # there is no value at `path`
    "match",  # the text of the value at `path`, where there is one, matches `value`
    "most",  # the text at `path` has at most `value` characters
    "least",  # the text at `path` has at least `value` characters
    "member",  # of a contact that is shown with more than its id: the value at `path` is there and is `value`
    "same-id",  # the value at `path`, where there is one, is the UUID `value`; letter case means nothing
]

# Which other answers of a sequence the same is expected of.
Scope = Literal[
    "last",  # none
    "answers",  # all
    "accepted",  # those of requests that were accepted in the run
    "updates",  # those of requests about a contact that was written before in the sequence
]

ACCEPTED = "2.."
FORMATS = {
    "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "email": "[^@[:space:]]+@[^@[:space:]]+",
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "date-time": "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].*",
}


@frozen
class Fact:
    """One thing that must be so of an answer whose status matches ``when``.

    ``when``, and ``value`` where it is a pattern, are extended regular expressions (POSIX) for the whole of the text.
    """

    kind: Kind
    when: str = "..."
    path: str = ""
    value: str = ""
    scope: Scope = "last"


def accepted() -> tuple[Fact, ...]:
    return (Fact("status", value=ACCEPTED, scope="accepted"),)


def status(*allowed: int) -> tuple[Fact, ...]:
    return (Fact("status", value="|".join(map(str, allowed))),)


def updated() -> tuple[Fact, ...]:
    """A contact that exists is answered 200."""
    return (Fact("status", value="200", scope="updates"),)


def not_status(pattern: object) -> tuple[Fact, ...]:
    return (Fact("not-status", value=str(pattern)),)


def at_once(pattern: str = "2..( 2..)*") -> tuple[Fact, ...]:
    """Of requests at once: the statuses in ascending order, without those of requests that were throttled."""
    return (Fact("statuses", value=pattern),)


def pointer(*steps: object) -> str:
    """A JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def shown(wanted: Json, contact_id: str, forbidden: list[str]) -> tuple[Fact, ...]:
    """A contact that is shown with more than its id shows these fields (``customFields.x`` for a custom one), and not those."""
    found = [
        Fact("same-id", ACCEPTED, "/contact/id", contact_id),
        Fact("member", ACCEPTED, "/contact/id"),
    ]
    found += [
        Fact("member", ACCEPTED, _place(name), value)
        for name, value in wanted.items()
        if isinstance(value, str)
    ]
    found += [Fact("absent", ACCEPTED, _place(name)) for name in forbidden]
    return tuple(found)


def _place(field: str) -> str:
    first, _, custom = field.partition(".")
    return pointer("contact", first, custom) if custom else pointer("contact", first)


def fits(
    validator: jsonschema_rs.Draft202012Validator, body: Any, answered: int
) -> tuple[Fact, ...]:
    """What the schema asks of the places where this body is wrong."""
    try:
        return tuple(
            fact for error in validator.iter_errors(body) for fact in _facts(error, str(answered))
        )
    except ValueError:
        return ()


def _facts(error: jsonschema_rs.ValidationError, when: str) -> Iterator[Fact]:
    kind = error.kind.as_dict()
    place = pointer(*error.instance_path)
    match error.kind.name:
        case "type":
            yield Fact("type", when, place, "|".join(kind["types"]), "answers")
        case "required":
            yield Fact("present", when, place + pointer(kind["property"]), scope="answers")
        case "additionalProperties":
            for name in kind["unexpected"]:
                yield Fact("absent", when, place + pointer(name), scope="answers")
        case "format" if kind["format"] in FORMATS:
            yield Fact("match", when, place, FORMATS[kind["format"]], "answers")
        case "enum":
            yield Fact(
                "match", when, place, "|".join(_text(each) for each in kind["options"]), "answers"
            )
            yield from (
                Fact("type", when, place, _type(each), "answers") for each in kind["options"][:1]
            )
        case "maxLength":
            yield Fact("most", when, place, str(kind["limit"]), "answers")
        case "minLength":
            yield Fact("least", when, place, str(kind["limit"]), "answers")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"

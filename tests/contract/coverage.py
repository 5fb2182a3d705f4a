"""Which parts of a document no clause speaks of, and which clauses point nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from attrs import frozen

from contact_apis._openapi.document import METHODS

from .clauses import Clause, load_clauses, load_specification, resolve_pointer
from .profiles.registry import PROFILES

Json = dict[str, Any]
BOUNDS: tuple[str, ...] = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
)
BOUNDS += ("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties")
RULES = ("type", "format", "const", "nullable", *BOUNDS)


@frozen
class Part:
    """One thing that a document promises or asks for."""

    at: str
    owners: tuple[str, ...]
    """Places around it; a schema clause about one of them is about the part as well."""


def pointer_to(base: str, *steps: object) -> str:
    """A JSON pointer below another."""
    return base + "".join("/" + str(each).replace("~", "~0").replace("/", "~1") for each in steps)


def parts_of(document: Json) -> Iterator[Part]:
    """Every operation, parameter, status, header and security scheme, and every rule of the schemas that they use."""
    for name in document.get("components", {}).get("securitySchemes", {}):
        yield Part(pointer_to("/components/securitySchemes", name), ())
    for path, item in document["paths"].items():
        place = pointer_to("/paths", path)
        yield from _parameters(document, item, place)
        for method in METHODS:
            if method in item:
                yield from _operation(document, item[method], pointer_to(place, method))


def _operation(document: Json, operation: Json, place: str) -> Iterator[Part]:
    yield Part(place, ())
    yield from _parameters(document, operation, place)
    if "requestBody" in operation:
        body, at, _ = _resolved(
            document, operation["requestBody"], pointer_to(place, "requestBody")
        )
        if body.get("required"):
            yield Part(pointer_to(at, "required"), ())
        yield from _content(document, body, at, is_response=False)
    for status, node in operation.get("responses", {}).items():
        own = pointer_to(place, "responses", status)
        response, at, _ = _resolved(document, node, own)
        yield Part(at, (own,)) if at != own else Part(own, ())
        for name, header in response.get("headers", {}).items():
            resolved, where, _ = _resolved(document, header, pointer_to(at, "headers", name))
            yield from _schema(
                document,
                resolved.get("schema", {}),
                pointer_to(where, "schema"),
                (where,),
                is_response=False,
                seen=(),
            )
        yield from _content(document, response, at, is_response=True)


def _parameters(document: Json, node: Json, place: str) -> Iterator[Part]:
    for number, each in enumerate(node.get("parameters", [])):
        parameter, at, _ = _resolved(document, each, pointer_to(place, "parameters", number))
        yield Part(at, ())
        yield from _schema(
            document,
            parameter.get("schema", {}),
            pointer_to(at, "schema"),
            (),
            is_response=False,
            seen=(),
        )


def _content(document: Json, node: Json, place: str, *, is_response: bool) -> Iterator[Part]:
    for media, content in node.get("content", {}).items():
        at = pointer_to(place, "content", media)
        if "schema" in content:
            owners = (at, place) if is_response else ()
            yield from _schema(
                document,
                content["schema"],
                pointer_to(at, "schema"),
                owners,
                is_response=is_response,
                seen=(),
            )


def _schema(
    document: Json,
    node: Any,
    place: str,
    owners: tuple[str, ...],
    *,
    is_response: bool,
    seen: tuple[str, ...],
) -> Iterator[Part]:
    """The rules of a schema. What an answer must be is judged whole, so there all that lies around a rule owns it."""
    resolved, at, chain = _resolved(document, node, place)
    if at in seen or not isinstance(resolved, dict):
        return
    seen = (*seen, at)
    inner = (*owners, *chain)
    for rule in RULES:
        if rule in resolved:
            yield Part(pointer_to(at, rule), inner)
    if resolved.get("additionalProperties") is False:
        yield Part(pointer_to(at, "additionalProperties"), inner)
    for number, _ in enumerate(resolved.get("enum", [])):
        yield Part(pointer_to(at, "enum", number), inner)
    for number, _ in enumerate(resolved.get("required", [])):
        yield Part(pointer_to(at, "required", number), inner if is_response else ())
    for name, member in resolved.get("properties", {}).items():
        where = pointer_to(at, "properties", name)
        yield Part(where, inner if is_response else ())
        yield from _schema(
            document,
            member,
            where,
            inner if is_response else (),
            is_response=is_response,
            seen=seen,
        )
    for word in ("items", "additionalProperties", "not"):
        if isinstance(resolved.get(word), dict):
            yield from _schema(
                document,
                resolved[word],
                pointer_to(at, word),
                inner,
                is_response=is_response,
                seen=seen,
            )
    for word in ("anyOf", "oneOf", "allOf"):
        for number, branch in enumerate(resolved.get(word, [])):
            yield from _schema(
                document,
                branch,
                pointer_to(at, word, number),
                inner,
                is_response=is_response,
                seen=seen,
            )


def _resolved(document: Json, node: Any, place: str) -> tuple[Any, str, tuple[str, ...]]:
    """What a reference leads to, where that is, and all places on the way."""
    chain = [place]
    while isinstance(node, dict) and "$ref" in node:
        place = str(node["$ref"]).removeprefix("#")
        if place in chain:
            return {}, place, tuple(chain)
        chain.append(place)
        node = resolve_pointer(document, place)
    return node, place, tuple(chain)


def load_exclusions() -> list[Json]:
    """The parts that have no clause on purpose: ``api``, ``at`` and ``why``."""
    found: list[Json] = []
    for path in dict.fromkeys(profile.exclusions for profile in PROFILES.values()):
        found += yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader) or []
    return found


def not_covered(api: str, document: Json | None = None) -> list[str]:
    """Parts of a document that neither a clause nor an exclusion speaks of, as JSON pointers."""
    document = load_specification(api) if document is None else document
    clauses = [each for each in load_clauses().values() if each.api == api]
    excluded = [each["at"] for each in load_exclusions() if each["api"] == api]
    covered: dict[str, bool] = {}
    for part in parts_of(document):
        is_covered = any(_speaks_of(clause, part) for clause in clauses)
        # With an answer goes all that is in it; what a member refers to has clauses of its own.
        places = (part.at, *(each for each in part.owners if "/responses/" in each))
        is_excluded = any(
            place == at or place.startswith(at + "/") for at in excluded for place in places
        )
        # A schema of requests and answers needs a clause for both.
        covered[part.at] = covered.get(part.at, True) and (is_covered or is_excluded)
    return [at for at, is_covered in covered.items() if not is_covered]


def _speaks_of(clause: Clause, part: Part) -> bool:
    if clause.at == part.at or clause.at.startswith(part.at + "/"):
        return True
    return clause.kind in ("schema", "security") and clause.at in part.owners


def stale(api: str, document: Json | None = None) -> list[str]:
    """Clauses and exclusions whose pointer leads nowhere, with the pointer."""
    document = load_specification(api) if document is None else document
    places = [(each.id, each.at) for each in load_clauses().values() if each.api == api]
    places += [("exclusions.yaml", each["at"]) for each in load_exclusions() if each["api"] == api]
    return [f"{name} ({at})" for name, at in places if not _exists(document, at)]


def _exists(document: Json, at: str) -> bool:
    try:
        resolve_pointer(document, at)
    except KeyError:
        return False
    return True

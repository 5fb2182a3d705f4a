"""Random changes of a document, such as vendors make: what the comparison is tried on."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from .nodes import Json
from .schemas import LOWER, UPPER

Mutation = Callable[[random.Random, Json], None]
"""Changes a schema in place."""
_WORDS = {
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "integer": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_FORMATS = ("uuid", "email", "date", "date-time", "ipv4", "uri")
_PATTERNS = ("^[a-z]+$", "^pop_[0-9]+$", "^[A-Z]{2}$", "a|b", r"^\+\d{7,}$")
_TYPES = ("string", "integer", "number", "boolean", "array", "object")


def mutated(document: Json, chance: random.Random, most: int = 3) -> Json:
    """A copy with one change or a few."""
    made = copy.deepcopy(document)
    for _ in range(chance.randint(1, most)):
        if chance.random() < 0.75:
            schema = chance.choice(list(_schemas(made)))
            chance.choice(_SCHEMA_MUTATIONS)(chance, schema)
        else:
            chance.choice(_DOCUMENT_MUTATIONS)(chance, made)
    return made


def _schemas(document: Json) -> Iterator[Json]:
    """All schemas of a document, those of parameters and headers among them."""
    parts = document.get("components", {})
    for schema in parts.get("schemas", {}).values():
        yield from _below(schema)
    for kind in ("parameters", "headers"):
        for each in parts.get(kind, {}).values():
            yield from _below(each["schema"])


def _below(schema: Any) -> Iterator[Json]:
    if not isinstance(schema, dict) or "$ref" in schema:
        return
    yield schema
    for each in schema.get("properties", {}).values():
        yield from _below(each)
    for word in ("items", "additionalProperties"):
        yield from _below(schema.get(word))
    for word in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(word, []):
            yield from _below(each)


def _bound(chance: random.Random, schema: Json) -> None:
    words = _WORDS.get(schema.get("type", ""), (*UPPER, *LOWER))
    word = chance.choice(words)
    if chance.random() < 0.3:
        schema.pop(word, None)
    else:
        schema[word] = chance.choice([0, 1, 2, 3, 5, 20, 100, 254, 256])


def _enum(chance: random.Random, schema: Json) -> None:
    values = schema.get("enum")
    if values and chance.random() < 0.4:
        values.append(f"new {chance.randint(0, 9)}")
    elif values and len(values) > 1:
        values.pop(chance.randrange(len(values)))
    elif values:
        schema.pop("enum")
    elif schema.get("type") == "string":
        schema["enum"] = chance.sample(["a", "b", "subscribed", "en"], 2)


def _format(chance: random.Random, schema: Json) -> None:
    if chance.random() < 0.3:
        schema.pop("format", None)
    elif schema.get("type", "string") == "string":
        schema["format"] = chance.choice(_FORMATS)


def _pattern(chance: random.Random, schema: Json) -> None:
    if chance.random() < 0.3:
        schema.pop("pattern", None)
    else:
        schema["pattern"] = chance.choice(_PATTERNS)


def _type(chance: random.Random, schema: Json) -> None:
    if "type" in schema and "properties" not in schema:
        schema["type"] = chance.choice(_TYPES)


def _nullable(chance: random.Random, schema: Json) -> None:
    if "type" in schema:
        schema["nullable"] = not schema.get("nullable", False)


def _required(chance: random.Random, schema: Json) -> None:
    names = list(schema.get("properties", {}))
    if not names:
        return
    name = chance.choice(names)
    needed = list(schema.get("required", []))
    if name in needed:
        needed.remove(name)
    else:
        needed.append(name)
    schema["required"] = needed
    if not needed:
        del schema["required"]


def _member(chance: random.Random, schema: Json) -> None:
    members = schema.get("properties")
    if members is None:
        return
    if chance.random() < 0.5 and len(members) > 1:
        name = chance.choice(list(members))
        del members[name]
        if chance.random() < 0.9:
            _forget(schema, name)
        return
    name = f"added{chance.randint(0, 9)}"
    members[name] = chance.choice(
        [{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "object"}, {}]
    )
    if chance.random() < 0.4:
        schema["required"] = [*schema.get("required", []), name]


def _forget(schema: Json, name: str) -> None:
    needed = [each for each in schema.get("required", []) if each != name]
    schema.pop("required", None)
    if needed:
        schema["required"] = needed


def _others(chance: random.Random, schema: Json) -> None:
    if schema.get("type") == "object":
        schema["additionalProperties"] = chance.choice(
            [True, False, {"type": "string"}, {"type": "string", "maxLength": 3}]
        )


def _wrapped(chance: random.Random, schema: Json) -> None:
    word = chance.choice(["anyOf", "oneOf", "allOf"])
    if word in schema:
        branches = schema[word]
        if len(branches) > 1:
            branches.pop(chance.randrange(len(branches)))
        else:
            schema.pop(word)
        return
    whole = dict(schema)
    schema.clear()
    schema[word] = [whole, {"type": chance.choice(_TYPES)}][: 1 if word == "allOf" else 2]


def _note(chance: random.Random, schema: Json) -> None:
    schema[chance.choice(["readOnly", "writeOnly", "deprecated"])] = True
    schema["description"] = f"Said anew {chance.randint(0, 9)}"
    if schema.get("type") == "string" and chance.random() < 0.5:
        schema["default"] = "a"


def _unique(chance: random.Random, schema: Json) -> None:
    if schema.get("type") == "array":
        schema["uniqueItems"] = not schema.get("uniqueItems", False)
    if schema.get("type") in ("integer", "number"):
        schema["multipleOf"] = chance.choice([2, 5])


_SCHEMA_MUTATIONS: tuple[Mutation, ...] = (
    _bound, _bound, _bound, _enum, _enum, _format, _pattern, _type, _nullable, _required, _required, _member, _member, _others,
    _wrapped, _note, _unique,
)  # fmt: skip


# ----------------------------------------------------------------------------------------------- the document around


def _an_operation(chance: random.Random, document: Json) -> tuple[str, str, Json]:
    path = chance.choice(list(document["paths"]))
    method = chance.choice(
        [each for each in document["paths"][path] if each in ("post", "get", "put")]
    )
    return path, method, document["paths"][path][method]


def _moved(chance: random.Random, document: Json) -> None:
    path, _, _ = _an_operation(chance, document)
    document["paths"][f"/v9{path}"] = document["paths"].pop(path)


def _method(chance: random.Random, document: Json) -> None:
    path, method, operation = _an_operation(chance, document)
    del document["paths"][path][method]
    document["paths"][path]["put"] = operation


def _operation(chance: random.Random, document: Json) -> None:
    document["paths"][f"/v1/news/{chance.randint(0, 9)}"] = {
        "get": {
            "operationId": f"news{chance.randint(0, 9)}",
            "responses": {"200": {"description": "news"}},
        }
    }


def _status(chance: random.Random, document: Json) -> None:
    responses = _an_operation(chance, document)[2]["responses"]
    status = chance.choice(["200", "202", "204", "409", "422", "404"])
    if status in responses and len(responses) > 1:
        del responses[status]
    else:
        responses[status] = {"description": "as it is"}


def _parameter(chance: random.Random, document: Json) -> None:
    operation = _an_operation(chance, document)[2]
    operation.setdefault("parameters", []).append(
        {
            "name": f"p{chance.randint(0, 9)}",
            "in": "query",
            "required": chance.random() < 0.5,
            "schema": {"type": "string"},
        }
    )


def _body(chance: random.Random, document: Json) -> None:
    operation = _an_operation(chance, document)[2]
    if "requestBody" in operation:
        operation["requestBody"]["required"] = not operation["requestBody"].get("required", False)


def _security(chance: random.Random, document: Json) -> None:
    document["security"] = chance.choice(
        [[], [{"Other": []}], [*document.get("security", []), {"Other": []}]]
    )
    document["components"].setdefault("securitySchemes", {})["Other"] = {
        "type": "http",
        "scheme": "bearer",
    }


def _server(chance: random.Random, document: Json) -> None:
    document["servers"] = [
        {"url": f"https://api{chance.randint(0, 9)}.example.com"},
        *document.get("servers", [])[: chance.randint(0, 1)],
    ]


_DOCUMENT_MUTATIONS: tuple[Mutation, ...] = (
    _moved,
    _method,
    _operation,
    _status,
    _parameter,
    _body,
    _security,
    _server,
)

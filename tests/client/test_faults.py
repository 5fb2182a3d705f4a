"""Faults in words: every rule that a contract can have is named with a place and a remedy, and never with the value."""

from __future__ import annotations

from typing import Any

import pytest

from contact_apis._errors import Fault
from contact_apis._openapi.document import Contract, contract

EMPTY = Contract({"openapi": "3.0.3", "servers": [{"url": "https://example.com/"}], "paths": {}})
SECRET = "Zebedee"  # noqa: S105 # stands for a person's data
MEMBER = {"type": "object", "properties": {"inner": {"type": "array", "items": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": "string"}, 7, "body must be a string"),
        ({"type": "integer"}, SECRET, "body must be a whole number"),
        ({"type": "string", "nullable": True}, 7, "body must be a string or must be null"),
        ({"required": ["a"]}, {}, "a is missing"),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"b": SECRET},
            "b is not a field of the contract",
        ),
        ({"type": "string", "format": "uuid"}, SECRET, "body must have the format uuid"),
        ({"type": "string", "maxLength": 3}, SECRET, "body must have at most 3 characters"),
        ({"type": "string", "minLength": 9}, SECRET, "body must have at least 9 characters"),
        ({"minItems": 1}, [], "body must have at least 1 member"),
        ({"minProperties": 2}, {}, "body must have at least 2 members"),
        ({"enum": ["a", "b"]}, SECRET, "body must be one of a, b"),
        ({"enum": [True]}, SECRET, "body must be one of True"),
        (
            {"anyOf": [{"type": "number"}, {"type": "array"}]},
            SECRET,
            "body must be a number or must be an array",
        ),
        (
            {"oneOf": [{"type": "string"}, {"minLength": 1}]},
            SECRET,
            "body fits none of the accepted forms",
        ),
        (
            {"maximum": 3},
            77777,
            "body breaks the rule maximum: the value is greater than the maximum of 3",
        ),
        (MEMBER, {"inner": ["x", 7]}, "inner[1] must be a string"),
    ],
)
def test_words(schema: dict[str, Any], value: Any, said: str) -> None:
    """Each rule has its words."""
    faults = EMPTY.schema(schema).faults(value)
    assert "; ".join(map(str, faults)) == said
    assert SECRET not in said
    assert "77777" not in said


def test_all_faults_at_once() -> None:
    """Nothing is left to be found by the next try."""
    body = contract("retainful_client").operation("upsertContact").body
    assert body is not None
    paths = {
        each.path
        for each in body.faults(
            {"countryCode": "USA", "identifiers": [{"type": "fax", "id": None}], "listIds": [1]}
        )
    }
    assert paths == {
        "firstName",
        "countryCode",
        "listIds[0]",
        "identifiers[0].type",
        "identifiers[0].id",
        "identifiers[0].channels",
        "identifiers[0].consent",
    }


def test_what_no_validator_can_read() -> None:
    """Text that is no Unicode is a fault, not a failure."""
    assert EMPTY.schema({"type": "string", "maxLength": 5}).faults("\ud800") != []


def test_faults_are_values() -> None:
    """Two faults of the same place and remedy are equal, and a fault reads as a sentence."""
    assert Fault("a.b", "is missing") == Fault("a.b", "is missing")
    assert str(Fault("", "is missing")) == "body is missing"


MORE = Contract(
    {
        "openapi": "3.0.3",
        "servers": [{"url": "https://example.com/"}],
        "paths": {
            "/things/{id}": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "summary": "not an operation",
                "get": {
                    "operationId": "get",
                    "responses": {"200": {"headers": {"X-A": {}}}, "default": {}},
                },
            }
        },
    }
)


def test_operations_of_other_forms() -> None:
    """An operation without body, and answers without one, are read for what they are."""
    operation = MORE.operation("get")
    assert (operation.body, operation.responses) == (None, {200: None})
    assert operation.response_headers(200) == {"X-A": None}
    assert operation.credentials == ()
    assert list(operation.path_parameters) == ["id"]

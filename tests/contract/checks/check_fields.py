"""Each rule of the request's schema, broken alone: generated from the specification, named by the clauses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from ...strategies import PLAIN_POOL
from ..clauses import Clause, contract_of, load_clauses
from ..oracle import faults_of, refuse
from ..profiles.registry import PROFILES
from ..service import Call, NotExercised, Service

ABSENT = object()
# Never a value that a lenient service could take for `true`: no request of ours may start a welcome e-mail.
WRONG_TYPES: dict[str, list[Any]] = {
    "string": [12345, False, None, ["text"], {"text": "text"}, 1.5],
    "object": ["text", 7, None, ["text"], False],
    "array": ["text", 7, None, {"0": "text"}, False],
    "boolean": [0, "false", None, [], {}],
    "integer": ["7", None, [], {}, False, 1.5],
    "number": ["7", None, [], {}, False],
}
WRONG_FORMATS: dict[str, list[str]] = {
    "uuid": [
        "not-a-uuid",
        "",
        "0",
        PLAIN_POOL[0][:-1],
        PLAIN_POOL[0] + "0",
        PLAIN_POOL[0][:-1] + "g",
    ],
    "email": [
        "not-an-address",
        "@example.com",
        "ada@",
        "ada.example.com",
        "ada lovelace@example.com",
        "ada@example.com@example.com",
    ],
    "date": [
        "not a date",
        "tomorrow",
        "2024-13-45",
        "21/03/2024",
        "21.03.2024",
        "Thu, 21 Mar 2024 10:30:00 GMT",
    ],
    "date-time": [
        "2024-13-45T10:30:00.000Z",
        "2023-02-30T10:30:00.000Z",
        "2024-04-31T10:30:00.000Z",
        "2024-03-21T25:30:00.000Z",
        "2024-03-21T10:61:00.000Z",
    ],
}


def breakages(api: str, value: Any, node: dict[str, Any]) -> Iterator[Any]:
    """Values that differ from a valid one in one place, each of them probably invalid there."""
    contract = contract_of(api)
    node = contract.resolve(node)
    branches = [contract.resolve(branch) for branch in node.get("anyOf", [node])]
    yield from _wrong_types(branches)
    # The right value in one pair of brackets too many, or without those that it needs.
    if isinstance(value, list) and value:
        yield value[0]
    else:
        yield [value]
    for branch in branches:
        if branch.get("type") == "string":
            yield from wrong_texts(branch)
    if isinstance(value, dict):
        yield from _broken_objects(api, value, node)
    if isinstance(value, list):
        yield from _broken_arrays(api, value, node)


def _wrong_types(branches: list[dict[str, Any]]) -> Iterator[Any]:
    """Values of JSON types that no branch allows."""
    types = list(dict.fromkeys(branch["type"] for branch in branches if "type" in branch))
    allowed = {type(good) for kind in types for good in _instances(kind)}
    for kind in types:
        for wrong in WRONG_TYPES[kind]:
            if type(wrong) not in allowed:
                yield wrong


def _broken_objects(api: str, value: dict[str, Any], node: dict[str, Any]) -> Iterator[Any]:
    """An object that is empty, lacks a required member, or has one that is not valid."""
    for _ in range(node.get("minProperties", 0)):
        yield {}
    for name, member in value.items():
        schema = node.get("properties", {}).get(name, node.get("additionalProperties"))
        if name in node.get("required", []):
            yield {key: kept for key, kept in value.items() if key != name}
        if isinstance(schema, dict):
            for broken in breakages(api, member, schema):
                yield {**value, name: broken}


def _broken_arrays(api: str, value: list[Any], node: dict[str, Any]) -> Iterator[Any]:
    """An array that is empty, or has an element that is not valid."""
    for _ in range(node.get("minItems", 0)):
        yield []
    for number, member in enumerate(value):
        for broken in breakages(api, member, node["items"]):
            yield [*value[:number], broken, *value[number + 1 :]]
        if not isinstance(member, dict):  # behind one that is right, too
            for broken in breakages(api, member, node["items"]):
                yield [*value, broken]


def wrong_texts(node: dict[str, Any]) -> Iterator[str]:
    """Texts that a schema of type string does not allow."""
    yield from WRONG_FORMATS.get(node.get("format", ""), [])
    if "enum" in node:
        yield from ["fax", "pigeon", "sms", "whatsapp", "emails"]
    if "maxLength" in node:
        most = node["maxLength"]
        yield "x" * (most + 1)
        yield "𠮷" * (most + 1)
        # As many characters as are too many, and half as many once composed or seen.
        yield "e\u0301" * (most // 2) + "e" * (1 + most % 2)
    if node.get("minLength", 0) > 1:
        yield "x" * (node["minLength"] - 1)


def _instances(kind: str) -> list[Any]:
    instances: dict[str, list[Any]] = {
        "string": [""],
        "object": [{}],
        "array": [[]],
        "boolean": [False],
        "integer": [0],
        "number": [0, 0.5],
    }
    return instances[kind]


def calls_by_clause(service: Service) -> dict[str, list[Call]]:
    """Requests that break documented rules and nothing else, by the clauses that they break."""
    if "calls by clause" not in service.shared:
        service.shared["calls by clause"] = _calls_by_clause(service)
    return cast("dict[str, list[Call]]", service.shared["calls by clause"])


def _calls_by_clause(service: Service) -> dict[str, list[Call]]:
    operation = service.profile.upsert
    assert operation.body is not None
    found: dict[str, dict[bytes, Call]] = {}
    for body in service.profile.valid_bodies(service):
        for broken in breakages(service.api, body, operation.body.document):
            call = service.upsert(broken)
            faults = list(faults_of(service.api, call))
            if faults and all(must for _, must in faults):
                for clause, _ in faults:
                    found.setdefault(clause.id, {})[call.body or b""] = call
    return {clause: list(calls.values()) for clause, calls in found.items()}


def request_schemas(api: str) -> set[str]:
    """Pointers of the component schemas that a request is made of."""
    found: set[str] = set()
    waiting: list[Any] = [PROFILES[api].upsert.spec["requestBody"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "$ref" in node and node["$ref"] not in found:
                found.add(node["$ref"])
                waiting.append(contract_of(api).resolve(node))
            waiting.extend(node.values())
    return {pointer.removeprefix("#") for pointer in found}


def field_clauses() -> list[str]:
    """The documented clauses that say what is refused for its form."""
    found = []
    for clause in load_clauses().values():
        is_rule = clause.evidence == "documented" and clause.kind == "schema"
        if is_rule and _is_about_a_request(clause) and not clause.at.endswith("/properties"):
            found.append(clause.id)
    return found


def _is_about_a_request(clause: Clause) -> bool:
    pointers = request_schemas(clause.api)
    return any(clause.at.startswith(f"{pointer}/") for pointer in pointers)


def _hint(service: Service) -> str:
    """What the run was not told, and may need for more."""
    profile = service.profile
    missing = [name for name in profile.optional_settings if not service.endpoint.value(name)]
    if not missing:
        return "the suite has no other"
    return f"is there a value for {' or '.join(map(profile.variable, missing))}?"


@pytest.mark.parametrize(
    "clause", [pytest.param(each, marks=pytest.mark.clause(each)) for each in field_clauses()]
)
def test_a_body_that_breaks_one_rule_is_refused(
    clause: str, request: pytest.FixtureRequest
) -> None:
    """For each rule of the schema: a request that breaks it and nothing else returns 400."""
    service: Service = request.getfixturevalue(clause.partition(".")[0])
    calls = calls_by_clause(service).get(clause, [])
    if not calls:
        raise NotExercised(
            f"no value of the requests that can be sent here breaks it; {_hint(service)}"
        )
    why = f"a request that breaks “{load_clauses()[clause].says}”"
    for call in service.within(calls):
        refuse(service, call, clause, why)

"""Each rule of the request's schema, broken alone: generated from the specification, named by the clauses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from ...strategies import PLAIN_POOL
from ..clauses import contract_of, load_clauses
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
    branches = [contract.resolve(each) for each in node.get("anyOf", [node])]
    types = list(dict.fromkeys(each["type"] for each in branches if "type" in each))
    taken = {type(good) for kind in types for good in _instances(kind)}
    for kind in types:
        yield from (each for each in WRONG_TYPES[kind] if type(each) not in taken)
    # The right value in one pair of brackets too many, or without those that it needs.
    yield from [value[0]] if isinstance(value, list) and value else [[value]]
    for each in branches:
        if each.get("type") == "string":
            yield from wrong_texts(each)
    if isinstance(value, dict):
        yield from ({} for _ in range(node.get("minProperties", 0)))
        for name, member in value.items():
            schema = node.get("properties", {}).get(name, node.get("additionalProperties"))
            if name in node.get("required", []):
                yield {key: kept for key, kept in value.items() if key != name}
            if isinstance(schema, dict):
                yield from ({**value, name: broken} for broken in breakages(api, member, schema))
    if isinstance(value, list):
        yield from ([] for _ in range(node.get("minItems", 0)))
        for number, member in enumerate(value):
            yield from (
                [*value[:number], broken, *value[number + 1 :]]
                for broken in breakages(api, member, node["items"])
            )
            if not isinstance(member, dict):  # behind one that is right, too
                yield from ([*value, broken] for broken in breakages(api, member, node["items"]))


def wrong_texts(node: dict[str, Any]) -> Iterator[str]:
    """Texts that a schema of type string does not take."""
    yield from WRONG_FORMATS.get(node.get("format", ""), [])
    yield from ["fax", "pigeon", "sms", "whatsapp", "emails"] if "enum" in node else []
    if "maxLength" in node:
        yield "x" * (node["maxLength"] + 1)
        yield "𠮷" * (node["maxLength"] + 1)
        # As many characters as are too many, and half as many once composed or seen.
        yield "e\u0301" * (node["maxLength"] // 2) + "e" * (1 + node["maxLength"] % 2)
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
    return {each.removeprefix("#") for each in found}


def field_clauses() -> list[str]:
    """The documented clauses that say what is refused for its form."""
    return [
        each.id
        for each in load_clauses().values()
        if (each.evidence, each.kind) == ("documented", "schema")
        and any(each.at.startswith(pointer + "/") for pointer in request_schemas(each.api))
        and not each.at.endswith("/properties")
    ]


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
    """For each rule of the schema: a request that breaks it and nothing else is answered 400."""
    service: Service = request.getfixturevalue(clause.partition(".")[0])
    calls = calls_by_clause(service).get(clause, [])
    if not calls:
        raise NotExercised(
            f"no value of the requests that can be sent here breaks it; {_hint(service)}"
        )
    for call in service.within(calls):
        refuse(service, call, clause, f"a request that breaks “{load_clauses()[clause].says}”")

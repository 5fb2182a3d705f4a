"""What the two services do, without I/O: a request in, an answer out.

Schemas, statuses, credentials and headers come from the specifications; only the behaviour of ``specs/clauses.yaml``
that no schema can express is written here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal
from uuid import UUID, uuid4

from attrs import define, field, frozen

from contact_apis._openapi.document import Contract, Json, Operation, contract

EmailRule = Literal["to-create", "always", "never"]


@frozen
class Request:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@define
class Answer:
    """An answer to send; ``reason`` is for the mock's page and is not sent."""

    status: int
    body: Json | None = None
    headers: dict[str, str] = field(factory=dict[str, str])
    reason: str = ""


class Service:
    """One API, as its specification describes it."""

    def __init__(self, package: str, secrets: Mapping[str, str]) -> None:
        self.contract: Contract = contract(package)
        self.credentials = dict(self.contract.security_header(scheme, secret) for scheme, secret in secrets.items())

    def operations_at(self, path: str) -> list[Operation]:
        """The operations of a path, one a method."""
        return self.contract.operations_at(path)

    def handle(self, operation: Operation, request: Request) -> Answer:
        """Answers a request to an operation."""
        if not self.authorised(operation, request):
            answer = self.error(operation, 401, "unauthorized", "The credentials are missing or not valid.")
        else:
            body, faults = self.read(operation, request)
            answer = self.error(operation, 400, "invalid_request", "; ".join(faults)) if faults else self.act(operation, request, body)
        self.finish(operation, request, answer)
        return answer

    def authorised(self, operation: Operation, request: Request) -> bool:
        return all(request.headers.get(name.lower()) == self.credentials[name] for name in operation.credentials)

    def read(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        """The parsed body, and everything that is wrong with the request, in sentences."""
        faults: list[str] = []
        values = operation.match(request.path) or {}
        for name, schema in operation.path_parameters.items():
            faults += [f"{name} {fault.remedy}" for fault in schema.faults(values[name])]
        for name, (schema, required) in operation.header_parameters.items():
            if name in request.headers:
                faults += [f"header {name} {fault.remedy}" for fault in schema.faults(request.headers[name])]
            elif required:
                faults.append(f"header {name} is missing")
        body, more = self.read_body(operation, request)
        return body, faults + more

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        if operation.body is None:
            return None, []
        if not request.body:
            return None, ["the body is missing"] if operation.request_body.get("required") else []
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return None, ["the Content-Type must be application/json"]
        try:
            body = json.loads(request.body, parse_constant=_no_constant)
            json.dumps(body, ensure_ascii=False).encode()  # a lone surrogate, which an escape can spell, is no text
        except (ValueError, RecursionError):
            return None, ["the body must be JSON"]
        return body, [str(fault) for fault in operation.body.faults(body)]

    def path_values(self, operation: Operation, request: Request) -> tuple[str, ...]:
        return tuple((operation.match(request.path) or {}).values())

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        """Carries a valid request out. An operation that no behaviour is known of answers the least its schema allows."""
        documented = [each for each in range(200, 300) if operation.documents(each)]
        status = min(documented, default=204)
        schema = operation.response_schema(status)
        return Answer(status, None if schema is None else minimal(self.contract, schema.document))

    def finish(self, operation: Operation, request: Request, answer: Answer) -> None:
        """Adds to an answer what belongs to every answer."""
        if "x-request-id" in operation.header_parameters:
            sent = request.headers.get("x-request-id", "")
            fits = sent and not operation.header_parameters["x-request-id"][0].faults(sent)
            answer.headers["X-Request-Id"] = sent if fits else str(uuid4())

    def error(self, operation: Operation | None, status: int, code: str, message: str) -> Answer:
        """An error in the form that the specification gives this status (or 400, where it gives none).

        Without an operation, because the path belongs to none, it has the form of any of them.
        """
        operations = self.contract.operations if operation is None else (operation,)
        described = (each.response_schema(status) or each.response_schema(400) for each in operations)
        schema = next((each for each in described if each is not None), None)
        body: Json = {} if schema is None else minimal(self.contract, schema.document, {"code": code, "message": message})
        return Answer(status, body, reason=message)

    @property
    def contacts(self) -> list[Json]:
        """The contacts that are stored, each with whatever tells it apart."""
        return []

    def forget_all(self) -> None:
        """Loses all contacts."""


class Pristo(Service):
    """Contacts by population and by the client's own id."""

    def __init__(self, api_key: str, populations: Iterable[str], custom_fields: Iterable[str] | None = None) -> None:
        super().__init__("pristo_client", {"ApiKeyAuth": api_key})
        self.stored: dict[UUID, dict[Any, Json]] = {UUID(each): {} for each in populations}
        self.custom_fields = None if custom_fields is None else set(custom_fields)

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        if operation.operation_id != "upsertContact":
            return super().act(operation, request, body)
        population = UUID(self.path_values(operation, request)[0])
        if population not in self.stored:
            return self.error(operation, 400, "unknown_population", "The population does not exist.")
        given: Json = body["contact"]
        unknown = set(given.get("customFields", {})) - (self.custom_fields or set())
        if unknown and self.custom_fields is not None:
            return self.error(operation, 400, "unknown_field", "The population does not define a custom field that was sent.")
        contacts = self.contacts_of(population)
        key = self.key(given)
        created = key not in contacts
        before = contacts.get(key, {})
        after = self.merge(before, {**given, "id": str(UUID(given["id"]))})
        contacts[key] = after
        return Answer(self.status(created=created), {"contact": self.show(after, given, before)})

    def contacts_of(self, population: UUID) -> dict[Any, Json]:
        """The contacts of a population, by :meth:`key`."""
        return self.stored[population]

    def key(self, contact: Json) -> Any:
        """What tells contacts apart."""
        return UUID(contact["id"])

    def status(self, *, created: bool) -> int:
        """The status of an upsert that succeeded."""
        return 201 if created else 200

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        """The contact that the response shows: of what is stored now, what the request gave, and what was stored before."""
        return stored

    def merge(self, stored: Json, given: Json) -> Json:
        """What is stored after an upsert: given members win, objects are merged member by member."""
        merged = {**stored, **given}
        for name, value in given.items():
            if isinstance(value, dict):
                merged[name] = {**stored.get(name, {}), **value}
        return merged

    def forget_all(self) -> None:
        for kept in self.stored.values():
            kept.clear()

    @property
    def contacts(self) -> list[Json]:
        return [{"population": str(population), **each} for population, kept in self.stored.items() for each in kept.values()]


class Retainful(Service):
    """Contacts by whichever identifier is known."""

    def __init__(self, api_key: str, app_id: str, email_rule: EmailRule = "to-create") -> None:
        super().__init__("retainful_client", {"ApiKey": api_key, "AppId": app_id})
        self.known: dict[tuple[str, str], Json] = {}
        self.email_rule = email_rule

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        if operation.operation_id != "upsertContact":
            return super().act(operation, request, body)
        keys = [(each["type"], str(each["id"]).casefold()) for each in body["identifiers"]]
        stored = next((self.known[key] for key in keys if key in self.known), None)
        has_email = any(kind == "email" for kind, _ in keys)
        if not has_email and (self.email_rule == "always" or (self.email_rule == "to-create" and stored is None)):
            return self.error(operation, 400, "email_required", "A new contact needs an identifier of type email.")
        contact = {} if stored is None else stored
        identifiers = {(each["type"], str(each["id"]).casefold()): each for each in contact.get("identifiers", [])}
        identifiers.update(zip(keys, body["identifiers"], strict=True))
        contact.update(body, identifiers=list(identifiers.values()))
        self.known.update(dict.fromkeys(keys, contact))
        return Answer(200, {"status": True})

    def forget_all(self) -> None:
        self.known.clear()

    @property
    def contacts(self) -> list[Json]:
        return list({id(each): each for each in self.known.values()}.values())


def minimal(owner: Contract, node: Json, named: Mapping[str, str] | None = None) -> Any:
    """The least value that fits a schema, with text of ours in the members that ``named`` names."""
    node = owner.resolve(node)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in node:
            parts = [minimal(owner, each, named) for each in node[choice]]
            return {key: value for part in parts for key, value in part.items()} if choice == "allOf" else parts[0]
    if "enum" in node:
        return node["enum"][0]
    if "properties" in node or node.get("type") == "object":
        members: Json = {}
        for name, schema in node.get("properties", {}).items():
            value = (named or {}).get(name) or minimal(owner, schema, named)
            holds_named = bool(named) and isinstance(value, dict) and value != {}
            if holds_named or name in node.get("required", []) or name in (named or {}):
                members[name] = value
        return members
    if "example" in node:
        return node["example"]
    empty: dict[str, Callable[[], Any]] = {
        "array": lambda: [minimal(owner, node.get("items", {}))] * node.get("minItems", 0),
        "boolean": lambda: False,
        "integer": lambda: node.get("minimum", 0),
        "number": lambda: node.get("minimum", 0),
        "string": lambda: _TEXT.get(node.get("format", ""), "x" * max(1, node.get("minLength", 1))),
    }
    return empty.get(node.get("type", ""), dict)()


_TEXT = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "someone@example.com",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00.000Z",
    "uri": "https://example.com/",
}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")

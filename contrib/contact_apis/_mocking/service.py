"""What a service does by its document, without I/O: a request in, a response out.

Schemas, statuses, credentials and headers come from the document. What else a vendor does is written in the vendor's folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from attrs import define, field, frozen

from contact_apis._http.error_body import ErrorBody
from contact_apis._openapi.document import Contract, Json, Operation, contract


@frozen
class Request:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@define
class Response:
    """A response to send; ``reason`` is for the mock's page and is not sent."""

    status: int
    body: Json | None = None
    headers: dict[str, str] = field(factory=dict[str, str])
    reason: str = ""


class MockService:
    """One API, as its document describes it.

    Args:
        title: of the API, as the mock's page shows it.
        package: the generated package that holds the document.
        secrets: what a request must carry, by the name of the security scheme.
        error_body: where the API's errors have their words.
    """

    def __init__(
        self, title: str, package: str, secrets: Mapping[str, str], error_body: ErrorBody
    ) -> None:
        self.title = title
        self.contract: Contract = contract(package)
        self._headers = {
            scheme: self.contract.security_header(scheme, secret)
            for scheme, secret in secrets.items()
        }
        self.credentials = dict(self._headers.values())
        self.error_body = error_body

    def operations_at(self, path: str) -> list[Operation]:
        """The operations of a path, one a method."""
        return self.contract.operations_at(path)

    def handle(self, operation: Operation, request: Request) -> Response:
        """Answers a request to an operation."""
        if not self.authorised(operation, request):
            answer = self.error(
                operation, 401, "unauthorized", "The credentials are missing or not valid."
            )
        else:
            body, faults = self.read(operation, request)
            if faults:
                answer = self.error(operation, 400, "invalid_request", "; ".join(faults))
            else:
                answer = self.act(operation, request, body)
        self.finish(operation, request, answer)
        return answer

    def authorised(self, operation: Operation, request: Request) -> bool:
        """Whether a request carries all that one of the alternatives of the security requirement asks for."""
        if not operation.security:
            return True
        return any(
            all(self._carries(scheme, request) for scheme in alternative)
            for alternative in operation.security
        )

    def _carries(self, scheme: str, request: Request) -> bool:
        name, value = self._headers.get(scheme, ("", ""))
        return name != "" and request.headers.get(name.lower()) == value

    def read(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        """The parsed body, and everything that is wrong with the request, in sentences."""
        faults: list[str] = []
        values = operation.match(request.path) or {}
        for name, schema in operation.path_parameters.items():
            faults += [f"{name} {fault.remedy}" for fault in schema.faults(values[name])]
        for name, (schema, required) in operation.header_parameters.items():
            if name in request.headers:
                faults += [
                    f"header {name} {fault.remedy}"
                    for fault in schema.faults(request.headers[name])
                ]
            elif required:
                faults.append(f"header {name} is missing")
        body, more = self.read_body(operation, request)
        return body, faults + more

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        if operation.body is None:
            return None, []
        if not request.body:
            if operation.request_body.get("required"):
                return None, ["the body is missing"]
            return None, []
        if (
            request.headers.get("content-type", "").split(";")[0].strip().lower()
            != "application/json"
        ):
            return None, ["the Content-Type must be application/json"]
        try:
            body = json.loads(request.body, parse_constant=_no_constant)
            json.dumps(
                body, ensure_ascii=False
            ).encode()  # a lone surrogate, which an escape can spell, is no text
        except (ValueError, RecursionError):
            return None, ["the body must be JSON"]
        return body, [str(fault) for fault in operation.body.faults(body)]

    def path_values(self, operation: Operation, request: Request) -> tuple[str, ...]:
        return tuple((operation.match(request.path) or {}).values())

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        """Carries a valid request out. An operation that no behaviour is known of answers the least its schema allows."""
        documented = [each for each in range(200, 300) if operation.documents(each)]
        status = min(documented, default=204)
        schema = operation.response_schema(status)
        if schema is None:
            return Response(status)
        return Response(status, minimal(self.contract, schema.document))

    def finish(self, operation: Operation, request: Request, answer: Response) -> None:
        """Adds to an answer what belongs to every answer."""
        media_types = operation.response_media_types(answer.status)
        if media_types and "application/json" not in media_types:
            answer.headers["Content-Type"] = media_types[0]
        if "x-request-id" in operation.header_parameters:
            sent = request.headers.get("x-request-id", "")
            if not sent or operation.header_parameters["x-request-id"][0].faults(sent):
                sent = str(uuid4())
            answer.headers["X-Request-Id"] = sent

    def error(self, operation: Operation | None, status: int, code: str, message: str) -> Response:
        """An error in the form that the specification gives this status (or 400, where it gives none).

        Without an operation, because the path belongs to none, it has the form of any of them.
        """
        operations = self.contract.operations if operation is None else (operation,)
        described = (
            each.response_schema(status) or each.response_schema(400) for each in operations
        )
        schema = next((each for each in described if each is not None), None)
        words = {self.error_body.code: code, self.error_body.message: message}
        body: Json = {} if schema is None else minimal(self.contract, schema.document, words)
        return Response(status, body, reason=message)

    @property
    def contacts(self) -> list[Json]:
        """The contacts that are stored, each with whatever tells it apart."""
        return []

    def forget_all(self) -> None:
        """Loses all contacts."""


def minimal(owner: Contract, node: Json, named: Mapping[str, str] | None = None) -> Any:
    """The least value that fits a schema, with text of ours in the members that ``named`` names."""
    node = owner.resolve(node)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in node:
            parts = [minimal(owner, each, named) for each in node[choice]]
            if choice == "allOf":
                return {key: value for part in parts for key, value in part.items()}
            return parts[0]
    if "enum" in node:
        return node["enum"][0]
    if "properties" in node or node.get("type") == "object":
        return _minimal_object(owner, node, named or {})
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


def _minimal_object(owner: Contract, node: Json, named: Mapping[str, str]) -> Json:
    """The required members, those that are named, and those that hold a named one."""
    required = node.get("required", [])
    members: Json = {}
    for name, schema in node.get("properties", {}).items():
        value = named.get(name) or minimal(owner, schema, named)
        holds_named = bool(named) and isinstance(value, dict) and value != {}
        if holds_named or name in required or name in named:
            members[name] = value
    return members


_TEXT = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "someone@example.com",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00.000Z",
    "uri": "https://example.com/",
}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")

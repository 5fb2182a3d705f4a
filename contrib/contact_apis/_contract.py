"""The contract at run time: the specification inside a generated package, made ready to ask.

Nothing here knows a field, a limit or a status: all of it is read from ``openapi.json``.
"""

from __future__ import annotations

import json
import re
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import jsonschema_rs
from attrs import field, frozen

from ._errors import Fault

Json = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@cache
def contract(package: str) -> Contract:
    """The contract of a generated package, such as ``"pristo_client"``; read once a process."""
    return Contract(json.loads(files(package).joinpath("openapi.json").read_bytes()))


@frozen(eq=False)
class Schema:
    """One schema of the contract, compiled."""

    document: Json
    validator: jsonschema_rs.Draft202012Validator = field(repr=False)

    def faults(self, value: object) -> list[Fault]:
        """Every fault of a JSON value; empty when it fits (then in under a microsecond)."""
        try:
            if self.validator.is_valid(value):
                return []
            from ._faults import faults_of

            return [fault for error in self.validator.iter_errors(value) for fault in faults_of(error)]
        except ValueError:  # what the validator says past 255 levels, and of a lone surrogate
            return [Fault("", "must be Unicode text, and not nested too deeply")]


class Contract:
    """An OpenAPI 3.0 document and its operations."""

    def __init__(self, document: Json) -> None:
        self.document = document
        # OpenAPI 3.0 writes "or null" in a way of its own; everything else that these documents use is JSON Schema.
        self._components = _with_nullable(document.get("components", {}))

    @property
    def server(self) -> str:
        """The base URL of the first server, without a slash at its end."""
        return str(self.document["servers"][0]["url"]).rstrip("/")

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(
            Operation(self, method, template, spec, item.get("parameters", []))
            for template, item in self.document["paths"].items()
            for method, spec in item.items()
            if method in METHODS
        )

    def operation(self, operation_id: str) -> Operation:
        return next(each for each in self.operations if each.operation_id == operation_id)

    def resolve(self, node: Json) -> Json:
        """The object that a reference leads to, or the node itself."""
        while "$ref" in node:
            target: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def schema(self, node: Json) -> Schema:
        """Compiles a schema of this document."""
        root = {**_with_nullable(node), "components": self._components}
        return Schema(node, jsonschema_rs.Draft202012Validator(root, validate_formats=True, mask="the value"))


class Operation:
    """One operation: what a request must be, and what an answer may be."""

    def __init__(self, owner: Contract, method: str, template: str, spec: Json, shared: list[Json]) -> None:
        self.contract = owner
        self.method = method.upper()
        self.template = template
        self.spec = spec
        self.operation_id = str(spec.get("operationId", f"{method} {template}"))
        self._parameters = [owner.resolve(each) for each in [*shared, *spec.get("parameters", [])]]

    @cached_property
    def path(self) -> re.Pattern[str]:
        """Matches a request's path; its groups are the path parameters, in the order of the template."""
        return re.compile("/".join("([^/]+)" if "{" in step else re.escape(step) for step in self.template.split("/")))

    @cached_property
    def path_parameters(self) -> dict[str, Schema]:
        found = {each["name"]: self.contract.schema(each["schema"]) for each in self._parameters if each["in"] == "path"}
        return {name: found[name] for name in re.findall(r"\{(.*?)\}", self.template)}

    @cached_property
    def header_parameters(self) -> dict[str, tuple[Schema, bool]]:
        """Schema and requiredness by lower-case header name."""
        return {
            each["name"].lower(): (self.contract.schema(each["schema"]), bool(each.get("required")))
            for each in self._parameters
            if each["in"] == "header"
        }

    @cached_property
    def credentials(self) -> tuple[str, ...]:
        """The headers that carry credentials, as the first security requirement asks for them."""
        schemes = self.contract.document.get("components", {}).get("securitySchemes", {})
        owner = self.spec if "security" in self.spec else self.contract.document
        required: list[Json] = owner.get("security", [])
        return tuple(str(schemes[name]["name"]) for requirement in required[:1] for name in requirement)

    @cached_property
    def body(self) -> Schema | None:
        """The schema of a JSON request body, or ``None`` where the operation takes none."""
        content = self.contract.resolve(self.spec.get("requestBody", {})).get("content", {})
        return self.contract.schema(content["application/json"]["schema"]) if "application/json" in content else None

    @cached_property
    def responses(self) -> dict[int, Schema | None]:
        """The schema of each documented status; ``None`` where no JSON body is described."""
        found: dict[int, Schema | None] = {}
        for status, node in self.spec["responses"].items():
            if status.isdigit():
                content = self.contract.resolve(node).get("content", {})
                schema = content.get("application/json", {}).get("schema")
                found[int(status)] = self.contract.schema(schema) if schema is not None else None
        return found

    def response_headers(self, status: int) -> tuple[str, ...]:
        return tuple(self.contract.resolve(self.spec["responses"][str(status)]).get("headers", {}))


def _with_nullable(node: Any) -> Any:
    return json.loads(json.dumps(node), object_hook=_nullable)


def _nullable(node: Json) -> Json:
    plain = {key: value for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain

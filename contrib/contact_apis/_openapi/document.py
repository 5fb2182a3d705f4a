"""The contract at run time: the specification inside a generated package, made ready to ask.

Nothing here knows a field, a limit or a status: all of it is read from ``openapi.json``.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import quote, unquote

import jsonschema_rs
from attrs import field, frozen

from contact_apis._errors import ConfigurationError, Fault

Json = dict[str, Any]
Value = TypeVar("Value")
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Methods whose requests may be processed twice without harm (RFC 9110, 9.2.2)."""
_PARAMETER = re.compile(r"\{([^{}]*)\}")
_JSON_MEDIA_TYPE = re.compile(r"application/(json|\*|[^;/]*\+json)|\*/\*", re.IGNORECASE)


class once(Generic[Value]):  # noqa: N801 # it stands where ``property`` does
    """A property that is computed when it is first asked for, without a lock.

    ``functools.cached_property`` of Python 3.11 has one, which a fork can catch another thread with.
    """

    def __init__(self, make: Callable[[Any], Value]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._name = name

    def __get__(self, owner: object, kind: type[object] | None = None) -> Value:
        value: Value = owner.__dict__.setdefault(self._name, self._make(owner))
        return value


@cache
def contract(package: str) -> Contract:
    """The contract of a generated package, by the package's name; read once a process."""
    return Contract(json.loads(files(package).joinpath("openapi.json").read_bytes()))


@frozen(eq=False)
class Schema:
    """One schema of the contract, compiled."""

    document: Json
    validator: jsonschema_rs.Draft202012Validator = field(repr=False)

    def faults(self, value: object, most: int | None = None) -> list[Fault]:
        """Every fault of a JSON value, or so many; empty when it fits (then in under a microsecond)."""
        try:
            if self.validator.is_valid(value):
                return []
            from .faults import faults_of

            return list(islice((fault for error in self.validator.iter_errors(value) for fault in faults_of(error)), most))
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

    @once
    def operations(self) -> tuple[Operation, ...]:
        return tuple(
            Operation(self, method, template, spec, item.get("parameters", []))
            for template, node in self.document["paths"].items()
            for item in (self.resolve(node),)
            for method, spec in item.items()
            if method in METHODS
        )

    def operation(self, operation_id: str) -> Operation:
        """The operation with this ``operationId``, wherever it stands in the document.

        Raises:
            LookupError: there is none.
        """
        for operation in self.operations:
            if operation.operation_id == operation_id:
                return operation
        raise LookupError(f"the OpenAPI document has no operation {operation_id!r}")

    def operations_at(self, path: str) -> list[Operation]:
        """The operations of a request's path, one a method.

        Where several templates match, the most literal one counts: OpenAPI has concrete paths matched before templated ones.

        Args:
            path: without the path of the base URL, percent-encoded as it stands in the request.
        """
        matching = [each for each in self.operations if each.match(path) is not None]
        best = min((each.specificity for each in matching), default=None)
        return [each for each in matching if each.specificity == best]

    def security_header(self, scheme: str, secret: str) -> tuple[str, str]:
        """The header that carries the secret of a security scheme: its name and its value.

        Args:
            scheme: the name of the security scheme in the document.
            secret: a key or a token; for HTTP's basic authentication ``user:password``.

        Raises:
            ConfigurationError: the scheme is unknown, or puts its secret elsewhere than into a header.
        """
        schemes: Json = self.document.get("components", {}).get("securitySchemes", {})
        if scheme not in schemes:
            raise ConfigurationError(f"the OpenAPI document has no security scheme {scheme!r}")
        node = self.resolve(schemes[scheme])
        kind = (node["type"], str(node.get("scheme", "")).lower())
        if node["type"] == "apiKey" and node["in"] == "header":
            return str(node["name"]), secret
        if node["type"] == "apiKey" and node["in"] == "cookie":
            return "Cookie", f"{node['name']}={secret}"
        if kind == ("http", "basic"):
            return "Authorization", f"Basic {b64encode(secret.encode()).decode()}"
        if kind == ("http", "bearer") or node["type"] in ("oauth2", "openIdConnect"):
            return "Authorization", f"Bearer {secret}"
        where = " ".join(str(node[each]) for each in ("type", "scheme", "in") if each in node)
        raise ConfigurationError(f"the security scheme {scheme!r} ({where}) is not supported")

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
    """One operation: what a request must be, and what a response may be."""

    def __init__(self, owner: Contract, method: str, template: str, spec: Json, shared: list[Json]) -> None:
        self.contract = owner
        self.method = method.upper()
        self.template = template
        self.spec = spec
        self.operation_id = str(spec.get("operationId", f"{method} {template}"))
        # A parameter of the operation takes the place of the path's parameter of the same name and place.
        parameters = [owner.resolve(each) for each in [*shared, *spec.get("parameters", [])]]
        self._parameters = {(each["in"], each["name"]): each for each in parameters}

    @once
    def path(self) -> re.Pattern[str]:
        """Matches a request's path; its groups are the path parameters, in the order of the template."""
        parts = _PARAMETER.split(self.template)
        literals = [re.escape(each) for each in parts[::2]]
        return re.compile("([^/]+)".join(literals))

    @once
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the path parameters, in the order of the template."""
        return tuple(_PARAMETER.findall(self.template))

    @once
    def specificity(self) -> tuple[int, ...]:
        """Of two templates that match the same path, the one for which this is less has to be taken."""
        return tuple(_specificity(segment) for segment in self.template.split("/"))

    def match(self, path: str) -> dict[str, str] | None:
        """The decoded path parameters by name, or ``None`` if a percent-encoded path is not of this template."""
        found = self.path.fullmatch(path)
        if found is None:
            return None
        return {name: unquote(value) for name, value in zip(self.parameter_names, found.groups(), strict=True)}

    def expand(self, values: Mapping[str, str]) -> str:
        """The path of a request, percent-encoded, from the path parameters by name.

        Raises:
            LookupError: a parameter has no value.
        """
        return _PARAMETER.sub(lambda parameter: quote(values[parameter[1]], safe=""), self.template)

    @once
    def path_parameters(self) -> dict[str, Schema]:
        return {name: self.contract.schema(self._parameters["path", name]["schema"]) for name in self.parameter_names}

    @once
    def header_parameters(self) -> dict[str, tuple[Schema, bool]]:
        """Schema and requiredness by lower-case header name."""
        return {
            name.lower(): (self.contract.schema(node["schema"]), bool(node.get("required")))
            for (place, name), node in self._parameters.items()
            if place == "header"
        }

    @once
    def security(self) -> tuple[tuple[str, ...], ...]:
        """The alternatives of the security requirement: of each, the names of all schemes that it asks for."""
        owner = self.spec if "security" in self.spec else self.contract.document
        return tuple(tuple(requirement) for requirement in owner.get("security", []))

    @once
    def credentials(self) -> tuple[str, ...]:
        """The headers that carry credentials, as the first security requirement asks for them."""
        for alternative in self.security:
            return tuple(self.contract.security_header(scheme, "")[0] for scheme in alternative)
        return ()

    def security_headers(self, secrets: Mapping[str, str]) -> dict[str, str]:
        """The headers that authenticate a request: those of the first alternative whose schemes all have a secret.

        Args:
            secrets: by the name of the security scheme. The headers come in this order, whatever that of the document.

        Raises:
            ConfigurationError: none of the alternatives has all of its secrets, or one puts its secret elsewhere.
        """
        if not self.security:
            return {}
        for requirement in self.security:
            if set(requirement) <= set(secrets):
                return dict(self.contract.security_header(scheme, secrets[scheme]) for scheme in secrets if scheme in requirement)
        wanted = " or ".join(" and ".join(requirement) for requirement in self.security)
        raise ConfigurationError(f"{self.operation_id} needs the credentials of {wanted}")

    @once
    def request_body(self) -> Json:
        """The Request Body Object; empty where the operation takes none."""
        return self.contract.resolve(self.spec.get("requestBody", {}))

    @once
    def body(self) -> Schema | None:
        """The schema of a JSON request body, or ``None`` where the operation takes none."""
        return self._json_schema(self.request_body)

    @once
    def responses(self) -> dict[int, Schema | None]:
        """The schema of each status that is documented by its number; ``None`` where no JSON body is described.

        :meth:`documents` and :meth:`response_schema` know ranges such as ``2XX`` and ``default`` besides.
        """
        return {int(status): schema for status, schema in self._response_schemas.items() if status.isdigit()}

    def documents(self, status: int) -> bool:
        """Whether the document lists a status: by its number, by its range (``2XX``) or by ``default``."""
        return self._response_key(status) is not None

    def response_schema(self, status: int) -> Schema | None:
        """The schema of the JSON body of a response, or ``None`` where none is described for its status."""
        key = self._response_key(status)
        return None if key is None else self._response_schemas[key]

    def response_headers(self, status: int) -> dict[str, Schema | None]:
        """The headers that a response with this status is described to have, by name; ``None`` where no schema is given."""
        key = self._response_key(status)
        headers: Json = {} if key is None else self._response_nodes[key].get("headers", {})
        nodes = {name: self.contract.resolve(node) for name, node in headers.items()}
        return {name: self.contract.schema(node["schema"]) if "schema" in node else None for name, node in nodes.items()}

    @once
    def _response_nodes(self) -> dict[str, Json]:
        return {str(status): self.contract.resolve(node) for status, node in self.spec["responses"].items()}

    @once
    def _response_schemas(self) -> dict[str, Schema | None]:
        return {status: self._json_schema(node) for status, node in self._response_nodes.items()}

    @once
    def _response_keys(self) -> dict[int, str | None]:
        """What was found for a status, which is asked for several times a call."""
        return {}

    def _response_key(self, status: int) -> str | None:
        """Where a status is described: by its number before its range, and there before ``default`` (OpenAPI, Responses Object)."""
        keys = self._response_keys
        if status not in keys:
            candidates = (str(status), f"{status // 100}XX", "default")
            keys[status] = next((key for key in candidates if key in self._response_nodes), None)
        return keys[status]

    def _json_schema(self, node: Json) -> Schema | None:
        """The schema of the JSON media type of a body; ``application/json`` counts before other types of JSON."""
        content: Json = node.get("content", {})
        types = {name.partition(";")[0].strip().lower(): media for name, media in reversed(content.items())}
        json_types = [name for name in types if _JSON_MEDIA_TYPE.fullmatch(name)]
        chosen = "application/json" if "application/json" in types else next(iter(reversed(json_types)), None)
        if chosen is None or "schema" not in types[chosen]:
            return None
        return self.contract.schema(types[chosen]["schema"])


def _specificity(segment: str) -> int:
    """0 for a segment of literal text, 1 for one with a parameter in it, 2 for one that is a parameter."""
    if _PARAMETER.search(segment) is None:
        return 0
    return 2 if _PARAMETER.fullmatch(segment) else 1


def _with_nullable(node: Any) -> Any:
    return json.loads(json.dumps(node), object_hook=_nullable)


def _nullable(node: Json) -> Json:
    plain = {key: value for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain

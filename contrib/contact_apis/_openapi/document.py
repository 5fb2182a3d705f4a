"""The contract at run time: the specification inside a generated package, made ready to ask.

Nothing here knows a field, a limit or a status: all of it is read from ``openapi.json``.
"""

from __future__ import annotations

import json
import operator
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
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
            return list(islice(self._faults(value), most))
        except ValueError:  # what the validator says past 255 levels, and of a lone surrogate
            return [Fault("", "must be Unicode text, and not nested too deeply")]

    def _faults(self, value: object) -> Iterator[Fault]:
        from .faults import faults_of

        for error in self.validator.iter_errors(value):
            yield from faults_of(error)


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
        """All operations, in the order of the document."""
        found: list[Operation] = []
        for template, node in self.document["paths"].items():
            item = self.resolve(node)
            shared = item.get("parameters", [])
            for method, spec in item.items():
                if method in METHODS:
                    found.append(Operation(self, method, template, spec, shared))
        return tuple(found)

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
        stated = [str(node[member]) for member in ("type", "scheme", "in") if member in node]
        raise ConfigurationError(
            f"the security scheme {scheme!r} ({' '.join(stated)}) is not supported"
        )

    def resolve(self, node: Json) -> Json:
        """The object that a reference leads to, or the node itself."""
        while "$ref" in node:
            node = value_at(self.document, node["$ref"].removeprefix("#"))
        return node

    def schema(self, node: Json) -> Schema:
        """Compiles a schema of this document."""
        root = {**_with_nullable(node), "components": self._components}
        return Schema(
            node, jsonschema_rs.Draft202012Validator(root, validate_formats=True, mask="the value")
        )


class Operation:
    """One operation: what a request must be, and what a response may be."""

    def __init__(
        self, owner: Contract, method: str, template: str, spec: Json, shared: list[Json]
    ) -> None:
        self.contract = owner
        self.method = method.upper()
        self.template = template
        self.spec = spec
        self.operation_id = str(spec.get("operationId", f"{method} {template}"))
        # A parameter of the operation takes the place of the path's parameter of the same name and place.
        self._parameters: dict[tuple[str, str], Json] = {}
        for node in [*shared, *spec.get("parameters", [])]:
            parameter = owner.resolve(node)
            self._parameters[parameter["in"], parameter["name"]] = parameter

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
        values = [unquote(value) for value in found.groups()]
        return dict(zip(self.parameter_names, values, strict=True))

    def expand(self, values: Mapping[str, str]) -> str:
        """The path of a request, percent-encoded, from the path parameters by name.

        Raises:
            LookupError: a parameter has no value.
        """

        def encoded(parameter: re.Match[str]) -> str:
            return quote(values[parameter[1]], safe="")

        return _PARAMETER.sub(encoded, self.template)

    @once
    def path_parameters(self) -> dict[str, Schema]:
        """The schema of each path parameter, by name."""
        found: dict[str, Schema] = {}
        for name in self.parameter_names:
            parameter = self._parameters["path", name]
            found[name] = self.contract.schema(parameter["schema"])
        return found

    @once
    def header_parameters(self) -> dict[str, tuple[Schema, bool]]:
        """Schema and requiredness by lower-case header name."""
        found: dict[str, tuple[Schema, bool]] = {}
        for (place, name), parameter in self._parameters.items():
            if place == "header":
                schema = self.contract.schema(parameter["schema"])
                found[name.lower()] = (schema, bool(parameter.get("required")))
        return found

    @once
    def security(self) -> tuple[tuple[str, ...], ...]:
        """The alternatives of the security requirement: of each, the names of all schemes that it asks for."""
        owner = self.contract.document
        if "security" in self.spec:
            owner = self.spec
        requirements: list[Json] = owner.get("security", [])
        return tuple(tuple(requirement) for requirement in requirements)

    @once
    def credentials(self) -> tuple[str, ...]:
        """The headers that carry credentials, as the first security requirement asks for them."""
        for schemes in self.security:
            headers = [self.contract.security_header(scheme, "") for scheme in schemes]
            return tuple(name for name, _ in headers)
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
                wanted = [scheme for scheme in secrets if scheme in requirement]
                return dict(
                    self.contract.security_header(scheme, secrets[scheme]) for scheme in wanted
                )
        alternatives = [" and ".join(requirement) for requirement in self.security]
        raise ConfigurationError(
            f"{self.operation_id} needs the credentials of {' or '.join(alternatives)}"
        )

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
        found: dict[int, Schema | None] = {}
        for status, schema in self._response_schemas.items():
            if status.isdigit():
                found[int(status)] = schema
        return found

    def documents(self, status: int) -> bool:
        """Whether the document lists a status: by its number, by its range (``2XX``) or by ``default``."""
        return self._response_key(status) is not None

    def response_schema(self, status: int) -> Schema | None:
        """The schema of the JSON body of a response, or ``None`` where none is described for its status."""
        key = self._response_key(status)
        if key is None:
            return None
        return self._response_schemas[key]

    def response_media_types(self, status: int) -> list[str]:
        """The media types of JSON that a response with this status is described to have, in lower case."""
        key = self._response_key(status)
        if key is None:
            return []
        return list(_json_media_types(self._response_nodes[key]))

    def response_headers(self, status: int) -> dict[str, Schema | None]:
        """The headers that a response with this status is described to have, by name; ``None`` where no schema is given."""
        key = self._response_key(status)
        if key is None:
            return {}
        found: dict[str, Schema | None] = {}
        for name, node in self._response_nodes[key].get("headers", {}).items():
            header = self.contract.resolve(node)
            found[name] = None
            if "schema" in header:
                found[name] = self.contract.schema(header["schema"])
        return found

    @once
    def _response_nodes(self) -> dict[str, Json]:
        responses: Json = self.spec["responses"]
        return {str(status): self.contract.resolve(node) for status, node in responses.items()}

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
        media_types = _json_media_types(node)
        if not media_types:
            return None
        first, *_ = media_types.values()
        chosen = media_types.get("application/json", first)
        if "schema" not in chosen:
            return None
        return self.contract.schema(chosen["schema"])


def _json_media_types(node: Json) -> dict[str, Json]:
    """The Media Type Objects of JSON that a body may have, by the media type in lower case without its parameters."""
    content: Json = node.get("content", {})
    found: dict[str, Json] = {}
    for name, media_type in content.items():
        plain_name = name.partition(";")[0].strip().lower()
        if _JSON_MEDIA_TYPE.fullmatch(plain_name):
            found.setdefault(plain_name, media_type)
    return found


def value_at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901).

    Raises:
        LookupError, ValueError: it leads nowhere.
    """
    value = document
    for token in pointer.split("/")[1:]:
        value = _child(value, token.replace("~1", "/").replace("~0", "~"))
    return value


def _child(value: Any, token: str) -> Any:
    if isinstance(value, list):
        return operator.getitem(value, int(token))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] # of any JSON
    return value[token]


def pointer(*steps: object) -> str:
    """The JSON pointer (RFC 6901) of these steps from the root."""
    tokens = [str(step).replace("~", "~0").replace("/", "~1") for step in steps]
    return "".join(f"/{token}" for token in tokens)


def _specificity(segment: str) -> int:
    """0 for a segment of literal text, 1 for one with a parameter in it, 2 for one that is a parameter."""
    if _PARAMETER.search(segment) is None:
        return 0
    if _PARAMETER.fullmatch(segment) is None:
        return 1
    return 2


def _with_nullable(node: Any) -> Any:
    return json.loads(json.dumps(node), object_hook=_nullable)


def _nullable(node: Json) -> Json:
    plain = dict(node)
    nullable = plain.pop("nullable", False)
    if nullable is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain

"""Properties of how an OpenAPI document is read: operations by id, credentials by scheme, paths, statuses and media types."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import compile_path

from contact_apis import (
    ConfigurationError,
    InternalServerError,
    InvalidRequestError,
    Pristo,
)
from contact_apis._openapi import document as _document
from contact_apis._openapi.document import Contract, Json, contract
from tests.client.kinds import APIS, KEYS

DOCUMENTS = {api: contract(f"{api}_client").document for api in APIS}
BASE_URL = "https://api.example.com"
REQUEST_ID = UUID("0b1d2a3e-5f60-4c1a-9a77-6a8a1e6a2d11")
EXTRA: Json = {
    "/v0/health": {
        "get": {
            "operationId": "health",
            "security": [],
            "responses": {"200": {"description": "up"}},
        }
    },
    "/v0/events": {
        "get": {"operationId": "listEvents", "responses": {"2XX": {"description": "some"}}},
        "post": {
            "operationId": "sendEvent",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "responses": {"201": {"description": "taken"}},
        },
    },
}
"""Operations that a vendor may add, with and without a body, in front of the one that was there."""


def document(spec: Json, **members: Any) -> Contract:
    """The contract of a small document with one operation."""
    return Contract(
        {
            "openapi": "3.0.3",
            "paths": {"/things": {"post": {"operationId": "do", "responses": {"200": {}}, **spec}}},
            **members,
        }
    )


# --------------------------------------------------------------------------------------------------- other operations


def with_more(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> tuple[Pristo, list[httpx.Request]]:
    """A client of a Pristo with more operations, whose service returns one thing."""
    original = DOCUMENTS["pristo"]
    terms = Contract({**original, "paths": {**EXTRA, **original["paths"]}})
    monkeypatch.setattr(_document, "contract", lambda _: terms)
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, content=body)

    return Pristo(
        http_client=httpx.Client(transport=httpx.MockTransport(respond)),
        max_retries=2,
        base_url=BASE_URL,
        **KEYS["pristo"],
    ), requests


def test_an_operation_without_body_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation without a request body goes out through the client's session, with credentials and without a body."""
    client, requests = with_more(monkeypatch, 200, b"")
    response = client.client.get_httpx_client().request("GET", f"{BASE_URL}/v0/health")
    assert (response.status_code, requests[0].content) == (200, b"")
    assert requests[0].headers["X-API-Key"] == KEYS["pristo"]["api_key"]


def test_a_missing_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that requires a body is not sent without one."""
    client, requests = with_more(monkeypatch, 200, b"")
    with pytest.raises(InvalidRequestError, match="body must be JSON"):
        client.client.get_httpx_client().request("POST", f"{BASE_URL}/v0/events")
    assert requests == []


@pytest.mark.parametrize(("method", "attempts"), [("GET", 3), ("POST", 1)])
def test_only_what_may_be_processed_twice_is_retried(
    monkeypatch: pytest.MonkeyPatch, method: str, attempts: int
) -> None:
    """Of another operation than the upsert, a request that was perhaps processed is retried if its method is idempotent."""
    monkeypatch.setattr("contact_apis._http.session.sleep", lambda _: None)
    client, requests = with_more(monkeypatch, 502, b"")
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}
    with pytest.raises(InternalServerError):
        client.client.get_httpx_client().request(method, f"{BASE_URL}/v0/events", **body)
    assert len(requests) == attempts


# ------------------------------------------------------------------------------------------------------------- security

SCHEMES: Json = {
    "Key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "Session": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "Token": {"type": "http", "scheme": "Bearer"},
    "Login": {"type": "http", "scheme": "basic"},
    "Consented": {"type": "oauth2", "flows": {}},
    "Query": {"type": "apiKey", "in": "query", "name": "key"},
    "Signed": {"type": "http", "scheme": "digest"},
}


@pytest.mark.parametrize(
    ("scheme", "header"),
    [
        ("Key", ("X-Key", "s:1")),
        ("Session", ("Cookie", "sid=s:1")),
        ("Token", ("Authorization", "Bearer s:1")),
        ("Login", ("Authorization", "Basic czox")),
        ("Consented", ("Authorization", "Bearer s:1")),
    ],
)
def test_security_schemes(scheme: str, header: tuple[str, str]) -> None:
    """Each kind of security scheme puts its secret where OpenAPI says."""
    operation = document(
        {"security": [{scheme: []}]}, components={"securitySchemes": SCHEMES}
    ).operation("do")
    assert operation.security_headers({scheme: "s:1"}) == dict([header])
    assert operation.credentials == (header[0],)


@pytest.mark.parametrize("scheme", ["Query", "Signed", "Unheard"])
def test_schemes_that_are_not_supported(scheme: str) -> None:
    """A scheme whose secret goes elsewhere, or that is not described, is named and does not send the secret anywhere."""
    operation = document(
        {"security": [{scheme: []}]}, components={"securitySchemes": SCHEMES}
    ).operation("do")
    with pytest.raises(ConfigurationError, match=scheme) as raised:
        operation.security_headers({scheme: "s3cr3t"})
    assert "s3cr3t" not in str(raised.value)


def test_security_alternatives() -> None:
    """The first alternative whose secrets are all there is taken; without any the missing schemes are named."""
    security: list[Json] = [{"Key": [], "Token": []}, {"Login": []}]
    operation = document({"security": security}, components={"securitySchemes": SCHEMES}).operation(
        "do"
    )
    assert operation.security_headers({"Login": "a:b", "Key": "k"}) == {
        "Authorization": "Basic YTpi"
    }
    assert operation.security_headers({"Token": "t", "Key": "k"}) == {
        "Authorization": "Bearer t",
        "X-Key": "k",
    }
    with pytest.raises(
        ConfigurationError, match="do needs the credentials of Key and Token or Login"
    ):
        operation.security_headers({"Key": "k"})
    public = document(
        {"security": []}, components={"securitySchemes": SCHEMES}, security=[{"Key": []}]
    ).operation("do")
    assert public.security_headers({"Key": "k"}) == {}


# ---------------------------------------------------------------------------------------------------------------- paths

LITERALS = st.text("abc.:-_~$(+*", max_size=4)
SEGMENTS = st.lists(st.one_of(LITERALS, st.just("{}")), max_size=3).map("".join)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """A path template, with parameters next to literal text too, as in ``/x/{id}:merge``."""
    path = "/" + "/".join(draw(st.lists(SEGMENTS, min_size=1, max_size=4)))
    names = iter("pqrstuvwxyz0123456789ABCDEFGHIJ")
    return re.sub(r"\{\}", lambda _: f"{{{next(names)}}}", path)


def starlettes(template: str) -> re.Pattern[str]:
    """What Starlette's router, which takes names of letters, matches for a template."""
    renamed = re.sub(r"\{(.)\}", lambda name: f"{{name{ord(name[1])}}}", template)
    return compile_path(renamed)[0]


@given(
    template=templates(),
    values=st.lists(st.text("ab:.", min_size=1, max_size=3), min_size=12, max_size=12),
    noise=SEGMENTS,
)
@example(template="/x/{p}:merge", values=["a"] * 12, noise="a")
@example(template="/{p}.{q}", values=["a"] * 12, noise="a")
@example(template="/{p}{q}", values=["ab"] * 12, noise="")
def test_paths_match_as_in_a_router(template: str, values: list[str], noise: str) -> None:
    """A template matches what Starlette's router matches, with the same values, and its own expansion."""
    operation = Contract(
        {"paths": {template: {"get": {"operationId": "do", "responses": {}}}}}
    ).operation("do")
    theirs = starlettes(template)
    path = operation.expand(dict(zip(operation.parameter_names, values, strict=False)))
    for candidate in (
        path.replace("%3A", ":"),
        f"{path}/{noise}",
        f"{path}{noise}",
        "/" + noise,
        template,
    ):
        found = theirs.fullmatch(candidate)
        ours = operation.match(candidate)
        assert (None if found is None else [unquote(each) for each in found.groups()]) == (
            None if ours is None else list(ours.values())
        )
    assert operation.match(path) is not None


@given(value=st.text(min_size=1).filter(str.isprintable))
@example(value="a/b")
@example(value="100%")
def test_path_parameters_survive(value: str) -> None:
    """Whatever a path parameter holds, a slash included, is found again in the expanded path."""
    operation = Contract(
        {"paths": {"/x/{id}/y": {"get": {"operationId": "do", "responses": {}}}}}
    ).operation("do")
    assert operation.expand({"id": value}) == f"/x/{quote(value, safe='')}/y"
    assert operation.match(operation.expand({"id": value})) == {"id": value}


@pytest.mark.parametrize("order", [1, -1])
def test_concrete_paths_come_first(order: int) -> None:
    """A concrete path counts before a templated one, wherever they stand; methods of the other do not shine through."""
    paths = {
        "/x/{id}": {"get": {"operationId": "one", "responses": {}}},
        "/x/mine": {"post": {"operationId": "mine", "responses": {}}},
    }
    terms = Contract({"paths": dict(list(paths.items())[::order])})
    assert [each.operation_id for each in terms.operations_at("/x/mine")] == ["mine"]
    assert [each.operation_id for each in terms.operations_at("/x/other")] == ["one"]
    assert terms.operations_at("/x") == []


# ------------------------------------------------------------------------------------------- statuses and media types


def answers(schema: str) -> Json:
    """A response whose JSON body is a string of a kind."""
    return {"content": {"application/json": {"schema": {"type": schema}}}}


@pytest.mark.parametrize(
    ("status", "kind"), [(200, "string"), (201, "number"), (404, "boolean"), (302, "boolean")]
)
def test_the_closest_description_of_a_status(status: int, kind: str) -> None:
    """A status is described by its number before its range, and there before ``default``."""
    responses = {"default": answers("boolean"), "2XX": answers("number"), "200": answers("string")}
    operation = document({"responses": responses}).operation("do")
    schema = operation.response_schema(status)
    assert schema is not None
    assert schema.document == {"type": kind}
    assert operation.documents(status)


def test_a_status_that_is_not_described() -> None:
    """Without ``default``, a status outside of every range is not documented."""
    operation = document({"responses": {"2XX": {}}}).operation("do")
    assert not operation.documents(302)
    assert (operation.response_schema(302), operation.response_headers(302)) == (None, {})


@pytest.mark.parametrize(
    ("media_type", "taken"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("application/problem+json", True),
        ("application/*+json", True),
        ("application/*", True),
        ("*/*", True),
        ("text/plain", False),
        ("application/jsonl", False),
        ("image/json", False),
    ],
)
def test_media_types_of_json(media_type: str, taken: bool) -> None:
    """A body of any media type that is JSON is read by its schema, and of no other."""
    content = {
        "text/html": {"schema": {"type": "string"}},
        media_type: {"schema": {"type": "object"}},
    }
    operation = document({"requestBody": {"content": content}}).operation("do")
    assert (operation.body is not None) == taken


def test_plain_json_counts_first() -> None:
    """Where a body is described for several types of JSON, ``application/json`` counts."""
    content = {
        "application/*+json": {"schema": {"type": "array"}},
        "application/json": {"schema": {"type": "object"}},
    }
    body = document({"requestBody": {"content": content}}).operation("do").body
    assert body is not None
    assert body.document == {"type": "object"}


def test_a_parameter_of_the_operation_replaces_that_of_the_path() -> None:
    """A parameter that path and operation both describe is described by the operation."""
    shared = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    own = {**shared, "schema": {"type": "string", "format": "uuid"}}
    item = {
        "parameters": [shared],
        "get": {"operationId": "do", "parameters": [own], "responses": {}},
    }
    operation = Contract({"paths": {"/x/{id}": item}}).operation("do")
    assert operation.path_parameters["id"].faults("no uuid") != []


def test_an_unknown_operation_is_named() -> None:
    """Asking for an operation that the document does not have names it."""
    with pytest.raises(LookupError, match="'undo'"):
        document({}).operation("undo")


def test_reading_is_repeatable() -> None:
    """What a document says survives writing and reading it as JSON."""
    again = Contract(json.loads(json.dumps(DOCUMENTS["pristo"])))
    assert [each.operation_id for each in again.operations] == ["upsertContact"]

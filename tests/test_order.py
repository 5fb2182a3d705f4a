"""Properties of a document whose members stand in another order: whatever sends by it sends the same bytes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contact_apis import AsyncPristo, AsyncRetainful, Pristo, Retainful
from contact_apis._mocking.app import MockApp
from contact_apis._mocking.service import Request
from contact_apis._openapi.document import Contract, Json, contract
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.retainful.mock import RetainfulMock
from tests.client.kinds import APIS, FIELDS, KEYS, Api
from tests.importing.conftest import called

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DOCUMENTS: Mapping[str, Json] = {
    api: json.loads(files(f"{api}_client").joinpath("openapi.json").read_bytes()) for api in APIS
}
CLIENTS: Mapping[Api, tuple[type[Pristo | Retainful], type[AsyncPristo | AsyncRetainful]]] = {
    "pristo": (Pristo, AsyncPristo),
    "retainful": (Retainful, AsyncRetainful),
}
#: What ``contact-apis upsert`` and ``contact-apis import`` get.
OPTIONS: Mapping[Api, Mapping[str, str]] = {
    "pristo": {
        "id": "4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a11",
        "email": "ada@example.com",
        "phone": "+14155552671",
        "lastName": "Lee",
    },
    "retainful": {
        "firstName": "Ada",
        "email": "ada@example.com",
        "phone": "+14155552671",
        "listIds": "L1",
        "consent.createdAt": "2024-03-21T10:30:00Z",
        "consent.ip": "192.0.2.7",
        "consent.source": "form",
        "all.subscribed": "true",
    },
}
#: Arrays of a document that are sets.
SETS = ("required", "parameters", "tags")


# --------------------------------------------------------------------------------------------------- other documents

OPERATION: Json = {"responses": {"200": {"description": "done"}}}
POST: Json = {
    **OPERATION,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
}
UPSERT = "the upsert's path"
VAGUE = "the upsert's path with a parameter for each segment"
#: Operations that a vendor may add, by path and method.
ADDED: Mapping[str, tuple[str, str, Json]] = {
    "a GET": ("/v0/health", "get", {**OPERATION, "security": []}),
    "a POST": ("/v0/events", "post", POST),
    "a POST with another key": ("/v0/admin", "post", {**POST, "security": [{"AdminKey": []}]}),
    "another version of the upsert": ("/v2/contacts", "post", POST),
    "another method of the upsert's path": (UPSERT, "get", OPERATION),
    "a template that fits the upsert's path": (VAGUE, "post", POST),
}
ADMIN_KEY: Json = {"type": "apiKey", "in": "header", "name": "X-Admin-Key"}


@st.composite
def documents(draw: st.DrawFn, api: Api) -> Json:
    """The document of an API with operations added in front, and every object and set of it in a drawn order."""
    chance = draw(st.randoms())

    def reordered(node: Any, name: str = "") -> Any:
        if isinstance(node, list):
            items = [reordered(item) for item in node]
            if name in SETS:
                chance.shuffle(items)
            return items
        if not isinstance(node, dict):
            return node
        names = list(node)
        chance.shuffle(names)
        return {each: reordered(node[each], each) for each in names}

    return cast(
        "Json",
        reordered(with_added(api, draw(st.lists(st.sampled_from(sorted(ADDED)), unique=True)))),
    )


def with_added(api: Api, names: Iterable[str]) -> Json:
    """The document of an API with operations and a security scheme in front of what it has."""
    original = DOCUMENTS[api]
    ((upsert, item),) = original["paths"].items()
    segments = upsert.count("/")
    special = {
        UPSERT: upsert,
        VAGUE: "".join(f"/{{segment{number}}}" for number in range(segments)),
    }
    paths: Json = {}
    for name in names:
        path, method, operation = ADDED[name]
        paths[special.get(path, path)] = {method: {"operationId": name, **operation}}
    paths[upsert] = {**paths.pop(upsert, {}), **item}
    components = original["components"]
    schemes = {"AdminKey": ADMIN_KEY, **components["securitySchemes"]}
    return {**original, "paths": paths, "components": {**components, "securitySchemes": schemes}}


def backwards(node: Any) -> Any:
    """A JSON value with the members of all its objects from last to first."""
    if isinstance(node, list):
        return [backwards(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {name: backwards(node[name]) for name in reversed(node)}


# ------------------------------------------------------------------------------------------------------- what is sent


class Recorder(ThreadingHTTPServer):
    """A server on loopback that keeps what arrives, as it arrives, and lets a mock respond."""

    daemon_threads = True

    def __init__(self) -> None:
        self.mock = MockApp([])
        self.exchanges: list[tuple[str, str, int, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.mock.answer(Request("POST", self.path, headers, body), None)
        request_id = self.headers.get("X-Request-Id")
        head = f"{self.requestline}\n{self.headers}"
        if request_id is not None:
            assert UUID_TEXT.fullmatch(request_id)
            head = head.replace(request_id, "<request id>")
        self.server.exchanges.append((head, body.decode(), answer.status, _unordered(answer.body)))
        content = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the name of the overridden method
        """Nothing is logged."""


def _unordered(value: Any) -> Any:
    """A response's body with the sentences of an error sorted: each is due, in whatever order."""
    if isinstance(value, dict):
        return {name: _unordered(item) for name, item in value.items()}
    return sorted(value.split("; ")) if isinstance(value, str) else value


def every_exchange(api: Api, document: Json, recorder: Recorder) -> list[tuple[str, str, int, Any]]:
    """What wrappers, bulk calls, credential checks and commands send by a document, and what the mock of it returns."""
    reader = sys.modules[Contract.__module__]
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as name:
        folder = Path(name)
        for each in APIS:
            (folder / f"{each}_client").mkdir()
            text = json.dumps(document if each == api else DOCUMENTS[each])
            (folder / f"{each}_client" / "openapi.json").write_text(text, "utf-8")
        patch.setattr(reader, "files", lambda package: folder / package)
        contract.cache_clear()
        try:
            assert contract(f"{api}_client").document == document
            keys = KEYS["retainful"]
            recorder.mock = MockApp(
                [
                    PristoMock(KEYS["pristo"]["api_key"], [KEYS["pristo"]["population_id"]]),
                    RetainfulMock(keys["api_key"], keys["app_id"]),
                ]
            )
            recorder.exchanges = []
            for setting, value in {**KEYS[api], "base_url": recorder.url}.items():
                patch.setenv(f"{api}_{setting}".upper(), str(value))
            blocking, awaiting = CLIENTS[api]
            _call_blocking(blocking, FIELDS[api])
            asyncio.run(_call_awaiting(awaiting, FIELDS[api]))
            _run_commands(api, folder)
        finally:
            contract.cache_clear()
    return recorder.exchanges


def _call_blocking(kind: type[Pristo | Retainful], fields: Mapping[str, Any]) -> None:
    with kind() as client:
        client.upsert_contact(**fields)
        outcomes = list(client.upsert_many([fields, fields], concurrency=1))
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert client.check_credentials()
    with kind(api_key="another", max_retries=0) as client:
        assert not client.check_credentials()


async def _call_awaiting(
    kind: type[AsyncPristo | AsyncRetainful], fields: Mapping[str, Any]
) -> None:
    async with kind() as client:
        await client.upsert_contact(**fields)
        outcomes = [
            outcome async for outcome in client.upsert_many([fields, fields], concurrency=1)
        ]
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert await client.check_credentials()


def _run_commands(api: Api, folder: Path) -> None:
    fields = OPTIONS[api]
    words = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
    assert called("upsert", "--to", api, *words).code == 0
    assert called("check", "--to", api).code == 0
    people = folder / "people.csv"
    people.write_text(",".join(fields) + "\n" + ",".join(fields.values()) + "\n", "utf-8")
    assert called("import", people, "--to", api).code == 0


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def expected(recorder: Recorder) -> Mapping[str, list[tuple[str, str, int, Any]]]:
    """What is exchanged by the documents as they are."""
    return {api: every_exchange(api, DOCUMENTS[api], recorder) for api in APIS}


@pytest.mark.parametrize("api", APIS)
def test_order_means_nothing(
    api: Api, recorder: Recorder, expected: Mapping[str, list[tuple[str, str, int, Any]]]
) -> None:
    """By a document with paths, methods, schemes and keys in any order, operations added, all requests are the same bytes."""

    @settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
    @given(document=documents(api))
    @example(document=backwards(DOCUMENTS[api]))
    @example(document=with_added(api, ADDED))
    def same(document: Json) -> None:
        assert every_exchange(api, document, recorder) == expected[api]

    same()
    assert [status for _, _, status, _ in expected[api]].count(401) == 1
    assert len(expected[api]) == 12

"""What is mocked stays mocked: with the service's port listening, ``upsert_many`` connects to it under no library that mocks HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import httpx
import pytest
import respx
import vcr  # type: ignore[import-untyped] # has no types
from pytest_httpx import HTTPXMock

from contact_apis import APIConnectionError, ConfigurationError, UpsertOutcome

from .hostile import Hostile, answer
from .kinds import APIS, CLASSES, FIELDS, GOOD, KEYS, KINDS, Api, Kind, call

pytestmark = pytest.mark.usefixtures("bare_environment")
each_client = pytest.mark.parametrize(
    ("api", "kind"), [(api, kind) for api in APIS for kind in KINDS]
)


@pytest.fixture
def service() -> Generator[Hostile]:
    """Listens where the clients send, and hears nothing."""
    with Hostile(answer(500)) as service:
        yield service
        assert service.connections == 0


def _many(api: Api, kind: Kind, service: Hostile, **options: Any) -> UpsertOutcome:
    """One contact by ``upsert_many``."""
    client = CLASSES[api, kind](base_url=service.url, max_retries=0, **KEYS[api], **options)
    if kind == "sync":
        with client:
            outcome: UpsertOutcome
            (outcome,) = client.upsert_many([FIELDS[api]])
            return outcome

    async def awaited() -> UpsertOutcome:
        async with client:
            outcome: UpsertOutcome
            (outcome,) = [each async for each in client.upsert_many([FIELDS[api]])]
            return outcome

    return asyncio.run(awaited())


def _good(api: Api) -> httpx.Response:
    return httpx.Response(200, json=GOOD[api])


@each_client
@pytest.mark.parametrize("mocker", ["httpcore", "httpx"])
def test_respx(api: Api, kind: Kind, mocker: str, service: Hostile) -> None:
    """Gets the response of the route, whichever of its two levels respx mocks; a request without a route is refused."""
    with respx.mock(using=mocker) as router:
        route = router.route(url__startswith=service.url).mock(return_value=_good(api))
        assert _many(api, kind, service).succeeded
        assert route.call_count == 1
    with respx.mock(using=mocker), pytest.raises(AssertionError, match="not mocked"):
        _many(api, kind, service)


@each_client
def test_pytest_httpx(api: Api, kind: Kind, httpx_mock: HTTPXMock, service: Hostile) -> None:
    """Gets the response that was added."""
    httpx_mock.add_response(status_code=200, json=GOOD[api])
    assert _many(api, kind, service).succeeded
    (request,) = httpx_mock.get_requests()
    assert str(request.url).startswith(service.url)


@each_client
@pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
def test_pytest_httpx_without_a_response(
    api: Api, kind: Kind, httpx_mock: HTTPXMock, service: Hostile
) -> None:
    """Without one, the outcome says that there is none."""
    outcome = _many(api, kind, service)
    assert not outcome.succeeded
    assert len(httpx_mock.get_requests()) == 1


@each_client
def test_vcrpy(api: Api, kind: Kind, tmp_path: Path) -> None:
    """Gets the response of the cassette; where the cassette has none, the request is refused."""
    cassette = str(tmp_path / "cassette.yaml")
    with Hostile(answer(200, GOOD[api], "Content-Type: application/json\r\n")) as recorded:
        with vcr.use_cassette(cassette, record_mode="once", filter_headers=["api-key"]):
            assert _many(api, kind, recorded).succeeded
        assert len(recorded.requests) == 1
        with vcr.use_cassette(cassette, record_mode="none") as tape:
            assert _many(api, kind, recorded).succeeded
            assert tape.play_count == 1
        with (
            vcr.use_cassette(str(tmp_path / "empty.yaml"), record_mode="none"),
            pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
        ):
            _many(api, kind, recorded)
        assert len(recorded.requests) == 1


@each_client
def test_a_mocked_session_of_aiohttp(
    api: Api, kind: Kind, service: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the place of ``aiohttp.ClientSession._request``, as aioresponses does, gets the request."""
    seen: list[str] = []

    async def refuse(_: object, method: str, url: object, **__: object) -> None:
        seen.append(str(url))
        raise aiohttp.ClientConnectionError("no response is set")

    monkeypatch.setattr(aiohttp.ClientSession, "_request", refuse)
    assert isinstance(_many(api, kind, service).error, APIConnectionError)
    (url,) = seen
    assert url.startswith(service.url)


@each_client
def test_a_mock_transport(api: Api, kind: Kind, service: Hostile) -> None:
    """``http_client=`` with httpx's own ``MockTransport`` gets every request."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return _good(api)

    made = httpx.Client if kind == "sync" else httpx.AsyncClient
    assert _many(
        api, kind, service, http_client=made(transport=httpx.MockTransport(handle))
    ).succeeded
    assert len(seen) == 1


class _Fake(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport of a test's own."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        return _good(self._api)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


@each_client
@pytest.mark.parametrize("single", [True, False])
def test_a_transport_in_the_place_of_that_of_httpx(
    api: Api, kind: Kind, single: bool, service: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gets every request, one or many."""
    fake = _Fake(api)
    monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: fake)
    monkeypatch.setattr(httpx, "AsyncHTTPTransport", lambda **_: fake)
    if single:
        call(api, kind, service.url)
    else:
        assert _many(api, kind, service).succeeded
    assert fake.count == 1


@each_client
@pytest.mark.parametrize("single", [True, False])
def test_send_of_httpx(
    api: Api, kind: Kind, single: bool, service: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function in the place of ``httpx.Client.send`` gets every request, one or many."""
    seen: list[httpx.Request] = []

    def send(_: object, request: httpx.Request, **__: object) -> httpx.Response:
        seen.append(request)
        return _good(api)

    async def send_async(_: object, request: httpx.Request, **__: object) -> httpx.Response:
        return send(_, request)

    monkeypatch.setattr(httpx.Client, "send", send)
    monkeypatch.setattr(httpx.AsyncClient, "send", send_async)
    if single:
        call(api, kind, service.url)
    else:
        assert _many(api, kind, service).succeeded
    assert len(seen) == 1


@each_client
def test_a_tracer_around_send(api: Api, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that passes on what it sees, as Sentry's does, sees each request once, and the service answers it."""
    seen: list[object] = []
    blocking, awaited = httpx.Client.send, httpx.AsyncClient.send

    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        seen.append(request)
        return blocking(self, request, **options)

    async def send_async(
        self: httpx.AsyncClient, request: httpx.Request, **options: Any
    ) -> httpx.Response:
        seen.append(request)
        return await awaited(self, request, **options)

    monkeypatch.setattr(httpx.Client, "send", send)
    monkeypatch.setattr(httpx.AsyncClient, "send", send_async)
    with Hostile(answer(200, GOOD[api])) as service:
        assert _many(api, kind, service).succeeded
        call(api, kind, service.url)
        assert (len(service.requests), len(seen)) == (2, 2)


@each_client
@pytest.mark.parametrize(
    "target",
    ["httpx.Client", "httpx.AsyncClient", "httpx.Client.request", "httpx.AsyncClient.request"],
)
@pytest.mark.parametrize("autospec", [None, True])
def test_what_no_request_of_many_goes_through(
    api: Api, kind: Kind, target: str, autospec: bool | None, service: Hostile
) -> None:
    """A mock that would not see the requests makes ``upsert_many`` refuse, with the remedy."""
    with (
        mock.patch(target, autospec=autospec),
        pytest.raises(ConfigurationError, match=r"is mocked, which .*; mock the transport"),
    ):
        _many(api, kind, service)


def test_mocks_leave_nothing_behind(service: Hostile) -> None:
    """After a mock has ended, many go by connections of their own again."""
    with respx.mock(assert_all_called=False):
        pass
    with Hostile(answer(200, GOOD["pristo"])) as other:
        assert _many("pristo", "async", other).succeeded
        assert other.connections == 1


def test_a_mock_that_was_there_first() -> None:
    """Where httpx was mocked before this package was imported, many are mocked too, and no longer when the mock has ended."""
    with Hostile(answer(200, GOOD["pristo"])) as service:
        done = subprocess.run(
            [sys.executable, "-c", _FIRST, service.url, json.dumps(GOOD["pristo"])],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.stdout.split(), done.stderr) == (["updated", "1", "updated", "1"], "")
        assert len(service.requests) == 1


_FIRST = """
import json, sys
import httpx, respx
good = json.loads(sys.argv[2])
with respx.mock() as router:
    route = router.route().mock(return_value=httpx.Response(200, json=good))
    from contact_apis import Pristo
    def many():
        with Pristo(api_key="k" * 16, population_id="5ee0d1c9-1c0f-4b8e-8f0f-3f6d2a8b7c11", base_url=sys.argv[1]) as pristo:
            for outcome in pristo.upsert_many([{"id": good["contact"]["id"]}]):
                print(outcome.state, route.call_count)
    many()
many()
"""

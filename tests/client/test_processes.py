"""Clients in real processes: forked, cancelled, interrupted by signals, under many event loops, and given foreign responses.

``SOAK=10`` does everything ten times as often.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import multiprocessing
import os
import pickle
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contact_apis import APIResponseValidationError, AsyncPristo, Pristo

from .hostile import Hostile, answer, reset
from .kinds import APIS, CLASSES, GOOD, ID, KEYS, KINDS, Api, Kind, call
from .test_network import Echo

pytestmark = pytest.mark.usefixtures("bare_environment")

TIMES = int(os.environ.get("SOAK", "1"))
OTHER = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as service:
        yield service


def program(name: str, url: str, count: int) -> dict[str, Any]:
    """What a program of :mod:`tests.client.processes` saw."""
    command = [sys.executable, "-m", "tests.client.processes", name, url, str(count)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=int(os.environ.get("SOAK_SECONDS", "240")),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


# --------------------------------------------------------------------------------------------------------------- forks


def test_children_of_a_busy_parent(echo: Echo) -> None:
    """Children that are forked amid the calls of threads and of an event loop make their own, and the parent's go on."""
    seen = program("children", echo.url, 50 * TIMES)
    assert seen["codes"] == [0] * (50 * TIMES)
    assert seen["wrong"] == []
    assert seen["alive"] == [False] * 3


def test_siblings_get_their_own_responses() -> None:
    """A client that was used before a fork gives no child what another asked for."""

    class Slow(Echo):
        """Takes so long that all children wait at once."""

        def respond(self, connection: socket.socket, request: bytes) -> None:
            time.sleep(0.05)
            super().respond(connection, request)

    with Slow() as service:
        assert program("siblings", service.url, 5 * TIMES) == {"codes": [0] * 8, "parent": True}


def test_a_fork_amid_many(echo: Echo) -> None:
    """Outcomes belong to the process that began; a child is told so and ends, and the parent's run comes to its end."""
    assert program("fork_amid_many", echo.url, 40) | {"threads": 0} == {
        "code": 7,
        "states": ["created"],
        "threads": 0,
    }


def test_a_fork_amid_loading(echo: Echo) -> None:
    """A fork waits for what a thread is loading, for in the child nobody would ever have loaded it."""
    assert program("fork_amid_loading", echo.url, 1) == {"code": 0, "states": ["created"]}


def test_a_call_loads_no_module(echo: Echo) -> None:
    """Whatever a call needs is loaded with its client, so that no fork comes between and no descriptor is missing for it."""
    assert program("modules_of_a_call", echo.url, 1) == {"loaded": []}


def test_a_client_of_the_callers_stays_in_its_process(echo: Echo) -> None:
    """An ``http_client`` that was used before a fork is refused in the child, for its connections are the parent's too."""
    assert program("lent", echo.url, 1) == {"code": 7}


# ------------------------------------------------------------------------------------------------------ foreign responses


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_response_is_no_success(kind: Kind, many: bool) -> None:
    """A response that shows another contact's id is an unknown outcome, and its connection serves no other call."""
    with Hostile(answer(200, {"contact": {"id": OTHER}}), answer(200, GOOD["pristo"])) as service:
        client = CLASSES["pristo", kind](base_url=service.url, **KEYS["pristo"])

        async def awaited() -> list[Any]:
            async with client:
                if many:
                    return [
                        each async for each in client.upsert_many([{"id": ID}] * 2, concurrency=1)
                    ]
                return [
                    *await asyncio.gather(client.upsert_contact(id=ID), return_exceptions=True),
                    await client.upsert_contact(id=ID),
                ]

        def blocking() -> list[Any]:
            with client:
                if many:
                    return list(client.upsert_many([{"id": ID}] * 2, concurrency=1))
                with pytest.raises(APIResponseValidationError) as caught:
                    client.upsert_contact(id=ID)
                return [caught.value, client.upsert_contact(id=ID)]

        first, second = asyncio.run(awaited()) if kind == "async" else blocking()
        assert service.connections == 2
    error = first.error if many else first
    assert isinstance(error, APIResponseValidationError)
    assert error.perhaps_written
    assert "belongs to another request" in str(error)
    assert OTHER not in str(error)
    assert not many or (first.state, second.state) == ("unknown", "updated")


@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_response_over_a_client_of_the_callers(kind: Kind) -> None:
    """The same holds for connections of an ``http_client``."""
    with Hostile(answer(200, {"contact": {"id": OTHER}}), answer(200, GOOD["pristo"])) as service:

        async def awaited() -> None:
            async with httpx.AsyncClient() as mine:
                client = AsyncPristo(base_url=service.url, http_client=mine, **KEYS["pristo"])
                with pytest.raises(APIResponseValidationError):
                    await client.upsert_contact(id=ID)
                await client.upsert_contact(id=ID)

        if kind == "async":
            asyncio.run(awaited())
        else:
            with httpx.Client() as mine:
                client = Pristo(base_url=service.url, http_client=mine, **KEYS["pristo"])
                with pytest.raises(APIResponseValidationError):
                    client.upsert_contact(id=ID)
                client.upsert_contact(id=ID)
        assert service.connections == 2


def test_where_the_contract_shows_the_id() -> None:
    """The member that is compared is one of the request and of the responses, as the document has them."""
    operation = Pristo(**KEYS["pristo"])._session.service.upsert  # noqa: SLF001 # the document
    assert operation.body is not None
    assert operation.body.faults({"contact": {"id": "no uuid"}}) != []
    for status in (200, 201):
        schema = operation.response_schema(status)
        assert schema is not None
        assert schema.faults({"contact": {"id": "no uuid"}}) != []
    assert call_with_id(ID.upper()) is False


def call_with_id(shown: str) -> Any:
    with Hostile(answer(200, {"contact": {"id": shown}})) as service:
        return call("pristo", "sync", service.url).created


@pytest.mark.parametrize("kind", KINDS)
def test_another_correlation_id_is_no_failure(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """A service may answer under ids of its own: results have them, and each client says so once."""
    caplog.set_level(logging.WARNING, "contact_apis")
    with Hostile(answer(200, GOOD["pristo"], f"X-Request-Id: {OTHER}\r\n")) as service:
        client = CLASSES["pristo", kind](base_url=service.url, **KEYS["pristo"])

        async def awaited() -> list[UUID]:
            async with client:
                return [(await client.upsert_contact(id=ID)).request_id for _ in range(3)]

        shown = (
            asyncio.run(awaited())
            if kind == "async"
            else [client.upsert_contact(id=ID).request_id for _ in range(3)]
        )
        if kind == "sync":
            client.close()
    assert shown == [UUID(OTHER)] * 3
    assert len([each for each in caplog.records if "X-Request-Id" in each.getMessage()]) == 1
    assert OTHER not in caplog.text


# ---------------------------------------------------------------------------------------------------------- event loops


def test_a_thousand_event_loops(echo: Echo) -> None:
    """One client under a thousand successive event loops, ended well or not, holds a constant number of descriptors and threads."""
    seen = program("loops", echo.url, 1000 * TIMES)
    assert seen["right"] == 1000 * TIMES
    assert seen["late"][0] <= seen["early"][0] + 4
    assert seen["late"][1] <= seen["early"][1]


class OtherLoop(asyncio.SelectorEventLoop):
    """Connects as the event loop of uvloop does, which servers such as uvicorn use: one address at a time."""

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        assert "happy_eyeballs_delay" not in options
        assert "interleave" not in options
        return await super().create_connection(protocol_factory, host, port, **options)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "two.localhost"])
def test_event_loops_that_are_not_asyncios(
    host: str, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under other event loops than asyncio's own, calls go to whichever address of the host answers."""
    from contact_apis._http import connections

    port = int(echo.url.rpartition(":")[2])

    async def resolved(_loop: object, name: str, wanted: int, **_: object) -> list[Any]:
        dead = [("::1", wanted, 0, 0), ("127.0.0.2", wanted)] if name == "two.localhost" else []
        return [(0, 0, 0, "", each) for each in [*dead, ("127.0.0.1", wanted)]]

    monkeypatch.setattr(connections, "_is_asyncios_own", lambda _: False)
    monkeypatch.setattr(OtherLoop, "getaddrinfo", resolved)

    async def called() -> bool:
        async with AsyncPristo(
            base_url=f"http://{host}:{port}", allow_http=host, max_retries=0, **KEYS["pristo"]
        ) as pristo:
            wanted = uuid4()
            found = (await pristo.upsert_contact(id=wanted)).contact
            return found is not None and found.id == wanted

    with asyncio.Runner(loop_factory=OtherLoop) as runner:
        assert runner.run(called())


def test_no_descriptor_is_left(echo: Echo) -> None:
    """Out of descriptors, every kind of call fails with an error of ours that names the remedy; later calls work."""
    seen = program("no_descriptors", echo.url, 1)
    assert seen.pop("after") == [True]
    for typed, said in seen.values():
        assert typed, said
        assert "ulimit" in said


# --------------------------------------------------------------------------------------------------------- cancellation


def test_cancellations(echo: Echo) -> None:
    """After any number of cancellations, of whatever kind and at whatever await, all connections are there."""
    seen = program("cancellations", echo.url, 2000 * TIMES)
    assert (seen["wrong"], seen["kinds"], seen["tasks"]) == (0, [], 1)
    assert seen["left"] <= 8 + 16
    assert seen["closed"] <= 10


def test_callers_of_a_web_application_that_disconnect(echo: Echo) -> None:
    """Handlers whose caller has gone are cancelled, and take nothing with them that later handlers need."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    pristo = AsyncPristo(base_url=echo.url, timeout=10, max_retries=0, **KEYS["pristo"])
    cancelled: list[bool] = []

    async def handler(request: Request) -> Response:
        async def gone() -> None:
            while not await request.is_disconnected():
                await asyncio.sleep(0.001)

        wanted = uuid4()
        calling = asyncio.ensure_future(pristo.upsert_contact(id=wanted))
        leaving = asyncio.ensure_future(gone())
        await asyncio.wait([calling, leaving], return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not calling.done():
            calling.cancel()
            cancelled.append(True)
            return Response()
        found = (await calling).contact
        return PlainTextResponse(str(found is not None and found.id == wanted))

    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(
        Starlette(routes=[Route("/", handler)]), log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    host = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    try:
        for number in range(60 * TIMES):
            with socket.create_connection(listener.getsockname()[:2]) as caller:
                caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                time.sleep(0.0005 * (number % 10))
        with httpx.Client(trust_env=False) as caller_who_waits:
            assert [caller_who_waits.get(host).text for _ in range(20)] == ["True"] * 20
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
    assert cancelled


# -------------------------------------------------------------------------------------------------------------- signals


def test_interruptions(echo: Echo) -> None:
    """A signal handler that raises at any moment of a call loses no connection, hangs nobody and mixes up no response."""
    seen = program("interruptions", echo.url, 2000 * TIMES)
    assert seen["interrupted"] == 2000 * TIMES
    assert seen["wrong"] == []
    assert seen["hung"] == 0
    assert seen["left"] <= 8 + 16


def test_interruptions_of_many(echo: Echo) -> None:
    """The same holds for ``upsert_many``, which leaves no thread behind."""
    seen = program("interrupted_many", echo.url, 60 * TIMES)
    assert seen["interrupted"] > 5 * TIMES
    assert seen["late"][0] <= seen["early"][0] + 4
    assert seen["late"][1] <= seen["early"][1] + 1
    assert seen["ended"] == 20


# ------------------------------------------------------------------------------------------------------ pickle and copy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_clients_pickle_to_their_settings(api: Api, kind: Kind) -> None:
    """A pickled, copied or deeply copied client has the same settings and connections of its own; no repr shows the key."""
    with Hostile(answer(200, GOOD[api])) as service:
        client = CLASSES[api, kind](
            base_url=service.url, timeout=7, total_timeout=None, max_retries=5, **KEYS[api]
        )
        for each in (
            pickle.loads(pickle.dumps(client)),  # noqa: S301 # made here
            copy.copy(client),
            copy.deepcopy(client.with_options(max_retries=5)),
        ):
            assert type(each) is type(client)
            assert each._options() == client._options()  # noqa: SLF001 # what is tested
            assert each._session.client_transport is not client._session.client_transport  # noqa: SLF001 # what is tested
            assert KEYS[api]["api_key"] not in repr(each)
            assert KEYS[api]["api_key"] not in repr(vars(each))


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_of_the_callers_does_not_pickle(kind: Kind) -> None:
    """With ``http_client`` one sentence says what to do; a copy shares it."""
    mine: Any = httpx.Client() if kind == "sync" else httpx.AsyncClient()
    client = CLASSES["pristo", kind](http_client=mine, **KEYS["pristo"])
    with pytest.raises(TypeError, match="in the process that uses it"):
        pickle.dumps(client)
    assert copy.copy(client)._session.client_transport.given is mine  # noqa: SLF001 # what is tested


def upserted(pristo: Pristo, number: int) -> bool:
    """One call in a process of a pool."""
    wanted = UUID(int=number, version=4)
    contact = pristo.upsert_contact(id=wanted).contact
    return contact is not None and contact.id == wanted


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_process_pools(method: str, echo: Echo) -> None:
    """A client goes to the processes of a pool, however they are started, after calls of its own."""
    with Pristo(base_url=echo.url, **KEYS["pristo"]) as pristo:
        assert upserted(pristo, 1)
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert all(pool.starmap(upserted, [(pristo, number) for number in range(8)]))
            pool.close()
            pool.join()


# ------------------------------------------------------------------------------------------------------ all of it at once


def test_everything_at_once() -> None:
    """Calls of all kinds amid faults, cancellations and forks: nothing is mixed up, every error is ours, and nothing grows.

    ``SOAK_CALLS`` is how many calls; what is held after the first twentieth is what is held at the end.
    """

    class Faulty(Echo):
        """Breaks a connection or fails now and then."""

        def respond(self, connection: socket.socket, request: bytes) -> None:
            chance = random.random()
            if chance < 0.005:
                reset(connection)
            elif chance < 0.01:
                connection.sendall(answer(503, b"", "Retry-After: 0\r\n"))
            elif chance < 0.015:
                connection.sendall(answer(200, b"no JSON"))
            else:
                super().respond(connection, request)

    calls = int(os.environ.get("SOAK_CALLS", "2400"))
    with Faulty() as service:
        seen = program("everything", service.url, calls)
    assert seen["made"] >= calls
    assert 0 < seen["failed"] < calls / 10
    assert seen["wrong"] == []
    (early, descriptors, threads), *_ = seen["marks"]
    late = seen["marks"][-1]
    assert late[0] <= early + 8 * 1024, seen["marks"]
    assert late[1] <= descriptors + 16, seen["marks"]
    assert late[2] <= threads + 1, seen["marks"]

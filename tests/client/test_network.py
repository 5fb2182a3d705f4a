"""Real TLS with a private authority, a real proxy, and many callers at once."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest

import contact_apis
from contact_apis import APIConnectionError, AsyncPristo, ConfigurationError, Pristo
from contact_apis._http import connections

from .hostile import Hostile, Proxy, TlsServer, answer, hang
from .kinds import GOOD, ID, KEYS, KINDS, Kind, call

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture
def secure(authority: Path) -> Iterator[TlsServer]:
    with TlsServer(authority, answer(200, GOOD["pristo"])) as service:
        yield service


@pytest.mark.parametrize("kind", KINDS)
def test_private_authority(
    kind: Kind, secure: TlsServer, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SSL_CERT_FILE`` is obeyed; without it a certificate that nobody vouches for is refused and nothing is sent."""
    with pytest.raises(APIConnectionError, match=r"ConnectError: .*never sent") as caught:
        call("pristo", kind, secure.url, max_retries=0)
    assert caught.value.__context__ is None
    assert secure.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    assert call("pristo", kind, secure.url).created is False
    assert len(secure.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_proxy(
    kind: Kind, secure: TlsServer, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``HTTPS_PROXY`` is obeyed, with the key inside the tunnel alone, and so is ``NO_PROXY``."""
    proxy = Proxy(secure.port)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.removeprefix("http://"))
    assert call("pristo", kind, "https://api.example:9443").created is False
    assert [each.split(b"\r\n")[0] for each in proxy.asked] == [
        b"CONNECT api.example:9443 HTTP/1.1"
    ]
    assert KEYS["pristo"]["api_key"].encode() not in proxy.asked[0]
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert call("pristo", kind, secure.url).created is False
    assert len(proxy.asked) == 1
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    assert call("pristo", kind, "https://api.example").created is False
    assert len(proxy.asked) == 2
    proxy.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_that_refuses(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proxy does not let through was never sent, and is tried again."""
    proxy = Proxy(1, refuse=True)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with pytest.raises(APIConnectionError, match=r"ProxyError; the request was never sent"):
        call("pristo", kind, "https://api.example")
    assert len(proxy.asked) == 3
    proxy.close()


@pytest.mark.parametrize("kind", KINDS)
def test_plain_http_goes_through_no_proxy(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for a service on loopback is never carried in the clear to a proxy elsewhere."""
    proxy = Proxy(1)
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    with Hostile(answer(200, GOOD["pristo"])) as service:
        assert call("pristo", kind, service.url).created is False
    assert proxy.asked == []
    proxy.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("HTTPS_PROXY", "socks4://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://127.0.0.1:port"),
    ],
)
def test_an_environment_that_cannot_work(
    kind: Kind, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy or an authority that is none gives one sentence that says where to look."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        call("pristo", kind, "https://api.example")


def test_an_http_client_with_an_authority_of_its_own(secure: TlsServer, authority: Path) -> None:
    """What the caller's client trusts is trusted."""
    with httpx.Client(verify=ssl.create_default_context(cafile=str(authority / "ca.pem"))) as mine:
        assert call("pristo", "sync", secure.url, http_client=mine).created is False
    assert len(secure.requests) == 1


def test_one_context_for_all(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The TLS context, the dearest part of a client, is made once for each environment."""
    made: list[str] = []
    original = httpx.create_ssl_context

    def counted() -> ssl.SSLContext:
        made.append("context")
        return original()

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    connections._ssl_context.cache_clear()  # noqa: SLF001 # what is tested
    with TlsServer(authority, answer(200, GOOD["pristo"])) as service:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        for kind in KINDS:
            for _ in range(3):
                call("pristo", kind, service.url)
    assert len(made) == 1


def test_nothing_is_written_or_read_when_time_is_over() -> None:
    """A connection of ours does nothing more for a call whose deadline has passed."""
    transport = connections.Connections(httpx.URL("http://127.0.0.1"))  # what is tested
    with Hostile(hang) as service:
        request = httpx.Request("GET", service.url, extensions={"timeout": {"pool": None}})
        with pytest.raises(httpx.ConnectTimeout):
            transport.exchange(request, 0.001, lambda _: True)
        assert service.requests == []
    transport.close()


# ------------------------------------------------------------------------------------------------ many callers at once

CALLS = 1000
IDS = [uuid5(UUID(ID), str(number)) for number in range(CALLS)]


def echo(connection: socket.socket, request: bytes) -> None:
    """Answers with the contact that was sent."""
    body = request.split(b"\r\n\r\n", 1)[1]
    connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


class Echo(Hostile):
    """A service that answers each request with the contact in it."""

    def _talk(self, connection: socket.socket) -> None:
        while head := connection.recv(65536):
            length = (
                int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
                if b"\r\n\r\n" in head
                else 1 << 30
            )
            while len(head.partition(b"\r\n\r\n")[2]) < length:
                more = connection.recv(65536)
                if not more:  # the caller has gone
                    return
                head += more
                length = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
            self.respond(connection, head)

    def respond(self, connection: socket.socket, request: bytes) -> None:
        echo(connection, request)


def open_files() -> int:
    """File descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def test_a_thousand_threads() -> None:
    """One client serves a thousand threads: no answer is lost or mixed up, and sixteen connections are enough."""
    before = open_files()
    with Echo() as service, Pristo(base_url=service.url, timeout=60, **KEYS["pristo"]) as pristo:
        start = threading.Barrier(CALLS)

        def one(number: int) -> bool:
            start.wait(60)
            contact = pristo.upsert_contact(id=IDS[number], name=str(number)).contact
            return contact is not None and (contact.id, contact.name) == (IDS[number], str(number))

        with ThreadPoolExecutor(CALLS) as threads:
            assert all(threads.map(one, range(CALLS)))
        assert 1 <= service.connections <= 16
    gc.collect()
    assert open_files() <= before + 2


def test_a_thousand_tasks() -> None:
    """The same holds for tasks of one event loop, again and again on the same connections."""

    async def run() -> None:
        async with AsyncPristo(base_url=service.url, timeout=60, **KEYS["pristo"]) as pristo:

            async def one(number: int) -> bool:
                contact = (await pristo.upsert_contact(id=IDS[number], name=str(number))).contact
                return contact is not None and (contact.id, contact.name) == (
                    IDS[number],
                    str(number),
                )

            for _ in range(2):
                assert all(await asyncio.gather(*map(one, range(CALLS))))
            assert 1 <= service.connections <= 16

    before = open_files()
    with Echo() as service:
        asyncio.run(run())
    gc.collect()
    assert open_files() <= before + 2


@pytest.mark.parametrize("kind", KINDS)
def test_no_free_connection(kind: Kind) -> None:
    """Who waits too long for one of the sixteen is told that nothing was sent, and frees nobody else's place."""
    release = threading.Event()

    def held(connection: socket.socket) -> None:
        release.wait(20)
        connection.sendall(answer(200, GOOD["pristo"]))

    async def tasks() -> list[Any]:
        async with AsyncPristo(base_url=service.url, max_retries=0, **KEYS["pristo"]) as pristo:
            holders = [asyncio.create_task(pristo.upsert_contact(id=ID)) for _ in range(16)]
            while len(service.requests) < 16:
                await asyncio.sleep(0.01)
            late = await asyncio.gather(
                pristo.with_options(timeout=0.2).upsert_contact(id=ID), return_exceptions=True
            )
            release.set()
            return [*late, *await asyncio.gather(*holders)]

    def workers() -> list[Any]:
        with (
            Pristo(base_url=service.url, max_retries=0, **KEYS["pristo"]) as pristo,
            ThreadPoolExecutor(16) as pool,
        ):
            holders = [pool.submit(pristo.upsert_contact, id=ID) for _ in range(16)]
            while len(service.requests) < 16:
                threading.Event().wait(0.01)
            try:
                late: list[Any] = [pristo.with_options(timeout=0.2).upsert_contact(id=ID)]
            except APIConnectionError as error:
                late = [error]
            release.set()
            return [*late, *(each.result() for each in holders)]

    with Hostile(held) as service:
        late, *others = asyncio.run(tasks()) if kind == "async" else workers()
    assert isinstance(late, contact_apis.APITimeoutError)
    assert "never sent" in str(late)
    assert [each.created for each in others] == [False] * 16


def test_cancelled_calls_leave_no_trace() -> None:
    """A task that is cancelled gives its connection back; its client goes on working."""

    async def run() -> None:
        async with AsyncPristo(base_url=service.url, **KEYS["pristo"]) as pristo:
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(pristo.upsert_contact(id=ID), 0.02)
            service.script[:] = [lambda connection: connection.sendall(answer(200, GOOD["pristo"]))]
            assert (await pristo.upsert_contact(id=ID)).created is False

    with Hostile(lambda connection: connection.recv(1)) as service:
        asyncio.run(run())

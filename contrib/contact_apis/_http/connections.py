"""Connections of our own, by the proxy and the certificates that are set.

Everything here that holds a socket or a lock has an owner. :class:`Connections` belong to one process, :class:`AsyncConnections`
to one event loop of one process, and each connection to the one call that uses it. What belongs to another owner is discarded:

- After a fork the child closes its copies of the parent's sockets and says nothing on them, for the parent goes on using them.
- A call that does not come to its end, be it cancelled, interrupted by a signal or out of time, takes its connection with it.
- An event loop that ends takes its connections with it.

There is no lock that somebody could die or be interrupted with: places are taken and given back by single operations of a ``dict``.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
)
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from types import FunctionType
from typing import Any, Protocol, TypeVar
from urllib.request import getproxies, proxy_bypass
from weakref import ref

import httpcore
import httpx
from httpcore._utils import is_socket_readable  # what httpcore's own connections ask

# From where they are made, for a mock can stand in httpx's own name for them.
from httpx._client import AsyncClient, Client
from httpx._transports.default import AsyncHTTPTransport, HTTPTransport

from contact_apis._errors import ConfigurationError

from .addresses import is_kept_from_proxy
from .imports import whole
from .secrets import Secret

# More connections than this help nobody: at 16 in flight one process is busy.
CONNECTIONS = 16
LIMITS = httpx.Limits(
    max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30.0
)
LONGEST_NAP = 1.0  # seconds; whoever waits for a place looks again after this, should a wake-up have been lost to an interrupt
HAPPY_EYEBALLS = (
    0.25  # seconds before the next address of a host is tried beside the last (RFC 8305)
)
ONE_ADDRESS = (
    1.0  # seconds for one address of several, where an event loop cannot try them side by side
)
READ_AHEAD = 1 << 16  # bytes that are taken from the network before somebody asks for them
OUT_OF_DESCRIPTORS = "no file descriptor is left: raise the limit (ulimit -n), or close files and clients that are not needed"

Checked = TypeVar("Checked")


# --------------------------------------------------------------------------------------------------------------- owners


class Holder(Protocol):
    """What holds a socket, and can let go of it without a word to the other side."""

    @abstractmethod
    def abandon(self) -> None: ...


_held: set[ref[Any]] = set()
"""All sockets of this process that a fork hands to the child. Weak references are added and removed in one step each."""


def hold(holder: Holder) -> None:
    """Has a holder abandoned in whatever child this process forks."""
    _held.add(ref(holder, _held.discard))


def _abandon_all() -> None:
    for each in _held.copy():
        holder = each()
        if holder is not None:
            with suppress(Exception):
                holder.abandon()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


def drop(descriptor: int) -> None:
    """Takes the socket from a descriptor that objects of an event loop still know.

    They would close it by the loop's selector, which a forked child shares with its parent: the parent would go deaf. So they
    keep the number, with the null device behind it.
    """
    null = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(null, descriptor, inheritable=False)
    finally:
        os.close(null)


# ------------------------------------------------------------------------------------------------------------- blocking


class Claim:
    """Whose place it is: one for each call. Places know claims by weak references, so that one that is lost frees its place."""

    __slots__ = ("__weakref__",)


class Connections:
    """Connections that the threads of one process share. Every read and write ends at the deadline of its call."""

    def __init__(self, url: httpx.URL) -> None:
        with setting_up():
            self._places = tuple(_Place(url) for _ in range(CONNECTIONS))
            self._places[0].transport  # noqa: B018 # says now what is wrong with the environment
        self._owners: dict[int, ref[Claim]] = {}
        self._orphans: deque[ref[Claim]] = deque()
        self._waiting: deque[threading.Lock] = deque()
        self._closed = False

    def exchange(
        self, request: httpx.Request, deadline: float | None, read: Callable[[httpx.Response], bool]
    ) -> httpx.Response:
        """The response to a request. ``read`` reads it whole and says whether its connection may serve another call.

        A signal handler may raise at any point of this. So whatever is taken is noted in one step where the end finds it, and the end
        is tried twice: the second comes to its end where the first is interrupted.

        Raises:
            httpx.HTTPError, OSError: no whole response.
        """
        claim = Claim()
        mine = ref(claim, self._orphans.append)
        try:
            place = self._places[self._claimed(mine, request.extensions["timeout"]["pool"])]
            place.begin(deadline)
            response = place.handle(request)
            if read(response):
                place.keep()
            return response
        finally:
            try:
                self._end(mine)
            finally:
                self._end(mine)

    def _claimed(self, mine: ref[Claim], seconds: float | None) -> int:
        """The number of a place that is free now, or becomes so in time."""
        while self._orphans:
            with suppress(IndexError):  # another thread was faster
                self._end(self._orphans.pop())
        if not self._waiting:
            found = self._take(mine)
            if found is not None:
                return found
        return self._queue(mine, seconds)

    def _take(self, mine: ref[Claim]) -> int | None:
        for number in range(CONNECTIONS):
            if self._owners.setdefault(number, mine) is mine:
                return number
        return None

    def _queue(self, mine: ref[Claim], seconds: float | None) -> int:
        """Waits for a place, first come, first served."""
        ends = None if seconds is None else monotonic() + seconds
        gate = threading.Lock()
        gate.acquire()
        self._waiting.append(gate)
        may_look = self._waiting[0] is gate
        try:
            while True:
                found = self._take(mine) if may_look else None
                if found is not None:
                    return found
                left = LONGEST_NAP if ends is None else ends - monotonic()
                if left <= 0:
                    raise httpx.PoolTimeout("all connections are busy")
                if gate.acquire(timeout=min(left, LONGEST_NAP)):
                    self._waiting.appendleft(gate)
                may_look = True
        finally:
            with suppress(IndexError, ValueError):  # it was taken out to be woken
                self._waiting.remove(gate)
            self._wake()

    def _wake(self) -> None:
        if self._waiting and len(self._owners) < CONNECTIONS:
            with suppress(IndexError, RuntimeError):  # others woke it
                self._waiting.popleft().release()

    def _end(self, mine: ref[Claim]) -> None:
        """Gives the places of a claim back, with the connection of a call that came to its end and without any other."""
        for number, owner in self._owners.copy().items():
            if owner is mine:
                place = self._places[number]
                if self._closed or not place.kept:
                    place.discard()
                self._owners.pop(number, None)
        if self._waiting:
            self._wake()

    def close(self) -> None:
        """Closes all of them; calls that are being made fail."""
        self._closed = True
        for place in self._places:
            place.discard()


class _Place:
    """Where one connection is opened and kept."""

    def __init__(self, url: httpx.URL) -> None:
        self._url = url
        self._backend = _Backend()
        self._transport: httpx.HTTPTransport | None = None
        self._connection: httpcore.ConnectionInterface | None = None
        self.kept = True

    @property
    def transport(self) -> httpx.HTTPTransport:
        """Opens connections as httpx does, by the environment's proxy and certificates."""
        if self._transport is None:
            made = httpx.HTTPTransport(
                verify=trusted(self._url), limits=LIMITS, proxy=proxy_for(self._url)
            )
            if isinstance(made, HTTPTransport):  # pyright: ignore[reportUnnecessaryIsInstance] # a mock can stand there
                # httpx does not pass on httpcore's parameter for this.
                made._pool._network_backend = self._backend  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # see above
            self._transport = made
        return self._transport

    def begin(self, deadline: float | None) -> None:
        """From here until :meth:`keep` the connection is the call's."""
        self.kept = False
        self._backend.deadline = deadline

    def handle(self, request: httpx.Request) -> httpx.Response:
        """A response, not read yet."""
        if patched():
            if _sends_itself(Client):
                return self.transport.handle_request(request)
            return Client(transport=self.transport, trust_env=False).send(request, stream=True)
        wanted = _wanted(request)
        connection = self._connection
        if connection is not None and connection.has_expired():
            self.discard()
            connection = None
        if connection is None:
            pool = self.transport._pool  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # as above
            connection = self._connection = pool.create_connection(wanted.url.origin)
        try:
            found = connection.handle_request(wanted)
        except HTTPCORE_ERRORS as error:
            raise _said(error) from error
        return httpx.Response(
            found.status,
            headers=found.headers,
            stream=_Chunks(found),
            extensions=_extensions(found),
        )

    def keep(self) -> None:
        """The call has come to its end."""
        self.kept = self._connection is None or self._connection.is_idle()

    def discard(self) -> None:
        """Closes the connection without a word."""
        self._connection = self._transport = None
        self._backend.close()


class _Chunks(httpx.SyncByteStream):
    """The body of a response of httpcore, with errors as httpx has them."""

    def __init__(self, response: httpcore.Response) -> None:
        self._inner: Any = response.stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._inner
        except HTTPCORE_ERRORS as error:
            raise _said(error) from error

    def close(self) -> None:
        self._inner.close()


class _Backend(httpcore.SyncBackend):
    """Opens the sockets of one place, and knows them."""

    deadline: float | None = None
    """When the call that is being made has to be over, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._opened: list[_Stream] = []

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.NetworkStream:
        """As httpcore does."""
        return self.opened(
            super().connect_tcp(
                host, port, self.left(timeout, httpcore.ConnectTimeout), *args, **kwargs
            )
        )

    def opened(self, inner: httpcore.NetworkStream) -> _Stream:
        """Takes note of a connection."""
        stream = _Stream(inner, self)
        self._opened.append(stream)
        hold(stream)
        return stream

    def left(
        self, timeout: float | None, late: type[httpcore.TimeoutException] = httpcore.ReadTimeout
    ) -> float | None:
        """A timeout in seconds, cut to what is left of the call; raises ``late`` where nothing is."""
        if self.deadline is None:
            return timeout
        left = self.deadline - monotonic()
        if left <= 0:
            raise late("the time for the whole call is over")
        if timeout is None:
            return left
        return min(left, timeout)

    def close(self) -> None:
        for stream in self._opened:
            stream.close()
        self._opened.clear()


class _Stream(httpcore.NetworkStream):
    """A connection. What is written goes out with the next read: head and body in one packet, for half the system calls."""

    def __init__(self, inner: httpcore.NetworkStream, backend: _Backend) -> None:
        self._inner = inner
        self._backend = backend
        self._unsent = b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._backend.left(timeout)
        self._unsent += buffer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            unsent = self._unsent
            self._unsent = b""
            with suppress(
                httpcore.WriteError
            ):  # as httpcore does: the service may have answered before it hung up
                self._inner.write(unsent, self._backend.left(timeout))
        return self._inner.read(max_bytes, self._backend.left(timeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        seconds = self._backend.left(timeout, httpcore.ConnectTimeout)
        return self._backend.opened(self._inner.start_tls(ssl_context, server_hostname, seconds))

    def close(self) -> None:
        self._inner.close()

    abandon = close

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# ------------------------------------------------------------------------------------------------------------- awaiting


class AsyncConnections:
    """Connections that the tasks of one event loop share. Nothing that gives one back has to be awaited, so nothing can cut it short."""

    def __init__(self, url: httpx.URL) -> None:
        self._url = url
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[_AsyncPlace] = []
        self._all: set[_AsyncPlace] = set()
        self._keeper = self._kept()

        self._closed = False

    async def start(self) -> None:
        """Has the connections closed when the event loop ends."""
        await anext(self._keeper)

    async def _kept(self) -> AsyncGenerator[None, None]:
        """Whoever ends an event loop closes its asynchronous generators first, this one among them."""
        try:
            yield
        finally:
            self.close()

    async def exchange(
        self, request: httpx.Request, read: Callable[[httpx.Response], Awaitable[bool]]
    ) -> httpx.Response:
        """As :meth:`Connections.exchange`."""
        await self._free_place(request.extensions["timeout"]["pool"])
        place = self._idle.pop() if self._idle else _AsyncPlace(self._url)
        self._all.add(place)
        kept = False
        try:
            response = await place.handle(request)
            kept = await read(response) and place.reusable
            return response
        finally:
            if kept and not self._closed:
                self._idle.append(place)
            else:
                place.discard()
                self._all.discard(place)
            self._free.release()

    async def _free_place(self, seconds: float | None) -> None:
        try:
            # A free one is taken at once, without the price of a timer.
            if not self._free.locked():
                await self._free.acquire()
                return
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are busy") from None

    async def aclose(self) -> None:
        """Closes all of them, for good; calls that are being made fail."""
        self._closed = True
        await self._keeper.aclose()
        self.close()

    def close(self) -> None:
        """Closes all that are open; calls that are being made fail."""
        for place in list(self._all):
            place.discard()
        self._all.clear()
        self._idle.clear()


class _AsyncPlace:
    """As :class:`_Place`, for as long as its one connection lasts."""

    def __init__(self, url: httpx.URL) -> None:
        self._url = url
        self._backend = _AsyncBackend()
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._connection: httpcore.AsyncConnectionInterface | None = None

    @property
    def transport(self) -> httpx.AsyncHTTPTransport:
        """As :attr:`_Place.transport`."""
        if self._transport is None:
            with setting_up():
                made = httpx.AsyncHTTPTransport(
                    verify=trusted(self._url), limits=LIMITS, proxy=proxy_for(self._url)
                )
            if isinstance(made, AsyncHTTPTransport):  # pyright: ignore[reportUnnecessaryIsInstance] # a mock can stand there
                made._pool._network_backend = self._backend  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # no parameter leads there
            self._transport = made
        return self._transport

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """As :meth:`_Place.handle`."""
        if patched():
            if _sends_itself(AsyncClient):
                return await self.transport.handle_async_request(request)
            return await AsyncClient(transport=self.transport, trust_env=False).send(
                request, stream=True
            )
        wanted = _wanted(request)
        connection = self._connection
        if connection is not None and connection.has_expired():
            self.discard()
            connection = None
        if connection is None:
            pool = self.transport._pool  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # as above
            connection = self._connection = pool.create_connection(wanted.url.origin)
        try:
            found = await connection.handle_async_request(wanted)
        except HTTPCORE_ERRORS as error:
            raise _said(error) from error
        return httpx.Response(
            found.status,
            headers=found.headers,
            stream=_AsyncChunks(found),
            extensions=_extensions(found),
        )

    @property
    def reusable(self) -> bool:
        """Whether another call can use the connection."""
        return self._connection is None or self._connection.is_idle()

    def discard(self) -> None:
        """Closes the connection without a word."""
        self._connection = self._transport = None
        self._backend.close()


class _AsyncChunks(httpx.AsyncByteStream):
    """As :class:`_Chunks`."""

    def __init__(self, response: httpcore.Response) -> None:
        self._inner: Any = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                yield chunk
        except HTTPCORE_ERRORS as error:
            raise _said(error) from error

    async def aclose(self) -> None:
        await self._inner.aclose()


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    """Opens the sockets of one place, and knows them from their first moment on."""

    def __init__(self) -> None:
        self._opened: list[_AsyncStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """Opens a connection, to whichever address of the host answers first."""
        loop = asyncio.get_running_loop()
        connecting: Awaitable[tuple[object, _AsyncStream]]
        if _is_address(host):
            connecting = loop.create_connection(self._stream, host, port)
        elif _is_asyncios_own(loop):
            connecting = loop.create_connection(
                self._stream, host, port, happy_eyeballs_delay=HAPPY_EYEBALLS
            )
        else:
            connecting = self._one_after_another(loop, host, port)
        _, stream = await _in_time(connecting, timeout)
        return stream

    async def _one_after_another(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int
    ) -> tuple[object, _AsyncStream]:
        """A connection to the first address of a host that answers, each but the last within a second."""
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses[:-1]:
            with suppress(OSError):  # a timeout is one
                async with asyncio.timeout(ONE_ADDRESS):
                    return await loop.create_connection(self._stream, address, port)
        return await loop.create_connection(self._stream, addresses[-1], port)

    def _stream(self) -> _AsyncStream:
        stream = _AsyncStream()
        self._opened.append(stream)
        return stream

    def close(self) -> None:
        for stream in self._opened:
            stream.abort()
        self._opened.clear()


def _is_asyncios_own(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop can try a host's addresses side by side; uvloop's, which servers such as uvicorn use, cannot."""
    return isinstance(loop, asyncio.BaseEventLoop)


def _is_address(host: str) -> bool:
    """Whether a host is written as its one address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _in_time(work: Awaitable[Checked], timeout: float | None) -> Checked:
    """What ``work`` gives, with what is wrong with a connection that does not come about in the words of httpcore."""
    try:
        async with asyncio.timeout(timeout):
            return await work
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


class _AsyncStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """As :class:`_Stream`, on a transport of the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._unsent = b""
        self._received = bytearray()
        self._paused = self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    # What the event loop tells:

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        hold(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > READ_AHEAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._failure = exc
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What httpcore asks for:

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            self._transport.write(self._unsent)
            self._unsent = b""
        if not self._received and not self._ended:
            await self._more(timeout)
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if not data and self._failure is not None:
            raise httpcore.ReadError(str(self._failure)) from None
        return data

    async def _more(self, timeout: float | None) -> None:
        waiter = self._waiter = self._loop.create_future()
        timer = None
        if timeout is not None:
            timer = self._loop.call_later(timeout, _too_late, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent += buffer

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._transport = await _in_time(
            self._loop.start_tls(
                self._transport, self, ssl_context, server_hostname=server_hostname
            ),
            timeout,
        )
        return self

    async def aclose(self) -> None:
        self.abort()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return (
                self._ended
                or bool(self._received)
                or is_socket_readable(self._transport.get_extra_info("socket"))
            )
        return self._transport.get_extra_info(
            {"client_addr": "sockname", "server_addr": "peername"}.get(info, info)
        )

    def abort(self) -> None:
        """Closes the connection without a word, whatever has become of its event loop."""
        if self._transport is None:
            return
        try:
            self._transport.abort()
        except RuntimeError:  # the event loop is closed
            found = self._transport.get_extra_info("socket")
            with suppress(Exception):  # other loops than asyncio's close their sockets themselves
                found._sock.close()  # noqa: SLF001 # asyncio lends its sockets in a wrapper that cannot be closed

    def abandon(self) -> None:
        """See :func:`drop`."""
        descriptor = self._transport.get_extra_info("socket").fileno()
        if descriptor >= 0:
            drop(descriptor)


def _too_late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(httpcore.ReadTimeout("no answer in time"))


# ---------------------------------------------------------------------------------------------- between httpx and httpcore

HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def _said(error: Exception) -> httpx.TransportError:
    """An error of httpcore as httpx has it, under the same name."""
    kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
    if is_exhausted(error.__cause__):
        return kind(OUT_OF_DESCRIPTORS)
    return kind(str(error))


def _extensions(response: Any) -> dict[str, Any]:
    return dict(response.extensions)


def _wanted(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def patched() -> bool:
    """Whether somebody, a mock or a tracer, has put something of their own in the place of what httpx sends with.

    Then requests go that way, instead of by connections that are opened beside it.

    Raises:
        ConfigurationError: what was replaced is something that no request of ours goes through.
    """
    now = [names.get(name) for names, name in _PLACES]
    if now == _unpatched:  # as a rule, and quick: it is asked before each call
        return False
    for ours, named in ((Client, httpx.Client), (AsyncClient, httpx.AsyncClient)):
        if named is not ours and ours not in getattr(
            named, "__mro__", ()
        ):  # a tracer's class is one of httpx's kind
            raise ConfigurationError(
                f"httpx.{ours.__name__} is mocked, which no request here goes through; {_WHAT_TO_MOCK}"
            )
    if (
        httpx.HTTPTransport is not HTTPTransport
        or httpx.AsyncHTTPTransport is not AsyncHTTPTransport
    ):
        return True
    found = not (
        _sends_itself(Client)
        and _sends_itself(AsyncClient)
        and all(_is_own(cls, name) for cls, name in _SENDERS)
    )
    if not found and httpx.Client is Client and httpx.AsyncClient is AsyncClient:
        _unpatched[:] = now
    return found


def check_mocks() -> None:
    """Raises :class:`ConfigurationError` where a mock would see a single call, and none of many."""
    if not (_is_own(Client, "request") and _is_own(AsyncClient, "request")):
        raise ConfigurationError(
            f"httpx's method request is mocked, which upsert_many does not go through; {_WHAT_TO_MOCK}"
        )


_WHAT_TO_MOCK = "mock the transport (respx, pytest-httpx, httpx.HTTPTransport), or pass http_client= with an httpx.MockTransport"
_SENDERS: tuple[tuple[type[object], str], ...] = (
    (HTTPTransport, "handle_request"),
    (AsyncHTTPTransport, "handle_async_request"),
    (httpcore.ConnectionPool, "handle_request"),
    (httpcore.AsyncConnectionPool, "handle_async_request"),
    (httpcore.HTTPConnection, "handle_request"),
    (httpcore.AsyncHTTPConnection, "handle_async_request"),
)
# The steps from a client of httpx to its transport; which there are differs between its versions.
_STEPS = [
    name
    for name in (
        "send",
        "_send_handling_auth",
        "_send_handling_redirects",
        "_send_single_request",
        "_transport_for_url",
        "_init_transport",
        "_init_proxy_transport",
    )
    if hasattr(Client, name) and hasattr(AsyncClient, name)
]
_PLACES: list[tuple[Mapping[str, Any], str]] = [
    *(
        (vars(httpx), name)
        for name in ("Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport")
    ),
    *((vars(cls), name) for cls in (Client, AsyncClient) for name in _STEPS),
    *((vars(cls), name) for cls, name in _SENDERS),
]
_unpatched: list[Any] = []
"""What stands in those places when nothing is patched; empty until that was seen."""
_HOMES = tuple(str(Path(each.__file__ or "").parent) for each in (httpx, httpcore))
_genuine: dict[int, object] = {}


def _sends_itself(cls: type[object]) -> bool:
    """Whether no step of a client of httpx is replaced, so that its transport alone can be asked."""
    return all(_is_own(cls, name) for name in _STEPS)


def _is_own(cls: type[object], name: str) -> bool:
    """Whether a class has its library's own method."""
    method = cls.__dict__.get(name)
    return id(method) in _genuine or _is_genuine(method)


def _is_genuine(method: object) -> bool:
    """Whether a method is a library's own. What stands there when this module is loaded may be a mock already."""
    found = isinstance(method, FunctionType) and method.__code__.co_filename.startswith(_HOMES)
    if found:
        _genuine[id(method)] = method
    return found


# ----------------------------------------------------------------------------------------------------- the environment


@contextmanager
def setting_up() -> Generator[None, None, None]:
    """Says in a sentence of ours what is wrong with the environment's certificates and proxy."""
    try:
        yield
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        exhausted = is_exhausted(error)
    else:
        return
    if exhausted:
        raise ConfigurationError(f"no connection can be set up: {OUT_OF_DESCRIPTORS}")
    raise ConfigurationError(
        "no connection can be set up: look at SSL_CERT_FILE, SSL_CERT_DIR and HTTPS_PROXY"
    )


def is_exhausted(error: BaseException | None) -> bool:
    """Whether a process or the system has run out of descriptors."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


@contextmanager
def loading(what: str) -> Generator[None, None, None]:
    """Says what is wrong where modules cannot be loaded because no descriptor is left; no fork happens meanwhile."""
    try:
        with whole():
            yield
    except OSError as error:
        if not is_exhausted(error):
            raise
    else:
        return
    raise ConfigurationError(f"{what} cannot begin: {OUT_OF_DESCRIPTORS}")


def trusted(url: httpx.URL) -> ssl.SSLContext | bool:
    """Whom to trust: httpx's own choice, made once for all clients of a process, for it takes longer than all else they do."""
    if url.scheme == "http":
        return False  # nothing is encrypted, so nothing is verified
    return _ssl_context(
        os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), os.getpid()
    )


@lru_cache(maxsize=8)
def _ssl_context(*_: object) -> ssl.SSLContext:
    """One for each process: OpenSSL's has locks inside, which a fork can catch another thread with."""
    return httpx.create_ssl_context()


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment names for a URL. Plain http, which stays on this machine, goes through none."""
    exceptions = getproxies().get("no", "")
    if (
        url.scheme == "http"
        or is_kept_from_proxy(url.host, url.port or 443, exceptions)
        or proxy_bypass(url.netloc.decode())
    ):
        return None
    named = Secret(
        getproxies().get(url.scheme) or getproxies().get("all") or ""
    )  # it can have a password
    if "://" not in named.reveal():
        return f"http://{named.reveal()}" if named.reveal() else None
    scheme = named.reveal().partition("://")[0].lower()
    if scheme.startswith("socks"):
        if scheme not in ("socks5", "socks5h"):
            raise ConfigurationError(
                "HTTPS_PROXY or ALL_PROXY names a SOCKS proxy of a kind that is not supported; use socks5:// or http://"
            )
        if find_spec("socksio") is None:
            raise ConfigurationError(
                "HTTPS_PROXY or ALL_PROXY names a SOCKS proxy, which needs an extra; install it with: pip install 'httpx[socks]'"
            )
    return named.reveal()

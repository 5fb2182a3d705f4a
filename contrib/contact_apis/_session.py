"""The httpx clients that the generated clients are handed: every request through one of them becomes a :class:`Call`."""

from __future__ import annotations

import os
import ssl
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass
from uuid import UUID
from weakref import WeakKeyDictionary

import httpx

from ._call import Policy, Service, Unreadable, built, call_for, pruned
from ._errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

# More connections make httpx's pool, which looks through all of them for each request, the slowest part of a call.
CONNECTIONS = 16
LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30.0)
BODY_LIMIT = 1 << 18  # bytes of an answer; either API's are under a hundredth of it
FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, Unreadable)

CALL_ID: ContextVar[UUID | None] = ContextVar("CALL_ID", default=None)
"""The correlation id of the call that is being made, where its caller chose one."""
DEADLINE: ContextVar[float | None] = ContextVar("DEADLINE", default=None)
"""When the call that this thread is making has to be over, in seconds of the monotonic clock."""


class Session(httpx.Client):
    """An httpx client that speaks to one service alone, and validates, retries and maps errors in whatever it sends."""

    def __init__(self, service: Service, policy: Policy, wire: Wire) -> None:
        super().__init__(base_url=service.base_url, headers=common_headers(), transport=wire, trust_env=False)
        self.service, self.policy, self.wire = service, policy, wire

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        """As httpx does, with :class:`InvalidRequestError` for what cannot be written."""
        return _written(super().build_request, self.service, args, kwargs)

    def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """The answer to a request, read whole, a success that fits the contract.

        Raises:
            ContactAPIError: anything else.
        """
        call = call_for(self.service, self.policy, request, CALL_ID.get(), monotonic())
        while True:
            request.extensions["timeout"] = call.begin(monotonic())
            try:
                outcome: httpx.Response | Exception = self.wire.exchange(request, call.deadline)
            except httpx.HTTPStatusError as raised:  # by a hook of the caller's own client
                outcome = raised.response
            except FAILURES as failure:
                outcome = failure
            verdict = call.settle(outcome, monotonic(), time())
            if isinstance(verdict, httpx.Response):
                return verdict
            sleep(verdict)


class AsyncSession(httpx.AsyncClient):
    """What :class:`Session` is, for ``asyncio``."""

    def __init__(self, service: Service, policy: Policy, wire: AsyncWire) -> None:
        super().__init__(base_url=service.base_url, headers=common_headers(), transport=wire, trust_env=False)
        self.service, self.policy, self.wire = service, policy, wire

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        """As httpx does, with :class:`InvalidRequestError` for what cannot be written."""
        return _written(super().build_request, self.service, args, kwargs)

    async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """As :meth:`Session.send`."""
        from asyncio import sleep as pause  # here and below: whoever makes no call of this kind is spared asyncio

        call = call_for(self.service, self.policy, request, CALL_ID.get(), monotonic())
        while True:
            request.extensions["timeout"] = call.begin(monotonic())
            try:
                outcome: httpx.Response | Exception = await self.wire.exchange(request, call.deadline)
            except httpx.HTTPStatusError as raised:  # by a hook of the caller's own client
                outcome = raised.response
            except FAILURES as failure:
                outcome = failure
            verdict = call.settle(outcome, monotonic(), time())
            if isinstance(verdict, httpx.Response):
                return verdict
            await pause(verdict)


class Wire(httpx.BaseTransport):
    """Where requests go out: connections of our own, opened when they are first needed, or a client of the caller's."""

    def __init__(self, url: httpx.URL, given: httpx.Client | None) -> None:
        self._url, self.given, self._closed = url, given, False
        self._own: httpx.HTTPTransport | None = None
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(CONNECTIONS if given is None else sys.maxsize)

    def exchange(self, request: httpx.Request, deadline: float | None) -> httpx.Response:
        """One request and its answer, read whole. Ends at the deadline (seconds of the monotonic clock).

        Raises:
            ConfigurationError: closed, or the environment's proxy or certificates cannot be used.
            httpx.HTTPError, OSError, Unreadable: no whole answer.
        """
        if not self._slots.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout("all connections are busy")
        token = DEADLINE.set(deadline)
        try:
            with closing(self._open(request)) as response:
                response.stream = _Body(response, deadline)
                with _decisive(response):
                    response.read()
                return response
        finally:
            DEADLINE.reset(token)
            self._slots.release()

    def _open(self, request: httpx.Request) -> httpx.Response:
        _refuse(self._closed, self.given)
        if self.given is not None:
            return self.given.send(request, stream=True, follow_redirects=False)
        with self._lock:
            self._own = self._own or self._connected()
        response = self._own.handle_request(request)
        response.request = request
        return response

    def _connected(self) -> httpx.HTTPTransport:
        from ._bounded import BoundedTransport

        with setting_up():
            return BoundedTransport(verify=trusted(self._url), limits=LIMITS, proxy=proxy_for(self._url))

    def close(self) -> None:
        """Closes the connections of our own, for good."""
        self._closed = True
        if self._own is not None:
            self._own.close()


class AsyncWire(httpx.AsyncBaseTransport):
    """What :class:`Wire` is, for ``asyncio``. Each event loop has connections of its own: none can use another's."""

    def __init__(self, url: httpx.URL, given: httpx.AsyncClient | None) -> None:
        self._url, self.given, self._closed = url, given, False
        self._own: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[httpx.AsyncHTTPTransport, asyncio.Semaphore]]
        self._own = WeakKeyDictionary()

    async def exchange(self, request: httpx.Request, deadline: float | None) -> httpx.Response:
        """As :meth:`Wire.exchange`."""
        import asyncio

        response = None
        try:
            async with asyncio.timeout(None if deadline is None else deadline - monotonic()), self._opened(request) as response:
                response.stream = _Body(response, None)
                with _decisive(response):
                    await response.aread()
        except TimeoutError:
            if response is None or response.is_success:
                raise httpx.ReadTimeout("the time for the whole call is over") from None
        return response

    @asynccontextmanager
    async def _opened(self, request: httpx.Request) -> AsyncGenerator[httpx.Response, None]:
        _refuse(self._closed, self.given)
        if self.given is not None:
            async with aclosing(await self.given.send(request, stream=True, follow_redirects=False)) as response:
                yield response
            return
        transport, slots = self._connected()
        if not slots.locked():
            await slots.acquire()  # at once, and without the price of a timer
        else:
            await _patiently(slots.acquire(), request.extensions["timeout"]["pool"])
        try:
            async with aclosing(await transport.handle_async_request(request)) as response:
                response.request = request
                yield response
        finally:
            slots.release()

    def _connected(self) -> tuple[httpx.AsyncHTTPTransport, asyncio.Semaphore]:
        import asyncio

        loop = asyncio.get_running_loop()
        if loop not in self._own:
            with setting_up():
                transport = httpx.AsyncHTTPTransport(verify=trusted(self._url), limits=LIMITS, proxy=proxy_for(self._url))
            self._own[loop] = transport, asyncio.Semaphore(CONNECTIONS)
        return self._own[loop]

    async def aclose(self) -> None:
        """Closes the connections of our own, for good."""
        from asyncio import get_running_loop

        self._closed = True
        for transport, _ in [self._own.pop(each) for each in list(self._own) if each is get_running_loop()]:
            await transport.aclose()


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, which fails where it is far too long or comes too late."""

    def __init__(self, response: httpx.Response, deadline: float | None) -> None:
        self._inner: Any = response.stream
        self._status, self._deadline, self._size = response.status_code, deadline, 0

    def __iter__(self) -> Iterator[bytes]:
        return map(self._checked, self._inner)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield self._checked(chunk)

    def _checked(self, chunk: bytes) -> bytes:
        self._size += len(chunk)
        if self._size > BODY_LIMIT:
            raise Unreadable(self._status, f"is longer than {BODY_LIMIT} bytes")
        if self._deadline is not None and monotonic() > self._deadline:
            raise httpx.ReadTimeout("the time for the whole call is over")
        return chunk

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def _decisive(response: httpx.Response) -> Generator[None, None, None]:
    """A status that is no success is answer enough, whatever becomes of its body."""
    try:
        yield
    except httpx.DecodingError:
        if response.is_success:
            raise Unreadable(response.status_code, "is not encoded as its Content-Encoding says") from None
    except (httpx.TransportError, httpx.StreamError, Unreadable):
        if response.is_success:
            raise


@contextmanager
def setting_up() -> Generator[None, None, None]:
    """Says in a sentence of ours what is wrong with the environment's certificates and proxy."""
    try:
        yield
    except (ImportError, OSError, ValueError, httpx.InvalidURL):
        raise ConfigurationError("no connection can be set up: look at SSL_CERT_FILE, SSL_CERT_DIR and HTTPS_PROXY") from None


def trusted(url: httpx.URL) -> ssl.SSLContext | bool:
    """Whom to trust: httpx's own choice, made once for all clients, for it takes longer than all else they do."""
    if url.scheme == "http":
        return False  # nothing is encrypted, so nothing is verified
    return _ssl_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _ssl_context(*_: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment names for a URL. Plain http, which stays on this machine, goes through none."""
    if url.scheme == "http" or proxy_bypass(url.netloc.decode()):
        return None
    proxy = getproxies().get(url.scheme) or getproxies().get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


async def _patiently(waiting: Awaitable[object], patience: float | None) -> None:
    """Awaits a free connection, not for longer than its patience (seconds)."""
    from asyncio import timeout

    try:
        async with timeout(patience):
            await waiting
    except TimeoutError:
        raise httpx.PoolTimeout("all connections are busy") from None


def _refuse(closed: bool, given: httpx.Client | httpx.AsyncClient | None) -> None:
    if closed or (given is not None and given.is_closed):
        raise ConfigurationError("the client is closed")


def common_headers() -> dict[str, str]:
    """What every request says about us."""
    from . import __version__

    # Compressing a few hundred bytes helps nobody.
    return {"User-Agent": f"contact-apis/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}


def _written(make: Callable[..., httpx.Request], service: Service, args: tuple[Any, ...], kwargs: dict[str, Any]) -> httpx.Request:
    body = kwargs.get("json")
    return built(lambda: make(*args, **kwargs | ({} if body is None else {"json": pruned(service.unset, body)})), body)

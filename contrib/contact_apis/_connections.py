"""Connections of our own, by the proxy and the certificates that are set. Loaded with the first, as httpx loads its network code."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import httpcore
import httpx

from ._errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

# More connections make httpx's pool, which looks through all of them for each request, the slowest part of a call.
CONNECTIONS = 16
LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30.0)

DEADLINE: ContextVar[float | None] = ContextVar("DEADLINE", default=None)
"""When the call that this thread is making has to be over, in seconds of the monotonic clock."""


class Connections(httpx.HTTPTransport):
    """Connections that threads share. Every read and write ends at the deadline of its call, however slowly the service drips."""

    def __init__(self, url: httpx.URL) -> None:
        with setting_up():
            super().__init__(verify=trusted(url), limits=LIMITS, proxy=proxy_for(url))
        # httpx does not pass on httpcore's parameter for this.
        self._pool._network_backend = _Backend()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # see above
        self._free = threading.Semaphore(CONNECTIONS)

    @contextmanager
    def opened(self, request: httpx.Request, deadline: float | None) -> Generator[httpx.Response, None, None]:
        """The answer to a request, not read yet."""
        if not self._free.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout("all connections are busy")
        token = DEADLINE.set(deadline)
        try:
            with closing(self.handle_request(request)) as response:
                yield response
        finally:
            DEADLINE.reset(token)
            self._free.release()


class AsyncConnections:
    """Connections that tasks share; each event loop has its own, for none can use another's."""

    def __init__(self, url: httpx.URL) -> None:
        self._url = url
        self._own: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[httpx.AsyncHTTPTransport, asyncio.Semaphore]]
        self._own = WeakKeyDictionary()

    @asynccontextmanager
    async def opened(self, request: httpx.Request) -> AsyncGenerator[httpx.Response, None]:
        """As :meth:`Connections.opened`."""
        import asyncio  # here and below: whoever makes no call of this kind is spared it

        loop = asyncio.get_running_loop()
        if loop not in self._own:
            with setting_up():
                made = httpx.AsyncHTTPTransport(verify=trusted(self._url), limits=LIMITS, proxy=proxy_for(self._url))
            self._own[loop] = made, asyncio.Semaphore(CONNECTIONS)
        transport, free = self._own[loop]
        try:
            # A free one is taken at once, without the price of a timer.
            async with asyncio.timeout(request.extensions["timeout"]["pool"]) if free.locked() else nullcontext():
                await free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are busy") from None
        try:
            async with aclosing(await transport.handle_async_request(request)) as response:
                yield response
        finally:
            free.release()

    async def aclose(self) -> None:
        """Closes those of the running event loop."""
        from asyncio import get_running_loop

        transport, _ = self._own.pop(get_running_loop(), (None, None))
        if transport is not None:
            await transport.aclose()


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(*args, **kwargs))


class _Stream(httpcore.NetworkStream):
    """A connection. What is written goes out with the next read: head and body in one packet, for half the system calls."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._unsent = b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        _left(timeout)
        self._unsent += buffer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        unsent, self._unsent = self._unsent, b""
        with suppress(httpcore.WriteError):  # as httpcore does: the service may have answered before it hung up
            self._inner.write(unsent, _left(timeout))
        return self._inner.read(max_bytes, _left(timeout))

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(*args, **kwargs))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(timeout: float | None) -> float | None:
    """A timeout in seconds, cut to what is left of the call."""
    deadline = DEADLINE.get()
    if deadline is None:
        return timeout
    left = deadline - monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for the whole call is over")
    return left if timeout is None else min(left, timeout)


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

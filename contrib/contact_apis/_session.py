"""The httpx clients that the generated clients are handed: every request through one of them becomes a :class:`Call`."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, closing, contextmanager
from contextvars import ContextVar
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from ._call import Policy, Service, Unreadable, built, call_for, pruned
from ._errors import ConfigurationError

if TYPE_CHECKING:
    from ._connections import AsyncConnections, Connections

BODY_LIMIT = 1 << 18  # bytes of an answer; either API's are under a hundredth of it
FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, Unreadable)

CALL_ID: ContextVar[UUID | None] = ContextVar("CALL_ID", default=None)
"""The correlation id of the call that is being made, where its caller chose one."""


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
        """As :meth:`Session.build_request`."""
        return _written(super().build_request, self.service, args, kwargs)

    async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """As :meth:`Session.send`."""
        import asyncio  # here and below: whoever makes no call of this kind is spared it

        call = call_for(self.service, self.policy, request, CALL_ID.get(), monotonic())
        while True:
            request.extensions["timeout"] = call.begin(monotonic())
            try:
                outcome: httpx.Response | Exception = await self.wire.exchange(request, call.deadline)
            except FAILURES as failure:
                outcome = failure
            verdict = call.settle(outcome, monotonic(), time())
            if isinstance(verdict, httpx.Response):
                return verdict
            await asyncio.sleep(verdict)


class Wire(httpx.BaseTransport):
    """Where requests go out: connections of our own, opened when they are first needed, or a client of the caller's."""

    def __init__(self, url: httpx.URL, given: httpx.Client | None) -> None:
        self._url, self.given, self.closed = url, given, False
        self._own: Connections | None = None
        self._lock = threading.Lock()

    def exchange(self, request: httpx.Request, deadline: float | None) -> httpx.Response:
        """One request and its answer, read whole. Ends at the deadline (seconds of the monotonic clock).

        Raises:
            ConfigurationError: closed, or the environment's proxy or certificates cannot be used.
            httpx.HTTPError, OSError, Unreadable: no whole answer.
        """
        with self._opened(request, deadline) as response:
            response.stream = _Body(response, deadline)
            with _decisive(response):
                response.read()
            return response

    def _opened(self, request: httpx.Request, deadline: float | None) -> AbstractContextManager[httpx.Response]:
        check_open(self)
        if self.given is not None:
            return closing(self.given.send(request, stream=True, follow_redirects=False))
        from ._connections import Connections

        with self._lock:
            self._own = self._own or Connections(self._url)
        return self._own.opened(request, deadline)

    def close(self) -> None:
        """Closes the connections of our own, for good."""
        self.closed = True
        if self._own is not None:
            self._own.close()


class AsyncWire(httpx.AsyncBaseTransport):
    """What :class:`Wire` is, for ``asyncio``."""

    def __init__(self, url: httpx.URL, given: httpx.AsyncClient | None) -> None:
        self._url, self.given, self.closed = url, given, False
        self._own: AsyncConnections | None = None

    async def exchange(self, request: httpx.Request, deadline: float | None) -> httpx.Response:
        """As :meth:`Wire.exchange`."""
        import asyncio

        response = None
        try:
            async with asyncio.timeout(None if deadline is None else deadline - monotonic()), await self._opened(request) as response:
                response.stream = _Body(response, None)
                with _decisive(response):
                    await response.aread()
        except TimeoutError:
            if response is None or response.is_success:
                raise httpx.ReadTimeout("the time for the whole call is over") from None
        return response

    async def _opened(self, request: httpx.Request) -> AbstractAsyncContextManager[httpx.Response]:
        check_open(self)
        if self.given is not None:
            return aclosing(await self.given.send(request, stream=True, follow_redirects=False))
        from ._connections import AsyncConnections

        self._own = self._own or AsyncConnections(self._url)
        return self._own.opened(request)

    async def aclose(self) -> None:
        """Closes the connections of our own, for good."""
        self.closed = True
        if self._own is not None:
            await self._own.aclose()


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


def check_open(wire: Wire | AsyncWire) -> None:
    """Raises :class:`ConfigurationError` where requests cannot go out any more."""
    if wire.closed or (wire.given is not None and wire.given.is_closed):
        raise ConfigurationError("the client is closed")


def common_headers() -> dict[str, str]:
    """What every request says about us."""
    from . import __version__

    # Compressing a few hundred bytes helps nobody.
    return {"User-Agent": f"contact-apis/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}


def _written(make: Callable[..., httpx.Request], service: Service, args: tuple[Any, ...], kwargs: dict[str, Any]) -> httpx.Request:
    body = kwargs.get("json")
    return built(lambda: make(*args, **kwargs | ({} if body is None else {"json": pruned(service.unset, body)})), body)

"""The httpx clients that the generated clients are handed: every request through one of them becomes a :class:`Call`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from importlib import import_module
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import httpx

from contact_apis._errors import ConfigurationError

from .body import BODY_LIMIT, Body, too_long
from .call import Call, Service, call_for, drop_unset, encode_or_reject
from .delivery import Response, Unreadable
from .imports import whole
from .policy import Policy

if TYPE_CHECKING:
    import asyncio

    from .connections import AsyncConnections, Connections

FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, Unreadable)

CALL_ID: ContextVar[UUID | None] = ContextVar("CALL_ID", default=None)
"""The correlation id of the call that is being made, where its caller chose one."""


class Session(httpx.Client):
    """An httpx client that speaks to one service alone, and validates, retries and maps errors in whatever it sends."""

    def __init__(self, service: Service, policy: Policy, client_transport: ClientTransport) -> None:
        super().__init__(
            base_url=service.base_url,
            headers=common_headers(),
            transport=client_transport,
            trust_env=False,
        )
        self.service = service
        self.policy = policy
        self.client_transport = client_transport
        self._addresses = _Addresses()

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        """As httpx does, with :class:`InvalidRequestError` for what cannot be encoded."""
        return _build_request(super().build_request, self, self._addresses, args, kwargs)

    def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """The response to a request, read whole: a success that fits the OpenAPI document.

        Raises:
            ContactAPIError: anything else.
        """
        call = call_for(self.service, self.policy, request, CALL_ID.get(), monotonic())
        while True:
            # The outcome has no name here: a service may quote credentials, and a traceback would show them.
            verdict = call.settle(self._attempt(request, call), monotonic(), time())
            if isinstance(verdict, httpx.Response):
                return verdict
            sleep(verdict)

    def _attempt(self, request: httpx.Request, call: Call) -> httpx.Response | Exception:
        request.extensions["timeout"] = call.begin(monotonic())
        try:
            return self.client_transport.exchange(request, call.deadline, call.belongs)
        except FAILURES as failure:
            return failure.with_traceback(None)  # which would keep what was received


class AsyncSession(httpx.AsyncClient):
    """What :class:`Session` is, for ``asyncio``."""

    def __init__(
        self, service: Service, policy: Policy, client_transport: AsyncClientTransport
    ) -> None:
        super().__init__(
            base_url=service.base_url,
            headers=common_headers(),
            transport=client_transport,
            trust_env=False,
        )
        self.service = service
        self.policy = policy
        self.client_transport = client_transport
        self._addresses = _Addresses()

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        """As :meth:`Session.build_request`."""
        return _build_request(super().build_request, self, self._addresses, args, kwargs)

    async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """As :meth:`Session.send`."""
        import asyncio  # here and below: whoever makes no call of this kind is spared it

        call = call_for(self.service, self.policy, request, CALL_ID.get(), monotonic())
        while True:
            verdict = call.settle(await self._attempt(request, call), monotonic(), time())
            if isinstance(verdict, httpx.Response):
                return verdict
            await asyncio.sleep(verdict)

    async def _attempt(self, request: httpx.Request, call: Call) -> httpx.Response | Exception:
        request.extensions["timeout"] = call.begin(monotonic())
        try:
            return await self.client_transport.exchange(request, call.deadline, call.belongs)
        except FAILURES as failure:
            return failure.with_traceback(None)  # which would keep what was received


Belongs = Callable[[Response], bool]


class ClientTransport(httpx.BaseTransport):
    """Where requests go out: connections of our own, opened when they are first needed, or a client of the caller's."""

    def __init__(self, url: httpx.URL, given: httpx.Client | None) -> None:
        load()
        self.given = given
        self.closed = False
        self._url = url
        self._own: dict[int, Connections] = {}
        self._borrowed = BorrowedClient()

    def exchange(
        self, request: httpx.Request, deadline: float | None, belongs: Belongs
    ) -> httpx.Response:
        """One request and its response, read whole. Ends at the deadline (seconds of the monotonic clock).

        A connection whose response does not belong to the request serves no other call.

        Raises:
            ConfigurationError: closed, or the environment's proxy or certificates cannot be used.
            httpx.HTTPError, OSError, Unreadable: no whole response.
        """

        def read(response: httpx.Response) -> bool:
            with closing(response):
                if not _was_read(response):
                    body = Body(response.status_code, deadline)
                    with _decisive(response):
                        for chunk in cast("httpx.SyncByteStream", response.stream):
                            body.add(chunk)
                    _put(response, body)
                    response.read()
            return belongs(response)

        check_open(self)
        if self.given is None:
            return self._connections().exchange(request, deadline, read)
        self._borrowed.check()
        response = self.given.send(request, stream=True, follow_redirects=False)
        if not read(response) and "network_stream" in response.extensions:
            response.extensions["network_stream"].close()
        return response

    def _connections(self) -> Connections:
        """Those of this process."""
        from .connections import Connections

        process = os.getpid()
        own = self._own.get(process)
        if own is None:
            for other in list(self._own):  # of the process that this one was forked from
                self._own.pop(other, None)
            own = self._own.setdefault(process, Connections(self._url))
        return own

    def close(self) -> None:
        """Closes the connections of our own, for good."""
        self.closed = True
        own = self._own.pop(os.getpid(), None)
        if own is not None:
            own.close()


class AsyncClientTransport(httpx.AsyncBaseTransport):
    """What :class:`ClientTransport` is, for ``asyncio``."""

    def __init__(self, url: httpx.URL, given: httpx.AsyncClient | None) -> None:
        load(
            "anyio._backends._asyncio", "concurrent.futures.thread"
        )  # the second for the names of hosts
        self.given = given
        self.closed = False
        self._url = url
        self._own: dict[tuple[int, asyncio.AbstractEventLoop], AsyncConnections] = {}
        self._borrowed = BorrowedClient()

    async def exchange(
        self, request: httpx.Request, deadline: float | None, belongs: Belongs
    ) -> httpx.Response:
        """As :meth:`ClientTransport.exchange`."""
        import asyncio

        response: httpx.Response | None = None

        async def read(arrived: httpx.Response) -> bool:
            nonlocal response
            response = arrived
            async with aclosing(arrived):
                if not _was_read(arrived):
                    body = Body(arrived.status_code, None)
                    with _decisive(arrived):
                        async for chunk in cast("httpx.AsyncByteStream", arrived.stream):
                            body.add(chunk)
                    _put(arrived, body)
                    await arrived.aread()
            return belongs(arrived)

        check_open(self)
        left: float | None = None
        if deadline is not None:
            left = deadline - monotonic()
        try:
            async with asyncio.timeout(left):
                if self.given is None:
                    connections = await self._connections()
                    return await connections.exchange(request, read)
                self._borrowed.check()
                sent = await self.given.send(request, stream=True, follow_redirects=False)
                if not await read(sent) and "network_stream" in sent.extensions:
                    await sent.extensions["network_stream"].aclose()
                return sent
        except TimeoutError:
            if response is None or response.is_success:
                raise httpx.ReadTimeout("the time for the whole call is over") from None
        return response

    async def _connections(self) -> AsyncConnections:
        """Those of this process and event loop. What loops that have ended left behind is closed."""
        import asyncio

        from .connections import AsyncConnections

        current = os.getpid()
        owner = (current, asyncio.get_running_loop())
        own = self._own.get(owner)
        if own is None or len(self._own) > 1:
            for other in list(self._own):
                process, loop = other
                if process != current or loop.is_closed():
                    left = self._own.pop(other, None)
                    if left is not None and process == current:
                        left.close()
        if own is None:
            own = AsyncConnections(self._url)
            self._own[owner] = own
            await own.start()
        return own

    async def aclose(self) -> None:
        """Closes the connections of our own, for good."""
        import asyncio

        self.closed = True
        owner = (os.getpid(), asyncio.get_running_loop())
        own = self._own.pop(owner, None)
        if own is not None:
            await own.aclose()


class BorrowedClient:
    """Which process a client of the caller's is used in. Its connections are not ours to replace after a fork."""

    _process: int | None = None

    def check(self) -> None:
        """Raises :class:`ConfigurationError` in another process than the one that made the first call."""
        process = os.getpid()
        if self._process is None:
            self._process = process
        if self._process != process:
            raise ConfigurationError(
                "this http_client was used before the process forked, and its connections are shared with the parent: "
                "make a new http_client, and a new client with it, in each process"
            )


class _Received(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that has been received. Closing it closes what it was received from."""

    def __init__(self, inner: Any, content: bytes) -> None:
        self._inner = inner
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _was_read(response: httpx.Response) -> bool:
    """Whether there is nothing to read: a hook of the caller's client was first, or a mock made the response in one piece."""
    try:
        size = len(response.content)
    except httpx.ResponseNotRead:
        return False
    if size > BODY_LIMIT and response.is_success:
        raise too_long(response.status_code)
    return True


def _put(response: httpx.Response, body: Body) -> None:
    """Gives a response the body that was received, decoded: httpx, which decodes without a bound, is left nothing to do."""
    encoding = response.headers.get("Content-Encoding")
    content = body.content(encoding or "")
    if encoding is not None:
        del response.headers["Content-Encoding"]
    response.stream = _Received(response.stream, content)


@contextmanager
def _decisive(response: httpx.Response) -> Generator[None, None, None]:
    """A status that is not a success is response enough, whatever becomes of its body."""
    try:
        yield
    except (httpx.TransportError, httpx.StreamError, Unreadable):
        if response.is_success:
            raise


def load(*names: str) -> None:
    """Loads what a call needs that goes wrong, before it does: when no descriptor is left, no module can be opened."""
    with whole():
        for name in (
            "encodings.idna",
            "contact_apis._http.connections",
            "contact_apis._openapi.faults",
            *names,
        ):
            import_module(name)


def check_open(client_transport: ClientTransport | AsyncClientTransport) -> None:
    """Raises :class:`ConfigurationError` where requests cannot go out any more."""
    if client_transport.closed or (
        client_transport.given is not None and client_transport.given.is_closed
    ):
        raise ConfigurationError("the client is closed")


def common_headers() -> dict[str, str]:
    """The headers of every request, whatever it is for."""
    from contact_apis._version import __version__

    # Compressing a few hundred bytes helps nobody.
    return {
        "User-Agent": f"contact-apis/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


class _Addresses:
    """Whole addresses by the text that calls name them with, relative to a base. Parsing one takes longer than writing a body."""

    MOST = 64

    def __init__(self) -> None:
        self._known: dict[str, tuple[httpx.URL, httpx.URL]] = {}

    def whole(self, base: httpx.URL, url: str) -> httpx.URL | None:
        """The whole address, where it was built before with the same base."""
        found = self._known.get(url)
        if found is None or found[0] is not base:
            return None
        return found[1]

    def put(self, base: httpx.URL, url: str, whole: httpx.URL) -> None:
        """Takes note of an address that httpx built."""
        if len(self._known) >= self.MOST:
            self._known.clear()
        self._known[url] = (base, whole)


def _build_request(
    build: Callable[..., httpx.Request],
    session: Session | AsyncSession,
    addresses: _Addresses,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> httpx.Request:
    """A request that httpx builds; its whole address is remembered, for most requests of a client have the same."""
    body = kwargs.get("json")

    def build_with(**others: object) -> httpx.Request:
        if body is not None:
            others["json"] = drop_unset(session.service.unset, body)
        return build(*args, **kwargs | others)

    url = kwargs.get("url")
    if not isinstance(url, str) or kwargs.get("params") or session.params:
        return encode_or_reject(build_with, body)
    base = session.base_url
    known = addresses.whole(base, url)
    if known is not None:
        return encode_or_reject(lambda: build_with(url=known), body)
    request = encode_or_reject(build_with, body)
    addresses.put(base, url, request.url)
    return request

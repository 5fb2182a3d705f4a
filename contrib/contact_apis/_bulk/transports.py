"""What carries the requests of a run: the caller's own httpx client, or aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import httpx

from contact_apis._errors import ConfigurationError
from contact_apis._http.connections import check_mocks, loading, patched
from contact_apis._http.delivery import Response
from contact_apis._http.secrets import SecretHeaders
from contact_apis._http.session import AsyncClientTransport, Belongs, ClientTransport, check_open


class Attempt(NamedTuple):
    """One request, as it goes out once."""

    method: str
    headers: SecretHeaders
    content: bytes
    timeouts: Mapping[str, float | None]
    """Seconds, by the names that httpx has for them."""
    deadline: float | None
    """Seconds of the monotonic clock."""
    belongs: Belongs
    """Whether a response is one to this request; the connection of one that is not serves no other."""


class BulkTransport(Protocol):
    """What carries requests. It raises what httpx raises."""

    async def exchange(self, attempt: Attempt) -> Response: ...


class BorrowedClientTransport(AbstractAsyncContextManager["BorrowedClientTransport"]):
    """The caller's own httpx client, with a thread for each call that it may block."""

    def __init__(
        self,
        client_transport: ClientTransport | AsyncClientTransport,
        url: httpx.URL,
        connections: int,
    ) -> None:
        self._client_transport = client_transport
        self._url = url
        self._threads = ThreadPoolExecutor(connections, "contact_apis")

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False)

    async def exchange(self, attempt: Attempt) -> httpx.Response:
        """One request and its response, read whole."""
        request = httpx.Request(
            attempt.method,
            self._url,
            headers=attempt.headers.reveal(),
            content=attempt.content,
            extensions={"timeout": attempt.timeouts},
        )
        if isinstance(self._client_transport, AsyncClientTransport):
            return await self._client_transport.exchange(request, attempt.deadline, attempt.belongs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads,
            self._client_transport.exchange,
            request,
            attempt.deadline,
            attempt.belongs,
        )


def transport_to(
    url: httpx.URL, client_transport: ClientTransport | AsyncClientTransport, connections: int
) -> AbstractAsyncContextManager[BulkTransport]:
    """What carries the requests of one run: the caller's own client if there is one, else aiohttp.

    No generator: where an event loop ends with outcomes still waited for, it would close that before whoever uses it.

    Raises:
        ConfigurationError: the client is closed, httpx is mocked where bulk requests do not go, or aiohttp is not installed.
    """
    check_open(client_transport)
    # While httpx is mocked, or traced, many requests go the way that one goes, and no connection is opened beside it.
    if client_transport.given is None:
        check_mocks()
    if client_transport.given is not None or patched():
        return BorrowedClientTransport(client_transport, url, connections)
    try:
        with loading("upsert_many"):
            from .aiohttp_transport import AiohttpTransport
    except ModuleNotFoundError:
        raise ConfigurationError(
            "upsert_many needs an optional dependency (extra); install it with: pip install 'contact-apis[bulk]'"
        ) from None
    return AiohttpTransport(url, connections)

"""The transport of many upserts: aiohttp, whose failures are said in the words of httpx, which the core understands.

At 64 calls in flight it takes a tenth of the processor time that httpx takes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple

import aiohttp
import httpx
import yarl

from ._call import Unreadable
from ._connections import proxy_for, setting_up, trusted
from ._errors import ConfigurationError
from ._session import BODY_LIMIT


class Answered(NamedTuple):
    """An answer, read whole."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class AiohttpWire:
    """Posts to one address over connections that are kept."""

    def __init__(self, session: aiohttp.ClientSession, url: httpx.URL, proxy: str | None) -> None:
        self._session, self._url, self._proxy = session, yarl.URL(str(url), encoded=True), proxy

    async def exchange(
        self, method: str, headers: dict[str, str], content: bytes, timeouts: Mapping[str, float | None], deadline: float | None
    ) -> Answered:
        """One request and its answer, read whole. Ends at the deadline (seconds of the monotonic clock).

        Raises:
            httpx.HTTPError, Unreadable: no whole answer.
        """
        try:
            # One timer for the whole attempt: these answers come in one piece, and every further timer costs as much as parsing one.
            # That for connecting, TLS included, runs for new connections alone; it ends first, for then nothing was sent.
            connect, read = timeouts["connect"], timeouts["read"]
            ends = [
                None if connect is None or read is None else connect + read,
                None if deadline is None else max(0.001, deadline - monotonic()),
            ]
            limits = aiohttp.ClientTimeout(total=min((each for each in ends if each is not None), default=None), connect=connect)
            async with self._session.request(
                method, self._url, data=content, headers=headers, proxy=self._proxy, timeout=limits, allow_redirects=False
            ) as response:
                return Answered(response.status, response.headers, _decoded(response, await _read(response)))
        except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError):
            failure: Exception = httpx.ProxyError("the proxy does not let it through")
        except aiohttp.ConnectionTimeoutError:
            failure = httpx.ConnectTimeout("no connection in time")
        except aiohttp.ClientConnectorError as error:
            failure = httpx.ConnectError(str(error.os_error) or type(error.os_error).__name__)
        except TimeoutError:
            failure = httpx.ReadTimeout("no answer in time")
        except aiohttp.ServerDisconnectedError:
            failure = httpx.RemoteProtocolError("the connection was closed without an answer")
        except aiohttp.ClientOSError:
            failure = httpx.ReadError("the connection broke")
        except aiohttp.ClientError as error:
            failure = httpx.RemoteProtocolError(type(error).__name__)
        # Raised out of the handlers, so that no error of aiohttp, which holds the request, hangs on to this one.
        raise failure


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. A status that is no success is answer enough, whatever becomes of it."""
    body = b""
    try:
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise Unreadable(response.status, f"is longer than {BODY_LIMIT} bytes")
    except (aiohttp.ClientError, TimeoutError, Unreadable):
        if response.ok:
            raise
    return body


def _decoded(response: aiohttp.ClientResponse, body: bytes) -> bytes:
    """The body without the encoding that a service may use although it was asked not to."""
    if "Content-Encoding" not in response.headers:
        return body
    try:
        return httpx.Response(response.status, headers=[*response.headers.items()], content=body).content
    except httpx.DecodingError:
        if response.ok:
            raise Unreadable(response.status, "is not encoded as its Content-Encoding says") from None
        return body


@asynccontextmanager
async def opened(url: httpx.URL, connections: int) -> AsyncGenerator[AiohttpWire, None]:
    """Connections to a service, through the proxy and by the certificates that the environment names."""
    with setting_up():
        proxy, context = proxy_for(url), trusted(url)
    if proxy and not proxy.startswith("http"):
        raise ConfigurationError("upsert_many goes through a proxy of http alone; HTTPS_PROXY names another kind")
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=30, ssl=context if url.scheme == "https" else True)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent",),
        requote_redirect_url=False,
        auto_decompress=False,
    ) as session:
        yield AiohttpWire(session, url, proxy)

"""Reading a response under bounds: so many seconds from the first byte sent to the last received, so many bytes, decoded ones too.

A service may drip a byte every nine seconds, send gigabytes, or compress them into a few kilobytes. None of it may hold up
a run or fill its memory: it is a violation, and the run continues or ends with a verdict.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

RESPONSE_SECONDS = 20.0
"""How long one response may take, whatever drips in meanwhile."""
LARGEST_BODY = 1 << 20
"""Bytes of a body, as they arrive and decoded; the largest honest response of these APIs has a hundredth of it."""
MOST_CODINGS = 3


class TooLarge(Exception):
    """A body is longer than ``LARGEST_BODY``."""


class Deadline:
    """The moment by which the exchange under way must be over."""

    def __init__(self) -> None:
        self.at = float("inf")

    def start(self) -> None:
        """From here on an exchange has ``RESPONSE_SECONDS``."""
        self.at = time.monotonic() + RESPONSE_SECONDS

    @property
    def left(self) -> float:
        return self.at - time.monotonic()


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._deadline.left
        if left <= 0:
            raise httpcore.ReadTimeout("the response did not end in time")
        return self._stream.read(max_bytes, min(left, timeout or left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._deadline.left
        if left <= 0:
            raise httpcore.WriteTimeout("the request was not taken in time")
        self._stream.write(buffer, min(left, timeout or left))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._stream.start_tls(ssl_context, server_hostname, timeout), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens connections that keep the deadline."""

    def __init__(self, backend: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._backend = backend
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._deadline)


def keep_deadline(client: httpx.Client, deadline: Deadline) -> None:
    """Lets every connection of a client, through a proxy too, end its reads and writes at the deadline.

    httpx limits each read alone and takes no network backend; its pools have one each.
    """
    for transport in [client._transport, *client._mounts.values()]:  # noqa: SLF001  # see above
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool  # noqa: SLF001  # see above
            pool._network_backend = _Backend(pool._network_backend, deadline)  # noqa: SLF001  # see above


@contextlib.contextmanager
def cut_at_deadline(sockets: list[Any]) -> Iterator[None]:
    """Shuts these sockets down when ``RESPONSE_SECONDS`` are over, so that whoever reads from one goes on.

    ``sockets`` may grow meanwhile.

    Raises:
        TimeoutError: they were shut down; what was read until then may look whole.
    """
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    timer = threading.Timer(RESPONSE_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if is_over.is_set():
        raise TimeoutError("the responses did not end in time")


def read_body(response: httpx.Response) -> bytes:
    """The body of a streamed response, decoded.

    Raises:
        TooLarge: it is longer than ``LARGEST_BODY``, as it arrives or decoded.
        httpx.HTTPError: it does not arrive whole, or is not encoded as its header says.
    """
    parts = []
    length = 0
    for part in response.iter_raw():
        length += len(part)
        if length > LARGEST_BODY:
            raise TooLarge
        parts.append(part)
    try:
        return decoded(b"".join(parts), response.headers.get("content-encoding", ""))
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error


def decoded(body: bytes, encoding: str) -> bytes:
    """A body without its gzip and deflate codings; one that has another coding stays as it is.

    Raises:
        TooLarge: it is longer than ``LARGEST_BODY`` after some step.
        zlib.error: it is not encoded as ``encoding``, a Content-Encoding, says.
    """
    codings = [coding.strip().lower() for coding in encoding.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if not body or len(codings) > MOST_CODINGS:
        return body
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip"):
            body = _inflated(body, zlib.MAX_WBITS | 16)
        elif coding == "deflate":
            try:
                body = _inflated(body, zlib.MAX_WBITS)
            except zlib.error:  # some send it without the header that RFC 9110 asks for
                body = _inflated(body, -zlib.MAX_WBITS)
        else:
            return body
    return body


def _inflated(data: bytes, window: int) -> bytes:
    found = b""
    while data:
        engine = zlib.decompressobj(window)
        found += engine.decompress(data, LARGEST_BODY + 1 - len(found))
        if len(found) > LARGEST_BODY:
            raise TooLarge
        if not engine.eof:
            raise zlib.error("the body ends in the middle of its encoding")
        data = engine.unused_data
    return found

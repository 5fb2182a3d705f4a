"""The body of a response, whatever carried it: bounded while it comes, and while it is decoded."""

from __future__ import annotations

import zlib
from time import monotonic

import httpx

from .delivery import Unreadable

BODY_LIMIT = (
    1 << 18
)  # bytes of a response, as it came and decoded; either API's are under a hundredth of it
_WINDOWS = {
    "gzip": (31,),
    "x-gzip": (31,),
    "deflate": (15, -15),
}  # of zlib; "deflate" is sent in two forms


class Body:
    """Collects a body, and ends it where it is far too long or comes too late.

    Args:
        status: of the response.
        deadline: when the call has to be over, in seconds of the monotonic clock.
    """

    def __init__(self, status: int, deadline: float | None) -> None:
        self._status = status
        self._deadline = deadline
        self._received = bytearray()

    def add(self, chunk: bytes) -> None:
        """Takes the next piece.

        Raises:
            Unreadable: the body is longer than the limit.
            httpx.ReadTimeout: the deadline has passed.
        """
        if len(self._received) + len(chunk) > BODY_LIMIT:
            raise too_long(self._status)
        self._received += chunk
        if self._deadline is not None and monotonic() > self._deadline:
            raise httpx.ReadTimeout("the time for the whole call is over")

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return len(self._received)

    def content(self, encoding: str) -> bytes:
        """What was received, without the encoding that a service may use although it was asked for none.

        One layer of gzip or deflate is undone, for proxies compress unasked. More layers or other encodings are not read: they are
        how a small response becomes a huge one, and no service that keeps to HTTP sends them.

        Args:
            encoding: the value of ``Content-Encoding``.

        Raises:
            Unreadable: it cannot be decoded, or becomes longer than the limit. Where the status is no success, the status
                is response enough, and the body counts as empty.
        """
        try:
            return _decoded(self._status, encoding, bytes(self._received))
        except Unreadable:
            if 200 <= self._status <= 299:
                raise
            return b""


def too_long(status: int) -> Unreadable:
    """What ends a body that has no end."""
    return Unreadable(status, f"is longer than {BODY_LIMIT} bytes")


def _decoded(status: int, encoding: str, body: bytes) -> bytes:
    layers = [each.strip().lower() for each in encoding.split(",")]
    layers = [each for each in layers if each not in ("", "identity")]
    if not layers or not body:
        return body
    if len(layers) > 1 or layers[0] not in _WINDOWS:
        raise Unreadable(status, "has a Content-Encoding that was not asked for")
    for window in _WINDOWS[layers[0]]:
        decoder = zlib.decompressobj(window)
        try:
            plain = decoder.decompress(body, BODY_LIMIT + 1)
        except zlib.error:
            continue
        if len(plain) > BODY_LIMIT:
            raise too_long(status)
        if decoder.eof and not decoder.unused_data:
            return plain
    raise Unreadable(status, "is not encoded as its Content-Encoding says")

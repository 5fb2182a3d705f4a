"""A transport of httpx that ends on time. Loaded with the first connection, as httpx loads its own network code."""

from __future__ import annotations

import ssl
from contextlib import suppress
from time import monotonic
from typing import Any

import httpcore
import httpx

from ._session import DEADLINE


class BoundedTransport(httpx.HTTPTransport):
    """Every read and write ends at the deadline of the call, however slowly the service drips."""

    def __init__(self, verify: ssl.SSLContext | bool, limits: httpx.Limits, proxy: str | None) -> None:
        super().__init__(verify=verify, limits=limits, proxy=proxy)
        # httpx does not pass on httpcore's parameter for this.
        self._pool._network_backend = _Backend()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # see above


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

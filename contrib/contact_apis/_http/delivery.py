"""What the outcome of an attempt means: whether another may be made, when, and what may have been written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

import httpx
from attrs import frozen

# Retries and their pace are those of section 4 of the project's design.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
HOPELESS = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
LONGEST_RETRY_AFTER = 120.0
"""Seconds. A call that is asked to wait longer ends, and its error reports what was asked for."""
FIRST_DELAY = 0.5  # seconds; then 1 s, 2 s, 4 s, and 8 s from there on
DOUBLINGS = 4


class Response(Protocol):
    """What is read of a response: of httpx, or of whatever else carried the request."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


class Unreadable(Exception):  # noqa: N818 # an outcome that a session reports, never raised to callers
    """A success whose body cannot be had: wrongly encoded, or far too long."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@frozen
class Delivery:
    """What an attempt that ended in a certain way means for the next one, and for what the service may have done."""

    retry: Literal["always", "if idempotent", "never"]
    may_be_written: bool


# What these mean and their neighbours do not; the rest follows from the hundred (see `delivery`).
_BY_STATUS: Mapping[int, Delivery] = {
    # RFC 9110, 15.4: the same request is to be made elsewhere, so it was not carried out here. After the other redirects a client
    # may go on with GET: 303, and by old custom 301 and 302, are how a server ends a POST that it did carry out.
    307: Delivery("never", may_be_written=False),
    308: Delivery("never", may_be_written=False),
    408: Delivery("if idempotent", may_be_written=False),
    429: Delivery("always", may_be_written=False),
    499: Delivery(
        "never", may_be_written=True
    ),  # a proxy's own: it stopped waiting for the service behind it
    500: Delivery("if idempotent", may_be_written=True),
    502: Delivery("if idempotent", may_be_written=True),
    503: Delivery("if idempotent", may_be_written=False),
    504: Delivery("if idempotent", may_be_written=True),
    # Those of a content delivery network whose service failed, was down, out of reach, or silent.
    **dict.fromkeys(range(520, 525), Delivery("if idempotent", may_be_written=True)),
}
_NEVER_SENT = Delivery("always", may_be_written=False)
_HOPELESS = Delivery("never", may_be_written=False)
_UNREADABLE = Delivery("never", may_be_written=True)
_BROKEN_OFF = Delivery("if idempotent", may_be_written=True)
_CLIENT_ERROR = Delivery("never", may_be_written=False)
_OTHER_STATUS = Delivery("never", may_be_written=True)


def delivery(outcome: Response | Exception) -> Delivery:
    """The retry table: the service may fail, hang up or return something unheard of after it did the work."""
    if isinstance(outcome, NEVER_SENT):
        return _NEVER_SENT
    if isinstance(outcome, HOPELESS):
        return _HOPELESS
    if isinstance(outcome, Unreadable):
        return _UNREADABLE
    if isinstance(outcome, Exception):
        return _BROKEN_OFF
    status = outcome.status_code
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status <= 499:
        return _CLIENT_ERROR
    return _OTHER_STATUS


def may_repeat(outcome: Response | Exception, *, idempotent: bool) -> bool:
    """Whether another attempt can do no harm and may help."""
    retry = delivery(outcome).retry
    return retry == "always" or (retry == "if idempotent" and idempotent)


def delay(retry: int, asked: float | None, chance: float) -> float:
    """Seconds before a retry.

    Args:
        retry: its number; the first is 0.
        asked: the seconds that the response asked for, if it did.
        chance: from 0 to 1; spreads the retries of many callers.
    """
    if asked is not None:
        return asked + chance * min(1.0, asked / 10)
    longest = FIRST_DELAY * 2.0 ** min(retry, DOUBLINGS)
    return longest * (1 - chance / 4)


def retry_after(text: str, today: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for, from its two forms (RFC 9110, 10.2.3); ``None`` for anything else.

    Args:
        text: the value of the header.
        today: the wall clock's time in seconds since 1970.
    """
    seconds = re.fullmatch(r"\s*([0-9]+(\.[0-9]+)?)\s*", text)
    if seconds is not None:
        return float(seconds[1])
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - today)
    except (ValueError, OverflowError):
        return None

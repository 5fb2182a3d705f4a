"""How long a call may take, and how often it is retried."""

from __future__ import annotations

import httpx
from attrs import field, frozen

from contact_apis._errors import ConfigurationError

LONGEST = 86400.0  # seconds; what is far above it overflows in the system's calls
LONGEST_CONNECT = 5.0  # seconds


def _timeout(value: float | httpx.Timeout | None) -> httpx.Timeout:
    if isinstance(value, httpx.Timeout):
        return value
    seconds = _seconds(value)
    if seconds is None:
        return httpx.Timeout(None)
    return httpx.Timeout(seconds, connect=min(seconds, LONGEST_CONNECT))


def _seconds(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and 0 < value <= LONGEST):
        return value
    raise ConfigurationError(
        f"timeout and total_timeout must be seconds above 0 and up to {LONGEST:.0f}, or None"
    )


def _count(value: object) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise ConfigurationError("max_retries must be a whole number from 0")


@frozen
class Policy:
    """How long a call may take, in seconds, and how often it is retried."""

    timeout: httpx.Timeout = field(default=httpx.Timeout(30.0, connect=5.0), converter=_timeout)
    total_timeout: float | None = field(default=180.0, converter=_seconds)
    max_retries: int = field(default=2, converter=_count)

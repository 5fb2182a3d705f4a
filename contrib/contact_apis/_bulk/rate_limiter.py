"""When the next request may start."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

OVERSLEPT = 0.01
"""Seconds that a sleep may last longer than asked for and that are made up for."""
HEADROOM = 1.05
"""After a 429 the interval is this much longer than what the service took since the last one."""
SPEED_UP = 0.98
"""By which the interval shrinks after each second without a 429."""


class RateLimiter:
    """Starts requests at an even rate, and never while the service asked to wait.

    Args:
        rate: requests a second; ``None`` for no limit until the service throttles.
    """

    def __init__(self, rate: float | None) -> None:
        self._shortest = 1 / rate if rate else 0.0
        self._interval = self._shortest
        self._next = 0.0
        self._succeeded = 0
        now = monotonic()
        self._since = now
        self._faster_at = now
        self._queue = asyncio.Lock()
        self._stopped = asyncio.Event()

    async def acquire(self) -> bool:
        """Waits for the next start, first come, first served; ``False`` once the limiter is stopped."""
        if self._interval or self._next > monotonic() or self._queue.locked():
            async with self._queue:
                await self._wait_for_start()
        return not self.stopped

    async def _wait_for_start(self) -> None:
        while not self.stopped:
            wait = self._next - monotonic()
            if wait <= 0:
                break
            await self.sleep(wait)
        self._next = max(self._next, monotonic() - OVERSLEPT) + self._interval

    def on_success(self) -> None:
        """A request was not throttled."""
        self._succeeded += 1
        if self._interval > self._shortest and monotonic() > self._faster_at:
            self._faster_at = monotonic() + 1.0
            self._interval = max(self._shortest, self._interval * SPEED_UP)

    def on_throttled(self, pause: float) -> None:
        """Nothing starts for ``pause`` seconds, and then a little less than the service took since this happened last."""
        now = monotonic()
        if now >= self._since:  # the first of those that were in flight together
            lasted = max(now - self._since, pause)
            self._interval = max(self._shortest, HEADROOM * lasted / max(1, self._succeeded))
            self._since = now + pause
            self._faster_at = now + pause
            self._succeeded = 0
        self._next = max(self._next, now + pause)

    async def sleep(self, seconds: float) -> None:
        """Lets time pass, but for no longer than until the stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def stop(self) -> None:
        """Nothing starts any more."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

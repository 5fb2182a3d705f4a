"""Many upserts at once: a bounded number in flight, at a limited rate, each contact in the order of the input.

The decisions about one call are those of :class:`~contact_apis._http.call.Call`; here is what concerns many of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from time import monotonic, time
from typing import Any
from uuid import uuid4

from contact_apis._errors import APIError, ConfigurationError, ContactAPIError, InvalidRequestError
from contact_apis._http.call import Call, Service, id_in
from contact_apis._http.delivery import Response
from contact_apis._http.policy import Policy
from contact_apis._http.session import FAILURES, common_headers

from .outcome import UpsertOutcome, state_of
from .rate_limiter import RateLimiter
from .requests import PreparedRequest
from .transports import Attempt, BulkTransport

LONGEST_QUEUE = 30.0
"""Seconds that a request may wait for its turn at a low rate: longer, and no time is left for a retry."""

END = object()
"""What comes after the last item."""


def check_limits(concurrency: object, rate: object) -> None:
    """Raises :class:`ConfigurationError` for numbers that are not valid limits."""
    if not (isinstance(concurrency, int) and concurrency >= 1):
        raise ConfigurationError("concurrency must be a whole number from 1")
    if rate is not None and not (isinstance(rate, int | float) and rate > 0):
        raise ConfigurationError("rate must be requests a second, above 0, or None")


class BulkRunner:
    """One run over many contacts.

    Args:
        prepare: builds a request of an item, or raises :class:`InvalidRequestError`.
        on_outcome: called with each outcome, and awaited.
        before_attempt: called with the item right before each attempt, and awaited; ``False`` keeps the attempt from being made.
        decide: called with an item and its request once the earlier requests of its contact have ended; returns what is sent, or
            ``None`` for nothing, and then the item has no outcome.
    """

    def __init__(
        self,
        service: Service,
        policy: Policy,
        transport: BulkTransport,
        prepare: Callable[[Any], PreparedRequest],
        on_outcome: Callable[[UpsertOutcome], Awaitable[object]],
        *,
        concurrency: int,
        rate: float | None,
        before_attempt: Callable[[Any], Awaitable[bool]] | None = None,
        decide: Callable[[Any, PreparedRequest], Awaitable[PreparedRequest | None]] | None = None,
    ) -> None:
        check_limits(concurrency, rate)
        self._service = service
        self._policy = policy
        self._transport = transport
        self._prepare = prepare
        self._on_outcome = on_outcome
        self._before_attempt = before_attempt
        self._decide = decide
        self._limiter = RateLimiter(rate)
        self._concurrency = concurrency
        if rate is not None:
            self._concurrency = min(concurrency, max(1, round(rate * LONGEST_QUEUE)))
        self._operation = service.upsert
        plain = {"Content-Type": "application/json", **common_headers()}
        self._headers = service.credentials.with_plain(plain)
        self._latest: dict[str, asyncio.Future[None]] = {}
        self._count = 0

    def stop(self) -> None:
        """Takes no more contacts and starts no more attempts; what is in flight comes to its end."""
        self._limiter.stop()

    async def run(self, items: Iterable[object] | AsyncIterable[object]) -> None:
        """Sends all of them.

        What a callback raises stops the run, and what the input raises ends the input; either is raised once those in flight have ended.
        """
        source = _Source(items)
        workers = {asyncio.ensure_future(self._work(source)) for _ in range(self._concurrency)}
        running = workers
        try:
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
                if any(worker.exception() for worker in done):
                    self.stop()
        finally:
            for worker in workers:
                worker.cancel()
        for failure in [*(worker.exception() for worker in workers), source.failure]:
            if failure is not None:
                raise failure

    async def _work(self, source: _Source) -> None:
        """Sends one contact after another."""
        while not self._limiter.stopped:
            item = await source.next()
            if item is END:
                return
            index = self._count
            self._count += 1
            outcome = await self._process(index, item)
            if outcome is not None:
                await self._on_outcome(outcome)

    async def _process(self, index: int, item: object) -> UpsertOutcome | None:
        """What became of one item; ``None`` if nothing was sent for it."""
        # Up to the wait for earlier requests nothing is awaited here, so that items queue up in the order of the input.
        try:
            request = self._prepare(item)
        except InvalidRequestError as error:
            return self._failed(index, item, None, error)
        done = asyncio.get_running_loop().create_future()
        earlier = {self._latest[key] for key in request.ordering_keys if key in self._latest}
        self._latest.update(dict.fromkeys(request.ordering_keys, done))
        try:
            if earlier:
                await asyncio.wait(earlier)
            decided = request
            if self._decide is not None:
                decision = await self._decide(item, request)
                if decision is None:
                    return None
                decided = decision
            return await self._send(index, item, decided)
        finally:
            done.set_result(None)
            for key in request.ordering_keys:
                if self._latest.get(key) is done:
                    del self._latest[key]

    async def _send(
        self, index: int, item: object, request: PreparedRequest
    ) -> UpsertOutcome | None:
        """What became of a contact; ``None`` if the run was stopped before its first attempt."""
        if not await self._may_attempt(item):
            return None
        call = Call(
            self._service, self._policy, self._operation, request.body, uuid4(), monotonic()
        )
        try:
            response = await self._call(call, item, request)
        except APIError as error:
            return self._failed(index, item, call, error)
        status = response.status_code
        request_id = id_in(response.headers, call.request_id)
        return UpsertOutcome(
            index,
            state_of(self._operation, status, None),
            status,
            request_id,
            call.attempts,
            None,
            item,
        )

    async def _call(self, call: Call, item: object, request: PreparedRequest) -> Response:
        """The response to a call, after as many attempts as it takes.

        Raises:
            APIError: the call did not succeed.
        """
        headers = self._headers.with_plain(call.id_header)
        method = self._operation.method
        while True:
            timeouts = call.begin(monotonic())
            attempt = Attempt(
                method, headers, request.content, timeouts, call.deadline, call.belongs
            )
            try:
                outcome: Response | Exception = await self._transport.exchange(attempt)
            except FAILURES as failure:
                outcome = failure.with_traceback(None)  # which would keep what was received
            verdict = call.settle(outcome, monotonic(), time())
            if not isinstance(verdict, int | float):
                self._limiter.on_success()
                return verdict
            if _asks_to_wait(outcome):
                self._limiter.on_throttled(verdict)
            else:
                await self._limiter.sleep(verdict)
            if not await self._may_attempt(item, call.deadline):
                call.give_up(outcome, monotonic(), time())

    async def _may_attempt(self, item: object, deadline: float | None = None) -> bool:
        """Waits for the limiter, and reports that an attempt is about to be made; ``False`` if it may not be, or comes too late."""
        if not await self._limiter.acquire():
            return False
        if deadline is not None and monotonic() >= deadline:
            return False
        return self._before_attempt is None or await self._before_attempt(item)

    def _failed(
        self, index: int, item: object, call: Call | None, error: ContactAPIError
    ) -> UpsertOutcome:
        return UpsertOutcome(
            index,
            state_of(self._operation, None, error),
            getattr(error, "status_code", None),
            None if call is None else getattr(error, "request_id", None),
            0 if call is None else call.attempts,
            # It was never raised to anybody; its traceback would keep the whole response for as long as the outcome is kept.
            error.with_traceback(None),
            item,
        )


def _asks_to_wait(outcome: Response | Exception) -> bool:
    """Whether a response is a 429 that states how long to wait."""
    return (
        not isinstance(outcome, Exception)
        and outcome.status_code == 429
        and "Retry-After" in outcome.headers
    )


class _Source:
    """Gives one item after another, and then the end; what the input raises is its end, too."""

    failure: Exception | None = None
    _ended = False

    def __init__(self, items: Iterable[object] | AsyncIterable[object]) -> None:
        self._items = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        self._asking = asyncio.Lock()

    async def next(self) -> object:
        """The next item, or the end."""
        try:
            item = await self._ask()
        except Exception as error:  # noqa: BLE001 # whatever an input raises
            self.failure = error
            item = END
        self._ended = item is END
        return item

    async def _ask(self) -> object:
        if not isinstance(self._items, AsyncIterator):
            return END if self._ended else next(self._items, END)
        async with self._asking:  # an asynchronous generator can be asked by one at a time
            return END if self._ended else await anext(self._items, END)

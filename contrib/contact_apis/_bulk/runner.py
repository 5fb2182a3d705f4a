"""Many upserts at once: a bounded number in flight, at a pace, each contact in the order of the input.

The decisions about one call are those of :class:`~contact_apis._http.call.Call`; here is what concerns many of them.
"""

from __future__ import annotations

import _thread
import asyncio
import atexit
import json
import os
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from queue import SimpleQueue
from time import monotonic, sleep, time
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID, uuid4

import httpx
from attrs import field, frozen

from contact_apis._errors import APIError, APIStatusError, ConfigurationError, ContactAPIError, Fault, InvalidRequestError
from contact_apis._http.call import Answer, Call, Policy, Service, built, id_in, pruned
from contact_apis._http.connections import OUT_OF_DESCRIPTORS, check_mocks, is_exhausted, loading, patched
from contact_apis._http.plain import Plain
from contact_apis._http.secrets import SecretHeaders
from contact_apis._http.session import FAILURES, AsyncSession, AsyncWire, Belongs, Session, Wire, check_open, common_headers
from contact_apis._openapi.document import Json, Operation

State = Literal["created", "updated", "accepted", "refused", "failed", "unknown"]
SUCCEEDED: tuple[State, ...] = ("created", "updated", "accepted")
OVERSLEPT = 0.01  # seconds
LONGEST_QUEUE = 30.0  # seconds


@frozen
class UpsertOutcome(Plain):
    """What became of one contact of many."""

    index: int
    """The contact's place in the input, from 0."""
    state: State
    """``created`` or ``updated``; ``accepted`` where the service does not tell which; ``refused``: it breaks the contract or the
    service does not take it; ``failed``: it was not written; ``unknown``: it may have been written."""
    status: int | None
    """The status of the last answer, if there was one."""
    request_id: UUID | None
    """The correlation id; ``None`` where nothing was sent."""
    attempts: int
    """How many times it was tried."""
    error: ContactAPIError | None
    """Why it did not succeed."""
    contact: object = field(repr=False)
    """The contact as it was given."""

    @property
    def succeeded(self) -> bool:
        return self.state in SUCCEEDED

    def to_dict(self) -> Json:
        """The outcome as ``json.dumps`` takes it: ``request_id`` and ``error`` as text, and no ``contact``, which is personal data."""
        return {
            "index": self.index,
            "state": self.state,
            "status": self.status,
            "request_id": None if self.request_id is None else str(self.request_id),
            "attempts": self.attempts,
            "error": None if self.error is None else str(self.error),
        }


class Prepared(NamedTuple):
    """A contact that fits the contract, ready to be sent."""

    body: Json
    content: bytes
    identities: tuple[str, ...]


class BulkWire(Protocol):
    """What carries requests. It raises what httpx raises."""

    async def exchange(
        self,
        method: str,
        headers: SecretHeaders,
        content: bytes,
        timeouts: Mapping[str, float | None],
        deadline: float | None,
        belongs: Belongs,
    ) -> Answer: ...


class LentWire(AbstractAsyncContextManager["LentWire"]):
    """The caller's own client of httpx, with a thread for each call that it may block."""

    def __init__(self, wire: Wire | AsyncWire, url: httpx.URL, connections: int) -> None:
        self._wire, self._url, self._threads = wire, url, ThreadPoolExecutor(connections, "contact_apis")

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False)

    async def exchange(
        self,
        method: str,
        headers: SecretHeaders,
        content: bytes,
        timeouts: Mapping[str, float | None],
        deadline: float | None,
        belongs: Belongs,
    ) -> httpx.Response:
        """One request and its answer, read whole."""
        request = httpx.Request(method, self._url, headers=headers.reveal(), content=content, extensions={"timeout": timeouts})
        if isinstance(self._wire, AsyncWire):
            return await self._wire.exchange(request, deadline, belongs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._wire.exchange, request, deadline, belongs)


def prepared(service: Service, make: Callable[[], Json]) -> Prepared:
    """A request body, checked and written.

    Raises:
        InvalidRequestError: it breaks the contract.
    """
    body: Any = pruned(service.unset, built(lambda: _made(make)))
    content = built(lambda: json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(), body)
    schema = service.upsert.body
    if schema is not None and (faults := schema.faults(body)):
        raise InvalidRequestError(faults)
    return Prepared(body, content, service.identities(body))


def _made(make: Callable[[], Json]) -> Json:
    """What ``make`` gives, with the name of a keyword that there is none of, or that is needed and missing."""
    try:
        return make()
    except TypeError as error:
        wrong = re.search(r"(unexpected|missing).*?'(\w+)'(.*)", str(error))
        if wrong is None:
            raise
        fault = Fault(wrong[2], "is missing" if wrong[1] == "missing" else f"is no field of a contact{wrong[3]}")
    raise InvalidRequestError([fault])


class Pace:
    """When the next request may start: at an even rate, and never while the service wants to be left alone."""

    def __init__(self, rate: float | None) -> None:
        self._least = self._interval = 1 / rate if rate else 0.0
        self._next, self._taken = 0.0, 0
        self._since = self._faster = monotonic()
        self._queue = asyncio.Lock()
        self._stopped = asyncio.Event()

    async def turn(self) -> bool:
        """Waits for the next start, first come, first served; ``False`` where there is none any more."""
        if self._interval or self._next > monotonic() or self._queue.locked():
            async with self._queue:
                while (wait := self._next - monotonic()) > 0 and not self.stopped:
                    await self.rest(wait)
                # Sleep lasts longer than it was asked to: what is lost is made up for, as far as it was that.
                self._next = max(self._next, monotonic() - OVERSLEPT) + self._interval
        return not self.stopped

    def taken(self) -> None:
        """A request was not too many. After each second without one that was, a fiftieth more may come."""
        self._taken += 1
        if self._interval > self._least and monotonic() > self._faster:
            self._faster = monotonic() + 1.0
            self._interval = max(self._least, self._interval * 0.98)

    def too_many(self, pause: float) -> None:
        """Nothing starts for so many seconds, and then a little less than the service took since this happened last."""
        now = monotonic()
        if now >= self._since:  # the first of those that were in flight together
            self._interval = max(self._least, 1.05 * max(now - self._since, pause) / max(1, self._taken))
            self._since = self._faster = now + pause
            self._taken = 0
        self._next = max(self._next, now + pause)

    async def rest(self, seconds: float) -> None:
        """Lets time pass, but for no longer than until the stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def stop(self) -> None:
        """Nothing starts any more."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()


def check(concurrency: object, rate: object) -> None:
    """Raises :class:`ConfigurationError` for numbers that are none."""
    if not (isinstance(concurrency, int) and concurrency >= 1):
        raise ConfigurationError("concurrency must be a whole number from 1")
    if rate is not None and not (isinstance(rate, int | float) and rate > 0):
        raise ConfigurationError("rate must be requests a second, above 0, or None")


class Bulk:
    """One run over many contacts.

    Args:
        prepare: makes a request of an item, or raises :class:`InvalidRequestError`.
        ended: told each outcome, and waited for.
        started: told the item right before each attempt, and waited for; ``False`` keeps the attempt from being made.
        decide: asked what is sent for an item once its predecessors have ended; ``None`` for nothing, and then it has no outcome.
    """

    def __init__(
        self,
        service: Service,
        policy: Policy,
        wire: BulkWire,
        prepare: Callable[[Any], Prepared],
        ended: Callable[[UpsertOutcome], Awaitable[object]],
        *,
        concurrency: int,
        rate: float | None,
        started: Callable[[Any], Awaitable[bool]] | None = None,
        decide: Callable[[Any, Prepared], Awaitable[Prepared | None]] | None = None,
    ) -> None:
        check(concurrency, rate)
        self._service, self._policy, self._wire, self._prepare = service, policy, wire, prepare
        self._ended, self._started, self._decide, self._pace = ended, started, decide, Pace(rate)
        # At a low rate, more would only wait so long for their turn that no time is left for another try.
        self._concurrency = concurrency if rate is None else min(concurrency, max(1, round(rate * LONGEST_QUEUE)))
        self._operation = service.upsert
        self._headers = {"Content-Type": "application/json", **common_headers()}
        self._latest: dict[str, asyncio.Future[None]] = {}
        self._count = 0

    def stop(self) -> None:
        """Takes no more contacts and starts no more attempts; what is in flight comes to its end."""
        self._pace.stop()

    async def run(self, items: Iterable[object] | AsyncIterable[object]) -> None:
        """Sends all of them.

        What a callback raises stops it, and what the input raises ends the input; either is raised once those in flight have ended.
        """
        source = _Source(items)
        workers = {asyncio.ensure_future(self._work(source)) for _ in range(self._concurrency)}
        running = workers
        try:
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
                if [each for each in done if each.exception()]:
                    self.stop()
        finally:
            for each in workers:
                each.cancel()
        for failure in [*(each.exception() for each in workers), source.failure]:
            if failure is not None:
                raise failure

    async def _work(self, source: _Source) -> None:
        """Sends one contact after another."""
        while not self._pace.stopped and (item := await source.next()) is not _END:
            # Up to the wait for its predecessors nothing is awaited here, so that they queue up in the order of the input.
            index, self._count = self._count, self._count + 1
            try:
                ready = self._prepare(item)
            except InvalidRequestError as error:
                error.with_traceback(None)
                await self._ended(UpsertOutcome(index, state_of(self._operation, None, error), None, None, 0, error, item))
                continue
            done = asyncio.get_running_loop().create_future()
            before = {self._latest[each] for each in ready.identities if each in self._latest}
            self._latest.update(dict.fromkeys(ready.identities, done))
            try:
                if before:
                    await asyncio.wait(before)
                to_send = ready if self._decide is None else await self._decide(item, ready)
                outcome = None if to_send is None else await self._send(index, item, to_send)
            finally:
                done.set_result(None)
                for each in ready.identities:
                    if self._latest.get(each) is done:
                        del self._latest[each]
            if outcome is not None:
                await self._ended(outcome)

    async def _send(self, index: int, item: object, ready: Prepared) -> UpsertOutcome | None:
        """What became of a contact; ``None`` if it was stopped before its first attempt."""
        if not await self._pace.turn() or not await self._may_start(item):
            return None
        call = Call(self._service, self._policy, self._operation, ready.body, uuid4(), monotonic())
        headers = call.headers.with_plain(self._headers)
        while True:
            timeouts = call.begin(monotonic())
            try:
                outcome: Answer | Exception = await self._wire.exchange(
                    self._operation.method, headers, ready.content, timeouts, call.deadline, call.belongs
                )
            except FAILURES as failure:
                outcome = failure.with_traceback(None)  # which would keep what was received
            try:
                verdict = call.settle(outcome, monotonic(), time())
                if not isinstance(verdict, int | float):
                    self._pace.taken()
                    return UpsertOutcome(
                        index,
                        state_of(self._operation, verdict.status_code, None),
                        verdict.status_code,
                        id_in(verdict.headers, call.request_id),
                        call.attempts,
                        None,
                        item,
                    )
                asked_to_wait = not isinstance(outcome, Exception) and outcome.status_code == 429 and "Retry-After" in outcome.headers
                if asked_to_wait:
                    self._pace.too_many(verdict)
                else:
                    await self._pace.rest(verdict)
                is_late = not await self._pace.turn() or (call.deadline is not None and monotonic() >= call.deadline)
                if is_late or not await self._may_start(item):
                    call.last = True
                    call.settle(outcome, monotonic(), time())
            except APIError as error:
                return UpsertOutcome(
                    index,
                    state_of(self._operation, None, error),
                    getattr(error, "status_code", None),
                    error.request_id,
                    call.attempts,
                    # It was never raised to anybody; its traceback would keep the whole response for as long as the outcome is kept.
                    error.with_traceback(None),
                    item,
                )

    async def _may_start(self, item: object) -> bool:
        """Tells that an attempt is about to be made, and whether it may be."""
        return self._started is None or await self._started(item)


def state_of(operation: Operation, status: int | None, error: ContactAPIError | None) -> State:
    """What is known of a contact whose call ended with this status or this error."""
    if error is None:
        if not operation.documents(201):
            return "accepted"
        return "created" if status == 201 else "updated"
    if not isinstance(error, APIError):
        return "refused"
    if error.perhaps_written:
        return "unknown"  # a refusal too, where an earlier attempt may have been carried out
    refused = isinstance(error, APIStatusError) and 400 <= error.status_code <= 499
    return "refused" if refused and vars(error)["status_code"] not in (401, 403, 408, 429) else "failed"


_END = object()


class _Source:
    """Gives one item after another, and then the end; what the input raises is its end, too."""

    failure: Exception | None = None
    _ended = False

    def __init__(self, items: Iterable[object] | AsyncIterable[object]) -> None:
        self._items = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        self._turn = asyncio.Lock()

    async def next(self) -> object:
        """The next item, or the end."""
        try:
            if isinstance(self._items, AsyncIterator):
                async with self._turn:  # an asynchronous generator can be asked by one at a time
                    item = _END if self._ended else await anext(self._items, _END)
            else:
                item = _END if self._ended else next(self._items, _END)
        except Exception as error:  # noqa: BLE001 # whatever an input raises
            item, self.failure = _END, error
        self._ended = item is _END
        return item


def wire_to(url: httpx.URL, wire: Wire | AsyncWire, connections: int) -> AbstractAsyncContextManager[BulkWire]:
    """What carries the requests of one run: the caller's own client if there is one, else aiohttp.

    No generator: where an event loop ends with outcomes still waited for, it would close that before whoever uses it.

    Raises:
        ConfigurationError: the client is closed, httpx is mocked where many do not go, or the extra that brings aiohttp is not installed.
    """
    check_open(wire)
    # While httpx is mocked, or traced, many go the way that one goes, and no connection is opened beside it.
    if wire.given is None:
        check_mocks()
    if wire.given is not None or patched():
        return LentWire(wire, url, connections)
    try:
        with loading("upsert_many"):
            from .aiohttp_transport import AiohttpWire
    except ModuleNotFoundError:
        raise ConfigurationError("upsert_many needs an extra; install it with: pip install 'contact-apis[bulk]'") from None
    return AiohttpWire(url, connections)


async def upserts(
    session: Session | AsyncSession,
    url: httpx.URL,
    prepare: Callable[[Any], Prepared],
    contacts: Iterable[object] | AsyncIterable[object],
    concurrency: int,
    rate: float | None,
) -> AsyncGenerator[UpsertOutcome, None]:
    """The outcomes of one run as they come; closing it lets what is in flight come to its end."""
    from anyio import CancelScope

    check(concurrency, rate)
    ready: asyncio.Queue[UpsertOutcome | None] = asyncio.Queue(maxsize=concurrency)
    wanted = True

    async def ended(outcome: UpsertOutcome | None) -> None:
        if wanted:
            await ready.put(outcome)

    async def run() -> None:
        try:
            await bulk.run(contacts)
        finally:
            await ended(None)

    async with wire_to(url, session.wire, concurrency) as wire:
        bulk = Bulk(session.service, session.policy, wire, prepare, ended, concurrency=concurrency, rate=rate)
        running = asyncio.ensure_future(run())
        try:
            while (outcome := await ready.get()) is not None:
                yield outcome
            await running
        finally:
            wanted = False
            bulk.stop()
            while not ready.empty():  # whoever waits to put something in can go on
                ready.get_nowait()
            with CancelScope(shield=True):  # one of anyio would cancel the wait again and again
                await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # nobody is there to hear of it


def upserts_blocking(
    start: Callable[[AsyncIterable[object]], AsyncGenerator[UpsertOutcome, None]], contacts: Iterable[object], window: int
) -> Iterator[UpsertOutcome]:
    """The outcomes for callers without an event loop: one runs in a thread; the input is read in the caller's own."""
    check(window, None)
    source = iter(contacts)
    ahead = 0
    broken: Exception | None = None
    more = True
    remote = _Remote(start)
    try:
        remote.begin()
        while more or ahead:
            while more and ahead < window:
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                except Exception as error:  # noqa: BLE001 # the input's own: raised below, after what is in flight has ended
                    more, broken = False, error
                else:
                    remote.give(item)
                    ahead += 1
            if not more:
                remote.give(_END)
            if ahead:
                yield remote.take()
                ahead -= 1
        if broken is not None:
            raise broken
    finally:
        try:
            remote.end()
        finally:
            remote.end()


class _Remote:
    """A run in an event loop in a thread, for one caller without.

    The two speak by queues that a signal handler can interrupt at any point without harm. In a process that was forked from the
    caller's there is no such thread, so nothing is waited for.
    """

    def __init__(self, start: Callable[[AsyncIterable[object]], AsyncGenerator[UpsertOutcome, None]]) -> None:
        self._start = start
        self._process = os.getpid()
        self._results: SimpleQueue[object] = SimpleQueue()
        self._input: asyncio.Queue[object] = asyncio.Queue()
        self._wanted = asyncio.Semaphore(0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = self._stopping = self._over = False
        # Where nobody takes the outcomes any more, the end of the interpreter comes first.
        self._thread = threading.Thread(target=self._run, name="contact_apis", daemon=True)

    def begin(self) -> None:
        """Starts the thread.

        Raises:
            ConfigurationError: the system has none left, or no descriptor.
        """
        failure: object = None
        try:
            atexit.register(self.end)
            # Thread.start() waits by locks that a signal handler can leave locked, so another thread does that.
            self._begun = True
            _thread.start_new_thread(self._launch, ())
            failure = self._results.get()
        except RuntimeError as error:
            failure = error
            self._over = True
        if isinstance(failure, Exception):
            remedy = OUT_OF_DESCRIPTORS if is_exhausted(failure) else "the system starts no further thread"
            raise ConfigurationError(f"upsert_many cannot begin: {remedy}") from None

    def give(self, item: object) -> None:
        """Hands an item over, or the end."""
        self._tell(self._input.put_nowait, item)

    def take(self) -> UpsertOutcome:
        """The next outcome."""
        self._tell(self._wanted.release)
        result = self._results.get()
        if isinstance(result, UpsertOutcome):
            return result
        if isinstance(result, BaseException):
            raise result
        raise ConfigurationError("the run has ended")

    def end(self) -> None:
        """Starts nothing more and waits for what is in flight. Does nothing where that is done, or in another process."""
        if self._process != os.getpid():
            return
        while self._begun and self._loop is None and not self._over:
            sleep(0.001)
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(self._stop)
            while not self._over:
                self._results.get()
            self._thread.join()
        atexit.unregister(self.end)

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        if self._process != os.getpid():
            raise ConfigurationError("these outcomes belong to the process that began upsert_many; begin another in this one")
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed, and the result says why
                self._loop.call_soon_threadsafe(what, *arguments)

    # In other threads:

    def _launch(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:
            self._ended(error)

    def _run(self) -> None:
        result: object = _END
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._results.put(None)
                runner.run(self._follow())
        except BaseException as error:  # noqa: BLE001 # raised again where the caller is
            result = error
        self._ended(result)

    def _ended(self, result: object) -> None:
        self._over = True
        self._results.put(result)

    async def _follow(self) -> None:
        self._task = asyncio.current_task()
        if self._stopping:
            return
        outcomes = self._start(self._items())
        try:
            while True:
                await self._wanted.acquire()
                self._results.put(await anext(outcomes))
        except (StopAsyncIteration, asyncio.CancelledError):
            pass
        finally:
            await outcomes.aclose()

    async def _items(self) -> AsyncIterator[object]:
        while (item := await self._input.get()) is not _END:
            yield item

    def _stop(self) -> None:
        self._input.put_nowait(_END)
        if self._task is not None and not self._stopping:
            self._task.cancel()
        self._stopping = True

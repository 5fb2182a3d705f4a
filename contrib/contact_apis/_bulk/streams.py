"""The outcomes of a run as a stream: for callers in an event loop, and for those without one."""

from __future__ import annotations

import _thread
import asyncio
import atexit
import os
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import suppress
from queue import SimpleQueue
from time import sleep
from typing import Any

import httpx

from contact_apis._errors import ConfigurationError
from contact_apis._http.connections import OUT_OF_DESCRIPTORS, is_exhausted
from contact_apis._http.session import AsyncSession, Session

from .outcome import UpsertOutcome
from .requests import PreparedRequest
from .runner import END, BulkRunner, check_limits
from .transports import transport_to


async def upserts(
    session: Session | AsyncSession,
    url: httpx.URL,
    prepare: Callable[[Any], PreparedRequest],
    contacts: Iterable[object] | AsyncIterable[object],
    concurrency: int,
    rate: float | None,
) -> AsyncGenerator[UpsertOutcome, None]:
    """The outcomes of one run as they come; closing it lets what is in flight come to its end."""
    from anyio import CancelScope

    check_limits(concurrency, rate)
    ready: asyncio.Queue[UpsertOutcome | None] = asyncio.Queue(maxsize=concurrency)
    wanted = True

    async def on_outcome(outcome: UpsertOutcome | None) -> None:
        if wanted:
            await ready.put(outcome)

    async def run() -> None:
        try:
            await bulk.run(contacts)
        finally:
            await on_outcome(None)

    async with transport_to(url, session.client_transport, concurrency) as transport:
        bulk = BulkRunner(
            session.service,
            session.policy,
            transport,
            prepare,
            on_outcome,
            concurrency=concurrency,
            rate=rate,
        )
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
    start: Callable[[AsyncIterable[object]], AsyncGenerator[UpsertOutcome, None]],
    contacts: Iterable[object],
    window: int,
) -> Iterator[UpsertOutcome]:
    """The outcomes for callers without an event loop: one runs in a thread; the input is read in the caller's own."""
    check_limits(window, None)
    stream = _BlockingStream(start, contacts, window)
    try:
        stream.begin()
        while (outcome := stream.next_outcome()) is not None:
            yield outcome
        stream.raise_failure()
    finally:
        stream.close()


class _BlockingStream:
    """Contacts of an input that are sent elsewhere, a window of them ahead of the outcomes that were taken."""

    def __init__(
        self,
        start: Callable[[AsyncIterable[object]], AsyncGenerator[UpsertOutcome, None]],
        contacts: Iterable[object],
        window: int,
    ) -> None:
        self._contacts = iter(contacts)
        self._window = window
        self._ahead = 0
        self._more = True
        self._failure: Exception | None = None
        self._remote = _Remote(start)

    def begin(self) -> None:
        """Starts the thread.

        Raises:
            ConfigurationError: the system has none left, or no descriptor.
        """
        self._remote.begin()

    def next_outcome(self) -> UpsertOutcome | None:
        """The next outcome, or ``None`` after the last."""
        self._fill_window()
        if not self._ahead:
            return None
        outcome = self._remote.take()
        self._ahead -= 1
        return outcome

    def raise_failure(self) -> None:
        """Raises what the input raised, once what was in flight has ended."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Starts nothing more and waits for what is in flight; a second signal in between waits, too."""
        try:
            self._remote.end()
        finally:
            self._remote.end()

    def _fill_window(self) -> None:
        while self._more and self._ahead < self._window:
            try:
                contact = next(self._contacts)
            except StopIteration:
                self._more = False
            except Exception as error:  # noqa: BLE001 # the input's own
                self._more = False
                self._failure = error
            else:
                self._remote.give(contact)
                self._ahead += 1
        if not self._more:
            self._remote.give(END)


class _Remote:
    """A run in an event loop in a thread, for one caller without.

    The two speak by queues that a signal handler can interrupt at any point without harm. In a process that was forked from the
    caller's there is no such thread, so nothing is waited for.
    """

    def __init__(
        self, start: Callable[[AsyncIterable[object]], AsyncGenerator[UpsertOutcome, None]]
    ) -> None:
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
            remedy = (
                OUT_OF_DESCRIPTORS
                if is_exhausted(failure)
                else "the system starts no further thread"
            )
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
            raise ConfigurationError(
                "these outcomes belong to the process that began upsert_many; begin another in this one"
            )
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
        result: object = END
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
        while (item := await self._input.get()) is not END:
            yield item

    def _stop(self) -> None:
        self._input.put_nowait(END)
        if self._task is not None and not self._stopping:
            self._task.cancel()
        self._stopping = True

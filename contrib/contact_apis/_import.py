"""An import: every row of the input read and checked, what has to be sent noted in the journal, sent, and told of."""

from __future__ import annotations

import asyncio
import codecs
import csv
import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Literal, cast

import orjson

from ._bulk import Bulk, Prepared, UpsertOutcome, wire_to
from ._call import LONGEST_RETRY_AFTER
from ._errors import APIConnectionError, AuthenticationError, Fault, InternalServerError, PermissionDeniedError, RateLimitError
from ._journal import Due, Ended, Journal, JournalError, Planned
from ._mapping import ColumnMapping, Unfit
from ._rows import OURS, REASON, UNREAD, Input, InputError, Row, looks_like_data

if TYPE_CHECKING:
    from ._pristo import AsyncPristo
    from ._progress import Watch
    from ._retainful import AsyncRetainful

Ending = Literal["finished", "credentials", "down", "interrupted", "terminated"]
EXIT_CODES: Mapping[Ending, int] = {"credentials": 3, "down": 4, "interrupted": 130, "terminated": 143}
SIGNALS: Mapping[int, Ending] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
DOWN_AFTER = 20  # rows in a row that the service did not answer, or answered with a 5xx
GRACE = 10.0  # seconds that what is in flight gets after a signal


def planned(rows: Iterable[Row], mapping: ColumnMapping) -> Iterator[Planned]:
    """What is to be sent for each row, or why it cannot be.

    Raises:
        InputError: a member of a JSON object fits nothing.
    """
    form = mapping.form
    schema = form.operation.body
    for row in rows:
        fault, body = row.fault, {}
        if fault is None:
            try:
                body = mapping.of_cells(row.cells) if isinstance(row.cells, list) else mapping.of_members(row.cells)
                faults = schema.faults(body) if schema is not None else []
                fault = "; ".join(str(Fault(_shown_path(each.path), each.remedy)) for each in faults) or None
            except Unfit as error:
                fault = str(error)
            except InputError as error:
                raise InputError(f"line {row.line}: {error}") from None
        if fault is None:
            sent = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
            yield Planned(row.line, form.name(body), form.identities(body), sent, row.source, form.repeatable(body), None)
        else:
            yield Planned(row.line, None, (), None, row.source, True, fault)


def _shown_path(path: str) -> str:
    """Where in a body something is, as it may stand on a terminal: a row that has the form of a body names its members itself."""
    return path if path.isprintable() and not looks_like_data(path) else "a member whose name is not shown"


class _Sending:
    """A row on its way."""

    __slots__ = ("attempts", "body", "id")

    def __init__(self, due: Due) -> None:
        self.id, self.body, self.attempts = due.id, due.body, 0


class Sender:
    """Sends what a journal has due, and notes what becomes of it.

    Args:
        watch: told the state of each row that ended, and asked every second to show it.
    """

    ending: Ending = "finished"

    def __init__(self, client: AsyncPristo | AsyncRetainful, journal: Journal, watch: Watch) -> None:
        self._session, self._url = client._target()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # of this package
        self._journal, self._watch = journal, watch
        self._tally: Counter[str] = Counter()
        self._down = 0
        self._broken: JournalError | None = None
        self._turn: asyncio.Future[None]
        self._scheduled = False
        self._ends: list[Ended] = []
        self._starts: list[tuple[int, int]] = []

    async def send(self, *, concurrency: int, rate: float | None) -> Ending:
        """Sends until nothing is due, the credentials are refused, the service is down, or a signal ends it.

        Raises:
            JournalError: the journal cannot be written any more; nothing is sent that it does not have.
            ConfigurationError: the environment's proxy or certificates cannot be used.
        """
        session = self._session
        async with wire_to(self._url, session.wire, concurrency) as wire:
            self._bulk = Bulk(
                session.service,
                session.policy,
                wire,
                self._prepared,
                self._ended,
                concurrency=concurrency,
                rate=rate,
                started=self._started,
            )
            running = asyncio.ensure_future(self._bulk.run(map(_Sending, self._journal.due())))
            watching = asyncio.ensure_future(self._watch_on())
            with _signals(self._interrupt(running)), suppress(asyncio.CancelledError):
                await running
            watching.cancel()
            if self._scheduled:
                self._note()
        if self._broken is not None:
            raise self._broken
        if self.ending == "finished" and 1 < self._down == self._tally.total():
            self.ending = "down"
        return self.ending

    async def _watch_on(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._watch.tick()

    def _prepared(self, item: _Sending) -> Prepared:
        body = orjson.loads(item.body)
        return Prepared(body, item.body, self._session.service.identities(body))

    async def _started(self, item: _Sending) -> None:
        item.attempts += 1
        self._starts.append((item.id, item.attempts))
        self._note_soon()
        await self._turn

    async def _ended(self, outcome: UpsertOutcome) -> None:
        item, error = cast("_Sending", outcome.contact), outcome.error
        request_id = None if outcome.request_id is None else str(outcome.request_id)
        self._ends.append(Ended(item.id, outcome.state, outcome.status, request_id, None if error is None else str(error)))
        self._note_soon()
        self._tally[outcome.state] += 1
        self._watch(outcome.state)
        if isinstance(error, AuthenticationError | PermissionDeniedError):
            self._stop("credentials")
        self._down = self._down + 1 if isinstance(error, APIConnectionError | InternalServerError | RateLimitError) else 0
        patience_is_over = isinstance(error, RateLimitError) and (error.retry_after or 0.0) > LONGEST_RETRY_AFTER
        if self._down >= DOWN_AFTER or patience_is_over:
            self._stop("down")

    def _note_soon(self) -> None:
        """Lets the journal have what is known now after this turn of the event loop, together with all else that it brings.

        Answers that arrive together share a commit, and so do the requests that they make room for; nothing waits longer.
        """
        if not self._scheduled:
            loop = asyncio.get_running_loop()
            self._scheduled, self._turn = True, loop.create_future()
            loop.call_soon(self._note)

    def _note(self) -> None:
        ends, starts = self._ends, self._starts
        self._ends, self._starts, self._scheduled = [], [], False
        try:
            self._journal.note(ends, starts)
        except JournalError as error:
            self._broken = error
            self._bulk.stop()
        if not self._turn.done():
            if self._broken is None:
                self._turn.set_result(None)
            else:
                self._turn.cancel()

    def _stop(self, ending: Ending) -> None:
        if self.ending == "finished":
            self.ending = ending
        self._bulk.stop()

    def _interrupt(self, running: asyncio.Future[None]) -> Callable[[Ending], None]:
        def interrupt(ending: Ending) -> None:
            if self.ending in ("interrupted", "terminated"):
                running.cancel()
            self._stop(ending)
            asyncio.get_running_loop().call_later(GRACE, running.cancel)

        return interrupt


@contextmanager
def _signals(interrupt: Callable[[Ending], None]) -> Generator[None, None, None]:
    """Ctrl-C and SIGTERM let what is in flight come to its end; the second one does not wait for it."""
    loop, before = asyncio.get_running_loop(), {number: signal.getsignal(number) for number in SIGNALS}
    with suppress(NotImplementedError):  # where the event loop has no signals, Ctrl-C raises KeyboardInterrupt
        for number, ending in SIGNALS.items():
            loop.add_signal_handler(number, interrupt, ending)
    try:
        yield
    finally:
        with suppress(NotImplementedError):  # as above
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)


@contextmanager
def _replacing(path: Path) -> Generator[IO[bytes], None, None]:
    """A file that takes the place of another when it is whole, readable by its owner alone."""
    path = path.resolve()
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; what was sent stands in the journal") from None


def check_writable(path: Path, option: str, *others: Path | None) -> None:
    """Raises :class:`InputError` if a file cannot be written there, or would overwrite one of the others."""
    if any(other is not None and path.resolve() == other.resolve() for other in others):
        raise InputError(f"{option} {path} would overwrite another file of this import; name another")
    try:
        NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.").close()
        if path.exists() and not path.is_file():
            raise OSError(0, "it is no regular file")
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror}") from None


def write_results(journal: Journal, path: Path) -> None:
    """What became of each row, as JSON lines in the order of the input."""
    with _replacing(path) as file:
        for result in journal.results():
            file.write(orjson.dumps(result) + b"\n")


def write_unsuccessful(path: Path, source: Input, rows: Iterable[tuple[bytes, str]]) -> None:
    """Rows that did not make it, in the form of the input with a reason in front, to be imported again."""
    with _replacing(path) as file:
        if source.encoding != "utf-8":
            file.write(codecs.BOM_UTF8)  # counts for more than any --encoding
        for text in _as_csv(rows, source) if source.format == "csv" else _as_json_lines(rows):
            file.write(text.encode())


def _as_json_lines(rows: Iterable[tuple[bytes, str]]) -> Iterator[str]:
    for text, reason in rows:
        value = _read(text)
        told = (
            {REASON: reason, **cast("dict[str, object]", value)}
            if isinstance(value, dict)
            else {REASON: reason, UNREAD: text.decode("utf-8", "replace")}
        )
        yield orjson.dumps(told).decode() + "\n"


def _as_csv(rows: Iterable[tuple[bytes, str]], source: Input) -> Iterator[str]:
    columns = source.columns or []
    kept = [place for place, name in enumerate(columns) if name not in OURS]
    written: list[str] = []
    # With this end of a line, csv puts a cell that has a carriage return into quotes.
    writer = csv.writer(cast("Any", _Lines(written)), delimiter=source.delimiter, lineterminator="\r\n")
    writer.writerow([REASON, *(columns[place] for place in kept), UNREAD])
    for text, reason in rows:
        value = _read(text)
        if isinstance(value, list) and len(cells := cast("list[str]", value)) == len(columns):
            writer.writerow([reason, *(cells[place] for place in kept), ""])
        else:
            writer.writerow([reason, *[""] * len(kept), text.decode("utf-8", "replace")])
        yield from written
        written.clear()
    yield from written


class _Lines:
    """What csv writes to."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def _read(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except ValueError:
        return None

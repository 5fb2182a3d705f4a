"""An import: every row of the input read and checked, what has to be sent noted in the journal, sent, and told of."""

from __future__ import annotations

import asyncio
import codecs
import csv
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Literal, cast

import orjson

from contact_apis._bulk.outcome import SUCCEEDED, UpsertOutcome
from contact_apis._bulk.requests import PreparedRequest
from contact_apis._bulk.runner import BulkRunner
from contact_apis._bulk.transports import transport_to
from contact_apis._errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    ContactAPIError,
    Fault,
    InternalServerError,
    PermissionDeniedError,
    RateLimitError,
)
from contact_apis._http.delivery import LONGEST_RETRY_AFTER
from contact_apis._vendors.record_mapper import CellError

from .journal import Due, Ended, Journal, JournalError, Planned, journal_of, reference
from .mapping import ColumnMapping
from .repairs import Repairs
from .rows import LONGEST_NAME, OURS, REASON, UNREAD, Input, InputError, Row, looks_like_data
from .shutdown import SignalEnding, Signals

if TYPE_CHECKING:
    from contact_apis._vendors.base import AsyncClient

    from .progress import Watch

Ending = Literal["finished", "credentials", "down", "unrecorded", "rejected"] | SignalEnding
EXIT_CODES: Mapping[Ending, int] = {
    "credentials": 3,
    "down": 4,
    "unrecorded": 5,
    "rejected": 6,
    "hung up": 129,
    "interrupted": 130,
    "terminated": 143,
}
DOWN_AFTER = 20  # rows in a row that the service did not answer, or answered with a 5xx
GRACE = 10.0  # seconds that what is in flight gets after a signal
FORBIDDEN = (
    20  # rows in a row that the service answered with a 403 before the credentials are tried again
)
WINDOW = 64  # rows that are rejected for one reason, and no other row ended, before an import stops
_SERVICE_IS_DOWN = (APIConnectionError, InternalServerError, RateLimitError)
DISK_PATIENCE = 60.0  # seconds that outcomes which the journal cannot take are kept for it
LEAST_DESCRIPTORS = 8  # with one connection
SPARE_DESCRIPTORS = (
    16  # for all but connections: the journal, its temporary files, modules, name look-ups
)


def planned(
    rows: Iterable[Row],
    mapping: ColumnMapping,
    *,
    limit: int | None = None,
    repairs: Repairs | None = None,
) -> Iterator[Planned]:
    """What is to be sent for each row, or why it cannot be. The repairs of rows that can be sent are counted.

    Raises:
        InputError: a member of a JSON object fits nothing. Of rows after ``limit``, which are not sent, that is only a fault.
    """
    mapper = mapping.mapper
    vendor = mapper.vendor
    schema = mapper.operation.body
    for place, row in enumerate(rows):
        fault, body = row.fault, {}
        if fault is None:
            try:
                body = (
                    mapping.of_cells(row.cells)
                    if isinstance(row.cells, list)
                    else mapping.of_members(row.cells)
                )
                faults = schema.faults(body) if schema is not None else []
                fault = (
                    "; ".join(str(Fault(_shown_path(each.path), each.remedy)) for each in faults)
                    or None
                )
            except CellError as error:
                fault = str(error)
            except InputError as error:
                if limit is None or place < limit:
                    raise InputError(f"line {row.line}: {error}") from None
                fault = str(error)
        repaired = mapping.repaired()
        if fault is None:
            if repairs is not None and (limit is None or place < limit):
                repairs.add(repaired)
            sent = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
            keys = vendor.ordering_keys(body)
            is_idempotent = vendor.is_idempotent(body)
            yield Planned(
                row.line,
                mapper.name(body),
                keys,
                sent,
                row.source,
                is_idempotent,
                None,
                vendor.has_several_keys,
            )
        else:
            yield Planned(
                row.line, None, (), None, row.source, True, fault, vendor.has_several_keys
            )


def _shown_path(path: str) -> str:
    """Where in a body something is, as it may stand on a terminal: a row that has the form of a body names its members itself."""
    if path.isprintable() and len(path) <= 2 * LONGEST_NAME and not looks_like_data(path):
        return path
    return "a member whose name is not shown"


def _without_particulars(text: str) -> str:
    """What an error has in common with those of other rows: its text, which shows nothing that was sent, without ids and numbers."""
    return re.sub(r"\d+", "#", re.sub(r" \(request [^()]*\)$", "", text))


def _call_soon(
    loop: asyncio.AbstractEventLoop, act: Callable[[SignalEnding], None], ending: SignalEnding
) -> None:
    loop.call_soon_threadsafe(act, ending)


class _Sending:
    """A row on its way."""

    __slots__ = ("attempts", "due", "id")

    def __init__(self, due: Due) -> None:
        self.id, self.due, self.attempts = due.id, due, 0


class Sender:
    """Sends what a journal has due, and notes what becomes of it.

    Args:
        watch: told the state of each row that ended, and asked every second to show it.
        signals: what may end it early.
        keep_going: send on although everything is rejected for one reason.
    """

    ending: Ending = "finished"
    reason = ""
    """Why everything was rejected, or the journal could not be written; a sentence."""

    def __init__(
        self,
        client: AsyncClient[Any],
        journal: Journal,
        watch: Watch,
        signals: Signals,
        *,
        keep_going: bool = False,
    ) -> None:
        self._client = client
        self._session, self._url = client._target()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # of this package
        self._journal, self._watch, self._signals = journal, watch, signals
        self._keep_going = keep_going
        self._succeeded_before = False
        self._reasons: Counter[str] = Counter()
        self._forbidden = 0
        self._credentials: asyncio.Future[None] | None = None
        self._tally: Counter[str] = Counter()
        self._down = 0
        self._broken: JournalError | None = None
        self._turn: asyncio.Future[None]
        self._scheduled = False
        self._ends: list[Ended] = []
        self._starts: list[tuple[int, int]] = []

    async def send(self, *, concurrency: int, rate: float | None) -> Ending:
        """Sends until nothing is due, or until something ends it (see :data:`EXIT_CODES`).

        Nothing is sent that the journal does not have. What was received when it can no longer be written is kept for a minute.

        Raises:
            ConfigurationError: the environment's proxy or certificates cannot be used.
        """
        session = self._session
        concurrency = self._affordable(concurrency)
        self._succeeded_before = any(state in SUCCEEDED for state, _ in self._journal.counts())
        self._window = max(WINDOW, concurrency)
        async with transport_to(self._url, session.client_transport, concurrency) as transport:
            self._bulk = BulkRunner(
                session.service,
                session.policy,
                transport,
                self._prepared,
                self._ended,
                concurrency=concurrency,
                rate=rate,
                before_attempt=self._started,
                decide=self._decide if self._journal.decides else None,
            )
            running = asyncio.ensure_future(self._bulk.run(map(_Sending, self._journal.due())))
            watching = asyncio.ensure_future(self._watch_on())
            try:
                with (
                    self._signals.told_to(self._interrupter(running)),
                    suppress(asyncio.CancelledError),
                ):
                    await running
            except JournalError as error:  # from reading what is due; what was in flight has ended
                self._broken = error
            watching.cancel()
            if self._scheduled:
                self._note()
        if self._broken is not None:
            await self._note_the_rest()
            self.reason = str(self._broken)
            return self._end("unrecorded")
        if self.ending == "finished" and 1 < self._down == self._tally.total():
            self.ending = "down"
        return self.ending

    def _affordable(self, concurrency: int) -> int:
        """How many connections the process may open, up to so many."""
        free, limit = free_descriptors()
        affordable = max(1, free - SPARE_DESCRIPTORS)
        if affordable >= concurrency:
            return concurrency
        self._watch.say(
            f"requests in flight at once: {affordable}, as the process may open only {limit} files and connections (ulimit -n)"
        )
        return affordable

    async def _watch_on(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._watch.tick()

    def _prepared(self, item: _Sending) -> PreparedRequest:
        return PreparedRequest(orjson.loads(item.due.body), item.due.body, (str(item.due.contact),))

    async def _decide(self, item: _Sending, request: PreparedRequest) -> PreparedRequest | None:
        """What is sent for a row whose contact's earlier rows have ended."""
        if self._scheduled:
            await self._turn  # then the journal knows how they ended
        if self._broken is not None:
            return None
        try:
            decision = self._journal.decide(item.due)
        except JournalError as error:
            self._broken = error
            self._bulk.stop()
            return None
        if decision == "leave":
            self._watch("skipped")
            return None
        if decision == "send":
            return request
        body = self._session.service.repeatable(request.body)
        return PreparedRequest(
            body, orjson.dumps(body, option=orjson.OPT_SORT_KEYS), request.ordering_keys
        )

    async def _started(self, item: _Sending) -> bool:
        """Whether the journal has that a row is about to be sent."""
        item.attempts += 1
        self._starts.append((item.id, item.attempts))
        self._note_soon()
        await self._turn
        return self._broken is None

    async def _ended(self, outcome: UpsertOutcome) -> None:
        item, error = cast("_Sending", outcome.contact), outcome.error
        request_id = None if outcome.request_id is None else str(outcome.request_id)
        why = None if error is None else str(error)
        perhaps_written = isinstance(error, APIError) and error.perhaps_written
        self._ends.append(
            Ended(item.id, outcome.state, outcome.status, request_id, why, perhaps_written)
        )
        self._note_soon()
        self._tally[outcome.state] += 1
        self._watch(outcome.state)
        if error is None:
            self._forbidden = 0
            self._down = 0
        else:
            await self._judge(error)

    async def _judge(self, error: ContactAPIError) -> None:
        """Stops where an error is about more than its own row."""
        if isinstance(error, AuthenticationError):
            self._stop("credentials")
        elif isinstance(error, PermissionDeniedError):
            await self._check_credentials()
        self._look_for_one_reason(error)
        if isinstance(error, _SERVICE_IS_DOWN):
            self._down += 1
        else:
            self._down = 0
        asked = 0.0
        if isinstance(error, RateLimitError):
            asked = error.retry_after or 0.0
        if self._down >= DOWN_AFTER or asked > LONGEST_RETRY_AFTER:
            self._stop("down")

    @property
    def _is_proven(self) -> bool:
        """Whether the service has taken a row of this input, in this run or an earlier one: then not everything is rejected."""
        return self._succeeded_before or any(self._tally[each] for each in SUCCEEDED)

    async def _check_credentials(self) -> None:
        """Stops after a 403 if it is about the credentials: a firewall sends one for a single row, too.

        The first 403 has them tried where nothing has succeeded before it, and so does each run of 403s: a key can be revoked meanwhile.
        """
        self._forbidden += 1
        is_first = self._credentials is None and not self._is_proven
        is_busy = self._credentials is not None and not self._credentials.done()
        if is_first or (self._forbidden >= FORBIDDEN and not is_busy):
            self._forbidden = 0
            self._credentials = asyncio.ensure_future(self._try_credentials())
        if self._credentials is not None:
            await self._credentials

    async def _try_credentials(self) -> None:
        try:
            accepted = await self._client.check_credentials()
        except (APIConnectionError, InternalServerError, RateLimitError):
            return  # nothing is known of them; the next rows will show
        except APIStatusError as error:
            if error.code is None and error.message is None:  # not in the form of the API's errors
                if (
                    self._is_proven and not self._keep_going
                ):  # else a whole window shows whether everything is rejected
                    self.reason = str(error)
                    self._stop("rejected")
                return
            accepted = False
        if not accepted:
            self._stop("credentials")

    def _look_for_one_reason(self, error: ContactAPIError) -> None:
        """Stops when a whole window of rows ended for one reason and nothing else happened: then it is not the rows.

        Such are rejections, redirects, and successes that break the contract, as a portal or another service sends them.
        """
        if self._keep_going or self._is_proven:
            return
        if not isinstance(error, APIStatusError | APIResponseValidationError):
            return
        if isinstance(error, RateLimitError | InternalServerError):
            return
        reason = _without_particulars(str(error))
        self._reasons[reason] += 1
        if self._reasons[reason] >= self._window and self._reasons[reason] == self._tally.total():
            self.reason = str(error)
            self._stop("rejected")

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
            # What has ended is kept for the time when there is room again; what was to start does not.
            self._broken = error
            self._ends = [*ends, *self._ends]
            self._bulk.stop()
        if not self._turn.done():
            self._turn.set_result(None)

    async def _note_the_rest(self) -> None:
        """Writes the outcomes that the journal could not take, as soon as it can, for a minute or until the next signal."""
        unwritten = len(self._ends)
        for waited in range(int(DISK_PATIENCE)):
            try:
                self._journal.note(self._ends, [])
            except JournalError as error:
                self._broken = error
            else:
                self._ends = []
                return
            if self._signals.received is not None and waited:
                return
            if waited == 0:
                self._watch.say(
                    f"{self._broken}; waiting up to {DISK_PATIENCE:.0f} s for room to record {unwritten} received outcomes"
                )
            await asyncio.sleep(1)

    def _end(self, ending: Ending) -> Ending:
        if self.ending == "finished":
            self.ending = ending
        return self.ending

    def _stop(self, ending: Ending) -> None:
        self._end(ending)
        self._bulk.stop()

    def _interrupter(self, running: asyncio.Future[None]) -> Callable[[SignalEnding], None]:
        """What to do with a signal: what is in flight comes to its end, unless a second one comes."""
        loop = asyncio.get_running_loop()
        interrupted = False

        def interrupt(ending: SignalEnding) -> None:
            nonlocal interrupted
            if interrupted:
                running.cancel()
            interrupted = True
            self._stop(ending)
            loop.call_later(GRACE, running.cancel)

        # The handler of a signal runs within whatever the loop is doing, which is no place to do more than this.
        return lambda ending: _call_soon(loop, interrupt, ending)


def free_descriptors() -> tuple[int, int]:
    """How many files and connections the process may still open, and how many it may have open in all."""
    if sys.platform == "win32":
        return sys.maxsize, sys.maxsize
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize, sys.maxsize
    try:
        used = len(list(Path("/dev/fd").iterdir()))
    except OSError:  # not there, or it cannot be opened any more
        used = LEAST_DESCRIPTORS
    return limit - used, limit


def check_descriptors() -> None:
    """Raises :class:`InputError` if the process may open too few files to do anything."""
    free, limit = free_descriptors()
    if free < LEAST_DESCRIPTORS:
        raise InputError(
            f"the process may open {max(0, free)} more files of {limit}, and needs {LEAST_DESCRIPTORS}; run ulimit -n 256 before"
        )


@contextmanager
def _replacing(path: Path) -> Generator[IO[bytes], None, None]:
    """A file that takes the place of another when it is whole, readable by its owner alone.

    A symbolic link is replaced itself: what it leads to may be anybody's.
    """
    path = path.absolute()
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
        raise InputError(
            f"{path} cannot be written: {error.strerror}; what was sent stands in the journal"
        ) from None


def check_writable(path: Path, option: str, *others: Path | None) -> None:
    """Raises :class:`InputError` if a file cannot be written there, or would overwrite one of the others.

    Standard input and output count among the others.
    """
    if any(other is not None and _is_same_file(path, other) for other in others) or any(
        _is_stream(path, each) for each in (0, 1, 2)
    ):
        raise InputError(
            f"{option} {path} would overwrite another file of this import; name another"
        )
    try:
        NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.").close()
        if path.exists() and not path.is_file():
            raise OSError(0, "it is no regular file")
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror}") from None


def _is_same_file(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _is_stream(path: Path, descriptor: int) -> bool:
    """Whether a regular file is one of the standard streams."""
    with suppress(OSError):
        return path.is_file() and os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def write_results(journal: Journal, path: Path) -> None:
    """What became of each row, as JSON lines in the order of the input."""
    with _replacing(path) as file:
        for result in journal.results():
            file.write(orjson.dumps(result) + b"\n")


def write_reference(path: Path, journal: Journal) -> None:
    """Has a later import of failed rows go on with the journal of this import, unless that file has a journal of its own."""
    beside = Path(f"{path}.journal")
    if not beside.exists() or journal_of(beside) != beside:
        with _replacing(beside) as file:
            file.write(reference(beside, journal.path))


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
    writer = csv.writer(
        cast("Any", _Lines(written)), delimiter=source.delimiter, lineterminator="\r\n"
    )
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

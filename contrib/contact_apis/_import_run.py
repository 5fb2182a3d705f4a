"""One run of ``contact-apis import``, from its options to its exit code."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType, TracebackType
from typing import Self

from attrs import frozen

from . import AsyncPristo, AsyncRetainful, __version__
from ._bulk import SUCCEEDED
from ._import import EXIT_CODES, SIGNALS, Ending, Sender, check_writable, planned, write_results, write_unsuccessful
from ._journal import Journal, Planned
from ._mapping import FORMS, ColumnMapping
from ._progress import Watch
from ._rows import Input, InputError

SHOWN = 5  # rows that did not make it, in the summary
AGAIN = "; run the same command again to go on"
ENDINGS: Mapping[Ending, str] = {
    "credentials": "stopped: the credentials were refused",
    "down": "stopped: the service is down, or wants to be left alone for long" + AGAIN,
    "interrupted": "interrupted" + AGAIN,
    "terminated": "terminated" + AGAIN,
}


@frozen
class Request:
    """What the user wants; see the help of the options."""

    file: str
    to: str
    columns: Mapping[str, str]
    constants: Mapping[str, str]
    custom: Sequence[str]
    ignored: Sequence[str]
    region: str | None
    encoding: str | None
    dry_run: bool
    limit: int | None
    concurrency: int
    rate: float | None
    max_retries: int
    timeout: float
    journal: Path | None
    results: Path | None
    failed: Path | None
    retry_unknown: bool
    as_json: bool


class _Interrupted(BaseException):
    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending: Ending = ending


def run_import(wish: Request) -> int:
    """The exit code.

    Raises:
        InputError, JournalError, ConfigurationError: something that the user has to mend.
    """
    mapping = ColumnMapping(
        FORMS[wish.to](),
        columns=wish.columns,
        constants=wish.constants,
        custom=wish.custom,
        ignored=wish.ignored,
        region=wish.region,
    )
    client = None if wish.dry_run else _client(wish)
    given = None if wish.file == "-" else Path(wish.file)
    path = wish.journal or (Path(f"{given}.journal") if given else None)
    if path is None and client is not None:
        raise InputError("an import from standard input needs a journal: name one with --journal")
    for option, file, others in (
        ("--results", wish.results, ()),
        ("--failed", wish.failed, (wish.results,)),
        ("--journal", wish.journal, ()),
    ):
        if file is not None:
            check_writable(file, option, given, *others, *((path,) if option != "--journal" else ()))
    with closing(Input(wish.file, encoding=wish.encoding)) as source, ExitStack() as stack:
        _say(source.described)
        if source.columns is not None:
            mapping.bind(source.columns)
        if client is None or path is None:
            path, bound = Path(stack.enter_context(TemporaryDirectory())) / "journal", {}
        else:
            session, url = client._target()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # of this package
            # What identifies the account besides its key: nothing for Pristo, whose address has the population.
            bound = {"target": str(url), "app": [*session.service.account], "mapping": mapping.signature}
        with closing(Journal(path, bound)) as journal:
            return _carry_out(wish, mapping, source, journal, client)


def _carry_out(wish: Request, mapping: ColumnMapping, source: Input, journal: Journal, client: AsyncPristo | AsyncRetainful | None) -> int:
    ending: Ending = "finished"
    with _Signals() as signals:
        try:
            with Watch() as watch:
                # The journal is bound to the options; what else decides about the rows is the file and how it is read.
                digest = source.digest
                fingerprint = digest and f"{digest} {wish.limit} {source.encoding} {sorted(wish.ignored)} {wish.region} {__version__}"
                if not journal.has_all_of(fingerprint):
                    watch.phase("checking", None)
                    rows = planned(source if wish.limit is None else islice(source, wish.limit), mapping)
                    journal.plan(_watched(rows, watch), retry_unknown=wish.retry_unknown)
                    if source.columns is None:
                        mapping.check_named(mapping.found)
                    _show(mapping, source)
                if client is not None and (due := journal.due_count()):
                    watch.phase("sending", due)
                    # Thousands of short-lived objects a second would have everything that was loaded looked through again and again.
                    gc.freeze()
                    gc.set_threshold(50_000)
                    ending = asyncio.run(Sender(client, journal, watch).send(concurrency=wish.concurrency, rate=wish.rate))
                if ending == "finished" and all(state in SUCCEEDED for state, _ in journal.counts()):
                    journal.complete(fingerprint)
        except _Interrupted as stop:
            ending = stop.ending
        finally:
            signals.raising = False  # what follows is short, and is what the next run needs
            journal.settle_interrupted()
            if wish.results is not None:
                write_results(journal, wish.results)
            if wish.failed is not None:
                rows_left = journal.unsuccessful(pending=client is not None, unrepeatable=wish.retry_unknown)
                write_unsuccessful(wish.failed, source, rows_left)
        return _summed_up(wish, journal, ending)


def _client(wish: Request) -> AsyncPristo | AsyncRetainful:
    kind = AsyncPristo if wish.to == "pristo" else AsyncRetainful
    return kind(max_retries=wish.max_retries, timeout=wish.timeout)


def _watched(rows: Iterator[Planned], watch: Watch) -> Iterator[Planned]:
    for row in rows:
        yield row
        watch("read")


class _Signals:
    """While it lasts, Ctrl-C and SIGTERM end the run and not the process."""

    raising = True

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._interrupt) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        if self.raising:
            raise _Interrupted(SIGNALS[number])


def _show(mapping: ColumnMapping, source: Input) -> None:
    """Where each column goes."""
    shown = list(mapping.shown())
    width = max((len(column) for column, _ in shown), default=0)
    _say("\n".join(f"  {column:<{width}} -> {name}" for column, name in shown) or f"  {source.name}: every row has the form of a request")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _summed_up(wish: Request, journal: Journal, ending: Ending) -> int:
    """Prints what came of it, and gives the exit code."""
    counts = journal.counts()
    totals: dict[str, int] = {}
    for (state, skipped), count in counts.items():
        name = "skipped" if skipped else "fit" if wish.dry_run and state == "pending" else state
        totals[name] = totals.get(name, 0) + count
    rows = sum(totals.values())
    lacking = sum(count for (state, _), count in counts.items() if state not in (*SUCCEEDED, "pending"))
    code = EXIT_CODES.get(ending, int(lacking > 0))
    if wish.as_json:
        told = {"rows": rows, "ending": ending, "dry_run": wish.dry_run, **dict(sorted(totals.items())), "exit_code": code}
        sys.stdout.write(json.dumps(told) + "\n")
        return code
    parts = ", ".join(f"{count} {name}" for name, count in totals.items())
    sys.stdout.write(f"{rows} row{'s' * (rows != 1)}{': ' * bool(parts)}{parts}\n")
    for line, reason in islice(journal.shown(), SHOWN):
        sys.stdout.write(f"  line {line}: {reason}\n")
    if lacking > SHOWN:
        where = f"; all are in {wish.failed}" if wish.failed else "; --failed FILE writes them all"
        sys.stdout.write(f"  and {lacking - SHOWN} more{where}\n")
    if "unknown" in totals and not wish.dry_run:
        sys.stdout.write("unknown rows may have been written; they are sent again where that does no harm, else with --retry-unknown\n")
    if ending in ENDINGS:
        sys.stdout.write(ENDINGS[ending].removesuffix(AGAIN if wish.dry_run else "") + "\n")
    return code

"""One run of ``contact-apis import``, from its options to its exit code."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from contact_apis._bulk.outcome import SUCCEEDED
from contact_apis._openapi.document import Json
from contact_apis._vendors.base import AsyncClient
from contact_apis._vendors.registry import VENDORS
from contact_apis._version import __version__

from .journal import Journal, JournalError, Planned, journal_of
from .mapping import ColumnMapping
from .options import ImportOptions
from .progress import Watch
from .repairs import Repairs
from .rows import Input, InputError, UnknownEncodingError
from .sender import (
    EXIT_CODES,
    Ending,
    Sender,
    check_descriptors,
    check_writable,
    planned,
    write_reference,
    write_results,
    write_unsuccessful,
)
from .shutdown import Interrupted, Signals
from .terminal import QuietStream

NOT_SETTLED = {"in flight": "unknown"}
"""States that only a journal which can no longer be written reports, and what they mean."""
SHOWN = 5  # rows that did not make it, in the summary
AGAIN = "; run the same command again to go on"
ENDINGS: Mapping[Ending, str] = {
    "credentials": "stopped: the credentials were refused",
    "down": "stopped: the service is down, or wants to be left alone for long" + AGAIN,
    "unrecorded": "stopped: {reason}; rows whose outcome is not recorded are unknown. Make room and re-run the same command to resume",
    "rejected": "stopped: everything is rejected for the same reason: {reason}. Mend it and re-run the same command,"
    " or send the other rows all the same with --keep-going",
    "hung up": "hung up: the terminal or session was closed" + AGAIN,
    "interrupted": "interrupted" + AGAIN,
    "terminated": "terminated" + AGAIN,
}


def run_import(wish: ImportOptions) -> int:
    """The exit code.

    Raises:
        InputError, JournalError, ConfigurationError: something that the user has to mend.
    """
    check_descriptors()
    mapping = ColumnMapping(
        VENDORS[wish.to].mapper(),
        columns=wish.columns,
        constants=wish.constants,
        custom=wish.custom,
        ignored=wish.ignored,
        phones=wish.phones,
        words=wish.words,
    )
    client = None if wish.dry_run else _client(wish)
    given = None if wish.file == "-" else Path(wish.file)
    path = wish.journal or (journal_of(Path(f"{given}.journal")) if given else None)
    if path is None and client is not None:
        raise InputError("an import from standard input needs a journal: name one with --journal")
    for option, file, others in (
        ("--results", wish.results, ()),
        ("--failed", wish.failed, (wish.results,)),
        ("--journal", wish.journal, ()),
    ):
        if file is not None:
            beside = (
                ()
                if path is None or option == "--journal"
                else (path, Path(f"{path}-wal"), Path(f"{path}-shm"))
            )
            check_writable(file, option, given, *others, *beside)
    with closing(_opened(wish)) as source, ExitStack() as stack:
        _say(source.described)
        if source.columns is not None:
            mapping.bind(source.columns)
        if client is None or path is None:
            path, bound = Path(stack.enter_context(_scratch())) / "journal", {}
        else:
            session, url = client._target()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # of this package
            # What identifies the account besides its key and the address, which may have a part of it.
            bound = {
                "target": str(url),
                "app": [*session.service.account],
                "mapping": mapping.signature,
            }
        with closing(Journal(path, bound)) as journal:
            return _carry_out(wish, mapping, source, journal, client)


def _opened(wish: ImportOptions) -> Input:
    """The input; where it is in a code page, a cell of it is shown first as the likeliest ones read it."""
    try:
        return Input(wish.file, encoding=wish.encoding)
    except UnknownEncodingError as error:
        for reading in error.readings:
            _say(f"  --encoding {reading.encoding:<12} {reading.text}")
        raise


def _carry_out(
    wish: ImportOptions,
    mapping: ColumnMapping,
    source: Input,
    journal: Journal,
    client: AsyncClient[Any] | None,
) -> int:
    ending: Ending = "finished"
    reason = ""
    problems: list[str] = []
    repairs = Repairs()
    with Signals() as signals:
        try:
            with Watch() as watch:
                signals.raises = True
                fingerprint = _planned(wish, mapping, source, journal, watch, repairs)
                signals.raises = False
                if signals.received is not None:
                    ending = signals.received
                elif client is not None and (due := journal.due_count()):
                    watch.phase("sending", due)
                    # Thousands of short-lived objects a second would have everything that was loaded looked through again and again.
                    gc.freeze()
                    gc.set_threshold(50_000)
                    sender = Sender(client, journal, watch, signals, keep_going=wish.keep_going)
                    ending = asyncio.run(sender.send(concurrency=wish.concurrency, rate=wish.rate))
                    reason = sender.reason
                if ending == "finished" and all(
                    state in SUCCEEDED for state, _ in journal.counts()
                ):
                    problems += _problems_of(lambda: journal.complete(fingerprint))
        except Interrupted as stop:
            ending = stop.ending
        finally:
            signals.raises = False  # what follows is short, and is what the next run needs
            problems += _written(wish, source, journal, sent=client is not None)
        return _summed_up(wish, journal, ending, reason, problems, repairs)


def _planned(
    wish: ImportOptions,
    mapping: ColumnMapping,
    source: Input,
    journal: Journal,
    watch: Watch,
    repairs: Repairs,
) -> str | None:
    """Has the journal know what is to be sent; the fingerprint of what decides about that."""
    # The journal is bound to the options; what else decides about the rows is the file and how it is read.
    digest = source.digest
    read_by = f"{sorted(wish.ignored)} {wish.phones} {wish.words} {mapping.statuses}"
    fingerprint = digest and f"{digest} {wish.limit} {source.encoding} {read_by} {__version__}"
    if wish.resend_welcome or not journal.has_all_of(fingerprint):
        watch.phase("checking", None)
        rows = _watched(planned(source, mapping, limit=wish.limit, repairs=repairs), watch)
        journal.plan(
            rows,
            retry_unknown=wish.retry_unknown,
            resend_welcome=wish.resend_welcome,
            limit=wish.limit,
        )
        source.check_unchanged()  # also where rows past the limit were not read
        if source.columns is None:
            mapping.check_named(mapping.found)
        _show(mapping, source)
    return fingerprint


def _written(wish: ImportOptions, source: Input, journal: Journal, *, sent: bool) -> list[str]:
    """Settles the journal and writes the files that were asked for; what was in the way of any of that."""
    problems = _problems_of(journal.settle_interrupted)
    if wish.results is not None:
        results = wish.results
        problems += _problems_of(lambda: write_results(journal, results))
    if wish.failed is not None:
        failed = wish.failed
        rows = journal.unsuccessful(pending=sent, unrepeatable=wish.retry_unknown)
        unwritten = _problems_of(lambda: write_unsuccessful(failed, source, rows))
        if sent and not unwritten:
            unwritten = _problems_of(lambda: write_reference(failed, journal))
        problems += unwritten
    return problems


def _problems_of(work: Callable[[], object]) -> list[str]:
    """Does what comes after the sending; what was in the way of it."""
    try:
        work()
    except (InputError, JournalError) as error:
        return [str(error)]
    return []


def _scratch() -> TemporaryDirectory[str]:
    """Where a dry run has its journal."""
    try:
        return TemporaryDirectory()
    except OSError as error:
        raise InputError(
            f"no temporary folder can be made: {error.strerror}; set TMPDIR to one that has room"
        ) from None


def _client(wish: ImportOptions) -> AsyncClient[Any]:
    return VENDORS[wish.to].awaiting(max_retries=wish.max_retries, timeout=wish.timeout)


def _watched(rows: Iterator[Planned], watch: Watch) -> Iterator[Planned]:
    for row in rows:
        yield row
        watch("read")


def _show(mapping: ColumnMapping, source: Input) -> None:
    """Where each column goes."""
    shown = list(mapping.shown())
    width = max((len(column) for column, _ in shown), default=0)
    _say(
        "\n".join(f"  {column:<{width}} -> {name}" for column, name in shown)
        or f"  {source.name}: every row has the form of a request"
    )


def _say(text: str) -> None:
    stream = QuietStream(sys.stderr)
    stream.write(text + "\n")
    stream.flush()


def _summed_up(
    wish: ImportOptions,
    journal: Journal,
    ending: Ending,
    reason: str,
    problems: Sequence[str],
    repairs: Repairs,
) -> int:
    """Prints what came of it, and gives the exit code. Where nothing can be printed any more, the code alone says it."""
    counts = journal.counts()
    totals: dict[str, int] = {}
    for (state, skipped), count in counts.items():
        name = (
            "skipped"
            if skipped
            else "fit"
            if wish.dry_run and state == "pending"
            else NOT_SETTLED.get(state, state)
        )
        totals[name] = totals.get(name, 0) + count
    lacking = sum(
        count for (state, _), count in counts.items() if state not in (*SUCCEEDED, "pending")
    )
    code = EXIT_CODES.get(ending, int(lacking > 0))
    withheld = journal.withheld_count()
    if problems and code in (0, 1):
        code = EXIT_CODES["unrecorded"]
    out = QuietStream(sys.stdout)
    if wish.as_json:
        summary: Json = {
            "rows": sum(totals.values()),
            "ending": ending,
            "dry_run": wish.dry_run,
            **dict(sorted(totals.items())),
        }
        if withheld:
            summary["without_welcome"] = withheld
        if repaired := repairs.as_json():
            summary["repairs"] = repaired
        lines = [json.dumps({**summary, "exit_code": code})]
    else:
        lines = [*_summary(wish, journal, totals, lacking), *repairs.lines()]
        if withheld:
            lines.append(
                f"{withheld} sent without the welcome e-mail that the row asks for: the contact may have had one; --resend-welcome sends it"
            )
        if ending in ENDINGS:
            lines.append(
                ENDINGS[ending].removesuffix(AGAIN if wish.dry_run else "").format(reason=reason)
            )
    out.write("".join(f"{line}\n" for line in lines))
    out.flush()
    for problem in problems:
        _say(f"contact-apis: {problem}")
    return code


def _summary(
    wish: ImportOptions, journal: Journal, totals: Mapping[str, int], lacking: int
) -> list[str]:
    """What became of the rows, in lines for a person."""
    rows = sum(totals.values())
    parts = ", ".join(f"{count} {name}" for name, count in totals.items())
    lines = [f"{rows} row{'s' * (rows != 1)}{': ' * bool(parts)}{parts}"]
    lines += [f"  line {line}: {why}" for line, why in islice(journal.shown(), SHOWN)]
    if lacking > SHOWN:
        where = f"all are in {wish.failed}" if wish.failed else "--failed FILE writes them all"
        lines.append(f"  and {lacking - SHOWN} more; {where}")
    if "unknown" in totals and not wish.dry_run:
        lines.append(
            "unknown rows may have been written; they are sent again where that does no harm, else with --retry-unknown"
        )
    return lines

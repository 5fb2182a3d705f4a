"""``history.jsonl``: one line per clause and run, what it says of the nights before, and what has changed since."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

try:
    import fcntl
except ImportError:  # not on Windows: there a single write is all the protection
    fcntl = None  # type: ignore[assignment]  # it is asked for before it is used

FORMAT = 1
NIGHTS_SHOWN = 30
LARGEST = 256 * 1024 * 1024  # bytes; ten years of nights are about 100 MB
VERDICTS = ("conforms", "violates", "could-not-run", "incomplete")
RESULTS = ("pass", "fail", "observed", "not-exercised")
TEXTS = (
    "run",
    "finished",
    "target",
    "service",
    "api",
    "profile",
    "spec",
    "verdict",
    "clause",
    "result",
    "since",
)
BROKEN = "fail"
NOT_CHECKED = "not-exercised"


class ForeignHistory(Exception):
    """A file holds something else than this suite's history; the text says what, after the file's name."""


def in_todays_words(observation: str | None) -> str | None:
    """An observation of an earlier version, worded as this one words it: another word is no change of the service."""
    if observation is None:
        return None
    return re.sub(r"\banswered\b", "returned", observation)


@frozen
class Seen:
    """What became of a clause in a run that looked at it."""

    result: str
    observation: str | None = field(converter=in_todays_words)
    since: str
    finished: str


@define
class Night:
    """One run, as far as one API is concerned."""

    run: str
    finished: str
    verdict: str
    spec: str
    results: dict[str, str] = field(factory=dict)


@frozen
class Series:
    """What makes runs comparable: the same API at the same service, looked at as deeply."""

    target: str
    service: str
    api: str
    profile: str


@define
class Past:
    """The earlier nights of a series, of which the last are kept, and what each clause was when it was last looked at."""

    nights: deque[Night] = field(factory=lambda: deque(maxlen=NIGHTS_SHOWN - 1))
    count: int = 0
    """How many there were."""
    compared_with: Night | None = None
    """The last that could say something."""
    silent: int = 0
    """How many came after that one, which could not."""
    looked: dict[str, Seen] = field(factory=dict)

    def add(self, line: dict[str, Any]) -> None:
        night = next((known for known in reversed(self.nights) if known.run == line["run"]), None)
        if night is None:
            night = Night(line["run"], line["finished"], line["verdict"], line["spec"])
            self.nights.append(night)
            self.count += 1
            if line["verdict"] == "could-not-run":
                self.silent += 1
            else:
                self.silent = 0
        night.results[line["clause"]] = line["result"]
        if line["verdict"] == "could-not-run":
            return
        self.compared_with = night
        if line["result"] != NOT_CHECKED:
            self.looked[line["clause"]] = Seen(
                line["result"], line["observation"], line["since"], line["finished"]
            )


@define
class History:
    """A history file, read."""

    path: Path
    past: dict[Series, Past] = field(factory=dict)
    unreadable: list[int] = field(factory=list)
    """The numbers of lines that are damaged: cut off by a kill, or by a disk."""

    def of(self, series: Series) -> Past:
        return self.past.get(series) or Past()

    @property
    def notice(self) -> str | None:
        """One sentence about damaged lines."""
        if not self.unreadable:
            return None
        shown = ", ".join(map(str, self.unreadable[:5]))
        if len(self.unreadable) > 5:
            shown += f" and {len(self.unreadable) - 5} more"
        return f"{self.path} has damaged lines, which are skipped: {shown}."


def read_history(path: Path) -> History:
    """Reads a history; one that does not exist is empty.

    Raises:
        ForeignHistory: a line is JSON but none of ours, or no line can be read at all.
        OSError: it cannot be read.
    """
    history = History(path)
    readable = False
    try:
        demand_file(path, LARGEST)
    except FileNotFoundError:
        return history
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                history.unreadable.append(number)
                continue
            _demand_ours(line, number)
            readable = True
            series = Series(line["target"], line["service"], line["api"], line["profile"])
            history.past.setdefault(series, Past()).add(line)
    # The one line of a first run that was killed while it wrote is ours; a file of any other text is not.
    if history.unreadable and not readable and not _is_cut_line(path):
        raise ForeignHistory("holds no line of a history")
    return history


def demand_file(path: Path, largest: int) -> None:
    """Makes sure that a path can be read to its end, before it is opened: a pipe would wait, and a device may have no end.

    Raises:
        ForeignHistory: it is no file, or has more than so many bytes.
        OSError: it cannot be looked at.
    """
    status = path.stat()
    if path == Path(os.devnull):
        return
    if stat.S_ISDIR(status.st_mode):
        raise ForeignHistory("is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ForeignHistory("is not a file that can be read twice")
    if status.st_size > largest:
        raise ForeignHistory(f"has more than {largest // (1024 * 1024)} MB")


def read_whole(path: Path, largest: int) -> bytes:
    """The content of a file.

    Raises:
        ForeignHistory: it is no file, or has more than so many bytes.
        OSError: it cannot be read.
    """
    demand_file(path, largest)
    return path.read_bytes()


def _demand_ours(line: Any, number: int) -> None:
    if not isinstance(line, dict) or "clause" not in line or "format" not in line:
        raise ForeignHistory(f"has a line {number} that is not of a history")
    if line["format"] != FORMAT:
        raise ForeignHistory(
            f"has a line {number} of format {line['format']!r}, and this version reads format {FORMAT}"
        )
    wrong = [name for name in TEXTS if not isinstance(line.get(name), str)]
    if not isinstance(line.get("observation"), str | None):
        wrong.append("observation")
    if line.get("result") not in RESULTS:
        wrong.append("result")
    if line.get("verdict") not in VERDICTS:
        wrong.append("verdict")
    if wrong:
        raise ForeignHistory(f"has a line {number} without a valid {wrong[0]!r}")


def _is_cut_line(path: Path) -> bool:
    """Whether a file that holds no whole line begins as one of ours does."""
    begin = b'{"format":'
    with path.open("rb") as file:
        return file.read(len(begin)) == begin[: path.stat().st_size]


def append_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Adds a run's lines, all in one piece, whoever else is adding at the same time.

    Raises:
        OSError: they cannot be written.
    """
    written = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]
    text = "".join(f"{line}\n" for line in written)
    data = text.encode("utf-8", "backslashreplace")
    if not data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as file, _locked(file.fileno()):
        end = file.seek(0, os.SEEK_END)
        if end and path != Path(os.devnull):
            file.seek(end - 1)
            # A line that a kill cut off ends here, and spoils no other.
            if file.read(1) != b"\n":
                data = b"\n" + data
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            # The disk is full: half a night is worse than none.
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


@contextlib.contextmanager
def _locked(number: int) -> Iterator[None]:
    if fcntl is not None:
        # Where a file system has no locks, the append of one piece is still whole.
        with contextlib.suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)
    yield  # closing the file gives the lock back


def demand_writable(path: Path) -> None:
    """Fails now where a run's lines could not be added at its end; leaves nothing behind.

    Raises:
        OSError: it cannot be written.
    """
    existed = path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab"):
        pass
    if not existed:
        with contextlib.suppress(OSError):
            path.unlink()


# ---------------------------------------------------------------------------------------------------- morning report


@frozen
class Change:
    """A clause of the morning report."""

    clause: str
    since: str | None = None
    before: str | None = None
    now: str | None = None
    ticket: str | None = None

    def as_json(self) -> dict[str, str | None]:
        return {
            "clause": self.clause,
            "since": self.since,
            "before": self.before,
            "now": self.now,
            "ticket": self.ticket,
        }


def compare(
    clauses: Iterable[dict[str, Any]],
    looked: dict[str, Seen],
    known: Mapping[str, Mapping[str, Any]],
) -> dict[str, list[Change]]:
    """What is new, what stands, what is mended and what is observed otherwise, against the last look at each clause.

    What is broken and was never looked at before is none of these: it is listed as ``first``.

    ``clauses`` are those of ``results.json``; ``known`` are its known violations, by clause.
    """
    found: dict[str, list[Change]] = {
        "first": [],
        "new": [],
        "still": [],
        "mended": [],
        "changed": [],
        "not_checked": [],
    }
    left = dict(looked)
    for clause in clauses:
        name = clause["id"]
        seen = _change(clause, left.pop(name, None), known.get(name))
        if seen is not None:
            category, change = seen
            found[category].append(change)
    for name, was in left.items():
        if was.result == BROKEN:
            reason = "the suite has no such clause any more"
            found["not_checked"].append(Change(name, was.since, now=reason))
    return found


def _change(
    clause: dict[str, Any], was: Seen | None, entry: Mapping[str, Any] | None
) -> tuple[str, Change] | None:
    """What there is to report of a clause, and under which category.

    ``was`` is what it was when it was last looked at, ``entry`` is its entry among the known violations.
    """
    name = clause["id"]
    ticket = entry["ticket"] if entry is not None else None
    if clause["result"] == BROKEN:
        return _broken(clause, was, entry)
    if was is None:
        return None
    if was.result == BROKEN and clause["result"] == NOT_CHECKED:
        reason = clause["observation"]
        return "not_checked", Change(name, was.since, now=reason, ticket=ticket)
    if was.result == BROKEN:
        return "mended", Change(name, was.since, ticket=ticket)
    is_observed = was.result == clause["result"] == "observed"
    if is_observed and was.observation != clause["observation"]:
        return "changed", Change(name, was.since, was.observation, clause["observation"])
    return None


def _broken(
    clause: dict[str, Any], was: Seen | None, entry: Mapping[str, Any] | None
) -> tuple[str, Change]:
    name = clause["id"]
    ticket = entry["ticket"] if entry is not None else None
    if was is not None and was.result == BROKEN:
        return "still", Change(name, was.since, ticket=ticket)
    if was is None and entry is not None:
        # No night has seen it, but whoever wrote the entry has.
        return "still", Change(name, entry["since"], ticket=ticket)
    if was is None:
        # Whether it was broken before, nobody knows.
        return "first", Change(name, clause["since"], ticket=ticket)
    return "new", Change(name, clause["since"], ticket=ticket)

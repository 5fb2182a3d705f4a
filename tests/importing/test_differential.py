"""An import beside a model of file, journal and service: random histories, and the guarantees after each run.

A history is some runs of the command over a file that is edited between them, with a service that rejects, fails before and after it
has carried a request out, and loses responses, and with kills, signals, full disks, limits, ``--failed`` round trips and lost files
of the journal. The service is in memory, so that a run takes milliseconds; everything else is real: the files, the journal, the
event loop. What a kill leaves behind is what stands in the journal's files at that moment. ``test_kill.py`` kills real processes.

The model knows of each request whether it was carried out and whether the import can know that. A lost response is part of it: the
request counts as one that may have been carried out.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import httpx
import pytest
from attrs import define, field

from contact_apis._bulk.transports import Attempt
from contact_apis._http import delivery as _delivery
from contact_apis._importing import run as _import_run
from contact_apis._importing import sender as _import
from contact_apis._importing.journal import Journal, JournalError
from contact_apis._importing.options import Assignment, ImportOptions, Target
from contact_apis._importing.rows import InputError
from contact_apis._importing.run import run_import

ROUNDS = int(os.environ.get("IMPORT_ROUNDS", "300"))
PARTS = 10
SLEEP = asyncio.sleep
SENT = {"accepted"}
CONSTANTS = {
    "listIds": "a",
    "consent.createdAt": "2024-03-21",
    "consent.ip": "192.0.2.7",
    "consent.source": "import",
    "subscribed": "true",
}


class Killed(BaseException):
    """The process is gone."""


@define
class Row:
    """A row of the file. Rows with the same ``name`` say the same."""

    name: str
    emails: str = ""
    phones: str = ""
    welcome: bool = False
    city: str = ""

    @property
    def identities(self) -> set[str]:
        return {each for each in (self.emails, self.phones) if each}

    @property
    def content(self) -> tuple[str, str, str, str, bool]:
        return self.name, self.emails, self.phones, self.city, self.welcome

    @property
    def line(self) -> str:
        members = {
            "firstName": self.name,
            "email": self.emails and f"{self.emails}@example.com",
            "phone": self.phones,
        }
        members |= {"city": self.city, "triggerWelcomeEmail": "yes" if self.welcome else ""}
        return json.dumps({name: value for name, value in members.items() if value}) + "\n"


@define
class Sent:
    """A request that arrived."""

    run: int
    content: tuple[str, str, str, str, bool]
    identities: set[str]
    welcome: bool
    applied: bool
    known: bool
    """Whether the import knows what became of it."""
    interrupted: bool = False
    """Whether it was of a run that was killed, which perhaps did not note any more what it knew."""

    @property
    def perhaps(self) -> bool:
        return self.applied or not self.known


@define(slots=False)
class Response:
    status_code: int
    content: bytes = b'{"status": true}'
    headers: Mapping[str, str] = field(factory=dict)


FAULTS = ("400", "503", "500", "500 after", "reset", "reset after", "refused connection")
EDITS = ("add", "change", "remove", "move", "again", "column", "revert")
CONDITIONS = ("kill", "signal", "full disk", "changing file", "failed rows", "lost wal")
OPTIONS = ("limit", "retry unknown", "resend welcome")


@define(slots=False)
class Model:
    """The service, and what happens to the import while it waits for it."""

    chance: random.Random
    path: Path
    log: list[Sent] = field(factory=list)
    run: int = 0
    faults: float = 0.0
    kill_after: int | None = None
    signal_after: int | None = None
    by_body: dict[tuple[object, ...], Row] = field(factory=dict)
    dead: bool = False
    possible: tuple[str, ...] = FAULTS
    happened: Counter[str] = field(factory=Counter)
    """How often each event was met: not that it was planned, but that it came about."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def exchange(self, attempt: Attempt) -> Response:
        await asyncio.sleep(self.chance.choice([0, 0, 0, 0.0005]))
        if self.dead:
            raise Killed
        body = json.loads(attempt.content)
        if not body:
            return Response(400, b'{"error": {"code": "no", "message": "probe"}}')
        fault = self.chance.choice(self.possible) if self.chance.random() < self.faults else ""
        if body["firstName"].startswith("Bad"):
            fault = "400"
        found = {each["id"].removesuffix("@example.com") for each in body["identifiers"]}
        row = self.by_body[body["firstName"], frozenset(found), body.get("city", "")]
        applied = fault in ("", "500 after", "reset after")
        self.happened[fault] += 1
        sent = Sent(
            self.run,
            row.content,
            found,
            body.get("triggerWelcomeEmail") is True,
            applied,
            fault in ("", "400", "503", "refused connection"),
        )
        self.log.append(sent)
        for due, act in ((self.kill_after, self.kill), (self.signal_after, self.interrupt)):
            if due is not None and len([each for each in self.log if each.run == self.run]) == due:
                self.happened["kill" if act == self.kill else "signal"] += 1
                act(sent)
        await asyncio.sleep(0)
        if self.dead:
            raise Killed
        if fault == "refused connection":
            raise httpx.ConnectError("no")
        if fault.startswith("reset"):
            raise httpx.ReadError("no")
        if fault:
            return Response(int(fault[:3]), b'{"error": {"code": "no", "message": "scripted"}}')
        return Response(200)

    def kill(self, sent: Sent) -> None:
        """Keeps what a kill -9 would leave of the journal at this moment."""
        sent.known = False
        self.dead = True
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(f"{self.path}.journal{suffix}", f"{self.path}.killed{suffix}")

    def interrupt(self, _: Sent) -> None:
        os.kill(os.getpid(), self.chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))


def request(path: Path, **options: Any) -> ImportOptions:
    usual: dict[str, Any] = {"concurrency": 4, "max_retries": 0, "timeout": 5.0, "keep_going": True}
    sets = [Assignment(name, value) for name, value in CONSTANTS.items()]
    return ImportOptions(file=str(path), to=Target("retainful"), sets=sets, **{**usual, **options})


@define(slots=False)
class History:
    """One random history."""

    seed: int
    folder: Path
    rows: list[Row] = field(factory=list)
    fresh: int = 0

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # chooses what happens, hides nothing
        self.path = self.folder / "in.jsonl"
        self.results = self.folder / "results"
        self.failed = self.folder / "failed.jsonl"
        self.model = Model(self.chance, self.path)
        self.before: dict[int, str] | None = None
        self.before_content: str | None = None
        # What a run that ended without a word was perhaps about to send: the journal has it, the service does not.
        self.cut: set[tuple[object, ...]] = set()

    def new_row(self) -> Row:
        """A row about one of a few contacts, some of which share their phone."""
        self.fresh += 1
        name = self.chance.choice(["Bad", "Ada", "Ada", "Ada", "Ada", "Ada"])
        identities = self.chance.choice(
            [
                ("a", ""),
                ("b", ""),
                ("", "+442079460001"),
                ("a", "+442079460001"),
                ("b", "+442079460002"),
                ("c", ""),
            ]
        )
        return Row(f"{name}{self.fresh}", *identities, welcome=self.chance.random() < 0.4)

    def edit(self) -> None:
        """Changes the file as people do."""
        rows, chance = self.rows, self.chance
        kind = chance.choice(
            ["add", "add", "change", "remove", "move", "again", "column", "revert"]
        )
        if kind == "add" or not rows:
            kind = "add"
            rows.insert(chance.randint(0, len(rows)), self.new_row())
        elif kind == "remove":
            rows.pop(chance.randrange(len(rows)))
        elif kind == "move":
            rows.insert(chance.randrange(len(rows)), rows.pop(chance.randrange(len(rows))))
        elif kind == "again":
            rows.append(chance.choice(rows))
        elif kind == "column":
            self.rows = [
                Row(
                    each.name,
                    each.emails,
                    each.phones,
                    each.welcome,
                    chance.choice(["London", "Paris"]),
                )
                for each in rows
            ]
        elif kind == "revert" and self.model.by_body:
            rows[chance.randrange(len(rows))] = chance.choice(list(self.model.by_body.values()))
        else:
            kind = "change"
            rows[chance.randrange(len(rows))] = self.new_row()
        self.model.happened[kind] += 1

    def write(self) -> None:
        self.path.write_text("".join(each.line for each in self.rows))
        # One row for each body, whatever asks for an e-mail.
        for place, row in enumerate(self.rows):
            known = self.model.by_body.setdefault(
                (row.name, frozenset(row.identities), row.city), row
            )
            self.rows[place] = known

    def go(self) -> None:
        """Plays the history, and then lets it come to its end."""
        self.rows = [self.new_row() for _ in range(self.chance.randint(1, 6))]
        self.write()
        for _ in range(self.chance.randint(2, 6)):
            for _ in range(self.chance.choice([0, 0, 1, 1, 2, 3])):
                self.edit()
            self.write()
            self.step()
        self.model.faults = 0.0
        for last in range(3):
            self.once(retry_unknown=last < 2)
        self.check_end()

    def draw_options(self) -> dict[str, Any]:
        """What a user may add to the command."""
        chance = self.chance
        options: dict[str, Any] = {}
        if chance.random() < 0.15:
            options["limit"] = chance.randint(1, len(self.rows) or 1)
        options["retry_unknown"] = chance.random() < 0.15
        options["resend_welcome"] = chance.random() < 0.1
        options["concurrency"] = chance.choice([1, 4, 64])
        options["max_retries"] = chance.choice([0, 0, 1])
        return options

    def step(self) -> None:
        """One run under conditions of its own."""
        chance, model = self.chance, self.model
        model.faults = chance.choice([0.0, 0.2, 0.5])
        options = self.draw_options()
        what = chance.choice(
            ["usual"] * 6
            + [
                "kill",
                "kill",
                "signal",
                "full disk",
                "changing file",
                "failed rows",
                "failed rows",
                "lost wal",
            ]
        )
        if what in ("kill", "lost wal"):
            self.killed(lose_wal=what == "lost wal", **options)
        elif what == "signal":
            model.signal_after = chance.randint(1, 5)
            self.once(**options)
        elif what == "full disk":
            self.on_a_full_disk(**options)
        elif what == "changing file":
            self.while_the_file_changes(**options)
        elif what == "failed rows":
            self.once(failed=self.failed, **{**options, "limit": None})
            self.import_failed()
        else:
            self.once(**options)
        model.kill_after = model.signal_after = None

    def once(self, *, file: Path | None = None, check: bool = True, **options: Any) -> int:
        """A run, and whether it kept the guarantees."""
        model = self.model
        model.run += 1
        model.dead = False
        first = len(model.log)
        unknown = self.perhaps_unknown()
        code = self.import_(file or self.path, results=self.results, **options)
        self.count(options, model.log[first:], unknown)
        assert code in (0, 1, 3, 4, 5, 6, 129, 130, 143), code
        if check and file is None:
            self.check_run(model.log[first:], options, unknown)
        else:
            self.check_mails(model.log[first:], options, unknown)
        return code

    def import_(self, file: Path, **options: Any) -> int:
        """The exit code of a run."""
        return run_import(request(file, **options))

    def count(
        self, options: dict[str, Any], sent: list[Sent], unknown: set[tuple[object, ...]]
    ) -> None:
        """Notes which options made a difference."""
        happened = self.model.happened
        limit = options.get("limit")
        happened["limit"] += limit is not None and limit < len(self.rows)
        welcomes = [each for each in sent if each.welcome]
        again = [each for each in welcomes if each.content in unknown]
        happened["retry unknown"] += bool(options.get("retry_unknown") and again)
        before = self.model.log[: len(self.model.log) - len(sent)]
        happened["resend welcome"] += bool(options.get("resend_welcome")) and any(
            other.welcome and other.perhaps and other.identities & each.identities
            for each in welcomes
            for other in before
        )

    def killed(self, *, lose_wal: bool, **options: Any) -> None:
        """A run that is killed at some request, and perhaps loses a file of its journal to a cleaner of disks."""
        model, journal = self.model, Path(f"{self.path}.journal")
        model.kill_after = self.chance.randint(1, 5)
        first, unknown = len(model.log), self.perhaps_unknown()
        model.run += 1
        with suppress(Killed, BaseExceptionGroup):
            self.import_(self.path, results=self.results, **options)
        self.check_mails(model.log[first:], options, unknown)
        model.kill_after = None
        self.before = None
        if not model.dead:
            return
        self.cut |= {each.content for each in self.rows}
        model.dead = False
        for each in model.log[first:]:
            each.interrupted = True
        self.leave_killed(journal)
        wal = Path(f"{journal}-wal")
        if lose_wal and wal.exists():
            hidden = wal.rename(self.folder / "hidden")
            before = len(model.log)
            self.check_refused_without_wal()
            assert len(model.log) == before
            hidden.rename(wal)
            model.happened["lost wal"] += 1

    def leave_killed(self, journal: Path) -> None:
        """Puts in place what the kill has left of the journal."""
        for suffix in ("", "-wal"):
            Path(f"{journal}{suffix}").unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.move(f"{self.path}.killed{suffix}", f"{journal}{suffix}")

    def check_refused_without_wal(self) -> None:
        """A journal that misses its newest part is not used."""
        with pytest.raises(JournalError, match="-wal is missing"):
            run_import(request(self.path))

    def on_a_full_disk(self, **options: Any) -> None:
        """A run whose journal cannot be written for a while from some moment on."""
        note, count, begin = Journal.note, 0, self.chance.randint(1, 6)
        end = begin + self.chance.choice([1, 1, 1000])

        def full(journal: Journal, *noted: Any) -> None:
            nonlocal count
            count += 1
            if begin <= count < end:
                self.model.happened["full disk"] += count == begin
                raise JournalError("the journal cannot be written: the disk is full")
            note(journal, *noted)

        with (
            patch.object(Journal, "note", full),
            patch.object(_import, "DISK_PATIENCE", 1.0),
            patch.object(asyncio, "sleep", no_sleep),
        ):
            first = len(self.model.log)
            self.once(check=False, **options)
        self.cut |= {each.content for each in self.rows}
        for each in self.model.log[first:]:
            each.interrupted = True
        self.before = None

    def while_the_file_changes(self, **options: Any) -> None:
        """A run whose file is replaced while it is read sends nothing of either."""
        planned: Callable[..., Iterator[Any]] = _import.planned
        before, text = len(self.model.log), self.path.read_text()

        def changing(*given: Any, **more: Any) -> Iterator[Any]:
            other = self.folder / "other"
            other.write_text(text + Row("Late", "z").line)
            other.rename(self.path)
            self.model.happened["changing file"] += 1
            yield from planned(*given, **more)

        with patch.object(_import_run, "planned", changing), suppress(InputError):
            run_import(request(self.path, **options))
        assert len(self.model.log) == before, "sent from a file that changed"
        self.path.write_text(text)
        self.before = None

    def import_failed(self) -> None:
        """What --failed wrote, imported by its name, brings no old value back."""
        if self.model.faults:
            self.model.faults = self.chance.choice([0.0, self.model.faults])
        if self.failed.exists() and self.failed.read_text():
            before = dict(self.reported_lines())
            self.model.happened["failed rows"] += 1
            self.once(file=self.failed)
            self.check_last_words(before, past=True)
        self.before = None

    def reported_lines(self) -> Iterator[tuple[int, str]]:
        if self.results.exists():
            yield from (
                (each["line"], each["state"])
                for each in map(json.loads, self.results.read_text().splitlines())
            )

    def perhaps_unknown(self) -> set[tuple[object, ...]]:
        """The contents of which a response was lost, or perhaps not noted any more."""
        return self.cut | {
            each.content for each in self.model.log if each.interrupted or not each.known
        }

    def check_run(
        self, sent: list[Sent], options: dict[str, Any], unknown: set[tuple[object, ...]]
    ) -> None:
        """I1 and I6 of the results, I3, I4 and I5 of what was sent."""
        states = dict(self.reported_lines())
        expected = (
            len(self.rows)
            if options.get("limit") is None
            else min(options["limit"], len(self.rows))
        )
        assert list(states) == list(range(1, expected + 1)), "I1: one state a row"
        for line, state in states.items():
            self.check_state(line, state)
        self.check_mails(sent, options, unknown)
        self.check_order(sent)
        if (
            self.before is not None
            and self.before_content == self.path.read_text()
            and not options.get("resend_welcome")
        ):
            self.check_nothing_again(sent, self.before)
        self.check_last_words(states)
        self.before, self.before_content = states, self.path.read_text()

    def check_state(self, line: int, state: str) -> None:
        """I6."""
        content = self.rows[line - 1].content
        if [each.content for each in self.rows].count(content) > 1:
            return
        about = [each for each in self.model.log if each.content == content]
        if state in SENT:
            assert any(each.applied for each in about), "I6: a success that was never carried out"
        elif state == "unknown":
            assert content in self.perhaps_unknown(), "I6: unknown without a lost response"
        elif state in ("failed", "refused") and about:
            assert not about[-1].applied or not about[-1].known, "I6: a failure that succeeded"
        else:
            assert state in ("failed", "refused", "pending"), state

    def check_mails(
        self, sent: list[Sent], options: dict[str, Any], unknown: set[tuple[object, ...]]
    ) -> None:
        """I4: no second welcome e-mail to what the service has as one contact."""
        for place, each in enumerate(sent):
            if not each.welcome:
                continue
            before = self.model.log[: len(self.model.log) - len(sent) + place]
            whose = connected(each.identities, before)
            earlier = [
                other
                for other in before
                if other.welcome and other.perhaps and other.identities & whose
            ]
            if options.get("resend_welcome") or (
                options.get("retry_unknown") and each.content in unknown
            ):
                earlier = [other for other in earlier if other.run == each.run]
            assert not earlier, f"I4: a second welcome e-mail: {each}, after {earlier}"

    def check_order(self, sent: list[Sent]) -> None:
        """I5: what was sent for an identity is a part of the file in its order, but for attempts again."""
        for identity in {identity for each in sent for identity in each.identities}:
            wanted = iter([each.content for each in self.rows if identity in each.identities])
            last: object = None
            for each in sent:
                if identity in each.identities and each.content != last:
                    last = each.content
                    assert any(content == last for content in wanted), f"I5: {last} is out of order"

    def check_nothing_again(self, sent: list[Sent], before: dict[int, str]) -> None:
        """I3: what had succeeded is sent again only behind an earlier row of its contact that may have been written since."""
        for line, row in enumerate(self.rows, 1):
            if (
                before.get(line) not in SENT
                or [other.content for other in self.rows].count(row.content) > 1
            ):
                continue
            again = next(
                (place for place, each in enumerate(sent) if each.content == row.content), None
            )
            if again is None:
                continue
            whose = connected(row.identities, self.model.log, self.rows)
            ahead = {other.content for other in self.rows[: line - 1] if other.identities & whose}
            assert any(each.content in ahead and each.perhaps for each in sent[:again]), (
                f"I3: {row} was sent again"
            )

    def check_last_words(self, states: dict[int, str], *, past: bool = False) -> None:
        """I2: nothing older was carried out after the last row of a contact that is reported a success."""
        for line, row in enumerate(self.rows, 1):
            whose = connected(row.identities, [each for each in self.model.log if each.applied])
            later = [
                place
                for place in range(line + 1, len(self.rows) + 1)
                if self.rows[place - 1].identities & whose
            ]
            if states.get(line) not in SENT or any(states.get(place) in SENT for place in later):
                continue
            last = [
                each.content for each in self.model.log if each.applied and each.identities & whose
            ][-1]
            allowed = {row.content} | {self.rows[place - 1].content for place in later}
            assert last in allowed, f"I2: {last} was carried out after {row}{' by --failed' * past}"

    def check_end(self) -> None:
        """At the end everything that can be is in, and the last row of each contact has the last word."""
        states = dict(self.reported_lines())
        for line, row in enumerate(self.rows, 1):
            bad = row.name.startswith("Bad")
            assert states[line] == ("refused" if bad else "accepted"), (
                f"I1: {row} is {states[line]}"
            )
        self.check_last_words(states)
        before = len(self.model.log)
        self.once()
        assert all(each.content[0].startswith("Bad") for each in self.model.log[before:]), (
            "I3: sent again at the end"
        )


async def no_sleep(_: float) -> None:
    await SLEEP(0)


def connected(identities: set[str], log: list[Sent], rows: list[Row] | None = None) -> set[str]:
    """All identities of a contact, by the requests that may have been carried out and by the file."""
    groups = [each.identities for each in log if each.perhaps] + [
        each.identities for each in rows or []
    ]
    found, before = set(identities), 0
    while len(found) != before:
        before = len(found)
        for each in groups:
            if each & found:
                found |= each
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_a_random_history_keeps_all_guarantees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """I1 to I6 hold after every run, whatever came between; and everything that can come between does."""
    for name, value in (("API_KEY", "key"), ("APP_ID", "app"), ("BASE_URL", "http://127.0.0.1:1")):
        monkeypatch.setenv(f"RETAINFUL_{name}", value)
    monkeypatch.setattr(_delivery, "FIRST_DELAY", 0.0)
    happened: Counter[str] = Counter()
    for seed in range(part, ROUNDS, PARTS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        history = History(seed, folder)
        monkeypatch.setattr(_import, "transport_to", lambda *_, history=history: history.model)
        try:
            history.go()
        except BaseException as error:
            error.add_note(f"seed {seed}: see History(seed, folder).go()")
            raise
        happened += history.model.happened
        shutil.rmtree(folder)
    if ROUNDS < 300 or part > 1:
        return  # two parts of thirty histories show that everything comes about; fewer need not
    events = (*EDITS, *FAULTS, *CONDITIONS, *OPTIONS)
    assert not [each for each in events if not happened[each]], happened

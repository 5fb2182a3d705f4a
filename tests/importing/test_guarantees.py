"""The guarantees of an import (I1 to I6 in the journal's docstring), case by case, as the command is used."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from contact_apis import AsyncRetainful
from contact_apis._importing.journal import Ended, Journal, JournalError, Planned

from .conftest import called, results_in
from .service import Service

DATA = Path(__file__).parent / "data"
File = Callable[..., Path]


@define(slots=False)
class Picky(Service):
    """Retainful, which rejects people by name, and remembers the order of everything."""

    rejects: set[str] = field(factory=set)
    order: list[tuple[str, bool]] = field(factory=list)
    """First names that were carried out, and whether with a welcome e-mail."""

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, str], object] | str:
        if body and body.get("firstName") in self.rejects:
            self.sent[body["identifiers"][0]["id"]].append(body)
            return 400, {}, {"error": {"code": "no", "message": "scripted"}}
        if "identifiers" in body:
            self.order.append((body["firstName"], body.get("triggerWelcomeEmail") is True))
        return super().answer(body)

    @property
    def mails(self) -> int:
        return sum(mail for _, mail in self.order)


def row(
    name: str,
    *,
    email: str | None = None,
    phone: str | None = None,
    welcome: bool = False,
    **more: str,
) -> str:
    consent = {
        "consent.createdAt": "2024-03-21",
        "consent.ip": "192.0.2.7",
        "consent.source": "import",
    }
    found = {"firstName": name, "email": email, "phone": phone, "listIds": ["a"], **more, **consent}
    return json.dumps({**found, **({"triggerWelcomeEmail": True} if welcome else {})}) + "\n"


def retainful(path: Path, service: Service, *words: object) -> dict[str, Any]:
    return called(
        "import",
        path,
        "--to",
        "retainful",
        "--set",
        "subscribed=true",
        "--output",
        "json",
        *words,
        service=service,
    ).told


@pytest.mark.parametrize("change", ["nothing", "edited", "removed"])
def test_a_rejected_row_before_it_does_not_repeat_a_row(file: File, change: str) -> None:
    """However often the same command runs, a row that succeeded is not sent again because of one that is rejected, or is gone."""
    bad, good = row("Bad", email="a@example.com"), row("Ada", email="a@example.com", welcome=True)
    path = file(bad + good, "in.jsonl")
    with Picky(rejects={"Bad", "Worse"}) as service:
        for _ in range(4):
            retainful(path, service)
            path.write_text(
                {"nothing": bad, "edited": row("Worse", email="a@example.com"), "removed": ""}[
                    change
                ]
                + good
            )
    assert service.order == [("Ada", True)]


def test_an_earlier_row_that_gets_in_later_does_not_win(file: File) -> None:
    """The later one is sent once more behind it, without a second e-mail; after that nothing is."""
    path = file(
        row("Old", email="a@example.com") + row("New", email="a@example.com", welcome=True),
        "in.jsonl",
    )
    with Picky(rejects={"Old"}) as service:
        retainful(path, service)
        service.rejects.clear()
        assert retainful(path, service)["accepted"] == 2
        assert retainful(path, service)["skipped"] == 2
    assert service.order == [("New", True), ("Old", False), ("New", False)]


def test_an_added_column_sends_no_second_welcome(file: File, tmp_path: Path) -> None:
    """The rows go out with what is new and without the e-mail, and say so; --resend-welcome sends it, once."""
    path = file(row("Ada", email="a@example.com", welcome=True), "in.jsonl")
    results = tmp_path / "r"
    with Picky() as service:
        retainful(path, service)
        path.write_text(row("Ada", email="a@example.com", welcome=True, city="London"))
        assert retainful(path, service, "--results", results)["without_welcome"] == 1
        assert "without the welcome e-mail" in results_in(results)[0]["note"]
        assert [mail for _, mail in service.order] == [True, False]
        for _ in range(2):
            retainful(path, service, "--resend-welcome", "--results", results)
        assert [mail for _, mail in service.order] == [True, False, True]
        assert "note" not in results_in(results)[0]


def test_one_welcome_for_a_contact_of_several_rows(file: File) -> None:
    """All that rows connect is one contact, whichever identity they name."""
    both = row("Ada", email="a@example.com", phone="+442079460001", welcome=True)
    others = row("Ada", phone="+442079460001", welcome=True) + row(
        "Ada", email="a@example.com", welcome=True
    )
    path = file(both + both + others + row("Bob", email="b@example.com", welcome=True), "in.jsonl")
    with Picky() as service:
        assert retainful(path, service)["accepted"] == 5
    assert sorted(service.order) == [("Ada", False)] * 3 + [("Ada", True), ("Bob", True)]


@pytest.mark.parametrize("named", [False, True])
def test_failed_rows_and_the_first_command_again(file: File, tmp_path: Path, named: bool) -> None:
    """Imported under their own name they belong to the journal of the first import, so no e-mail goes out twice."""
    path, failed = (
        file(
            row("Ada", email="a@example.com", welcome=True) + row("Bob", email="b@example.com"),
            "in.jsonl",
        ),
        tmp_path / "f.jsonl",
    )
    with Picky(rejects={"Ada"}) as service:
        retainful(path, service, "--failed", failed)
        service.rejects.clear()
        journal = ["--journal", f"{path}.journal"] if named else []
        assert retainful(failed, service, *journal)["accepted"] == 1
        assert retainful(path, service)["skipped"] == 2
        Path(f"{path}.journal").unlink()
        if not named:
            gone = called(
                "import", failed, "--to", "retainful", "--set", "subscribed=true", service=service
            )
            assert (gone.code, "which is not there" in gone.err) == (2, True)
    assert sorted(service.order) == [("Ada", True), ("Bob", False)]


def test_a_limit_after_a_whole_import_sends_nothing_old(file: File) -> None:
    """Rows past the limit are still in the file: what they said stays the last word."""
    path = file(row("Old", email="a@example.com") + row("New", email="a@example.com"), "in.jsonl")
    with Picky() as service:
        retainful(path, service)
        assert retainful(path, service, "--limit", 1)["skipped"] == 1
    assert [name for name, _ in service.order] == ["Old", "New"]


def test_a_limit_keeps_the_last_word_behind_it(file: File) -> None:
    """A row within the limit that gets in later is followed by the one past the limit that it would overwrite."""
    path = file(row("Old", email="a@example.com") + row("New", email="a@example.com"), "in.jsonl")
    with Picky(rejects={"Old"}) as service:
        retainful(path, service)
        service.rejects.clear()
        assert retainful(path, service, "--limit", 1)["rows"] == 1
    assert [name for name, _ in service.order] == ["New", "Old", "New"]


@pytest.mark.parametrize("bridge", [False, True])
def test_failed_rows_that_a_later_one_has_overtaken(
    file: File, tmp_path: Path, bridge: bool
) -> None:
    """They are left out whichever identity the two share, and also where they share one only through a row that was written."""
    both = row("Link", email="a@example.com", phone="+442079460001")
    later = row("New", email="a@example.com", phone=None if bridge else "+442079460001")
    path, failed = (
        file((both if bridge else "") + row("Old", phone="+442079460001") + later, "in.jsonl"),
        tmp_path / "f.jsonl",
    )
    with Picky(rejects={"Old"}) as service:
        retainful(path, service, "--failed", failed)
    assert failed.read_text() == ""


def version_1(tmp_path: Path, service: Service) -> Path:
    """An input and the journal that version 1 left behind when it was killed."""
    path = tmp_path / "in.jsonl"
    shutil.copy(DATA / "journal-v1.jsonl", path)
    journal, env = Path(f"{path}.journal"), service.env
    client = AsyncRetainful(
        api_key="x", app_id=env["RETAINFUL_APP_ID"], base_url=env["RETAINFUL_BASE_URL"]
    )
    target = str(client._target()[1])  # noqa: SLF001 # what the journal is bound to
    shutil.copy(DATA / "journal-v1", journal)
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("UPDATE run SET bound = replace(bound, 'http://127.0.0.1:1/', ?)", (target,))
    return path


def test_a_journal_of_version_1_goes_on(tmp_path: Path) -> None:
    """What succeeded stays so, its welcome e-mail is known, what may have been written is unknown, and the rest is sent."""
    with Picky() as service:
        path = version_1(tmp_path, service)
        told = retainful(path, service)
        assert (told["skipped"], told["unknown"], told["accepted"]) == (1, 1, 4)
        assert sorted(service.order) == [
            ("Cleo", False),
            ("Cleo", True),
            ("Dan", False),
            ("Eve", False),
        ]
        path.write_text(
            path.read_text().replace('"Ada"', '"Ada Maria"').replace('"Bob"', '"Robert"')
        )
        assert retainful(path, service)["without_welcome"] == 2


@pytest.fixture
def imported(file: File) -> Iterator[tuple[Path, Picky]]:
    """An input that was imported."""
    path = file(
        row("Ada", email="a@example.com", welcome=True) + row("Bob", email="b@example.com"),
        "in.jsonl",
    )
    with Picky() as service:
        retainful(path, service)
        path.write_text(path.read_text() + row("Cleo", email="c@example.com"))
        yield path, service


DAMAGES = {
    "a bound that is no JSON": "UPDATE run SET bound = '{'",
    "a bound that is no object": "UPDATE run SET bound = '7'",
    "a bound that is no text": "UPDATE run SET bound = CAST(x'ff00' AS TEXT)",
    "a state": "UPDATE row SET state = 'gone'",
    "a count of all sending": "UPDATE row SET sent = 9223372036854775807",
    "what was written": "UPDATE row SET written = 9223372036854775807",
    "a success that was never written": "UPDATE row SET written = NULL",
    "a content": "UPDATE row SET content = x'00' WHERE id = 1",
    "an occurrence": "UPDATE row SET occurrence = -1",
    "a run": "UPDATE row SET run = 99",
    "a flag": "UPDATE row SET due = 7",
    "attempts": "UPDATE row SET attempts = -9223372036854775808",
    "a run's number": "UPDATE run SET number = 9223372036854775807",
    "no session": "DELETE FROM session",
    "a trigger": "CREATE TRIGGER theirs AFTER UPDATE ON row BEGIN DELETE FROM alias; END",
    "a view": "CREATE VIEW theirs AS SELECT * FROM row",
    "a table": "CREATE TABLE theirs (x)",
    "a table less": "DROP TABLE alias",
    "another version": "PRAGMA user_version = 99",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_refused(imported: tuple[Path, Picky], damage: str) -> None:
    """In one sentence that quotes nothing of a contact, with exit 2, and nothing is sent."""
    path, service = imported
    with closing(sqlite3.connect(f"{path}.journal")) as db, db:
        db.execute(DAMAGES[damage])
    done = called("import", path, "--to", "retainful", "--set", "subscribed=true", service=service)
    assert done.code == 2, done.out
    assert "--journal" in done.err.splitlines()[-1]
    assert "example.com" not in done.err
    assert len(service.order) == 2


@pytest.mark.parametrize("column", ["name", "error", "request_id"])
def test_text_that_is_none_is_never_quoted(
    imported: tuple[Path, Picky], tmp_path: Path, column: str
) -> None:
    """A text that cannot be read is replaced in the results, and no error has it."""
    path, service = imported
    with closing(sqlite3.connect(f"{path}.journal")) as db, db:
        db.execute(f"UPDATE row SET {column} = CAST(CAST('secret' AS BLOB) || x'ff' AS TEXT)")  # noqa: S608 # a name of this test
    done = called(
        "import",
        path,
        "--to",
        "retainful",
        "--set",
        "subscribed=true",
        "--results",
        tmp_path / "r",
        service=service,
    )
    assert done.code == 0
    assert "secret" not in done.err + done.out


@pytest.mark.parametrize("lost", ["gone", "empty"])
def test_a_journal_without_its_wal_is_refused(tmp_path: Path, lost: str) -> None:
    """What a killed process left in the file beside it is not forgotten in silence; with that file, or cleared up by SQLite, it goes on."""
    path, killed = tmp_path / "j", tmp_path / "killed"
    rows = [Planned(2, "a", ("a",), b"{}", b"{}", False, None)]
    journal = Journal(path, {})
    journal.plan(rows, retry_unknown=False)
    (due,) = journal.due()
    journal.note([], [(due.id, 1)])
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{killed}{suffix}")
    journal.close()
    shutil.copy(killed, tmp_path / "alone")
    if lost == "empty":
        (tmp_path / "alone-wal").touch()
    with pytest.raises(JournalError, match=r"-wal is missing or empty.*put it back"):
        Journal(tmp_path / "alone", {})
    with closing(sqlite3.connect(killed)) as db:
        assert db.execute("SELECT state FROM row").fetchall() == [("in flight",)]
    again = Journal(killed, {})
    again.plan(rows, retry_unknown=False)
    assert [each["state"] for each in again.results()] == ["unknown"]
    again.close()


def test_whose_the_journal_is(
    imported: tuple[Path, Picky], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link and another user's file are refused; one that others may read is closed to them."""
    path, service = imported
    journal, link = Path(f"{path}.journal"), tmp_path / "link"
    link.symlink_to(journal)
    done = called(
        "import",
        path,
        "--to",
        "retainful",
        "--set",
        "subscribed=true",
        "--journal",
        link,
        service=service,
    )
    assert (done.code, "is a symbolic link" in done.err) == (2, True)
    beside = Path(f"{path}.journal-wal")
    beside.symlink_to(tmp_path / "elsewhere")
    done = called("import", path, "--to", "retainful", "--set", "subscribed=true", service=service)
    assert (done.code, "not a regular file" in done.err) == (2, True)
    beside.unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError, match="not a regular file"):
        Journal(tmp_path / "pipe", {})
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        done = called(
            "import", path, "--to", "retainful", "--set", "subscribed=true", service=service
        )
    assert (done.code, "belongs to another user" in done.err) == (2, True)
    assert len(service.order) == 2
    journal.chmod(0o666)
    assert retainful(path, service)["accepted"] == 1
    assert journal.stat().st_mode & 0o777 == 0o600


def test_a_welcome_is_on_the_disk_before_it_is_sent(tmp_path: Path) -> None:
    """The commit that starts a row which must not be repeated waits for the disk; no other does."""
    journal = Journal(tmp_path / "j", {})
    rows = [Planned(line, "a", (f"{line}",), b"{}", b"{}", line == 2, None) for line in (2, 3)]
    journal.plan(rows, retry_unknown=False)
    said: list[str] = []
    levels: list[int] = []
    journal._db.set_trace_callback(said.append)  # noqa: SLF001 # there is no other way to see it
    for due in journal.due():
        said.clear()
        assert journal.decide(due) == "send"
        journal.note([], [(due.id, 1)])
        levels.append(sum("synchronous = FULL" in each for each in said))
        assert journal._db.execute("PRAGMA synchronous").fetchone() == (1,)  # noqa: SLF001 # as above
    journal.close()
    assert levels == [0, 1]


def steps(tmp_path: Path, kind: str, count: int) -> int:
    """How much SQLite does, in thousands of its instructions, for the second run over rows of one contact, and for those that failed."""
    path, identical = tmp_path / f"{kind}{count}", kind == "identical"
    rows = [
        Planned(line, "a", ("a",), b"{}" if identical else b"%d" % line, b"{}", True, None)
        for line in range(count)
    ]
    journal = Journal(path, {})
    journal.plan(rows, retry_unknown=False)
    for due in list(journal.due()):
        ended = (
            Ended(due.id, "accepted", 200, None, None)
            if identical
            else Ended(due.id, "failed", 503, None, "no")
        )
        journal.note([], [(due.id, 1)])
        journal.note([ended], [])
    journal.close()
    again = Journal(path, {})
    done = [0]

    def count_one() -> int:
        done[0] += 1
        return 0

    again._db.set_progress_handler(count_one, 1000)  # noqa: SLF001 # there is no other way to count
    again.plan(rows, retry_unknown=False)
    assert len(list(again.unsuccessful(pending=True, unrepeatable=True))) == (
        0 if identical else count
    )
    again.close()
    return done[0]


@pytest.mark.parametrize("kind", ["identical", "failed"])
def test_many_rows_of_one_contact_cost_no_more_each(tmp_path: Path, kind: str) -> None:
    """Four times as many take four times the work, not sixteen times."""
    assert steps(tmp_path, kind, 2000) <= 4 * 1.3 * steps(tmp_path, kind, 500)

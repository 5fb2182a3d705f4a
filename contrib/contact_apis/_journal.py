"""What became of every row of an import: an SQLite file that survives whatever happens to the process.

A row is known by what is sent for it (a hash) and by which occurrence of that in the input it is, never by its place, so that
a corrected or re-ordered file goes on where the last run ended. What was sent successfully keeps no personal data but the name
that the caller knows the contact by.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from ._bulk import SUCCEEDED
from ._contract import Json

_APPLICATION = 0x43415049  # marks the file as ours
_VERSION = 1
_SCHEMA = """
CREATE TABLE run (
  number INTEGER PRIMARY KEY,
  bound TEXT NOT NULL,          -- what the import is
  complete TEXT                 -- fingerprint of an input all of whose rows have succeeded
) STRICT;
CREATE TABLE row (
  id INTEGER PRIMARY KEY,
  contact INTEGER NOT NULL,     -- hash of what the contact is recognised by
  content BLOB NOT NULL,        -- hash of what is sent
  occurrence INTEGER NOT NULL,  -- of that content in the input, from 1
  run INTEGER NOT NULL,         -- the last run whose input had this row,
  line INTEGER NOT NULL,        -- and where
  name TEXT,                    -- of the contact, for its owner
  body BLOB,                    -- what is sent, and
  source BLOB,                  -- what it was made of, as long as it may be needed
  repeatable INTEGER NOT NULL,  -- whether it may be sent again when it may have been written
  due INTEGER NOT NULL,         -- whether the run has to send it
  state TEXT NOT NULL,
  status INTEGER,
  request_id TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  sent INTEGER,                 -- counts all sending in the order of time
  UNIQUE (contact, content, occurrence)
) STRICT;
-- What else a contact is recognised by: two rows that share any of it must arrive in order.
CREATE TABLE alias (alias INTEGER NOT NULL, contact INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (alias, contact, content))
  STRICT, WITHOUT ROWID;
"""
_DONE = "('" + "', '".join(SUCCEEDED) + "')"
# The body of what has succeeded is kept only where the contact has other rows, for then it may have to be sent again.
_ALONE = (
    f"state IN {_DONE} AND NOT ?11 AND NOT EXISTS (SELECT 1 FROM alias WHERE alias = ?1)"  # noqa: S608 # made of constants
    " AND NOT EXISTS (SELECT 1 FROM row AS other WHERE other.contact = ?1 AND other.id <> row.id)"
)
_ADD = f"""
INSERT INTO row (contact, content, occurrence, run, line, name, body, source, repeatable, due, state, error)
VALUES (?1, ?2,
  coalesce((SELECT occurrence FROM row WHERE contact = ?1 AND content = ?2 AND run = ?3 ORDER BY occurrence DESC LIMIT 1), 0) + 1,
  ?3, ?4, ?5, ?6, ?7, ?8, ?6 IS NOT NULL, iif(?6 IS NULL, 'refused', 'pending'), ?9)
ON CONFLICT DO UPDATE SET run = ?3, line = ?4, repeatable = ?8,
  (body, source) = (SELECT iif(alone, NULL, ?6), iif(alone, NULL, ?7) FROM (SELECT {_ALONE} AS alone)),
  due = ?6 IS NOT NULL AND state NOT IN {_DONE} AND (state <> 'unknown' OR ?8 OR ?10)
"""  # noqa: S608 # made of constants
_DUE = "CREATE TEMP TABLE due (id INTEGER PRIMARY KEY, row INTEGER NOT NULL)"
_BATCH = 5000


class JournalError(Exception):
    """The journal cannot be used. The text is one sentence for the user."""


class Planned(NamedTuple):
    """A row of the input as the journal takes it."""

    line: int
    name: str | None
    identities: tuple[str, ...]
    body: bytes | None
    """``None`` where the row cannot be sent."""
    source: bytes
    repeatable: bool
    error: str | None


class Due(NamedTuple):
    """A row that is to be sent."""

    id: int
    body: bytes


class Ended(NamedTuple):
    """What became of a row."""

    id: int
    state: str
    status: int | None
    request_id: str | None
    error: str | None


_ENDED = [
    "UPDATE row SET state = ?2, status = ?3, request_id = ?4, error = ?5 WHERE id = ?1",
    "UPDATE row SET state = ?2, status = ?3, request_id = ?4, error = ?5, body = NULL, source = NULL WHERE id = ?1",
]
"""Of a row that did not succeed, and of one that did."""


class Journal:
    """The journal of an input; one process at a time has it.

    Args:
        path: made if there is none, readable by its owner alone.
        bound: what this import is: target, population, mapping.

    Raises:
        JournalError: it cannot be used, or it belongs to another import or to another process.
    """

    def __init__(self, path: Path, bound: Json) -> None:
        self.path = path
        with self._telling():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=32)
            try:
                self._set_up(json.dumps(bound, sort_keys=True))
            except BaseException:
                self._db.close()
                raise
            self._sent: int = self._db.execute("SELECT coalesce(max(sent), 0) FROM row").fetchone()[0]
            self.settle_interrupted()

    def _set_up(self, bound: str) -> None:
        ask = self._db.execute
        ask("PRAGMA locking_mode = EXCLUSIVE")
        ours = ask("PRAGMA application_id").fetchone()[0] == _APPLICATION
        if not ours and ask("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise JournalError(f"{self.path} is a database, and not a journal of contact-apis; name another with --journal")
        ask("PRAGMA journal_mode = WAL")
        # A commit survives the death of the process; a power cut can take the last ones, and then those rows are sent again.
        ask("PRAGMA synchronous = NORMAL")
        ask("PRAGMA wal_autocheckpoint = 4000")
        ask("PRAGMA temp_store = FILE")
        ask("PRAGMA cache_size = -8192")
        if not ours:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; COMMIT;")
        if ask("PRAGMA user_version").fetchone()[0] != _VERSION:
            raise JournalError(
                f"{self.path} was written by another version of contact-apis; finish it with that, or name another with --journal"
            )
        known = ask("SELECT bound, complete, number FROM run ORDER BY number DESC LIMIT 1").fetchone()
        self._complete: tuple[str | None, int] = known[1:] if known else (None, 0)
        if known and known[0] != bound:
            was, now = json.loads(known[0]), json.loads(bound)
            different = ", ".join(name for name in now if now[name] != was.get(name))
            raise JournalError(f"{self.path} belongs to an import with another {different}; name another journal with --journal")
        ask("INSERT INTO run (bound) VALUES (?)", (bound,))
        self._run: int = ask("SELECT max(number) FROM run").fetchone()[0]

    def has_all_of(self, fingerprint: str | None) -> bool:
        """Whether the last run had this very input and everything in it succeeded; then there is nothing to plan or to send."""
        complete, number = self._complete
        if fingerprint is None or complete != fingerprint:
            return False
        with self._telling():
            self._run = number
            self._db.execute("DELETE FROM run WHERE number > ?", (number,))
            self._db.execute("UPDATE row SET due = 0 WHERE run = ? AND due", (number,))
            self._db.execute(_DUE)
        return True

    def complete(self, fingerprint: str | None) -> None:
        """Notes that everything in this input has succeeded."""
        with self._telling():
            self._db.execute("UPDATE run SET complete = ? WHERE number = ?", (fingerprint, self._run))

    def plan(self, rows: Iterable[Planned], *, retry_unknown: bool) -> None:
        """Takes the input of this run, and decides which rows are to be sent.

        A row is left out only if it succeeded and nothing was or will be sent for the same contact after it that is not
        after it in this input too.
        """
        with self._telling():
            source = iter(rows)
            while batch := list(islice(source, _BATCH)):
                self._db.execute("BEGIN")
                self._db.executemany(
                    "INSERT OR IGNORE INTO alias VALUES (?, ?, ?)",
                    ((_number(alias), _number(each.identities[0]), _content(each)) for each in batch for alias in each.identities[1:]),
                )
                self._db.executemany(_ADD, (self._parameters(each, retry_unknown) for each in batch))
                self._db.execute("COMMIT")
            while self._overtaken():
                pass
            done = f"run = ? AND state IN {_DONE} AND NOT due AND body IS NOT NULL"
            self._db.execute(f"UPDATE row SET body = NULL, source = NULL WHERE {done}", (self._run,))  # noqa: S608 # made of constants
            self._db.execute(_DUE)
            self._db.execute("INSERT INTO due (row) SELECT id FROM row WHERE run = ? AND due ORDER BY line", (self._run,))

    def _parameters(self, row: Planned, retry_unknown: bool) -> tuple[object, ...]:
        contact = _number(row.identities[0]) if row.identities else 0
        told = row.line, row.name, row.body, row.source, row.repeatable, row.error
        return contact, _content(row), self._run, *told, retry_unknown, len(row.identities) > 1

    def _overtaken(self) -> int:
        """Marks what succeeded and is not the last word on its contact any more; how many rows that were."""
        if not self._sent:
            return 0
        rivals = self._db.execute(
            f"""
            WITH shared (whose) AS (SELECT contact FROM row GROUP BY contact HAVING min(content) <> max(content) UNION SELECT alias FROM alias),
              known (whose, id) AS (
                SELECT whose, id FROM shared JOIN row ON contact = whose
                UNION SELECT whose, id FROM shared JOIN alias ON alias = whose JOIN row USING (contact, content))
            SELECT whose, id, run = ?1 AS present, state IN {_DONE}, coalesce(sent, 0), due FROM known JOIN row USING (id)
            ORDER BY whose, present, line
            """,  # noqa: S608 # made of constants
            (self._run,),
        )
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS overtaken (id INTEGER PRIMARY KEY)")
        self._db.execute("DELETE FROM overtaken")
        for _, rows in groupby(rivals, key=lambda each: each[0]):
            self._db.executemany("INSERT OR IGNORE INTO overtaken VALUES (?)", _again(rows))
        return self._db.execute(
            "UPDATE row SET due = 1, state = 'pending', status = NULL, request_id = NULL, attempts = 0 WHERE id IN (SELECT id FROM overtaken)"
        ).rowcount

    def due(self) -> Iterator[Due]:
        """What is to be sent, in the order of the input."""
        last = 0
        while True:
            with self._telling():
                found = self._db.execute(
                    "SELECT due.id, row.id, body FROM due JOIN row ON row.id = due.row WHERE due.id > ? ORDER BY due.id LIMIT 256", (last,)
                ).fetchall()
            if not found:
                return
            yield from (Due(number, body) for _, number, body in found)
            last = found[-1][0]

    def due_count(self) -> int:
        """How many rows are to be sent."""
        with self._telling():
            return int(self._db.execute("SELECT count(*) FROM due").fetchone()[0])

    def note(self, ended: Sequence[Ended], started: Sequence[tuple[int, int]]) -> None:
        """Notes what became of rows, and which rows are about to be sent for the how manieth time; then both are safe."""
        sent = self._sent
        self._sent += len(started)
        with self._telling():
            self._db.execute("BEGIN")
            try:
                for succeeded, update in enumerate(_ENDED):
                    self._db.executemany(update, (each for each in ended if (each.error is None) == succeeded))
                self._db.executemany(
                    "UPDATE row SET state = 'in flight', attempts = ?2, sent = ?3 WHERE id = ?1",
                    ((row, attempt, number) for number, (row, attempt) in enumerate(started, sent + 1)),
                )
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def settle_interrupted(self) -> None:
        """What a run left in flight may have been written."""
        self._db.execute(
            "UPDATE row SET state = 'unknown', status = NULL, request_id = NULL,"
            " error = 'the import ended while this row was in flight; it may have been written' WHERE state = 'in flight'"
        )

    def counts(self) -> dict[tuple[str, bool], int]:
        """Rows of this run by state and whether they were left out because they had succeeded before."""
        with self._telling():
            found = self._db.execute(
                f"SELECT state, state IN {_DONE} AND NOT due, count(*) FROM row WHERE run = ? GROUP BY 1, 2",  # noqa: S608 # made of constants
                (self._run,),
            )
            return {(state, bool(skipped)): count for state, skipped, count in found}

    def results(self) -> Iterator[dict[str, Any]]:
        """What became of each row of this run's input, in its order."""
        names = ("line", "id", "state", "status", "request_id", "attempts", "error", "skipped")
        with self._telling():
            for row in self._db.execute(
                f"SELECT line, name, state, status, request_id, attempts, error, state IN {_DONE} AND NOT due FROM row"  # noqa: S608 # made of constants
                " WHERE run = ? ORDER BY line",
                (self._run,),
            ):
                yield {**dict(zip(names, row, strict=True)), "skipped": bool(row[-1])}

    def shown(self) -> Iterator[tuple[int, str]]:
        """Line and reason of each row of this run's input that was tried and has not succeeded."""
        with self._telling():
            yield from self._db.execute(
                f"SELECT line, error FROM row WHERE run = ? AND state NOT IN ('pending', {_DONE[1:]} ORDER BY line",  # noqa: S608 # made of constants
                (self._run,),
            )

    def unsuccessful(self, *, pending: bool, unrepeatable: bool) -> Iterator[tuple[bytes, str]]:
        """Source and reason of each row of this run's input that has not succeeded and may be sent again, in its order.

        Left out is what a later row of the same contact has overtaken: it would undo that one. ``pending`` takes what was not
        tried, ``unrepeatable`` what may have been written and does harm when it is written again.
        """
        with self._telling():
            yield from self._db.execute(
                f"""
                SELECT source, coalesce(error, 'not sent yet') FROM row
                WHERE run = ?1 AND state NOT IN {_DONE} AND (state <> 'pending' OR ?2) AND (state <> 'unknown' OR repeatable OR ?3)
                  AND NOT EXISTS (SELECT 1 FROM row AS later WHERE row.body IS NOT NULL AND later.contact = row.contact
                    AND later.run = ?1 AND later.line > row.line AND later.state IN {_DONE})
                ORDER BY line
                """,  # noqa: S608 # made of constants
                (self._run, pending, unrepeatable),
            )

    def close(self) -> None:
        """Gives the journal back; what is still in flight counts as unknown."""
        with suppress(sqlite3.Error):  # what cannot be noted now is noted when it is opened next
            self.settle_interrupted()
        self._db.close()

    @contextmanager
    def _telling(self) -> Generator[None, None, None]:
        """Says in one sentence what keeps the journal from being used."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            why = {
                "database is locked": "is in use by another import; wait for it, or name another with --journal",
                "file is not a database": "is no journal; name another with --journal",
            }
            raise JournalError(f"the journal {self.path} " + why.get(str(error), f"cannot be used: {error}")) from None
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be made: {error.strerror}; name another place with --journal") from None


def _again(rows: Iterable[tuple[int, int, int, int, int, int]]) -> Iterator[tuple[int]]:
    """Which rows of one contact have to be sent again: those no longer in the input come first, the others in its order."""
    latest, resending = 0, False
    for _, number, current, succeeded, sent, due in rows:
        again = bool(current and succeeded and not due and (resending or sent < latest))
        if again:
            yield (number,)
        resending = resending or again or bool(current and due)
        latest = max(latest, sent)


def _content(row: Planned) -> bytes:
    """What a row is known by; of one that cannot be sent, its place is part of that."""
    return blake2b(row.body if row.body is not None else b"%d %s" % (row.line, row.source), digest_size=16).digest()


def _number(identity: str) -> int:
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), signed=True)

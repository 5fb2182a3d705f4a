"""What became of every row of an import: an SQLite file that survives whatever happens to the process.

This is what an import guarantees, over any number of runs with one journal, whatever happens to the file, the service, the
process and the disk in between:

- **I1** No row is lost: each row of the input has one reported state, and one that has not succeeded is sent again by the next
  run (where it may have started a welcome e-mail: by the next run with ``--retry-unknown``).
- **I2** For each contact the last row wins: a row that was written before an earlier one of its contact is sent once more.
- **I3** On an unchanged file nothing that succeeded is sent again, unless an earlier row of its contact was written after it (I2).
- **I4** A contact gets one welcome e-mail, whatever rows ask for it, unless the user asks for another: a row that would start a
  second one is sent without it.
- **I5** Rows of one contact are sent one after another, in the order of the input.
- **I6** The reported state is the true state: ``unknown`` where a response was lost, ``pending`` where something is still to be
  sent, and a success only for what the service has confirmed and nothing has overtaken.

A *contact* is all that the rows of the input, and the rows that may have been written, connect: two rows are about the same one
if they share an identity, or share one with rows in between. The order of time is counted by ``sent``; what may have been
written is known by ``written``. None of it covers what the service does with a request after it has confirmed it, nor what
was sent with another journal or by another program.

A row is known by what is sent for it (a hash) and by which occurrence of that in the input it is, never by its place, so that
a corrected or re-ordered file goes on where the last run ended. What was sent successfully keeps no personal data but the name
that the caller knows the contact by.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from hashlib import blake2b
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from contact_apis._bulk.outcome import SUCCEEDED
from contact_apis._openapi.document import Json

_APPLICATION = 0x43415049  # marks the file as ours
_VERSION = 2
_RUN = """
CREATE TABLE run (
  number INTEGER PRIMARY KEY,
  bound TEXT NOT NULL,          -- what the import is
  complete TEXT                 -- fingerprint of an input all of whose rows have succeeded
) STRICT;
"""
_ROW = """
CREATE TABLE row (
  id INTEGER PRIMARY KEY,
  contact INTEGER NOT NULL,     -- hash of what the contact is recognised by; 0 where the row cannot be sent
  content BLOB NOT NULL,        -- hash of what is sent
  occurrence INTEGER NOT NULL,  -- of that content in the input, from 1
  run INTEGER NOT NULL,         -- the last run whose input had this row; negative where that was past its limit
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
  {added}UNIQUE (contact, content, occurrence)
) STRICT;
"""
_ADDED = """written INTEGER,              -- that count when it last may have been written
  welcome INTEGER NOT NULL DEFAULT 0,   -- whether it may have started a welcome e-mail
  withheld INTEGER NOT NULL DEFAULT 0,  -- whether it went out without the one that it asks for, as its contact had one
  """
_ALIAS = """
-- What else a contact is recognised by.
CREATE TABLE alias (alias INTEGER NOT NULL, contact INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (alias, contact, content))
  STRICT, WITHOUT ROWID;
"""
_NEW = """
-- Which occurrence a row is has to be found at once also where there are thousands.
CREATE INDEX again ON row (contact, content, run, occurrence) WHERE occurrence > 1;
-- Whether the file with what was written last (-wal) has to exist. While a process has the journal, this main file says 1, and
-- 2 stands in that file: it comes to the main file only together with all the rest, when another program does the clearing up.
CREATE TABLE session (number INTEGER PRIMARY KEY, open INTEGER NOT NULL) STRICT;
"""
_FIRST = "INSERT INTO session VALUES (1, 0);"
_SCHEMAS = {
    1: _RUN + _ROW.format(added="") + _ALIAS,
    2: _RUN + _ROW.format(added=_ADDED) + _ALIAS + _NEW,
}
_DONE = "('" + "', '".join(SUCCEEDED) + "')"
_STATES = (
    "('" + "', '".join((*SUCCEEDED, "refused", "failed", "unknown", "pending", "in flight")) + "')"
)
_COLUMNS = "id, contact, content, occurrence, run, line, name, body, source, repeatable, due, state, status, request_id, attempts, error, sent"
# What version 1 took back to be sent again is pending and was sent.
_MIGRATION = f"""
ALTER TABLE row RENAME TO row_1;
{_ROW.format(added=_ADDED)}
INSERT INTO row ({_COLUMNS}, written, welcome)
  SELECT {_COLUMNS}, iif(state IN ('refused', 'failed'), NULL, sent), NOT repeatable AND sent IS NOT NULL AND state NOT IN ('refused', 'failed')
  FROM row_1 ORDER BY id;
DROP TABLE row_1;
{_NEW} {_FIRST}
PRAGMA user_version = {_VERSION};
"""  # noqa: S608 # made of constants
_HIGHEST = 1 << 53  # of what is counted; far beyond any import
_DAMAGES = {
    "bound": f"SELECT count(*) FROM run WHERE number NOT BETWEEN 1 AND {_HIGHEST}",  # noqa: S608 # made of constants
    "session": "SELECT count(*) <> 1 OR sum(number <> 1 OR open NOT IN (0, 1, 2)) FROM session",
    "row": f"""
      SELECT count(*) FROM row WHERE state NOT IN {_STATES} OR due NOT IN (0, 1) OR repeatable NOT IN (0, 1)
        OR welcome NOT IN (0, 1) OR withheld NOT IN (0, 1) OR occurrence NOT BETWEEN 1 AND {_HIGHEST}
        OR line NOT BETWEEN 0 AND {_HIGHEST} OR attempts NOT BETWEEN 0 AND {_HIGHEST} OR length(content) <> 16
        OR coalesce(sent, 0) NOT BETWEEN 0 AND {_HIGHEST} OR coalesce(written, 0) NOT BETWEEN 0 AND coalesce(sent, 0)
        OR (written IS NULL AND state IN {_DONE}) OR (sent IS NULL AND state IN ('unknown', 'in flight'))
        OR abs(run) NOT BETWEEN 1 AND (SELECT max(number) FROM run)""",  # noqa: S608 # made of constants
}
"""How many values of a table are none that we write."""
# The body of what has succeeded is kept only where the contact has other rows, for then it may have to be sent again.
_ALONE = (
    f"state IN {_DONE} AND NOT withheld AND NOT ?12"  # noqa: S608 # made of constants
    " AND NOT EXISTS (SELECT 1 FROM row AS other WHERE other.contact = ?1 AND other.id <> row.id)"
)
_KEPT = f"(body, source) = (SELECT iif(alone, NULL, ?6), iif(alone, NULL, ?7) FROM (SELECT {_ALONE} AS alone))"  # noqa: S608 # made of constants
_OCCURRENCE = """
coalesce((SELECT max(occurrence) FROM row WHERE contact = ?1 AND content = ?2 AND run {run} AND occurrence > 1),
         (SELECT 1 FROM row WHERE contact = ?1 AND content = ?2 AND occurrence = 1 AND run {run}), 0) + 1
"""
_ADD = f"""
INSERT INTO row (contact, content, occurrence, run, line, name, body, source, repeatable, due, state, error)
VALUES (?1, ?2, {_OCCURRENCE.format(run="= ?3")},
  ?3, ?4, ?5, ?6, ?7, ?8, ?6 IS NOT NULL, iif(?6 IS NULL, 'refused', 'pending'), ?9)
ON CONFLICT DO UPDATE SET run = ?3, line = ?4, repeatable = ?8, {_KEPT},
  due = ?6 IS NOT NULL AND CASE WHEN state IN {_DONE} THEN withheld AND ?11
    WHEN state = 'unknown' THEN ?8 OR NOT welcome OR ?10 ELSE 1 END
"""  # noqa: S608 # made of constants
# Past the limit of a run a row is still in the file: it stands behind those before it, and waits.
_PAST_LIMIT = f"""
UPDATE row SET run = -?3, line = ?4, repeatable = ?8, due = 0, {_KEPT}
WHERE contact = ?1 AND content = ?2 AND occurrence = {_OCCURRENCE.format(run="IN (?3, -?3)")}
"""  # noqa: S608 # made of constants
_WHOSE = "coalesce((SELECT member.contact FROM member WHERE identity = row.contact), row.contact)"
_TEMPORARY = """
-- The contact that an identity belongs to, where that is not itself alone.
CREATE TEMP TABLE member (identity INTEGER PRIMARY KEY, contact INTEGER NOT NULL);
CREATE TEMP TABLE link (one INTEGER NOT NULL, other INTEGER NOT NULL);
CREATE TEMP TABLE joined (contact INTEGER PRIMARY KEY, into_contact INTEGER NOT NULL);
-- Contacts with more than one content.
CREATE TEMP TABLE contested (contact INTEGER PRIMARY KEY);
-- What succeeded, and is sent again if an earlier row of its contact is written.
CREATE TEMP TABLE waiting (row INTEGER PRIMARY KEY, contact INTEGER NOT NULL);
CREATE INDEX temp.waiting_of ON waiting (contact);
-- Contacts that may have been sent a welcome e-mail, and whether that was this run.
CREATE TEMP TABLE welcomed (contact INTEGER PRIMARY KEY, now INTEGER NOT NULL);
CREATE TEMP TABLE due (id INTEGER PRIMARY KEY, row INTEGER NOT NULL, contact INTEGER NOT NULL, waits INTEGER NOT NULL);
-- Contacts with rows that did not succeed, and the last line that may have been written for each.
CREATE TEMP TABLE lacking (contact INTEGER PRIMARY KEY, line INTEGER NOT NULL);
"""
WITHHELD = "sent without the welcome e-mail that it asks for, as its contact may have had one"
_BATCH = 5000
_CHECKPOINT = 20_000  # rows written; most share a page with others
_IN_WORDS = {
    sqlite3.SQLITE_BUSY: "is in use by another import; wait for it, or name another with --journal",
    sqlite3.SQLITE_LOCKED: "is in use by another import; wait for it, or name another with --journal",
    sqlite3.SQLITE_NOTADB: "is no journal; name another with --journal",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error, or has no room",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a copy, or name another with --journal",
    sqlite3.SQLITE_READONLY: "cannot be written: it, or its folder, is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; name another place with --journal",
}
"""By the primary code of SQLite, whose own words may have a value in them."""

_REFERENCE, _LONGEST_REFERENCE = b'{"contact-apis journal":', 100_000

Decision = Literal["send", "send without welcome", "leave"]


class JournalError(Exception):
    """The journal cannot be used. The text is one sentence for the user."""


class JournalFullError(JournalError):
    """There is no room for the journal, or its disk reports errors."""


class Planned(NamedTuple):
    """A row of the input as the journal takes it."""

    line: int
    name: str | None
    identities: tuple[str, ...]
    body: bytes | None
    """``None`` where the row cannot be sent."""
    source: bytes
    repeatable: bool
    """Whether it may be sent twice; if not, it starts a welcome e-mail."""
    error: str | None
    connects: bool = True
    """Whether a row of this input can have more than one identity, and so make one contact of two."""


class Due(NamedTuple):
    """A row that is to be sent, or may have to be."""

    id: int
    body: bytes
    contact: int
    """All rows with the same number are about one contact."""
    waits: bool
    """It succeeded, and is sent only if an earlier row of its contact is written."""
    repeatable: bool
    again: bool
    """The user wants its welcome e-mail sent even if there was one."""


class Ended(NamedTuple):
    """What became of a row."""

    id: int
    state: str
    status: int | None
    request_id: str | None
    error: str | None
    perhaps_written: bool = False
    """Whether the service may have carried it out although it did not succeed."""


class _Chosen(NamedTuple):
    """What was decided about a row, and how things stood before."""

    contact: int
    repeatable: bool
    welcome: bool
    welcomed: int | None
    own: int


_FAILURE = """
UPDATE row SET state = ?2, status = ?3, request_id = ?4, error = ?5, written = iif(?6 OR ?2 = 'unknown', sent, written) WHERE id = ?1
"""
_SUCCESS = """
UPDATE row SET state = ?2, status = ?3, request_id = ?4, error = ?5, written = sent, body = NULL, source = NULL WHERE id = ?1
"""
_TAKEN_BACK = (
    "due = 1, state = 'pending', status = NULL, request_id = NULL, attempts = 0, error = NULL"
)


class Journal:
    """The journal of an input; one process at a time has it.

    Args:
        path: made if there is none, readable by its owner alone.
        bound: what this import is: target, population, mapping.

    Raises:
        JournalError: it cannot be used, or it belongs to another import or to another process.
    """

    decides = False
    """Whether each row has to be asked about with :meth:`decide` before it is sent."""

    def __init__(self, path: Path, bound: Json) -> None:
        self.path = path
        self._resend_welcome = self._mails = False
        self._changes = 0
        self._chosen: dict[int, _Chosen] = {}
        try:
            _check_file(path)
            lost = not _has_content(Path(f"{path}-wal"))
        except OSError as error:
            raise JournalError(
                f"the journal {path} cannot be made: {error.strerror}; name another place with --journal"
            ) from None
        with self._telling():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=64)
            # Text of the file, of which damage may have left no UTF-8.
            self._db.text_factory = partial(str, encoding="utf-8", errors="replace")
            try:
                self._set_up(json.dumps(bound, sort_keys=True), lost)
            except BaseException:
                self._db.close()
                raise

    def _set_up(self, bound: str, lost: bool) -> None:
        ask = self._db.execute
        ask("PRAGMA locking_mode = EXCLUSIVE")
        ask("PRAGMA trusted_schema = OFF")
        version = self._check_schema()
        if version == _VERSION and lost and ask("SELECT max(open) FROM session").fetchone()[0] == 1:
            raise JournalError(
                f"{self.path}-wal is missing or empty, and has what was sent last; put it back beside {self.path},"
                " or name another journal with --journal, with which everything is sent again"
            )
        self.path.chmod(0o600)
        ask("PRAGMA journal_mode = WAL")
        # A commit survives the death of the process; a power cut can take the last ones, and then those rows are sent again.
        ask("PRAGMA synchronous = NORMAL")
        ask("PRAGMA wal_autocheckpoint = 0")  # see _checkpoint
        ask("PRAGMA temp_store = FILE")
        ask("PRAGMA cache_size = -8192")
        if version == 0:
            self._db.executescript(
                f"BEGIN; {_SCHEMAS[_VERSION]} {_FIRST} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; COMMIT;"
            )
        elif version == 1:
            self._db.executescript(f"BEGIN; {_MIGRATION} COMMIT;")
        self._check_values()
        self._db.executescript(_TEMPORARY)
        self._join(bound)

    def _check_schema(self) -> int:
        """The version of the file, or 0 if there is nothing in it yet."""
        ask = self._db.execute
        found = ask(
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite~_stat%' ESCAPE '~'"
        ).fetchall()
        if ask("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            if found:
                raise JournalError(
                    f"{self.path} is a database, and not a journal of contact-apis; name another with --journal"
                )
            return 0
        version = int(ask("PRAGMA user_version").fetchone()[0])
        schema = _SCHEMAS.get(version)
        if schema is None:
            raise JournalError(
                f"{self.path} was written by another version of contact-apis; finish it with that, or name another with --journal"
            )
        wanted = _objects_of(schema)
        given = {_plain(each) for each in found}
        if given != wanted:
            foreign = sorted({each[0] for each in given ^ wanted})
            raise JournalError(
                f"{self.path} has a {' and a '.join(foreign)} that contact-apis did not make or that is missing;"
                " restore it from a copy, or name another with --journal"
            )
        return version

    def _check_values(self) -> None:
        """Refuses what can only be damage, before anything is decided by it."""
        for table, count in _DAMAGES.items():
            if self._db.execute(count).fetchone()[0]:
                raise JournalError(
                    f"{self.path} is damaged ({table}); restore it from a copy, or name another with --journal"
                )

    def _join(self, bound: str) -> None:
        """Begins a run of this import, and lets the main file say that there is one."""
        ask = self._db.execute
        known = ask(
            "SELECT bound, complete, number FROM run ORDER BY number DESC LIMIT 1"
        ).fetchone()
        self._complete: tuple[str | None, int] = known[1:] if known else (None, 0)
        if known and known[0] != bound:
            raise JournalError(self._stranger(known[0], json.loads(bound)))
        self._sent: int = ask("SELECT coalesce(max(sent), 0) FROM row").fetchone()[0]
        ask("INSERT INTO run (bound) VALUES (?)", (bound,))
        self._run: int = ask("SELECT max(number) FROM run").fetchone()[0]
        self.settle_interrupted()

    def _stranger(self, was_bound: str, now: Json) -> str:
        """In which way the journal belongs to another import."""
        try:
            was: object = json.loads(was_bound)
        except (ValueError, RecursionError):
            was = None
        if not isinstance(was, dict):
            return f"{self.path} is damaged (bound); restore it from a copy, or name another with --journal"
        different = (
            ", ".join(name for name in now if now[name] != cast("Json", was).get(name)) or "purpose"
        )
        return f"{self.path} belongs to an import with another {different}; name another journal with --journal"

    def _checkpoint(self) -> None:
        """Brings everything into the main file, which then says that there will be more beside it."""
        self._db.execute("UPDATE session SET open = 1")
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._db.execute("UPDATE session SET open = 2")
        self._changes = 0

    def _changed(self, count: int) -> None:
        """Counts what was written, so that the file beside the main file does not grow without end."""
        self._changes += count
        if self._changes >= _CHECKPOINT:
            self._checkpoint()

    def has_all_of(self, fingerprint: str | None) -> bool:
        """Whether the last run had this very input and everything in it succeeded; then there is nothing to plan or to send."""
        complete, number = self._complete
        if fingerprint is None or complete != fingerprint:
            return False
        with self._telling():
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM run WHERE number > ?", (number,))
            self._db.execute("UPDATE row SET due = 0 WHERE run = ? AND due", (number,))
            self._db.execute("COMMIT")
            self._run = number
        return True

    def complete(self, fingerprint: str | None) -> None:
        """Notes that everything in this input has succeeded."""
        with self._telling():
            self._db.execute(
                "UPDATE run SET complete = ? WHERE number = ?", (fingerprint, self._run)
            )

    def plan(
        self,
        rows: Iterable[Planned],
        *,
        retry_unknown: bool,
        resend_welcome: bool = False,
        limit: int | None = None,
    ) -> None:
        """Takes the input of this run, and decides which rows are to be sent.

        Left out is a row that succeeded, unless something was written for its contact after it that does not stand after it in
        this input. Whether it is left out if an earlier row of its contact is to be sent is decided when that has ended.

        Args:
            rows: the input, in its order.
            retry_unknown: send again what may have started a welcome e-mail.
            resend_welcome: rows that go out may start a welcome e-mail although their contact had one before this run; those that
                went out without theirs go out again.
            limit: how many rows are sent; those after them are looked at only where they were sent before.
        """
        self._resend_welcome = resend_welcome
        source = iter(rows)
        self._take(source if limit is None else islice(source, limit), _ADD, retry_unknown)
        if limit is not None and self._sent:
            self._take(source, _PAST_LIMIT, retry_unknown)
        with self._telling():
            self._db.execute("BEGIN")
            self._find_contacts()
            if resend_welcome:
                self._db.execute(
                    f"UPDATE row SET {_TAKEN_BACK} WHERE run = ? AND due AND state IN {_DONE}",  # noqa: S608 # made of constants
                    (self._run,),
                )
            if self._sent:
                self._find_overtaken()
            if self._mails:
                self._db.execute(
                    f"INSERT INTO welcomed SELECT DISTINCT {_WHOSE}, 0 FROM row WHERE welcome"  # noqa: S608 # made of constants
                )
            self._db.execute(
                f"""
                UPDATE row SET body = NULL, source = NULL WHERE run IN (?1, -?1) AND state IN {_DONE} AND NOT due AND body IS NOT NULL
                  AND id NOT IN (SELECT row FROM waiting)
                """,  # noqa: S608 # made of constants
                (self._run,),
            )
            self._db.execute(
                f"""
                INSERT INTO due (row, contact, waits)
                SELECT id, {_WHOSE}, id IN (SELECT row FROM waiting) AS waits FROM row
                WHERE run IN (?1, -?1) AND (due OR waits) ORDER BY line
                """,  # noqa: S608 # made of constants
                (self._run,),
            )
            self._db.execute("COMMIT")
            self.decides = (
                self._mails
                or self._db.execute("SELECT 1 FROM waiting LIMIT 1").fetchone() is not None
            )
            if self._db.execute("SELECT 1 FROM due LIMIT 1").fetchone() is not None:
                self._checkpoint()

    def _take(self, source: Iterator[Planned], statement: str, retry_unknown: bool) -> None:
        while batch := list(islice(source, _BATCH)):
            self._mails = self._mails or not all(each.repeatable for each in batch)
            with self._telling():
                self._db.execute("BEGIN")
                self._db.executemany(
                    "INSERT OR IGNORE INTO alias VALUES (?, ?, ?)",
                    (
                        (_number(alias), _number(each.identities[0]), _content(each))
                        for each in batch
                        for alias in each.identities[1:]
                    ),
                )
                self._db.executemany(
                    statement, (self._parameters(each, retry_unknown) for each in batch)
                )
                self._db.execute("COMMIT")
                self._changed(len(batch))

    def _parameters(self, row: Planned, retry_unknown: bool) -> tuple[object, ...]:
        contact = _number(row.identities[0]) if row.identities else 0
        told = row.line, row.name, row.body, row.source, row.repeatable, row.error
        return (
            contact,
            _content(row),
            self._run,
            *told,
            retry_unknown,
            self._resend_welcome,
            row.connects,
        )

    def _find_contacts(self) -> None:
        """Joins identities that rows share into contacts: each gets the lowest identity that it is connected with.

        All joins of a round are made at once, and a round at least halves what is still to be joined in all but contrived
        inputs, so that long chains cost no more than short ones.
        """
        ask = self._db.execute
        ask(
            """
            INSERT INTO link SELECT DISTINCT alias, contact FROM alias
            WHERE EXISTS (SELECT 1 FROM row WHERE row.contact = alias.contact AND row.content = alias.content
              AND (run IN (?1, -?1) OR written IS NOT NULL))
            """,
            (self._run,),
        )
        ask(
            """
            INSERT INTO member SELECT identity, min(lowest) FROM (
              SELECT one AS identity, min(one, other) AS lowest FROM link UNION ALL SELECT other, min(one, other) FROM link)
            GROUP BY identity
            """
        )
        while True:
            while ask(
                """
                UPDATE member SET contact = up.contact FROM member AS up
                WHERE up.identity = member.contact AND up.contact <> member.contact
                """
            ).rowcount:
                pass
            ask("DELETE FROM joined")
            found = ask(
                """
                INSERT INTO joined SELECT max(a.contact, b.contact) AS higher, min(min(a.contact, b.contact)) FROM link
                JOIN member AS a ON a.identity = one JOIN member AS b ON b.identity = other WHERE a.contact <> b.contact GROUP BY higher
                """
            )
            if not found.rowcount:
                break
            ask(
                "UPDATE member SET contact = into_contact FROM joined WHERE joined.contact = member.identity"
            )
        ask("DELETE FROM link")

    def _find_overtaken(self) -> None:
        """Finds what succeeded and is not the last word on its contact any more, or will not be."""
        ask = self._db.execute
        ask(
            f"""
            INSERT OR IGNORE INTO contested
            SELECT {_WHOSE} FROM row WHERE contact <> 0 GROUP BY row.contact HAVING min(content) <> max(content)
            """  # noqa: S608 # made of constants
        )
        ask(
            """
            INSERT OR IGNORE INTO contested
            SELECT member.contact FROM member JOIN row ON row.contact = member.identity
            GROUP BY member.contact HAVING min(content) <> max(content)
            """
        )
        rivals = ask(
            f"""
            WITH known (whose, id) AS (
              SELECT contested.contact, row.id FROM contested JOIN row USING (contact)
              UNION SELECT contested.contact, row.id FROM member CROSS JOIN contested ON contested.contact = member.contact
                CROSS JOIN row ON row.contact = member.identity)
            SELECT whose, id, run = ?1, run IN (?1, -?1) AS present, due AND run = ?1,
              state IN {_DONE} OR (state = 'unknown' AND welcome), coalesce(written, 0), content
            FROM known CROSS JOIN row USING (id) ORDER BY whose, present, line
            """,  # noqa: S608 # made of constants
            (self._run,),
        )
        overtaken: list[tuple[int]] = []
        waiting: list[tuple[int, int]] = []
        for whose, rows in groupby(rivals, key=lambda each: each[0]):
            for number, waits in _again(each[1:] for each in rows):
                if waits:
                    waiting.append((number, whose))
                else:
                    overtaken.append((number,))
            if len(overtaken) + len(waiting) >= _BATCH:
                self._mark(overtaken, waiting)
        self._mark(overtaken, waiting)

    def _mark(self, overtaken: list[tuple[int]], waiting: list[tuple[int, int]]) -> None:
        self._db.executemany(f"UPDATE row SET {_TAKEN_BACK} WHERE id = ?", overtaken)  # noqa: S608 # made of constants
        self._db.executemany("INSERT INTO waiting VALUES (?, ?)", waiting)
        overtaken.clear()
        waiting.clear()

    def due(self) -> Iterator[Due]:
        """What is to be sent or may have to be, in the order of the input."""
        last = 0
        while True:
            with self._telling():
                found = self._db.execute(
                    """
                    SELECT due.id, row.id, body, due.contact, waits, repeatable, ?2 OR (state = 'unknown' AND welcome AND NOT waits)
                    FROM due JOIN row ON row.id = due.row WHERE due.id > ?1 ORDER BY due.id LIMIT 256
                    """,
                    (last, self._resend_welcome),
                ).fetchall()
            if not found:
                return
            yield from (Due(*each[1:]) for each in found)
            last = found[-1][0]

    def due_count(self) -> int:
        """How many rows are to be sent or may have to be."""
        with self._telling():
            return int(self._db.execute("SELECT count(*) FROM due").fetchone()[0])

    def decide(self, due: Due) -> Decision:
        """What is to be done with a row, once all rows of its contact before it have ended and were noted."""
        with self._telling():
            if (
                due.waits
                and self._db.execute("DELETE FROM waiting WHERE row = ?", (due.id,)).rowcount
            ):
                return "leave"
            if due.repeatable:
                self._chosen[due.id] = _Chosen(due.contact, True, False, None, 0)
                return "send"
            found = self._db.execute(
                "SELECT now FROM welcomed WHERE contact = ?", (due.contact,)
            ).fetchone()
            own = self._db.execute("SELECT welcome FROM row WHERE id = ?", (due.id,)).fetchone()[0]
        welcomed = None if found is None else int(found[0])
        welcome = welcomed is None or (welcomed == 0 and bool(due.again))
        self._chosen[due.id] = _Chosen(due.contact, False, welcome, welcomed, own)
        return "send" if welcome else "send without welcome"

    def note(self, ended: Sequence[Ended], started: Sequence[tuple[int, int]]) -> None:
        """Notes what became of rows, and which rows are about to be sent for the how manieth time; then both are safe.

        If a row that must not be repeated starts, they are safe from a power cut, too.
        """
        sent = self._sent
        self._sent += len(started)
        starting = (
            [(row, self._chosen[row]) for row, _ in started if row in self._chosen]
            if self._chosen
            else []
        )
        must_last = any(chosen.welcome for _, chosen in starting)
        with self._telling():
            if must_last:
                self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN")
            try:
                for update, succeeded in ((_FAILURE, False), (_SUCCESS, True)):
                    self._db.executemany(
                        update, (_told(each) for each in ended if (each.error is None) == succeeded)
                    )
                if self._chosen:
                    self._note_chosen(ended)
                for row, chosen in starting:
                    self._note_welcome(row, chosen)
                self._db.executemany(
                    # What was not asked about starts what it asks for.
                    "UPDATE row SET state = 'in flight', attempts = ?2, sent = ?3, welcome = welcome OR NOT (repeatable OR ?4) WHERE id = ?1",
                    (
                        (row, attempt, number, row in self._chosen)
                        for number, (row, attempt) in enumerate(started, sent + 1)
                    ),
                )
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            finally:
                if must_last:
                    with suppress(sqlite3.Error):
                        self._db.execute("PRAGMA synchronous = NORMAL")
            self._changed(len(ended) + len(started))
        for each in ended:
            self._chosen.pop(each.id, None)

    def _note_welcome(self, row: int, chosen: _Chosen) -> None:
        """A row is about to start a welcome e-mail, or goes out without it."""
        if chosen.welcome:
            self._db.execute("UPDATE row SET welcome = 1, withheld = 0 WHERE id = ?", (row,))
            self._db.execute("INSERT OR REPLACE INTO welcomed VALUES (?, 1)", (chosen.contact,))
        elif not chosen.repeatable:
            self._db.execute("UPDATE row SET withheld = NOT welcome WHERE id = ?", (row,))

    def _note_chosen(self, ended: Iterable[Ended]) -> None:
        """What follows from rows that ended for those behind them."""
        for each in ended:
            chosen = self._chosen.get(each.id)
            if chosen is None:
                continue
            if each.error is None or each.state == "unknown" or each.perhaps_written:
                behind = "SELECT row FROM waiting WHERE contact = ?"
                self._db.execute(
                    f"UPDATE row SET {_TAKEN_BACK} WHERE id IN ({behind})",  # noqa: S608 # made of constants
                    (chosen.contact,),
                )
                self._db.execute("DELETE FROM waiting WHERE contact = ?", (chosen.contact,))
            elif chosen.welcome:  # there was none
                self._db.execute("UPDATE row SET welcome = ? WHERE id = ?", (chosen.own, each.id))
                if chosen.welcomed is None:
                    self._db.execute("DELETE FROM welcomed WHERE contact = ?", (chosen.contact,))
                else:
                    self._db.execute(
                        "UPDATE welcomed SET now = ? WHERE contact = ?",
                        (chosen.welcomed, chosen.contact),
                    )

    def settle_interrupted(self) -> None:
        """What a run left in flight may have been written."""
        with self._telling():
            self._db.execute(
                "UPDATE row SET state = 'unknown', status = NULL, request_id = NULL, written = sent,"
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

    def withheld_count(self) -> int:
        """How many rows went out in this run without the welcome e-mail that they ask for."""
        with self._telling():
            found = self._db.execute(
                f"SELECT count(*) FROM row WHERE run = ? AND withheld AND due AND state IN {_DONE}",  # noqa: S608 # made of constants
                (self._run,),
            )
            return int(found.fetchone()[0])

    def results(self) -> Iterator[dict[str, Any]]:
        """What became of each row of this run's input, in its order."""
        names = ("line", "id", "state", "status", "request_id", "attempts", "error", "skipped")
        with self._telling():
            for *row, skipped, withheld in self._db.execute(
                f"""
                SELECT line, name, state, status, request_id, attempts, error, state IN {_DONE} AND NOT due, state IN {_DONE} AND withheld
                FROM row WHERE run = ? ORDER BY line
                """,  # noqa: S608 # made of constants
                (self._run,),
            ):
                noted = {"note": WITHHELD} if withheld else {}
                yield {**dict(zip(names, (*row, bool(skipped)), strict=True)), **noted}

    def shown(self) -> Iterator[tuple[int, str]]:
        """Line and reason of each row of this run's input that was tried and has not succeeded."""
        with self._telling():
            yield from self._db.execute(
                f"SELECT line, error FROM row WHERE run = ? AND state <> 'pending' AND state NOT IN {_DONE} ORDER BY line",  # noqa: S608 # made of constants
                (self._run,),
            )

    def unsuccessful(self, *, pending: bool, unrepeatable: bool) -> Iterator[tuple[bytes, str]]:
        """Source and reason of each row of this run's input that has not succeeded and may be sent again, in its order.

        Left out is what a later row of the same contact has overtaken: it would undo that one. ``pending`` takes what was not
        tried, ``unrepeatable`` what may have started a welcome e-mail.
        """
        included = "state <> 'unknown' OR repeatable OR NOT welcome OR :unrepeatable"
        unsuccessful = f"run = :run AND state NOT IN {_DONE} AND (state <> 'pending' OR :pending) AND ({included})"
        wish = {"run": self._run, "pending": pending, "unrepeatable": unrepeatable}
        with self._telling():
            self._db.execute("DELETE FROM lacking")
            self._db.execute(
                f"INSERT INTO lacking SELECT DISTINCT {_WHOSE}, -1 FROM row WHERE contact <> 0 AND {unsuccessful}",  # noqa: S608 # made of constants
                wish,
            )
            self._db.execute(
                f"""
                UPDATE lacking SET line = found.line FROM (
                  SELECT {_WHOSE} AS whose, max(line) AS line FROM row
                  WHERE run IN (:run, -:run) AND contact <> 0 AND (state IN {_DONE} OR NOT ({included})) GROUP BY whose) AS found
                WHERE lacking.contact = found.whose
                """,  # noqa: S608 # made of constants
                wish,
            )
            yield from self._db.execute(
                f"""
                SELECT source, coalesce(error, 'not sent yet') FROM row
                WHERE {unsuccessful} AND line > coalesce((SELECT line FROM lacking WHERE contact = {_WHOSE}), -1) ORDER BY line
                """,  # noqa: S608 # made of constants
                wish,
            )

    def close(self) -> None:
        """Gives the journal back; what is still in flight counts as unknown."""
        with suppress(
            sqlite3.Error, JournalError
        ):  # what cannot be noted now is noted when it is opened next
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.settle_interrupted()
            self._db.execute(
                f"UPDATE row SET body = NULL, source = NULL WHERE id IN (SELECT row FROM due WHERE waits) AND state IN {_DONE}"  # noqa: S608 # made of constants
            )
            self._db.execute("UPDATE session SET open = 0 WHERE open <> 0")
        self._db.close()

    @contextmanager
    def _telling(self) -> Generator[None, None, None]:
        """Says in one sentence what keeps the journal from being used."""
        try:
            yield
        except sqlite3.Error as error:
            # Not in SQLite's words, which can have a value of a row in them.
            code = getattr(error, "sqlite_errorcode", None)
            name = getattr(error, "sqlite_errorname", None) or type(error).__name__
            why = _IN_WORDS.get((code or 0) & 0xFF, f"cannot be used ({name})")
        else:
            return
        has_no_room = (code or 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
        kind = JournalFullError if has_no_room else JournalError
        raise kind(f"the journal {self.path} {why}")


def journal_of(path: Path) -> Path:
    """The journal that a file's default one refers to (see :func:`reference`), or else that itself.

    Raises:
        JournalError: what it refers to is gone.
    """
    if path.is_symlink() or not path.is_file():
        return path
    with path.open("rb") as file:
        text = file.read(_LONGEST_REFERENCE)
    if not text.startswith(_REFERENCE):
        return path
    _check_owner(path, path.lstat())
    try:
        name = json.loads(text)["contact-apis journal"]
        found = path.parent / str(name)
    except (ValueError, KeyError):
        raise JournalError(
            f"{path} is damaged; name the journal of the import that wrote the file with --journal"
        ) from None
    if not found.is_file():
        raise JournalError(
            f"{path} refers to the journal {found}, which is not there; put it back, or name a journal with --journal"
        )
    return found


def reference(path: Path, journal: Path) -> bytes:
    """What stands in the default journal of a file of failed rows: that they belong to the journal of the import that wrote it."""
    name = os.path.relpath(journal.absolute(), path.absolute().parent)
    return json.dumps({"contact-apis journal": name}).encode()


def _check_file(path: Path) -> None:
    """Makes the file if there is none, and refuses what is not a file of ours alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    if path.is_symlink():
        raise JournalError(
            f"the journal {path} is a symbolic link; name the file that it leads to with --journal"
        )
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    try:
        _check_owner(path, os.fstat(descriptor))
    finally:
        os.close(descriptor)
    for suffix in ("-wal", "-shm", "-journal"):
        beside = Path(f"{path}{suffix}")
        with suppress(FileNotFoundError):
            _check_owner(beside, beside.lstat())


def _check_owner(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise JournalError(f"the journal {path} is not a regular file; name another with --journal")
    if found.st_uid != os.geteuid():
        raise JournalError(
            f"the journal {path} belongs to another user; import as that user, or name another with --journal"
        )


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@cache
def _objects_of(schema: str) -> set[tuple[str, str, str, str]]:
    """What a database with this schema is made of."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(schema)
        return {
            _plain(each)
            for each in db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
        }


def _plain(found: tuple[str, str, str, str | None]) -> tuple[str, str, str, str]:
    """An object of a database without comments and space."""
    kind, name, table, sql = found
    return kind, name, table, "".join(re.sub("--.*", "", sql or "").split())


def _told(ended: Ended) -> tuple[object, ...]:
    """The parameters of the statement that notes it."""
    return ended[:5] if ended.error is None else ended


def _again(
    rows: Iterable[tuple[int, int, int, int, int, int, bytes]],
) -> Iterator[tuple[int, bool]]:
    """Which rows of one contact have to be sent again, and of which that depends on what becomes of rows before them.

    Args:
        rows: those that are no longer in the input come first, the others in its order.
    """
    latest, last_content, sending = 0, b"", False
    for number, in_run, present, due, had, written, content in rows:
        if present and had and not due:
            overtaken = bool(in_run) and written < latest and content != last_content
            if overtaken or sending:
                yield number, not overtaken
            sending = sending or overtaken
        sending = sending or bool(due)
        if written > latest:
            latest, last_content = written, content


def _content(row: Planned) -> bytes:
    """What a row is known by; of one that cannot be sent, its place is part of that."""
    return blake2b(
        row.body if row.body is not None else b"%d %s" % (row.line, row.source), digest_size=16
    ).digest()


def _number(identity: str) -> int:
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), signed=True)

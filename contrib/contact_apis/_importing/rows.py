"""Reading the input of an import: CSV or JSON lines, plain or gzip, in the encoding that it turns out to have.

Whatever cannot be read becomes a row with a fault, so that each one is named; nothing is skipped in silence.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
import stat
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from .encoding import Found, Reading, encoding_by_mark, find_encoding, readings

if TYPE_CHECKING:
    from typing_extensions import Buffer

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
REASON = "import_error"
"""The column that ``--failed`` adds; on the way in it is left out."""
UNREAD = "import_text"
"""The column in which ``--failed`` has what could not be read as a row."""
OURS = {REASON, UNREAD}
_MEND = f"stands in {UNREAD} as it was: write it into the columns, and leave {UNREAD} empty"
_SAMPLE = 1 << 16  # bytes that are looked at before reading begins
_LINE_COST = 50  # bytes
_GZIP = b"\x1f\x8b"
_BLANK_START = b"\xef\xbb\xbf \t\r\n"
_KINDS: tuple[tuple[bytes | tuple[bytes, ...], str], ...] = (
    (b"pk\x03\x04", "an archive or a spreadsheet; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls); save it as CSV"),
    ((b"par1", b"arrow1"), "a Parquet or Arrow file; save it as CSV or JSON lines"),
    (b"sqlite format 3", "an SQLite database; save the table as CSV"),
    (b"%pdf", "a PDF document; export the contacts as CSV"),
    (
        (b"<!doctype html", b"<html", b"<table", b"<head", b"<body", b"<meta", b"<style"),
        "an HTML page, as some programs save them under the name of a spreadsheet; open it in a spreadsheet program and save it as CSV",
    ),
    (
        (b"<?xml", b"<workbook"),
        "an XML document; open it in a spreadsheet program and save it as CSV",
    ),
    (b"begin:vcard", "a file of vCards; import it into an address book and export that as CSV"),
    (b"begin:vcalendar", "a calendar; it holds no contacts"),
    (b"{\\rtf", "a document of a word processor (RTF); save its table as CSV"),
)
"""How files begin that are neither CSV nor JSON, in small letters, and what they are."""
LONGEST_ROW = 1 << 24
"""Characters of a row. csv's own bound of 131,072 for a cell would cut a large one into rows; without any, a file without line
ends, or with a quote that is never closed, would be read into memory whole."""


class InputError(Exception):
    """The input cannot be used as it is. The text is one sentence for the user."""


class UnknownEncodingError(InputError):
    """The input is not Unicode, and has to be read in a code page that the user names."""

    def __init__(self, name: str, evidence: bytes) -> None:
        super().__init__(
            f"{name} is neither UTF-8 nor UTF-16, and an encoding is never guessed: name it with --encoding;"
            " --encoding utf-8 rejects each row that is not. Nothing was sent"
        )
        self.readings: list[Reading] = readings(evidence)
        """One cell of it in the likeliest code pages, the likeliest first."""


class Row(NamedTuple):
    """One row of the input."""

    line: int
    """Where it begins, from 1."""
    cells: list[str] | dict[str, object]
    """By column, or by name; empty where it could not be read."""
    source: bytes
    """The cells as JSON, or else the text that could not be read."""
    fault: str | None
    """Why it cannot be read."""


class _Hashed(io.RawIOBase):
    """The bytes of a file as they are read, and a hash of all of them."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        size = self._raw.readinto(buffer)
        if size:
            self._hash.update(memoryview(buffer)[:size])
        return size

    def digest_of_all(self) -> str:
        """The hash once the rest has been read, too."""
        while self.read(1 << 20):
            pass
        return self._hash.hexdigest()


def _state(found: os.stat_result) -> tuple[int, ...]:
    """What is another if a file was written to or replaced."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Input:
    """An input that was looked at and can be read once.

    A file is opened once: what was looked at, what is read and what :attr:`digest` stands for are the same bytes, or else
    reading ends with an error.

    Args:
        path: of a file, or ``-`` for standard input.
        encoding: as Python names it; found out where it is not given.

    Raises:
        InputError: it cannot be opened, or has no header that can be used.
    """

    columns: list[str] | None = None
    """The header of CSV; ``None`` for JSON lines, whose rows name their members themselves."""
    digest: str | None = None
    """A hash of the whole input; ``None`` where reading it would use it up."""

    def __init__(self, path: str, *, encoding: str | None = None) -> None:
        self._path = Path(path)
        self.name = "standard input" if path == "-" else Path(path).name
        self._opened = ExitStack()
        with ExitStack() as opened:
            try:
                raw = (
                    _standard_input()
                    if path == "-"
                    else opened.enter_context(self._path.open("rb", buffering=0))
                )
                self._raw = raw
                self._before = _regular(raw)
                found = None
                # What is not a regular file can be read once, so it is not looked at beforehand; nor is standard input.
                if self._before is not None and path != "-":
                    found = self._look_at(raw, wanted=encoding is None)
                self._hashed = _Hashed(raw)
                stream, self.compressed = _decompressed(opened, self._hashed)
                sample = stream.peek(_SAMPLE)
                self._check_kind(sample)
                known = encoding_by_mark(sample) or encoding
                if known is None:
                    known = self._found_out(found or find_encoding(sample, [sample]))
                self.encoding = known
                io.TextIOWrapper(io.BytesIO(), encoding=self.encoding).close()
            except OSError as error:
                raise InputError(
                    f"{path} cannot be read: {error.strerror or 'it is no gzip file'}"
                ) from None
            except (EOFError, zlib.error):
                raise InputError(f"{path} is compressed, and its data is damaged") from None
            except (LookupError, UnicodeError):
                raise InputError(
                    f"--encoding {encoding} is none of a text; try utf-8, utf-16 or cp1252"
                ) from None
            try:
                self._read(path, stream, sample)
            except UnicodeError:
                raise InputError(
                    f"{self.name} is not {self.encoding}; leave --encoding out to have it found out"
                ) from None
            self._opened = opened.pop_all()

    def _read(self, path: str, stream: io.BufferedReader, sample: bytes) -> None:
        self._how = (
            "surrogateescape"
            if "utf-8" in self.encoding.lower().replace("utf8", "utf-8")
            else "replace"
        )
        self._text = io.TextIOWrapper(stream, encoding=self.encoding, errors=self._how, newline="")
        start = sample.decode(self.encoding, "replace")
        suffix = Path(path.removesuffix(".gz")).suffix.lower()
        self.format = (
            "jsonl" if start.lstrip("\ufeff \t\r\n").startswith("{") else FORMATS.get(suffix, "csv")
        )
        self._rows = self._csv_rows(start) if self.format == "csv" else self._json_rows()

    def _check_kind(self, sample: bytes) -> None:
        """Raises :class:`InputError`, with the remedy, for what holds contacts in a form that is not read."""
        if self.compressed and sample.startswith(_GZIP):
            raise InputError(f"{self.name} is compressed twice; unpack it once")
        start = sample.lstrip(_BLANK_START)[:512].lower()
        for beginnings, what in _KINDS:
            if start.startswith(beginnings):
                raise InputError(f"{self.name} is {what}")

    def _found_out(self, found: Found) -> str:
        if found.encoding is None:
            raise UnknownEncodingError(self.name, found.evidence)
        return found.encoding

    def _look_at(self, raw: io.RawIOBase, *, wanted: bool) -> Found | None:
        """Reads a file once for its hash and, if it is wanted and no mark names it, for its encoding; then back to its start."""
        hashed = _Hashed(raw)
        found = None
        if wanted:
            with ExitStack() as opened:
                stream, _ = _decompressed(opened, hashed)
                sample = bytes(stream.peek(_SAMPLE))
                chunks = iter(partial(stream.read, 1 << 20), b"")
                found = find_encoding(sample, chunks)
        self.digest = hashed.digest_of_all()
        raw.seek(0)
        return found

    def check_unchanged(self) -> None:
        """Raises :class:`InputError` if what was read is not what the file held before, or no longer what it holds."""
        if self._before is None:
            return
        same = self.digest is None or self._hashed.digest_of_all() == self.digest
        now = _regular(self._raw)
        if self.digest is not None:  # it has a name, which may lead to another file by now
            try:
                now = self._path.stat()
            except OSError:
                now = None
        if not same or now is None or _state(now) != _state(self._before):
            raise InputError(
                f"{self.name} was changed or replaced while it was read; nothing was sent. Run the same command again once it is complete"
            )

    @property
    def described(self) -> str:
        """What was found out, in words."""
        how = (
            f"CSV separated by {DELIMITERS[self.delimiter]}"
            if self.format == "csv"
            else "JSON lines"
        )
        return f"{self.name}: {how}, {self.encoding}{', gzip' * self.compressed}"

    def __iter__(self) -> Iterator[Row]:
        line = 0
        try:
            for row in self._rows:
                line = row.line
                yield row
            self.check_unchanged()
        except (EOFError, OSError, zlib.error):
            raise InputError(
                f"{self.name}: the compressed data is cut off or damaged after line {line}; nothing was sent"
            ) from None
        except UnicodeError:
            raise InputError(
                f"{self.name} is not {self.encoding}; leave --encoding out to have it found out"
            ) from None

    def close(self) -> None:
        self._opened.close()

    def _csv_rows(self, start: str) -> Iterator[Row]:
        header = next(iter(start.lstrip("\ufeff").splitlines()), "")
        unquoted = re.sub(r'"[^"]*"', "", header)
        self.delimiter = max(DELIMITERS, key=unquoted.count)
        csv.field_size_limit(
            LONGEST_ROW
        )  # the module's own, for the whole process: there is no other way
        seen: list[str] = []
        reader = csv.reader(self._remembered(seen), delimiter=self.delimiter, strict=True)
        try:
            columns = next(reader, None)
        except csv.Error:
            columns = None
        except (EOFError, OSError, zlib.error):
            raise InputError(f"{self.name}: the compressed data is cut off or damaged") from None
        if not columns:
            raise InputError(f"{self.name} has no header: its first line must name the columns")
        self.columns = [each.strip() or f"column {place}" for place, each in enumerate(columns, 1)]
        if any("@" in each or re.fullmatch(r"\+?[\d ()-]{7,}", each) for each in self.columns):
            raise InputError(
                f"the first line of {self.name} looks like data; put a line in front of it that names the columns"
            )
        if len(set(self.columns)) < len(self.columns):
            twice = sorted(name for name, count in Counter(self.columns).items() if count > 1)
            raise InputError(
                f"{self.name} names a column twice: {listed(twice)}; rename one of them"
            )
        return self._cells(reader, seen, len(columns))

    def _cells(self, reader: Iterator[list[str]], seen: list[str], width: int) -> Iterator[Row]:
        unread = self.columns.index(UNREAD) if self.columns and UNREAD in self.columns else None
        counted = cast(
            "csv.DictReader[str]", reader
        )  # for its line_num, which typeshed gives no public name
        while True:
            seen.clear()
            line = counted.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                last = counted.line_num
                where = f"lines {line} to {last}: " if last > line else ""
                text = "".join(seen).encode("utf-8", "replace").rstrip(b"\r\n")
                yield Row(
                    line,
                    [],
                    text,
                    f"{where}quotes are opened and not closed, or closed within a cell",
                )
                continue
            if not cells:
                continue  # a blank line
            source, fault = self._written(cells, seen)
            if fault is None and len(cells) != width:
                fault = (
                    f"has {len(cells)} cell{'s' * (len(cells) != 1)}, and the header has {width}"
                )
            elif unread is not None and len(cells) == width and cells[unread]:
                source, fault = cells[unread].encode("utf-8", "replace"), _MEND
            yield Row(line, cells, source, fault)

    def _json_rows(self) -> Iterator[Row]:
        for line, text in enumerate(self._lines(), 1):
            if not text.strip("\ufeff \t\r\n"):
                continue
            try:
                value: object = orjson.loads(text.lstrip("\ufeff"))
            except ValueError as error:
                yield Row(
                    line,
                    {},
                    text.encode("utf-8", "replace").rstrip(b"\r\n"),
                    f"is not JSON: {str(error).partition(':')[0]}",
                )
                continue
            if not isinstance(value, dict):
                yield Row(line, {}, text.encode().rstrip(b"\r\n"), "is not a JSON object")
                continue
            members = cast("dict[str, object]", value)
            if UNREAD in members:
                yield Row(line, {}, str(members[UNREAD]).encode("utf-8", "replace"), _MEND)
                continue
            members.pop(REASON, None)
            source, fault = self._written(members, [text])
            yield Row(line, members, source, fault)

    def _written(
        self, cells: list[str] | dict[str, object], lines: list[str]
    ) -> tuple[bytes, str | None]:
        """The cells as JSON, and what is wrong with them."""
        try:
            source = orjson.dumps(cells)
        except (
            TypeError
        ) as error:  # a byte that is not of the encoding was read as a lone surrogate
            why = "is nested too deeply"
            if "surrogates" in str(error):
                why = self._undecoded(cells, "[\ud800-\udfff]")
            return "".join(lines).encode("utf-8", "replace").rstrip(b"\r\n"), why
        if self._how == "replace" and b"\xef\xbf\xbd" in source:
            return source, self._undecoded(cells, "\ufffd")
        if b"\\u0000" in source and _has_nul(cells):
            return source, "has a NUL character"
        return source, None

    def _undecoded(self, cells: list[str] | dict[str, object], pattern: str) -> str:
        """What is wrong with a row of which the encoding does not hold, with the columns where that is seen."""
        if isinstance(cells, list):
            columns = self.columns or []
            damaged = [
                name
                for name, cell in zip(columns, cells, strict=False)
                if re.search(pattern, cell) is not None
            ]
        else:
            damaged = [name for name, value in cells.items() if re.search(pattern, str(value))]
        where = f" in {listed(damaged)}" if damaged else " throughout"
        return f"is not {self.encoding}{where}"

    def _lines(self) -> Iterator[str]:
        """The lines of the text, none of which is read past the bound of a row."""
        for number, line in enumerate(iter(partial(self._text.readline, LONGEST_ROW + 1), ""), 1):
            if len(line) > LONGEST_ROW:
                raise self._too_long(number)
            yield line

    def _remembered(self, seen: list[str]) -> Iterator[str]:
        """The lines of the text, of which those of a row (``seen`` is emptied between rows) are within its bound together."""
        size = 0
        for number, line in enumerate(self._lines(), 1):
            # Each line is an object of its own, which takes more memory than the characters of a short one.
            size = (size if seen else 0) + len(line) + _LINE_COST
            if (
                size > 2 * LONGEST_ROW
            ):  # a quote that is never closed is found by csv before, where the lines are long
                raise self._too_long(number - len(seen))
            seen.append(line)
            yield line

    def _too_long(self, line: int) -> InputError:
        return InputError(
            f"the row that begins in line {line} of {self.name} is too long (more than {LONGEST_ROW} characters, or several hundred"
            " thousand lines); look for a quote that is not closed, and give one contact a line. Nothing was sent"
        )


def _regular(raw: io.RawIOBase) -> os.stat_result | None:
    """What is known of an open file; ``None`` of what is no regular one."""
    try:
        found = os.fstat(raw.fileno())
    except OSError:  # it has no descriptor
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _standard_input() -> io.RawIOBase:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] # it is None where the process was started without one
        raise InputError("standard input is closed; name a file")
    return cast("io.RawIOBase", sys.stdin.buffer)


def _has_nul(value: object) -> bool:
    """Whether text in a JSON value, or the name of a member, has a NUL character."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return any("\0" in name or _has_nul(each) for name, each in members.items())
    return isinstance(value, list) and any(map(_has_nul, cast("list[object]", value)))


SHOWN_NAMES = 12  # in one sentence
LONGEST_NAME = 100  # characters of a name that is shown


def listed(names: list[str]) -> str:
    """Names of columns in a sentence: a dozen of them, and how many more there are."""
    shown = ", ".join(shown_name(each) for each in names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def shown_name(name: str) -> str:
    """The name of a column or member, quoted, as it may stand on a terminal.

    What looks like somebody's data (an address, a number) is not shown: a file without a header, or an object whose members
    are named by what they hold, has it there. Control characters are shown by their escapes.
    """
    if looks_like_data(name) or len(name) > LONGEST_NAME:
        return f"(a name of {len(name)} characters)"
    return repr(name)


def looks_like_data(name: str) -> bool:
    """Whether the name of a column looks like an e-mail address, a phone number or somebody's id."""
    return (
        "@" in name
        or re.search(r"\d([ ()./-]*\d){6,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}", name) is not None
    )


def _decompressed(opened: ExitStack, raw: io.RawIOBase) -> tuple[io.BufferedReader, bool]:
    stream: io.BufferedReader = io.BufferedReader(raw, _SAMPLE)
    if stream.peek(2)[:2] != _GZIP:
        return stream, False
    unpacked = opened.enter_context(gzip.GzipFile(fileobj=stream))
    return io.BufferedReader(cast("io.RawIOBase", unpacked), _SAMPLE), True

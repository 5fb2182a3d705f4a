"""Reading the input of an import: CSV or JSON lines, plain or gzip, in the encoding that it turns out to have.

Whatever cannot be read becomes a row with a fault, so that each one is named; nothing is skipped in silence.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, cast

import orjson

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
REASON = "import_error"
"""The column that ``--failed`` adds; on the way in it is left out."""
UNREAD = "import_text"
"""The column in which ``--failed`` has what could not be read as a row."""
OURS = {REASON, UNREAD}
_MEND = f"stands in {UNREAD} as it was: write it into the columns, and leave {UNREAD} empty"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 1 << 16  # bytes that are looked at before reading begins
_LONGEST_CELL = 1 << 26  # characters; csv's own bound of 131,072 would cut a large cell into rows


class InputError(Exception):
    """The input cannot be used as it is. The text is one sentence for the user."""


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


class Input:
    """An input that was looked at and can be read once.

    Args:
        path: of a file, or ``-`` for standard input.
        encoding: as Python names it; found out where it is not given.

    Raises:
        InputError: it cannot be opened, or has no header that can be used.
    """

    columns: list[str] | None = None
    """The header of CSV; ``None`` for JSON lines, whose rows name their members themselves."""

    def __init__(self, path: str, *, encoding: str | None = None) -> None:
        # What is no regular file can be read once, so it is not looked at beforehand.
        self._path = Path(path) if path != "-" and Path(path).is_file() else None
        self.name = "standard input" if path == "-" else Path(path).name
        self._opened = ExitStack()
        with ExitStack() as opened:
            try:
                raw = sys.stdin.buffer if path == "-" else opened.enter_context(Path(path).open("rb"))
                stream, self.compressed = _decompressed(opened, cast("io.RawIOBase", raw))
                sample = stream.peek(_SAMPLE)
                self.encoding = _marked(sample) or encoding or _encoding_of(sample, self._path)
                io.TextIOWrapper(io.BytesIO(), encoding=self.encoding).close()
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error.strerror or 'it is no gzip file'}") from None
            except (EOFError, zlib.error):
                raise InputError(f"{path} is compressed, and its data is damaged") from None
            except (LookupError, UnicodeError):
                raise InputError(f"--encoding {encoding} is none of a text; try utf-8, utf-16 or cp1252") from None
            if sample.startswith(b"PK\x03\x04"):
                raise InputError(f"{self.name} is an archive or a spreadsheet; save it as CSV")
            try:
                self._read(path, stream, sample)
            except UnicodeError:
                raise InputError(f"{self.name} is not {self.encoding}; leave --encoding out to have it found out") from None
            self._opened = opened.pop_all()

    def _read(self, path: str, stream: io.BufferedReader, sample: bytes) -> None:
        self._how = "surrogateescape" if "utf-8" in self.encoding.lower().replace("utf8", "utf-8") else "replace"
        self._text = io.TextIOWrapper(stream, encoding=self.encoding, errors=self._how, newline="")
        start = sample.decode(self.encoding, "replace")
        suffix = Path(path.removesuffix(".gz")).suffix.lower()
        self.format = "jsonl" if start.lstrip("\ufeff \t\r\n").startswith("{") else FORMATS.get(suffix, "csv")
        self._rows = self._csv_rows(start) if self.format == "csv" else self._json_rows()

    @property
    def digest(self) -> str | None:
        """A hash of the whole input; ``None`` where reading it would use it up."""
        if self._path is None:
            return None
        with self._path.open("rb") as raw:
            return hashlib.file_digest(raw, "sha256").hexdigest()

    @property
    def described(self) -> str:
        """What was found out, in words."""
        how = f"CSV separated by {DELIMITERS[self.delimiter]}" if self.format == "csv" else "JSON lines"
        return f"{self.name}: {how}, {self.encoding}{', gzip' * self.compressed}"

    def __iter__(self) -> Iterator[Row]:
        line = 0
        try:
            for row in self._rows:
                line = row.line
                yield row
        except (EOFError, OSError, zlib.error):
            raise InputError(f"{self.name}: the compressed data is cut off or damaged after line {line}; nothing was sent") from None
        except UnicodeError:
            raise InputError(f"{self.name} is not {self.encoding}; leave --encoding out to have it found out") from None

    def close(self) -> None:
        self._opened.close()

    def _csv_rows(self, start: str) -> Iterator[Row]:
        header = next(iter(start.lstrip("\ufeff").splitlines()), "")
        unquoted = re.sub(r'"[^"]*"', "", header)
        self.delimiter = max(DELIMITERS, key=unquoted.count)
        csv.field_size_limit(_LONGEST_CELL)  # the module's own, for the whole process: there is no other way
        seen: list[str] = []
        reader = csv.reader(_remembered(self._text, seen), delimiter=self.delimiter, strict=True)
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
            raise InputError(f"the first line of {self.name} looks like data; put a line in front of it that names the columns")
        if twice := sorted({each for each in self.columns if self.columns.count(each) > 1}):
            raise InputError(f"{self.name} names a column twice: {', '.join(map(repr, twice))}; rename one of them")
        return self._cells(reader, seen, len(columns))

    def _cells(self, reader: Iterator[list[str]], seen: list[str], width: int) -> Iterator[Row]:
        unread = self.columns.index(UNREAD) if self.columns and UNREAD in self.columns else None
        counted = cast("csv.DictReader[str]", reader)  # for its line_num, which typeshed gives no public name
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
                yield Row(line, [], text, f"{where}quotes are opened and not closed, or closed within a cell")
                continue
            if not cells:
                continue  # a blank line
            source, fault = self._written(cells, seen)
            if fault is None and len(cells) != width:
                fault = f"has {len(cells)} cell{'s' * (len(cells) != 1)}, and the header has {width}"
            elif unread is not None and len(cells) == width and cells[unread]:
                source, fault = cells[unread].encode("utf-8", "replace"), _MEND
            yield Row(line, cells, source, fault)

    def _json_rows(self) -> Iterator[Row]:
        for line, text in enumerate(self._text, 1):
            if not text.strip("\ufeff \t\r\n"):
                continue
            try:
                value: object = orjson.loads(text.lstrip("\ufeff"))
            except ValueError as error:
                yield Row(line, {}, text.encode("utf-8", "replace").rstrip(b"\r\n"), f"is not JSON: {str(error).partition(':')[0]}")
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

    def _written(self, cells: list[str] | dict[str, object], lines: list[str]) -> tuple[bytes, str | None]:
        """The cells as JSON, and what is wrong with them."""
        try:
            source = orjson.dumps(cells)
        except TypeError as error:  # a byte that is not of the encoding was read as a lone surrogate
            why = f"is not {self.encoding} throughout" if "surrogates" in str(error) else "is nested too deeply"
            return "".join(lines).encode("utf-8", "replace").rstrip(b"\r\n"), why
        if self._how == "replace" and b"\xef\xbf\xbd" in source:
            return source, f"is not {self.encoding} throughout"
        if b"\\u0000" in source and "\0" in str(orjson.loads(source)):
            return source, "has a NUL character"
        return source, None


def _remembered(lines: Iterator[str], seen: list[str]) -> Iterator[str]:
    for line in lines:
        seen.append(line)
        yield line


def _decompressed(opened: ExitStack, raw: io.RawIOBase) -> tuple[io.BufferedReader, bool]:
    stream: io.BufferedReader = io.BufferedReader(raw, _SAMPLE)
    if stream.peek(2)[:2] != b"\x1f\x8b":
        return stream, False
    unpacked = opened.enter_context(gzip.GzipFile(fileobj=stream))
    return io.BufferedReader(cast("io.RawIOBase", unpacked), _SAMPLE), True


def _marked(sample: bytes) -> str | None:
    return next((name for mark, name in _BOMS if sample.startswith(mark)), None)


def _encoding_of(sample: bytes, path: Path | None) -> str:
    """The encoding: by the zeros of UTF-16; else UTF-8, unless what is no UTF-8 is all that is not ASCII."""
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(sample) > 3 and sample[first::2].count(0) > len(sample) * 0.35:
            return name
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    good = bad = 0
    for chunk in [sample] if path is None else _chunks(path):
        text = decode(chunk)
        if not text.isascii():
            wrong = len(re.findall("[\udc80-\udcff]", text))
            bad += wrong
            good += len(re.findall("[^\x00-\x7f]", text)) - wrong
    return "cp1252" if bad and not good else "utf-8"


def _chunks(path: Path) -> Iterator[bytes]:
    with ExitStack() as opened:
        stream, _ = _decompressed(opened, cast("io.RawIOBase", opened.enter_context(path.open("rb"))))
        while chunk := stream.read(1 << 20):
            yield chunk

"""The encoding of an input: known by a mark or by its form, and never guessed."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator

from attrs import frozen

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CODE_PAGES = (
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "cp874",
    "cp932",
    "euc_jp",
    "iso2022_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "koi8-r",
    "koi8-u",
    "iso8859-2",
    "iso8859-5",
    "mac-roman",
    "mac-latin2",
    "mac-cyrillic",
    "cp437",
    "cp850",
    "cp852",
    "cp862",
    "cp866",
)
"""What files are written in that are not Unicode, by Python's names: Windows, East Asia, Unix, the old Mac and DOS."""
SHOWN_READINGS = 8
LONGEST_READING = 24
"""Characters of a cell that are shown: enough to know the language, and no more of somebody's data than that."""
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI", "HANGUL", "CJK", "KANA")
_COMMON_CYRILLIC = re.compile("[\u0410-\u044f\u0401\u0451]")
_PIECE = re.compile(rb"[^,;|\t\r\n\"<>{}:@0-9]*[\x80-\xff][^,;\t\r\n\"<>@]*")
_ESCAPED = re.compile(rb"\x1b\$[@B][^\r\n]+?\x1b\([BJ]")
_ISO_2022 = re.compile(rb"\x1b(?:\$[@AB()]|\([BJ])")


@frozen
class Found:
    """What an input turns out to be written in."""

    encoding: str | None
    """As Python names it; ``None`` where it is not known."""
    evidence: bytes = b""
    """A part of the input that is not Unicode, where the encoding is not known."""


@frozen
class Reading:
    """One piece of a file, read in one code page."""

    encoding: str
    text: str


def encoding_by_mark(start: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), None)


def find_encoding(sample: bytes, chunks: Iterable[bytes]) -> Found:
    """UTF-16 by its zeros, or UTF-8 where most of what is not ASCII is UTF-8: a few damaged bytes are named by their rows.

    Args:
        sample: the beginning of the input.
        chunks: all that is looked at of it, from its beginning.
    """
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(sample) > 3 and sample[first::2].count(0) > len(sample) * 0.35:
            return Found(name)
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    good = 0
    bad = 0
    evidence = b""
    for chunk in chunks:
        text = decode(chunk)
        if not text.isascii():
            wrong = len(re.findall("[\udc80-\udcff]", text))
            bad += wrong
            good += len(re.findall("[^\x00-\x7f]", text)) - wrong
            if wrong and not evidence:
                evidence = chunk
        elif not evidence and _ISO_2022.search(chunk) is not None:
            return Found(None, chunk)
    if bad > good:
        return Found(None, evidence)
    return Found("utf-8")


def readings(evidence: bytes) -> list[Reading]:
    """A piece of the input, read in the code pages that it may be written in: the likeliest first, each reading once."""
    pieces = [*_ESCAPED.findall(evidence), *_PIECE.findall(evidence)]
    if not pieces:
        return []
    # Long pieces tell most; of each letter that is not ASCII there are one or two bytes.
    telling = sorted(pieces, key=_foreign_bytes, reverse=True)[:50]
    shown = next((piece for piece in telling if len(piece) <= 2 * LONGEST_READING), telling[0])
    scored = [(_score(telling, name), name) for name in CODE_PAGES]
    possible = sorted((each for each in scored if each[0] > 0), key=lambda each: -each[0])
    found: dict[str, str] = {}
    for _, name in possible:
        text = shown.decode(name, "replace").strip()[:LONGEST_READING]
        found.setdefault("".join(filter(str.isprintable, text)), name)
    return [Reading(name, text) for text, name in found.items()][:SHOWN_READINGS]


def _foreign_bytes(piece: bytes) -> int:
    return sum(byte > 127 for byte in piece)


def _score(pieces: list[bytes], name: str) -> float:
    """How likely it is that pieces are written in a code page, from 0: by how many of them become words of one script."""
    total = 0.0
    for piece in pieces:
        try:
            text = piece.decode(name)
        except UnicodeDecodeError:
            continue  # damaged, or of another code page
        foreign = [letter for letter in text if not letter.isascii()]
        if foreign:
            total += sum(map(_likelihood, _pairs(text))) / len(foreign)
    return total / len(pieces)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Each letter that is not ASCII, with the one before it."""
    before = " "
    for letter in text:
        if not letter.isascii():
            yield before, letter
        before = letter


def _likelihood(pair: tuple[str, str]) -> float:
    """How likely a letter is in a name after the one before it."""
    before, letter = pair
    script = _script(letter)
    if not script:
        return -1.0
    if before.isalpha() and _script(before) != script and not _are_japanese(before, letter):
        return -0.5
    if letter.isupper() and before.islower():
        return -0.5  # case that is turned around
    if script == "CYRILLIC" and _COMMON_CYRILLIC.match(letter) is None:
        return 0.3
    if script == "CJK" and not "\u4e00" <= letter <= "\u9fff":
        return 0.1
    if script == "LATIN" and not before.isascii():
        return 0.2  # accents stand alone among plain letters
    return 1.0


def _are_japanese(*letters: str) -> bool:
    return all(_script(letter) in ("CJK", "KANA") for letter in letters)


def _script(letter: str) -> str:
    """The script of a letter or of a mark above one; empty for whatever else."""
    if not letter.isalpha() and unicodedata.category(letter) not in ("Mn", "Mc", "Lm"):
        return ""
    words = unicodedata.name(letter, "")
    if words.startswith("HALFWIDTH"):
        return ""
    if "KATAKANA" in words or "HIRAGANA" in words:
        return "KANA"
    return next((script for script in _SCRIPTS if words.startswith(script)), "")

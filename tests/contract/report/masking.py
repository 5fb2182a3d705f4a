"""Secrets out of everything that a run leaves, in every form in which a service or a report may write them."""

from __future__ import annotations

import base64
import html
import re
import sys
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from html.entities import html5
from typing import Any

MASK = "***"
SHORTEST_CUT = (
    8  # characters: a secret of fewer is masked whole alone, for a part of it may be any word
)
LONGEST_LETTER = 12  # characters that one character of a secret is written in, as in &amp;#x0041;
ENTITY_NAMES: dict[str, list[str]] = {}
for _name, _text in html5.items():
    if _name.endswith(";"):
        ENTITY_NAMES.setdefault(_text, []).append(_name)
ESCAPE_SIGNS = re.compile(r"%[0-9A-Fa-f]|&[#A-Za-z]|\\")
ESCAPES = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2})|\\+x(?P<byte>[0-9A-Fa-f]{2})|\\+u(?:\{0*(?P<point>[0-9A-Fa-f]{1,6})\}|(?P<code>[0-9A-Fa-f]{4}))"
)
DEEPEST = 8  # escapes of escapes that are undone
REDUCED = re.compile(r"[-+ \\]")
PLAIN = re.compile(
    r"[0-9A-Za-z!#$()*+,./:;<=>?@^_`{|}~\[\]'\"-]+"
)  # a secret that no undoing of escapes changes
SHORT_ESCAPES = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets.

    A secret is found in either letter case, without its dashes or its first or last character, with any of its characters
    percent-encoded (once or twice), escaped as in JSON or Python, or as an HTML entity by name or number, and inside of Base64 (as
    in ``Authorization: Basic``), in both alphabets, whatever stands before or after it there.
    """
    for secret in sorted(set(secrets), key=len, reverse=True):
        if secret and _may_stand_in(text, secret):
            text = _written(secret).sub(MASK, text)
    return text


def masked_beginning(text: str, secrets: Iterable[str], most: int, *, is_cut: bool = False) -> str:
    """The first ``most`` characters of a masked text, without the part of a secret that a cut has left at its end.

    ``is_cut`` tells that the text itself is only the beginning of a longer one.
    """
    known = list(secrets)
    longest = max(map(len, known), default=0) * LONGEST_LETTER
    room = most + 2 * longest  # a mask is shorter than what it hides
    hidden = masked(text[:room], known)
    if is_cut or len(text) > room:
        hidden = hidden[: max(0, len(hidden) - longest)]
    return hidden[:most]


def masked_json(value: Any, secrets: Iterable[str], own: Collection[str] = ()) -> Any:
    """The same value with every string of it masked, so that no secret hides behind the escapes of the file that it goes to.

    Names of members stay, and so do the members that ``own`` names: they hold words of the suite, on which its reports rely.
    """
    known = list(secrets)
    if isinstance(value, str):
        return masked(value, known)
    if isinstance(value, list):
        return [masked_json(element, known, own) for element in value]
    if isinstance(value, dict):
        shown = {}
        for name, element in value.items():
            if name in own:
                shown[name] = element
            else:
                shown[name] = masked_json(element, known, own)
        return shown
    return value


def _may_stand_in(text: str, secret: str) -> bool:
    """A quick look that spares nearly every text the slow one: whether the secret's letters, or their Base64, stand in it."""
    has_signs = ESCAPE_SIGNS.search(text) is not None
    if has_signs and not PLAIN.fullmatch(secret):
        return True
    core = _reduced(secret)
    if len(secret) >= SHORTEST_CUT:
        core = _reduced(secret[1:-1])
    parts = _base64_parts(secret)
    levels: tuple[str, ...] = (text,)
    if has_signs:
        levels = _levels(text)
    for level in levels:
        if core in _reduced(level):
            return True
        standard = level.replace("\\", "").replace("-", "+").replace("_", "/")
        if any(part in standard for part in parts):
            return True
    return False


def _reduced(text: str) -> str:
    """A text without what one form of writing adds, drops or changes."""
    return REDUCED.sub("", text).casefold()


@lru_cache(maxsize=4)
def _levels(text: str) -> tuple[str, ...]:
    """A text as it is, and with its escapes undone once, twice and so on, as long as there are any."""
    found = [text]
    while len(found) <= DEEPEST:
        undone = ESCAPES.sub(_undone, html.unescape(found[-1]))
        if undone == found[-1]:
            break
        found.append(undone)
    return tuple(found)


def _undone(escape: re.Match[str]) -> str:
    digits = escape["percent"] or escape["byte"] or escape["point"] or escape["code"]
    code = int(digits, 16)
    if code > sys.maxunicode:
        return ""
    return chr(code)


@cache
def _written(secret: str) -> re.Pattern[str]:
    """What matches a secret in all its forms, the longest first."""
    letters = [_letter(character) for character in secret]
    is_of_dashes = set(secret) <= {"-"}
    for place, character in enumerate(secret):
        if character == "-" and not is_of_dashes:
            letters[place] += "?"
    whole = "".join(letters)
    forms = [whole]
    if len(secret) >= SHORTEST_CUT:
        forms += ["".join(letters[:-1]), "".join(letters[1:])]
    encoded = [f"(?-i:{form})" for form in _base64_forms(secret)]
    return re.compile("|".join([*encoded, *forms]), re.IGNORECASE)


def _letter(character: str) -> str:
    """What matches one character, written in any way."""
    in_bytes = "".join(
        rf"(?:%(?:25)*|\\+x){byte:02X}" for byte in character.encode("utf-8", "surrogatepass")
    )
    code = ord(character)
    forms = [in_bytes, rf"\\+u\{{?0*{code:X}\}}?", _utf16(character)]
    entities = [f"#0*{code};", f"#x0*{code:X};", *map(re.escape, ENTITY_NAMES.get(character, []))]
    forms.append(f"&(?:amp;)*(?:{'|'.join(entities)})")
    if code < 0x100:
        forms.append(rf"(?:%(?:25)*|\\+x){code:02X}")
    if character in SHORT_ESCAPES:
        forms.append(rf"\\+{SHORT_ESCAPES[character]}")
    if not character.isalnum():
        forms.append(rf"\\+{re.escape(character)}")
    if character == " ":
        forms.append(r"\+")
    # The character itself last: an ampersand is also how its own entity begins.
    return f"(?:{'|'.join([*forms, re.escape(character)])})"


def _utf16(character: str) -> str:
    """The JSON escape of a character, which is two where it lies beyond the basic plane."""
    units = character.encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join(rf"\\+u{units[start : start + 4]}" for start in range(0, len(units), 4))


@cache
def _base64_parts(secret: str) -> tuple[str, ...]:
    """What of the Base64 of any text with this secret in it is the secret's own, for each of the three places where it may start."""
    raw = secret.encode("utf-8", "surrogatepass")
    whole = base64.b64encode(raw).decode().rstrip("=")
    parts = [whole]
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode()
        # The first and the last character may hold bits of what stands around the secret as well.
        start = -(-before * 8 // 6)
        end = (before + len(raw)) * 8 // 6
        parts.append(text[start:end])
    return tuple(part for part in parts if len(part) >= SHORTEST_CUT or part == whole)


def _base64_forms(secret: str) -> list[str]:
    """The same as patterns, in the alphabet for addresses and percent-encoded too."""
    forms = []
    for part in _base64_parts(secret):
        letters = {"+": "(?:[+-]|%2[Bb])", "/": "(?:[/_]|%2[Ff])"}
        written = "".join(letters.get(character, character) for character in part)
        forms.append(f"{written}(?:=|%3[Dd]){{0,2}}")
    return forms

"""Phone numbers as people and spreadsheets write them, read into E.164 or rejected with the reason.

The judgement is that of Google's libphonenumber (``phonenumbers``): a number has to be *valid*, assigned as a range in its country,
and not only of a possible length.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from attrs import frozen

from contact_apis._errors import ConfigurationError

if TYPE_CHECKING:
    import phonenumbers

_KEYWORDS = {
    "--region": "region=",
    "--phones international": "international=True",
    "--lenient-phones": "lenient=True",
}
"""What a message calls the options of the command, and what callers of :func:`phone` have in their place."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_FORMULA = re.compile(r'="?([^"]*)"?')
_DECIMAL = re.compile(r"(\+?\d{6,})[.,]0+")
_EXPONENT = re.compile(r"(\d)(?:[.,](\d+))?[eE]\+?(\d{1,2})")
_EXTENSION = re.compile(r"(?i)(?:;ext=|\bext\.?|\bextension|\bx|#|доб)\s*\.?:?\s*\d{1,7}\s*$")
_SEVERAL = re.compile(r"\s*(?::::|[/;,|\n]|\bor\b|\band\b|&)\s*")
_LEAST_DIGITS = 5
"""Of a part of a cell that is taken for a number of its own."""
_HIDDEN = ("Cf", "Cc")
"""Unicode categories of characters that nobody sees."""


class PhoneError(ValueError):
    """Text that is not a valid phone number. The message says why, and never shows the text."""


@frozen
class PhoneNumber:
    """A phone number, and what had to be repaired to read it."""

    e164: str
    """``+``, the country's code and the number, at most 15 digits (ITU-T E.164)."""
    repairs: tuple[str, ...] = ()
    """What was written in another way than a person would, in plain words."""


def read_phone(
    text: str, region: str | None = None, *, lenient: bool = False, international: bool = False
) -> PhoneNumber:
    """Reads one phone number.

    Args:
        text: as it was written.
        region: two letters (ISO 3166-1); a number without a country's code is one of it.
        lenient: take numbers of a possible length, too, as versions up to 0.1 did.
        international: take digits that begin with a country's code and have no ``+``.

    Raises:
        PhoneError: there is doubt about which number is meant; the message gives the reason and the remedy.
        ConfigurationError: the optional dependency is missing, or the region does not exist.
    """
    library = _library()
    if region is not None and region.upper() not in library.SUPPORTED_REGIONS:
        raise ConfigurationError("region must be two letters of a country, such as US")
    if is_settled(text):
        return PhoneNumber(text)
    repairs: list[str] = []
    cleaned = _unwrap(_visible(text, repairs), repairs)
    if lenient and _E164.fullmatch(cleaned) is not None:
        return PhoneNumber(cleaned, tuple(repairs))
    _check_one(cleaned)
    number = _parse(cleaned, region and region.upper(), repairs, international=international)
    accepted = library.is_possible_number(number) if lenient else library.is_valid_number(number)
    if not accepted:
        raise PhoneError(_invalid(number, lenient=lenient))
    e164: str = library.format_number(number, library.PhoneNumberFormat.E164)
    if e164 != text and not repairs:
        repairs.append(_how_written(number))
    return PhoneNumber(e164, tuple(repairs))


def phone(
    text: str, *, region: str | None = None, lenient: bool = False, international: bool = False
) -> str:
    """A phone number in E.164 (``+``, the country's code and the number), as the import of files reads it.

    The judgement is that of ``phonenumbers``. What spreadsheets and people put around a number is removed where there is no doubt
    about which number is meant. Needs the extra ``cli``.

    Args:
        text: one number, as it was written.
        region: two letters (ISO 3166-1), such as ``GB``: where a number without a country's code belongs.
        lenient: take numbers of a possible length, too.
        international: take digits that begin with a country's code and have no ``+``.

    Raises:
        ValueError: it is not a valid number, or there is doubt about which is meant. The message has the reason, and not the text.
        ConfigurationError: the extra is missing, or there is no such region.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] # callers need not have a type checker
        raise TypeError(f"phone() takes text, not a {type(text).__name__}")
    try:
        return read_phone(text, region, lenient=lenient, international=international).e164
    except PhoneError as error:
        reason = str(error)
    for option, keyword in _KEYWORDS.items():
        reason = reason.replace(option, keyword)
    raise PhoneError(reason)


def is_settled(text: str) -> bool:
    """Whether a text is a valid number in E.164 with nothing to read into it, as most that machines write are.

    The judgement is the library's. What is spared is its reading of what people write, which takes three times as long.
    """
    if _E164.fullmatch(text) is None:
        return False
    library = _library()
    for end in (2, 3, 4):
        code = int(text[1:end])
        if code in library.COUNTRY_CODE_TO_REGION_CODE:
            break
    else:
        return False
    national = text[end:]
    prefix = _national_prefix(code)
    if national.startswith("0") or (prefix is not None and prefix.match(national) is not None):
        return False  # a part of it may be only dialled
    return bool(library.is_valid_number(library.PhoneNumber(code, int(national))))


@cache
def _national_prefix(code: int) -> re.Pattern[str] | None:
    """What is dialled before national numbers within the country of this code, if there is such a thing."""
    import phonenumbers

    region = phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or not metadata.national_prefix_for_parsing:
        return None
    return re.compile(metadata.national_prefix_for_parsing)


def _how_written(number: phonenumbers.PhoneNumber) -> str:
    """What tells a number from its E.164, where nothing had to be removed."""
    import phonenumbers

    ways = {
        phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY: "country's code added",
        phonenumbers.CountryCodeSource.FROM_NUMBER_WITH_IDD: "international prefix replaced by +",
        phonenumbers.CountryCodeSource.FROM_NUMBER_WITHOUT_PLUS_SIGN: "plus added",
    }
    return ways.get(number.country_code_source, "punctuation removed")


def _library() -> ModuleType:
    try:
        import phonenumbers
    except ModuleNotFoundError:
        raise ConfigurationError(
            "phone numbers need an optional dependency; install it with: pip install 'contact-apis[cli]'"
        ) from None
    return phonenumbers


def _visible(text: str, repairs: list[str]) -> str:
    """The text without characters that nobody sees, and without blanks at its ends."""
    seen = "".join(
        letter for letter in text if unicodedata.category(letter) not in _HIDDEN or letter == "\n"
    )
    if seen != text:
        repairs.append("invisible characters removed")
    trimmed = seen.strip()
    if trimmed != seen:
        repairs.append("blanks at the ends removed")
    return trimmed


def _unwrap(text: str, repairs: list[str]) -> str:
    """The number inside what spreadsheets and links put around it."""
    if text.startswith(("'", "`", "´", "\N{RIGHT SINGLE QUOTATION MARK}")):
        repairs.append("text mark removed")
        text = text[1:].strip()
    formula = _FORMULA.fullmatch(text)
    if formula is not None:
        repairs.append("formula removed")
        text = formula[1].strip()
    if text[:4].lower() == "tel:":
        repairs.append("tel: removed")
        text = text[4:].strip()
    decimal = _DECIMAL.fullmatch(text)
    if decimal is not None:
        repairs.append("decimals removed")
        text = decimal[1]
    exponent = _EXPONENT.fullmatch(text)
    if exponent is not None:
        repairs.append("exponent written out")
        text = _written_out(*exponent.groups(default=""))
    return text


def _written_out(first: str, decimals: str, exponent: str) -> str:
    """The digits of ``9.72525550101E+11``, if none of them is lost."""
    missing = int(exponent) - len(decimals)
    if missing != 0:
        raise PhoneError(
            "is a number that a spreadsheet has shortened, and digits of it are lost: export the column as text"
        )
    return first + decimals


def _check_one(text: str) -> None:
    """Raises :class:`PhoneError` for what is not one number alone."""
    if not any(letter.isdigit() for letter in text):
        raise PhoneError("is not a phone number: it has no digits")
    if _EXTENSION.search(text) is not None:
        raise PhoneError(
            "has an extension, and E.164 has no place for it: give the number without it, or leave the cell empty"
        )
    parts = [
        part
        for part in _SEVERAL.split(text)
        if sum(letter.isdigit() for letter in part) >= _LEAST_DIGITS
    ]
    if len(parts) > 1 or text.count("+") > 1:
        raise PhoneError("holds more than one number: keep one")
    if any(letter.isalpha() for letter in text):
        raise PhoneError("is not a phone number: it has letters")


def _parse(
    text: str, region: str | None, repairs: list[str], *, international: bool
) -> phonenumbers.PhoneNumber:
    import phonenumbers

    digits = phonenumbers.normalize_digits_only(text)
    has_code = text.startswith(("+", "\N{FULLWIDTH PLUS SIGN}", "00"))
    if (
        international
        and not has_code
        and not digits.startswith("0")
        and _is_with_code(digits, region)
    ):
        repairs.append("plus added")
        text = "+" + digits
    try:
        number = phonenumbers.parse(text, region, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        raise PhoneError(_unreadable(region)) from None
    source = number.country_code_source
    prefix = (
        "" if region is None else phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True)
    )
    if prefix == str(number.country_code):
        return number  # North America: what is dialled before a national number is the country's code as well
    if source == phonenumbers.CountryCodeSource.FROM_NUMBER_WITHOUT_PLUS_SIGN:
        raise PhoneError(
            "begins with a country's code and has no +: write the +, or give --phones international"
        )
    is_national = source == phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY
    if (
        is_national
        and prefix == "0"
        and not digits.startswith("0")
        and phonenumbers.is_valid_number(number)
    ):
        repairs.append("leading zero added")
    return number


def _is_with_code(digits: str, region: str | None) -> bool:
    """Whether digits are to be read as a country's code and a number.

    Raises:
        PhoneError: they are a valid number in that way, and another one of the region.
    """
    if region is None:
        return True
    import phonenumbers

    readings: list[str] = []
    for written in (f"+{digits}", digits):
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            readings.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    if len(set(readings)) > 1:
        raise PhoneError(
            f"can be read with a country's code and as a number in {region}: write it with + and the country's code"
        )
    return readings == [f"+{digits}"] or readings == [f"+{digits}"] * 2


def _unreadable(region: str | None) -> str:
    if region is None:
        return "is not a phone number without a country: begin it with + and the country's code, or give --region"
    return f"is not a phone number in {region}"


def _invalid(number: phonenumbers.PhoneNumber, *, lenient: bool) -> str:
    import phonenumbers

    country = phonenumbers.region_code_for_country_code(number.country_code or 0)
    reasons = {
        phonenumbers.ValidationResult.TOO_SHORT: "it is too short",
        phonenumbers.ValidationResult.TOO_LONG: "it is too long",
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "it has no area code",
        phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "there is no such country's code",
    }
    reason = reasons.get(phonenumbers.is_possible_number_with_reason(number))
    if reason is None:
        reason = "no such number is assigned there"
        if not lenient:
            reason += "; --lenient-phones takes numbers of a possible length"
    return f"is not a valid phone number in {country}: {reason}"

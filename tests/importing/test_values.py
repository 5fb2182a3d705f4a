"""What cells become: no number, address or consent goes out that nobody wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import contact_apis
from contact_apis._importing.mapping import CellError, ColumnMapping, PhoneRules
from contact_apis._vendors.registry import VENDORS
from tests.conftest import ROOT

from .conftest import Command, results_in
from .service import Service

CASES = ROOT / "tests" / "data" / "field-cases"
File = Callable[..., Path]

PHONES = {
    2: "is a number that a spreadsheet has shortened",
    4: "begins with a country's code and has no +",
    6: "begins with a country's code and has no +",
    7: "holds more than one number",
    8: "holds more than one number",
    9: "has no digits",
    10: "is not a phone number in IL",
    11: "has no digits",
    12: "has an extension",
    14: "is not a valid phone number in IL",
    15: "is not a valid phone number in IL",
    16: "is not a valid phone number in GB",
}
"""Why lines of ``phones.csv`` are rejected; the others go out."""
REPAIRS = {
    "text mark removed": 1,
    "international prefix replaced by +": 1,
    "leading zero added": 1,
    "tel: removed": 1,
    "blanks at the ends removed": 1,
}


@pytest.mark.parametrize(
    ("words", "rejected", "cells", "repairs"),
    [
        ((), PHONES, 5, REPAIRS),
        (
            ("--phones", "international"),
            {line: reason for line, reason in PHONES.items() if line not in (4, 6)},
            7,
            {**REPAIRS, "plus added": 2, "formula removed": 1},
        ),
        (
            ("--lenient-phones",),
            {line: reason for line, reason in PHONES.items() if line not in (14, 15, 16)},
            6,
            {**REPAIRS, "country's code added": 1},
        ),
    ],
)
def test_phones(
    command: Command, tmp_path: Path, words: tuple[str, ...], rejected: dict[int, str], cells: int, repairs: dict[str, int]
) -> None:
    """Numbers are repaired where there is no doubt, and counted; the other rows are rejected with the reason, and the blank cell is empty."""
    reports = ["--journal", tmp_path / "j", "--results", tmp_path / "r", "--output", "json"]
    with Service() as service:
        done = command("import", CASES / "phones.csv", "--to", "pristo", "--region", "IL", *words, *reports, service=service)
        sent = [body["contact"] for bodies in service.applied.values() for body in bodies]
    reasons = {each["line"]: each["error"] for each in results_in(tmp_path / "r") if each["state"] == "refused"}
    assert reasons.keys() == rejected.keys()
    assert all(reason in reasons[line] for line, reason in rejected.items())
    assert done.told["repairs"] == {"phones": {"cells": cells, "repairs": repairs}}
    if not words:
        assert {each.get("phone") for each in sent} == {"+972525550101", None}
        assert sum("phone" not in each for each in sent) == 1


def test_repairs_are_told(command: Command, file: File) -> None:
    """The summary says how many cells were repaired and how; rows past the limit and rejected rows are not counted."""
    rows = ["'+442079460123,a@example.com", "'+442079460123,no address", "'+442079460123,b@example.com"]
    path = file("phone,email,id\n" + "".join(f"{row},4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a1{place}\n" for place, row in enumerate(rows)))
    done = command("import", path, "--to", "pristo", "--dry-run", "--limit", 2)
    assert "phones repaired: 1 (text mark removed 1)" in done.out


def test_country_of_the_row(command: Command, file: File) -> None:
    """The row's own country decides before ``--region``, from a column or a constant, and only where it is a region."""
    rows = [("GB", "020 7946 0018"), ("us", "(202) 555-0123"), ("", "052-555-0101"), ("ZZ", "052-555-0101"), ("GB", "+12025550123")]
    path = file("firstName,countryCode,phone\n" + "".join(f"Ada,{country},{number}\n" for country, number in rows))
    consent = ("createdAt=2024-03-21", "ip=192.0.2.7", "source=import")
    constants = [word for each in ("listIds=a", *(f"consent.{value}" for value in consent)) for word in ("--set", each)]
    with Service() as service:
        done = command("import", path, "--to", "retainful", "--region", "IL", *constants, service=service)
        assert done.code == 0, done.out
        assert set(service.applied) == {"+442079460018", "+12025550123", "+972525550101"}


def test_phones_of_json(command: Command, file: File, tmp_path: Path) -> None:
    """A number is read as its digits; a row that has the form of a request must have E.164 already."""
    ident = "4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a1"
    members = [525550101, 525550101.0, 525550101.5, True, ["0525550101"], "NaN", " "]
    rows: list[dict[str, object]] = [{"id": f"{ident}{place}", "phone": each} for place, each in enumerate(members)]
    rows += [{"contact": {"id": f"{ident}{place}", "phone": each}} for place, each in ((7, "+97252"), (8, "+972 525550101"), (9, 5))]
    path = file("".join(f"{json.dumps(row)}\n" for row in rows), "in.jsonl")
    flat = command("import", path, "--to", "pristo", "--dry-run", "--region", "IL", "--limit", 7, "--results", tmp_path / "r")
    assert flat.code == 1
    assert [each["state"] for each in results_in(tmp_path / "r")] == ["pending"] * 2 + ["refused"] * 4 + ["pending"]
    command("import", path, "--to", "pristo", "--dry-run", "--results", tmp_path / "r")
    errors = [each["error"] for each in results_in(tmp_path / "r")][7:]
    assert "is not a valid phone number" in errors[0]
    assert "must be in E.164" in errors[1]
    assert errors[2] == "contact.phone must be a string"


def test_other_options_read_the_rows_again(command: Command, file: File) -> None:
    """A row that was rejected goes out when the same command is given with the option that takes its number."""
    path = file("id,phone\n4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a11,972525550101\n")
    with Service() as service:
        assert command("import", path, "--to", "pristo", "--region", "IL", service=service).code == 1
        assert command("import", path, "--to", "pristo", "--region", "IL", "--phones", "international", service=service).code == 0


WRITTEN = st.one_of(
    st.text("0123456789+-() ./x'\N{ARABIC-INDIC DIGIT FIVE}\N{ZERO WIDTH SPACE}", max_size=18),
    st.from_regex(r"(\+?(972|44|1|39|7|8)|0|00|)[2-9][0-9]{6,10}", fullmatch=True),
)


@given(text=WRITTEN, country=st.sampled_from(["", "GB", "US", "de", "ZZ"]), region=st.sampled_from([None, "IL", "US", "IT", "RU"]))
@example("(202) 555-0123", "", "US")
@example("2025550123", "", "US")
def test_only_valid_numbers_go_out(text: str, country: str, region: str | None) -> None:
    """What goes out is valid, and of the country that the row or the region names unless the cell names another."""
    for international in (False, True):
        mapping = ColumnMapping(VENDORS["retainful"].mapper(), phones=PhoneRules(region, international=international))
        columns = ["firstName", "phone", "countryCode", "listIds", "consentCreatedAt", "consentIp", "consentSource"]
        mapping.bind(columns)
        try:
            body = mapping.of_cells(["Ada", text, country, "a", "2024-03-21", "192.0.2.7", "import"])
        except CellError:
            continue
        if not body["identifiers"]:
            assert not text.strip()
            continue
        number = phonenumbers.parse(body["identifiers"][0]["id"])
        assert phonenumbers.is_valid_number(number)
        named = country.upper() if country not in ("", "ZZ") else region
        digits = phonenumbers.normalize_digits_only(text)
        has_code = digits.startswith((str(number.country_code), "0")) or "+" in text
        assert has_code or number.country_code == phonenumbers.country_code_for_region(named or "ZZ")


def test_phone() -> None:
    """Callers read a number as the import does; the reason is in their words and never shows the number."""
    assert contact_apis.phone(" 020 7946 0018", region="gb") == "+442079460018"
    assert contact_apis.phone("972525550101", region="IL", international=True) == "+972525550101"
    assert contact_apis.phone("+97252555010111", lenient=True) == "+97252555010111"
    with pytest.raises(ValueError, match=r"give region=$"):
        contact_apis.phone("020 7946 0018")
    with pytest.raises(ValueError, match="international=True") as raised:
        contact_apis.phone("972525550101", region="IL")
    assert "97252" not in str(raised.value)
    with pytest.raises(contact_apis.ConfigurationError):
        contact_apis.phone("020 7946 0018", region="England")
    with pytest.raises(TypeError):
        contact_apis.phone(442079460018)  # type: ignore[arg-type] # what a data frame has

"""What cells become: no number, address or consent goes out that nobody wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import contact_apis
from contact_apis._importing.mapping import ColumnMapping, PhoneRules
from contact_apis._importing.rows import InputError
from contact_apis._values import phones
from contact_apis._vendors.record_mapper import CellError
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
    command: Command,
    tmp_path: Path,
    words: tuple[str, ...],
    rejected: dict[int, str],
    cells: int,
    repairs: dict[str, int],
) -> None:
    """Numbers are repaired where there is no doubt, and counted; the other rows are rejected with the reason, and the blank cell is empty."""
    reports = ["--journal", tmp_path / "j", "--results", tmp_path / "r", "--output", "json"]
    with Service() as service:
        done = command(
            "import",
            CASES / "phones.csv",
            "--to",
            "pristo",
            "--region",
            "IL",
            *words,
            *reports,
            service=service,
        )
        sent = [body["contact"] for bodies in service.applied.values() for body in bodies]
    reasons = {
        each["line"]: each["error"]
        for each in results_in(tmp_path / "r")
        if each["state"] == "refused"
    }
    assert reasons.keys() == rejected.keys()
    assert all(reason in reasons[line] for line, reason in rejected.items())
    assert done.told["repairs"] == {"phones": {"cells": cells, "repairs": repairs}}
    if not words:
        assert {each.get("phone") for each in sent} == {"+972525550101", None}
        assert sum("phone" not in each for each in sent) == 1


def test_repairs_are_told(command: Command, file: File) -> None:
    """The summary says how many cells were repaired and how; rows past the limit and rejected rows are not counted."""
    rows = [
        "'+442079460123,a@example.com",
        "'+442079460123,no address",
        "'+442079460123,b@example.com",
    ]
    path = file(
        "phone,email,id\n"
        + "".join(
            f"{row},4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a1{place}\n" for place, row in enumerate(rows)
        )
    )
    done = command("import", path, "--to", "pristo", "--dry-run", "--limit", 2)
    assert "phones repaired: 1 (text mark removed 1)" in done.out


def test_country_of_the_row(command: Command, file: File) -> None:
    """The row's own country decides before ``--region``, from a column or a constant, and only where it is a region."""
    rows = [
        ("GB", "020 7946 0018"),
        ("us", "(202) 555-0123"),
        ("", "052-555-0101"),
        ("ZZ", "052-555-0101"),
        ("GB", "+12025550123"),
    ]
    path = file(
        "firstName,countryCode,phone\n"
        + "".join(f"Ada,{country},{number}\n" for country, number in rows)
    )
    consent = ("createdAt=2024-03-21", "ip=192.0.2.7", "source=import")
    constants = [
        word
        for each in ("listIds=a", "subscribed=true", *(f"consent.{value}" for value in consent))
        for word in ("--set", each)
    ]
    with Service() as service:
        done = command(
            "import", path, "--to", "retainful", "--region", "IL", *constants, service=service
        )
        assert done.code == 0, done.out
        assert set(service.applied) == {"+442079460018", "+12025550123", "+972525550101"}


def test_phones_of_json(command: Command, file: File, tmp_path: Path) -> None:
    """A number is read as its digits; a row that has the form of a request must have E.164 already."""
    ident = "4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a1"
    members = [525550101, 525550101.0, 525550101.5, True, ["0525550101"], "NaN", " "]
    rows: list[dict[str, object]] = [
        {"id": f"{ident}{place}", "phone": each} for place, each in enumerate(members)
    ]
    rows += [
        {"contact": {"id": f"{ident}{place}", "phone": each}}
        for place, each in ((7, "+97252"), (8, "+972 525550101"), (9, 5))
    ]
    path = file("".join(f"{json.dumps(row)}\n" for row in rows), "in.jsonl")
    flat = command(
        "import",
        path,
        "--to",
        "pristo",
        "--dry-run",
        "--region",
        "IL",
        "--limit",
        7,
        "--results",
        tmp_path / "r",
    )
    assert flat.code == 1
    assert [each["state"] for each in results_in(tmp_path / "r")] == ["pending"] * 2 + [
        "refused"
    ] * 4 + ["pending"]
    command("import", path, "--to", "pristo", "--dry-run", "--results", tmp_path / "r")
    errors = [each["error"] for each in results_in(tmp_path / "r")][7:]
    assert "is not a valid phone number" in errors[0]
    assert "must be in E.164" in errors[1]
    assert errors[2] == "contact.phone must be a string"


def test_other_options_read_the_rows_again(command: Command, file: File) -> None:
    """A row that was rejected goes out when the same command is given with the option that takes its number."""
    path = file("id,phone\n4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a11,972525550101\n")
    with Service() as service:
        assert (
            command("import", path, "--to", "pristo", "--region", "IL", service=service).code == 1
        )
        assert (
            command(
                "import",
                path,
                "--to",
                "pristo",
                "--region",
                "IL",
                "--phones",
                "international",
                service=service,
            ).code
            == 0
        )


WRITTEN = st.one_of(
    st.text("0123456789+-() ./x'\N{ARABIC-INDIC DIGIT FIVE}\N{ZERO WIDTH SPACE}", max_size=18),
    st.from_regex(r"(\+?(972|44|1|39|7|8)|0|00|)[2-9][0-9]{6,10}", fullmatch=True),
)


@given(
    text=WRITTEN,
    country=st.sampled_from(["", "GB", "US", "de", "ZZ"]),
    region=st.sampled_from([None, "IL", "US", "IT", "RU"]),
)
@example("(202) 555-0123", "", "US")
@example("2025550123", "", "US")
def test_only_valid_numbers_go_out(text: str, country: str, region: str | None) -> None:
    """What goes out is valid, and of the country that the row or the region names unless the cell names another."""
    for international in (False, True):
        mapping = ColumnMapping(
            VENDORS["retainful"].mapper(), phones=PhoneRules(region, international=international)
        )
        columns = [
            "firstName",
            "phone",
            "countryCode",
            "listIds",
            "consentCreatedAt",
            "consentIp",
            "consentSource",
            "subscribed",
        ]
        mapping.bind(columns)
        try:
            body = mapping.of_cells(
                ["Ada", text, country, "a", "2024-03-21", "192.0.2.7", "import", "yes"]
            )
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
        assert has_code or number.country_code == phonenumbers.country_code_for_region(
            named or "ZZ"
        )


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@given(
    region=st.sampled_from(REGIONS),
    kind=st.integers(0, 10),
    tail=st.text("0123456789", max_size=4),
    place=st.integers(1, 5),
    inserted=st.sampled_from(["", "", "0", "1", "8", "15"]),
    home=st.sampled_from([None, "US", "IT", "AR"]),
)
@example("AR", 1, "", 3, "15", None)
@example("IT", 0, "", 3, "0", "IT")
def test_a_number_that_is_settled_is_read_as_any_other(
    region: str, kind: int, tail: str, place: int, inserted: str, home: str | None
) -> None:
    """What is taken for a valid E.164 number without being parsed is what parsing it gives."""
    number = phonenumbers.example_number_for_type(region, kind)
    if number is None:
        number = phonenumbers.example_number(region)
    assert number is not None
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    text = text[:place] + inserted + text[place : len(text) - len(tail)] + tail
    if phones.is_settled(text):
        parsed = phonenumbers.parse(text, home)
        assert phonenumbers.is_valid_number(parsed)
        assert text == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        assert phones.read_phone(text, home) == phones.PhoneNumber(text)


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


# ------------------------------------------------------------------------------------------------------------ consent

RETAINFUL = ["--to", "retainful", "--output", "json"]
for _each in (
    "listIds=a",
    "consent.createdAt=2024-03-21",
    "consent.ip=192.0.2.7",
    "consent.source=import",
):
    RETAINFUL += ["--set", _each]
WORDS = "subscribed: y,ON=subscribed; cleaned,f,NEVER_SUBSCRIBED=unsubscribed"


def statuses(service: Service) -> dict[str, str]:
    """What went out: each identifier with the status of its channel."""
    identifiers = [
        each
        for bodies in service.applied.values()
        for body in bodies
        for each in body["identifiers"]
    ]
    return {
        each["id"].partition("@")[0]: each["channels"][each["type"]]["status"]
        for each in identifiers
    }


@pytest.mark.parametrize("words", [[], ["--values", WORDS]])
def test_words_of_consent(command: Command, words: list[str]) -> None:
    """The vendor's words are taken in any case, others where it is told what they mean; an empty cell rejects its row."""
    with Service() as service, TemporaryDirectory() as folder:
        done = command(
            "import",
            CASES / "consent-words.csv",
            *RETAINFUL,
            *words,
            "--journal",
            f"{folder}/j",
            service=service,
        )
        results = command(
            "import",
            CASES / "consent-words.csv",
            *RETAINFUL,
            *words,
            "--dry-run",
            "--results",
            f"{folder}/r",
        )
        errors = {
            each["line"]: each["error"] for each in results_in(Path(folder, "r")) if each["error"]
        }
    known = {
        "w1": "subscribed",
        "w2": "unsubscribed",
        "w4": "unsubscribed",
        "w7": "subscribed",
        "w10": "unsubscribed",
    }
    told = {
        "w3": "unsubscribed",
        "w5": "unsubscribed",
        "w8": "subscribed",
        "w9": "subscribed",
        "w11": "unsubscribed",
    }
    assert (done.code, results.code) == (1, 1)
    assert statuses(service) == (known | told if words else known)
    assert "silence is no consent" in errors[7]
    assert words or all("--values" in errors[line] for line in (4, 6, 9, 10, 12))


def test_without_a_status_nothing_is_sent(command: Command) -> None:
    """Where no column has the status, the import stops with the option that gives one; with it, all go out."""
    with Service() as service, TemporaryDirectory() as folder:
        words = ["import", CASES / "no-status-column.csv", *RETAINFUL, "--journal", f"{folder}/j"]
        silent = command(*words, service=service)
        assert (silent.code, service.times) == (2, [])
        assert "--set subscribed=true" in silent.err
        assert command(*words, "--set", "subscribed=true", service=service).code == 0
        assert statuses(service) == {"resub": "subscribed"}


@pytest.mark.parametrize(
    ("words", "phone"),
    [
        ([], "--map COLUMN=email.subscribed or --map COLUMN=phone.subscribed"),
        (["--map", "subscribed=email.subscribed"], "--set phone.subscribed=true (or false)"),
        (["--map", "subscribed=phone.subscribed"], "--set email.subscribed=true (or false)"),
        (["--set", "subscribed=false"], "subscribed would be filled twice"),
        (
            ["--map", "subscribed=email.subscribed", "--set", "phone.subscribed=false"],
            "unsubscribed",
        ),
        (["--set", "phone.subscribed=no"], "unsubscribed"),
        (["--map", "subscribed=all.subscribed"], "subscribed"),
    ],
)
def test_a_status_is_of_one_channel(command: Command, words: list[str], phone: str) -> None:
    """A phone is not subscribed because the e-mail is: which channel a column is about has to be said."""
    with Service() as service, TemporaryDirectory() as folder:
        done = command(
            "import",
            CASES / "consent-per-channel.csv",
            *RETAINFUL,
            *words,
            "--journal",
            f"{folder}/j",
            service=service,
        )
    if phone.endswith("subscribed") and " " not in phone:
        assert statuses(service) == {"anna": "subscribed", "+12025550123": phone}
    else:
        assert (done.code, service.times) == (2, [])
        assert phone in done.err


def test_an_import_goes_on_where_statuses_are_told_in_another_way(
    command: Command, file: File
) -> None:
    """Saying which channel a status is about makes no other import: its journal goes on, and rows that are as they were are not sent."""
    people = "firstName,email,subscribed\nA,a@example.com,yes\nB,b@example.com,no\n"
    with Service() as service:
        assert command("import", file(people), *RETAINFUL, service=service).code == 0
        with_phones = (
            people.replace("\n", ",phone\n", 1)
            .replace("yes", "yes,")
            .replace("no\n", "no,+12025550123\n")
        )
        words = ["import", file(with_phones), *RETAINFUL]
        assert "which of email and phone" in command(*words, service=service).err
        told = ["--map", "subscribed=email.subscribed", "--set", "phone.subscribed=true"]
        done = command(*words, *told, "--output", "json", service=service)
        assert (done.code, done.told["skipped"], done.told["accepted"]) == (0, 1, 1)
        assert statuses(service) == {
            "a": "subscribed",
            "b": "unsubscribed",
            "+12025550123": "subscribed",
        }
        again = command(
            *words, "--map", "subscribed=all.subscribed", "--output", "json", service=service
        )
        assert (again.code, again.told["skipped"], again.told["accepted"]) == (0, 1, 1)
        assert statuses(service)["+12025550123"] == "unsubscribed"


def test_a_channel_without_a_number_needs_no_status(command: Command, file: File) -> None:
    """An empty status rejects a row only where its channel is filled, also in JSON, and no constant stands in for it."""
    rows = [
        "Ada,a@example.com,,yes,",
        "Bob,b@example.com,+12025550123,yes,",
        "Cy,,+12025550124,,no",
        "Di,d@example.com,,,no",
    ]
    header = "firstName,email,phone,email_subscribed,phoneSubscribed"
    lines = [
        json.dumps(
            {
                name: cell or None
                for name, cell in zip(header.split(","), row.split(","), strict=True)
            }
        )
        for row in rows
    ]
    for path in (file("\n".join([header, *rows])), file("\n".join(lines), "in.jsonl")):
        with Service() as service:
            assert (
                command(
                    "import", path, *RETAINFUL, "--set", "subscribed=true", service=service
                ).code
                == 1
            )
        assert statuses(service) == {"a": "subscribed", "+12025550124": "unsubscribed"}


def test_one_contact_needs_a_status(command: Command) -> None:
    """``upsert`` does not make a consent up either."""
    person = ["upsert", "--set", "email=ada@example.com", "--set", "firstName=Ada", *RETAINFUL]
    with Service() as service:
        assert "--set subscribed=true" in command(*person, service=service).err
        assert command(*person, "--set", "subscribed=no", service=service).code == 0
        assert statuses(service) == {"ada": "unsubscribed"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("subscribed", "must have the form"),
        ("subscribed: yes", "WORD,WORD=VALUE"),
        ("subscribed: ,y=subscribed", "a word is empty"),
        ("subscribed: y=subscribed; Y=unsubscribed", "two meanings"),
        ("status: y=subscribed", "--values names 'status'; the columns are"),
    ],
)
def test_words_that_cannot_be_used(command: Command, value: str, said: str) -> None:
    """Each mistake in ``--values`` is one sentence."""
    done = command(
        "import", CASES / "consent-words.csv", *RETAINFUL, "--dry-run", "--values", value
    )
    assert done.code == 2
    assert said in done.err


SAID = st.sampled_from(["", " ", "yes", "no", "SUBSCRIBED", "unsubscribed", "y", "maybe", "1", "0"])
STATUS_COLUMNS = st.sets(
    st.sampled_from(["subscribed", "email.subscribed", "phone.subscribed", "all.subscribed"])
)


@given(
    columns=STATUS_COLUMNS,
    cells=st.tuples(SAID, SAID, SAID, SAID),
    phone=st.booleans(),
    constant=st.sampled_from([None, "yes", "no"]),
)
def test_nobody_is_subscribed_in_silence(
    columns: set[str], cells: tuple[str, ...], phone: bool, constant: str | None
) -> None:
    """An identifier is subscribed where its own column, or one about all, or an option says yes, and by nothing else."""
    header = ["email", "phone", *sorted(columns)]
    mapping = ColumnMapping(
        VENDORS["retainful"].mapper(),
        constants={
            "firstName": "Ada",
            "listIds": "a",
            "consent.createdAt": "2024-03-21",
            "consent.ip": "192.0.2.7",
            "consent.source": "import",
            **({} if constant is None else {"subscribed": constant}),
        },
    )
    try:
        mapping.bind(header)
        body = mapping.of_cells(
            ["a@example.com", "+12025550123" if phone else "", *cells[: len(columns)]]
        )
    except (CellError, InputError):
        return
    cell_of = dict(zip(header[2:], cells, strict=False))
    for each in body["identifiers"]:
        own = [cell_of.get(name) for name in (f"{each['type']}.subscribed", "all.subscribed")]
        said = next((cell for cell in (*own, constant) if cell is not None), None)
        if said is None:
            said = cell_of["subscribed"]
            assert sum(f"{kind}.subscribed" not in columns for kind in ("email", "phone")) == 1
        is_subscribed = each["channels"][each["type"]]["status"] == "subscribed"
        assert is_subscribed == (said.lower() in ("yes", "1", "subscribed"))
        assert said.strip()

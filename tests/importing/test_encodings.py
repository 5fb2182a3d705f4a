"""An input in a code page is never guessed: it is shown how the likeliest ones read it, and nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_apis._importing.encoding import CODE_PAGES, find_encoding, readings
from tests.conftest import ROOT

from .conftest import Command, results_in
from .service import Service

CASES = ROOT / "tests" / "data" / "field-cases"
NAMES = {
    "cp1252": ("José", "Zoë", "Müller"),
    "cp1250": ("Łukasz", "Żółć", "Dvořák"),
    "cp1251": ("Мария", "Соловьёв"),
    "cp1253": ("Γιώργος", "Παπαδόπουλος"),
    "cp1254": ("Şükrü", "Işık"),
    "cp1255": ("אנה", "יוסי"),
    "cp1256": ("محمد", "فاطمة"),
    "cp874": ("สมชาย",),
    "cp932": ("山田", "太郎"),
    "euc_jp": ("山田", "花子"),
    "iso2022_jp": ("山田", "太郎"),
    "gb18030": ("王小明", "李伟"),
    "big5": ("陳大文", "林志玲"),
    "euc_kr": ("김철수", "이영희"),
    "koi8-r": ("Мария", "Иванов"),
    "mac-roman": ("José", "Müller"),
    "mac-cyrillic": ("Мария",),
    "cp437": ("José", "Zoë"),
    "cp852": ("Łukasz", "Żółć"),
    "cp862": ("כהן",),
    "cp866": ("Мария", "Иванов"),
}


@pytest.mark.parametrize(
    ("encoding", "form"),
    [(encoding, "csv") for encoding in NAMES]
    + [
        (encoding, form) for encoding in ("cp1255", "cp932") for form in ("jsonl", "header", "late")
    ],
)
def test_a_code_page_is_asked_for(
    command: Command, file: Callable[..., Path], tmp_path: Path, encoding: str, form: str
) -> None:
    """The import stops before the first request and shows the right reading among the likeliest; with ``--encoding`` it goes on."""
    ident = "4b4fd4b2-7c6d-4e5a-9a9a-0000000000"
    rows = [f"{ident}{number},{name}" for number, name in enumerate(NAMES[encoding], 10)]
    header = f"id,{NAMES[encoding][0]}" if form == "header" else "id,name"
    text = "\n".join([header, *rows])
    if form == "jsonl":
        pairs = [row.split(",") for row in rows]
        text = "\n".join(f'{{"id": "{ident}", "name": "{name}"}}' for ident, name in pairs)
    if form == "late":
        plain = "".join(f"{ident}{number},Ada\n" for number in range(20, 99)) * 30
        text = "\n".join(["id,name", plain.strip(), *rows])
    path = file(text.encode(encoding), "in.jsonl" if form == "jsonl" else "in.csv")
    with Service() as service:
        words = ["import", path, "--to", "pristo", "--journal", tmp_path / "j"]
        done = command(*words, service=service)
        assert (done.code, service.sent) == (2, {})
        assert done.err.splitlines()[-1].startswith("contact-apis: ")
        assert "--encoding" in done.err.splitlines()[-1]
        assert any(name in done.err for name in NAMES[encoding])
        if form not in ("header", "late"):
            words += ["--encoding", encoding]
            assert command(*words, service=service).code == 0
            sent = {bodies[-1]["contact"]["name"] for bodies in service.applied.values()}
            assert sent >= set(NAMES[encoding])


@pytest.mark.parametrize(
    ("case", "reading"),
    [
        ("hebrew-cp1255.csv", "cp1255       יוסי"),
        ("cyrillic-cp1251.csv", "cp1251       Петров"),
        ("japanese-cp932.csv", "cp932        太郎"),
    ],
)
def test_field_cases_in_code_pages(command: Command, case: str, reading: str) -> None:
    """Each field case stops with the cell as its language has it among the readings, and no whole row is shown."""
    with Service() as service:
        done = command("import", CASES / case, "--to", "pristo", service=service)
    assert (done.code, service.sent) == (2, {})
    assert reading in done.err
    assert "@" not in done.err


def test_one_bad_byte_is_named_by_line_and_column(command: Command, tmp_path: Path) -> None:
    """In a file of UTF-8 a damaged byte rejects its row alone."""
    words = ["--to", "pristo", "--journal", tmp_path / "j", "--results", tmp_path / "r"]
    with Service() as service:
        done = command("import", CASES / "utf8-with-one-bad-byte.csv", *words, service=service)
    assert done.code == 1
    assert [bodies[-1]["contact"]["name"] for bodies in service.applied.values()] == ["José"]
    refused = [each for each in results_in(tmp_path / "r") if each["state"] == "refused"]
    assert [(each["line"], each["error"]) for each in refused] == [(3, "is not utf-8 in 'name'")]


def test_utf_8_can_be_named(command: Command, file: Callable[..., Path], tmp_path: Path) -> None:
    """With ``--encoding utf-8`` the rows that are not UTF-8 are rejected one by one."""
    ident = "4b4fd4b2-7c6d-4e5a-9a9a-00000000001"
    path = file(f"id,name\n{ident}1,Jos\xe9\n{ident}2,Zo\xeb\n{ident}3,Ada\n".encode("latin-1"))
    words = ["import", path, "--to", "pristo", "--dry-run", "--output", "json"]
    assert command(*words).code == 2
    assert command(*words, "--encoding", "utf-8").told == {
        "rows": 3,
        "ending": "finished",
        "dry_run": True,
        "fit": 1,
        "refused": 2,
        "exit_code": 1,
    }


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("old.xls", "an old Excel workbook"),
        ("html-as-xls.csv", "an HTML page"),
        ("contacts.vcf", "a file of vCards"),
    ],
)
def test_other_kinds_of_files_are_named(command: Command, case: str, what: str) -> None:
    """What is no table of contacts is named for what it is."""
    done = command("import", CASES / case, "--to", "pristo", "--dry-run")
    assert done.code == 2
    assert f"{case} is {what}" in done.err


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_have_readings_or_none(data: bytes) -> None:
    """Whatever the bytes are, what is shown is short and printable, and each reading once."""
    found = find_encoding(data, [data])
    shown = readings(found.evidence)
    assert all(each.encoding in CODE_PAGES and each.text.isprintable() for each in shown)
    assert len({each.text for each in shown}) == len(shown)

"""Reading whatever people have: every row is taken or named, and nothing ends in a traceback."""

from __future__ import annotations

import gzip
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.strategies import damaged_inputs

from .conftest import Command, called, results_in

IDS = [f"4b4fd4b2-7c6d-4e5a-9a9a-0000000000{number:02}" for number in range(10, 22)]
CSV = "id,email,name,phone\n" + "".join(
    f"{each},user{each[-2:]}@example.com,Zoë,+442079460123\n" for each in IDS
)
LINES = "".join(
    f'{{"id": "{each}", "email": "user{each[-2:]}@example.com", "name": "Zoë"}}\n' for each in IDS
)
EXAMPLES = int(os.environ.get("IMPORT_INPUTS", "150"))


def dry(content: bytes, name: str) -> None:
    """A dry run over an input, in which every row that is still whole has to turn up."""
    with TemporaryDirectory() as folder:
        path, results, failed = (
            Path(folder) / name,
            Path(folder) / "results.jsonl",
            Path(folder) / "failed",
        )
        path.write_bytes(content)
        done = called(
            "import",
            path,
            "--to",
            "pristo",
            "--dry-run",
            "--output",
            "json",
            "--results",
            results,
            "--failed",
            failed,
        )
        if done.code == 2:
            assert done.err.splitlines()[-1].startswith("contact-apis: ")
            assert not done.out
            return
        rows = results_in(results)
        assert done.code == int(any(each["state"] == "refused" for each in rows))
        assert done.told["rows"] == len(rows)
        assert all(each["error"] for each in rows if each["state"] == "refused")
        assert {each["state"] for each in rows} <= {"pending", "refused"}
        lines = [each["line"] for each in rows]
        assert lines == sorted(set(lines))
        # Each id that survived whole stands in a row that was taken, or in the file of those that were not.
        taken, told = {str(each["id"]).lower() for each in rows}, failed.read_text("utf-8").lower()
        plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        encoding = re.findall(r"(?:, |lines, )((?:utf|cp)[\w-]+)", done.err)[0]
        header, _, text = (
            plain.decode(encoding, "replace").lower().partition("\n")
            if name.endswith(".csv")
            else ("", "", plain.decode(encoding, "replace").lower())
        )
        assert [
            each
            for each in IDS
            if each in text and each not in header and each not in taken and each not in told
        ] == []


quick = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quick
@given(damaged_inputs(CSV))
@example(b"")
@example(b"\n\n")
@example(b"id\n\xff")
@example(b'id,email\n"4b4fd4b2')
@example(b"id,id\n1,2\n")
@example(b"id,,email\n")
@example(CSV.encode("utf-16")[:-1])
@example(gzip.compress(CSV.encode())[:60])
@example(CSV.replace("Zoë", "A" * 10_000_000, 1).encode())
def test_no_csv_is_too_damaged(content: bytes) -> None:
    """A damaged CSV is refused in one sentence, or each of its rows is taken or named with its line and a reason."""
    dry(content, "in.csv")


@quick
@given(damaged_inputs(LINES))
@example(b"{}")
@example(b"[]\n1\nnull\n{")
@example(b'{"id": 7}\n')
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"import_text": 1}\n')
def test_no_json_lines_are_too_damaged(content: bytes) -> None:
    """And so are JSON lines."""
    dry(content, "in.jsonl")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("compressed", [False, True])
def test_encoding_and_delimiter_are_found_out_and_said(
    command: Command,
    file: Callable[..., Path],
    tmp_path: Path,
    encoding: str,
    delimiter: str,
    compressed: bool,
) -> None:
    """Whatever a spreadsheet saves is read as it was meant, and it is said how it was read."""
    data = CSV.replace(",", delimiter).encode(encoding)
    path = file(
        gzip.compress(data) if compressed else data, "in.csv.gz" if compressed else "in.csv"
    )
    done = command(
        "import",
        path,
        "--to",
        "pristo",
        "--dry-run",
        "--output",
        "json",
        "--results",
        tmp_path / "r",
    )
    assert done.told["fit"] == len(IDS)
    assert (encoding in done.err) or (encoding == "utf-32" and "utf-32" in done.err)
    assert {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}[delimiter] in done.err
    assert ("gzip" in done.err) == compressed


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
            min_size=1,
            max_size=1,
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=50, deadline=None)
def test_what_is_written_as_failed_can_be_imported_again(names: list[list[str]]) -> None:
    """The file of failed rows has the rows as they were, a reason in front, and is an input of the same command."""
    with TemporaryDirectory() as folder:
        path, failed, again = (
            Path(folder) / name for name in ("in.jsonl", "failed.jsonl", "again.jsonl")
        )
        path.write_text(
            "".join(f'{{"id": "no uuid", "name": {_quoted(name)}}}\n' for (name,) in names), "utf-8"
        )
        first = called("import", path, "--to", "pristo", "--dry-run", "--failed", failed)
        second = called("import", failed, "--to", "pristo", "--dry-run", "--failed", again)
        assert first.code == second.code == 1
        assert failed.read_bytes() == again.read_bytes()
        assert [each["name"] for each in results_in(failed)] == [name for (name,) in names]
        assert all("contact.id" in each["import_error"] for each in results_in(failed))


def _quoted(text: str) -> str:
    import json

    return json.dumps(text)


def test_files_with_contacts_are_for_their_owner_alone(
    command: Command, file: Callable[..., Path], tmp_path: Path
) -> None:
    """Results and failed rows are made with mode 0600."""
    path = file(CSV + "x,y,z,a\n")
    command(
        "import",
        path,
        "--to",
        "pristo",
        "--dry-run",
        "--results",
        tmp_path / "r",
        "--failed",
        tmp_path / "f",
    )
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("r", "f")} == {0o600}

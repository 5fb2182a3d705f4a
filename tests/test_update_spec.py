"""``make update-spec``: a vendor's page or document is taken over once its reader has seen what it breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.changes.update_spec import checksum_of
from tests.conftest import Run

NEW_FIELD = {"type": "string", "maxLength": 40}


@pytest.fixture
def page(checkout: Path) -> Path:
    """A vendor's page with Pristo's document of tomorrow in a block of code, on one line as the vendor writes it."""
    document = json.loads((checkout / "specs/pristo.json").read_bytes())
    document["components"]["schemas"]["Contact"]["properties"]["nickname"] = NEW_FIELD
    file = checkout / "page.md"
    file.write_text(f"# Contacts\n\n```json\n{json.dumps(document)}\n```\n", "utf-8")
    return file


def update(
    run: Run, checkout: Path, file: Path | str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """What make runs, where nobody can answer."""
    return run(
        *("bash", "-c", f"exec {sys.executable} -m tests.changes.update_spec </dev/null"),
        cwd=checkout,
        FILE=str(file),
        PYTHONPATH=f"{checkout}/contrib:{checkout}/generated",
        **variables,
    )


def specs_of(checkout: Path) -> dict[str, bytes]:
    """The files of ``specs/``, hidden ones among them."""
    return {path.name: path.read_bytes() for path in (checkout / "specs").glob("*.*")}


def test_a_page_becomes_the_document_with_its_checksum(
    run: Run, checkout: Path, page: Path
) -> None:
    """The changes are shown first; the document is indented, and the checksum in specs/README.md is its own."""
    done = update(run, checkout, page, API="pristo", YES="1")
    assert done.returncode == 0, done.stderr
    assert "contact.nickname: member nickname is new" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("wrote specs/pristo.json; now run make generate")
    text = (checkout / "specs/pristo.json").read_text("utf-8")
    assert (
        json.loads(text)["components"]["schemas"]["Contact"]["properties"]["nickname"] == NEW_FIELD
    )
    assert text.startswith('{\n  "openapi"')
    assert checksum_of(text) in (checkout / "specs/README.md").read_text("utf-8")
    assert "already" in update(run, checkout, page, API="pristo").stdout


def test_nothing_is_written_without_a_yes(run: Run, checkout: Path, page: Path) -> None:
    """Nobody there to answer is a no, and exit code 1."""
    before = specs_of(checkout)
    done = update(run, checkout, page, API="pristo")
    assert (done.returncode, specs_of(checkout)) == (1, before)
    assert "nothing was written" in done.stdout


@pytest.mark.parametrize(
    ("content", "api", "says"),
    [
        ("# a page without a document", "pristo", "has no OpenAPI document"),
        (
            '{"openapi": "3.0.3", "info": {}, "paths": {}}',
            "pristo",
            "is not a valid OpenAPI document",
        ),
        ("", "", "give both API=pristo or API=retainful and FILE="),
        (None, "pristo", "cannot be read"),
    ],
    ids=["no-document", "not-valid", "no-api", "no-file"],
)
def test_what_cannot_be_used_changes_nothing(
    run: Run, checkout: Path, content: str | None, api: str, says: str
) -> None:
    """One sentence and exit code 2."""
    before = specs_of(checkout)
    file = checkout / "given"
    if content is not None:
        file.write_text(content, "utf-8")
    done = update(run, checkout, file, API=api, YES="1")
    assert (done.returncode, specs_of(checkout)) == (2, before)
    assert says in done.stderr
    assert "Traceback" not in done.stderr

"""The issue forms ask for what is needed, and what they name exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.clauses import load_clauses

ROOT = Path(__file__).parents[1]
FORMS = sorted(
    path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
)


def form_of(path: Path) -> dict[str, Any]:
    form: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return form


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_complete(path: Path) -> None:
    """It has a name, a description and questions; each question has an id of its own, a label, and must be answered."""
    form = form_of(path)
    assert form["name"]
    assert form["description"]
    questions = [part for part in form["body"] if part["type"] != "markdown"]
    ids = [question["id"] for question in questions]
    assert len(set(ids)) == len(ids) > 3
    assert {"command", "version"} <= set(ids)
    for question in questions:
        assert question["type"] in ("input", "textarea")
        assert question["attributes"]["label"]
        assert question["validations"] == {"required": True}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_what_a_form_names_exists(path: Path) -> None:
    """Clauses, make targets and options of the command are those of this tree."""
    text = path.read_text("utf-8")
    targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"))
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= set(targets)
    assert set(re.findall(r"\b(?:pristo|retainful)\.[a-z-]+", text)) <= set(load_clauses())
    golden = (ROOT / "tests/data/golden/help").glob("*.txt")
    help_texts = "".join(page.read_text("utf-8") for page in golden)
    for option in re.findall(r"(?<!\w)--[a-z-]+", text):
        assert option in help_texts


def test_three_forms_and_no_dead_end() -> None:
    """A false alarm, a missed promise, a file that does not go in; anything else can be written freely."""
    assert [path.stem for path in FORMS] == [
        "false-alarm",
        "file-does-not-go-in",
        "missed-promise",
    ]
    config = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text("utf-8"))
    assert config["blank_issues_enabled"] is True

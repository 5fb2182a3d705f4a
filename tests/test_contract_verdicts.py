"""What each verdict claims: `conforms` covers every documented clause, and `incomplete` names what it does not cover."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contact_apis.mock import MockServer
from tests.conftest import Run, contract, live


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer(second_population=True, custom_fields=["tier", "notes"]) as server:
        yield server


def test_a_clause_left_out_for_our_budget_makes_the_run_incomplete(run: Run, mock: MockServer, tmp_path: Path) -> None:
    """Without new contacts nothing shows a create; the verdict is `incomplete`, exit 3, and names clause and variable."""
    code, line, results = contract(run, tmp_path, **live(mock, API="pristo", CONTRACT_NEW_CONTACTS="0"))
    assert (code, results["verdict"]) == (3, "incomplete")
    assert "pristo.create-answers-201" in results["left_out"]
    assert "pristo.create-answers-201" in results["reason"]
    assert "CONTRACT_NEW_CONTACTS" in results["reason"]
    assert results["reason"] in line
    assert "the run is incomplete" in (tmp_path / "index.html").read_text("utf-8")


def test_what_an_account_cannot_show_does_not_make_a_run_incomplete(run: Run, tmp_path: Path) -> None:
    """Without a second population and custom fields the run conforms, and those clauses say what they would need."""
    with MockServer() as server:
        code, _, results = contract(run, tmp_path, **live(server, API="pristo"))
    assert (code, results["verdict"], results["left_out"]) == (0, "conforms", [])
    notes = {each["id"]: each["observation"] for each in results["clauses"] if each["result"] == "not-exercised"}
    assert "PRISTO_SECOND_POPULATION_ID" in notes["pristo.populations-apart"]
    assert "PRISTO_CUSTOM_FIELDS" in notes["pristo.custom-fields-accepted"]

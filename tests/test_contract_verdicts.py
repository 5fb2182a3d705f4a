"""What each verdict claims: `conforms` covers every documented clause, and `incomplete` names what it does not cover."""

from __future__ import annotations

from pathlib import Path

from contact_apis.mock import MockServer
from tests.conftest import Run, contract, live


def test_what_an_account_cannot_show_does_not_make_a_run_incomplete(
    run: Run, tmp_path: Path
) -> None:
    """Without a second population and custom fields the run conforms, and those clauses say what they would need."""
    with MockServer() as server:
        code, _, results = contract(run, tmp_path, **live(server, API="pristo"))
    assert (code, results["verdict"], results["left_out"]) == (0, "conforms", [])
    notes = {
        each["id"]: each["observation"]
        for each in results["clauses"]
        if each["result"] == "not-exercised"
    }
    assert "PRISTO_SECOND_POPULATION_ID" in notes["pristo.populations-apart"]
    assert "PRISTO_CUSTOM_FIELDS" in notes["pristo.custom-fields-accepted"]

"""The contract run as its owner meets it: verdicts, exit codes, sentences and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contact_apis.mock import MockServer
from tests.conftest import ROOT, Run, contract, live
from tests.contract.clauses import load_clauses

Json = dict[str, Any]


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer(second_population=True, custom_fields=["tier", "notes"]) as server:
        yield server


def test_live_and_mock_give_the_same_verdict(run: Run, mock: MockServer, tmp_path: Path) -> None:
    """The mock in another process, addressed as the real service would be."""
    code, line, results = contract(run, tmp_path, **live(mock))
    assert (code, results["verdict"], results["target"]) == (0, "conforms", "live")
    assert "conforms" in line
    assert results["reason"] is None
    assert {each["id"] for each in results["clauses"]} == set(load_clauses())
    documented = [each for each in results["clauses"] if each["evidence"] == "documented"]
    assert [each["id"] for each in documented if each["result"] != "pass"] == ["pristo.429-envelope"]
    assert {each["result"] for each in results["clauses"] if each["evidence"] != "documented"} == {"observed"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PRISTO_API_KEY": "wrong"}, "PRISTO_API_KEY"),
        ({"PRISTO_POPULATION_ID": "00000000-0000-4000-8000-000000000000"}, "PRISTO_POPULATION_ID"),
        ({"RETAINFUL_APP_ID": "wrong", "API": "retainful"}, "RETAINFUL_APP_ID"),
        ({"RETAINFUL_LIST_ID": ""}, "RETAINFUL_LIST_ID is not set; set it, or choose the other API alone with API=pristo"),
        ({"PRISTO_API_KEY": ""}, "API=retainful"),
        ({"PRISTO_BASE_URL": "http://127.0.0.1:9"}, "PRISTO_BASE_URL"),
        ({"PRISTO_BASE_URL": "http://api.example.com"}, "https"),
        ({"PRISTO_BASE_URL": "nonsense"}, "PRISTO_BASE_URL"),
        ({"API": "both,three"}, "API=both,three"),
        ({"TARGET": "production"}, "TARGET=production"),
        ({"PROFILE": "slow"}, "PROFILE=slow"),
        ({"SEED": "x"}, "SEED=x"),
        ({"CONTRACT_RATE": "-1"}, "CONTRACT_RATE"),
        ({"PREVIOUS": "no-such-file.json"}, "PREVIOUS"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_run_that_cannot_start_says_why(run: Run, mock: MockServer, tmp_path: Path, variables: dict[str, str], says: str) -> None:
    """One sentence that names the variable, verdict could-not-run, exit code 2, and all three files."""
    code, line, results = contract(run, tmp_path, **live(mock, **variables))
    assert (code, results["verdict"]) == (2, "could-not-run")
    assert says in line
    assert results["reason"] in line
    ET.parse(tmp_path / "junit.xml")
    assert "could not say anything" in (tmp_path / "index.html").read_text("utf-8")


def test_the_same_seed_sends_the_same_requests(run: Run, tmp_path: Path) -> None:
    """To two services that are in the same state."""
    seen = []
    for _ in range(2):
        with MockServer(second_population=True, custom_fields=["tier"]) as server:
            server.app.arrived = type(server.app.arrived)(maxlen=None)
            contract(run, tmp_path, **live(server, SEED="7"))
            seen.append([(request.method, request.path, request.body) for _, request, _, _ in server.app.arrived])
    assert len(seen[0]) > 1000
    # What is sent at once arrives in any order.
    assert sorted(seen[0]) == sorted(seen[1])


def test_a_second_run_leaves_no_more_than_its_new_contacts(run: Run, tmp_path: Path) -> None:
    """Nor an address outside the reserved domains, nor a welcome e-mail, as a recording service sees it."""
    with MockServer(second_population=True, custom_fields=["tier"]) as server:
        server.app.arrived = type(server.app.arrived)(maxlen=None)
        counts = []
        for _ in range(3):
            _, _, results = contract(run, tmp_path, **live(server, CONTRACT_NEW_CONTACTS="5"))
            assert results["verdict"] == "conforms"
            counts.append({api: len(kept) for api, kept in server.state["contacts"].items()})
        bodies = [request.body.decode("utf-8", "replace") for _, request, _, _ in server.app.arrived]
    assert counts[1]["Pristo"] - counts[0]["Pristo"] <= 5
    assert counts[2]["Pristo"] - counts[1]["Pristo"] <= 5
    assert counts[2]["Retainful"] - counts[1]["Retainful"] <= 5
    assert counts[0]["Pristo"] <= 45 + 5 + 1
    addresses = {word for body in bodies for word in strings(body) if "@" in word.strip("@")}
    assert addresses
    assert [each for each in addresses if not each.rpartition("@")[2].endswith(("example.com", "example.org", "example.net"))] == []
    assert not any('"triggerWelcomeEmail": true' in body or '"triggerWelcomeEmail":true' in body for body in bodies)


def strings(text: str) -> Iterator[str]:
    """All strings of a JSON text, wherever they stand; nothing for text that is no JSON."""
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            waiting += [*node.values(), *node]
        elif isinstance(node, list):
            waiting += node


def test_an_interrupted_run_leaves_its_reports(mock: MockServer, tmp_path: Path) -> None:
    """Ctrl-C in the middle: verdict could-not-run, and what was checked is there."""
    env = {**os.environ, **live(mock, PROFILE="deep", REPORTS=str(tmp_path))}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract"], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as suite:
        assert suite.stdout is not None
        for line in suite.stdout:
            if "checking transport" in line:
                break
        time.sleep(0.2)
        suite.send_signal(signal.SIGINT)
        out, err = suite.communicate(timeout=30)
        assert suite.returncode == 2, out + err
    results = json.loads((tmp_path / "results.json").read_bytes())
    assert results["verdict"] == "could-not-run"
    assert "interrupted" in results["reason"]
    assert any(each["result"] == "pass" for each in results["clauses"])
    assert "Traceback" not in err


def test_a_service_that_dies_is_told_from_one_that_never_was(run: Run, tmp_path: Path) -> None:
    """It answered a good preflight, so its end is a breach, found in a bounded time."""
    with MockServer() as server:
        handle = server.app.answer

        def answer(*args: Any, **kwargs: Any) -> Any:
            if server.app.received > 200:
                server._server.should_exit = True  # noqa: SLF001  # a real end of a real server, from inside
                server._server.force_exit = True  # noqa: SLF001  # at once
            return handle(*args, **kwargs)

        server.app.answer = answer  # type: ignore[method-assign]  # the service that dies
        code, _, results = contract(run, tmp_path, **live(server, API="pristo"))
    assert (code, results["verdict"]) == (1, "violates")
    assert {each["clause"] for each in results["failures"]} == {"pristo.answers-every-request"}

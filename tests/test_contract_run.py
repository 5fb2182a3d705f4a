"""The contract run as its owner meets it: verdicts, exit codes, sentences and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from contact_apis.mock import MockServer
from tests.conftest import ROOT, Run, contract, live
from tests.contract.clauses import load_clauses
from tests.contract.run import main
from tests.contract.service import Call, Exchange

Json = dict[str, Any]


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer(second_population=True, custom_fields=["tier", "notes"]) as server:
        yield server


@frozen
class Recorded:
    """A run, and what the service saw and kept."""

    code: int
    line: str
    results: Json
    arrived: list[tuple[str, str, bytes]]
    kept: dict[str, int]


@pytest.fixture(scope="module")
def record(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[MockServer, str], Recorded]:
    """Makes a whole run with this seed against a recording service."""

    def record(server: MockServer, seed: str) -> Recorded:
        server.app.arrived = type(server.app.arrived)(maxlen=None)
        code, line, results = contract(
            run,
            tmp_path_factory.mktemp("reports"),
            **live(server, SEED=seed, CONTRACT_NEW_CONTACTS="5"),
        )
        arrived = [
            (request.method, request.path, request.body) for _, request, _, _ in server.app.arrived
        ]
        kept = {api: len(contacts) for api, contacts in server.state["contacts"].items()}
        return Recorded(code, line, results, arrived, kept)

    return record


@pytest.fixture(scope="module")
def two_runs(record: Callable[[MockServer, str], Recorded]) -> tuple[Recorded, Recorded]:
    """Two runs against one service, with different seeds; they take long, so the tests share them."""
    with MockServer(second_population=True, custom_fields=["tier"]) as server:
        return record(server, "7"), record(server, "8")


def test_live_and_mock_give_the_same_verdict(two_runs: tuple[Recorded, Recorded]) -> None:
    """The mock in another process, addressed as the real service would be."""
    first, _ = two_runs
    results = first.results
    assert (first.code, results["verdict"], results["target"]) == (0, "conforms", "live")
    assert "conforms" in first.line
    assert results["reason"] is None
    assert {each["id"] for each in results["clauses"]} == set(load_clauses())
    documented = [each for each in results["clauses"] if each["evidence"] == "documented"]
    assert [each["id"] for each in documented if each["result"] != "pass"] == [
        "pristo.429-envelope"
    ]
    assert {each["result"] for each in results["clauses"] if each["evidence"] != "documented"} == {
        "observed"
    }


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"RETAINFUL_LIST_ID": ""},
            "RETAINFUL_LIST_ID is not set; set it, or choose the other API alone with API=pristo",
        ),
        ({"PRISTO_API_KEY": ""}, "API=retainful"),
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
def test_a_variable_that_is_not_valid_is_named(
    mock: MockServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    says: str,
) -> None:
    """One sentence that names the variable, verdict could-not-run, exit code 2, and all three files; in this process, as nothing is sent."""
    code = main(live(mock, **{"PROFILE": "quick", **variables}, REPORTS=str(tmp_path)))
    could_not_run(tmp_path, code, capsys.readouterr().out.strip().splitlines()[-1], says)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PRISTO_API_KEY": "wrong"}, "PRISTO_API_KEY"),
        ({"PRISTO_POPULATION_ID": "00000000-0000-4000-8000-000000000000"}, "PRISTO_POPULATION_ID"),
        ({"RETAINFUL_APP_ID": "wrong", "API": "retainful"}, "RETAINFUL_APP_ID"),
        ({"PRISTO_BASE_URL": "http://127.0.0.1:9"}, "PRISTO_BASE_URL"),
        ({"TARGET": "production"}, "TARGET=production"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_run_that_cannot_start_says_why(
    run: Run, mock: MockServer, tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    """The same where the service has to be asked, and for a variable, in a process of its own."""
    code, line, _ = contract(run, tmp_path, **live(mock, **variables))
    could_not_run(tmp_path, code, line, says)


def could_not_run(tmp_path: Path, code: int, line: str, says: str) -> None:
    """Makes sure of verdict, sentence and files."""
    results = json.loads((tmp_path / "results.json").read_bytes())
    assert (code, results["verdict"]) == (2, "could-not-run")
    assert says in line
    assert results["reason"] in line
    ET.parse(tmp_path / "junit.xml")
    assert "reached no verdict" in (tmp_path / "index.html").read_text("utf-8")


def test_the_same_seed_sends_the_same_requests(
    two_runs: tuple[Recorded, Recorded], record: Callable[[MockServer, str], Recorded]
) -> None:
    """To two services that are in the same state."""
    first, _ = two_runs
    with MockServer(second_population=True, custom_fields=["tier"]) as server:
        again = record(server, "7")
    assert len(first.arrived) > 1000
    # What is sent at once arrives in any order.
    assert sorted(first.arrived) == sorted(again.arrived)


def test_a_second_run_leaves_no_more_than_its_new_contacts(
    two_runs: tuple[Recorded, Recorded],
) -> None:
    """Nor an address outside the reserved domains, nor a welcome e-mail, as a recording service sees it."""
    first, second = two_runs
    assert (first.results["verdict"], second.results["verdict"]) == ("conforms", "conforms")
    assert first.kept["Pristo"] <= 45 + 5 + 1
    assert second.kept["Pristo"] - first.kept["Pristo"] <= 5
    assert second.kept["Retainful"] - first.kept["Retainful"] <= 5
    bodies = [body.decode("utf-8", "replace") for _, _, body in [*first.arrived, *second.arrived]]
    addresses = {word for body in bodies for word in strings(body) if "@" in word.strip("@")}
    assert addresses
    assert [
        each
        for each in addresses
        if not each.rpartition("@")[2].endswith(("example.com", "example.org", "example.net"))
    ] == []
    assert not any(
        '"triggerWelcomeEmail": true' in body or '"triggerWelcomeEmail":true' in body
        for body in bodies
    )


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
    env = {**os.environ, **live(mock, API="retainful", PROFILE="deep", REPORTS=str(tmp_path))}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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


@pytest.mark.parametrize("brackets", ["[]", "{}"], ids=["arrays", "objects"])
def test_a_body_nested_too_deeply_is_no_json_and_no_fault_of_the_suite(brackets: str) -> None:
    """Services on other runtimes accept what Python does not read; then the suite reads its own request again."""
    opening = brackets[0] if brackets == "[]" else '{"x":'
    body = (opening * 10_000 + "0" + brackets[1] * 10_000).encode()
    call = Call("POST", "http://127.0.0.1/", (), body)
    for message in (call, Exchange(call, 200, {}, body)):
        with pytest.raises(ValueError, match="nested too deeply"):
            message.json()

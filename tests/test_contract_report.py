"""What a contract run reports: failures that can be seen again, no secrets, what has changed."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from contact_apis._mocking.service import Request, Response
from contact_apis._openapi.document import Operation
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis.mock import MockServer
from tests.conftest import SMALL, Run, contract, live
from tests.mutants.catalogue import Subject, SubjectServer

Json = dict[str, Any]


def test_no_secret_stands_in_any_report(run: Run, tmp_path: Path) -> None:
    """Not even when the service echoes it in an error, in a header, or in another letter case."""
    with MockServer() as server:
        secrets = [
            value
            for each in (server.pristo, server.retainful)
            for value in each.credentials.values()
        ]
        honest = type(server.pristo).error

        def echo(self: Any, operation: Any, status: int, code: str, message: str) -> Any:
            answer = honest(
                self, operation, status, code, f"{message} {' '.join(secrets)} {secrets[0].upper()}"
            )
            answer.headers["X-Echo"] = secrets[0]
            answer.status = 418
            return answer

        server.pristo.error = echo.__get__(server.pristo)  # type: ignore[method-assign]  # the service that tells too much
        server.retainful.error = echo.__get__(server.retainful)  # type: ignore[method-assign]  # likewise
        done = run(
            "python",
            "-m",
            "tests.contract",
            REPORTS=str(tmp_path),
            **live(server, PROFILE="quick", **SMALL),
        )
    assert json.loads((tmp_path / "results.json").read_bytes())["verdict"] == "violates"
    texts = [
        done.stdout,
        done.stderr,
        *(each.read_text("utf-8") for each in tmp_path.rglob("*") if each.is_file()),
    ]
    assert len(texts) > 5
    for secret in secrets:
        assert not any(secret.lower() in text.lower() for text in texts)


def test_a_service_that_throttles_conforms(run: Run, tmp_path: Path) -> None:
    """A fiftieth of all requests answered 429 with Retry-After is obeyed, and is no failure."""
    with MockServer(faults=["429=0.004"]) as server:
        code, _, results = contract(run, tmp_path, **live(server, API="retainful"))
    assert (code, results["verdict"]) == (0, "conforms")
    observed = {each["id"]: each["observation"] for each in results["clauses"]}
    assert "429" in observed["retainful.rate-limit"]


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        ("500=0.05", "no-server-error"),
        ("malformed=0.05", "answers-are-json"),
        ("truncate=0.05", "answers-every-request"),
    ],
)
def test_a_breach_comes_with_its_reproducer(
    run: Run, tmp_path: Path, fault: str, clause: str
) -> None:
    """The clause, what was seen, a curl line and a Python snippet, the request and the answer."""
    with MockServer(faults=[fault]) as server:
        code, line, results = contract(run, tmp_path, **live(server, FAILFAST="1", API="retainful"))
        assert (code, results["verdict"]) == (1, "violates")
        failure = results["failures"][0]
        assert failure["clause"] == f"retainful.{clause}"
        assert failure["clause"] in line
        assert failure["curl"].startswith("#!/usr/bin/env bash")
        assert failure["request"].startswith("curl")
        compile(failure["python"], "reproducer", "exec")
        assert failure["minimal"]["request"]["method"] == "POST"
        assert ET.parse(tmp_path / "junit.xml").find(".//failure") is not None


class Forgetful(PristoMock):
    """Forgets a contact's last name when, right after a refused request, an update gives the phone and not the last name."""

    refused = False

    def handle(self, operation: Operation, request: Request) -> Response:
        """Remembers whether it refused."""
        answer = super().handle(operation, request)
        self.refused = answer.status >= 400
        return answer

    def merge(self, stored: Json, given: Json) -> Json:
        """What is stored."""
        merged = super().merge(stored, given)
        if self.refused and "phone" in given and "lastName" not in given:
            merged.pop("lastName", None)
        return merged


def test_what_only_a_sequence_shows_is_reported_with_the_whole_of_it(
    run: Run, tmp_path: Path
) -> None:
    """The requests of the minimal example in order; curl lines and Python snippet show the breach again when they are pasted."""
    forgetful = Subject(
        "pristo.forgetful",
        "pristo",
        "Forgets.",
        frozenset({"pristo.update-keeps-the-rest"}),
        Forgetful,
    )
    with SubjectServer(forgetful) as server:
        code, _, results = contract(
            run, tmp_path, **live(server, CLAUSE="pristo.update-keeps-the-rest", SEED="1")
        )
        assert code == 1
        (failure,) = results["failures"]
        assert failure["clause"] == "pristo.update-keeps-the-rest"
        # Three contacts are brought to a known state; then one request is refused and one forgets.
        assert len(failure["minimal"]["before"]) == 4
        assert failure["requests"] == 5
        assert failure["python"].count("            Request(") == 5
    with SubjectServer(forgetful) as server:
        for command in (["python", "-c", failure["python"]], ["bash", "-c", failure["curl"]]):
            done = run(*command, **server.env)
            assert done.returncode == 1
            assert done.stdout.startswith(
                "violation shown: pristo.update-keeps-the-rest: /contact/lastName is missing"
            )
    assert "after 4 other requests" in (tmp_path / "index.html").read_text("utf-8")


def test_a_run_that_is_cut_says_so(run: Run, tmp_path: Path) -> None:
    """With FAILFAST what was not looked at is counted, not listed; each clause that is broken stands there once."""
    with MockServer(faults=["malformed=0.05"]) as server:
        done = run(
            "python",
            "-m",
            "tests.contract",
            REPORTS=str(tmp_path / "cut"),
            **live(server, PROFILE="quick", FAILFAST="1"),
        )
        assert re.search("The run ended early: [0-9]+ clauses were not looked at", done.stdout)
        assert "Not exercised" not in done.stdout
        _, _, results = contract(run, tmp_path / "whole", **live(server, API="retainful", **SMALL))
    clauses = [each["clause"] for each in results["failures"]]
    assert len(clauses) == len(set(clauses))


def test_drift_is_told_against_an_earlier_run(run: Run, tmp_path: Path) -> None:
    """What the service does otherwise than in PREVIOUS is marked."""
    with MockServer(retainful_email="never") as server:
        contract(run, tmp_path / "before", **live(server, CLAUSE="retainful.email-to-create"))
    with MockServer(retainful_email="to-create") as server:
        previous = str(tmp_path / "before/results.json")
        contract(
            run,
            tmp_path / "after",
            **live(server, CLAUSE="retainful.email-to-create", PREVIOUS=previous),
        )
    assert "changed; was: never" in (tmp_path / "after/index.html").read_text("utf-8")

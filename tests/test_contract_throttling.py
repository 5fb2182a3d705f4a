"""A service that throttles requests at once: 429 is obeyed, what can be seen is judged, and what cannot is said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from contact_apis._mocking.service import MockService, Request, Response
from contact_apis._openapi.document import Operation
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.retainful.mock import RetainfulMock
from tests.conftest import Run, contract
from tests.mutants.catalogue import Subject, SubjectServer, load

Json = dict[str, Any]
WINDOW = 0.5  # seconds


def throttling(service: type[MockService], most: int) -> type[MockService]:
    """The same service, which answers 429 where more than so many new connections come within half a second."""

    def handle(self: Any, operation: Operation, request: Request) -> Response:
        connection = request.headers[":connection"]
        seen: dict[str, float] = self.__dict__.setdefault("seen", {})
        now = time.monotonic()
        if connection not in seen:
            if sum(now - when < WINDOW for when in seen.values()) >= most:
                answer: Response = self.error(operation, 429, "throttled", "Too many at once.")
                answer.headers["Retry-After"] = "1"
                return answer
            seen[connection] = now
        return service.handle(self, operation, request)

    return type("Throttling", (service,), {"handle": handle})


def results_of(run: Run, folder: Path, service: type[MockService], most: int, clauses: str) -> Json:
    """The results of a run that looks at these clauses alone."""
    api = "pristo" if issubclass(service, PristoMock) else "retainful"
    subject = Subject(
        f"{api}.throttling", api, "Throttles.", frozenset(), throttling(service, most)
    )
    with SubjectServer(subject) as server:
        _, _, results = contract(
            run, folder, **server.env, TARGET="live", API=api, SEED="1", CLAUSE=clauses
        )
    return results


@pytest.mark.parametrize(
    ("service", "clauses"),
    [
        (PristoMock, "pristo.concurrent-creates-once,pristo.id-identifies"),
        (RetainfulMock, "retainful.concurrent-upserts"),
    ],
)
def test_requests_at_once_that_are_throttled_are_sent_again_fewer_at_a_time(
    run: Run, tmp_path: Path, service: type[MockService], clauses: str
) -> None:
    """A service that takes three at once has kept its promise; that it throttled is reported."""
    results = results_of(run, tmp_path, service, 3, clauses)
    assert results["failures"] == []
    seen = {each["id"]: each["result"] for each in results["clauses"]}
    assert {seen[each] for each in clauses.split(",")} == {"pass"}


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("pristo.all-create-at-once", "pristo.concurrent-creates-once"),
        ("pristo.updates-are-lost-at-once", "pristo.update-keeps-the-rest"),
    ],
)
def test_throttling_hides_no_violation(run: Run, tmp_path: Path, name: str, clause: str) -> None:
    """What some of the requests at once show is a violation, whatever became of the others; the scripts show it too."""
    subject = load()[name]
    results = results_of(run, tmp_path, subject.service, 3, clause)
    assert [each["clause"] for each in results["failures"]] == [clause]
    with SubjectServer(
        Subject(name, "pristo", "Throttles.", frozenset(), throttling(subject.service, 3))
    ) as server:
        for command in ("bash", "python"):
            script = tmp_path / "reproducers" / f"{clause}.{'sh' if command == 'bash' else 'py'}"
            done = run(command, script, **server.env)
            assert (done.returncode, done.stdout[:15]) == (1, "violation shown"), (
                done.stdout,
                done.stderr,
            )


def test_a_service_that_takes_one_request_at_a_time_is_not_judged_by_more(
    run: Run, tmp_path: Path
) -> None:
    """The clause cannot be exercised there, and the report says why."""
    clause = "pristo.concurrent-creates-once"
    results = results_of(run, tmp_path, PristoMock, 1, clause)
    assert results["failures"] == []
    (seen,) = [each for each in results["clauses"] if each["id"] == clause]
    assert seen["result"] == "not-exercised"
    assert "throttles all but one" in seen["observation"]

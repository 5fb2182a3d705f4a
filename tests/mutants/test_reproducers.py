"""The scripts of a failure show it again on a fresh service, and show nothing on an honest one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.mutants.catalogue import load, serving
from tests.mutants.warm import warm_suite

IN_FULL = os.environ.get("CONTRACT_REPRODUCERS") == "all"

# Stateful ones (what is stored, remembered, counted, at once), and some whose single answer is wrong.
SAMPLE = [
    "pristo.updates-are-lost-at-once",
    "pristo.all-create-at-once",
    "pristo.update-replaces-the-contact",
    "pristo.key-connection-remembered",
    "retainful.known-contact-is-a-conflict",
    # What its contact was in earlier checks, and the request before.
    "pristo.left-out-is-emptied",
    "pristo.answer-shows-the-previous-contact",
]
ABOUT_STATE = (
    "update",
    "create",
    "repeat",
    "refused-writes",
    "id-",
    "populations",
    "concurrent",
    "answer-shows",
    "existing",
)


def chosen() -> list[str]:
    """A few; with ``CONTRACT_REPRODUCERS=all`` every mutant that breaks a clause about what is stored."""
    if not IN_FULL:
        return SAMPLE
    return [
        each.name
        for each in load().values()
        if any(clause.partition(".")[2].startswith(ABOUT_STATE) for clause in each.right)
        or each.name in SAMPLE
    ]


@pytest.fixture(scope="module")
def suite(run: Run) -> Iterator[Run]:
    """How a run is started: a process from nothing for the few, forks of a warm one where there are hundreds."""
    if not IN_FULL:
        yield run
        return
    with warm_suite() as warm:
        yield lambda *_command, **variables: warm.run(variables)


@pytest.mark.parametrize("name", chosen())
def test_a_reproducer_shows_the_violation_on_a_fresh_service_and_none_on_an_honest_one(
    run: Run, suite: Run, tmp_path: Path, name: str
) -> None:
    """In bash and in Python, with nothing but the variables that the suite reads."""
    subject, honest = load()[name], load()[f"{name.partition('.')[0]}.honest"]
    with serving(subject) as server:
        variables = {
            **server.env,
            "TARGET": "live",
            "API": subject.api,
            "PROFILE": "quick",
            "SEED": "1",
            "FAILFAST": "1",
        }
        suite("python", "-m", "tests.contract", REPORTS=str(tmp_path), **variables)
    (failure,) = json.loads((tmp_path / "results.json").read_bytes())["failures"]
    for command in (
        ["bash", f"{failure['clause']}.sh"],
        [sys.executable, f"{failure['clause']}.py"],
    ):
        for service, code, words in (
            (subject, 1, f"violation shown: {failure['clause']}: "),
            (honest, 0, "no violation: "),
        ):
            with serving(service) as server:
                done = run(command[0], tmp_path / "reproducers" / command[1], **server.env)
            assert (done.returncode, done.stdout.startswith(words)) == (code, True), (
                command,
                service.name,
                done.stdout,
                done.stderr,
            )


def test_a_reproducer_without_its_variables_says_which_is_missing(run: Run, tmp_path: Path) -> None:
    """Neither a violation nor none: exit code 2."""
    subject = load()["pristo.create-answers200"]
    with serving(subject) as server:
        variables = {
            **server.env,
            "TARGET": "live",
            "API": "pristo",
            "PROFILE": "quick",
            "SEED": "1",
            "FAILFAST": "1",
        }
        run("python", "-m", "tests.contract", REPORTS=str(tmp_path), **variables)
    for command in ("bash", sys.executable):
        script = (
            tmp_path
            / "reproducers"
            / f"pristo.create-answers-201.{'sh' if command == 'bash' else 'py'}"
        )
        done = subprocess.run(
            [command, script],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout.startswith("could not tell: PRISTO_")

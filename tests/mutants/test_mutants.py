"""The catalogue is whole, and a few of its services get the verdict they should; all of them do in ``make mutants``."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import ROOT
from tests.contract.clauses import load_clauses
from tests.mutants import credentials, pristo, retainful, rules, text, transport, variants
from tests.mutants.catalogue import SubjectServer, load
from tests.mutants.matrix import uncovered

MODULES = (credentials, pristo, retainful, rules, text, transport, variants)
FEW = [
    "pristo.key-connection-remembered",
    "pristo.no-key-writes-new",
    "pristo.names-nfc",
    "pristo.update-replaces-the-contact",
    "pristo.all-create-at-once",
    "pristo.answers-trailing-comma",
    "pristo.limit-counts-utf-16-units",
    "retainful.app-id-swapped-taken",
    "retainful.success-text-true",
    "retainful.known-contact-is-a-conflict",
    "retainful.no-first-name-writes",
    "retainful.dies-after-twenty",
    "pristo.answers-are-empty-objects",
    "pristo.strict-in-all",
]


def test_each_documented_clause_has_a_mutant() -> None:
    """A promise that no mutant breaks may be one that nothing checks."""
    assert uncovered() == []


def test_mutants_name_clauses_that_exist() -> None:
    """Those of their own API."""
    for subject in load().values():
        assert subject.says.endswith("."), subject.name
        for clause in subject.right:
            assert clause in load_clauses(), (subject.name, clause)
            assert load_clauses()[clause].api == subject.api, (subject.name, clause)


def test_whatever_is_written_is_listed() -> None:
    """A service that no subject is, or is derived from, and a change of answers that no subject has, would prove nothing."""
    subjects = load().values()
    for module in MODULES:
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", None) != module.__name__ or name.startswith("_"):
                continue
            if inspect.isclass(thing):
                assert any(issubclass(subject.service, thing) for subject in subjects), name
            elif "Seen" in getattr(thing, "__annotations__", {}).values():
                assert any(subject.twist is thing for subject in subjects), name


def test_two_subjects_cannot_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue says which name it is."""
    monkeypatch.setattr(text, "MUTANTS", (*text.MUTANTS, text.MUTANTS[0]))
    with pytest.raises(ValueError, match=f"two subjects are called {text.MUTANTS[0].name}"):
        load.__wrapped__()


def test_there_are_enough_of_them() -> None:
    """The numbers that issue 3 asks for; names are unique, or loading them fails."""
    variants = [each for each in load().values() if each.is_variant]
    assert len(variants) >= 24
    assert len(load()) - len(variants) >= 150


def test_a_subject_answers_with_the_credentials_of_the_mock() -> None:
    """So it can be served by hand and met by other tools."""
    with SubjectServer(load()["pristo.honest"]) as server:
        request = urllib.request.Request(
            f"{server.base_url}/v1/contacts/save/{server.env['PRISTO_POPULATION_ID']}",
            data=json.dumps({"contact": {"id": str(uuid4())}}).encode(),
            headers={"X-API-Key": server.env["PRISTO_API_KEY"], "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 201


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run over the few leaves."""
    folder = tmp_path_factory.mktemp("matrix")
    # A process of its own, for this one may have threads, which no fork survives.
    command = [sys.executable, "-m", "tests.mutants"]
    subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "ONLY": ",".join(FEW), "SEED": "1", "REPORTS": str(folder)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return folder


@pytest.mark.parametrize("name", FEW)
def test_the_suite_is_right_about(name: str, matrix: Path) -> None:
    """Mutants are convicted by a clause that they break, variants are not accused."""
    subjects = {
        each["name"]: each
        for each in json.loads((matrix / "matrix.json").read_text("utf-8"))["subjects"]
    }
    assert subjects[name]["outcome"] == ("conforms" if load()[name].is_variant else "killed"), (
        subjects[name]
    )


def test_the_matrix_is_a_page(matrix: Path) -> None:
    """Without references to elsewhere."""
    page = (matrix / "index.html").read_text("utf-8")
    assert all(name in page for name in FEW)
    assert not re.search(r"\b(src|href)=|@import|url\(", page)

"""Failures that are probably of one cause stand together, and what the suite does not cover is named: on the terminal, page and in JUnit."""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.contract import coverage
from tests.contract.clauses import APIS, load_clauses, load_specification
from tests.contract.plugin import Run
from tests.contract.report.reports import Outcome
from tests.contract.report.reproducers import causes
from tests.contract.report.terminal import print_verdict
from tests.contract.report.writing import write_reports
from tests.contract.service import Breach, Call, Exchange
from tests.contract.settings import load_settings

Json = dict[str, Any]
CONTACTS = [f"3b0e2b52-0f4e-4a30-9d6b-c0a7ac7a900{number}" for number in range(6)]
SERVICES = {
    "TARGET": "live",
    "PRISTO_BASE_URL": "http://127.0.0.1:9",
    "PRISTO_API_KEY": "pristo-key-8f3a52",
    "PRISTO_POPULATION_ID": "7c0e2b52-0f4e-4a30-9d6b-c0a7ac7a9150",
    "RETAINFUL_BASE_URL": "http://127.0.0.1:9",
    "RETAINFUL_API_KEY": "retainful-key-8f3a",
    "RETAINFUL_APP_ID": "retainful-app-8f3a",
    "RETAINFUL_LIST_ID": "retainful-list-8f3a",
}
#: From the most telling to the least: what is done with data, credentials, a body's form, what holds for every answer.
BY_RANK = [
    "pristo.update-keeps-the-rest",
    "pristo.key-required",
    "pristo.answer-fits-schema",
    "pristo.documented-statuses",
]


def breach_of(clause: str, contacts: Sequence[str]) -> Breach:
    """A breach whose requests are about these contacts."""
    path = f"http://127.0.0.1:9/v1/contacts/save/{SERVICES['PRISTO_POPULATION_ID']}"
    bodies = [json.dumps({"contact": {"id": contact}}).encode() for contact in contacts]
    if clause.startswith("retainful."):
        path = "http://127.0.0.1:9/v2/contacts"
        found = [{"identifiers": [{"type": "email", "id": contact}]} for contact in contacts]
        bodies = [json.dumps(body).encode() for body in found]
    calls = [Call("POST", path, (("Content-Type", "application/json"),), body) for body in bodies]
    return Breach(
        clause, f"{clause} is broken", *(Exchange(call, 200, {}, b"{}") for call in calls)
    )


def found_at(api: str) -> st.SearchStrategy[list[tuple[str, list[str]]]]:
    """Clauses of one API that were found broken, each with the contacts that showed it."""
    clauses = sorted(clause.id for clause in load_clauses().values() if clause.api == api)
    contacts = st.lists(st.sampled_from(CONTACTS), min_size=1, max_size=3)
    found = st.tuples(st.sampled_from(clauses), contacts)
    return st.lists(found, max_size=8, unique_by=lambda each: each[0])


def ended(folder: Path, breaches: Sequence[Breach] = ()) -> Outcome:
    """What is left of a run that found these breaches."""
    run = Run(load_settings(SERVICES, reports=folder))
    for breach in breaches:
        run.breach(breach)
    outcome = Outcome(folder, environ=SERVICES, run=run)
    outcome.end(1.0)
    write_reports(outcome)
    print_verdict(outcome)
    return outcome


@settings(deadline=None)
@given(st.sampled_from(APIS).flatmap(found_at))
@example(
    [
        ("pristo.documented-statuses", CONTACTS[:1]),
        ("pristo.key-required", CONTACTS[1:2]),
        ("pristo.id-is-uuid", CONTACTS[:2]),
    ]
)
def test_breaches_are_of_one_group_exactly_if_contacts_connect_them(
    found: list[tuple[str, list[str]]],
) -> None:
    """Directly or through others; each breach stands in one group."""
    breaches = [breach_of(clause, contacts) for clause, contacts in found]
    about = {clause: set(contacts) for clause, contacts in found}
    groups = [[each.clause for each in group] for group in causes(breaches)]
    assert sorted(clause for group in groups for clause in group) == sorted(about)
    for group in groups:
        reached = {group[0]}
        while more := {
            each
            for each in group
            if each not in reached and any(about[each] & about[one] for one in reached)
        }:
            reached |= more
        assert reached == set(group)
        others = [clause for clause in about if clause not in group]
        assert not any(about[clause] & about[other] for clause in group for other in others)


@settings(deadline=None, max_examples=24)
@given(st.permutations(BY_RANK))
def test_the_most_telling_clause_of_a_group_comes_first(clauses: list[str]) -> None:
    """What the service does with data tells more than the form of its answers, in whatever order they were found."""
    (group,) = causes([breach_of(clause, CONTACTS[:1]) for clause in clauses])
    assert [each.clause for each in group] == BY_RANK


def test_failures_of_one_cause_stand_together_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the results, on the terminal, on the page and in JUnit; one about another contact stands alone."""
    form, alone, state = (
        "pristo.answer-fits-schema",
        "pristo.id-is-uuid",
        "pristo.update-keeps-the-rest",
    )
    outcome = ended(
        tmp_path,
        [
            breach_of(form, CONTACTS[:1]),
            breach_of(alone, CONTACTS[1:2]),
            breach_of(state, [CONTACTS[2], CONTACTS[0]]),
        ],
    )
    failures = outcome.results["failures"]
    assert [(each["clause"], each["cause"], each["same_cause"]) for each in failures] == [
        (state, 1, [form]),
        (form, 1, [state]),
        (alone, 2, []),
    ]
    said = capsys.readouterr().out
    assert f"probably one cause with: {form}\n" in said
    assert said.index(f"✗ {state}") < said.index(f"✗ {form}") < said.index(f"✗ {alone}")
    assert said.count("probably one cause") == 2
    page = (tmp_path / "index.html").read_text("utf-8")
    assert f"Probably one cause with {form}" in page
    assert page.count("Probably one cause") == 2
    told = [
        failure.get("message", "") for failure in ET.parse(tmp_path / "junit.xml").iter("failure")
    ]
    assert sum("probably one cause with" in message for message in told) == 2


def test_what_the_suite_does_not_cover_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new endpoint, and a clause whose member went, stand in the last lines, on the page and in the results."""
    document = copy.deepcopy(load_specification("pristo"))
    document["paths"]["/v3/news"] = {"get": {"responses": {"200": {"description": "news"}}}}
    del document["components"]["schemas"]["Contact"]["properties"]["lastName"]
    monkeypatch.setattr(
        coverage,
        "load_specification",
        lambda api: document if api == "pristo" else load_specification(api),
    )
    outcome = ended(tmp_path)
    assert outcome.results["not_covered"] == [
        "pristo: /paths/~1v3~1news/get",
        "pristo: /paths/~1v3~1news/get/responses/200",
    ]
    last = capsys.readouterr().out.splitlines()[-5:]
    assert any(line.startswith("Not covered: pristo: /paths/~1v3~1news/get") for line in last)
    assert any(
        line.startswith("Clauses that point nowhere in the document: pristo.last-name")
        for line in last
    )
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "<code>pristo: /paths/~1v3~1news/get</code>" in page
    assert "no longer has" in page


def test_a_document_that_is_covered_is_not_spoken_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in the last lines nor on the page."""
    outcome = ended(tmp_path)
    assert (outcome.results["not_covered"], outcome.results["stale_clauses"]) == ([], [])
    assert "Not covered" not in capsys.readouterr().out
    assert "does not cover" not in (tmp_path / "index.html").read_text("utf-8")

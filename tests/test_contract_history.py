"""The nights of a service: what a run remembers, what it says in the morning, and which violations are known."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_apis._vendors.pristo.mock import PristoMock
from tests.conftest import ROOT, Run, contract, live
from tests.contract.clauses import load_clauses
from tests.contract.plugin import Run as ContractRun
from tests.contract.report.history import FORMAT, History, Past, Series, append_lines, read_history
from tests.contract.report.known import KnownViolation, NotKnown, read_known
from tests.contract.report.morning import CATEGORIES, heading, lines, markdown, morning_of, since_of
from tests.contract.report.morning import looked_at as looked_at_before
from tests.contract.report.page import render_page, strip
from tests.contract.report.reports import Outcome, conclusion
from tests.contract.report.terminal import print_verdict
from tests.contract.report.writing import write_reports
from tests.contract.service import Breach, Call, Exchange
from tests.contract.settings import CannotRun, Settings, load_settings
from tests.mutants.catalogue import Seen, Subject, SubjectServer

Json = dict[str, Any]
SERIES = Series("live", "https://example.com", "pristo", "ci")
LIVE = {
    "TARGET": "live",
    "API": "pristo",
    "PRISTO_BASE_URL": "http://127.0.0.1:9",
    "PRISTO_API_KEY": "key-of-a-test",
    "PRISTO_POPULATION_ID": "0b35a9be-6d9a-4b53-8b3a-1f7b2d9a6c11",
}
KEPT = "pristo.update-keeps-the-rest"
CREATED = "pristo.create-answers-201"


# ------------------------------------------------------------------------------------------------- nights, as data


def night(number: int, verdict: str, **results: str) -> list[Json]:
    """The lines of one night; a clause is named with underscores, and after its result may stand what was observed."""
    written = []
    for name, text in results.items():
        result, _, observation = text.partition(":")
        written.append(
            {
                "format": FORMAT,
                "run": f"run-{number}",
                "finished": f"2026-11-{number:02}T03:00:00+00:00",
                "target": SERIES.target,
                "service": SERIES.service,
                "api": SERIES.api,
                "profile": SERIES.profile,
                "seed": 1,
                "spec": "0",
                "verdict": verdict,
                "clause": f"pristo.{name}",
                "result": result,
                "observation": observation or None,
                "since": f"2026-11-{number:02}T03:00:00+00:00",
                "ticket": None,
            }
        )
    return written


def morning_after(path: Path, nights: list[tuple[str, dict[str, str]]]) -> Json:
    """The morning report of the last of these nights; each is appended to the history as a run does it."""
    report: Json = {}
    for number, (verdict, results) in enumerate(nights, 1):
        past = {"pristo": read_history(path).of(SERIES)}
        looked = looked_at_before(past, None)
        written = night(number, verdict, **results)
        clauses = [
            {"id": line["clause"], "result": line["result"], "observation": line["observation"]}
            for line in written
        ]
        for line, clause in zip(written, clauses, strict=True):
            line["since"] = clause["since"] = since_of(clause, looked, line["finished"])
        report = morning_of(clauses, verdict, past, None, [], [])
        append_lines(path, written)
    return report


def named(report: Json, category: str) -> list[str]:
    return [change["clause"].removeprefix("pristo.") for change in report[category]]


HONEST = ("conforms", {"a": "pass", "b": "pass", "c": "observed:never"})
BROKEN = ("violates", {"a": "fail", "b": "pass", "c": "observed:never"})
DOWN = ("could-not-run", {"a": "not-exercised", "b": "not-exercised", "c": "not-exercised"})
OTHERWISE = ("conforms", {"a": "pass", "b": "pass", "c": "observed:always"})
ONE_CLAUSE = ("incomplete", {"a": "not-exercised", "b": "pass", "c": "not-exercised"})  # CLAUSE=b
OLD_WORDS = ("conforms", {"a": "pass", "b": "pass", "c": "observed:answered 404"})
NEW_WORDS = ("conforms", {"a": "pass", "b": "pass", "c": "observed:returned 404"})
UNSURE = ("incomplete", {"a": "not-exercised", "b": "pass", "c": "observed:always"})


@pytest.mark.parametrize(
    ("nights", "expected"),
    [
        ([HONEST, BROKEN], {"new": ["a"]}),
        ([HONEST, BROKEN, BROKEN], {"still": ["a"]}),
        ([HONEST, BROKEN, DOWN], {"not_checked": ["a"]}),
        ([HONEST, BROKEN, BROKEN, DOWN, BROKEN], {"still": ["a"]}),
        ([HONEST, BROKEN, DOWN, HONEST], {"mended": ["a"]}),
        ([HONEST, BROKEN, UNSURE], {"not_checked": ["a"], "changed": ["c"]}),
        ([HONEST, BROKEN, UNSURE, BROKEN], {"still": ["a"], "changed": ["c"]}),
        ([HONEST, UNSURE], {"changed": ["c"]}),
        ([BROKEN], {"first": ["a"]}),
        ([DOWN, BROKEN], {"first": ["a"]}),
        ([UNSURE, BROKEN], {"first": ["a"], "changed": ["c"]}),
        ([ONE_CLAUSE, BROKEN], {"first": ["a"]}),
        ([ONE_CLAUSE, BROKEN, ONE_CLAUSE], {"not_checked": ["a"]}),
        ([BROKEN, ONE_CLAUSE, BROKEN], {"still": ["a"]}),
        ([BROKEN, ONE_CLAUSE, HONEST], {"mended": ["a"]}),
        ([HONEST, ONE_CLAUSE, BROKEN], {"new": ["a"]}),
        ([HONEST, ONE_CLAUSE, DOWN, OTHERWISE], {"changed": ["c"]}),
        ([HONEST, UNSURE, DOWN, HONEST], {"changed": ["c"]}),
        ([HONEST, DOWN, HONEST], {}),
        # What an earlier version said in other words is no change of the service.
        ([OLD_WORDS, NEW_WORDS], {}),
        ([DOWN], {}),
    ],
)
def test_each_morning_says_what_changed(
    tmp_path: Path, nights: list[tuple[str, dict[str, str]]], expected: dict[str, list[str]]
) -> None:
    """Against what each clause was when it was last checked; a night that could not tell breaks and mends nothing."""
    report = morning_after(tmp_path / "history.jsonl", nights)
    assert {
        category: named(report, category) for category in CATEGORIES if report[category]
    } == expected


def test_since_is_the_first_night_of_what_stands(tmp_path: Path) -> None:
    """Nights in between that could not tell, or did not check the clause, do not begin it anew."""
    report = morning_after(tmp_path / "history.jsonl", [HONEST, BROKEN, DOWN, UNSURE, BROKEN])
    assert report["still"][0]["since"] == "2026-11-02T03:00:00+00:00"
    assert heading(report) == "Since the run of 2026-11-04 03:00 UTC:"


def test_a_night_that_could_not_tell_is_not_read_as_good_news(tmp_path: Path) -> None:
    """It says that nothing was compared, and never "none"; the night after it says that there was one."""
    nights = [HONEST, BROKEN, DOWN]
    report = morning_after(tmp_path / "history.jsonl", nights)
    assert "none" not in "\n".join(lines(report))
    assert lines(report)[0].startswith("Nothing was compared")
    after = morning_after(tmp_path / "again.jsonl", [*nights, BROKEN])
    assert (
        heading(after)
        == "Since the run of 2026-11-02 03:00 UTC (1 run after it reached no verdict):"
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["violates", "could-not-run", "incomplete"]),
            st.fixed_dictionaries(
                {name: st.sampled_from(["pass", "fail", "not-exercised"]) for name in "ab"}
            ),
        ),
        max_size=8,
    )
)
def test_a_clause_is_broken_in_the_morning_as_it_was_when_it_was_last_checked(
    nights: list[tuple[str, dict[str, str]]],
) -> None:
    """Whatever nights there were: a model that keeps the last result of each clause says the same."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"history-{os.getpid()}.jsonl"  # noqa: S108  # one a process, for many examples
    path.unlink(missing_ok=True)
    report = morning_after(path, [*nights, ("violates", {"a": "fail", "b": "pass"})])
    path.unlink()
    last: dict[str, str] = {}
    for verdict, results in nights:
        if verdict != "could-not-run":
            last |= {name: result for name, result in results.items() if result != "not-exercised"}
    assert named(report, "new") == (["a"] if last.get("a") == "pass" else [])
    assert named(report, "first") == ([] if "a" in last else ["a"])
    assert named(report, "still") == (["a"] if last.get("a") == "fail" else [])
    assert named(report, "mended") == (["b"] if last.get("b") == "fail" else [])


def test_other_services_profiles_and_apis_are_not_compared(tmp_path: Path) -> None:
    """What makes two nights comparable is all of them."""
    path = tmp_path / "history.jsonl"
    append_lines(path, night(1, "violates", a="fail"))
    history = read_history(path)
    assert history.of(SERIES).count == 1
    for name in ("target", "service", "api", "profile"):
        assert history.of(evolve(SERIES, **{name: "other"})).count == 0


# ------------------------------------------------------------------------------------------------------- the file


APPENDING = """
import sys
from pathlib import Path
from tests.contract.report.history import append_lines

path, number = sys.argv[1:]
for night in range(40):
    append_lines(Path(path), [{"night": f"{number}-{night}", "text": "x" * 3000} for _ in range(5)])
"""


def test_runs_that_append_at_once_tear_no_line(tmp_path: Path) -> None:
    """Three processes, each with forty nights: every line is whole, and each night's lines stand together."""
    path = tmp_path / "history.jsonl"
    processes = [
        subprocess.Popen([sys.executable, "-c", APPENDING, path, str(number)], cwd=ROOT)
        for number in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    nights = [json.loads(line)["night"] for line in path.read_text("utf-8").splitlines()]
    assert len(nights) == 600
    assert all(len(set(nights[start : start + 5])) == 1 for start in range(0, 600, 5))


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_a_kill_cut_off_spoils_no_other(tmp_path: Path, cut: int) -> None:
    """It is named in a note, passed over, and the next night begins a line of its own."""
    path = tmp_path / "history.jsonl"
    append_lines(path, night(1, "violates", a="fail", b="pass"))
    path.write_bytes(path.read_bytes()[:-cut])
    append_lines(path, night(2, "violates", a="fail"))
    history = read_history(path)
    assert (history.unreadable == []) == (cut == 1)
    assert (history.notice is None) == (cut == 1)
    assert history.of(SERIES).count == 2
    assert history.of(SERIES).looked["pristo.a"].result == "fail"


def test_a_first_line_that_was_cut_is_still_a_history(tmp_path: Path) -> None:
    """The one of a first run that was killed while it wrote."""
    path = tmp_path / "history.jsonl"
    for length in (3, 10, 40):
        path.write_bytes(
            json.dumps(night(1, "violates", a="fail")[0], separators=(",", ":")).encode()[:length]
        )
        assert read_history(path).unreadable == [1]


FOREIGN: dict[str, str] = {
    "results.json": json.dumps({"verdict": "conforms", "clauses": []}),
    "an older format": json.dumps({**night(1, "conforms", a="pass")[0], "format": 0}),
    "a later format": json.dumps({**night(1, "conforms", a="pass")[0], "format": 2}),
    "another result": json.dumps({**night(1, "conforms", a="pass")[0], "result": "xfail"}),
    "a missing member": json.dumps(
        {
            name: value
            for name, value in night(1, "conforms", a="pass")[0].items()
            if name != "since"
        }
    ),
    "a number": "7",
    "a list": "[]",
    "other text": "an earlier night\n",
    "no text": "\x00\x01\x02",
    "a page": "<!doctype html>\n<title>Not found</title>\n",
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("content", sorted(FOREIGN))
def test_a_file_of_another_shape_is_not_taken_for_a_history(tmp_path: Path, content: str) -> None:
    """Before the first request, in one sentence that names variable and file; it is left as it is."""
    path = tmp_path / "history.jsonl"
    path.write_text(FOREIGN[content], "utf-8")
    with pytest.raises(CannotRun, match=re.escape(f"HISTORY={path} ")):
        load_settings({**LIVE, "HISTORY": str(path)}, reports=tmp_path)
    assert path.read_text("utf-8") == FOREIGN[content]


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def make_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def make_file_as_folder(path: Path) -> None:
    path.symlink_to("/dev/null/history.jsonl")


@pytest.mark.parametrize("variable", ["HISTORY", "PREVIOUS", "KNOWN"])
@pytest.mark.parametrize(
    "make", [make_folder, make_pipe, make_huge, make_link_to_itself, make_file_as_folder]
)
def test_a_path_that_is_no_readable_file_is_named(
    tmp_path: Path, make: Callable[[Path], None], variable: str
) -> None:
    """No traceback, no waiting for a pipe, no gigabytes in memory."""
    path = tmp_path / "given"
    make(path)
    with pytest.raises(CannotRun, match=re.escape(f"{variable}={path} ")):
        load_settings({**LIVE, variable: str(path)}, reports=tmp_path / "reports")


def test_no_history_is_kept_where_that_is_wanted(tmp_path: Path) -> None:
    """With HISTORY=/dev/null."""
    read = load_settings({**LIVE, "HISTORY": os.devnull}, reports=tmp_path)
    append_lines(read.history.path, night(1, "conforms", a="pass"))
    assert read_history(Path(os.devnull)).past == {}


EARLIER: dict[str, Any] = {
    "a list": [],
    "no verdict": {"clauses": [{"id": "pristo.operation", "result": "pass"}]},
    "another verdict": {
        "verdict": "passed",
        "clauses": [{"id": "pristo.operation", "result": "pass"}],
    },
    "no clauses": {"verdict": "conforms"},
    "clauses by name": {"verdict": "conforms", "clauses": {"pristo.operation": "pass"}},
    "no clause": {"verdict": "conforms", "clauses": []},
    "a clause without an id": {"verdict": "conforms", "clauses": [{"result": "pass"}]},
    "another result": {
        "verdict": "conforms",
        "clauses": [{"id": "pristo.operation", "result": ["pass"]}],
    },
    "an observation that is no text": {
        "verdict": "conforms",
        "clauses": [{"id": "pristo.operation", "result": "pass", "observation": 7}],
    },
    "a time that is no text": {
        "verdict": "conforms",
        "finished": 7,
        "clauses": [{"id": "pristo.operation", "result": "pass"}],
    },
}


@pytest.mark.parametrize("content", sorted(EARLIER))
def test_results_of_another_shape_are_not_compared_with(tmp_path: Path, content: str) -> None:
    """Those of an older version among them; the sentence names PREVIOUS and what is wrong."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(EARLIER[content]))
    with pytest.raises(
        CannotRun, match=re.escape(f"PREVIOUS={path} holds no results to compare with")
    ):
        load_settings({**LIVE, "PREVIOUS": str(path)}, reports=tmp_path)


def test_results_that_say_nothing_are_left_out_of_the_comparison(tmp_path: Path) -> None:
    """Those of a run that could not tell, and of another API; a note says so before the first request."""
    path = tmp_path / "results.json"
    for results in (
        {"verdict": "could-not-run", "clauses": []},
        {
            "verdict": "conforms",
            "clauses": [{"id": "retainful.x", "result": "pass", "observation": None}],
        },
    ):
        path.write_text(json.dumps(results))
        read = load_settings({**LIVE, "PREVIOUS": str(path)}, reports=tmp_path)
        assert read.previous is None
        assert read.notices[0].startswith(f"PREVIOUS={path} ")


# ------------------------------------------------------------------------------------------------ known violations

ENTRY = {"clause": KEPT, "since": "2026-11-01", "ticket": "T-1", "until": "2026-12-31"}


def entries(*changed: Json) -> str:
    return json.dumps([{**ENTRY, **change} for change in changed])  # JSON is YAML


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("clause: x", "list"),
        ("- x", "entry 1"),
        ("- [", "line 1"),
        ("\ttabs", "line 1"),
        ("- !!python/name:os.system x", "entry 1"),
        (f"- clause: {KEPT}\n  clause: {CREATED}\n", "'clause' stands twice"),
        (entries({}, {"clause": CREATED, "ticket": ""}), "entry 2 without 'ticket'"),
        (entries({"until": None}), "entry 1 whose 'until'"),
        (entries({"until": "soon"}), "entry 1 whose 'until'"),
        (entries({"since": "2026-13-01"}), "entry 1 whose 'since'"),
        (entries({"since": "2027-01-01"}), "'until'"),
        (entries({"clause": "pristo.update-keep-the-rest"}), f"did you mean {KEPT}?"),
        (entries({"clause": ["pristo.operation"]}), "entry 1 whose 'clause'"),
        (entries({"who": "me"}), "'who'"),
        (entries({}, {}), f"names {KEPT} twice (entry 2)"),
    ],
)
def test_a_bad_list_of_known_violations_is_named_before_the_first_request(
    tmp_path: Path, text: str, named: str
) -> None:
    """One sentence with file, entry and field."""
    path = tmp_path / "known.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(CannotRun) as reason:
        load_settings({**LIVE, "KNOWN": str(path)}, reports=tmp_path)
    assert str(reason.value).startswith(f"KNOWN={path} ")
    assert named in str(reason.value)
    assert "\n" not in str(reason.value)


def test_an_empty_list_and_a_missing_file_are_two_things(tmp_path: Path) -> None:
    """A file that is named must be there."""
    path = tmp_path / "known.yaml"
    path.write_text("# none\n")
    assert read_known(path) == ()
    with pytest.raises(NotKnown, match="No such file"):
        read_known(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("result", "today", "state"),
    [
        ("fail", date(2026, 12, 31), "broken"),
        ("fail", date(2027, 1, 1), "expired"),
        ("pass", date(2026, 12, 1), "passes-again"),
        ("pass", date(2027, 1, 1), "passes-again"),
        ("observed", date(2026, 12, 1), "passes-again"),
        ("not-exercised", date(2026, 12, 1), "not-checked"),
        ("not-exercised", date(2027, 1, 1), "expired"),
    ],
)
def test_what_is_said_of_an_entry(result: str, today: date, state: str) -> None:
    """Only what was checked passes again; the last day is still one on which it is accepted."""
    violation = KnownViolation(KEPT, date(2026, 11, 1), "T-1", date(2026, 12, 31))
    assert violation.state(result, today) == state
    assert (violation.remark(violation.state(result, today)) is None) == (
        state in ("broken", "not-checked")
    )


# ------------------------------------------------------------------------------------------- a run, without sending


@pytest.fixture
def read_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a run with these known violations."""

    def read(*known: Json, **variables: str) -> Settings:
        path = tmp_path / "known.yaml"
        path.write_text(entries(*known))
        return load_settings(
            {**LIVE, "KNOWN": str(path), **variables}, reports=tmp_path / "reports"
        )

    return read


def finished_run(
    read: Settings, *, broken: tuple[str, ...] = (), unchecked: tuple[str, ...] = ()
) -> Outcome:
    """The outcome of a run in which every other clause was checked and holds."""
    run = ContractRun(read)
    for clause in run.clauses:
        run.results[clause.id].passed = clause.id not in (*broken, *unchecked)
    exchange = Exchange(
        Call("POST", "http://127.0.0.1:9/v1/contacts/save/x", (), b"{}"), 500, {}, b""
    )
    for name in broken:
        run.breach(Breach(name, "it is broken", exchange))
    for name in unchecked:
        run.results[name].not_exercised.append("it cannot be exercised here")
    outcome = Outcome(read.reports, dict(LIVE))
    outcome.begin(run)
    outcome.end(1.0)
    return outcome


@pytest.mark.parametrize(
    ("known", "broken", "unchecked", "verdict", "words"),
    [
        ([{}], (KEPT,), (), "conforms", "1 known, 0 new"),
        ([{}], (KEPT, CREATED), (), "violates", "1 known, 1 new"),
        ([{}], (), (), "incomplete", f"{KEPT} passes again"),
        ([{}], (), (KEPT,), "conforms", "the service keeps every documented promise"),
        (
            [{"since": "2025-01-01", "until": "2025-12-31"}],
            (KEPT,),
            (),
            "incomplete",
            "ended on 2025-12-31",
        ),
        (
            [{"clause": "retainful.operation"}],
            (),
            (),
            "conforms",
            "the service keeps every documented promise",
        ),
        ([{}, {"clause": CREATED}], (KEPT, CREATED), (), "conforms", "2 known, 0 new"),
    ],
)
def test_the_verdict_of_a_run_with_known_violations(
    read_settings: Callable[..., Settings],
    known: list[Json],
    broken: tuple[str, ...],
    unchecked: tuple[str, ...],
    verdict: str,
    words: str,
) -> None:
    """Known ones fail no run; an entry that is not true any more leaves it incomplete; another API's says nothing."""
    outcome = finished_run(read_settings(*known), broken=broken, unchecked=unchecked)
    assert outcome.verdict == verdict
    assert words in conclusion(outcome.results)
    morning = outcome.results["morning"]
    assert named(morning, "first") == [
        each.removeprefix("pristo.")
        for each in broken
        if each not in {KEPT, *(one.get("clause") for one in known)}
    ]


def test_a_run_that_was_cut_says_nothing_of_what_held_until_then(
    read_settings: Callable[..., Settings],
) -> None:
    """Neither that a known violation passes again nor that anything is mended: the rest of the run might have shown it."""
    read = read_settings({})
    append_lines(
        read.history.path,
        [
            {**line, "service": "loopback"}
            for line in night(1, "violates", **{KEPT.partition(".")[2]: "fail"})
        ],
    )
    read = read_settings({})
    outcome = finished_run(read, broken=(CREATED,))
    assert outcome.run is not None
    assert named(outcome.as_json()["morning"], "mended") == [KEPT.partition(".")[2]]
    outcome.run.is_cut = True
    assert outcome.remarks == []
    assert named(outcome.as_json()["morning"], "mended") == []
    assert named(outcome.as_json()["morning"], "not_checked") == [KEPT.partition(".")[2]]
    assert write_reports(outcome) == []
    night_after = read_history(read.history.path).of(read.series[0])
    assert night_after.looked[KEPT].result == "fail"


@pytest.mark.parametrize(
    "place", ["results.json", "junit.xml", "index.html", "history.jsonl", "summary"]
)
def test_a_report_that_cannot_be_written_takes_nothing_away(
    read_settings: Callable[..., Settings],
    tmp_path: Path,
    place: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is named, the others are written, and the results are kept: in their place, or where the last line says."""
    summary = tmp_path / "summary"
    outcome = finished_run(read_settings(), broken=(CREATED,))
    outcome.environ = {**outcome.environ, "GITHUB_STEP_SUMMARY": str(summary)}
    blocked = summary if place == "summary" else tmp_path / "reports" / place
    blocked.unlink(missing_ok=True)
    blocked.mkdir(parents=True)
    problems = write_reports(outcome)
    assert problems
    assert "could not be written" in problems[0]
    print_verdict(outcome, problems)
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("Verdict: could-not-run · ")
    assert "the run itself ended with violates" in last
    kept = re.search(r"the results are in ([^;]+)", last)
    results = json.loads(Path(kept[1] if kept else tmp_path / "reports/results.json").read_bytes())
    assert results["failures"][0]["clause"] == CREATED
    expected = {"results.json", "junit.xml", "index.html", "history.jsonl"} - {place}
    assert expected <= {path.name for path in (tmp_path / "reports").iterdir() if path.is_file()}


def test_all_reports_begin_with_the_morning(
    read_settings: Callable[..., Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terminal, page, JUnit and the summary of a step name what is new before anything else is said of it; the page shows the nights."""
    read = read_settings()
    for broken in ((KEPT,), (KEPT, CREATED)):
        outcome = finished_run(read_settings(), broken=broken)
        outcome.environ = {**outcome.environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        assert write_reports(outcome) == []
    print_verdict(outcome)
    terminal = capsys.readouterr().out
    assert (
        terminal.index("new tonight: 1")
        < terminal.index("still broken since: 1")
        < terminal.index("✗")
    )
    page = (read.reports / "index.html").read_text("utf-8")
    assert page.index("new tonight") < page.index("What is broken")
    assert "the last 2 nights" in page
    suite = ET.parse(read.reports / "junit.xml").getroot()[0]  # our own file
    assert suite[0].tag == "properties"
    properties = {each.get("name"): each.get("value") for each in suite[0]}
    assert (properties["new tonight"], properties["still broken since"]) == (CREATED, KEPT)
    failures = {
        case.get("name"): case[0].get("message") or ""
        for case in suite.iter("testcase")
        if case.find("failure") is not None
    }
    assert failures[CREATED].startswith("new tonight: ")
    assert failures[KEPT].startswith("still broken since ")
    summary = (tmp_path / "summary.md").read_text("utf-8").split("## ")
    assert len(summary) == 3
    assert summary[2].index("**new tonight** (1)") < summary[2].index("| Broken clause")


def test_a_first_run_names_what_is_broken_and_calls_nothing_new(
    read_settings: Callable[..., Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terminal, page, JUnit and summary: nobody knows since when it is broken."""
    outcome = finished_run(read_settings(), broken=(KEPT,))
    outcome.environ = {**outcome.environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    assert write_reports(outcome) == []
    print_verdict(outcome)
    places = [
        capsys.readouterr().out,
        (outcome.folder / "index.html").read_text("utf-8"),
        (tmp_path / "summary.md").read_text("utf-8"),
    ]
    for text in places:
        assert text.index("Nothing to compare with") < text.index("checked for the first time")
        assert "new tonight" not in text
    suite = ET.parse(outcome.folder / "junit.xml").getroot()[0]  # our own file
    properties = {each.get("name"): each.get("value") for each in suite[0]}
    assert properties["broken, checked for the first time"] == KEPT
    assert properties["new tonight"] == "none"
    (failure,) = suite.iter("failure")
    assert (failure.get("message") or "").startswith("checked for the first time: ")


def test_text_of_a_service_is_text_in_the_summary(read_settings: Callable[..., Settings]) -> None:
    """Neither Markdown nor HTML of it takes effect."""
    outcome = finished_run(read_settings(), broken=(CREATED,))
    assert outcome.run is not None
    outcome.run.breaches[0].message = "<script>x</script> | [a](b) `c` \n# d"
    text = markdown(outcome.results, conclusion(outcome.results))
    assert not any(sign in text.splitlines()[-1] for sign in ("<", "[", "`", "# ", "| ["))


def test_the_strip_shows_the_last_nights_and_tonight(tmp_path: Path) -> None:
    """At most thirty; a clause that is new, and one that is gone, have empty cells."""
    path = tmp_path / "history.jsonl"
    for number in range(1, 29):
        append_lines(
            path, night(number, "could-not-run" if number == 28 else "violates", gone="fail")
        )
        append_lines(
            path,
            [
                {**line, "run": f"second-{number}"}
                for line in night(number, "conforms", gone="pass")
            ],
        )
    past = read_history(path).of(SERIES)
    results = {
        "finished": "2026-11-30T03:00:00+00:00",
        "verdict": "conforms",
        "clauses": [{"id": "pristo.a", "result": "pass"}],
    }
    shown = strip(results, "pristo", past)
    assert len(shown["nights"]) == 30
    assert shown["earlier"] == 56
    kinds = {row["clause"]: [cell["kind"] for cell in row["cells"]] for row in shown["rows"]}
    assert kinds["pristo.a"] == ["absent"] * 27 + ["could-not-run", "absent", "pass"]
    assert kinds["pristo.gone"][-4:] == ["pass", "could-not-run", "pass", "absent"]


def test_a_page_without_a_past_shows_no_strip(read_settings: Callable[..., Settings]) -> None:
    """And says that there is nothing to compare with."""
    outcome = finished_run(read_settings())
    page = render_page(outcome.results, conclusion(outcome.results), {}, {"pristo": Past()})
    assert "nights-pristo" not in page
    assert "Nothing to compare with" in page


def test_clauses_are_named_by_their_api() -> None:
    """History and known violations find an API's clauses by the beginning of their names."""
    assert all(clause.id.startswith(f"{clause.api}.") for clause in load_clauses().values())
    assert History(Path("none")).of(SERIES).count == 0


# ------------------------------------------------------------------------------------------------------ whole runs


def plain_text(seen: Seen) -> None:
    """Gives every response the wrong media type."""
    seen.headers["Content-Type"] = "text/plain"


def plain_text_and_201(seen: Seen) -> None:
    """Returns 201 for an update, too."""
    plain_text(seen)
    seen.status = 201 if seen.status == 200 else seen.status


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (plain_text, 3, "1 known, 0 new"),
        (plain_text_and_201, 1, "pristo.update-answers-200 (1 known, 1 new)"),
    ],
)
def test_a_known_violation_in_every_response_hides_nothing_new(
    run: Run, tmp_path: Path, change: Callable[[Seen], None], code: int, words: str
) -> None:
    """The checks go on after it: alone it fails no run, and a second violation is detected beside it, even with FAILFAST."""
    known = tmp_path / "known.yaml"
    known.write_text(
        entries({"clause": "pristo.answers-are-json", "since": "2026-01-01", "until": "9999-12-31"})
    )
    clauses = "pristo.update-answers-200,pristo.answers-are-json"
    subject = Subject(
        "pristo.plain",
        "pristo",
        "Plain.",
        frozenset({"pristo.answers-are-json"}),
        PristoMock,
        twist=change,
    )
    with SubjectServer(subject) as server:
        exit_code, line, results = contract(
            run,
            tmp_path,
            **live(server, API="pristo", KNOWN=str(known), FAILFAST="1", CLAUSE=clauses),
        )
    assert exit_code == code, line
    assert words in line
    assert results["blocked"] == []
    assert "pristo.answers-are-json" in [failure["clause"] for failure in results["failures"]]


def test_a_foreign_history_ends_a_run_before_its_first_request(run: Run, tmp_path: Path) -> None:
    """Exit code 2, one sentence, no traceback; the reports say the same, and the file is left alone."""
    history = tmp_path / "history.jsonl"
    history.write_text("an earlier night\n")
    done = run(
        "python",
        "-m",
        "tests.contract",
        REPORTS=str(tmp_path),
        **{**LIVE, "PRISTO_BASE_URL": "http://127.0.0.1:1"},
    )
    assert done.returncode == 2
    assert f"Verdict: could-not-run · HISTORY={history} holds no line of a history" in done.stdout
    assert done.stderr == ""
    assert history.read_text() == "an earlier night\n"

"""Runs the suite against subjects, each in a process of its own, and writes what came of it.

Judge and service are forked from a process that has imported everything: 776 times half a second of imports would be most of
a run. What a start from nothing costs is measured at the beginning and counted into the seconds of every verdict.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess, parent_process
from pathlib import Path
from typing import Any

import jinja2
from _pytest.config import default_plugins
from attrs import asdict, field, frozen

from tests.contract.clauses import APIS, contract_of, load_clauses
from tests.contract.report.page import load_template
from tests.contract.run import main as contract_run
from tests.mutants.catalogue import Subject, load, serving

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds that one run of the suite may take
TEMPLATE = Path(__file__).with_name("matrix.html.jinja")
#: The share of the mutants that must be detected.
LEAST_SHARE = {"none": 1.0, "live": 0.98}
FORK = multiprocessing.get_context("fork")


@frozen
class Verdict:
    """What the suite said of one subject."""

    name: str
    says: str
    right: tuple[str, ...]
    outcome: str  # "killed", "wrong clause", "survived"; for variants "conforms" or "accused"
    clause: str | None
    message: str | None
    requests: int
    seconds: float  # the start of Python and of the suite included

    @property
    def is_good(self) -> bool:
        return self.outcome in ("killed", "conforms")


def variables_for(subject: Subject, seed: int, reports: str) -> dict[str, str]:
    """What a run against a subject is told besides its address: for a mutant to stop at the first breach.

    With ``LIMITS=live`` it is what a remote host gets when nothing is said, but for the rate, which decides about time alone.
    """
    own = ("PRISTO_", "RETAINFUL_", "CONTRACT_", "PREVIOUS", "HISTORY", "CLAUSE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    told = {
        "TARGET": "live",
        "API": subject.api,
        "PROFILE": "quick",
        "SEED": str(seed),
        "REPORTS": reports,
    }
    if limits() == "live":
        told |= {"PROFILE": "ci", "CONTRACT_GENTLE": "1", "CONTRACT_RATE": "0"}
    return {**kept, **told, "FAILFAST": "0" if subject.is_variant else "1"}


def limits() -> str:
    """Under which limits the suite judges: ``none``, as on loopback, or ``live``."""
    return os.environ.get("LIMITS") or "none"


def warm_up() -> None:
    """Imports and reads what every run needs, so that forked ones find it there.

    Not the checks: Hypothesis gives them the settings that hold when they are imported, and those are the run's.
    """
    for name in (
        "_hypothesis_pytestplugin",
        "hypothesis.stateful",
        "pytest",
        "schemathesis",
        "tests.contract.plugin",
    ):
        import_module(name)
    # pytest imports its own plugins one by one when it starts.
    for name in default_plugins:
        import_module(f"_pytest.{name}")
    load_template()
    for api in APIS:
        contract_of(api).operation("upsertContact")
    load_clauses()
    gc.collect()
    gc.freeze()


def start_up_seconds(jobs: int) -> float:
    """How long a run takes that finds nobody at its address: what forked ones are spared. As many at once as later."""
    told = {
        "TARGET": "live",
        "API": "retainful",
        "PROFILE": "quick",
        "RETAINFUL_BASE_URL": "http://127.0.0.1:9",
    }
    told |= dict.fromkeys(("RETAINFUL_API_KEY", "RETAINFUL_APP_ID", "RETAINFUL_LIST_ID"), "nobody")
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        runs = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.contract"],
                cwd=ROOT,
                env={**os.environ, **told, "REPORTS": f"{folder}/{number}"},
                stdout=subprocess.DEVNULL,
            )
            for number in range(jobs)
        ]
        if any(each.wait(PATIENCE) != 2 for each in runs):
            raise RuntimeError("a contract run does not start; make contract says why")
        return time.monotonic() - started


def _serve(subject: Subject, tell: Connection) -> None:
    """Serves a subject until it is killed, or its parent is."""
    with serving(subject) as server:
        tell.send(server.env)
        parent = parent_process()
        assert parent is not None
        parent.join()


def _judge(subject: Subject, seed: int, folder: str, env: dict[str, str]) -> None:
    run_suite({**variables_for(subject, seed, folder), **env}, f"{folder}/said")


def run_suite(variables: dict[str, str], said: str) -> int:
    """One run of the suite in this process, as ``python -m tests.contract`` does it; ``said`` is the file of what it prints.

    The result is the exit code.
    """
    output = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(variables)
    return contract_run()


@frozen
class Job:
    """A run under way."""

    subject: Subject
    seed: int
    folder: tempfile.TemporaryDirectory[str] = field(factory=tempfile.TemporaryDirectory)
    started: float = field(factory=time.monotonic)
    server: BaseProcess = field(init=False)
    process: BaseProcess = field(init=False)

    def __attrs_post_init__(self) -> None:
        told, tell = FORK.Pipe(duplex=False)
        server = FORK.Process(target=_serve, args=(self.subject, tell), daemon=True)
        server.start()
        env = told.recv()
        process = FORK.Process(
            target=_judge, args=(self.subject, self.seed, self.folder.name, env), daemon=True
        )
        process.start()
        object.__setattr__(self, "server", server)
        object.__setattr__(self, "process", process)

    @property
    def is_over(self) -> bool:
        return not self.process.is_alive() or time.monotonic() - self.started > PATIENCE

    def end(self, start_up: float) -> Verdict:
        """The verdict, once the run is over."""
        seconds = start_up + time.monotonic() - self.started
        for each in (self.process, self.server):
            each.kill()
            each.join()
        with self.folder as folder:
            results = Path(folder, "results.json")
            if results.exists():
                return _verdict(self.subject, json.loads(results.read_text("utf-8")), seconds)
            said = Path(folder, "said").read_text("utf-8", "replace")[-500:]
        return _verdict(
            self.subject,
            {"verdict": "none", "reason": said, "failures": [], "requests": 0},
            seconds,
        )


def _verdict(subject: Subject, results: dict[str, Any], seconds: float) -> Verdict:
    first = results["failures"][0] if results["failures"] else None
    clause = first["clause"] if first else None
    if subject.is_variant:
        outcome = "conforms" if results["verdict"] == "conforms" else "accused"
    elif results["verdict"] != "violates":
        outcome = "survived"
    else:
        outcome = "killed" if clause in subject.right else "wrong clause"
    message = first["message"] if first else results["reason"]
    return Verdict(
        subject.name,
        subject.says,
        tuple(sorted(subject.right)),
        outcome,
        clause,
        message,
        results["requests"],
        round(seconds, 2),
    )


def run_all(
    subjects: Sequence[Subject], *, seed: int, jobs: int, say: Callable[[str], None]
) -> list[Verdict]:
    """Judges all subjects, some at a time, and tells of each when it is done."""
    start_up = start_up_seconds(jobs)
    warm_up()
    waiting, running = list(reversed(subjects)), dict[str, Job]()
    verdicts: dict[str, Verdict] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            subject = waiting.pop()
            running[subject.name] = Job(subject, seed)
        wait([each.process.sentinel for each in running.values()], timeout=1)
        for job in [each for each in running.values() if each.is_over]:
            verdict = verdicts[job.subject.name] = running.pop(job.subject.name).end(start_up)
            _tell(verdict, say)
    return [verdicts[each.name] for each in subjects]


def _tell(verdict: Verdict, say: Callable[[str], None]) -> None:
    mark = "✓" if verdict.is_good else "✗"
    what = f"{verdict.outcome} by {verdict.clause}" if verdict.clause else verdict.outcome
    say(f"{mark} {verdict.name}: {what}, {verdict.requests} requests, {verdict.seconds:.1f} s")
    if not verdict.is_good:
        say(
            f"    {verdict.says}\n    right: {', '.join(verdict.right) or 'no clause'}; said: {verdict.message}"
        )


def uncovered() -> list[str]:
    """The documented clauses that no mutant breaks."""
    broken = {clause for each in load().values() for clause in each.right}
    return [
        each.id
        for each in load_clauses().values()
        if each.evidence == "documented" and each.id not in broken
    ]


def summarise(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Figures over all verdicts, and the same in words."""
    verdicts = list(verdicts)
    mutants = [each for each in verdicts if each.right]
    variants = [each for each in verdicts if not each.right]
    counts = {
        each: sum(verdict.outcome == each for verdict in verdicts)
        for each in ("killed", "wrong clause", "survived", "conforms", "accused")
    }
    lines = []
    for title, group in (("mutants", mutants), ("variants", variants)):
        if group:
            seconds = statistics.median(each.seconds for each in group)
            lines.append(
                f"{len(group)} {title}: median {seconds:.1f} s, {statistics.median(each.requests for each in group):.0f} requests"
            )
    lines.append(", ".join(f"{number} {what}" for what, number in counts.items()))
    share = counts["killed"] / len(mutants) if mutants else 1.0
    if limits() == "live":
        alarms = counts["accused"]
        lines.append(
            f"under live limits (2,000 requests, 5 new contacts): {counts['killed']} of {len(mutants)} mutants detected ({share:.1%}),"
            f" {alarms} false alarm{'' if alarms == 1 else 's'} on {len(variants)} variants"
        )
    bad = [each for each in verdicts if not each.is_good]
    lines += [
        f"✗ {each.name}: {each.outcome}" + (f" ({each.clause})" if each.clause else "")
        for each in bad
    ]
    return {
        "mutants": len(mutants),
        "variants": len(variants),
        "counts": counts,
        "median_seconds": statistics.median(each.seconds for each in mutants) if mutants else None,
        "median_requests": statistics.median(each.requests for each in mutants)
        if mutants
        else None,
        "good": counts["accused"] == 0 and share >= LEAST_SHARE[limits()],
        "lines": lines,
    }


def write_matrix(folder: Path, verdicts: Sequence[Verdict], *, seed: int) -> dict[str, Any]:
    """Writes ``matrix.json`` and ``index.html``."""
    matrix = {
        "seed": seed,
        "summary": summarise(verdicts),
        "uncovered": uncovered(),
        "subjects": [asdict(each) for each in verdicts],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "matrix.json").write_text(
        json.dumps(matrix, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    (folder / "index.html").write_text(render(matrix), "utf-8")
    return matrix


def render(matrix: dict[str, Any]) -> str:
    """One self-contained page of the matrix."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        matrix=matrix, clauses=load_clauses()
    )

"""Runs the suite against subjects, each in a process of its own, and writes what came of it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jinja2
from attrs import asdict, frozen

from tests.contract.clauses import load_clauses
from tests.mutants.catalogue import Subject, SubjectServer, load

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds that one run of the suite may take
TEMPLATE = Path(__file__).with_name("matrix.html.jinja")


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
    seconds: float

    @property
    def is_good(self) -> bool:
        return self.outcome in ("killed", "conforms")


def judge(subject: Subject, seed: int) -> Verdict:
    """Runs the suite against one subject, at a port of its own: for a mutant up to the first breach."""
    with SubjectServer(subject) as server, tempfile.TemporaryDirectory() as folder:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PRISTO_", "RETAINFUL_", "CONTRACT_", "PREVIOUS"))
        }
        told = {
            "TARGET": "live",
            "API": subject.api,
            "PROFILE": "quick",
            "SEED": str(seed),
            "FAILFAST": "0" if subject.is_variant else "1",
            "REPORTS": folder,
        }
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract"],
            cwd=ROOT,
            env={**kept, **server.env, **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        seconds = time.monotonic() - started
        try:
            results = json.loads((Path(folder) / "results.json").read_text("utf-8"))
        except FileNotFoundError:
            results = {"verdict": "none", "reason": said[-500:], "failures": [], "requests": 0}
    return _verdict(subject, results, seconds)


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
        subject.name, subject.says, tuple(sorted(subject.right)), outcome, clause, message, results["requests"], round(seconds, 2)
    )


def run_all(subjects: Sequence[Subject], *, seed: int, jobs: int, say: Callable[[str], None]) -> list[Verdict]:
    """Judges all subjects, some at a time, and tells of each when it is done."""

    def one(subject: Subject) -> Verdict:
        verdict = judge(subject, seed)
        mark = "✓" if verdict.is_good else "✗"
        what = f"{verdict.outcome} by {verdict.clause}" if verdict.clause else verdict.outcome
        say(f"{mark} {verdict.name}: {what}, {verdict.requests} requests, {verdict.seconds:.1f} s")
        if not verdict.is_good:
            say(f"    {verdict.says}\n    right: {', '.join(verdict.right) or 'no clause'}; said: {verdict.message}")
        return verdict

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, subjects))


def uncovered() -> list[str]:
    """The documented clauses that no mutant breaks."""
    broken = {clause for each in load().values() for clause in each.right}
    return [each.id for each in load_clauses().values() if each.evidence == "documented" and each.id not in broken]


def summarise(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Figures over all verdicts, and the same in words."""
    verdicts = list(verdicts)
    mutants = [each for each in verdicts if each.right]
    variants = [each for each in verdicts if not each.right]
    counts = {
        each: sum(verdict.outcome == each for verdict in verdicts) for each in ("killed", "wrong clause", "survived", "conforms", "accused")
    }
    lines = []
    for title, group in (("mutants", mutants), ("variants", variants)):
        if group:
            seconds = statistics.median(each.seconds for each in group)
            lines.append(f"{len(group)} {title}: median {seconds:.1f} s, {statistics.median(each.requests for each in group):.0f} requests")
    lines.append(", ".join(f"{number} {what}" for what, number in counts.items()))
    bad = [each for each in verdicts if not each.is_good]
    lines += [f"✗ {each.name}: {each.outcome}" + (f" ({each.clause})" if each.clause else "") for each in bad]
    return {
        "mutants": len(mutants),
        "variants": len(variants),
        "counts": counts,
        "median_seconds": statistics.median(each.seconds for each in mutants) if mutants else None,
        "median_requests": statistics.median(each.requests for each in mutants) if mutants else None,
        "good": not bad,
        "lines": lines,
    }


def write_matrix(folder: Path, verdicts: Sequence[Verdict], *, seed: int) -> dict[str, Any]:
    """Writes ``matrix.json`` and ``index.html``."""
    matrix = {"seed": seed, "summary": summarise(verdicts), "uncovered": uncovered(), "subjects": [asdict(each) for each in verdicts]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "matrix.json").write_text(json.dumps(matrix, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / "index.html").write_text(render(matrix), "utf-8")
    return matrix


def render(matrix: dict[str, Any]) -> str:
    """One self-contained page of the matrix."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(matrix=matrix, clauses=load_clauses())

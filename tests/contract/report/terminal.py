"""The last lines of a run on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .masking import masked
from .morning import lines as morning_lines
from .reports import CUT, NOT_SELECTED, Outcome, conclusion
from .words import counted, listed

Json = dict[str, Any]


def print_verdict(outcome: Outcome, problems: Sequence[str] = ()) -> None:
    """The morning report, failures with their reproducers, clauses that could not be exercised, and the verdict in words."""
    text = "\n".join(_lines(outcome, problems))
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_bare(outcome: Outcome, error: Exception) -> None:
    """Of a run whose reports could not be built for a fault of ours: what it found, and that."""
    lines = [""]
    if outcome.run is not None:
        lines += [f"✗ {breach.clause}: {breach.message}" for breach in outcome.run.breaches]
    fault = f"the reports could not be built ({type(error).__name__}: {error})"
    lines.append(f"Verdict: could-not-run · {fault}; the run itself ended with {outcome.verdict}")
    text = "\n".join(lines)
    sys.stdout.write(masked(text, outcome.secrets) + "\n")
    sys.stdout.flush()


def _lines(outcome: Outcome, problems: Sequence[str]) -> Iterator[str]:
    results = outcome.results
    yield ""
    yield from morning_lines(results["morning"])
    for failure in results["failures"]:
        yield ""
        yield from _failure(outcome, failure)
    if outcome.run is not None:
        for text in outcome.run.suite_errors:
            yield ""
            yield masked(text, outcome.secrets).removesuffix("\n")
    yield ""
    yield _counts(results)
    yield from _gaps(results)
    yield f"Report: {outcome.folder / 'index.html'}"
    yield _verdict(results, problems)


def _failure(outcome: Outcome, failure: Json) -> Iterator[str]:
    clause = failure["clause"]
    known = ""
    if failure["ticket"]:
        known = f" (known: {failure['ticket']})"
    yield f"✗ {clause}{known}: {failure['message']}"
    yield f"  where: {failure['at']}"
    if failure["same_cause"]:
        yield f"  probably one cause with: {', '.join(failure['same_cause'])}"
    if failure["request"]:
        scripts = outcome.folder / "reproducers" / clause
        yield f"  again: bash {scripts}.sh, or python {scripts}.py; {_sequence(failure)}"


def _sequence(failure: Json) -> str:
    """What a script sends, in words."""
    sequence = f"{counted(failure['requests'], 'request', 'requests')} a round"
    if failure["at_once"]:
        sequence += ", some of them at once"
    return f"{sequence}; exit code 1 when the violation shows, 0 when it does not"


def _counts(results: Json) -> str:
    kinds = [clause["result"] for clause in results["clauses"]]
    broken = {failure["clause"] for failure in results["failures"]}
    clauses = f"{kinds.count('pass')} clauses hold, {len(broken)} broken, {kinds.count('observed')} observed"
    requests = f"{results['requests']} requests in {results['seconds']:.1f} s"
    return f"{clauses}; {requests}, {results['contacts']} contacts written"


def _gaps(results: Json) -> Iterator[str]:
    """What was not checked, and why."""
    clauses = results["clauses"]
    cut = [clause["id"] for clause in clauses if clause["observation"] == CUT]
    if cut:
        yield f"The run ended early: {len(cut)} clauses were not looked at to the end."
    idle = [clause for clause in clauses if clause["result"] == "not-exercised"]
    names = [clause["id"] for clause in idle if clause["observation"] not in (CUT, NOT_SELECTED)]
    if names:
        yield f"Not exercised: {listed(names)}"
    if results["not_covered"]:
        parts = ", ".join(results["not_covered"])
        yield f"Not covered: {parts}; the document has it, and no clause is about it"
    if results["stale_clauses"]:
        stale = ", ".join(results["stale_clauses"])
        yield f"Clauses that point nowhere in the document: {stale}"


def _verdict(results: Json, problems: Sequence[str]) -> str:
    verdict = results["verdict"]
    words = conclusion(results)
    if not problems:
        return f"Verdict: {verdict} · {words}"
    faults = "; ".join(problems)
    return f"Verdict: could-not-run · {faults}; the run itself ended with {verdict} ({words})"

"""What a run leaves: ``results.json``, ``junit.xml`` and ``index.html``, each written whole or not at all, all masked."""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from attrs import define

from .clauses import Clause, checksum, load_clauses
from .coverage import not_covered, stale

if TYPE_CHECKING:
    from .plugin import Run
    from .service import Breach, Exchange
    from .settings import Settings

Verdict = Literal["conforms", "violates", "could-not-run", "incomplete"]
EXIT_CODES: dict[Verdict, int] = {"conforms": 0, "violates": 1, "could-not-run": 2, "incomplete": 3}
MASK = "***"
SHOWN_STEPS = 40  # requests of a sequence that results and page show; its scripts have all of them
CUT = "the run ended before"
NOT_SELECTED = "CLAUSE selects others"


@define
class Outcome:
    """A run's verdict, and all that its reports are made of."""

    folder: Path
    seconds: float = 0.0
    reason: str | None = None
    run: Run | None = None

    def begin(self, run: Run) -> None:
        self.run = run

    def cannot_run(self, reason: str) -> None:
        self.reason = reason

    def interrupted(self) -> None:
        self.reason = "The run was interrupted; what was checked before is in the report."

    @property
    def verdict(self) -> Verdict:
        if self.run is not None and self.run.breaches:
            return "violates"
        if self.reason is not None or self.run is None or self.run.suite_errors:
            return "could-not-run"
        return "incomplete" if self.run.left_out else "conforms"

    @property
    def is_cut(self) -> bool:
        """Whether the run ended before its last check: at the first violation, by Ctrl-C, or because the service was gone."""
        return self.run is not None and (self.run.is_cut or self.reason is not None)

    @property
    def why(self) -> str | None:
        """One sentence for a verdict that is not ``conforms``."""
        run = self.run
        if run is not None and run.breaches:
            clauses = dict.fromkeys(each.clause for each in run.breaches)
            return f"{len(clauses)} documented clause{'s are' if len(clauses) > 1 else ' is'} broken: {', '.join(clauses)}."
        if self.reason is None and run is not None and run.suite_errors:
            return "The suite itself failed: " + run.suite_errors[0].strip().splitlines()[-1]
        if self.verdict == "incomplete" and run is not None:
            return _incomplete(run)
        return self.reason

    def result_of(self, clause: Clause) -> str:
        assert self.run is not None
        result = self.run.results[clause.id]
        if result.failed:
            return "fail"
        if not self.run.settings.selects(clause.id):
            return "not-exercised"
        if result.observations:
            return "observed"
        if result.passed and clause.evidence == "documented":
            return "pass"
        return "not-exercised"

    def as_json(self) -> dict[str, Any]:
        run = self.run
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        return {
            "verdict": self.verdict,
            "reason": self.why,
            "target": run.settings.target if run else os.environ.get("TARGET") or "mock",
            "apis": run.settings.apis if run else _selected(),
            "profile": run.settings.profile if run else os.environ.get("PROFILE") or "ci",
            "seed": run.settings.seed if run else None,
            "spec_sha256": checksum(run.settings.apis if run else _selected()),
            "requests": run.requests if run else 0,
            "contacts": sum(len(each.counters.contacts) for each in run.services.values()) if run else 0,
            "seconds": round(self.seconds, 3),
            "finished": finished,
            "left_out": list(run.left_out) if run and self.verdict == "incomplete" else [],
            "clauses": [self._clause(each, finished) for each in (run.clauses if run else [])],
            "failures": _failures(run) if run else [],
            "not_covered": [f"{api}: {at}" for api in run.settings.apis for at in not_covered(api)] if run else [],
            "stale_clauses": [each for api in run.settings.apis for each in stale(api)] if run else [],
        }

    def _clause(self, clause: Clause, finished: str) -> dict[str, Any]:
        assert self.run is not None
        before = {each["id"]: each for each in (self.run.settings.previous or {"clauses": []})["clauses"]}.get(clause.id, {})
        result = self.run.results[clause.id]
        notes = result.observations
        if self.result_of(clause) == "not-exercised":
            notes = [*result.left_out, *result.not_exercised]
            if not self.run.settings.selects(clause.id):
                notes = [NOT_SELECTED]
        if self.is_cut and not notes and self.result_of(clause) == "not-exercised":
            notes = [CUT]
        seen = {"result": self.result_of(clause), "observation": "; ".join(dict.fromkeys(notes)) or None}
        same = all(before.get(name, result) == value for name, value in seen.items())
        # Since when it is as it is, as far as the chain of earlier runs goes back.
        since = before.get("since", finished) if same else finished
        return {"id": clause.id, "evidence": clause.evidence, **seen, "requests": result.requests, "since": since}


def _incomplete(run: Run) -> str:
    """What was left out: how many by ``CLAUSE``, and the others by name and reason."""
    left_out = run.left_out
    if run.settings.selection:
        documented = sum(clause.evidence == "documented" for clause in run.clauses)
        selected = sum(clause.evidence == "documented" and run.settings.selects(clause.id) for clause in run.clauses)
        told = (
            f"CLAUSE={','.join(run.settings.selection)} selects {selected} of {documented} documented clauses; the others were not checked."
        )
        left_out = {clause: reason for clause, reason in left_out.items() if run.settings.selects(clause)}
        return told if not left_out else f"{told} Of those selected, {_left_out(left_out)}"
    return _left_out(left_out)


def _left_out(left_out: dict[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for clause, reason in left_out.items():
        by_reason.setdefault(reason, []).append(clause)
    parts = [f"{listed(clauses)} ({reason})" for reason, clauses in by_reason.items()]
    number = len(left_out)
    return f"{number} documented clause{'s were' if number > 1 else ' was'} not checked: {'; '.join(parts)}."


def listed(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


def _selected() -> list[str]:
    from .settings import CannotRun, selected_apis

    try:
        return selected_apis(os.environ)
    except CannotRun:
        return []


def _failures(run: Run) -> list[dict[str, Any]]:
    """The failures; those that are probably of one cause stand together and carry its number, the most telling first."""
    from .reproducers import causes

    groups = causes(run.breaches)
    return [
        {**_failure(each, run.settings), "cause": number, "same_cause": [other.clause for other in group if other is not each]}
        for number, group in enumerate(groups, 1)
        for each in group
    ]


def _failure(breach: Breach, settings: Settings) -> dict[str, Any]:
    from .reproducers import as_curl, reproducer

    scripts = reproducer(breach, settings)
    steps = [exchange for step in breach.sequence for exchange in step.exchanges][-SHOWN_STEPS:]
    return {
        "clause": breach.clause,
        "message": breach.message,
        "at": load_clauses()[breach.clause].place,
        "curl": scripts.as_shell() if scripts else None,
        "python": scripts.as_python() if scripts else None,
        "request": as_curl([breach.exchanges[-1].call], settings.variables) if scripts else None,
        "minimal": _minimal(steps) if scripts else None,
        "requests": sum(len(step.exchanges) for step in breach.sequence),
        "at_once": any(len(step.exchanges) > 1 for step in breach.sequence),
    }


def _minimal(steps: Sequence[Exchange]) -> dict[str, Any]:
    """The last request and answer, and those that must come before."""
    *before, last = map(_step, steps)
    return {**last, "before": before}


def _step(exchange: Exchange) -> dict[str, Any]:
    call = exchange.call
    return {
        "request": {
            "method": call.method,
            "url": call.url,
            "headers": dict(call.headers),
            "body": (call.body or b"").decode("utf-8", "backslashreplace"),
        },
        "answer": {
            "status": exchange.status,
            "headers": exchange.headers,
            "body": exchange.body[:20_000].decode("utf-8", "backslashreplace"),
        }
        if exchange.status
        else None,
    }


# -------------------------------------------------------------------------------------------------------- masking


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, in whatever way they are written into it."""
    for form in _forms_of(tuple(secrets)):
        text = text.replace(form, MASK)
    return text


@lru_cache(maxsize=8)
def _forms_of(secrets: tuple[str, ...]) -> list[str]:
    """The ways in which these secrets may be written, the longest first; once a run, for a report has thousands of strings."""
    written: set[str] = set()
    for secret in secrets:
        forms = {secret, secret.lower(), secret.upper(), secret.swapcase(), secret[:-1], secret[1:], secret.replace("-", "")}
        forms |= {quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode(), repr(secret)[1:-1]}
        written |= {each for each in forms if len(each) > 3 or each == secret}
    return sorted(filter(None, written), key=len, reverse=True)


def _secrets(outcome: Outcome) -> list[str]:
    if outcome.run is None:
        named = ("PRISTO_API_KEY", "RETAINFUL_API_KEY", "RETAINFUL_APP_ID")
        return [os.environ[name] for name in named if os.environ.get(name)]
    return [value for each in outcome.run.settings.endpoints for value in each.credentials.values()]


# -------------------------------------------------------------------------------------------------------- writing


def write_reports(outcome: Outcome) -> None:
    """Writes the three files; each appears whole or not at all."""
    from .page import render_page

    secrets = _secrets(outcome)
    results = _masked_json(outcome.as_json(), secrets)
    previous = outcome.run.settings.previous if outcome.run else None
    _write_reproducers(outcome.folder / "reproducers", results["failures"], secrets)
    _write(outcome.folder / "results.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    _write(outcome.folder / "junit.xml", masked(_junit(results), secrets))
    _write(outcome.folder / "index.html", masked(render_page(results, previous), secrets))


def _write_reproducers(folder: Path, failures: list[dict[str, Any]], secrets: list[str]) -> None:
    """One script of each language for each failure; those of an earlier run go."""
    for old in [*folder.glob("*.sh"), *folder.glob("*.py")]:
        old.unlink()
    for failure in failures:
        if failure["curl"]:
            _write(folder / f"{failure['clause']}.sh", masked(failure["curl"], secrets))
            _write(folder / f"{failure['clause']}.py", masked(failure["python"], secrets))


def _masked_json(value: Any, secrets: list[str]) -> Any:
    """Masks inside the strings, so that no secret hides behind an escape."""
    if isinstance(value, str):
        return masked(value, secrets)
    if isinstance(value, list):
        return [_masked_json(each, secrets) for each in value]
    if isinstance(value, dict):
        return {masked(key, secrets): _masked_json(each, secrets) for key, each in value.items()}
    return value


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _junit(results: dict[str, Any]) -> str:
    suites = ET.Element("testsuites", name="contract")
    for api in results["apis"] or ["run"]:
        clauses = [each for each in results["clauses"] if each["id"].startswith(api + ".")]
        failures = {each["clause"]: each for each in reversed(results["failures"]) if each["clause"].startswith(api + ".")}
        error = results["verdict"] == "could-not-run"
        skipped = sum(each["result"] == "not-exercised" for each in clauses)
        counts = {"tests": len(clauses) + error, "failures": len(failures), "errors": int(error), "skipped": skipped}
        suite = ET.SubElement(
            suites, "testsuite", {"name": api, "time": str(results["seconds"])} | {key: str(each) for key, each in counts.items()}
        )
        if error:
            case = ET.SubElement(suite, "testcase", classname=api, name="run")
            ET.SubElement(case, "error", message=_printable(results["reason"] or ""))
        for clause in clauses:
            case = ET.SubElement(suite, "testcase", classname=f"contract.{api}", name=clause["id"])
            if clause["id"] in failures:
                failure = failures[clause["id"]]
                message = failure["message"]
                if failure["same_cause"]:
                    message += f" (probably one cause with {', '.join(failure['same_cause'])})"
                ET.SubElement(case, "failure", message=_printable(message)).text = _printable(failure["curl"] or "")
            elif clause["result"] == "not-exercised":
                ET.SubElement(case, "skipped", message=_printable(clause["observation"] or ""))
            elif clause["observation"]:
                ET.SubElement(case, "system-out").text = _printable(clause["observation"])
    ET.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """XML has no way to write most control characters."""
    return "".join(
        each if each in "\t\n" or (each.isprintable() and each < "\ufffe") or each == " " else ascii(each)[1:-1] for each in text
    )


def _sequence(failure: dict[str, Any]) -> str:
    """What a script sends, in words."""
    number = failure["requests"]
    together = ", some of them at once" if failure["at_once"] else ""
    return f"{number} request{'s' if number > 1 else ''} a round{together}; exit code 1 when the violation shows, 0 when it does not"


def print_verdict(outcome: Outcome) -> None:
    """The last lines of a run: failures with their reproducers, clauses that could not be exercised, and the verdict in words."""
    results = _masked_json(outcome.as_json(), _secrets(outcome))
    say = sys.stdout.write
    for each in results["failures"]:
        say(f"\n✗ {each['clause']}: {each['message']}\n  where: {each['at']}\n")
        if each["same_cause"]:
            say(f"  probably one cause with: {', '.join(each['same_cause'])}\n")
        if each["request"]:
            scripts = outcome.folder / "reproducers" / each["clause"]
            say(f"  again: bash {scripts}.sh, or python {scripts}.py; {_sequence(each)}\n")
    if outcome.run is not None:
        for text in outcome.run.suite_errors:
            say("\n" + masked(text, _secrets(outcome)))
    observed = [each for each in results["clauses"] if each["result"] == "observed"]
    passed = sum(each["result"] == "pass" for each in results["clauses"])
    say(f"\n{passed} clauses hold, {len({each['clause'] for each in results['failures']})} broken, {len(observed)} observed")
    say(f"; {results['requests']} requests in {results['seconds']:.1f} s, {results['contacts']} contacts written\n")
    idle = [each for each in results["clauses"] if each["result"] == "not-exercised" and each["observation"] not in (CUT, NOT_SELECTED)]
    cut = sum(each["observation"] == CUT for each in results["clauses"])
    if cut:
        say(f"The run ended early: {cut} clauses were not looked at to the end.\n")
    if idle:
        say(f"Not exercised: {listed([each['id'] for each in idle])}\n")
    if results["not_covered"]:
        say(f"Not covered: {', '.join(results['not_covered'])}; the document has it, and no clause speaks of it\n")
    if results["stale_clauses"]:
        say(f"Clauses that point nowhere in the document: {', '.join(results['stale_clauses'])}\n")
    say(f"Report: {outcome.folder / 'index.html'}\n")
    words = {
        "conforms": "the service keeps every documented promise that could be exercised",
        "violates": results["reason"],
        "could-not-run": results["reason"],
        "incomplete": results["reason"],
    }[results["verdict"]]
    say(f"Verdict: {results['verdict']} · {words}\n")
    sys.stdout.flush()

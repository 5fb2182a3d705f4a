"""What a run leaves: ``results.json``, ``junit.xml`` and ``index.html``, each written whole or not at all; its lines in the history; all masked."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import define, evolve, field

from ..clauses import Clause, checksum, load_clauses
from ..coverage import not_covered, stale
from ..settings import CannotRun, history_path, secrets_in, selected_apis, series_of
from .history import FORMAT, ForeignHistory, History, Past, Seen, Series, append_lines, read_history
from .masking import masked, masked_beginning, masked_json
from .morning import CATEGORIES, heading, lines, looked_at, markdown, moment, morning_of, since_of

if TYPE_CHECKING:
    from ..plugin import Run
    from ..service import Breach, Exchange
    from ..settings import Settings

Verdict = Literal["conforms", "violates", "could-not-run", "incomplete"]
EXIT_CODES: dict[Verdict, int] = {"conforms": 0, "violates": 1, "could-not-run": 2, "incomplete": 3}
KEPT_BODY = 20_000  # characters of a response's body that results and page show
SHOWN_STEPS = 40  # requests of a sequence that results and page show; its scripts have all of them
CUT = "the run ended before"
NOT_SELECTED = "CLAUSE selects others"
# Members of the results that hold words of the suite's own, on which the reports rely: they are not masked.
OWN_MEMBERS = (
    *(
        "verdict",
        "target",
        "apis",
        "profile",
        "spec_sha256",
        "finished",
        "left_out",
        "not_covered",
        "stale_clauses",
        "blocked",
    ),
    *(
        "id",
        "clause",
        "at",
        "evidence",
        "result",
        "state",
        "since",
        "until",
        "same_cause",
        "method",
    ),
)


@define(slots=False)
class Outcome:
    """A run's verdict, and all that its reports are made of."""

    folder: Path
    environ: Mapping[str, str] = field(factory=lambda: os.environ, repr=False)
    finished: datetime = field(factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    reason: str | None = None
    run: Run | None = None

    def begin(self, run: Run) -> None:
        self.run = run

    def end(self, seconds: float) -> None:
        """The run is over; what is read of the outcome from here on is final."""
        self.seconds = seconds
        self.finished = datetime.now(UTC)

    def cannot_run(self, reason: str) -> None:
        self.reason = reason

    def interrupted(self) -> None:
        self.reason = "The run was interrupted; what was checked before is in the report."

    @property
    def verdict(self) -> Verdict:
        if self.run is not None and self.run.new_breaches:
            return "violates"
        if self.reason is not None or self.run is None or self.run.suite_errors:
            return "could-not-run"
        return "incomplete" if self.run.left_out or self.remarks else "conforms"

    @property
    def known(self) -> list[dict[str, str | None]]:
        """The known violations that concern this run, each with its state."""
        if self.run is None:
            return []
        today = self.finished.date()
        found = []
        for violation in self.run.settings.known:
            if violation.concerns(self.run.settings.apis):
                result = self.result_to_the_end(load_clauses()[violation.clause])
                found.append(violation.as_json(violation.state(result, today)))
        return found

    @property
    def remarks(self) -> list[str]:
        """What is wrong with the known violations, a sentence each."""
        found = [each["remark"] for each in self.known if each["remark"] is not None]
        passed = 0
        if self.blocked and self.run is not None:
            passed = sum(self.result_of(clause) == "pass" for clause in self.run.clauses)
        if len(self.blocked) > passed:
            found.append(
                f"the known violations keep {len(self.blocked)} documented clauses from being checked, and only {passed} hold"
            )
        return [
            remark[0].upper() + remark[1:] if remark.startswith("the ") else remark
            for remark in found
        ]

    @property
    def known_and_new(self) -> str | None:
        """How many of what is broken were known, where any was."""
        if self.run is None:
            return None
        broken = {found.clause for found in self.run.breaches}
        new = {found.clause for found in self.run.new_breaches}
        return f"{len(broken - new)} known, {len(new)} new" if broken - new else None

    @property
    def blocked(self) -> list[str]:
        """The documented clauses that were not checked because of a known violation."""
        if self.run is None:
            return []
        documented = [clause for clause in self.run.clauses if clause.evidence == "documented"]
        return [
            clause.id
            for clause in documented
            if clause.id in self.run.blocked and self.result_of(clause) == "not-exercised"
        ]

    @property
    def is_cut(self) -> bool:
        """Whether the run ended before its last check: at the first violation, by Ctrl-C, or because the service was gone."""
        return self.run is not None and (self.run.is_cut or self.reason is not None)

    @property
    def why(self) -> str | None:
        """One sentence for a verdict that is not ``conforms``."""
        run = self.run
        if run is not None and run.new_breaches:
            clauses = dict.fromkeys(each.clause for each in run.new_breaches)
            counts = f" ({self.known_and_new})" if self.known_and_new else ""
            return f"{len(clauses)} documented clause{'s are' if len(clauses) > 1 else ' is'} broken: {', '.join(clauses)}{counts}."
        if self.reason is None and run is not None and run.suite_errors:
            return "The suite itself failed: " + run.suite_errors[0].strip().splitlines()[-1]
        if self.verdict == "incomplete" and run is not None:
            sentences = [_incomplete(run)] if run.left_out else []
            sentences += [f"{remark}." for remark in self.remarks]
            return " ".join(sentences)
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

    def result_to_the_end(self, clause: Clause) -> str:
        """The same, where a clause that held until the run was cut is not one that was checked: what comes later may break it."""
        result = self.result_of(clause)
        return "not-exercised" if self.is_cut and result in ("pass", "observed") else result

    @cached_property
    def results(self) -> dict[str, Any]:
        """What ``results.json`` holds, masked."""
        return masked_results(self.as_json(), self.secrets)

    @property
    def secrets(self) -> list[str]:
        """What no report shows: the credentials, and the ids of the account's population and list."""
        if self.run is not None:
            return list(self.run.settings.variables)
        return secrets_in(self.environ)

    def as_json(self) -> dict[str, Any]:
        run = self.run
        finished = self.finished.isoformat(timespec="seconds")
        past = self.past
        previous = run.settings.previous if run else None
        looked = self.looked
        clauses = [self._clause(each, finished, looked) for each in (run.clauses if run else [])]
        tickets = {str(each["clause"]): str(each["ticket"]) for each in self.known}
        morning = morning_of(
            self.compared(clauses), self.verdict, past, previous, self.known, self.notes(past)
        )
        return {
            "verdict": self.verdict,
            "reason": self.why,
            "target": run.settings.target if run else self.environ.get("TARGET") or "mock",
            "apis": self.apis,
            "profile": run.settings.profile if run else self.environ.get("PROFILE") or "ci",
            "seed": run.settings.seed if run else None,
            "spec_sha256": checksum(self.apis),
            "requests": run.requests if run else 0,
            "contacts": sum(len(each.counters.contacts) for each in run.services.values())
            if run
            else 0,
            "seconds": round(self.seconds, 3),
            "finished": finished,
            "left_out": list(run.left_out) if run and self.verdict == "incomplete" else [],
            "known": self.known,
            "known_and_new": self.known_and_new,
            "blocked": self.blocked,
            "morning": morning,
            "clauses": clauses,
            "failures": _failures(run, tickets) if run else [],
            "not_covered": [f"{api}: {at}" for api in run.settings.apis for at in not_covered(api)]
            if run
            else [],
            "stale_clauses": [each for api in run.settings.apis for each in stale(api)]
            if run
            else [],
        }

    @property
    def apis(self) -> list[str]:
        """The APIs that were selected; none where the variables name none."""
        if self.run is not None:
            return self.run.settings.apis
        try:
            return selected_apis(self.environ)
        except CannotRun:
            return []

    def compared(self, clauses: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The clauses as they are compared with other nights: those of a run that was cut, or did not start, were not all checked."""
        if self.run is None:
            finished = self.finished.isoformat(timespec="seconds")
            empty = {"result": "not-exercised", "observation": None, "since": finished}
            return [
                {"id": clause.id, **empty}
                for clause in load_clauses().values()
                if clause.api in self.apis
            ]
        found = []
        for clause in clauses:
            result = self.result_to_the_end(load_clauses()[clause["id"]])
            found.append(
                clause
                if result == clause["result"]
                else {**clause, "result": result, "observation": CUT}
            )
        return found

    @property
    def series(self) -> list[Series]:
        """Which nights of the history this run belongs to."""
        if self.run is not None:
            return self.run.settings.series
        try:
            return series_of(self.environ)
        except CannotRun:
            return []

    @property
    def looked(self) -> dict[str, Seen]:
        """What each clause was when it was last looked at."""
        previous = self.run.settings.previous if self.run is not None else None
        return looked_at(self.past, previous)

    @cached_property
    def history(self) -> History | None:
        """The history as it was when the run began; None where it cannot be read."""
        if self.run is not None:
            return self.run.settings.history
        try:
            return read_history(history_path(self.environ, self.folder))
        except (ForeignHistory, OSError):
            return None

    @property
    def past(self) -> dict[str, Past]:
        """The earlier nights by API."""
        history = self.history
        return {each.api: history.of(each) for each in self.series} if history is not None else {}

    def notes(self, past: Mapping[str, Past]) -> list[str]:
        """What the reader of a comparison should know."""
        said = [self.history.notice] if self.history is not None and self.history.notice else []
        for api, nights in past.items():
            night = nights.compared_with
            if night is not None and night.spec != checksum([api])[:16]:
                said.append(
                    f"The specification of {api} has changed since the run of {moment(night.finished)}."
                )
        remarks = self.remarks if self.run is not None else []
        return said + [f"{remark}." for remark in remarks]

    def _clause(self, clause: Clause, finished: str, looked: Mapping[str, Seen]) -> dict[str, Any]:
        assert self.run is not None
        result = self.run.results[clause.id]
        notes = result.observations
        if self.result_of(clause) == "not-exercised":
            notes = [*result.left_out, *result.not_exercised]
            if not self.run.settings.selects(clause.id):
                notes = [NOT_SELECTED]
        if self.is_cut and not notes and self.result_of(clause) == "not-exercised":
            notes = [CUT]
        seen: dict[str, Any] = {
            "id": clause.id,
            "evidence": clause.evidence,
            "result": self.result_of(clause),
        }
        seen["observation"] = "; ".join(dict.fromkeys(notes)) or None
        return {**seen, "requests": result.requests, "since": since_of(seen, looked, finished)}


def _incomplete(run: Run) -> str:
    """What was left out: how many by ``CLAUSE``, and the others by name and reason."""
    left_out = run.left_out
    if run.settings.selection:
        documented = sum(clause.evidence == "documented" for clause in run.clauses)
        selected = sum(
            clause.evidence == "documented" and run.settings.selects(clause.id)
            for clause in run.clauses
        )
        told = f"CLAUSE={','.join(run.settings.selection)} selects {selected} of {documented} documented clauses; the others were not checked."
        left_out = {
            clause: reason for clause, reason in left_out.items() if run.settings.selects(clause)
        }
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


def _failures(run: Run, tickets: Mapping[str, str]) -> list[dict[str, Any]]:
    """The failures; those that are probably of one cause stand together and carry its number, the most telling first."""
    from .reproducers import causes

    found = []
    for number, group in enumerate(causes(run.breaches), 1):
        for breach in group:
            others = [other.clause for other in group if other is not breach]
            shown = _failure(breach, run.settings)
            found.append(
                {
                    **shown,
                    "cause": number,
                    "same_cause": others,
                    "ticket": tickets.get(breach.clause),
                }
            )
    return found


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
        "minimal": _minimal(steps, list(settings.variables)) if scripts else None,
        "requests": sum(len(step.exchanges) for step in breach.sequence),
        "at_once": any(len(step.exchanges) > 1 for step in breach.sequence),
    }


def _minimal(steps: Sequence[Exchange], secrets: Sequence[str]) -> dict[str, Any]:
    """The last request and answer, and those that must come before."""
    *before, last = [_step(exchange, secrets) for exchange in steps]
    return {**last, "before": before}


def _step(exchange: Exchange, secrets: Sequence[str]) -> dict[str, Any]:
    """A request and its answer, of which what a later masking would not find is masked: cut values, and names that a service gives."""
    call = exchange.call
    body = exchange.body.decode("utf-8", "backslashreplace")
    return {
        "request": {
            "method": call.method,
            "url": call.url,
            "headers": {
                masked(name, secrets): masked(value, secrets) for name, value in call.headers
            },
            "body": (call.body or b"").decode("utf-8", "backslashreplace"),
        },
        "answer": {
            "status": exchange.status,
            "headers": {
                masked(name, secrets): masked(value, secrets)
                for name, value in exchange.headers.items()
            },
            "body": masked_beginning(
                body, secrets, KEPT_BODY, is_cut=len(exchange.body) >= KEPT_BODY
            ),
        }
        if exchange.status
        else None,
    }


def masked_results(results: dict[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """The results as they may be shown."""
    shown: dict[str, Any] = masked_json(results, secrets, OWN_MEMBERS)
    return shown


# -------------------------------------------------------------------------------------------------------- writing


def write_reports(outcome: Outcome) -> list[str]:
    """Writes the files, the lines of the history and the summary of a step of GitHub Actions; each file appears whole or not at all.

    Returns:
        What could not be written, a sentence each. The results are kept in any case: if not in their folder, in a temporary one.
    """
    from .page import render_page

    folder = outcome.folder
    results = outcome.results
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    problems: list[str] = []

    def attempt(what: str, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as error:
            problems.append(f"{what} could not be written ({error.strerror or error})")
        except Exception as error:  # noqa: BLE001  # a fault of ours here must not take the results away
            problems.append(
                f"{what} could not be written ({masked(f'{type(error).__name__}: {error}', outcome.secrets)})"
            )
        else:
            return True
        return False

    def page() -> str:
        looked = masked_looked(outcome.looked, outcome.secrets)
        return render_page(results, conclusion(results), looked, outcome.past)

    is_kept = attempt(str(folder / "results.json"), lambda: _write(folder / "results.json", text))
    if not is_kept:
        is_kept = attempt(
            "the results", lambda: problems.append(f"the results are in {_write_elsewhere(text)}")
        )
    if not is_kept:
        sys.stdout.write(f"\n{text}")
        problems.append("the results are printed above")
    attempt("the history", lambda: _add_to_history(outcome, results))
    attempt(
        "the reproducers", lambda: _write_reproducers(folder / "reproducers", results["failures"])
    )
    attempt(str(folder / "junit.xml"), lambda: _write(folder / "junit.xml", _junit(results)))
    attempt(str(folder / "index.html"), lambda: _write(folder / "index.html", page()))
    summary = outcome.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        attempt(
            "the step's summary",
            lambda: _append(Path(summary), markdown(results, conclusion(results))),
        )
    return problems


def masked_looked(looked: Mapping[str, Seen], secrets: Sequence[str]) -> dict[str, Seen]:
    """What each clause was, as it may be shown: an earlier run may have been of other credentials."""
    found = {}
    for name, seen in looked.items():
        observation = None if seen.observation is None else masked(seen.observation, secrets)
        found[name] = evolve(seen, observation=observation)
    return found


def _write_elsewhere(text: str) -> Path:
    """Keeps the results where their folder takes none."""
    path = Path(tempfile.mkdtemp(prefix="contract-")) / "results.json"
    _write(path, text)
    return path


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def _add_to_history(outcome: Outcome, results: dict[str, Any]) -> None:
    if outcome.history is None:
        return  # it is not ours, and the verdict says so
    stamp = f"{outcome.finished:%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"
    tickets = {each["clause"]: each["ticket"] for each in results["known"]}
    added = []
    for series in outcome.series:
        night = {
            "format": FORMAT,
            "run": stamp,
            "finished": results["finished"],
            "target": series.target,
            "service": series.service,
            "api": series.api,
            "profile": series.profile,
            "seed": results["seed"],
            "spec": checksum([series.api])[:16],
            "verdict": results["verdict"],
        }
        for clause in outcome.compared(results["clauses"]):
            if clause["id"].startswith(f"{series.api}."):
                seen = {name: clause[name] for name in ("result", "observation", "since")}
                added.append(
                    {**night, "clause": clause["id"], **seen, "ticket": tickets.get(clause["id"])}
                )
    append_lines(outcome.history.path, added)


def known_in_words(results: dict[str, Any]) -> str:
    """What ``conforms`` means where something is broken that is known to be."""
    text = f"{results['known_and_new']}: every other documented promise that could be exercised is kept"
    blocked = results["blocked"]
    if blocked:
        text += f"; not checked because of what is known: {listed(blocked)}"
    return text


def conclusion(results: dict[str, Any]) -> str:
    """The verdict in words."""
    if results["verdict"] == "conforms" and results["known_and_new"]:
        return known_in_words(results)
    if results["verdict"] == "conforms":
        return "the service keeps every documented promise that could be exercised"
    text = str(results["reason"])
    if results["verdict"] == "incomplete" and results["known_and_new"]:
        return f"{results['known_and_new']}. {text}"
    return text


def _write_reproducers(folder: Path, failures: list[dict[str, Any]]) -> None:
    """One script of each language for each failure; those of an earlier run go."""
    for old in [*folder.glob("*.sh"), *folder.glob("*.py")]:
        old.unlink()
    for failure in failures:
        if failure["curl"]:
            _write(folder / f"{failure['clause']}.sh", failure["curl"])
            _write(folder / f"{failure['clause']}.py", failure["python"])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "wb", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise


def _junit(results: dict[str, Any]) -> str:
    suites = ET.Element("testsuites", name="contract")
    for api in results["apis"] or ["run"]:
        clauses = [each for each in results["clauses"] if each["id"].startswith(api + ".")]
        failures = {
            each["clause"]: each
            for each in reversed(results["failures"])
            if each["clause"].startswith(api + ".")
        }
        known = {each["clause"]: each for each in results["known"] if each["clause"] in failures}
        error = results["verdict"] in ("could-not-run", "incomplete")
        skipped = sum(each["result"] == "not-exercised" for each in clauses) + len(known)
        counts = {
            "tests": len(clauses) + error,
            "failures": len(failures) - len(known),
            "errors": int(error),
            "skipped": skipped,
        }
        suite = ET.SubElement(
            suites,
            "testsuite",
            {"name": api, "time": str(results["seconds"])}
            | {key: str(each) for key, each in counts.items()},
        )
        morning = results["morning"]
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(
            properties, "property", name="compared with", value=_printable(heading(morning))
        )
        for name, title in CATEGORIES.items():
            named = [
                change["clause"]
                for change in morning[name]
                if change["clause"].startswith(api + ".")
            ]
            ET.SubElement(properties, "property", name=title, value=", ".join(named) or "none")
        standing = {
            change["clause"]: f"still broken since {moment(change['since'])}: "
            for change in morning["still"]
        }
        standing |= {change["clause"]: "new tonight: " for change in morning["new"]}
        if error:
            case = ET.SubElement(suite, "testcase", classname=api, name="run")
            ET.SubElement(case, "error", message=_printable(results["reason"] or ""))
        for clause in clauses:
            case = ET.SubElement(suite, "testcase", classname=f"contract.{api}", name=clause["id"])
            if clause["id"] in known:
                entry = known[clause["id"]]
                message = f"known since {entry['since']}, {entry['ticket']}, until {entry['until']}: {failures[clause['id']]['message']}"
                ET.SubElement(case, "skipped", message=_printable(message))
            elif clause["id"] in failures:
                failure = failures[clause["id"]]
                message = standing.get(clause["id"], "") + failure["message"]
                if failure["same_cause"]:
                    message += f" (probably one cause with {', '.join(failure['same_cause'])})"
                ET.SubElement(case, "failure", message=_printable(message)).text = _printable(
                    failure["curl"] or ""
                )
            elif clause["result"] == "not-exercised":
                ET.SubElement(case, "skipped", message=_printable(clause["observation"] or ""))
            elif clause["observation"]:
                ET.SubElement(case, "system-out").text = _printable(clause["observation"])
    ET.indent(suites)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"
    )


def _printable(text: str) -> str:
    """XML has no way to write most control characters."""
    return "".join(
        each
        if each in "\t\n" or (each.isprintable() and each < "\ufffe") or each == " "
        else ascii(each)[1:-1]
        for each in text
    )


def _sequence(failure: dict[str, Any]) -> str:
    """What a script sends, in words."""
    number = failure["requests"]
    together = ", some of them at once" if failure["at_once"] else ""
    return f"{number} request{'s' if number > 1 else ''} a round{together}; exit code 1 when the violation shows, 0 when it does not"


def print_bare(outcome: Outcome, error: Exception) -> None:
    """The last lines of a run whose reports could not be built for a fault of ours: what it found, and that."""
    lines_of_breaches = (
        [f"✗ {breach.clause}: {breach.message}" for breach in outcome.run.breaches]
        if outcome.run is not None
        else []
    )
    fault = f"the reports could not be built ({type(error).__name__}: {error}); the run itself ended with {outcome.verdict}"
    text = "\n".join(["", *lines_of_breaches, f"Verdict: could-not-run · {fault}"])
    sys.stdout.write(masked(text, outcome.secrets) + "\n")
    sys.stdout.flush()


def print_verdict(outcome: Outcome, problems: Sequence[str] = ()) -> None:
    """The last lines of a run: the morning report, failures with their reproducers, clauses that could not be exercised, and the verdict in words."""
    results = outcome.results
    say = sys.stdout.write
    say("\n" + "\n".join(lines(results["morning"])) + "\n")
    for each in results["failures"]:
        known = f" (known: {each['ticket']})" if each["ticket"] else ""
        say(f"\n✗ {each['clause']}{known}: {each['message']}\n  where: {each['at']}\n")
        if each["same_cause"]:
            say(f"  probably one cause with: {', '.join(each['same_cause'])}\n")
        if each["request"]:
            scripts = outcome.folder / "reproducers" / each["clause"]
            say(f"  again: bash {scripts}.sh, or python {scripts}.py; {_sequence(each)}\n")
    if outcome.run is not None:
        for text in outcome.run.suite_errors:
            say("\n" + masked(text, outcome.secrets))
    observed = [each for each in results["clauses"] if each["result"] == "observed"]
    passed = sum(each["result"] == "pass" for each in results["clauses"])
    say(
        f"\n{passed} clauses hold, {len({each['clause'] for each in results['failures']})} broken, {len(observed)} observed"
    )
    say(
        f"; {results['requests']} requests in {results['seconds']:.1f} s, {results['contacts']} contacts written\n"
    )
    idle = [
        each
        for each in results["clauses"]
        if each["result"] == "not-exercised" and each["observation"] not in (CUT, NOT_SELECTED)
    ]
    cut = sum(each["observation"] == CUT for each in results["clauses"])
    if cut:
        say(f"The run ended early: {cut} clauses were not looked at to the end.\n")
    if idle:
        say(f"Not exercised: {listed([each['id'] for each in idle])}\n")
    if results["not_covered"]:
        say(
            f"Not covered: {', '.join(results['not_covered'])}; the document has it, and no clause speaks of it\n"
        )
    if results["stale_clauses"]:
        say(f"Clauses that point nowhere in the document: {', '.join(results['stale_clauses'])}\n")
    say(f"Report: {outcome.folder / 'index.html'}\n")
    if problems:
        say(
            f"Verdict: could-not-run · {'; '.join(problems)}; the run itself ended with {results['verdict']} ({conclusion(results)})\n"
        )
    else:
        say(f"Verdict: {results['verdict']} · {conclusion(results)}\n")
    sys.stdout.flush()

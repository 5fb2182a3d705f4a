"""What a run found: its verdict, and ``results.json``, masked, which all other reports are built from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import define, field

from ..clauses import Clause, checksum, load_clauses
from ..coverage import not_covered, stale
from ..settings import CannotRun, history_path, secrets_in, selected_apis, series_of
from .history import ForeignHistory, History, Past, Seen, Series, read_history
from .masking import masked, masked_beginning, masked_json
from .morning import looked_at, moment, morning_of, since_of
from .words import counted, listed

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
OWN_MEMBERS_OF_RUN = (
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
)
OWN_MEMBERS_OF_CLAUSE = (
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
)
OWN_MEMBERS = (*OWN_MEMBERS_OF_RUN, *OWN_MEMBERS_OF_CLAUSE)


@define(slots=False)
class Outcome:
    """A run's verdict, and all that its reports are built from."""

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

    # -------------------------------------------------------------------------------------------- the verdict

    @property
    def verdict(self) -> Verdict:
        if self.run is not None and self.run.new_breaches:
            return "violates"
        if self.reason is not None or self.run is None or self.run.suite_errors:
            return "could-not-run"
        if self.run.left_out or self.remarks:
            return "incomplete"
        return "conforms"

    @property
    def why(self) -> str | None:
        """One sentence for a verdict that is not ``conforms``."""
        run = self.run
        if run is None:
            return self.reason
        if run.new_breaches:
            return self._what_is_broken(run)
        if self.reason is None and run.suite_errors:
            return "The suite itself failed: " + run.suite_errors[0].strip().splitlines()[-1]
        if self.verdict == "incomplete":
            return self._what_is_missing(run)
        return self.reason

    def _what_is_broken(self, run: Run) -> str:
        clauses = dict.fromkeys(found.clause for found in run.new_breaches)
        number = counted(len(clauses), "documented clause is", "documented clauses are")
        sentence = f"{number} broken: {', '.join(clauses)}"
        if self.known_and_new:
            sentence += f" ({self.known_and_new})"
        return f"{sentence}."

    def _what_is_missing(self, run: Run) -> str:
        sentences = [f"{remark}." for remark in self.remarks]
        if run.left_out:
            sentences.insert(0, _incomplete(run))
        return " ".join(sentences)

    @property
    def is_cut(self) -> bool:
        """Whether the run ended before its last check: at the first violation, by Ctrl-C, or because the service was gone."""
        return self.run is not None and (self.run.is_cut or self.reason is not None)

    # ---------------------------------------------------------------------------------- the known violations

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
        blocked = len(self.blocked)
        if blocked > 0 and blocked > self._passed:
            found.append(
                f"the known violations keep {blocked} documented clauses from being checked, and only {self._passed} hold"
            )
        return [_capitalised(remark) for remark in found]

    @property
    def _passed(self) -> int:
        """How many clauses hold."""
        if self.run is None:
            return 0
        return sum(self.result_of(clause) == "pass" for clause in self.run.clauses)

    @property
    def known_and_new(self) -> str | None:
        """How many of what is broken were known, where any was."""
        if self.run is None:
            return None
        broken = {found.clause for found in self.run.breaches}
        new = {found.clause for found in self.run.new_breaches}
        known = broken - new
        if not known:
            return None
        return f"{len(known)} known, {len(new)} new"

    @property
    def blocked(self) -> list[str]:
        """The documented clauses that were not checked because of a known violation."""
        if self.run is None:
            return []
        found = []
        for clause in self.run.clauses:
            is_blocked = clause.evidence == "documented" and clause.id in self.run.blocked
            if is_blocked and self.result_of(clause) == "not-exercised":
                found.append(clause.id)
        return found

    # ----------------------------------------------------------------------------------- the clauses' results

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
        if self.is_cut and result in ("pass", "observed"):
            return "not-exercised"
        return result

    def _clause(self, clause: Clause, finished: str, looked: Mapping[str, Seen]) -> dict[str, Any]:
        assert self.run is not None
        found: dict[str, Any] = {
            "id": clause.id,
            "evidence": clause.evidence,
            "result": self.result_of(clause),
        }
        notes = dict.fromkeys(self._notes_of(clause))
        found["observation"] = "; ".join(notes) or None
        found["requests"] = self.run.results[clause.id].requests
        found["since"] = since_of(found, looked, finished)
        return found

    def _notes_of(self, clause: Clause) -> list[str]:
        """What was observed, or why nothing was."""
        assert self.run is not None
        result = self.run.results[clause.id]
        if self.result_of(clause) != "not-exercised":
            return result.observations
        if not self.run.settings.selects(clause.id):
            return [NOT_SELECTED]
        reasons = [*result.left_out, *result.not_exercised]
        if self.is_cut and not reasons:
            return [CUT]
        return reasons

    def compared(self, clauses: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The clauses as they are compared with other nights: those of a run that was cut, or did not start, were not all checked."""
        if self.run is None:
            return self._clauses_of_no_run()
        found = []
        for clause in clauses:
            result = self.result_to_the_end(load_clauses()[clause["id"]])
            if result == clause["result"]:
                found.append(clause)
            else:
                found.append({**clause, "result": result, "observation": CUT})
        return found

    def _clauses_of_no_run(self) -> list[dict[str, Any]]:
        finished = self.finished.isoformat(timespec="seconds")
        empty = {"result": "not-exercised", "observation": None, "since": finished}
        clauses = [clause for clause in load_clauses().values() if clause.api in self.apis]
        return [{"id": clause.id, **empty} for clause in clauses]

    # ---------------------------------------------------------------------------------------- the nights before

    @property
    def series(self) -> list[Series]:
        """Which nights of the history this run belongs to."""
        if self.run is not None:
            return self.run.settings.series
        try:
            return series_of(self.environ)
        except CannotRun:
            return []

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
        if history is None:
            return {}
        return {series.api: history.of(series) for series in self.series}

    @property
    def previous(self) -> dict[str, Any] | None:
        """The earlier results that ``PREVIOUS`` names."""
        if self.run is None:
            return None
        return self.run.settings.previous

    @property
    def looked(self) -> dict[str, Seen]:
        """What each clause was when it was last looked at."""
        return looked_at(self.past, self.previous)

    def notes(self, past: Mapping[str, Past]) -> list[str]:
        """What the reader of a comparison should know."""
        found = []
        if self.history is not None and self.history.notice:
            found.append(self.history.notice)
        for api, nights in past.items():
            night = nights.compared_with
            if night is not None and night.spec != checksum([api])[:16]:
                found.append(
                    f"The specification of {api} has changed since the run of {moment(night.finished)}."
                )
        if self.run is not None:
            found += [f"{remark}." for remark in self.remarks]
        return found

    # -------------------------------------------------------------------------------------------- results.json

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
        """The results, not masked yet."""
        finished = self.finished.isoformat(timespec="seconds")
        clauses = self._clauses(finished)
        head = {
            "verdict": self.verdict,
            "reason": self.why,
            **self._settings(),
            **self._counts(),
            "finished": finished,
        }
        return {
            **head,
            "left_out": self._left_out(),
            "known": self.known,
            "known_and_new": self.known_and_new,
            "blocked": self.blocked,
            "morning": self._morning(clauses),
            "clauses": clauses,
            "failures": self._failures(),
            **self._coverage(),
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

    def _settings(self) -> dict[str, Any]:
        """What was asked for; of a run that did not start, as the variables have it."""
        if self.run is None:
            target = self.environ.get("TARGET") or "mock"
            profile = self.environ.get("PROFILE") or "ci"
            seed = None
        else:
            settings = self.run.settings
            target = settings.target
            profile = settings.profile
            seed = settings.seed
        return {
            "target": target,
            "apis": self.apis,
            "profile": profile,
            "seed": seed,
            "spec_sha256": checksum(self.apis),
        }

    def _counts(self) -> dict[str, float]:
        requests = 0
        contacts = 0
        if self.run is not None:
            requests = self.run.requests
            services = self.run.services.values()
            contacts = sum(len(service.counters.contacts) for service in services)
        seconds = round(self.seconds, 3)
        return {"requests": requests, "contacts": contacts, "seconds": seconds}

    def _left_out(self) -> list[str]:
        if self.run is None or self.verdict != "incomplete":
            return []
        return list(self.run.left_out)

    def _morning(self, clauses: list[dict[str, Any]]) -> dict[str, Any]:
        past = self.past
        compared = self.compared(clauses)
        notes = self.notes(past)
        return morning_of(compared, self.verdict, past, self.previous, self.known, notes)

    def _clauses(self, finished: str) -> list[dict[str, Any]]:
        if self.run is None:
            return []
        looked = self.looked
        return [self._clause(clause, finished, looked) for clause in self.run.clauses]

    def _failures(self) -> list[dict[str, Any]]:
        if self.run is None:
            return []
        tickets = {str(entry["clause"]): str(entry["ticket"]) for entry in self.known}
        return _failures(self.run, tickets)

    def _coverage(self) -> dict[str, list[str]]:
        """What of the documents no clause is about, and clauses that point nowhere."""
        unknown: list[str] = []
        old: list[str] = []
        if self.run is not None:
            for api in self.run.settings.apis:
                unknown += [f"{api}: {place}" for place in not_covered(api)]
                old += stale(api)
        return {"not_covered": unknown, "stale_clauses": old}


# ---------------------------------------------------------------------------------------------------- sentences


def _capitalised(remark: str) -> str:
    """A sentence with a capital at its beginning, unless that is a clause's name."""
    if remark.startswith("the "):
        return remark[0].upper() + remark[1:]
    return remark


def _incomplete(run: Run) -> str:
    """What was left out: how many by ``CLAUSE``, and the others by name and reason."""
    settings = run.settings
    if not settings.selection:
        return _left_out(run.left_out)
    documented = [clause.id for clause in run.clauses if clause.evidence == "documented"]
    selected = [clause for clause in documented if settings.selects(clause)]
    selection = ",".join(settings.selection)
    sentence = (
        f"CLAUSE={selection} selects {len(selected)} of {len(documented)} documented clauses;"
        " the others were not checked."
    )
    left_out = {
        clause: reason for clause, reason in run.left_out.items() if settings.selects(clause)
    }
    if not left_out:
        return sentence
    return f"{sentence} Of those selected, {_left_out(left_out)}"


def _left_out(left_out: dict[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for clause, reason in left_out.items():
        by_reason.setdefault(reason, []).append(clause)
    parts = [f"{listed(clauses)} ({reason})" for reason, clauses in by_reason.items()]
    number = counted(len(left_out), "documented clause was", "documented clauses were")
    return f"{number} not checked: {'; '.join(parts)}."


def conclusion(results: dict[str, Any]) -> str:
    """The verdict in words."""
    known_and_new = results["known_and_new"]
    match results["verdict"]:
        case "conforms" if known_and_new:
            return known_in_words(results)
        case "conforms":
            return "the service keeps every documented promise that could be exercised"
        case "incomplete" if known_and_new:
            return f"{known_and_new}. {results['reason']}"
        case _:
            return str(results["reason"])


def known_in_words(results: dict[str, Any]) -> str:
    """What ``conforms`` means where something is broken that is known to be."""
    text = f"{results['known_and_new']}: every other documented promise that could be exercised is kept"
    blocked = results["blocked"]
    if blocked:
        text += f"; not checked because of what is known: {listed(blocked)}"
    return text


# ----------------------------------------------------------------------------------------------------- failures


def _failures(run: Run, tickets: Mapping[str, str]) -> list[dict[str, Any]]:
    """The failures; those that are probably of one cause stand together and carry its number, the most telling first."""
    from .reproducers import causes

    found = []
    for number, group in enumerate(causes(run.breaches), 1):
        for breach in group:
            failure = _failure(breach, run.settings)
            failure["cause"] = number
            failure["same_cause"] = [other.clause for other in group if other is not breach]
            failure["ticket"] = tickets.get(breach.clause)
            found.append(failure)
    return found


def _failure(breach: Breach, settings: Settings) -> dict[str, Any]:
    from .reproducers import as_curl, reproducer

    failure: dict[str, Any] = {
        "clause": breach.clause,
        "message": breach.message,
        "at": load_clauses()[breach.clause].place,
        "curl": None,
        "python": None,
        "request": None,
        "minimal": None,
    }
    scripts = reproducer(breach, settings)
    if scripts is not None:
        shown = [exchange for step in breach.sequence for exchange in step.exchanges]
        last = breach.exchanges[-1].call
        failure["curl"] = scripts.as_shell()
        failure["python"] = scripts.as_python()
        failure["request"] = as_curl([last], settings.variables)
        failure["minimal"] = _minimal(shown[-SHOWN_STEPS:], list(settings.variables))
    sizes = [len(step.exchanges) for step in breach.sequence]
    failure["requests"] = sum(sizes)
    failure["at_once"] = any(size > 1 for size in sizes)
    return failure


def _minimal(steps: Sequence[Exchange], secrets: Sequence[str]) -> dict[str, Any]:
    """The last request and response, and those that must come before."""
    *before, last = [_step(exchange, secrets) for exchange in steps]
    return {**last, "before": before}


def _step(exchange: Exchange, secrets: Sequence[str]) -> dict[str, Any]:
    """A request and its response, of which what a later masking would not find is masked: cut values, and names that a service gives."""
    call = exchange.call
    request = {
        "method": call.method,
        "url": call.url,
        "headers": _masked_headers(call.headers, secrets),
        "body": _text(call.body or b""),
    }
    return {"request": request, "answer": _response(exchange, secrets)}


def _response(exchange: Exchange, secrets: Sequence[str]) -> dict[str, Any] | None:
    if not exchange.status:
        return None
    is_cut = len(exchange.body) >= KEPT_BODY
    return {
        "status": exchange.status,
        "headers": _masked_headers(exchange.headers.items(), secrets),
        "body": masked_beginning(_text(exchange.body), secrets, KEPT_BODY, is_cut=is_cut),
    }


def _masked_headers(headers: Iterable[tuple[str, str]], secrets: Sequence[str]) -> dict[str, str]:
    return {masked(name, secrets): masked(value, secrets) for name, value in headers}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def masked_results(results: dict[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """The results as they may be shown."""
    shown: dict[str, Any] = masked_json(results, secrets, OWN_MEMBERS)
    return shown

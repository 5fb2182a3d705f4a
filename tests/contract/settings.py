"""What a run is told by variables: which service, how deep, how gentle."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from contact_apis._errors import ConfigurationError
from contact_apis._http.addresses import is_loopback

from .clauses import APIS, load_clauses
from .profiles.profile import Profile
from .profiles.registry import PROFILES, other_apis
from .report.history import (
    RESULTS,
    VERDICTS,
    ForeignHistory,
    History,
    Series,
    demand_writable,
    read_history,
    read_whole,
)
from .report.known import KnownViolation, NotKnown, read_known
from .report.masking import masked

Depth = Literal["quick", "ci", "deep"]
KNOWN_FILE = "known-violations.yaml"
EVERY_API = ("both", "all")
LARGEST_RESULTS = 64 * 1024 * 1024  # bytes
EXAMPLES: dict[Depth, int] = {"quick": 12, "ci": 60, "deep": 500}


class CannotRun(Exception):
    """The run cannot start, or cannot say anything; the text says why in one sentence."""


@frozen
class Endpoint:
    """One API at one address, with the credentials to use."""

    api: str
    base_url: str
    credentials: dict[str, str] = field(repr=False)
    """The headers that carry them."""
    values: dict[str, str] = field(factory=dict, repr=False)
    """What the run was told of the API, by the names of its profile's settings."""

    @property
    def profile(self) -> Profile:
        """What the suite knows of the API."""
        return PROFILES[self.api]

    def value(self, name: str) -> str:
        """A setting of the profile; empty where the run was not told."""
        return self.values.get(name, "")

    def secret_of(self, header: str) -> tuple[str, str]:
        """The setting whose secret a header carries, and what stands before the secret there; empty for another header."""
        for setting in self.profile.vendor.settings:
            if setting.scheme is None:
                continue
            name, prefix = self.profile.contract.security_header(setting.scheme, "")
            if name.lower() == header.lower():
                return setting.name, prefix
        return "", ""

    @property
    def is_loopback(self) -> bool:
        return is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def service(self) -> str:
        """What tells this service from others in a history: its address; on loopback, where ports come and go, that alone."""
        parts = urlsplit(self.base_url)
        if self.is_loopback:
            return "loopback"
        port = f":{parts.port}" if parts.port else ""
        return masked(f"{parts.scheme}://{parts.hostname}{port}{parts.path}", self.variables)

    @property
    def variables(self) -> dict[str, str]:
        """The names of the variables that hold credentials and what tells whose account it is, by their values."""
        found: dict[str, str] = {}
        for setting in self.profile.settings:
            value = self.value(setting.name)
            if setting.least_masked is not None and len(value) >= setting.least_masked:
                found.setdefault(value, self.profile.variable(setting.name))
        return found


@frozen
class Settings:
    """Everything that decides what a run does."""

    target: Literal["mock", "live"]
    endpoints: tuple[Endpoint, ...]
    profile: Depth
    seed: int
    seed_is_given: bool
    fail_fast: bool
    reports: Path
    previous: dict[str, Any] | None = field(repr=False)
    """The results of the earlier run to compare with."""
    history: History = field(repr=False)
    known: tuple[KnownViolation, ...] = field(repr=False)
    notices: tuple[str, ...]
    """What the owner should hear before the first request."""
    rate: float | None
    """Requests a second, all APIs together."""
    new_contacts: int
    """The most that an API gets."""
    max_requests: int
    """The most that are sent to an API."""
    max_seconds: float
    """The most that the run takes."""
    is_gentle: bool
    """Whether the services are treated as live ones: safe methods, no hundreds of variations, no minimising."""
    selection: tuple[str, ...] = ()
    """The names and patterns of ``CLAUSE``; empty for all clauses."""

    @property
    def apis(self) -> list[str]:
        return [each.api for each in self.endpoints]

    def endpoint(self, api: str) -> Endpoint:
        """Where this API is reached.

        Raises:
            StopIteration: the run does not know it.
        """
        return next(each for each in self.endpoints if each.api == api)

    @property
    def variables(self) -> dict[str, str]:
        """The names of the variables that hold what reports do not show, by their values."""
        found: dict[str, str] = {}
        for endpoint in self.endpoints:
            found |= endpoint.variables
        return found

    @property
    def series(self) -> list[Series]:
        """Which nights of the history this run belongs to, an API each."""
        return [
            Series(
                self.target,
                "mock" if self.target == "mock" else each.service,
                each.api,
                self.profile,
            )
            for each in self.endpoints
        ]

    @property
    def known_clauses(self) -> dict[str, KnownViolation]:
        """The known violations by clause."""
        return {each.clause: each for each in self.known}

    @property
    def steps(self) -> int:
        """How many steps an example of a state machine takes."""
        return 12 if self.profile == "quick" else 25

    @property
    def examples(self) -> int:
        """How many examples a property gets."""
        return EXAMPLES[self.profile]

    def selects(self, clause: str) -> bool:
        """Whether a clause is among those that ``CLAUSE`` asks for."""
        return not self.selection or any(fnmatchcase(clause, pattern) for pattern in self.selection)


def selected_apis(environ: Mapping[str, str]) -> list[str]:
    """The APIs that ``API`` selects.

    Raises:
        CannotRun: it names none.
    """
    text = environ.get("API") or _apis_of(selected_clauses(environ))
    chosen = [each.strip() for each in text.split(",")]
    if text in EVERY_API:
        chosen = list(APIS)
    if any(each not in APIS for each in chosen):
        raise CannotRun(f"API={text} names no API; it is {', '.join(APIS)} or both.")
    return [each for each in APIS if each in chosen]


def selected_clauses(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names and patterns of clauses that ``CLAUSE`` gives, separated by commas or blanks.

    Raises:
        CannotRun: one of them matches no clause.
    """
    patterns = tuple((environ.get("CLAUSE") or "").replace(",", " ").split())
    for pattern in patterns:
        if not any(fnmatchcase(clause, pattern) for clause in load_clauses()):
            near = get_close_matches(pattern, load_clauses(), 1)
            hint = f"did you mean {near[0]}?" if near else "specs/clauses.yaml lists them."
            raise CannotRun(f"CLAUSE={pattern} matches no clause; {hint}")
    return patterns


def _apis_of(patterns: tuple[str, ...]) -> str:
    """The APIs that have the clauses that these patterns match; all of them where there are no patterns."""
    matched = [
        clause.api
        for clause in load_clauses().values()
        if any(fnmatchcase(clause.id, each) for each in patterns)
    ]
    return ",".join(api for api in APIS if api in matched) or "both"


def load_settings(environ: Mapping[str, str], *, reports: Path) -> Settings:
    """Reads a run's variables.

    Raises:
        CannotRun: a variable is missing or has no meaning; the text names it.
    """
    target = environ.get("TARGET") or "mock"
    if target not in ("mock", "live"):
        raise CannotRun(f"TARGET={target} is unknown; it is mock or live.")
    profile = environ.get("PROFILE") or "ci"
    if profile not in EXAMPLES:
        raise CannotRun(f"PROFILE={profile} is unknown; it is {', '.join(EXAMPLES)}.")
    endpoints = tuple(_endpoint(api, environ) for api in selected_apis(environ))
    selection = selected_clauses(environ)
    for pattern in selection:
        if not any(
            fnmatchcase(clause.id, pattern)
            for clause in load_clauses().values()
            if clause.api in [each.api for each in endpoints]
        ):
            raise CannotRun(
                f"CLAUSE={pattern} matches no clause of the API that is selected; leave API out, or choose the other."
            )
    told = environ.get("CONTRACT_GENTLE")
    is_gentle = _is_yes(told) if told else not all(each.is_loopback for each in endpoints)
    seed = environ.get("SEED")

    def limit(name: str, default: str) -> float:
        return _number(f"CONTRACT_{name}", environ.get(f"CONTRACT_{name}") or default)

    history = _history(environ, reports)
    known, about_known = _known(environ, target)
    previous, about_previous = _previous(
        environ.get("PREVIOUS"), [endpoint.api for endpoint in endpoints]
    )
    notices = tuple(
        notice for notice in (history.notice, about_known, about_previous) if notice is not None
    )
    return Settings(
        target="mock" if target == "mock" else "live",
        endpoints=endpoints,
        profile="quick" if profile == "quick" else "deep" if profile == "deep" else "ci",
        seed=int(_number("SEED", seed)) if seed else random.SystemRandom().randrange(1 << 32),
        seed_is_given=bool(seed),
        fail_fast=_is_yes(environ.get("FAILFAST") or "0"),
        reports=reports,
        previous=previous,
        history=history,
        known=known,
        notices=notices,
        rate=limit("RATE", "5" if is_gentle else "0") or None,
        new_contacts=int(limit("NEW_CONTACTS", "5" if is_gentle else "200")),
        max_requests=int(limit("MAX_REQUESTS", "2000" if is_gentle else "20000")),
        max_seconds=limit("MAX_SECONDS", "3600"),
        is_gentle=is_gentle,
        selection=selection,
    )


def _endpoint(api: str, environ: Mapping[str, str]) -> Endpoint:
    profile = PROFILES[api]
    base_url = _required(profile, "base_url", environ).rstrip("/")
    parts = urlsplit(base_url)
    variable = profile.variable("base_url")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotRun(f"{variable} is no http or https address.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise CannotRun(
            f"{variable} is plain http, which is accepted for loopback alone; use https."
        )
    values: dict[str, str] = {}
    for setting in profile.settings:
        read = _required if setting.is_required else _optional
        values[setting.name] = read(profile, setting.name, environ)
    try:
        credentials = profile.headers(values)
    except (ConfigurationError, LookupError) as error:
        raise CannotRun(f"{profile.document.name}: {error}; adapt the suite first.") from None
    return Endpoint(api, base_url, credentials, values)


def _optional(profile: Profile, setting: str, environ: Mapping[str, str]) -> str:
    return (environ.get(profile.variable(setting)) or "").strip()


def _required(profile: Profile, setting: str, environ: Mapping[str, str]) -> str:
    value = _optional(profile, setting, environ)
    if not value:
        raise CannotRun(
            f"{profile.variable(setting)} is not set; set it, or {other_apis(profile.name)}."
        )
    return value


def _previous(name: str | None, apis: list[str]) -> tuple[dict[str, Any] | None, str | None]:
    """The results of an earlier run, and a sentence where they say nothing."""
    if not name:
        return None, None
    try:
        results = json.loads(read_whole(Path(name), LARGEST_RESULTS))
    except ForeignHistory as reason:
        raise CannotRun(
            f"PREVIOUS={name} {reason}; name the results.json of an earlier run."
        ) from None
    except OSError as error:
        raise CannotRun(
            f"PREVIOUS={name} cannot be read ({error.strerror}); name the results.json of an earlier run."
        ) from None
    except (ValueError, RecursionError):
        raise CannotRun(
            f"PREVIOUS={name} is not JSON; name the results.json of an earlier run."
        ) from None
    fault = _fault_of_results(results)
    if fault is not None:
        raise CannotRun(
            f"PREVIOUS={name} holds no results to compare with: {fault}. It may be of another version;"
            " name the results.json of a run of this one, or leave PREVIOUS out."
        )
    if results["verdict"] == "could-not-run":
        return (
            None,
            f"PREVIOUS={name} is of a run that could not tell, so nothing is compared with it.",
        )
    missing = [api for api in apis if api not in apis_of_results(results)]
    if missing == apis:
        return None, f"PREVIOUS={name} is of a run of another API, so nothing is compared with it."
    if missing:
        return (
            dict(results),
            f"PREVIOUS={name} is of a run without {' and '.join(missing)}, which is not compared with it.",
        )
    return dict(results), None


def apis_of_results(results: Mapping[str, Any]) -> set[str]:
    """The APIs whose clauses stand in results."""
    return {clause["id"].partition(".")[0] for clause in results["clauses"]}


def _fault_of_results(results: Any) -> str | None:
    """What is not as it is in a ``results.json``, or None."""
    if not isinstance(results, dict):
        return "it is not a JSON object"
    if results.get("verdict") not in VERDICTS:
        return "'verdict' is not one that a run can have"
    if not isinstance(results.get("finished"), str | None):
        return "'finished' is not text"
    clauses = results.get("clauses")
    if not isinstance(clauses, list):
        return "'clauses' is not a list"
    if not clauses and results["verdict"] != "could-not-run":
        return "'clauses' is empty"
    for number, clause in enumerate(clauses, 1):
        if not isinstance(clause, dict) or not isinstance(clause.get("id"), str):
            return f"clause {number} has no 'id'"
        if clause.get("result") not in RESULTS:
            return f"clause {number} has no valid 'result'"
        if not isinstance(clause.get("observation", 0), str | None):
            return f"clause {number} has no valid 'observation'"
        if not isinstance(clause.get("since"), str | None):
            return f"clause {number} has no valid 'since'"
    return None


def history_path(environ: Mapping[str, str], reports: Path) -> Path:
    """The file of ``HISTORY``, or the one beside the reports."""
    return Path(environ.get("HISTORY") or reports / "history.jsonl")


def _history(environ: Mapping[str, str], reports: Path) -> History:
    """Reads the history, and makes sure now that the run can be added to it at its end."""
    path = history_path(environ, reports)
    try:
        history = read_history(path)
        demand_writable(path)
    except ForeignHistory as reason:
        raise CannotRun(
            f"HISTORY={path} {reason}; name another file with HISTORY, or move this one away."
        ) from None
    except OSError as error:
        raise CannotRun(
            f"HISTORY={path} cannot be read and written ({error.strerror}); name another file with HISTORY."
        ) from None
    return history


def _known(
    environ: Mapping[str, str], target: str
) -> tuple[tuple[KnownViolation, ...], str | None]:
    """The known violations: those of ``KNOWN``, or of the file in this folder, which is about live services."""
    name = environ.get("KNOWN") or KNOWN_FILE
    if not environ.get("KNOWN"):
        if not os.path.lexists(name):
            return (), None
        if target == "mock":
            return (
                (),
                f"{name} is about live services and not applied to the embedded mock (KNOWN={name} applies it).",
            )
    try:
        return read_known(Path(name)), None
    except NotKnown as reason:
        raise CannotRun(f"KNOWN={name} {reason}.") from None


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """What no report shows of a run that has no settings, as far as its variables tell."""
    found: list[str] = []
    for profile in PROFILES.values():
        for setting in profile.settings:
            value = _optional(profile, setting.name, environ)
            if setting.least_masked is not None and len(value) >= setting.least_masked:
                found.append(value)
    return found


def series_of(environ: Mapping[str, str]) -> list[Series]:
    """Which nights of the history a run belongs to that has no settings, as far as its variables tell.

    Raises:
        CannotRun: ``API`` names none.
    """
    target = environ.get("TARGET") or "mock"
    profile = environ.get("PROFILE") or "ci"
    if target not in ("mock", "live") or profile not in EXAMPLES:
        return []
    found = []
    for api in selected_apis(environ):
        address = _optional(PROFILES[api], "base_url", environ).rstrip("/")
        try:
            service = (
                masked(Endpoint(api, address, {}).service, secrets_in(environ)) if address else ""
            )
        except ValueError:
            service = ""
        found.append(Series(target, "mock" if target == "mock" else service, api, profile))
    return found


def _is_yes(text: str) -> bool:
    return text.strip().lower() not in ("0", "no", "false", "off")


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise CannotRun(f"{name}={text} is no number of 0 or more.")
    return value

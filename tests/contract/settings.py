"""What a run is told by variables: which service, how deep, how gentle."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from contact_apis._http.addresses import is_loopback

from .clauses import APIS, load_clauses, load_specification

Profile = Literal["quick", "ci", "deep"]
EXAMPLES: dict[Profile, int] = {"quick": 12, "ci": 60, "deep": 500}


class CannotRun(Exception):
    """The run cannot start, or cannot say anything; the text says why in one sentence."""


@frozen
class Endpoint:
    """One API at one address, with the credentials to use."""

    api: str
    base_url: str
    credentials: dict[str, str] = field(repr=False)
    population: str = ""
    second_population: str = ""
    custom_fields: tuple[str, ...] = ()
    list_id: str = ""

    @property
    def is_loopback(self) -> bool:
        return is_loopback(urlsplit(self.base_url).hostname or "")


@frozen
class Settings:
    """Everything that decides what a run does."""

    target: Literal["mock", "live"]
    endpoints: tuple[Endpoint, ...]
    profile: Profile
    seed: int
    seed_is_given: bool
    fail_fast: bool
    reports: Path
    previous: dict[str, Any] | None = field(repr=False)
    """The results of the earlier run to compare with."""
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
        """The names of the variables that hold credentials, by their values."""
        names = {api: [f"{api.upper()}_API_KEY", f"{api.upper()}_APP_ID"] for api in APIS}
        return {value: name for each in self.endpoints for value, name in zip(each.credentials.values(), names[each.api], strict=False)}

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
    chosen = list(APIS) if text == "both" else [each.strip() for each in text.split(",")]
    if not chosen or any(each not in APIS for each in chosen):
        raise CannotRun(f"API={text} names no API; it is pristo, retainful or both.")
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
    matched = [clause.api for clause in load_clauses().values() if any(fnmatchcase(clause.id, each) for each in patterns)]
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
        if not any(fnmatchcase(clause.id, pattern) for clause in load_clauses().values() if clause.api in [each.api for each in endpoints]):
            raise CannotRun(f"CLAUSE={pattern} matches no clause of the API that is selected; leave API out, or choose the other.")
    told = environ.get("CONTRACT_GENTLE")
    is_gentle = _is_yes(told) if told else not all(each.is_loopback for each in endpoints)
    seed = environ.get("SEED")

    def limit(name: str, default: str) -> float:
        return _number(f"CONTRACT_{name}", environ.get(f"CONTRACT_{name}") or default)

    return Settings(
        target="mock" if target == "mock" else "live",
        endpoints=endpoints,
        profile="quick" if profile == "quick" else "deep" if profile == "deep" else "ci",
        seed=int(_number("SEED", seed)) if seed else random.SystemRandom().randrange(1 << 32),
        seed_is_given=bool(seed),
        fail_fast=_is_yes(environ.get("FAILFAST") or "0"),
        reports=reports,
        previous=_previous(environ.get("PREVIOUS")),
        rate=limit("RATE", "5" if is_gentle else "0") or None,
        new_contacts=int(limit("NEW_CONTACTS", "5" if is_gentle else "200")),
        max_requests=int(limit("MAX_REQUESTS", "2000" if is_gentle else "20000")),
        max_seconds=limit("MAX_SECONDS", "3600"),
        is_gentle=is_gentle,
        selection=selection,
    )


def _endpoint(api: str, environ: Mapping[str, str]) -> Endpoint:
    def need(name: str) -> str:
        value = (environ.get(f"{api.upper()}_{name}") or "").strip()
        if not value:
            other = "retainful" if api == "pristo" else "pristo"
            raise CannotRun(f"{api.upper()}_{name} is not set; set it, or choose the other API alone with API={other}.")
        return value

    def may(name: str) -> str:
        return (environ.get(f"{api.upper()}_{name}") or "").strip()

    base_url = need("BASE_URL").rstrip("/")
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotRun(f"{api.upper()}_BASE_URL is no http or https address.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise CannotRun(f"{api.upper()}_BASE_URL is plain http, which is accepted for loopback alone; use https.")
    document = load_specification(api)
    headers = [document["components"]["securitySchemes"][name]["name"] for name in document["security"][0]]
    credentials = dict(zip(headers, [need("API_KEY"), *([need("APP_ID")] if api == "retainful" else [])], strict=True))
    if api == "pristo":
        return Endpoint(
            api,
            base_url,
            credentials,
            population=need("POPULATION_ID"),
            second_population=may("SECOND_POPULATION_ID"),
            custom_fields=tuple(each.strip() for each in may("CUSTOM_FIELDS").split(",") if each.strip()),
        )
    return Endpoint(api, base_url, credentials, list_id=need("LIST_ID"))


def _previous(name: str | None) -> dict[str, Any] | None:
    if not name:
        return None
    try:
        results = json.loads(Path(name).read_text("utf-8"))
        ids = [each["id"] for each in results["clauses"]]
    except (OSError, ValueError, LookupError, TypeError):
        ids = []
    if not ids:
        raise CannotRun(f"PREVIOUS={name} holds no results to compare with; name the results.json of an earlier run.")
    return dict(results)


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

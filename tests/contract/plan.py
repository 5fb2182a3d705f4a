"""How a run's requests, new contacts and time are shared among its checks, before the first request is sent.

Documented clauses come first, each with the fewest requests that can show a violation; then the rest at least; then each check gets
more of its own cases, all of them the same share; what is left becomes further examples of the properties. Before each check the share is computed again from what is really left, so that retries and slow
responses make the later checks shallower and leave none of them out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from attrs import define, field

from .clauses import load_clauses
from .rehearsal import Need
from .service import Allowance, Service
from .settings import CannotRun, Settings


@define
class Plan:
    """Which checks run, and what each may use."""

    settings: Settings
    services: Mapping[str, Service]
    needs: Mapping[str, Need]
    """What each check takes, in the order in which they run, and each API's preflight under the API's name."""
    clauses: Mapping[str, Sequence[str]]
    """The clauses of each check."""
    left_out: dict[str, str] = field(init=False)
    """The checks that the budget has no room for, each with the reason."""
    started: float = field(init=False)
    total: int = field(init=False)
    """About how many requests the run sends."""

    def __attrs_post_init__(self) -> None:
        self.started = time.monotonic()
        self.left_out = {}
        for api in self.services:
            number = self.needs[api].least
            if number > self._most_requests(api):
                reason = f"its first {number} requests, which tell whether the service is there, do not fit into {self._tightest(api)}"
                raise CannotRun(f"{api}: {reason}.")
            self._choose(api)
        self.total = sum(map(self.requests, self.services))

    # ------------------------------------------------------------------------------------------------ which checks run

    def _choose(self, api: str) -> None:
        """Fills the budget of one API: what shows most documented clauses for the fewest requests first."""
        room = self._most_requests(api) - self.needs[api].least
        contacts = self.settings.new_contacts - self.needs[api].contacts
        waiting = [name for name in self.clauses if self.needs[name].api == api]
        shown: set[str] = set()
        while waiting:
            best = max(waiting, key=lambda name: self._worth(name, shown))  # of several the first
            waiting.remove(best)
            need = self.needs[best]
            reason = self._lack(need, room, contacts)
            if reason is not None:
                self.left_out[best] = reason
                continue
            room -= need.least
            contacts -= need.contacts
            shown |= self._documented(best)

    def _most_requests(self, api: str) -> float:
        """The requests that there is budget and time for."""
        settings = self.settings
        in_time = (
            settings.max_seconds * settings.rate / len(self.services)
            if settings.rate
            else float("inf")
        )
        return min(settings.max_requests, in_time)

    def _documented(self, name: str) -> set[str]:
        return {
            clause
            for clause in self.clauses[name]
            if load_clauses()[clause].evidence == "documented"
        }

    def _worth(self, name: str, shown: set[str]) -> float:
        return len(self._documented(name) - shown) / (1 + self.needs[name].least)

    def _lack(self, need: Need, room: float, contacts: int) -> str | None:
        settings = self.settings
        if need.contacts and need.contacts > contacts:
            return f"it does not fit into CONTRACT_NEW_CONTACTS={settings.new_contacts}"
        if need.least <= room:
            return None
        return f"it does not fit into {self._tightest(need.api)}"

    def _tightest(self, api: str) -> str:
        """The variable that decides how many requests there are, with its value."""
        settings = self.settings
        if self._most_requests(api) < settings.max_requests:
            return f"CONTRACT_MAX_SECONDS={settings.max_seconds:g}"
        return f"CONTRACT_MAX_REQUESTS={settings.max_requests}"

    # --------------------------------------------------------------------------------------------- what each may use

    def _later(self, name: str | None) -> list[str]:
        """The checks that run from this one on; all of them for ``None``."""
        chosen = [each for each in self.clauses if each not in self.left_out]
        return chosen if name is None else chosen[chosen.index(name) :]

    def _depths(self, api: str, names: Sequence[str], reserved: int = 0) -> tuple[float, float]:
        """The share of their full extent that these checks get, in requests and time: those with cases, and the properties."""
        service = self.services[api]
        own = [self.needs[name] for name in names if self.needs[name].api == api]
        left = self.settings.max_requests - service.counters.requests - reserved
        by_requests = _shares(left, own)
        seconds = self.seconds_a_request
        in_time = (service.ends_at - time.monotonic()) / seconds if seconds else float("inf")
        by_time = _shares(in_time, [self.needs[name] for name in names])
        return min(by_requests[0], by_time[0]), min(by_requests[1], by_time[1])

    @property
    def seconds_a_request(self) -> float:
        """How long one request takes: as the rate has it, or as they took so far, whichever is longer."""
        sent = sum(service.counters.requests for service in self.services.values())
        seen = (time.monotonic() - self.started) / sent if sent >= 20 else 0.0
        return max(seen, 1 / self.settings.rate if self.settings.rate else 0.0)

    def allowance_for(self, name: str) -> Allowance:
        """What a check may use that is about to start."""
        need = self.needs[name]
        names = self._later(name)
        later = [self.needs[each] for each in names[1:] if self.needs[each].api == need.api]
        service = self.services[need.api]
        depth = self._depths(need.api, names)[need.is_property]
        return Allowance(
            depth=depth,
            requests=need.least + depth * (need.full - need.least),
            most=self.settings.max_requests
            - service.counters.requests
            - sum(each.least for each in later),
            contacts=self.settings.new_contacts
            - service.counters.fresh
            - sum(each.contacts for each in later),
        )

    def requests(self, api: str) -> int:
        """About how many requests an API gets before the run has sent any, its preflight included."""
        names = self._later(None)
        own = [self.needs[name] for name in names if self.needs[name].api == api]
        preflight = self.needs[api].least
        depths = self._depths(api, names, preflight)
        return round(
            preflight
            + sum(need.least + depths[need.is_property] * (need.full - need.least) for need in own)
        )

    def contacts(self, api: str) -> int:
        """The new contacts without which what is planned cannot be shown."""
        names = self._later(None)
        needed = self.needs[api].contacts + sum(
            self.needs[name].contacts for name in names if self.needs[name].api == api
        )
        return min(needed, self.settings.new_contacts)

    def documented_left_out(self, api: str) -> list[str]:
        """The documented clauses that no check is left for."""
        wanted = {
            clause
            for name, clauses in self.clauses.items()
            if self.needs[name].api == api
            for clause in self._documented(name)
        }
        shown = {clause for name in self._later(None) for clause in self.clauses[name]}
        return sorted(wanted - shown)


@define
class Progress:
    """Tells of a run that takes long: how many requests were sent, of how many, and the time that is left."""

    plan: Plan
    say: Callable[[str], None]
    every: float = 15.0
    """Seconds between two lines."""
    now: Callable[[], float] = time.monotonic
    said: float = field(init=False)
    started: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.said = self.started = self.now()

    def __call__(self) -> None:
        """Says a line, if the last one was long ago."""
        now = self.now()
        if now - self.said < self.every:
            return
        self.said = now
        sent = sum(service.counters.requests for service in self.plan.services.values())
        if not sent:
            return
        total = max(sent, self.plan.total)
        left = duration((now - self.started) / sent * (total - sent))
        self.say(f"  {sent:,} of about {total:,} requests sent · about {left} left")


def duration(seconds: float) -> str:
    """A time in words, such as ``6 min 30 s``."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"


def _shares(room: float, needs: Sequence[Need]) -> tuple[float, float]:
    """Which part of what these take beyond the least fits into this room: first the cases of checks, then examples of properties."""
    spare = room - sum(need.least for need in needs)
    cases = sum(need.full - need.least for need in needs if not need.is_property)
    examples = sum(need.full - need.least for need in needs if need.is_property)
    return _part(spare, cases), _part(spare - cases, examples)


def _part(spare: float, wanted: float) -> float:
    """The part of what is wanted that fits; all of it where nothing is wanted, also if there is less than nothing to spare."""
    if wanted <= max(0.0, spare):
        return 1.0
    return max(0.0, spare / wanted)

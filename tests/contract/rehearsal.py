"""A rehearsal of the checks: each is run against an imagined service, in this process, to see how many requests it takes.

What a check needs depends on the document, on the account's custom fields and on its second population; counting is the
only way to know it that stays true. Nothing is sent. A request of the suite that the document does not allow is found here.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from attrs import define, frozen

from ..strategies import fixed_id
from .oracle import must_fit, operation_of
from .preflight import base_requests, preflight
from .service import LEAST_EXAMPLES, NAMESPACE, Allowance, Breach, Call, Exchange, Service
from .settings import CannotRun, Settings


@frozen
class Need:
    """What a check takes, or a preflight."""

    api: str
    least: int
    """Requests, where each of its loops does the least that can show a violation."""
    full: int
    """Requests, where it does everything."""
    contacts: int
    """New contacts without which it cannot run."""
    is_property: bool = False
    """Whether what it takes beyond the least are further random examples."""


class Rehearsal(Service):
    """A service that is imagined: it keeps the contract, and is told of nothing."""

    def __init__(self, service: Service, depth: float) -> None:
        super().__init__(service.endpoint, service.settings, lambda _exchange, _strictly: None)
        self.shared = service.shared
        self._depth = depth
        self._known: set[str] = set()

    @property
    def contacts_to_spare(self) -> int:
        """All of them or none."""
        return self.settings.new_contacts - self.counters.fresh if self._depth else 0

    def fresh_id(self, purpose: str, *, contacts: int = 1) -> str:
        """Counts it."""
        self.counters.fresh += contacts
        return fixed_id(NAMESPACE, f"rehearsal/{purpose}/{self.counters.fresh}")

    def send(self, call: Call, *, judged: bool = True) -> Exchange:
        """Counts it, and answers."""
        self.counters.requests += 1
        return self._imagined(call)

    def send_at_once(self, calls: Sequence[Call]) -> list[Exchange]:
        """Counts them, and answers."""
        return [self.send(call) for call in calls]

    def _imagined(self, call: Call) -> Exchange:
        status = self._status(call)
        operation = operation_of(self.api, call)
        text = b""
        if operation is not None:
            text = json.dumps(self.profile.imagined_body(status)).encode()
        return Exchange(call, status, {"content-type": "application/json"}, text)

    def _status(self, call: Call) -> int:
        operation = operation_of(self.api, call)
        if operation is None or operation.body is None:
            return 404
        if any(call.header(name) != value for name, value in self.endpoint.credentials.items()):
            return 401
        try:
            body = json.loads(call.body or b"")
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return 400
        if operation.body.faults(body) or not self._has_good_parameters(call):
            return 400
        if operation.operation_id != self.profile.vendor.upsert:
            return min(status for status in operation.responses if 200 <= status < 300)
        keys = {f"{call.url}/{key}".lower() for key in self.profile.vendor.ordering_keys(body)}
        status = self.profile.imagined_status(body, is_known=bool(keys & self._known))
        if status < 300:
            self._known |= keys
        return status

    def _has_good_parameters(self, call: Call) -> bool:
        try:
            must_fit(self.api, call, "")
        except CannotRun:
            return False
        return True


@define
class _Request:
    """What a check asks pytest for by name."""

    services: Mapping[str, Service]

    def getfixturevalue(self, name: str) -> Service:
        """The service of that API."""
        return self.services[name]


def rehearse(
    checks: Mapping[str, tuple[pytest.Function, str]], services: Mapping[str, Service]
) -> dict[str, Need]:
    """What each check takes, by its name, and each API's preflight, by the API's.

    ``checks`` has each check's function and API by its name.

    Raises:
        CannotRun: a request that the suite takes for valid does not fit the document.
    """
    for service in services.values():
        for name, call in base_requests(service):
            must_fit(service.api, call, name)
    least = _counted(checks, services, 0.0)
    full = _counted(checks, services, 1.0)
    needs = {
        name: Need(api, requests, max(requests, full[name][1]), contacts)
        for name, (api, requests, contacts) in least.items()
    }
    for name, (item, api) in checks.items():
        estimate = _estimated(item, services[api].settings)
        if estimate is not None:
            needs[name] = Need(
                api, *estimate, 0, is_property=item.get_closest_marker("examples") is not None
            )
    return needs


def _counted(
    checks: Mapping[str, tuple[pytest.Function, str]], services: Mapping[str, Service], depth: float
) -> dict[str, tuple[str, int, int]]:
    """API, requests and new contacts of each preflight and each check that is not estimated."""
    rehearsals = {api: Rehearsal(service, depth) for api, service in services.items()}
    found = {
        api: (api, *_count(rehearsal, depth, partial(preflight, rehearsal)))
        for api, rehearsal in rehearsals.items()
    }
    for name, (item, api) in checks.items():
        if _estimated(item, services[api].settings) is None:
            found[name] = (
                api,
                *_count(rehearsals[api], depth, partial(_perform, item, rehearsals)),
            )
    return found


def _estimated(item: pytest.Function, settings: Settings) -> tuple[int, int] | None:
    """The requests, at least and in full, of a check that says itself what it takes: a property, or what is slow to rehearse."""
    examples = item.get_closest_marker("examples")
    if examples is not None:
        each = (
            int(examples.kwargs["requests"]) + int(examples.kwargs.get("steps", 0)) * settings.steps
        )
        return each * min(LEAST_EXAMPLES, settings.examples), each * settings.examples
    estimate = item.get_closest_marker("estimate")
    return None if estimate is None else (1, int(estimate.kwargs["requests"]))


def _perform(item: pytest.Function, rehearsals: Mapping[str, Service]) -> None:
    """Calls a check as pytest would."""
    parameters = dict(getattr(getattr(item, "callspec", None), "params", {}))
    given: dict[str, Any] = {
        **rehearsals,
        **parameters,
        "request": _Request(rehearsals),
        "observe": lambda _text: None,
    }
    if "service" in parameters:
        given["service"] = rehearsals[parameters["service"]]
    names = inspect.signature(item.function).parameters
    item.function(**{name: given[name] for name in names})


def _count(rehearsal: Rehearsal, depth: float, perform: Callable[[], object]) -> tuple[int, int]:
    rehearsal.begin_check(Allowance(depth=depth), "")
    requests, contacts = rehearsal.counters.requests, rehearsal.counters.fresh
    try:
        perform()
    except CannotRun:
        raise
    except Exception:  # noqa: BLE001, S110  # what ends early with an imagined service is counted up to there
        pass
    finally:
        Breach.latest = None
    return rehearsal.counters.requests - requests, rehearsal.counters.fresh - contacts

"""Transport: bodies that are not JSON, odd encodings, other methods and paths, many requests."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from attrs import evolve

from ..expectations import updated
from ..oracle import accept, refuse
from ..preflight import shapes
from ..profiles.registry import PROFILES
from ..service import Breach, NotExercised, Service

Observe = Callable[[str], None]


def least(service: Service) -> dict[str, object]:
    return shapes(service)[0].body


@pytest.mark.clause("{api}.body-is-json")
def test_a_body_that_is_no_json_is_refused(service: Service) -> None:
    """Cut, garbled, and in notations that are like JSON."""
    text = json.dumps(least(service))
    bodies = {
        "is plain text": b"contact",
        "is cut in the middle": text[: len(text) // 2].encode(),
        "lacks its last brace": text[:-1].encode(),
        "has a comma too many": (text[:-1] + ",}").encode(),
        "has single quotes": text.replace('"', "'").encode(),
        "is XML": b"<contact/>",
        "is a form": b"contact=1",
        "has text after it": text.encode() + b"x",
    }
    for reason, body in service.within(bodies.items()):
        call = service.upsert(body)
        refuse(service, call, f"{service.api}.body-is-json", f"a body that {reason}")


@pytest.mark.clause("{api}.body-required")
def test_a_request_without_a_body_is_refused(service: Service) -> None:
    """No bytes at all, with the Content-Type of JSON."""
    refuse(service, service.upsert(b""), f"{service.api}.body-required", "a request without a body")


@pytest.mark.clause("{api}.body-is-object")
def test_a_body_of_another_json_type_is_refused(service: Service) -> None:
    """An array, a text, a number, a truth value and null."""
    bodies: list[object] = [[], [least(service)], "contact", 7, True, None]
    for body in service.within(bodies):
        call = service.upsert(body)
        why = f"a body that is {type(body).__name__}, not an object,"
        refuse(service, call, f"{service.api}.body-is-object", why)


@pytest.mark.clause(
    "{api}.answers-are-json",
    "{api}.answers-every-request",
    "{api}.documented-statuses",
    "{api}.no-server-error",
)
def test_odd_but_legal_requests_are_answered(service: Service) -> None:
    """Escapes, blanks, member order and parameters of the media type make no difference to JSON."""
    body = service.profile.with_text(shapes(service)[-1].body, "Brontë")
    call = service.upsert(body)
    variants = [
        evolve(call, body=json.dumps(body, ensure_ascii=True).encode()),
        evolve(call, body=json.dumps(body, indent=4).encode() + b"\r\n"),
        evolve(call, body=json.dumps(dict(reversed(body.items()))).encode()),
        call.with_header("Content-Type", "application/json; charset=utf-8"),
        call.with_header("Accept", "*/*"),
        call.with_header("Accept-Encoding", "identity"),
    ]
    for variant in service.within(variants):
        accept(service, variant, f"{service.api}.operation", "a valid request in another spelling")


@pytest.mark.clause("{api}.answers-every-request", "{api}.no-server-error")
def test_what_is_merely_unusual_does_not_crash_the_service(service: Service) -> None:
    """Broken encodings and lone surrogates may be refused in whatever way, but not with a failure."""
    text = json.dumps(least(service))
    bodies = [
        text.encode("utf-16"),
        b"\xef\xbb\xbf" + text.encode(),
        text.encode().replace(b"a", b"\xff", 1),
        text.replace("-", "\\ud800", 1).encode(),
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"1" * 5_000,
        b'{"contact": NaN, "firstName": Infinity}',
    ]
    for body in service.within(bodies):
        service.send(service.upsert(body), judged=False)
    headers = [
        ("Content-Type", "application/json; charset=utf-7"),
        ("Content-Type", "a/b/c;;="),
        ("Accept", "text/html"),
        ("Expect", ""),
    ]
    for header, value in service.within(headers):
        service.send(service.upsert(least(service)).with_header(header, value), judged=False)


@pytest.mark.clause("{api}.operation", "{api}.answers-every-request")
def test_many_valid_requests_in_a_row_are_accepted(service: Service) -> None:
    """What fails every now and then fails here; all of the pool is written, so that later runs add nothing to it."""
    creation = service.profile.creation
    written: set[tuple[str, ...]] = set()
    length = 90
    if service.settings.is_gentle:
        length = 45
    for number in service.within(range(length), least=3):
        body = service.profile.pool_body(service, number)
        call = service.upsert(body)
        why = f"valid request {number + 1} in a row"
        exchange = accept(service, call, f"{service.api}.operation", why)
        contact = service.profile.vendor.ordering_keys(body)
        if creation is not None and contact in written and exchange.status == creation.status:
            message = (
                f"an upsert of a contact that was written a moment ago returned {exchange.status}"
            )
            raise Breach(creation.update_clause, message, exchange, expects=updated())
        written.add(contact)


@pytest.mark.clause("{api}.answers-every-request")
def test_each_new_connection_is_answered(service: Service) -> None:
    """Thirty connections, one request each."""
    call = service.upsert(least(service)).with_header("Connection", "close")
    connections = 30
    if service.settings.is_gentle:
        connections = 5
    for _ in service.within(range(connections)):
        accept(service, call, f"{service.api}.operation")


THROTTLED = 429
ENVELOPES_OF_THROTTLED = [
    pytest.param(api, marks=pytest.mark.clause(profile.envelope(profile.vendor.upsert, THROTTLED)))
    for api, profile in PROFILES.items()
    if THROTTLED in profile.upsert.responses
]


@pytest.mark.parametrize("api", ENVELOPES_OF_THROTTLED)
def test_throttled_answers_have_the_form_of_errors(
    api: str, request: pytest.FixtureRequest
) -> None:
    """Judged with every response; whether there was one depends on the service."""
    service: Service = request.getfixturevalue(api)
    if not service.counters.throttled:
        raise NotExercised("the service never returned 429")


# --------------------------------------------------------------------------------------------------------- probes


@pytest.mark.clause("{api}.rate-limit")
def test_probe_rate_limit(service: Service, observe: Observe) -> None:
    """Whether the service throttled this run, and whether it said for how long."""
    throttled = service.counters.throttled
    if throttled:
        delays = ", ".join(sorted(service.counters.retry_after)) or "without Retry-After"
        observe(f"429 {throttled} times, Retry-After: {delays}")
    else:
        observe("no 429 in this run")


@pytest.mark.clause("{api}.other-methods")
def test_probe_other_methods(service: Service, observe: Observe) -> None:
    """Safe methods alone on a live service."""
    methods = ["GET", "HEAD", "OPTIONS"]
    if not service.settings.is_gentle:
        methods += ["PUT", "PATCH", "DELETE"]
    base = evolve(service.upsert(least(service)), body=None).with_header("Content-Type", None)
    seen = []
    for method in methods:
        response = service.send(evolve(base, method=method), judged=False)
        fate = f"{method} {response.status}"
        if "allow" in response.headers:
            fate += " with Allow"
        seen.append(fate)
    observe(", ".join(seen))


@pytest.mark.clause("{api}.other-paths")
def test_probe_other_paths(service: Service, observe: Observe) -> None:
    """A path that nobody declared."""
    call = evolve(service.upsert(least(service)), method="GET", body=None)
    seen = []
    for tail in ("/nothing", "x"):
        response = service.send(evolve(call, url=call.url + tail), judged=False)
        seen.append(str(response.status))
    observe(f"GET {', '.join(seen)}")


@pytest.mark.clause("{api}.request-content-type")
def test_probe_request_content_type(service: Service, observe: Observe) -> None:
    """JSON that is declared as text, as a form, or as nothing."""
    call = service.upsert(least(service))
    seen = []
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        response = service.send(call.with_header("Content-Type", kind), judged=False)
        seen.append(f"{kind or 'none'}: {response.status}")
    observe(", ".join(seen))


def _with_more(text: str, more: str) -> str:
    """The text of a JSON object with more members at its end."""
    return f"{text[:-1]}, {more}}}"


CHANGES: dict[str, Callable[[str], str]] = {
    "duplicate-members": lambda text: _with_more(text, text[1:-1]),
    "deep-nesting": lambda text: _with_more(text, '"x": ' + "[" * 1000 + "]" * 1000),
    "large-body": lambda text: _with_more(text, '"x": "' + "x" * 100_000 + '"'),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.clause(f"{{api}}.{name}")) for name in CHANGES]
)
def test_probe_bodies(name: str, service: Service, observe: Observe) -> None:
    """Every member twice; one of a thousand levels; a hundred kilobytes beside a valid request."""
    body = CHANGES[name](json.dumps(least(service)))
    response = service.send(service.upsert(body.encode()), judged=False)
    observe(f"returned {response.status}")


@pytest.mark.clause("{api}.credentials-first")
def test_probe_credentials_first(service: Service, observe: Observe) -> None:
    """Wrong in both ways."""
    call = service.upsert({})
    for header in service.endpoint.credentials:
        call = call.with_header(header, "wrong")
    status = service.send(call).status
    if status == 401:
        observe("credentials are judged first")
    else:
        observe(f"returned {status}")


@pytest.mark.clause("{api}.server-is-https")
def test_probe_server_is_https(service: Service, observe: Observe) -> None:
    """How this run reached the service."""
    way = service.endpoint.base_url.partition(":")[0]
    if service.endpoint.is_loopback:
        way += " on loopback"
    observe(way)

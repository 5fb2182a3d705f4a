"""Many contacts at once: each gets one outcome, at a pace, in order, and misbehaviour means what it means for a single call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contact_apis import (
    APIError,
    APIStatusError,
    ConfigurationError,
    ContactAPIError,
    InvalidRequestError,
    PristoContact,
    UpsertOutcome,
)
from contact_apis._bulk.rate_limiter import RateLimiter
from contact_apis._bulk.runner import BulkRunner
from contact_apis._bulk.transports import transport_to
from contact_apis.mock import MockServer

from .hostile import Action, Hostile, Proxy, TlsServer, answer, drip, hang, send_and_close
from .kinds import (
    APIS,
    CLASSES,
    CONSENT,
    FIELDS,
    GOOD,
    ID,
    KEYS,
    KINDS,
    POPULATION,
    Api,
    Kind,
    call,
)
from .test_hostile import CASES, Case

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture(autouse=True)
def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task is left behind with an error that nobody looked at."""
    yield
    assert [
        each.getMessage()
        for each in caplog.get_records("call")
        if each.name == "asyncio" and each.levelno > logging.INFO
    ] == []


def many(
    api: Api,
    kind: Kind,
    url: str,
    contacts: Any,
    *,
    taken: list[UpsertOutcome] | None = None,
    **options: Any,
) -> list[UpsertOutcome]:
    """What ``upsert_many`` yields, for the blocking client and the awaited one; added to ``taken`` as it comes."""
    outcomes = [] if taken is None else taken
    own = {name: options.pop(name) for name in ("concurrency", "rate") if name in options}
    made = CLASSES[api, kind](base_url=url, **{**KEYS[api], **options})
    if kind == "sync":
        with made:
            outcomes.extend(made.upsert_many(contacts, **own))
        return outcomes

    async def awaited() -> None:
        async with made:
            async for each in made.upsert_many(contacts, **own):
                outcomes.append(each)  # kept when what follows fails

    asyncio.run(awaited())
    return outcomes


def people(count: int) -> list[dict[str, Any]]:
    """Contacts of Pristo, each another."""
    return [{"id": uuid5(UUID(ID), str(number)), "name": str(number)} for number in range(count)]


class Service(Hostile):
    """Takes its time, answers with what it was sent, and knows what was under way when."""

    def __init__(
        self,
        latency: Callable[[], float] = lambda: 0.0,
        answers: Callable[[int, Any], bytes | None] = lambda *_: None,
    ) -> None:
        super().__init__(b"")
        self.latency, self.answers = latency, answers
        self.begun: list[float] = []
        self.spans: list[
            tuple[Any, float, float]
        ] = []  # the body of each request, when it came, when it was answered
        self.cut = self.most = 0

    def _talk(self, connection: socket.socket) -> None:
        while request := whole(connection):
            body, began = json.loads(request), time.monotonic()
            with self._lock:
                self.begun.append(began)
                number = len(self.begun)
                self.most = max(self.most, number - len(self.spans))
            scripted = self.answers(number, body)
            time.sleep(self.latency())
            with suppress(BlockingIOError):
                self.cut += connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
            with self._lock:
                self.spans.append((body, began, time.monotonic()))
            connection.sendall(
                scripted or answer(200, body if "contact" in body else GOOD["retainful"])
            )


def whole(connection: socket.socket) -> bytes:
    """The body of the next request; nothing when the client has gone between two requests, and an error in the middle of one."""
    received = connection.recv(65536)
    while received:
        head, end, body = received.partition(b"\r\n\r\n")
        length = next(
            (
                int(line[15:])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        if end and len(body) >= length:
            return body
        more = connection.recv(65536)
        assert more, "a request was cut"
        received += more
    return b""


# ------------------------------------------------------------------------------------------------- one outcome for each

valid = st.builds(
    lambda number: {"id": uuid5(UUID(ID), str(number)), "name": str(number)}, st.integers(0, 5)
)
models = valid.map(
    lambda fields: PristoContact(id=UUID(str(fields["id"])), name=str(fields["name"]))
)
wrong = st.sampled_from(
    [
        {"id": "x"},
        {},
        {"id": ID, "nickname": "A"},
        {"id": ID, "name": 5},
        {5: 6},
        PristoContact("x"),  # type: ignore[arg-type] # what is tested
    ]
)


def shaped(items: list[Any], form: str) -> Any:
    """The same contacts as another kind of input."""

    async def awaited() -> AsyncIterator[Any]:
        for each in items:
            await asyncio.sleep(0)
            yield each

    return {"list": items, "generator": (each for each in items), "asynchronous": awaited()}[form]


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    items=st.lists(
        st.tuples(valid, st.just(True))
        | st.tuples(models, st.just(True))
        | st.tuples(wrong, st.just(False)),
        max_size=12,
    ),
    how=st.sampled_from(
        [
            ("sync", "list"),
            ("sync", "generator"),
            ("async", "list"),
            ("async", "generator"),
            ("async", "asynchronous"),
        ]
    ),
    concurrency=st.integers(1, 5),
)
def test_each_contact_has_its_own_outcome(
    server: MockServer, items: list[Any], how: Any, concurrency: int
) -> None:
    """Whatever the input is made of, each of its items gets exactly one outcome, with its place and itself."""
    given_, fits = [each for each, _ in items], [good for _, good in items]
    kind, form = how
    keys: dict[str, Any] = {
        "api_key": server.env["PRISTO_API_KEY"],
        "population_id": server.env["PRISTO_POPULATION_ID"],
    }
    outcomes = many(
        "pristo", kind, server.base_url, shaped(given_, form), concurrency=concurrency, **keys
    )
    assert sorted(each.index for each in outcomes) == list(range(len(items)))
    for each in outcomes:
        assert each.contact is given_[each.index]
        assert each.succeeded == fits[each.index] == (each.error is None)
        assert each.state in (("created", "updated") if each.succeeded else ("refused",))
        assert (each.attempts, each.request_id is None, each.status is None) == (
            (1, False, False) if each.succeeded else (0, True, True)
        )
        assert each.succeeded or isinstance(each.error, InvalidRequestError)


@pytest.mark.parametrize("kind", KINDS)
def test_states_of_successes(kind: Kind, server: MockServer) -> None:
    """Pristo tells created from updated; Retainful, which does not, has accepted."""
    contact = {"id": UUID(int=random.getrandbits(128), version=4)}
    keys: dict[str, Any] = {
        "api_key": server.env["PRISTO_API_KEY"],
        "population_id": server.env["PRISTO_POPULATION_ID"],
    }
    outcomes = many("pristo", kind, server.base_url, [contact, contact], **keys)
    assert [(each.index, each.state, each.status) for each in outcomes] == [
        (0, "created", 201),
        (1, "updated", 200),
    ]
    keys = {"api_key": server.env["RETAINFUL_API_KEY"], "app_id": server.env["RETAINFUL_APP_ID"]}
    outcomes = many("retainful", kind, server.base_url, [FIELDS["retainful"]], **keys)
    assert [(each.state, each.status) for each in outcomes] == [("accepted", 200)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "numbers",
    [
        {"concurrency": 0},
        {"concurrency": -1},
        {"concurrency": 1.5},
        {"rate": 0},
        {"rate": -1.0},
        {"rate": float("nan")},
        {"rate": "x"},
    ],
)
def test_numbers_that_are_none(kind: Kind, numbers: dict[str, Any]) -> None:
    """A concurrency or a rate that is none is refused in a sentence, before anything is sent."""
    with Service() as service, pytest.raises(ConfigurationError, match=next(iter(numbers))):
        many("pristo", kind, service.url, people(3), **numbers)
    assert service.begun == []


# ------------------------------------------------------------------------------------------ how much at once, and how fast


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_than_asked_for_are_in_flight(kind: Kind) -> None:
    """The service never sees more requests at once than ``concurrency``, and it does see as many."""
    with Service(lambda: 0.03) as service:
        assert len(many("pristo", kind, service.url, people(60), concurrency=12)) == 60
    assert service.most == 12
    assert service.connections <= 12


class Counted:
    """An input that knows how much of it was read."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for each in people(1000):
            self.read += 1
            yield each


@pytest.mark.parametrize("kind", KINDS)
def test_the_input_waits_for_whoever_takes_outcomes(kind: Kind) -> None:
    """While nobody takes outcomes, neither is more read than twice ``concurrency`` nor anything sent past that."""
    source = Counted()

    async def awaited() -> None:
        async with made, aclosing(made.upsert_many(source, concurrency=8)) as outcomes:
            await anext(outcomes)
            await asyncio.sleep(0.3)

    def blocking() -> None:
        with made, closing(made.upsert_many(source, concurrency=8)) as outcomes:
            next(outcomes)
            time.sleep(0.3)

    with Service() as service:
        made = CLASSES["pristo", kind](base_url=service.url, **KEYS["pristo"])
        asyncio.run(awaited()) if kind == "async" else blocking()
    assert 8 <= source.read <= 17
    assert len(service.begun) <= source.read


@pytest.mark.parametrize("kind", KINDS)
def test_the_input_waits_for_the_service(kind: Kind) -> None:
    """A slow service is not read ahead of by more than ``concurrency``."""
    source = Counted()
    seen: list[int] = []

    def slow() -> float:
        seen.append(source.read)
        return 0.05

    with Service(slow) as service:
        made = CLASSES["pristo", kind](base_url=service.url, **KEYS["pristo"])

        async def awaited() -> None:
            async with made, aclosing(made.upsert_many(source, concurrency=4)) as outcomes:
                async for each in outcomes:
                    if each.index >= 20:
                        break

        if kind == "async":
            asyncio.run(awaited())
        else:
            with made, closing(made.upsert_many(source, concurrency=4)) as outcomes:
                for each in outcomes:
                    if each.index >= 20:
                        break
    assert all(read <= number + 8 for number, read in enumerate(seen, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_one_contact_is_sent_in_the_order_of_the_input(kind: Kind) -> None:
    """The same contact is never in flight twice, and its last row is the last that the service sees."""
    chance = random.Random(5)  # a seed
    rows = [
        {"id": uuid5(UUID(ID), str(chance.randrange(4))), "name": str(number)}
        for number in range(120)
    ]
    with Service(lambda: random.random() * 0.01) as service:
        assert len(many("pristo", kind, service.url, rows, concurrency=16)) == 120
    for one in {str(each["id"]) for each in rows}:
        spans = sorted(
            (began, ended, body["contact"]["name"])
            for body, began, ended in service.spans
            if body["contact"]["id"] == one
        )
        assert [name for *_, name in spans] == [
            each["name"] for each in rows if str(each["id"]) == one
        ]
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


@pytest.mark.parametrize("kind", KINDS)
def test_contacts_that_share_an_identifier_are_one(kind: Kind) -> None:
    """Of Retainful's contacts, those that share one of several identifiers, in whatever letter case, are not in flight at once."""
    chance = random.Random(5)  # a seed
    rows: list[dict[str, Any]] = []
    for number in range(80):
        email, phone = chance.choice("aAbBcd"), chance.choice("12345")
        both = {"email": f"{email}@example.com", "phone": f"+1202555012{phone}"}
        chosen = {
            name: both[name] for name in chance.choice([["email"], ["phone"], ["email", "phone"]])
        }
        rows.append({"first_name": str(number), "list_ids": ["x"], "consent": CONSENT, **chosen})
    with Service(lambda: random.random() * 0.01) as service:
        assert len(many("retainful", kind, service.url, rows, concurrency=16)) == 80
    for one in {each["id"].lower() for body, *_ in service.spans for each in body["identifiers"]}:
        spans = sorted(
            (began, ended, int(body["firstName"]))
            for body, began, ended in service.spans
            if one in [each["id"].lower() for each in body["identifiers"]]
        )
        assert [number for *_, number in spans] == sorted(number for *_, number in spans)
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


@pytest.mark.parametrize("kind", KINDS)
def test_requests_are_evenly_spaced(kind: Kind) -> None:
    """At ``rate=20`` the service never sees more than 21 in a second, nor two close together."""
    with Service() as service:
        assert len(many("pristo", kind, service.url, people(24), rate=20)) == 24
    starts = sorted(service.begun)
    assert all(sum(start <= each < start + 1 for each in starts) <= 21 for start in starts)
    gaps = sorted(second - first for first, second in pairwise(starts))
    assert 0.04 < gaps[len(gaps) // 2] < 0.07
    assert gaps[2] > 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_429_stops_all_sending(kind: Kind) -> None:
    """``Retry-After: 1`` keeps everything back for that second, what was not sent yet included; then all rows get in."""
    throttled: list[float] = []

    def answers(number: int, _: Any) -> bytes | None:
        if number == 10:
            throttled.append(time.monotonic())
        return (
            answer(429, {"error": {"code": "slow_down"}}, "Retry-After: 1\r\n")
            if number == 10
            else None
        )

    with Service(lambda: 0.03, answers) as service:
        outcomes = many("pristo", kind, service.url, people(120), concurrency=8)
    assert Counter(each.state for each in outcomes) == {"updated": 120}
    assert sum(each.attempts for each in outcomes) == len(service.begun) == 121
    # Those that were on their way already may still come in, each with one more where the machine is slow; 110 were waiting.
    assert (
        len([each for each in service.begun if throttled[0] < each < throttled[0] + 1.0]) <= 2 * 8
    )


def test_a_pause_does_not_outlast_a_call() -> None:
    """A contact whose time is over when a pause of all ends is not sent once more, and was not written."""

    def answers(number: int, body: Any) -> bytes | None:
        name = body["contact"]["name"]
        time.sleep({"0": 0.8, "1": 0.5}.get(name, 0))
        return (
            answer(503, {})
            if name == "0"
            else answer(429, {}, "Retry-After: 1\r\n")
            if number == 3
            else None
        )

    with Service(answers=answers) as service:
        outcomes = many("pristo", "async", service.url, people(3), concurrency=2, total_timeout=1.5)
    found = {each.index: (each.state, each.attempts, each.status) for each in outcomes}
    assert found == {0: ("failed", 1, 503), 1: ("updated", 1, 200), 2: ("updated", 2, 200)}
    assert len(service.begun) == 4


# ------------------------------------------------------------------------------------------ what a service can do wrong


def single(api: Api, url: str, fields: Any, **options: Any) -> APIError:
    """The error that ``upsert_contact`` raises, through httpx."""
    with pytest.raises(APIError) as caught:
        call(api, "async", url, given=fields, **options)
    return caught.value


def meant(error: ContactAPIError) -> str:
    """The state that an error stands for, said a second time."""
    refusal = (
        isinstance(error, APIStatusError)
        and error.status_code // 100 == 4
        and error.status_code not in (401, 403, 408, 429)
    )
    if refusal and not vars(error)["perhaps_written"]:
        return "refused"
    return "unknown" if vars(error)["perhaps_written"] else "failed"


#: What cannot mean the same, with its reason; for these the state alone has to.
DIFFERENT = {
    "claims less than it sends": "aiohttp reads on, finds no HTTP there, and forgets the answer before it"
}


def facts(error: ContactAPIError | None) -> dict[str, Any]:
    """All that an error tells but its text and its id."""
    assert error is not None
    return {
        "class": type(error),
        **{
            name: value
            for name, value in vars(error).items()
            if name not in ("request_id", "faults")
        },
    }


def compare(
    api: Api, script: Sequence[Action | bytes], fields: Any, **options: Any
) -> tuple[APIError, int, int]:
    """Does the same to one call and to one of many; gives the error of the one, and how many requests each made."""
    with Hostile(*script) as service:
        error = single(api, service.url, fields, **options)
        first = len(service.requests)
    with Hostile(*script) as service:
        (outcome,) = many(api, "async", service.url, [fields], **options)
        second = len(service.requests)
    assert facts(outcome.error) == facts(error)
    assert (outcome.state, outcome.attempts, outcome.status) == (
        meant(error),
        error.attempts,
        vars(error).get("status_code"),
    )
    assert outcome.request_id is not None
    return error, first, second


@pytest.mark.parametrize("case", CASES, ids=[each[0] for each in CASES])
def test_misbehaviour_means_the_same(case: Case) -> None:
    """Each thing a service can do wrong gives one of many the error, the attempts and the state that a single call has."""
    name, script, expected, attempts, careful = case
    if name in DIFFERENT:
        with Hostile(*script) as service:
            assert many("pristo", "async", service.url, [FIELDS["pristo"]])[0].state == "unknown"
        return
    error, first, second = compare("pristo", script, FIELDS["pristo"], timeout=10)
    assert type(error) is expected
    assert first == second == attempts
    error, first, second = compare(
        "retainful", script, {**FIELDS["retainful"], "trigger_welcome_email": True}, timeout=10
    )
    assert type(error) is expected
    assert first == second == careful


@pytest.mark.parametrize("last", [400, 409, 401, 503])
def test_a_refusal_after_an_attempt_that_may_have_been_applied_is_unknown(last: int) -> None:
    """No state promises that a contact was not written when an earlier attempt may have written it."""
    error, _, _ = compare("pristo", [answer(502), answer(last)], FIELDS["pristo"], max_retries=1)
    assert meant(error) == "unknown"
    assert "an earlier attempt may have been carried out" in str(error)


@pytest.mark.parametrize("api", APIS)
def test_silence_means_the_same(api: Api) -> None:
    """A service that hangs past the timeout is timed out in the same way, and no second welcome e-mail is risked."""
    fields = FIELDS[api] if api == "pristo" else {**FIELDS[api], "trigger_welcome_email": True}
    error, first, second = compare(api, [hang], fields, timeout=0.2, max_retries=1)
    assert meant(error) == "unknown"
    assert first == second == (2 if api == "pristo" else 1)
    compare(api, [hang], fields, total_timeout=0.2)


@pytest.mark.parametrize(
    "action",
    [drip(answer(200, b"", length=5000), 0.01), drip(b"HTTP/1.1 200 OK\r\nX-Endless: ", 0.01)],
)
def test_dripping_ends_on_time(action: Action) -> None:
    """A service that sends byte after byte holds one of many no longer than its time."""
    with Hostile(action) as service:
        started = time.monotonic()
        (outcome,) = many("pristo", "async", service.url, people(1), total_timeout=0.3)
    assert time.monotonic() - started < 2
    assert outcome.state == "unknown"


@pytest.mark.parametrize("why", ["refused", "nobody has this name", "no handshake"])
def test_what_was_never_sent_means_the_same(why: str) -> None:
    """A refused connection, an unknown name and a handshake without end are retried even for mail: nothing was written."""
    fields = {**FIELDS["retainful"], "trigger_welcome_email": True}
    with Hostile(hang) as service:
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        url = {
            "refused": f"http://127.0.0.1:{port}",
            "no handshake": f"https://127.0.0.1:{service.port}",
        }.get(why, "https://nowhere.invalid")
        error = single("retainful", url, fields, timeout=0.2)
        (outcome,) = many("retainful", "async", url, [fields], timeout=0.2)
    assert facts(outcome.error) == facts(error)
    assert (outcome.state, outcome.attempts) == ("failed", 3)
    assert "never sent" in str(outcome.error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_that_passes_is_not_seen(kind: Kind) -> None:
    """One of many is retried as a single call is; others are not held up by it."""
    with Service(
        answers=lambda number, _: answer(500, b"?") if number % 5 == 0 else None
    ) as service:
        outcomes = many("pristo", kind, service.url, people(40), concurrency=4, max_retries=6)
    assert {each.state for each in outcomes} == {"updated"}
    assert sum(each.attempts for each in outcomes) == len(service.begun) > 40


# ---------------------------------------------------------------------------------------------------------- ending early


@pytest.mark.parametrize("kind", KINDS)
def test_closing_early_cuts_nothing(kind: Kind) -> None:
    """Whoever stops taking outcomes leaves no request half sent and no answer unread; nothing new starts."""

    async def awaited() -> None:
        async with made, aclosing(made.upsert_many(people(100), concurrency=8)) as outcomes:
            async for _ in outcomes:
                break

    with Service(lambda: 0.05 + random.random() * 0.1) as service:
        made = CLASSES["pristo", kind](base_url=service.url, **KEYS["pristo"])
        if kind == "async":
            asyncio.run(awaited())
        else:
            with made:
                for _ in made.upsert_many(people(100), concurrency=8):
                    break
        begun = len(service.begun)
        assert begun == len(service.spans) < 30
        time.sleep(0.1)
    assert len(service.begun) == begun
    assert service.cut == 0


def test_cancelling_cuts_nothing() -> None:
    """A task that is cancelled while it waits for outcomes ends when what it sent has been answered."""

    async def awaited() -> None:
        async with CLASSES["pristo", "async"](base_url=service.url, **KEYS["pristo"]) as client:

            async def take() -> None:
                async for _ in client.upsert_many(people(100), concurrency=8):
                    pass

            task = asyncio.ensure_future(take())
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with Service(lambda: 0.2) as service:
        asyncio.run(awaited())
        assert 8 <= len(service.begun) == len(service.spans) <= 24
    assert service.cut == 0


def test_cancelling_by_anyio_cuts_nothing() -> None:
    """The same holds where the cancellation comes from a scope of anyio, which repeats it."""
    import anyio

    async def awaited() -> None:
        async with CLASSES["pristo", "async"](base_url=service.url, **KEYS["pristo"]) as client:
            with anyio.move_on_after(0.3):
                async for _ in client.upsert_many(people(100), concurrency=8):
                    pass

    with Service(lambda: 0.2) as service:
        asyncio.run(awaited())
        assert 8 <= len(service.begun) == len(service.spans) <= 24
    assert service.cut == 0


def test_ctrl_c_cuts_nothing() -> None:
    """A blocking caller that is interrupted while it waits gets its interrupt when what was sent has been answered."""
    with (
        Service(lambda: 0.3) as service,
        CLASSES["pristo", "sync"](base_url=service.url, **KEYS["pristo"]) as client,
    ):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            list(client.upsert_many(people(50), concurrency=4))
        assert 1 <= len(service.begun) == len(service.spans) <= 4
    assert service.cut == 0


def test_an_event_loop_that_ends_first() -> None:
    """Outcomes that are still being waited for when their event loop ends leave nothing behind."""
    kept: list[object] = []

    async def awaited() -> None:
        client = CLASSES["pristo", "async"](base_url=service.url, **KEYS["pristo"])
        kept.append(client.upsert_many(people(50), concurrency=4))
        await anext(kept[0])  # type: ignore[call-overload] # kept, for what is not is closed at once

    with Service(lambda: 0.02) as service:
        asyncio.run(awaited())
        time.sleep(0.1)  # what was on its way arrives
        begun = len(service.begun)
        time.sleep(0.1)
    assert len(service.begun) == begun < 20


class Broken(Exception):  # the input's own
    """What an input fails with."""


def breaking(after: int) -> Iterator[dict[str, Any]]:
    yield from people(after)
    raise Broken


class Restless:
    """An input that fails once and would then go on."""

    def __init__(self) -> None:
        self._source = iter(people(1000))
        self._given = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        self._given += 1
        if self._given == 11:
            raise Broken
        return next(self._source)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("sync", "generator"),
        ("async", "generator"),
        ("async", "asynchronous"),
        ("sync", "restless"),
        ("async", "restless"),
    ],
)
def test_an_input_that_fails(kind: Kind, form: str) -> None:
    """What an input raises comes out after the outcomes of all that was read of it."""

    async def slowly() -> AsyncIterator[Any]:
        for each in breaking(10):
            yield each

    source: Any = (
        slowly() if form == "asynchronous" else Restless() if form == "restless" else breaking(10)
    )
    taken: list[UpsertOutcome] = []
    with Service(lambda: 0.02) as service, pytest.raises(Broken):
        many("pristo", kind, service.url, source, taken=taken, concurrency=4, rate=200)
    assert sorted(each.index for each in taken) == list(range(10))
    assert {each.state for each in taken} == {"updated"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_that_fails_for_nobody(kind: Kind) -> None:
    """An input's error after the caller has gone is lost without a word."""

    async def awaited() -> None:
        async with made, aclosing(made.upsert_many(breaking(1), concurrency=2)) as outcomes:
            await anext(outcomes)

    with Service(lambda: 0.02) as service:
        made = CLASSES["pristo", kind](base_url=service.url, **KEYS["pristo"])
        if kind == "async":
            asyncio.run(awaited())
        else:
            with made, closing(made.upsert_many(breaking(1), concurrency=2)) as outcomes:
                next(outcomes)


def test_a_callback_that_fails() -> None:
    """What whoever is told raises stops the run: what is in flight ends, what waits is not begun, and then it comes out."""

    async def told(_: UpsertOutcome) -> None:
        raise Broken

    async def awaited() -> None:
        async with CLASSES["pristo", "async"](base_url=service.url, **KEYS["pristo"]) as client:
            session, url = client._target()  # noqa: SLF001 # as the command does
            async with transport_to(url, session.client_transport, 8) as wire:
                bulk = BulkRunner(
                    session.service,
                    session.policy,
                    wire,
                    client._prepare,  # noqa: SLF001
                    told,
                    concurrency=8,
                    rate=20,
                )
                await bulk.run(people(50))

    with Service(lambda: 0.02) as service:
        with pytest.raises(Broken):
            asyncio.run(awaited())
        assert 1 <= len(service.begun) == len(service.spans) <= 3
    assert service.cut == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_client_sends_nothing(kind: Kind) -> None:
    """After ``close`` many contacts are refused as one is."""

    async def awaited() -> None:
        await made.close()
        with pytest.raises(ConfigurationError, match="closed"):
            [each async for each in made.upsert_many(people(3))]

    with Service() as service:
        made = CLASSES["pristo", kind](base_url=service.url, **KEYS["pristo"])
        if kind == "async":
            asyncio.run(awaited())
        else:
            made.close()
            with pytest.raises(ConfigurationError, match="closed"):
                list(made.upsert_many(people(3)))
    assert service.begun == []


# ------------------------------------------------------------------------------------------------ through what it is sent


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_of_the_callers_carries_them(kind: Kind) -> None:
    """With ``http_client`` all goes through it, as many at once as asked for, and it stays open."""
    limits = httpx.Limits(max_connections=20)

    async def awaited() -> list[UpsertOutcome]:
        async with (
            httpx.AsyncClient(limits=limits) as mine,
            CLASSES["pristo", kind](
                base_url=service.url, http_client=mine, **KEYS["pristo"]
            ) as client,
        ):
            outcomes = [each async for each in client.upsert_many(people(60), concurrency=12)]
            assert not mine.is_closed
        return outcomes

    def blocking() -> list[UpsertOutcome]:
        with httpx.Client(limits=limits) as mine:
            outcomes = many(
                "pristo", kind, service.url, people(60), concurrency=12, http_client=mine
            )
            assert not mine.is_closed
        return outcomes

    with Service(lambda: 0.05) as service:
        outcomes = asyncio.run(awaited()) if kind == "async" else blocking()
    assert [each.state for each in outcomes] == ["updated"] * 60
    assert service.most == 12


@pytest.mark.parametrize("kind", KINDS)
def test_failures_of_the_callers_client(kind: Kind) -> None:
    """What another transport fails with is understood as a single call's is."""

    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("broke", request=request)

    transport = httpx.MockTransport(handle)
    mine: Any = (
        httpx.Client(transport=transport)
        if kind == "sync"
        else httpx.AsyncClient(transport=transport)
    )
    (outcome,) = many("pristo", kind, "https://service.example", people(1), http_client=mine)
    assert (outcome.state, outcome.attempts) == ("unknown", 3)
    assert "ReadError" in str(outcome.error)


@pytest.mark.parametrize("kind", KINDS)
def test_private_authority(kind: Kind, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SSL_CERT_FILE`` is obeyed; a certificate that nobody vouches for means that nothing was sent."""
    with TlsServer(authority, answer(200, {})) as secure:
        (outcome,) = many("pristo", kind, secure.url, people(1), max_retries=0)
        assert facts(outcome.error) == facts(
            single("pristo", secure.url, FIELDS["pristo"], max_retries=0)
        )
        assert (outcome.state, secure.requests) == ("failed", [])
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        assert {
            each.state for each in many("pristo", kind, secure.url, people(20), concurrency=4)
        } == {"updated"}
        assert secure.connections <= 4 + 2


@pytest.mark.parametrize("kind", KINDS)
def test_proxy(kind: Kind, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``HTTPS_PROXY`` is obeyed, with the key inside the tunnel alone, and so is ``NO_PROXY``."""
    with TlsServer(authority, answer(200, {})) as secure:
        proxy = Proxy(secure.port)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.removeprefix("http://"))
        assert {
            each.state for each in many("pristo", kind, "https://api.example:9443", people(3))
        } == {"updated"}
        assert {each.split(b"\r\n")[0] for each in proxy.asked} == {
            b"CONNECT api.example:9443 HTTP/1.1"
        }
        assert KEYS["pristo"]["api_key"].encode() not in b"".join(proxy.asked)
        asked = len(proxy.asked)
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert {each.state for each in many("pristo", kind, secure.url, people(3))} == {"updated"}
        assert len(proxy.asked) == asked
        proxy.close()


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proxy does not let through was never sent, and is tried again."""
    proxy = Proxy(1, refuse=True)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    error = single("pristo", "https://api.example", FIELDS["pristo"])
    (outcome,) = many("pristo", "async", "https://api.example", [FIELDS["pristo"]])
    assert facts(outcome.error) == facts(error)
    assert (outcome.state, len(proxy.asked)) == ("failed", 6)
    assert "never sent" in str(outcome.error)
    proxy.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("SSL_CERT_FILE", "/nowhere/ca.pem"), ("HTTPS_PROXY", "socks5://127.0.0.1:1")],
)
def test_an_environment_that_cannot_work(
    kind: Kind, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy or an authority that is none gives one sentence that says where to look."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        many("pristo", kind, "https://api.example", people(2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_extra(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiohttp one sentence says what to install; with a client of the caller's it is not missed."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "contact_apis._bulk.aiohttp_transport", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install 'contact-apis\[bulk\]'$"):
        many("pristo", kind, "http://127.0.0.1:1", people(2))
    transport = httpx.MockTransport(lambda request: httpx.Response(201, content=request.content))
    mine: Any = (
        httpx.Client(transport=transport)
        if kind == "sync"
        else httpx.AsyncClient(transport=transport)
    )
    assert {
        each.state
        for each in many("pristo", kind, "https://api.example", people(2), http_client=mine)
    } == {"created"}


PERSON = {
    "id": ID,
    "email": "zebedee@example.com",
    "name": "Zebedee",
    "last_name": "Quillfeather",
    "phone": "+12025550147",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 200, "garbage"])
def test_nothing_private_is_said(
    kind: Kind, status: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither logs nor outcomes show credentials or personal data, even where the service echoes them."""
    caplog.set_level(logging.DEBUG)
    echo = f"Zebedee QUILLFEATHER zebedee@example.com +12025550147 {KEYS['pristo']['api_key']} {POPULATION}"
    answers = (
        send_and_close(echo.encode() + b"\r\n\r\n")
        if isinstance(status, str)
        else answer(status, {"message": echo, "contact": echo, echo: 1})
    )
    with Hostile(answers) as service:
        (outcome,) = many("pristo", kind, service.url, [PERSON])
    assert not outcome.succeeded
    shown = (
        repr(outcome)
        + str(outcome.error)
        + "".join(each.getMessage() for each in caplog.records if each.name != "asyncio")
    ).lower()
    for private in ("zebedee", "quillfeather", "2025550147", KEYS["pristo"]["api_key"], POPULATION):
        assert private.lower() not in shown


@pytest.mark.parametrize("kind", KINDS)
def test_a_keyword_that_is_none_is_named(kind: Kind, server: MockServer) -> None:
    """And so is one that is needed and missing."""
    keys: dict[str, Any] = {
        "api_key": server.env["PRISTO_API_KEY"],
        "population_id": server.env["PRISTO_POPULATION_ID"],
    }
    odd: dict[Any, Any] = {7: "Ada"}
    outcomes = many(
        "pristo", kind, server.base_url, [{"id": ID, "nmae": "Ada"}, {"name": "Ada"}, odd], **keys
    )
    assert {each.index: str(each.error) for each in outcomes} == {
        0: "nothing was sent: nmae is not a field of a contact; did you mean name?",
        1: "nothing was sent: id is missing",
        2: "nothing was sent: body cannot be written as the contract asks (TypeError)",
    }


def test_one_burst_slows_down_once() -> None:
    """Of the 429s that answer what was in flight together, the first sets the pace for all."""

    async def paced() -> list[float]:
        limiter = RateLimiter(None)
        for _ in range(10):
            limiter.on_success()
        limiter.on_throttled(0.5)
        first = limiter._interval  # noqa: SLF001 # what it is about
        limiter.on_throttled(0.5)
        return [first, limiter._interval]  # noqa: SLF001 # see above

    first, second = asyncio.run(paced())
    assert first == second == pytest.approx(1.05 * 0.5 / 10)

"""Whatever a service does on a real socket, one typed error comes out, in time, after the right number of attempts."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

import contact_apis
from contact_apis import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ContactAPIError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from contact_apis._http import delivery

from .hostile import Action, Hostile, answer, drip, flood, hang, reset, send, send_and_close
from .kinds import APIS, FIELDS, GOOD, KINDS, Api, Kind, call

DEEP = b"[" * 50_000
JSON = "Content-Type: application/json\r\n"
ERROR = {"error": {"code": "refused", "message": "no"}, "status": "error", "message": "no"}

# name, script, error, attempts where a call may be repeated, attempts where it would send a second welcome e-mail
Case = tuple[str, Sequence[Action | bytes], type[ContactAPIError], int, int]
CASES: list[Case] = [
    *[
        (f"status {status}", [answer(status, ERROR)], kind, attempts, careful)
        for status, kind, attempts, careful in [
            (400, BadRequestError, 1, 1),
            (401, AuthenticationError, 1, 1),
            (403, PermissionDeniedError, 1, 1),
            (404, NotFoundError, 1, 1),
            (409, ConflictError, 1, 1),
            (422, UnprocessableEntityError, 1, 1),
            (408, APIStatusError, 3, 1),
            (418, APIStatusError, 1, 1),
            (429, RateLimitError, 3, 3),
            (500, InternalServerError, 3, 1),
            (501, InternalServerError, 1, 1),
            (502, InternalServerError, 3, 1),
            (503, InternalServerError, 3, 1),
            (504, InternalServerError, 3, 1),
            (505, InternalServerError, 1, 1),
            *[(status, InternalServerError, 3, 1) for status in range(520, 525)],
            (525, InternalServerError, 1, 1),
            (301, APIStatusError, 1, 1),
            (303, APIStatusError, 1, 1),
            (308, APIStatusError, 1, 1),
            (499, APIStatusError, 1, 1),
            (599, InternalServerError, 1, 1),
            (600, APIStatusError, 1, 1),
            (999, APIStatusError, 1, 1),
            (202, APIStatusError, 1, 1),
            (206, APIStatusError, 1, 1),
        ]
    ],
    ("204", [b"HTTP/1.1 204 No Content\r\n\r\n"], APIStatusError, 1, 1),
    ("304", [b"HTTP/1.1 304 Not Modified\r\n\r\n"], APIStatusError, 1, 1),
    ("401 with a page", [answer(401, b"<html>")], AuthenticationError, 1, 1),
    (
        "401 with a cut body",
        [send_and_close(answer(401, b"{", length=99))],
        AuthenticationError,
        1,
        1,
    ),
    (
        "401 wrongly encoded",
        [answer(401, b"not gzip", "Content-Encoding: gzip\r\n")],
        AuthenticationError,
        1,
        1,
    ),
    (
        "401 with a lone surrogate",
        [answer(401, rb'{"message": "\ud800"}')],
        AuthenticationError,
        1,
        1,
    ),
    ("401 without end", [flood(b"HTTP/1.1 401 No\r\n\r\n")], AuthenticationError, 1, 1),
    ("500 with half a number", [answer(500, b"1e")], InternalServerError, 3, 1),
    (
        "redirect",
        [answer(307, b"", "Location: http://127.0.0.1:9/elsewhere\r\n")],
        APIStatusError,
        1,
        1,
    ),
    ("redirect to nonsense", [answer(302, b"", "Location: http://[bad\r\n")], APIStatusError, 1, 1),
    (
        "asked to wait for an hour",
        [answer(429, ERROR, "Retry-After: 3600\r\n")],
        RateLimitError,
        1,
        1,
    ),
    (
        "asked to wait for nonsense",
        [answer(429, ERROR, "Retry-After: soon\r\n")],
        RateLimitError,
        3,
        3,
    ),
    (
        "asked to wait since yesterday",
        [answer(429, ERROR, "Retry-After: Wed, 01 Jan 2020 00:00:00 GMT\r\n")],
        RateLimitError,
        3,
        3,
    ),
    ("reset", [reset], APIConnectionError, 3, 1),
    ("hung up", [send_and_close(b"")], APIConnectionError, 3, 1),
    ("cut status line", [send_and_close(b"HTTP/1.1 20")], APIConnectionError, 3, 1),
    ("cut headers", [send_and_close(b"HTTP/1.1 200 OK\r\nContent-Le")], APIConnectionError, 3, 1),
    ("cut body", [send_and_close(answer(200, b'{"contact', length=500))], APIConnectionError, 3, 1),
    (
        "cut chunk",
        [send_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc")],
        APIConnectionError,
        3,
        1,
    ),
    (
        "wrong chunk",
        [send_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc")],
        APIConnectionError,
        3,
        1,
    ),
    ("garbage", [send_and_close(b"\x00\xff\x16\x03 garbage\r\n\r\n")], APIConnectionError, 3, 1),
    ("another protocol", [send_and_close(b"SSH-2.0-OpenSSH_9.9\r\n")], APIConnectionError, 3, 1),
    (
        "two lengths",
        [send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")],
        APIConnectionError,
        3,
        1,
    ),
    (
        "negative length",
        [send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n")],
        APIConnectionError,
        3,
        1,
    ),
    ("headers without end", [flood(b"HTTP/1.1 200 OK\r\nX: ")], APIConnectionError, 3, 1),
    ("no JSON", [answer(200, b"<html>")], APIResponseValidationError, 1, 1),
    ("no body", [answer(200)], APIResponseValidationError, 1, 1),
    ("half of the JSON", [answer(200, b'{"contact": {', JSON)], APIResponseValidationError, 1, 1),
    (
        "claims less than it sends",
        [send_and_close(answer(200, b'{"contact": {}}', length=5))],
        APIResponseValidationError,
        1,
        1,
    ),
    ("null", [answer(200, b"null")], APIResponseValidationError, 1, 1),
    ("list", [answer(200, b"[]")], APIResponseValidationError, 1, 1),
    ("NaN", [answer(200, b'{"contact": NaN, "status": NaN}')], APIResponseValidationError, 1, 1),
    ("deep", [answer(200, DEEP)], APIResponseValidationError, 1, 1),
    ("long number", [answer(200, b"1" * 9000)], APIResponseValidationError, 1, 1),
    ("not UTF-8", [answer(200, b'{"contact": "\xff"}')], APIResponseValidationError, 1, 1),
    (
        "lone surrogate",
        [answer(200, rb'{"contact": {"id": "\ud800"}, "status": "\ud800"}')],
        APIResponseValidationError,
        1,
        1,
    ),
    (
        "wrong members",
        [answer(200, {"contact": {"id": 7}, "status": "true"})],
        APIResponseValidationError,
        1,
        1,
    ),
    (
        "success that says no",
        [answer(200, {"contact": {}, "status": False})],
        APIResponseValidationError,
        1,
        1,
    ),
    (
        "not gzip",
        [answer(200, b"not gzip", "Content-Encoding: gzip\r\n")],
        APIResponseValidationError,
        1,
        1,
    ),
    (
        "bomb",
        [answer(200, gzip.compress(b"0" * (8 << 20)), "Content-Encoding: gzip\r\n")],
        APIResponseValidationError,
        1,
        1,
    ),
    ("body without end", [flood(b"HTTP/1.1 200 OK\r\n\r\n")], APIResponseValidationError, 1, 1),
    (
        "says 100 and hangs up",
        [send_and_close(b"HTTP/1.1 100 Continue\r\n\r\n")],
        APIConnectionError,
        3,
        1,
    ),
]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.001)  # pauses have tests of their own


def _failed(api: Api, kind: Kind, url: str, **options: Any) -> ContactAPIError:
    try:
        result = call(api, kind, url, **options)
    except ContactAPIError as error:
        return error
    raise AssertionError(f"the call gave {result!r}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("case", CASES, ids=[each[0] for each in CASES])
def test_misbehaviour_becomes_one_typed_error(case: Case, api: Api, kind: Kind) -> None:
    """Each thing a service can do wrong has its class and its number of attempts, sync and async alike."""
    _, script, expected, attempts, _ = case
    with Hostile(*script) as service:
        error = _failed(api, kind, service.url, timeout=10)
    assert type(error) is expected, error
    assert isinstance(error, contact_apis.APIError)
    assert error.attempts == attempts == len(service.requests)
    assert error.__cause__ is None
    assert error.__context__ is None
    if api == "pristo":
        assert {head["x-request-id"] for head in service.heads()} == {str(error.request_id)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=[each[0] for each in CASES])
def test_a_welcome_email_is_never_sent_twice(case: Case, kind: Kind) -> None:
    """With ``trigger_welcome_email`` only what was never processed is tried again."""
    _, script, expected, _, attempts = case
    with Hostile(*script) as service:
        error = _failed(
            "retainful",
            kind,
            service.url,
            timeout=10,
            given={**FIELDS["retainful"], "trigger_welcome_email": True},
        )
    assert type(error) is expected
    assert len(service.requests) == attempts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "action",
    [
        hang,
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nX-Endless: "),
        drip(answer(200, b"", length=5000), 0),
    ],
    ids=["hang", "drip", "drip of headers", "trickle"],
)
def test_no_service_holds_a_call_past_its_time(action: Action, kind: Kind) -> None:
    """Silence and dripping end with the total timeout, although each byte comes in time."""
    with Hostile(action) as service:
        started = time.monotonic()
        error = _failed("pristo", kind, service.url, total_timeout=0.6, max_retries=5)
        assert time.monotonic() - started < 5
    assert type(error) in (APITimeoutError, APIResponseValidationError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_needs_no_body(kind: Kind) -> None:
    """A status that says no is told as soon as time is over, though the body never comes."""
    with Hostile(send(answer(401, b"{", length=99))) as service:
        assert type(_failed("pristo", kind, service.url, total_timeout=1.5)) is AuthenticationError


class Slow(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in time, piece by piece, for ever."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(0.01)
            yield b" "

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b" "


@pytest.mark.parametrize("kind", KINDS)
def test_dripping_through_the_callers_client(kind: Kind) -> None:
    """The time of a call is kept where the connections are not ours."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Slow()))
    mine: Any = (
        httpx.Client(transport=transport)
        if kind == "sync"
        else httpx.AsyncClient(transport=transport)
    )
    error = _failed("pristo", kind, "https://service.example", http_client=mine, total_timeout=0.2)
    assert type(error) is APITimeoutError


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_timed_out_and_tried_again(kind: Kind) -> None:
    """A read timeout is retried where that is harmless, and not where it would send mail."""
    with Hostile(hang, answer(200, GOOD["pristo"])) as service:
        assert call("pristo", kind, service.url, timeout=0.5).created is False
    with Hostile(hang) as service:
        error = _failed(
            "retainful",
            kind,
            service.url,
            timeout=0.5,
            given={**FIELDS["retainful"], "trigger_welcome_email": True},
        )
        assert isinstance(error, APITimeoutError)
        assert len(service.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_connection_refused_is_retried_even_for_mail(kind: Kind) -> None:
    """What was never sent may always be tried again, and the text says that nothing was written."""
    with Hostile(hang) as service:
        url = service.url
    error = _failed(
        "retainful", kind, url, given={**FIELDS["retainful"], "trigger_welcome_email": True}
    )
    assert isinstance(error, APIConnectionError)
    assert error.attempts == 3
    assert "never sent" in str(error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "first", [answer(429, ERROR, "Retry-After: 0\r\n"), reset, answer(503), answer(500, b"?")]
)
def test_recovery(api: Api, kind: Kind, first: Action | bytes) -> None:
    """A fault that passes is not seen by the caller, and every attempt has the same body."""
    with Hostile(first, answer(200, GOOD[api])) as service:
        call(api, kind, service.url)
    assert len(service.requests) == 2
    assert len({each.split(b"\r\n\r\n", 1)[1] for each in service.requests}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_retry_after_is_told(kind: Kind) -> None:
    """A wait that is too long is raised at once with its length, from seconds and from a date."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    for value in ("3600", date):
        with Hostile(answer(503, ERROR, f"Retry-After: {value}\r\n")) as service:
            error = _failed("pristo", kind, service.url)
        assert isinstance(error, InternalServerError)
        assert error.retry_after is not None
        assert 3500 < error.retry_after <= 3600


@pytest.mark.parametrize("kind", KINDS)
def test_retry_after_past_the_total_timeout_is_not_waited_for(kind: Kind) -> None:
    """Where the pause would end after the call has to, the error comes at once."""
    with Hostile(answer(429, ERROR, "Retry-After: 30\r\n")) as service:
        started = time.monotonic()
        error = _failed("pristo", kind, service.url, total_timeout=5)
        assert time.monotonic() - started < 4
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 30


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_the_service(kind: Kind) -> None:
    """An error carries status, code, message and the service's own request id."""
    theirs = "11111111-2222-4333-8444-555555555555"
    with Hostile(
        answer(
            400,
            {"error": {"code": "bad_language", "message": "No such language."}},
            f"X-Request-Id: {theirs}\r\n",
        )
    ) as service:
        error = _failed("pristo", kind, service.url)
    assert isinstance(error, BadRequestError)
    assert (error.status_code, error.code, error.message, str(error.request_id)) == (
        400,
        "bad_language",
        "No such language.",
        theirs,
    )
    assert "bad_language: No such language." in str(error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_credentials_go_nowhere_else(api: Api, kind: Kind) -> None:
    """A redirect is refused, so no other host ever sees a key."""
    with (
        Hostile(answer(200, GOOD[api])) as elsewhere,
        Hostile(answer(307, b"", f"Location: {elsewhere.url}/\r\n")) as service,
    ):
        error = _failed(api, kind, service.url)
        assert elsewhere.requests == []
    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_credentials_are_tried_without_writing(api: Api, kind: Kind) -> None:
    """The check sends an empty object, which no contract accepts; 400 is yes, 401 is no, all else raises."""
    with Hostile(
        answer(400, ERROR), answer(401, ERROR), answer(200, GOOD[api]), answer(403)
    ) as service:
        assert call(api, kind, service.url, "check_credentials") is True
        assert call(api, kind, service.url, "check_credentials") is False
        with pytest.raises(APIStatusError, match="returned 200"):
            call(api, kind, service.url, "check_credentials")
        with pytest.raises(PermissionDeniedError):
            call(api, kind, service.url, "check_credentials")
    assert {json.loads(each.split(b"\r\n\r\n", 1)[1]) == {} for each in service.requests} == {True}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "written"),
    [
        *[
            (each, False)
            for each in (307, 308, 400, 401, 403, 404, 408, 409, 418, 422, 429, 451, 503)
        ],
        *[
            (each, True)
            for each in (
                202,
                206,
                300,
                301,
                302,
                303,
                304,
                499,
                500,
                501,
                502,
                504,
                505,
                *range(520, 531),
                599,
                600,
            )
        ],
    ],
)
def test_what_a_status_leaves_open_is_said(status: int, written: bool, kind: Kind) -> None:
    """A status after which the write may have happened says so in the attribute and in the text; 303 and its like are among them."""
    script = (
        answer(status, b"", "Location: /elsewhere\r\n")
        if status != 304
        else b"HTTP/1.1 304 Not Modified\r\n\r\n"
    )
    with Hostile(script) as service:
        error = _failed("pristo", kind, service.url, max_retries=0)
    assert isinstance(error, contact_apis.APIError)
    assert error.perhaps_written is written
    assert ("the contact may have been written" in str(error)) is written


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "first", [answer(500), answer(502), answer(522), reset], ids=["500", "502", "522", "reset"]
)
@pytest.mark.parametrize("last", [400, 401, 409, 429, 503, 307], ids=str)
def test_a_refusal_after_an_attempt_that_may_have_been_applied_says_so(
    last: int, first: Action | bytes, kind: Kind
) -> None:
    """The last answer's class and words, and that an earlier attempt may have been carried out."""
    with Hostile(first, answer(last, ERROR)) as service:
        error = _failed("pristo", kind, service.url, max_retries=1)
    assert isinstance(error, APIStatusError)
    assert (error.status_code, error.attempts, error.perhaps_written) == (last, 2, True)
    assert "an earlier attempt may have been carried out" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_never_sent_is_said_of_all_attempts_or_not_at_all(kind: Kind) -> None:
    """A connection that is refused after an attempt that may have been applied does not promise that nothing was written."""

    def last(connection: socket.socket) -> None:
        service.refuse()
        reset(connection)

    with Hostile(last) as service:
        error = _failed("pristo", kind, service.url, max_retries=1)
    assert isinstance(error, APIConnectionError)
    assert (error.attempts, error.perhaps_written) == (2, True)
    assert "never sent" not in str(error)
    assert "an earlier attempt may have been carried out" in str(error)

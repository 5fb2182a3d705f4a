"""When a call is tried again, against a second statement of the rules and a clock that only the test moves."""

from __future__ import annotations

import copy
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import retainful_client.types
from contact_apis import ConfigurationError, ContactAPIError
from contact_apis._http.call import Call, Service, id_in
from contact_apis._http.delivery import Unreadable, delay, retry_after
from contact_apis._http.policy import Policy
from contact_apis._http.secrets import SecretHeaders
from contact_apis._openapi.document import contract

from .kinds import GOOD

REQUEST_ID = UUID(int=7)
STATUSES = [
    200,
    202,
    302,
    400,
    401,
    404,
    408,
    409,
    429,
    500,
    501,
    502,
    503,
    504,
    520,
    524,
    525,
    303,
    499,
]
FAILURES: list[type[Exception]] = [
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.ReadTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    OSError,
]
#: Outcomes as plain data: a status with what it asks for, or a failure.
outcomes = st.one_of(
    st.tuples(
        st.sampled_from(STATUSES), st.sampled_from([None, 0.0, 1.5, 30.0, 119.0, 121.0, 9999.0])
    ),
    st.sampled_from(FAILURES),
)


def may_repeat(outcome: Any, sends_mail: bool) -> bool:
    """The rules of the design, said a second time."""
    if isinstance(outcome, tuple):
        return outcome[0] == 429 or (
            outcome[0] in (408, 500, 502, 503, 504, 520, 521, 522, 523, 524) and not sends_mail
        )
    if outcome in (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError):
        return True
    return outcome not in (httpx.LocalProtocolError, httpx.UnsupportedProtocol) and not sends_mail


def real(outcome: Any) -> httpx.Response | Exception:
    """The outcome as a session reports it."""
    if isinstance(outcome, tuple):
        status, asked = outcome
        return httpx.Response(
            status,
            json=GOOD["retainful"],
            headers={} if asked is None else {"Retry-After": str(asked)},
        )
    failure: Exception = outcome("went wrong")
    return failure


def begun(policy: Policy, sends_mail: bool, now: float) -> Call:
    """A call to Retainful that has not been tried yet."""
    url = httpx.URL("https://example.com")
    unset = retainful_client.types.Unset
    terms = contract("retainful_client")
    upsert = terms.operation("upsertContact")
    service = Service(
        "Retainful",
        terms,
        SecretHeaders({"Key": "k"}),
        unset,
        lambda _: not sends_mail,
        lambda _: (),
        upsert,
        base_url=url,
    )
    body = {"firstName": "Ada", "listIds": [], "identifiers": [IDENTIFIER]}
    return Call(service, policy, upsert, body, REQUEST_ID, now)


IDENTIFIER = {
    "type": "email",
    "id": "ada@example.com",
    "channels": {"email": {"status": "subscribed"}},
    "consent": {"createdAt": "2024-03-21", "ip": "192.0.2.7", "source": "web_form"},
}


@settings(deadline=None)
@given(
    script=st.lists(outcomes, min_size=8, max_size=8),
    sends_mail=st.booleans(),
    retries=st.integers(0, 6),
    total=st.none() | st.floats(0.5, 300),
    took=st.floats(0, 20),
)
def test_a_call_takes_the_course_that_the_rules_give_it(
    script: list[Any], sends_mail: bool, retries: int, total: float | None, took: float
) -> None:
    """Attempts, waits and the end of a call are those of the model, whatever happens in whatever order."""
    now = 1000.0
    call = begun(Policy(total_timeout=total, max_retries=retries), sends_mail, now)
    for attempt, outcome in enumerate(script, 1):
        longest = call.begin(now)
        assert all(
            total is None or (each or 0) <= max(0.001, 1000.0 + total - now)
            for each in longest.values()
        )
        now += took
        try:
            verdict: object = call.settle(real(outcome), now, 0.0)
        except ContactAPIError as error:
            verdict = error
        asked = outcome[1] if isinstance(outcome, tuple) else None
        backoff = min(0.5 * 2 ** (attempt - 1), 8)
        low, high = (asked, asked + 1) if asked is not None else (0.75 * backoff, backoff)
        if outcome in [(200, each) for each in (None, 0.0, 1.5, 30.0, 119.0, 121.0, 9999.0)]:
            assert isinstance(verdict, httpx.Response)
        elif attempt > retries or not may_repeat(outcome, sends_mail) or (asked or 0) > 120:
            assert isinstance(verdict, ContactAPIError)
            assert vars(verdict)["attempts"] == attempt
        elif isinstance(verdict, float):
            assert low <= verdict <= high
            assert total is None or now + verdict < 1000.0 + total
            now += verdict
            continue
        else:
            assert total is not None
            assert now + high >= 1000.0 + total
        return


@given(retry=st.integers(0, 10_000), chance=st.floats(0, 1))
def test_backoff(retry: int, chance: float) -> None:
    """Pauses double from half a second to eight, less up to a quarter; no number of retries overflows."""
    full = 8.0 if retry >= 4 else 0.5 * 2**retry
    assert 0.75 * full <= delay(retry, None, chance) <= full


@given(asked=st.floats(0, 120), chance=st.floats(0, 1))
def test_never_earlier_than_asked(asked: float, chance: float) -> None:
    """What a service asks for is kept, with a little jitter after it and none before."""
    assert asked <= delay(3, asked, chance) <= asked + 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60),
        ("Thursday, 01-Jan-70 00:01:00 GMT", 60),
        ("Thu Jan  1 00:01:00 1970", 60),
        ("Thu, 01 Jan 1970 00:01:00 -0000", 60),
        ("Wed, 31 Dec 1969 00:00:00 GMT", 0),
        *[
            (each, None)
            for each in (
                "",
                "soon",
                "-1",
                "1e3",
                "nan",
                "inf",
                "0x10",
                "१",
                "Thu, 99 Jan 1970 00:00:00 GMT",
                "1;2",
            )
        ],
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Both forms of the header are read, and nothing else is."""
    assert retry_after(text, 0.0) == seconds


@given(text=st.text(max_size=40))
def test_an_id_that_is_none_is_not_believed(text: str) -> None:
    """Where an answer carries no correlation id, or one that is none, the call's own counts."""
    assert id_in({}, REQUEST_ID) == REQUEST_ID
    assert id_in({"X-Request-Id": f"{text}!"}, REQUEST_ID) == REQUEST_ID
    assert id_in({"X-Request-Id": str(UUID(int=8))}, REQUEST_ID) == UUID(int=8)


@given(text=st.text(max_size=40))
@example(text="0\x1f")
@example(text="1" * 400)
def test_retry_after_never_fails(text: str) -> None:
    """No text makes the header's reader fail, and no wait is negative."""
    found = retry_after(text, 1e9)
    assert found is None or found >= 0


def test_unreadable_success_is_final() -> None:
    """A success that cannot be read is reported at once: repeating it could only do harm."""
    call = begun(Policy(max_retries=5), sends_mail=False, now=0)
    call.begin(0)
    with pytest.raises(ContactAPIError, match="is too long"):
        call.settle(Unreadable(200, "is too long"), 0, 0)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), 1e10, "5", object()])
def test_limits_are_checked(wrong: Any) -> None:
    """Seconds that are none and negative counts are refused where they are given."""
    for name in ("timeout", "total_timeout"):
        with pytest.raises(ConfigurationError):
            Policy(**{name: wrong})
    with pytest.raises(ConfigurationError):
        Policy(max_retries=-1 if isinstance(wrong, int) else wrong)


def test_limits() -> None:
    """Connecting gets five seconds at most; a timeout of httpx is taken as it is; none means none."""
    assert Policy().timeout == httpx.Timeout(30, connect=5)
    assert Policy(timeout=2).timeout == httpx.Timeout(2)
    exact = httpx.Timeout(1, read=7)
    assert copy.copy(Policy(timeout=exact)).timeout == exact
    call = begun(Policy(timeout=None, total_timeout=None), sends_mail=False, now=0)
    assert set(call.begin(10**9).values()) == {None}

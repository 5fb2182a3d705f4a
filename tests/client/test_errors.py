"""Errors: their tree, their plain data, and what they and the logs never show."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_apis
from contact_apis import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    ContactAPIError,
    Fault,
    InternalServerError,
    InvalidRequestError,
    Pristo,
)
from contact_apis._errors import status_error
from contact_apis._http import delivery
from contact_apis._http.redaction import speakable, without

from .hostile import Hostile, answer, reset, send_and_close
from .kinds import APIS, CONSENT, FIELDS, GOOD, KEYS, KINDS, POPULATION, Api, Kind, call

SOME_ID = UUID(int=5)
FACTS = {"status_code": 429, "code": "slow_down", "message": "Later.", "retry_after": 2.5}
EXAMPLES: list[ContactAPIError] = [
    ContactAPIError("text"),
    ConfigurationError("text"),
    InvalidRequestError([Fault("contact.id", "is missing"), Fault("", "must be an object")]),
    APIError("text", SOME_ID, 2, perhaps_written=False),
    APIConnectionError("text", SOME_ID, 1, perhaps_written=True),
    APITimeoutError("text", SOME_ID, 3, perhaps_written=True),
    APIResponseValidationError(
        "text", SOME_ID, 1, perhaps_written=True, status_code=200, faults=(Fault("a", "b"),)
    ),
    *[
        status_error(status)("text", SOME_ID, 1, perhaps_written=False, **FACTS)
        for status in (400, 401, 403, 404, 409, 429, 500, 599)
    ],
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_pickle(error: ContactAPIError, protocol: int) -> None:
    """An error comes out of a pickle, and of a copy, as it went in: class, text and every attribute."""
    for twin in (
        pickle.loads(pickle.dumps(error, protocol)),  # noqa: S301 # our own bytes
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(twin) is type(error)
        assert (str(twin), repr(twin), vars(twin)) == (str(error), repr(error), vars(error))


def test_every_error_of_the_tree_is_public() -> None:
    """Whatever can be raised can be imported, and has one root."""

    def below(kind: type[BaseException]) -> set[str]:
        return {kind.__name__}.union(*(below(each) for each in kind.__subclasses__()))

    assert below(ContactAPIError) <= set(contact_apis.__all__)
    assert issubclass(APITimeoutError, APIConnectionError)
    assert not issubclass(InvalidRequestError, APIError)
    assert {status_error(each) for each in (500, 520, 599)} == {InternalServerError}
    assert {status_error(each) for each in (201, 302, 418, 600)} == {APIStatusError}


def test_texts_list_every_fault() -> None:
    """A refused request's text is one line that names each field and its remedy."""
    assert str(EXAMPLES[2]) == "nothing was sent: contact.id is missing; body must be an object"


KEY, APP = KEYS["retainful"]["api_key"], KEYS["retainful"]["app_id"]
PERSON: dict[str, Any] = {
    "first_name": "Zebedee",
    "last_name": "Quillfeather",
    "email": "zebedee@example.com",
    "phone": "+12025550147",
    "postal_code": "SW1A 1AA",
    "city": "Nowherebury",
    "list_ids": ["NdrDSPTe"],
    "consent": CONSENT,
}
PRIVATE = [
    "Zebedee",
    "Quillfeather",
    "zebedee",
    "2025550147",
    "SW1A",
    "Nowherebury",
    "192.0.2.7",
    KEY,
    APP,
]
ECHO = " ".join(
    [
        "Zebedee QUILLFEATHER zebedee@example.com +12025550147 SW1A 1AA Nowherebury 192.0.2.7",
        KEY,
        APP,
        KEY.upper(),
    ]
)
ECHOES = [
    answer(400, {"status": "error", "code": KEY, "message": ECHO}),
    answer(500, {"error": {"code": ECHO, "message": ECHO}}),
    answer(200, {"status": ECHO, ECHO: ECHO}),
    answer(200, ECHO.encode()),
    answer(302, b"", f"Location: http://127.0.0.1/{KEY}/Zebedee\r\n"),
    send_and_close(ECHO.encode() + b"\r\n\r\n"),
    answer(200, b"x", f"Content-Encoding: gzip\r\nX-Echo: {ECHO}\r\n"),
    reset,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("echo", ECHOES)
def test_nothing_private_is_ever_said(
    echo: Any, kind: Kind, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither logs nor texts nor tracebacks show credentials or personal data, even where the service echoes them."""
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.001)  # nothing here is about pauses
    caplog.set_level(logging.DEBUG, "contact_apis")
    caplog.set_level(logging.DEBUG, "httpx")
    with Hostile(echo) as service, pytest.raises(APIError) as caught:
        call("retainful", kind, service.url, given=PERSON)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + caplog.text
    for each in PRIVATE:
        assert each.lower() not in shown.lower()
    for each in (KEY, APP):
        assert each not in repr(vars(error))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", KINDS)
def test_refused_requests_show_no_value(api: Api, kind: Kind) -> None:
    """What is refused before it is sent is named by its place alone."""
    value = "Zebedee\ud800"
    field = "name" if api == "pristo" else "last_name"
    with pytest.raises(InvalidRequestError) as caught:
        call(api, kind, "https://example.com", given={**FIELDS[api], field: value})
    assert "Zebedee" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", KINDS)
def test_logs_tell_what_happened(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """Each attempt is one line: operation, outcome, attempt, wait and request id, and nothing else."""
    caplog.set_level(logging.DEBUG, "contact_apis")
    with Hostile(answer(429, b"", "Retry-After: 0\r\n"), answer(200, GOOD["pristo"])) as service:
        result = call("pristo", kind, service.url)
    lines = [each for each in caplog.records if each.name == "contact_apis"]
    assert [each.levelno for each in lines] == [logging.INFO, logging.DEBUG]
    assert (
        lines[0].getMessage()
        == f"Pristo POST upsertContact: 429, attempt 1, wait 0.0, request {result.request_id}"
    )
    assert (
        lines[1].getMessage()
        == f"Pristo POST upsertContact: 200, attempt 2, wait None, request {result.request_id}"
    )
    assert POPULATION not in "".join(each.getMessage() for each in lines)


def test_reprs_show_no_secret() -> None:
    """Clients, their generated clients and their results show neither keys nor contacts."""
    pristo = Pristo(
        http_client=httpx.Client(
            transport=httpx.MockTransport(lambda _: httpx.Response(200, json=GOOD["pristo"]))
        ),
        **KEYS["pristo"],
    )
    result = pristo.upsert_contact(**FIELDS["pristo"])
    inside = pristo.client.get_httpx_client()
    shown = repr([pristo, pristo.client, inside, inside.headers, result, vars(pristo)])
    assert KEYS["pristo"]["api_key"] not in shown
    assert "ada@example.com" not in shown


def test_a_service_is_still_understood() -> None:
    """Field names and plain words of a service stay; only what was sent and what looks personal goes."""
    sent = {
        "identifiers": [
            {"type": "email", "id": "ada@example.com", "n": 5, "ok": True, "none": None}
        ],
        "email": "x",
        "gender": "m",
    }
    text = (
        "identifiers[0]: email ADA@example.com is no email, m is fine, see 12025550123\n"
        + "z" * 500
    )
    assert (
        speakable(text, ["key"], sent)
        == ("identifiers[0]: email *** is no email, *** is fine, see *** " + "z" * 500)[:300]
    )
    assert without(["", " "], "as it was") == "as it was"


@given(secret=st.text(min_size=1), before=st.text(), after=st.text())
def test_masking_never_fails(secret: str, before: str, after: str) -> None:
    """Any secret in any text is masked where it stands as a word, and no text breaks the masking."""
    text = speakable(f"{before} {secret} {after}", [secret], {"a": [secret]})
    assert text.isprintable()
    if secret.strip() == secret:
        assert f" {secret} " not in f" {without([secret], f'x {secret} y')} " or not secret.strip(
            "*"
        )


def test_json_of_an_error() -> None:
    """All that an error holds can be written to a log as JSON, when asked for by name."""
    assert json.dumps({name: str(value) for name, value in vars(EXAMPLES[-1]).items()})

"""SECURITY.md is true: each of its sentences names the tests that show it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from contact_apis import APIStatusError, APITimeoutError, ContactAPIError, PristoContact

from .client.hostile import Hostile, answer, hang
from .client.kinds import APIS, GOOD, ID, KEYS, KINDS, Api, Kind, call

ROOT = Path(__file__).parents[1]
POLICY = ("Supported versions", "Reporting")  # sections that promise nothing about the code
CALLS, HOSTILE, NETWORK, PROCESSES, ERRORS, HERE = (
    "tests/client/test_calls.py",
    "tests/client/test_hostile.py",
    "tests/client/test_network.py",
    "tests/client/test_processes.py",
    "tests/client/test_errors.py",
    "tests/test_security.py",
)
PROVED_BY: Mapping[str, tuple[str, ...]] = {
    "**Credentials** are sent in": (
        f"{CALLS}::test_our_client_serves_its_own_contract_alone",
        f"{HOSTILE}::test_credentials_go_nowhere_else",
    ),
    "Redirects are refused.": (f"{HOSTILE}::test_credentials_go_nowhere_else",),
    "Plain http is accepted for": (
        f"{CALLS}::test_plain_http_is_for_loopback",
        f"{NETWORK}::test_plain_http_goes_through_no_proxy",
        f"{NETWORK}::test_private_authority",
        "tests/test_mock.py::test_a_mock_in_a_network",
    ),
    "**Credentials and personal data** stand": (
        f"{ERRORS}::test_nothing_private_is_ever_said",
        f"{ERRORS}::test_reprs_show_no_secret",
        "tests/client/test_bulk.py::test_nothing_private_is_said",
        "tests/client/test_locals.py::test_a_failed_call_shows_no_credential",
    ),
    "No local variable, attribute or": (
        "tests/client/test_locals.py::test_a_failed_call_shows_no_credential",
        "tests/client/test_locals.py::test_a_constructor_shows_no_credential",
        "tests/client/test_locals.py::test_many_contacts_show_no_credential",
    ),
    "What a service says is": (
        f"{ERRORS}::test_nothing_private_is_ever_said",
        f"{ERRORS}::test_masking_never_fails",
    ),
    "An error's `message` and": (f"{HERE}::test_the_services_own_words",),
    "Errors have no cause and": (f"{HERE}::test_errors_have_no_cause_and_no_context",),
    "**A hostile service** can make": (
        f"{HOSTILE}::test_misbehaviour_becomes_one_typed_error",
        f"{HOSTILE}::test_no_service_holds_a_call_past_its_time",
        "tests/client/test_memory.py::test_no_response_takes_much_memory",
    ),
    "Header values that could smuggle": (f"{HERE}::test_header_values_cannot_smuggle_a_line",),
    "**Another caller's response** is never": (
        f"{PROCESSES}::test_a_foreign_response_is_no_success",
        f"{PROCESSES}::test_a_foreign_response_over_a_client_of_the_callers",
    ),
    "Connections belong to one process": (
        f"{PROCESSES}::test_children_of_a_busy_parent",
        f"{PROCESSES}::test_a_thousand_event_loops",
        f"{PROCESSES}::test_cancellations",
        f"{PROCESSES}::test_interruptions",
    ),
    "A pickled client holds its": (f"{PROCESSES}::test_clients_pickle_to_their_settings",),
    "The generated models and your": (f"{HERE}::test_a_models_repr_shows_the_contact",),
    "Loggers of other packages.": (f"{HERE}::test_loggers_of_other_packages",),
    "That of `httpx` stays silent": (f"{HERE}::test_loggers_of_other_packages",),
    "With `http_client=` your client's transport": (
        f"{CALLS}::test_a_client_of_the_callers_is_used_and_left_alone",
        f"{CALLS}::test_hooks_of_the_callers_client",
    ),
    "Headers that drip in through": (
        f"{HERE}::test_the_read_timeout_bounds_a_client_of_the_callers",
    ),
    "Looking up a host's name": (f"{HERE}::test_a_handshake_ends_with_the_connect_timeout",),
    "The mock checks credentials that": ("tests/test_mock.py::test_credentials_are_checked_first",),
    "It is for tests.": ("tests/test_mock.py::test_the_fixture_sets_the_environment",),
    "It listens on loopback, where": (
        "tests/test_mock.py::test_a_name_that_leads_here_is_refused",
        "tests/test_mock.py::test_a_mock_in_a_network",
    ),
}


def _sentences(text: str) -> list[str]:
    """The sentences of a document, without those of :data:`POLICY`."""
    found: list[str] = []
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title not in POLICY:
            for paragraph in re.split(r"\n- |\n\n", "\n" + body):
                line = " ".join(paragraph.split()).removeprefix("- ")
                found += [each for each in re.split(r"(?<=\.) (?=[A-Z*`])", line) if each]
    return found


def test_each_sentence_has_a_test() -> None:
    """A sentence that is new or begins differently needs a line of the table, and a line needs its sentence."""
    sentences = _sentences((ROOT / "SECURITY.md").read_text("utf-8"))
    assert [
        each for each in sentences if sum(each.startswith(known) for known in PROVED_BY) != 1
    ] == []
    assert [
        known for known in PROVED_BY if not any(each.startswith(known) for each in sentences)
    ] == []


@pytest.mark.parametrize("test", sorted({each for tests in PROVED_BY.values() for each in tests}))
def test_each_named_test_exists(test: str) -> None:
    """Under its name, in its file."""
    file, _, name = test.partition("::")
    assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8")


# --------------------------------------------------------------------------------------- what had no test of its own


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("kind", KINDS)
def test_the_services_own_words(kind: Kind) -> None:
    """``message`` and ``code`` keep what the service said, but for credentials."""
    key = KEYS["pristo"]["api_key"]
    body = {"code": "E_42", "message": f"ada@example.com is bad, {key} too"}
    with (
        Hostile(answer(400, body, "Content-Type: application/json\r\n")) as service,
        pytest.raises(APIStatusError) as caught,
    ):
        call("pristo", kind, service.url)
    assert caught.value.code == "E_42"
    assert caught.value.message is not None
    assert "ada@example.com is bad" in caught.value.message
    assert key not in caught.value.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "action", [answer(400), answer(200, b"{"), answer(503), b"nonsense\r\n\r\n", hang]
)
def test_errors_have_no_cause_and_no_context(api: Api, kind: Kind, action: Any) -> None:
    """Whatever went wrong, no error of the HTTP library hangs on to what is raised."""
    with Hostile(action) as service, pytest.raises(ContactAPIError) as caught:
        call(api, kind, service.url, max_retries=0, timeout=0.2)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("api", "name"), [(api, name) for api in APIS for name in KEYS[api]])
@pytest.mark.parametrize("line", ["\r\nX-Other: 1", "\nX-Other: 1", "\rX", "\0X"])
def test_header_values_cannot_smuggle_a_line(api: Api, name: str, kind: Kind, line: str) -> None:
    """They are refused when a client is built, by name and without the value, and nothing is sent."""
    options: dict[str, Any] = {name: f"abcdefgh{line}"}
    with Hostile(answer(200, GOOD[api])) as service:
        with pytest.raises(ContactAPIError, match=name) as caught:
            call(api, kind, service.url, **options)
        assert service.connections == 0
    assert "abcdefgh" not in str(caught.value)


def test_a_models_repr_shows_the_contact() -> None:
    """It is the caller's own data."""
    assert "ada@example.com" in repr(PristoContact(id=UUID(ID), email="ada@example.com"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_loggers_of_other_packages(api: Api, kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """At level DEBUG that of httpx is silent, and that of httpcore tells neither credentials nor bodies."""
    caplog.set_level(logging.DEBUG)
    with Hostile(answer(200, GOOD[api])) as service:
        call(api, kind, service.url)
    assert [each for each in caplog.records if each.name == "httpx"] == []
    told = "".join(each.getMessage() for each in caplog.records if each.name.startswith("httpcore"))
    for private in [*map(str, KEYS[api].values()), "ada@example.com", "Adalbert"]:
        assert private not in told


@pytest.mark.parametrize("kind", KINDS)
def test_the_read_timeout_bounds_a_client_of_the_callers(kind: Kind) -> None:
    """Silence before the headers ends with the read timeout, without any total timeout."""
    mine: Any = httpx.Client() if kind == "sync" else httpx.AsyncClient()
    with Hostile(hang) as service, pytest.raises(APITimeoutError):
        call(
            "pristo",
            kind,
            service.url,
            http_client=mine,
            timeout=0.2,
            total_timeout=None,
            max_retries=0,
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_handshake_ends_with_the_connect_timeout(kind: Kind) -> None:
    """A TLS handshake that is never answered ends, without any total timeout, and nothing was sent."""
    with Hostile(hang) as service, pytest.raises(ContactAPIError) as caught:
        call(
            "pristo",
            kind,
            service.url.replace("http:", "https:"),
            timeout=0.2,
            total_timeout=None,
            max_retries=0,
        )
    assert getattr(caught.value, "perhaps_written", None) is False

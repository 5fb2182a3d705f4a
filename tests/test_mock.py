"""The mock: what it answers, what it keeps, and how it fails when it is asked to."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from typing import Any, get_args
from uuid import uuid4

import httpx
import pytest

from contact_apis import ConfigurationError, Pristo
from contact_apis._mocking.injection import Fault
from contact_apis._vendors.retainful.mock import EmailRule
from contact_apis.cli.mock import EmailRule as CommandEmailRule
from contact_apis.mock import MockServer
from tests.contract.clauses import load_specification

Json = dict[str, Any]


@pytest.fixture
def mock() -> Iterator[MockServer]:
    with MockServer(second_population=True, custom_fields=["tier"]) as server:
        yield server


def pristo(mock: MockServer, contact: Json, **headers: str) -> httpx.Response:
    env = mock.env
    url = f"{env['PRISTO_BASE_URL']}/v1/contacts/save/{env['PRISTO_POPULATION_ID']}"
    return httpx.post(
        url, json={"contact": contact}, headers={"X-API-Key": env["PRISTO_API_KEY"], **headers}
    )


def retainful(mock: MockServer, identifiers: list[Json], **changes: Any) -> httpx.Response:
    env = mock.env
    headers = {
        "Retainful-Api-Key": env["RETAINFUL_API_KEY"],
        "Retainful-App-Id": env["RETAINFUL_APP_ID"],
    }
    body = {"firstName": "Ada", "listIds": ["x"], "identifiers": identifiers, **changes}
    return httpx.post(f"{env['RETAINFUL_BASE_URL']}/v2/contacts", json=body, headers=headers)


def identifier(kind: str, value: str) -> Json:
    consent = {"createdAt": "2024-03-21T10:30:00.000Z", "ip": "192.0.2.7", "source": "import"}
    return {
        "type": kind,
        "id": value,
        "channels": {kind: {"status": "subscribed"}},
        "consent": consent,
    }


def test_pristo_creates_then_updates_and_merges(mock: MockServer) -> None:
    """201 and then 200; what is left out stays, custom fields one by one."""
    contact_id = str(uuid4())
    assert (
        pristo(
            mock, {"id": contact_id, "name": "Ada", "customFields": {"tier": "gold"}}
        ).status_code
        == 201
    )
    answer = pristo(mock, {"id": contact_id.upper(), "lastName": "Lovelace"})
    assert answer.status_code == 200
    assert answer.json() == {
        "contact": {
            "id": contact_id,
            "name": "Ada",
            "lastName": "Lovelace",
            "customFields": {"tier": "gold"},
        }
    }


def test_a_correlation_id_is_echoed_or_made(mock: MockServer) -> None:
    """Each answer has one."""
    sent = str(uuid4())
    assert (
        pristo(mock, {"id": str(uuid4())}, **{"X-Request-Id": sent}).headers["x-request-id"] == sent
    )
    assert pristo(mock, {"id": str(uuid4())}).headers["x-request-id"] != sent


@pytest.mark.parametrize(
    ("contact", "field"),
    [
        ({"id": "x"}, "contact.id"),
        ({}, "contact.id"),
        ({"id": str(uuid4()), "colour": "x"}, "contact.colour"),
        ({"id": str(uuid4()), "customFields": {"no": "x"}}, "custom field"),
    ],
)
def test_a_refusal_names_the_field_and_not_its_value(
    mock: MockServer, contact: Json, field: str
) -> None:
    """In the error body that the document describes."""
    answer = pristo(mock, contact)
    assert answer.status_code == 400
    assert field in answer.json()["error"]["message"]


def test_credentials_are_checked_first(mock: MockServer) -> None:
    """401 with the documented body, for a wrong body too."""
    answer = pristo(mock, {}, **{"X-API-Key": "wrong"})
    assert (answer.status_code, set(answer.json()["error"])) == (401, {"code", "message"})


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"", "application/json"),
        (b'{"contact": NaN}', "application/json"),
        (b"{}", "text/plain"),
        (b"x" * 1_100_000, "application/json"),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(
    mock: MockServer, content: bytes, kind: str
) -> None:
    """Malformed, empty, no JSON, of another type, over the limit."""
    env = mock.env
    url = f"{env['PRISTO_BASE_URL']}/v1/contacts/save/{env['PRISTO_POPULATION_ID']}"
    answer = httpx.post(
        url, content=content, headers={"X-API-Key": env["PRISTO_API_KEY"], "Content-Type": kind}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_other_paths_and_methods_are_told_apart(mock: MockServer) -> None:
    """404 for a path that nobody declared, 405 with Allow for a method."""
    env = mock.env
    assert httpx.get(f"{env['PRISTO_BASE_URL']}/v1/nothing").status_code == 404
    answer = httpx.get(f"{env['RETAINFUL_BASE_URL']}/v2/contacts")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert (
        httpx.post(f"{env['PRISTO_BASE_URL']}/v1/contacts/save/{uuid4()}", json={}).status_code
        == 401
    )


def test_populations_are_apart(mock: MockServer) -> None:
    """One id, two populations, two contacts."""
    contact_id = str(uuid4())
    assert pristo(mock, {"id": contact_id}).status_code == 201
    url = f"{mock.base_url}/v1/contacts/save/{mock.env['PRISTO_SECOND_POPULATION_ID']}"
    answer = httpx.post(
        url, json={"contact": {"id": contact_id}}, headers={"X-API-Key": mock.env["PRISTO_API_KEY"]}
    )
    assert answer.status_code == 201
    assert pristo(mock, {"id": contact_id}).status_code == 200


def test_concurrent_first_upserts_create_once(mock: MockServer) -> None:
    """Of fifty at once exactly one answers 201."""

    async def upsert_all() -> list[int]:
        env, contact_id = mock.env, str(uuid4())
        url = f"{env['PRISTO_BASE_URL']}/v1/contacts/save/{env['PRISTO_POPULATION_ID']}"
        async with httpx.AsyncClient(headers={"X-API-Key": env["PRISTO_API_KEY"]}) as client:
            answers = await asyncio.gather(
                *(client.post(url, json={"contact": {"id": contact_id}}) for _ in range(50))
            )
        return sorted(each.status_code for each in answers)

    assert asyncio.run(upsert_all()) == [200] * 49 + [201]


@pytest.mark.parametrize(
    ("rule", "unknown", "known"),
    [("to-create", 400, 200), ("always", 400, 400), ("never", 200, 200)],
)
def test_each_reading_of_retainfuls_page_can_be_chosen(
    rule: EmailRule, unknown: int, known: int
) -> None:
    """A phone alone, before and after it came with an address."""
    with MockServer(retainful_email=rule) as mock:
        phone = [identifier("phone", "+12025550123")]
        assert retainful(mock, phone).status_code == unknown
        assert retainful(mock, [identifier("email", "ada@example.com"), *phone]).json() == {
            "status": True
        }
        assert retainful(mock, phone).status_code == known
        assert len(mock.state["contacts"]["Retainful"]) == 1


def test_the_command_offers_each_reading() -> None:
    """What the service knows is what --retainful-email takes."""
    assert [each.value for each in CommandEmailRule] == list(get_args(EmailRule))


@pytest.mark.parametrize(("kind", "status"), [("429", 429), ("500", 500), ("503", 503)])
def test_statuses_fail_on_demand(mock: MockServer, kind: str, status: int) -> None:
    """The next request alone, in the documented form, and nothing is stored."""
    contact_id = str(uuid4())
    mock.fail_next(kind)
    answer = pristo(mock, {"id": contact_id})
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "fault"
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert pristo(mock, {"id": contact_id}).status_code == 201


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", httpx.ReadError),
        ("truncate", httpx.RemoteProtocolError),
        ("hang", httpx.ReadTimeout),
    ],
)
def test_transports_fail_on_demand(mock: MockServer, kind: str, error: type[Exception]) -> None:
    """The request was carried out, and its answer is lost in the way that was asked for."""
    contact_id = str(uuid4())
    mock.fail_next(kind)
    env = mock.env
    url = f"{env['PRISTO_BASE_URL']}/v1/contacts/save/{env['PRISTO_POPULATION_ID']}"
    with pytest.raises(error):
        httpx.post(
            url,
            json={"contact": {"id": contact_id}},
            headers={"X-API-Key": env["PRISTO_API_KEY"]},
            timeout=1,
        )
    assert pristo(mock, {"id": contact_id}).status_code == 200


def test_a_malformed_body_on_demand_is_no_json(mock: MockServer) -> None:
    """A success whose body cannot be read."""
    mock.fail_next("malformed")
    answer = pristo(mock, {"id": str(uuid4())})
    assert answer.status_code == 201
    assert "html" in answer.text


def test_a_rate_of_faults_is_kept() -> None:
    """About a fifth of two hundred, the same ones every time."""
    counts = []
    for _ in range(2):
        with (
            MockServer(faults=["429=0.2"]) as mock,
            httpx.Client(headers={"X-API-Key": mock.env["PRISTO_API_KEY"]}) as client,
        ):
            url = f"{mock.base_url}/v1/contacts/save/{mock.env['PRISTO_POPULATION_ID']}"
            counts.append(
                sum(
                    client.post(url, json={"contact": {"id": str(uuid4())}}).status_code == 429
                    for _ in range(200)
                )
            )
    assert counts[0] == counts[1]
    assert 20 < counts[0] < 60


@pytest.mark.parametrize(
    "text", ["nonsense=1", "429", "429=2", "reset=-1", "200=0.1", "429=x", "=0.1"]
)
def test_a_fault_that_is_none_is_explained(text: str) -> None:
    """In a sentence, before the server starts."""
    with pytest.raises(ValueError, match=r"unknown fault|needs a rate"):
        Fault.parse(text)


def test_memory_holds_contacts_and_no_history(mock: MockServer) -> None:
    """A thousand requests about one contact leave one contact and the last two hundred requests."""
    contact_id = str(uuid4())
    with httpx.Client(headers={"X-API-Key": mock.env["PRISTO_API_KEY"]}) as client:
        url = f"{mock.base_url}/v1/contacts/save/{mock.env['PRISTO_POPULATION_ID']}"
        for number in range(1000):
            client.post(url, json={"contact": {"id": contact_id, "name": f"Ada {number}"}})
    state = mock.state
    assert (state["received"], len(state["requests"]), len(state["contacts"]["Pristo"])) == (
        1000,
        200,
        1,
    )


def test_the_page_shows_what_arrived_and_no_credential(mock: MockServer) -> None:
    """Requests with their reasons; keys are masked."""
    pristo(mock, {"id": "x"})
    page, state = httpx.get(f"{mock.base_url}/"), httpx.get(f"{mock.base_url}/_mock/state")
    assert "<title>contact-apis mock</title>" in page.text
    assert "contact.id" in state.json()["requests"][0]["reason"]
    assert not any(
        mock.env[name] in state.text for name in mock.env if "KEY" in name or "APP" in name
    )
    assert not re.search(r'(src|href)="https?:', page.text)


def test_health_and_reset(mock: MockServer) -> None:
    """A container's probes are answered and not counted; a reset leaves nothing, and another origin cannot ask for one."""
    assert httpx.head(f"{mock.base_url}/").status_code == 200
    assert httpx.get(f"{mock.base_url}/_mock/health").json() == {"status": "ok"}
    assert pristo(mock, {"id": str(uuid4())}).status_code == 201
    assert retainful(mock, [identifier("email", "ada@example.com")]).status_code == 200
    mock.fail_next("500")
    assert mock.state["received"] == 2
    assert (
        httpx.post(
            f"{mock.base_url}/_mock/reset", headers={"Origin": "https://elsewhere.example"}
        ).status_code
        == 403
    )
    assert mock.state["received"] == 2
    assert httpx.post(f"{mock.base_url}/_mock/reset").status_code == 200
    state = mock.state
    assert (state["received"], state["requests"], state["contacts"]) == (
        0,
        [],
        {"Pristo": [], "Retainful": []},
    )
    assert pristo(mock, {"id": str(uuid4())}).status_code == 201


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "localhost.elsewhere.example:80"]
)
def test_a_name_that_leads_here_is_refused(mock: MockServer, host: str) -> None:
    """A page whose name was given this machine's address sees nothing of the mock (DNS rebinding)."""
    answer = httpx.get(f"{mock.base_url}/_mock/state", headers={"Host": host})
    assert (answer.status_code, "contacts" in answer.text) == (421, False)
    for name in ("localhost", "127.0.0.1", "[::1]:8025"):
        assert httpx.get(f"{mock.base_url}/_mock/state", headers={"Host": name}).status_code == 200


def test_a_foreign_origin_uses_up_no_fault(mock: MockServer) -> None:
    """A page that happens to be open does not take the fault that a test has asked for."""
    mock.fail_next("500")
    assert pristo(mock, {"id": str(uuid4())}, Origin="https://elsewhere.example").status_code == 201
    assert pristo(mock, {"id": str(uuid4())}).status_code == 500


def test_bodies_are_kept_by_prefix(mock: MockServer) -> None:
    """Two hundred large requests leave two hundred short ones."""
    pristo(mock, {"id": str(uuid4()), "name": "x" * 900_000})
    assert max(len(each[1].body) for each in mock.app.arrived) <= 10_000


def test_a_mock_in_a_network() -> None:
    """Bound to all interfaces it is reached by any name; the client takes plain http for the hosts it is told, and for no other."""
    with MockServer(host="0.0.0.0") as mock:
        assert (
            httpx.get(f"{mock.base_url}/_mock/health", headers={"Host": "mock:8025"}).status_code
            == 200
        )
    options: dict[str, Any] = {
        "api_key": "k",
        "population_id": uuid4(),
        "base_url": "http://mock:8025",
    }
    with pytest.raises(ConfigurationError, match="allow_http"):
        Pristo(**options)
    with pytest.raises(ConfigurationError, match="allow_http"):
        Pristo(allow_http=["other"], **options)
    assert "mock:8025" in repr(Pristo(allow_http=["mock"], **options))


def test_schemas_are_read_from_the_specification(mock: MockServer) -> None:
    """Each field of Retainful's document is checked, with no list of them in the mock."""
    for name, schema in load_specification("retainful")["components"]["schemas"]["Contact"][
        "properties"
    ].items():
        if schema.get("type") == "string":
            answer = retainful(mock, [identifier("email", "ada@example.com")], **{name: 7})
            assert (answer.status_code, f"{name} must be a string" in answer.json()["message"]) == (
                400,
                True,
            )


def test_the_fixture_sets_the_environment(contact_apis_mock: MockServer) -> None:
    """A user's test finds address and credentials where clients look for them."""
    assert {name: os.environ[name] for name in contact_apis_mock.env} == contact_apis_mock.env


def test_deep_nesting_is_refused_and_does_not_fail(mock: MockServer) -> None:
    """Deeper than the validator goes, though JSON's parser may go further (it does on Python 3.13)."""
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    answer = pristo(mock, {"id": str(uuid4()), "name": deep})
    assert (answer.status_code, "nested too deeply" in answer.json()["error"]["message"]) == (
        400,
        True,
    )

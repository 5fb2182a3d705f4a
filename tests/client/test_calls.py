"""The four clients against the mock: call forms, results, set-up, options, and what is refused before it is sent."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contact_apis import (
    APIConnectionError,
    APIStatusError,
    AsyncPristo,
    AuthenticationError,
    BadRequestError,
    Channel,
    Channels,
    ConfigurationError,
    Consent,
    Identifier,
    InternalServerError,
    InvalidRequestError,
    Pristo,
    PristoContact,
    Retainful,
    RetainfulContact,
)
from contact_apis.mock import MockServer
from pristo_client.api.contacts import upsert_contact
from pristo_client.models import ContactUpsertRequest

from .hostile import Hostile, answer
from .kinds import APIS, CLASSES, CONSENT, FIELDS, GOOD, ID, KEYS, KINDS, Api, Kind, call

Sent = list[httpx.Request]


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture(autouse=True)
def environment(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)


def recorded(api: Api, status: int = 200) -> tuple[httpx.Client, Sent]:
    """A client of the caller's that answers by itself, and what was sent through it."""
    sent: Sent = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, json=GOOD[api])

    return httpx.Client(transport=httpx.MockTransport(handle)), sent


def body_of(api: Api, *arguments: Any, **fields: Any) -> Any:
    """The JSON that a call sends."""
    client, sent = recorded(api)
    CLASSES[api, "sync"](http_client=client).upsert_contact(*arguments, **fields)
    return json.loads(sent[0].content)


def test_created_then_updated() -> None:
    """Pristo tells whether a contact is new, shows it, and gives the correlation id back."""
    contact_id, request_id = uuid4(), uuid4()
    with Pristo() as pristo:
        first = pristo.upsert_contact(
            id=contact_id,
            email="ada@example.com",
            custom_fields={"tier": "gold"},
            request_id=request_id,
        )
        second = pristo.upsert_contact(id=str(contact_id), name="Ada")
    assert (first.created, second.created) == (True, False)
    assert first.request_id == request_id != second.request_id
    assert second.contact is not None
    assert second.contact.to_dict() == {
        "id": str(contact_id),
        "email": "ada@example.com",
        "name": "Ada",
        "customFields": {"tier": "gold"},
    }


@pytest.mark.parametrize("kind", KINDS)
def test_both_services_by_keyword(kind: Kind, server: MockServer) -> None:
    """The same keywords work awaited and not."""
    assert (
        call(
            "pristo", kind, server.base_url, given={"id": uuid4()}, api_key=None, population_id=None
        ).created
        is True
    )
    assert call("retainful", kind, server.base_url, api_key=None, app_id=None).created is None


def test_none_leaves_a_field_out() -> None:
    """``None`` is not sent, for neither contract has a null."""
    assert body_of("pristo", id=ID, email=None, custom_fields=None, name="Ada") == {
        "contact": {"id": ID, "name": "Ada"}
    }


def test_models_are_sent_as_they_are() -> None:
    """A generated model gives the exact wire form."""
    assert body_of("pristo", PristoContact(id=UUID(ID), last_name="L")) == {
        "contact": {"id": ID, "lastName": "L"}
    }
    identifier = Identifier(
        "phone", "+12025550123", Channels(phone=Channel("unsubscribed")), CONSENT
    )
    contact = RetainfulContact(
        "Ada", ["x"], [identifier], birth_date=date(1990, 1, 15), trigger_welcome_email=False
    )
    contact["segment"] = "b"
    sent = body_of("retainful", contact)
    assert sent == contact.to_dict()
    assert sent["segment"] == "b"
    assert sent["birthDate"] == "1990-01-15"


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))],  # noqa: S301 # our own bytes
)
def test_copied_models_work(duplicate: Any) -> None:
    """A model that was copied or pickled is sent all the same, though its own code no longer knows what it leaves out."""
    contact = PristoContact(id=UUID(ID), name="Ada")
    assert body_of("pristo", duplicate(contact)) == {"contact": {"id": ID, "name": "Ada"}}
    person = RetainfulContact(
        "Ada",
        ["x"],
        [Identifier("email", "ada@example.com", Channels(email=Channel("subscribed")), CONSENT)],
    )
    assert body_of("retainful", duplicate(person)) == person.to_dict()


def test_a_contact_and_fields_exclude_each_other() -> None:
    """A call has one form or the other."""
    with pytest.raises(TypeError, match="not both"):
        body_of("pristo", PristoContact(id=UUID(ID)), name="Ada")
    with pytest.raises(TypeError, match="not both"):
        body_of("retainful", RetainfulContact("Ada", [], []), first_name="Ada")
    with pytest.raises(TypeError, match="nickame"):
        body_of("pristo", id=ID, nickame="A")
    with pytest.raises(TypeError, match="id"):
        body_of("pristo")


def test_email_and_phone_become_identifiers() -> None:
    """Each is subscribed on the channel of its kind unless told otherwise, and both share the consent."""
    fields: dict[str, Any] = {
        "first_name": "Ada",
        "list_ids": ("x",),
        "email": "ada@example.com",
        "phone": "+12025550123",
        "consent": CONSENT,
    }
    consent = {"createdAt": "2024-03-21T10:30:00.000Z", "ip": "192.0.2.7", "source": "web_form"}

    def identifiers(email: str, phone: str) -> list[object]:
        return [
            {
                "type": "email",
                "id": "ada@example.com",
                "channels": {"email": {"status": email}},
                "consent": consent,
            },
            {
                "type": "phone",
                "id": "+12025550123",
                "channels": {"phone": {"status": phone}},
                "consent": consent,
            },
        ]

    assert body_of("retainful", **fields)["identifiers"] == identifiers("subscribed", "subscribed")
    assert body_of("retainful", **fields, subscribed=False)["identifiers"] == identifiers(
        "unsubscribed", "unsubscribed"
    )
    sent = body_of("retainful", **fields, channels={"phone": "unsubscribed"})
    assert sent["identifiers"] == identifiers("subscribed", "unsubscribed")
    assert sent["listIds"] == ["x"]
    more = Identifier("email", "second@example.com", Channels(email=Channel("pending")), CONSENT)
    assert len(body_of("retainful", **fields, identifiers=[more])["identifiers"]) == 3


def test_times_go_out_in_utc() -> None:
    """Times carry milliseconds and Z, as the page's examples do, whatever zone they were meant in."""
    there = datetime(2024, 3, 21, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    sent = body_of(
        "retainful", **FIELDS["retainful"], created_at=there, birth_date=date(1990, 1, 15)
    )
    assert sent["createdAt"] == "2024-03-21T10:30:00.000Z"
    assert sent["birthDate"] == "1990-01-15"


NAIVE = Consent(datetime(2024, 3, 21), "192.0.2.7", "web_form")  # what is tested
CYCLE: dict[str, Any] = {}
CYCLE["itself"] = CYCLE


def _with_extra(value: Any) -> RetainfulContact:
    contact = RetainfulContact(
        "Ada", [], [Identifier("email", "ada@example.com", Channels(email=Channel()), CONSENT)]
    )
    contact["extra"] = value
    return contact


@pytest.mark.parametrize(
    ("api", "arguments", "fields", "paths"),
    [
        ("pristo", (), {"id": "x"}, ["contact.id"]),
        (
            "pristo",
            (),
            {"id": ID, "email": "no address", "custom_fields": {"a": "x" * 256, "b": 1}},
            ["email", "customFields.a", "customFields.b"],
        ),
        ("pristo", (), {"id": ID, "custom_fields": "x"}, ["contact.customFields"]),
        ("pristo", (), {"id": ID, "custom_fields": ["x"]}, ["contact.customFields"]),
        ("pristo", (), {"id": ID, "name": 5}, ["contact.name"]),
        ("pristo", (), {"id": ID, "name": "\ud800"}, ["contact.name"]),
        ("pristo", (), {"id": ID, "custom_fields": {"\udfff": "x"}}, ["contact.customFields"]),
        ("pristo", (), {"id": ID, "name": b"Ada"}, ["contact.name"]),
        ("pristo", ({"id": ID},), {}, ["body"]),
        ("pristo", (), {"id": ID, "request_id": "abc"}, ["request_id"]),
        ("pristo", (), {"id": ID, "request_id": 7}, ["request_id"]),
        ("retainful", (), {**FIELDS["retainful"], "consent": None}, ["consent"]),
        ("retainful", (), {"first_name": "Ada", "list_ids": []}, ["identifiers"]),
        ("retainful", (), {"first_name": "Ada", "list_ids": [], "consent": CONSENT}, ["consent"]),
        (
            "retainful",
            (),
            {**FIELDS["retainful"], "channels": {"phone": "subscribed"}},
            ["channels.phone"],
        ),
        (
            "retainful",
            (),
            {**FIELDS["retainful"], "channels": {"email": None}},
            ["identifiers[0].channels.email.status"],
        ),
        (
            "retainful",
            (),
            {**FIELDS["retainful"], "subscribed": "no", "channels": "no", "identifiers": 5},
            ["subscribed", "channels", "identifiers"],
        ),
        ("retainful", (), {**FIELDS["retainful"], "subscribed": None}, ["subscribed"]),
        ("retainful", (), {**FIELDS["retainful"], "consent": "yes"}, ["body"]),
        (
            "retainful",
            (),
            {**FIELDS["retainful"], "consent": NAIVE},
            ["identifiers[0].consent.createdAt"],
        ),
        (
            "retainful",
            (),
            {**FIELDS["retainful"], "birth_date": datetime(1990, 1, 15)},
            ["birthDate"],
        ),  # what is tested
        ("retainful", (), {**FIELDS["retainful"], "list_ids": "NdrD"}, ["listIds"]),
        ("retainful", (), {**FIELDS["retainful"], "list_ids": {"NdrD"}}, ["listIds"]),
        ("retainful", (), {**FIELDS["retainful"], "country_code": "USA"}, ["countryCode"]),
        ("retainful", (), {**FIELDS["retainful"], "birth_date": "1990"}, ["birthDate"]),
        (
            "retainful",
            (),
            {
                **FIELDS["retainful"],
                "created_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=9))),
            },
            ["body"],
        ),
        ("retainful", (), {**FIELDS["retainful"], "identifiers": ["ada"]}, ["body"]),
        ("retainful", (_with_extra(float("nan")),), {}, ["extra"]),
        ("retainful", (_with_extra([1, float("inf")]),), {}, ["extra[1]"]),
        ("retainful", (_with_extra(CYCLE),), {}, ["body"]),
    ],
)
def test_what_breaks_the_contract_is_not_sent(
    api: Api, arguments: tuple[Any, ...], fields: dict[str, Any], paths: list[str]
) -> None:
    """A bad value is refused with its place and a remedy, all faults at once, and nothing goes out."""
    client, sent = recorded(api)
    with pytest.raises(InvalidRequestError) as caught:
        CLASSES[api, "sync"](http_client=client).upsert_contact(*arguments, **fields)
    assert sent == []
    assert [(each.path or "body").removeprefix("contact.") for each in caught.value.faults] == [
        each.removeprefix("contact.") for each in paths
    ]
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_generated_functions_get_the_same() -> None:
    """Called directly with our client, a generated function validates, retries and maps errors."""
    with (
        Hostile(answer(503), answer(200, GOOD["pristo"]), answer(401)) as service,
        Pristo(base_url=service.url, **KEYS["pristo"]) as pristo,
    ):
        body = ContactUpsertRequest(PristoContact(id=UUID(ID)))
        assert (
            upsert_contact.sync(
                UUID(KEYS["pristo"]["population_id"]), client=pristo.client, body=body
            )
            is not None
        )
        with pytest.raises(AuthenticationError):
            upsert_contact.sync_detailed(
                UUID(ID), client=pristo.client, body=body, x_request_id=UUID(ID)
            )
        body.contact.email = "no address"
        with pytest.raises(InvalidRequestError):
            upsert_contact.sync_detailed(UUID(ID), client=pristo.client, body=body)
        with pytest.raises(InvalidRequestError, match="populationId must have the format uuid"):
            upsert_contact.sync_detailed(
                "x",  # type: ignore[arg-type] # what is tested
                client=pristo.client,
                body=ContactUpsertRequest(PristoContact(id=UUID(ID))),
            )
        with pytest.raises(InvalidRequestError, match="x-request-id"):
            upsert_contact.sync_detailed(
                UUID(ID),
                client=pristo.client,
                body=body,
                x_request_id="x",  # type: ignore[arg-type] # what is tested
            )
    assert list(service.heads())[2]["x-request-id"] == ID

    async def awaited() -> None:
        async with AsyncPristo() as pristo:
            population = UUID(KEYS["pristo"]["population_id"])
            with pytest.raises(BadRequestError):
                await upsert_contact.asyncio(
                    population,
                    client=pristo.client,
                    body=ContactUpsertRequest(PristoContact(id=UUID(ID))),
                )

    asyncio.run(awaited())


@pytest.mark.parametrize("url", ["https://example.com/v2/contacts", "/v2/other", "/v2/contacts/x"])
def test_our_client_serves_its_own_contract_alone(url: str) -> None:
    """The httpx client inside sends credentials to the operations of its contract and nowhere else."""
    with Retainful() as retainful:
        inside = retainful.client.get_httpx_client()
        with pytest.raises(InvalidRequestError, match="url"):
            inside.post(url, json={})
        with pytest.raises(InvalidRequestError, match="url"):
            inside.get("/v2/contacts")
        with pytest.raises(InvalidRequestError, match="must be JSON"):
            inside.post("/v2/contacts", content=iter([b"{}"]))
        with pytest.raises(InvalidRequestError, match="must be JSON"):
            inside.post("/v2/contacts")


def test_base_url_with_a_path() -> None:
    """A gateway's prefix is kept."""
    client, sent = recorded("pristo")
    Pristo(base_url="https://gateway.example/pristo/", http_client=client).upsert_contact(id=ID)
    assert str(sent[0].url).startswith("https://gateway.example/pristo/v1/contacts/save/")


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is passed is used, then the environment's as it is at construction, then the specification's server."""
    client, sent = recorded("retainful")
    Retainful(api_key=" mine\n", app_id="app", http_client=client).upsert_contact(
        **FIELDS["retainful"]
    )
    assert sent[0].headers["Retainful-Api-Key"] == "mine"
    assert sent[0].headers["Retainful-App-Id"] == "app"
    assert sent[0].headers["User-Agent"].startswith("contact-apis/")
    monkeypatch.setenv("RETAINFUL_BASE_URL", "")
    assert repr(Retainful()) == "Retainful(base_url='https://apiv2.retainful.net')"
    monkeypatch.delenv("PRISTO_BASE_URL")
    assert repr(Pristo()) == "Pristo(base_url='https://api.pristo.io')"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"api_key": ""}, "api_key"),
        ({"api_key": " \n"}, "api_key"),
        ({"api_key": "ключ"}, "api_key"),
        ({"api_key": "a\x00b"}, "api_key"),
        ({"api_key": "a\r\nX: b"}, "api_key"),
        ({"api_key": b"bytes"}, "api_key"),
        ({"population_id": "pop_123"}, "population_id"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "example.com"}, "base_url"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://"}, "base_url"),
        ({"base_url": "https://user:secret@example.com"}, "base_url"),
        ({"base_url": "https://example.com/?a=b"}, "base_url"),
        ({"base_url": "https://example.com:port"}, "base_url"),
        ({"base_url": 5}, "base_url"),
        ({"base_url": "http://example.com"}, "loopback"),
        ({"base_url": "http://127.0.0.1.example.com"}, "loopback"),
        ({"timeout": 0}, "timeout"),
        ({"total_timeout": -1}, "total_timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"http_client": "client"}, "http_client"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_impossible_settings(options: dict[str, Any], said: str, kind: Kind) -> None:
    """What cannot work is refused at construction, by name and without its value."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        CLASSES["pristo", kind](**options)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.9.9.9", "http://[::1]:8080", "https://example.com"]
)
def test_plain_http_is_for_loopback(url: str) -> None:
    """Loopback needs no certificate; everything else does."""
    assert repr(Pristo(base_url=url)) == f"Pristo(base_url={url!r})"


@pytest.mark.parametrize(
    ("api", "variable"),
    [
        ("pristo", "PRISTO_API_KEY"),
        ("pristo", "PRISTO_POPULATION_ID"),
        ("retainful", "RETAINFUL_APP_ID"),
    ],
)
def test_missing_settings_are_named(
    api: Api, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence names the variable that is not set."""
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError, match=variable):
        CLASSES[api, "sync"]()


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_kind_of_http_client(kind: Kind) -> None:
    """A blocking client cannot be awaited, nor the other way round."""
    other = httpx.AsyncClient() if kind == "sync" else httpx.Client()
    with pytest.raises(ConfigurationError, match="http_client"):
        CLASSES["pristo", kind](http_client=other)


def test_options_for_a_call_site() -> None:
    """A copy has its own limits, shares the connections, and does not close them."""
    with Hostile(answer(503)) as service, Pristo(base_url=service.url, **KEYS["pristo"]) as pristo:
        with (
            pristo.with_options(max_retries=0, timeout=3) as careful,
            pytest.raises(InternalServerError) as caught,
        ):
            careful.upsert_contact(id=ID)
        assert caught.value.attempts == 1
        with pytest.raises(InternalServerError):
            pristo.with_options(max_retries=0).upsert_contact(id=ID)
        assert service.connections == 1
        with pytest.raises(ConfigurationError):
            pristo.with_options(timeout=-1)


def test_awaited_options() -> None:
    """The same holds for the awaited client."""

    async def awaited() -> int:
        async with AsyncPristo(base_url=service.url, **KEYS["pristo"]) as pristo:
            async with pristo.with_options(max_retries=0) as careful:
                for client in (careful, careful):
                    with pytest.raises(InternalServerError):
                        await client.upsert_contact(id=ID)
            with pytest.raises(InternalServerError):
                await pristo.with_options(max_retries=0).upsert_contact(id=ID)
        return service.connections

    with Hostile(answer(503)) as service:
        assert asyncio.run(awaited()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_closed_clients_refuse_calls(kind: Kind, server: MockServer) -> None:
    """After ``close`` a call says so; closing twice, or unused, does nothing."""
    client = CLASSES["pristo", kind]()

    async def awaited() -> None:
        await client.close()
        await client.close()
        with pytest.raises(ConfigurationError, match="closed"):
            await client.upsert_contact(id=ID)

    if kind == "async":
        asyncio.run(awaited())
        return
    client.close()
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        client.upsert_contact(id=ID)


def test_an_awaited_client_outlives_its_loop() -> None:
    """One object may be used in one event loop after another; what a dead loop left open goes with it."""
    pristo = AsyncPristo()

    async def last(client: AsyncPristo) -> bool:
        async with client:
            return await client.check_credentials()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(pristo.check_credentials())
        assert second.run(pristo.check_credentials())
        assert second.run(last(pristo))
        with pytest.raises(ConfigurationError):
            first.run(pristo.with_options(max_retries=0).check_credentials())
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # the first loop was closed without a word to the client
        del pristo
        gc.collect()


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_of_the_callers_is_used_and_left_alone(kind: Kind) -> None:
    """Requests go whole through ``http_client``, redirects off; it is neither changed nor closed."""
    sent: Sent = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(307, headers={"Location": "https://elsewhere.example/"})

    transport = httpx.MockTransport(handle)
    options: dict[str, Any] = {
        "transport": transport,
        "follow_redirects": True,
        "headers": {"X-Mine": "1"},
        "base_url": "https://mine.example",
    }
    mine: Any = httpx.Client(**options) if kind == "sync" else httpx.AsyncClient(**options)
    with pytest.raises(APIStatusError, match="redirects are not followed"):
        call("pristo", kind, "https://service.example", http_client=mine)
    assert len(sent) == 1
    assert sent[0].url.host == "service.example"
    assert "X-Mine" not in sent[0].headers
    assert sent[0].extensions["timeout"] == {"connect": 5, "read": 30, "write": 30, "pool": 30}
    assert not mine.is_closed
    assert mine.headers["X-Mine"] == "1"
    asyncio.run(mine.aclose()) if kind == "async" else mine.close()
    with pytest.raises(ConfigurationError, match="closed"):
        call("pristo", kind, "https://service.example", http_client=mine)


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_the_callers_client(kind: Kind) -> None:
    """A hook that calls ``raise_for_status`` changes nothing about the error."""

    def check(response: httpx.Response) -> None:
        response.raise_for_status()

    async def check_async(response: httpx.Response) -> None:
        response.raise_for_status()

    transport = httpx.MockTransport(lambda _: httpx.Response(401))
    mine: Any = (
        httpx.Client(transport=transport, event_hooks={"response": [check]})
        if kind == "sync"
        else httpx.AsyncClient(transport=transport, event_hooks={"response": [check_async]})
    )
    with pytest.raises(AuthenticationError):
        call("retainful", kind, "https://service.example", http_client=mine)


@pytest.mark.parametrize("kind", KINDS)
def test_failures_of_the_callers_client(kind: Kind) -> None:
    """What another transport fails with is mapped as our own would be."""

    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("illegal status line: pristo-key-9f27", request=request)

    transport = httpx.MockTransport(handle)
    mine: Any = (
        httpx.Client(transport=transport)
        if kind == "sync"
        else httpx.AsyncClient(transport=transport)
    )
    with pytest.raises(APIConnectionError, match="RemoteProtocolError") as caught:
        call("pristo", kind, "https://service.example", http_client=mine, max_retries=0)
    assert "pristo-key" not in str(caught.value)


@pytest.mark.parametrize("api", APIS)
def test_checking_credentials(api: Api, server: MockServer) -> None:
    """Good credentials work, wrong ones do not, and nothing is stored."""
    before = server.state["contacts"]
    for options, works in (({}, True), ({"api_key": "wrong"}, False)):
        with CLASSES[api, "sync"](**options) as client:
            assert client.check_credentials() is works
    assert server.state["contacts"] == before


def test_an_empty_object_breaks_both_contracts() -> None:
    """What the check of credentials sends has to be refused by any service that keeps its contract."""
    for api in APIS:
        operation = CLASSES[api, "sync"]()._session.service.upsert  # noqa: SLF001 # what is tested
        assert operation.body.faults({})


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_limit(kind: Kind, server: MockServer) -> None:
    """Every limit can be lifted, and the longest that is allowed works."""
    for limit in (None, 86400):
        assert (
            call(
                "pristo",
                kind,
                server.base_url,
                "check_credentials",
                timeout=limit,
                total_timeout=limit,
            )
            is False
        )


def test_clocks_are_read_at_the_call() -> None:
    """A consent of this moment is taken as it is."""
    now = datetime.now(UTC)
    sent = body_of(
        "retainful", **{**FIELDS["retainful"], "consent": Consent(now, "192.0.2.7", "import")}
    )
    assert sent["identifiers"][0]["consent"]["createdAt"] == now.isoformat(
        timespec="milliseconds"
    ).replace("+00:00", "Z")

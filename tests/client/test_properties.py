"""Whatever a caller builds goes out valid or is refused; whatever a service answers is understood or is one typed error.

The same holds for the generated clients as they are, but for the limits at the end of this file.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pristo_client
import pristo_client.api.contacts.upsert_contact as pristo_upsert
import pristo_client.models as pristo_models
import retainful_client
import retainful_client.api.contacts.upsert_contact as retainful_upsert
import retainful_client.models as retainful_models
from contact_apis import (
    APIError,
    APIResponseValidationError,
    AsyncPristo,
    AsyncRetainful,
    ContactAPIError,
    InvalidRequestError,
    Pristo,
    Retainful,
)
from contact_apis._openapi.document import contract
from tests import strategies

from .kinds import KEYS, POPULATION, Api

TERMS = {"pristo": contract("pristo_client"), "retainful": contract("retainful_client")}
OPERATIONS = {api: terms.operation("upsertContact") for api, terms in TERMS.items()}
PROPERTIES = {
    api: TERMS[api].document["components"]["schemas"]["Contact"]["properties"] for api in TERMS
}
URL = "https://service.example"
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)

pristo_contacts = strategies.pristo_contacts(PROPERTIES["pristo"], ["tier", "city"])
retainful_contacts = strategies.retainful_contacts(PROPERTIES["retainful"], "NdrD")
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.datetimes()
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=6,
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


class Recorder:
    """Answers with one thing, or else with the contact that it is sent, and keeps what it was sent."""

    def __init__(self, status: int, content: bytes | None) -> None:
        self.status, self.content = status, content
        self.sent: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        content = self.content
        if content is None:
            contact = json.loads(request.content).get("contact")
            content = json.dumps(
                {"status": True} if contact is None else {"contact": {"id": contact["id"]}}
            ).encode()
        return httpx.Response(self.status, content=content)


def both(
    api: Api, use: Callable[[Any], Any], status: int = 200, content: bytes | None = None
) -> tuple[list[Any], list[Recorder]]:
    """What a use of the blocking and of the awaited client gives or raises, and what each sent."""
    first, second = Recorder(status, content), Recorder(status, content)
    blocking, awaiting = (Pristo, AsyncPristo) if api == "pristo" else (Retainful, AsyncRetainful)
    options: dict[str, Any] = {"base_url": URL, "max_retries": 0, **KEYS[api]}
    outcomes: list[Any] = []
    try:
        outcomes.append(
            use(blocking(http_client=httpx.Client(transport=first.transport), **options))
        )
    except ContactAPIError as error:
        outcomes.append(error)

    async def awaited() -> Any:
        return await use(
            awaiting(http_client=httpx.AsyncClient(transport=second.transport), **options)
        )

    try:
        outcomes.append(asyncio.run(awaited()))
    except ContactAPIError as error:
        outcomes.append(error)
    return outcomes, [first, second]


def wire(request: httpx.Request) -> tuple[str, str, dict[str, str], bytes]:
    """All that goes over the wire of a request."""
    return request.method, str(request.url), dict(request.headers), request.content


def pristo_fields(contact: dict[str, Any]) -> dict[str, Any]:
    """A contact's JSON as keywords."""
    return {
        name: value
        for name, value in vars_of(pristo_models.Contact.from_dict(contact)).items()
        if value is not None
    }


def vars_of(model: Any) -> dict[str, Any]:
    """A generated model's members; those that are not set are ``None``."""
    found = {
        name: getattr(model, name)
        for name in model.__slots__
        if name not in ("__weakref__", "additional_properties")
    }
    return {
        name: None if type(value).__name__ == "Unset" else value for name, value in found.items()
    }


@quick
@given(contact=pristo_contacts, request_id=st.uuids())
def test_valid_pristo_contacts_arrive_as_they_are(
    contact: dict[str, Any], request_id: UUID
) -> None:
    """A valid contact, by keyword or as a model, goes out as the same valid JSON, sync and async byte for byte alike."""
    fields = pristo_fields(contact)
    outcomes, recorders = both(
        "pristo", lambda client: client.upsert_contact(**fields, request_id=request_id)
    )
    models, others = both(
        "pristo",
        lambda client: client.upsert_contact(
            pristo_models.Contact.from_dict(contact), request_id=request_id
        ),
    )
    assert all(not isinstance(each, Exception) for each in [*outcomes, *models])
    requests = [wire(recorder.sent[0]) for recorder in [*recorders, *others]]
    assert all(each == requests[0] for each in requests)
    sent = json.loads(requests[0][3])
    assert sent == {"contact": contact}
    assert OPERATIONS["pristo"].body is not None
    assert OPERATIONS["pristo"].body.faults(sent) == []


@quick
@given(contact=retainful_contacts)
def test_valid_retainful_contacts_arrive_as_they_are(contact: dict[str, Any]) -> None:
    """The same for Retainful; what a model fills in by itself is the page's own default."""
    outcomes, recorders = both(
        "retainful",
        lambda client: client.upsert_contact(retainful_models.Contact.from_dict(contact)),
    )
    assert all(not isinstance(each, Exception) for each in outcomes)
    first, second = (wire(recorder.sent[0]) for recorder in recorders)
    assert first == second
    assert json.loads(first[3]) == contact


@quick
@given(
    fields=st.fixed_dictionaries(
        {"id": anything},
        optional=dict.fromkeys(
            ("email", "phone", "language", "name", "last_name", "custom_fields"), anything
        ),
    )
    | st.builds(dict, id=st.just(POPULATION), email=anything, language=anything, name=anything)
)
@example({"id": None})
@example({"id": math.nan})
def test_pristo_refuses_or_sends_what_is_valid(fields: dict[str, Any]) -> None:
    """Whatever stands in the keywords, what goes out is valid, and everything else is refused before it is sent."""
    outcomes, recorders = both("pristo", lambda client: client.upsert_contact(**fields))
    for outcome, recorder in zip(outcomes, recorders, strict=True):
        if isinstance(outcome, Exception):
            assert isinstance(outcome, InvalidRequestError)
            assert outcome.faults
            assert recorder.sent == []
        else:
            assert OPERATIONS["pristo"].body is not None
            assert OPERATIONS["pristo"].body.faults(json.loads(recorder.sent[0].content)) == []


@quick
@given(
    fields=st.fixed_dictionaries(
        {"first_name": anything, "list_ids": anything},
        optional=dict.fromkeys(
            (
                "email",
                "phone",
                "last_name",
                "birth_date",
                "created_at",
                "country_code",
                "gender",
                "trigger_welcome_email",
            ),
            anything,
        ),
    ),
    consent=st.none() | st.builds(retainful_models.Consent, anything, anything, anything),
    subscribed=st.booleans(),
)
@example({"first_name": "Ada", "list_ids": math.nan}, None, False)
def test_retainful_refuses_or_sends_what_is_valid(
    fields: dict[str, Any], consent: Any, subscribed: bool
) -> None:
    """The same for Retainful's keywords, its consent among them."""
    outcomes, recorders = both(
        "retainful",
        lambda client: client.upsert_contact(**fields, consent=consent, subscribed=subscribed),
    )
    for outcome, recorder in zip(outcomes, recorders, strict=True):
        if isinstance(outcome, Exception):
            assert isinstance(outcome, InvalidRequestError)
            assert recorder.sent == []
        else:
            assert OPERATIONS["retainful"].body is not None
            assert OPERATIONS["retainful"].body.faults(json.loads(recorder.sent[0].content)) == []


@quick
@given(
    contact=pristo_contacts,
    status=st.sampled_from([200, 201]),
    extra=st.dictionaries(st.text(max_size=5), json_values, max_size=2),
)
def test_valid_answers_are_understood(
    contact: dict[str, Any], status: int, extra: dict[str, Any]
) -> None:
    """Every answer that the contract allows gives a result, with the contact that it shows."""
    content = json.dumps({**extra, "contact": contact}).encode()
    outcomes, _ = both(
        "pristo", lambda client: client.upsert_contact(id=contact["id"]), status, content
    )
    for outcome in outcomes:
        assert outcome.created is (status == 201)
        assert outcome.contact.to_dict() == contact
    bare, _ = both("pristo", lambda client: client.upsert_contact(id=contact["id"]), status, b"{}")
    assert [each.contact for each in bare] == [None, None]
    accepted, _ = both(
        "retainful",
        lambda client: client.upsert_contact(retainful_person()),
        200,
        json.dumps({**extra, "status": True}).encode(),
    )
    assert [each.created for each in accepted] == [None, None]


@quick
@given(
    api=st.sampled_from(["pristo", "retainful"]),
    status=st.integers(100, 999).filter(lambda each: each != 101),
    content=st.binary(max_size=60) | json_values.map(lambda each: json.dumps(each).encode()),
)
def test_every_other_answer_is_one_typed_error(api: Api, status: int, content: bytes) -> None:
    """Any status with any body gives a result or an error of ours with its request id, and the same awaited and not."""
    use: Callable[[Any], Any] = lambda client: client.upsert_contact(  # noqa: E731 # one line is clearer
        pristo_models.Contact(id=UUID(POPULATION)) if api == "pristo" else retainful_person(),
        request_id=POPULATION,
    )
    outcomes, _ = both(api, use, status, content)
    first, second = outcomes
    assert type(first) is type(second)
    schema = OPERATIONS[api].responses.get(status)
    if isinstance(first, Exception):
        assert isinstance(first, APIError)
        assert str(first) == str(second)
        assert (str(first.request_id), first.attempts) == (POPULATION, 1)
        assert isinstance(first, APIResponseValidationError) == (
            schema is not None and status < 300
        )
    else:
        assert schema is not None
        assert schema.faults(json.loads(content)) == []


def retainful_person() -> retainful_models.Contact:
    """A small valid contact."""
    channels = retainful_models.Channels(email=retainful_models.Channel("subscribed"))
    consent = retainful_models.Consent(datetime(2024, 3, 21, tzinfo=UTC), "192.0.2.7", "web_form")
    return retainful_models.Contact(
        "Ada", ["x"], [retainful_models.Identifier("email", "ada@example.com", channels, consent)]
    )


# ------------------------------------------------------------------------------- the generated clients as they are


def through_generated(
    client: Any, function: Callable[..., Any], *arguments: Any, **keywords: Any
) -> tuple[Any, bytes]:
    """Result and request of a generated function, called without the wrappers."""
    recorder = Recorder(200, keywords.pop("content"))
    client.set_httpx_client(httpx.Client(transport=recorder.transport, base_url=URL))
    return function(*arguments, client=client, **keywords), recorder.sent[0].content


@quick
@given(contact=pristo_contacts)
def test_generated_pristo_client(contact: dict[str, Any]) -> None:
    """A valid model goes out valid, and a valid answer comes in whole."""
    body = pristo_models.ContactUpsertRequest.from_dict({"contact": contact})
    content = json.dumps({"contact": contact}).encode()
    client = pristo_client.Client(base_url=URL)
    response, sent = through_generated(
        client,
        pristo_upsert.sync_detailed,
        UUID(POPULATION),
        body=body,
        x_request_id=UUID(int=1),
        content=content,
    )
    assert json.loads(sent) == {"contact": contact}
    assert response.parsed.to_dict() == {"contact": contact}


@quick
@given(contact=retainful_contacts)
def test_generated_retainful_client(contact: dict[str, Any]) -> None:
    """The same for Retainful, times in the form of the page's examples."""
    body = retainful_models.Contact.from_dict(contact)
    client = retainful_client.Client(base_url=URL)
    response, sent = through_generated(
        client, retainful_upsert.sync_detailed, body=body, content=b'{"status": true}'
    )
    assert json.loads(sent) == contact
    assert response.parsed.status is True


@quick
@given(contact=retainful_contacts)
def test_generated_clients_are_alike_awaited(contact: dict[str, Any]) -> None:
    """The generated functions send the same bytes, awaited or not."""
    blocking, awaiting = Recorder(200, b'{"status": true}'), Recorder(200, b'{"status": true}')
    client = retainful_client.Client(base_url=URL)
    client.set_httpx_client(httpx.Client(transport=blocking.transport, base_url=URL))
    client.set_async_httpx_client(httpx.AsyncClient(transport=awaiting.transport, base_url=URL))
    body = retainful_models.Contact.from_dict(contact)
    first = retainful_upsert.sync_detailed(client=client, body=body)
    second = asyncio.run(retainful_upsert.asyncio_detailed(client=client, body=body))
    assert wire(blocking.sent[0]) == wire(awaiting.sent[0])
    assert first.parsed == second.parsed


# What the generated clients cannot do by themselves, each with what the wrappers make of it.
LIMITS: dict[str, tuple[type[BaseException], bytes, int, type[APIError]]] = {
    "a body that is no JSON": (ValueError, b"<html>", 200, APIResponseValidationError),
    "a body of another form": (TypeError, b"7", 200, APIResponseValidationError),
    "a member of another form": (
        AttributeError,
        b'{"contact": {"id": 7}}',
        200,
        APIResponseValidationError,
    ),
    "a member that is missing": (KeyError, b'{"contact": {}}', 200, APIResponseValidationError),
    "bytes that are no UTF-8": (
        UnicodeDecodeError,
        b'{"contact": "\xff"}',
        200,
        APIResponseValidationError,
    ),
    "a status that Python does not know": (ValueError, b"", 520, APIError),
}


@pytest.mark.parametrize("name", LIMITS)
def test_known_limits_of_the_generated_clients(name: str) -> None:
    """What escapes from generated code as it is becomes a typed error in the wrappers."""
    escapes, content, status, typed = LIMITS[name]
    generated = pristo_client.Client(base_url=URL)
    generated.set_httpx_client(
        httpx.Client(transport=Recorder(status, content).transport, base_url=URL)
    )
    body = pristo_models.ContactUpsertRequest(contact=pristo_models.Contact(id=UUID(POPULATION)))
    with pytest.raises(escapes):
        pristo_upsert.sync_detailed(UUID(POPULATION), client=generated, body=body)
    outcomes, _ = both(
        "pristo", lambda client: client.upsert_contact(id=POPULATION), status, content
    )
    assert all(isinstance(each, typed) for each in outcomes)


@pytest.mark.parametrize(
    "contact",
    [
        pristo_models.Contact(id="x"),  # type: ignore[arg-type] # what is tested
        pristo_models.Contact(id=UUID(POPULATION), email="no address"),
        pristo_models.Contact(
            id=UUID(POPULATION),
            custom_fields=pristo_models.ContactCustomFields.from_dict({"a": "x" * 256}),
        ),
    ],
)
def test_generated_clients_do_not_check_what_they_send(contact: pristo_models.Contact) -> None:
    """Formats and lengths are checked by the wrappers alone."""
    body = pristo_models.ContactUpsertRequest(contact=contact)
    through_generated(
        pristo_client.Client(base_url=URL),
        pristo_upsert.sync_detailed,
        UUID(POPULATION),
        body=body,
        content=b"{}",
    )
    outcomes, recorders = both("pristo", lambda client: client.upsert_contact(contact))
    assert all(isinstance(each, InvalidRequestError) for each in outcomes)
    assert recorders[0].sent == recorders[1].sent == []


@quick
@given(
    moment=st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), hours=st.integers(-12, 14)
)  # zones are added below
def test_moments_survive(moment: datetime, hours: int) -> None:
    """A time of any zone and year goes out as the same moment, to the millisecond; a date stays the same day."""
    there = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    person = retainful_person()
    person.created_at, person.birth_date = there, date(moment.year, moment.month, moment.day)
    _, recorders = both("retainful", lambda client: client.upsert_contact(person))
    sent = json.loads(recorders[0].sent[0].content)
    assert datetime.fromisoformat(sent["createdAt"]) == there - timedelta(
        microseconds=there.microsecond % 1000
    )
    assert sent["birthDate"] == moment.date().isoformat()

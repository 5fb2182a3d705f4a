"""What a call gives back can be written as JSON, and what it takes can be looked up and comes from where contacts are kept."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import pickle
import pydoc
import re
from typing import Any, cast
from uuid import UUID

import attrs
import pytest

from contact_apis import (
    AsyncPristo,
    AsyncRetainful,
    Channels,
    Consent,
    Fault,
    Identifier,
    InvalidRequestError,
    Pristo,
    PristoContact,
    PristoResult,
    Retainful,
    RetainfulContact,
    RetainfulResult,
)
from contact_apis._bulk.outcome import UpsertOutcome
from contact_apis._openapi.document import contract
from contact_apis._vendors.keywords import shows_keywords
from contact_apis._vendors.pristo.client import PristoFields, _contact
from contact_apis._vendors.record_mapper import body_schema
from contact_apis._vendors.retainful.client import RetainfulFields
from contact_apis._vendors.times import with_times
from pristo_client.types import UNSET, Unset

from .hostile import Hostile, answer
from .kinds import FIELDS, GOOD, ID, KEYS, KINDS, Api, Kind, call, many

REQUEST = "5f0c2f4e-6a6e-4f57-9d63-0f8d2c1a7b11"
CONTACT = {
    "id": ID,
    "email": "ada@example.com",
    "lastName": "Lovelace",
    "customFields": {"tier": "gold"},
}
PRISTO = PristoResult(
    created=True, contact=PristoContact.from_dict(CONTACT), request_id=UUID(REQUEST)
)
SHOWN: list[tuple[Any, dict[str, object]]] = [
    (PRISTO, {"created": True, "contact": CONTACT, "request_id": REQUEST}),
    (
        PristoResult(created=False, contact=None, request_id=UUID(REQUEST)),
        {"created": False, "contact": None, "request_id": REQUEST},
    ),
    (
        pickle.loads(pickle.dumps(PRISTO)),  # noqa: S301 # our own
        {"created": True, "contact": CONTACT, "request_id": REQUEST},
    ),
    (
        RetainfulResult(created=None, request_id=UUID(REQUEST)),
        {"created": None, "request_id": REQUEST},
    ),
]
by_name = pytest.mark.parametrize(
    ("result", "expected"), SHOWN, ids=["pristo", "no contact", "pickled", "retainful"]
)


@by_name
def test_a_result_can_be_written_as_json(result: Any, expected: dict[str, object]) -> None:
    """With the contact as it is on the wire, and no marker of what was left out; ``dict()`` of it gives the same."""
    assert json.loads(json.dumps(result.to_dict())) == expected
    assert dict(result) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_of_a_call_can_be_written_as_json(kind: Kind) -> None:
    """What the service showed of the contact is in it."""
    with Hostile(answer(201, GOOD["pristo"])) as service:
        result = call("pristo", kind, service.url)
    assert json.loads(json.dumps(result.to_dict())) == {
        "created": True,
        "contact": {"id": ID, "email": "ada@example.com"},
        "request_id": str(result.request_id),
    }


def test_an_outcome_can_be_written_as_json_and_has_no_personal_data() -> None:
    """Neither of a contact that was sent nor of one that was refused."""
    given = [{"id": ID, "name": "Adalbert"}, {"id": "no id of Adalbert"}]
    with Hostile(answer(200, GOOD["pristo"])) as service:
        outcomes = sorted(many("sync", given, service.url), key=lambda each: each.index)
    for outcome in outcomes:
        text = json.dumps(outcome.to_dict())
        assert "Adalbert" not in text
        assert json.loads(text) == dict(outcome)
    assert [each.to_dict()["state"] for each in outcomes] == ["updated", "refused"]
    assert outcomes[0].to_dict() == {
        "index": 0,
        "state": "updated",
        "status": 200,
        "request_id": str(outcomes[0].request_id),
        "attempts": 1,
        "error": None,
    }
    assert outcomes[1].to_dict()["error"] == str(outcomes[1].error)


@by_name
def test_a_result_is_a_type_of_pydantic(result: Any, expected: dict[str, object]) -> None:
    """Written as JSON and described, alone and as a field of a model: so FastAPI takes it as the return type of a function."""
    pydantic = pytest.importorskip("pydantic", reason="no dependency of the clients")
    adapter = pydantic.TypeAdapter(type(result))
    assert adapter.validate_python(result) is result
    assert json.loads(adapter.dump_json(result)) == adapter.dump_python(result) == expected
    assert adapter.json_schema(mode="serialization")["type"] == "object"
    model = pydantic.create_model("Response", result=(type(result), ...))
    assert json.loads(model(result=result).model_dump_json()) == {"result": expected}
    with pytest.raises(pydantic.ValidationError):
        model(result={})


@pytest.mark.parametrize("typed", [True, False])
@by_name
def test_a_result_is_a_return_value_of_fastapi(
    result: Any, expected: dict[str, object], typed: bool
) -> None:
    """With and without a return type, and the application's own description shows it."""
    fastapi = pytest.importorskip(
        "fastapi",
        reason="no dependency of this project; the tests with pydantic say the same without it",
    )
    testclient = pytest.importorskip("fastapi.testclient", reason="needs httpx and starlette")
    app = fastapi.FastAPI()

    app.get("/one", response_model=type(result) if typed else None)(lambda: result)
    app.get("/many", response_model=list[type(result)] if typed else None)(lambda: [result])  # type: ignore[misc] # a type of run time
    with testclient.TestClient(app) as client:
        assert client.get("/one").json() == expected
        assert client.get("/many").json() == [expected]
        assert client.get("/openapi.json").status_code == 200


def test_an_outcome_is_a_return_value_of_fastapi() -> None:
    """And the contact that it belongs to stays out of the response."""
    encoders = pytest.importorskip("fastapi.encoders", reason="no dependency of this project")
    outcome = UpsertOutcome(0, "refused", None, None, 0, None, {"id": ID, "name": "Adalbert"})
    assert encoders.jsonable_encoder([outcome]) == [outcome.to_dict()]


FORMS: list[tuple[Api, Any, Any, Any]] = [
    ("pristo", Pristo, AsyncPristo, PristoFields),
    ("retainful", Retainful, AsyncRetainful, RetainfulFields),
]
#: What builds identifiers is ours, and stands in no document.
OURS = {"pristo": set[str](), "retainful": {"email", "phone", "consent", "subscribed", "channels"}}


def documented(api: str) -> tuple[set[str], set[str]]:
    """The fields of a contact in the vendor's document, as keywords: all of them, and those that are required."""
    owner = contract(f"{api}_client")
    schema = body_schema(owner.operation("upsertContact"))
    if api == "pristo":
        schema = owner.resolve(schema["properties"]["contact"])

    def keywords(names: Any) -> set[str]:
        return {re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name) for name in names}

    return keywords(schema["properties"]), keywords(schema["required"])


@pytest.mark.parametrize(("api", "blocking", "awaiting", "typed"), FORMS)
def test_the_keywords_for_type_checkers_are_the_fields_of_the_document(
    api: Api, blocking: Any, awaiting: Any, typed: Any
) -> None:
    """A field that only one of them has is named, with where to write it."""
    fields, required = documented(api)
    keywords = set(typed.__annotations__)
    assert not fields - keywords, f"add to {typed.__name__}: {sorted(fields - keywords)}"
    assert not keywords - fields - OURS[api], (
        f"remove from {typed.__name__}: {sorted(keywords - fields - OURS[api])}"
    )
    # Identifiers are built of email and phone where those are given.
    needed = {
        name
        for name, each in typed.__annotations__.items()
        if each.__forward_arg__.startswith("Required[")
    }
    differing = needed ^ (required - {"identifiers"})
    assert not differing, (
        f"required in {typed.__name__} or in the document, and not in both: {sorted(differing)}"
    )


@pytest.mark.parametrize(("api", "blocking", "awaiting", "typed"), FORMS)
def test_help_and_signature_list_the_fields(
    api: Api, blocking: Any, awaiting: Any, typed: Any
) -> None:
    """Of the class and of a client, for notebooks complete what the signature names; what is required is shown as that."""
    fields, required = documented(api)
    for kind in (blocking, awaiting):
        client = kind(**KEYS[api])
        for function in (kind.upsert_contact, client.upsert_contact):
            shown = inspect.signature(function).parameters
            named = {
                name: each
                for name, each in shown.items()
                if each.kind is each.KEYWORD_ONLY and name != "request_id"
            }
            assert set(named) == fields | OURS[api]
            assert {
                name for name, each in named.items() if repr(each.default) == "<required>"
            } == required - {"identifiers"}
            assert list(shown)[-len(named) - 2 : -len(named)] == ["contact", "request_id"]
            text = pydoc.plain(pydoc.render_doc(function))
            assert all(f" {name}: " in text for name in named)
        accepts = inspect.signature(client.upsert_contact)
        accepts.bind(object())
        accepts.bind(**FIELDS[api])
        with pytest.raises(TypeError, match="emial"):
            accepts.bind(emial="ada@example.com")


def test_a_new_field_appears_in_the_signature_by_itself() -> None:
    """It stands in the generated model; nothing of ours has its name."""

    @attrs.define
    class Grown(PristoContact):
        callsign: str | Unset = UNSET

    @shows_keywords(Grown, _contact, PristoFields)
    def upsert(self: object, **fields: object) -> None:
        """Nothing."""

    assert "callsign" in inspect.signature(upsert).parameters
    assert "callsign: " in pydoc.plain(pydoc.render_doc(upsert))


def sent(kind: Kind, given: dict[str, Any]) -> Any:
    """The body of the request of a call by keywords."""
    with Hostile(answer(200, {"status": True})) as service:
        call("retainful", kind, service.url, given=given)
    return json.loads(service.requests[0].split(b"\r\n\r\n", 1)[1])


TIMES = [
    ("2024-03-21T10:30:00Z", "2024-03-21T10:30:00.000Z"),
    ("2024-03-21T12:30:00+02:00", "2024-03-21T10:30:00.000Z"),
    ("2024-03-21t10:30:00.25z", "2024-03-21T10:30:00.250Z"),
    ("2024-03-21 10:30:00.123456789-00:00", "2024-03-21T10:30:00.123Z"),
    ("2024-03-21", "2024-03-21"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("text", "wire"), TIMES)
def test_a_time_can_be_text(text: str, wire: str, kind: Kind) -> None:
    """RFC 3339, or a date where the document takes one: in each field that is a time, the consent's too, which is not changed."""
    consent = Consent(cast("Any", text), "192.0.2.7", "web_form")
    body = sent(
        kind,
        {
            **FIELDS["retainful"],
            "birth_date": text,
            "created_at": text,
            "consent": consent,
            "phone": "+14155550123",
        },
    )
    assert (body["birthDate"], body["createdAt"]) == (wire, wire)
    assert [each["consent"]["createdAt"] for each in body["identifiers"]] == [wire, wire]
    assert consent.created_at == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("1990-01-15T10:30:00", "have a time zone: end it with Z or an offset"),
        ("1990-01-15 10:30:00.5", "have a time zone: end it with Z or an offset"),
        *(
            (text, "be an RFC 3339 time, such as .*, or a date, such as")
            for text in ("", "yesterday", "21.03.2024", "1990-02-30")
        ),
        *(
            (text, "be an RFC 3339 time")
            for text in (
                "1990-13-01T10:30:00Z",
                "19900115T103000Z",
                "1990-01-15T10:30:00Z\n",
                "632394000",
            )
        ),
    ],
)
@pytest.mark.parametrize("name", ["birth_date", "created_at", "consent"])
def test_text_that_is_no_time_is_refused_with_the_remedy(name: str, text: str, remedy: str) -> None:
    """Nothing is sent, the field is named, and the text, which may be somebody's day of birth, is not shown."""
    value = Consent(cast("Any", text), "192.0.2.7", "web_form") if name == "consent" else text
    field = {
        "birth_date": "birthDate",
        "created_at": "createdAt",
        "consent": r"identifiers\[0\]\.consent\.createdAt",
    }[name]
    given = {**FIELDS["retainful"], name: value}
    with Hostile() as service:
        with pytest.raises(InvalidRequestError, match=f"{field} must {remedy}") as caught:
            call("retainful", "sync", service.url, given=given)
        (outcome,) = many("async", [given], service.url, api="retainful")
        assert service.connections == 0
    assert str(outcome.error) == str(caught.value)
    assert not text.strip() or text.strip() not in str(caught.value)


def test_a_row_with_text_for_times_is_sent() -> None:
    """In one of many as in a call, by mapping and by model; what was given is not changed."""
    row = {**FIELDS["retainful"], "birth_date": "1990-01-15", "created_at": "2024-03-21T10:30:00Z"}
    channels = Channels.from_dict({"phone": {"status": "subscribed"}})
    identifier = Identifier("phone", "+14155550123", channels, FIELDS["retainful"]["consent"])
    model = RetainfulContact("Ada", ["NdrD"], [identifier], birth_date=cast("Any", "1990-01-15"))
    with Hostile(answer(200, {"status": True})) as service:
        outcomes = many("sync", [row, model], service.url, api="retainful")
    assert [each.state for each in outcomes] == ["accepted", "accepted"], outcomes
    bodies = [json.loads(each.split(b"\r\n\r\n", 1)[1]) for each in service.requests]
    assert {each["birthDate"] for each in bodies} == {"1990-01-15"}
    assert cast("Any", model).birth_date == "1990-01-15"


def test_a_member_that_takes_no_date_takes_a_time_alone() -> None:
    """And one that takes text keeps it: the types of the generated model decide."""

    @attrs.define
    class Model:
        moment: dt.datetime | None = None
        day: dt.date | None = None
        free: str | dt.datetime | None = None
        inner: list[Model] | None = None

    faults: list[Fault] = []
    read: Any = with_times(
        Model(
            cast("Any", "2024-03-21"),
            cast("Any", "2024-03-21T10:30:00Z"),
            "noon",
            [Model(free="x")],
        ),
        faults,
    )
    assert [str(each) for each in faults] == [
        "moment must be an RFC 3339 time, such as 2024-03-21T10:30:00Z",
        "day must be a date, such as 2024-03-21",
    ]
    assert read.free == "noon"


def rows_of(library: str, rows: list[dict[str, Any]]) -> Any:
    """The same rows as a library has them, as its users pass them on."""
    module = pytest.importorskip(
        library, reason="no dependency of this project; test_edges.py has what its rows look like"
    )
    if library == "pandas":
        return module.DataFrame(rows).to_dict("records")
    if library == "polars":
        return module.DataFrame(rows).to_dicts()
    engine = module.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(module.text("create table people (id text, email text, name text)"))
        connection.execute(module.text("insert into people values (:id, :email, :name)"), rows)
        found = connection.execute(module.text("select * from people order by id")).mappings().all()
    engine.dispose()
    return found


@pytest.mark.parametrize("library", ["pandas", "polars", "sqlalchemy"])
def test_the_rows_of_a_real_library_are_sent(library: str) -> None:
    """What has no value in the frame or the table is absent from the request."""
    other = ID[:-1] + "1"
    rows = [
        {"id": ID, "email": "ada@example.com", "name": None},
        {"id": other, "email": None, "name": "Grace"},
    ]
    taken = rows_of(library, rows)
    with Hostile(answer(200)) as service:
        many("sync", taken, service.url)
    bodies = [json.loads(each.split(b"\r\n\r\n", 1)[1])["contact"] for each in service.requests]
    assert sorted(bodies, key=lambda each: str(each["id"])) == [
        {"id": ID, "email": "ada@example.com"},
        {"id": other, "name": "Grace"},
    ]


@pytest.mark.parametrize("nullable", [False, True])
def test_a_real_data_frame_of_pandas_is_sent(nullable: bool) -> None:
    """Times of pandas are times, NaT, NaN and NA are absent."""
    pandas = pytest.importorskip(
        "pandas", reason="no dependency of this project; test_edges.py has what its rows look like"
    )
    frame = pandas.DataFrame(
        {
            "first_name": ["Ada", "Grace"],
            "email": ["ada@example.com", "grace@example.com"],
            "birth_date": pandas.to_datetime(["1990-01-15T00:00:00Z", None]),
            "city": [None, "Arlington"],
            "postal_code": [float("nan"), "22201"],
        }
    )
    if nullable:
        frame = frame.convert_dtypes()
    rows = [
        {**row, "list_ids": ["NdrD"], "consent": FIELDS["retainful"]["consent"]}
        for row in frame.to_dict("records")
    ]
    with Hostile(answer(200, {"status": True})) as service:
        outcomes = many("sync", rows, service.url, api="retainful")
        assert [each.state for each in outcomes] == ["accepted", "accepted"], outcomes
        with pytest.raises(TypeError, match="to_dict"):
            many("sync", frame, service.url, api="retainful")
    bodies = {
        each["firstName"]: each
        for each in (json.loads(one.split(b"\r\n\r\n", 1)[1]) for one in service.requests)
    }
    assert bodies["Ada"]["birthDate"] == "1990-01-15T00:00:00.000Z"
    assert not {"city", "postalCode"} & set(bodies["Ada"])
    assert "birthDate" not in bodies["Grace"]
    assert bodies["Grace"]["postalCode"] == "22201"

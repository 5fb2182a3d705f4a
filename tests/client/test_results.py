"""What a call gives back can be written as JSON, and what it takes can be looked up and comes from where contacts are kept."""

from __future__ import annotations

import json
import pickle
from typing import Any
from uuid import UUID

import pytest

from contact_apis import PristoContact, PristoResult, RetainfulResult
from contact_apis._bulk import UpsertOutcome

from .hostile import Hostile, answer
from .kinds import GOOD, ID, KINDS, Kind, call, many

REQUEST = "5f0c2f4e-6a6e-4f57-9d63-0f8d2c1a7b11"
CONTACT = {"id": ID, "email": "ada@example.com", "lastName": "Lovelace", "customFields": {"tier": "gold"}}
PRISTO = PristoResult(created=True, contact=PristoContact.from_dict(CONTACT), request_id=UUID(REQUEST))
SHOWN: list[tuple[Any, dict[str, object]]] = [
    (PRISTO, {"created": True, "contact": CONTACT, "request_id": REQUEST}),
    (PristoResult(created=False, contact=None, request_id=UUID(REQUEST)), {"created": False, "contact": None, "request_id": REQUEST}),
    (pickle.loads(pickle.dumps(PRISTO)), {"created": True, "contact": CONTACT, "request_id": REQUEST}),  # noqa: S301 # our own
    (RetainfulResult(created=None, request_id=UUID(REQUEST)), {"created": None, "request_id": REQUEST}),
]
by_name = pytest.mark.parametrize(("result", "expected"), SHOWN, ids=["pristo", "no contact", "pickled", "retainful"])


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
def test_a_result_is_a_return_value_of_fastapi(result: Any, expected: dict[str, object], typed: bool) -> None:
    """With and without a return type, and the application's own description shows it."""
    fastapi = pytest.importorskip("fastapi", reason="no dependency of this project; the tests with pydantic say the same without it")
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

"""Each part of the vendors' documents has a clause, or a reason to have none."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.contract.clauses import APIS, load_specification
from tests.contract.coverage import load_exclusions, not_covered, stale

Json = dict[str, Any]
POST = {"pristo": "/v1/contacts/save/{populationId}", "retainful": "/v2/contacts"}


@pytest.mark.parametrize("api", APIS)
def test_every_part_of_a_document_is_covered(api: str) -> None:
    """And no clause and no exclusion points nowhere."""
    assert not_covered(api) == []
    assert stale(api) == []
    assert all(each["why"] for each in load_exclusions())


def new_path(document: Json, path: str) -> None:
    document["paths"]["/v3/news"] = {
        "get": {"operationId": "news", "responses": {"200": {"description": "news"}}}
    }


def new_method(document: Json, path: str) -> None:
    document["paths"][path]["delete"] = {
        "operationId": "remove",
        "responses": {"204": {"description": "gone"}},
    }


def new_status(document: Json, path: str) -> None:
    document["paths"][path]["post"]["responses"]["409"] = {"description": "conflict"}


def new_parameter(document: Json, path: str) -> None:
    document["paths"][path].setdefault("parameters", []).append(
        {"name": "dry", "in": "query", "schema": {"type": "boolean"}}
    )


def new_scheme(document: Json, path: str) -> None:
    document["components"]["securitySchemes"]["Other"] = {"type": "http", "scheme": "bearer"}


def new_member(document: Json, path: str) -> None:
    document["components"]["schemas"]["Contact"]["properties"]["nickname"] = {"type": "string"}


def new_required(document: Json, path: str) -> None:
    document["components"]["schemas"]["Contact"]["required"].append("lastName")


def new_bound(document: Json, path: str) -> None:
    document["components"]["schemas"]["Contact"]["properties"]["lastName"]["maxLength"] = 40


def new_format(document: Json, path: str) -> None:
    document["components"]["schemas"]["Contact"]["properties"]["lastName"]["format"] = "ipv4"


def new_enum(document: Json, path: str) -> None:
    document["components"]["schemas"]["Contact"]["properties"]["lastName"]["enum"] = ["a"]


def new_closed_object(document: Json, path: str) -> None:
    name = "ContactUpsertRequest" if "Id}" in path else "Consent"
    document["components"]["schemas"][name]["additionalProperties"] = False


def new_header(document: Json, path: str) -> None:
    header = {"schema": {"type": "integer"}}
    document["paths"][path]["post"]["responses"]["200"].setdefault("headers", {})["X-Left"] = header


NEWS = [
    (new_path, "~1v3~1news"),
    (new_method, "/delete"),
    (new_status, "/409"),
    (new_parameter, "/parameters/"),
    (new_scheme, "/Other"),
    (new_member, "/nickname"),
    (new_required, "/required/"),
    (new_bound, "/maxLength"),
    (new_format, "/format"),
    (new_enum, "/enum/0"),
    (new_closed_object, "/additionalProperties"),
    (new_header, "X-Left"),
]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("change", "named"), NEWS, ids=[change.__name__ for change, _ in NEWS])
def test_what_is_new_in_a_document_is_named(api: str, change: Any, named: str) -> None:
    """Of whatever kind it is."""
    document = copy.deepcopy(load_specification(api))
    change(document, POST[api])
    assert any(named in at for at in not_covered(api, document)), not_covered(api, document)


@pytest.mark.parametrize("api", APIS)
def test_a_clause_that_points_nowhere_is_named(api: str) -> None:
    """As when a member goes."""
    document = copy.deepcopy(load_specification(api))
    del document["components"]["schemas"]["Contact"]["properties"]["lastName"]
    assert any("lastName" in each for each in stale(api, document))

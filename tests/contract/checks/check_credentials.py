"""Security: each credential on its own, absent and wrong in every way, on a connection that just carried the right one."""

from __future__ import annotations

import pytest

from ...strategies import fixed_id
from ..oracle import accept, is_uuid, reject_credentials
from ..preflight import shapes
from ..service import NAMESPACE, Call, Service

# Credential header -> (clause for its absence, clause for a wrong one)
CLAUSES = {
    "X-API-Key": ("pristo.key-required", "pristo.key-checked"),
    "Retainful-Api-Key": ("retainful.api-key-required", "retainful.api-key-checked"),
    "Retainful-App-Id": ("retainful.app-id-required", "retainful.app-id-checked"),
}
HEADERS = [
    pytest.param(
        header,
        marks=pytest.mark.clause(*clauses, f"{clauses[0].partition('.')[0]}.{envelope}"),
        id=header,
    )
    for (header, clauses), envelope in zip(
        CLAUSES.items(), ["401-envelope", "401-body", "401-body"], strict=True
    )
]


def wrong_values(service: Service, header: str) -> dict[str, str]:
    """Values that are surely not the credential, by what is wrong with them."""
    right = service.endpoint.credentials[header]
    wrong = {
        "empty": "",
        "another of the same form": right[:-1] + ("0" if right[-1] != "0" else "1"),
        "truncated": right[:-1],
        "its first half": right[: len(right) // 2],
        "its second half": right[len(right) // 2 :],
        "without its first letter": right[1:],
        "backwards": right[::-1],
        "prolonged": right + "0",
        "with a letter before it": "0" + right,
        "nonsense": "wrong",
        "a word that databases like": "' OR '1'='1",
        "a word that programs like": "null",
        "its first letter": right[:1],
        "a star": "*",
    }
    if not is_uuid(right) and right.swapcase() != right:
        wrong["in the other letter case"] = right.swapcase()
    for other, value in service.endpoint.credentials.items():
        if other != header:
            wrong[f"the value of {other}"] = value
    if service.endpoint.population:
        wrong["the population's id"] = service.endpoint.population
    return {reason: value for reason, value in wrong.items() if value != right}


def valid(service: Service) -> Call:
    return service.upsert(shapes(service)[-1][2])


@pytest.mark.parametrize("header", HEADERS)
def test_a_credential_that_is_absent_or_wrong_is_answered_401(
    header: str, request: pytest.FixtureRequest
) -> None:
    """Each wrong request follows a right one on the same connection, for contacts that exist."""
    service: Service = request.getfixturevalue("pristo" if header == "X-API-Key" else "retainful")
    required, checked = CLAUSES[header]
    accept(service, valid(service), f"{service.api}.operation")
    reject_credentials(
        service, valid(service).with_header(header, None), required, f"a request without {header}"
    )
    for reason, value in service.within(wrong_values(service, header).items(), least=2):
        accept(service, valid(service), f"{service.api}.operation")
        clause = required if reason == "empty" else checked
        reject_credentials(
            service,
            valid(service).with_header(header, value),
            clause,
            f"a request whose {header} is {reason}",
        )


@pytest.mark.clause("pristo.key-required", "pristo.key-checked")
def test_nothing_beside_the_key_stands_for_it(pristo: Service) -> None:
    """Neither a correlation id, nor another population, nor a contact of few fields."""
    body = shapes(pristo)[0][2]
    calls = [pristo.upsert(body, request_id=fixed_id(NAMESPACE, "no key")), pristo.upsert(body)]
    if pristo.endpoint.second_population:
        calls.append(pristo.upsert(body, population=pristo.endpoint.second_population))
    for call in pristo.within(calls):
        accept(pristo, call, "pristo.operation")
        reject_credentials(
            pristo,
            call.with_header("X-API-Key", None),
            "pristo.key-required",
            "a request without X-API-Key",
        )
        reject_credentials(
            pristo,
            call.with_header("X-API-Key", "wrong"),
            "pristo.key-checked",
            "a request whose X-API-Key is nonsense",
        )


@pytest.mark.clause("retainful.api-key-checked", "retainful.app-id-checked")
def test_credentials_that_changed_places_are_wrong(retainful: Service) -> None:
    """Each in the other's header, both at once."""
    (key, secret), (app, number) = retainful.endpoint.credentials.items()
    call = valid(retainful).with_header(key, number).with_header(app, secret)
    reject_credentials(
        retainful,
        call,
        "retainful.api-key-checked",
        "a request whose API key and App ID changed places",
    )


@pytest.mark.clause("{api}.no-server-error", "{api}.documented-statuses")
def test_a_request_without_any_credentials_is_answered_401(service: Service) -> None:
    """All credentials absent at once, for a body that is valid and for one that is empty."""
    call = valid(service)
    for header in service.endpoint.credentials:
        call = call.with_header(header, None)
    clause = CLAUSES[next(iter(service.endpoint.credentials))][0]
    reject_credentials(service, call, clause, "a request without credentials")


@pytest.mark.parametrize(
    ("api", "clause"),
    [
        pytest.param(clause.partition(".")[0], clause, marks=pytest.mark.clause(clause))
        for clause in ("pristo.key-in-header", "retainful.credentials-in-headers")
    ],
)
def test_header_names_are_taken_in_any_letter_case(
    api: str, clause: str, request: pytest.FixtureRequest
) -> None:
    """HTTP makes no difference between X-API-Key and x-api-key."""
    service: Service = request.getfixturevalue(api)
    for spelling in service.within([str.lower, str.upper]):
        call = valid(service)
        for header, value in service.endpoint.credentials.items():
            call = call.with_header(header, None).with_header(spelling(header), value)
        accept(
            service,
            call,
            clause,
            "a request whose credentials stand in headers of another letter case",
        )

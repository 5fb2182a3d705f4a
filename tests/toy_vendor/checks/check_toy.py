"""What the toy vendor does that no schema says: whom it forgets, and which segments it lists."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.contract.expectations import status
from tests.contract.oracle import accept, refuse
from tests.contract.service import Breach, Call, Service


def call_of(service: Service, operation_id: str, tail: str = "", **path: str) -> Call:
    """A request without a body, with the right credentials."""
    operation = service.profile.contract.operation(operation_id)
    url = service.endpoint.base_url + operation.expand(path) + tail
    return Call(operation.method, url, tuple(service.endpoint.credentials.items()))


@pytest.mark.clause("toy.forgotten-once")
def test_a_person_is_forgotten_once(toy: Service) -> None:
    """Who was saved is forgotten, and then unknown."""
    email = "to-be-forgotten@example.com"
    accept(toy, toy.upsert({"email": email}), "toy.operation")
    for expected in (204, 404):
        exchange = toy.send(call_of(toy, "forgetPerson", email=email))
        if exchange.status != expected:
            message = f"forgetting a person returned {exchange.status} instead of {expected}"
            raise Breach("toy.forgotten-once", message, exchange, expects=status(expected))


@pytest.mark.clause("toy.segments-listed", "toy.segments-envelope")
def test_segments_are_listed(toy: Service) -> None:
    """A list goes out as a parameter that is repeated."""
    tail = f"?name={quote('a')}&name={quote('b')}"
    accept(toy, call_of(toy, "listSegments", tail), "toy.segments-listed")


@pytest.mark.clause("toy.no-other-members")
def test_a_member_that_is_not_listed_is_refused(toy: Service) -> None:
    """The document closes its schema."""
    body = {"email": "closed@example.com", "shoeSize": 42}
    refuse(toy, toy.upsert(body), "toy.no-other-members", "a person with a shoe size")


@pytest.mark.clause("toy.saved-person-is-shown")
def test_the_saved_person_is_shown(toy: Service) -> None:
    """The address comes back as it was sent."""
    email = "Shown@example.com"
    exchange = accept(toy, toy.upsert({"email": email}), "toy.operation")
    if exchange.json().get("email") != email:
        message = "the response shows another address than the one that was sent"
        raise Breach("toy.saved-person-is-shown", message, exchange)


@pytest.mark.clause("toy.problem-envelope")
def test_errors_have_the_form_of_errors(toy: Service) -> None:
    """Judged with every response; here one is surely met."""
    refuse(toy, toy.upsert({}), "toy.email-required", "an empty object")

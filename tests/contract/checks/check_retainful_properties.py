"""Properties over generated contacts of Retainful, and a state machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ...strategies import (
    PHONES,
    POOL_EMAILS,
    names,
    retainful_contacts,
    unusual_text,
)
from ..oracle import accept
from ..profiles.profile import properties_of
from ..profiles.retainful import LIST, identifier, least_contact
from ..service import Service

Json = dict[str, Any]


@pytest.mark.clause("retainful.operation", "retainful.success-answer")
@pytest.mark.examples(requests=1)
@given(st.data())
def test_any_realistic_contact_is_accepted(retainful: Service, data: st.DataObject) -> None:
    """Whatever a contact holds, an upsert of it is accepted."""
    contact = data.draw(
        retainful_contacts(properties_of(retainful), retainful.endpoint.value(LIST))
    )
    retainful.begin_example()
    with retainful.sending():
        accept(retainful, retainful.upsert(contact), "retainful.operation")


@pytest.mark.clause("retainful.documented-statuses", "retainful.no-server-error")
@pytest.mark.examples(requests=1)
@given(
    member=st.sampled_from(["firstName", "lastName", "city", "state", "postalCode", "gender"]),
    text=unusual_text(),
)
def test_unusual_text_gets_a_documented_answer_from_retainful(
    retainful: Service, member: str, text: str
) -> None:
    """Text that nobody is called may be refused or taken; the answer is one of those that are documented."""
    retainful.begin_example()
    with retainful.sending():
        retainful.send(retainful.upsert({**least_contact(retainful, 16), member: text}))


class RetainfulMachine(RuleBasedStateMachine):
    """Interleaved upserts of a few contacts by address, by address and number, and by a number that is known."""

    service: Service

    @initialize()
    def learn_the_reading(self) -> None:
        self.service.begin_example()
        self.known: set[str] = set()

    @rule(person=st.integers(17, 20), with_phone=st.booleans(), name=names())
    def upsert(self, person: int, with_phone: bool, name: str) -> None:
        phone = PHONES[person] if with_phone else None
        identifiers = [
            identifier("email", POOL_EMAILS[person]),
            *([identifier("phone", phone)] if phone else []),
        ]
        contact = {**least_contact(self.service), "firstName": name, "identifiers": identifiers}
        with self.service.sending():
            accept(
                self.service,
                self.service.upsert(contact),
                "retainful.existing-contact-is-updated",
                "an upsert of a realistic contact",
            )
        self.known |= {phone} if phone else set()

    @rule(phone=st.sampled_from(PHONES[17:21]))
    def upsert_by_phone(self, phone: str) -> None:
        contact = {**least_contact(self.service), "identifiers": [identifier("phone", phone)]}
        with self.service.sending():
            self.service.send(self.service.upsert(contact))


def _run(machine: type[RuleBasedStateMachine], service: Service) -> None:
    bound = type(machine.__name__, (machine,), {"service": service})
    run_state_machine_as_test(bound)


@pytest.mark.clause("retainful.existing-contact-is-updated", "retainful.answers-every-request")
@pytest.mark.examples(requests=0, steps=1)
def test_retainful_accepts_what_it_must_through_any_sequence(retainful: Service) -> None:
    """The state machine of Retainful."""
    _run(RetainfulMachine, retainful)

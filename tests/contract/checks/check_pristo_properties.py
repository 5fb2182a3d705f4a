"""Properties over generated contacts of Pristo, and a state machine that knows what must be stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ...strategies import (
    PHONES,
    PLAIN_POOL,
    address_of,
    names,
    pristo_contacts,
    unusual_text,
)
from ..oracle import accept, refuse, reject_credentials
from ..profiles.pristo import POPULATION, custom_fields, full_contact
from ..profiles.profile import properties_of
from ..service import Breach, Call, Exchange, Service
from .check_fields import calls_by_clause
from .check_pristo import Ledger, is_about_what_is_stored

Json = dict[str, Any]


@pytest.mark.clause("pristo.refused-writes-nothing")
def test_no_body_that_breaks_a_rule_is_stored(pristo: Service) -> None:
    """All of them, about a contact whose every field is otherwise: a look behind each shows it as it was."""
    ledger, full = Ledger(pristo), full_contact(pristo, PLAIN_POOL[2])
    ledger.reset(PLAIN_POOL[2])
    kept = {
        name: f"kept {name}"
        for name, schema in properties_of(pristo).items()
        if name in full and set(schema) <= {"type", "description"}
    }
    kept |= {"email": address_of(PLAIN_POOL[2], "kept"), "phone": PHONES[30], "language": "fr"}
    ledger.upsert(
        {"id": PLAIN_POOL[2], **{name: value for name, value in kept.items() if name in full}}
    )
    broken = calls_by_clause(pristo).items()
    about_the_contact = [
        each
        for each in broken
        if not each[0].startswith(("pristo.body", "pristo.contact", "pristo.id"))
    ]
    for _, calls in pristo.within(about_the_contact):
        if calls:
            refused = [call for call in pristo.within(calls) if pristo.send(call).status >= 400]
            with nothing_written(refused[-1] if refused else calls[-1]):
                ledger.upsert({"id": PLAIN_POOL[2]})


@contextmanager
def nothing_written(call: Call) -> Iterator[None]:
    """What breaks inside shows that the refused request before it was stored."""
    try:
        yield
    except Breach as breach:
        if not is_about_what_is_stored(breach):
            raise
        message = f"a request was refused, and what it brought is stored: {breach.message}"
        refused = Exchange(call, 400, {}, b"")
        raise Breach(
            "pristo.refused-writes-nothing",
            message,
            refused,
            *breach.exchanges,
            expects=breach.expects,
        ) from None


@pytest.mark.clause("pristo.operation", "pristo.answer-shows-what-was-sent")
@pytest.mark.examples(requests=3)
@given(st.data())
def test_any_realistic_contact_is_accepted_and_shown(pristo: Service, data: st.DataObject) -> None:
    """Whatever a contact holds, an upsert of it is accepted and shows what was sent."""
    contact = data.draw(pristo_contacts(properties_of(pristo), custom_fields(pristo.endpoint)))
    pristo.begin_example()
    ledger = Ledger(pristo)
    with pristo.sending():
        ledger.reset(contact["id"])
        ledger.upsert(contact)
        ledger.upsert({"id": contact["id"]})


@pytest.mark.clause("pristo.documented-statuses", "pristo.no-server-error")
@pytest.mark.examples(requests=1)
@given(
    member=st.sampled_from(["name", "lastName", "phone", "language", "email"]), text=unusual_text()
)
def test_unusual_text_gets_a_documented_answer_from_pristo(
    pristo: Service, member: str, text: str
) -> None:
    """Text that nobody is called may be refused or taken; the answer is one of those that are documented."""
    pristo.begin_example()
    with pristo.sending():
        pristo.send(pristo.upsert({"contact": {"id": PLAIN_POOL[16], member: text}}))


class PristoMachine(RuleBasedStateMachine):
    """Interleaved upserts of a few contacts, compared with what must be stored after each."""

    service: Service

    @initialize()
    def bring_contacts_to_a_known_state(self) -> None:
        self.service.begin_example()
        self.ledger = Ledger(self.service)
        with self.service.sending():
            for contact_id in PLAIN_POOL[17:20]:
                self.ledger.reset(contact_id)

    @rule(data=st.data())
    def upsert(self, data: st.DataObject) -> None:
        service = self.service
        contacts = pristo_contacts(
            properties_of(service), custom_fields(service.endpoint), ids=PLAIN_POOL[17:20]
        )
        contact = data.draw(contacts)
        with service.sending():
            self.ledger.upsert(contact)

    @rule(contact_id=st.sampled_from(PLAIN_POOL[17:20]))
    def touch(self, contact_id: str) -> None:
        with self.service.sending():
            self.ledger.upsert({"id": contact_id})

    @rule(contact_id=st.sampled_from(PLAIN_POOL[17:20]), name=names())
    def send_without_key(self, contact_id: str, name: str) -> None:
        call = self.service.upsert({"contact": {"id": contact_id, "name": name}}).with_header(
            "X-API-Key", None
        )
        with self.service.sending():
            reject_credentials(
                self.service, call, "pristo.key-required", "a request without X-API-Key"
            )

    @rule(contact_id=st.sampled_from(PLAIN_POOL[17:20]), name=names())
    def send_what_is_refused(self, contact_id: str, name: str) -> None:
        call = self.service.upsert({"contact": {"id": contact_id, "name": name, "email": 7}})
        with self.service.sending():
            refuse(
                self.service, call, "pristo.email-is-string", "a request whose email is a number"
            )


def _run(machine: type[RuleBasedStateMachine], service: Service) -> None:
    bound = type(machine.__name__, (machine,), {"service": service})
    run_state_machine_as_test(bound)


@pytest.mark.clause(
    "pristo.update-keeps-the-rest",
    "pristo.update-replaces-what-was-given",
    "pristo.refused-writes-nothing",
)
@pytest.mark.examples(requests=3, steps=1)
def test_pristo_keeps_what_it_must_through_any_sequence(pristo: Service) -> None:
    """The state machine of Pristo."""
    _run(PristoMachine, pristo)


@pytest.mark.clause("pristo.update-answers-200", "pristo.update-keeps-the-rest")
def test_what_was_created_in_this_run_is_still_there(pristo: Service) -> None:
    """Contacts that were new, after a hundred others: an upsert is an update, and keeps what they were."""
    ledger = Ledger(pristo)
    for number in pristo.within(range(min(100, pristo.contacts_to_spare)), least=0):
        accept(
            pristo,
            pristo.upsert({"contact": {"id": pristo.fresh_id(f"one of many {number}")}}),
            "pristo.operation",
        )
    for contact_id, contact in list(pristo.created.items()):
        ledger.stored[str(UUID(pristo.endpoint.value(POPULATION))), contact_id] = contact
        # With a field, for an answer may show an id alone.
        ledger.upsert({"id": contact_id, "name": "Grace"})

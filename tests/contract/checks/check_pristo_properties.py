"""Properties over generated contacts of Pristo, and a state machine that knows what must be stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
from ..profiles.pristo import custom_fields, full_contact
from ..profiles.profile import properties_of
from ..service import Breach, Call, Exchange, Service
from .check_fields import calls_by_clause
from .check_pristo import Ledger, is_about_what_is_stored

Json = dict[str, Any]


@pytest.mark.clause("pristo.refused-writes-nothing")
def test_no_body_that_breaks_a_rule_is_stored(pristo: Service) -> None:
    """All of them, about a contact whose every field is otherwise: a look behind each shows it as it was."""
    contact_id = PLAIN_POOL[2]
    full = full_contact(pristo, contact_id)
    ledger = Ledger(pristo)
    ledger.reset(contact_id)
    kept: Json = {}
    for name, schema in properties_of(pristo).items():
        if set(schema) <= {"type", "description"}:
            kept[name] = f"kept {name}"
    kept |= {"email": address_of(contact_id, "kept"), "phone": PHONES[30], "language": "fr"}
    known = {name: value for name, value in kept.items() if name in full}
    ledger.upsert({"id": contact_id, **known})
    for calls in pristo.within(_broken_contacts(pristo)):
        if calls:
            refused = [call for call in pristo.within(calls) if pristo.send(call).status >= 400]
            last = calls[-1]
            if refused:
                last = refused[-1]
            with nothing_written(last):
                ledger.upsert({"id": contact_id})


def _broken_contacts(service: Service) -> list[list[Call]]:
    """Requests that break a rule about a contact's fields, by rule."""
    others = ("pristo.body", "pristo.contact", "pristo.id")
    found = []
    for clause, calls in calls_by_clause(service).items():
        if not clause.startswith(others):
            found.append(calls)
    return found


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
        clause = "pristo.refused-writes-nothing"
        exchanges = (refused, *breach.exchanges)
        raise Breach(clause, message, *exchanges, expects=breach.expects) from None


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
def test_unusual_text_gets_a_documented_response_from_pristo(
    pristo: Service, member: str, text: str
) -> None:
    """Text that nobody is called may be refused or taken; the response is one of those that are documented."""
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
        properties = properties_of(self.service)
        keys = custom_fields(self.service.endpoint)
        contacts = pristo_contacts(properties, keys, ids=PLAIN_POOL[17:20])
        contact = data.draw(contacts)
        with self.service.sending():
            self.ledger.upsert(contact)

    @rule(contact_id=st.sampled_from(PLAIN_POOL[17:20]))
    def touch(self, contact_id: str) -> None:
        with self.service.sending():
            self.ledger.upsert({"id": contact_id})

    @rule(contact_id=st.sampled_from(PLAIN_POOL[17:20]), name=names())
    def send_without_key(self, contact_id: str, name: str) -> None:
        call = self.service.upsert({"contact": {"id": contact_id, "name": name}})
        call = call.with_header("X-API-Key", None)
        why = "a request without X-API-Key"
        with self.service.sending():
            reject_credentials(self.service, call, "pristo.key-required", why)

    @rule(contact_id=st.sampled_from(PLAIN_POOL[17:20]), name=names())
    def send_what_is_refused(self, contact_id: str, name: str) -> None:
        call = self.service.upsert({"contact": {"id": contact_id, "name": name, "email": 7}})
        why = "a request whose email is a number"
        with self.service.sending():
            refuse(self.service, call, "pristo.email-is-string", why)


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
        contact_id = pristo.fresh_id(f"one of many {number}")
        accept(pristo, pristo.upsert({"contact": {"id": contact_id}}), "pristo.operation")
    for contact_id, contact in list(pristo.created.items()):
        ledger.put(contact_id, contact)
        # With a field, for a response may show an id alone.
        ledger.upsert({"id": contact_id, "name": "Grace"})

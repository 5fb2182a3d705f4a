"""Pristo's behaviour: what is created, what is kept, what is shown, and what keeps apart from what."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from attrs import frozen

from ...strategies import (
    EMAILS,
    FOREIGN_PHONES,
    LANGUAGES,
    LOOKALIKES,
    MAX,
    NAMES,
    NEAR_POOL,
    NIL,
    ODD_NAMES,
    PHONES,
    PLAIN_POOL,
    UNUSUAL,
    VERSIONS,
    address_of,
    fixed_id,
)
from ..clauses import load_clauses, load_specification, resolve_pointer
from ..expectations import ACCEPTED, Fact, at_once, not_status, pointer, status, updated
from ..expectations import shown as shown_facts
from ..oracle import accept, refuse, reject_credentials
from ..preflight import shapes
from ..profiles.pristo import POPULATION, SECOND_POPULATION, custom_fields, full_contact
from ..service import (
    ATTEMPTS_AT_ONCE,
    LEAST_AT_ONCE,
    NAMESPACE,
    THROTTLED_AT_ONCE,
    Breach,
    Call,
    Exchange,
    LeftOut,
    NotExercised,
    Patience,
    Service,
    fewer_at_once,
)

# Names that no backend changes, for requests that are about something else.
PLAIN_NAMES = ["Ada", "Grace", "Joan", "Mary", "Hedy", "Karen", "Radia", "Edith"]

Json = dict[str, Any]
Observe = Callable[[str], None]


class Ledger:
    """What Pristo must have stored, as far as the responses of this run have shown it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.stored: dict[tuple[str, str], Json] = {}

    def upsert(
        self,
        contact: Json,
        *,
        population: str | None = None,
        clause: str = "pristo.operation",
        why: str = "a valid request",
    ) -> Exchange:
        """Sends a valid upsert, and compares status and response with what must be stored then."""
        account = {POPULATION: population or self.service.endpoint.value(POPULATION)}
        call = self.service.upsert({"contact": contact}, account=account)
        exchange = accept(self.service, call, clause, why)
        return self.compare(exchange, contact, population)

    def compare(self, exchange: Exchange, contact: Json, population: str | None = None) -> Exchange:
        """Books an accepted upsert and judges its response."""
        own = canonical(self.service.endpoint.value(POPULATION))
        key = (canonical(population or own), canonical(contact["id"]))
        before = self.stored.get(key)
        if before is not None and exchange.status != 200:
            message = f"an update returned {exchange.status}"
            raise Breach("pristo.update-answers-200", message, exchange, expects=updated())
        is_new = before is None
        if before is None:
            before = {}
            if exchange.status != 201:
                return exchange  # it was there before this run, and nobody knows how
        expected = merge(before, contact)
        self.stored[key] = expected
        created = self.service.created
        if key[0] == own and (exchange.status == 201 or key[1] in created):
            created[key[1]] = expected
        compare_shown(exchange, contact, before, expected, created=is_new)
        return exchange

    def reset(self, contact_id: str) -> None:
        """Brings a contact of the pool, whatever earlier runs left in it, to a state that is known whole."""
        full = full_contact(self.service, contact_id)
        call = self.service.upsert({"contact": full})
        accept(self.service, call, "pristo.operation", "a contact with all the document's fields")
        self.put(contact_id, full)

    def put(self, contact_id: str, contact: Json) -> None:
        """Books what the population of the run has stored."""
        own = canonical(self.service.endpoint.value(POPULATION))
        self.stored[own, canonical(contact_id)] = contact

    def state(self, contact_id: str) -> Json:
        own = canonical(self.service.endpoint.value(POPULATION))
        return self.stored[own, canonical(contact_id)]


def canonical(text: str) -> str:
    """A UUID in the usual form."""
    return str(UUID(text))


def merge(stored: Json, given: Json) -> Json:
    """What must be stored after an upsert: what is given wins, what is left out stays, custom fields one by one."""
    merged = {**stored, **given}
    if "customFields" in given:
        merged["customFields"] = {**stored.get("customFields", {}), **given["customFields"]}
    return merged


def flat(contact: Json) -> Json:
    """A contact's fields side by side, custom ones under names of two parts; without the id."""
    fields = {name: value for name, value in contact.items() if name not in ("id", "customFields")}
    for name, value in contact.get("customFields", {}).items():
        fields[f"customFields.{name}"] = value
    return fields


def properties_of_a_contact() -> list[str]:
    """The members that the document knows, without the id and the custom ones."""
    schemas = load_specification("pristo")["components"]["schemas"]
    members = schemas["Contact"]["properties"]
    return [name for name in members if name not in ("id", "customFields")]


# ------------------------------------------------------------------------------------------- what a response shows


def compare_shown(
    exchange: Exchange, given: Json, before: Json, expected: Json, *, created: bool
) -> None:
    """Judges the contact that a response shows; one that shows none, or an id alone, is right."""
    shown = exchange.json().get("contact")
    if not shown:
        return
    wanted = flat(expected)
    known = dict.fromkeys([*flat(shown), *properties_of_a_contact()])
    forbidden = [name for name in known if name not in wanted]
    comparison = _Comparison(
        exchange,
        sent=flat(given),
        before=flat(before),
        wanted=wanted,
        shown=flat(shown),
        is_new=created,
        facts=shown_facts(wanted, given["id"], forbidden),
    )
    if "id" in shown and UUID(shown["id"]) != UUID(given["id"]):
        raise comparison.breach(SHOWS_WHAT_WAS_SENT, "the response shows another contact's id")
    if set(shown) <= {"id"}:
        return
    if "id" not in shown:
        raise comparison.breach(SHOWS_WHOLE, "the response shows a contact without its id")
    comparison.judge_fields()


SHOWS_WHAT_WAS_SENT = "pristo.answer-shows-what-was-sent"
SHOWS_WHOLE = "pristo.answer-shows-whole-contact"
KEEPS_THE_REST = "pristo.update-keeps-the-rest"


@frozen
class _Comparison:
    """The fields that a response shows, beside those that it must show."""

    exchange: Exchange
    sent: Json
    before: Json
    """What was stored before the request."""
    wanted: Json
    shown: Json
    is_new: bool
    facts: tuple[Fact, ...]

    def breach(self, clause: str, message: str) -> Breach:
        return Breach(clause, message, self.exchange, expects=self.facts)

    def judge_fields(self) -> None:
        for name, value in self.wanted.items():
            if name not in self.shown:
                raise self._missing(name)
            if self.shown[name] != value:
                raise self._another_value(name, value)
        for name in self.shown:
            if name not in self.wanted:
                raise self.breach(SHOWS_WHAT_WAS_SENT, f"{name} is shown and was never sent")

    def _missing(self, name: str) -> Breach:
        clause = KEEPS_THE_REST
        if self.is_new or name in self.sent:
            clause = SHOWS_WHOLE
        origin = "stored before"
        if name in self.sent:
            origin = "sent"
        return self.breach(clause, f"{name} was {origin} and is not shown")

    def _another_value(self, name: str, value: Any) -> Breach:
        shown = self.shown[name]
        if name not in self.sent:
            message = f"{name} was left out, was {value!a}, and is {shown!a} now"
            return self.breach(KEEPS_THE_REST, message)
        is_alike = _alike(value, shown)
        is_old = not self.is_new and name in self.before and shown == self.before[name]
        if is_old and not is_alike:
            message = f"{name} was given and still has its old value"
            return self.breach("pristo.update-replaces-what-was-given", message)
        clause = SHOWS_WHAT_WAS_SENT
        if is_alike:
            clause = "pristo.text-unchanged"
        return self.breach(clause, f"{name} is shown as {shown!a} and was sent as {value!a}")


def _alike(sent: object, shown: object) -> bool:
    """Whether one text is the other after some change that backends make."""
    if not isinstance(sent, str) or not isinstance(shown, str):
        return False
    if _core(sent) == _core(shown):
        return True
    if sent.startswith(shown) or shown.startswith(sent):
        return True
    return any(sign in shown for sign in ("?", "\ufffd", "&"))


def _core(text: str) -> str:
    """The letters and digits of a text, without case, accents and width."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[\W_]", "", letters)


def is_about_what_is_stored(breach: Breach) -> bool:
    """Whether an answer shows, or tells by its status, another state than the requests before should have left."""
    return breach.clause.startswith(("pristo.update-", "pristo.answer-shows-"))


@contextmanager
def blamed_on(clause: str, message: str = "") -> Iterator[None]:
    """What a response shows wrongly inside is a violation of this clause: it is what the requests were about."""
    try:
        yield
    except Breach as breach:
        if not is_about_what_is_stored(breach):
            raise
        text = message or breach.message
        raise Breach(clause, text, *breach.exchanges, expects=breach.expects) from None


@pytest.mark.clause(
    "pristo.create-answers-201",
    "pristo.answer-shows-what-was-sent",
    "pristo.answer-shows-whole-contact",
    "pristo.answer-fits-schema",
)
def test_a_new_contact_is_created_and_shown_as_sent(pristo: Service) -> None:
    """A fresh id returns 201 once (in the preflight), and 200 from then on."""
    exchange = pristo.first_created
    if exchange is None:
        raise LeftOut(f"it does not fit into CONTRACT_NEW_CONTACTS={pristo.settings.new_contacts}")
    ledger = Ledger(pristo)
    contact = exchange.call.json()["contact"]
    ledger.compare(exchange, contact)
    ledger.upsert(contact)
    for members in ([], ["name"], ["email", "language"]):
        if pristo.can_spare():
            full = full_contact(pristo, pristo.fresh_id("create"))
            fresh = {name: value for name, value in full.items() if name in ("id", *members)}
            exchange = ledger.upsert(fresh)
            if exchange.status != 201:
                message = f"the first upsert of a new id returned {exchange.status}"
                raise Breach("pristo.create-answers-201", message, exchange, expects=status(201))


@pytest.mark.clause(
    "pristo.update-answers-200",
    "pristo.update-replaces-what-was-given",
    "pristo.update-keeps-the-rest",
    "pristo.repeat-changes-nothing",
)
def test_an_update_changes_what_it_gives_and_nothing_else(pristo: Service) -> None:
    """Each field alone, then none at all, then each custom field alone, then the same again."""
    ledger = Ledger(pristo)
    contact_id = PLAIN_POOL[4]
    ledger.reset(contact_id)
    news = news_for(contact_id)
    names = [name for name in ledger.state(contact_id) if name in news]
    for name in pristo.within(names):
        ledger.upsert({"id": contact_id, name: news[name]})
        ledger.upsert({"id": contact_id})
    for number, key in pristo.within(enumerate(custom_fields(pristo.endpoint))):
        ledger.upsert({"id": contact_id, "customFields": {key: f"news {number}"}})
        ledger.upsert({"id": contact_id})
    for _ in pristo.within(range(3)):
        call = pristo.upsert({"contact": dict(ledger.state(contact_id))})
        exchange = pristo.send(call)
        if exchange.status != 200:
            message = f"the same upsert again returned {exchange.status}"
            raise Breach("pristo.repeat-changes-nothing", message, exchange, expects=updated())
        ledger.compare(exchange, ledger.state(contact_id))


def news_for(contact_id: str) -> Json:
    """Other values than those of :func:`full_contact`."""
    return {
        "name": "Grace",
        "lastName": "Hopper",
        "email": address_of(contact_id, "news"),
        "phone": PHONES[9],
        "language": "fr",
    }


@pytest.mark.clause(
    "pristo.request-id-optional", "pristo.request-id-comes-back", "pristo.answer-request-id-is-uuid"
)
def test_a_correlation_id_comes_back(pristo: Service) -> None:
    """Any UUID, in small letters and in capitals; without one the request is as good."""
    for number in pristo.within(range(5)):
        sent = fixed_id(NAMESPACE, f"request {number}")
        for request_id in (sent, sent.upper()):
            call = pristo.upsert({"contact": {"id": PLAIN_POOL[5]}}, request_id=request_id)
            accept(pristo, call, "pristo.operation", "a request with an X-Request-Id")
        call = call.with_header("X-Request-Id", None)
        accept(pristo, call, "pristo.request-id-optional", "a request without X-Request-Id")


@pytest.mark.clause("pristo.request-id-is-uuid")
def test_a_correlation_id_that_is_no_uuid_is_refused(pristo: Service) -> None:
    """The parameter's format holds for requests too."""
    known = PLAIN_POOL[0]
    for text in pristo.within(["not-a-uuid", "12345", known[:-1], known + "0"]):
        call = pristo.upsert({"contact": {"id": PLAIN_POOL[5]}}, request_id=text)
        why = f"a request whose X-Request-Id is “{text}”"
        refuse(pristo, call, "pristo.request-id-is-uuid", why)


@pytest.mark.clause("pristo.population-is-uuid")
def test_a_population_that_is_no_uuid_is_refused(pristo: Service) -> None:
    """In the path, where a database id or a name may slip through."""
    known = pristo.endpoint.value(POPULATION)
    texts = ["not-a-uuid", "1", "pop_123", known[:-1], known + "0", known[:-1] + "g"]
    for text in pristo.within(texts):
        call = pristo.upsert({"contact": {"id": PLAIN_POOL[5]}}, account={POPULATION: text})
        refuse(pristo, call, "pristo.population-is-uuid", f"a request to the population “{text}”")


@pytest.mark.clause("pristo.400-envelope", "pristo.401-envelope")
def test_errors_have_the_form_of_errors(pristo: Service) -> None:
    """Judged with every response; here both are surely met."""
    call = pristo.upsert({})
    refuse(pristo, call, "pristo.contact-required", "a body without `contact`")
    pristo.send(call.with_header("X-API-Key", None))


@pytest.mark.clause("pristo.id-is-uuid")
def test_an_id_need_not_be_random(pristo: Service) -> None:
    """A UUID made from a name is a UUID: the client owns the id. One that differs in the digit of the version is another."""
    ledger = Ledger(pristo)
    for version, name in ((5, "Ada"), (4, "Grace")):
        contact_id = VERSIONS[version]
        call = pristo.upsert({"contact": {"id": contact_id}})
        accept(pristo, call, "pristo.id-is-uuid", f"an id of version {version}")
        ledger.reset(contact_id)
        ledger.upsert({"id": contact_id, "name": name})
    ledger.upsert({"id": VERSIONS[5]})


@pytest.mark.clause("pristo.id-compared-as-uuid")
def test_an_id_in_capitals_is_the_same_contact(pristo: Service) -> None:
    """Letter case is no part of a UUID; so the response is 200, and what is stored is shown."""
    ledger = Ledger(pristo)
    contact_id = pristo.fresh_id("capitals") if pristo.can_spare() else PLAIN_POOL[20]
    ledger.reset(contact_id)
    clause = "pristo.id-compared-as-uuid"
    call = pristo.upsert({"contact": {"id": contact_id.upper()}})
    exchange = accept(pristo, call, clause, "an id in capitals")
    if exchange.status != 200:
        message = "an id in capitals creates a second contact"
        raise Breach(clause, message, exchange, expects=status(200))
    ledger.compare(exchange, {"id": contact_id})
    population = pristo.endpoint.value(POPULATION).upper()
    call = pristo.upsert({"contact": {"id": contact_id}}, account={POPULATION: population})
    exchange = accept(pristo, call, clause, "a population's id in capitals")
    if exchange.status != 200:
        message = "a population's id in capitals is another population"
        raise Breach(clause, message, exchange, expects=status(200))


@pytest.mark.clause("pristo.id-identifies")
def test_contacts_are_told_apart_by_their_id_alone(pristo: Service) -> None:
    """Two contacts with the same name, email and phone stay two."""
    ledger = Ledger(pristo)
    first = PLAIN_POOL[6]
    second = PLAIN_POOL[7]
    for contact_id in (first, second, *NEAR_POOL):
        ledger.reset(contact_id)
    grace = {"name": "Grace", "email": "grace@example.com", "phone": PHONES[8]}
    with blamed_on("pristo.id-identifies"):
        ledger.upsert({"id": first, **grace})
        ledger.upsert({"id": second})
        if pristo.can_spare():
            third = {"id": pristo.fresh_id("same address"), **grace}
            exchange = pristo.send(pristo.upsert({"contact": third}))
            if exchange.status == 200:
                message = "a new id with another contact's email updates that contact"
                raise Breach("pristo.id-identifies", message, exchange, expects=not_status(200))
            if exchange.status == 201:
                ledger.compare(exchange, third)
        # Ids that differ in one digit, at either end, are other contacts.
        for contact_id in NEAR_POOL:
            ledger.upsert({"id": contact_id, "name": "Near"})
        ledger.upsert({"id": first})
        ledger.upsert({"id": second})


@pytest.mark.clause("pristo.populations-apart")
def test_populations_do_not_share_contacts(pristo: Service) -> None:
    """An id that exists in one population is new in the other, and shows nothing of the first."""
    second = pristo.endpoint.value(SECOND_POPULATION)
    if not second:
        raise NotExercised("PRISTO_SECOND_POPULATION_ID is not set")
    clause = "pristo.populations-apart"
    ledger = Ledger(pristo)
    contact_id = pristo.fresh_id("populations", contacts=2)
    first = full_contact(pristo, contact_id)
    if "language" in first:
        first["language"] = "fr"  # not one that a service may give to every contact
    ledger.upsert(first)
    other = {"id": contact_id, "name": "Other"}
    call = pristo.upsert({"contact": other}, account={POPULATION: second})
    exchange = accept(pristo, call, clause, "the second population")
    if exchange.status != 201:
        message = f"an id of the first population returned {exchange.status} in the second"
        raise Breach(clause, message, exchange, expects=status(201))
    if _shows_any_of(first, exchange):
        with blamed_on(clause):
            ledger.compare(exchange, other, second)
    else:
        # What is neither of this population nor of the other is no matter of populations.
        ledger.compare(exchange, other, second)
    with blamed_on(clause):
        ledger.upsert({"id": contact_id})
        ledger.upsert({"id": contact_id}, population=second)


def _shows_any_of(contact: Json, exchange: Exchange) -> bool:
    shown = flat(exchange.json().get("contact") or {})
    return any(shown.get(name) == value for name, value in flat(contact).items())


@pytest.mark.clause("pristo.concurrent-creates-once")
def test_concurrent_first_upserts_create_once(pristo: Service) -> None:
    """Eight first upserts of one id in the same moment: one 201, the others 200; each response is its own request's."""
    rounds = 4
    if pristo.settings.is_gentle:
        rounds = 1
    for round_ in pristo.within(range(rounds)):
        if round_ and not pristo.can_spare():
            break
        _create_at_once(pristo, round_)


def _create_at_once(service: Service, round_: int) -> None:
    """Where the service throttles all but one of them, fewer are sent at once later, for another contact if that one was taken."""
    contact_id = service.fresh_id(f"at once {round_}")
    number = 8
    patience = Patience()
    while patience.attempts < ATTEMPTS_AT_ONCE:
        calls = []
        for place in range(number):
            request_id = fixed_id(NAMESPACE, f"at once {round_} {patience.attempts} {place}")
            calls.append(service.upsert({"contact": {"id": contact_id}}, request_id=request_id))
        responses = service.send_at_once(calls)
        judged = [response for response in responses if response.status != 429]
        _judge_created_once(responses, judged)
        if len(judged) >= LEAST_AT_ONCE:
            return
        service.wait_out(responses, patience)
        number = fewer_at_once(number)
        if judged and not service.can_spare():
            break
        if judged:
            contact_id = service.fresh_id(f"at once {round_} {patience.attempts}")
    raise NotExercised(THROTTLED_AT_ONCE)


def _judge_created_once(responses: list[Exchange], judged: list[Exchange]) -> None:
    """``judged`` are the responses without those of requests that were throttled."""
    if not judged:
        return
    created = sum(response.status == 201 for response in judged)
    if created == 1 and all(response.status in (200, 201) for response in judged):
        return
    statuses = ", ".join(str(response.status) for response in responses)
    message = f"of {len(responses)} first upserts at once {created} returned 201 ({statuses})"
    expects = at_once("(200 )*201")
    raise Breach("pristo.concurrent-creates-once", message, responses[0], expects=expects)


@pytest.mark.clause("pristo.update-keeps-the-rest", "pristo.id-identifies")
def test_upserts_at_once_do_not_get_in_each_others_way(pristo: Service) -> None:
    """Upserts of one contact, each with another field, leave all of them; those of several contacts show each its own."""
    ledger = Ledger(pristo)
    known = PLAIN_POOL[29]
    ledger.reset(known)
    members = [name for name in ledger.state(known) if name not in ("id", "customFields")]
    _update_in_parts(pristo, ledger, known, ledger.state(known), members)
    if pristo.can_spare():
        fresh = pristo.fresh_id("fields at once")
        _update_in_parts(pristo, ledger, fresh, {"id": fresh}, members)
    pool = PLAIN_POOL[29:37]
    for contact_id in pool:
        ledger.reset(contact_id)
    named = zip(pool, PLAIN_NAMES, strict=True)
    contacts = [{"id": contact_id, "name": name} for contact_id, name in named]
    responses = _all_taken(pristo, contacts)
    for exchange, contact in zip(responses, contacts, strict=True):
        with blamed_on("pristo.id-identifies"):
            ledger.compare(exchange, contact)


def _update_in_parts(
    service: Service, ledger: Ledger, contact_id: str, before: Json, members: list[str]
) -> None:
    """Sends each field in a request of its own, all at once; a look behind shows all of them."""
    values = news_for(contact_id)
    parts: list[Json] = [{name: values[name]} for name in members if name in values]
    for number, key in enumerate(custom_fields(service.endpoint)):
        parts.append({"customFields": {key: f"at once {number}"}})
    _all_taken(service, [{"id": contact_id, **part} for part in parts])
    expected = before
    for part in parts:
        expected = merge(expected, part)
    ledger.put(contact_id, expected)
    with blamed_on("pristo.update-keeps-the-rest"):
        ledger.upsert({"id": contact_id})


def _all_taken(service: Service, contacts: list[Json]) -> list[Exchange]:
    """Sends valid upserts at once."""
    calls = [service.upsert({"contact": contact}) for contact in contacts]
    responses, together = service.send_all_at_once(calls)
    for response in responses:
        if response.status not in (200, 201):
            message = f"of {len(responses)} valid requests at once one returned {response.status}"
            raise Breach("pristo.operation", message, response, expects=at_once())
    if together < LEAST_AT_ONCE:
        raise NotExercised(THROTTLED_AT_ONCE)
    return responses


# ----------------------------------------------------------------------------------------------- refused requests


@pytest.mark.clause("pristo.refused-writes-nothing")
def test_a_refused_request_leaves_a_contact_as_it_was(pristo: Service) -> None:
    """For whichever reason it is refused."""
    ledger = Ledger(pristo)
    known = PLAIN_POOL[8]
    ledger.reset(known)
    for refusal in pristo.within(refusals(pristo)):
        refusal.check(pristo, known)
        message = f"a request {refusal.reason} was refused and changed the contact"
        with blamed_on("pristo.refused-writes-nothing", message):
            ledger.upsert({"id": known})


@pytest.mark.clause("pristo.refused-writes-nothing")
def test_a_refused_request_creates_nothing(pristo: Service) -> None:
    """An id that was refused, for whichever reason, is as new as before; where few may be created, one for all the reasons."""
    fresh = pristo.fresh_id("refused")
    since: list[str] = []
    for refusal in pristo.within(refusals(pristo)):
        refusal.check(pristo, fresh)
        since.append(refusal.reason)
        if pristo.can_spare():
            _is_still_new(pristo, fresh, " or ".join(since))
            fresh = pristo.fresh_id(f"refused {refusal.reason}")
            since = []
    if len(since) == 1:
        _is_still_new(pristo, fresh, since[0])
    elif since:
        _is_still_new(pristo, fresh, "for one of several reasons")


def _is_still_new(service: Service, contact_id: str, reason: str) -> None:
    exchange = accept(service, service.upsert({"contact": {"id": contact_id}}), "pristo.operation")
    if exchange.status != 201:
        message = f"a new contact that was refused, {reason}, exists all the same"
        raise Breach("pristo.refused-writes-nothing", message, exchange, expects=status(201))
    message = f"a request {reason} was refused, and its fields are shown"
    with blamed_on("pristo.refused-writes-nothing", message):
        Ledger(service).compare(exchange, {"id": contact_id})


@frozen
class Refusal:
    """A request that must be refused."""

    reason: str
    expect: Callable[[Service, Call, str, str], Exchange]
    """How the refusal is judged."""
    clause: str
    request_for: Callable[[str], Call]
    """The request, for a contact's id."""

    def check(self, service: Service, contact_id: str) -> None:
        self.expect(service, self.request_for(contact_id), self.clause, f"a request {self.reason}")


def refusals(service: Service) -> list[Refusal]:
    """Requests that must be refused, each for one reason."""
    keys = custom_fields(service.endpoint)

    def intruder(**changes: Any) -> Callable[[str], Call]:
        contact: Json = {
            "name": "Intruder",
            "lastName": "Intruder",
            "email": EMAILS[2],
            "language": "pt",
        }
        if keys:
            contact["customFields"] = dict.fromkeys(keys, "Intruder")
        contact |= changes
        return lambda contact_id: service.upsert({"contact": {"id": contact_id, **contact}})

    def with_header(name: str, value: str | None) -> Callable[[str], Call]:
        request_for = intruder()
        return lambda contact_id: request_for(contact_id).with_header(name, value)

    found = [
        Refusal(
            "without a key",
            reject_credentials,
            "pristo.key-required",
            with_header("X-API-Key", None),
        ),
        Refusal(
            "with a wrong key",
            reject_credentials,
            "pristo.key-checked",
            with_header("X-API-Key", "wrong"),
        ),
        Refusal(
            "with an email that is not valid",
            refuse,
            "pristo.email-is-address",
            intruder(email="not-an-address"),
        ),
        Refusal(
            "with a phone that is a number", refuse, "pristo.phone-is-string", intruder(phone=7)
        ),
        Refusal(
            "with custom fields that are not an object",
            refuse,
            "pristo.custom-fields-is-object",
            intruder(customFields="x"),
        ),
        Refusal(
            "with a correlation id that is not valid",
            refuse,
            "pristo.request-id-is-uuid",
            with_header("X-Request-Id", "not-a-uuid"),
        ),
    ]
    if keys:
        too_long = "x" * (custom_limit() + 1)
        values = {**dict.fromkeys(keys, "Intruder"), keys[-1]: too_long}
        found.append(
            Refusal(
                "with a custom value that is too long",
                refuse,
                "pristo.custom-value-limit",
                intruder(customFields=values),
            )
        )
    return found


# ----------------------------------------------------------------------------------------------- values of fields


@pytest.mark.clause("pristo.text-unchanged")
def test_text_comes_back_letter_by_letter(pristo: Service) -> None:
    """Realistic names in every script must be taken; odd ones may be refused, but not changed."""
    ledger = Ledger(pristo)
    contact_id = PLAIN_POOL[9]
    ledger.reset(contact_id)
    last_names = [*NAMES[1:], NAMES[0]]
    for first, last in pristo.within(zip(NAMES, last_names, strict=True), least=3):
        contact: Json = {"id": contact_id, "name": first, "lastName": last}
        if custom_fields(pristo.endpoint):
            contact["customFields"] = {custom_fields(pristo.endpoint)[-1]: first}
        ledger.upsert(
            contact, clause="pristo.text-unchanged", why=f"the name “{first}” or “{last}”"
        )
    for text in pristo.within([*ODD_NAMES, *LOOKALIKES], least=0):
        contact = {"id": contact_id, "name": text}
        exchange = pristo.send(pristo.upsert({"contact": contact}))
        if exchange.status == 200:
            ledger.compare(exchange, contact)
    values = [("email", text) for text in EMAILS]
    values += [("phone", text) for text in [*PHONES[:3], *FOREIGN_PHONES]]
    for name, text in pristo.within(values, least=0):
        ledger.upsert({"id": contact_id, name: text})
    ledger.reset(contact_id)


@pytest.mark.clause("pristo.custom-fields-accepted", "pristo.custom-value-limit")
def test_custom_fields_take_text_up_to_the_limit(pristo: Service) -> None:
    """Any text, and 255 code points of whatever width; then they are shown unchanged."""
    keys = custom_fields(pristo.endpoint)
    if not keys:
        raise NotExercised("PRISTO_CUSTOM_FIELDS names no custom field, so none are sent")
    ledger = Ledger(pristo)
    contact_id = PLAIN_POOL[10]
    ledger.reset(contact_id)
    for key in pristo.within(keys):
        texts = LOOKALIKES[:2]
        if key == keys[0]:
            texts = LOOKALIKES
        for text in pristo.within(texts):
            contact: Json = {"id": contact_id, "customFields": {key: text}}
            why = f"a custom field with “{text}”"
            ledger.upsert(contact, clause="pristo.custom-fields-accepted", why=why)
    clause = "pristo.custom-value-limit"
    limit = custom_limit()
    contact = {"id": contact_id, "customFields": dict.fromkeys(keys, "x" * limit)}
    ledger.upsert(contact, clause=clause, why=f"custom fields of {limit} characters each")
    for letter in pristo.within(["𠮷", "x", "é", "ש", "李", "👩"]):
        for length in pristo.within([limit, limit - 1]):
            contact = {"id": contact_id, "customFields": {keys[0]: letter * length}}
            why = f"a custom field of {length} times “{letter}”"
            ledger.upsert(contact, clause=clause, why=why)
        _refuse_beyond_the_limit(pristo, contact_id, letter)


def _refuse_beyond_the_limit(service: Service, contact_id: str, letter: str) -> None:
    """Each custom field alone with one letter too many."""
    keys = custom_fields(service.endpoint)
    length = custom_limit() + 1
    for key in service.within(keys):
        custom = {**dict.fromkeys(keys, "x"), key: letter * length}
        call = service.upsert({"contact": {"id": contact_id, "customFields": custom}})
        why = f"a custom field of {length} times “{letter}”"
        refuse(service, call, "pristo.custom-value-limit", why)


def custom_limit() -> int:
    """The limit of a custom field's value, as the specification has it."""
    place = load_clauses()["pristo.custom-value-limit"].at
    return int(resolve_pointer(load_specification("pristo"), place))


@pytest.mark.clause("pristo.language-codes-accepted")
def test_language_codes_are_accepted(pristo: Service) -> None:
    """Those of the document, and those that old libraries rename (he, id, yi)."""
    ledger = Ledger(pristo)
    ledger.reset(PLAIN_POOL[11])
    for code in pristo.within(LANGUAGES):
        contact = {"id": PLAIN_POOL[11], "language": code}
        why = f"the language {code}"
        ledger.upsert(contact, clause="pristo.language-codes-accepted", why=why)


@pytest.mark.clause("pristo.email-is-address")
def test_addresses_are_accepted(pristo: Service) -> None:
    """With dots, tags, capitals and apostrophes."""
    for address in pristo.within(EMAILS):
        call = pristo.upsert({"contact": {"id": PLAIN_POOL[11], "email": address}})
        accept(pristo, call, "pristo.email-is-address", f"the email {address}")
    Ledger(pristo).reset(PLAIN_POOL[11])


@pytest.mark.clause("pristo.key-required", "pristo.key-checked")
def test_nothing_beside_the_key_stands_for_it(pristo: Service) -> None:
    """Neither a correlation id, nor another population, nor a contact of few fields."""
    body = shapes(pristo)[0].body
    calls = [pristo.upsert(body, request_id=fixed_id(NAMESPACE, "no key")), pristo.upsert(body)]
    if pristo.endpoint.value(SECOND_POPULATION):
        calls.append(
            pristo.upsert(body, account={POPULATION: pristo.endpoint.value(SECOND_POPULATION)})
        )
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


@pytest.mark.clause("pristo.optional-fields")
def test_each_optional_field_of_pristo_may_stand_alone(pristo: Service) -> None:
    """An id with any one other field is accepted, and so is any field missing from the whole."""
    full = full_contact(pristo, PLAIN_POOL[3])
    for name in pristo.within([each for each in full if each != "id"]):
        accept(
            pristo,
            pristo.upsert({"contact": {"id": full["id"], name: full[name]}}),
            "pristo.optional-fields",
            f"a contact with id and {name}",
        )
        rest = {key: value for key, value in full.items() if key != name}
        accept(
            pristo,
            pristo.upsert({"contact": rest}),
            "pristo.optional-fields",
            f"a contact without {name}",
        )


# --------------------------------------------------------------------------------------------------------- probes


def fate(service: Service, call: Call, field: str) -> str:
    """What became of an unusual value, in a few words."""
    exchange = service.send(call)
    if exchange.status >= 300:
        return f"refused with {exchange.status}"
    shown = exchange.json().get("contact") or {}
    sent = call.json()["contact"]
    if field not in shown:
        return "accepted and not shown"
    if shown[field] == sent[field]:
        return "kept"
    return "changed"


@pytest.mark.clause("pristo.unknown-members-of-contact")
def test_probe_unknown_members_of_a_contact(pristo: Service, observe: Observe) -> None:
    """A member that the schema forbids and the description allows."""
    keys = custom_fields(pristo.endpoint)
    key = "favouriteColour"
    if keys:
        key = keys[0]
    Ledger(pristo).reset(PLAIN_POOL[12])
    exchange = pristo.send(pristo.upsert({"contact": {"id": PLAIN_POOL[12], key: "blue"}}))
    shown: Json = {}
    if exchange.status < 300:
        shown = exchange.json().get("contact") or {}
    if exchange.status == 400:
        observe("refused: returned 400")
    elif not keys or not set(shown) - {"id"}:
        observe(f"custom-field: returned {exchange.status}, which does not show it")
    elif shown.get("customFields", {}).get(key) == "blue":
        observe("custom-field: shown in customFields")
    else:
        message = "the member is neither refused nor a custom field: it is dropped in silence"
        place = pointer("contact", "customFields", key)
        expects = [Fact("member", ACCEPTED, place, "blue")]
        raise Breach("pristo.unknown-members-of-contact", message, exchange, expects=expects)


def _text_probe(clause: str, member: str, texts: list[str]) -> Any:
    return pytest.param(member, texts, marks=pytest.mark.clause(clause))


@pytest.mark.parametrize(
    ("member", "texts"),
    [
        _text_probe("pristo.language-is-iso-639", "language", ["english", "xx", "EN"]),
        _text_probe("pristo.phone-form", "phone", ["call me", "0", "+1 (202) 555-0123"]),
        _text_probe("pristo.blank-text", "name", ["", " ", " Ada "]),
        _text_probe("pristo.control-characters", "name", ["a\x00b", "\x1b[31m", "a\r\nb"]),
        _text_probe("pristo.long-text", "name", ["x" * 10_000]),
    ],
)
def test_probe_text(member: str, texts: list[str], pristo: Service, observe: Observe) -> None:
    """Text that the document says nothing about."""
    fates = []
    for text in texts:
        call = pristo.upsert({"contact": {"id": PLAIN_POOL[13], member: text}})
        fates.append(f"{text[:20]!r} {fate(pristo, call, member)}")
    observe(", ".join(fates))


@pytest.mark.clause("pristo.no-server-error")
def test_unusual_text_in_every_field_does_not_crash_the_service(pristo: Service) -> None:
    """Refused or accepted, there is a response."""
    contact_id = PLAIN_POOL[13]
    names = [
        name for name in full_contact(pristo, contact_id) if name not in ("id", "customFields")
    ]
    keys = custom_fields(pristo.endpoint)[:1]
    if not pristo.settings.is_gentle:
        keys += ("a.b", "$a", "__proto__")
    pristo.send(pristo.upsert({"contact": {"id": contact_id, "customFields": {}}}))
    for text in pristo.within(UNUSUAL):
        for name in pristo.within(names):
            call = pristo.upsert({"contact": {"id": contact_id, name: text}})
            pristo.send(call)
        for key in keys:
            call = pristo.upsert({"contact": {"id": contact_id, "customFields": {key: text}}})
            pristo.send(call)


@pytest.mark.parametrize(
    ("in_contact", "beside"),
    [
        pytest.param(
            {"customFields": {"no-such-field-8f3a": "x"}},
            {},
            marks=pytest.mark.clause("pristo.undefined-custom-fields"),
        ),
        pytest.param(
            {}, {"source": "x"}, marks=pytest.mark.clause("pristo.unknown-members-of-request")
        ),
    ],
)
def test_probe_members(in_contact: Json, beside: Json, pristo: Service, observe: Observe) -> None:
    """A key that the population surely does not define, and a member beside `contact`."""
    call = pristo.upsert({"contact": {"id": PLAIN_POOL[14], **in_contact}, **beside})
    observe(f"returned {pristo.send(call).status}")


@pytest.mark.clause("pristo.nil-and-max-ids")
def test_probe_nil_and_maximal_ids(pristo: Service, observe: Observe) -> None:
    """They may be refused; a service that takes them must keep them like others."""
    seen = []
    for name, contact_id in (("Nil", NIL), ("Max", MAX)):
        full = full_contact(pristo, contact_id)
        exchange = pristo.send(pristo.upsert({"contact": full}))
        seen.append(f"{name.lower()} returned {exchange.status}")
        if exchange.status < 300:
            ledger = Ledger(pristo)
            ledger.reset(contact_id)
            ledger.upsert({"id": contact_id, "name": name})
    observe(", ".join(seen))


@pytest.mark.clause("pristo.other-uuid-forms")
def test_probe_other_forms_of_uuids(pristo: Service, observe: Observe) -> None:
    """In braces, as a URN, without hyphens; and the youngest version in the usual form."""
    plain = PLAIN_POOL[15]
    forms = {
        "braces": "{" + plain + "}",
        "URN": f"urn:uuid:{plain}",
        "no hyphens": plain.replace("-", ""),
    }
    seen = []
    for name, text in forms.items():
        exchange = pristo.send(pristo.upsert({"contact": {"id": text}}), judged=False)
        seen.append(f"{name} {exchange.status}")
    for version in (1, 7):
        exchange = pristo.send(pristo.upsert({"contact": {"id": VERSIONS[version]}}))
        seen.append(f"version {version} {exchange.status}")
    observe(", ".join(seen))


@pytest.mark.clause("pristo.key-letter-case")
def test_probe_key_in_the_other_letter_case(pristo: Service, observe: Observe) -> None:
    """A UUID's letter case means nothing, a secret's does."""
    key = pristo.endpoint.credentials["X-API-Key"].swapcase()
    call = pristo.upsert({"contact": {"id": PLAIN_POOL[15]}}).with_header("X-API-Key", key)
    observe(f"returned {pristo.send(call).status}")


@pytest.mark.clause("pristo.unknown-population")
def test_probe_unknown_population(pristo: Service, observe: Observe) -> None:
    """A UUID that no population has."""
    unknown = fixed_id(NAMESPACE, "no such population")
    call = pristo.upsert({"contact": {"id": PLAIN_POOL[15]}}, account={POPULATION: unknown})
    observe(f"returned {pristo.send(call, judged=False).status}")


@pytest.mark.clause("pristo.request-id-made")
def test_probe_request_id_made(pristo: Service, observe: Observe) -> None:
    """What stands in the header when none was sent."""
    call = pristo.upsert({"contact": {"id": PLAIN_POOL[15]}})
    found = [pristo.send(call).headers.get("x-request-id") for _ in range(3)]
    if None in found:
        observe("none is set")
    elif len(set(found)) == 3:
        observe("a new one each time")
    else:
        observe("the same one every time")


@pytest.mark.clause("pristo.error-members")
def test_probe_error_members(pristo: Service, observe: Observe) -> None:
    """The members of an error."""
    members = sorted(pristo.send(pristo.upsert({})).json().get("error") or {})
    observe(", ".join(members) or "nothing")

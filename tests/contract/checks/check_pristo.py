"""Pristo's behaviour: what is created, what is kept, what is shown, and what keeps apart from what."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from uuid import UUID

import pytest

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
from ..preflight import full_contact
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
    """What Pristo must have stored, as far as this run has told it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.stored: dict[tuple[str, str], Json] = {}

    def upsert(
        self, contact: Json, *, population: str | None = None, call: Call | None = None
    ) -> Exchange:
        """Sends a valid upsert, and compares status and answer with what must be stored then."""
        service = self.service
        call = call or service.upsert({"contact": contact}, population=population)
        exchange = accept(service, call, "pristo.operation")
        return self.compare(exchange, contact, population)

    def compare(self, exchange: Exchange, contact: Json, population: str | None = None) -> Exchange:
        """Books an accepted upsert and judges its answer."""
        key = (str(UUID(population or self.service.endpoint.population)), str(UUID(contact["id"])))
        before = self.stored.get(key)
        if before is not None and exchange.status != 200:
            raise Breach(
                "pristo.update-answers-200",
                f"an update is answered {exchange.status}",
                exchange,
                expects=updated(),
            )
        expected = merge(before or {}, contact)
        if before is not None or exchange.status == 201:
            self.stored[key] = expected
            own = key[0] == str(UUID(self.service.endpoint.population))
            if own and (exchange.status == 201 or key[1] in self.service.created):
                self.service.created[key[1]] = expected
            compare_shown(exchange, contact, before or {}, expected, created=before is None)
        return exchange

    def reset(self, contact_id: str) -> None:
        """Brings a contact of the pool, whatever earlier runs left in it, to a state that is known whole."""
        full = full_contact(self.service, contact_id)
        call = self.service.upsert({"contact": full})
        accept(self.service, call, "pristo.operation", "a contact with all the document's fields")
        self.stored[str(UUID(self.service.endpoint.population)), str(UUID(contact_id))] = full

    def state(self, contact_id: str) -> Json:
        return self.stored[str(UUID(self.service.endpoint.population)), str(UUID(contact_id))]


def merge(stored: Json, given: Json) -> Json:
    """What must be stored after an upsert: what is given wins, what is left out stays, custom fields one by one."""
    merged = {**stored, **given}
    if "customFields" in given:
        merged["customFields"] = {**stored.get("customFields", {}), **given["customFields"]}
    return merged


def flat(contact: Json) -> Json:
    """A contact's fields side by side, custom ones under names of two parts; without the id."""
    fields = {name: value for name, value in contact.items() if name not in ("id", "customFields")}
    return fields | {
        f"customFields.{name}": value for name, value in contact.get("customFields", {}).items()
    }


def properties_of_a_contact() -> list[str]:
    """The members that the document knows, without the id and the custom ones."""
    members = load_specification("pristo")["components"]["schemas"]["Contact"]["properties"]
    return [name for name in members if name not in ("id", "customFields")]


def compare_shown(
    exchange: Exchange, given: Json, before: Json, expected: Json, *, created: bool
) -> None:
    """Judges the contact that an answer shows; one that shows none, or an id alone, is right."""
    body = exchange.json()
    shown = body.get("contact")
    if not shown:
        return
    wanted = flat(expected)
    forbidden = [
        name
        for name in dict.fromkeys([*flat(shown), *properties_of_a_contact()])
        if name not in wanted
    ]
    facts = shown_facts(wanted, given["id"], forbidden)
    if "id" in shown and UUID(shown["id"]) != UUID(given["id"]):
        raise Breach(
            "pristo.answer-shows-what-was-sent",
            "the answer shows another contact's id",
            exchange,
            expects=facts,
        )
    if set(shown) <= {"id"}:
        return
    if "id" not in shown:
        raise Breach(
            "pristo.answer-shows-whole-contact",
            "the answer shows a contact without its id",
            exchange,
            expects=facts,
        )
    now, then, sent = flat(shown), flat(before), flat(given)
    for name, value in wanted.items():
        if name not in now:
            whole = created or name in sent
            clause = (
                "pristo.answer-shows-whole-contact" if whole else "pristo.update-keeps-the-rest"
            )
            message = f"{name} was {'sent' if name in sent else 'stored before'} and is not shown"
            raise Breach(clause, message, exchange, expects=facts)
        if now[name] != value:
            if name not in sent:
                message = f"{name} was left out, was {value!a}, and is {now[name]!a} now"
                raise Breach("pristo.update-keeps-the-rest", message, exchange, expects=facts)
            alike = _alike(value, now[name])
            if not created and name in then and now[name] == then[name] and not alike:
                message = f"{name} was given and still has its old value"
                raise Breach(
                    "pristo.update-replaces-what-was-given", message, exchange, expects=facts
                )
            clause = "pristo.text-unchanged" if alike else "pristo.answer-shows-what-was-sent"
            raise Breach(
                clause,
                f"{name} is shown as {now[name]!a} and was sent as {value!a}",
                exchange,
                expects=facts,
            )
    for name in now:
        if name not in wanted:
            raise Breach(
                "pristo.answer-shows-what-was-sent",
                f"{name} is shown and was never sent",
                exchange,
                expects=facts,
            )


def _alike(sent: object, shown: object) -> bool:
    """Whether one text is the other after some change that backends make."""
    if not isinstance(sent, str) or not isinstance(shown, str):
        return False

    def core(text: str) -> str:
        plain = unicodedata.normalize("NFKD", text.casefold())
        return re.sub(
            r"[\W_]", "", "".join(each for each in plain if not unicodedata.combining(each))
        )

    return (
        core(sent) == core(shown)
        or sent.startswith(shown)
        or shown.startswith(sent)
        or "?" in shown
        or "\ufffd" in shown
        or "&" in shown
    )


@contextmanager
def blamed_on(clause: str, message: str = "") -> Iterator[None]:
    """What an answer shows wrongly inside is a breach of this clause: it is what the requests were about."""
    try:
        yield
    except Breach as breach:
        if not breach.is_about_what_is_stored:
            raise
        raise Breach(
            clause, message or breach.message, *breach.exchanges, expects=breach.expects
        ) from None


@pytest.mark.clause(
    "pristo.create-answers-201",
    "pristo.answer-shows-what-was-sent",
    "pristo.answer-shows-whole-contact",
    "pristo.answer-fits-schema",
)
def test_a_new_contact_is_created_and_shown_as_sent(pristo: Service) -> None:
    """A fresh id answers 201 once (in the preflight), and 200 from then on."""
    exchange = pristo.first_created
    if exchange is None:
        raise LeftOut(f"it does not fit into CONTRACT_NEW_CONTACTS={pristo.settings.new_contacts}")
    ledger, contact = Ledger(pristo), exchange.call.json()["contact"]
    ledger.compare(exchange, contact)
    ledger.upsert(contact)
    for members in ([], ["name"], ["email", "language"]):
        if pristo.can_spare():
            full = full_contact(pristo, pristo.fresh_id("create"))
            fresh = {name: value for name, value in full.items() if name in ("id", *members)}
            exchange = ledger.upsert(fresh)
            if exchange.status != 201:
                message = f"the first upsert of a new id is answered {exchange.status}"
                raise Breach("pristo.create-answers-201", message, exchange, expects=status(201))


@pytest.mark.clause(
    "pristo.update-answers-200",
    "pristo.update-replaces-what-was-given",
    "pristo.update-keeps-the-rest",
    "pristo.repeat-changes-nothing",
)
def test_an_update_changes_what_it_gives_and_nothing_else(pristo: Service) -> None:
    """Each field alone, then none at all, then each custom field alone, then the same again."""
    ledger, contact_id = Ledger(pristo), PLAIN_POOL[4]
    ledger.reset(contact_id)
    news: Json = {
        "name": "Grace",
        "lastName": "Hopper",
        "email": address_of(contact_id, "news"),
        "phone": PHONES[9],
        "language": "fr",
    }
    for name in pristo.within([each for each in ledger.state(contact_id) if each in news]):
        ledger.upsert({"id": contact_id, name: news[name]})
        ledger.upsert({"id": contact_id})
    for number, key in pristo.within(enumerate(pristo.endpoint.custom_fields)):
        ledger.upsert({"id": contact_id, "customFields": {key: f"news {number}"}})
        ledger.upsert({"id": contact_id})
    for _ in pristo.within(range(3)):
        exchange = pristo.send(pristo.upsert({"contact": dict(ledger.state(contact_id))}))
        if exchange.status != 200:
            message = f"the same upsert again is answered {exchange.status}"
            raise Breach("pristo.repeat-changes-nothing", message, exchange, expects=updated())
        ledger.compare(exchange, ledger.state(contact_id))


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
        accept(
            pristo,
            call.with_header("X-Request-Id", None),
            "pristo.request-id-optional",
            "a request without X-Request-Id",
        )


@pytest.mark.clause("pristo.request-id-is-uuid")
def test_a_correlation_id_that_is_no_uuid_is_refused(pristo: Service) -> None:
    """The parameter's format holds for requests too."""
    for text in pristo.within(["not-a-uuid", "12345", PLAIN_POOL[0][:-1], PLAIN_POOL[0] + "0"]):
        call = pristo.upsert({"contact": {"id": PLAIN_POOL[5]}}, request_id=text)
        refuse(
            pristo, call, "pristo.request-id-is-uuid", f"a request whose X-Request-Id is “{text}”"
        )


@pytest.mark.clause("pristo.population-is-uuid")
def test_a_population_that_is_no_uuid_is_refused(pristo: Service) -> None:
    """In the path, where a database id or a name may slip through."""
    texts = [
        "not-a-uuid",
        "1",
        "pop_123",
        pristo.endpoint.population[:-1],
        pristo.endpoint.population + "0",
        pristo.endpoint.population[:-1] + "g",
    ]
    for text in pristo.within(texts):
        call = pristo.upsert({"contact": {"id": PLAIN_POOL[5]}}, population=text)
        refuse(pristo, call, "pristo.population-is-uuid", f"a request to the population “{text}”")


@pytest.mark.clause("pristo.400-envelope", "pristo.401-envelope")
def test_errors_have_the_form_of_errors(pristo: Service) -> None:
    """Judged with every answer; here both are surely met."""
    call = pristo.upsert({})
    refuse(pristo, call, "pristo.contact-required", "a body without `contact`")
    pristo.send(call.with_header("X-API-Key", None))


@pytest.mark.clause("pristo.id-is-uuid")
def test_an_id_need_not_be_random(pristo: Service) -> None:
    """A UUID made from a name is a UUID: the client owns the id. One that differs in the digit of the version is another."""
    ledger = Ledger(pristo)
    for version in (5, 4):
        accept(
            pristo,
            pristo.upsert({"contact": {"id": VERSIONS[version]}}),
            "pristo.id-is-uuid",
            f"an id of version {version}",
        )
        ledger.reset(VERSIONS[version])
        ledger.upsert({"id": VERSIONS[version], "name": "Ada" if version == 5 else "Grace"})
    ledger.upsert({"id": VERSIONS[5]})


@pytest.mark.clause("pristo.id-compared-as-uuid")
def test_an_id_in_capitals_is_the_same_contact(pristo: Service) -> None:
    """Letter case is no part of a UUID; so the answer is 200, and what is stored is shown."""
    ledger, contact_id = (
        Ledger(pristo),
        pristo.fresh_id("capitals") if pristo.can_spare() else PLAIN_POOL[20],
    )
    ledger.reset(contact_id)
    exchange = accept(
        pristo,
        pristo.upsert({"contact": {"id": contact_id.upper()}}),
        "pristo.id-compared-as-uuid",
        "an id in capitals",
    )
    if exchange.status != 200:
        raise Breach(
            "pristo.id-compared-as-uuid",
            "an id in capitals creates a second contact",
            exchange,
            expects=status(200),
        )
    ledger.compare(exchange, {"id": contact_id})
    call = pristo.upsert(
        {"contact": {"id": contact_id}}, population=pristo.endpoint.population.upper()
    )
    exchange = accept(pristo, call, "pristo.id-compared-as-uuid", "a population's id in capitals")
    if exchange.status != 200:
        message = "a population's id in capitals is another population"
        raise Breach("pristo.id-compared-as-uuid", message, exchange, expects=status(200))


@pytest.mark.clause("pristo.id-identifies")
def test_contacts_are_told_apart_by_their_id_alone(pristo: Service) -> None:
    """Two contacts with the same name, email and phone stay two."""
    ledger = Ledger(pristo)
    first, second = PLAIN_POOL[6], PLAIN_POOL[7]
    for each in (first, second, *NEAR_POOL):
        ledger.reset(each)
    with blamed_on("pristo.id-identifies"):
        ledger.upsert(
            {"id": first, "name": "Grace", "email": "grace@example.com", "phone": PHONES[8]}
        )
        ledger.upsert({"id": second})
        if pristo.can_spare():
            third = {
                "id": pristo.fresh_id("same address"),
                "email": "grace@example.com",
                "phone": PHONES[8],
                "name": "Grace",
            }
            exchange = pristo.send(pristo.upsert({"contact": third}))
            if exchange.status == 200:
                message = "a new id with another contact's email updates that contact"
                raise Breach("pristo.id-identifies", message, exchange, expects=not_status(200))
            if exchange.status == 201:
                ledger.compare(exchange, third)
        # Ids that differ in one digit, at either end, are other contacts.
        for each in NEAR_POOL:
            ledger.upsert({"id": each, "name": "Near"})
        ledger.upsert({"id": first})
        ledger.upsert({"id": second})


@pytest.mark.clause("pristo.populations-apart")
def test_populations_do_not_share_contacts(pristo: Service) -> None:
    """An id that exists in one population is new in the other, and shows nothing of the first."""
    second = pristo.endpoint.second_population
    if not second:
        raise NotExercised("PRISTO_SECOND_POPULATION_ID is not set")
    ledger, contact_id = Ledger(pristo), pristo.fresh_id("populations", contacts=2)
    first = full_contact(pristo, contact_id)
    if "language" in first:
        first["language"] = "fr"  # not one that a service may give to every contact
    ledger.upsert(first)
    exchange = accept(
        pristo,
        pristo.upsert({"contact": {"id": contact_id, "name": "Other"}}, population=second),
        "pristo.populations-apart",
        "the second population",
    )
    if exchange.status != 201:
        message = f"an id of the first population is answered {exchange.status} in the second"
        raise Breach("pristo.populations-apart", message, exchange, expects=status(201))
    shown = flat(exchange.json().get("contact") or {})
    # What is neither of this population nor of the other is no matter of populations.
    leaks = any(shown.get(name) == value for name, value in flat(first).items())
    with blamed_on("pristo.populations-apart") if leaks else nullcontext():
        ledger.compare(exchange, {"id": contact_id, "name": "Other"}, second)
    with blamed_on("pristo.populations-apart"):
        ledger.upsert({"id": contact_id})
        ledger.upsert({"id": contact_id}, population=second)


@pytest.mark.clause("pristo.concurrent-creates-once")
def test_concurrent_first_upserts_create_once(pristo: Service) -> None:
    """Eight first upserts of one id in the same moment: one 201, the others 200; each answer is its own request's."""
    for round_ in pristo.within(range(1 if pristo.settings.is_gentle else 4)):
        if round_ and not pristo.can_spare():
            break
        _create_at_once(pristo, round_)


def _create_at_once(service: Service, round_: int) -> None:
    """Where the service throttles all but one of them, fewer are sent at once later, for another contact if that one was taken."""
    contact_id = service.fresh_id(f"at once {round_}")
    number = 8
    patience = Patience()
    while patience.attempts < ATTEMPTS_AT_ONCE:
        request_ids = [
            fixed_id(NAMESPACE, f"at once {round_} {patience.attempts} {each}")
            for each in range(number)
        ]
        answers = service.send_at_once(
            [
                service.upsert({"contact": {"id": contact_id}}, request_id=each)
                for each in request_ids
            ]
        )
        answered = [each for each in answers if each.status != 429]
        created = sum(each.status == 201 for each in answered)
        if answered and (created != 1 or any(each.status not in (200, 201) for each in answered)):
            statuses = ", ".join(str(each.status) for each in answers)
            message = f"of {number} first upserts at once {created} answer 201 ({statuses})"
            raise Breach(
                "pristo.concurrent-creates-once", message, answers[0], expects=at_once("(200 )*201")
            )
        if len(answered) >= LEAST_AT_ONCE:
            return
        service.wait_out(answers, patience)
        number = fewer_at_once(number)
        if answered and not service.can_spare():
            break
        if answered:
            contact_id = service.fresh_id(f"at once {round_} {patience.attempts}")
    raise NotExercised(THROTTLED_AT_ONCE)


@pytest.mark.clause("pristo.update-keeps-the-rest", "pristo.id-identifies")
def test_upserts_at_once_do_not_get_in_each_others_way(pristo: Service) -> None:
    """Upserts of one contact, each with another field, leave all of them; those of several contacts show each its own."""
    ledger, known = Ledger(pristo), PLAIN_POOL[29]
    ledger.reset(known)
    members = [name for name in ledger.state(known) if name not in ("id", "customFields")]
    for contact_id in [known, *([pristo.fresh_id("fields at once")] if pristo.can_spare() else [])]:
        values = {
            "name": "Grace",
            "lastName": "Hopper",
            "email": address_of(contact_id, "news"),
            "phone": PHONES[9],
            "language": "fr",
        }
        parts: list[Json] = [{name: values[name]} for name in members if name in values]
        parts += [
            {"customFields": {key: f"at once {number}"}}
            for number, key in enumerate(pristo.endpoint.custom_fields)
        ]
        _all_taken(pristo, [{"id": contact_id, **part} for part in parts])
        expected = ledger.state(contact_id) if contact_id == known else {"id": contact_id}
        for part in parts:
            expected = merge(expected, part)
        ledger.stored[str(UUID(pristo.endpoint.population)), contact_id] = expected
        with blamed_on("pristo.update-keeps-the-rest"):
            ledger.upsert({"id": contact_id})
    for each in PLAIN_POOL[29:37]:
        ledger.reset(each)
    contacts = [
        {"id": each, "name": name}
        for each, name in zip(PLAIN_POOL[29:37], PLAIN_NAMES, strict=True)
    ]
    for exchange, contact in zip(_all_taken(pristo, contacts), contacts, strict=True):
        with blamed_on("pristo.id-identifies"):
            ledger.compare(exchange, contact)


def _all_taken(service: Service, contacts: list[Json]) -> list[Exchange]:
    """Sends valid upserts at once."""
    answers, together = service.send_all_at_once(
        [service.upsert({"contact": each}) for each in contacts]
    )
    for each in answers:
        if each.status not in (200, 201):
            message = f"of {len(answers)} valid requests at once one is answered {each.status}"
            raise Breach("pristo.operation", message, each, expects=at_once())
    if together < LEAST_AT_ONCE:
        raise NotExercised(THROTTLED_AT_ONCE)
    return answers


@pytest.mark.clause("pristo.refused-writes-nothing")
def test_a_refused_request_leaves_a_contact_as_it_was(pristo: Service) -> None:
    """For whichever reason it is refused."""
    ledger, known = Ledger(pristo), PLAIN_POOL[8]
    ledger.reset(known)
    for reason, (check, clause, make) in pristo.within(refusals(pristo).items()):
        check(pristo, make(known), clause, f"a request {reason}")
        with blamed_on(
            "pristo.refused-writes-nothing",
            f"a request {reason} was refused and changed the contact",
        ):
            ledger.upsert({"id": known})


@pytest.mark.clause("pristo.refused-writes-nothing")
def test_a_refused_request_creates_nothing(pristo: Service) -> None:
    """An id that was refused, for whichever reason, is as new as before; where few may be created, one for all the reasons."""
    fresh = pristo.fresh_id("refused")
    since: list[str] = []
    for reason, (check, clause, make) in pristo.within(refusals(pristo).items()):
        check(pristo, make(fresh), clause, f"a request {reason}")
        since.append(reason)
        if pristo.can_spare():
            _is_still_new(pristo, fresh, " or ".join(since))
            fresh = pristo.fresh_id(f"refused {reason}")
            since = []
    if since:
        _is_still_new(pristo, fresh, since[0] if len(since) == 1 else "for one of several reasons")


def _is_still_new(service: Service, contact_id: str, reason: str) -> None:
    exchange = accept(service, service.upsert({"contact": {"id": contact_id}}), "pristo.operation")
    if exchange.status != 201:
        message = f"a new contact that was refused, {reason}, exists all the same"
        raise Breach("pristo.refused-writes-nothing", message, exchange, expects=status(201))
    with blamed_on(
        "pristo.refused-writes-nothing", f"a request {reason} was refused, and its fields are shown"
    ):
        Ledger(service).compare(exchange, {"id": contact_id})


Refusal = tuple[Callable[[Service, Call, str, str], Exchange], str, Callable[[str], Call]]


def refusals(service: Service) -> dict[str, Refusal]:
    """Requests that must be refused, by the reason: how that is checked, its clause, and the request for an id."""
    keys = service.endpoint.custom_fields

    def intruder(**changes: Any) -> Callable[[str], Call]:
        custom = {"customFields": dict.fromkeys(keys, "Intruder")} if keys else {}
        contact = {
            "name": "Intruder",
            "lastName": "Intruder",
            "email": EMAILS[2],
            "language": "pt",
            **custom,
            **changes,
        }
        return lambda contact_id: service.upsert({"contact": {"id": contact_id, **contact}})

    def with_header(name: str, value: str | None) -> Callable[[str], Call]:
        return lambda contact_id: intruder()(contact_id).with_header(name, value)

    found: dict[str, Refusal] = {
        "without a key": (
            reject_credentials,
            "pristo.key-required",
            with_header("X-API-Key", None),
        ),
        "with a wrong key": (
            reject_credentials,
            "pristo.key-checked",
            with_header("X-API-Key", "wrong"),
        ),
        "with an email that is none": (
            refuse,
            "pristo.email-is-address",
            intruder(email="not-an-address"),
        ),
        "with a phone that is a number": (refuse, "pristo.phone-is-string", intruder(phone=7)),
        "with custom fields that are no object": (
            refuse,
            "pristo.custom-fields-is-object",
            intruder(customFields="x"),
        ),
        "with a correlation id that is none": (
            refuse,
            "pristo.request-id-is-uuid",
            with_header("X-Request-Id", "not-a-uuid"),
        ),
    }
    if keys:
        values = {**dict.fromkeys(keys, "Intruder"), keys[-1]: "x" * (custom_limit() + 1)}
        found["with a custom value that is too long"] = (
            refuse,
            "pristo.custom-value-limit",
            intruder(customFields=values),
        )
    return found


@pytest.mark.clause("pristo.text-unchanged")
def test_text_comes_back_letter_by_letter(pristo: Service) -> None:
    """Realistic names in every script must be taken; odd ones may be refused, but not changed."""
    ledger, contact_id = Ledger(pristo), PLAIN_POOL[9]
    ledger.reset(contact_id)
    for first, last in pristo.within(zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True), least=3):
        contact: Json = {"id": contact_id, "name": first, "lastName": last}
        if pristo.endpoint.custom_fields:
            contact["customFields"] = {pristo.endpoint.custom_fields[-1]: first}
        exchange = accept(
            pristo,
            pristo.upsert({"contact": contact}),
            "pristo.text-unchanged",
            f"the name “{first}” or “{last}”",
        )
        ledger.compare(exchange, contact)
    for text in pristo.within([*ODD_NAMES, *LOOKALIKES], least=0):
        exchange = pristo.send(pristo.upsert({"contact": {"id": contact_id, "name": text}}))
        if exchange.status == 200:
            ledger.compare(exchange, {"id": contact_id, "name": text})
    for number, text in pristo.within(enumerate([*EMAILS, *PHONES[:3], *FOREIGN_PHONES]), least=0):
        ledger.upsert({"id": contact_id, "email" if number < len(EMAILS) else "phone": text})
    ledger.reset(contact_id)


@pytest.mark.clause("pristo.custom-fields-accepted", "pristo.custom-value-limit")
def test_custom_fields_take_text_up_to_the_limit(pristo: Service) -> None:
    """Any text, and 255 code points of whatever width; then they are shown unchanged."""
    keys = pristo.endpoint.custom_fields
    if not keys:
        raise NotExercised("PRISTO_CUSTOM_FIELDS names no custom field, so none are sent")
    ledger, contact_id = Ledger(pristo), PLAIN_POOL[10]
    ledger.reset(contact_id)
    for key in pristo.within(keys):
        for text in pristo.within(LOOKALIKES if key == keys[0] else LOOKALIKES[:2]):
            contact = {"id": contact_id, "customFields": {key: text}}
            ledger.compare(
                accept(
                    pristo,
                    pristo.upsert({"contact": contact}),
                    "pristo.custom-fields-accepted",
                    f"a custom field with “{text}”",
                ),
                contact,
            )
    limit = custom_limit()
    whole = {"id": contact_id, "customFields": dict.fromkeys(keys, "x" * limit)}
    exchange = accept(
        pristo,
        pristo.upsert({"contact": whole}),
        "pristo.custom-value-limit",
        f"custom fields of {limit} characters each",
    )
    ledger.compare(exchange, whole)
    for letter in pristo.within(["𠮷", "x", "é", "ש", "李", "👩"]):
        for length in pristo.within([limit, limit - 1]):
            contact = {"id": contact_id, "customFields": {keys[0]: letter * length}}
            exchange = accept(
                pristo,
                pristo.upsert({"contact": contact}),
                "pristo.custom-value-limit",
                f"a custom field of {length} times “{letter}”",
            )
            ledger.compare(exchange, contact)
        for key in pristo.within(keys):
            broken = pristo.upsert(
                {
                    "contact": {
                        "id": contact_id,
                        "customFields": {**dict.fromkeys(keys, "x"), key: letter * (limit + 1)},
                    }
                }
            )
            refuse(
                pristo,
                broken,
                "pristo.custom-value-limit",
                f"a custom field of {limit + 1} times “{letter}”",
            )


def custom_limit() -> int:
    """The limit of a custom field's value, as the specification has it."""
    return int(
        resolve_pointer(
            load_specification("pristo"), load_clauses()["pristo.custom-value-limit"].at
        )
    )


@pytest.mark.clause("pristo.language-codes-accepted")
def test_language_codes_are_accepted(pristo: Service) -> None:
    """Those of the document, and those that old libraries rename (he, id, yi)."""
    ledger = Ledger(pristo)
    ledger.reset(PLAIN_POOL[11])
    for code in pristo.within(LANGUAGES):
        contact = {"id": PLAIN_POOL[11], "language": code}
        ledger.compare(
            accept(
                pristo,
                pristo.upsert({"contact": contact}),
                "pristo.language-codes-accepted",
                f"the language {code}",
            ),
            contact,
        )


@pytest.mark.clause("pristo.email-is-address")
def test_addresses_are_accepted(pristo: Service) -> None:
    """With dots, tags, capitals and apostrophes."""
    for address in pristo.within(EMAILS):
        accept(
            pristo,
            pristo.upsert({"contact": {"id": PLAIN_POOL[11], "email": address}}),
            "pristo.email-is-address",
            f"the email {address}",
        )
    Ledger(pristo).reset(PLAIN_POOL[11])


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
    return "kept" if shown[field] == sent[field] else "changed"


@pytest.mark.clause("pristo.unknown-members-of-contact")
def test_probe_unknown_members_of_a_contact(pristo: Service, observe: Observe) -> None:
    """A member that the schema forbids and the description allows."""
    keys, ledger = pristo.endpoint.custom_fields, Ledger(pristo)
    key = keys[0] if keys else "favouriteColour"
    ledger.reset(PLAIN_POOL[12])
    exchange = pristo.send(pristo.upsert({"contact": {"id": PLAIN_POOL[12], key: "blue"}}))
    shown = {} if exchange.status >= 300 else exchange.json().get("contact") or {}
    if exchange.status == 400:
        observe("refused: answered 400")
    elif not keys or not set(shown) - {"id"}:
        observe(f"custom-field: answered {exchange.status}, which does not show it")
    elif shown.get("customFields", {}).get(key) == "blue":
        observe("custom-field: shown in customFields")
    else:
        raise Breach(
            "pristo.unknown-members-of-contact",
            "the member is neither refused nor a custom field: it is dropped in silence",
            exchange,
            expects=[Fact("member", ACCEPTED, pointer("contact", "customFields", key), "blue")],
        )


@pytest.mark.parametrize(
    ("member", "texts"),
    [
        pytest.param(
            "language",
            ["english", "xx", "EN"],
            marks=pytest.mark.clause("pristo.language-is-iso-639"),
        ),
        pytest.param(
            "phone",
            ["call me", "0", "+1 (202) 555-0123"],
            marks=pytest.mark.clause("pristo.phone-form"),
        ),
        pytest.param("name", ["", " ", " Ada "], marks=pytest.mark.clause("pristo.blank-text")),
        pytest.param(
            "name",
            ["a\x00b", "\x1b[31m", "a\r\nb"],
            marks=pytest.mark.clause("pristo.control-characters"),
        ),
        pytest.param("name", ["x" * 10_000], marks=pytest.mark.clause("pristo.long-text")),
    ],
)
def test_probe_text(member: str, texts: list[str], pristo: Service, observe: Observe) -> None:
    """Text that nothing is said about."""
    fates = [
        fate(pristo, pristo.upsert({"contact": {"id": PLAIN_POOL[13], member: text}}), member)
        for text in texts
    ]
    observe(", ".join(f"{text[:20]!r} {what}" for text, what in zip(texts, fates, strict=True)))


@pytest.mark.clause("pristo.no-server-error")
def test_unusual_text_in_every_field_does_not_crash_the_service(pristo: Service) -> None:
    """Refused or accepted, it is answered."""
    fields = [
        each for each in full_contact(pristo, PLAIN_POOL[13]) if each not in ("id", "customFields")
    ]
    pristo.send(pristo.upsert({"contact": {"id": PLAIN_POOL[13], "customFields": {}}}))
    for text in pristo.within(UNUSUAL):
        for name in pristo.within(fields):
            pristo.send(pristo.upsert({"contact": {"id": PLAIN_POOL[13], name: text}}))
        for key in [
            *pristo.endpoint.custom_fields[:1],
            *([] if pristo.settings.is_gentle else ["a.b", "$a", "__proto__"]),
        ]:
            pristo.send(
                pristo.upsert({"contact": {"id": PLAIN_POOL[13], "customFields": {key: text}}})
            )


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
    observe(f"answered {pristo.send(call).status}")


@pytest.mark.clause("pristo.nil-and-max-ids")
def test_probe_nil_and_maximal_ids(pristo: Service, observe: Observe) -> None:
    """They may be refused; a service that takes them must keep them like others."""
    seen = []
    for name, contact_id in (("nil", NIL), ("max", MAX)):
        full = full_contact(pristo, contact_id)
        exchange = pristo.send(pristo.upsert({"contact": full}))
        seen.append(f"{name} answered {exchange.status}")
        if exchange.status < 300:
            ledger = Ledger(pristo)
            ledger.reset(contact_id)
            ledger.upsert({"id": contact_id, "name": "Nil" if contact_id == NIL else "Max"})
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
    seen = [
        f"{name} {pristo.send(pristo.upsert({'contact': {'id': text}}), judged=False).status}"
        for name, text in forms.items()
    ]
    seen += [
        f"version {each} {pristo.send(pristo.upsert({'contact': {'id': VERSIONS[each]}})).status}"
        for each in (1, 7)
    ]
    observe(", ".join(seen))


@pytest.mark.clause("pristo.key-letter-case")
def test_probe_key_in_the_other_letter_case(pristo: Service, observe: Observe) -> None:
    """A UUID's letter case means nothing, a secret's does."""
    key = pristo.endpoint.credentials["X-API-Key"]
    call = pristo.upsert({"contact": {"id": PLAIN_POOL[15]}}).with_header(
        "X-API-Key", key.swapcase()
    )
    observe(f"answered {pristo.send(call).status}")


@pytest.mark.clause("pristo.unknown-population")
def test_probe_unknown_population(pristo: Service, observe: Observe) -> None:
    """A UUID that no population has."""
    unknown = fixed_id(NAMESPACE, "no such population")
    observe(
        f"answered {pristo.send(pristo.upsert({'contact': {'id': PLAIN_POOL[15]}}, population=unknown), judged=False).status}"
    )


@pytest.mark.clause("pristo.request-id-made")
def test_probe_request_id_made(pristo: Service, observe: Observe) -> None:
    """What stands in the header when none was sent."""
    call = pristo.upsert({"contact": {"id": PLAIN_POOL[15]}})
    made = [pristo.send(call).headers.get("x-request-id") for _ in range(3)]
    observe(
        "none is made"
        if None in made
        else "a new one each time"
        if len(set(made)) == 3
        else "the same one every time"
    )


@pytest.mark.clause("pristo.error-members")
def test_probe_error_members(pristo: Service, observe: Observe) -> None:
    """What an error says."""
    members = sorted(pristo.send(pristo.upsert({})).json().get("error") or {})
    observe(", ".join(members) or "nothing")

"""Retainful's behaviour: its responses show little, so what it stores shows in what it accepts next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid5

import pytest
from attrs import frozen

from ...strategies import (
    ADDRESSES,
    DATES,
    FOREIGN_PHONES,
    IPV6_ADDRESSES,
    NAMES,
    PHONES,
    POOL_EMAILS,
    REALISTIC,
    SPARE_PHONES,
    UNUSUAL,
)
from ..expectations import at_once, not_status
from ..expectations import status as returns
from ..oracle import accept, refuse, reject_credentials
from ..preflight import shapes
from ..profiles.profile import properties_of
from ..profiles.retainful import identifier, least_contact, page_example
from ..service import (
    LEAST_AT_ONCE,
    NAMESPACE,
    THROTTLED_AT_ONCE,
    Breach,
    Call,
    Exchange,
    NotExercised,
    Service,
)

Json = dict[str, Any]
Observe = Callable[[str], None]


def by_phone(service: Service, phone: Any) -> Json:
    """A contact that nothing but a phone identifies."""
    return {**least_contact(service), "identifiers": [identifier("phone", phone)]}


def phone_alone(service: Service, phone: str) -> Exchange:
    """Asks, in effect, whether this number is known; changes nothing where it is not."""
    exchange = service.send(service.upsert(by_phone(service, phone)))
    if exchange.status not in (200, 400):
        message = f"a phone alone returned {exchange.status}"
        expects = returns(200, 400)
        raise Breach("retainful.email-to-create", message, exchange, expects=expects)
    return exchange


def unknown_phone(service: Service, purpose: str) -> str | None:
    """A number from a range reserved for fiction that the service refuses alone; ``None`` where it takes any."""
    for attempt in range(4):
        number = uuid5(NAMESPACE, f"{service.settings.seed}/{purpose}/{attempt}").int
        phone = SPARE_PHONES[number % len(SPARE_PHONES)]
        if phone_alone(service, phone).status == 400:
            return phone
    return None


@pytest.mark.clause(
    "retainful.examples-accepted", "retainful.success-answer", "retainful.several-identifiers"
)
def test_the_pages_example_is_accepted(retainful: Service) -> None:
    """With addresses that nobody has in place of the page's."""
    example = page_example(retainful, 4)
    call = retainful.upsert(example)
    for _ in range(2):
        accept(retainful, call, "retainful.examples-accepted", "the page's example request")
    swapped = {**example, "identifiers": list(reversed(example["identifiers"]))}
    call = retainful.upsert(swapped)
    why = "a request with the phone before the email"
    accept(retainful, call, "retainful.several-identifiers", why)


@pytest.mark.clause("retainful.no-server-error")
def test_unusual_identifiers_do_not_crash_the_service(retainful: Service) -> None:
    """Numbers beyond 64 bits, below zero and with a fraction; three and ten identifiers; the same one twice."""
    least = least_contact(retainful, 15)
    email = least["identifiers"]
    phone = identifier("phone", PHONES[15])
    numbers = (10**30, -1, 0.5, 1e308, 0)
    odd: list[list[Json]] = [[identifier("phone", number)] for number in numbers]
    odd += [[phone] * 2, [phone] * 9, email]
    for more in retainful.within(odd):
        call = retainful.upsert({**least, "identifiers": [*email, *more]})
        retainful.send(call)


@pytest.mark.clause("retainful.existing-contact-is-updated")
def test_an_existing_contact_is_updated(retainful: Service) -> None:
    """By its address, with other fields each time."""
    contact = least_contact(retainful, 5)
    changes: list[Json] = [
        {},
        {"lastName": "Lovelace"},
        {"firstName": "Grace"},
        {"city": "London", "countryCode": "GB"},
        {},
    ]
    for changed in retainful.within(changes, least=2):
        contact |= changed
        call = retainful.upsert(contact)
        why = "an update of a contact that exists"
        accept(retainful, call, "retainful.existing-contact-is-updated", why)


@pytest.mark.clause("retainful.concurrent-upserts")
def test_concurrent_upserts_are_all_accepted(retainful: Service) -> None:
    """Eight upserts of one contact in the same moment."""
    rounds = 4
    if retainful.settings.is_gentle:
        rounds = 1
    for number in retainful.within(range(rounds)):
        call = retainful.upsert(page_example(retainful, 6 + number))
        responses, together = retainful.send_all_at_once([call] * 8)
        for response in responses:
            if response.status != 200:
                message = f"of eight upserts at once one returned {response.status}"
                expects = at_once()
                raise Breach("retainful.concurrent-upserts", message, response, expects=expects)
        if together < LEAST_AT_ONCE:
            raise NotExercised(THROTTLED_AT_ONCE)


@pytest.mark.clause("retainful.channel-forms-accepted")
def test_channels_are_accepted_in_each_form(retainful: Service) -> None:
    """Either channel, both, in either status."""
    for kind, value in (("email", POOL_EMAILS[7]), ("phone", PHONES[7])):
        for status in REALISTIC["status"]:
            for channels in ([kind], ["email", "phone"]):
                changed = identifier(kind, value)
                changed["channels"] = {channel: {"status": status} for channel in channels}
                contact = least_contact(retainful, 7)
                if kind == "email":
                    contact["identifiers"] = [changed]
                else:
                    contact["identifiers"].append(changed)
                call = retainful.upsert(contact)
                why = f"channels {channels} with status {status}"
                accept(retainful, call, "retainful.channel-forms-accepted", why)


@pytest.mark.clause("retainful.consent-ip-accepted", "retainful.consent-time-is-date-time")
def test_consent_is_accepted_in_realistic_forms(retainful: Service) -> None:
    """Addresses of IP version 4, times on a leap day and at the end of a year, several sources."""
    for ip in retainful.within(ADDRESSES):
        call = _with_consent(retainful, ip=ip)
        accept(retainful, call, "retainful.consent-ip-accepted", f"consent from {ip}")
    for time in retainful.within(DATES):
        call = _with_consent(retainful, createdAt=time)
        accept(retainful, call, "retainful.consent-time-is-date-time", f"consent at {time}")
    for source in retainful.within(REALISTIC["source"]):
        call = _with_consent(retainful, source=source)
        accept(retainful, call, "retainful.operation", f"consent through {source}")


def _with_consent(service: Service, **changes: str) -> Call:
    contact = least_contact(service, 8)
    contact["identifiers"][0]["consent"] |= changes
    return service.upsert(contact)


@pytest.mark.clause("retainful.birth-date-is-date", "retainful.created-at-is-date")
def test_dates_are_accepted_in_the_form_of_the_example(retainful: Service) -> None:
    """A leap day and the end of a year among them."""
    clauses = {
        "birthDate": "retainful.birth-date-is-date",
        "createdAt": "retainful.created-at-is-date",
    }
    for name, clause in clauses.items():
        for time in retainful.within(DATES):
            call = retainful.upsert({**least_contact(retainful, 8), name: time})
            accept(retainful, call, clause, f"{name} {time}")


@pytest.mark.clause("retainful.identifier-id-is-string-or-number")
def test_an_identifier_may_be_a_number(retainful: Service) -> None:
    """The table says "string or number"."""
    contact = least_contact(retainful, 9)
    contact["identifiers"].append(identifier("phone", FOREIGN_PHONES[0]))
    call = retainful.upsert(contact)
    accept(retainful, call, "retainful.several-identifiers", "a phone of another country")
    number = int(PHONES[9].removeprefix("+"))
    contact["identifiers"][-1] = identifier("phone", number)
    call = retainful.upsert(contact)
    clause = "retainful.identifier-id-is-string-or-number"
    accept(retainful, call, clause, "a phone given as a number")


@pytest.mark.clause("retainful.text-accepted")
def test_text_in_any_script_is_accepted(retainful: Service) -> None:
    """Names in every script, and realistic places."""
    last_names = [*NAMES[1:], NAMES[0]]
    for first, last in retainful.within(zip(NAMES, last_names, strict=True)):
        contact = {**least_contact(retainful, 10), "firstName": first, "lastName": last}
        call = retainful.upsert(contact)
        accept(retainful, call, "retainful.text-accepted", f"the name “{first}” or “{last}”")
    for name in properties_of(retainful):
        texts = REALISTIC.get(name, [])
        if name in ("firstName", "lastName", "triggerWelcomeEmail"):
            texts = []
        for text in retainful.within(texts, least=0):
            call = retainful.upsert({**least_contact(retainful, 10), name: text})
            accept(retainful, call, "retainful.text-accepted", f"{name} “{text}”")


@pytest.mark.clause("retainful.400-body", "retainful.401-body")
def test_errors_have_the_form_of_errors(retainful: Service) -> None:
    """Judged with every response; here both are surely met."""
    refuse(retainful, retainful.upsert({}), "retainful.identifiers-required", "an empty object")
    call = retainful.upsert(least_contact(retainful))
    for header in retainful.endpoint.credentials:
        retainful.send(call.with_header(header, None))


# ----------------------------------------------------------------------------------------------- refused requests


@pytest.mark.clause("retainful.refused-writes-nothing")
def test_a_refused_request_writes_nothing(retainful: Service) -> None:
    """A number that only a refused request brought stays unknown: alone, it is refused as before."""
    phone = unknown_phone(retainful, "refused")
    if phone is None:
        raise NotExercised(
            "the service takes a phone alone for new contacts, so nothing shows what it has stored"
        )
    accept(retainful, retainful.upsert(least_contact(retainful, 11)), "retainful.operation")
    for email in (POOL_EMAILS[11], "never-taken@example.com"):
        contact = page_example(retainful, 11)
        contact["identifiers"] = [identifier("email", email), identifier("phone", phone)]
        for refusal in retainful.within(refusals(retainful, contact)):
            _is_still_unknown(retainful, phone, refusal)


def _is_still_unknown(service: Service, phone: str, refusal: Refusal) -> None:
    """Sends the request, which brings this number, and looks behind it."""
    refused = refusal.check(service)
    looked = phone_alone(service, phone)
    if looked.status == 200:
        message = f"a request {refusal.reason} was refused, and what it brought is known"
        clause = "retainful.refused-writes-nothing"
        raise Breach(clause, message, refused, looked, expects=not_status(200))


@frozen
class Refusal:
    """A request that must be refused."""

    reason: str
    expect: Callable[[Service, Call, str, str], Exchange]
    """How the refusal is judged."""
    clause: str
    call: Call

    def check(self, service: Service) -> Exchange:
        return self.expect(service, self.call, self.clause, f"a request {self.reason}")


def refusals(service: Service, contact: Json) -> list[Refusal]:
    """Requests that must be refused, each for one reason."""
    return [*_without_credentials(service, contact), *_with_a_wrong_body(service, contact)]


def _without_credentials(service: Service, contact: Json) -> list[Refusal]:
    good = service.upsert(contact)
    key, app = service.endpoint.credentials
    reasons = [
        ("without an API key", "retainful.api-key-required", key, None),
        ("with a wrong API key", "retainful.api-key-checked", key, "wrong"),
        ("without an App ID", "retainful.app-id-required", app, None),
        ("with a wrong App ID", "retainful.app-id-checked", app, "wrong"),
    ]
    return [
        Refusal(reason, reject_credentials, clause, good.with_header(header, value))
        for reason, clause, header, value in reasons
    ]


def _with_a_wrong_body(service: Service, contact: Json) -> list[Refusal]:
    first, *rest = contact["identifiers"]
    from_a_number = {**first, "consent": {**first["consent"], "ip": 7}}
    by_fax = {**identifier("phone", PHONES[11]), "type": "fax"}

    def without(name: str) -> Json:
        return {key: value for key, value in contact.items() if key != name}

    bodies = [
        ("without a first name", "retainful.first-name-required", without("firstName")),
        ("without lists", "retainful.list-ids-required", without("listIds")),
        ("with a number for a city", "retainful.city-is-string", {**contact, "city": 7}),
        (
            "with a birth date that is not valid",
            "retainful.birth-date-is-date",
            {**contact, "birthDate": "not a date"},
        ),
        (
            "with a country code of three letters",
            "retainful.country-code-has-two-letters",
            {**contact, "countryCode": "USA"},
        ),
        (
            "with text for `triggerWelcomeEmail`",
            "retainful.trigger-is-boolean",
            {**contact, "triggerWelcomeEmail": "false"},
        ),
        ("with text for `listIds`", "retainful.list-ids-is-array", {**contact, "listIds": "x"}),
        (
            "with a consent from a number",
            "retainful.consent-ip-is-string",
            {**contact, "identifiers": [from_a_number, *rest]},
        ),
        (
            "with a third identifier that is not valid",
            "retainful.identifier-type-values",
            {**contact, "identifiers": [first, *rest, by_fax]},
        ),
    ]
    return [
        Refusal(reason, refuse, clause, service.upsert(body)) for reason, clause, body in bodies
    ]


@pytest.mark.clause("retainful.api-key-checked", "retainful.app-id-checked")
def test_credentials_that_changed_places_are_wrong(retainful: Service) -> None:
    """Each in the other's header, both at once."""
    (key, secret), (app, number) = retainful.endpoint.credentials.items()
    call = (
        retainful.upsert(shapes(retainful)[-1].body)
        .with_header(key, number)
        .with_header(app, secret)
    )
    reject_credentials(
        retainful,
        call,
        "retainful.api-key-checked",
        "a request whose API key and App ID changed places",
    )


@pytest.mark.clause("retainful.optional-fields")
def test_each_optional_field_of_retainful_may_stand_alone(retainful: Service) -> None:
    """The required fields with any one other are accepted, and so is any optional field missing from the whole."""
    full, least = page_example(retainful, 3), least_contact(retainful, 3)
    for name in retainful.within([each for each in full if each not in least]):
        accept(
            retainful,
            retainful.upsert({**least, name: full[name]}),
            "retainful.optional-fields",
            f"a contact with {name}",
        )
        rest = {key: value for key, value in full.items() if key != name}
        accept(
            retainful,
            retainful.upsert(rest),
            "retainful.optional-fields",
            f"a contact without {name}",
        )


# --------------------------------------------------------------------------------------------------------- probes


@pytest.mark.clause("retainful.email-to-create")
def test_probe_email_to_create(retainful: Service, observe: Observe) -> None:
    """A phone alone: one that is unknown, and one that came with an address before."""
    known = PHONES[12]
    contact = least_contact(retainful, 12)
    contact["identifiers"] = [identifier("email", POOL_EMAILS[12]), identifier("phone", known)]
    call = retainful.upsert(contact)
    accept(retainful, call, "retainful.several-identifiers", "an address and a number")
    takes_known = phone_alone(retainful, known).status == 200
    takes_unknown = unknown_phone(retainful, "email to create") is None
    fates = {True: "taken", False: "refused"}
    seen = f"a known phone alone is {fates[takes_known]}, an unknown one {fates[takes_unknown]}"
    match takes_known, takes_unknown:
        case True, False:
            observe(f"to-create: {seen}")
        case False, False:
            observe(f"always: {seen}")
        case True, True:
            observe(f"never: {seen}")
        case _:
            observe(f"none: {seen}")


@pytest.mark.clause("retainful.plain-dates")
def test_probe_plain_dates(retainful: Service, observe: Observe) -> None:
    """A date without a time, where both are shown."""
    least = least_contact(retainful, 13)
    places = {
        "birthDate": retainful.upsert({**least, "birthDate": "1990-01-15"}),
        "createdAt": retainful.upsert({**least, "createdAt": "2024-03-21"}),
        "consent.createdAt": _with_consent(retainful, createdAt="2024-03-21"),
    }
    taken = [name for name, call in places.items() if retainful.send(call).status == 200]
    if taken:
        observe(f"accepted: in {', '.join(taken)}")
    else:
        observe("refused: everywhere")


@pytest.mark.clause("retainful.status-member")
def test_probe_status_member(retainful: Service, observe: Observe) -> None:
    """A boolean on success, a text on failure."""
    call = retainful.upsert(least_contact(retainful))
    success = accept(retainful, call, "retainful.operation").json().get("status")
    error = retainful.send(retainful.upsert({})).json().get("status")
    kind = "none"
    if success is True and error == "error":
        kind = "as-shown"
    observe(f"{kind}: {success!r} and {error!r}")


@pytest.mark.clause("retainful.trailing-comma")
def test_probe_trailing_comma(retainful: Service, observe: Observe) -> None:
    """Whether the success response is JSON after all."""
    call = retainful.upsert(least_contact(retainful))
    accept(retainful, call, "retainful.operation").json()
    observe("json: without the comma")


def _probe(clause: str, **changes: Any) -> Any:
    return pytest.param(changes, marks=pytest.mark.clause(clause))


@pytest.mark.parametrize(
    "changes",
    [
        _probe("retainful.unknown-members", unknownMember="x"),
        _probe("retainful.country-code-capitals", countryCode="us"),
        _probe("retainful.no-list", listIds=[]),
        _probe("retainful.unknown-list", listIds=["no-such-list-8f3a"]),
        _probe("retainful.blank-text", firstName=""),
        _probe("retainful.control-characters", firstName="a\x00b"),
        _probe("retainful.long-text", firstName="x" * 10_000),
    ],
)
def test_probe_members(changes: Json, retainful: Service, observe: Observe) -> None:
    """Members that the page says nothing about."""
    call = retainful.upsert({**least_contact(retainful, 14), **changes})
    observe(f"returned {retainful.send(call).status}")


@pytest.mark.parametrize(
    "changes",
    [
        _probe(
            "retainful.ip-form",
            consent={"createdAt": DATES[0], "ip": "nowhere", "source": "import"},
        ),
        _probe("retainful.email-form", id="not-an-address"),
        _probe("retainful.other-channel-status", channels={"email": {"status": "pending"}}),
        _probe("retainful.channel-without-status", channels={"email": {}}),
    ],
)
def test_probe_identifiers(changes: Json, retainful: Service, observe: Observe) -> None:
    """Identifiers in forms that the page says nothing about."""
    contact = least_contact(retainful, 14)
    contact["identifiers"][0] |= changes
    observe(f"returned {retainful.send(retainful.upsert(contact)).status}")


@pytest.mark.clause("retainful.ipv6-accepted")
def test_probe_ipv6_addresses(retainful: Service, observe: Observe) -> None:
    """Short, in full and capitals, and with an IPv4 address inside."""
    calls = {ip: _with_consent(retainful, ip=ip) for ip in IPV6_ADDRESSES}
    seen = [f"{ip} {retainful.send(call).status}" for ip, call in calls.items()]
    observe(", ".join(seen))


@pytest.mark.clause("retainful.other-time-forms")
def test_probe_other_time_forms(retainful: Service, observe: Observe) -> None:
    """ISO 8601, but not as on the page."""
    forms = [
        "2024-03-21T10:30:00Z",
        "2024-03-21T10:30:00.000+02:00",
        "2024-03-21T10:30:00",
        "2024-03-21 10:30:00Z",
        "20240321T103000Z",
    ]
    seen = []
    for text in forms:
        call = _with_consent(retainful, createdAt=text)
        seen.append(f"{text} {retainful.send(call).status}")
    observe(", ".join(seen))


@pytest.mark.clause("retainful.no-server-error")
def test_unusual_text_in_every_field_does_not_crash_the_service(retainful: Service) -> None:
    """Refused or accepted, there is a response."""
    properties = properties_of(retainful)
    members = [name for name, schema in properties.items() if schema.get("type") == "string"]
    for text in retainful.within(UNUSUAL):
        for name in retainful.within(members):
            call = retainful.upsert({**least_contact(retainful, 14), name: text})
            retainful.send(call)

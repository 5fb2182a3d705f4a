"""Retainful's behaviour: it tells little, so what it stores shows in what it accepts next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid5

import pytest

from ...strategies import (
    ADDRESSES,
    DATES,
    FOREIGN_PHONES,
    NAMES,
    PHONES,
    POOL_EMAILS,
    REALISTIC,
    SPARE_PHONES,
    UNUSUAL,
)
from ..expectations import at_once, not_status
from ..expectations import status as answers_with
from ..oracle import accept, refuse, reject_credentials
from ..preflight import identifier, least_contact, page_example, properties_of
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
    """Asks, in effect, whether this number is known; changes nothing where the answer is no."""
    exchange = service.send(service.upsert(by_phone(service, phone)))
    if exchange.status not in (200, 400):
        message = f"a phone alone is answered {exchange.status}"
        raise Breach("retainful.email-to-create", message, exchange, expects=answers_with(200, 400))
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
    for _ in range(2):
        accept(
            retainful,
            retainful.upsert(example),
            "retainful.examples-accepted",
            "the page's example request",
        )
    swapped = {**example, "identifiers": list(reversed(example["identifiers"]))}
    accept(
        retainful,
        retainful.upsert(swapped),
        "retainful.several-identifiers",
        "a request with the phone before the email",
    )


@pytest.mark.clause("retainful.no-server-error")
def test_unusual_identifiers_do_not_crash_the_service(retainful: Service) -> None:
    """Numbers beyond 64 bits, below zero and with a fraction; three and ten identifiers; the same one twice."""
    email = least_contact(retainful, 15)["identifiers"]
    odd: list[list[Json]] = [
        [identifier("phone", number)] for number in (10**30, -1, 0.5, 1e308, 0)
    ]
    odd += [[identifier("phone", PHONES[15])] * 2, [identifier("phone", PHONES[15])] * 9, email]
    for more in retainful.within(odd):
        retainful.send(
            retainful.upsert({**least_contact(retainful, 15), "identifiers": [*email, *more]})
        )


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
        accept(
            retainful,
            retainful.upsert(contact),
            "retainful.existing-contact-is-updated",
            "an update of a contact that exists",
        )


@pytest.mark.clause("retainful.concurrent-upserts")
def test_concurrent_upserts_are_all_accepted(retainful: Service) -> None:
    """Eight upserts of one contact in the same moment."""
    for number in retainful.within(range(1 if retainful.settings.is_gentle else 4)):
        answers, together = retainful.send_all_at_once(
            [retainful.upsert(page_example(retainful, 6 + number))] * 8
        )
        for each in answers:
            if each.status != 200:
                message = f"of eight upserts at once one is answered {each.status}"
                raise Breach("retainful.concurrent-upserts", message, each, expects=at_once())
        if together < LEAST_AT_ONCE:
            raise NotExercised(THROTTLED_AT_ONCE)


@pytest.mark.clause("retainful.channel-forms-accepted")
def test_channels_are_accepted_in_each_form(retainful: Service) -> None:
    """Either channel, both, in either status."""
    for kind, value in (("email", POOL_EMAILS[7]), ("phone", PHONES[7])):
        for status in REALISTIC["status"]:
            for channels in ([kind], ["email", "phone"]):
                contact = least_contact(retainful, 7)
                changed = {
                    **identifier(kind, value),
                    "channels": {each: {"status": status} for each in channels},
                }
                contact["identifiers"] = (
                    [changed] if kind == "email" else [*contact["identifiers"], changed]
                )
                accept(
                    retainful,
                    retainful.upsert(contact),
                    "retainful.channel-forms-accepted",
                    f"channels {channels} with status {status}",
                )


@pytest.mark.clause("retainful.consent-ip-accepted", "retainful.consent-time-is-date-time")
def test_consent_is_accepted_in_realistic_forms(retainful: Service) -> None:
    """Addresses of both IP versions, times on a leap day and at the end of a year, several sources."""
    for ip in retainful.within(ADDRESSES):
        accept(
            retainful,
            _with_consent(retainful, ip=ip),
            "retainful.consent-ip-accepted",
            f"consent from {ip}",
        )
    for time in retainful.within(DATES):
        accept(
            retainful,
            _with_consent(retainful, createdAt=time),
            "retainful.consent-time-is-date-time",
            f"consent at {time}",
        )
    for source in retainful.within(REALISTIC["source"]):
        accept(
            retainful,
            _with_consent(retainful, source=source),
            "retainful.operation",
            f"consent through {source}",
        )


def _with_consent(service: Service, **changes: str) -> Any:
    contact = least_contact(service, 8)
    contact["identifiers"][0]["consent"] |= changes
    return service.upsert(contact)


@pytest.mark.clause("retainful.birth-date-is-date", "retainful.created-at-is-date")
def test_dates_are_accepted_in_the_form_of_the_example(retainful: Service) -> None:
    """A leap day and the end of a year among them."""
    for name, clause in (
        ("birthDate", "retainful.birth-date-is-date"),
        ("createdAt", "retainful.created-at-is-date"),
    ):
        for time in retainful.within(DATES):
            accept(
                retainful,
                retainful.upsert({**least_contact(retainful, 8), name: time}),
                clause,
                f"{name} {time}",
            )


@pytest.mark.clause("retainful.identifier-id-is-string-or-number")
def test_an_identifier_may_be_a_number(retainful: Service) -> None:
    """The table says "string or number"."""
    contact = least_contact(retainful, 9)
    contact["identifiers"].append(identifier("phone", FOREIGN_PHONES[0]))
    accept(
        retainful,
        retainful.upsert(contact),
        "retainful.several-identifiers",
        "a phone of another country",
    )
    contact["identifiers"][-1] = identifier("phone", int(PHONES[9].removeprefix("+")))
    accept(
        retainful,
        retainful.upsert(contact),
        "retainful.identifier-id-is-string-or-number",
        "a phone given as a number",
    )


@pytest.mark.clause("retainful.text-accepted")
def test_text_in_any_script_is_accepted(retainful: Service) -> None:
    """Names in every script, and realistic places."""
    for first, last in retainful.within(zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True)):
        contact = {**least_contact(retainful, 10), "firstName": first, "lastName": last}
        accept(
            retainful,
            retainful.upsert(contact),
            "retainful.text-accepted",
            f"the name “{first}” or “{last}”",
        )
    for name in properties_of(retainful):
        texts = (
            REALISTIC.get(name, [])
            if name not in ("firstName", "lastName", "triggerWelcomeEmail")
            else []
        )
        for text in retainful.within(texts, least=0):
            accept(
                retainful,
                retainful.upsert({**least_contact(retainful, 10), name: text}),
                "retainful.text-accepted",
                f"{name} “{text}”",
            )


@pytest.mark.clause("retainful.400-body", "retainful.401-body")
def test_errors_have_the_form_of_errors(retainful: Service) -> None:
    """Judged with every answer; here both are surely met."""
    refuse(retainful, retainful.upsert({}), "retainful.identifiers-required", "an empty object")
    call = retainful.upsert(least_contact(retainful))
    for header in retainful.endpoint.credentials:
        retainful.send(call.with_header(header, None))


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
        contact = {
            **page_example(retainful, 11),
            "identifiers": [identifier("email", email), identifier("phone", phone)],
        }
        for reason, (check, clause, call) in retainful.within(refusals(retainful, contact).items()):
            refused = check(retainful, call, clause, f"a request {reason}")
            looked = phone_alone(retainful, phone)
            if looked.status == 200:
                message = f"a request {reason} was refused, and what it brought is known"
                raise Breach(
                    "retainful.refused-writes-nothing",
                    message,
                    refused,
                    looked,
                    expects=not_status(200),
                )


def refusals(
    service: Service, contact: Json
) -> dict[str, tuple[Callable[[Service, Call, str, str], Exchange], str, Call]]:
    """Requests that must be refused, by the reason: how that is checked, its clause, and the request."""

    def without(name: str) -> Call:
        return service.upsert({key: value for key, value in contact.items() if key != name})

    def with_consent(**changes: Any) -> Call:
        first, *rest = contact["identifiers"]
        return service.upsert(
            {
                **contact,
                "identifiers": [{**first, "consent": {**first["consent"], **changes}}, *rest],
            }
        )

    good = service.upsert(contact)
    key, app = service.endpoint.credentials
    third = identifier("phone", PHONES[11])
    return {
        "without an API key": (
            reject_credentials,
            "retainful.api-key-required",
            good.with_header(key, None),
        ),
        "with a wrong API key": (
            reject_credentials,
            "retainful.api-key-checked",
            good.with_header(key, "wrong"),
        ),
        "without an App ID": (
            reject_credentials,
            "retainful.app-id-required",
            good.with_header(app, None),
        ),
        "with a wrong App ID": (
            reject_credentials,
            "retainful.app-id-checked",
            good.with_header(app, "wrong"),
        ),
        "without a first name": (refuse, "retainful.first-name-required", without("firstName")),
        "without lists": (refuse, "retainful.list-ids-required", without("listIds")),
        "with a number for a city": (
            refuse,
            "retainful.city-is-string",
            service.upsert({**contact, "city": 7}),
        ),
        "with a birth date that is none": (
            refuse,
            "retainful.birth-date-is-date",
            service.upsert({**contact, "birthDate": "not a date"}),
        ),
        "with a country code of three letters": (
            refuse,
            "retainful.country-code-has-two-letters",
            service.upsert({**contact, "countryCode": "USA"}),
        ),
        "with text for `triggerWelcomeEmail`": (
            refuse,
            "retainful.trigger-is-boolean",
            service.upsert({**contact, "triggerWelcomeEmail": "false"}),
        ),
        "with text for `listIds`": (
            refuse,
            "retainful.list-ids-is-array",
            service.upsert({**contact, "listIds": "x"}),
        ),
        "with a consent from a number": (
            refuse,
            "retainful.consent-ip-is-string",
            with_consent(ip=7),
        ),
        "with a third identifier that is none": (
            refuse,
            "retainful.identifier-type-values",
            service.upsert(
                {**contact, "identifiers": [*contact["identifiers"], {**third, "type": "fax"}]}
            ),
        ),
    }


# --------------------------------------------------------------------------------------------------------- probes


@pytest.mark.clause("retainful.email-to-create")
def test_probe_email_to_create(retainful: Service, observe: Observe) -> None:
    """A phone alone: one that is unknown, and one that came with an address before."""
    known = PHONES[12]
    contact = {
        **least_contact(retainful, 12),
        "identifiers": [identifier("email", POOL_EMAILS[12]), identifier("phone", known)],
    }
    accept(
        retainful,
        retainful.upsert(contact),
        "retainful.several-identifiers",
        "an address and a number",
    )
    for_known = phone_alone(retainful, known).status == 200
    for_unknown = unknown_phone(retainful, "email to create") is None
    readings = {(True, False): "to-create", (False, False): "always", (True, True): "never"}
    told = f"a known phone alone is {'taken' if for_known else 'refused'}, an unknown one {'taken' if for_unknown else 'refused'}"
    observe(f"{readings.get((for_known, for_unknown), 'none')}: {told}")


@pytest.mark.clause("retainful.plain-dates")
def test_probe_plain_dates(retainful: Service, observe: Observe) -> None:
    """A date without a time, where both are shown."""
    places = {
        "birthDate": retainful.upsert({**least_contact(retainful, 13), "birthDate": "1990-01-15"}),
        "createdAt": retainful.upsert({**least_contact(retainful, 13), "createdAt": "2024-03-21"}),
        "consent.createdAt": _with_consent(retainful, createdAt="2024-03-21"),
    }
    taken = [name for name, call in places.items() if retainful.send(call).status == 200]
    observe(f"accepted: in {', '.join(taken)}" if taken else "refused: everywhere")


@pytest.mark.clause("retainful.status-member")
def test_probe_status_member(retainful: Service, observe: Observe) -> None:
    """A boolean on success, a text on failure."""
    success = accept(
        retainful, retainful.upsert(least_contact(retainful)), "retainful.operation"
    ).json()
    error = retainful.send(retainful.upsert({})).json()
    as_shown = success.get("status") is True and error.get("status") == "error"
    observe(
        f"{'as-shown' if as_shown else 'none'}: {success.get('status')!r} and {error.get('status')!r}"
    )


@pytest.mark.clause("retainful.trailing-comma")
def test_probe_trailing_comma(retainful: Service, observe: Observe) -> None:
    """Whether the success answer is JSON after all."""
    accept(retainful, retainful.upsert(least_contact(retainful)), "retainful.operation").json()
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
    """Members that nothing is said about."""
    observe(
        f"answered {retainful.send(retainful.upsert({**least_contact(retainful, 14), **changes})).status}"
    )


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
    """Identifiers in forms that nothing is said about."""
    contact = least_contact(retainful, 14)
    contact["identifiers"][0] |= changes
    observe(f"answered {retainful.send(retainful.upsert(contact)).status}")


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
    seen = [
        f"{text} {retainful.send(_with_consent(retainful, createdAt=text)).status}"
        for text in forms
    ]
    observe(", ".join(seen))


@pytest.mark.clause("retainful.no-server-error")
def test_unusual_text_in_every_field_does_not_crash_the_service(retainful: Service) -> None:
    """Refused or accepted, it is answered."""
    members = [
        name for name, schema in properties_of(retainful).items() if schema.get("type") == "string"
    ]
    for text in retainful.within(UNUSUAL):
        for name in retainful.within(members):
            retainful.send(retainful.upsert({**least_contact(retainful, 14), name: text}))

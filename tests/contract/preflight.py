"""The first requests of a run, which tell whether the service is there and takes what is plainly valid."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from ..strategies import PHONES, PLAIN_POOL, POOL_EMAILS, address_of, sample
from .expectations import accepted, status
from .oracle import contract_of
from .report.masking import masked_beginning
from .service import Breach, Call, Exchange, LeftOut, Service, ServiceGone
from .settings import CannotRun

Json = dict[str, Any]


def properties_of(service: Service, schema: str = "Contact") -> Json:
    """The members of a contact by name, each with its resolved schema."""
    contract = contract_of(service.api)
    node = contract.document["components"]["schemas"][schema]
    return {name: contract.resolve(each) for name, each in node["properties"].items()}


def full_contact(service: Service, contact_id: str) -> Json:
    """A realistic Pristo contact with every member that the specification lists."""
    values: Json = {}
    for name, schema in properties_of(service).items():
        value = sample(name, schema)
        if value is not None:
            values[name] = value
    if service.endpoint.custom_fields:
        values["customFields"] = {
            key: f"value of {number}" for number, key in enumerate(service.endpoint.custom_fields)
        }
    if "email" in values:
        values["email"] = address_of(contact_id)
    return {**values, "id": contact_id}


def identifier(kind: str, value: Any) -> Json:
    """A Retainful identifier in the form of the page's example."""
    consent = {"createdAt": "2024-03-21T10:30:00.000Z", "ip": "192.0.2.7", "source": "web_form"}
    return {
        "type": kind,
        "id": value,
        "channels": {kind: {"status": "subscribed"}},
        "consent": consent,
    }


def page_example(service: Service, number: int = 0) -> Json:
    """The example request of Retainful's page, whole, with an address and a number that nobody has."""
    example: Json = dict(
        contract_of("retainful").document["components"]["examples"]["Request"]["value"]
    )
    own = {"email": POOL_EMAILS[number], "phone": PHONES[number]}
    example["identifiers"] = [{**each, "id": own[each["type"]]} for each in example["identifiers"]]
    return {**example, "listIds": [service.endpoint.list_id], "triggerWelcomeEmail": False}


def least_contact(service: Service, number: int = 0) -> Json:
    """The least that Retainful's page asks for."""
    return {
        "firstName": "Ada",
        "listIds": [service.endpoint.list_id],
        "identifiers": [identifier("email", POOL_EMAILS[number])],
    }


def shapes(service: Service) -> list[tuple[str, str, Json]]:
    """Valid requests of several forms: clause that a refusal breaks, what it is, body."""
    if service.api == "pristo":
        full = full_contact(service, PLAIN_POOL[0])
        shown = [
            ("pristo.optional-fields", "a contact with nothing but its id", {"id": PLAIN_POOL[0]}),
            (
                "pristo.optional-fields",
                "a contact with id and email",
                {"id": PLAIN_POOL[1], "email": address_of(PLAIN_POOL[1])},
            ),
            ("pristo.operation", "a contact with all the document's fields", full),
        ]
        if service.endpoint.custom_fields:
            plain = {name: value for name, value in full.items() if name != "customFields"}
            shown.insert(
                2,
                (
                    "pristo.operation",
                    "a contact with all the document's fields but custom ones",
                    plain,
                ),
            )
            shown[-1] = (
                "pristo.custom-fields-accepted",
                "a contact with custom fields that the population defines",
                full,
            )
        return [(clause, why, {"contact": contact}) for clause, why, contact in shown]
    several = {
        **least_contact(service, 1),
        "identifiers": [identifier("email", POOL_EMAILS[1]), identifier("phone", PHONES[1])],
    }
    both = least_contact(service, 2)
    both["identifiers"][0]["channels"] = {
        "email": {"status": "subscribed"},
        "phone": {"status": "unsubscribed"},
    }
    return [
        (
            "retainful.optional-fields",
            "a contact with nothing but the required fields",
            least_contact(service),
        ),
        ("retainful.several-identifiers", "a contact with an address and a number", several),
        ("retainful.channel-forms-accepted", "a contact with both channels at its address", both),
        (
            "retainful.examples-accepted",
            "a request of the form of the page's example",
            page_example(service),
        ),
    ]


def valid_bodies(service: Service) -> list[Any]:
    """Bodies that carry every member; each rule of the document is broken in one of them."""
    if service.api == "pristo":
        return [{"contact": full_contact(service, PLAIN_POOL[2])}]
    both = page_example(service, 2)
    for each in both["identifiers"]:
        each["channels"] = {"email": {"status": "subscribed"}, "phone": {"status": "unsubscribed"}}
    return [both, least_contact(service, 2)]


def base_requests(service: Service) -> list[tuple[str, Call]]:
    """The requests that the others are made of, with their names; each must be valid by the document."""
    named = [(name, service.upsert(body)) for _, name, body in shapes(service)]
    return [
        *named,
        *(("a contact with every member", service.upsert(body)) for body in valid_bodies(service)),
    ]


def preflight(service: Service) -> None:
    """Sends the shapes.

    Raises:
        CannotRun: no connection, credentials that are refused, or not one shape that is taken.
        Breach: some shapes are taken and others refused, or an answer breaks a clause.
    """
    address = service.endpoint.base_url
    refused: list[tuple[str, str, Exchange]] = []
    planned = shapes(service)
    for clause, why, body in planned:
        try:
            exchange = service.send(service.upsert(body))
        except Breach as breach:
            if breach.clause.endswith(".answers-every-request") and service.counters.statuses == {}:
                suspects = f"{service.api.upper()}_BASE_URL"
                if service.route.proxy is not None:
                    suspects += f" and the proxy {service.route.proxy}"
                raise CannotRun(
                    f"{address} does not answer as an HTTP service ({breach.message}); check {suspects}."
                ) from None
            raise
        except ServiceGone as gone:
            raise CannotRun(f"{address} does not answer ({gone}).") from None
        except LeftOut as reason:
            raise CannotRun(f"{address}: “{why}” could not be sent: {reason}.") from None
        if exchange.status == 401:
            names = (
                "PRISTO_API_KEY"
                if service.api == "pristo"
                else "RETAINFUL_API_KEY and RETAINFUL_APP_ID"
            )
            raise CannotRun(f"{address} refuses the credentials (401); check {names}.")
        if exchange.status >= 300:
            refused.append((clause, why, exchange))
    if len(refused) == len(planned):
        _all_refused(service, refused[0][2])
    if refused:
        clause, why, exchange = refused[0]
        raise Breach(
            clause, f"{why} is refused with {exchange.status}", exchange, expects=accepted()
        )
    if service.api == "pristo":
        _first_contact(service)


def _all_refused(service: Service, exchange: Exchange) -> NoReturn:
    for clause, why, call in telling(service):
        if service.send(call).status < 300:
            message = f"every valid request is refused with {exchange.status} unless {why}"
            raise Breach(clause, message, exchange, expects=accepted())
    said = (
        masked_beginning(
            exchange.body.decode("utf-8", "replace").strip(), service.settings.variables, 200
        )
        or "nothing"
    )
    known = "PRISTO_POPULATION_ID" if service.api == "pristo" else "RETAINFUL_LIST_ID"
    raise CannotRun(
        f"{service.endpoint.base_url} refuses every valid request ({exchange.status}); check {known}. It says: {said}"
    )


def telling(service: Service) -> list[tuple[str, str, Call]]:
    """Requests that a service takes which refuses all others for one reason: the clause that it breaks, the reason, the request."""
    body = shapes(service)[0][2]
    if service.api == "pristo":
        call = service.upsert(body, request_id="0d6c34f5-5b0f-4a4e-8d2b-c0a7ac750000")
        return [("pristo.request-id-optional", "it carries an X-Request-Id", call)]
    forms = {
        "has a date without a time": "2024-03-21",
        "has a time without a fraction": "2024-03-21T10:30:00Z",
    }
    told = []
    for why, text in forms.items():
        body["identifiers"][0]["consent"]["createdAt"] = text
        told.append(
            ("retainful.consent-time-is-date-time", f"its consent {why}", service.upsert(body))
        )
    return told


def _first_contact(service: Service) -> None:
    """Finds ids that are new here: those of this seed, unless an earlier run with the same seed used them up."""
    clause = "pristo.create-answers-201"
    for salt in ("", str(time.time_ns())):
        service.salt = salt
        try:
            exchange = service.send(
                service.upsert({"contact": full_contact(service, service.fresh_id("first"))})
            )
        except LeftOut:
            return
        if exchange.status == 201:
            service.first_created = exchange
            return
        service.counters.fresh -= 1  # it was there already
    message = f"the first upsert of a new id is answered {exchange.status} instead of 201"
    raise Breach(clause, message, exchange, expects=status(201))

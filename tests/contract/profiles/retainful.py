"""Retainful: contacts by e-mail address and phone number, on lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contact_apis._vendors.retainful import VENDOR

from ...strategies import EMAILS, PHONES, POOL_EMAILS
from .profile import SPECS, Credential, Profile, Shape, read_settings

if TYPE_CHECKING:
    from ..service import Call, Service

Json = dict[str, Any]
LIST = "list_id"


def identifier(kind: str, value: Any) -> Json:
    """An identifier in the form of the page's example."""
    consent = {"createdAt": "2024-03-21T10:30:00.000Z", "ip": "192.0.2.7", "source": "web_form"}
    return {
        "type": kind,
        "id": value,
        "channels": {kind: {"status": "subscribed"}},
        "consent": consent,
    }


def page_example(service: Service, number: int = 0) -> Json:
    """The example request of the page, whole, with an address and a number that nobody has."""
    examples = service.profile.contract.document["components"]["examples"]
    example: Json = dict(examples["Request"]["value"])
    own = {"email": POOL_EMAILS[number], "phone": PHONES[number]}
    example["identifiers"] = [{**each, "id": own[each["type"]]} for each in example["identifiers"]]
    return {**example, "listIds": [service.endpoint.value(LIST)], "triggerWelcomeEmail": False}


def least_contact(service: Service, number: int = 0) -> Json:
    """The least that the page asks for."""
    return {
        "firstName": "Ada",
        "listIds": [service.endpoint.value(LIST)],
        "identifiers": [identifier("email", POOL_EMAILS[number])],
    }


class RetainfulProfile(Profile):
    """Bodies are a contact with its identifiers."""

    def shapes(self, service: Service) -> list[Shape]:
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
            Shape(
                "retainful.optional-fields",
                "a contact with nothing but the required fields",
                least_contact(service),
            ),
            Shape(
                "retainful.several-identifiers", "a contact with an address and a number", several
            ),
            Shape(
                "retainful.channel-forms-accepted",
                "a contact with both channels at its address",
                both,
            ),
            Shape(
                "retainful.examples-accepted",
                "a request of the form of the page's example",
                page_example(service),
            ),
        ]

    def valid_bodies(self, service: Service) -> list[Json]:
        both = page_example(service, 2)
        for each in both["identifiers"]:
            each["channels"] = {
                "email": {"status": "subscribed"},
                "phone": {"status": "unsubscribed"},
            }
        return [both, least_contact(service, 2)]

    def pool_body(self, service: Service, number: int) -> Json:
        place = number % len(POOL_EMAILS)
        if number % 2:
            return page_example(service, place)
        return least_contact(service, place)

    def with_text(self, body: Json, text: str) -> Json:
        return {**body, "lastName": text}

    def telling(self, service: Service) -> list[tuple[str, str, Call]]:
        forms = {
            "has a date without a time": "2024-03-21",
            "has a time without a fraction": "2024-03-21T10:30:00Z",
        }
        calls = []
        for why, text in forms.items():
            body = self.shapes(service)[0].body
            body["identifiers"][0]["consent"]["createdAt"] = text
            call = service.upsert(body)
            calls.append(("retainful.consent-time-is-date-time", f"its consent {why}", call))
        return calls

    def gentle(self, service: Service, value: Any) -> Any:
        return self._gentle(service, "", value)

    def _gentle(self, service: Service, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._gentle_object(service, value)
        if isinstance(value, list):
            return [self._gentle(service, name, item) for item in value]
        if name == "triggerWelcomeEmail" and value:
            return False
        if name == "listIds" and isinstance(value, str):
            return service.endpoint.value(LIST)
        if isinstance(value, str) and "@" in value:
            return EMAILS[len(value) % len(EMAILS)]
        return value

    def _gentle_object(self, service: Service, value: Json) -> Json:
        changed = {
            name.replace("@", "a"): self._gentle(service, name, member)
            for name, member in value.items()
        }
        given = changed.get("id")
        is_text_or_number = isinstance(given, str | int | float) and not isinstance(given, bool)
        if "type" in changed and is_text_or_number:
            pool = PHONES if changed["type"] == "phone" else POOL_EMAILS
            changed["id"] = pool[len(str(given)) % len(pool)]
        return changed

    def imagined_status(self, body: Json, *, is_known: bool) -> int:
        has_email = any(each["type"] == "email" for each in body["identifiers"])
        if not is_known and not has_email:
            return 400
        return 200

    def imagined_body(self, status: int) -> Json:
        return {"status": status < 400}

    def identities(self, call: Call) -> Iterable[str]:
        return [f"{each['type']}/{each['id']}" for each in call.json().get("identifiers", [])]


PROFILE = RetainfulProfile(
    vendor=VENDOR,
    document=SPECS / "retainful.yaml",
    credentials=(
        Credential(
            scheme="ApiKey",
            required="retainful.api-key-required",
            checked="retainful.api-key-checked",
        ),
        Credential(
            scheme="AppId",
            required="retainful.app-id-required",
            checked="retainful.app-id-checked",
        ),
    ),
    credentials_in_headers="retainful.credentials-in-headers",
    envelopes={
        Profile.everywhere: {
            200: "retainful.success-answer",
            400: "retainful.400-body",
            401: "retainful.401-body",
        }
    },
    # The page says nothing about throttling: a 429 is obeyed and reported as observed.
    tolerated=frozenset({429}),
    more_settings=read_settings(Path(__file__).with_suffix(".toml")),
)

"""Pristo: contacts by the caller's own id, in populations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contact_apis._vendors.pristo import VENDOR

from ...strategies import EMAILS, NEAR_POOL, PLAIN_POOL, PROBED_POOL, address_of, sample
from .profile import (
    SPECS,
    Creation,
    Credential,
    HeaderClauses,
    Profile,
    Shape,
    properties_of,
    read_settings,
)

if TYPE_CHECKING:
    from ..service import Call, Service
    from ..settings import Endpoint

Json = dict[str, Any]
POPULATION = "population_id"
SECOND_POPULATION = "second_population_id"


def custom_fields(endpoint: Endpoint) -> list[str]:
    """The custom fields that the population defines, as far as the run was told."""
    names = [name.strip() for name in endpoint.value("custom_fields").split(",")]
    return [name for name in names if name]


def full_contact(service: Service, contact_id: str) -> Json:
    """A realistic contact with every member that the specification lists."""
    values: Json = {}
    for name, schema in properties_of(service).items():
        value = sample(name, schema)
        if value is not None:
            values[name] = value
    defined = custom_fields(service.endpoint)
    if defined:
        values["customFields"] = {key: f"value of {number}" for number, key in enumerate(defined)}
    if "email" in values:
        values["email"] = address_of(contact_id)
    return {**values, "id": contact_id}


class PristoProfile(Profile):
    """Bodies hold one contact, under ``contact``."""

    def shapes(self, service: Service) -> list[Shape]:
        full = full_contact(service, PLAIN_POOL[0])
        plain = {name: value for name, value in full.items() if name != "customFields"}
        address = {"id": PLAIN_POOL[1], "email": address_of(PLAIN_POOL[1])}
        contacts = [
            (
                "pristo.optional-fields",
                "a contact with nothing but its id",
                {"id": PLAIN_POOL[0]},
            ),
            ("pristo.optional-fields", "a contact with id and email", address),
        ]
        if plain == full:
            contacts.append(("pristo.operation", "a contact with all the document's fields", full))
        else:
            described = "a contact with all the document's fields but custom ones"
            contacts.append(("pristo.operation", described, plain))
            described = "a contact with custom fields that the population defines"
            contacts.append(("pristo.custom-fields-accepted", described, full))
        return [Shape(clause, why, {"contact": contact}) for clause, why, contact in contacts]

    def valid_bodies(self, service: Service) -> list[Json]:
        return [{"contact": full_contact(service, PLAIN_POOL[2])}]

    def pool_body(self, service: Service, number: int) -> Json:
        pool = [*PLAIN_POOL, *NEAR_POOL]
        contact_id = pool[number % len(pool)]
        if number % 2:
            return {"contact": full_contact(service, contact_id)}
        return {"contact": {"id": contact_id}}

    def with_text(self, body: Json, text: str) -> Json:
        return {"contact": {**body["contact"], "lastName": text}}

    def preconditions(self, endpoint: Endpoint, script: str) -> list[str]:
        defined = custom_fields(endpoint)
        if not defined or "customFields" not in script:
            return []
        return [f"The population must define these custom fields: {', '.join(defined)}"]

    def new_contact(self, service: Service, contact_id: str) -> Json:
        return {"contact": full_contact(service, contact_id)}

    def telling(self, service: Service) -> list[tuple[str, str, Call]]:
        body = self.shapes(service)[0].body
        call = service.upsert(body, request_id="0d6c34f5-5b0f-4a4e-8d2b-c0a7ac750000")
        return [("pristo.request-id-optional", "it carries an X-Request-Id", call)]

    def gentle(self, service: Service, value: Any) -> Any:
        if isinstance(value, dict):
            return self._gentle_object(service, value)
        if isinstance(value, list):
            return [self.gentle(service, item) for item in value]
        if isinstance(value, str) and "@" in value:
            return EMAILS[len(value) % len(EMAILS)]
        return value

    def _gentle_object(self, service: Service, value: Json) -> Json:
        changed = {
            name.replace("@", "a"): self._gentle_member(service, name, member)
            for name, member in value.items()
        }
        if _is_uuid(changed.get("id")) and "@" in str(changed.get("email", "")):
            changed["email"] = address_of(changed["id"])
        given = changed.get("customFields")
        if isinstance(given, dict):
            known = dict(zip(custom_fields(service.endpoint), given.values(), strict=False))
            changed["customFields"] = known
            if not known:
                del changed["customFields"]
        return changed

    def _gentle_member(self, service: Service, name: str, value: Any) -> Any:
        if name == "id" and _is_uuid(value):
            return PROBED_POOL[UUID(value).int % len(PROBED_POOL)]
        return self.gentle(service, value)

    def identities(self, call: Call) -> Iterable[str]:
        population = call.url.rpartition("/")[2]
        return [f"{population}/{UUID(call.json()['contact']['id'])}"]


def _is_uuid(value: object) -> bool:
    from ..oracle import is_uuid

    return is_uuid(value)


PROFILE = PristoProfile(
    vendor=VENDOR,
    document=SPECS / "pristo.json",
    credentials=(
        Credential(
            scheme="ApiKeyAuth", required="pristo.key-required", checked="pristo.key-checked"
        ),
    ),
    credentials_in_headers="pristo.key-in-header",
    envelopes={
        Profile.everywhere: {
            200: "pristo.answer-fits-schema",
            201: "pristo.answer-fits-schema",
            400: "pristo.400-envelope",
            401: "pristo.401-envelope",
            429: "pristo.429-envelope",
        }
    },
    header_clauses={
        "X-Request-Id": HeaderClauses(
            form="pristo.answer-request-id-is-uuid", echo="pristo.request-id-comes-back"
        )
    },
    creation=Creation(
        status=201, clause="pristo.create-answers-201", update_clause="pristo.update-answers-200"
    ),
    more_settings=read_settings(Path(__file__).with_suffix(".toml")),
    mock_options=(
        "--second-population",
        *(word for name in ("tier", "מועדון", "notes") for word in ("--custom-field", name)),
    ),
)

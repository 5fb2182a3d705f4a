"""Mutants of the request's schema, derived from the specification: each rule missing, loosened or too strict."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from contact_apis._mocking.service import MockService, Request, Response
from contact_apis._openapi.document import Contract, Json, Operation
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.retainful.mock import RetainfulMock
from tests.contract.clauses import Clause, load_clauses, load_specification, resolve_pointer
from tests.mutants.catalogue import Subject, subjects

DONE: dict[str, Json] = {
    "pristo": {},
    "retainful": {"status": True},
}  # the least that a success may say


class ForgivingPristo(PristoMock):
    """Takes what it does not understand for a success; gives texts for numbers, and leaves nulls out."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        try:
            if not isinstance(body["contact"].get("customFields", {}), dict):
                del body["contact"]["customFields"]
            return super().act(operation, request, body)
        except (AttributeError, KeyError, TypeError, ValueError):
            return Response(200, DONE["pristo"])

    def merge(self, stored: Json, given: Json) -> Json:
        return super().merge(stored, _texts(given))


class ForgivingRetainful(RetainfulMock):
    """Takes what it does not understand for a success, a contact that nothing identifies included."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        try:
            return (
                super().act(operation, request, body)
                if body["identifiers"]
                else Response(200, DONE["retainful"])
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return Response(200, DONE["retainful"])


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _texts(each) for name, each in value.items() if each is not None}
    return str(value) if isinstance(value, (bool, int, float, list)) else value


FORGIVING: dict[str, type[MockService]] = {
    "pristo": ForgivingPristo,
    "retainful": ForgivingRetainful,
}


def with_specification(change: Callable[[Json], None]) -> Callable[[MockService], None]:
    """Sets a service up with a specification that was changed."""

    def setup(service: MockService) -> None:
        document = copy.deepcopy(service.contract.document)
        change(document)
        service.contract = Contract(document)

    return setup


def replaced(pointer: str, value: Any) -> Callable[[Json], None]:
    """Replaces what stands at a pointer."""

    def change(document: Json) -> None:
        parent, _, step = pointer.rpartition("/")
        node = resolve_pointer(document, parent)
        if isinstance(node, list):
            node[int(step)] = value
        else:
            node[step.replace("~1", "/")] = value

    return change


def all_of(*changes: Callable[[Json], None]) -> Callable[[Json], None]:
    """Several changes, one after the other."""

    def change(document: Json) -> None:
        for each in changes:
            each(document)

    return change


def removed(pointer: str) -> Callable[[Json], None]:
    """Takes away what stands at a pointer."""

    def change(document: Json) -> None:
        parent, _, step = pointer.rpartition("/")
        node = resolve_pointer(document, parent)
        del node[int(step) if isinstance(node, list) else step.replace("~1", "/")]

    return change


def updated(pointer: str, **changes: Any) -> Callable[[Json], None]:
    """Changes some members of the object at a pointer."""
    return lambda document: resolve_pointer(document, pointer).update(changes)


def is_rule(clause: Clause) -> bool:
    """Whether the clause is one rule about what a request may be."""
    return (
        (clause.kind, clause.evidence) == ("schema", "documented")
        and not clause.at.endswith("/properties")
        and not any(
            part in clause.at
            for part in ("/responses", "/headers/", "Response", "schemas/Accepted", "schemas/Error")
        )
    )


def short(clause: Clause) -> str:
    """A clause's name without its API."""
    return clause.id.partition(".")[2]


def _missing_rules() -> Iterator[Subject]:
    """One mutant for each rule, which does not know it."""
    for clause in filter(is_rule, load_clauses().values()):
        node = resolve_pointer(load_specification(clause.api), clause.at)
        if clause.id == "pristo.request-id-optional":
            change, says = replaced(clause.at, True), "A request without X-Request-Id is refused."
        else:
            says = f"Ignores the rule: {clause.says}"
            change = (
                replaced(clause.at, _looser(node)) if isinstance(node, dict) else removed(clause.at)
            )
        yield from subjects(
            f"no-rule-{short(clause)}",
            says,
            [clause.id],
            service=FORGIVING[clause.api],
            setup=with_specification(change),
        )


def _looser(node: Json) -> Json:
    if "anyOf" in node:
        types = {each["type"] for each in node["anyOf"]}
        return {} if len(types) > 1 else {"type": types.pop()}
    return {"type": "string"}


def _loosened_types() -> Iterator[Subject]:
    """For each typed member: null taken for left out; for each object: an array taken for it."""
    for clause in filter(is_rule, load_clauses().values()):
        place = clause.at.removesuffix("/type")
        if place == clause.at or place.endswith(
            "/properties"
        ):  # the second is a member that is called type
            continue
        node = resolve_pointer(load_specification(clause.api), place)
        for name, says, change in (
            ("null-taken", "null is taken", updated(place, nullable=True)),
            ("array-taken", "an array is taken", updated(place, type=[node["type"], "array"])),
        ):
            if name == "null-taken" or node["type"] == "object":
                text = f"Although it should not be, {says} at {place.rpartition('/')[2]}."
                yield from subjects(
                    f"{short(clause)}-{name}",
                    text,
                    [clause.id],
                    service=FORGIVING[clause.api],
                    setup=with_specification(change),
                )


def _required_though_optional() -> Iterator[Subject]:
    """For each optional member: a contact without it is refused."""
    for api in ("pristo", "retainful"):
        contact = load_specification(api)["components"]["schemas"]["Contact"]
        for name in contact["properties"]:
            if name not in contact["required"]:
                change = updated(
                    "/components/schemas/Contact", required=[*contact["required"], name]
                )
                clauses = [f"{api}.optional-fields"]
                yield from subjects(
                    f"{name}-required",
                    f"A contact without {name} is refused.",
                    clauses,
                    service=FORGIVING[api],
                    setup=with_specification(change),
                )


# Name, sentence, clauses, place of the schema, and what of it is another.
Row = tuple[str, str, list[str], str, Json]
CONTACT = "/components/schemas/Contact/properties"
IDENTIFIER = "/components/schemas/Identifier"
CONSENT = "/components/schemas/Consent"

# What Retainful refuses although its page shows it, or takes although it says otherwise.
RETAINFUL_ROWS: list[Row] = [
    (
        "one-identifier-alone",
        "More than one identifier is refused.",
        ["several-identifiers", "examples-accepted"],
        f"{CONTACT}/identifiers",
        {"maxItems": 1},
    ),
    (
        "email-identifiers-alone",
        "A phone is no identifier.",
        ["several-identifiers", "examples-accepted"],
        f"{IDENTIFIER}/properties/type",
        {"enum": ["email"]},
    ),
    (
        "number-for-id-refused",
        "An identifier's id must be a string.",
        ["identifier-id-is-string-or-number"],
        f"{IDENTIFIER}/properties/id",
        {"anyOf": [{"type": "string"}]},
    ),
    (
        "ipv4-refused",
        "Only IPv6 addresses are taken.",
        ["consent-ip-accepted", "examples-accepted", "optional-fields", "operation"],
        f"{CONSENT}/properties/ip",
        {"pattern": ":|^192\\.168|^192\\.0\\.2\\.7$"},
    ),
    (
        "source-is-a-list",
        "Only web_form is taken as a source.",
        ["operation", "consent-source-is-string", "text-accepted"],
        f"{CONSENT}/properties/source",
        {"enum": ["web_form"]},
    ),
    (
        "one-channel-alone",
        "Both channels together are refused.",
        ["channel-forms-accepted"],
        "/components/schemas/Channels",
        {"maxProperties": 1},
    ),
    (
        "email-channel-required",
        "A channel email is required.",
        ["channel-forms-accepted", "several-identifiers", "examples-accepted"],
        "/components/schemas/Channels",
        {"required": ["email"]},
    ),
    (
        "both-channels-required",
        "Both channels are required.",
        ["channel-forms-accepted", "optional-fields", "operation", "examples-accepted"],
        "/components/schemas/Channels",
        {"minProperties": 2},
    ),
    (
        "unsubscribed-refused",
        "Only subscribed is taken as a status.",
        ["channel-forms-accepted"],
        "/components/schemas/Channel/properties/status",
        {"enum": ["subscribed"]},
    ),
    (
        "consent-time-is-a-plain-date",
        "A consent's time must be a date without a time.",
        ["consent-time-is-date-time"],
        f"{CONSENT}/properties/createdAt",
        {"anyOf": [{"type": "string", "format": "date"}]},
    ),
    (
        "birth-date-is-a-plain-date",
        "A birth date must be a date without a time.",
        ["birth-date-is-date", "examples-accepted"],
        f"{CONTACT}/birthDate",
        {"anyOf": [{"type": "string", "format": "date"}]},
    ),
    (
        "created-at-is-a-plain-date",
        "A creation date must be a date without a time.",
        ["created-at-is-date", "examples-accepted"],
        f"{CONTACT}/createdAt",
        {"anyOf": [{"type": "string", "format": "date"}]},
    ),
    (
        "leap-day-refused",
        "The 29th of February is no birth date.",
        ["birth-date-is-date", "text-accepted", "operation"],
        f"{CONTACT}/birthDate",
        {"not": {"pattern": "-02-29"}},
    ),
    (
        "consent-on-leap-day-refused",
        "There is no consent on the 29th of February.",
        ["consent-time-is-date-time", "operation"],
        f"{CONSENT}/properties/createdAt",
        {"not": {"pattern": "-02-29"}},
    ),
    (
        "last-second-refused",
        "A fraction of .999 is refused.",
        ["created-at-is-date", "operation", "text-accepted"],
        f"{CONTACT}/createdAt",
        {"not": {"pattern": r"\.999Z"}},
    ),
    (
        "three-letters-of-country",
        "Three letters are taken for a country code.",
        ["country-code-has-two-letters"],
        f"{CONTACT}/countryCode",
        {"maxLength": 3},
    ),
    (
        "one-letter-of-country",
        "One letter is taken for a country code.",
        ["country-code-has-two-letters"],
        f"{CONTACT}/countryCode",
        {"minLength": 1},
    ),
    (
        "country-code-is-a-list",
        "Only US and CA are taken as countries.",
        ["text-accepted", "existing-contact-is-updated"],
        f"{CONTACT}/countryCode",
        {"enum": ["US", "CA"]},
    ),
    (
        "postal-code-is-digits",
        "A postal code of letters is refused.",
        ["text-accepted", "operation"],
        f"{CONTACT}/postalCode",
        {"pattern": r"^\d+$"},
    ),
    (
        "province-code-is-letters",
        "A province code of digits is refused.",
        ["text-accepted", "operation"],
        f"{CONTACT}/provinceCode",
        {"pattern": "^[A-Z]+$"},
    ),
    (
        "gender-is-m",
        "Only m is taken as a gender.",
        ["text-accepted", "gender-is-string", "operation"],
        f"{CONTACT}/gender",
        {"enum": ["m"]},
    ),
    (
        "any-identifier-type",
        "A fax is taken as an identifier.",
        ["identifier-type-values"],
        f"{IDENTIFIER}/properties/type",
        {"enum": ["email", "phone", "fax", "pigeon"]},
    ),
    (
        "truth-value-for-id-taken",
        "An identifier's id may be a truth value.",
        ["identifier-id-is-string-or-number"],
        f"{IDENTIFIER}/properties/id",
        {"anyOf": [{"type": ["string", "number", "boolean"]}]},
    ),
    (
        "null-for-id-taken",
        "An identifier's id may be null.",
        ["identifier-id-is-string-or-number"],
        f"{IDENTIFIER}/properties/id",
        {"anyOf": [{"type": ["string", "number", "null"]}]},
    ),
    (
        "object-for-id-taken",
        "An identifier's id may be an object or an array.",
        ["identifier-id-is-string-or-number"],
        f"{IDENTIFIER}/properties/id",
        {"anyOf": [{"type": ["string", "number", "object", "array"]}]},
    ),
    (
        "welcome-as-number",
        "A number is taken for triggerWelcomeEmail.",
        ["trigger-is-boolean"],
        f"{CONTACT}/triggerWelcomeEmail",
        {"type": ["boolean", "integer"]},
    ),
    (
        "welcome-as-text",
        "A text is taken for triggerWelcomeEmail.",
        ["trigger-is-boolean"],
        f"{CONTACT}/triggerWelcomeEmail",
        {"type": ["boolean", "string"]},
    ),
    (
        "one-list-id-as-text",
        "A text is taken for listIds.",
        ["list-ids-is-array"],
        f"{CONTACT}/listIds",
        {"type": ["array", "string"]},
    ),
    (
        "list-ids-as-numbers",
        "A number is taken for a list id.",
        ["list-ids-are-strings"],
        f"{CONTACT}/listIds/items",
        {"type": ["string", "integer"]},
    ),
    (
        "identifiers-as-object",
        "An object is taken for identifiers.",
        ["identifiers-is-array"],
        f"{CONTACT}/identifiers",
        {"type": ["array", "object"]},
    ),
    (
        "birth-date-as-number",
        "A number is taken for a birth date.",
        ["birth-date-is-date"],
        f"{CONTACT}/birthDate",
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
                {"type": "integer"},
            ]
        },
    ),
    (
        "created-at-as-number",
        "A number is taken for a creation date.",
        ["created-at-is-date"],
        f"{CONTACT}/createdAt",
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
                {"type": "integer"},
            ]
        },
    ),
    (
        "consent-time-as-number",
        "A number is taken for a consent's time.",
        ["consent-time-is-date-time"],
        f"{CONSENT}/properties/createdAt",
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
                {"type": "integer"},
            ]
        },
    ),
    (
        "consent-time-in-any-words",
        "Any text with a digit is taken for a consent's time.",
        ["consent-time-is-date-time"],
        f"{CONSENT}/properties/createdAt",
        {"anyOf": [{"type": "string", "pattern": r"\d"}]},
    ),
    (
        "birth-date-in-any-words",
        "Any text with a digit is taken for a birth date.",
        ["birth-date-is-date"],
        f"{CONTACT}/birthDate",
        {"anyOf": [{"type": "string", "pattern": r"\d"}]},
    ),
    (
        "created-at-may-be-empty-words",
        "Any text without a digit is taken for a creation date.",
        ["created-at-is-date"],
        f"{CONTACT}/createdAt",
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "pattern": r"^\D+$"},
            ]
        },
    ),
]

# The same for Pristo.
PRISTO_ROWS: list[Row] = [
    (
        "email-with-plus-refused",
        "A plus sign in an email is refused.",
        ["email-is-address", "text-unchanged", "operation"],
        f"{CONTACT}/email",
        {"pattern": r"^[^+]*$"},
    ),
    (
        "email-with-apostrophe-refused",
        "An apostrophe in an email is refused.",
        ["email-is-address", "text-unchanged", "operation"],
        f"{CONTACT}/email",
        {"pattern": r"^[^']*$"},
    ),
    (
        "email-in-capitals-refused",
        "Capitals in an email are refused.",
        ["email-is-address", "text-unchanged", "operation"],
        f"{CONTACT}/email",
        {"pattern": r"^[^A-Z]*$"},
    ),
    (
        "email-of-subdomain-refused",
        "An email at a subdomain is refused.",
        ["email-is-address", "text-unchanged", "operation"],
        f"{CONTACT}/email",
        {"pattern": r"@[^.]+\.[^.]+$"},
    ),
    (
        "email-needs-only-an-at",
        "Anything with an @ is taken for an email.",
        ["email-is-address"],
        f"{CONTACT}/email",
        {"format": "any", "pattern": "@"},
    ),
    (
        "email-needs-only-a-dot",
        "Anything with a dot is taken for an email.",
        ["email-is-address"],
        f"{CONTACT}/email",
        {"format": "any", "pattern": r"\."},
    ),
    (
        "plus-in-phone-refused",
        "A plus sign in a phone is refused.",
        ["operation", "optional-fields"],
        f"{CONTACT}/phone",
        {"pattern": r"^\d+$"},
    ),
    (
        "hebrew-refused",
        "The language he is refused.",
        ["language-codes-accepted", "operation"],
        f"{CONTACT}/language",
        {"enum": ["en", "fr", "iw", "id", "yi", "zh", "pt"]},
    ),
    (
        "yiddish-refused",
        "The language yi is refused.",
        ["language-codes-accepted", "operation"],
        f"{CONTACT}/language",
        {"not": {"const": "yi"}},
    ),
    (
        "languages-of-three-letters",
        "Languages must have three letters.",
        ["language-codes-accepted", "operation", "optional-fields"],
        f"{CONTACT}/language",
        {"minLength": 3},
    ),
    (
        "names-are-ascii",
        "Names beyond ASCII are refused.",
        ["text-unchanged", "operation"],
        f"{CONTACT}/name",
        {"pattern": "^[ -~]*$"},
    ),
    (
        "last-names-are-latin",
        "Last names beyond Latin-1 are refused.",
        ["text-unchanged", "operation"],
        f"{CONTACT}/lastName",
        {"pattern": "^[ -ÿ]*$"},
    ),
    (
        "ampersand-refused",
        "An ampersand in a name is refused.",
        ["text-unchanged"],
        f"{CONTACT}/name",
        {"not": {"pattern": "&"}},
    ),
    (
        "apostrophe-refused",
        "An apostrophe in a last name is refused.",
        ["text-unchanged"],
        f"{CONTACT}/lastName",
        {"not": {"pattern": "'"}},
    ),
    (
        "astral-names-refused",
        "Names beyond the basic plane are refused.",
        ["text-unchanged", "operation"],
        f"{CONTACT}/name",
        {"not": {"pattern": "[\U00010000-\U0010ffff]"}},
    ),
    (
        "points-refused",
        "Combining points in a name are refused.",
        ["text-unchanged"],
        f"{CONTACT}/name",
        {"not": {"pattern": "[\u0300-\u036f\u0591-\u05c7]"}},
    ),
    (
        "one-custom-field-alone",
        "More than one custom field is refused.",
        ["custom-fields-accepted", "operation", "custom-value-limit"],
        f"{CONTACT}/customFields",
        {"maxProperties": 1},
    ),
    (
        "custom-keys-are-ascii",
        "Custom fields with keys beyond ASCII are refused.",
        ["custom-fields-accepted", "operation"],
        f"{CONTACT}/customFields",
        {"propertyNames": {"pattern": "^[ -~]*$"}},
    ),
    (
        "custom-values-are-words",
        "A custom value of digits is refused.",
        ["custom-fields-accepted", "operation"],
        f"{CONTACT}/customFields/additionalProperties",
        {"not": {"pattern": r"^\d+$"}},
    ),
    (
        "custom-value-null-refused",
        "A custom value that is the word null is refused.",
        ["custom-fields-accepted", "operation"],
        f"{CONTACT}/customFields/additionalProperties",
        {"not": {"const": "null"}},
    ),
    (
        "custom-value-of-256",
        "A custom value of 256 characters is taken.",
        ["custom-value-limit"],
        f"{CONTACT}/customFields/additionalProperties",
        {"maxLength": 256},
    ),
    (
        "custom-value-of-254",
        "A custom value of 255 characters is refused.",
        ["custom-value-limit"],
        f"{CONTACT}/customFields/additionalProperties",
        {"maxLength": 254},
    ),
    (
        "custom-value-of-300",
        "A custom value of 300 characters is taken.",
        ["custom-value-limit"],
        f"{CONTACT}/customFields/additionalProperties",
        {"maxLength": 300},
    ),
    (
        "custom-value-of-50",
        "Custom values have 50 characters, as those of events.",
        ["custom-value-limit"],
        f"{CONTACT}/customFields/additionalProperties",
        {"maxLength": 50},
    ),
    (
        "ids-in-small-letters",
        "Ids in capital letters are refused.",
        ["id-compared-as-uuid"],
        f"{CONTACT}/id",
        {"pattern": "^[^A-F]*$"},
    ),
    (
        "ids-of-32-digits-in-groups",
        "Anything of the length of a UUID is taken for an id.",
        ["id-is-uuid"],
        f"{CONTACT}/id",
        {"format": "any", "minLength": 36, "maxLength": 36},
    ),
    (
        "ids-may-be-short",
        "Short ids are taken.",
        ["id-is-uuid"],
        f"{CONTACT}/id",
        {"format": "any", "maxLength": 36},
    ),
    (
        "population-in-small-letters",
        "The population in capital letters is refused.",
        ["id-compared-as-uuid"],
        "/components/parameters/populationId/schema",
        {"pattern": "^[^A-F]*$"},
    ),
    (
        "correlation-id-in-small-letters",
        "An X-Request-Id in capital letters is refused.",
        ["operation", "request-id-is-uuid"],
        "/components/parameters/requestIdHeader/schema",
        {"pattern": "^[^A-F]*$"},
    ),
    (
        "correlation-id-of-any-length",
        "An X-Request-Id of 35 digits is taken.",
        ["request-id-is-uuid"],
        "/components/parameters/requestIdHeader/schema",
        {"format": "any", "pattern": "^[0-9a-fA-F-]{35,36}$"},
    ),
]


def _other_rules() -> Iterator[Subject]:
    """Too strict in one place, or too lenient in a way of its own."""
    for api, rows in (("retainful", RETAINFUL_ROWS), ("pristo", PRISTO_ROWS)):
        for name, says, clauses, pointer, changes in rows:
            setup = with_specification(updated(pointer, **changes))
            yield from subjects(
                name,
                says,
                [f"{api}.{each}" for each in clauses],
                service=FORGIVING[api],
                setup=setup,
            )


MUTANTS: tuple[Subject, ...] = (
    *_missing_rules(),
    *_loosened_types(),
    *_required_though_optional(),
    *_other_rules(),
    *subjects(
        "ids-of-version-four",
        "Ids that are no random UUIDs are refused.",
        ["pristo.id-is-uuid"],
        service=PristoMock,
        setup=with_specification(updated(f"{CONTACT}/id", pattern="^.{14}4")),
    ),
)

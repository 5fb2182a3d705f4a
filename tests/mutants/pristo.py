"""Mutants of what Pristo does: what it creates, keeps, shows, and tells apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from uuid import UUID, uuid4, uuid5

from contact_apis._mocking.service import Answer, Pristo, Request
from contact_apis._openapi.document import Json, Operation
from tests.mutants.catalogue import Seen, add, service, twist

PRISTO = ("pristo",)


def _contact(request: Request) -> Json:
    """The contact that a request brings, as far as it can be made out."""
    try:
        contact: Json = json.loads(request.body)["contact"]
        UUID(contact["id"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
    return contact


class Plain(Pristo):
    """Pristo with its steps in the open: which store, which key, and what is shown."""

    def key(self, contact: Json) -> Any:
        """What tells contacts apart."""
        return UUID(contact["id"])

    def store(self, population: UUID) -> dict[Any, Json]:
        """The contacts of a population."""
        return self.stored[population]

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        """The contact that the answer shows."""
        return stored

    def status(self, created: bool) -> int:
        return 201 if created else 200

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        population = UUID(self.path_values(operation, request)[0])
        if population not in self.stored:
            return self.error(operation, 400, "unknown_population", "The population does not exist.")
        given: Json = body["contact"]
        if self.custom_fields is not None and set(given.get("customFields", {})) - self.custom_fields:
            return self.error(operation, 400, "unknown_field", "The population does not define a custom field that was sent.")
        store, key = self.store(population), self.key(given)
        before = store.get(key, {})
        after = self.merge(before, {**given, "id": str(UUID(given["id"]))})
        created = key not in store
        store[key] = after
        return Answer(self.status(created), {"contact": self.show(after, given, before)})


# ----------------------------------------------------------------------------------------------- created or updated


@service("pristo.create-answers-201")
class CreateAnswers200(Plain):
    """A new contact is answered 200."""

    def status(self, created: bool) -> int:
        return 200


@service("pristo.update-answers-200", "pristo.repeat-changes-nothing")
class UpdateAnswers201(Plain):
    """An update is answered 201."""

    def status(self, created: bool) -> int:
        return 201


@service("pristo.create-answers-201", "pristo.update-answers-200")
class StatusesSwapped(Plain):
    """A new contact is answered 200, and an update 201."""

    def status(self, created: bool) -> int:
        return 200 if created else 201


@service("pristo.documented-statuses")
class UpdateAnswers204(Plain):
    """An update is answered 204, without a body."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        answer = super().act(operation, request, body)
        return Answer(204) if answer.status == 200 else answer


@service("pristo.documented-statuses")
class RepeatIsAConflict(Plain):
    """An upsert that changes nothing is answered 409."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        known = any(self.merge(each, body["contact"]) == each for kept in self.stored.values() for each in kept.values())
        if known and len(body["contact"]) > 1:
            return self.error(operation, 409, "conflict", "There is nothing to change.")
        return super().act(operation, request, body)


@service("pristo.repeat-changes-nothing", "pristo.update-answers-200", "pristo.operation")
class RepeatIsRefused(Plain):
    """An upsert that changes nothing is answered 400."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        known = any(self.merge(each, body["contact"]) == each for kept in self.stored.values() for each in kept.values())
        if known and len(body["contact"]) > 4:
            return self.error(operation, 400, "nothing", "There is nothing to change.")
        return super().act(operation, request, body)


@service("pristo.operation", "pristo.optional-fields", "pristo.id-compared-as-uuid")
class EmptyUpdateIsRefused(Plain):
    """An update that gives nothing but the id is refused."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        if len(body["contact"]) == 1 and any(UUID(body["contact"]["id"]) in kept for kept in self.stored.values()):
            return self.error(operation, 400, "nothing", "There is nothing to change.")
        return super().act(operation, request, body)


@service("pristo.update-answers-200", "pristo.repeat-changes-nothing")
class EachFifthUpdateCreates(Plain):
    """Each fifth update is answered 201."""

    updates = 0

    def status(self, created: bool) -> int:
        self.updates += not created
        return 201 if created or self.updates % 5 == 0 else 200


# ----------------------------------------------------------------------------------------------- what an update keeps


@service("pristo.update-keeps-the-rest", "pristo.answer-shows-whole-contact")
class UpdateReplacesTheContact(Plain):
    """An update replaces the whole contact."""

    def merge(self, stored: Json, given: Json) -> Json:
        return given


@service("pristo.update-keeps-the-rest")
class CustomFieldsAreReplaced(Plain):
    """An update that gives custom fields replaces all of them."""

    def merge(self, stored: Json, given: Json) -> Json:
        return {**stored, **given}


@service("pristo.update-keeps-the-rest")
class CustomFieldsAreDropped(Plain):
    """An update that gives no custom fields drops them."""

    def merge(self, stored: Json, given: Json) -> Json:
        return {**super().merge(stored, given), "customFields": given.get("customFields", {})}


@service("pristo.update-replaces-what-was-given")
class FirstValueStays(Plain):
    """A field that has a value keeps it."""

    def merge(self, stored: Json, given: Json) -> Json:
        return super().merge(given, stored)


@service("pristo.update-replaces-what-was-given")
class CustomValuesStay(Plain):
    """A custom field that has a value keeps it."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if "customFields" in merged:
            merged["customFields"] = {**merged["customFields"], **stored.get("customFields", {})}
        return merged


def _member_kept(member: str) -> type[Pristo]:
    class Kept(Plain):
        def merge(self, stored: Json, given: Json) -> Json:
            merged = super().merge(stored, given)
            return {**merged, member: stored[member]} if member in stored else merged

    return Kept


def _member_lost(member: str) -> type[Pristo]:
    class Lost(Plain):
        def merge(self, stored: Json, given: Json) -> Json:
            merged = super().merge(stored, given)
            return merged if member in given else {name: value for name, value in merged.items() if name != member}

    return Lost


def _member_hidden(member: str) -> type[Pristo]:
    class Hidden(Plain):
        def show(self, stored: Json, given: Json, before: Json) -> Json:
            return {name: value for name, value in stored.items() if name != member}

    return Hidden


for _member in ("email", "phone", "language", "name", "lastName"):
    add(
        f"{_member}-never-changes",
        f"An update does not change {_member}.",
        ["pristo.update-replaces-what-was-given"],
        service=_member_kept(_member),
    )
    add(
        f"{_member}-lost-by-update",
        f"An update that does not give {_member} loses it.",
        ["pristo.update-keeps-the-rest"],
        service=_member_lost(_member),
    )
for _member in ("email", "phone", "language", "name", "lastName", "customFields"):
    add(f"{_member}-not-shown", f"Answers do not show {_member}.", ["pristo.answer-shows-whole-contact"], service=_member_hidden(_member))


@service("pristo.answer-fits-schema")
class LeftOutIsNull(Plain):
    """What was never given is shown as null."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {**dict.fromkeys(("email", "phone", "language", "name", "lastName")), **stored}


@service("pristo.answer-shows-what-was-sent")
class LeftOutIsEmpty(Plain):
    """What was never given is shown as empty text."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {**dict.fromkeys(("phone", "language", "name", "lastName"), ""), **stored}


@service("pristo.update-keeps-the-rest", "pristo.answer-fits-schema")
class LeftOutIsEmptied(Plain):
    """An update stores empty text for what it leaves out."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        return {
            name: value if name in given or name == "customFields" else "" for name, value in merged.items() if name != "email" or value
        }


@service("pristo.answer-shows-what-was-sent")
class LanguageIsMadeUp(Plain):
    """A contact without a language is shown with a default one."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {"language": "en", **stored}


@service("pristo.update-answers-200")
class ForgetsAfterSixtyOthers(Plain):
    """A contact is forgotten once sixty others have been written since."""

    def store(self, population: UUID) -> dict[Any, Json]:
        """The contacts, without those that nobody has written for long."""
        kept = super().store(population)
        for key in list(kept)[:-60]:
            self.forget(kept, key)
        return kept

    def forget(self, kept: dict[Any, Json], key: Any) -> None:
        """What becomes of an old one."""
        del kept[key]

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        """Brings the contact to the end of the line."""
        for kept in self.stored.values():
            if kept.get(self.key(given)) is stored:
                kept[self.key(given)] = kept.pop(self.key(given))
        return stored


@service("pristo.update-keeps-the-rest")
class ForgetsFieldsAfterSixtyOthers(ForgetsAfterSixtyOthers):
    """A contact's fields are forgotten, and its id is not, once sixty others have been written since."""

    def forget(self, kept: dict[Any, Json], key: Any) -> None:
        """Leaves the id."""
        kept[key] = {"id": kept[key]["id"]}


@service("pristo.update-keeps-the-rest")
class UpdateOfEmailForgetsPhone(Plain):
    """A new email makes the phone disappear."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if given.get("email", stored.get("email")) != stored.get("email") and "phone" not in given and stored:
            merged.pop("phone", None)
        return merged


@service("pristo.repeat-changes-nothing", "pristo.answer-shows-what-was-sent", "pristo.text-unchanged")
class RepeatAppends(Plain):
    """The same upsert again appends to the last name."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if stored and stored == merged and "lastName" in given:
            merged["lastName"] += " 2"
        return merged


# --------------------------------------------------------------------------------------------------- what is shown


@service("pristo.update-replaces-what-was-given", "pristo.answer-shows-what-was-sent")
class AnswerShowsTheStateBefore(Plain):
    """An update is answered with the contact as it was before."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return before or stored


@service("pristo.answer-shows-whole-contact", "pristo.update-keeps-the-rest")
class AnswerShowsTheRequest(Plain):
    """The answer shows what the request gave, not what is stored."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return given


@service("pristo.answer-shows-what-was-sent", "pristo.update-answers-200")
class AnswerShowsAnotherId(Plain):
    """The answer shows an id of the service's own."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {**stored, "id": str(uuid5(UUID(stored["id"]), "internal"))}


@service("pristo.answer-shows-what-was-sent", "pristo.answer-shows-whole-contact")
class AnswerShowsThePreviousContact(Plain):
    """The answer shows the contact of the request before."""

    previous: Json | None = None

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        shown, self.previous = self.previous or stored, stored
        return shown


@service("pristo.answer-shows-whole-contact", "pristo.answer-fits-schema")
class AnswerHasNoId(Plain):
    """The answer shows a contact without its id."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {name: value for name, value in stored.items() if name != "id"}


@service("pristo.answer-shows-what-was-sent", "pristo.text-unchanged", "pristo.update-replaces-what-was-given")
class NamesAreSwapped(Plain):
    """Name and last name are mixed up."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        shown = dict(stored)
        if "name" in stored and "lastName" in stored:
            shown |= {"name": stored["lastName"], "lastName": stored["name"]}
        return shown


@service("pristo.answer-shows-what-was-sent", "pristo.answer-shows-whole-contact")
class CustomKeysAreLowered(Plain):
    """Keys of custom fields are shown in capitals."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        if "customFields" not in stored:
            return stored
        return {**stored, "customFields": {key.upper(): value for key, value in stored["customFields"].items()}}


@service("pristo.answer-shows-what-was-sent", "pristo.text-unchanged", "pristo.update-keeps-the-rest")
class CustomFieldsShareAValue(Plain):
    """All custom fields take the value of the last one."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if given.get("customFields"):
            merged["customFields"] = dict.fromkeys(merged["customFields"], list(given["customFields"].values())[-1])
        return merged


SHOWN: dict[str, tuple[str, Callable[[Json], Any], str]] = {
    "further-member": ("a member that the schema does not know", lambda contact: {**contact, "createdAt": "2026-01-01T00:00:00Z"}, ""),
    "internal-number": ("an internal number beside the id", lambda contact: {**contact, "_id": 7}, ""),
    "number-for-id": ("a number for the id", lambda contact: {**contact, "id": UUID(contact["id"]).int % 1000}, ""),
    "id-without-hyphens": ("the id in another notation", lambda contact: {**contact, "id": "urn:" + contact["id"]}, ""),
    "array-for-contact": ("an array for the contact", lambda contact: [contact], ""),
    "text-for-contact": ("the contact as JSON in a text", json.dumps, ""),
    "null-for-contact": ("null for the contact", lambda contact: None, ""),
    "array-for-custom-fields": (
        "custom fields as an array",
        lambda contact: {**contact, "customFields": [*contact.get("customFields", {}).items()]},
        "",
    ),
    "null-for-custom-fields": ("null for custom fields that were never given", lambda contact: {"customFields": None, **contact}, ""),
    "numbers-for-custom-values": (
        "custom values that look like numbers as numbers",
        lambda contact: {
            name: {key: int(each) if each.isdigit() else each for key, each in value.items()} if name == "customFields" else value
            for name, value in contact.items()
        },
        "pristo.answer-shows-what-was-sent",
    ),
    "number-for-phone": (
        "the phone as a number",
        lambda contact: {
            **contact,
            "phone": int(contact.get("phone", "0").strip("+") if contact.get("phone", "0").strip("+").isdecimal() else 0),
        },
        "",
    ),
    "no-address-for-email": (
        "an email without its domain",
        lambda contact: {**contact, "email": contact.get("email", "ada").partition("@")[0]},
        "",
    ),
    "long-custom-value": ("a custom value of 300 characters", lambda contact: {**contact, "customFields": {"notes": "x" * 300}}, ""),
}


def _shown(change: Callable[[Json], Any]) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if seen.accepted and "contact" in seen.json():
            seen.answer({"contact": change(seen.json()["contact"])})

    return changed


for _name, (_what, _change, _clause) in SHOWN.items():
    add(
        f"shows-{_name}",
        f"The answer shows {_what}.",
        ["pristo.answer-fits-schema", *([_clause] if _clause else [])],
        twist=_shown(_change),
        apis=PRISTO,
    )


@twist("pristo.answer-fits-schema", apis=PRISTO)
def success_is_an_array(seen: Seen) -> None:
    """A success is an array of one contact."""
    if seen.accepted:
        seen.answer([seen.json()])


# -------------------------------------------------------------------------------------------- telling contacts apart


@service("pristo.id-compared-as-uuid")
class IdsAreComparedAsText(Plain):
    """An id in capitals is another contact."""

    def key(self, contact: Json) -> Any:
        return contact["id"]


@service("pristo.id-compared-as-uuid")
class PopulationIsComparedAsText(Plain):
    """A population in capitals is another population."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        if self.path_values(operation, request)[0].lower() != self.path_values(operation, request)[0]:
            return self.error(operation, 400, "unknown_population", "The population does not exist.")
        return super().act(operation, request, body)


def _keyed(key: Callable[[Json], Any]) -> type[Pristo]:
    class Keyed(Plain):
        def key(self, contact: Json) -> Any:
            return key(contact)

    return Keyed


TELLING: dict[str, tuple[str, Callable[[Json], Any]]] = {
    "email": ("the email, where there is one", lambda contact: contact.get("email") or UUID(contact["id"])),
    "phone": ("the phone, where there is one", lambda contact: contact.get("phone") or UUID(contact["id"])),
    "name": ("the name, where there is one", lambda contact: contact.get("name") or UUID(contact["id"])),
    "first-part": ("the first eight digits of the id", lambda contact: UUID(contact["id"]).hex[:8]),
    "last-part": ("the last twelve digits of the id", lambda contact: UUID(contact["id"]).hex[-12:]),
    "all-but-the-last-digit": ("the id without its last digit", lambda contact: UUID(contact["id"]).hex[:-1]),
    "all-but-the-first-digit": ("the id without its first digit", lambda contact: UUID(contact["id"]).hex[1:]),
    "half-the-bits": ("the lower half of the id", lambda contact: UUID(contact["id"]).int & ((1 << 64) - 1)),
    "the-upper-half": ("the upper half of the id", lambda contact: UUID(contact["id"]).int >> 64),
    "a-floating-number": ("the id as a floating-point number", lambda contact: float(UUID(contact["id"]).int)),
}
for _name, (_what, _key) in TELLING.items():
    _clauses = ["pristo.id-identifies", "pristo.create-answers-201", "pristo.update-answers-200", "pristo.update-keeps-the-rest"]
    add(f"told-apart-by-{_name}", f"Contacts are told apart by {_what}.", _clauses, service=_keyed(_key))


@service("pristo.id-identifies")
class AnEmailMovesToItsNewContact(Plain):
    """A contact with another one's email takes it away from that one."""

    def merge(self, stored: Json, given: Json) -> Json:
        for kept in self.stored.values():
            for each in kept.values():
                if "email" in given and each.get("email") == given["email"] and each["id"] != given["id"]:
                    del each["email"]
        return super().merge(stored, given)


@service("pristo.populations-apart")
class PopulationsShareContacts(Plain):
    """All populations share one store."""

    def store(self, population: UUID) -> dict[Any, Json]:
        return super().store(next(iter(self.stored)))


@service("pristo.populations-apart")
class PopulationsShareIds(Plain):
    """An id that exists in any population is answered 200."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        known = sum(UUID(body["contact"]["id"]) in kept for kept in self.stored.values())
        answer = super().act(operation, request, body)
        return Answer(200, answer.body) if known and answer.status == 201 else answer


@service("pristo.populations-apart")
class PopulationsLeak(Plain):
    """A contact of a second population is shown with what the first has of it."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        for kept in self.stored.values():
            stored = {**kept.get(UUID(given["id"]), {}), **stored}
        return stored


@service("pristo.populations-apart")
class PopulationsOverwrite(Plain):
    """A write to one population reaches the same id in all others."""

    def merge(self, stored: Json, given: Json) -> Json:
        for kept in self.stored.values():
            if UUID(given["id"]) in kept and kept[UUID(given["id"])] is not stored:
                kept[UUID(given["id"])].update(given)
        return super().merge(stored, given)


@service("pristo.populations-apart", "pristo.operation")
class SecondPopulationIsUnknown(Plain):
    """Only the first population is known."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        if UUID(self.path_values(operation, request)[0]) != next(iter(self.stored)):
            return self.error(operation, 400, "unknown_population", "The population does not exist.")
        return super().act(operation, request, body)


@service("pristo.operation", "pristo.documented-statuses")
class PathIsAnother(Plain):
    """The path of an earlier revision is served, and this one answers 404."""

    def handle(self, operation: Operation, request: Request) -> Answer:
        return self.error(operation, 404, "not_found", "There is no such path.")


# -------------------------------------------------------------------------------------------------------- refused


class Writing(Plain):
    """Writes something although it refuses."""

    def write(self, operation: Operation, request: Request, contact: Json) -> None:
        population = UUID(self.path_values(operation, request)[0])
        kept = self.stored[population]
        kept[UUID(contact["id"])] = self.merge(kept.get(UUID(contact["id"]), {}), {**contact, "id": str(UUID(contact["id"]))})


def _writes(reason: Callable[[Answer, Request], bool], what: Callable[[Json, bool], Json | None]) -> type[Pristo]:
    class Writes(Writing):
        def handle(self, operation: Operation, request: Request) -> Answer:
            answer = super().handle(operation, request)
            contact = _contact(request)
            if contact and answer.status >= 400 and reason(answer, request):
                known = any(UUID(contact["id"]) in kept for kept in self.stored.values())
                written = what(contact, known)
                with suppress(KeyError, ValueError):  # a population that does not exist, or is none
                    self.write(operation, request, written or {})
            return answer

    return Writes


def _sound(contact: Json) -> Json:
    """What of a contact could be stored if each member were judged alone."""
    plain = {name: value for name, value in contact.items() if name != "customFields" and isinstance(value, str)}
    kept: Json = {name: value for name, value in plain.items() if name != "email" or "@" in value}
    if isinstance(contact.get("customFields"), dict):
        kept["customFields"] = {key: value for key, value in contact["customFields"].items() if isinstance(value, str) and len(value) < 256}
    return kept


REASONS: dict[str, tuple[str, Callable[[Answer, Request], bool]]] = {
    "no-key": ("without a key", lambda answer, request: answer.status == 401 and "x-api-key" not in request.headers),
    "a-wrong-key": ("with a wrong key", lambda answer, request: answer.status == 401 and "x-api-key" in request.headers),
    "a-bad-email": ("with a bad email", lambda answer, request: "email" in answer.reason),
    "a-bad-phone": ("with a bad phone", lambda answer, request: "phone" in answer.reason),
    "bad-custom-fields": ("with custom fields that are no object", lambda answer, request: "customFields must" in answer.reason),
    "a-long-custom-value": ("with a custom value that is too long", lambda answer, request: "characters" in answer.reason),
    "a-bad-correlation-id": ("with a bad X-Request-Id", lambda answer, request: "x-request-id" in answer.reason),
}
WRITTEN: dict[str, tuple[str, Callable[[Json, bool], Json | None]]] = {
    "new": ("creates the contact", lambda contact, known: None if known else _sound(contact)),
    "known": ("updates the contact", lambda contact, known: _sound(contact) if known else None),
    "id": ("creates the contact, empty", lambda contact, known: None if known else {"id": contact["id"]}),
}
for _reason, (_when, _test) in REASONS.items():
    for _kind, (_does, _what_) in WRITTEN.items():
        if _kind != "id" or _reason in ("no-key", "a-bad-email"):
            add(
                f"{_reason}-writes-{_kind}",
                f"A refused request {_when} {_does}.",
                ["pristo.refused-writes-nothing"],
                service=_writes(_test, _what_),
            )


def _part(*members: str) -> Callable[[Json, bool], Json | None]:
    return lambda contact, known: {name: value for name, value in _sound(contact).items() if name in ("id", *members)} if known else None


for _members in (("lastName",), ("language",), ("customFields",), ("email",)):
    add(
        f"refused-writes-{_members[0]}",
        f"A refused request changes {_members[0]} and nothing else.",
        ["pristo.refused-writes-nothing"],
        service=_writes(lambda answer, request: True, _part(*_members)),
    )


# ------------------------------------------------------------------------------------------------- correlation ids


@twist("pristo.request-id-comes-back", apis=PRISTO)
def correlation_id_is_another(seen: Seen) -> None:
    """The X-Request-Id of an answer is always a new one."""
    seen.headers["X-Request-Id"] = str(uuid4())


@twist("pristo.request-id-comes-back", apis=PRISTO)
def correlation_id_is_constant(seen: Seen) -> None:
    """The X-Request-Id of an answer is always the same."""
    seen.headers["X-Request-Id"] = "00000000-0000-4000-8000-000000000000"


@twist("pristo.answer-request-id-is-uuid", apis=PRISTO)
def correlation_id_is_no_uuid(seen: Seen) -> None:
    """The X-Request-Id of an answer is no UUID."""
    seen.headers["X-Request-Id"] = f"req_{seen.number}"


@twist("pristo.answer-request-id-is-uuid", apis=PRISTO)
def made_correlation_id_is_no_uuid(seen: Seen) -> None:
    """An X-Request-Id that the service makes itself is no UUID."""
    if "x-request-id" not in seen.request.headers:
        seen.headers["X-Request-Id"] = f"{seen.number:032x}"


@twist("pristo.answer-request-id-is-uuid", apis=PRISTO)
def missing_correlation_id_is_empty(seen: Seen) -> None:
    """The X-Request-Id of an answer is empty when none was sent."""
    if "x-request-id" not in seen.request.headers:
        seen.headers["X-Request-Id"] = ""


@twist("pristo.answer-request-id-is-uuid", "pristo.request-id-comes-back", apis=PRISTO)
def correlation_id_is_prefixed(seen: Seen) -> None:
    """The X-Request-Id comes back with something before it."""
    seen.headers["X-Request-Id"] = "pristo-" + seen.headers["X-Request-Id"]


@twist("pristo.request-id-comes-back", apis=PRISTO)
def correlation_id_comes_back_on_creation_alone(seen: Seen) -> None:
    """The X-Request-Id of an update is another."""
    if seen.status == 200:
        seen.headers["X-Request-Id"] = str(uuid4())


@twist("pristo.request-id-comes-back", apis=PRISTO)
def correlation_id_comes_back_on_update_alone(seen: Seen) -> None:
    """The X-Request-Id of a creation is another."""
    if seen.status == 201:
        seen.headers["X-Request-Id"] = str(uuid4())


@twist("pristo.request-id-comes-back", apis=PRISTO)
def correlation_id_of_the_request_before(seen: Seen) -> None:
    """The X-Request-Id is that of the request before."""
    seen.headers["X-Request-Id"], seen.memory["id"] = seen.memory.get("id", str(uuid4())), seen.headers["X-Request-Id"]


@twist("pristo.request-id-comes-back", apis=PRISTO)
async def correlation_ids_mixed_up_at_once(seen: Seen) -> None:
    """Of requests at the same moment all get the X-Request-Id of the last."""
    seen.memory["id"] = seen.headers["X-Request-Id"]
    await asyncio.sleep(0.02)
    seen.headers["X-Request-Id"] = seen.memory["id"]


@service("pristo.operation", "pristo.request-id-is-uuid")
class CorrelationIdsAreRefused(Plain):
    """A request with an X-Request-Id is refused."""

    def handle(self, operation: Operation, request: Request) -> Answer:
        if "x-request-id" in request.headers:
            return self.error(operation, 400, "unexpected", "No X-Request-Id is taken.")
        return super().handle(operation, request)


@service("pristo.operation", "pristo.request-id-comes-back", "pristo.documented-statuses")
class CorrelationIdsMakeIdempotent(Plain):
    """A request with an X-Request-Id that was seen is answered 409."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        seen = self.__dict__.setdefault("seen", set())
        sent = request.headers.get("x-request-id", "").lower()
        if sent and sent in seen:
            return self.error(operation, 409, "repeated", "The X-Request-Id was seen before.")
        seen.add(sent)
        return super().act(operation, request, body)


# ----------------------------------------------------------------------------------------------------------- races

_looked: ContextVar[Json | None] = ContextVar("looked", default=None)
_arrived: ContextVar[int] = ContextVar("arrived", default=0)


class Racing(Plain):
    """Looks, waits, and writes by what it saw."""

    present = 0

    async def before(self, request: Request) -> None:
        """Looks at what is stored, and waits."""
        contact, kept = _contact(request), None
        with suppress(KeyError, ValueError):
            kept = self.stored[UUID(request.path.rpartition("/")[2])].get(UUID(contact["id"]))
        _looked.set(json.loads(json.dumps(kept)) if kept else None)
        self.present += 1
        _arrived.set(self.present)
        await asyncio.sleep(0.01)
        self.present -= 1


@service("pristo.concurrent-creates-once")
class AllCreateAtOnce(Racing):
    """Several first upserts at once are all answered 201."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        answer = super().act(operation, request, body)
        return Answer(201 if _looked.get() is None and answer.status < 300 else answer.status, answer.body)


@service("pristo.concurrent-creates-once")
class NoneCreatesAtOnce(Racing):
    """Of several first upserts at once none is answered 201."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        answer = super().act(operation, request, body)
        return Answer(200, answer.body) if answer.status == 201 and self.present > 2 else answer


@service("pristo.concurrent-creates-once", "pristo.documented-statuses")
class ConflictAtOnce(Racing):
    """Of several first upserts at once all but one are answered 409."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        answer = super().act(operation, request, body)
        lost = _looked.get() is None and answer.status == 200
        return self.error(operation, 409, "conflict", "The contact was created meanwhile.") if lost else answer


@service("pristo.no-server-error")
class FailsAtOnce(Racing):
    """Of several first upserts at once all but one are answered 500."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        answer = super().act(operation, request, body)
        return self.error(operation, 500, "unique", "duplicate key value") if _looked.get() is None and answer.status == 200 else answer


@service("pristo.concurrent-creates-once")
class RefusesAtOnce(Racing):
    """Of several first upserts at once all but one are answered 400."""

    def act(self, operation: Operation, request: Request, body: Any) -> Answer:
        answer = super().act(operation, request, body)
        return self.error(operation, 400, "busy", "The contact is locked.") if _looked.get() is None and answer.status == 200 else answer


@service("pristo.update-keeps-the-rest")
class UpdatesAreLostAtOnce(Racing):
    """Of several updates at once that give different fields the last one wins."""

    def merge(self, stored: Json, given: Json) -> Json:
        return super().merge(_looked.get() or stored, given)


@service("pristo.update-keeps-the-rest")
class CreationsAreLostAtOnce(Racing):
    """Of several first upserts at once that give different fields the last one wins."""

    def merge(self, stored: Json, given: Json) -> Json:
        return super().merge(stored if _looked.get() is not None else {}, given)


@service("pristo.id-identifies", "pristo.answer-shows-what-was-sent", "pristo.concurrent-creates-once")
class ContactsMixedUpAtOnce(Racing):
    """Requests that are there at the same moment are answered with one and the same contact."""

    shown: Json | None = None

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        if not self.present:
            self.shown = None
            return stored
        self.shown = self.shown or stored
        return self.shown


# ------------------------------------------------------------------------------------------------------------ limits


class Limited(Pristo):
    """Pristo without the rule about the length of custom values, but one of its own."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        """Whether a value is too long."""
        return False

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        body, faults = super().read_body(operation, request)
        kept = [each for each in faults if "characters" not in each]
        contact = _contact(request)
        if not kept and contact and isinstance(contact.get("customFields"), dict):
            known = any(UUID(contact["id"]) in each for each in self.stored.values())
            if self.long(contact["customFields"], known):
                kept.append("a custom field is too long")
        return body, kept


def _counted(count: Callable[[str], int]) -> type[Pristo]:
    class Counted(Limited):
        def long(self, fields: dict[str, str], known: bool) -> bool:
            return any(count(each) > 255 for each in fields.values())

    return Counted


def _graphemes(text: str) -> int:
    import unicodedata

    return sum(not unicodedata.combining(each) for each in text)


def _composed(text: str) -> int:
    import unicodedata

    return len(unicodedata.normalize("NFC", text))


for _name, _what, _count in (
    ("bytes", "bytes of UTF-8", lambda text: len(text.encode())),
    ("utf-16-units", "units of UTF-16", lambda text: len(text.encode("utf-16-le")) // 2),
    ("graphemes", "letters with all their marks", _graphemes),
    ("composed-characters", "characters after composition", _composed),
    ("latin-bytes", "bytes of Latin-1, other characters not at all", lambda text: len(text.encode("latin-1", "ignore"))),
    ("words", "characters without blanks", lambda text: len(text.replace("x", ""))),
):
    add(f"limit-counts-{_name}", f"The limit of custom values counts {_what}.", ["pristo.custom-value-limit"], service=_counted(_count))


@service("pristo.custom-value-limit")
class LimitOfTheFirstFieldAlone(Limited):
    """The limit holds for the first custom field of a request alone."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return len(next(iter(fields.values()), "")) > 255


@service("pristo.custom-value-limit")
class LimitOfTheLastFieldAlone(Limited):
    """The limit holds for the last custom field of a request alone."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return len(list(fields.values() or [""])[-1]) > 255


@service("pristo.custom-value-limit")
class LimitOfNewContactsAlone(Limited):
    """The limit holds when a contact is created, not when it is updated."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return not known and any(len(each) > 255 for each in fields.values())


@service("pristo.custom-value-limit")
class LimitOfUpdatesAlone(Limited):
    """The limit holds when a contact is updated, not when it is created."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return known and any(len(each) > 255 for each in fields.values())


@service("pristo.custom-value-limit")
class LimitOfAllFieldsTogether(Limited):
    """The limit holds for all custom values of a request together."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return any(len(each) > 255 for each in fields.values()) or sum(map(len, fields.values())) > 256


@service("pristo.custom-value-limit", "pristo.text-unchanged")
class LongValuesAreCut(Limited):
    """A custom value of more than 255 characters is cut instead of refused."""

    def merge(self, stored: Json, given: Json) -> Json:
        cut = {key: value[:255] for key, value in given.get("customFields", {}).items()}
        return super().merge(stored, {**given, **({"customFields": cut} if cut else {})})


# ------------------------------------------------------------------------------------------------- further members


@service("pristo.unknown-members-of-contact")
class UnknownMembersAreDropped(Pristo):
    """A member of a contact that the schema does not know is dropped in silence."""

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        body, faults = super().read_body(operation, request)
        kept = [each for each in faults if "is not a field of the contract" not in each]
        if len(kept) < len(faults):
            body["contact"] = {name: value for name, value in body["contact"].items() if name in _KNOWN}
        return body, kept


@service("pristo.answer-fits-schema")
class UnknownMembersAreKept(Pristo):
    """A member of a contact that the schema does not know is stored and shown as it is."""

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        body, faults = super().read_body(operation, request)
        return body, [each for each in faults if "is not a field of the contract" not in each]


_KNOWN = ("id", "email", "phone", "language", "name", "lastName", "customFields")

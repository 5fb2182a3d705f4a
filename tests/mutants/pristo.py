"""Mutants of what Pristo does: what it creates, keeps, shows, and tells apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from uuid import UUID, uuid4, uuid5

from contact_apis._mocking.service import Request, Response
from contact_apis._openapi.document import Json, Operation
from contact_apis._vendors.pristo.mock import PristoMock
from tests.mutants.catalogue import Seen, Subject, of_service, of_twist, subjects

PRISTO = ("pristo",)


def _contact(request: Request) -> Json:
    """The contact that a request brings, as far as it can be made out."""
    try:
        contact: Json = json.loads(request.body)["contact"]
        UUID(contact["id"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
    return contact


# ----------------------------------------------------------------------------------------------- created or updated


class CreateAnswers200(PristoMock):
    """A new contact is answered 200."""

    def status(self, *, created: bool) -> int:
        return 200


class UpdateAnswers201(PristoMock):
    """An update is answered 201."""

    def status(self, *, created: bool) -> int:
        return 201


class StatusesSwapped(PristoMock):
    """A new contact is answered 200, and an update 201."""

    def status(self, *, created: bool) -> int:
        return 200 if created else 201


class UpdateAnswers204(PristoMock):
    """An update is answered 204, without a body."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        answer = super().act(operation, request, body)
        return Response(204) if answer.status == 200 else answer


class RepeatIsAConflict(PristoMock):
    """An upsert that changes nothing is answered 409."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        known = any(
            self.merge(each, body["contact"]) == each
            for kept in self.stored.values()
            for each in kept.values()
        )
        if known and len(body["contact"]) > 1:
            return self.error(operation, 409, "conflict", "There is nothing to change.")
        return super().act(operation, request, body)


class RepeatIsRefused(PristoMock):
    """An upsert that changes nothing is answered 400."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        known = any(
            self.merge(each, body["contact"]) == each
            for kept in self.stored.values()
            for each in kept.values()
        )
        if known and len(body["contact"]) > 4:
            return self.error(operation, 400, "nothing", "There is nothing to change.")
        return super().act(operation, request, body)


class EmptyUpdateIsRefused(PristoMock):
    """An update that gives nothing but the id is refused."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if len(body["contact"]) == 1 and any(
            UUID(body["contact"]["id"]) in kept for kept in self.stored.values()
        ):
            return self.error(operation, 400, "nothing", "There is nothing to change.")
        return super().act(operation, request, body)


class EachFifthUpdateCreates(PristoMock):
    """Each fifth update is answered 201."""

    updates = 0

    def status(self, *, created: bool) -> int:
        self.updates += not created
        return 201 if created or self.updates % 5 == 0 else 200


# ----------------------------------------------------------------------------------------------- what an update keeps


class UpdateReplacesTheContact(PristoMock):
    """An update replaces the whole contact."""

    def merge(self, stored: Json, given: Json) -> Json:
        return given


class CustomFieldsAreReplaced(PristoMock):
    """An update that gives custom fields replaces all of them."""

    def merge(self, stored: Json, given: Json) -> Json:
        return {**stored, **given}


class CustomFieldsAreDropped(PristoMock):
    """An update that gives no custom fields drops them."""

    def merge(self, stored: Json, given: Json) -> Json:
        return {**super().merge(stored, given), "customFields": given.get("customFields", {})}


class FirstValueStays(PristoMock):
    """A field that has a value keeps it."""

    def merge(self, stored: Json, given: Json) -> Json:
        return super().merge(given, stored)


class CustomValuesStay(PristoMock):
    """A custom field that has a value keeps it."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if "customFields" in merged:
            merged["customFields"] = {**merged["customFields"], **stored.get("customFields", {})}
        return merged


def _member_kept(member: str) -> type[PristoMock]:
    class Kept(PristoMock):
        def merge(self, stored: Json, given: Json) -> Json:
            merged = super().merge(stored, given)
            return {**merged, member: stored[member]} if member in stored else merged

    return Kept


def _member_lost(member: str) -> type[PristoMock]:
    class Lost(PristoMock):
        def merge(self, stored: Json, given: Json) -> Json:
            merged = super().merge(stored, given)
            return (
                merged
                if member in given
                else {name: value for name, value in merged.items() if name != member}
            )

    return Lost


def _member_hidden(member: str) -> type[PristoMock]:
    class Hidden(PristoMock):
        def show(self, stored: Json, given: Json, before: Json) -> Json:
            return {name: value for name, value in stored.items() if name != member}

    return Hidden


def _members_kept_or_lost() -> Iterator[Subject]:
    """For each member: an update does not change it, or loses it."""
    for member in ("email", "phone", "language", "name", "lastName"):
        yield from subjects(
            f"{member}-never-changes",
            f"An update does not change {member}.",
            ["pristo.update-replaces-what-was-given"],
            service=_member_kept(member),
        )
        yield from subjects(
            f"{member}-lost-by-update",
            f"An update that does not give {member} loses it.",
            ["pristo.update-keeps-the-rest"],
            service=_member_lost(member),
        )


def _members_not_shown() -> Iterator[Subject]:
    """For each member: responses do not show it."""
    for member in ("email", "phone", "language", "name", "lastName", "customFields"):
        yield from subjects(
            f"{member}-not-shown",
            f"Answers do not show {member}.",
            ["pristo.answer-shows-whole-contact"],
            service=_member_hidden(member),
        )


class LeftOutIsNull(PristoMock):
    """What was never given is shown as null."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {**dict.fromkeys(("email", "phone", "language", "name", "lastName")), **stored}


class LeftOutIsEmpty(PristoMock):
    """What was never given is shown as empty text."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {**dict.fromkeys(("phone", "language", "name", "lastName"), ""), **stored}


class LeftOutIsEmptied(PristoMock):
    """An update stores empty text for what it leaves out."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        return {
            name: value if name in given or name == "customFields" else ""
            for name, value in merged.items()
            if name != "email" or value
        }


class LanguageIsMadeUp(PristoMock):
    """A contact without a language is shown with a default one."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {"language": "en", **stored}


class ForgetsAfterSixtyOthers(PristoMock):
    """A contact is forgotten once sixty others have been written since."""

    def contacts_of(self, population: UUID) -> dict[Any, Json]:
        """The contacts, without those that nobody has written for long."""
        kept = super().contacts_of(population)
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


class ForgetsFieldsAfterSixtyOthers(ForgetsAfterSixtyOthers):
    """A contact's fields are forgotten, and its id is not, once sixty others have been written since."""

    def forget(self, kept: dict[Any, Json], key: Any) -> None:
        """Leaves the id."""
        kept[key] = {"id": kept[key]["id"]}


class UpdateOfEmailForgetsPhone(PristoMock):
    """A new email makes the phone disappear."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if (
            given.get("email", stored.get("email")) != stored.get("email")
            and "phone" not in given
            and stored
        ):
            merged.pop("phone", None)
        return merged


class RepeatAppends(PristoMock):
    """The same upsert again appends to the last name."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if stored and stored == merged and "lastName" in given:
            merged["lastName"] += " 2"
        return merged


# --------------------------------------------------------------------------------------------------- what is shown


class AnswerShowsTheStateBefore(PristoMock):
    """An update is answered with the contact as it was before."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return before or stored


class AnswerShowsTheRequest(PristoMock):
    """The answer shows what the request gave, not what is stored."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return given


class AnswerShowsAnotherId(PristoMock):
    """The answer shows an id of the service's own."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {**stored, "id": str(uuid5(UUID(stored["id"]), "internal"))}


class AnswerShowsThePreviousContact(PristoMock):
    """The answer shows the contact of the request before."""

    previous: Json | None = None

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        shown, self.previous = self.previous or stored, stored
        return shown


class AnswerHasNoId(PristoMock):
    """The answer shows a contact without its id."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        return {name: value for name, value in stored.items() if name != "id"}


class NamesAreSwapped(PristoMock):
    """Name and last name are mixed up."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        shown = dict(stored)
        if "name" in stored and "lastName" in stored:
            shown |= {"name": stored["lastName"], "lastName": stored["name"]}
        return shown


class CustomKeysAreLowered(PristoMock):
    """Keys of custom fields are shown in capitals."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        if "customFields" not in stored:
            return stored
        return {
            **stored,
            "customFields": {key.upper(): value for key, value in stored["customFields"].items()},
        }


class CustomFieldsShareAValue(PristoMock):
    """All custom fields take the value of the last one."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        if given.get("customFields"):
            merged["customFields"] = dict.fromkeys(
                merged["customFields"], list(given["customFields"].values())[-1]
            )
        return merged


SHOWN: dict[str, tuple[str, Callable[[Json], Any], str]] = {
    "further-member": (
        "a member that the schema does not know",
        lambda contact: {**contact, "createdAt": "2026-01-01T00:00:00Z"},
        "",
    ),
    "internal-number": (
        "an internal number beside the id",
        lambda contact: {**contact, "_id": 7},
        "",
    ),
    "number-for-id": (
        "a number for the id",
        lambda contact: {**contact, "id": UUID(contact["id"]).int % 1000},
        "",
    ),
    "id-without-hyphens": (
        "the id in another notation",
        lambda contact: {**contact, "id": "urn:" + contact["id"]},
        "",
    ),
    "array-for-contact": ("an array for the contact", lambda contact: [contact], ""),
    "text-for-contact": ("the contact as JSON in a text", json.dumps, ""),
    "null-for-contact": ("null for the contact", lambda contact: None, ""),
    "array-for-custom-fields": (
        "custom fields as an array",
        lambda contact: {**contact, "customFields": [*contact.get("customFields", {}).items()]},
        "",
    ),
    "null-for-custom-fields": (
        "null for custom fields that were never given",
        lambda contact: {"customFields": None, **contact},
        "",
    ),
    "numbers-for-custom-values": (
        "custom values that look like numbers as numbers",
        lambda contact: {
            name: {key: int(each) if each.isdigit() else each for key, each in value.items()}
            if name == "customFields"
            else value
            for name, value in contact.items()
        },
        "pristo.answer-shows-what-was-sent",
    ),
    "number-for-phone": (
        "the phone as a number",
        lambda contact: {
            **contact,
            "phone": int(
                contact.get("phone", "0").strip("+")
                if contact.get("phone", "0").strip("+").isdecimal()
                else 0
            ),
        },
        "",
    ),
    "no-address-for-email": (
        "an email without its domain",
        lambda contact: {**contact, "email": contact.get("email", "ada").partition("@")[0]},
        "",
    ),
    "long-custom-value": (
        "a custom value of 300 characters",
        lambda contact: {**contact, "customFields": {"notes": "x" * 300}},
        "",
    ),
}


def _shown(change: Callable[[Json], Any]) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if seen.accepted and "contact" in seen.json():
            seen.answer({"contact": change(seen.json()["contact"])})

    return changed


def _wrong_forms_shown() -> Iterator[Subject]:
    """Responses that show a contact in another form than the schema's."""
    for name, (what, change, clause) in SHOWN.items():
        yield from subjects(
            f"shows-{name}",
            f"The answer shows {what}.",
            ["pristo.answer-fits-schema", *([clause] if clause else [])],
            twist=_shown(change),
            apis=PRISTO,
        )


def success_is_an_array(seen: Seen) -> None:
    """A success is an array of one contact."""
    if seen.accepted:
        seen.answer([seen.json()])


# -------------------------------------------------------------------------------------------- telling contacts apart


class IdsAreComparedAsText(PristoMock):
    """An id in capitals is another contact."""

    def key(self, contact: Json) -> Any:
        return contact["id"]


class PopulationIsComparedAsText(PristoMock):
    """A population in capitals is another population."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if (
            self.path_values(operation, request)[0].lower()
            != self.path_values(operation, request)[0]
        ):
            return self.error(
                operation, 400, "unknown_population", "The population does not exist."
            )
        return super().act(operation, request, body)


def _keyed(key: Callable[[Json], Any]) -> type[PristoMock]:
    class Keyed(PristoMock):
        def key(self, contact: Json) -> Any:
            return key(contact)

    return Keyed


TELLING: dict[str, tuple[str, Callable[[Json], Any]]] = {
    "email": (
        "the email, where there is one",
        lambda contact: contact.get("email") or UUID(contact["id"]),
    ),
    "phone": (
        "the phone, where there is one",
        lambda contact: contact.get("phone") or UUID(contact["id"]),
    ),
    "name": (
        "the name, where there is one",
        lambda contact: contact.get("name") or UUID(contact["id"]),
    ),
    "first-part": ("the first eight digits of the id", lambda contact: UUID(contact["id"]).hex[:8]),
    "last-part": (
        "the last twelve digits of the id",
        lambda contact: UUID(contact["id"]).hex[-12:],
    ),
    "all-but-the-last-digit": (
        "the id without its last digit",
        lambda contact: UUID(contact["id"]).hex[:-1],
    ),
    "all-but-the-first-digit": (
        "the id without its first digit",
        lambda contact: UUID(contact["id"]).hex[1:],
    ),
    "half-the-bits": (
        "the lower half of the id",
        lambda contact: UUID(contact["id"]).int & ((1 << 64) - 1),
    ),
    "the-upper-half": ("the upper half of the id", lambda contact: UUID(contact["id"]).int >> 64),
    "a-floating-number": (
        "the id as a floating-point number",
        lambda contact: float(UUID(contact["id"]).int),
    ),
}


def _told_apart_wrongly() -> Iterator[Subject]:
    """Contacts told apart by something else than their id."""
    for name, (what, key) in TELLING.items():
        clauses = [
            "pristo.id-identifies",
            "pristo.create-answers-201",
            "pristo.update-answers-200",
            "pristo.update-keeps-the-rest",
        ]
        yield from subjects(
            f"told-apart-by-{name}",
            f"Contacts are told apart by {what}.",
            clauses,
            service=_keyed(key),
        )


class AnEmailMovesToItsNewContact(PristoMock):
    """A contact with another one's email takes it away from that one."""

    def merge(self, stored: Json, given: Json) -> Json:
        for kept in self.stored.values():
            for each in kept.values():
                if (
                    "email" in given
                    and each.get("email") == given["email"]
                    and each["id"] != given["id"]
                ):
                    del each["email"]
        return super().merge(stored, given)


class PopulationsShareContacts(PristoMock):
    """All populations share one store."""

    def contacts_of(self, population: UUID) -> dict[Any, Json]:
        return super().contacts_of(next(iter(self.stored)))


class PopulationsShareIds(PristoMock):
    """An id that exists in any population is answered 200."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        known = sum(UUID(body["contact"]["id"]) in kept for kept in self.stored.values())
        answer = super().act(operation, request, body)
        return Response(200, answer.body) if known and answer.status == 201 else answer


class PopulationsLeak(PristoMock):
    """A contact of a second population is shown with what the first has of it."""

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        for kept in self.stored.values():
            stored = {**kept.get(UUID(given["id"]), {}), **stored}
        return stored


class PopulationsOverwrite(PristoMock):
    """A write to one population reaches the same id in all others."""

    def merge(self, stored: Json, given: Json) -> Json:
        for kept in self.stored.values():
            if UUID(given["id"]) in kept and kept[UUID(given["id"])] is not stored:
                kept[UUID(given["id"])].update(given)
        return super().merge(stored, given)


class SecondPopulationIsUnknown(PristoMock):
    """Only the first population is known."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if UUID(self.path_values(operation, request)[0]) != next(iter(self.stored)):
            return self.error(
                operation, 400, "unknown_population", "The population does not exist."
            )
        return super().act(operation, request, body)


class PathIsAnother(PristoMock):
    """The path of an earlier revision is served, and this one answers 404."""

    def handle(self, operation: Operation, request: Request) -> Response:
        return self.error(operation, 404, "not_found", "There is no such path.")


# -------------------------------------------------------------------------------------------------------- refused


class Writing(PristoMock):
    """Writes something although it refuses."""

    def write(self, operation: Operation, request: Request, contact: Json) -> None:
        population = UUID(self.path_values(operation, request)[0])
        kept = self.stored[population]
        kept[UUID(contact["id"])] = self.merge(
            kept.get(UUID(contact["id"]), {}), {**contact, "id": str(UUID(contact["id"]))}
        )


def _writes(
    reason: Callable[[Response, Request], bool], what: Callable[[Json, bool], Json | None]
) -> type[PristoMock]:
    class Writes(Writing):
        def handle(self, operation: Operation, request: Request) -> Response:
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
    plain = {
        name: value
        for name, value in contact.items()
        if name != "customFields" and isinstance(value, str)
    }
    kept: Json = {name: value for name, value in plain.items() if name != "email" or "@" in value}
    if isinstance(contact.get("customFields"), dict):
        kept["customFields"] = {
            key: value
            for key, value in contact["customFields"].items()
            if isinstance(value, str) and len(value) < 256
        }
    return kept


REASONS: dict[str, tuple[str, Callable[[Response, Request], bool]]] = {
    "no-key": (
        "without a key",
        lambda answer, request: answer.status == 401 and "x-api-key" not in request.headers,
    ),
    "a-wrong-key": (
        "with a wrong key",
        lambda answer, request: answer.status == 401 and "x-api-key" in request.headers,
    ),
    "a-bad-email": ("with a bad email", lambda answer, request: "email" in answer.reason),
    "a-bad-phone": ("with a bad phone", lambda answer, request: "phone" in answer.reason),
    "bad-custom-fields": (
        "with custom fields that are no object",
        lambda answer, request: "customFields must" in answer.reason,
    ),
    "a-long-custom-value": (
        "with a custom value that is too long",
        lambda answer, request: "characters" in answer.reason,
    ),
    "a-bad-correlation-id": (
        "with a bad X-Request-Id",
        lambda answer, request: "x-request-id" in answer.reason,
    ),
}
WRITTEN: dict[str, tuple[str, Callable[[Json, bool], Json | None]]] = {
    "new": ("creates the contact", lambda contact, known: None if known else _sound(contact)),
    "known": ("updates the contact", lambda contact, known: _sound(contact) if known else None),
    "id": (
        "creates the contact, empty",
        lambda contact, known: None if known else {"id": contact["id"]},
    ),
}


def _refusals_that_write() -> Iterator[Subject]:
    """Refused requests that write, by the reason for the refusal and by what is written."""
    for reason, (when, test) in REASONS.items():
        for kind, (does, what) in WRITTEN.items():
            if kind != "id" or reason in ("no-key", "a-bad-email"):
                yield from subjects(
                    f"{reason}-writes-{kind}",
                    f"A refused request {when} {does}.",
                    ["pristo.refused-writes-nothing"],
                    service=_writes(test, what),
                )


def _part(*members: str) -> Callable[[Json, bool], Json | None]:
    return lambda contact, known: (
        {name: value for name, value in _sound(contact).items() if name in ("id", *members)}
        if known
        else None
    )


def _refusals_that_write_a_member() -> Iterator[Subject]:
    """Refused requests that change one member."""
    for members in (("lastName",), ("language",), ("customFields",), ("email",)):
        yield from subjects(
            f"refused-writes-{members[0]}",
            f"A refused request changes {members[0]} and nothing else.",
            ["pristo.refused-writes-nothing"],
            service=_writes(lambda answer, request: True, _part(*members)),
        )


# ------------------------------------------------------------------------------------------------- correlation ids


def correlation_id_is_another(seen: Seen) -> None:
    """The X-Request-Id of an answer is always a new one."""
    seen.headers["X-Request-Id"] = str(uuid4())


def correlation_id_is_constant(seen: Seen) -> None:
    """The X-Request-Id of an answer is always the same."""
    seen.headers["X-Request-Id"] = "00000000-0000-4000-8000-000000000000"


def correlation_id_is_no_uuid(seen: Seen) -> None:
    """The X-Request-Id of an answer is no UUID."""
    seen.headers["X-Request-Id"] = f"req_{seen.number}"


def made_correlation_id_is_no_uuid(seen: Seen) -> None:
    """An X-Request-Id that the service makes itself is no UUID."""
    if "x-request-id" not in seen.request.headers:
        seen.headers["X-Request-Id"] = f"{seen.number:032x}"


def missing_correlation_id_is_empty(seen: Seen) -> None:
    """The X-Request-Id of an answer is empty when none was sent."""
    if "x-request-id" not in seen.request.headers:
        seen.headers["X-Request-Id"] = ""


def correlation_id_is_prefixed(seen: Seen) -> None:
    """The X-Request-Id comes back with something before it."""
    seen.headers["X-Request-Id"] = "pristo-" + seen.headers["X-Request-Id"]


def correlation_id_comes_back_on_creation_alone(seen: Seen) -> None:
    """The X-Request-Id of an update is another."""
    if seen.status == 200:
        seen.headers["X-Request-Id"] = str(uuid4())


def correlation_id_comes_back_on_update_alone(seen: Seen) -> None:
    """The X-Request-Id of a creation is another."""
    if seen.status == 201:
        seen.headers["X-Request-Id"] = str(uuid4())


def correlation_id_of_the_request_before(seen: Seen) -> None:
    """The X-Request-Id is that of the request before."""
    seen.headers["X-Request-Id"], seen.memory["id"] = (
        seen.memory.get("id", str(uuid4())),
        seen.headers["X-Request-Id"],
    )


async def correlation_ids_mixed_up_at_once(seen: Seen) -> None:
    """Of requests at the same moment all get the X-Request-Id of the last."""
    seen.memory["id"] = seen.headers["X-Request-Id"]
    await asyncio.sleep(0.02)
    seen.headers["X-Request-Id"] = seen.memory["id"]


class CorrelationIdsAreRefused(PristoMock):
    """A request with an X-Request-Id is refused."""

    def handle(self, operation: Operation, request: Request) -> Response:
        if "x-request-id" in request.headers:
            return self.error(operation, 400, "unexpected", "No X-Request-Id is taken.")
        return super().handle(operation, request)


class CorrelationIdsMakeIdempotent(PristoMock):
    """A request with an X-Request-Id that was seen is answered 409."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        seen = self.__dict__.setdefault("seen", set())
        sent = request.headers.get("x-request-id", "").lower()
        if sent and sent in seen:
            return self.error(operation, 409, "repeated", "The X-Request-Id was seen before.")
        seen.add(sent)
        return super().act(operation, request, body)


# ----------------------------------------------------------------------------------------------------------- races

_looked: ContextVar[Json | None] = ContextVar("looked", default=None)
_arrived: ContextVar[int] = ContextVar("arrived", default=0)


class Racing(PristoMock):
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


class AllCreateAtOnce(Racing):
    """Several first upserts at once are all answered 201."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        answer = super().act(operation, request, body)
        return Response(
            201 if _looked.get() is None and answer.status < 300 else answer.status, answer.body
        )


class NoneCreatesAtOnce(Racing):
    """Of several first upserts at once none is answered 201."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        answer = super().act(operation, request, body)
        return Response(200, answer.body) if answer.status == 201 and self.present > 2 else answer


class ConflictAtOnce(Racing):
    """Of several first upserts at once all but one are answered 409."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        answer = super().act(operation, request, body)
        lost = _looked.get() is None and answer.status == 200
        return (
            self.error(operation, 409, "conflict", "The contact was created meanwhile.")
            if lost
            else answer
        )


class FailsAtOnce(Racing):
    """Of several first upserts at once all but one are answered 500."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        answer = super().act(operation, request, body)
        return (
            self.error(operation, 500, "unique", "duplicate key value")
            if _looked.get() is None and answer.status == 200
            else answer
        )


class RefusesAtOnce(Racing):
    """Of several first upserts at once all but one are answered 400."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        answer = super().act(operation, request, body)
        return (
            self.error(operation, 400, "busy", "The contact is locked.")
            if _looked.get() is None and answer.status == 200
            else answer
        )


class UpdatesAreLostAtOnce(Racing):
    """Of several updates at once that give different fields the last one wins."""

    def merge(self, stored: Json, given: Json) -> Json:
        return super().merge(_looked.get() or stored, given)


class CreationsAreLostAtOnce(Racing):
    """Of several first upserts at once that give different fields the last one wins."""

    def merge(self, stored: Json, given: Json) -> Json:
        return super().merge(stored if _looked.get() is not None else {}, given)


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


class Limited(PristoMock):
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


def _counted(count: Callable[[str], int]) -> type[PristoMock]:
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


def _limits_counted_otherwise() -> Iterator[Subject]:
    """The limit of custom values counted in something else than characters."""
    for name, what, count in (
        ("bytes", "bytes of UTF-8", lambda text: len(text.encode())),
        ("utf-16-units", "units of UTF-16", lambda text: len(text.encode("utf-16-le")) // 2),
        ("graphemes", "letters with all their marks", _graphemes),
        ("composed-characters", "characters after composition", _composed),
        (
            "latin-bytes",
            "bytes of Latin-1, other characters not at all",
            lambda text: len(text.encode("latin-1", "ignore")),
        ),
        ("words", "characters without blanks", lambda text: len(text.replace("x", ""))),
    ):
        yield from subjects(
            f"limit-counts-{name}",
            f"The limit of custom values counts {what}.",
            ["pristo.custom-value-limit"],
            service=_counted(count),
        )


class LimitOfTheFirstFieldAlone(Limited):
    """The limit holds for the first custom field of a request alone."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return len(next(iter(fields.values()), "")) > 255


class LimitOfTheLastFieldAlone(Limited):
    """The limit holds for the last custom field of a request alone."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return len(list(fields.values() or [""])[-1]) > 255


class LimitOfNewContactsAlone(Limited):
    """The limit holds when a contact is created, not when it is updated."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return not known and any(len(each) > 255 for each in fields.values())


class LimitOfUpdatesAlone(Limited):
    """The limit holds when a contact is updated, not when it is created."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return known and any(len(each) > 255 for each in fields.values())


class LimitOfAllFieldsTogether(Limited):
    """The limit holds for all custom values of a request together."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return (
            any(len(each) > 255 for each in fields.values()) or sum(map(len, fields.values())) > 256
        )


class LongValuesAreCut(Limited):
    """A custom value of more than 255 characters is cut instead of refused."""

    def merge(self, stored: Json, given: Json) -> Json:
        cut = {key: value[:255] for key, value in given.get("customFields", {}).items()}
        return super().merge(stored, {**given, **({"customFields": cut} if cut else {})})


# ------------------------------------------------------------------------------------------------- further members


class UnknownMembersAreDropped(PristoMock):
    """A member of a contact that the schema does not know is dropped in silence."""

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        body, faults = super().read_body(operation, request)
        kept = [each for each in faults if "is not a field of the contract" not in each]
        if len(kept) < len(faults):
            body["contact"] = {
                name: value for name, value in body["contact"].items() if name in _KNOWN
            }
        return body, kept


class UnknownMembersAreKept(PristoMock):
    """A member of a contact that the schema does not know is stored and shown as it is."""

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        body, faults = super().read_body(operation, request)
        return body, [each for each in faults if "is not a field of the contract" not in each]


_KNOWN = ("id", "email", "phone", "language", "name", "lastName", "customFields")


MUTANTS: tuple[Subject, ...] = (
    *of_service(CreateAnswers200, "pristo.create-answers-201"),
    *of_service(UpdateAnswers201, "pristo.update-answers-200", "pristo.repeat-changes-nothing"),
    *of_service(StatusesSwapped, "pristo.create-answers-201", "pristo.update-answers-200"),
    *of_service(UpdateAnswers204, "pristo.documented-statuses"),
    *of_service(RepeatIsAConflict, "pristo.documented-statuses"),
    *of_service(
        RepeatIsRefused,
        "pristo.repeat-changes-nothing",
        "pristo.update-answers-200",
        "pristo.operation",
    ),
    *of_service(
        EmptyUpdateIsRefused,
        "pristo.operation",
        "pristo.optional-fields",
        "pristo.id-compared-as-uuid",
    ),
    *of_service(
        EachFifthUpdateCreates, "pristo.update-answers-200", "pristo.repeat-changes-nothing"
    ),
    *of_service(
        UpdateReplacesTheContact,
        "pristo.update-keeps-the-rest",
        "pristo.answer-shows-whole-contact",
    ),
    *of_service(CustomFieldsAreReplaced, "pristo.update-keeps-the-rest"),
    *of_service(CustomFieldsAreDropped, "pristo.update-keeps-the-rest"),
    *of_service(FirstValueStays, "pristo.update-replaces-what-was-given"),
    *of_service(CustomValuesStay, "pristo.update-replaces-what-was-given"),
    *_members_kept_or_lost(),
    *_members_not_shown(),
    *of_service(LeftOutIsNull, "pristo.answer-fits-schema"),
    *of_service(LeftOutIsEmpty, "pristo.answer-shows-what-was-sent"),
    *of_service(LeftOutIsEmptied, "pristo.update-keeps-the-rest", "pristo.answer-fits-schema"),
    *of_service(LanguageIsMadeUp, "pristo.answer-shows-what-was-sent"),
    *of_service(ForgetsAfterSixtyOthers, "pristo.update-answers-200"),
    *of_service(ForgetsFieldsAfterSixtyOthers, "pristo.update-keeps-the-rest"),
    *of_service(UpdateOfEmailForgetsPhone, "pristo.update-keeps-the-rest"),
    *of_service(
        RepeatAppends,
        "pristo.repeat-changes-nothing",
        "pristo.answer-shows-what-was-sent",
        "pristo.text-unchanged",
    ),
    *of_service(
        AnswerShowsTheStateBefore,
        "pristo.update-replaces-what-was-given",
        "pristo.answer-shows-what-was-sent",
    ),
    *of_service(
        AnswerShowsTheRequest, "pristo.answer-shows-whole-contact", "pristo.update-keeps-the-rest"
    ),
    *of_service(
        AnswerShowsAnotherId, "pristo.answer-shows-what-was-sent", "pristo.update-answers-200"
    ),
    *of_service(
        AnswerShowsThePreviousContact,
        "pristo.answer-shows-what-was-sent",
        "pristo.answer-shows-whole-contact",
    ),
    *of_service(AnswerHasNoId, "pristo.answer-shows-whole-contact", "pristo.answer-fits-schema"),
    *of_service(
        NamesAreSwapped,
        "pristo.answer-shows-what-was-sent",
        "pristo.text-unchanged",
        "pristo.update-replaces-what-was-given",
    ),
    *of_service(
        CustomKeysAreLowered,
        "pristo.answer-shows-what-was-sent",
        "pristo.answer-shows-whole-contact",
    ),
    *of_service(
        CustomFieldsShareAValue,
        "pristo.answer-shows-what-was-sent",
        "pristo.text-unchanged",
        "pristo.update-keeps-the-rest",
    ),
    *_wrong_forms_shown(),
    *of_twist(success_is_an_array, "pristo.answer-fits-schema", apis=PRISTO),
    *of_service(IdsAreComparedAsText, "pristo.id-compared-as-uuid"),
    *of_service(PopulationIsComparedAsText, "pristo.id-compared-as-uuid"),
    *_told_apart_wrongly(),
    *of_service(AnEmailMovesToItsNewContact, "pristo.id-identifies"),
    *of_service(PopulationsShareContacts, "pristo.populations-apart"),
    *of_service(PopulationsShareIds, "pristo.populations-apart"),
    *of_service(PopulationsLeak, "pristo.populations-apart"),
    *of_service(PopulationsOverwrite, "pristo.populations-apart"),
    *of_service(SecondPopulationIsUnknown, "pristo.populations-apart", "pristo.operation"),
    *of_service(PathIsAnother, "pristo.operation", "pristo.documented-statuses"),
    *_refusals_that_write(),
    *_refusals_that_write_a_member(),
    *of_twist(correlation_id_is_another, "pristo.request-id-comes-back", apis=PRISTO),
    *of_twist(correlation_id_is_constant, "pristo.request-id-comes-back", apis=PRISTO),
    *of_twist(correlation_id_is_no_uuid, "pristo.answer-request-id-is-uuid", apis=PRISTO),
    *of_twist(made_correlation_id_is_no_uuid, "pristo.answer-request-id-is-uuid", apis=PRISTO),
    *of_twist(missing_correlation_id_is_empty, "pristo.answer-request-id-is-uuid", apis=PRISTO),
    *of_twist(
        correlation_id_is_prefixed,
        "pristo.answer-request-id-is-uuid",
        "pristo.request-id-comes-back",
        apis=PRISTO,
    ),
    *of_twist(
        correlation_id_comes_back_on_creation_alone, "pristo.request-id-comes-back", apis=PRISTO
    ),
    *of_twist(
        correlation_id_comes_back_on_update_alone, "pristo.request-id-comes-back", apis=PRISTO
    ),
    *of_twist(correlation_id_of_the_request_before, "pristo.request-id-comes-back", apis=PRISTO),
    *of_twist(correlation_ids_mixed_up_at_once, "pristo.request-id-comes-back", apis=PRISTO),
    *of_service(CorrelationIdsAreRefused, "pristo.operation", "pristo.request-id-is-uuid"),
    *of_service(
        CorrelationIdsMakeIdempotent,
        "pristo.operation",
        "pristo.request-id-comes-back",
        "pristo.documented-statuses",
    ),
    *of_service(AllCreateAtOnce, "pristo.concurrent-creates-once"),
    *of_service(NoneCreatesAtOnce, "pristo.concurrent-creates-once"),
    *of_service(ConflictAtOnce, "pristo.concurrent-creates-once", "pristo.documented-statuses"),
    *of_service(FailsAtOnce, "pristo.no-server-error"),
    *of_service(RefusesAtOnce, "pristo.concurrent-creates-once"),
    *of_service(UpdatesAreLostAtOnce, "pristo.update-keeps-the-rest"),
    *of_service(CreationsAreLostAtOnce, "pristo.update-keeps-the-rest"),
    *of_service(
        ContactsMixedUpAtOnce,
        "pristo.id-identifies",
        "pristo.answer-shows-what-was-sent",
        "pristo.concurrent-creates-once",
    ),
    *_limits_counted_otherwise(),
    *of_service(LimitOfTheFirstFieldAlone, "pristo.custom-value-limit"),
    *of_service(LimitOfTheLastFieldAlone, "pristo.custom-value-limit"),
    *of_service(LimitOfNewContactsAlone, "pristo.custom-value-limit"),
    *of_service(LimitOfUpdatesAlone, "pristo.custom-value-limit"),
    *of_service(LimitOfAllFieldsTogether, "pristo.custom-value-limit"),
    *of_service(LongValuesAreCut, "pristo.custom-value-limit", "pristo.text-unchanged"),
    *of_service(UnknownMembersAreDropped, "pristo.unknown-members-of-contact"),
    *of_service(UnknownMembersAreKept, "pristo.answer-fits-schema"),
)

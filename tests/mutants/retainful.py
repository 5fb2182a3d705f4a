"""Mutants of what Retainful does: whom an identifier belongs to, what a refusal leaves, what is taken."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from contact_apis._mocking.service import Request, Response
from contact_apis._openapi.document import Json, Operation
from contact_apis._vendors.retainful.mock import RetainfulMock
from tests.mutants.catalogue import Seen, Subject, of_service, of_twist, subjects

UPDATED = "retainful.existing-contact-is-updated"


def _body(request: Request) -> Json:
    """The contact that a request brings, as far as it can be made out."""
    try:
        body: Json = json.loads(request.body)
        assert all({each["type"], each["id"]} for each in body["identifiers"])
    except (AssertionError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
    return body


def _keys(body: Json) -> list[tuple[str, str]]:
    return [(each["type"], str(each["id"]).casefold()) for each in body["identifiers"]]


class Guarded(RetainfulMock):
    """Retainful with one more reason to refuse a contact, or to answer something else."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        """Status and reason of a refusal."""
        return None

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        found = self.objection(body, any(key in self.known for key in _keys(body)))
        return (
            self.error(operation, found[0], "refused", found[1])
            if found
            else super().act(operation, request, body)
        )


# ------------------------------------------------------------------------------------------- created and updated


class KnownContactIsAConflict(Guarded):
    """A contact that exists is answered 409."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        return (409, "The contact exists.") if known else None


class KnownContactIsRefused(Guarded):
    """A contact that exists is answered 400."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        return (400, "The contact exists.") if known else None


class UnknownContactIsNotFound(Guarded):
    """A contact that does not exist is answered 404."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        return (404, "There is no such contact.") if not known else None


class RepeatIsRefused(Guarded):
    """The same request again is refused."""

    last: Json | None = None

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        before, self.last = self.last, body
        return (400, "This was sent before.") if body == before else None


class FirstNameNeverChanges(Guarded):
    """An update with another first name is refused."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        stored = next((self.known[key] for key in _keys(body) if key in self.known), None)
        return (
            (400, "The first name is another.")
            if stored and stored["firstName"] != body["firstName"]
            else None
        )


class UpdateNeedsTheSameMembers(Guarded):
    """An update with a member that the contact did not have is refused."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        stored = next((self.known[key] for key in _keys(body) if key in self.known), None)
        return (400, "There are new members.") if stored and set(body) - set(stored) else None


class FirstIdentifierMustBeEmail(Guarded):
    """The first identifier must be an email."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        return (
            (400, "The first identifier is no email.")
            if body["identifiers"][0]["type"] != "email"
            else None
        )


class ChannelMustBeOfItsIdentifier(Guarded):
    """A channel other than the identifier's own is refused."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        wrong = any(set(each["channels"]) != {each["type"]} for each in body["identifiers"])
        return (400, "The channel is another one's.") if wrong else None


class UnsubscribedStaysUnsubscribed(Guarded):
    """Who unsubscribed cannot subscribe again."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        gone = self.__dict__.setdefault("gone", set())
        for each in body["identifiers"]:
            statuses = {kind: channel.get("status") for kind, channel in each["channels"].items()}
            if any(
                (each["id"], kind) in gone and status == "subscribed"
                for kind, status in statuses.items()
            ):
                return 400, "This address unsubscribed."
            gone |= {
                (each["id"], kind) for kind, status in statuses.items() if status == "unsubscribed"
            }
        return None


class NumberIsAnotherIdentifier(Guarded):
    """A phone given as a number is refused when it is known as text."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        number = any(isinstance(each["id"], (int, float)) for each in body["identifiers"])
        return (400, "A number is no identifier.") if number else None


TEXTS: dict[str, tuple[str, str]] = {
    "beyond-ascii": ("beyond ASCII", r"[^\x00-\x7f]"),
    "astral": ("beyond the basic plane", "[\U00010000-\U0010ffff]"),
    "right-to-left": ("from right to left", "[א-ת]"),
    "arabic": ("in Arabic", "[\u0600-\u06ff]"),
    "combining": ("with combining marks", "[\u0300-\u036f\u0591-\u05c7]"),
    "apostrophe": ("with an apostrophe", "'"),
    "ampersand": ("with an ampersand", "&"),
    "hyphen": ("with a hyphen", "-"),
    "dot": ("with a dot", r"\."),
    "devanagari": ("in Devanagari", "[\u0900-\u097f]"),
}


def _refusing(pattern: str, *members: str) -> type[RetainfulMock]:
    class Refusing(Guarded):
        def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
            return (
                (400, "The text is not taken.")
                if any(re.search(pattern, str(body.get(name, ""))) for name in members)
                else None
            )

    return Refusing


def _names_refused() -> Iterator[Subject]:
    """Names refused for the letters in them."""
    for name, (what, pattern) in TEXTS.items():
        clauses = ["retainful.text-accepted", "retainful.operation", UPDATED]
        yield from subjects(
            f"names-{name}-refused",
            f"Names {what} are refused.",
            clauses,
            service=_refusing(pattern, "firstName", "lastName"),
        )


def _text_beyond_ascii_refused() -> Iterator[Subject]:
    """For other members: text beyond ASCII is refused."""
    for member in ("city", "country", "state"):
        yield from subjects(
            f"{member}-beyond-ascii-refused",
            f"Text beyond ASCII is refused in {member}.",
            ["retainful.text-accepted", "retainful.operation"],
            service=_refusing(r"[^\x00-\x7f]", member),
        )


# ----------------------------------------------------------------------------------------------------- at one moment


class Waiting(RetainfulMock):
    """Retainful that knows how many requests are there at the same moment."""

    present = 0

    async def before(self, request: Request) -> None:
        self.present += 1
        await asyncio.sleep(0.01)
        self.present -= 1


class ConflictAtOnce(Waiting):
    """Of several upserts at once all but one are answered 409."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        return (
            self.error(operation, 409, "conflict", "Try again.")
            if self.present
            else super().act(operation, request, body)
        )


class RefusedAtOnce(Waiting):
    """Of several upserts at once all but one are answered 400."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        return (
            self.error(operation, 400, "locked", "Try again.")
            if self.present
            else super().act(operation, request, body)
        )


class FailsAtOnce(Waiting):
    """Of several upserts at once all but one are answered 500."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        return (
            self.error(operation, 500, "deadlock", "Try again.")
            if self.present
            else super().act(operation, request, body)
        )


class HangsAtOnce(Waiting):
    """Of several upserts at once some are not answered for long."""

    async def before(self, request: Request) -> None:
        self.present += 1
        await asyncio.sleep(0.01 if self.present < 3 else 30)
        self.present -= 1


class UntrueAtOnce(Waiting):
    """Of several upserts at once all but one are answered status false."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        answer = super().act(operation, request, body)
        return Response(200, {"status": False}) if self.present and answer.status == 200 else answer


# ----------------------------------------------------------------------------------------------------------- refused


def _writes(
    reason: Callable[[Response, Request], bool], *, known: bool | None = None
) -> type[RetainfulMock]:
    class Writes(RetainfulMock):
        def handle(self, operation: Operation, request: Request) -> Response:
            answer = super().handle(operation, request)
            body = _body(request)
            if (
                body
                and answer.status >= 400
                and "identifier of type email" not in answer.reason
                and reason(answer, request)
            ):
                keys = _keys(body)
                stored = next((self.known[key] for key in keys if key in self.known), None)
                if known is None or known == (stored is not None):
                    self.known.update({key: {**(stored or {}), **body} for key in keys})
            return answer

    return Writes


REASONS: dict[str, tuple[str, Callable[[Response, Request], bool]]] = {
    "no-api-key": (
        "without an API key",
        lambda answer, request: answer.status == 401 and "retainful-api-key" not in request.headers,
    ),
    "a-wrong-api-key": (
        "with a wrong API key",
        lambda answer, request: request.headers.get("retainful-api-key") == "wrong",
    ),
    "no-app-id": (
        "without an App ID",
        lambda answer, request: answer.status == 401 and "retainful-app-id" not in request.headers,
    ),
    "a-wrong-app-id": (
        "with a wrong App ID",
        lambda answer, request: request.headers.get("retainful-app-id") == "wrong",
    ),
    "no-first-name": (
        "without a first name",
        lambda answer, request: "firstName is missing" in answer.reason,
    ),
    "a-bad-city": ("with a city that is no text", lambda answer, request: "city" in answer.reason),
    "a-bad-birth-date": (
        "with a bad birth date",
        lambda answer, request: "birthDate" in answer.reason,
    ),
    "a-bad-identifier": (
        "with a bad identifier",
        lambda answer, request: "identifiers[" in answer.reason,
    ),
    "bad-lists": (
        "with lists that are none",
        lambda answer, request: "listIds must" in answer.reason,
    ),
    "no-lists": ("without lists", lambda answer, request: "listIds is missing" in answer.reason),
    "a-bad-country": (
        "with a bad country code",
        lambda answer, request: "countryCode" in answer.reason,
    ),
    "a-bad-trigger": (
        "with a bad triggerWelcomeEmail",
        lambda answer, request: "triggerWelcomeEmail" in answer.reason,
    ),
    "bad-consent": (
        "with a consent that lacks something",
        lambda answer, request: "consent" in answer.reason,
    ),
    "any-reason": ("for whatever reason", lambda answer, request: True),
}


def _refusals_that_write() -> Iterator[Subject]:
    """Refused requests that are stored, by the reason for the refusal."""
    for name, (when, test) in REASONS.items():
        yield from subjects(
            f"{name}-writes",
            f"A request that is refused {when} is stored.",
            ["retainful.refused-writes-nothing"],
            service=_writes(test),
        )


def _refusals_that_write_by_contact() -> Iterator[Subject]:
    """Refused requests that are stored, by whether the contact exists."""
    for name, known in (("updates", True), ("creations", False)):
        yield from subjects(
            f"refused-{name}-are-stored",
            f"A request that is refused is stored when its contact {'exists' if known else 'does not exist'}.",
            ["retainful.refused-writes-nothing"],
            service=_writes(lambda answer, request: True, known=known),
        )


# --------------------------------------------------------------------------------------------- readings of the page


class PhoneOfAKnownContactIsRefused(RetainfulMock):
    """A phone alone is taken when it is unknown, and refused when it is known."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        keys = _keys(body)
        if not any(kind == "email" for kind, _ in keys):
            if any(key in self.known for key in keys):
                return self.error(
                    operation, 400, "email_required", "An identifier of type email is needed."
                )
            return Response(200, {"status": True})
        return super().act(operation, request, body)


def phone_alone_is_not_found(seen: Seen) -> None:
    """An unknown phone alone is answered 404."""
    if seen.status == 400 and b"identifier of type email" in seen.body:
        seen.status = 404


class PathIsAnother(RetainfulMock):
    """The path answers 404."""

    def handle(self, operation: Operation, request: Request) -> Response:
        return self.error(operation, 404, "not_found", "There is no such path.")


MUTANTS: tuple[Subject, ...] = (
    *of_service(KnownContactIsAConflict, "retainful.documented-statuses"),
    *of_service(
        KnownContactIsRefused,
        UPDATED,
        "retainful.several-identifiers",
        "retainful.examples-accepted",
        "retainful.operation",
        "retainful.optional-fields",
    ),
    *of_service(UnknownContactIsNotFound, "retainful.documented-statuses"),
    *of_service(RepeatIsRefused, UPDATED, "retainful.operation", "retainful.examples-accepted"),
    *of_service(FirstNameNeverChanges, UPDATED, "retainful.examples-accepted"),
    *of_service(UpdateNeedsTheSameMembers, UPDATED, "retainful.examples-accepted"),
    *of_service(
        FirstIdentifierMustBeEmail,
        "retainful.several-identifiers",
        UPDATED,
        "retainful.examples-accepted",
    ),
    *of_service(
        ChannelMustBeOfItsIdentifier,
        "retainful.channel-forms-accepted",
        "retainful.several-identifiers",
        "retainful.examples-accepted",
    ),
    *of_service(UnsubscribedStaysUnsubscribed, "retainful.channel-forms-accepted"),
    *of_service(
        NumberIsAnotherIdentifier,
        "retainful.identifier-id-is-string-or-number",
        "retainful.several-identifiers",
    ),
    *_names_refused(),
    *_text_beyond_ascii_refused(),
    *subjects(
        "short-names-refused",
        "A first name needs four letters.",
        ["retainful.optional-fields", "retainful.operation"],
        service=_refusing("^.{1,3}$", "firstName"),
    ),
    *of_service(ConflictAtOnce, "retainful.documented-statuses"),
    *of_service(RefusedAtOnce, "retainful.concurrent-upserts"),
    *of_service(FailsAtOnce, "retainful.no-server-error"),
    *of_service(HangsAtOnce, "retainful.answers-every-request"),
    *of_service(UntrueAtOnce, "retainful.success-answer", "retainful.concurrent-upserts"),
    *_refusals_that_write(),
    *_refusals_that_write_by_contact(),
    *of_service(PhoneOfAKnownContactIsRefused, "retainful.email-to-create"),
    *of_twist(phone_alone_is_not_found, "retainful.documented-statuses", apis=("retainful",)),
    *of_service(
        PathIsAnother,
        "retainful.operation",
        "retainful.optional-fields",
        "retainful.documented-statuses",
    ),
)

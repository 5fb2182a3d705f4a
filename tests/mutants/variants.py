"""Services that keep every documented promise and are unusual in one way: the suite must accuse none of them."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any
from uuid import UUID

from contact_apis._mocking.service import MockService, Request, Response
from contact_apis._openapi.document import Json, Operation
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.retainful.mock import RetainfulMock
from tests.mutants.catalogue import Seen, Subject, of_service, of_twist, subjects
from tests.mutants.pristo import Limited
from tests.mutants.retainful import Guarded
from tests.mutants.rules import all_of, updated, with_specification

PRISTO, RETAINFUL = ("pristo",), ("retainful",)
LANGUAGES = ["en", "he", "fr", "id", "yi", "zh", "pt", "ar", "de", "es"]


# ---------------------------------------------------------------------------------------------- how answers look


def pretty_printed(seen: Seen) -> None:
    """Answers are JSON over several lines, with a line break at the end."""
    seen.body = json.dumps(seen.json(), indent=4, ensure_ascii=False).encode() + b"\r\n"


def escaped(seen: Seen) -> None:
    """Answers are JSON in ASCII, with escapes for slashes too."""
    seen.body = json.dumps(seen.json(), ensure_ascii=True).replace("/", "\\/").encode()


def other_member_order(seen: Seen) -> None:
    """Members of answers stand in another order."""

    def turned(value: Any) -> Any:
        return (
            {key: turned(value[key]) for key in reversed(value)}
            if isinstance(value, dict)
            else value
        )

    seen.answer(turned(seen.json()))


def charset_parameter(seen: Seen) -> None:
    """The media type of answers has a parameter."""
    seen.headers["Content-Type"] = "application/json; charset=utf-8"


def capitals_in_media_type(seen: Seen) -> None:
    """The media type of answers is written in capitals, its parameter in quotes."""
    seen.headers["Content-Type"] = 'Application/JSON;charset="UTF-8"'


def more_headers(seen: Seen) -> None:
    """Answers have more headers than anybody asked for."""
    seen.headers |= {
        "X-Powered-By": "PHP/5.6",
        "Cache-Control": "no-store",
        "X-RateLimit-Remaining": "0",
        "Vary": "Origin",
        "ETag": '"1"',
    }
    seen.headers |= {
        "Set-Cookie": "session=1; Path=/",
        "Link": "</>; rel=next",
        "Strict-Transport-Security": "max-age=1",
        "Retry-After": "5",
    }


def gzipped(seen: Seen) -> None:
    """Answers are compressed when the client takes that."""
    if "gzip" in seen.request.headers.get("accept-encoding", ""):
        seen.body = gzip.compress(seen.body)
        seen.headers["Content-Encoding"] = "gzip"


def chunked(seen: Seen) -> None:
    """Answers come in chunks of seven bytes."""
    seen.end = "chunked"


def closes_after_each_answer(seen: Seen) -> None:
    """Each answer says that the connection will be closed."""
    seen.headers["Connection"] = "close"


def closes_unannounced(seen: Seen) -> None:
    """The connection is closed after each answer, unannounced."""
    seen.end = "then-close"


def closes_each_hundredth_unannounced(seen: Seen) -> None:
    """The connection is closed after each hundredth answer, unannounced."""
    if seen.number % 100 == 0:
        seen.end = "then-close"


def http_1_0(seen: Seen) -> None:
    """Answers are HTTP/1.0, without a length, up to the end of the connection."""
    head = [
        f"HTTP/1.0 {seen.status} OK",
        *(f"{name}: {value}" for name, value in seen.headers.items()),
    ]
    seen.body = "\r\n".join([*head, "", ""]).encode("latin-1") + seen.body
    seen.end = "raw"


def slow(seen: Seen) -> None:
    """Each answer takes 50 ms."""
    seen.delay = 0.05


def slow_at_first(seen: Seen) -> None:
    """The first answers take two seconds, as of a service that wakes up."""
    seen.delay = 2.0 if seen.number <= 2 else 0.0


def throttling(base: type[MockService]) -> type[MockService]:
    """A service with a bucket of 40 requests that fills by 40 a second."""

    class Throttling(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        left, filled = 40.0, 0.0

        def handle(self, operation: Operation, request: Request) -> Response:
            now = time.monotonic()
            self.left, self.filled = min(40.0, self.left + 40 * (now - self.filled)), now
            if self.left < 1:
                answer: Response = self.error(operation, 429, "rate_limited", "Too many requests.")
                if told := self.retry_after():
                    answer.headers["Retry-After"] = told
                return answer
            self.left -= 1
            return super().handle(operation, request)  # type: ignore[no-any-return]  # the base is a variable

        def retry_after(self) -> str:
            return "1"

    return Throttling


def _throttled() -> Iterator[Subject]:
    """Services that throttle, by how they say for how long."""
    for base in (PristoMock, RetainfulMock):
        for name, says, told in (
            ("seconds", "with Retry-After in seconds", "1"),
            ("date", "with Retry-After as a date", "date"),
            ("nothing", "without Retry-After", ""),
        ):

            def _set(service: Any, told: str = told) -> None:
                service.retry_after = lambda: (
                    formatdate(time.time() + 1, usegmt=True) if told == "date" else told
                )

            if (name, base) in (("date", RetainfulMock), ("nothing", PristoMock)):
                continue
            yield from subjects(
                f"throttled-{name}",
                f"More than 40 requests a second are answered 429, {says}.",
                [],
                service=throttling(base),
                setup=_set,
            )


# ------------------------------------------------------------------------------------------- what answers leave out


def answers_are_empty_objects(seen: Seen) -> None:
    """Successes and errors alike are an empty object."""
    seen.answer({})


def answers_show_the_id_alone(seen: Seen) -> None:
    """Successes show the contact's id and nothing else."""
    if seen.accepted:
        seen.answer({"contact": {"id": seen.json()["contact"]["id"]}})


def errors_are_bare(seen: Seen) -> None:
    """Errors have an empty `error`."""
    if not seen.accepted:
        seen.answer({"error": {}})


def errors_say_more(seen: Seen) -> None:
    """Errors have further members at both levels."""
    if not seen.accepted:
        seen.answer(
            {
                "error": {**seen.json()["error"], "details": [1, None]},
                "status": seen.status,
                "requestId": None,
            }
        )


def successes_say_more(seen: Seen) -> None:
    """Successes have a member beside `contact`."""
    if seen.accepted:
        seen.answer(
            {**seen.json(), "created": seen.status == 201, "meta": {"at": "2026-01-01T00:00:00Z"}}
        )


def no_correlation_id(seen: Seen) -> None:
    """Answers have no X-Request-Id."""
    seen.headers.pop("X-Request-Id", None)


def correlation_id_in_capitals(seen: Seen) -> None:
    """The X-Request-Id comes back in capitals."""
    if "X-Request-Id" in seen.headers:
        seen.headers["X-Request-Id"] = seen.headers["X-Request-Id"].upper()


def ids_in_capitals(seen: Seen) -> None:
    """Ids are shown in capitals."""
    if seen.accepted:
        contact = seen.json()["contact"]
        seen.answer({"contact": {**contact, "id": contact["id"].upper()}})


def no_custom_fields_are_an_empty_object(seen: Seen) -> None:
    """A contact without custom fields shows an empty object of them."""
    if seen.accepted:
        seen.answer({"contact": {"customFields": {}, **seen.json()["contact"]}})


def answers_say_more(seen: Seen) -> None:
    """Answers have further members."""
    seen.answer({**seen.json(), "data": {"id": 7}, "errors": [], "code": seen.status})


def messages_are_empty(seen: Seen) -> None:
    """The message of an error is empty."""
    if not seen.accepted:
        seen.answer({"status": "error", "message": ""})


def other_statuses_for_what_is_undeclared(seen: Seen) -> None:
    """Other methods and paths are answered 403, by a page of HTML."""
    if seen.status in (404, 405):
        seen.status, seen.body = 403, b"<html>Forbidden</html>"
        seen.headers["Content-Type"] = "text/html"


# -------------------------------------------------------------------------------- strict on everything inferred


def refusing(
    base: type[MockService], objection: Callable[[Any, Request], bool]
) -> type[MockService]:
    """A service with one more reason to answer 400."""

    class Refusing(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        def read(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
            body, faults = super().read(operation, request)
            return body, faults or (["something is not taken"] if objection(body, request) else [])

    return Refusing


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


NAMED = ("name", "lastName", "firstName", "city", "country", "state")


def _names(body: Any) -> list[str]:
    contact = body.get("contact", body)
    return [contact[name] for name in NAMED if name in contact]


OBJECTIONS: dict[str, tuple[str, Callable[[Any, Request], bool]]] = {
    "blank-text": (
        "empty or blank text",
        lambda body, request: any(not each.strip() for each in _texts(body)),
    ),
    "blanks-at-the-ends": (
        "blanks at the ends of text",
        lambda body, request: any(each != each.strip() for each in _texts(body)),
    ),
    "controls": (
        "control characters and the like",
        lambda body, request: any(
            unicodedata.category(letter) in ("Cc", "Cn", "Co", "Cs")
            for each in _texts(body)
            for letter in each
        ),
    ),
    "formats": (
        "characters without width",
        lambda body, request: any(
            unicodedata.category(letter) == "Cf" for each in _texts(body) for letter in each
        ),
    ),
    "long-names": (
        "names of more than 100 characters",
        lambda body, request: any(len(each) > 100 for each in _names(body)),
    ),
    "odd-names": (
        "names with digits or marks that no name has",
        lambda body, request: any(
            re.search(r'[\d<>"\\%;#+{}\[\]]|  ', each) for each in _names(body)
        ),
    ),
    "emoji-names": (
        "names with emoji",
        lambda body, request: any(
            unicodedata.category(letter) == "So" for each in _names(body) for letter in each
        ),
    ),
    "large-bodies": ("bodies of more than 20 KB", lambda body, request: len(request.body) > 20_000),
    "duplicate-members": (
        "a member that is there twice",
        lambda body, request: _has_duplicates(request.body),
    ),
    "no-user-agent": (
        "requests without a User-Agent",
        lambda body, request: not request.headers.get("user-agent"),
    ),
    "unknown-members": ("members that are not described", lambda body, request: _has_unknown(body)),
}


def _has_duplicates(body: bytes) -> bool:
    found: list[bool] = []
    json.loads(body, object_pairs_hook=lambda pairs: found.append(len(dict(pairs)) < len(pairs)))
    return any(found)


_DESCRIBED = {"contact", "id", "email", "phone", "language", "name", "lastName", "customFields"}
_DESCRIBED |= {
    "firstName",
    "birthDate",
    "city",
    "countryCode",
    "country",
    "provinceCode",
    "state",
    "postalCode",
    "gender",
    "createdAt",
}
_DESCRIBED |= {
    "triggerWelcomeEmail",
    "listIds",
    "identifiers",
    "type",
    "channels",
    "consent",
    "status",
    "ip",
    "source",
}


def _has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(
            key not in _DESCRIBED or (key != "customFields" and _has_unknown(each))
            for key, each in value.items()
        )
    return any(map(_has_unknown, value)) if isinstance(value, list) else False


def _refusing_the_undocumented() -> Iterator[Subject]:
    """Services that refuse something that no document describes, each at one API; both have one that refuses all of it."""
    for number, (name, (what, objection)) in enumerate(OBJECTIONS.items()):
        yield from subjects(
            f"refuses-{name}",
            f"The service refuses {what}.",
            [],
            service=refusing((PristoMock, RetainfulMock)[number % 2], objection),
        )


def _everything(body: Any, request: Request) -> bool:
    return any(objection(body, request) for _, objection in OBJECTIONS.values())


_CONTACT = "/components/schemas/Contact/properties"
_UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-"
STRICT_PRISTO = with_specification(
    all_of(
        updated(f"{_CONTACT}/phone", pattern=r"^\+[1-9]\d{6,14}$"),
        updated(f"{_CONTACT}/language", enum=LANGUAGES),
        updated(f"{_CONTACT}/id", pattern=_UUID),
        updated("/components/schemas/ContactUpsertRequest", additionalProperties=False),
    )
)
_TIME = [
    {
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        "format": "date-time",
    }
]
_TIMES = (
    f"{_CONTACT}/birthDate",
    f"{_CONTACT}/createdAt",
    "/components/schemas/Consent/properties/createdAt",
)
_CLOSED = ("Contact", "Identifier", "Channels", "Channel", "Consent")
STRICT_RETAINFUL = with_specification(
    all_of(
        *(updated(f"/components/schemas/{each}", additionalProperties=False) for each in _CLOSED),
        *(updated(each, anyOf=_TIME) for each in _TIMES),
        updated("/components/schemas/Channel", required=["status"]),
        updated(
            "/components/schemas/Channel/properties/status", enum=["subscribed", "unsubscribed"]
        ),
        updated(
            "/components/schemas/Consent/properties/ip",
            anyOf=[{"format": "ipv4"}, {"format": "ipv6"}],
        ),
        updated(f"{_CONTACT}/countryCode", pattern="^[A-Z]{2}$"),
        updated(f"{_CONTACT}/listIds", minItems=1),
    )
)


def _not_plain(body: Any, request: Request) -> bool:
    wrong = any(
        each["type"] == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", str(each["id"]))
        for each in body["identifiers"]
    )
    return (
        _everything(body, request)
        or wrong
        or any(each != "NdrDSPTeIvRMEtzufwDyKMWjmcOMsOxkxTCs" for each in body["listIds"])
    )


class IdsOfNoVersionAreRefused(PristoMock):
    """The nil and the maximal UUID, and others without a version, are refused."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if (
            UUID(body["contact"]["id"]).version is None
            or UUID(body["contact"]["id"]).int == (1 << 128) - 1
        ):
            return self.error(operation, 400, "invalid_request", "The id is of no version.")
        return super().act(operation, request, body)


class DuplicateEmailsAreRefused(PristoMock):
    """An email that another contact has is refused."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        given = body["contact"]
        kept = self.stored.get(UUID(self.path_values(operation, request)[0]), {})
        if "email" in given and any(
            each.get("email") == given["email"] and key != UUID(given["id"])
            for key, each in kept.items()
        ):
            return self.error(operation, 400, "email_taken", "Another contact has this email.")
        return super().act(operation, request, body)


class TwoKnownContactsAreRefused(Guarded):
    """An address of one contact together with the number of another is refused."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        keys = [(each["type"], str(each["id"]).casefold()) for each in body["identifiers"]]
        found = {id(self.known[key]) for key in keys if key in self.known}
        return (400, "These are two contacts.") if len(found) > 1 else None


class IdentifiersTwiceAreRefused(Guarded):
    """Two identifiers of one type are refused."""

    def objection(self, body: Json, known: bool) -> tuple[int, str] | None:
        kinds = [each["type"] for each in body["identifiers"]]
        return (400, "There are two of one type.") if len(set(kinds)) < len(kinds) else None


class EmailAlwaysNeeded(RetainfulMock):
    """No request without an email identifier is taken."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        self.email_rule = "always"
        return super().act(operation, request, body)


class EmailNeverNeeded(RetainfulMock):
    """A contact may be created by a phone alone."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        self.email_rule = "never"
        return super().act(operation, request, body)


# -------------------------------------------------------------------------------- lenient on everything inferred


class UnknownMembersAreCustomFields(PristoMock):
    """A member of a contact that the schema does not know is a custom field."""

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        body, faults = super().read_body(operation, request)
        kept = [each for each in faults if "is not a field of the contract" not in each]
        if len(kept) < len(faults) and not kept:
            known = operation.contract.document["components"]["schemas"]["Contact"]["properties"]
            more = {name: value for name, value in body["contact"].items() if name not in known}
            if not all(isinstance(value, str) and len(value) < 256 for value in more.values()):
                return body, faults
            contact = {name: value for name, value in body["contact"].items() if name in known}
            body["contact"] = {
                **contact,
                "customFields": {**more, **contact.get("customFields", {})},
            }
        return body, kept


class AnyCustomFieldIsTaken(PristoMock):
    """Custom fields that the population does not define are taken."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        self.custom_fields = None
        return super().act(operation, request, body)


class OtherFormsOfUuidsAreTaken(PristoMock):
    """A UUID in braces, as a URN or without hyphens is taken, and shown in the usual form."""

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        found = re.search(
            rb'"id": "(\{[0-9a-f-]{36}\}|urn:uuid:[0-9a-f-]{36}|[0-9a-f]{32})"', request.body
        )
        if found:
            plain = request.body.replace(found[1], str(UUID(found[1].decode())).encode())
            request = Request(request.method, request.path, request.headers, plain)
        return super().read_body(operation, request)


class KeysAreComparedAsUuids(PristoMock):
    """The key may be in capitals."""

    def authorised(self, operation: Operation, request: Request) -> bool:
        return request.headers.get("x-api-key", "").lower() == self.credentials["X-API-Key"]


class UnknownPopulationIsNotFound(PristoMock):
    """A population that does not exist is answered 404."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if UUID(self.path_values(operation, request)[0]) not in self.stored:
            return self.error(operation, 404, "not_found", "There is no such population.")
        return super().act(operation, request, body)


class UnusualNamesAreTrimmed(PristoMock):
    """Blanks at the ends of names and control characters are taken away."""

    def merge(self, stored: Json, given: Json) -> Json:
        clean = {name: _trimmed(value) if name in NAMED else value for name, value in given.items()}
        return super().merge(stored, clean)


def _trimmed(text: str) -> str:
    return "".join(each for each in text if unicodedata.category(each) != "Cc").strip()


class EmptyTextRemovesAField(PristoMock):
    """Empty text takes a field away."""

    def merge(self, stored: Json, given: Json) -> Json:
        merged = super().merge(stored, given)
        return {name: value for name, value in merged.items() if value != ""}


class LimitsInNames(Limited):
    """Names of more than 255 characters are refused, as custom values are."""

    def long(self, fields: dict[str, str], known: bool) -> bool:
        return any(len(each) > 255 for each in fields.values())

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if any(len(value) > 255 for value in body["contact"].values() if isinstance(value, str)):
            return self.error(operation, 400, "too_long", "A field is too long.")
        return super().act(operation, request, body)


def any_media_type(base: type[MockService]) -> type[MockService]:
    """A service that reads JSON whatever it is declared as."""

    class AnyMediaType(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
            headers = {**request.headers, "content-type": "application/json"}
            return super().read_body(  # type: ignore[no-any-return]  # the base is a variable
                operation, Request(request.method, request.path, headers, request.body)
            )

    return AnyMediaType


def body_first(base: type[MockService]) -> type[MockService]:
    """A service that judges the body before the credentials."""

    class BodyFirst(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        def handle(self, operation: Operation, request: Request) -> Response:
            _, faults = self.read(operation, request)
            if faults:
                answer = self.error(operation, 400, "invalid_request", "; ".join(faults))
                self.finish(operation, request, answer)
                return answer  # type: ignore[no-any-return]  # the base is a variable
            return super().handle(operation, request)  # type: ignore[no-any-return]  # the base is a variable

    return BodyFirst


def locked(base: type[MockService]) -> type[MockService]:
    """A service that does one thing after the other, each in 5 ms."""

    class Locked(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        async def before(self, request: Request) -> None:
            lock = self.__dict__.setdefault("lock", asyncio.Lock())
            async with lock:
                await asyncio.sleep(0.005)

    return Locked


def _of_either_api() -> Iterator[Subject]:
    """Services of either API that read, judge or queue in another way."""
    for base in (PristoMock, RetainfulMock):
        yield from subjects(
            "any-media-type",
            "JSON is read whatever it is declared as.",
            [],
            service=any_media_type(base),
        )
        yield from subjects(
            "body-before-credentials",
            "The body is judged before the credentials.",
            [],
            service=body_first(base),
        )
        yield from subjects(
            "one-after-the-other",
            "Requests at once are done one after the other.",
            [],
            service=locked(base),
        )


def other_media_types_are_415(seen: Seen) -> None:
    """A body that is not declared as JSON is answered 415, and a large one 413."""
    if len(seen.request.body) > 90_000 and seen.request.method == "POST":
        seen.status = 413
    kind = seen.request.headers.get("content-type", "").partition(";")[0]
    if seen.request.method == "POST" and kind != "application/json":
        seen.status = 415


MUTANTS: tuple[Subject, ...] = (
    *subjects("honest", "The mock as it is.", []),
    *of_twist(pretty_printed, apis=PRISTO),
    *of_twist(escaped, apis=RETAINFUL),
    *of_twist(other_member_order, apis=PRISTO),
    *of_twist(charset_parameter, apis=RETAINFUL),
    *of_twist(capitals_in_media_type, apis=PRISTO),
    *of_twist(more_headers),
    *of_twist(gzipped, apis=RETAINFUL),
    *of_twist(chunked),
    *of_twist(closes_after_each_answer, apis=RETAINFUL),
    *of_twist(closes_unannounced),
    *of_twist(closes_each_hundredth_unannounced, apis=PRISTO),
    *of_twist(http_1_0),
    *of_twist(slow, apis=PRISTO),
    *of_twist(slow_at_first, apis=RETAINFUL),
    *_throttled(),
    *of_twist(answers_are_empty_objects, apis=PRISTO),
    *of_twist(answers_show_the_id_alone, apis=PRISTO),
    *of_twist(errors_are_bare, apis=PRISTO),
    *of_twist(errors_say_more, apis=PRISTO),
    *of_twist(successes_say_more, apis=PRISTO),
    *of_twist(no_correlation_id, apis=PRISTO),
    *of_twist(correlation_id_in_capitals, apis=PRISTO),
    *of_twist(ids_in_capitals, apis=PRISTO),
    *of_twist(no_custom_fields_are_an_empty_object, apis=PRISTO),
    *of_twist(answers_say_more, apis=RETAINFUL),
    *of_twist(messages_are_empty, apis=RETAINFUL),
    *of_twist(other_statuses_for_what_is_undeclared),
    *_refusing_the_undocumented(),
    *subjects(
        "strict-forms",
        "Phones, languages and ids must have the strictest form.",
        [],
        service=PristoMock,
        setup=STRICT_PRISTO,
    ),
    *subjects(
        "strict-in-all",
        "Everything that is not documented is refused.",
        [],
        service=refusing(PristoMock, _everything),
        setup=STRICT_PRISTO,
    ),
    *subjects(
        "strict-forms",
        "Dates, addresses and statuses must have the form of the page's examples.",
        [],
        service=RetainfulMock,
        setup=STRICT_RETAINFUL,
    ),
    *subjects(
        "strict-in-all",
        "Everything that is not documented is refused.",
        [],
        service=refusing(RetainfulMock, _not_plain),
        setup=STRICT_RETAINFUL,
    ),
    *subjects(
        "strict-phones",
        "A phone identifier must be in the international form, or a number of as many digits.",
        [],
        service=refusing(
            RetainfulMock,
            lambda body, request: any(
                each["type"] == "phone" and not re.fullmatch(r"\+?[1-9]\d{6,14}", str(each["id"]))
                for each in body["identifiers"]
            ),
        ),
    ),
    *of_service(IdsOfNoVersionAreRefused),
    *of_service(DuplicateEmailsAreRefused),
    *of_service(TwoKnownContactsAreRefused),
    *of_service(IdentifiersTwiceAreRefused),
    *of_service(EmailAlwaysNeeded),
    *of_service(EmailNeverNeeded),
    *of_service(UnknownMembersAreCustomFields),
    *of_service(AnyCustomFieldIsTaken),
    *of_service(OtherFormsOfUuidsAreTaken),
    *of_service(KeysAreComparedAsUuids),
    *of_service(UnknownPopulationIsNotFound),
    *of_service(UnusualNamesAreTrimmed),
    *of_service(EmptyTextRemovesAField),
    *of_service(LimitsInNames),
    *_of_either_api(),
    *of_twist(other_media_types_are_415),
)

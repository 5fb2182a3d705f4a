"""Mutants of how answers travel, and of when the service fails: the same for both APIs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from contact_apis._mocking.service import MockService, Request, Response
from contact_apis._openapi.document import Operation
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.retainful.mock import RetainfulMock
from contact_apis.mock.server import _Protocol
from tests.mutants.catalogue import Seen, Subject, of_twist, subjects, turn

JSON = "{api}.answers-are-json"
GONE = "{api}.answers-every-request"
FAILED = "{api}.no-server-error"
STATUSES = "{api}.documented-statuses"

# ------------------------------------------------------------------------------------------------- answers as JSON


def _bodies(
    change: Callable[[bytes], bytes], when: Callable[[Seen], bool] = lambda seen: True
) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if when(seen):
            seen.body = change(seen.body)

    return changed


BODIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "trailing-comma": ("with a comma too many", lambda body: body[:-1] + b",}"),
    "byte-order-mark": ("after a byte order mark", lambda body: b"\xef\xbb\xbf" + body),
    "nan": (
        "with NaN in it",
        lambda body: body[:-1] + (b', "score": NaN}' if len(body) > 2 else b'"score": NaN}'),
    ),
    "cut": ("cut in the middle", lambda body: body[: len(body) // 2]),
    "last-brace-missing": ("without its last brace", lambda body: body[:-1]),
    "empty": ("without any bytes", lambda body: b""),
    "html": ("as a page of HTML", lambda body: b"<html><body>OK</body></html>"),
    "single-quotes": ("in single quotes", lambda body: body.replace(b'"', b"'")),
    "twice": ("twice", lambda body: body + body),
    "utf-16": ("in UTF-16", lambda body: body.decode().encode("utf-16")),
    "comment": ("with a comment", lambda body: body + b" // done"),
    "word": ("as the word OK", lambda body: b"OK"),
    "hijack-guard": ("after a guard against hijacking", lambda body: b")]}',\n" + body),
}


def _bodies_written_otherwise() -> Iterator[Subject]:
    """Responses whose bodies are not the JSON they should be, each at one API."""
    for number, (name, (what, change)) in enumerate(BODIES.items()):
        yield from subjects(
            f"answers-{name}",
            f"Answers are written {what}.",
            [JSON],
            twist=_bodies(change),
            apis=turn(number),
        )


def _errors_written_otherwise() -> Iterator[Subject]:
    """The same of errors alone."""
    for status in (400, 401):
        for name in ("html", "empty", "trailing-comma"):
            what, change = BODIES[name]
            yield from subjects(
                f"{status}-{name}",
                f"Answers of {status} are written {what}.",
                [JSON],
                twist=_bodies(change, lambda seen, status=status: seen.status == status),  # type: ignore[misc]  # a default binds the status
            )


def answers_in_latin_1(seen: Seen) -> None:
    """Letters of Latin-1 are written in one byte."""
    seen.body = b"".join(
        each.encode("latin-1" if ord(each) < 0x100 else "utf-8") for each in seen.body.decode()
    )


def answers_escape_surrogates_raw(seen: Seen) -> None:
    """What lies beyond the basic plane is written as two surrogates in UTF-8 (CESU-8)."""
    text = re.sub(
        "[\U00010000-\U0010ffff]",
        lambda found: found[0].encode("utf-16-be").decode("utf-16-be", "surrogatepass"),
        seen.body.decode(),
    )
    seen.body = b"".join(
        each.encode()
        if ord(each) < 0x10000
        else (
            chr(0xD800 + ((ord(each) - 0x10000) >> 10))
            + chr(0xDC00 + ((ord(each) - 0x10000) & 0x3FF))
        ).encode("utf-8", "surrogatepass")
        for each in text
    )


def _typed(kind: str | None, when: Callable[[Seen], bool]) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if when(seen):
            del seen.headers["Content-Type"]
            if kind is not None:
                seen.headers["Content-Type"] = kind

    return changed


def _content_types() -> Iterator[Subject]:
    """Responses with another Content-Type."""
    for name, kind in (
        ("text-html", "text/html"),
        ("text-plain", "text/plain"),
        ("octets", "application/octet-stream"),
        ("missing", None),
        ("jsonp", "application/javascript"),
    ):
        yield from subjects(
            f"content-type-{name}",
            f"The Content-Type of answers is {kind or 'missing'}.",
            [JSON],
            twist=_typed(kind, lambda seen: True),
        )


def _content_types_of_errors() -> Iterator[Subject]:
    """Errors with another Content-Type."""
    for status in (400, 401):
        yield from subjects(
            f"content-type-html-on-{status}",
            f"The Content-Type of a {status} is text/html.",
            [JSON],
            twist=_typed(
                "text/html; charset=utf-8",
                lambda seen, status=status: seen.status == status,  # type: ignore[misc]  # as above
            ),
        )


# ----------------------------------------------------------------------------------------------------- statuses


def _instead(was: int, becomes: int) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if seen.status == was:
            seen.status = becomes

    return changed


def _statuses_for_others() -> Iterator[Subject]:
    """Statuses that stand for others, each at one API."""
    for number, (was, becomes) in enumerate(
        ((400, 422), (400, 404), (400, 409), (200, 202), (200, 206), (400, 403))
    ):
        yield from subjects(
            f"status-{becomes}-for-{was}",
            f"What should be {was} is {becomes}.",
            [STATUSES],
            twist=_instead(was, becomes),
            apis=turn(number),
        )


def status_204(seen: Seen) -> None:
    """A success is answered 204, without a body."""
    if seen.status == 200:
        seen.status, seen.body = 204, b""


# -------------------------------------------------------------------------------------- what makes a service fail

Trigger = Callable[[Seen], bool]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in (*value, *value.values()) for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def _text(test: Callable[[str], bool]) -> Trigger:
    def found(seen: Seen) -> bool:
        try:
            return any(test(each) for each in _texts(json.loads(seen.request.body)))
        except (ValueError, RecursionError):
            return False

    return found


def _matches(pattern: str) -> Trigger:
    return _text(lambda text: re.search(pattern, text) is not None)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


TRIGGERS: dict[str, tuple[str, Trigger]] = {
    "astral": ("a character beyond the basic plane", _matches("[\U00010000-\U0010ffff]")),
    "right-to-left": ("right-to-left text", _matches("[א-ת\u0600-\u06ff]")),
    "combining": ("a combining mark", _matches("[\u0300-\u036f]")),
    "long-text": ("a text of more than 5,000 characters", _text(lambda text: len(text) > 5000)),
    "nul": ("a NUL in a text", _text(lambda text: "\x00" in text)),
    "control": ("an escape character", _text(lambda text: "\x1b" in text)),
    "line-break": ("a line break", _text(lambda text: "\n" in text)),
    "empty-text": ("an empty text", _text(lambda text: text == "")),
    "blank-text": ("a blank text", _text(lambda text: text == " ")),
    "apostrophe": ("an apostrophe", _text(lambda text: "'" in text)),
    "noncharacter": ("a code point that is no character", _matches("\uffff")),
    "deep-nesting": ("deep nesting", lambda seen: seen.request.body.count(b"[") > 900),
    "very-deep-nesting": ("very deep nesting", lambda seen: seen.request.body.count(b"[") > 50_000),
    "large-body": ("a body of 100 KB", lambda seen: len(seen.request.body) > 100_000),
    "lone-surrogate": ("a lone surrogate", lambda seen: rb"\ud800" in seen.request.body),
    "not-utf-8": ("bytes that are no UTF-8", lambda seen: b"\xff" in seen.request.body),
    "no-json": (
        "a body that is no JSON",
        lambda seen: bool(seen.request.body) and not _is_json(seen.request.body),
    ),
    "no-body": (
        "a request without a body",
        lambda seen: not seen.request.body and seen.request.method == "POST",
    ),
    "array": (
        "a body that is an array",
        lambda seen: seen.request.body.startswith(b"[") and _is_json(seen.request.body),
    ),
    "null-body": ("a body that is null", lambda seen: seen.request.body == b"null"),
    "wrong-type": (
        "a number where text should be",
        lambda seen: seen.status == 400 and b"12345" in seen.request.body,
    ),
    "long-number": ("a number of 5,000 digits", lambda seen: b"1" * 4000 in seen.request.body),
    "duplicate-members": (
        "a member that is there twice",
        lambda seen: (
            seen.request.body.count(b'{"contact": ') + seen.request.body.count(b', "contact": ') > 1
            or seen.request.body.count(b'"firstName": ') > 1
        ),
    ),
    "charset": (
        "a charset beside the media type",
        lambda seen: "charset" in seen.request.headers.get("content-type", ""),
    ),
    "other-media-type": (
        "another media type",
        lambda seen: "text/plain" in seen.request.headers.get("content-type", ""),
    ),
    "no-media-type": (
        "a request without Content-Type",
        lambda seen: "content-type" not in seen.request.headers and bool(seen.request.body),
    ),
    "any-accept": ("Accept: */*", lambda seen: seen.request.headers.get("accept") == "*/*"),
    "get": ("a GET", lambda seen: seen.request.method == "GET"),
    "fiftieth": ("each fiftieth request", lambda seen: seen.number % 50 == 0),
    "after-a-hundred": ("each request after the hundredth", lambda seen: seen.number > 100),
    "wrong-credentials": (
        "the word null for a credential",
        lambda seen: "null" in seen.request.headers.values(),
    ),
}
PRISTO_TRIGGERS: dict[str, tuple[str, Trigger]] = {
    "nil-id": (
        "the nil UUID",
        lambda seen: b"00000000-0000-0000-0000-000000000000" in seen.request.body,
    ),
    "maximal-id": (
        "the maximal UUID",
        lambda seen: b"ffffffff-ffff-ffff-ffff-ffffffffffff" in seen.request.body,
    ),
    "capital-id": (
        "an id in capitals",
        lambda seen: (
            re.search(rb'"id": "[0-9A-F-]*[A-F][0-9A-F-]*"', seen.request.body) is not None
        ),
    ),
    "capital-correlation-id": (
        "an X-Request-Id in capitals",
        lambda seen: re.search("[A-F]", seen.request.headers.get("x-request-id", "")) is not None,
    ),
    "bad-correlation-id": (
        "an X-Request-Id that is no UUID",
        lambda seen: seen.request.headers.get("x-request-id") == "not-a-uuid",
    ),
    "bad-population": (
        "a population that is no UUID",
        lambda seen: "not-a-uuid" in seen.request.path,
    ),
    "empty-custom-fields": ("custom fields that are empty", _text(lambda text: len(text) == 256)),
    "unknown-custom-field": (
        "a custom field that is not defined",
        lambda seen: b"no-such-field" in seen.request.body,
    ),
    "unknown-population": (
        "a population that does not exist",
        lambda seen: seen.status == 400 and b"does not exist" in seen.body,
    ),
}
PRISTO_TRIGGERS["long-custom-value"] = (
    "a custom value that is too long",
    PRISTO_TRIGGERS.pop("empty-custom-fields")[1],
)
RETAINFUL_TRIGGERS: dict[str, tuple[str, Trigger]] = {
    "leap-day": ("the 29th of February", _matches("-02-29")),
    "ipv6": ("an IPv6 address", _matches("2001:db8")),
    "number-for-id": (
        "a number for an identifier's id",
        lambda seen: re.search(rb'"id": \d', seen.request.body) is not None,
    ),
    "no-list": ("an empty listIds", lambda seen: b'"listIds": []' in seen.request.body),
    "unknown-list": (
        "a list that does not exist",
        lambda seen: b"no-such-list" in seen.request.body,
    ),
    "plain-date": (
        "a date without a time",
        _text(lambda text: re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None),
    ),
    "offset": ("a time with an offset", _matches(r"\+02:00$")),
    "no-address": ("an address that is none", lambda seen: b"nowhere" in seen.request.body),
    "empty-channel": (
        "a channel without a status",
        lambda seen: b'"channels": {"email": {}}' in seen.request.body,
    ),
    "empty-identifiers": (
        "empty identifiers",
        lambda seen: b'"identifiers": []' in seen.request.body,
    ),
}


def _failing(trigger: Trigger) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if trigger(seen):
            seen.status = 500

    return changed


def _failures() -> Iterator[Subject]:
    """Requests that make a service fail, each at one API."""
    for number, (name, (what, trigger)) in enumerate(TRIGGERS.items()):
        yield from subjects(
            f"fails-on-{name}",
            f"The service fails (500) on {what}.",
            [FAILED],
            twist=_failing(trigger),
            apis=turn(number),
        )


def _failures_of_one_api() -> Iterator[Subject]:
    """Requests that make a service fail and that only one API knows."""
    for triggers, api in ((PRISTO_TRIGGERS, "pristo"), (RETAINFUL_TRIGGERS, "retainful")):
        for name, (what, trigger) in triggers.items():
            yield from subjects(
                f"fails-on-{name}",
                f"The service fails (500) on {what}.",
                [FAILED],
                twist=_failing(trigger),
                apis=[api],
            )


def unavailable_now_and_then(seen: Seen) -> None:
    """Each thirtieth request is answered 503."""
    if seen.number % 30 == 0:
        seen.status = 503


def bad_gateway_with_html(seen: Seen) -> None:
    """Each fortieth request is answered 502, by a page of HTML."""
    if seen.number % 40 == 0:
        seen.status, seen.body = 502, b"<html>Bad Gateway</html>"
        seen.headers["Content-Type"] = "text/html"


# ------------------------------------------------------------------------------------------ connections that fail


def _ending(end: Any, trigger: Trigger) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if trigger(seen):
            seen.end = end

    return changed


def _connections_that_fail() -> Iterator[Subject]:
    """Connections that end, or are not answered on."""
    for name, says, end, trigger in (
        (
            "resets-each-tenth",
            "Each tenth connection is reset instead of an answer.",
            "reset",
            lambda seen: seen.number % 10 == 0,
        ),
        (
            "closes-each-tenth",
            "Each tenth connection is closed instead of an answer.",
            "close",
            lambda seen: seen.number % 10 == 0,
        ),
        ("resets-on-nul", "A NUL in a text resets the connection.", "reset", TRIGGERS["nul"][1]),
        (
            "closes-on-broken-json",
            "A body that is no JSON closes the connection.",
            "close",
            TRIGGERS["no-json"][1],
        ),
        (
            "closes-on-refusal",
            "A wrong key closes the connection without an answer.",
            "close",
            lambda seen: seen.status == 401,
        ),
        (
            "cuts-each-twentieth",
            "Each twentieth answer is cut in the middle.",
            "cut",
            lambda seen: seen.number % 20 == 0,
        ),
        (
            "cuts-errors",
            "Answers of 400 are cut in the middle.",
            "cut",
            lambda seen: seen.status == 400,
        ),
        (
            "dies-after-two-hundred",
            "The service ends after 200 requests.",
            "die",
            lambda seen: seen.number > 200,
        ),
        (
            "dies-after-twenty",
            "The service ends after 20 requests.",
            "die",
            lambda seen: seen.number > 20,
        ),
        ("hangs-on-long-text", "A long text is never answered.", "hang", TRIGGERS["long-text"][1]),
        (
            "hangs-each-fortieth",
            "Each fortieth request is never answered.",
            "hang",
            lambda seen: seen.number % 40 == 0,
        ),
        (
            "resets-on-large-bodies",
            "A body of 100 KB resets the connection.",
            "reset",
            TRIGGERS["large-body"][1],
        ),
    ):
        # A creation whose answer is lost looks, sent again, like one that is answered 200.
        yield from subjects(name, says, [GONE], twist=_ending(end, trigger), apis=["retainful"])
        yield from subjects(
            name,
            says,
            [GONE, *(["pristo.create-answers-201"] if "tenth" in name else [])],
            twist=_ending(end, trigger),
            apis=["pristo"],
        )


def garbage_each_twentieth(seen: Seen) -> None:
    """Each twentieth answer is no HTTP."""
    if seen.number % 20 == 0:
        seen.end, seen.body = "raw", b"\x00\x01garbage\r\n\r\n"


# ----------------------------------------------------------------------------------------- requests that are refused


def _refusing(base: type[MockService], trigger: Callable[[Request], bool]) -> type[MockService]:
    class Refusing(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        def handle(self, operation: Operation, request: Request) -> Response:
            if trigger(request):
                refusal: Response = self.error(
                    operation, 400, "invalid_request", "This is not taken."
                )
                return refusal
            return super().handle(operation, request)  # type: ignore[no-any-return]  # the base is a variable

    return Refusing


REFUSALS: dict[str, tuple[str, Callable[[Request], bool]]] = {
    "charset": (
        "a charset beside the media type",
        lambda request: "charset" in request.headers.get("content-type", ""),
    ),
    "escapes": ("JSON with escapes", lambda request: rb"\u" in request.body),
    "indented-json": ("JSON over several lines", lambda request: b"\n" in request.body),
    "any-accept": ("Accept: */*", lambda request: request.headers.get("accept") == "*/*"),
}


def _requests_refused() -> Iterator[Subject]:
    """Sound requests that are refused."""
    for name, (what, refused) in REFUSALS.items():
        for base in (PristoMock, RetainfulMock):
            yield from subjects(
                f"refuses-{name}",
                f"The service refuses {what}.",
                ["{api}.operation"],
                service=_refusing(base, refused),
            )


# ------------------------------------------------------------------------------------------------ names of headers


def spelled_exactly(*names: str) -> type[_Protocol]:
    """A way of speaking HTTP that knows these headers in this spelling alone."""

    class Exact(_Protocol):
        def data_received(self, data: bytes) -> None:
            for name in names:
                for found in re.findall(rb"(?i)\r\n(" + name.encode() + rb"):", data):
                    if found != name.encode():
                        data = data.replace(found + b":", b"X-Other:")
            super().data_received(data)

    return Exact


# ------------------------------------------------------------------------------------------------ bodies of errors

PRISTO_ERRORS: dict[str, tuple[str, Any]] = {
    "error-is-text": ("has text for `error`", {"error": "Something is wrong."}),
    "error-is-array": ("has an array for `error`", {"error": [{"code": "x", "message": "x"}]}),
    "error-is-null": ("has null for `error`", {"error": None}),
    "code-is-number": ("has a number for `code`", {"error": {"code": 400, "message": "x"}}),
    "message-is-object": (
        "has an object for `message`",
        {"error": {"code": "x", "message": {"id": "x"}}},
    ),
    "message-is-null": ("has null for `message`", {"error": {"code": "x", "message": None}}),
    "is-array": ("is an array", [{"error": {"code": "x", "message": "x"}}]),
    "is-text": ("is text", "Something is wrong."),
    "is-null": ("is null", None),
}
RETAINFUL_ERRORS: dict[str, tuple[str, Any]] = {
    "status-missing": ("has no `status`", {"message": "x"}),
    "status-is-false": ("has false for `status`", {"status": False, "message": "x"}),
    "status-is-true": ("has true for `status`", {"status": True, "message": "x"}),
    "status-is-fail": ("has another word for `status`", {"status": "fail", "message": "x"}),
    "status-in-capitals": ("has `status` in capitals", {"status": "ERROR", "message": "x"}),
    "status-is-number": ("has a number for `status`", {"status": 400, "message": "x"}),
    "message-missing": ("has no `message`", {"status": "error"}),
    "message-is-array": ("has an array for `message`", {"status": "error", "message": ["x"]}),
    "message-is-null": ("has null for `message`", {"status": "error", "message": None}),
    "message-is-object": (
        "has an object for `message`",
        {"status": "error", "message": {"id": "x"}},
    ),
    "error-for-message": ("has `error` for `message`", {"status": "error", "error": "x"}),
    "is-empty": ("is an empty object", {}),
    "is-array": ("is an array", [{"status": "error", "message": "x"}]),
    "is-text": ("is text", "Something is wrong."),
}


def _error(status: int, body: Any) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if status == 429 and seen.number == 12:
            seen.status = 429
            seen.headers["Retry-After"] = "0"
        if seen.status == status:
            seen.answer(body)

    return changed


def _errors_of(
    api: str,
    clause: str,
    bodies: Mapping[str, tuple[str, Any]],
    statuses: tuple[int, ...],
    beyond_400: tuple[str, ...],
) -> Iterator[Subject]:
    """Bodies of an API's errors that are not as documented: with 400 all of them, with other statuses those that are named."""
    for status in statuses:
        for name, (what, body) in bodies.items():
            if status == 400 or name in beyond_400:
                yield from subjects(
                    f"{status}-{name}",
                    f"The body of a {status} {what}.",
                    [f"{api}.{status}-{clause}"],
                    twist=_error(status, body),
                    apis=[api],
                )


def _errors_of_pristo() -> Iterator[Subject]:
    """Bodies of Pristo's errors that are not as documented."""
    beyond_400 = ("error-is-text", "code-is-number", "is-array", "message-is-null")
    return _errors_of("pristo", "envelope", PRISTO_ERRORS, (400, 401, 429), beyond_400)


def _errors_of_retainful() -> Iterator[Subject]:
    """Bodies of Retainful's errors that are not as documented."""
    beyond_400 = (
        "status-is-false",
        "status-is-fail",
        "message-missing",
        "message-is-array",
        "is-empty",
    )
    return _errors_of("retainful", "body", RETAINFUL_ERRORS, (400, 401), beyond_400)


def _errors_in_another_form() -> Iterator[Subject]:
    """Pristo's form of an error from Retainful."""
    for status in (400, 401):
        message = {"status": "error", "message": "x"}
        yield from subjects(
            f"{status}-in-another-form",
            f"The body of a {status} has the form of another API.",
            [f"retainful.{status}-body"],
            twist=_error(status, {"error": message}),
            apis=["retainful"],
        )


SUCCESSES: dict[str, tuple[str, Any]] = {
    "text-true": ('has the text "true" for `status`', {"status": "true"}),
    "success": ('has "success" for `status`', {"status": "success"}),
    "one": ("has 1 for `status`", {"status": 1}),
    "false": ("has false for `status`", {"status": False}),
    "missing": ("has no `status`", {"message": "ok"}),
    "null": ("has null for `status`", {"status": None}),
    "empty": ("is an empty object", {}),
    "array": ("is an array", [{"status": True}]),
    "plain-true": ("is the value true", True),
    "error": ("has the form of an error", {"status": "error", "message": "x"}),
    "wrapped": ("is wrapped in `data`", {"data": {"status": True}}),
    "capital": ("has `Status` for `status`", {"Status": True}),
}


def _success(body: Any) -> Callable[[Seen], None]:
    def changed(seen: Seen) -> None:
        if seen.status == 200:
            seen.answer(body)

    return changed


def _successes_of_retainful() -> Iterator[Subject]:
    """Bodies of Retainful's successes that are not as documented."""
    for name, (what, body) in SUCCESSES.items():
        yield from subjects(
            f"success-{name}",
            f"The body of a 200 {what}.",
            ["retainful.success-answer"],
            twist=_success(body),
            apis=["retainful"],
        )


# ------------------------------------------------------------------------------------------- bodies that are no JSON


def _lenient(base: type[MockService], repair: Callable[[bytes], bytes]) -> type[MockService]:
    class Lenient(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
            if request.body and not _is_json(request.body):
                request = Request(
                    request.method, request.path, request.headers, repair(request.body)
                )
            return super().read_body(operation, request)  # type: ignore[no-any-return]  # the base is a variable

    return Lenient


REPAIRS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "single-quotes": ("in single quotes", lambda body: body.replace(b"'", b'"')),
    "trailing-comma": ("with a comma too many", lambda body: re.sub(rb",\s*}", b"}", body)),
    "missing-brace": ("without its last brace", lambda body: body + b"}"),
    "text-behind": ("with text after it", lambda body: body.rstrip(b"x")),
}


def _broken_json_taken() -> Iterator[Subject]:
    """Bodies that are not JSON and are taken."""
    for name, (what, repair) in REPAIRS.items():
        for base in (PristoMock, RetainfulMock):
            yield from subjects(
                f"takes-json-{name}",
                f"A body of JSON {what} is taken.",
                ["{api}.body-is-json"],
                service=_lenient(base, repair),
            )


MUTANTS: tuple[Subject, ...] = (
    *_bodies_written_otherwise(),
    *_errors_written_otherwise(),
    *of_twist(answers_in_latin_1, JSON, apis=("pristo",)),
    *of_twist(answers_escape_surrogates_raw, JSON, apis=("pristo",)),
    *_content_types(),
    *_content_types_of_errors(),
    *_statuses_for_others(),
    *subjects(
        "status-202-for-201",
        "What should be 201 is 202.",
        [STATUSES],
        twist=_instead(201, 202),
        apis=["pristo"],
    ),
    *subjects(
        "status-201-for-200",
        "A success is answered 201.",
        [STATUSES],
        twist=_instead(200, 201),
        apis=["retainful"],
    ),
    *subjects(
        "status-500-for-400", "What should be 400 is 500.", [FAILED], twist=_instead(400, 500)
    ),
    *of_twist(status_204, STATUSES, apis=("retainful",)),
    *_failures(),
    *_failures_of_one_api(),
    *of_twist(unavailable_now_and_then, FAILED),
    *of_twist(bad_gateway_with_html, FAILED),
    *_connections_that_fail(),
    *of_twist(garbage_each_twentieth, GONE),
    *_requests_refused(),
    *subjects(
        "header-name-in-exact-case",
        "The key's header is known in one spelling alone.",
        ["pristo.key-in-header"],
        protocol=spelled_exactly("X-API-Key"),
        apis=["pristo"],
    ),
    *subjects(
        "header-names-in-exact-case",
        "The credentials' headers are known in one spelling alone.",
        ["retainful.credentials-in-headers"],
        protocol=spelled_exactly("Retainful-Api-Key", "Retainful-App-Id"),
        apis=["retainful"],
    ),
    *subjects(
        "app-id-header-in-exact-case",
        "The App ID's header is known in one spelling alone.",
        ["retainful.credentials-in-headers"],
        protocol=spelled_exactly("Retainful-App-Id"),
        apis=["retainful"],
    ),
    *_errors_of_pristo(),
    *_errors_of_retainful(),
    *_errors_in_another_form(),
    *_successes_of_retainful(),
    *subjects(
        "refusals-answered-200",
        "What is refused is answered 200 with the body of an error.",
        [
            "retainful.success-answer",
            "retainful.body-is-json",
            "retainful.body-is-object",
            "retainful.identifiers-required",
        ],
        twist=_instead(400, 200),
        apis=["retainful"],
    ),
    *subjects(
        "refusals-answered-200",
        "What is refused is answered 200 with the body of an error.",
        [
            "pristo.request-id-is-uuid",
            "pristo.contact-required",
            "pristo.body-is-json",
            "pristo.body-is-object",
            "pristo.population-is-uuid",
        ],
        twist=_instead(400, 200),
        apis=["pristo"],
    ),
    *_broken_json_taken(),
)

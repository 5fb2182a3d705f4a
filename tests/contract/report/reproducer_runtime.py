"""The part of a Python reproducer that is the same in all of them; its source stands in each of them, word for word.

Standard library alone: whoever runs it has neither this suite nor its libraries.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import ssl
import sys
import time
import urllib.parse
import urllib.request
import uuid
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

TIMEOUT = 10  # seconds


class Fact(NamedTuple):
    """One thing that must be so of an answer whose status matches `when`."""

    kind: str
    when: str
    path: str
    value: str


class Request(NamedTuple):
    """A request, and what must be so of its answer."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes | None
    facts: list[Fact]


class Answer(NamedTuple):
    """An answer; its status is 0 when none came, and `body` says why."""

    status: int
    headers: dict[str, str]
    body: bytes


class CannotTell(Exception):
    """Neither a violation nor the promise kept was seen."""


def variable(name: str) -> str:
    """The value of an environment variable."""
    value = os.environ.get(name, "").strip()
    if not value:
        print(f"could not tell: {name} is not set")
        sys.exit(2)
    return value


def new_id() -> str:
    """An id that no contact has."""
    return str(uuid.uuid4())


def plain(text: str) -> str:
    """A UUID without its hyphens."""
    return text.replace("-", "").lower()


def flipped(text: str) -> str:
    """Another value of the same form."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


# ------------------------------------------------------------------------------------------------------- sending

DROPS_EXCUSED = (
    3  # times that a connection may turn out to be closed when it is used again; after that none is
)
_kept: list[
    http.client.HTTPConnection
] = []  # the one that the request before used, if it may be used again
_drops: list[str] = []  # of connections that were used again


def _connect(base: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    assert base.hostname is not None
    if base.scheme == "http":
        return http.client.HTTPConnection(base.hostname, base.port, timeout=TIMEOUT)
    context = ssl.create_default_context()
    proxy = urllib.parse.urlsplit(urllib.request.getproxies().get("https", ""))
    if not proxy.hostname or urllib.request.proxy_bypass(base.hostname):
        return http.client.HTTPSConnection(
            base.hostname, base.port, timeout=TIMEOUT, context=context
        )
    connection = http.client.HTTPSConnection(
        proxy.hostname, proxy.port, timeout=TIMEOUT, context=context
    )
    connection.set_tunnel(base.hostname, base.port)
    return connection


def _begin(
    connection: http.client.HTTPConnection,
    base: urllib.parse.SplitResult,
    request: Request,
    held_back: int,
) -> None:
    connection.putrequest(
        request.method, base.path.rstrip("/") + request.path, skip_accept_encoding=True
    )
    names = {name.lower() for name, _ in request.headers}
    own = [
        ("User-Agent", "contact-apis-reproducer"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate"),
    ]
    for name, value in [each for each in own if each[0].lower() not in names] + request.headers:
        connection.putheader(name, value.encode("utf-8"))
    if request.body is not None:
        connection.putheader("Content-Length", str(len(request.body)))
    body = request.body or b""
    connection.endheaders(body[: len(body) - held_back] or None)


def _finish(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    match headers.get("content-encoding", "").lower():
        case "gzip":
            body = gzip.decompress(body)
        case "deflate":
            body = zlib.decompress(body)
    return Answer(response.status, headers, body)


def _no_answer(error: Exception) -> Answer:
    return Answer(0, {}, f"{type(error).__name__}: {error}".encode())


def _close_kept() -> None:
    while _kept:
        _kept.pop().close()


def send(base: urllib.parse.SplitResult, request: Request) -> Answer:
    """Sends one request on the connection of the one before; on a new one each, once several of these were dropped."""
    if len(_drops) > DROPS_EXCUSED:
        _close_kept()
    for is_new in (not _kept, True):
        connection = _connect(base) if is_new else _kept[0]
        try:
            _begin(connection, base, request, 0)
            answer = _finish(connection)
        except (OSError, http.client.HTTPException, zlib.error, EOFError) as error:
            connection.close()
            _kept.clear()
            # A server may close an idle connection at any moment; then the request never reached it.
            if is_new:
                return _no_answer(error)
            _drops.append(str(error))
        else:
            _kept[:] = [connection]
            return answer
    raise AssertionError("the second connection is new")


def send_at_once(base: urllib.parse.SplitResult, requests: list[Request]) -> list[Answer]:
    """Sends requests so that all reach the service in the same moment: the last byte of each waits for all the others."""
    connections: list[http.client.HTTPConnection] = []
    answers: list[Answer] = []
    try:
        for request in requests:
            connection = _connect(base)
            connections.append(connection)
            _begin(connection, base, request, 1)
        for connection, request in zip(connections, requests, strict=True):
            connection.send((request.body or b"")[-1:])
    except (OSError, http.client.HTTPException) as error:
        return [_no_answer(error) for _ in requests]
    else:
        for connection in connections:
            try:
                answers.append(_finish(connection))
            except (OSError, http.client.HTTPException, zlib.error, EOFError) as error:
                answers.append(_no_answer(error))
        return answers
    finally:
        for connection in connections:
            connection.close()


# ------------------------------------------------------------------------------------------------------- checking


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of a text fits an extended regular expression."""
    return re.fullmatch(pattern.replace("[:space:]", r"\s"), text, re.DOTALL) is not None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def flattened(body: bytes) -> dict[str, Any]:
    """All values of a JSON text by their JSON pointer; raises ValueError for what is no JSON."""
    found: dict[str, Any] = {}

    def walk(place: str, value: Any) -> None:
        found[place] = value
        members = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for name, member in members:
            walk(place + "/" + str(name).replace("~", "~0").replace("/", "~1"), member)

    try:
        walk("", json.loads(body.decode("utf-8"), parse_constant=_refuse))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {
        dict: "object",
        list: "array",
        str: "string",
        int: "integer",
        float: "number",
        type(None): "null",
    }
    return names[type(value)]


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def problem(fact: Fact, answer: Answer) -> str:
    """What is wrong with an answer, or nothing."""
    if not answer.status:
        reason = answer.body.decode("utf-8", "replace")
        if fact.kind == "answered":
            return f"no answer came ({reason})"
        raise CannotTell(f"no answer came ({reason})")
    if not matches(fact.when, str(answer.status)):
        raise CannotTell(
            f"the answer is {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}"
        )
    if (
        answer.status == 429
        and fact.kind in ("status", "not-status")
        and not matches(fact.value, "429")
    ):
        raise CannotTell("the service throttles")
    match fact.kind:
        case "answered":
            return ""
        case "status" | "not-status":
            wrong = matches(fact.value, str(answer.status)) != (fact.kind == "status")
            return f"the answer is {answer.status}" if wrong else ""
        case "media":
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            return "" if matches(fact.value, kind) else f"the Content-Type is {kind or 'missing'}"
        case "header" | "echo":
            text = answer.headers.get(fact.path.lower())
            same = text is None or (
                matches(fact.value, text)
                if fact.kind == "header"
                else text.lower() == fact.value.lower()
            )
            return "" if same else f"the header {fact.path} is {text!a}"
    try:
        values = flattened(answer.body)
    except ValueError:
        return "the body is no JSON in UTF-8" if fact.kind == "json" else ""
    return _problem_inside(fact, values)


def _problem_inside(fact: Fact, values: dict[str, Any]) -> str:
    value = values.get(fact.path)
    outer = fact.path.rpartition("/")[0]
    if fact.kind == "absent":
        return f"{fact.path} is there: {value!a}" if fact.path in values else ""
    if fact.path not in values:
        shows_more = any(each.startswith("/contact/") and each != "/contact/id" for each in values)
        missing = (fact.kind == "present" and isinstance(values.get(outer), dict)) or (
            fact.kind == "member" and shows_more
        )
        return f"{fact.path} is missing" if missing else ""
    text = _text_of(value)
    match fact.kind:
        case "type":
            kinds = fact.value.split("|")
            right = _type_of(value) in kinds or (_type_of(value) == "integer" and "number" in kinds)
            return "" if right else f"{fact.path} is of type {_type_of(value)}"
        case "match":
            return "" if matches(fact.value, text) else f"{fact.path} is {text[:100]!a}"
        case "most" | "least":
            right = (
                len(text) <= int(fact.value)
                if fact.kind == "most"
                else len(text) >= int(fact.value)
            )
            return "" if right else f"{fact.path} has {len(text)} characters"
        case "member":
            right = not fact.value or text == fact.value
            return (
                "" if right else f"{fact.path} is {text[:100]!a}, and must be {fact.value[:100]!a}"
            )
        case "same-id":
            return (
                ""
                if text.lower() == fact.value.lower()
                else f"{fact.path} is {text[:100]!a}, and must be {fact.value!a}"
            )
    return ""


def _problem_together(fact: Fact, answers: list[Answer]) -> str:
    statuses = sorted(str(each.status) for each in answers if each.status != 429)
    if "0" in statuses:
        raise CannotTell("of the requests at once some were not answered")
    if statuses and not matches(fact.value, " ".join(statuses)):
        return f"the answers are {' '.join(statuses)}"
    if len(statuses) < 2:
        raise CannotTell("all but one of the requests at once were throttled")
    return ""


def violation(requests: list[Request], answers: list[Answer]) -> str:
    """What is wrong with the answers of requests that were sent at once, or with that of one alone."""
    doubt = ""
    for request, answer in zip(requests, answers, strict=True):
        for fact in request.facts:
            together = fact.kind == "statuses"
            try:
                wrong = _problem_together(fact, answers) if together else problem(fact, answer)
            except CannotTell as reason:
                doubt = doubt or str(reason)
            else:
                if wrong:
                    return wrong
    if doubt:
        raise CannotTell(doubt)
    return ""


def reproduce(
    clause: str,
    base_url: str,
    sequence: Callable[[], list[list[Request]]],
    rounds: int,
    seconds: float,
) -> NoReturn:
    """Sends the sequence so many times, each with new ids, until an answer shows the violation.

    Exits 1 when the violation is shown, 0 when the service kept the promise, 2 when neither can be told.
    """
    base = urllib.parse.urlsplit(base_url.rstrip("/"))
    told, doubt, waits, number = 0, "", 0, 0
    while number < rounds:
        number += 1
        groups = sequence()
        # The last one again and again, at another place of the round each time: some services fail each so many requests.
        groups += [groups[-1]] * (
            min(number - 1, 5) if len(groups[-1]) == 1 and not _must_be_new(groups[-1][0]) else 0
        )
        started, throttled, is_told = time.monotonic(), False, False
        for place, group in enumerate(groups):
            if number == rounds and place == len(groups) - 1:
                # As slowly as the run that saw it.
                time.sleep(max(0.0, min(seconds, 60) - (time.monotonic() - started)))
            answers = [send(base, group[0])] if len(group) == 1 else send_at_once(base, group)
            try:
                wrong = violation(group, answers)
            except CannotTell as reason:
                doubt = str(reason)
            else:
                is_told = any(each.facts for each in group) and place == len(groups) - 1
                if wrong:
                    print(
                        f"violation shown: {clause}: {wrong} (round {number}, request {place + 1})"
                    )
                    sys.exit(1)
            if any(each.status == 429 for each in answers):
                throttled = True
                told_to_wait = answers[-1].headers.get("retry-after", "")
                time.sleep(min(30, int(told_to_wait)) if told_to_wait.isdecimal() else 1)
        if throttled and waits < 10:
            waits += 1
            number -= 1
        told += is_told
    if told:
        print(f"no violation: {clause} was kept in {told} of {rounds} rounds")
        sys.exit(0)
    print(f"could not tell: {doubt or 'the service throttled every round'}")
    sys.exit(2)


def _must_be_new(request: Request) -> bool:
    return any(fact.kind == "status" and "201" in fact.value for fact in request.facts)

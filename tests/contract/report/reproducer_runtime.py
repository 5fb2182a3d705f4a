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
    """One thing that must be so of a response whose status matches `when`."""

    kind: str
    when: str
    path: str
    value: str


class Request(NamedTuple):
    """A request, and what must be so of its response."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes | None
    facts: list[Fact]


class Response(NamedTuple):
    """A response; its status is 0 when none came, and `body` says why."""

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
    last = "0"
    if text[-1] == "0":
        last = "1"
    return text[:-1] + last


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


def _finish(connection: http.client.HTTPConnection) -> Response:
    response = connection.getresponse()
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    match headers.get("content-encoding", "").lower():
        case "gzip":
            body = gzip.decompress(body)
        case "deflate":
            body = zlib.decompress(body)
    return Response(response.status, headers, body)


def _no_response(error: Exception) -> Response:
    return Response(0, {}, f"{type(error).__name__}: {error}".encode())


def _close_kept() -> None:
    while _kept:
        _kept.pop().close()


def send(base: urllib.parse.SplitResult, request: Request) -> Response:
    """Sends one request on the connection of the one before; on a new one each, once several of these were dropped."""
    if len(_drops) > DROPS_EXCUSED:
        _close_kept()
    for is_new in (not _kept, True):
        connection = _connect(base) if is_new else _kept[0]
        try:
            _begin(connection, base, request, 0)
            response = _finish(connection)
        except (OSError, http.client.HTTPException, zlib.error, EOFError) as error:
            connection.close()
            _kept.clear()
            # A server may close an idle connection at any moment; then the request never reached it.
            if is_new:
                return _no_response(error)
            _drops.append(str(error))
        else:
            _kept[:] = [connection]
            return response
    raise AssertionError("the second connection is new")


def send_at_once(base: urllib.parse.SplitResult, requests: list[Request]) -> list[Response]:
    """Sends requests so that all reach the service in the same moment: the last byte of each waits for all the others."""
    connections: list[http.client.HTTPConnection] = []
    try:
        for request in requests:
            connection = _connect(base)
            connections.append(connection)
            _begin(connection, base, request, 1)
        for connection, request in zip(connections, requests, strict=True):
            connection.send((request.body or b"")[-1:])
        return [_finish_or_fail(connection) for connection in connections]
    except (OSError, http.client.HTTPException) as error:
        return [_no_response(error) for _ in requests]
    finally:
        for connection in connections:
            connection.close()


def _finish_or_fail(connection: http.client.HTTPConnection) -> Response:
    try:
        return _finish(connection)
    except (OSError, http.client.HTTPException, zlib.error, EOFError) as error:
        return _no_response(error)


# ------------------------------------------------------------------------------------------------------- checking


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of a text fits an extended regular expression."""
    return re.fullmatch(pattern.replace("[:space:]", r"\s"), text, re.DOTALL) is not None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def flattened(body: bytes) -> dict[str, Any]:
    """All values of a JSON text by their JSON pointer; raises ValueError for what is not JSON."""
    found: dict[str, Any] = {}
    try:
        _flatten("", json.loads(body.decode("utf-8"), parse_constant=_refuse), found)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def _flatten(place: str, value: Any, found: dict[str, Any]) -> None:
    found[place] = value
    members: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    for name, member in members:
        step = str(name).replace("~", "~0").replace("/", "~1")
        _flatten(f"{place}/{step}", member, found)


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
    if isinstance(value, str):
        return value
    return json.dumps(value)


def problem(fact: Fact, response: Response) -> str:
    """What is wrong with a response, or nothing."""
    if not response.status:
        return _problem_of_silence(fact, response)
    if not matches(fact.when, str(response.status)):
        beginning = response.body[:200].decode("utf-8", "replace")
        raise CannotTell(f"the response is {response.status}: {beginning}")
    match fact.kind:
        case "answered":
            return ""
        case "status" | "not-status":
            return _problem_of_status(fact, response)
        case "media":
            return _problem_of_media(fact, response)
        case "header" | "echo":
            return _problem_of_header(fact, response)
        case _:
            return _problem_of_body(fact, response)


def _problem_of_silence(fact: Fact, response: Response) -> str:
    reason = response.body.decode("utf-8", "replace")
    if fact.kind == "answered":
        return f"no response came ({reason})"
    raise CannotTell(f"no response came ({reason})")


def _problem_of_body(fact: Fact, response: Response) -> str:
    try:
        values = flattened(response.body)
    except ValueError:
        if fact.kind == "json":
            return "the body is not JSON in UTF-8"
        return ""
    return _problem_inside(fact, values)


def _problem_of_status(fact: Fact, response: Response) -> str:
    fits = matches(fact.value, str(response.status))
    if response.status == 429 and not fits:
        raise CannotTell("the service throttles")
    if fits == (fact.kind == "status"):
        return ""
    return f"the response is {response.status}"


def _problem_of_media(fact: Fact, response: Response) -> str:
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if matches(fact.value, media):
        return ""
    return f"the Content-Type is {media or 'missing'}"


def _problem_of_header(fact: Fact, response: Response) -> str:
    text = response.headers.get(fact.path.lower())
    if text is None:
        return ""
    if fact.kind == "header":
        is_right = matches(fact.value, text)
    else:
        is_right = text.lower() == fact.value.lower()
    if is_right:
        return ""
    return f"the header {fact.path} is {text!a}"


def _problem_inside(fact: Fact, values: dict[str, Any]) -> str:
    """What is wrong with a value of the body."""
    is_there = fact.path in values
    if fact.kind == "absent" and is_there:
        return f"{fact.path} is there: {values[fact.path]!a}"
    if fact.kind != "absent" and not is_there and _must_be_there(fact, values):
        return f"{fact.path} is missing"
    if fact.kind == "absent" or not is_there:
        return ""
    return _problem_of_value(fact, values[fact.path])


def _must_be_there(fact: Fact, values: dict[str, Any]) -> bool:
    if fact.kind == "present":
        outer = fact.path.rpartition("/")[0]
        return isinstance(values.get(outer), dict)
    if fact.kind == "member":
        # A contact that is shown with its id alone need not have it.
        return any(path.startswith("/contact/") and path != "/contact/id" for path in values)
    return False


def _problem_of_value(fact: Fact, value: Any) -> str:
    text = _text_of(value)
    match fact.kind:
        case "type":
            is_right = _is_of_type(value, fact.value.split("|"))
            problem = f"is of type {_type_of(value)}"
        case "match":
            is_right = matches(fact.value, text)
            problem = f"is {text[:100]!a}"
        case "most" | "least":
            is_right = _has_length(fact, len(text))
            problem = f"has {len(text)} characters"
        case "member":
            is_right = fact.value in ("", text)
            problem = f"is {text[:100]!a}, and must be {fact.value[:100]!a}"
        case "same-id":
            is_right = text.lower() == fact.value.lower()
            problem = f"is {text[:100]!a}, and must be {fact.value!a}"
        case _:
            return ""
    if is_right:
        return ""
    return f"{fact.path} {problem}"


def _has_length(fact: Fact, length: int) -> bool:
    if fact.kind == "most":
        return length <= int(fact.value)
    return length >= int(fact.value)


def _is_of_type(value: Any, types: list[str]) -> bool:
    kind = _type_of(value)
    return kind in types or (kind == "integer" and "number" in types)


def _problem_together(fact: Fact, responses: list[Response]) -> str:
    statuses = sorted(str(response.status) for response in responses if response.status != 429)
    if "0" in statuses:
        raise CannotTell("some of the requests at once had no response")
    together = " ".join(statuses)
    if statuses and not matches(fact.value, together):
        return f"the responses are {together}"
    if len(statuses) < 2:
        raise CannotTell("all but one of the requests at once were throttled")
    return ""


def violation(requests: list[Request], responses: list[Response]) -> str:
    """What is wrong with the responses to requests that were sent at once, or with that to one alone."""
    doubt = ""
    for request, response in zip(requests, responses, strict=True):
        for fact in request.facts:
            try:
                wrong = _problem_of(fact, response, responses)
            except CannotTell as reason:
                doubt = doubt or str(reason)
            else:
                if wrong:
                    return wrong
    if doubt:
        raise CannotTell(doubt)
    return ""


def _problem_of(fact: Fact, response: Response, responses: list[Response]) -> str:
    if fact.kind == "statuses":
        return _problem_together(fact, responses)
    return problem(fact, response)


class Round:
    """One time through the sequence."""

    def __init__(
        self, base: urllib.parse.SplitResult, number: int, groups: list[list[Request]]
    ) -> None:
        self.base = base
        self.number = number
        self.groups = groups
        self.started = time.monotonic()
        self.is_told = False
        """Whether the last response was one that could be judged."""
        self.was_throttled = False
        self.doubt = ""
        """Why it could not."""

    def send(self, seconds: float) -> str:
        """Sends the groups one after the other, the last one no sooner than after so many seconds; the violation, if one shows."""
        for place, group in enumerate(self.groups):
            is_last = place == len(self.groups) - 1
            if is_last:
                elapsed = time.monotonic() - self.started
                time.sleep(max(0.0, min(seconds, 60) - elapsed))
            responses = self._send_group(group)
            try:
                wrong = violation(group, responses)
            except CannotTell as reason:
                self.doubt = str(reason)
            else:
                self.is_told = is_last and any(request.facts for request in group)
                if wrong:
                    return f"{wrong} (round {self.number}, request {place + 1})"
            self._wait_out(responses)
        return ""

    def _send_group(self, group: list[Request]) -> list[Response]:
        if len(group) == 1:
            return [send(self.base, group[0])]
        return send_at_once(self.base, group)

    def _wait_out(self, responses: list[Response]) -> None:
        if all(response.status != 429 for response in responses):
            return
        self.was_throttled = True
        delay = responses[-1].headers.get("retry-after", "")
        if delay.isdecimal():
            time.sleep(min(30, int(delay)))
        else:
            time.sleep(1)


def reproduce(
    clause: str,
    base_url: str,
    sequence: Callable[[], list[list[Request]]],
    rounds: int,
    seconds: float,
) -> NoReturn:
    """Sends the sequence so many times, each with new ids, until a response shows the violation.

    Exits 1 when the violation is shown, 0 when the service kept the promise, 2 when neither can be told.
    """
    base = urllib.parse.urlsplit(base_url.rstrip("/"))
    told = 0
    doubt = ""
    waits = 0
    number = 0
    while number < rounds:
        number += 1
        groups = sequence()
        if len(groups[-1]) == 1 and not _must_be_new(groups[-1][0]):
            # The last one again and again, at another place of the round each time: some services fail each so many requests.
            groups += [groups[-1]] * min(number - 1, 5)
        this_round = Round(base, number, groups)
        # The last round as slowly as the run that saw it.
        wrong = this_round.send(seconds if number == rounds else 0.0)
        if wrong:
            print(f"violation shown: {clause}: {wrong}")
            sys.exit(1)
        doubt = this_round.doubt or doubt
        told += this_round.is_told
        if this_round.was_throttled and waits < 10:
            waits += 1
            number -= 1
    if told:
        print(f"no violation: {clause} was kept in {told} of {rounds} rounds")
        sys.exit(0)
    print(f"could not tell: {doubt or 'the service throttled every round'}")
    sys.exit(2)


def _must_be_new(request: Request) -> bool:
    return any(fact.kind == "status" and "201" in fact.value for fact in request.facts)

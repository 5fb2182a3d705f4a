"""What a mutant is, how one is declared, and how one is served.

A mutant differs from the mock in one step: it overrides a method of a service, or it changes the finished answer
(a *twist*), or it has its own way of speaking HTTP. A conforming variant is declared in the same manner, with no clause.
Each of the modules beside this one lists its subjects in ``MUTANTS``; importing one changes nothing anywhere.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import struct
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import cache
from typing import Any, Literal, Self

from attrs import define, frozen
from starlette.types import Receive, Scope, Send

from contact_apis._mocking.app import MockApp
from contact_apis._mocking.service import MockService, Request
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.retainful.mock import RetainfulMock
from contact_apis.mock import MockServer
from contact_apis.mock.server import _Protocol

APIS = ("pristo", "retainful")
CUSTOM_FIELDS = ("tier", "מועדון", "notes")
BODY_LIMIT = 1 << 20  # bytes, as the mock has it

# How an answer ends: sent whole, or in one of the ways in which connections fail.
End = Literal["whole", "reset", "close", "cut", "hang", "raw", "chunked", "then-close", "die"]


@define
class Seen:
    """A request and the answer that the service gives it, open to change before it is sent."""

    request: Request
    connection: str
    number: int  # of the request, counted from 1
    status: int
    headers: dict[str, str]
    body: bytes
    memory: dict[str, Any]  # lives as long as the server
    delay: float = 0.0
    end: End = "whole"

    @property
    def accepted(self) -> bool:
        return self.status < 300

    def json(self) -> Any:
        return json.loads(self.body)

    def answer(self, body: Any) -> None:
        """Sets the body."""
        self.body = (
            body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        )


Twist = Callable[[Seen], Awaitable[None] | None]


@frozen
class Subject:
    """A mutant, or, when it breaks no clause, a conforming variant."""

    name: str
    api: str
    says: str
    right: frozenset[str]  # the clauses any of which is the right one to convict it by
    service: type[MockService]
    setup: Callable[[Any], None] | None = None
    twist: Twist | None = None
    protocol: type[_Protocol] = _Protocol
    program: tuple[str, ...] = ()  # a service that is no mock: its command, without port and bug
    bug: str = ""  # what is wrong with that service

    @property
    def is_variant(self) -> bool:
        return not self.right


HONEST: dict[str, type[MockService]] = {"pristo": PristoMock, "retainful": RetainfulMock}


def subjects(
    name: str,
    says: str,
    clauses: Iterable[str],
    *,
    service: type[MockService] | None = None,
    setup: Callable[[Any], None] | None = None,
    twist: Twist | None = None,
    protocol: type[_Protocol] = _Protocol,
    apis: Iterable[str] = APIS,
) -> Iterator[Subject]:
    """One subject for each API; ``{api}`` in a clause stands for it. A service class decides the API."""
    if service is not None:
        apis = [api for api in APIS if issubclass(service, HONEST[api])]
    for api in apis:
        right = frozenset(clause.format(api=api) for clause in clauses)
        yield Subject(
            f"{api}.{name}", api, says, right, service or HONEST[api], setup, twist, protocol
        )


def of_service(service: type[MockService], *clauses: str) -> Iterator[Subject]:
    """A class as a mutant that breaks these clauses, or as a variant; name and sentence are the class's own."""
    return subjects(_name_of(service), _sentence_of(service), clauses, service=service)


def of_twist(twist: Twist, *clauses: str, apis: Iterable[str] = APIS) -> Iterator[Subject]:
    """A change of answers as a mutant that breaks these clauses, or as a variant; name and sentence are the function's own."""
    return subjects(_name_of(twist), _sentence_of(twist), clauses, twist=twist, apis=apis)


def turn(number: int) -> tuple[str, ...]:
    """One API or the other, in turn: for families whose check is the same code for both."""
    return (APIS[number % len(APIS)],)


def _name_of(thing: Any) -> str:
    """The name in small letters, with hyphens between its words."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_", "-", thing.__name__)
    return words.lower()


def _sentence_of(thing: Any) -> str:
    return (thing.__doc__ or "").strip()


@cache
def load() -> dict[str, Subject]:
    """All subjects by name: what the modules beside this one list.

    Raises:
        ValueError: two subjects have one name.
    """
    from tests.mutants import (
        credentials,
        node,
        pristo,
        retainful,
        rules,
        text,
        transport,
        variants,
    )

    catalogue: dict[str, Subject] = {}
    for module in (credentials, node, pristo, retainful, rules, text, transport, variants):
        for subject in module.MUTANTS:
            if subject.name in catalogue:
                raise ValueError(f"two subjects are called {subject.name}")
            catalogue[subject.name] = subject
    return catalogue


# ------------------------------------------------------------------------------------------------------------ serving


class SubjectServer(MockServer):
    """A subject on a loopback port, with the mock's credentials."""

    def __init__(self, subject: Subject, port: int = 0) -> None:
        super().__init__(port=port, custom_fields=CUSTOM_FIELDS, second_population=True)
        if issubclass(subject.service, PristoMock):
            (key,) = self.pristo.credentials.values()
            served: MockService = subject.service(key, map(str, self.pristo.stored), CUSTOM_FIELDS)
        else:
            assert issubclass(subject.service, RetainfulMock)
            key, app = self.retainful.credentials.values()
            served = subject.service(key, app)
        if subject.setup is not None:
            subject.setup(served)
        logging.getLogger("uvicorn.error").setLevel(
            logging.CRITICAL
        )  # what it would complain of is done on purpose
        self._server.config.app = Stage(served, subject.twist, self._die)
        self._server.config.http = subject.protocol

    def _die(self) -> None:
        self._server.should_exit = self._server.force_exit = True


class ProgramServer:
    """A subject that is a program of its own, on a loopback port; :attr:`env` is what it prints when it starts.

    Raises:
        FileNotFoundError: its runtime is not installed.
        RuntimeError: it ended before it was ready.
    """

    def __init__(self, subject: Subject, port: int = 0) -> None:
        self.env: dict[str, str] = {}
        self._command = [*subject.program, str(port), subject.bug]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == "ready\n":
                return self
            name, _, value = line.rstrip("\n").partition("=")
            self.env[name] = value
        raise RuntimeError(f"{self._command[1]} ended before it was ready")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def serving(subject: Subject, port: int = 0) -> SubjectServer | ProgramServer:
    """A server of the subject, to be used as a context manager."""
    if subject.program:
        return ProgramServer(subject, port)
    return SubjectServer(subject, port)


class Stage:
    """The ASGI application around one service: lets it answer, twists the answer, sends it."""

    def __init__(self, served: MockService, change: Twist | None, die: Callable[[], None]) -> None:
        self.served, self.change, self.die = served, change, die
        self.app = MockApp([served])
        self.memory: dict[str, Any] = {}
        self.number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"".join(parts)
        connection = str(scope["client"])
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        request = Request(
            scope["method"],
            scope["path"],
            {**headers, ":connection": connection},
            body[:BODY_LIMIT],
        )
        self.number += 1
        before = getattr(
            self.served, "before", None
        )  # for the few that wait between looking and writing
        if before is not None:
            await before(request)
        answer = self.app.answer(request, None, too_large=len(body) > BODY_LIMIT)
        seen = Seen(
            request,
            connection,
            self.number,
            answer.status,
            {**answer.headers, "Content-Type": "application/json"},
            b""
            if answer.body is None
            else json.dumps(answer.body, ensure_ascii=False).encode("utf-8", "surrogatepass"),
            self.memory,
        )
        if self.change is not None:
            pending = self.change(seen)
            if pending is not None:
                await pending
        await self._send(seen, scope, receive, send)

    async def _send(self, seen: Seen, scope: Scope, receive: Receive, send: Send) -> None:
        transport: asyncio.Transport = scope["state"]["transport"]
        if seen.delay:
            await asyncio.sleep(seen.delay)
        match seen.end:
            case "die":
                self.die()
                transport.abort()
            case "reset":
                connection: Any = transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
            case "close":
                transport.close()
            case "raw":
                transport.write(seen.body)
                transport.close()
        if seen.end in ("die", "reset", "close", "raw", "hang"):
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in seen.headers.items()
        ]
        if seen.end != "chunked" and seen.status != 204:
            headers.append((b"content-length", str(len(seen.body)).encode()))
        await send({"type": "http.response.start", "status": seen.status, "headers": headers})
        if seen.end == "cut":
            await send(
                {
                    "type": "http.response.body",
                    "body": seen.body[: len(seen.body) // 2],
                    "more_body": True,
                }
            )
            transport.close()
            return
        for start in range(0, len(seen.body), 7) if seen.end == "chunked" else ():
            await send(
                {
                    "type": "http.response.body",
                    "body": seen.body[start : start + 7],
                    "more_body": True,
                }
            )
        rest = b"" if seen.end == "chunked" or seen.status == 204 else seen.body
        await send({"type": "http.response.body", "body": rest})
        if seen.end == "then-close":
            transport.close()

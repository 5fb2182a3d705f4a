"""The mock as an ASGI application: reads requests, lets a service answer, spoils answers when a fault is due."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from importlib.resources import files
from time import time
from typing import Any

from attrs import asdict, evolve
from starlette.responses import HTMLResponse, JSONResponse
from starlette.responses import Response as PlainResponse
from starlette.types import Message, Receive, Scope, Send

from contact_apis._http.addresses import is_loopback
from contact_apis._openapi.document import Json, Operation

from .injection import Faults
from .service import MockService, Request, Response

BODY_LIMIT = 1 << 20  # bytes; far above what either API takes for one contact
SHOWN_REQUESTS = 200
SHOWN_BYTES = 10_000  # of the body of each


class MockApp:
    """Serves several APIs, a page at ``/`` that shows what arrived, and the same as JSON at ``/_mock/state``."""

    def __init__(
        self, services: Sequence[MockService], faults: Faults | None = None, *, local: bool = False
    ) -> None:
        self.local = local
        self.services = services
        self.faults = faults or Faults()
        self.arrived: deque[tuple[float, Request, Response, str]] = deque(maxlen=SHOWN_REQUESTS)
        self.received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _read(receive)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        # As it was sent: what is percent-encoded in it may be a slash within a path parameter.
        path = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
        request = Request(scope["method"], path, headers, body or b"")
        own = self._own(request)
        if own is not None:
            await own(scope, receive, send)
            return
        if self.faults.latency:
            await asyncio.sleep(self.faults.latency)
        fault = None
        if not _is_foreign(headers):  # a page that happens to be open is not a client under test
            fault = self.faults.draw()
        answer = self.answer(request, fault, too_large=body is None)
        self.received += 1
        kept = evolve(request, body=request.body[:SHOWN_BYTES])
        self.arrived.append((time(), kept, answer, fault or ""))
        await _send(answer, fault, scope, receive, send)

    def _own(self, request: Request) -> PlainResponse | None:
        """The response to a request that is about the mock itself, or that came by a name that is not the mock's."""
        if self.local and not is_loopback(_name_in(request.headers.get("host", "localhost"))):
            # A page elsewhere can give its name this machine's address, and would then read what is stored here.
            return JSONResponse({"error": "The Host is not this machine."}, 421)
        match request.method, request.path:
            case "GET" | "HEAD", "/":
                return HTMLResponse(_page())
            case "GET" | "HEAD", "/_mock/state":
                return JSONResponse(self.state())
            case "GET" | "HEAD", "/_mock/health":
                return JSONResponse({"status": "ok"})
            case "POST", "/_mock/reset":
                return self._reset_by(request)
            case _:
                return None

    def _reset_by(self, request: Request) -> PlainResponse:
        if _is_foreign(request.headers):
            return JSONResponse({"error": "Another origin may not reset the mock."}, 403)
        self.reset()
        return JSONResponse({"status": "ok"})

    def reset(self) -> None:
        """Forgets contacts, requests and the faults that were asked for with a count."""
        for service in self.services:
            service.forget_all()
        self.arrived.clear()
        self.received = 0
        self.faults.active = [each for each in self.faults.active if each.rate]

    def answer(self, request: Request, fault: str | None, *, too_large: bool = False) -> Response:
        """Lets the service that a path belongs to answer."""
        nowhere: tuple[MockService, list[Operation]] = (self.services[0], [])
        found = ((each, each.operations_at(request.path)) for each in self.services)
        service, operations = next((each for each in found if each[1]), nowhere)
        if not operations:
            return service.error(None, 404, "not_found", "There is no such path.")
        operation = next((each for each in operations if each.method == request.method), None)
        if operation is None:
            answer = service.error(
                None, 405, "method_not_allowed", "The path does not take this method."
            )
            answer.headers["Allow"] = ", ".join(each.method for each in operations)
            return answer
        if fault and fault.isdigit():
            return _status_fault(service, operation, int(fault))
        if too_large:
            return service.error(
                operation, 400, "too_large", f"The body is larger than {BODY_LIMIT} bytes."
            )
        return service.handle(operation, request)

    def state(self) -> Json:
        """What arrived, newest first, and what is stored. Credentials are left out."""
        secret = {name.lower() for service in self.services for name in service.credentials}
        return {
            "received": self.received,
            "requests": [
                {
                    "at": at,
                    "method": request.method,
                    "path": request.path,
                    "headers": {
                        key: "***" if key in secret else value
                        for key, value in request.headers.items()
                    },
                    "body": request.body.decode("utf-8", "replace"),
                    "status": answer.status,
                    "answer": answer.body,
                    "reason": answer.reason,
                    "fault": fault,
                }
                for at, request, answer, fault in reversed(list(self.arrived))
            ],
            "contacts": {service.title: service.contacts for service in self.services},
            "faults": {
                "latency": self.faults.latency,
                "active": [asdict(each) for each in self.faults.active],
            },
        }


def _name_in(authority: str) -> str:
    """The host of a ``Host`` header, without its port."""
    if authority.startswith("["):
        return authority.partition("]")[0].strip("[")
    return authority.partition(":")[0]


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another origin has sent a request."""
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _status_fault(service: MockService, operation: Operation, status: int) -> Response:
    answer = service.error(operation, status, "fault", "This fault was asked for.")
    if status in (429, 503):
        answer.headers["Retry-After"] = "1"
    return answer


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or ``None`` when it passes the limit (it is read to its end all the same)."""
    parts: list[bytes] = []
    size = 0
    while True:
        message: Message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= BODY_LIMIT:
            parts.append(chunk)
        if not message.get("more_body", False):
            if size > BODY_LIMIT:
                return None
            return b"".join(parts)


async def _send(
    answer: Response, fault: str | None, scope: Scope, receive: Receive, send: Send
) -> None:
    if fault == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if fault == "reset":
        _reset(scope)
        return
    body = _body_of(answer, fault)
    headers = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()
    ]
    if answer.status != 204:
        if "Content-Type" not in answer.headers:
            headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if fault == "truncate":
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        _reset(scope, gracefully=True)
        return
    await send({"type": "http.response.body", "body": body})


def _body_of(answer: Response, fault: str | None) -> bytes:
    if fault == "malformed":
        return b"<html>not JSON</html>"
    if answer.body is None:
        return b""
    return json.dumps(answer.body, ensure_ascii=False).encode()


def _reset(scope: Scope, *, gracefully: bool = False) -> None:
    """Ends the connection: with FIN after what was sent, or with RST. Needs the server of this package."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if gracefully:
        transport.close()
        return
    connection: Any = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _page() -> str:
    return files(__package__ or "").joinpath("page.html").read_text("utf-8")

"""The mock as an ASGI application: reads requests, lets a service answer, spoils answers when a fault is due."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Sequence
from importlib.resources import files
from time import time
from typing import Any

from attrs import asdict
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from contact_apis._contract import Json, Operation

from ._faults import Faults
from ._services import Answer, Request, Service

BODY_LIMIT = 1 << 20  # bytes; far above what either API takes for one contact
SHOWN_REQUESTS = 200


class MockApp:
    """Serves several APIs, a page at ``/`` that shows what arrived, and the same as JSON at ``/_mock/state``."""

    def __init__(self, services: Sequence[Service], faults: Faults | None = None) -> None:
        self.services = services
        self.faults = faults or Faults()
        self.arrived: deque[tuple[float, Request, Answer, str]] = deque(maxlen=SHOWN_REQUESTS)
        self.received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _read(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        # As it was sent: what is percent-encoded in it may be a slash within a path parameter.
        path = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
        request = Request(scope["method"], path, headers, body or b"")
        if request.method == "GET" and request.path in ("/", "/_mock/state"):
            response: Response = JSONResponse(self.state()) if request.path != "/" else HTMLResponse(_page())
            await response(scope, receive, send)
            return
        if self.faults.latency:
            await asyncio.sleep(self.faults.latency)
        fault = self.faults.draw()
        answer = self.answer(request, fault, too_large=body is None)
        self.received += 1
        self.arrived.append((time(), request, answer, fault or ""))
        await _send(answer, fault, scope, receive, send)

    def answer(self, request: Request, fault: str | None, *, too_large: bool = False) -> Answer:
        """Lets the service that a path belongs to answer."""
        nowhere: tuple[Service, list[Operation]] = (self.services[0], [])
        found = ((each, each.operations_at(request.path)) for each in self.services)
        service, operations = next((each for each in found if each[1]), nowhere)
        if not operations:
            return service.error(None, 404, "not_found", "There is no such path.")
        operation = next((each for each in operations if each.method == request.method), None)
        if operation is None:
            answer = service.error(operations[0], 405, "method_not_allowed", "The path does not take this method.")
            answer.headers["Allow"] = ", ".join(each.method for each in operations)
            return answer
        if fault and fault.isdigit():
            return _status_fault(service, operation, int(fault))
        if too_large:
            return service.error(operation, 400, "too_large", f"The body is larger than {BODY_LIMIT} bytes.")
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
                    "headers": {key: "***" if key in secret else value for key, value in request.headers.items()},
                    "body": request.body.decode("utf-8", "replace")[:10_000],
                    "status": answer.status,
                    "answer": answer.body,
                    "reason": answer.reason,
                    "fault": fault,
                }
                for at, request, answer, fault in reversed(list(self.arrived))
            ],
            "contacts": {type(service).__name__: service.contacts for service in self.services},
            "faults": {"latency": self.faults.latency, "active": [asdict(each) for each in self.faults.active]},
        }


def _status_fault(service: Service, operation: Operation, status: int) -> Answer:
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
            return b"".join(parts) if size <= BODY_LIMIT else None


async def _send(answer: Answer, fault: str | None, scope: Scope, receive: Receive, send: Send) -> None:
    if fault == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if fault == "reset":
        _reset(scope)
        return
    body = b"" if answer.body is None else json.dumps(answer.body, ensure_ascii=False).encode()
    if fault == "malformed":
        body = b"<html>not JSON</html>"
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status != 204:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if fault == "truncate":
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        _reset(scope, gracefully=True)
        return
    await send({"type": "http.response.body", "body": body})


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

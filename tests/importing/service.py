"""A service for imports: quick, faulty on demand, and with a memory of everything that it was sent."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import struct
import threading
from collections import defaultdict
from types import TracebackType
from typing import Any, Self, cast

from attrs import define, field

API_KEY, POPULATION = "key-of-the-account", "4b4fd4b2-7c6d-4e5a-9a9a-000000000001"
FAULTS = ("429", "500", "reset", "hang", "reset after", "hang after")
"""The last two are carried out first."""


@define(slots=False)
class Service:
    """Pristo on loopback. Use it as a context manager.

    Args:
        latency: seconds until an answer.
        faults: share of the requests that meet with one of :data:`FAULTS`.
        capacity: requests a second; more are refused with 429 and ``Retry-After: 1``.
        status: answers everything with this, if given.
    """

    latency: float = 0.0
    faults: float = 0.0
    capacity: int | None = None
    status: int | None = None
    retry_after: str | None = None
    seed: int = 0
    times: list[float] = field(factory=list)
    """When requests arrived, on the loop's clock."""
    sent: dict[str, list[dict[str, Any]]] = field(factory=lambda: defaultdict(list))
    """Every body that arrived, by contact."""
    applied: dict[str, list[dict[str, Any]]] = field(factory=lambda: defaultdict(list))
    """Every body that was carried out, by contact."""
    partial: int = 0
    """Connections that ended within a request."""
    in_flight: int = 0
    most_in_flight: int = 0
    _port: int = 0

    def __enter__(self) -> Self:
        self._random = random.Random(self.seed)  # chooses faults, hides nothing
        self._transports: set[asyncio.BaseTransport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def up(self) -> None:
        """Listens, on the same port as before."""
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self._server = listening.result()
        self._port = cast("int", self._server.sockets[0].getsockname()[1])

    async def _listen(self) -> asyncio.Server:
        # Named TCP, for asyncio sends without delay on such sockets alone.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        return await self._loop.create_server(lambda: _Connection(self), sock=listener, backlog=512)

    def down(self) -> None:
        """Stops listening, and cuts all connections."""

        async def cut() -> None:
            self._server.close()
            for each in list(self._transports):
                cast("asyncio.Transport", each).abort()

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result()

    @property
    def env(self) -> dict[str, str]:
        """Where a client finds it."""
        return {
            "PRISTO_BASE_URL": f"http://127.0.0.1:{self._port}",
            "PRISTO_API_KEY": API_KEY,
            "PRISTO_POPULATION_ID": POPULATION,
            "RETAINFUL_BASE_URL": f"http://127.0.0.1:{self._port}",
            "RETAINFUL_API_KEY": API_KEY,
            "RETAINFUL_APP_ID": "app",
        }

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, str], object] | str:
        """Status, headers and body for a request; or the way in which it is not answered."""
        now = self._loop.time()
        self.times.append(now)
        contact = (
            body["contact"]["id"]
            if "contact" in body
            else body["identifiers"][0]["id"]
            if body
            else "nobody"
        )
        self.sent[contact].append(body)
        if self.status is not None:
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return self.status, headers, {"error": {"code": "no", "message": "scripted"}}
        if (
            self.capacity is not None
            and sum(each > now - 1 for each in self.times[-self.capacity - 1 :]) > self.capacity
        ):
            return 429, {"Retry-After": self.retry_after or "1"}, {"error": {"code": "slow_down"}}
        fault = self._random.choice(FAULTS) if self._random.random() < self.faults else ""
        if fault in ("429", "500"):
            return int(fault), {}, {"error": {"code": "fault"}}
        if fault in ("reset", "hang"):
            return fault
        known = contact in self.applied
        self.applied[contact].append(body)
        if fault:
            return fault.removesuffix(" after")
        if "identifiers" in body:
            return 200, {}, {"status": True}
        return 200 if known else 201, {}, {"contact": body["contact"]}


class _Connection(asyncio.Protocol):
    def __init__(self, service: Service) -> None:
        self._service, self._received = service, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._service._transports.add(transport)  # noqa: SLF001 # of this module

    def connection_lost(self, exc: Exception | None) -> None:
        self._service._transports.discard(self._transport)  # noqa: SLF001 # of this module
        self._service.partial += bool(self._received)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not found or length is None or len(rest) < int(length[1]):
            return
        self._received = rest[int(length[1]) :]
        service = self._service
        service.in_flight += 1
        service.most_in_flight = max(service.most_in_flight, service.in_flight)
        answer = service.answer(json.loads(rest[: int(length[1])]))
        service._loop.call_later(service.latency, self._respond, answer)  # noqa: SLF001 # of this module

    def _respond(self, answer: tuple[int, dict[str, str], object] | str) -> None:
        self._service.in_flight -= 1
        if answer == "reset":
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        elif isinstance(answer, tuple):
            status, headers, value = answer
            body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
            headers = {"Content-Type": "application/json", **headers}
            lines += [f"{name}: {text}" for name, text in headers.items()]
            self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

"""The mock as a running server, in a thread of the caller's process or in a process of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from contact_apis._http.addresses import is_loopback
from contact_apis._mocking.app import MockApp
from contact_apis._mocking.injection import Fault, Faults
from contact_apis._openapi.document import Json
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.registry import VENDORS
from contact_apis._vendors.retainful.mock import EmailRule, RetainfulMock


class _Protocol(H11Protocol):
    """Lets the application reach its connection, which a reset needs."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class MockServer:
    """Both services on one loopback port, in memory.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. The credentials are fixed, so that they can be
    exported once; :attr:`env` has them under the names that clients and contract suite read.

    Args:
        host: address or name to listen at. Beyond loopback anybody who reaches it reads and changes what is stored.
        port: TCP port; 0 takes a free one.
        custom_fields: the custom fields that every Pristo population defines; ``None`` takes any.
        second_population: whether Pristo has a second population.
        retainful_email: which reading of Retainful's page holds for contacts without an e-mail identifier.
        faults: texts such as ``"429=0.02"`` (a share of the requests) or ``"reset=x3"`` (the next three).
        latency: seconds that each answer is delayed.

    Raises:
        ValueError: a fault that is none.
        OSError: the port is taken.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        custom_fields: Iterable[str] | None = None,
        second_population: bool = False,
        retainful_email: EmailRule = "to-create",
        faults: Iterable[str] = (),
        latency: float = 0.0,
    ) -> None:
        self._faults = Faults([Fault.parse(each) for each in faults], latency)
        options: dict[str, dict[str, Any]] = {
            "pristo": {"custom_fields": custom_fields, "second_population": second_population},
            "retainful": {"email_rule": retainful_email},
        }
        services = {
            name: vendor.mock_service(options.get(name, {})) for name, vendor in VENDORS.items()
        }
        self.pristo = cast("PristoMock", services["pristo"])
        self.retainful = cast("RetainfulMock", services["retainful"])
        self.app = MockApp([*services.values()], self._faults, local=is_loopback(host))
        # Named, for asyncio sends without delay only where it sees TCP; else each answer waits 40 ms for an acknowledgement.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        # Each setting here is about quiet: the mock's page shows the requests, its caller owns the log.
        config = uvicorn.Config(
            self.app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None
        shown = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 # compared, not bound to
        self.base_url = f"http://{shown}:{self._socket.getsockname()[1]}"
        self.env: dict[str, str] = {}
        for service in services.values():
            self.env |= service.environment(self.base_url)

    @property
    def state(self) -> Json:
        """What arrived (``requests``, newest first) and what is stored (``contacts``, by service)."""
        return self.app.state()

    def reset(self) -> None:
        """Forgets contacts, requests and the faults of :meth:`fail_next`, as ``POST /_mock/reset`` does."""
        self.app.reset()

    def fail_next(self, kind: str, times: int = 1) -> None:
        """Meets the next requests with a fault, such as ``"429"`` or ``"reset"``."""
        self._faults.active.append(Fault.parse(f"{kind}=x{times}"))

    def serve(self) -> None:
        """Serves in this thread until a signal or :meth:`stop`."""
        self._server.run(sockets=[self._socket])

    def start(self) -> Self:
        """Serves in a thread of its own; returns once requests are answered."""
        self._thread = threading.Thread(target=self.serve, name="contact-apis-mock", daemon=True)
        self._thread.start()
        deadline = monotonic() + 10
        while not self._server.started and self._thread.is_alive() and monotonic() < deadline:
            sleep(0.005)
        return self

    def stop(self) -> None:
        """Ends the server; a second call does nothing."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"MockServer({self.base_url!r})"

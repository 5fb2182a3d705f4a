"""The histories of ``test_differential.py`` with real processes, sockets and signals, checked by the same model.

Each run is the command in a process of its own, which a request that arrives at the service can kill or signal. What a kill leaves
of the journal is what the process left on the disk.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from attrs import define

from .test_differential import CONSTANTS, FAULTS, History, Killed, Model, Sent
from .warm import Running, Warm

ROUNDS = int(os.environ.get("IMPORT_PROCESSES", "8"))
HAPPENED = ("kill", "signal", "failed rows")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@define(slots=False)
class RealModel(Model):
    """The service, which kills and signals the process whose request it has."""

    running: Running | None = None

    def kill(self, sent: Sent) -> None:
        sent.known = False
        self.dead = True
        self._signal(signal.SIGKILL)

    def interrupt(self, _: Sent) -> None:
        self._signal(self.chance.choice(SIGNALS))

    def _signal(self, number: int) -> None:
        assert self.running is not None
        os.kill(self.running.pid, number)  # it has a request open, so it is there


class Connection(asyncio.Protocol):
    """One connection to the service."""

    def __init__(self, model: RealModel, transports: set[asyncio.Transport]) -> None:
        self._model = model
        self._transports = transports
        self._received = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transports.add(self._transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) >= size:
            self._received = body[size:]
            task = asyncio.ensure_future(self._respond(body[:size]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _respond(self, body: bytes) -> None:
        attempt: Any = SimpleNamespace(content=body)
        try:
            response = await self._model.exchange(attempt)
        except (httpx.HTTPError, Killed):
            self._transport.abort()
            return
        head = f"HTTP/1.1 {response.status_code} Any\r\nContent-Type: application/json\r\nContent-Length: {len(response.content)}\r\n\r\n"
        self._transport.write(head.encode() + response.content)


class Server:
    """The service of one history at a time, on loopback, in a thread of its own."""

    model: RealModel

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._transports: set[asyncio.Transport] = set()
        listening = self._loop.create_server(
            lambda: Connection(self.model, self._transports), "127.0.0.1", 0
        )
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _end(self) -> None:
        self._server.close()
        for transport in list(self._transports):
            transport.abort()
        await asyncio.sleep(0.05)  # in which the loop closes them

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class RealHistory(History):
    """A history whose runs are processes."""

    def __init__(self, seed: int, folder: Path, server: Server, warm: Warm) -> None:
        super().__init__(seed, folder)
        # Who has a request cannot refuse the connection that it came on.
        possible = tuple(fault for fault in FAULTS if fault != "refused connection")
        self.model = RealModel(self.chance, self.path, possible=possible)
        self._server = server
        self._warm = warm
        server.model = self.model

    def import_(self, file: Path, **options: Any) -> int:
        model = cast("RealModel", self.model)
        model.running = self._start(file, **options)
        model.running.communicate(60)
        code = model.running.returncode
        assert code is not None
        if code == -signal.SIGKILL:
            assert model.dead
        return code

    def _start(self, file: Path, **options: Any) -> Running:
        words: list[object] = ["import", file, "--to", "retainful", "--keep-going"]
        for name, value in CONSTANTS.items():
            words += ["--set", f"{name}={value}"]
        usual = {"concurrency": 4, "max_retries": 0, **options}
        for name, value in usual.items():
            option = f"--{name.replace('_', '-')}"
            if value is True:
                words.append(option)
            elif value is not None and value is not False:
                words += [option, value]
        env = {f"RETAINFUL_{name}": value for name, value in ENVIRONMENT.items()}
        env["RETAINFUL_BASE_URL"] = self._server.url
        running = self._warm.start(self.folder, env, *words, quick=True)
        cast("RealModel", self.model).running = running
        return running

    def leave_killed(self, journal: Path) -> None:
        """What the process left is there."""

    def check_refused_without_wal(self) -> None:
        running = self._start(self.path)
        _, error = running.communicate(60)
        assert running.returncode == 2
        assert "-wal is missing" in error

    def step(self) -> None:
        """As in memory, without what needs a look inside the process."""
        chance, model = self.chance, self.model
        model.faults = chance.choice([0.0, 0.2, 0.5])
        options = self.draw_options()
        what = chance.choice(["usual", "kill", "kill", "signal", "signal", "failed", "lost wal"])
        if what in ("kill", "lost wal"):
            self.killed(lose_wal=what == "lost wal", **options)
        elif what == "signal":
            model.signal_after = chance.randint(1, 5)
            self.once(**options)
        elif what == "failed":
            self.once(failed=self.failed, **{**options, "limit": None})
            self.import_failed()
        else:
            self.once(**options)
        model.kill_after = model.signal_after = None


ENVIRONMENT = {"API_KEY": "key", "APP_ID": "app"}


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as started:
        yield started


def test_a_random_history_of_processes_keeps_all_guarantees(tmp_path: Path, warm: Warm) -> None:
    """I1 to I6 hold after every process, however the one before it ended."""
    happened: Counter[str] = Counter()
    with closing(Server()) as server:
        for seed in range(ROUNDS):
            folder = tmp_path / str(seed)
            folder.mkdir()
            history = RealHistory(seed, folder, server, warm)
            try:
                history.go()
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
            happened += history.model.happened
            shutil.rmtree(folder)
    assert not [each for each in HAPPENED if not happened[each]], happened

"""Imports in processes of their own, forked from one that has everything loaded: each does what a fresh one does, at a tenth of the cost."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CODE = """
import json, os, random, signal, sys
import phonenumbers, rich.progress
import contact_apis._bulk.aiohttp_transport, contact_apis._importing.run, contact_apis._openapi.faults
from contact_apis.cli import app, main
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        break
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    os._exit(0)
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
    signal.signal(number, handler)
for descriptor, name, flags in ((0, os.devnull, os.O_RDONLY), (1, order["out"], os.O_WRONLY), (2, order["err"], os.O_WRONLY)):
    opened = os.open(name, flags | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)
os.environ.update(order["env"])
random.seed()
if order["quick"]:
    from contact_apis._http import delivery
    delivery.FIRST_DELAY = 0.0
sys.argv = order["words"]
main()
"""


class Warm:
    """The process that imports are forked from, one after another. Use it as a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._left = b""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start(
        self, folder: Path, env: Mapping[str, str], *words: object, quick: bool = False
    ) -> Running:
        """Starts ``contact-apis`` with these words; ``quick`` leaves out the pauses between attempts."""
        assert self._process.stdin is not None
        out, err = folder / "stdout", folder / "stderr"
        order = {"words": ["contact-apis", *map(str, words)], "env": dict(env), "quick": quick}
        order |= {"out": str(out), "err": str(err)}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        started = self.line(60)
        assert started is not None
        return Running(self, int(started), out, err)

    def line(self, seconds: float) -> str | None:
        """The next line that the process prints within so many seconds."""
        assert self._process.stdout is not None
        ends = time.monotonic() + seconds
        while b"\n" not in self._left:
            left = max(0.0, ends - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                return None
            read = os.read(self._process.stdout.fileno(), 1000)
            assert read, "the warm process is gone"
            self._left += read
        found, _, self._left = self._left.partition(b"\n")
        return found.decode()


class Running:
    """An import that runs, with what the tests use of :class:`subprocess.Popen`."""

    returncode: int | None = None

    def __init__(self, warm: Warm, pid: int, out: Path, err: Path) -> None:
        self._warm = warm
        self._out = out
        self._err = err
        self.pid = pid

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        self._wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it printed, once it has ended."""
        self._wait(timeout)
        if self.returncode is None:
            self.send_signal(signal.SIGKILL)
            self._wait(60)
            raise AssertionError(f"it did not end within {timeout} s: {self._err.read_text()}")
        return self._out.read_text(), self._err.read_text()

    def _wait(self, seconds: float) -> None:
        if self.returncode is None:
            line = self._warm.line(seconds)
            if line is not None:
                self.returncode = int(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.poll() is None:
            self._wait(120)

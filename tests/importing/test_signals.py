"""Signals at any moment of an import: it ends by itself, with the right code, and what it reports is so."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import results_in
from .service import Service
from .test_kill import contact
from .warm import Warm

MOMENTS = int(os.environ.get("IMPORT_SIGNALS", "12"))
ROWS = 200
NUMBERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def start(path: Path, service: Service, *options: str, before: str = "") -> subprocess.Popen[str]:
    """The command in a process of its own that ignores no signal, however the tests were started."""
    # What this process ignores, as under ``nohup``, its children would ignore; what it handles, they do not.
    for number in NUMBERS:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, _nothing)
    words = (
        f"{before} {sys.executable} -m contact_apis import {path} --to pristo {' '.join(options)}"
    )
    return subprocess.Popen(
        ["bash", "-c", f"exec {words}"],
        env={**os.environ, **service.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _nothing(number: int, frame: object) -> None:
    """What a handler does that is only there not to ignore."""


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as started:
        yield started


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_a_signal_at_any_moment(tmp_path: Path, warm: Warm, seed: int) -> None:
    """It ends by itself with 0 or the signal's code; the next run has every row in, and none is sent twice but for what was unknown.

    Every second moment is within the last milliseconds, when the last responses arrive and the loop, the journal and the
    results are closed.
    """
    chance = random.Random(seed)  # chooses a moment, hides nothing
    number = NUMBERS[seed % len(NUMBERS)]
    path, results = tmp_path / "in.csv", tmp_path / "results.jsonl"
    path.write_text(
        "id,name\n" + "".join(f"{contact(each)},Ada\n" for each in range(ROWS)), "utf-8"
    )
    with Service(latency=0.002) as service:
        words = ("import", path, "--to", "pristo", "--results", results)
        with warm.start(tmp_path, service.env, *words) as running:
            wanted = ROWS if seed % 2 else chance.randrange(1, ROWS)
            while len(service.times) < wanted and running.poll() is None:
                time.sleep(0.0005)
            time.sleep(chance.uniform(0, 0.06))
            running.send_signal(number)
            out, err = running.communicate(timeout=60)
        assert running.returncode in (0, 128 + number), err
        assert "Traceback" not in err
        assert "Exception ignored" not in err
        if results.exists():
            states = Counter(each["state"] for each in results_in(results))
            assert set(states) <= {"created", "pending"}
            assert states["created"] == len(service.applied)
            assert (running.returncode == 0) <= (states["created"] == ROWS)
        with warm.start(tmp_path, service.env, *words) as again:
            out, err = again.communicate(timeout=60)
        assert again.returncode == 0, out + err
    assert Counter(map(len, service.sent.values())) == {1: ROWS}


def test_a_signal_while_rows_are_checked(tmp_path: Path) -> None:
    """Nothing is sent then, and the next run has every row in."""
    path = tmp_path / "in.csv"
    path.write_text(
        "id,name\n" + "".join(f"{contact(each)},Ada\n" for each in range(30_000)), "utf-8"
    )
    with Service() as service:
        with start(path, service, "--dry-run") as running:
            time.sleep(0.9)
            running.terminate()
            running.communicate(timeout=60)
        assert running.returncode in (0, 143)
    assert service.times == []


def test_who_ignores_a_hang_up_is_left_alone(tmp_path: Path) -> None:
    """Under ``nohup`` a closed session does not end the import."""
    path = tmp_path / "in.csv"
    path.write_text(
        "id,name\n" + "".join(f"{contact(each)},Ada\n" for each in range(ROWS)), "utf-8"
    )
    with Service(latency=0.05) as service:
        with start(path, service, "--concurrency", "16", before="nohup") as running:
            while len(service.times) < 20:
                time.sleep(0.005)
            running.send_signal(signal.SIGHUP)
            running.communicate(timeout=60)
        assert running.returncode == 0
    assert len(service.applied) == ROWS

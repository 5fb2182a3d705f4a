"""Whatever happens to the process and to the service, every row is accounted for and nothing is lost or sent too often."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from .service import Service
from .warm import Warm

RUNS = int(os.environ.get("IMPORT_KILLS", "3"))
ROWS = int(os.environ.get("IMPORT_ROWS", "1500"))
RETRIES = 6
PATIENCE = (
    120 + ROWS // 5
)  # seconds after which an import hangs, on a machine that has much else to do


def contact(number: int) -> str:
    return str(uuid5(UUID(int=1), str(number)))


def written(path: Path, rows: int, chance: random.Random) -> dict[str, list[dict[str, str]]]:
    """Writes an input in which every tenth contact comes again, also with what it had before; the bodies by contact."""
    bodies: dict[str, list[dict[str, str]]] = {}
    with path.open("w") as file:
        file.write("id,email,name\n")
        for line in range(rows):
            number = chance.randrange(max(1, line)) if line % 10 == 9 else line
            name = chance.choice(["Ada", "Bob"])
            file.write(f"{contact(number)},user{number}@example.com,{name}\n")
            bodies.setdefault(contact(number), []).append(
                {"id": contact(number), "email": f"user{number}@example.com", "name": name}
            )
    return bodies


def started(path: Path, service: Service, *options: str) -> subprocess.Popen[str]:
    """The command as a user starts it, in a process of its own."""
    words = [
        sys.executable,
        "-m",
        "contact_apis",
        "import",
        str(path),
        "--to",
        "pristo",
        "--timeout",
        "1",
        "--max-retries",
        str(RETRIES),
    ]
    return subprocess.Popen(
        [*words, *options],
        env={**os.environ, **service.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def in_flight(journal: Path) -> set[str]:
    """The contacts that the journal has in flight."""
    if not journal.exists():
        return set()
    with closing(sqlite3.connect(journal)) as db:
        try:
            return {
                name for (name,) in db.execute("SELECT name FROM row WHERE state = 'in flight'")
            }
        except sqlite3.OperationalError:  # killed before the tables were there
            return set()


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as started:
        yield started


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_kill_loses_nothing(tmp_path: Path, warm: Warm, seed: int) -> None:
    """Killed at a random moment and run again until it ends: one final state a row, the last content of each contact in the service."""
    chance = random.Random(seed)  # chooses a moment, hides nothing
    path, journal, results = (
        tmp_path / "in.csv",
        tmp_path / "in.csv.journal",
        tmp_path / "results.jsonl",
    )
    bodies = written(path, ROWS, chance)
    interrupted: Counter[str] = Counter()
    with Service(latency=0.005, faults=0.02, seed=seed) as service:
        kills = chance.randint(1, 3)
        words = ("import", path, "--to", "pristo", "--timeout", 1, "--max-retries", RETRIES)
        for _ in range(kills):
            with warm.start(tmp_path, service.env, *words, "--results", results) as running:
                time.sleep(chance.uniform(0.0, 2.5))
                running.send_signal(signal.SIGKILL)
            interrupted.update(in_flight(journal))
        for _ in range(5):
            with warm.start(tmp_path, service.env, *words, "--results", results) as running:
                _, said = running.communicate(timeout=PATIENCE)
            assert running.returncode in (0, 1), said
            if running.returncode == 0:
                break
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [each["line"] for each in rows] == list(range(2, ROWS + 2))
    assert {each["state"] for each in rows} <= {"created", "updated"}
    for name, wanted in bodies.items():
        assert service.applied[name][-1]["contact"] == wanted[-1]
        allowed = (RETRIES + 1) * (len(wanted) + interrupted[name] * len(wanted))
        assert len(service.sent[name]) <= allowed
        if not interrupted[name]:
            # What ended before a kill is not sent again after it: each row is carried out once, but for attempts whose answer was lost.
            assert _without_repeats(
                [each["contact"] for each in service.applied[name]]
            ) == _without_repeats(wanted)


def _without_repeats(values: list[dict[str, str]]) -> list[dict[str, str]]:
    return [each for place, each in enumerate(values) if place == 0 or each != values[place - 1]]


def test_a_service_that_is_down_for_a_while(tmp_path: Path) -> None:
    """The import waits it out or exits 4; run again, it ends with everything in."""
    path, results = tmp_path / "in.csv", tmp_path / "results.jsonl"
    bodies = written(path, 1000, random.Random(1))
    with Service(latency=0.01) as service:
        with started(path, service, "--rate", "400", "--max-retries", "2") as running:
            while len(service.times) < 200:
                time.sleep(0.01)
            service.down()
            running.communicate(timeout=60)
        assert running.returncode == 4
        service.up()
        with started(path, service, "--results", str(results)) as again:
            again.communicate(timeout=60)
        assert again.returncode == 0
    assert all(
        service.applied[name][-1]["contact"] == wanted[-1] for name, wanted in bodies.items()
    )
    assert len(results.read_text().splitlines()) == 1000


def test_a_short_outage_is_waited_out(tmp_path: Path) -> None:
    """With the attempts that an import has by default, a few seconds without service cost no row."""
    path = tmp_path / "in.csv"
    written(path, 1000, random.Random(2))
    with Service(latency=0.01) as service, started(path, service, "--rate", "400") as running:
        while len(service.times) < 200:
            time.sleep(0.01)
        service.down()
        time.sleep(3)
        service.up()
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 0, out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_what_is_in_flight_end(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """No request is cut, none is unknown, the results are written, and the next run sends only the rest."""
    path, results = tmp_path / "in.csv", tmp_path / "results.jsonl"
    written(path, 1000, random.Random(3))
    with Service(latency=0.05) as service:
        with started(path, service, "--results", str(results), "--concurrency", "16") as running:
            while len(service.times) < 100:
                time.sleep(0.01)
            running.send_signal(number)
            running.communicate(timeout=30)
        assert running.returncode == code
        assert service.partial == 0
        states = Counter(json.loads(line)["state"] for line in results.read_text().splitlines())
        assert set(states) <= {"created", "updated", "pending"}
        assert sum(states.values()) == 1000
        assert states["created"] + states["updated"] == len(service.times)
        with started(path, service) as again:
            again.communicate(timeout=60)
        assert again.returncode == 0
        assert len(service.times) == 1000


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    """What was in flight is unknown then, in the results of that run already, and is sent again by the next."""
    path, results = tmp_path / "in.csv", tmp_path / "results.jsonl"
    written(path, 50, random.Random(4))
    with Service(latency=20) as service:
        with started(
            path, service, "--results", str(results), "--concurrency", "8", "--timeout", "30"
        ) as running:
            while len(service.times) < 8:
                time.sleep(0.01)
            for _ in range(2):
                running.send_signal(signal.SIGINT)
                time.sleep(0.3)
            running.communicate(timeout=10)
        assert running.returncode == 130
        states = Counter(json.loads(line)["state"] for line in results.read_text().splitlines())
        assert states == {"unknown": 8, "pending": 42}
        service.latency = 0
        with started(path, service) as again:
            again.communicate(timeout=60)
        assert again.returncode == 0

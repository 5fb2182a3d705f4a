"""What identical rows, failed rows and columns cost each, by how many of them there are.

Each is a whole run of the import in a process of its own, by its CPU time, less what a run with one of them costs. Runs of all sizes are
interleaved, and the figures are medians. Ten times as many must not cost more than 1.2 times each.

Run it as ``python -m tests.bench.curves``; ``CURVES`` names the sizes, ``ROUNDS`` how often each is measured, and ``KINDS`` which
kinds. It writes ``reports/bench/curves.json`` and ``curves.png``, and fails where the target is missed.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from contact_apis._importing.options import Assignment, ImportOptions, Target
from contact_apis._importing.rows import InputError
from contact_apis._importing.run import run_import

SIZES = [int(size) for size in os.environ.get("CURVES", "1000,10000,100000").split(",")]
ROUNDS = int(os.environ.get("ROUNDS", "7"))
BLOCK = 20_000  # rows or columns that are measured together, where they are few
MANY = (
    30_000  # rows of one contact, which are sent one after another, are sent once: it takes minutes
)
TARGET = 1.2
POPULATION = UUID("4b4fd4b2-7c6d-4e5a-9a9a-000000000001")
REPORTS = Path("reports/bench")
CONSTANTS = {"email": "ada@example.com", "phone": "+12025550100", "language": "en"}
UNREACHABLE = "http://127.0.0.1:1"
SERVE = """
import asyncio, json

def response(status, body):
    content = json.dumps(body).encode()
    return b"HTTP/1.1 %s\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % (status, len(content)) + content

rejected = response(b"400 Bad Request", {"message": "rejected"})

class Service(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.received = b""

    def data_received(self, data):
        self.received += data
        head, end, body = self.received.partition(b"\\r\\n\\r\\n")
        if not end:
            return
        size = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
        if len(body) >= size:
            self.received = body[size:]
            contact = json.loads(body[:size])["contact"]
            accepts = not contact.get("name", "").startswith("Bad")
            self.transport.write(response(b"200 OK", {"contact": contact}) if accepts else rejected)

async def main():
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""

Run = Callable[[], float]
"""One run; its CPU time in seconds."""


def run(path: Path, expected: int, **options: Any) -> float:
    """CPU seconds of an import with these options, whose exit code is expected (2 where the file is refused).

    It has a process of its own, in which all modules are loaded already: memory and caches of a processor that a run before it
    has warmed would make little of what is small, and not of what is large.
    """
    sets = [Assignment(name, value) for name, value in CONSTANTS.items()]
    usual: dict[str, Any] = {"sets": sets, "max_retries": 0, "keep_going": True}
    request = ImportOptions(file=str(path), to=Target("pristo"), **{**usual, **options})
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(carry_out(request)).encode())
        os._exit(0)
    os.close(writing)
    code, used = json.loads(os.read(reading, 1000))
    os.close(reading)
    os.waitpid(child, 0)
    if code != expected:
        raise RuntimeError(f"the import of {path.name} ended with {code}")
    return float(used)


def carry_out(request: ImportOptions) -> tuple[int, float]:
    """Exit code and CPU seconds of an import, whose output goes nowhere."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stderr(nowhere),
        contextlib.redirect_stdout(nowhere),
    ):
        began = time.process_time()
        try:
            code = run_import(request)
        except InputError:
            code = 2
        return code, time.process_time() - began


def write_rows(path: Path, names: list[str]) -> None:
    """A file of rows of one contact, which differ by name at most."""
    path.write_text("id,name\n" + "".join(f"{POPULATION},{name}\n" for name in names), "utf-8")


def identical(folder: Path, count: int) -> Run:
    """The second run of the same command over identical rows."""
    path = folder / "identical.csv"
    if not path.exists():
        write_rows(path, ["Ada"] * count)
        run(path, 0)
    return lambda: run(path, 0, results=folder / "results")


def identical_and_another(folder: Path, count: int) -> Run:
    """A run over identical rows that were imported, and a new one: each is looked at again."""
    identical(folder, count)
    path = folder / "identical.csv"
    added = iter(range(sys.maxsize))

    def again() -> float:
        with path.open("a") as file:
            file.write(f"{uuid5(POPULATION, str(next(added)))},Bob\n")
        return run(path, 0, results=folder / "results")

    return again


def failed(folder: Path, count: int) -> Run:
    """A run over rejected rows of one contact, which are rejected again and written with ``--failed``.

    The service is down for it after a few, so that the cost of sending hides nothing: reading, planning and ``--failed`` remain.
    """
    path = folder / "failed.csv"
    write_rows(path, [f"Bad {number}" for number in range(count)])
    expected = 4 if count > 1 else 1

    def again() -> float:
        before = os.environ["PRISTO_BASE_URL"]
        os.environ["PRISTO_BASE_URL"] = UNREACHABLE
        try:
            return run(
                path,
                expected,
                failed=folder / "rejected.csv",
                results=folder / "results",
                concurrency=1,
            )
        finally:
            os.environ["PRISTO_BASE_URL"] = before

    again()
    return again


def failed_file(folder: Path, count: int) -> Run:
    """A run over the file that ``--failed`` wrote, all of one contact, each of which is sent and rejected again."""
    path, rejected = folder / "failed.csv", folder / "rejected.csv"
    write_rows(path, [f"Bad {number}" for number in range(count)])
    run(path, 1, failed=rejected)
    return lambda: run(rejected, 1, failed=folder / "still.csv")


def columns(folder: Path, count: int) -> Run:
    """A dry run of one row with so many custom fields."""
    path = folder / "columns.csv"
    names = write_columns(path, count)
    return lambda: run(path, 0, custom=names, dry_run=True)


def left_out(folder: Path, count: int) -> Run:
    """A dry run of one row with so many columns that are left out."""
    path = folder / "columns.csv"
    names = write_columns(path, count)
    return lambda: run(path, 0, ignored=names, dry_run=True)


def unknown_columns(folder: Path, count: int) -> Run:
    """A file with so many columns that fit no field, which is refused."""
    path = folder / "columns.csv"
    write_columns(path, count)
    return lambda: run(path, 2, dry_run=True)


def write_columns(path: Path, count: int) -> list[str]:
    names = [f"column {number}" for number in range(count)]
    path.write_text(
        ",".join(["id", *names]) + "\n" + ",".join([str(POPULATION), *["x"] * count]) + "\n",
        "utf-8",
    )
    return names


KINDS: dict[str, Callable[[Path, int], Run]] = {
    "identical rows, the same command again": identical,
    "identical rows and another": identical_and_another,
    "failed rows of one contact": failed,
    "failed rows of one contact, sent again": failed_file,
    "custom columns": columns,
    "ignored columns": left_out,
    "unknown columns": unknown_columns,
}


def measure(kind: Callable[[Path, int], Run], folder: Path) -> dict[int, float]:
    """Microseconds of CPU time a row or column by size, less what a run with one costs."""
    runs: dict[int, Run] = {}
    for count in [1, *SIZES]:
        place = folder / str(count)
        place.mkdir(exist_ok=True)
        runs[count] = kind(place, count)
    times: dict[int, list[float]] = {count: [] for count in runs}
    for turn in range(ROUNDS):
        for count, one in runs.items():
            if kind is failed_file and turn and count > MANY:
                continue
            repeated = 1 if kind is failed_file else max(1, min(20, BLOCK // count))
            times[count] += [one() for _ in range(repeated)]
    medians = {count: statistics.median(found) for count, found in times.items()}
    return {count: (medians[count] - medians[1]) / count * 1e6 for count in SIZES}


def growth(costs: dict[int, float]) -> float:
    """The most that one costs at a larger size, by what it costs at the smallest."""
    return max(costs[size] / costs[SIZES[0]] for size in SIZES)


def plot(found: dict[str, dict[int, float]], path: Path) -> None:
    """Cost by size, both on scales of powers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, costs in found.items():
        axes.plot(list(costs), list(costs.values()), marker="o", label=name)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="rows or columns",
        ylabel="CPU each, microseconds",
        title="import, by how many there are",
    )
    axes.legend(fontsize="small")
    drawn.savefig(path, dpi=120)


def main() -> int:
    """Prints and writes all figures; the result is the exit code."""
    wanted = os.environ.get("KINDS", "")
    found: dict[str, dict[int, float]] = {}
    missed: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        os.environ |= {
            "PRISTO_BASE_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
            "PRISTO_API_KEY": "not-a-secret",
            "PRISTO_POPULATION_ID": str(POPULATION),
        }
        folder = tempfile.TemporaryDirectory()
        try:
            for name, kind in KINDS.items():
                if wanted not in name:
                    continue
                costs = measure(kind, Path(folder.name))
                found[name] = costs
                shown = ", ".join(f"{count}: {cost:.3g}" for count, cost in costs.items())
                print(
                    f"{name}, CPU us each: {shown}; at most {growth(costs):.2f} times", flush=True
                )
                if growth(costs) > TARGET:
                    missed.append(f"flat cost of {name}")
        finally:
            server.kill()
            folder.cleanup()
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "curves.json").write_text(json.dumps(found, indent=2) + "\n")
    plot(found, REPORTS / "curves.png")
    print(f"written: {REPORTS / 'curves.json'}, {REPORTS / 'curves.png'}")
    for miss in missed:
        print(f"missed: {miss}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())

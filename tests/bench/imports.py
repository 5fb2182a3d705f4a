"""What an import costs a row, beside the loop that a user would write on the generated client, and beside raw aiohttp.

All read the same CSV and post to the same server, which runs in a process of its own. The import does everything: it reads, maps,
checks, sends, keeps its journal and writes its results. What counts is CPU time; blocks are interleaved, and the figures are
medians of the pairs' ratios. Then imports of growing size: CPU a row and peak memory of a fresh process.

Run it as ``python -m tests.bench.imports``; ``SIZES`` and ``PAIRS`` change how much of it. It writes ``reports/bench/imports.json``
and ``imports.png``, and fails where a target is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid5

from .wrappers import SERVE

PAIRS = int(os.environ.get("PAIRS", "15"))
SIZES = [int(each) for each in os.environ.get("SIZES", "1000,10000,100000,1000000").split(",")]
BLOCKS = {"import": 10000, "raw aiohttp": 10000, "user's loop": 1000}
FLIGHT = 64
AGAIN = 100_000  # rows of the import that is repeated
KEY, POPULATION = "not-a-secret", UUID("4b4fd4b2-7c6d-4e5a-9a9a-000000000001")
REPORTS = Path("reports/bench")
LOOP_TARGET, RAW_TARGET, GROWTH_TARGET, SERVER_TARGET = 0.1, 2.0, 1.2, 2.0


def write_rows(path: Path, count: int) -> None:
    """An input of so many contacts."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "email", "name", "last_name", "phone", "language"])
        for number in range(count):
            contact = uuid5(POPULATION, str(number))
            writer.writerow(
                [
                    contact,
                    f"user{number}@example.com",
                    "Ada",
                    "Lovelace",
                    f"+1202555{number % 10000:04}",
                    "en",
                ]
            )


def rows_of(path: Path, count: int) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from islice(csv.DictReader(file), count)


def imported(path: Path, count: int) -> None:
    """All of it, as the command does it."""
    from contact_apis.cli.app import app

    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        words = [
            "import",
            str(path),
            "--to",
            "pristo",
            "--limit",
            str(count),
            "--journal",
            f"{folder}/j",
            "--results",
            f"{folder}/r",
        ]
        code = app(words, standalone_mode=False)
    if code:
        raise RuntimeError(f"the import ended with {code}")


def looped(path: Path, count: int) -> None:
    """What somebody writes who has the generated client and an afternoon."""
    from pristo_client import Client
    from pristo_client.api.contacts import upsert_contact
    from pristo_client.models import Contact, ContactUpsertRequest

    async def run() -> None:
        slots = asyncio.Semaphore(FLIGHT)

        async def one(row: dict[str, str]) -> None:
            contact = Contact(
                UUID(row["id"]),
                row["email"],
                row["phone"],
                row["language"],
                name=row["name"],
                last_name=row["last_name"],
            )
            async with slots:
                answer = await upsert_contact.asyncio_detailed(
                    POPULATION, client=client, body=ContactUpsertRequest(contact)
                )
            if answer.status_code not in (200, 201):
                raise RuntimeError(answer.status_code)

        async with Client(
            base_url=os.environ["PRISTO_BASE_URL"], headers={"X-API-Key": KEY}
        ) as client:
            await asyncio.gather(*(one(row) for row in rows_of(path, count)))

    asyncio.run(run())


def raw(path: Path, count: int) -> None:
    """The least that aiohttp and orjson can be asked to do."""
    import aiohttp
    import orjson

    url = f"{os.environ['PRISTO_BASE_URL']}/v1/populations/{POPULATION}/contacts"
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}

    async def run() -> None:
        rows = rows_of(path, count)

        async def work() -> None:
            for row in rows:
                row["lastName"] = row.pop("last_name")
                async with session.post(
                    url, data=orjson.dumps({"contact": row}), headers=headers
                ) as answer:
                    orjson.loads(await answer.read())

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=FLIGHT)) as session:
            await asyncio.gather(*(work() for _ in range(FLIGHT)))

    asyncio.run(run())


KINDS: dict[str, Callable[[Path, int], None]] = {
    "import": imported,
    "user's loop": looped,
    "raw aiohttp": raw,
}


def serve_blocks(kind: str, path: Path) -> None:
    """In a process of its own: on each line of standard input a block, and its CPU and wall time a row in microseconds."""
    KINDS[kind](path, 200)
    for _ in sys.stdin:
        count = BLOCKS[kind]
        cpu, wall = time.process_time(), time.perf_counter()
        KINDS[kind](path, count)
        sys.stdout.write(
            json.dumps(
                [
                    (time.process_time() - cpu) / count * 1e6,
                    (time.perf_counter() - wall) / count * 1e6,
                ]
            )
            + "\n"
        )
        sys.stdout.flush()


def cpu_of(process: subprocess.Popen[str]) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare(path: Path, server: subprocess.Popen[str]) -> dict[str, float]:
    """Interleaved blocks of each kind: medians in microseconds a row, and the medians of the pairs' ratios."""
    children = {
        kind: subprocess.Popen(
            [sys.executable, "-m", "tests.bench.imports", "block", kind, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in KINDS
    }
    figures: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    served: list[float] = []
    for _ in range(PAIRS):
        for kind, child in children.items():
            before = cpu_of(server)
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("\n")
            child.stdin.flush()
            figures[kind].append(json.loads(child.stdout.readline()))
            if kind == "import":
                served.append((cpu_of(server) - before) / BLOCKS[kind] * 1e6)
    for child in children.values():
        child.communicate()
    medians = {kind: statistics.median(cpu for cpu, _ in each) for kind, each in figures.items()}

    def ratio(other: str) -> float:
        return statistics.median(
            ours[0] / theirs[0]
            for ours, theirs in zip(figures["import"], figures[other], strict=True)
        )

    return {
        **{f"{kind}, CPU us a row": value for kind, value in medians.items()},
        "import, rows a second": 1e6 / statistics.median(wall for _, wall in figures["import"]),
        "import to the user's loop": ratio("user's loop"),
        "import to raw aiohttp": ratio("raw aiohttp"),
        # How many times as many requests a second one core of the server could answer.
        "server to import": statistics.median(wall for _, wall in figures["import"])
        / statistics.median(served),
    }


def grow(path: Path, sizes: list[int]) -> list[dict[str, float]]:
    """Imports of growing size, each in a fresh process: CPU a row without the start, wall time a row, and peak memory."""
    found: list[dict[str, float]] = []
    start = 0.0
    for count in [1, *sizes]:
        with tempfile.TemporaryDirectory() as folder:
            words = [
                "import",
                str(path),
                "--to",
                "pristo",
                "--limit",
                str(count),
                "--journal",
                f"{folder}/j",
                "--results",
                f"{folder}/r",
            ]
            began = time.perf_counter()
            child = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "contact_apis", *words],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_WRONLY, 0) for each in (1, 2)
                ],
            )
            _, status, used = os.wait4(child, 0)
            wall = time.perf_counter() - began
            if count == AGAIN:
                began = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "contact_apis", *words], check=True, capture_output=True
                )
                print(
                    f"{count:>9} rows again, all of them skipped: {time.perf_counter() - began:.2f} s",
                    flush=True,
                )
        if status:
            raise RuntimeError(
                f"an import of {count} rows ended with {os.waitstatus_to_exitcode(status)}"
            )
        cpu = used.ru_utime + used.ru_stime
        if count == 1:
            start = cpu
            continue
        found.append(
            {
                "rows": count,
                "CPU us a row": (cpu - start) / count * 1e6,
                "wall us a row": wall / count * 1e6,
                "MB": used.ru_maxrss / 1024,
            }
        )
        print(
            f"{count:>9} rows: {found[-1]['CPU us a row']:.0f} us CPU a row, {found[-1]['MB']:.0f} MB at most",
            flush=True,
        )
    return found


def plot(figures: dict[str, float], growth: list[dict[str, float]], path: Path) -> None:
    """CPU a row of each kind, and what becomes of time and memory with size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawn, (bars, lines) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    drawn_bars = bars.barh(list(KINDS), [figures[f"{kind}, CPU us a row"] for kind in KINDS])
    bars.bar_label(drawn_bars, fmt="%.0f", padding=3)
    bars.set(xlabel="CPU a row, microseconds", title="64 in flight")
    bars.margins(x=0.15)
    sizes = [each["rows"] for each in growth]
    lines.plot(
        sizes,
        [each["CPU us a row"] for each in growth],
        marker="o",
        label="CPU a row, microseconds",
    )
    lines.plot(sizes, [each["MB"] for each in growth], marker="s", label="peak memory, MB")
    lines.set(xscale="log", xlabel="rows", ylim=(0, None), title="import, by size")
    lines.legend()
    drawn.savefig(path, dpi=120)


def main() -> int:
    """Prints and writes all figures; the result is the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "contacts.csv"
        write_rows(path, max(*SIZES, *BLOCKS.values()))
        body = {"contact": {"id": str(uuid5(POPULATION, "0")), "email": "user0@example.com"}}
        with subprocess.Popen(
            [sys.executable, "-c", SERVE.format(body=body)], stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            os.environ |= {
                "PRISTO_BASE_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
                "PRISTO_API_KEY": KEY,
                "PRISTO_POPULATION_ID": str(POPULATION),
            }
            try:
                figures = compare(path, server)
                for name, value in figures.items():
                    print(f"{name}: {value:.3g}", flush=True)
                growth = grow(path, SIZES)
            finally:
                server.kill()
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "imports.json").write_text(
        json.dumps({"figures": figures, "growth": growth}, indent=2) + "\n"
    )
    plot(figures, growth, REPORTS / "imports.png")
    print(f"written: {REPORTS / 'imports.json'}, {REPORTS / 'imports.png'}")
    missed = [
        *(
            ["a tenth of the user's loop"]
            if figures["import to the user's loop"] > LOOP_TARGET
            else []
        ),
        *(["twice raw aiohttp"] if figures["import to raw aiohttp"] > RAW_TARGET else []),
        *(
            ["a server that is fast enough to tell"]
            if figures["server to import"] < SERVER_TARGET
            else []
        ),
    ]
    sizes = {int(each["rows"]): each for each in growth}
    if {10_000, 1_000_000} <= sizes.keys():
        for name in ("CPU us a row", "MB"):
            grown = sizes[1_000_000][name] / sizes[10_000][name]
            print(f"{name}, a million rows to ten thousand: {grown:.2f}")
            if grown > GROWTH_TARGET:
                missed.append(f"flat {name}")
    for each in missed:
        print(f"missed: {each}")
    return int(bool(missed))


if __name__ == "__main__":
    if sys.argv[1:2] == ["block"]:
        serve_blocks(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())

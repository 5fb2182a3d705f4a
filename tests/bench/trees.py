"""What a call costs in this checkout beside another one: ``BASE=PATH python -m tests.bench.trees``, or ``make bench BASE=PATH``.

Each checkout runs in a process of its own, with the packages of this environment and the code of its own; both call the same server.
What counts is the CPU time of these processes, in blocks that take turns: the figures are medians of the pairs' ratios. It
fails where one kind of call is dearer here, by more than two runs of the same code differ.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from .wrappers import SERVE

PAIRS = int(os.environ.get("PAIRS", "21"))
NOISE = 1.03
KINDS = {"sync": 150, "async": 150, "bulk": 600, "import": 3000, "retainful": 3000}
"""The kinds of calls, and how many of each make a block; the last two are rows of whole imports, one kind for each API."""

WORK = """
import asyncio, contextlib, gc, json, os, sys, tempfile
from time import process_time
from uuid import UUID
from contact_apis import AsyncPristo, Pristo
url = sys.argv[1]
options = dict(api_key="not-a-secret", population_id=UUID(int=1), base_url=url)
fields = dict(email="ada@example.com", name="Ada", custom_fields={"tier": "gold"})
blocking, awaiting = Pristo(**options), AsyncPristo(**options)
runner = asyncio.Runner()
ids = [UUID(int=number, version=4) for number in range(1000)]
def run_sync(count):
    for each in ids[:count]:
        blocking.upsert_contact(id=each, **fields)
def run_async(count):
    async def block():
        for each in ids[:count]:
            await awaiting.upsert_contact(id=each, **fields)
    runner.run(block())
def run_bulk(count):
    states = [each.state for each in blocking.upsert_many([dict(id=each, **fields) for each in ids[:count]], concurrency=16)]
    assert states == ["updated"] * count, set(states)
os.environ |= {"PRISTO_BASE_URL": url, "PRISTO_API_KEY": "not-a-secret", "PRISTO_POPULATION_ID": str(UUID(int=1))}
os.environ |= {"RETAINFUL_BASE_URL": url, "RETAINFUL_API_KEY": "not-a-secret", "RETAINFUL_APP_ID": "app"}
def imported(count, header, row, *options):
    from contact_apis.cli import main
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        with open(folder + "/in.csv", "w") as file:
            file.write(header + "".join(row(number) for number in range(count)))
        sys.argv = ["contact-apis", "import", folder + "/in.csv", "--results", folder + "/results", *options]
        code = 0
        before = process_time()
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            try:
                main()
            except SystemExit as error:
                code = error.code
        assert not code, code
        return process_time() - before
def run_import(count):
    row = lambda number: f"{UUID(int=number, version=4)},user{number}@example.com,Ada,Lovelace,+1202555{number % 10000:04},en\\n"
    return imported(count, "id,email,name,last_name,phone,language\\n", row, "--to", "pristo")
def run_retainful(count):
    row = lambda number: f"user{number}@example.com,Ada,Lovelace,+1202555{number % 10000:04}\\n"
    options = [f"--set={each}" for each in ("listIds=a", "consent.createdAt=2024-03-21", "consent.ip=192.0.2.7", "consent.source=import", "subscribed=true")]
    return imported(count, "email,firstName,lastName,phone\\n", row, "--to", "retainful", *options)
for line in sys.stdin:
    kind, count = line.split()
    gc.collect()
    before = process_time()
    own = globals()["run_" + kind](int(count))
    print(own or process_time() - before, flush=True)
"""


class Checkout:
    """A process that makes calls with the code of one checkout."""

    def __init__(self, path: Path, url: str) -> None:
        code = os.pathsep.join(str(path / each) for each in ("contrib", "generated"))
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORK, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": code},
        )

    def block(self, kind: str) -> float:
        """CPU milliseconds for each call of a block."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{kind} {KINDS[kind]}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline()) / KINDS[kind] * 1000

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def compared(base: Path, url: str) -> list[str]:
    """Prints a table; gives back what is dearer here."""
    trees = {"base": Checkout(base, url), "here": Checkout(Path(__file__).parents[2], url)}
    dearer: list[str] = []
    try:
        for kind in KINDS:
            times: dict[str, list[float]] = {name: [] for name in trees}
            for number in range(PAIRS + 1):
                turn = list(trees) if number % 2 else list(reversed(trees))
                for name in turn:
                    times[name].append(trees[name].block(kind))
            pairs = zip(
                times["here"][1:], times["base"][1:], strict=True
            )  # the first of each is thrown away
            ratio = statistics.median(mine / theirs for mine, theirs in pairs)
            medians = {name: statistics.median(each[1:]) for name, each in times.items()}
            print(
                f"  {kind:6} base {medians['base']:6.3f} ms a call, here {medians['here']:6.3f}; here / base {ratio:5.2f}"
            )
            if ratio > NOISE:
                dearer.append(f"{kind}: a call is {ratio:.2f} times as dear as in BASE")
    finally:
        for each in trees.values():
            each.close()
    return dearer


def main() -> int:
    """Runs everything; the number of kinds of calls that are dearer."""
    named = os.environ.get("BASE", "")
    if not (named and (Path(named) / "contrib/contact_apis").is_dir()):
        print(
            "bench: BASE must name another checkout of this project, such as one made with git worktree add"
        )
        return 2
    server = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        print(f"this checkout beside BASE: CPU of the client, medians of {PAIRS} interleaved pairs")
        dearer = compared(Path(named).resolve(), url)
    finally:
        server.terminate()
        server.wait()
    print(json.dumps({"dearer": dearer}))
    return len(dearer)


if __name__ == "__main__":
    sys.exit(main())

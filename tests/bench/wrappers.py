"""What a call through the wrapper costs, beside the generated function, raw httpx and the client of ``openai``.

All post the same body to the same server, which runs in a process of its own, over one connection; what counts is the CPU time of
this process. Blocks are interleaved, and the figures are medians of the pairs' ratios. ``openai`` stands for the clients
that Stainless generates.

Run it as ``python -m tests.bench.wrappers``; it fails where a target of the design is missed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from time import process_time
from uuid import UUID

import httpx
import openai

from contact_apis import AsyncPristo, Pristo
from pristo_client import Client
from pristo_client.api.contacts import upsert_contact
from pristo_client.models import Contact, ContactCustomFields, ContactUpsertRequest

PAIRS = int(os.environ.get("PAIRS", "21"))
CALLS = 150  # in a block
STARTS = 15  # of an interpreter, for the price of an import
TARGETS = {
    ("wrapper", "raw httpx", "sync"): 1.1,
    ("wrapper", "raw httpx", "async"): 1.1,
    ("wrapper", "openai", "sync"): 0.8,
}
IMPORT_TARGET = 1.4

ID = UUID("0d6c34f5-5b0f-5a4e-8d2b-c0a7ac750000")
KEY = "not-a-secret"
BODY = {
    "contact": {
        "id": str(ID),
        "email": "ada@example.com",
        "name": "Ada",
        "customFields": {"tier": "gold"},
    }
}

# Answers with what it was sent: a contact that fits, under the id that was asked for.
SERVE = """
import asyncio
class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.left = transport, b""
    def data_received(self, data):
        self.left += data
        head, end, rest = self.left.partition(b"\\r\\n\\r\\n")
        if end:
            size = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
            if len(rest) >= size:
                self.left = rest[size:]
                answer = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % size
                self.transport.write(answer + rest[:size])
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def blocking(url: str) -> dict[str, Callable[[], object]]:
    """One call of each kind."""
    raw = httpx.Client(base_url=url, headers={"X-API-Key": KEY})
    generated = Client(base_url=url, headers={"X-API-Key": KEY})
    wrapper = Pristo(api_key=KEY, population_id=ID, base_url=url)
    stainless = openai.OpenAI(api_key=KEY, base_url=url)
    path = f"/v1/contacts/save/{ID}"

    def through_httpx() -> object:
        response = raw.post(path, json=BODY)
        response.raise_for_status()
        return response.json()

    return {
        "raw httpx": through_httpx,
        "generated": lambda: (
            upsert_contact.sync_detailed(ID, client=generated, body=model()).parsed
        ),
        "wrapper": lambda: wrapper.upsert_contact(
            id=ID, email="ada@example.com", name="Ada", custom_fields={"tier": "gold"}
        ),
        "openai": lambda: stainless.post(path, body=BODY, cast_to=Stainless),
    }


def awaiting(url: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """One call of each kind, to be awaited."""
    raw = httpx.AsyncClient(base_url=url, headers={"X-API-Key": KEY})
    generated = Client(base_url=url, headers={"X-API-Key": KEY})
    wrapper = AsyncPristo(api_key=KEY, population_id=ID, base_url=url)
    stainless = openai.AsyncOpenAI(api_key=KEY, base_url=url)
    path = f"/v1/contacts/save/{ID}"

    async def through_httpx() -> object:
        response = await raw.post(path, json=BODY)
        response.raise_for_status()
        return response.json()

    return {
        "raw httpx": through_httpx,
        "generated": lambda: upsert_contact.asyncio_detailed(ID, client=generated, body=model()),
        "wrapper": lambda: wrapper.upsert_contact(
            id=ID, email="ada@example.com", name="Ada", custom_fields={"tier": "gold"}
        ),
        "openai": lambda: stainless.post(path, body=BODY, cast_to=Stainless),
    }


class Stainless(openai.BaseModel):
    """The answer, as the ``openai`` client parses it."""

    contact: dict[str, object]


def model() -> ContactUpsertRequest:
    """The body, built anew for each call, as a caller would."""
    fields = ContactCustomFields.from_dict({"tier": "gold"})
    return ContactUpsertRequest(
        contact=Contact(id=ID, email="ada@example.com", name="Ada", custom_fields=fields)
    )


def timed(calls: Callable[[], object]) -> float:
    """CPU seconds of this process for a block."""
    gc.collect()
    before = process_time()
    calls()
    return process_time() - before


def measure(kinds: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Milliseconds a call, a list of blocks for each kind; the first block of each is thrown away."""
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(PAIRS + 1):
        for name, block in kinds.items():
            found[name].append(timed(block) / CALLS * 1000)
    return {name: times[1:] for name, times in found.items()}


def report(title: str, times: dict[str, list[float]]) -> list[str]:
    """Prints a table; gives back the targets that were missed."""
    missed = []
    print(f"\n{title}: CPU of the client, medians of {PAIRS} interleaved blocks of {CALLS} calls")
    for name, blocks in times.items():
        print(f"  {name:10} {statistics.median(blocks):6.3f} ms a call")
    for other in ("raw httpx", "generated", "openai"):
        ratio = statistics.median(
            mine / theirs for mine, theirs in zip(times["wrapper"], times[other], strict=True)
        )
        target = TARGETS.get(("wrapper", other, title))
        print(f"  wrapper / {other:10} {ratio:5.2f}" + (f"   (target {target})" if target else ""))
        if target and ratio > target:
            missed.append(f"{title}: wrapper / {other} is {ratio:.2f}, above {target}")
    return missed


def imports() -> list[str]:
    """Prints what importing costs, in CPU time of fresh interpreters, interpreter included on no side."""
    statements = {
        "nothing": "pass",
        "httpx, attrs": "import httpx, attrs",
        "contact_apis": "from contact_apis import Pristo",
        "openai": "from openai import OpenAI",
    }
    found: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(STARTS + 1):
        for name, statement in statements.items():
            before = os.times()
            subprocess.run([sys.executable, "-c", statement], check=True)
            after = os.times()
            found[name].append(
                (
                    after.children_user
                    + after.children_system
                    - before.children_user
                    - before.children_system
                )
                * 1000
            )
    base = statistics.median(found["nothing"])
    cost = {name: statistics.median(times[1:]) - base for name, times in found.items()}
    ratio, theirs = (
        cost["contact_apis"] / cost["httpx, attrs"],
        cost["openai"] / cost["httpx, attrs"],
    )
    print(
        f"\nimport: httpx, attrs {cost['httpx, attrs']:.0f} ms; from contact_apis import Pristo {cost['contact_apis']:.0f} ms"
    )
    print(f"  ratio {ratio:5.2f}   (target {IMPORT_TARGET}); openai {theirs:.2f}")
    return [f"import ratio is {ratio:.2f}, above {IMPORT_TARGET}"] if ratio > IMPORT_TARGET else []


def memory(url: str) -> None:
    """Prints what one more client takes, unused and after a call; the first pays what all share."""

    def client() -> Pristo:
        return Pristo(api_key=KEY, population_id=ID, base_url=url)

    def used() -> Pristo:
        made = client()
        made.upsert_contact(id=ID)
        return made

    used().close()
    for name, make in (("unused", client), ("after a call", used)):
        gc.collect()
        tracemalloc.start()
        kept = [make() for _ in range(20)]
        size = tracemalloc.get_traced_memory()[0] / len(kept) / 1024
        tracemalloc.stop()
        print(f"  one more client, {name}: {size:.0f} KiB")
        for each in kept:
            each.close()


def main() -> int:
    """Runs everything; the number of missed targets."""
    server = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        calls = blocking(url)
        missed = report("sync", measure({name: _repeated(call) for name, call in calls.items()}))
        with asyncio.Runner() as runner:
            pending = awaiting(url)
            missed += report(
                "async", measure({name: _awaited(runner, call) for name, call in pending.items()})
            )
        missed += imports()
        print("\nmemory")
        memory(url)
    finally:
        server.terminate()
        server.wait()
    print("\n" + json.dumps({"missed": missed}))
    return len(missed)


def _repeated(call: Callable[[], object]) -> Callable[[], None]:
    def block() -> None:
        for _ in range(CALLS):
            call()

    return block


def _awaited(runner: asyncio.Runner, call: Callable[[], Awaitable[object]]) -> Callable[[], None]:
    async def block() -> None:
        for _ in range(CALLS):
            await call()

    return lambda: runner.run(block())


if __name__ == "__main__":
    sys.exit(main())

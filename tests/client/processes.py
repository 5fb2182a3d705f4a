"""What a user's process does with a client, each as a program of its own: ``python -m tests.client.processes NAME URL COUNT``.

Each prints one JSON object with what it saw.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any
from uuid import UUID, uuid4

import httpx

from contact_apis import AsyncPristo, ContactAPIError, Pristo, PristoResult

from .kinds import KEYS

Seen = dict[str, Any]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 # names alone, at once


def threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 # names alone, at once


def same(result: PristoResult, wanted: UUID) -> bool:
    return result.contact is not None and result.contact.id == wanted


def ended(child: int, seconds: float) -> int | None:
    """The exit code of a child; ``None`` where it does not end in time and is killed."""
    for _ in range(int(seconds / 0.02)):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def calls_of_a_child(pristo: Pristo, count: int) -> int:
    """Blocking and awaited calls and many at once, by the parent's client; the exit code."""
    for _ in range(count):
        wanted = uuid4()
        if not same(pristo.upsert_contact(id=wanted), wanted):
            return 1
    return (
        0
        if all(
            each.state == "created"
            for each in pristo.upsert_many([{"id": uuid4()} for _ in range(count)], concurrency=2)
        )
        else 2
    )


async def awaited_calls_of_a_child(pristo: AsyncPristo, count: int) -> int:
    for _ in range(count):
        wanted = uuid4()
        if not same(await pristo.upsert_contact(id=wanted), wanted):
            return 3
    return 0


def busy(pristo: Pristo, stop: threading.Event, wrong: list[str]) -> None:
    """Calls until it is stopped."""
    while not stop.is_set():
        wanted = uuid4()
        try:
            if not same(pristo.upsert_contact(id=wanted), wanted):
                wrong.append("mixed up")
        except ContactAPIError as error:
            wrong.append(str(error))


async def busy_awaiting(pristo: AsyncPristo, stop: threading.Event, wrong: list[str]) -> None:
    while not stop.is_set():
        wanted = uuid4()
        try:
            if not same(await pristo.upsert_contact(id=wanted), wanted):
                wrong.append("mixed up")
        except ContactAPIError as error:
            wrong.append(str(error))


def children(url: str, count: int) -> Seen:
    """A parent whose threads call all the time forks at random moments; its children use the same clients."""
    pristo, awaiting = (
        Pristo(base_url=url, timeout=10, max_retries=0, **KEYS["pristo"]),
        AsyncPristo(base_url=url, **KEYS["pristo"]),
    )
    list(pristo.upsert_many([{"id": uuid4()}]))  # loads what it needs once, and not in each child
    wrong: list[str] = []
    stop = threading.Event()
    works = (
        lambda: busy(pristo, stop, wrong),
        lambda: busy(pristo, stop, wrong),
        lambda: asyncio.run(busy_awaiting(awaiting, stop, wrong)),
    )
    workers = [threading.Thread(target=each) for each in works]
    for each in workers:
        each.start()
    codes: list[int | None] = []
    for _ in range(count):
        time.sleep(random.random() * 0.02)
        child = os.fork()
        if child == 0:
            code = 9
            faulthandler.dump_traceback_later(20)
            try:
                code = calls_of_a_child(pristo, 3) or asyncio.run(
                    awaited_calls_of_a_child(awaiting, 3)
                )
            finally:
                os._exit(code)
        codes.append(ended(child, 30))
    stop.set()
    for each in workers:
        each.join(30)
    return {"codes": codes, "wrong": wrong, "alive": [each.is_alive() for each in workers]}


def siblings(url: str, count: int) -> Seen:
    """A client that was used before the forks, and then by all children at once."""
    pristo = Pristo(base_url=url, timeout=5, max_retries=0, **KEYS["pristo"])
    pristo.upsert_contact(id=uuid4())
    started: list[int] = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            code = 9
            try:
                code = 0
                for _ in range(count):
                    wanted = uuid4()
                    code = code if same(pristo.upsert_contact(id=wanted), wanted) else 1
            finally:
                os._exit(code)
        started.append(child)
    wanted = uuid4()
    return {
        "codes": [ended(each, 60) for each in started],
        "parent": same(pristo.upsert_contact(id=wanted), wanted),
    }


def fork_amid_many(url: str, count: int) -> Seen:
    """A fork while outcomes are being taken: the child is told that they are not its own, and ends."""
    pristo = Pristo(base_url=url, **KEYS["pristo"])
    outcomes = pristo.upsert_many(({"id": uuid4()} for _ in range(count)), concurrency=4)
    next(outcomes)
    child = os.fork()
    if child == 0:
        try:
            next(outcomes)
        except ContactAPIError as error:
            sys.exit(
                7 if "process" in str(error) else 8
            )  # as a program ends, with all that is left to be finalized
        sys.exit(6)
    code = ended(child, 20)
    return {"code": code, "states": sorted({each.state for each in outcomes}), "threads": threads()}


class _Slow:
    """Has the import of one module take long, as on a slow disk."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        self.begun = threading.Event()

    def find_spec(self, name: str, _path: object, _target: object = None) -> None:
        if name == self.name:
            self.begun.set()
            time.sleep(self.seconds)


def fork_amid_loading(url: str, _: int) -> Seen:
    """A fork while a thread of the parent loads what ``upsert_many`` needs; the child needs it too."""
    pristo = Pristo(base_url=url, timeout=10, max_retries=0, **KEYS["pristo"])
    slow = _Slow("aiohttp", 1.0)
    sys.meta_path.insert(0, slow)
    outcomes: list[str] = []
    thread = threading.Thread(
        target=lambda: outcomes.extend(each.state for each in pristo.upsert_many([{"id": uuid4()}]))
    )
    thread.start()
    slow.begun.wait(60)
    child = os.fork()
    if child == 0:
        code = 9
        try:
            code = calls_of_a_child(pristo, 1)
        finally:
            os._exit(code)
    found = ended(child, 20)
    thread.join(20)
    return {"code": found, "states": outcomes}


def modules_of_a_call(url: str, _: int) -> Seen:
    """What first calls load after their clients were made: by name of the host, refused and successful."""
    loaded: list[str] = []
    for address in (url, url.replace("127.0.0.1", "localhost"), "https://localhost:1"):
        for kind in (Pristo, AsyncPristo):
            client = kind(base_url=address, timeout=10, max_retries=0, **KEYS["pristo"])
            before = set(sys.modules)
            with suppress(ContactAPIError):
                if isinstance(client, AsyncPristo):
                    asyncio.run(client.upsert_contact(id=uuid4()))
                else:
                    client.upsert_contact(id=uuid4())
            loaded += sorted(set(sys.modules) - before)
    return {"loaded": loaded}


def lent(url: str, _: int) -> Seen:
    """A client of the caller's that was used before a fork."""
    with httpx.Client() as mine:
        pristo = Pristo(base_url=url, http_client=mine, **KEYS["pristo"])
        pristo.upsert_contact(id=uuid4())
        child = os.fork()
        if child == 0:
            try:
                pristo.upsert_contact(id=uuid4())
            except ContactAPIError as error:
                os._exit(7 if "http_client" in str(error) else 8)
            os._exit(6)
        return {"code": ended(child, 20)}


def loops(url: str, count: int) -> Seen:
    """One client under one event loop after another."""
    pristo = AsyncPristo(base_url=url, **KEYS["pristo"])

    async def once() -> bool:
        wanted = uuid4()
        return same(await pristo.upsert_contact(id=wanted), wanted)

    def closed_rudely() -> bool:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(once())
        finally:
            loop.close()

    right = 0
    early: list[int] = []
    for number in range(count):
        right += asyncio.run(once()) if number % 4 else closed_rudely()
        if number == 20:
            early = [descriptors(), threads()]
    return {"right": right, "early": early, "late": [descriptors(), threads()]}


def no_descriptors(url: str, _: int) -> Seen:
    """Calls where no descriptor is left."""
    pristo, awaiting = (
        Pristo(base_url=url, max_retries=0, **KEYS["pristo"]),
        AsyncPristo(base_url=url, max_retries=0, **KEYS["pristo"]),
    )
    said: Seen = {}
    with asyncio.Runner() as runner:
        runner.get_loop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        taken = []
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        uses: dict[str, Callable[[], object]] = {
            "sync": lambda: pristo.upsert_contact(id=uuid4()),
            "async": lambda: runner.run(awaiting.upsert_contact(id=uuid4())),
            "many": lambda: list(pristo.upsert_many([{"id": uuid4()}])),
        }
        for name, use in uses.items():
            try:
                said[name] = [False, repr(use())]
            except ContactAPIError as error:
                said[name] = [True, str(error)]
            except BaseException as error:  # noqa: BLE001 # what must not happen is reported
                said[name] = [False, repr(error)]
        for each in taken:
            os.close(each)
        said["after"] = [same(pristo.upsert_contact(id=each), each) for each in [uuid4()]]
    return said


def cancellations(url: str, count: int) -> Seen:
    """Calls that are cancelled at random awaits, in three ways; afterwards all sixteen connections are there."""
    import anyio

    async def run() -> Seen:
        pristo = AsyncPristo(base_url=url, timeout=10, max_retries=0, **KEYS["pristo"])
        wrong = 0

        async def one() -> None:
            nonlocal wrong
            wanted = uuid4()
            if not same(await pristo.upsert_contact(id=wanted), wanted):
                wrong += 1

        async def cut(number: int) -> None:
            after = random.random() * 0.01
            if number % 3 == 0:
                task = asyncio.ensure_future(one())
                for _ in range(random.randrange(30)):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and task.exception() is not None:
                    wrong_kinds.append(repr(task.exception()))
            elif number % 3 == 1:
                with suppress(TimeoutError):
                    async with asyncio.timeout(after):
                        await one()
            else:
                with anyio.move_on_after(after):
                    await one()

        wrong_kinds: list[str] = []
        await one()
        for first in range(0, count, 24):
            await asyncio.gather(*(cut(each) for each in range(first, min(count, first + 24))))
        await asyncio.sleep(0.05)
        before = descriptors()
        started = time.monotonic()
        async with asyncio.timeout(20):
            await asyncio.gather(*(one() for _ in range(64)))
        await pristo.close()
        await asyncio.sleep(0.05)
        return {
            "wrong": wrong,
            "kinds": wrong_kinds,
            "seconds": time.monotonic() - started,
            "left": before,
            "closed": descriptors(),
            "tasks": len(asyncio.all_tasks()),
        }

    return asyncio.run(run())


class Interrupt(Exception):  # what a handler raises, such as Celery's SoftTimeLimitExceeded
    """An interruption by a signal."""


def _raise(_: int, __: FrameType | None) -> None:
    raise Interrupt


def all_at_once(one: Callable[[], None], wrong: list[str]) -> int:
    """Needs every connection at the same time; how many calls hang."""
    places = threading.Barrier(16)

    def call() -> None:
        places.wait(10)
        try:
            one()
        except ContactAPIError as error:
            wrong.append(str(error))

    workers = [threading.Thread(target=call, daemon=True) for _ in range(16)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(20)
    return sum(each.is_alive() for each in workers)


def interruptions(url: str, count: int) -> Seen:
    """Calls that a signal handler interrupts at random moments; threads call all the while, and need all connections."""
    pristo = Pristo(base_url=url, timeout=10, max_retries=0, **KEYS["pristo"])
    signal.signal(signal.SIGALRM, _raise)
    wrong: list[str] = []
    kept: list[Interrupt] = []  # with their frames
    interrupted = 0

    def one() -> None:
        wanted = uuid4()
        if not same(pristo.upsert_contact(id=wanted), wanted):
            wrong.append("mixed up")

    started = time.perf_counter()
    for _ in range(50):
        one()
    took = (time.perf_counter() - started) / 50
    while interrupted < count:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(0.00001, random.random() * 1.2 * took))
            one()
            while True:
                time.sleep(0.01)
        except Interrupt as error:
            interrupted += 1
            if len(kept) < 200:
                kept.append(error)
        except ContactAPIError as error:
            wrong.append(str(error))
    hung = all_at_once(one, wrong)
    kept.clear()
    return {"interrupted": interrupted, "wrong": wrong[:5], "hung": hung, "left": descriptors()}


def interrupted_many(url: str, count: int) -> Seen:
    """The same for ``upsert_many``."""
    pristo = Pristo(base_url=url, timeout=10, max_retries=0, **KEYS["pristo"])
    signal.signal(signal.SIGALRM, _raise)

    def people() -> Iterator[dict[str, Any]]:
        for _ in range(20):
            yield {"id": uuid4()}

    interrupted = 0
    for number in range(count):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + random.random() * 0.03)
            for _ in pristo.upsert_many(people(), concurrency=4):
                pass
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupt:
            interrupted += 1
        if number == 10:
            early = [descriptors(), threads()]
    time.sleep(0.3)
    return {
        "interrupted": interrupted,
        "early": early,
        "late": [descriptors(), threads()],
        "ended": sum(1 for _ in pristo.upsert_many(people())),
    }


def memory() -> int:
    """KiB of this process that are in memory."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 # no file
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Mixture:
    """Calls of all kinds by the same two clients."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {"base_url": url, "timeout": 5, "max_retries": 1}
        self.pristo, self.awaiting = (
            Pristo(**options, **KEYS["pristo"]),
            AsyncPristo(**options, **KEYS["pristo"]),
        )
        self.made = self.failed = 0
        self.wrong: list[str] = []

    def count(self, result: PristoResult | ContactAPIError, wanted: UUID) -> None:
        """Takes note of what came of a call."""
        self.made += 1
        if isinstance(result, ContactAPIError):
            self.failed += 1
        elif not same(result, wanted):
            self.wrong.append("mixed up")

    def blocking(self) -> None:
        for _ in range(100):
            wanted = uuid4()
            try:
                self.count(self.pristo.upsert_contact(id=wanted), wanted)
            except ContactAPIError as error:
                self.count(error, wanted)

    async def one(self) -> None:
        wanted = uuid4()
        try:
            self.count(await self.awaiting.upsert_contact(id=wanted), wanted)
        except ContactAPIError as error:
            self.count(error, wanted)

    async def awaited(self) -> None:
        await asyncio.gather(*(self.one() for _ in range(90)))
        cut = [asyncio.ensure_future(self.one()) for _ in range(10)]
        for _ in range(random.randrange(30)):
            await asyncio.sleep(0)
        for each in cut:
            each.cancel()
        await asyncio.wait(cut)

    def many(self) -> None:
        for each in self.pristo.upsert_many([{"id": uuid4()} for _ in range(200)], concurrency=16):
            self.made += 1
            self.failed += not each.succeeded

    def forked(self) -> None:
        child = os.fork()
        if child == 0:
            code = 9
            try:
                self.blocking()
                code = len(self.wrong)
            finally:
                os._exit(code)
        if ended(child, 60) != 0:
            self.wrong.append("a child")


def everything(url: str, count: int) -> Seen:
    """Blocking and awaited calls and many at once in turns, against a service with faults, with cancellations and forks among them."""
    mixture = Mixture(url)
    marks: list[list[int]] = []
    rounds = 0
    while mixture.made < count:
        rounds += 1
        mixture.blocking()
        asyncio.run(mixture.awaited())
        mixture.many()
        if rounds % 5 == 0:
            mixture.forked()
        if mixture.made >= count * (len(marks) + 1) / 20:
            gc.collect()
            marks.append([memory(), descriptors(), threads()])
    return {
        "made": mixture.made,
        "failed": mixture.failed,
        "wrong": mixture.wrong[:5],
        "marks": marks,
    }


PROGRAMS: dict[str, Callable[[str, int], Seen]] = {
    each.__name__: each
    for each in (
        children,
        siblings,
        fork_amid_many,
        fork_amid_loading,
        modules_of_a_call,
        lent,
        loops,
        no_descriptors,
        cancellations,
        interruptions,
        interrupted_many,
        everything,
    )
}

if __name__ == "__main__":
    name, url, count = sys.argv[1:]
    sys.stdout.write(json.dumps(PROGRAMS[name](url, int(count))) + "\n")

"""Responses that are too much, in every part that a response has; and a program that meets them and tells how much memory it took.

Run as a program it makes calls to the addresses that come in on standard input, one a line with a name before it, and prints after each
how much the peak of its memory has grown since its first, well-behaved ones.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid5

from contact_apis import ContactAPIError

from .hostile import Action, answer, flood, send
from .kinds import CLASSES, ID, KEYS

FULL = 1 << 18  # bytes; the bound of the client


def _bomb(layers: int) -> bytes:
    """A hundred megabytes of blanks, compressed as often as it is said."""
    packer = zlib.compressobj(wbits=31)
    data = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(100)) + packer.flush()
    return data if layers == 1 else gzip.compress(data)


def _chunked(data: bytes) -> bytes:
    return (
        b"".join(
            b"%x\r\n" % len(each) + each + b"\r\n"
            for each in (data[at : at + 999] for at in range(0, len(data), 999))
        )
        + b"0\r\n\r\n"
    )


def sizes() -> Mapping[str, Action]:
    """The hostile responses, by name."""
    once, twice = _bomb(1), _bomb(2)
    found: dict[str, Action] = {}
    for status in (200, 201, 400, 500):
        head = f"HTTP/1.1 {status} X\r\n".encode()
        for name, encoding, data in (
            ("gzip", "gzip", once),
            ("gzip in gzip", "gzip, gzip", twice),
            ("gzip in gzip, said once", "gzip", twice),
            (
                "gzip in three headers",
                "gzip\r\nContent-Encoding: gzip\r\nContent-Encoding: deflate",
                twice,
            ),
            ("brotli", "br", b"\x5b" + b"x" * 1000),
            ("zstd", "zstd", b"\x28\xb5\x2f\xfd" + b"x" * 1000),
        ):
            found[f"{status} {name}"] = send(
                answer(status, data, f"Content-Encoding: {encoding}\r\n")
            )
        found[f"{status} gzip in chunks"] = send(
            head + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunked(once)
        )
        found[f"{status} without end"] = flood(head + b"\r\n")
        found[f"{status} a terabyte"] = flood(head + b"Content-Length: 1000000000000\r\n\r\n")
        found[f"{status} chunks without end"] = flood(
            head + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n" * 10_000
        )
        found[f"{status} a chunk's extension"] = flood(
            head + b"Transfer-Encoding: chunked\r\n\r\n1;x="
        )
        found[f"{status} trailers"] = flood(
            head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 10_000
        )
        for name, body in (
            ("deep", b"[" * FULL),
            ("deep objects", b'{"a":' * (FULL // 5)),
            ("empty lists", b"[" + b"[]," * (FULL // 3 - 3) + b"1]"),
            ("empty objects", b"[" + b"{}," * (FULL // 3 - 3) + b"1]"),
            ("long number", b"1" * FULL),
            ("text", b'{"message":"' + b"a" * (FULL - 99) + b'"}'),
            ("escapes", rb'{"error":{"message":"' + rb"\u20ac" * (FULL // 6 - 9) + b'"}}'),
            (
                "members",
                b"{" + b",".join(b'"%x":0' % number for number in range(FULL // 10)) + b"}",
            ),
            (
                "members of a contact",
                b'{"contact":{'
                + b",".join(b'"%x":0' % number for number in range(FULL // 10))
                + b"}}",
            ),
        ):
            found[f"{status} {name}"] = send(
                answer(status, body, "Content-Type: application/json\r\n")
            )
    found["reason"] = flood(b"HTTP/1.1 200 ")
    found["a header"] = flood(b"HTTP/1.1 200 OK\r\nX: ")
    found["a header's name"] = flood(b"HTTP/1.1 200 OK\r\nX")
    found["headers"] = flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000)
    found["folded header"] = flood(b"HTTP/1.1 200 OK\r\nX: y\r\n", b" z\r\n" * 10_000)
    found["interim responses"] = flood(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 2_000)
    found["large interim responses"] = flood(
        b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 4000 + b"\r\n\r\n"
    )
    found["blank lines"] = flood(b"", b"\r\n" * 10_000)
    found["nothing of HTTP"] = flood(b"", b"\x00" * 65536)
    return found


def peak() -> int:
    """The most memory that this process has had, in KB."""
    return next(
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text("ascii").splitlines()
        if line.startswith("VmHWM")
    )


def _calls(kind: str, url: str) -> None:
    """Calls of a kind: one alone, or sixty-four at once."""
    options = {"base_url": url, "max_retries": 0, "total_timeout": 1.0, **KEYS["pristo"]}
    contacts = [{"id": uuid5(UUID(ID), str(number))} for number in range(64)]

    async def awaited() -> None:
        async with CLASSES["pristo", "async"](**options) as client:
            if kind == "async":
                await asyncio.gather(
                    *(client.upsert_contact(**each) for each in contacts[:16]),
                    return_exceptions=True,
                )
            else:
                assert len([each async for each in client.upsert_many(contacts)]) == 64

    if kind != "sync":
        asyncio.run(awaited())
        return
    with CLASSES["pristo", "sync"](**options) as client, suppress(ContactAPIError):
        client.upsert_contact(**contacts[0])


def main() -> None:
    kind = sys.argv[1]
    before = 0
    for line in sys.stdin:
        name, _, url = line.strip().rpartition(" ")
        for _ in range(3 if not before else 1):
            _calls(kind, url)
        before = before or peak()
        sys.stdout.write(f"{name}\t{peak() - before}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""However much a service sends, a client takes little memory for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from .hostile import Action, Hostile, answer
from .hostile_sizes import peak, sizes
from .kinds import GOOD, ID, KEYS

MOST = 32 * 1024  # KB
ALL = "HOSTILE_SIZES" in os.environ  # `make soak` sets it
SHORT = {
    "well-behaved",
    *(
        f"200 {each}"
        for each in (
            "gzip",
            "gzip in gzip",
            "gzip in chunks",
            "without end",
            "a terabyte",
            "trailers",
            "deep",
            "empty lists",
        )
    ),
    *(f"400 {each}" for each in ("gzip", "brotli", "without end", "text", "members")),
    *("reason", "a header", "headers", "interim responses"),
}

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="a process's peak is read from /proc"
)


@pytest.mark.parametrize("kind", ["sync", "async", "many"])
def test_no_response_takes_much_memory(kind: str) -> None:
    """Bombs, floods and nesting, in the body and before it, with every status: at most 32 MB above the client's own peak."""
    program = [sys.executable, "-m", "tests.client.hostile_sizes", kind]
    cases: dict[str, Action | bytes] = {"well-behaved": answer(200, GOOD["pristo"]), **sizes()}
    grown: dict[str, int] = {}
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name, action in cases.items():
            if ALL or name in SHORT:
                with Hostile(action) as service:
                    process.stdin.write(f"{name} {service.url}\n")
                    process.stdin.flush()
                    told, _, size = process.stdout.readline().rpartition("\t")
                assert told == name
                grown[name] = int(size)
        process.stdin.close()
    assert process.returncode == 0
    assert max(grown.values()) <= MOST, grown


PROGRAM = """
import sys
from contact_apis.cli import main
from tests.client.hostile_sizes import peak
try:
    main()
finally:
    sys.stdout.write(f"{peak()}\\n")
"""


def test_an_import_takes_little_memory(tmp_path: Path) -> None:
    """The same holds for an import, each of whose rows meets another of them."""
    actions = [
        action
        for name, action in sizes().items()
        if name.startswith("200") or not name[0].isdigit()
    ]
    peaks: list[int] = []
    for script in ([answer(200, GOOD["pristo"])], actions):
        file = tmp_path / f"{len(script)}.csv"
        file.write_text(
            "id\n" + "".join(f"{uuid5(UUID(ID), str(number))}\n" for number in range(len(actions))),
            "utf-8",
        )
        with Hostile(*script) as service:
            settings = {
                "PRISTO_API_KEY": KEYS["pristo"]["api_key"],
                "PRISTO_POPULATION_ID": KEYS["pristo"]["population_id"],
            }
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    PROGRAM,
                    "import",
                    str(file),
                    "--to",
                    "pristo",
                    "--max-retries",
                    "0",
                    "--timeout",
                    "1",
                ],
                env={**os.environ, **settings, "PRISTO_BASE_URL": service.url},
                capture_output=True,
                text=True,
                check=False,
            )
        assert "Traceback" not in done.stderr
        assert f"{len(actions)} rows" in done.stdout
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] <= MOST


def test_the_peak_is_seen() -> None:
    """What these tests measure grows with what is used."""
    before = peak()
    assert len(bytes(64 << 20)) == 64 << 20
    assert peak() >= before

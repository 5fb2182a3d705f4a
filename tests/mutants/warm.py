"""Runs of the suite forked from a process that has imported everything, for tests that need hundreds of them.

``python -m tests.mutants.warm`` reads the variables of a run from each line of its input, a JSON object, and writes its exit
code and what it printed, a JSON object as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.mutants.matrix import FORK, ROOT, run_suite, warm_up


class WarmSuite:
    """The warm process, and the way to ask it for a run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """One run as ``python -m tests.contract`` does it, with these variables and those that a process needs."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(dict(variables)) + "\n")
        self.process.stdin.flush()
        ended = json.loads(self.process.stdout.readline())
        return subprocess.CompletedProcess(
            ["tests.contract"], ended["code"], stdout=ended["said"], stderr=""
        )


@contextmanager
def warm_suite() -> Iterator[WarmSuite]:
    """Starts the warm process, and ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.mutants.warm"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield WarmSuite(process)
    finally:
        process.communicate(timeout=60)


def _exit_with_code(variables: dict[str, str], said: str) -> None:
    os._exit(run_suite(variables, said))


def main() -> None:
    """Serves runs, one after the other, until its input ends."""
    warm_up()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder, "said")
        for line in sys.stdin:
            process = FORK.Process(
                target=_exit_with_code, args=({**kept, **json.loads(line)}, str(said))
            )
            process.start()
            process.join()
            text = said.read_text("utf-8", "replace")
            said.unlink()
            print(json.dumps({"code": process.exitcode, "said": text}), flush=True)


if __name__ == "__main__":
    main()

"""Fixtures that several tests share."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contact_apis.mock import MockServer

ROOT = Path(__file__).parents[1]
# What a shell starts in the background (`nohup make test &`) ignores Ctrl-C, and so would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: The files that take longest, the longest first. A file is one worker's, and begun last it would keep the other one waiting.
LONG = (
    "test_contract_run",
    "test_contract_budget",
    "test_packaging",
    "test_conditions",
    "test_contract_report",
    "test_processes",
    "test_contract_environment",
    "test_contract_throttling",
    "test_mutants",
    "test_reproducers",
    "test_differential",
    "test_kill",
    "test_signals",
    "test_inputs",
)

Json = dict[str, Any]
Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the long files begin first; the others keep their order."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout to change at will; it shares the virtual environment."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("node_modules", "__pycache__", ".hypothesis", "reports")
    copy.mkdir()
    for name in ("contrib", "generated", "specs", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("Makefile", "README.md", "hatch_build.py", "pyproject.toml", "requirements.lock"):
        shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(sys.prefix)
    return copy


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs a command to its end and gives back what it printed; ``variables`` are added to a bare environment."""

    def run(
        *command: str | Path, cwd: Path = ROOT, timeout: float = 900, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "PIP_CERT", "SSL_CERT_FILE")
            if name in os.environ
        }
        return subprocess.run(
            [sys.executable if each == "python" else str(each) for each in command],
            cwd=cwd,
            env={**kept, "PYTHONUTF8": "1", **variables},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    return run


#: A run that exercises every clause and sends a sixth of what one without a budget sends.
SMALL = {"CONTRACT_MAX_REQUESTS": "200", "CONTRACT_NEW_CONTACTS": "5"}


def contract(run: Run, reports: Path, **variables: str) -> tuple[int, str, Json]:
    """Exit code, last line and results of a run."""
    done = run(
        "python", "-m", "tests.contract", REPORTS=str(reports), **{"PROFILE": "quick", **variables}
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    results: Json = json.loads((reports / "results.json").read_bytes())
    return done.returncode, done.stdout.strip().splitlines()[-1], results


def live(mock: MockServer, **variables: str) -> dict[str, str]:
    return {"TARGET": "live", **mock.env, **variables}

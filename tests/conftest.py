"""Fixtures that several tests share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contact_apis.mock import MockServer

ROOT = Path(__file__).parents[1]
Json = dict[str, Any]
Run = Callable[..., subprocess.CompletedProcess[str]]


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


@pytest.fixture
def run() -> Run:
    """Runs a command to its end and gives back what it printed; ``variables`` are added to a bare environment."""

    def run(*command: str | Path, cwd: Path = ROOT, timeout: float = 300, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PIP_CERT", "SSL_CERT_FILE") if name in os.environ}
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


def contract(run: Run, reports: Path, **variables: str) -> tuple[int, str, Json]:
    """Exit code, last line and results of a run."""
    done = run("python", "-m", "tests.contract", REPORTS=str(reports), **{"PROFILE": "quick", **variables})
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    results: Json = json.loads((reports / "results.json").read_bytes())
    return done.returncode, done.stdout.strip().splitlines()[-1], results


def live(mock: MockServer, **variables: str) -> dict[str, str]:
    return {"TARGET": "live", **mock.env, **variables}

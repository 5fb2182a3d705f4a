"""What the tests of imports share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from typer.testing import CliRunner

from contact_apis.cli.app import app

from .service import Service


@frozen
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The summary, of ``--output json``."""
        found: dict[str, Any] = json.loads(self.out)
        return found


Command = Callable[..., Done]


def called(*words: object, stdin: bytes = b"", service: Service | None = None) -> Done:
    """Calls the command within this process, which takes a hundredth of the time."""
    done = CliRunner().invoke(
        app,
        [str(each) for each in words],
        input=stdin,
        env=None if service is None else {**service.env},
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def command() -> Command:
    return called


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file and gives its path."""

    def write(content: str | bytes, name: str = "in.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def results_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

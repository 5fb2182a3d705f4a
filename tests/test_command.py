"""The command: what a person types, mistypes and reads."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import httpx

from contact_apis import __version__
from tests.conftest import Run

COMMAND = (sys.executable, "-m", "contact_apis")


def test_version(run: Run) -> None:
    """One line."""
    assert run(*COMMAND, "--version").stdout == f"contact-apis {__version__}\n"


def test_help_teaches(run: Run) -> None:
    """Every option is explained, and there is an example."""
    text = run(*COMMAND, "mock", "--help", COLUMNS="100").stdout
    for option in (
        "--port",
        "--env",
        "--fault",
        "--latency",
        "--custom-field",
        "--second-population",
        "--retainful-email",
    ):
        assert option in text
    assert "Example:" in text


def test_a_typo_in_an_option_is_named(run: Run) -> None:
    """Exit 2, no traceback."""
    done = run(*COMMAND, "mock", "--prot", "1")
    assert done.returncode == 2
    assert "--prot" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said_in_one_sentence(run: Run) -> None:
    """With the remedy, exit 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(*COMMAND, "mock", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--port" in done.stderr


def test_the_mock_serves_until_it_is_interrupted() -> None:
    """It prints lines to export, answers, and ends at once on Ctrl-C."""
    with subprocess.Popen(
        [*COMMAND, "mock", "--port", "0", "--env"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as mock:
        assert mock.stdout is not None
        env = dict(mock.stdout.readline().strip().split("=", 1) for _ in range(7))
        assert all(re.fullmatch(r"[A-Z_]+", name) for name in env)
        assert httpx.get(env["PRISTO_BASE_URL"]).status_code == 200
        mock.send_signal(signal.SIGINT)
        assert mock.wait(10) in (0, 130, -signal.SIGINT)
        assert mock.stderr is not None
        assert "Traceback" not in mock.stderr.read()


def test_a_missing_extra_is_named(run: Run) -> None:
    """One sentence, exit code other than 0, for the command and for the mock."""
    for missing, extra in (("typer", "cli"), ("uvicorn", "mock")):
        script = f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['contact-apis', 'mock']\nfrom contact_apis.cli import main; main()"
        done = run("python", "-c", script)
        assert done.returncode != 0
        assert f"contact-apis[{extra}]" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_plugin_costs_other_peoples_test_runs_nothing(run: Run) -> None:
    """Pytest loads it everywhere, so it loads no server."""
    done = run(
        "python",
        "-c",
        "import sys, contact_apis.pytest_plugin; print([m for m in ('uvicorn', 'starlette', 'typer', 'rich') if m in sys.modules])",
    )
    assert done.stdout == "[]\n"

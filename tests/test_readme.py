"""The README stays true: its snippets run as they stand, its variables and targets exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contact_apis._suite._options import load_variables
from contact_apis.mock import MockServer
from tests.conftest import ROOT, Run

README = (ROOT / "README.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))

SIGN_UP = """
import httpx, os, uuid

def my_sign_up(email):
    url = f"{os.environ['PRISTO_BASE_URL']}/v1/contacts/save/{os.environ['PRISTO_POPULATION_ID']}"
    for _ in range(2):
        body = {"contact": {"id": str(uuid.uuid4()), "email": email}}
        if httpx.post(url, json=body, headers={"X-API-Key": os.environ["PRISTO_API_KEY"]}).status_code == 201:
            break

"""


def test_every_python_snippet_is_run() -> None:
    """None stands in the README without a name by which it is run here."""
    assert README.count("```python") == len(SNIPPETS)


CLIENT_SNIPPETS = sorted(set(SNIPPETS) - {"fixture"})


@pytest.mark.parametrize("name", CLIENT_SNIPPETS)
def test_a_client_snippet_runs_as_it_stands(
    name: str, run: Run, contact_apis_mock: MockServer
) -> None:
    """Against the mock, with the environment that the README sets."""
    done = run("python", "-c", SNIPPETS[name], **contact_apis_mock.env)
    assert (done.returncode, done.stderr) == (0, "")
    assert contact_apis_mock.state["received"] >= {"errors": 0, "many": 1000}.get(name, 1)


@pytest.mark.parametrize("name", CLIENT_SNIPPETS)
def test_without_credentials_a_client_snippet_says_which_variable_is_missing(
    name: str, run: Run
) -> None:
    """In the one sentence that an exception's last line is."""
    done = run("python", "-c", SNIPPETS[name])
    assert done.returncode != 0
    assert re.search(
        r"ConfigurationError: .*(PRISTO|RETAINFUL)_[A-Z_]+$", done.stderr.strip().splitlines()[-1]
    )


def test_the_fixtures_snippet_runs_as_it_stands(run: Run, tmp_path: Path) -> None:
    """As a user's own test file, with a sign-up that retries once."""
    (tmp_path / "test_mine.py").write_text(SIGN_UP + SNIPPETS["fixture"])
    done = run(sys.executable, "-m", "pytest", "-q", "test_mine.py", cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout


def test_the_recorded_session_is_what_happens(
    tmp_path: Path, contact_apis_mock: MockServer
) -> None:
    """Each command of it prints what stands there, times and ids aside."""
    session = re.findall(r"<!-- session: import -->\n```console\n(.*?)```", README, re.DOTALL)[0]
    commands = re.findall(r"^\$ (.*)", session, re.MULTILINE)
    shutil.copy(ROOT / "tests/data/contacts.csv", tmp_path / "customers.csv")
    script = "".join(f"echo {shlex.quote('$ ' + each)}\n{each}\n" for each in commands)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=tmp_path,
        env={**contact_apis_mock.env, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert _without_ids(done.stdout) == _without_ids(session)


def _without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)


def test_every_target_that_the_readme_names_exists() -> None:
    """As a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert named - targets == set()


def test_every_variable_of_the_suite_stands_in_the_readme() -> None:
    """The table of the README lists what the suite's own list does, and so do its options."""
    variables = load_variables()
    assert len(variables) >= 19
    assert [
        each.name
        for each in variables
        if f"`{each.name}`" not in README and f"`{each.name}=1`" not in README
    ] == []
    assert [
        each.option for each in variables if each.option and f"`{each.option}`" not in README
    ] == []

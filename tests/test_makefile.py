"""make: what it says, and what it says when something is missing."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ROOT, Run


def test_make_alone_lists_every_target_in_one_line(run: Run) -> None:
    """Each target that a person calls has its line."""
    text = run("make").stdout
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    ) - {"node-setup"}
    listed = re.findall(r"^  make ([a-z-]+)  +\S", text, re.MULTILINE)
    assert set(listed) == targets
    assert len(listed) == len(text.splitlines())


def setup_with(run: Run, folder: Path, script: str | None) -> str:
    """What `make setup` says in an empty folder, with this script (or nothing) as its Python; it must fail and make nothing."""
    python = folder / "python3"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    (folder / "requirements.lock").touch()
    (folder / "pyproject.toml").touch()
    done = run(
        "make",
        "-f",
        str(ROOT / "Makefile"),
        "setup",
        f"PYTHON={python if script is not None else 'no-such-python'}",
        cwd=folder,
    )
    assert done.returncode != 0
    assert not (folder / ".venv").exists()
    return done.stdout


def test_an_old_python_is_named(run: Run, tmp_path: Path) -> None:
    """With the remedy, before anything is made."""
    script = '[ "$1" = --version ] && echo "Python 3.9.18" && exit 0\ncase "$2" in *version_info*) exit 1;; esac'
    assert "Python 3.9.18 is too old" in setup_with(run, tmp_path, script)


def test_a_python_without_venv_is_named(run: Run, tmp_path: Path) -> None:
    """With the package that brings it."""
    assert "python3-venv" in setup_with(run, tmp_path, 'case "$2" in *ensurepip*) exit 1;; esac')


def test_a_missing_python_is_named(run: Run, tmp_path: Path) -> None:
    """Not a shell's "command not found"."""
    assert "no 'no-such-python' on PATH" in setup_with(run, tmp_path, None)


def test_setup_does_nothing_when_nothing_changed(run: Run) -> None:
    """No word, no work."""
    assert run("make", "setup").stdout.strip() in ("", "make: Nothing to be done for 'setup'.")


def test_nothing_committed_names_a_registry_or_this_machine(run: Run) -> None:
    """Locks have hashes and no addresses."""
    files = [ROOT / each for each in run("git", "ls-files").stdout.splitlines()]
    for file in files:
        if file.is_file():
            text = file.read_text("utf-8", "replace")
            assert not re.search(r"https?://[a-z.-]*(files\.python|registry|pypi)[a-z.-]*", text), (
                file
            )
            assert f"{ROOT.parent}/" not in text, file

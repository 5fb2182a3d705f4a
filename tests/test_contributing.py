"""CONTRIBUTING.md and ARCHITECTURE.md name files and targets that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (".github/CONTRIBUTING.md", "contrib/ARCHITECTURE.md")
ROOM = ROOT / "contrib/contact_apis"


@pytest.mark.parametrize("page", PAGES)
def test_each_path_exists(page: str) -> None:
    """A path between backticks is one of the tree, or of the package's rooms; NAME stands for a vendor that exists."""
    text = (ROOT / page).read_text("utf-8")
    paths = re.findall(r"`([\w./<>-]+/[\w./<>-]*|[\w-]+\.(?:md|toml|yaml|py))`", text)
    assert paths
    for path in paths:
        candidates = [
            path.replace("NAME", name).replace("<name>", name) for name in ("pristo", "retainful")
        ]
        assert any(
            (base / candidate).exists() for base in (ROOT, ROOM) for candidate in candidates
        ), path


@pytest.mark.parametrize("page", PAGES)
def test_each_make_target_exists(page: str) -> None:
    """``make X`` is a target of the Makefile."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text("utf-8")))
    assert named <= targets


def test_a_third_api_touches_six_existing_files() -> None:
    """The list of "Add an API" names them, each exists, and each speaks of the APIs that are there already."""
    text = (ROOT / ".github/CONTRIBUTING.md").read_text("utf-8")
    _, _, listed = text.partition("Edited, six existing files:")
    paths = re.findall(r"`([\w./-]+\.\w+)`", listed.partition("`tests/toy_vendor/`")[0])
    assert len(paths) == 6
    for path in paths:
        content = (ROOT / path).read_text("utf-8").lower()
        assert "retainful" in content, path

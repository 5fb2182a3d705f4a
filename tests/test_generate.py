"""``make generate``: whole packages or none, and at the end what a changed document breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run

Json = dict[str, Any]


@pytest.fixture
def repository(checkout: Path, run: Run) -> Path:
    """A copy of this checkout whose HEAD has today's documents."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "specs"], ["commit", "-qm", "today"]):
        assert run(*git, *words, cwd=checkout).returncode == 0
    return checkout


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, bytecode aside."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def edit(repository: Path, change: Callable[[Json], None]) -> None:
    """Changes Pristo's document in the working tree."""
    file = repository / "specs" / "pristo.json"
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def generate(run: Run, repository: Path) -> subprocess.CompletedProcess[str]:
    """Runs what make runs, of Pristo's document alone for speed; the folder is the one that the copy has."""
    specs = ["specs/pristo.json", "specs/retainful.yaml"]
    return run(
        "python",
        "-m",
        "tests.changes.generate",
        *specs,
        cwd=repository,
        PYTHONPATH=f"{repository}/contrib:{repository}/generated",
    )


def changed_five_times(document: Json) -> None:
    """The five changes that once passed in silence: another path, a new endpoint, a required field, an enum value, a shorter text."""
    contact = document["components"]["schemas"]["Contact"]
    contact["required"].append("email")
    contact["properties"]["language"]["enum"] = ["en", "he"]
    contact["properties"]["customFields"]["additionalProperties"]["maxLength"] = 100
    operation = document["paths"].pop("/v1/contacts/save/{populationId}")
    document["paths"]["/v2/contacts/save/{populationId}"] = operation
    document["paths"]["/v1/events/send/{populationId}"] = {
        "post": {
            "operationId": "sendEvent",
            "tags": ["Events"],
            "parameters": [{"$ref": "#/components/parameters/populationId"}],
            "responses": {"201": {"description": "sent"}, "422": {"description": "not sent"}},
        }
    }


def test_what_changed_is_reported_at_the_end(run: Run, repository: Path) -> None:
    """Each of five changes, with severity, callers, what is owed here and the version; an unchanged document says nothing."""
    edit(repository, changed_five_times)
    done = generate(run, repository)
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout
    assert (
        "BREAKING  document  upsertContact: POST /v1/contacts/save/{populationId} moved to POST /v2/contacts/save"
        in text
    )
    assert (
        "compatible  document  POST /v1/events/send/{populationId}: POST /v1/events/send/{populationId} is new"
        in text
    )
    assert "pristo_client.api.events.send_event is generated; pristo.client reaches it" in text
    assert "BREAKING  request  contact.email: member email became required" in text
    assert "Pristo.upsert_contact(email=); import column email" in text
    assert (
        'BREAKING  request  contact.language: contact.language takes listed values only: ["en", "he"]'
        in text
    )
    assert "BREAKING  request  contact.customFields.*: maxLength 255 became 100" in text
    assert "the suite stops: " in text
    assert "tests/contract/profiles/pristo.py" in text
    assert "uncovered: /paths/~1v1~1events~1send~1{populationId}/post" in text
    assert "works: sendEvent: generated" in text
    assert "moved: pristo.operation" in text
    assert "(minor)" in text
    assert "- Pristo's new document breaks:" in text
    assert "Traceback" not in text + done.stderr
    assert (repository / "generated/pristo_client/api/events/send_event.py").is_file()


def test_a_document_that_the_generator_refuses_changes_nothing(run: Run, repository: Path) -> None:
    """One sentence names it, the generator's words follow, and every file stays, of the other vendor too."""
    before = contents(repository / "generated")
    edit(
        repository,
        lambda document: document["paths"].update(
            {"/x": {"get": {"responses": {"200": {"$ref": "#/no/where"}}}}}
        ),
    )
    done = generate(run, repository)
    assert done.returncode == 1
    assert "the generator refused specs/pristo.json" in done.stderr
    assert "nothing was changed in generated/" in done.stderr
    assert contents(repository / "generated") == before
    assert list(repository.glob(".generated-*")) == []


def test_a_kill_in_the_middle_changes_nothing(run: Run, repository: Path) -> None:
    """The packages are the old ones, and the next run removes what the killed one left."""
    before = contents(repository / "generated")
    command = [
        sys.executable,
        "-m",
        "tests.changes.generate",
        "specs/pristo.json",
        "specs/retainful.yaml",
    ]
    with subprocess.Popen(
        command,
        cwd=repository,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not any(repository.glob(".generated-*/pristo_client/models")):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert contents(repository / "generated") == before
    assert len(list(repository.glob(".generated-*"))) == 1
    assert generate(run, repository).returncode == 0
    assert contents(repository / "generated") == before
    assert list(repository.glob(".generated-*")) == []

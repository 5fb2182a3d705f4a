"""What is installed: exactly three packages, usable away from the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from contact_apis import __version__
from tests.conftest import ROOT, Run

CONSUMER = """\
from uuid import UUID

import contact_apis
from contact_apis.mock import MockServer
from pristo_client import Client
from pristo_client.api.contacts import upsert_contact
from pristo_client.models import Contact, ContactUpsertRequest
from retainful_client.models import Consent


def name_of(contact: Contact) -> str:
    return contact.name if isinstance(contact.name, str) else contact_apis.__version__


if __name__ == "__main__":
    consent = Consent.from_dict({"createdAt": "2024-03-21", "ip": "192.0.2.7", "source": "import"})
    with MockServer() as mock, Client(base_url=mock.base_url, headers={"X-API-Key": mock.env["PRISTO_API_KEY"]}) as client:
        contact = Contact(id=UUID(int=7), name="Ada")
        answer = upsert_contact.sync_detailed(
            UUID(mock.env["PRISTO_POPULATION_ID"]), client=client, body=ContactUpsertRequest(contact=contact)
        )
        print(answer.status_code, name_of(contact), consent.ip)
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_three_packages_and_nothing_else(dist: Path) -> None:
    """With types, page, and specifications."""
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"contact_apis-{__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {each.partition("/")[0] for each in names} == {
        "contact_apis",
        "pristo_client",
        "retainful_client",
        f"contact_apis-{__version__}.dist-info",
    }
    for each in ("contact_apis/py.typed", "contact_apis/mock/page.html", "pristo_client/openapi.json", "retainful_client/py.typed"):
        assert each in names


def test_the_sdist_holds_what_the_wheel_is_built_from(dist: Path) -> None:
    """And the specs, and no tests."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {each.partition("/")[2] for each in opened.getnames()}
    assert {"specs/retainful.yaml", "contrib/contact_apis/__init__.py", "generated/pristo_client/client.py", "LICENSE"} <= names
    assert not any(each.startswith("tests/") for each in names)


def test_the_wheel_works_away_from_the_checkout(dist: Path, run: Run, tmp_path: Path) -> None:
    """Installed with its locked dependencies in a new environment: imported, used, and strictly typed for its user."""
    (wheel,) = dist.glob("*.whl")
    locked = tmp_path / "constraints.txt"
    lines = re.findall(r"^([a-z0-9-]+==[^ ;\\\n]+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    locked.write_text("\n".join(lines))
    python = tmp_path / "venv/bin/python"
    assert run("python", "-m", "venv", tmp_path / "venv").returncode == 0
    installed = run(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", locked, f"{wheel}[mock]", cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "consumer.py").write_text(CONSUMER)
    done = run(python, "consumer.py", cwd=tmp_path)
    assert done.stdout == "201 Ada 192.0.2.7\n", done.stderr
    typed = run(
        "python", "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", tmp_path / "mypy", "consumer.py", cwd=tmp_path
    )
    assert typed.returncode == 0, typed.stdout
    unhelped = run(tmp_path / "venv/bin/contact-apis", "--version", cwd=tmp_path)
    assert "contact-apis[cli]" in unhelped.stderr

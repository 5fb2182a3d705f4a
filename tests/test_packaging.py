"""What is installed: exactly three packages, usable away from the checkout, the contract suite among them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from contact_apis import __version__
from contact_apis.mock import MockServer
from tests.conftest import ROOT, SMALL, Run, live

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
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
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
    for each in (
        "contact_apis/py.typed",
        "contact_apis/_mocking/page.html",
        "pristo_client/openapi.json",
        "retainful_client/py.typed",
    ):
        assert each in names


def test_the_sdist_holds_what_the_wheel_is_built_from(dist: Path) -> None:
    """And the specs, and of the tests the contract suite alone."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {each.partition("/")[2] for each in opened.getnames()}
    assert {
        "specs/retainful.yaml",
        "contrib/contact_apis/__init__.py",
        "generated/pristo_client/client.py",
        "LICENSE",
    } <= names
    tests = {each for each in names if each.startswith("tests/")}
    assert {each for each in tests if not each.startswith("tests/contract")} == {
        "tests/__init__.py",
        "tests/strategies.py",
    }
    assert {"tests/contract/run.py", "tests/contract/checks/checks.ini", "hatch_build.py"} <= names


def test_the_wheel_works_away_from_the_checkout(dist: Path, run: Run, tmp_path: Path) -> None:
    """Installed with its locked dependencies in a new environment: imported, used, and strictly typed for its user."""
    (wheel,) = dist.glob("*.whl")
    locked = tmp_path / "constraints.txt"
    lines = re.findall(
        r"^([a-z0-9-]+==[^ ;\\\n]+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE
    )
    locked.write_text("\n".join(lines))
    python = tmp_path / "venv/bin/python"
    assert run("python", "-m", "venv", tmp_path / "venv").returncode == 0
    installed = run(
        python,
        "-m",
        "pip",
        "install",
        "-qq",
        "--disable-pip-version-check",
        "-c",
        locked,
        f"{wheel}[mock]",
        cwd=tmp_path,
    )
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "consumer.py").write_text(CONSUMER)
    done = run(python, "consumer.py", cwd=tmp_path)
    assert done.stdout == "201 Ada 192.0.2.7\n", done.stderr
    typed = run(
        "python",
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        python,
        "--cache-dir",
        tmp_path / "mypy",
        "consumer.py",
        cwd=tmp_path,
    )
    assert typed.returncode == 0, typed.stdout
    unhelped = run(tmp_path / "venv/bin/contact-apis", "--version", cwd=tmp_path)
    assert "contact-apis[cli]" in unhelped.stderr


def requirements(lines: list[str], extras: set[str]) -> list[Requirement]:
    """Those lines of a distribution's metadata that hold here and under these extras."""
    parsed = map(Requirement, lines)
    return [
        each
        for each in parsed
        if each.marker is None
        or any(each.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def closure(wanted: list[Requirement]) -> dict[str, metadata.Distribution]:
    """What these requirements bring, with all that it needs in turn, from the environment that runs the tests."""
    found: dict[str, metadata.Distribution] = {}
    while wanted:
        requirement = wanted.pop()
        distribution = metadata.distribution(requirement.name)
        if distribution.name not in found:
            found[distribution.name] = distribution
            wanted += requirements(distribution.requires or [], requirement.extras)
    return found


def declared(dist: Path, *extras: str) -> list[Requirement]:
    """What the wheel requires under these extras."""
    (wheel,) = dist.glob("*.whl")
    raw = zipfile.ZipFile(wheel).read(f"contact_apis-{__version__}.dist-info/METADATA")
    return requirements(message_from_bytes(raw).get_all("Requires-Dist", []), set(extras))


def environment(folder: Path, dist: Path, *extras: str) -> Path:
    """A new environment that holds the wheel, what these extras bring, and nothing else. Made without a network; the result is its bin."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for distribution in closure(declared(dist, *extras)).values():
        for name in {
            Path(file).parts[0]
            for file in distribution.files or []
            if Path(file).parts[0] not in ("..", "__pycache__")
        }:
            link = packages / name
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(name))))
    (wheel,) = dist.glob("*.whl")
    install: list[str | Path] = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--offline",
        "--python",
        folder / "bin/python",
        wheel,
    ]
    subprocess.run([sys.executable, "-m", *install], check=True, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel_only(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment with the extra ``contract``; its path has a blank and what pytest reads as a test's parameters."""
    return (
        environment(tmp_path_factory.mktemp("wheel only [1]") / "venv", dist, "contract")
        / "contact-apis"
    )


def contract_from_wheel(
    run: Run, command: Path, folder: Path, *options: str, **variables: str
) -> tuple[int, dict[str, Any]]:
    """Exit code and results of a run in this folder."""
    done = run(
        command, "contract", "--profile", "quick", *options, cwd=folder, **SMALL, **variables
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    results: dict[str, Any] = json.loads((folder / "reports/contract/results.json").read_bytes())
    assert results["verdict"] in done.stdout.splitlines()[-1]
    return done.returncode, results


def test_the_wheel_alone_checks_the_embedded_mock(
    run: Run, wheel_only: Path, tmp_path: Path
) -> None:
    """In an empty folder, with the extra and nothing else: the same clauses as in the checkout, and it conforms."""
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    code, results = contract_from_wheel(run, wheel_only, folder)
    assert (code, results["verdict"]) == (0, "conforms")
    assert results["apis"] == ["pristo", "retainful"]
    assert {each.name for each in folder.iterdir()} <= {"reports", ".hypothesis"}


def test_the_wheel_alone_judges_a_live_service(run: Run, wheel_only: Path, tmp_path: Path) -> None:
    """An honest one conforms, one that breaks a promise violates it; options override variables."""
    with MockServer(second_population=True, custom_fields=["tier"]) as server:
        options: tuple[str, ...] = ("--target", "live", "--api", "pristo")
        honest = contract_from_wheel(
            run, wheel_only, tmp_path, *options, **live(server, TARGET="mock", API="both")
        )
    with MockServer(faults=["malformed=0.05"]) as server:
        options += ("--failfast", "--seed", "7")
        broken = contract_from_wheel(
            run, wheel_only, tmp_path, *options, **live(server, SEED="8", FAILFAST="0")
        )
    assert (honest[0], honest[1]["verdict"], honest[1]["apis"], honest[1]["target"]) == (
        0,
        "conforms",
        ["pristo"],
        "live",
    )
    assert (broken[0], broken[1]["verdict"], broken[1]["seed"]) == (1, "violates", 7)
    assert broken[1]["failures"][0]["clause"] == "pristo.answers-are-json"


def test_the_extra_contract_declares_what_the_suite_imports(dist: Path) -> None:
    """Nothing comes in only because another package happens to need it."""
    (wheel,) = dist.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    imported = set()
    for name in archive.namelist():
        if name.startswith("contact_apis/_suite/") and name.endswith(".py"):
            for node in ast.walk(ast.parse(archive.read(name))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add(str(node.module).partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"contact_apis"}
    owners = metadata.packages_distributions()
    wanted = {owners[name][0].lower().replace("_", "-") for name in foreign}
    assert wanted >= {"pytest", "hypothesis", "schemathesis", "pyyaml", "jinja2"}
    assert wanted - {each.name for each in declared(dist, "contract")} == set()


@pytest.mark.parametrize(
    ("extras", "says"),
    [((), "contact-apis[contract]"), (("cli", "mock"), "contact-apis[contract]")],
)
def test_without_the_extra_one_sentence_names_it(
    dist: Path, run: Run, tmp_path: Path, extras: tuple[str, ...], says: str
) -> None:
    """Whether nothing of the command is there, or all but the suite's own packages; exit code 2."""
    command = environment(tmp_path / "venv", dist, *extras) / "contact-apis"
    done = run(command, "contract", cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""

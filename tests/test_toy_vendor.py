"""A third vendor works end to end by its own folder alone: generated, called, served, imported into."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contact_apis import AuthenticationError, InvalidRequestError, NotFoundError
from contact_apis._vendors.registry import VENDORS
from contact_apis.mock import MockServer
from tests.importing.conftest import called

ROOT = Path(__file__).parents[1]
NAME = "toy"
TITLE = NAME.title()
FOLDER = Path(__file__).with_name(f"{NAME}_vendor")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The vendor's package, written by ``make generate`` as those of the others are."""
    folder = tmp_path_factory.mktemp("vendor") / "generated"
    settings = [
        f"SPECS={(FOLDER / NAME).with_suffix('.yaml').relative_to(ROOT)}",
        f"GENERATED={folder}",
    ]
    subprocess.run(
        ["make", "--no-print-directory", "generate", *settings],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [
        name for name in sys.modules if name.startswith((f"{NAME}_client", f"tests.{NAME}_vendor"))
    ]:
        del sys.modules[name]


@pytest.fixture
def vendor(generated: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The vendor, known to commands, import and mock as if its folder lay beside the others."""
    assert generated.exists()
    from tests.toy_vendor import VENDOR

    monkeypatch.setitem(VENDORS, NAME, VENDOR)
    return VENDOR


@pytest.fixture
def server(vendor: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    """The mock of all vendors, whose settings are in the environment."""
    with MockServer() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        assert vendor.variable("token") in os.environ
        yield running


COMMAND = """
import sys
import contact_apis._vendors as room
room.__path__.append(sys.argv.pop(1))
from contact_apis.cli import main
main()
"""
"""The command as it is where the vendor's folder lies in the package's own."""


def command(vendors: Path, generated: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, which finds the folders in ``vendors`` beside those of the package."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(generated), str(ROOT)])}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, str(vendors), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def requests_of(server: MockServer) -> list[tuple[str, str]]:
    return [(request["method"], request["path"]) for request in reversed(server.state["requests"])]


def test_every_operation_is_called_through_a_wrapper(vendor: Any, server: MockServer) -> None:
    """An upsert, an operation without a body and one with a list parameter go out as the document has them."""
    with vendor.blocking() as client:
        assert client.upsert_contact(email="ada@example.com", tags=["new"]) == "ada@example.com"
        client.forget("ada@example.com")
        assert client.segments(["a", "b"]) == []
    assert [method for method, _ in requests_of(server)] == ["PUT", "DELETE", "GET"]
    sent = server.state["requests"][-1]
    assert json.loads(sent["body"]) == {"email": "ada@example.com", "tags": ["new"]}
    assert sent["headers"]["authorization"] == "***"


def test_errors_are_typed_and_carry_the_vendors_words(vendor: Any, server: MockServer) -> None:
    """Code and message are read from the vendor's own envelope, and a wrong token is an authentication error."""
    with vendor.blocking() as client, pytest.raises(NotFoundError) as missing:
        client.forget("nobody@example.com")
    assert (missing.value.code, missing.value.message) == ("unknown", "There is no such person.")
    with vendor.blocking(token="wrong") as client:  # noqa: S106 # it is not one
        assert client.check_credentials() is False
        with pytest.raises(AuthenticationError):
            client.upsert_contact(email="ada@example.com")
    with vendor.blocking() as client, pytest.raises(InvalidRequestError, match="nickname"):
        client.upsert_contact(email="ada@example.com", nickname="x" * 21)
    assert server.state["contacts"][vendor.title] == []


def test_awaited_and_many(vendor: Any, server: MockServer) -> None:
    """The awaited client and ``upsert_many`` send as the blocking one does."""

    async def awaited() -> str:
        async with vendor.awaiting() as client:
            return str(await client.upsert_contact(email="eve@example.com"))

    assert asyncio.run(awaited()) == "eve@example.com"
    with vendor.blocking() as client:
        outcomes = list(
            client.upsert_many([{"email": f"n{number}@example.com"} for number in range(20)])
        )
    assert {outcome.state for outcome in outcomes} == {"accepted"}
    assert len(server.state["contacts"][vendor.title]) == 21


def test_a_file_is_imported(generated: Path, server: MockServer, tmp_path: Path) -> None:
    """``contact-apis import --to`` takes the name of a folder, its fields are columns, and a second run sends nothing."""
    vendors = tmp_path / "vendors"
    vendors.mkdir()
    (vendors / NAME).symlink_to(FOLDER)
    file = tmp_path / "people.csv"
    file.write_text("email,nickname\nada@example.com,Ada\neve@example.com,Eve\n")
    first = command(vendors, generated, "import", str(file), "--to", NAME)
    assert first.returncode == 0, first.stderr
    people = server.state["contacts"][TITLE]
    assert [person["nickname"] for person in people] == ["Ada", "Eve"]
    received = server.state["received"]
    again = command(vendors, generated, "import", str(file), "--to", NAME)
    assert again.returncode == 0, again.stderr
    assert server.state["received"] == received


def test_a_missing_setting_is_named(
    vendor: Any, server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence about a missing variable derives from the descriptor, and so does the environment of the mock."""
    variable = vendor.variable("token")
    assert variable in server.env
    monkeypatch.delenv(variable)
    checked = called("check")
    assert checked.code == 2
    assert variable in checked.out


def test_no_line_outside_its_folder_names_the_vendor() -> None:
    """What is true of the vendor lies in its folder: package, generated code and documents do not know it."""
    for folder in ("contrib", "generated", "specs"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert NAME not in path.read_text("utf-8", "replace").lower(), path

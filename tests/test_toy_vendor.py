"""A third vendor works end to end by its own folder alone: generated, called, served, imported into."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest

from contact_apis import AuthenticationError, InvalidRequestError, NotFoundError
from contact_apis._mocking.service import Request, Response
from contact_apis._openapi.document import Operation
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


SUITE = """
import sys
import tests.contract.checks as checks
import tests.contract.profiles as profiles
folder = sys.argv.pop(1)
profiles.__path__.append(folder + "/profiles")
checks.__path__.append(folder + "/checks")
from tests.contract.run import main
sys.exit(main())
"""
"""The contract suite as it is where the vendor's profile and checks lie in the suite's own folders."""


def contract(generated: Path, reports: Path, **variables: str) -> dict[str, Any]:
    """The results of a run against the service that the environment names, in a process of its own."""
    environment = {
        **os.environ,
        "TARGET": "live",
        "API": NAME,
        "PROFILE": "quick",
        "SEED": "1",
        "REPORTS": str(reports),
        "PYTHONPATH": os.pathsep.join([str(generated), str(ROOT)]),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", SUITE, str(FOLDER)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    results: dict[str, Any] = json.loads((reports / "results.json").read_text("utf-8"))
    return {**results, "exit_code": done.returncode, "output": done.stdout + done.stderr}


def broken_clauses(results: dict[str, Any]) -> set[str]:
    return {clause["id"] for clause in results["clauses"] if clause["result"] == "fail"}


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
    for folder in ("contrib", "generated", "specs", "tests/contract"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert NAME not in path.read_text("utf-8", "replace").lower(), path


def test_the_contract_suite_finds_that_the_mock_conforms(
    generated: Path, server: MockServer, tmp_path: Path
) -> None:
    """The vendor's clauses, profile and checks are found by their folder, and every documented clause holds."""
    results = contract(generated, tmp_path)
    assert (results["verdict"], results["exit_code"]) == ("conforms", 0), results["output"]
    assert {clause["id"].partition(".")[0] for clause in results["clauses"]} == {NAME}


class ForgetsNobody:
    """Says that a person was forgotten, every time."""

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if operation.operation_id == "forgetPerson":
            return Response(204)
        response: Response = super().act(operation, request, body)  # type: ignore[misc] # a mixin of the mock
        return response


class HasProblemsWithoutDetail:
    """Leaves out of its errors what they have to say."""

    def error(self, operation: Operation | None, status: int, code: str, message: str) -> Response:
        response: Response = super().error(operation, status, code, message)  # type: ignore[misc] # a mixin of the mock
        assert response.body is not None
        return attrs.evolve(response, body={"problem": {"kind": code}})


class TakesAnyToken:
    """Lets everybody in who has some token."""

    def authorised(self, operation: Operation, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer") != ""


class TakesLongNicknames:
    """Takes a nickname of any length."""

    def read_body(self, operation: Operation, request: Request) -> tuple[Any, list[str]]:
        body, faults = super().read_body(operation, request)  # type: ignore[misc] # a mixin of the mock
        return body, [fault for fault in faults if "nickname" not in fault or "20" not in fault]


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        (ForgetsNobody, "forgotten-once"),
        (HasProblemsWithoutDetail, "problem-envelope"),
        (TakesAnyToken, "token-checked"),
        (TakesLongNicknames, "nickname-is-short-text"),
    ],
)
def test_the_contract_suite_detects_a_broken_service(
    generated: Path,
    vendor: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: type,
    clause: str,
) -> None:
    """A service that breaks one promise violates the contract by the clause of that promise, and by no other."""
    room = import_module(f"{vendor.folder}.mock")
    honest = getattr(room, vendor.mock)
    monkeypatch.setattr(room, vendor.mock, type(vendor.mock, (fault, honest), {}))
    with MockServer() as running:
        selected = {"CLAUSE": f"{NAME}.operation,{NAME}.{clause}"}
        results = contract(generated, tmp_path, **running.env, **selected)
    assert (results["verdict"], results["exit_code"]) == ("violates", 1), results["output"]
    assert broken_clauses(results) == {f"{NAME}.{clause}"}
    reproducer = tmp_path / f"reproducers/{NAME}.{clause}.sh"
    assert reproducer.is_file()

"""What can be imported, how it is called, and what importing costs."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import contact_apis
import pristo_client.models
import retainful_client.models
from contact_apis import AsyncPristo, AsyncRetainful, Pristo, Retainful
from contact_apis._vendors.pristo.client import PristoFields
from contact_apis._vendors.retainful.client import RetainfulFields
from tests.conftest import ROOT, Run

FOLDER = Path(contact_apis.__file__).parent
#: Every module that a call can load; the last four when something fails, or with the first connection.
MODULES = sorted(
    path.relative_to(FOLDER).as_posix()
    for room in (
        ".",
        "_openapi",
        "_http",
        "_bulk",
        "_vendors",
        "_vendors/pristo",
        "_vendors/retainful",
    )
    for path in (FOLDER / room).glob("*.py")
)


def test_public_names() -> None:
    """The package exports what it lists, sorted, each with a docstring; nothing else is reachable by name."""
    assert contact_apis.__all__ == sorted(contact_apis.__all__)
    for name in contact_apis.__all__:
        assert getattr(contact_apis, name).__doc__, name
    exported: dict[str, Any] = {}
    exec("from contact_apis import *", exported)  # noqa: S102 # the one way to see what a star gives
    assert set(contact_apis.__all__) <= set(exported) <= {*contact_apis.__all__, "__builtins__"}
    with pytest.raises(AttributeError, match="Prisot"):
        contact_apis.Prisot  # type: ignore[attr-defined] # noqa: B018 # what is tested


@pytest.mark.parametrize(
    ("blocking", "awaiting"), [(Pristo, AsyncPristo), (Retainful, AsyncRetainful)]
)
def test_the_difference_is_await(blocking: type, awaiting: type) -> None:
    """Both kinds have the same public methods with the same parameters, and each has a docstring."""

    def public(kind: type) -> dict[str, Any]:
        return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}

    assert public(blocking).keys() == public(awaiting).keys()
    for name, method in public(blocking).items():
        assert inspect.getdoc(method), name
        twin = public(awaiting)[name]
        if (
            name == "upsert_many"
        ):  # the input of one may be asynchronous too, and so are its outcomes
            assert list(inspect.signature(method).parameters) == list(
                inspect.signature(twin).parameters
            )
        elif inspect.isfunction(method):
            assert inspect.signature(method) == inspect.signature(twin), name
            assert inspect.iscoroutinefunction(twin) or name == "with_options"
    assert inspect.signature(blocking) == inspect.signature(awaiting)
    overloads = [
        [inspect.signature(each) for each in typing.get_overloads(kind.upsert_contact)]  # type: ignore[attr-defined] # both have it
        for kind in (blocking, awaiting)
    ]
    assert overloads[0] == overloads[1]
    assert len(overloads[0]) == 2


@pytest.mark.parametrize(
    ("fields", "model", "ours"),
    [
        (PristoFields, pristo_client.models.Contact, set()),
        (
            RetainfulFields,
            retainful_client.models.Contact,
            {"email", "phone", "consent", "subscribed", "channels"},
        ),
    ],
)
def test_keywords_are_those_of_the_contract(fields: Any, model: Any, ours: set[str]) -> None:
    """The keywords that type checkers know are fields of the generated model, but for those that build identifiers."""
    members = {each.name for each in model.__attrs_attrs__} - {"additional_properties"}
    assert set(fields.__annotations__) - ours <= members
    assert fields.__required_keys__ <= members


ADDED = """"nickname": {"type": "string", "maxLength": 5},
"attributes": {"type": "object", "additionalProperties": {"type": "string"}},
"memberSince": {"type": "string", "format": "date"},
"""
TYPED = """
from datetime import date
from contact_apis import Pristo
with Pristo() as pristo:
    pristo.upsert_contact(id="x", nickname="Ada", attributes={"a": "b"}, member_since=date(2026, 1, 1))
    pristo.upsert_contact(id="x", nickname=None, attributes=None, member_since="2026-01-01")
    pristo.upsert_contact(id="x", nickname=7)  # type: ignore[call-overload]
    pristo.upsert_contact(id="x", attributes={"a": 7})  # type: ignore[dict-item]
    pristo.upsert_contact(id="x", member_since=7)  # type: ignore[call-overload]
"""
CALLED = """
import httpx, json, contact_apis
from contact_apis import InvalidRequestError, Pristo, PristoContact
sent = []
def handle(request):
    sent.append(json.loads(request.content)["contact"])
    return httpx.Response(200, content=request.content)
options = dict(api_key="k", population_id="5ee0d1c9-1c0f-4b8e-8f0f-3f6d2a8b7c11", base_url="https://service.example")
pristo = Pristo(http_client=httpx.Client(transport=httpx.MockTransport(handle)), **options)
one = "5ee0d1c9-1c0f-4b8e-8f0f-3f6d2a8b7c11"
print(pristo.upsert_contact(id=one, nickname="Ada", attributes={"a": "b"}, member_since="2026-01-01").contact.nickname)
pristo.upsert_contact(PristoContact(id=one, nickname="Bob"))
try:
    pristo.upsert_contact(id=one, nickname="Adelaide")
except InvalidRequestError as error:
    print(error)
print(sent[0]["attributes"], sent[0]["memberSince"], sent[1]["nickname"], contact_apis.__file__)
"""


def test_a_new_optional_field_needs_no_line_of_ours(checkout: Path, run: Run) -> None:
    """Fields that Pristo adds can be sent by model and by keyword, and type checkers know them, once ``make generate`` has run."""
    spec = checkout / "specs" / "pristo.json"
    text = spec.read_text("utf-8")
    assert '"lastName": {' in text
    spec.write_text(text.replace('"lastName": {', f'{ADDED} "lastName": {{'), "utf-8")
    generated = run("make", "-o", ".venv/.ready", "generate", cwd=checkout)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    done = run("python", "-c", CALLED, cwd=checkout, PYTHONPATH="contrib:generated")
    assert done.stdout.splitlines()[:2] == [
        "Ada",
        "nothing was sent: contact.nickname must have at most 5 characters",
    ], done.stderr
    assert (
        done.stdout.splitlines()[2]
        == f"{{'a': 'b'}} 2026-01-01 Bob {checkout / 'contrib/contact_apis/__init__.py'}"
    )
    (checkout / "typed.py").write_text(TYPED, "utf-8")
    strict = (
        "--strict",
        "--warn-unused-ignores",
        "--cache-dir=cache",
        "--follow-imports=silent",
        "--config-file=",
    )
    done = run(
        "python", "-m", "mypy", *strict, "typed.py", cwd=checkout, MYPYPATH="contrib:generated"
    )
    assert done.returncode == 0, done.stdout


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement."""
    program = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_is_light() -> None:
    """Importing a client loads no command, no server, no event loop, and not the other client."""
    modules = loaded_by("from contact_apis import Pristo")
    heavy = {
        "typer",
        "starlette",
        "uvicorn",
        "asyncio",
        "requests",
        "httpcore",
        "retainful_client",
        "openai",
        "contact_apis.mock",
    }
    base = loaded_by("import httpx, attrs")
    assert not (heavy - base) & modules
    assert {
        each for each in loaded_by("import contact_apis") if each.startswith("contact_apis.")
    } == {
        "contact_apis._errors",
        "contact_apis._version",
    }
    assert not {
        each
        for each in loaded_by("import contact_apis")
        if each.startswith(("httpx", "jsonschema_rs"))
    }


BASE = "import httpx, attrs"
#: Bytes of Python source that a client may load beyond ``BASE``; its own, the generated package's and the validator's are 280,000.
MOST_BYTES = 350_000
#: How much CPU time importing a client may take, as a multiple of that of ``BASE``.
MOST_CPU = 1.6
COST = """
import sys
from pathlib import Path
from time import process_time
started = process_time()
exec(sys.argv[1])
seconds = process_time() - started
files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
print(seconds, sum(Path(file).stat().st_size for file in files if file.endswith(".py")))
"""


def import_cost(statement: str) -> tuple[float, int]:
    """CPU seconds and bytes of Python source of a statement in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", COST, statement], capture_output=True, text=True, check=True
    )
    seconds, size = done.stdout.split()
    return float(seconds), int(size)


@pytest.mark.parametrize("name", ["Pristo", "Retainful"])
def test_importing_costs_little_beside_httpx(name: str) -> None:
    """A client adds a bounded number of bytes, and a bounded share of CPU time, to what httpx and attrs take."""
    base, client = [], []
    for _ in range(
        10
    ):  # in turn, and the least of each counts: a busy machine makes the same import dearer, never cheaper
        base.append(import_cost(BASE))
        client.append(import_cost(f"from contact_apis import {name}"))
        ratio = min(client)[0] / min(base)[0]
        if ratio < MOST_CPU:
            break
    assert client[0][1] - base[0][1] < MOST_BYTES
    assert ratio < MOST_CPU


def test_the_environment_is_read_at_construction() -> None:
    """Nothing of the environment is looked at when the package is imported."""
    for name in MODULES:
        tree = ast.parse((FOLDER / name).read_text("utf-8"))
        top = [
            node
            for node in tree.body
            if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        ]
        assert not re.search(r"\benviron\b|getenv", "\n".join(ast.unparse(node) for node in top))


@pytest.mark.parametrize("name", MODULES)
def test_no_private_name_of_a_generated_package(name: str) -> None:
    """Our code uses the public names of generated packages alone, and knows no field's limits."""
    source = (FOLDER / name).read_text("utf-8")
    assert not re.search(r"(pristo_client|retainful_client|upsert_contact|\bclient)\._", source)
    assert (
        not re.search(r"max_?length|min_?items", source, re.IGNORECASE)
        or name == "_openapi/faults.py"
    )


def test_no_any_in_the_public_surface() -> None:
    """Signatures and annotations of everything public are exact."""
    for kind in (
        Pristo,
        AsyncPristo,
        Retainful,
        AsyncRetainful,
        contact_apis.PristoResult,
        contact_apis.RetainfulResult,
    ):
        for name in [each for each in dir(kind) if not each.startswith("_")] + ["__init__"]:
            member = getattr(kind, name)
            if inspect.isfunction(member):
                annotations = [
                    member.__annotations__,
                    *(each.__annotations__ for each in typing.get_overloads(member)),
                ]
                assert not re.search(r"\bAny\b", str(annotations)), (kind, name)
    for error in [
        getattr(contact_apis, each) for each in contact_apis.__all__ if each.endswith("Error")
    ]:
        assert not re.search(r"\bAny\b", str(vars(error).get("__annotations__", {})))


def test_type_checkers_see_what_was_meant(run: Run, tmp_path: Path) -> None:
    """Mypy and, where it is installed, pyright accept the examples and refuse each line that is marked."""
    file = ROOT / "tests" / "client" / "typing_examples.py"
    strict = (
        "--strict",
        "--warn-unused-ignores",
        f"--cache-dir={tmp_path}",
        "--follow-imports=silent",
        "--python-executable",
        sys.executable,
    )
    done = run(
        "python",
        "-m",
        "mypy",
        *strict,
        file,
        timeout=300,
        MYPYPATH=f"{ROOT / 'contrib'}:{ROOT / 'generated'}",
    )
    assert done.returncode == 0, done.stdout
    pyright = shutil.which("pyright")
    if pyright:
        settings = tmp_path / "pyrightconfig.json"
        lists = f'"include": ["{file}"], "extraPaths": ["{ROOT / "contrib"}", "{ROOT / "generated"}"], "pythonVersion": "3.11"'
        settings.write_text(
            f'{{{lists}, "typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": "error"}}',
            "utf-8",
        )
        done = run(pyright, "-p", settings, "--pythonpath", sys.executable, timeout=300)
        assert done.returncode == 0, done.stdout

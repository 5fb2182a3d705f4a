"""What users see and call, kept as files in ``tests/data/golden``, so that a change shows there what it changes.

``GOLDEN=write .venv/bin/python -m pytest -q tests/test_golden.py`` writes the files anew; the difference is then reviewed and committed.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import contact_apis
import contact_apis.mock
from contact_apis.mock import MockServer
from tests.conftest import ROOT, Run, contract, live
from tests.mutants.catalogue import SubjectServer, load

FOLDER = ROOT / "tests" / "data" / "golden"
COMMAND = Path(sys.executable).with_name("contact-apis")
SUBCOMMANDS = ("mock", "import", "upsert", "check", "contract")
ADA = "4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a11"
ROWS = f"""id,email
{ADA},ada@example.com
0e984725-c51c-4bf4-9960-e1c80e27aba0,no address
{ADA},ada@example.org
"""
#: Objects of ``results.json`` whose members are data: headers by name.
DATA = frozenset({"headers"})
OWN_PACKAGES = ("contact_apis", "pristo_client", "retainful_client")


def compare(name: str, text: str) -> None:
    """Fails where a golden file is another text than what was seen now, and says how to write it anew."""
    path = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    remedy = "if the change is meant, write it with: GOLDEN=write .venv/bin/python -m pytest -q tests/test_golden.py"
    assert path.is_file(), f"{path.relative_to(ROOT)} is missing; {remedy}"
    assert text == path.read_text("utf-8"), f"{path.relative_to(ROOT)} differs; {remedy}"


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


# ---------------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("subcommand", ["", *SUBCOMMANDS])
def test_help(run: Run, subcommand: str) -> None:
    """The help of the command and of each subcommand is what its golden file has."""
    done = run(COMMAND, *subcommand.split(), "--help", COLUMNS="80", NO_COLOR="1")
    assert done.returncode == 0, done.stderr
    compare(f"help/{subcommand or 'contact-apis'}.txt", done.stdout)


def test_every_subcommand_is_kept() -> None:
    """A subcommand that is added gets a golden file of its help, too."""
    overview = (FOLDER / "help" / "contact-apis.txt").read_text("utf-8")
    listed = re.findall(r"^  ([a-z-]+) ", overview.partition("Commands:\n")[2], re.MULTILINE)
    assert tuple(listed) == SUBCOMMANDS


# ---------------------------------------------------------------------------------------------------------------- JSON


def steady(line: str) -> Any:
    """A line of JSON with what differs from run to run masked."""
    value = json.loads(re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>", line))
    if isinstance(value, dict) and "seconds" in value:
        value["seconds"] = "<number>"
    return value


def test_json_output(run: Run, mock: MockServer, tmp_path: Path) -> None:
    """Standard output and exit code of every ``--output json``, and the lines of ``--results``, are what the golden file has."""
    file = tmp_path / "people.csv"
    file.write_text(ROWS, "utf-8")
    results = tmp_path / "results.jsonl"
    contact = ["--set", f"id={ADA}", "--set", "email=ada@example.com"]
    rejected = {**mock.env, "PRISTO_API_KEY": "another"}
    person = [
        "--set",
        "email=ada@example.com",
        "--set",
        "firstName=Ada",
        "--set",
        "listIds=L1",
        "--set",
        "subscribed=true",
    ]
    consent = [
        "--set",
        "consent.createdAt=2024-03-21T10:30:00Z",
        "--set",
        "consent.source=form",
        "--set",
        "consent.ip=192.0.2.7",
    ]
    cases: dict[str, tuple[list[str], dict[str, str]]] = {
        "upsert, created": (["upsert", "--to", "pristo", *contact], mock.env),
        "upsert, updated": (["upsert", "--to", "pristo", *contact], mock.env),
        "upsert, accepted": (["upsert", "--to", "retainful", *person, *consent], mock.env),
        "upsert, invalid": (
            ["upsert", "--to", "pristo", "--set", f"id={ADA}", "--set", "email=no address"],
            mock.env,
        ),
        "upsert, credentials rejected": (["upsert", "--to", "pristo", *contact], rejected),
        "import, dry run": (["import", str(file), "--to", "pristo", "--dry-run"], mock.env),
        "import": (
            [
                "import",
                str(file),
                "--to",
                "pristo",
                "--concurrency",
                "1",
                "--results",
                str(results),
            ],
            mock.env,
        ),
        "import, again": (["import", str(file), "--to", "pristo"], mock.env),
    }
    seen: dict[str, Any] = {}
    for name, (arguments, environment) in cases.items():
        done = run(COMMAND, *arguments, "--output", "json", **environment)
        seen[name] = {
            "exit_code": done.returncode,
            "stdout": [steady(line) for line in done.stdout.splitlines()],
        }
        assert done.stdout, (name, done.stderr)
    seen["import, --results"] = [steady(line) for line in results.read_text("utf-8").splitlines()]
    compare("output.json", json.dumps(seen, indent=1, ensure_ascii=False) + "\n")


def shape(value: Any) -> Any:
    """The keys of a JSON value at every depth, and the types of what is no object; of a list, all its items at once."""
    if isinstance(value, dict):
        return {key: "object" if key in DATA else shape(item) for key, item in value.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in value]
        return [union(shapes)] if shapes else []
    return {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}[
        type(value)
    ]


def union(shapes: list[Any]) -> Any:
    """One shape for many: the members of all objects, or the distinct types."""
    objects = [each for each in shapes if isinstance(each, dict)]
    if objects:
        keys = list(dict.fromkeys(key for each in objects for key in each))
        return {key: union([each[key] for each in objects if key in each]) for key in keys}
    distinct = {json.dumps(each) for each in shapes}
    return (
        json.loads(distinct.pop())
        if len(distinct) == 1
        else sorted(json.loads(each) for each in distinct)
    )


def test_keys_of_results(run: Run, tmp_path: Path) -> None:
    """The members of ``results.json``, with a failure and a clause that was not exercised, are what the golden file has."""
    with SubjectServer(load()["pristo.update-answers201"]) as server:
        variables = live(
            server, API="pristo", CLAUSE="pristo.update-answers-200", CONTRACT_RATE="0"
        )
        code, _, results = contract(run, tmp_path, **variables)
    assert (code, results["verdict"]) == (1, "violates")
    compare("results_keys.json", json.dumps(shape(results), indent=1) + "\n")


# ---------------------------------------------------------------------------------------------------------- signatures


def signature(callable_: Any) -> str:
    """A signature without the modules in which its types happen to live; that of ``Exception`` where it is inherited."""
    try:
        return without_modules(str(inspect.signature(callable_)))
    except ValueError:  # a class whose construction is written in C
        return "(*args)"


def without_modules(text: str) -> str:
    """A text about types without their modules, and without the addresses of objects."""
    plain = re.sub(rf"\b({'|'.join(OWN_PACKAGES)})(\.\w+)*\.(?=\w)", "", text)
    return re.sub(r"<(\w+) object at 0x[0-9a-f]+>", r"<\1>", plain)


def is_ours(owner: type) -> bool:
    return owner.__module__.partition(".")[0] in OWN_PACKAGES


def described(kind: type) -> Iterator[str]:
    """Bases, construction and public members of a class, a line each."""
    bases = ", ".join(
        base.__name__ for base in kind.__mro__[1:] if base.__name__ in contact_apis.__all__
    )
    yield f"class {kind.__name__}({bases})"
    yield f"    {kind.__name__}{signature(kind)}"
    owners: dict[str, Any] = {}
    for owner in reversed(kind.__mro__):
        if is_ours(owner):
            owners.update(
                {name: member for name, member in vars(owner).items() if not name.startswith("_")}
            )
    annotations: dict[str, Any] = {}
    for owner in reversed(kind.__mro__):
        if is_ours(owner):
            annotations.update(inspect.get_annotations(owner))
    for name, annotation in sorted(annotations.items()):
        if not name.startswith("_"):
            written = (
                annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
            )
            yield f"    {name}: {without_modules(written)}"
    for name, member in sorted(owners.items()):
        if isinstance(member, property):
            yield f"    property {name}"
        elif callable(getattr(kind, name)):
            method = getattr(kind, name)
            prefix = "async def" if inspect.iscoroutinefunction(method) else "def"
            for overload in typing.get_overloads(method):
                yield f"    @overload {prefix} {name}{signature(overload)}"
            yield f"    {prefix} {name}{signature(method)}"


def test_public_signatures() -> None:
    """The public names, their bases, members and signatures, are what the golden file has."""
    lines: list[str] = []
    for module in (contact_apis, contact_apis.mock):
        lines.append(f"module {module.__name__}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                lines.extend(described(thing))
            elif inspect.isfunction(thing):
                lines.append(f"def {name}{signature(thing)}")
            else:
                lines.append(f"{name}: {type(thing).__name__}")
    compare("signatures.txt", "\n".join(lines) + "\n")

"""What a change touches in this repository: clauses, checks, mutants, the suite's own requests, the mock, the import's mapper."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attrs import field, frozen

from contact_apis._openapi.document import pointer
from contact_apis._vendors.registry import VENDORS
from tests.contract.clauses import Clause, load_clauses, resolve_pointer
from tests.contract.coverage import load_exclusions, not_covered

from .callers import columns_of, mapper_fault
from .compare import Change, Comparison, operations_of
from .load import ROOT
from .nodes import Json

SUITE = ROOT / "tests" / "contract"


@frozen
class Touched:
    """What has to be looked at or mended here."""

    moved: tuple[tuple[str, str, str], ...] = ()
    """Clauses and exclusions whose place is elsewhere now: id, old pointer, new pointer."""
    stale: tuple[tuple[str, str], ...] = ()
    """Clauses and exclusions whose place is gone: id, pointer."""
    uncovered: tuple[str, ...] = ()
    """Parts of the new document that no clause and no exclusion speaks of, and that the old one did not have."""
    checks: dict[str, tuple[str, ...]] = field(factory=dict)
    """The checks of the clauses that are moved, stale or affected, by clause."""
    mutants: dict[str, int] = field(factory=dict)
    """How many mutants break each of these clauses."""
    requests: tuple[str, ...] = ()
    """Requests of the suite's own that do not fit the new document, and the file that builds them."""
    owed: tuple[str, ...] = ()
    """What else is to be done, a sentence each, with the file."""
    works: tuple[str, ...] = ()
    """What needs no line."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing here is touched."""
        return not (self.moved or self.stale or self.uncovered or self.requests or self.owed)


def _exists(document: Json, at: str) -> bool:
    try:
        resolve_pointer(document, at)
    except KeyError:
        return False
    return True


def touched_by(api: str, comparison: Comparison) -> Touched:
    """All that a new document touches here."""
    places = [(clause.id, clause.at) for clause in load_clauses().values() if clause.api == api]
    places += [("exclusions.yaml", each["at"]) for each in load_exclusions() if each["api"] == api]
    moved: list[tuple[str, str, str]] = []
    stale: list[tuple[str, str]] = []
    for name, at in places:
        if _exists(comparison.new, at) or not _exists(comparison.old, at):
            continue
        target = _elsewhere(comparison, at)
        if target is None:
            stale.append((name, at))
        else:
            moved.append((name, at, target))
    before = set(not_covered(api, comparison.old))
    renamed = {at for _, _, at in moved}
    uncovered = [
        at
        for at in not_covered(api, comparison.new)
        if at not in before and not _is_known(at, renamed)
    ]
    concerned = {name for name, *_ in (*moved, *stale)} - {"exclusions.yaml"}
    for change in comparison.changes:
        concerned |= {clause.id for clause in clauses_of(api, change)}
    ordered = [each for each in load_clauses() if each in concerned]
    counts = mutants_by_clause(api, comparison.old) if ordered else {}
    return Touched(
        moved=tuple(moved),
        stale=tuple(stale),
        uncovered=tuple(uncovered),
        checks={name: tuple(_checks().get(name, ())) for name in ordered},
        mutants={name: counts.get(name, 0) for name in ordered},
        requests=tuple(misfits(api, comparison.new)),
        owed=tuple(_owed(api, comparison)),
        works=tuple(_works(api, comparison)),
    )


def _is_known(at: str, places: set[str]) -> bool:
    return any(place == at or place.startswith(f"{at}/") for place in places)


def _elsewhere(comparison: Comparison, at: str) -> str | None:
    """Where a place of an operation or a renamed schema is now."""
    steps = [(old.node.at, new.node.at) for old, new in comparison.matched]
    steps += [(old.item.at, new.item.at) for old, new in comparison.matched]
    for change in comparison.changes:
        if change.kind == "schema-renamed" and change.finding is not None:
            steps.append((change.finding.old.at, change.finding.new.at))
        if change.kind == "security-scheme-renamed":
            names = zip(change.before, change.after, strict=False)
            steps += [
                (
                    pointer("components", "securitySchemes", one),
                    pointer("components", "securitySchemes", other),
                )
                for one, other in names
            ]
    for old, new in steps:
        if old != new and (at == old or at.startswith(f"{old}/")):
            target = new + at.removeprefix(old)
            if _exists(comparison.new, target):
                return target
    return None


def clauses_of(api: str, change: Change) -> list[Clause]:
    """The clauses that a change is about: those at its place, within it, or right around a rule that changed."""
    places = {at for at in (change.at_before, change.at_after) if at}
    whole = {
        place.rpartition("/")[0]
        for place in places
        if "/properties/" in place and change.finding is not None
    }
    if change.finding is not None and not change.finding.member:
        whole |= {change.finding.old.at, change.finding.new.at}
    found: list[Clause] = []
    for clause in load_clauses().values():
        if clause.api != api:
            continue
        is_within = any(clause.at == place or clause.at.startswith(f"{place}/") for place in places)
        if is_within or (clause.kind == "schema" and clause.at in whole):
            found.append(clause)
    return found


@cache
def _checks() -> dict[str, list[str]]:
    """The checks of each clause, as ``file::function``."""
    found: dict[str, list[str]] = {}
    for path in sorted(SUITE.rglob("check_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                for clause in _marked(node):
                    found.setdefault(clause, []).append(
                        f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                    )
    return found


def _marked(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
                yield node.value


_COUNT = """
import json, pathlib, sys
import attrs
from tests.contract import clauses
from tests.contract.profiles.registry import PROFILES
file = pathlib.Path(sys.argv[2])
clauses.FILES[sys.argv[1]] = file
PROFILES[sys.argv[1]] = attrs.evolve(PROFILES[sys.argv[1]], document=file)
from tests.mutants.catalogue import load
print(json.dumps([sorted(subject.right) for subject in load().values()]))
"""


def mutants_by_clause(api: str, document: Json) -> dict[str, int]:
    """How many mutants break each clause, by the document that they were written for.

    A process of its own loads them, for they cannot be built of a document that has lost one of their places.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(json.dumps(document), "utf-8")
        command = [sys.executable, "-c", _COUNT, api, str(file)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {}
    counts: dict[str, int] = {}
    for clauses in json.loads(done.stdout.splitlines()[-1]):
        for clause in clauses:
            counts[clause] = counts.get(clause, 0) + 1
    return counts


# ------------------------------------------------------------------------------------------- the suite's own requests


def misfits(api: str, document: Json) -> list[str]:
    """What of the suite's own requests does not fit a document, a sentence each, with the file that builds them.

    A process of its own asks the suite, for there the new document is the one that the suite reads.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "the new document"
        file.with_suffix(".json").write_text(json.dumps(document), "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "tests.changes.probe", api, str(file.with_suffix(".json"))],
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [
            f"the suite's requests cannot be built by this document ({last}); see {profile_of(api)}"
        ]
    found = [
        each.replace("the new document.json", "the new document")
        for each in json.loads(done.stdout)
    ]
    return [f"{each}; adapt {profile_of(api)}" for each in found]


def profile_of(api: str) -> str:
    """The file that builds the suite's requests of an API."""
    own = SUITE / "profiles" / f"{api}.py"
    if own.exists():
        return own.relative_to(ROOT).as_posix()
    for path in sorted(SUITE.rglob("*.py")):
        if "def base_requests" in path.read_text("utf-8"):
            return path.relative_to(ROOT).as_posix()
    return "tests/contract"


# ------------------------------------------------------------------------------------------------- wrappers and mock


def _owed(api: str, comparison: Comparison) -> Iterator[str]:
    vendor = VENDORS.get(api)
    if vendor is None:
        return
    folder = Path("contrib/contact_apis/_vendors") / vendor.name
    ids = {each.id for each in operations_of(comparison.new)}
    if vendor.upsert not in ids:
        yield f"{folder}/__init__.py: upsert={vendor.upsert!r} is no operation of the document"
    schemes = comparison.new.get("components", {}).get("securitySchemes", {})
    for setting in vendor.settings:
        if setting.scheme is not None and setting.scheme not in schemes:
            yield f"{folder}/__init__.py: Setting({setting.name!r}) names the security scheme {setting.scheme}, which is gone"
    if vendor.upsert in ids:
        fault = mapper_fault(vendor, comparison.new)
        if fault:
            yield f"{folder}/records.py: the mapper cannot be built of the document ({fault})"
    yield from _owed_by_changes(folder.as_posix(), comparison)


def _owed_by_changes(folder: str, comparison: Comparison) -> Iterator[str]:
    for change in comparison.changes:
        if change.kind == "operation-added":
            yield (
                f"{change.after}: a wrapper method, if it deserves one ({folder}/client.py); clauses, checks and mutants, or an entry in"
                " specs/exclusions.yaml (.github/CONTRIBUTING.md, “Add an operation”)"
            )
        if change.kind in ("parameter-added-required", "parameter-became-required"):
            yield f"{change.where}: {folder}/client.py has to give it with every call"
        if change.kind in ("security-added", "security-scheme-also-needed", "security-changed"):
            yield f"security: {folder}/__init__.py needs a Setting for {change.after}"
        if change.kind == "path-changed":
            yield f"{change.after}: tests/contract sends to a path of its own; see the suite's profile of this API"


def _works(api: str, comparison: Comparison) -> Iterator[str]:
    for change in comparison.changes:
        if change.kind == "operation-added":
            name = change.operations[0]
            yield f"{name}: generated, reached through the wrapper's `.client` with its checks, retries and errors"
        if change.kind == "path-changed":
            yield f"{change.after}: generated client, wrapper and mock follow the document"
        if change.kind == "error-status-added":
            yield f"{change.where}: the wrapper raises the class of the status"
    vendor = VENDORS.get(api)
    if vendor is not None and not mapper_fault(vendor, comparison.new):
        before, after = (
            columns_of(vendor, document) for document in (comparison.old, comparison.new)
        )
        for column in after:
            if column not in before:
                yield f"import column {column}: filled by name, without a line"
        for column in before:
            if column not in after:
                yield f"import column {column} is gone: a mapping that names it is refused with a sentence"

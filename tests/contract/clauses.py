"""The clauses, typed, and the specifications that they speak of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

import yaml
from attrs import field, frozen

from contact_apis._openapi.document import Contract

from .profiles.registry import PROFILES

FILES = {name: profile.document for name, profile in PROFILES.items()}
APIS = tuple(PROFILES)

Evidence = Literal["documented", "inferred", "contradictory"]


@frozen
class Clause:
    """One promise of a vendor's page."""

    id: str
    says: str
    at: str
    kind: Literal["schema", "behaviour", "security", "transport"]
    evidence: Evidence
    heading: str = ""
    readings: dict[str, str] = field(factory=dict)

    @property
    def api(self) -> str:
        return self.id.partition(".")[0]

    @property
    def place(self) -> str:
        """Where the promise stands, for a reader."""
        return f"“{self.heading}” · {self.at}" if self.heading else self.at


@cache
def load_clauses() -> dict[str, Clause]:
    """All clauses by id, in the order of the files that the profiles name."""
    found: dict[str, Clause] = {}
    for path in dict.fromkeys(profile.clauses for profile in PROFILES.values()):
        entries = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        found |= {entry["id"]: Clause(**entry) for entry in entries}
    return found


def load_specification(api: str) -> dict[str, Any]:
    """The OpenAPI document of an API, parsed."""
    return contract_of(api).document


def contract_of(api: str) -> Contract:
    """The document of an API, ready to be asked."""
    return PROFILES[api].contract


def checksum(apis: Iterable[str]) -> str:
    """SHA-256 over the specification files of these APIs, in order."""
    return hashlib.sha256(b"".join(FILES[api].read_bytes() for api in apis)).hexdigest()


def resolve_pointer(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer, following references on the way.

    Raises:
        KeyError: nothing is there.
    """
    node = document
    for step in pointer.split("/")[1:]:
        node = _follow(document, node)
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (IndexError, ValueError, TypeError) as error:
            raise KeyError(pointer) from error
    return node


def _follow(document: Any, node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        node = resolve_pointer(document, node["$ref"].removeprefix("#"))
    return node


def broken_clause(api: str, pointer: str) -> Clause | None:
    """The clause that a broken schema rule belongs to: of those that lead to its place, the longest.

    Documented clauses of kind ``schema`` and contradictory ones take part; where two are as long, the documented one wins.
    """
    known = _clauses_by_place(api)
    place = pointer
    while place and place not in known:
        place = place.rpartition("/")[0]
    return known.get(place)


@cache
def _clauses_by_place(api: str) -> dict[str, Clause]:
    """The clauses that a broken schema rule may belong to, by the place of each in the document."""
    found: dict[str, Clause] = {}
    for clause in load_clauses().values():
        of_a_schema = clause.evidence == "documented" and clause.kind == "schema"
        if clause.api != api or not (of_a_schema or clause.evidence == "contradictory"):
            continue
        earlier = found.get(clause.at)
        if earlier is None or (of_a_schema and earlier.evidence != "documented"):
            found[clause.at] = clause
    return found

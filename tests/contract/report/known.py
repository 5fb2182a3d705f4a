"""``known-violations.yaml``: what is broken, is known to be, and has a ticket and a date until which that is accepted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from attrs import frozen

from ..clauses import load_clauses
from .history import ForeignHistory, demand_file

MEMBERS = ("clause", "since", "ticket", "until")
LARGEST = 1024 * 1024  # bytes
State = Literal["broken", "expired", "passes-again", "not-checked"]


class NotKnown(Exception):
    """A file of known violations cannot be used; the text says why, after the file's name."""


@frozen
class KnownViolation:
    """One entry."""

    clause: str
    since: date
    ticket: str
    until: date
    """The last day (UTC) on which it is accepted."""

    def state(self, result: str, today: date) -> State:
        """What there is to say of it, given the clause's result tonight."""
        if result in ("pass", "observed"):
            return "passes-again"
        if today > self.until:
            return "expired"
        if result == "fail":
            return "broken"
        return "not-checked"

    def remark(self, state: State) -> str | None:
        """One sentence for an entry that needs a hand, or None."""
        if state == "passes-again":
            return f"{self.clause} passes again: remove its entry ({self.ticket}) from the known violations"
        if state == "expired":
            return f"the entry of {self.clause} ({self.ticket}) ended on {self.until}: mend the clause or set a later 'until'"
        return None

    def as_json(self, state: State) -> dict[str, str | None]:
        return {
            "clause": self.clause,
            "since": str(self.since),
            "ticket": self.ticket,
            "until": str(self.until),
            "state": state,
            "remark": self.remark(state),
        }

    def concerns(self, apis: Iterable[str]) -> bool:
        """Whether a run of these APIs has something to say of it."""
        return self.clause.partition(".")[0] in apis


class _Loader(yaml.BaseLoader):
    """Reads YAML with each value as text, and refuses a member that stands twice in one mapping: of two values one would be lost in silence."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:  # as in the library
        names = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_known(path: Path) -> tuple[KnownViolation, ...]:
    """Reads the entries.

    Raises:
        NotKnown: the file cannot be read, or an entry is not valid.
    """
    entries = _read_yaml(path)
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise NotKnown(f"is not a list; write entries with {', '.join(MEMBERS)}")
    known = tuple(_entry(number, entry) for number, entry in enumerate(entries, 1))
    seen: set[str] = set()
    for number, violation in enumerate(known, 1):
        if violation.clause in seen:
            raise NotKnown(f"names {violation.clause} twice (entry {number})")
        seen.add(violation.clause)
    return known


def _read_yaml(path: Path) -> Any:
    try:
        demand_file(path, LARGEST)
        return yaml.load(path.read_text("utf-8-sig"), Loader=_Loader)  # noqa: S506  # a safe one
    except ForeignHistory as reason:
        raise NotKnown(str(reason)) from None
    except OSError as error:
        raise NotKnown(f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise NotKnown("is not UTF-8 text") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotKnown(f"is not valid YAML{_place_of(error)}") from None


def _place_of(error: Exception) -> str:
    """Where and why YAML is not valid, as far as an error has it."""
    place = ""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        place += f" at line {mark.line + 1}"
    problem = getattr(error, "problem", None)
    if problem:
        place += f" ({problem})"
    return place


def _entry(number: int, entry: Any) -> KnownViolation:
    if not isinstance(entry, Mapping):
        raise NotKnown(f"has an entry {number} that is not a mapping; give {', '.join(MEMBERS)}")
    _demand_members(number, entry)
    clause = entry["clause"]
    _demand_clause(number, clause)
    since = _day(number, "since", entry["since"])
    until = _day(number, "until", entry["until"])
    if until < since:
        raise NotKnown(
            f"has an entry {number} whose 'until' ({until}) lies before its 'since' ({since})"
        )
    return KnownViolation(clause, since, entry["ticket"], until)


def _demand_members(number: int, entry: Mapping[str, Any]) -> None:
    members = ", ".join(MEMBERS)
    for name in MEMBERS:
        if not entry.get(name):
            raise NotKnown(f"has an entry {number} without '{name}'; give {members}")
    for name in entry:
        if name not in MEMBERS:
            raise NotKnown(f"has an entry {number} with '{name}', which is not one of {members}")
    for name in MEMBERS:
        if not isinstance(entry[name], str):
            raise NotKnown(f"has an entry {number} whose '{name}' is not text")


def _demand_clause(number: int, clause: str) -> None:
    if clause in load_clauses():
        return
    hint = "specs/clauses.yaml lists them"
    near = difflib.get_close_matches(clause, load_clauses(), n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    raise NotKnown(
        f"has an entry {number} whose 'clause' {clause[:100]} is not one of the suite; {hint}"
    )


def _day(number: int, name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NotKnown(
            f"has an entry {number} whose '{name}' is not a date like 2026-03-31"
        ) from None

"""What was sent in another form than the cell has it, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from contact_apis._openapi.document import Json

Repair = tuple[str, tuple[str, ...]]
"""What a repaired cell holds, such as ``phones``, and what had to be repaired."""


class Repairs:
    """How many cells were repaired, and how."""

    def __init__(self) -> None:
        self._cells: Counter[str] = Counter()
        self._ways: dict[str, Counter[str]] = {}

    def add(self, repairs: Iterable[Repair]) -> None:
        """Counts the repaired cells of a row that goes out."""
        for kind, ways in repairs:
            self._cells[kind] += 1
            self._ways.setdefault(kind, Counter()).update(ways)

    def lines(self) -> Iterator[str]:
        """A sentence for each kind of cells: ``phones repaired: 3 (text mark removed 2, plus added 1)``."""
        for kind, count in self._cells.items():
            ways = ", ".join(f"{way} {times}" for way, times in self._ways[kind].most_common())
            yield f"{kind} repaired: {count} ({ways})"

    def as_json(self) -> Json:
        """The same by kind, for programs: the number of ``cells``, and in ``repairs`` how often each repair was made."""
        return {
            kind: {"cells": count, "repairs": dict(self._ways[kind])}
            for kind, count in self._cells.items()
        }

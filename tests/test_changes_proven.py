"""What ``make changes`` lists is proven: nothing breaks that is not listed, and each break that is listed can be shown."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from tests.changes.compare import Comparison, compare
from tests.changes.load import read_working
from tests.changes.mutations import mutated
from tests.changes.verdicts import Pair
from tests.contract.clauses import APIS

ROUNDS = int(os.environ.get("CHANGES_ROUNDS", "10"))
VALUES = int(os.environ.get("CHANGES_VALUES", "40"))


def unlisted(comparison: Comparison, pair: Pair, seed: int) -> list[Any]:
    """Values that one side may send and the other refuses, at a place for which no breaking change is listed."""
    for change in comparison.breaking:
        if change.direction == pair.direction and pair.place in change.places:
            return []
    chance = random.Random(f"values {seed}")
    return [value for value in pair.random_values(chance, VALUES) if pair.breaks(value)]


def shown(comparison: Comparison, change: Any) -> bool:
    """Whether the example of a breaking change shows it, where it is a value of a schema."""
    if change.finding is None:
        return change.example is not None
    (value,) = change.example.values()
    return any(
        pair.breaks(value) for pair in comparison.pairs if pair.direction == change.direction
    )


@pytest.mark.parametrize("api", APIS)
def test_a_break_is_listed_and_what_is_listed_can_be_shown(api: str) -> None:
    """Of random changes: old requests are valid and new responses are read unless a break is listed; each break has its value."""
    document = read_working(api).document
    found = 0
    for seed in range(ROUNDS):
        changed = mutated(document, random.Random(f"{api} {seed}"))
        for old, new in ((document, changed), (changed, document)):
            comparison = compare(old, new)
            for pair in comparison.pairs:
                assert unlisted(comparison, pair, seed) == [], (api, seed)
            for change in comparison.breaking:
                assert shown(comparison, change), (api, seed, change)
                json.dumps(change.example)
            found += len(comparison.breaking)
    assert found > ROUNDS / 2


@pytest.mark.parametrize("api", APIS)
def test_the_same_document_has_no_changes(api: str) -> None:
    """Nor has a copy whose members stand in another order."""
    document = read_working(api).document
    assert compare(document, document).changes == ()
    assert compare(document, json.loads(json.dumps(document, sort_keys=True))).changes == ()

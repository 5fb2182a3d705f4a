"""How much a change matters, and a value that shows it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from attrs import frozen

from .nodes import Node
from .samples import MISSING, Samples, Step, around
from .schemas import Finding, rule_of

Severity = Literal["breaking", "warning", "compatible"]
Direction = Literal["request", "response"]
SEVERITIES: tuple[Severity, ...] = ("breaking", "warning", "compatible")
_LAW: dict[tuple[str, str], Severity] = {
    ("narrows", "request"): "breaking",
    ("narrows", "response"): "compatible",
    ("widens", "request"): "compatible",
    ("widens", "response"): "breaking",
    ("either", "request"): "breaking",
    ("either", "response"): "breaking",
    ("unknown", "request"): "warning",
    ("unknown", "response"): "warning",
    ("none", "request"): "compatible",
    ("none", "response"): "compatible",
}
"""A request may not be narrowed and a response may not be widened (the law by which oasdiff derives its levels)."""


@frozen
class Rule:
    """A kind of change."""

    kind: str
    area: str
    says: str
    """What changed, in words; ``{before}``, ``{after}`` and ``{name}`` stand for what it is about."""
    effect: str = "none"
    """On the set of valid values: narrows, widens, either, unknown or none."""
    request: str | None = None
    """The effect on requests, where it is another one."""
    response: str | None = None
    severity: Severity | None = None
    """Of a change that is not about a schema."""
    python: str = ""
    """What it means for Python callers; ``{field}``, ``{model}``, ``{type}`` and the like are filled in."""
    python_request: str | None = None
    python_response: str | None = None
    breaks_python: bool = False
    """Whether code that uses the generated packages or the wrappers has to change, whatever goes over the wire."""

    def effect_on(self, direction: str) -> str:
        """The effect for one direction."""
        own = self.request if direction == "request" else self.response
        return own or self.effect

    def consequence(self, direction: str) -> str:
        """The Python consequence for one direction."""
        own = self.python_request if direction == "request" else self.python_response
        return self.python if own is None else own


@cache
def load_rules() -> dict[str, Rule]:
    """All kinds of change, by name."""
    entries = yaml.load(
        Path(__file__).with_name("rules.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader
    )
    return {entry["kind"]: Rule(**entry) for entry in entries}


@frozen(eq=False)
class Pair:
    """The schema of one place on the wire, in both documents, with what makes values for each."""

    direction: Direction
    old: Node
    new: Node
    old_samples: Samples
    new_samples: Samples
    place: str
    """Where it is, as changes name it."""

    @property
    def sender(self) -> tuple[Node, Samples]:
        """By whose schema values are sent: an old client's requests, a new service's responses."""
        return (
            (self.old, self.old_samples)
            if self.direction == "request"
            else (self.new, self.new_samples)
        )

    @property
    def reader(self) -> tuple[Node, Samples]:
        """By whose schema they are read."""
        return (
            (self.new, self.new_samples)
            if self.direction == "request"
            else (self.old, self.old_samples)
        )

    def breaks(self, value: Any) -> bool:
        """Whether a value is valid for the sender and not for the reader."""
        (sent, sends), (read, reads) = self.sender, self.reader
        return sends.fits(sent.value, value) and not reads.fits(read.value, value)

    def random_values(self, chance: random.Random, count: int) -> Iterator[Any]:
        """Values by chance that are valid for the sender."""
        schema, samples = self.sender
        for _ in range(count):
            value = samples.random(schema.value, chance)
            if samples.fits(schema.value, value):
                yield value


def severity_of(finding: Finding, direction: Direction) -> Severity:
    """By the effect and the direction; a breaking one has still to be shown."""
    effect = finding.effect or load_rules()[finding.kind].effect_on(direction)
    if finding.effect == "unknown" and direction == "response":
        effect = "none"
    return _LAW[effect, direction]


def example_of(finding: Finding, pair: Pair) -> Any:
    """A whole value that the sender may send and the reader refuses because of this change, or ``MISSING``."""
    schema, sends = pair.sender
    level, other = (
        (finding.old, finding.new) if pair.direction == "request" else (finding.new, finding.old)
    )
    rule = rule_of(finding, other)
    reads = pair.reader[1]
    tried = 0
    for value in _suggested(finding, sends, level):
        if reads.fits(rule, value) or not sends.fits(level.value, value):
            continue
        whole = around(sends, schema.value, _steps_of(finding.steps, pair.direction), value)
        if whole is not MISSING and pair.breaks(whole):
            return whole
        tried += 1
        if tried > 12:
            break
    return MISSING


def _suggested(finding: Finding, samples: Samples, level: Node) -> Iterator[Any]:
    if "value" in finding.rule:
        yield finding.rule["value"]
        return
    if finding.member:
        for value in samples.values(level.value):
            if isinstance(value, dict):
                yield value
        return
    yield from samples.values(level.value)


def _steps_of(steps: tuple[Step, ...], direction: str) -> list[Step]:
    """The steps as the sender's document has them: an alternative may stand elsewhere in the list."""
    taken: list[Step] = []
    for kind, argument in steps:
        if kind == "branch":
            word, one, other = argument
            taken.append((kind, (word, one if direction == "request" else other)))
        else:
            taken.append((kind, argument))
    return taken


def unlisted_break(pair: Pair, chance: random.Random, count: int) -> Any:
    """A value by chance that the reader refuses, or ``MISSING``: the net below the rules."""
    for value in pair.random_values(chance, count):
        if pair.breaks(value):
            return value
    return MISSING

"""Everything about two documents in one place: changes with their consequences, the version that follows, the line for the changelog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from contact_apis._vendors.registry import VENDORS
from contact_apis._version import __version__

from .callers import Callers
from .compare import Change, Comparison, compare
from .load import Source
from .nodes import Json
from .repository import Touched, touched_by
from .surface import Break
from .verdicts import SEVERITIES, Severity


@frozen
class Line:
    """A row of the report: what changed, and what it means for callers."""

    change: Change
    callers: str
    breaks_python: bool
    clauses: tuple[str, ...] = ()


@frozen
class Report:
    """What a new document breaks."""

    api: str
    old_label: str
    new_label: str
    comparison: Comparison = field(repr=False)
    lines: tuple[Line, ...]
    touched: Touched
    surface: tuple[Break, ...] | None = None
    """What griffe finds broken in the generated package; ``None`` where it was not compared."""

    @property
    def title(self) -> str:
        """The API by the name that people use."""
        vendor = VENDORS.get(self.api)
        return self.api.title() if vendor is None else vendor.title

    @property
    def counts(self) -> dict[Severity, int]:
        """How many changes there are of each severity."""
        severities = [line.change.severity for line in self.lines]
        return {severity: severities.count(severity) for severity in SEVERITIES}

    @property
    def is_breaking(self) -> bool:
        """Whether the new document breaks somebody's request or client."""
        return self.counts["breaking"] > 0

    @property
    def bump(self) -> str:
        """``minor``, ``patch`` or ``none`` before version 1.0: what is removed or tightened is a new minor version (README)."""
        return bump_of(self.lines, self.surface or ())

    @property
    def next_version(self) -> str:
        """The version that follows."""
        return bumped(__version__, self.bump)

    @property
    def changelog(self) -> str:
        """A line for CHANGELOG.md."""
        if not self.lines:
            return ""
        first = [line for line in self.lines if line.change.is_breaking or line.breaks_python]
        shown = (
            first
            or [line for line in self.lines if not _is_wording(line.change)]
            or list(self.lines)
        )
        parts = list(dict.fromkeys(_in_brief(line.change) for line in shown))
        text = "; ".join(parts[:6])
        if len(parts) > 6:
            text += f"; and {len(parts) - 6} more"
        word = "breaks" if first else "adds"
        return f"- {self.title}'s new document {word}: {text}."


def build_report(
    api: str, old: Source, new: Source, surface: tuple[Break, ...] | None = None
) -> Report:
    """Compares two documents of an API, with all consequences."""
    from .repository import clauses_of

    comparison = compare(old.document, new.document)
    callers = Callers(api, comparison)
    lines = tuple(
        Line(
            change,
            callers.consequence(change),
            callers.breaks_python(change),
            tuple(clause.id for clause in clauses_of(api, change)),
        )
        for change in comparison.changes
    )
    touched = touched_by(api, comparison) if lines else Touched()
    return Report(api, old.label, new.label, comparison, lines, touched, surface)


def bump_of(lines: Sequence[Line], surface: Sequence[object] = ()) -> str:
    """The part of the version that has to change while the major version is 0."""
    if surface or any(line.change.is_breaking or line.breaks_python for line in lines):
        return "minor"
    return "patch" if lines else "none"


def bumped(version: str, part: str) -> str:
    """A version with a part raised."""
    numbers = [int(number) for number in version.split(".")[:3]]
    if part == "minor" and numbers[0] > 0:
        return f"{numbers[0] + 1}.0.0"
    if part == "minor":
        return f"0.{numbers[1] + 1}.0"
    if part == "patch":
        return f"{numbers[0]}.{numbers[1]}.{numbers[2] + 1}"
    return version


def _is_wording(change: Change) -> bool:
    return change.kind.endswith("description-changed")


def _in_brief(change: Change) -> str:
    if change.where in change.says or change.finding is None:
        return (
            f"{change.says} ({change.direction})" if change.direction != "document" else change.says
        )
    return f"{change.where}: {change.says} ({change.direction})"


def as_data(report: Report) -> Json:
    """The report as JSON."""
    return {
        "api": report.api,
        "from": report.old_label,
        "to": report.new_label,
        "breaking": report.is_breaking,
        "counts": report.counts,
        "bump": report.bump,
        "next_version": report.next_version,
        "changelog": report.changelog,
        "changes": [_line_data(line) for line in report.lines],
        "python_surface": None
        if report.surface is None
        else [{"at": each.at, "says": each.says} for each in report.surface],
        "repository": _touched_data(report.touched),
    }


def _line_data(line: Line) -> Json:
    change = line.change
    data: dict[str, Any] = {
        "kind": change.kind,
        "direction": change.direction,
        "severity": change.severity,
        "where": change.where,
        "says": change.says,
        "before": change.before,
        "after": change.after,
        "at_before": change.at_before,
        "at_after": change.at_after,
        "places": list(change.places),
        "example": change.example,
        "callers": line.callers,
        "breaks_python": line.breaks_python,
        "clauses": list(line.clauses),
    }
    return data


def _touched_data(touched: Touched) -> Json:
    return {
        "moved_clauses": [
            {"clause": name, "from": old, "to": new} for name, old, new in touched.moved
        ],
        "stale_clauses": [{"clause": name, "at": at} for name, at in touched.stale],
        "uncovered": list(touched.uncovered),
        "checks": {name: list(checks) for name, checks in touched.checks.items()},
        "mutants": touched.mutants,
        "requests": list(touched.requests),
        "owed": list(touched.owed),
        "works": list(touched.works),
    }

"""A report as text, Markdown, JSON or HTML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import jinja2

from .report import Line, Report, as_data
from .verdicts import SEVERITIES

LABELS = {"breaking": "BREAKING", "warning": "warning", "compatible": "compatible"}
_MOST = 8
"""Names of a list that are written out."""


def summary(report: Report) -> str:
    """The report in one line."""
    if not report.lines:
        return f"{report.title}: {report.old_label} and {report.new_label} say the same"
    counts = report.counts
    return (
        f"{report.title}: {counts['breaking']} breaking, {counts['warning']} to look at, {counts['compatible']} compatible"
        f" ({report.old_label} -> {report.new_label}); version {report.next_version} ({report.bump})"
    )


def repository_lines(report: Report) -> Iterator[str]:
    """The third column: a line for each thing that has to be done here, and for what needs nothing."""
    touched = report.touched
    for each in touched.requests:
        yield f"the suite stops: {each}"
    for name, old, new in touched.moved:
        yield f"moved: {name} ({old}) is at {new} now; change `at` in specs/"
    for name, at in touched.stale:
        checks = ", ".join(touched.checks.get(name, ())) or "no check of its own"
        yield f"stale: {name} ({at}) points nowhere; with it {checks} and {touched.mutants.get(name, 0)} mutants"
    for at in touched.uncovered:
        yield f"uncovered: {at} has no clause; add one to specs/clauses.yaml with a check and a mutant, or a reason to specs/exclusions.yaml"
    for each in touched.owed:
        yield f"owed: {each}"
    affected = [
        name
        for name in touched.checks
        if name not in {*dict.fromkeys(each[0] for each in (*touched.moved, *touched.stale))}
    ]
    for name in affected:
        checks = ", ".join(touched.checks[name]) or "checked by generated data"
        yield f"read again: {name} ({checks}; {touched.mutants.get(name, 0)} mutants)"
    for each in touched.works:
        yield f"works: {each}"


def example_text(line: Line) -> str:
    """What shows a breaking change, in one line."""
    if not line.change.example:
        return ""
    text = "; ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in line.change.example.items()
    )
    return text if len(text) <= 400 else f"{text[:397]}..."


def as_text(reports: Sequence[Report]) -> str:
    """For a terminal."""
    parts = ["\n".join(_text(report)) for report in reports]
    return "\n\n".join(parts) + "\n"


def _text(report: Report) -> Iterator[str]:
    yield summary(report)
    for severity in SEVERITIES:
        for line in report.lines:
            if line.change.severity == severity:
                yield from _line_text(line)
    if not report.lines:
        return
    yield ""
    yield "In this repository:"
    listed = list(repository_lines(report))
    yield from (f"  {each}" for each in listed or ["nothing to do"])
    if report.surface is not None:
        yield ""
        yield f"Python surface of {report.api}_client (griffe): {len(report.surface)} breaks"
        yield from (f"  {each.at}: {each.says}" for each in report.surface)
    yield ""
    yield f"Version: {report.next_version} ({report.bump}). For CHANGELOG.md:"
    yield f"  {report.changelog}"


def _line_text(line: Line) -> Iterator[str]:
    change = line.change
    yield ""
    yield f"{LABELS[change.severity]}  {change.direction}  {change.where}: {change.says}  [{change.kind}]"
    pointers = [at for at in dict.fromkeys((change.at_before, change.at_after)) if at]
    if change.places:
        yield f"    in       {'; '.join(change.places[:_MOST])}"
    if pointers:
        yield f"    at       {' -> '.join(pointers)}"
    yield f"    callers  {line.callers}"
    if line.clauses:
        yield f"    clauses  {', '.join(line.clauses[:_MOST])}{_and_more(line.clauses)}"
    if change.example:
        yield f"    shown by {example_text(line)}"


def _and_more(names: Sequence[str]) -> str:
    return f" and {len(names) - _MOST} more" if len(names) > _MOST else ""


def as_markdown(reports: Sequence[Report]) -> str:
    """For a pull request."""
    return "\n\n".join("\n".join(_markdown(report)) for report in reports) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    yield f"## {_cell(summary(report))}"
    if not report.lines:
        return
    yield ""
    yield "| | Document | Callers | Clauses |"
    yield "| --- | --- | --- | --- |"
    for line in report.lines:
        change = line.change
        places = "; ".join(change.places[:_MOST])
        document = f"**{_cell(change.where)}** ({change.direction}): {_cell(change.says)}"
        if places:
            document += f"<br>{_cell(places)}"
        if change.example:
            document += f"<br>shown by `{_code(example_text(line))}`"
        clauses = "<br>".join(line.clauses[:_MOST]) + _and_more(line.clauses)
        yield f"| {LABELS[change.severity]} | {document} | {_cell(line.callers)} | {clauses} |"
    yield ""
    yield "### In this repository"
    yield ""
    yield from (f"- {_cell(each)}" for each in repository_lines(report))
    if report.surface:
        yield ""
        yield "### Python surface (griffe)"
        yield ""
        yield from (f"- `{each.at}`: {_cell(each.says)}" for each in report.surface)
    yield ""
    yield f"### Version {report.next_version} ({report.bump})"
    yield ""
    yield "```markdown"
    yield report.changelog
    yield "```"


def _cell(text: str) -> str:
    """Text in a table's cell: a vendor's words are not markup."""
    escaped = (
        text.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    )
    return escaped.replace("*", "\\*").replace("`", "\\`").replace("\r", " ").replace("\n", " ")


def _code(text: str) -> str:
    return text.replace("`", "'").replace("|", "\\|").replace("\n", " ")


def as_json(reports: Sequence[Report]) -> str:
    """For a program: a list, a report an API."""
    return (
        json.dumps(
            [as_data(report) for report in reports], ensure_ascii=False, indent=2, default=str
        )
        + "\n"
    )


def as_html(reports: Sequence[Report]) -> str:
    """One page, without scripts and without anything from elsewhere."""
    loader = jinja2.PackageLoader("tests.changes", ".")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["example"] = example_text
    template = environment.get_template("page.html.jinja")
    return template.render(
        reports=reports, summary=summary, labels=LABELS, repository=repository_lines
    )


FORMATS: dict[str, Callable[[Sequence[Report]], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "json": as_json,
    "html": as_html,
}

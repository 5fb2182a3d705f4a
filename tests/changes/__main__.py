"""``make changes``: what a new vendor document changes.

Settings come as variables, as make gives them: FROM (a git revision or a file; HEAD), TO (likewise; the document in specs/), API
(pristo, retainful or both), FORMAT (text, markdown, json, html), FAIL_ON (breaking, warning), SURFACE (1 compares the generated code).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.contract.clauses import APIS

from .generate import GeneratorRefused, generate_one
from .load import NotADocument, Source, read_file, read_revision, read_working
from .nodes import Json
from .render import FORMATS
from .report import Report, build_report
from .surface import Break, breaks_between
from .verdicts import SEVERITIES, Severity

USAGE = 2
BREAKS = 1


class UsageError(Exception):
    """A setting that is not one of those that there are; the text says which there are."""


def main(settings: Mapping[str, str] = os.environ) -> int:
    """Prints the report; 0, or 1 where FAIL_ON asks for it, or 2 for a setting or a document that cannot be used."""
    try:
        form = chosen(settings, "FORMAT", tuple(FORMATS), "text")
        fails_on = chosen(settings, "FAIL_ON", ("", "breaking", "warning"), "")
        reports = list(reports_for(settings))
    except (NotADocument, UsageError, GeneratorRefused) as error:
        print(f"changes: {error}", file=sys.stderr)
        return USAGE
    sys.stdout.write(FORMATS[form](reports))
    levels = [each for each in SEVERITIES if each == fails_on]
    if any(_reaches(report, level) for report in reports for level in levels):
        return BREAKS
    return 0


def chosen(settings: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    """A setting that has to be one of a few words.

    Raises:
        UsageError: it is another one.
    """
    value = settings.get(name) or default
    if value not in choices:
        listed = ", ".join(each for each in choices if each)
        raise UsageError(f"{name}={value} is not one of {listed}")
    return value


def _reaches(report: Report, level: Severity) -> bool:
    levels = SEVERITIES[: [*SEVERITIES].index(level) + 1]
    return any(report.counts[each] for each in levels)


def reports_for(settings: Mapping[str, str]) -> Iterator[Report]:
    """A report for each API that is meant: of a file, the one that its operations belong to."""
    older = settings.get("FROM") or "HEAD"
    newer = settings.get("TO") or ""
    wanted = chosen(settings, "API", (*APIS, "both"), "both")
    apis = APIS if wanted == "both" else (wanted,)
    files = [name for name in (older, newer) if name and Path(name).is_file()]
    if files and wanted == "both":
        apis = (api_of(read_file(Path(files[0]))),)
    for api in apis:
        old = _source(older, api)
        new = _source(newer, api) if newer else read_working(api)
        surface = (
            _surface(api, old.document, new.document) if settings.get("SURFACE") == "1" else None
        )
        yield build_report(api, old, new, surface)


def _source(name: str, api: str) -> Source:
    path = Path(name)
    if path.is_file():
        return read_file(path)
    if path.suffix in (".json", ".yaml", ".yml", ".md"):
        raise NotADocument(f"there is no file {name}")
    return read_revision(name, api)


def api_of(source: Source) -> str:
    """Whose document it is, by its server or by its title.

    Raises:
        UsageError: nothing in it tells.
    """
    text = f"{source.document.get('servers')} {source.document.get('info')}".lower()
    found = [api for api in APIS if api in text]
    if len(found) != 1:
        raise UsageError(
            f"{source.label} does not tell whose document it is; add API={' or API='.join(APIS)}"
        )
    return found[0]


def _surface(api: str, old: Json, new: Json) -> tuple[Break, ...]:
    with tempfile.TemporaryDirectory() as folder:
        packages = []
        for name, document in (("old", old), ("new", new)):
            into = Path(folder) / name
            generate_one(document, f"{api}_client", into)
            packages.append(into)
        return breaks_between(f"{api}_client", *packages)


if __name__ == "__main__":
    sys.exit(main())

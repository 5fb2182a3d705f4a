"""The files of a run: each is written whole or not at all, and what cannot be written is reported in a sentence."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from ..clauses import checksum
from .history import FORMAT, Seen, Series, append_lines
from .junit import as_junit
from .masking import masked
from .morning import markdown
from .reports import Outcome, conclusion


@define
class _Attempts:
    """Writes one thing after the other, whatever becomes of those before."""

    secrets: Sequence[str]
    problems: list[str] = field(factory=list)
    """What could not be written, a sentence each."""

    def write(self, what: str, write: Callable[[], None]) -> bool:
        """Whether it was written."""
        try:
            write()
        except OSError as error:
            self.problems.append(f"{what} could not be written ({error.strerror or error})")
        except Exception as error:  # noqa: BLE001  # a fault of ours here must not take the results away
            reason = masked(f"{type(error).__name__}: {error}", self.secrets)
            self.problems.append(f"{what} could not be written ({reason})")
        else:
            return True
        return False


def write_reports(outcome: Outcome) -> list[str]:
    """Writes the files, the lines of the history and the summary of a step of GitHub Actions; each file appears whole or not at all.

    Returns:
        What could not be written, a sentence each. The results are kept in any case: if not in their folder, in a temporary one.
    """
    folder = outcome.folder
    results = outcome.results
    attempts = _Attempts(outcome.secrets)
    _keep_results(folder / "results.json", results, attempts)
    attempts.write("the history", lambda: _add_to_history(outcome, results))
    reproducers = folder / "reproducers"
    attempts.write("the reproducers", lambda: _write_reproducers(reproducers, results["failures"]))
    junit = folder / "junit.xml"
    attempts.write(str(junit), lambda: _write(junit, as_junit(results)))
    page = folder / "index.html"
    attempts.write(str(page), lambda: _write(page, _page(outcome, results)))
    summary = outcome.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        attempts.write("the step's summary", lambda: _append(Path(summary), _summary(results)))
    return attempts.problems


def _keep_results(path: Path, results: dict[str, Any], attempts: _Attempts) -> None:
    """Writes ``results.json``; where its folder takes none, into a temporary one; where that takes none, to the terminal."""
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"

    def write_elsewhere() -> None:
        elsewhere = Path(tempfile.mkdtemp(prefix="contract-")) / "results.json"
        _write(elsewhere, text)
        attempts.problems.append(f"the results are in {elsewhere}")

    if attempts.write(str(path), lambda: _write(path, text)):
        return
    if attempts.write("the results", write_elsewhere):
        return
    sys.stdout.write(f"\n{text}")
    attempts.problems.append("the results are printed above")


def _page(outcome: Outcome, results: dict[str, Any]) -> str:
    from .page import render_page

    looked = masked_looked(outcome.looked, outcome.secrets)
    return render_page(results, conclusion(results), looked, outcome.past)


def masked_looked(looked: Mapping[str, Seen], secrets: Sequence[str]) -> dict[str, Seen]:
    """What each clause was, as it may be shown: an earlier run may have been of other credentials."""
    found = {}
    for name, seen in looked.items():
        if seen.observation is None:
            found[name] = seen
        else:
            found[name] = evolve(seen, observation=masked(seen.observation, secrets))
    return found


def _add_to_history(outcome: Outcome, results: dict[str, Any]) -> None:
    if outcome.history is None:
        return  # it is not ours, and the verdict says so
    stamp = f"{outcome.finished:%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"
    clauses = outcome.compared(results["clauses"])
    added = []
    for series in outcome.series:
        added += _lines_of_night(series, stamp, results, clauses)
    append_lines(outcome.history.path, added)


def _lines_of_night(
    series: Series, stamp: str, results: dict[str, Any], clauses: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A line of the history for each clause of one API."""
    tickets = {entry["clause"]: entry["ticket"] for entry in results["known"]}
    night = {
        "format": FORMAT,
        "run": stamp,
        "finished": results["finished"],
        "target": series.target,
        "service": series.service,
        "api": series.api,
        "profile": series.profile,
        "seed": results["seed"],
        "spec": checksum([series.api])[:16],
        "verdict": results["verdict"],
    }
    lines = []
    for clause in clauses:
        if clause["id"].startswith(f"{series.api}."):
            line = {**night, "clause": clause["id"]}
            for name in ("result", "observation", "since"):
                line[name] = clause[name]
            line["ticket"] = tickets.get(clause["id"])
            lines.append(line)
    return lines


def _write_reproducers(folder: Path, failures: list[dict[str, Any]]) -> None:
    """One script of each language for each failure; those of an earlier run go."""
    for old in [*folder.glob("*.sh"), *folder.glob("*.py")]:
        old.unlink()
    for failure in failures:
        if failure["curl"]:
            _write(folder / f"{failure['clause']}.sh", failure["curl"])
            _write(folder / f"{failure['clause']}.py", failure["python"])


def _summary(results: dict[str, Any]) -> str:
    return markdown(results, conclusion(results))


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "wb", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise

"""The morning report: what changed since the nights before, as data, as lines of a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..settings import apis_of_results
from .history import BROKEN, NOT_CHECKED, Past, Seen, compare
from .words import counted

LISTED = 10  # clauses a category on a terminal; the page has all
LONGEST_TEXT = 160  # characters of an observation
CATEGORIES = {
    "first": "broken, checked for the first time",
    "new": "new tonight",
    "still": "still broken since",
    "mended": "mended",
    "changed": "changed observations",
    "not_checked": "not checked tonight, broken when last checked",
}
#: Categories that are not named where they have no clause.
ONLY_WHERE_ANY = ("first", "not_checked")
Json = dict[str, Any]


def morning_of(
    clauses: Iterable[Json],
    verdict: str,
    past: Mapping[str, Past],
    previous: Json | None,
    known: Iterable[Json],
    notes: Iterable[str],
) -> Json:
    """The report of a run against what each of its clauses was when it was last looked at.

    ``past`` are the earlier nights by API; what ``previous`` (an earlier ``results.json``) says of a clause goes before them.
    """
    shown = list(clauses)
    if verdict == "could-not-run":
        # Whatever it has seen, such a run mends nothing and breaks nothing.
        shown = [{**clause, "result": NOT_CHECKED, "observation": None} for clause in shown]
    entries = {violation["clause"]: violation for violation in known}
    compared_with: dict[str, str | None] = {}
    silent: dict[str, int] = {}
    for api, nights in past.items():
        compared_with[api] = None
        if nights.compared_with is not None:
            compared_with[api] = nights.compared_with.finished
        silent[api] = nights.silent
    for api in past:
        if previous is not None and api in apis_of_results(previous):
            compared_with[api] = previous.get("finished") or "an earlier run"
            silent[api] = 0
    is_comparable = verdict != "could-not-run" and any(compared_with.values())
    report: Json = {
        "is_comparable": is_comparable,
        "compared_with": compared_with,
        "silent": silent,
        "nights": {api: nights.count for api, nights in past.items()},
        "notes": list(notes),
    }
    for name, changes in compare(shown, looked_at(past, previous), entries).items():
        report[name] = [change.as_json() for change in changes]
    return report


def looked_at(past: Mapping[str, Past], previous: Json | None) -> dict[str, Seen]:
    """What each clause was when it was last looked at."""
    looked: dict[str, Seen] = {}
    for nights in past.values():
        looked |= nights.looked
    if previous is None:
        return looked
    finished = previous.get("finished") or ""
    for clause in previous.get("clauses", []):
        name = clause["id"]
        of_this_run = name.partition(".")[0] in past
        if of_this_run and clause["result"] != NOT_CHECKED:
            since = clause.get("since") or finished
            looked[name] = Seen(clause["result"], clause.get("observation"), since, finished)
    return looked


def since_of(clause: Json, looked: Mapping[str, Seen], finished: str) -> str:
    """Since when a clause is as it is, as far as the earlier runs go back."""
    was = looked.get(clause["id"])
    if was is None or was.result != clause["result"]:
        return finished
    if clause["result"] != BROKEN and was.observation != clause["observation"]:
        return finished
    return was.since or finished


def heading(morning: Json) -> str:
    """What the run is compared with, in one line."""
    dates = {api: when for api, when in morning["compared_with"].items() if when}
    if not dates:
        return "Nothing to compare with: there is no earlier verdict on the same API and service with the same profile."
    distinct = set(dates.values())
    if len(distinct) == 1:
        runs = f"the run of {moment(distinct.pop())}"
    else:
        runs = "the runs of " + ", ".join(f"{moment(when)} ({api})" for api, when in dates.items())
    if not morning["is_comparable"]:
        return f"Nothing was compared: tonight's run reached no verdict. The last verdict is that of {runs}."
    silent = max(morning["silent"].values(), default=0)
    if silent:
        count = counted(silent, "run", "runs")
        return f"Since {runs} ({count} after it reached no verdict):"
    return f"Since {runs}:"


def moment(text: str) -> str:
    """A time of an ISO text to the minute; any other text as it is."""
    day, separator, time = text.partition("T")
    if separator and text.endswith("+00:00"):
        return f"{day} {time[:5]} UTC"
    return text


def line_of(category: str, change: Json) -> str:
    """The line of one clause."""
    words = [change["clause"]]
    if category == "changed":
        words.append(f"{_short(change['before'])} -> {_short(change['now'])}")
    if category == "mended":
        words.append(f"was broken since {moment(change['since'])}")
    if category in ("still", "not_checked"):
        words.append(f"since {moment(change['since'])}")
    if change["ticket"]:
        words.append(f"known: {change['ticket']}")
    return " · ".join(words)


def lines(morning: Json) -> list[str]:
    """The report for a terminal."""
    found = [heading(morning)]
    for name, title in CATEGORIES.items():
        changes = morning[name]
        if changes:
            found.append(f"  {title}: {len(changes)}")
            found += [f"    {line_of(name, change)}" for change in changes[:LISTED]]
        elif name not in ONLY_WHERE_ANY and morning["is_comparable"]:
            found.append(f"  {title}: none")
        if len(changes) > LISTED:
            found.append(f"    and {len(changes) - LISTED} more, on the report's page")
    return found + [f"  note: {note}" for note in morning["notes"]]


def markdown(results: Json, conclusion: str) -> str:
    """The report for the summary of a step of GitHub Actions."""
    morning = results["morning"]
    apis = " and ".join(results["apis"]) or "no API"
    found = [f"## Contract of {_plain(apis)}: {results['verdict']}", ""]
    found += [_plain(conclusion), ""]
    found += [_plain(heading(morning)), ""]
    for name, title in CATEGORIES.items():
        found += _category(name, title, morning[name])
    found += [f"- {_plain(note)}" for note in morning["notes"]]
    failures = results["failures"][:20]
    if failures:
        found += ["", "| Broken clause | What was seen |", "| --- | --- |"]
    for failure in failures:
        message = _plain(_short(failure["message"]))
        found.append(f"| {_plain(failure['clause'])} | {message} |")
    return "\n".join(found) + "\n\n"


def _category(name: str, title: str, changes: list[Json]) -> list[str]:
    if not changes:
        return []
    found = [f"**{title}** ({len(changes)})", ""]
    found += [f"- {_plain(line_of(name, change))}" for change in changes[:50]]
    if len(changes) > 50:
        found.append(f"- and {len(changes) - 50} more")
    return [*found, ""]


def _short(text: str | None) -> str:
    words = " ".join((text or "nothing").split())
    if len(words) > LONGEST_TEXT:
        return words[: LONGEST_TEXT - 1] + "…"
    return words


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is, in one line."""
    flat = " ".join(text.split())
    return "".join(_plain_letter(letter) for letter in flat)


def _plain_letter(letter: str) -> str:
    if letter.isalnum() or letter in " .,:;()-/=…·→'":
        return letter
    return f"&#{ord(letter)};"

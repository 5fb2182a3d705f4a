"""The report's page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from ..clauses import load_clauses
from .history import NOT_CHECKED, Night, Past, Seen
from .morning import CATEGORIES, ONLY_WHERE_ANY, heading, line_of, moment

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def render_page(
    results: dict[str, Any], conclusion: str, looked: Mapping[str, Seen], past: Mapping[str, Past]
) -> str:
    """One self-contained HTML page of a run's results.

    ``conclusion`` is the verdict in words, ``looked`` is what each clause was when it was last looked at, and ``past`` are the nights before by API.
    """
    return load_template().render(
        results=results,
        clauses=load_clauses(),
        drift=drift(results, looked),
        conclusion=conclusion,
        sentence=sentence,
        seen=first_failures(results["failures"]),
        categories=CATEGORIES,
        only_where_any=ONLY_WHERE_ANY,
        heading=heading(results["morning"]),
        line_of=line_of,
        moment=moment,
        signs=SIGNS,
        strips=[strip(results, api, past[api]) for api in results["apis"] if api in past],
    )


@cache
def load_template() -> jinja2.Template:
    """The page's template, compiled once a process."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text("utf-8"))


def sentence(text: str) -> str:
    """A text with a capital at its beginning, unless that is an address, and a full stop at its end."""
    begin = text[:1]
    if "://" not in text.partition(" ")[0]:
        begin = begin.upper()
    return begin + text[1:].removesuffix(".") + "."


def first_failures(failures: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By clause what was seen of its first failure, and the failure's number on the page."""
    found: dict[str, dict[str, Any]] = {}
    for number, failure in enumerate(failures, 1):
        found.setdefault(failure["clause"], {"number": number, "message": failure["message"]})
    return found


SIGNS = {
    "pass": "·",
    "fail": "✗",
    "observed": "○",
    "not-exercised": "–",
    "could-not-run": "?",
    "absent": " ",
}
WORDS = {
    "pass": "holds",
    "fail": "broken",
    "observed": "observed",
    "not-exercised": "not checked",
    "could-not-run": "the run reached no verdict",
    "absent": "no such clause then",
}


def strip(results: dict[str, Any], api: str, past: Past) -> dict[str, Any]:
    """Nights by clauses: the last nights, this one at the end; rows of clauses that were broken in one of them, then the others."""
    tonight = Night("", results["finished"], results["verdict"], "")
    for clause in results["clauses"]:
        if clause["id"].startswith(f"{api}."):
            tonight.results[clause["id"]] = clause["result"]
    nights = [*past.nights, tonight]
    names = dict.fromkeys(name for night in reversed(nights) for name in night.results)
    rows = []
    for name in names:
        cells = [_cell(night, name) for night in nights]
        was_broken = any(cell["kind"] == "fail" for cell in cells)
        rows.append({"clause": name, "cells": cells, "was_broken": was_broken})
    return {"api": api, "nights": nights, "earlier": past.count, "rows": rows}


def _cell(night: Night, clause: str) -> dict[str, str]:
    kind = night.results.get(clause, "absent")
    if night.verdict == "could-not-run":
        kind = "could-not-run"
    words = f"{moment(night.finished)}: {WORDS[kind]}"
    return {"kind": kind, "sign": SIGNS[kind], "words": words}


def drift(results: dict[str, Any], looked: Mapping[str, Seen]) -> list[dict[str, Any]]:
    """What was observed beside the documented, and what is not as it was when it was last looked at."""
    rows = []
    for clause in results["clauses"]:
        then = looked.get(clause["id"])
        is_checked = clause["result"] != NOT_CHECKED and results["morning"]["is_comparable"]
        changed = is_checked and then is not None and not _is_same(then, clause)
        if clause["result"] == "observed" or changed:
            rows.append({**clause, "then": then, "changed": changed})
    return rows


def _is_same(then: Seen, clause: dict[str, Any]) -> bool:
    now = (clause["result"], clause["observation"])
    return (then.result, then.observation) == now

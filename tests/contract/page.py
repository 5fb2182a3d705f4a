"""The report's page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from .clauses import load_clauses

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def render_page(results: dict[str, Any], previous: dict[str, Any] | None) -> str:
    """One self-contained HTML page of a run's results; ``previous`` are the results of an earlier run to compare with."""
    return load_template().render(results=results, clauses=load_clauses(), previous=previous, drift=drift(results, previous))


@cache
def load_template() -> jinja2.Template:
    """The page's template, compiled once a process."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text("utf-8"))


def drift(results: dict[str, Any], previous: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What was observed beside the documented, and what is not as it was in the earlier run."""
    before = {each["id"]: each for each in (previous or {}).get("clauses", [])}
    rows = []
    for each in results["clauses"]:
        then = before.get(each["id"])
        changed = then is not None and (then["result"], then["observation"]) != (each["result"], each["observation"])
        if each["result"] == "observed" or changed:
            rows.append({**each, "then": then, "changed": changed})
    return rows

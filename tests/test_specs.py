"""The specifications: valid, faithful to the vendors' pages, and tied to the clauses."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from contact_apis._openapi.document import Contract
from tests.conftest import ROOT
from tests.contract.clauses import APIS, Clause, load_clauses, load_specification, resolve_pointer

PAGES = ROOT.parent / "shared" / "vendor-docs"
needs_pages = pytest.mark.skipif(
    not PAGES.is_dir(), reason="the vendors' pages are not part of the repository"
)


def page(name: str) -> str:
    return (PAGES / name).read_text("utf-8")


@pytest.mark.parametrize("api", APIS)
def test_the_document_is_valid_openapi(api: str) -> None:
    """openapi-spec-validator accepts it."""
    validate(load_specification(api))


def test_pristos_document_is_theirs_to_the_letter() -> None:
    """Its canonical form has the checksum that specs/README.md states."""
    document = json.loads((ROOT / "specs" / "pristo.json").read_bytes())
    canonical = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    assert hashlib.sha256(canonical).hexdigest() in (ROOT / "specs" / "README.md").read_text(
        "utf-8"
    )


@needs_pages
def test_pristos_document_is_the_one_on_the_page() -> None:
    """Parsed, it equals what the page embeds."""
    embedded = re.search(r"```json\n(.*?)\n```", page("pristo-contacts.md"), re.DOTALL)
    assert embedded
    assert json.loads((ROOT / "specs" / "pristo.json").read_bytes()) == json.loads(embedded[1])


@pytest.mark.parametrize("api", APIS)
def test_every_example_fits_its_schema(api: str) -> None:
    """Examples of media types, properties and schemas alike."""
    contract = Contract(load_specification(api))

    def walk(node: Any) -> int:
        if isinstance(node, list):
            return sum(map(walk, node))
        if not isinstance(node, dict):
            return 0
        found = 0
        if "schema" in node:
            for example in node.get("examples", {}).values():
                found += 1
                assert (
                    contract.schema(node["schema"]).faults(contract.resolve(example)["value"]) == []
                )
        elif "example" in node and ("type" in node or "anyOf" in node):
            found += 1
            assert contract.schema(node).faults(node["example"]) == [], node
        return found + sum(walk(each) for each in node.values())

    assert walk(contract.document) >= (25 if api == "retainful" else 0)


@needs_pages
def test_retainfuls_tables_are_in_the_document_row_by_row() -> None:
    """Each field of each table with its type and requiredness, and nothing besides."""
    text = page("retainful-contacts.md")
    schemas = load_specification("retainful")["components"]["schemas"]
    seen: dict[str, set[str]] = {}
    for heading, schema in {
        "### Request Body": "Contact",
        "### Identifiers Object": "Identifier",
        "### **Consent**": "Consent",
    }.items():
        section = text.partition(heading)[2].partition("\n### ")[0]
        header, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in section.splitlines()
            if line.startswith("|")
        ]
        for row in rows[1:]:
            cells = dict(zip(header, row, strict=True))
            name = cells["Field"].strip("`")
            seen.setdefault(schema, set()).add(name)
            node = Contract(load_specification("retainful")).resolve(
                schemas[schema]["properties"][name]
            )
            types = {each.get("type") for each in node.get("anyOf", [node])}
            assert types == set(
                re.findall(
                    r"string|number|boolean|object|array", cells["Type"].partition(" of ")[0]
                )
            ), name
            assert (name in schemas[schema]["required"]) == (cells["Required?"] == "Yes"), name
    assert {schema: set(schemas[schema]["properties"]) for schema in seen} == seen


@needs_pages
def test_retainfuls_example_is_the_pages() -> None:
    """The example request, value by value."""
    shown = re.search(
        r"Content-Type: application/json\n\n(\{.*?)\n```", page("retainful-contacts.md"), re.DOTALL
    )
    assert shown
    assert load_specification("retainful")["components"]["examples"]["Request"][
        "value"
    ] == json.loads(shown[1])


@pytest.mark.parametrize("clause", load_clauses().values(), ids=lambda clause: str(clause.id))
def test_every_clause_stands_where_it_says(clause: Clause) -> None:
    """Its pointer resolves; the clauses of a contradiction name its readings."""
    resolve_pointer(load_specification(clause.api), clause.at)
    assert bool(clause.readings) == (clause.evidence == "contradictory")
    assert bool(clause.heading) == (clause.api == "retainful")


@needs_pages
def test_every_heading_is_one_of_the_page() -> None:
    """Retainful's clauses name headings that exist."""
    headings = {
        re.sub(r"[*#]", "", line).strip()
        for line in page("retainful-contacts.md").splitlines()
        if line.startswith("#")
    }
    assert {each.heading for each in load_clauses().values()} - {""} <= headings


@needs_pages
def test_our_words_are_our_own() -> None:
    """No description of ours repeats seven words in a row of Retainful's page."""
    words = re.findall(r"[a-z]+", page("retainful-contacts.md").lower())
    runs = {tuple(words[start : start + 7]) for start in range(len(words) - 6)}

    def texts(node: Any) -> list[str]:
        if isinstance(node, list):
            return [text for each in node for text in texts(each)]
        if not isinstance(node, dict):
            return []
        return [
            str(node[key]) for key in ("description", "says") if isinstance(node.get(key), str)
        ] + texts(list(node.values()))

    ours = texts(load_specification("retainful")) + [each.says for each in load_clauses().values()]
    for text in ours:
        own = re.findall(r"[a-z]+", text.lower())
        assert not runs & {tuple(own[start : start + 7]) for start in range(len(own) - 6)}, text


def test_specs_say_who_owns_them() -> None:
    """Each file of specs/ is explained in its README."""
    readme = (ROOT / "specs" / "README.md").read_text("utf-8")
    assert [
        each.name
        for each in Path(ROOT / "specs").iterdir()
        if each.name != "README.md" and each.name not in readme
    ] == []

"""``make changes``: each kind of change is reported with the right severity, version and consequence, in both directions."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.changes.__main__ import main
from tests.changes.callers import Callers, python_type
from tests.changes.compare import Comparison, compare
from tests.changes.load import NotADocument, normalised, read_text, read_working
from tests.changes.nodes import root
from tests.changes.report import Line, bump_of, bumped
from tests.changes.verdicts import load_rules
from tests.conftest import ROOT
from tests.contract.clauses import APIS

Json = dict[str, Any]
ROWS: list[Json] = yaml.safe_load((ROOT / "tests" / "data" / "changes.yaml").read_text("utf-8"))
UPSERT = "/v1/contacts/save/{populationId}"


def document(request: Any = None, response: Any = None) -> Json:
    """A small document, with these schemas as members of a request's and a response's body."""
    operation: Json = {
        "operationId": "save",
        "tags": ["things"],
        "responses": {"200": {"description": "saved"}},
    }
    for owner, schema in (
        (operation.setdefault("requestBody", {}), request),
        (operation["responses"]["200"], response),
    ):
        body = {
            "type": "object",
            "properties": {"it": schema if schema is not None else {"type": "string"}},
        }
        owner["content"] = {"application/json": {"schema": body}}
    return normalised(
        {
            "openapi": "3.0.3",
            "info": {"title": "Things", "version": "1"},
            "servers": [{"url": "https://things.example"}],
            "paths": {"/things": {"post": operation}},
        }
    )


def lines_of(comparison: Comparison, api: str = "things") -> list[Line]:
    """The changes with their consequences."""
    callers = Callers(api, comparison)
    return [
        Line(each, callers.consequence(each), callers.breaks_python(each))
        for each in comparison.changes
    ]


@pytest.mark.parametrize("direction", ["request", "response"])
@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{number}-{row['kind']}" for number, row in enumerate(ROWS)]
)
def test_a_change_of_a_schema_is_reported_as_expected(row: Json, direction: str) -> None:
    """Kind, severity, bump, a value that shows what breaks, and a sentence for callers."""
    old, new = document(**{direction: row["before"]}), document(**{direction: row["after"]})
    lines = lines_of(compare(old, new))
    (line,) = [each for each in lines if each.change.kind == row["kind"]]
    assert line.change.direction == direction
    assert line.change.severity == row[direction], line
    assert bool(line.change.example) == line.change.is_breaking
    stated = dict(zip(("request", "response"), row.get("bump", ()), strict=False))
    usual = "minor" if row[direction] == "breaking" else "patch"
    assert bump_of([line]) == stated.get(direction, usual)
    assert line.callers
    assert "{" not in line.callers.replace("dict[", "")
    others = [each.change for each in lines if each is not line and each.change.is_breaking]
    assert line.change.is_breaking or not others


def changed(change: Any) -> Json:
    """Pristo's document with a change."""
    made = copy.deepcopy(read_working("pristo").document)
    change(made, made["paths"][UPSERT]["post"])
    return made


def _move(document: Json, operation: Json) -> None:
    document["paths"]["/v2/contacts/{populationId}"] = document["paths"].pop(UPSERT)


def _method(document: Json, operation: Json) -> None:
    document["paths"][UPSERT] = {"put": operation}


def _rename_parameter(document: Json, operation: Json) -> None:
    document["components"]["parameters"]["populationId"]["name"] = "population"
    document["paths"]["/v1/contacts/save/{population}"] = document["paths"].pop(UPSERT)


def _scheme(document: Json, name: str = "Other") -> None:
    document["components"]["securitySchemes"][name] = {"type": "http", "scheme": "bearer"}


def _also(document: Json, operation: Json) -> None:
    _scheme(document)
    document["security"][0]["Other"] = []


def _either(document: Json, operation: Json) -> None:
    _scheme(document)
    document["security"].append({"Other": []})


def _rename_scheme(document: Json, operation: Json) -> None:
    document["components"]["securitySchemes"]["Key"] = document["components"][
        "securitySchemes"
    ].pop("ApiKeyAuth")
    document["security"] = [{"Key": []}]


def _query(**more: Any) -> Json:
    return {
        "name": "dry",
        "in": "query",
        "schema": {"type": "array", "items": {"type": "string"}},
        **more,
    }


def _events(document: Json, operation: Json) -> None:
    document["paths"]["/v1/events/{populationId}"] = {
        "post": {
            "operationId": "sendEvent",
            "tags": ["Events"],
            "responses": {"201": {"description": "sent"}},
        }
    }


def _contact(document: Json, operation: Json) -> None:
    document["components"]["schemas"]["Person"] = document["components"]["schemas"].pop("Contact")
    text = json.dumps(document).replace('schemas/Contact"', 'schemas/Person"')
    document.clear()
    document.update(json.loads(text))


def _media(document: Json, operation: Json) -> None:
    operation["requestBody"]["content"]["application/xml"] = {"schema": {"type": "string"}}


#: A change, what is reported of it, and what is reported of its undoing: kind, severity and bump.
DOCUMENTS: list[tuple[Any, tuple[str, str, str], tuple[str, str, str]]] = [
    (_move, ("path-changed", "breaking", "minor"), ("path-changed", "breaking", "minor")),
    (_method, ("method-changed", "breaking", "minor"), ("method-changed", "breaking", "minor")),
    (_events, ("operation-added", "compatible", "patch"), ("operation-removed", "breaking", "minor")),
    (lambda d, o: o.update(operationId="saveContact"), ("operation-id-changed", "compatible", "minor"), ("operation-id-changed", "compatible", "minor")),
    (lambda d, o: o.update(tags=["People"]), ("tag-changed", "compatible", "minor"), ("tag-changed", "compatible", "minor")),
    (lambda d, o: o.update(deprecated=True), ("operation-deprecated", "compatible", "patch"), ("operation-no-longer-deprecated", "compatible", "patch")),
    (lambda d, o: o.update(summary="Another"), ("operation-description-changed", "compatible", "patch"), ("operation-description-changed", "compatible", "patch")),
    (_rename_parameter, ("path-parameter-renamed", "compatible", "minor"), ("path-parameter-renamed", "compatible", "minor")),
    (lambda d, o: o["parameters"].append(_query()), ("parameter-added", "compatible", "patch"), ("parameter-removed", "warning", "minor")),
    (lambda d, o: o["parameters"].append(_query(required=True)), ("parameter-added-required", "breaking", "minor"), ("parameter-removed", "warning", "minor")),
    (
        lambda d, o: d["components"]["parameters"]["requestIdHeader"].update(required=True),
        ("parameter-became-required", "breaking", "minor"),
        ("parameter-became-optional", "compatible", "patch"),
    ),
    (
        lambda d, o: d["components"]["parameters"]["requestIdHeader"].update(deprecated=True),
        ("parameter-deprecated", "compatible", "patch"),
        ("parameter-no-longer-deprecated", "compatible", "patch"),
    ),
    (
        lambda d, o: d["components"]["parameters"]["requestIdHeader"].update(explode=True),
        ("parameter-serialization-changed", "breaking", "minor"),
        ("parameter-serialization-changed", "breaking", "minor"),
    ),
    (lambda d, o: o.pop("requestBody"), ("body-removed", "breaking", "minor"), ("body-added-required", "breaking", "minor")),
    (lambda d, o: o["requestBody"].update(required=False), ("body-became-optional", "compatible", "patch"), ("body-became-required", "breaking", "minor")),
    (_media, ("request-media-type-added", "compatible", "patch"), ("request-media-type-removed", "breaking", "minor")),
    (
        lambda d, o: o["responses"]["200"]["content"].update({"text/csv": {}}),
        ("response-media-type-added", "warning", "patch"),
        ("response-media-type-removed", "breaking", "minor"),
    ),
    (lambda d, o: o["responses"].update({"202": {"description": "later"}}), ("success-status-added", "breaking", "minor"), ("success-status-removed", "breaking", "minor")),
    (lambda d, o: o["responses"].update({"422": {"description": "no"}}), ("error-status-added", "compatible", "patch"), ("error-status-removed", "compatible", "patch")),
    (
        lambda d, o: o["responses"]["200"]["headers"].update({"X-Left": {"schema": {"type": "integer"}}}),
        ("header-added", "compatible", "patch"),
        ("header-removed", "warning", "patch"),
    ),
    (
        lambda d, o: o["responses"]["200"]["headers"].update({"X-Left": {"required": True}}),
        ("header-added", "compatible", "patch"),
        ("header-removed-required", "breaking", "minor"),
    ),
    (
        lambda d, o: d["components"]["headers"]["requestId"].update(required=True),
        ("header-became-required", "compatible", "patch"),
        ("header-became-optional", "breaking", "minor"),
    ),
    (lambda d, o: d.update(security=[]), ("security-removed", "compatible", "patch"), ("security-added", "breaking", "minor")),
    (lambda d, o: d["components"]["securitySchemes"]["ApiKeyAuth"].update(name="X-Key"), ("security-changed", "breaking", "minor"), ("security-changed", "breaking", "minor")),
    (
        _also,
        ("security-scheme-also-needed", "breaking", "minor"),
        ("security-eased", "compatible", "patch"),
    ),
    (
        _either,
        ("security-alternative-added", "compatible", "patch"),
        ("security-changed", "breaking", "minor"),
    ),
    (lambda d, o: d["security"][0].update(ApiKeyAuth=["write"]), ("security-scope-added", "breaking", "minor"), ("security-eased", "compatible", "patch")),
    (_rename_scheme, ("security-scheme-renamed", "compatible", "patch"), ("security-scheme-renamed", "compatible", "patch")),
    (lambda d, o: _scheme(d), ("security-scheme-added", "compatible", "patch"), ("security-scheme-removed", "compatible", "patch")),
    (lambda d, o: d["servers"][0].update(url="https://api2.pristo.io"), ("server-changed", "breaking", "minor"), ("server-changed", "breaking", "minor")),
    (lambda d, o: d["servers"].append({"url": "https://eu.pristo.io"}), ("server-added", "compatible", "patch"), ("server-removed", "breaking", "minor")),
    (
        lambda d, o: d["servers"].insert(0, {"url": "https://eu.pristo.io"}),
        ("default-server-changed", "warning", "patch"),
        ("server-changed", "breaking", "minor"),
    ),
    (lambda d, o: d["info"].update(version="1.1.0"), ("api-version-changed", "compatible", "patch"), ("api-version-changed", "compatible", "patch")),
    (_contact, ("schema-renamed", "compatible", "minor"), ("schema-renamed", "compatible", "minor")),
]  # fmt: skip


@pytest.mark.parametrize("undone", [False, True], ids=["done", "undone"])
@pytest.mark.parametrize(
    "row", DOCUMENTS, ids=[f"{number}-{row[1][0]}" for number, row in enumerate(DOCUMENTS)]
)
def test_a_change_of_a_document_is_reported_as_expected(row: Any, undone: bool) -> None:
    """Operations, parameters, bodies, responses, security and servers, there and back."""
    change, there, back = row
    pair = [read_working("pristo").document, changed(change)]
    kind, severity, bump = back if undone else there
    lines = lines_of(compare(*(reversed(pair) if undone else pair)), "pristo")
    found = [line for line in lines if line.change.kind == kind]
    assert found, [line.change.kind for line in lines]
    assert found[0].change.severity == severity
    assert bump_of([found[0]]) == bump
    assert bool(found[0].change.example) == (severity == "breaking")
    assert found[0].callers


def test_the_kinds_are_many_and_each_is_tried() -> None:
    """At least sixty kinds, and none in the rules that no row of the tables has."""
    tried = {row["kind"] for row in ROWS} | {kind for _, *both in DOCUMENTS for kind, *_ in both}
    unlikely = {
        "unique-items-changed",
        "security-alternative-removed",
        "body-added",
        "values-no-longer-fit",
    }
    assert len(tried) >= 60
    assert set(load_rules()) - tried == unlikely


@pytest.mark.parametrize("api", APIS)
def test_types_are_those_of_the_generated_models(api: str) -> None:
    """What a report says of a member's type stands in the generated package."""
    document = read_working(api).document
    for name, schema in document["components"]["schemas"].items():
        text = "\n".join(
            file.read_text("utf-8")
            for file in (ROOT / "generated" / f"{api}_client" / "models").glob("*.py")
        )
        for member in schema.get("properties", {}):
            node = root(document).child("components", "schemas", name, "properties", member)
            kind = python_type(node)
            assert (
                "Literal" in kind
                or kind in text
                or set(kind.split(" | ")) <= set(text.replace("|", " ").split())
            ), (name, member, kind)


@pytest.mark.parametrize(
    ("version", "part", "after"),
    [
        ("0.1.4", "minor", "0.2.0"),
        ("0.1.4", "patch", "0.1.5"),
        ("1.2.3", "minor", "2.0.0"),
        ("0.1.0", "none", "0.1.0"),
    ],
)
def test_a_break_is_a_minor_version_before_one(version: str, part: str, after: str) -> None:
    """And a major one afterwards."""
    assert bumped(version, part) == after


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", "has no OpenAPI document"),
        ('{"openapi": "3.0.3", "info": {}}', "no object `paths`"),
        ('{"swagger": "2.0", "paths": {}}', "version 2.0"),
        ('{"openapi": "3.0.3", "paths": {"/": {"$ref": "other.yaml"}}}', "bundle it"),
        ('{"openapi": "3.0.3", "paths": {"/": {"$ref": "#/x"}}}', "which it does not have"),
    ],
)
def test_what_is_no_document_is_refused_in_a_sentence(text: str, says: str) -> None:
    """It says what is missing."""
    with pytest.raises(NotADocument, match=says):
        read_text(text, "page.md")


def test_a_setting_that_does_not_exist_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 2 and one sentence; never a traceback."""
    for settings in (
        {"FORMAT": "pdf"},
        {"FROM": "no-such-revision"},
        {"FROM": str(tmp_path / "x.json")},
        {"API": "other"},
    ):
        assert main(settings) == 2
        text = capsys.readouterr().err
        assert text.startswith("changes: ")
        assert len(text.splitlines()) == 1

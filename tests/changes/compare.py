"""Two documents compared: operations, parameters, bodies, responses, security, servers; a flat list of changes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import Factory, define, evolve, field, frozen

from contact_apis._openapi.document import METHODS, pointer

from .nodes import Json, Node, followed, root
from .samples import MISSING, Pool, Samples, Step
from .schemas import Finding, differences
from .verdicts import (
    SEVERITIES,
    Direction,
    Pair,
    Rule,
    Severity,
    example_of,
    load_rules,
    severity_of,
    unlisted_break,
)

_PARAMETER = re.compile(r"\{[^{}]*\}")
NET = 25
"""Values by chance that are tried for each place, besides those that are looked for change by change."""


@frozen(eq=False)
class Change:
    """One thing that is different, with all places on the wire where it counts."""

    kind: str
    direction: str
    """``request``, ``response`` or ``document``."""
    severity: Severity
    where: str
    """What it is about, as callers know it: ``contact.lastName``, a parameter, a status, an operation."""
    says: str
    places: tuple[str, ...]
    operations: tuple[str, ...]
    """By ``operationId``."""
    before: Any
    after: Any
    at_before: str | None
    at_after: str | None
    example: Json | None = None
    """What shows a breaking change: a request that was valid and is refused, or a response that an old client rejects."""
    finding: Finding | None = field(default=None, repr=False)
    steps: tuple[Step, ...] = ()

    @property
    def rule(self) -> Rule:
        """The kind's entry in ``rules.yaml``."""
        return load_rules()[self.kind]

    @property
    def is_breaking(self) -> bool:
        """Whether somebody's request or client stops working."""
        return self.severity == "breaking"


@frozen(eq=False)
class Operation:
    """An operation of one document."""

    path: str
    method: str
    item: Node
    node: Node

    @property
    def id(self) -> str:
        """The ``operationId``, or what takes its place."""
        return str(self.node.members.get("operationId", f"{self.method} {self.path}"))

    @property
    def title(self) -> str:
        """Method and path."""
        return f"{self.method.upper()} {self.path}"

    @property
    def key(self) -> tuple[str, str]:
        """What a request is recognised by: the names of path parameters do not travel."""
        return self.method, _PARAMETER.sub("{}", self.path)

    def parameters(self) -> dict[tuple[str, str], Node]:
        """By place and name, path parameters by their position; names of headers in lower case."""
        found: dict[tuple[str, str], Node] = {}
        positions = _PARAMETER.findall(self.path)
        for owner in (self.item, self.node):
            for _, parameter in owner.each("parameters"):
                place, name = str(parameter.members.get("in")), str(parameter.members.get("name"))
                key = name.lower() if place == "header" else name
                if place == "path" and f"{{{name}}}" in positions:
                    key = f"#{positions.index(f'{{{name}}}')}"
                found[place, key] = parameter
        return found


def operations_of(document: Json) -> list[Operation]:
    """All operations of a document."""
    found: list[Operation] = []
    for path, item in document["paths"].items():
        node = followed(document, item, pointer("paths", path))
        methods = [method for method in METHODS if method in node.members]
        found += [Operation(path, method, node, node.child(method)) for method in methods]
    return found


@frozen(eq=False)
class Comparison:
    """Two documents, and what is different."""

    old: Json = field(repr=False)
    new: Json = field(repr=False)
    changes: tuple[Change, ...]
    pairs: tuple[Pair, ...] = field(repr=False)
    """The schemas of all places on the wire that both documents have."""
    matched: tuple[tuple[Operation, Operation], ...] = field(repr=False, default=())

    @property
    def breaking(self) -> list[Change]:
        """The changes that break somebody."""
        return [change for change in self.changes if change.is_breaking]


def compare(old: Json, new: Json) -> Comparison:
    """All changes between two documents, the gravest first."""
    return _Comparer(old, new).run()


@define(eq=False)
class _Comparer:
    old: Json
    new: Json
    changes: list[Change] = Factory(list)
    pairs: list[Pair] = Factory(list)
    samples: dict[str, Samples] = Factory(dict)

    def run(self) -> Comparison:
        pool = Pool.of(self.old, self.new)
        self.samples = {"old": Samples.of(self.old, pool), "new": Samples.of(self.new, pool)}
        matched = self.match(operations_of(self.old), operations_of(self.new))
        for one, other in matched:
            self.operation(one, other)
        self.servers()
        self.schemes()
        self.info()
        merged = _merged(self.changes)
        ordered = sorted(merged, key=lambda change: SEVERITIES.index(change.severity))
        return Comparison(self.old, self.new, tuple(ordered), tuple(self.pairs), tuple(matched))

    # -------------------------------------------------------------------------------------------------- operations

    def match(
        self, old: list[Operation], new: list[Operation]
    ) -> list[tuple[Operation, Operation]]:
        """Operations that are the same: by method and path, and what is left by id."""
        by_key = {each.key: each for each in new}
        matched = [(each, by_key[each.key]) for each in old if each.key in by_key]
        gone = [each for each in old if each.key not in by_key]
        known = {each.key for each in old}
        come = {each.id: each for each in new if each.key not in known}
        for each in gone:
            moved = come.pop(each.id, None)
            if moved is not None:
                matched.append((each, moved))
                self.moved(each, moved)
            else:
                self.add(
                    "operation-removed",
                    each.title,
                    (each.title, None),
                    (each.node.at, None),
                    [each.id],
                    _request_of(each),
                )
        for added in come.values():
            self.add(
                "operation-added",
                added.title,
                (None, added.title),
                (None, added.node.at),
                [added.id],
            )
        return matched

    def moved(self, old: Operation, new: Operation) -> None:
        kind = "path-changed" if old.key[1] != new.key[1] else "method-changed"
        example = {**_request_of(old), "refused": f"the service has it at {new.title}"}
        self.add(
            kind, old.id, (old.title, new.title), (old.item.at, new.item.at), [new.id], example
        )

    def operation(self, old: Operation, new: Operation) -> None:
        ids = [new.id]
        self.note("operation-id-changed", new.title, old.id, new.id, old, new, "operationId")
        before, after = old.node.members, new.node.members
        self.note("tag-changed", new.title, _first_tag(before), _first_tag(after), old, new, "tags")
        for word in ("summary", "description"):
            self.note(
                "operation-description-changed",
                new.title,
                before.get(word),
                after.get(word),
                old,
                new,
                word,
            )
        if bool(before.get("deprecated")) != bool(after.get("deprecated")):
            kind = (
                "operation-deprecated"
                if after.get("deprecated")
                else "operation-no-longer-deprecated"
            )
            self.note(
                kind,
                new.title,
                bool(before.get("deprecated")),
                bool(after.get("deprecated")),
                old,
                new,
                "deprecated",
            )
        self.parameters(old, new, ids)
        self.request_body(old, new, ids)
        self.responses(old, new, ids)
        self.security(old, new, ids)

    def note(
        self,
        kind: str,
        where: str,
        before: Any,
        after: Any,
        old: Operation,
        new: Operation,
        word: str,
    ) -> None:
        if before != after:
            self.add(
                kind,
                where,
                (before, after),
                (old.node.at + pointer(word), new.node.at + pointer(word)),
                [new.id],
            )

    # ------------------------------------------------------------------------------------------------- parameters

    def parameters(self, old: Operation, new: Operation, ids: list[str]) -> None:
        before, after = old.parameters(), new.parameters()
        for key, parameter in after.items():
            if key not in before:
                self.parameter_added(parameter, old, ids)
        for key, parameter in before.items():
            if key not in after:
                where = _parameter_name(parameter)
                self.add(
                    "parameter-removed",
                    where,
                    (where, None),
                    (parameter.at, None),
                    ids,
                    place=old.title,
                )
        for key, parameter in before.items():
            if key in after:
                self.parameter(parameter, after[key], new, ids)

    def parameter_added(self, parameter: Node, old: Operation, ids: list[str]) -> None:
        where = _parameter_name(parameter)
        if not parameter.members.get("required"):
            self.add(
                "parameter-added", where, (None, where), (None, parameter.at), ids, place=old.title
            )
            return
        example = {**_request_of(old), "refused": f"{where} is missing"}
        self.add(
            "parameter-added-required",
            where,
            (None, where),
            (None, parameter.at),
            ids,
            example,
            place=old.title,
        )

    def parameter(self, old: Node, new: Node, operation: Operation, ids: list[str]) -> None:
        where = _parameter_name(new)
        at = [old.at, new.at]
        if old.members.get("name") != new.members.get("name") and new.members.get("in") == "path":
            self.add(
                "path-parameter-renamed",
                where,
                (old.members["name"], new.members["name"]),
                at,
                ids,
                place=operation.title,
            )
        needed = [bool(each.members.get("required")) for each in (old, new)]
        required = [each.at + pointer("required") for each in (old, new)]
        if needed == [False, True]:
            example = {**_request_of(operation), "refused": f"{where} is missing"}
            self.add(
                "parameter-became-required",
                where,
                (False, True),
                required,
                ids,
                example,
                place=operation.title,
            )
        if needed == [True, False]:
            self.add(
                "parameter-became-optional",
                where,
                (True, False),
                required,
                ids,
                place=operation.title,
            )
        self.serialization(old, new, where, operation, ids)
        if bool(old.members.get("deprecated")) != bool(new.members.get("deprecated")):
            kind = (
                "parameter-deprecated"
                if new.members.get("deprecated")
                else "parameter-no-longer-deprecated"
            )
            self.add(
                kind,
                where,
                [bool(each.members.get("deprecated")) for each in (old, new)],
                at,
                ids,
                place=operation.title,
            )
        if old.members.get("description") != new.members.get("description"):
            texts = [each.members.get("description") for each in (old, new)]
            places = [each.at + pointer("description") for each in (old, new)]
            self.add("description-changed", where, texts, places, ids, place=operation.title)
        if "schema" in old.members and "schema" in new.members:
            self.schema(
                "request",
                old.child("schema"),
                new.child("schema"),
                where,
                f"{operation.title}, {where}",
                ids,
            )

    def serialization(
        self, old: Node, new: Node, where: str, operation: Operation, ids: list[str]
    ) -> None:
        before, after = _serialization(old), _serialization(new)
        if before != after:
            name = str(new.members["name"])
            example = {
                "valid before": _written(name, *before),
                "expected now": _written(name, *after),
            }
            texts = [
                f"{style}, explode {str(explode).lower()}" for style, explode in (before, after)
            ]
            self.add(
                "parameter-serialization-changed",
                where,
                texts,
                (old.at, new.at),
                ids,
                example,
                place=operation.title,
            )

    # ------------------------------------------------------------------------------------------------------ bodies

    def request_body(self, old: Operation, new: Operation, ids: list[str]) -> None:
        before, after = old.node.child("requestBody"), new.node.child("requestBody")
        has = ["requestBody" in each.node.members for each in (old, new)]
        place = f"{new.title}, request body"
        if has == [False, True]:
            if after.members.get("required"):
                example = {**_request_of(old), "body": None, "refused": "the body is missing"}
                self.add(
                    "body-added-required",
                    "request body",
                    (None, "required"),
                    (None, after.at),
                    ids,
                    example,
                    place=place,
                )
            else:
                self.add(
                    "body-added",
                    "request body",
                    (None, "optional"),
                    (None, after.at),
                    ids,
                    place=place,
                )
        if has == [True, False]:
            example = {
                **_request_of(old),
                "body": self.least(before),
                "refused": "the operation takes no body",
            }
            self.add(
                "body-removed",
                "request body",
                ("a body", None),
                (before.at, None),
                ids,
                example,
                place=place,
            )
        if has != [True, True]:
            return
        needed = [bool(each.members.get("required")) for each in (before, after)]
        at = [each.at + pointer("required") for each in (before, after)]
        if needed == [False, True]:
            example = {**_request_of(old), "body": None, "refused": "the body is missing"}
            self.add(
                "body-became-required", "request body", (False, True), at, ids, example, place=place
            )
        if needed == [True, False]:
            self.add("body-became-optional", "request body", (True, False), at, ids, place=place)
        self.content("request", before, after, "request body", place, ids)

    def least(self, body: Node) -> Any:
        for _, media in body.each("content"):
            value = self.samples["old"].least(media.members.get("schema", {}))
            return None if value is MISSING else value
        return None

    def content(
        self, direction: Direction, old: Node, new: Node, where: str, place: str, ids: list[str]
    ) -> None:
        before = {_media(name): child for name, child in old.each("content")}
        after = {_media(name): child for name, child in new.each("content")}
        for name, media in before.items():
            if name not in after:
                example = _media_example(direction, name, sorted(after))
                kind = f"{direction}-media-type-removed"
                self.add(
                    kind,
                    f"{where} as {name}",
                    (name, None),
                    (media.at, None),
                    ids,
                    example,
                    place=place,
                    direction=direction,
                )
        for name, media in after.items():
            if name not in before:
                kind = f"{direction}-media-type-added"
                self.add(
                    kind,
                    f"{where} as {name}",
                    (None, name),
                    (None, media.at),
                    ids,
                    place=place,
                    direction=direction,
                )
        for name, media in before.items():
            if name in after:
                self.media(direction, media, after[name], where, place, ids)

    def media(
        self, direction: Direction, old: Node, new: Node, where: str, place: str, ids: list[str]
    ) -> None:
        has = ["schema" in each.members for each in (old, new)]
        if has == [False, False]:
            return
        # A media type without a schema takes anything, as an empty schema does.
        self.schema(direction, old.child("schema"), new.child("schema"), where, place, ids)

    def responses(self, old: Operation, new: Operation, ids: list[str]) -> None:
        before = {str(name).upper(): child for name, child in old.node.each("responses")}
        after = {str(name).upper(): child for name, child in new.node.each("responses")}
        for status, response in after.items():
            if status not in before:
                self.status_added(status, response, before, new, ids)
        for status, response in before.items():
            if status not in after:
                is_success = status.startswith("2")
                kind = "success-status-removed" if is_success else "error-status-removed"
                example = (
                    {"status": status, "lost": "what callers do for this status never runs"}
                    if is_success
                    else None
                )
                self.add(
                    kind,
                    f"status {status}",
                    (status, None),
                    (response.at, None),
                    ids,
                    example,
                    place=old.title,
                    direction="response",
                )
            else:
                self.response(status, response, after[status], new, ids)

    def status_added(
        self, status: str, response: Node, before: Iterable[str], new: Operation, ids: list[str]
    ) -> None:
        is_known = f"{status[0]}XX" in before or "DEFAULT" in before
        kind = "success-status-added" if status.startswith("2") else "error-status-added"
        example = None
        severity: Severity | None = None
        if kind == "success-status-added":
            example = {
                "status": status,
                "rejected": "the old document does not list it for this operation",
            }
            if is_known:
                severity = "compatible"
                example = None
        self.add(
            kind,
            f"status {status}",
            (None, status),
            (None, response.at),
            ids,
            example,
            place=new.title,
            direction="response",
            severity=severity,
        )

    def response(
        self, status: str, old: Node, new: Node, operation: Operation, ids: list[str]
    ) -> None:
        place = f"{operation.title}, response {status}"
        if old.members.get("description") != new.members.get("description"):
            texts = [each.members.get("description") for each in (old, new)]
            places = [each.at + pointer("description") for each in (old, new)]
            self.add(
                "description-changed",
                f"status {status}",
                texts,
                places,
                ids,
                place=place,
                direction="response",
            )
        self.content("response", old, new, f"status {status}", place, ids)
        before = {name.lower(): child for name, child in old.each("headers")}
        after = {name.lower(): child for name, child in new.each("headers")}
        for name, header in after.items():
            if name not in before:
                self.add(
                    "header-added",
                    f"header {name}",
                    (None, name),
                    (None, header.at),
                    ids,
                    place=place,
                    direction="response",
                )
        for name, header in before.items():
            if name not in after:
                self.header_removed(name, header, place, ids)
            else:
                self.header(name, header, after[name], place, ids)

    def header_removed(self, name: str, header: Node, place: str, ids: list[str]) -> None:
        kind = "header-removed"
        example = None
        if header.members.get("required"):
            kind = "header-removed-required"
            example = {"headers": {}, "rejected": f"the header {name} is missing"}
        self.add(
            kind,
            f"header {name}",
            (name, None),
            (header.at, None),
            ids,
            example,
            place=place,
            direction="response",
        )

    def header(self, name: str, old: Node, new: Node, place: str, ids: list[str]) -> None:
        needed = [bool(each.members.get("required")) for each in (old, new)]
        at = [each.at + pointer("required") for each in (old, new)]
        if needed == [True, False]:
            example = {"headers": {}, "rejected": f"the header {name} is missing"}
            self.add(
                "header-became-optional",
                f"header {name}",
                (True, False),
                at,
                ids,
                example,
                place=place,
                direction="response",
            )
        if needed == [False, True]:
            self.add(
                "header-became-required",
                f"header {name}",
                (False, True),
                at,
                ids,
                place=place,
                direction="response",
            )
        if "schema" in old.members and "schema" in new.members:
            self.schema(
                "response",
                old.child("schema"),
                new.child("schema"),
                f"header {name}",
                f"{place}, header {name}",
                ids,
            )

    # ----------------------------------------------------------------------------------------------------- schemas

    def schema(
        self, direction: Direction, old: Node, new: Node, where: str, place: str, ids: list[str]
    ) -> None:
        pair = Pair(direction, old, new, self.samples["old"], self.samples["new"], place)
        self.pairs.append(pair)
        found = [self.judged(finding, pair, where, place, ids) for finding in differences(old, new)]
        self.changes += found
        if any(each.is_breaking for each in found):
            return
        value = unlisted_break(pair, random.Random(0), NET if found else 3)
        if value is not MISSING:
            example = _shown(direction, value)
            at = [old.at, new.at]
            self.add(
                "values-no-longer-fit",
                where,
                (None, None),
                at,
                ids,
                example,
                place=place,
                direction=direction,
            )

    def judged(
        self, finding: Finding, pair: Pair, where: str, place: str, ids: list[str]
    ) -> Change:
        severity = severity_of(finding, pair.direction)
        example: Json | None = None
        if severity == "breaking":
            value = example_of(finding, pair)
            if value is MISSING:
                severity = "warning"
            else:
                example = _shown(pair.direction, value)
        name = _dotted(finding, where)
        return Change(
            finding.kind,
            pair.direction,
            severity,
            name,
            load_rules()[finding.kind].says.format(
                before=_short(finding.before),
                after=_short(finding.after),
                name=finding.member or name,
            ),
            (place,),
            tuple(ids),
            finding.before,
            finding.after,
            finding.at_before,
            finding.at_after,
            example,
            finding,
            finding.steps,
        )

    # ---------------------------------------------------------------------------------------- security and servers

    def security(self, old: Operation, new: Operation, ids: list[str]) -> None:
        before = _alternatives(self.old, old)
        after = _alternatives(self.new, new)
        at = [_security_at(self.old, old), _security_at(self.new, new)]
        if not before or not after:
            self.open_or_closed(before, after, at, new, ids)
            return
        for alternative, names in before.items():
            if alternative in after:
                self.renamed(names, after[alternative], at, new, ids)
            elif any(other <= alternative for other in after):
                self.add(
                    "security-eased",
                    " and ".join(names),
                    (names, list(after.values())),
                    at,
                    ids,
                    place=new.title,
                )
            else:
                example = {
                    "sent": sorted(map(_carrier, alternative)),
                    "refused": f"needed: {_needed(after)}",
                }
                self.add(
                    _security_kind(alternative, after),
                    " and ".join(names),
                    (names, _needed(after)),
                    at,
                    ids,
                    example,
                    place=new.title,
                )
        for alternative, names in after.items():
            if (
                alternative not in before
                and not any(alternative <= other for other in before)
                and len(after) > len(before)
            ):
                self.add(
                    "security-alternative-added",
                    " and ".join(names),
                    (None, names),
                    at,
                    ids,
                    place=new.title,
                )

    def open_or_closed(
        self, before: Any, after: Any, at: list[str], new: Operation, ids: list[str]
    ) -> None:
        if after and not before:
            example = {"sent": [], "refused": f"needed: {_needed(after)}"}
            self.add(
                "security-added",
                new.title,
                (None, _needed(after)),
                at,
                ids,
                example,
                place=new.title,
            )
        if before and not after:
            self.add(
                "security-removed", new.title, (_needed(before), None), at, ids, place=new.title
            )

    def renamed(
        self, old: list[str], new: list[str], at: list[str], operation: Operation, ids: list[str]
    ) -> None:
        if old != new:
            self.add(
                "security-scheme-renamed",
                " and ".join(new),
                (old, new),
                at,
                ids,
                place=operation.title,
            )

    def schemes(self) -> None:
        nodes = [root(each).child("components", "securitySchemes") for each in (self.old, self.new)]
        before, after = ({name: node.child(name) for name in node.members} for node in nodes)
        for name, scheme in after.items():
            if name not in before:
                self.add("security-scheme-added", name, (None, name), (None, scheme.at), [])
        for name, scheme in before.items():
            if name not in after:
                self.add("security-scheme-removed", name, (name, None), (scheme.at, None), [])
            elif scheme.members.get("description") != after[name].members.get("description"):
                texts = [each.members.get("description") for each in (scheme, after[name])]
                at = [each.at + pointer("description") for each in (scheme, after[name])]
                self.add("description-changed", name, texts, at, [])

    def servers(self) -> None:
        before, after = (
            [str(each.get("url")).rstrip("/") for each in document.get("servers", [])]
            for document in (self.old, self.new)
        )
        if before[:1] != after[:1]:
            gone = bool(before[:1]) and before[0] not in after
            kind = "server-changed" if gone else "default-server-changed"
            example = (
                {
                    "sent to": before[0],
                    "refused": f"the document's servers are {', '.join(after) or 'none'}",
                }
                if gone
                else None
            )
            shown = [each[0] if each else None for each in (before, after)]
            self.add(kind, "servers", shown, ("/servers", "/servers"), [], example)
        for url in before[1:]:
            if url not in after:
                self.add(
                    "server-removed",
                    url,
                    (url, None),
                    ("/servers", "/servers"),
                    [],
                    {"sent to": url, "refused": "it is no longer listed"},
                )
        for url in after[1:]:
            if url not in before:
                self.add(
                    "server-added",
                    url,
                    (None, url),
                    ("/servers", pointer("servers", after.index(url))),
                    [],
                )

    def info(self) -> None:
        versions = [
            str(document.get("info", {}).get("version")) for document in (self.old, self.new)
        ]
        if versions[0] != versions[1]:
            self.add(
                "api-version-changed",
                "info.version",
                versions,
                ("/info/version", "/info/version"),
                [],
            )

    # ---------------------------------------------------------------------------------------------------------------

    def add(
        self,
        kind: str,
        where: str,
        values: Sequence[Any],
        at: Sequence[str | None],
        ids: list[str],
        example: Json | None = None,
        *,
        place: str = "",
        direction: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Notes a change that is not about a schema; its severity is that of its kind. Values and places are before and after."""
        rule = load_rules()[kind]
        before, after = values
        at_before, at_after = at
        says = rule.says.format(before=_short(before), after=_short(after), name=where)
        places = (place,) if place else ()
        self.changes.append(
            Change(
                kind,
                direction
                or ("request" if rule.area in ("parameter", "body", "security") else "document"),
                severity or rule.severity or "compatible",
                where,
                says,
                places,
                tuple(ids),
                before,
                after,
                at_before,
                at_after,
                example,
            )
        )


def _merged(changes: list[Change]) -> Iterator[Change]:
    """The same change at several places on the wire as one, with the gravest of its severities."""
    groups: dict[Any, list[Change]] = {}
    for change in changes:
        spot = "" if change.finding is not None else change.where
        groups.setdefault(
            (change.kind, change.direction, change.at_before, change.at_after, change.says, spot),
            [],
        ).append(change)
    for group in groups.values():
        gravest = min(group, key=lambda change: SEVERITIES.index(change.severity))
        places = dict.fromkeys(place for change in group for place in change.places)
        ids = dict.fromkeys(each for change in group for each in change.operations)
        yield evolve(gravest, places=tuple(places), operations=tuple(ids))


def _shown(direction: str, value: Any) -> Json:
    if direction == "request":
        return {"valid before, refused now": value}
    return {"new in a response, rejected by an old client": value}


def _dotted(finding: Finding, where: str) -> str:
    """What a schema's change is about, as a dotted path within the value."""
    text = ""
    for kind, argument in finding.steps:
        if kind == "member":
            text += f".{argument}"
        if kind == "item":
            text += "[]"
        if kind == "other":
            text += ".*"
    if finding.member:
        text += f".{finding.member}"
    return text.removeprefix(".") or where


def _short(value: Any) -> str:
    """A value in a sentence."""
    import json

    if isinstance(value, str):
        return value if len(value) < 80 else f"{value[:77]}..."
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 120 else f"{text[:117]}..."


def _request_of(operation: Operation) -> Json:
    return {"request": operation.title}


def _first_tag(members: Json) -> str | None:
    tags: list[str | None] = members.get("tags") or [None]
    return tags[0]


def _parameter_name(parameter: Node) -> str:
    return f"{parameter.members.get('in')} parameter {parameter.members.get('name')}"


_STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}


def _serialization(parameter: Node) -> tuple[str, bool]:
    """Style and explode, with the defaults of OpenAPI."""
    style = str(
        parameter.members.get("style", _STYLES.get(str(parameter.members.get("in")), "form"))
    )
    return style, bool(parameter.members.get("explode", style == "form"))


def _written(name: str, style: str, explode: bool) -> str:
    if explode:
        return f"{name}=a&{name}=b"
    separator = {"spaceDelimited": "%20", "pipeDelimited": "|"}.get(style, ",")
    return f"{name}=a{separator}b"


def _media(name: str) -> str:
    return str(name).partition(";")[0].strip().lower()


def _media_example(direction: str, name: str, left: list[str]) -> Json:
    if direction == "request":
        return {
            "Content-Type": name,
            "refused": f"the operation takes {', '.join(left) or 'no body'}",
        }
    return {"Content-Type": ", ".join(left) or "none", "rejected": f"an old client reads {name}"}


# --------------------------------------------------------------------------------------------------------- security

Carrier = tuple[str, ...]
"""How a credential travels, and a scope that it must have: what an old client's request shows, whatever the scheme is called."""


def _alternatives(document: Json, operation: Operation) -> dict[frozenset[Carrier], list[str]]:
    """The alternatives of a security requirement: what each asks for, and by which names. Empty where none is asked for."""
    owner = operation.node.members if "security" in operation.node.members else document
    found: dict[frozenset[Carrier], list[str]] = {}
    for requirement in owner.get("security", []):
        carriers: set[Carrier] = set()
        for name, scopes in requirement.items():
            scheme = root(document).child("components", "securitySchemes", name).members
            carrier = _carrier_of(scheme)
            carriers.add(carrier)
            carriers |= {(*carrier, f"scope {scope}") for scope in scopes}
        found[frozenset(carriers)] = list(requirement)
    return {} if frozenset() in found else found


def _carrier_of(scheme: Json) -> Carrier:
    kind = str(scheme.get("type"))
    if kind == "apiKey":
        name = str(scheme.get("name"))
        return kind, str(scheme.get("in")), name.lower() if scheme.get("in") == "header" else name
    if kind == "http":
        return kind, str(scheme.get("scheme")).lower()
    return (kind,)


def _carrier(carrier: Carrier) -> str:
    return " ".join(carrier)


def _needed(alternatives: dict[frozenset[Carrier], list[str]]) -> str:
    return " or ".join(" and ".join(sorted(map(_carrier, each))) for each in alternatives)


def _security_kind(
    alternative: frozenset[Carrier], after: dict[frozenset[Carrier], list[str]]
) -> str:
    """How an alternative changed that no longer suffices."""
    for other in after:
        if alternative < other:
            scopes = all(any("scope " in part for part in each) for each in other - alternative)
            return "security-scope-added" if scopes else "security-scheme-also-needed"
    if len(after) == 1:
        return "security-changed"
    return "security-alternative-removed"


def _security_at(document: Json, operation: Operation) -> str:
    if "security" in operation.node.members:
        return operation.node.at + pointer("security")
    return "/security"

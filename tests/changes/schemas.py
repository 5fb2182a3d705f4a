"""Two schemas, keyword by keyword: what a value may be, before and after. Which side breaks by it is not decided here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve, field, frozen

from contact_apis._openapi.document import pointer

from .nodes import Json, Node
from .samples import Step

#: Keywords that bound a value from above and from below, and how their kinds of change are called.
UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
#: Keywords that say nothing about which values are valid.
NOTES = (
    "description",
    "title",
    "example",
    "examples",
    "default",
    "readOnly",
    "writeOnly",
    "deprecated",
)
_COMPARED = {
    *UPPER, *LOWER, *NOTES, "$ref", "type", "nullable", "enum", "const", "multipleOf", "pattern", "format", "uniqueItems", "items",
    "properties", "required", "additionalProperties", "anyOf", "oneOf", "allOf", "externalDocs", "xml",
}  # fmt: skip
_ALL = frozenset({"null", "boolean", "integer", "fraction", "string", "array", "object"})
_KINDS = {"number": {"integer", "fraction"}}


@frozen(eq=False)
class Finding:
    """One difference between two schemas."""

    kind: str
    """A kind of ``rules.yaml``."""
    before: Any
    after: Any
    old: Node
    """The schema whose keyword differs, as it was."""
    new: Node
    steps: tuple[Step, ...]
    """From the value as a whole to what this schema is about."""
    keys: tuple[str, ...]
    """The keywords that differ, which make up the rule that a value breaks."""
    effect: str | None = None
    """Where it depends on more than the kind: ``narrows``, ``widens``, ``either``, ``unknown`` or ``none``."""
    member: str = ""
    """The member that it is about, where it is about one."""
    tail: tuple[object, ...] = ()
    """From the schema to the place in the document."""
    rule: Json = field(factory=dict)
    """The rule by itself, where the keywords as they stand would say more."""

    @property
    def at_before(self) -> str | None:
        """JSON pointer into the old document; ``None`` where it has no such place."""
        return _place(self.old, self.tail)

    @property
    def at_after(self) -> str | None:
        """The same in the new one."""
        return _place(self.new, self.tail)


def _place(node: Node, tail: tuple[object, ...]) -> str | None:
    value: Any = node.value
    taken: list[object] = []
    for step in tail:
        if isinstance(value, list) and isinstance(step, str):
            # An item of `required` or `enum` by what it is: its number may be another one in the other document.
            if step not in value:
                return None
            taken.append(value.index(step))
            continue
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
        taken.append(step)
    return node.at + pointer(*taken)


def differences(old: Node, new: Node) -> list[Finding]:
    """All that differs between two schemas and those below them."""
    return list(_Walk().schema(old, new, ()))


class _Walk:
    """One walk; schemas that refer to themselves are entered once."""

    def __init__(self) -> None:
        self.entered: set[tuple[str, str]] = set()

    def schema(self, old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
        if (old.at, new.at) in self.entered:
            return
        self.entered.add((old.at, new.at))
        old, new = _unwrapped(old), _unwrapped(new)
        if _plain(old) == _plain(new):
            yield from _notes(old, new, steps)
            yield from self.below(old, new, steps)
            self.entered.discard((old.at, new.at))
            return
        wrapped = self.wrapped(old, new, steps)
        if wrapped is not None:
            yield from wrapped
            return
        before, after = types_of(old), types_of(new)
        yield from _types(old, new, steps)
        yield from _notes(old, new, steps)
        if (before & after) - {"null"} or not before - {"null"}:
            yield from _values(old, new, steps)
            yield from _members(old, new, steps)
            yield from _rest(old, new, steps)
            yield from self.below(old, new, steps)
        self.entered.discard((old.at, new.at))

    def below(self, old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
        shared = [
            name
            for name in old.members.get("properties", {})
            if name in new.members.get("properties", {})
        ]
        for name in shared:
            yield from self.schema(
                old.child("properties", name),
                new.child("properties", name),
                (*steps, ("member", name)),
            )
        if "items" in old.members and "items" in new.members:
            yield from self.schema(old.child("items"), new.child("items"), (*steps, ("item", 0)))
        if isinstance(old.members.get("additionalProperties"), dict) and isinstance(
            new.members.get("additionalProperties"), dict
        ):
            yield from self.schema(
                old.child("additionalProperties"),
                new.child("additionalProperties"),
                (*steps, ("other", 0)),
            )
        for word in ("anyOf", "oneOf", "allOf"):
            if word in old.members and word in new.members:
                yield from self.branches(word, old, new, steps)

    def branches(
        self, word: str, old: Node, new: Node, steps: tuple[Step, ...]
    ) -> Iterator[Finding]:
        """Equal branches belong together; of the others those in the same order, if there are as many."""
        before = [child for _, child in old.each(word)]
        after = [child for _, child in new.each(word)]
        gone = [
            number
            for number, child in enumerate(before)
            if not any(_same(child, each) for each in after)
        ]
        come = [
            number
            for number, child in enumerate(after)
            if not any(_same(child, each) for each in before)
        ]
        kind = _KEBAB[word]
        if len(gone) == len(come):
            for one, other in zip(gone, come, strict=True):
                inner = (*steps, ("branch", (word, one, other)))
                for each in self.schema(before[one], after[other], inner):
                    # What one alternative refuses another may take.
                    yield (
                        evolve(each, effect="either")
                        if word == "oneOf" and len(before) > 1
                        else each
                    )
            return
        for number in gone:
            yield _branch(
                f"{kind}-branch-removed", old, new, steps, word, before[number], None, number
            )
        for number in come:
            yield _branch(
                f"{kind}-branch-added", old, new, steps, word, None, after[number], number
            )

    def wrapped(self, old: Node, new: Node, steps: tuple[Step, ...]) -> list[Finding] | None:
        """Where one side is an alternative of the other: the other alternatives were added or removed."""
        for word in ("anyOf", "oneOf"):
            kind = _KEBAB[word]
            if word in new.members and word not in old.members:
                added = _other_branches(old, new, word)
                if added is not None:
                    return [
                        _branch(f"{kind}-branch-added", old, new, steps, word, None, each, number)
                        for number, each in added
                    ]
            if word in old.members and word not in new.members:
                removed = _other_branches(new, old, word)
                if removed is not None:
                    return [
                        _branch(f"{kind}-branch-removed", old, new, steps, word, each, None, number)
                        for number, each in removed
                    ]
        return None


def _other_branches(one: Node, choice: Node, word: str) -> list[tuple[int, Node]] | None:
    """The alternatives beside the one that a schema is, with their numbers; ``None`` where it is none of them."""
    branches = [child for _, child in choice.each(word)]
    if not any(_same(one, branch) for branch in branches):
        return None
    return [(number, branch) for number, branch in enumerate(branches) if not _same(one, branch)]


_KEBAB = {"anyOf": "any-of", "oneOf": "one-of", "allOf": "all-of"}


def _branch(
    kind: str,
    old: Node,
    new: Node,
    steps: tuple[Step, ...],
    word: str,
    before: Node | None,
    after: Node | None,
    number: int,
) -> Finding:
    return Finding(
        kind,
        None if before is None else before.value,
        None if after is None else after.value,
        old,
        new,
        steps,
        (word,),
        tail=(word, number),
        rule={} if word in old.members and word in new.members else {"whole": True},
    )


def canonical(node: Node, depth: int = 0) -> Any:
    """A schema with its references followed and all that is no rule left out, to be compared."""
    if depth > 12:
        return node.at
    return _followed(node.document, node.value, depth)


def _followed(document: Json, value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [_followed(document, each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    if depth > 12:
        return "deeper"
    if isinstance(value.get("$ref"), str):
        from .nodes import followed

        return _followed(document, followed(document, value, "").value, depth + 1)
    kept: Json = {}
    for name, each in value.items():
        if name == "properties":
            kept[name] = {
                member: _followed(document, schema, depth + 1) for member, schema in each.items()
            }
        elif name not in NOTES and not name.startswith("x-"):
            kept[name] = (
                sorted(each) if name == "required" else _followed(document, each, depth + 1)
            )
    return kept


def _same(one: Node, other: Node) -> bool:
    return json.dumps(canonical(one), sort_keys=True) == json.dumps(
        canonical(other), sort_keys=True
    )


def _plain(node: Node) -> str:
    """A schema's own rules, its parts by reference left as they are."""
    return json.dumps(canonical(node), sort_keys=True)


def _unwrapped(node: Node) -> Node:
    """The one schema that a list of alternatives or parts has, where nothing but notes stands beside it."""
    for word in ("allOf", "anyOf", "oneOf"):
        alone = not set(node.members) - {word, *NOTES}
        if alone and isinstance(node.members.get(word), list) and len(node.members[word]) == 1:
            return _unwrapped(node.child(word, 0))
    return node


# --------------------------------------------------------------------------------------------------------- types


def types_of(node: Node, depth: int = 0) -> frozenset[str]:
    """The kinds of JSON values that a schema lets through; a number is an integer or a fraction."""
    if depth > 8:
        return _ALL
    found = _ALL
    stated = node.members.get("type")
    if stated is not None:
        names = stated if isinstance(stated, list) else [stated]
        found = frozenset().union(*(_KINDS.get(name, {name}) for name in names))
        if node.members.get("nullable") is True:
            found |= {"null"}
    for word in ("anyOf", "oneOf"):
        if node.members.get(word):
            found &= frozenset().union(
                *(types_of(child, depth + 1) for _, child in node.each(word))
            )
    for _, child in node.each("allOf"):
        found &= types_of(child, depth + 1)
    return found


def type_names(kinds: frozenset[str]) -> list[str]:
    """The same in the words of JSON Schema."""
    names = set(kinds)
    if {"integer", "fraction"} <= names:
        names -= {"integer", "fraction"}
        names.add("number")
    if "fraction" in names:
        names.discard("fraction")
        names.add("number")
    return sorted(names)


def _types(old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
    before, after = types_of(old), types_of(new)
    if before == _ALL == after or before == after:
        return
    stated = before - {"null"}
    left = after - {"null"}
    if stated and left and ("null" in before) != ("null" in after) and _ALL not in (before, after):
        kind = "nullable-removed" if "null" in before else "nullable-added"
        yield Finding(
            kind,
            "null" in before,
            "null" in after,
            old,
            new,
            steps,
            ("type",),
            tail=("nullable",),
            rule={"types": True},
        )
    elif stated == left:
        return
    if stated == left:
        return
    kind = "type-changed"
    if stated < left:
        kind = "type-widened"
    elif left < stated:
        kind = "type-narrowed"
    yield Finding(
        kind,
        _shown(before),
        _shown(after),
        old,
        new,
        steps,
        ("type",),
        tail=("type",),
        rule={"types": True},
    )


def _shown(kinds: frozenset[str]) -> str:
    return "any" if kinds == _ALL else " or ".join(type_names(kinds - {"null"} or kinds))


# ---------------------------------------------------------------------------------------------------- plain rules


def _bound_words(word: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in word)


def _values(old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
    for word in (*UPPER, *LOWER):
        kind = _bound_change(word, old.members.get(word), new.members.get(word))
        if kind:
            yield _keyword(kind, word, old, new, steps)
    yield from _choices(old, new, steps)
    for word, names in _SET_OR_LIFTED.items():
        before = old.members.get(word) or None
        after = new.members.get(word) or None
        if before != after:
            yield _keyword(names[_turn(before, after)], word, old, new, steps)


#: What a keyword is called when it appears, changes, and goes.
_SET_OR_LIFTED = {
    "multipleOf": ("multiple-of-set", "multiple-of-changed", "multiple-of-lifted"),
    "pattern": ("pattern-set", "pattern-changed", "pattern-lifted"),
    "format": ("format-set", "format-changed", "format-lifted"),
    "uniqueItems": ("unique-items-set", "unique-items-changed", "unique-items-lifted"),
    "const": ("const-set", "const-changed", "const-lifted"),
}


def _turn(before: object, after: object) -> int:
    if before is None:
        return 0
    return 2 if after is None else 1


def _bound_change(word: str, before: Any, after: Any) -> str:
    if before == after:
        return ""
    name = _bound_words(word)
    if before is None:
        return f"{name}-set"
    if after is None:
        return f"{name}-lifted"
    return f"{name}-raised" if after > before else f"{name}-lowered"


def _keyword(kind: str, word: str, old: Node, new: Node, steps: tuple[Step, ...]) -> Finding:
    return Finding(
        kind, old.members.get(word), new.members.get(word), old, new, steps, (word,), tail=(word,)
    )


def _choices(old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
    before, after = old.members.get("enum"), new.members.get("enum")
    if before is None and after is None:
        return
    if before is None or after is None:
        yield _keyword("enum-set" if before is None else "enum-lifted", "enum", old, new, steps)
        return
    yield from _choices_in_one("enum-value-removed", before, after, old, new, steps)
    yield from _choices_in_one("enum-value-added", after, before, old, new, steps)


def _choices_in_one(
    kind: str,
    values: Sequence[Any],
    others: Sequence[Any],
    old: Node,
    new: Node,
    steps: tuple[Step, ...],
) -> Iterator[Finding]:
    """The values that the other document does not have."""
    for number, value in enumerate(values):
        if value in others:
            continue
        before = None
        after = None
        if kind == "enum-value-removed":
            before = value
        else:
            after = value
        member = value if isinstance(value, str) else number
        yield Finding(
            kind,
            before,
            after,
            old,
            new,
            steps,
            ("enum",),
            tail=("enum", member),
            rule={"value": value},
        )


# -------------------------------------------------------------------------------------------------------- objects


def others_of(node: Node) -> Any:
    """What is said of members that are not listed; ``True`` where they may be anything."""
    stated = node.members.get("additionalProperties", True)
    return True if stated == {} else stated


def _members(old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
    before, after = old.members.get("properties", {}), new.members.get("properties", {})
    needed_before, needed_after = old.members.get("required", []), new.members.get("required", [])
    for name in after:
        if name not in before:
            yield _added(name, name in needed_after and name not in needed_before, old, new, steps)
    for name in before:
        if name not in after:
            yield _removed(
                name, name in needed_before and name not in needed_after, old, new, steps
            )
    for name in needed_after:
        if name not in needed_before and (name in before or name not in after):
            yield _about(
                name,
                "member-became-required",
                False,
                True,
                old,
                new,
                steps,
                ("required",),
                tail=("required", name),
            )
    for name in needed_before:
        if name not in needed_after and (name in after or name not in before):
            yield _about(
                name,
                "member-became-optional",
                True,
                False,
                old,
                new,
                steps,
                ("required",),
                tail=("required", name),
            )
    yield from _others(old, new, steps)


def _about(
    name: str,
    kind: str,
    before: Any,
    after: Any,
    old: Node,
    new: Node,
    steps: tuple[Step, ...],
    keys: tuple[str, ...],
    **more: Any,
) -> Finding:
    return Finding(kind, before, after, old, new, steps, keys, member=name, **more)


def _added(name: str, is_needed: bool, old: Node, new: Node, steps: tuple[Step, ...]) -> Finding:
    is_closed = others_of(old) is not True
    kind = "member-added-required" if is_needed else "member-added"
    effect = "widens" if is_closed else "none"
    if is_needed:
        effect = "either" if is_closed else "narrows"
    keys = ("required", "properties", "additionalProperties")
    value = new.members["properties"][name]
    return _about(
        name, kind, None, value, old, new, steps, keys, effect=effect, tail=("properties", name)
    )


def _removed(name: str, was_needed: bool, old: Node, new: Node, steps: tuple[Step, ...]) -> Finding:
    is_closed = others_of(new) is not True
    kind = "member-removed-required" if was_needed else "member-removed"
    effect = "narrows" if is_closed else "unknown"
    if was_needed:
        effect = "either" if is_closed else "widens"
    keys = ("required", "properties", "additionalProperties")
    value = old.members["properties"][name]
    return _about(
        name, kind, value, None, old, new, steps, keys, effect=effect, tail=("properties", name)
    )


def _others(old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
    before, after = others_of(old), others_of(new)
    if before == after or (isinstance(before, dict) and isinstance(after, dict)):
        return
    kind = {
        (True, False): "others-forbidden",
        (False, True): "others-allowed",
        (True, None): "others-restricted",
        (None, True): "others-unrestricted",
        (None, False): "others-forbidden",
        (False, None): "others-allowed",
    }[_rank(before), _rank(after)]
    yield Finding(
        kind,
        before,
        after,
        old,
        new,
        steps,
        ("additionalProperties",),
        tail=("additionalProperties",),
    )


def _rank(others: Any) -> bool | None:
    return None if isinstance(others, dict) else bool(others)


# ------------------------------------------------------------------------------------------------------ the rest


def _rest(old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
    for word, name in {"items": "items", **_KEBAB}.items():
        before, after = old.members.get(word), new.members.get(word)
        if (before is None) != (after is None):
            yield _keyword(
                f"{name}-set" if before is None else f"{name}-lifted", word, old, new, steps
            )
    for word in sorted({*old.members, *new.members} - _COMPARED):
        if not word.startswith("x-") and old.members.get(word) != new.members.get(word):
            yield _keyword("keyword-changed", word, old, new, steps)


def _notes(old: Node, new: Node, steps: tuple[Step, ...]) -> Iterator[Finding]:
    kinds = {
        "default": ("default-set", "default-changed", "default-lifted"),
        "readOnly": ("read-only-set", "read-only-set", "read-only-lifted"),
        "writeOnly": ("write-only-set", "write-only-set", "write-only-lifted"),
        "deprecated": ("deprecated-set", "deprecated-set", "deprecated-lifted"),
        "description": ("description-changed",) * 3,
        "title": ("description-changed",) * 3,
    }
    for word, names in kinds.items():
        before = old.members.get(word)
        after = new.members.get(word)
        if word in ("readOnly", "writeOnly", "deprecated"):
            before = before or None
            after = after or None
        if before != after:
            yield _keyword(names[_turn(before, after)], word, old, new, steps)
    component = ("/components/schemas/",)
    if (
        old.at.startswith(component)
        and new.at.startswith(component)
        and old.name != new.name
        and _same(old, new)
    ):
        yield Finding("schema-renamed", old.name, new.name, old, new, steps, ())


# ------------------------------------------------------------------------------------------------- rules by themselves


def rule_of(finding: Finding, side: Node) -> Any:
    """What one side says of the point alone, as a schema: a value that breaks it shows this change and no other."""
    members = side.members
    if finding.rule.get("types"):
        return {"type": type_names(types_of(side))}
    if finding.rule.get("whole"):
        return side.value
    if finding.kind in ("member-became-required", "member-became-optional"):
        return {"required": [finding.member]}
    if finding.member:
        names: Json = dict.fromkeys(members.get("properties", {}), True)
        needed = [finding.member] if finding.member in members.get("required", []) else []
        return {"properties": names, "required": needed, "additionalProperties": others_of(side)}
    if "additionalProperties" in finding.keys:
        names = dict.fromkeys(members.get("properties", {}), True)
        return {"properties": names, "additionalProperties": others_of(side)}
    return {key: members[key] for key in finding.keys if key in members}

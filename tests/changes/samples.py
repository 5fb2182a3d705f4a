"""Values that fit a schema, those at its bounds first: what shows that a change breaks something, and what proves that none does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any

from attrs import Factory, define, frozen

from contact_apis._openapi.document import Contract

from .nodes import Json, Node, followed, root

DEEPEST = 7
LONGEST = 3_000  # characters of a text, items of an array: past that a bound is not tried
OTHER_MEMBER = "x-other"
"""What the members are called that no document lists. A member that only one of two documents lists is never sent under the other."""
MISSING = object()
_OF_FORMAT = {
    "uuid": ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"],
    "email": ["a@example.com", "b@example.com"],
    "date": ["2026-01-31", "1990-01-15"],
    "date-time": ["2026-01-31T10:30:00.000Z", "1990-01-15T00:00:00Z"],
    "time": ["10:30:00Z"],
    "ipv4": ["192.0.2.7"],
    "ipv6": ["2001:db8::7"],
    "uri": ["https://example.com/a"],
    "hostname": ["example.com"],
    "byte": ["YWJj"],
}
_TEXTS = ["a", "", "A", "0", "zz zz", "é", "-", "pop_123", "+447700900123", "a@b", "1990-01-15"]
_NUMBERS = [1, 0, -1, 2, 7, 0.5, -0.5, 1e6, 1000003]


@define
class Pool:
    """Lengths, numbers and values that the documents themselves name: at these one differs from another."""

    sizes: set[int] = Factory(set)
    numbers: set[float] = Factory(set)
    values: list[Any] = Factory(list)
    patterns: set[str] = Factory(set)

    @classmethod
    def of(cls, *documents: Json) -> Pool:
        """All that stands in these documents."""
        pool = cls()
        for document in documents:
            pool.collect(document)
        return pool

    def collect(self, node: Any) -> None:
        """Adds what stands in a part of a document."""
        if isinstance(node, list):
            for each in node:
                self.collect(each)
        if not isinstance(node, dict):
            return
        for name, value in node.items():
            self._add(name, value)
            self.collect(value)

    def _add(self, name: str, value: Any) -> None:
        if name in ("enum", "examples") and isinstance(value, list):
            self.values += [each for each in value if each not in self.values]
        if name in ("const", "default", "example") and value not in self.values:
            self.values.append(value)
        if name == "pattern" and isinstance(value, str):
            self.patterns.add(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        if re.match(r"(min|max)(Length|Items|Properties)$", name):
            self.sizes |= {int(value) - 1, int(value), int(value) + 1} & set(range(LONGEST))
        if re.match(r"(exclusive)?[mM](in|ax)imum$|multipleOf$", name):
            self.numbers |= {value - 1, value, value + 1, value + 0.5, value * 2, value * 3}


@frozen(eq=False)
class Samples:
    """Values for the schemas of one document."""

    contract: Contract
    pool: Pool
    _compiled: dict[str, Any] = Factory(dict)

    @classmethod
    def of(cls, document: Json, pool: Pool) -> Samples:
        """For a document, with what else is worth trying."""
        return cls(Contract(document), pool)

    def validator(self, schema: Any) -> Any:
        """The compiled validator of a schema of this document."""
        key = repr(schema)
        if key not in self._compiled:
            node = schema if isinstance(schema, dict) else Node({}, schema, "").members
            self._compiled[key] = self.contract.schema(node).validator
        return self._compiled[key]

    def fits(self, schema: Any, value: Any) -> bool:
        """Whether a value is valid by a schema."""
        try:
            return bool(self.validator(schema).is_valid(value))
        except ValueError:
            return False

    def least(self, schema: Any, depth: int = 0) -> Any:
        """The plainest valid value, or ``MISSING`` where none is found."""
        for value in self.values(schema, depth):
            if self.fits(schema, value):
                return value
        return MISSING

    def valid(self, schema: Any, most: int, depth: int = 0) -> list[Any]:
        """Up to so many different valid values."""
        found: list[Any] = []
        for value in self.values(schema, depth):
            if value not in found and self.fits(schema, value):
                found.append(value)
            if len(found) == most:
                break
        return found

    # ------------------------------------------------------------------------------------------- values worth trying

    def values(self, schema: Any, depth: int = 0) -> Iterator[Any]:
        """Values around the bounds of a schema, valid or not, the plainest first."""
        node = self.merged(schema)
        if depth > DEEPEST:
            return
        yield from node.get("enum", [])
        if "const" in node:
            yield node["const"]
        for word in ("anyOf", "oneOf"):
            for branch in node.get(word, []):
                yield from self.values(self._beside(node, word, branch), depth + 1)
        makers = {
            "string": self._texts(node),
            "integer": self._numbers(node),
            "number": self._numbers(node),
            "boolean": iter([False, True]),
            "array": self._arrays(node, depth),
            "object": self._objects(node, depth),
            "null": iter([None]),
        }
        stated = _types_stated(node)
        for kind in stated:
            yield from makers[kind]
        yield from self.pool.values
        if node.get("nullable"):
            yield None
        yield from ["a", 1, 0.5, True, None, [], {}]

    def merged(self, schema: Any) -> Json:
        """A schema with its references followed and its ``allOf`` drawn together, as far as that can be."""
        node = dict(followed(self.contract.document, schema, "").members)
        for branch in node.pop("allOf", []):
            part = self.merged(branch)
            node = _together(node, part)
        return node

    def _beside(self, node: Json, word: str, branch: Any) -> Json:
        rest = {name: value for name, value in node.items() if name != word}
        return _together(rest, self.merged(branch))

    def _texts(self, node: Json) -> Iterator[str]:
        least = node.get("minLength", 0)
        if "pattern" in node:
            yield from texts_matching(node["pattern"], least)
        yield from _OF_FORMAT.get(node.get("format", ""), [])
        if node.get("format") == "email":
            yield from (
                f"{'a' * (size - 12)}@example.com"
                for size in sorted(self.pool.sizes)
                if 12 < size < 70
            )
        if 0 < least < LONGEST:
            yield "a" * least
        yield from _TEXTS
        for size in sorted(self.pool.sizes):
            yield "b" * size
        for examples in _OF_FORMAT.values():
            yield from examples
        for pattern in sorted(self.pool.patterns):
            yield from texts_matching(pattern, least)

    def _numbers(self, node: Json) -> Iterator[float]:
        step: float = node.get("multipleOf", 1)
        low: float = node.get("minimum") or node.get("exclusiveMinimum") or 0
        start = -(-low // step) * step
        yield from (start, start + step, start - step, start + 2 * step)
        yield from _NUMBERS
        yield from sorted(self.pool.numbers)

    def _arrays(self, node: Json, depth: int) -> Iterator[list[Any]]:
        wanted = sorted({node.get("minItems", 0), 0, 1, 2, *self.pool.sizes})
        sizes = [size for size in wanted if size <= 60]
        sizes.sort(key=lambda size: size != node.get("minItems", 0))
        items = self.valid(node.get("items", {}), 6, depth + 1)
        if not items:
            yield []
            return
        for size in sizes:
            yield self._distinct(items, size)
            yield [items[0]] * size

    def _distinct(self, items: Sequence[Any], size: int) -> list[Any]:
        """So many items, different ones as far as there are any."""
        found = list(items[:size])
        text = next((each for each in items if isinstance(each, str)), None)
        while len(found) < size:
            more = items[len(found) % len(items)]
            if text is not None:
                more = f"{text}{len(found)}"
            found.append(more)
        return found

    def _objects(self, node: Json, depth: int) -> Iterator[Json]:
        required = self.least_object(node, depth)
        if required is None:
            return
        optional: Json = {}
        for name, schema in node.get("properties", {}).items():
            if name not in required:
                value = self.least(schema, depth + 1)
                if value is not MISSING:
                    optional[name] = value
        others = self._others(node, depth)
        wanted = node.get("minProperties", 0)
        yield filled(required, {**optional, **others}, wanted)
        for name, value in optional.items():
            yield {**required, name: value}
            yield filled({**required, name: value}, {**optional, **others}, wanted)
        yield {**required, **optional}
        for name, value in islice(others.items(), 3):
            yield {**required, name: value}
            yield {**required, **optional, name: value}
        for size in sorted(self.pool.sizes):
            if size <= len(required) + len(optional) + len(others):
                yield filled(required, {**optional, **others}, size)
                yield filled(required, others, size)
        yield required

    def least_object(self, node: Json, depth: int = 0) -> Json | None:
        """An object of the required members alone, or ``None`` where one of them can have no value."""
        made: Json = {}
        for name in node.get("required", []):
            value = self.least(node.get("properties", {}).get(name, {}), depth + 1)
            if value is MISSING:
                return None
            made[name] = value
        return made

    def _others(self, node: Json, depth: int) -> Json:
        """Members that the schema does not list."""
        schema = node.get("additionalProperties", True)
        values = self.valid(schema, 4, depth + 1)
        if schema is True or schema == {}:
            values = ["a", 1, None, {"a": 1}]
        if not values:
            values = ["a"]
        count = max([3, *(size for size in self.pool.sizes if size <= 40)])
        return {f"{OTHER_MEMBER}-{number}": values[number % len(values)] for number in range(count)}

    # ------------------------------------------------------------------------------------------------- chance

    def random(self, schema: Any, chance: Random, depth: int = 0) -> Any:
        """A value by chance, which may not be valid: whoever takes it looks."""
        node = self.merged(schema)
        if depth > DEEPEST or "enum" in node or "const" in node:
            return self._pick(islice(self.values(node, depth), 12), chance)
        for word in ("anyOf", "oneOf"):
            if node.get(word):
                branch = chance.choice(node[word])
                return self.random(self._beside(node, word, branch), chance, depth + 1)
        kinds = _types_stated(node)
        kind = chance.choice(kinds) if kinds else "string"
        if node.get("nullable") and chance.random() < 0.15:
            return None
        if kind == "object":
            return self._random_object(node, chance, depth)
        if kind == "array":
            sizes = [
                size for size in {0, 1, 2, node.get("minItems", 0), *self.pool.sizes} if size <= 12
            ]
            return [
                self.random(node.get("items", {}), chance, depth + 1)
                for _ in range(chance.choice(sizes))
            ]
        valid = [value for value in islice(self.values(node, depth), 90) if self.fits(node, value)]
        return self._pick(valid, chance)

    def _pick(self, values: Iterable[Any], chance: Random) -> Any:
        found = list(values)
        return chance.choice(found) if found else None

    def _random_object(self, node: Json, chance: Random, depth: int) -> Json:
        made: Json = {}
        for name, schema in node.get("properties", {}).items():
            if name in node.get("required", []) or chance.random() < 0.6:
                made[name] = self.random(schema, chance, depth + 1)
        for name in node.get("required", []):
            made.setdefault(name, "a")
        if chance.random() < 0.3 and node.get("additionalProperties", True) is not False:
            others = list(self._others(node, depth).items())
            made.update(others[: chance.randint(1, 3)])
        return made


def filled(least: Json, more: Json, size: int) -> Json:
    """An object with further members, until it has so many."""
    made = dict(least)
    for name, value in more.items():
        if len(made) >= size:
            break
        made.setdefault(name, value)
    return made


def _types_stated(node: Json) -> list[str]:
    stated = node.get("type")
    if isinstance(stated, list):
        return [each for each in stated if each in _KINDS]
    if stated in _KINDS:
        return [str(stated)]
    if "properties" in node or "additionalProperties" in node or "required" in node:
        return ["object"]
    if "items" in node:
        return ["array"]
    if {"minimum", "maximum", "multipleOf"} & set(node):
        return ["number"]
    return ["string"]


_KINDS = ("string", "integer", "number", "boolean", "array", "object", "null")


def _together(one: Json, other: Json) -> Json:
    """Two schemas as one that asks for both, as far as that can be written."""
    made = {**other, **one}
    if "properties" in one and "properties" in other:
        made["properties"] = {**other["properties"], **one["properties"]}
    if "required" in one and "required" in other:
        made["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return made


# --------------------------------------------------------------------------------------------- texts of a pattern


def texts_matching(pattern: str, least: int = 0) -> list[str]:
    """A few texts that a regular expression matches; none where it has what is not understood here."""
    from re import _parser  # the standard library's own parser, which has no public name

    try:
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError):
        return []
    found = [_text(parsed, more, least) for more in (0, 1, 3)]
    texts = [text for text in found if text is not None and re.search(pattern, text)]
    return list(dict.fromkeys(texts))


def _text(parsed: Any, more: int, least: int) -> str | None:
    parts: list[str] = []
    for operation, argument in parsed:
        part = _part(str(operation), argument, more, least)
        if part is None:
            return None
        parts.append(part)
    return "".join(parts)


def _part(operation: str, argument: Any, more: int, least: int) -> str | None:
    if operation == "LITERAL":
        return chr(argument)
    if operation == "ANY":
        return "a"
    if operation == "AT":
        return ""
    if operation == "IN":
        return _of_class(argument)
    if operation == "SUBPATTERN":
        return _text(argument[3], more, least)
    if operation == "BRANCH":
        return _text(argument[1][more % len(argument[1])], more, least)
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        low, high, inner = argument
        text = _text(inner, more, least)
        count = min(int(high), max(low + more, min(least, LONGEST)))
        return None if text is None else text * count
    return None


_CLASSES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_WORD": "a",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_NOT_WORD": "-",
}


def _of_class(members: Any) -> str | None:
    refused: set[int] = set()
    is_negated = False
    for operation, argument in members:
        if str(operation) == "NEGATE":
            is_negated = True
        elif is_negated and str(operation) == "LITERAL":
            refused.add(argument)
        elif str(operation) == "LITERAL":
            return chr(argument)
        elif is_negated:
            continue
        elif str(operation) == "RANGE":
            return chr(argument[0])
        else:
            return _CLASSES.get(str(argument))
    free = [each for each in "a0-Z_ é" if ord(each) not in refused]
    return free[0] if free else None


# ----------------------------------------------------------------------------------------------- a value in its place

Step = tuple[str, Any]
"""One step into a value: ``("member", name)``, ``("item", 0)``, ``("other", 0)``, or into a schema alone: ``("branch", (word, number))``."""


def around(samples: Samples, schema: Any, steps: Sequence[Step], value: Any) -> Any:
    """A whole value that has the given one at its place, or ``MISSING`` where none can be built."""
    if not steps:
        return value
    (kind, argument), *rest = steps
    node = followed(samples.contract.document, schema, "").members
    if kind == "branch":
        word, number = argument
        inner = around(samples, node[word][number], rest, value)
        return _with_siblings(samples, node, inner)
    merged = samples.merged(node)
    if kind == "item":
        inner = around(samples, merged.get("items", {}), rest, value)
        return _array_with(samples, merged, inner)
    if kind == "member":
        inner = around(samples, merged.get("properties", {}).get(argument, {}), rest, value)
        return _object_with(samples, merged, argument, inner)
    inner = around(samples, merged.get("additionalProperties", {}), rest, value)
    return _object_with(samples, merged, f"{OTHER_MEMBER}-9", inner)


def _array_with(samples: Samples, node: Json, inner: Any) -> Any:
    if inner is MISSING:
        return MISSING
    more = [each for each in samples.valid(node.get("items", {}), 8) if each != inner]
    return [inner, *more[: max(0, node.get("minItems", 0) - 1)]]


def _object_with(samples: Samples, node: Json, name: str, inner: Any) -> Any:
    rest = {**node, "required": [each for each in node.get("required", []) if each != name]}
    made = samples.least_object(rest)
    if inner is MISSING or made is None:
        return MISSING
    made[name] = inner
    if len(made) < node.get("minProperties", 0):
        optional = samples.valid(node, 4)
        for each in optional:
            made = {**each, **made}
    return made


def _with_siblings(samples: Samples, node: Json, inner: Any) -> Any:
    if not isinstance(inner, dict) or "properties" not in node:
        return inner
    beside = samples.least_object(node)
    return MISSING if beside is None else {**beside, **inner}


def document_root(samples: Samples) -> Node:
    """The document that the values are for."""
    return root(samples.contract.document)

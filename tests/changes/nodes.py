"""Places in a document: a value together with its JSON pointer, references followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import field, frozen

from contact_apis._openapi.document import pointer, value_at

Json = dict[str, Any]


@frozen(eq=False)
class Node:
    """An object of a document and where it stands; of a reference, where it leads to."""

    document: Json = field(repr=False)
    value: Any = field(repr=False)
    at: str
    """JSON pointer (RFC 6901)."""

    @property
    def members(self) -> Json:
        """The members of an object; none of anything else. The schemas ``true`` and ``false`` are written as objects."""
        if isinstance(self.value, dict):
            return self.value
        if self.value is False:
            return {"not": {}}
        return {}

    @property
    def name(self) -> str:
        """The last step of the pointer, as it stands in the document."""
        return self.at.rpartition("/")[2].replace("~1", "/").replace("~0", "~")

    def child(self, *steps: object) -> Node:
        """What stands below, by these steps; an empty object where nothing does."""
        value: Any = self.value
        for step in steps:
            try:
                value = value[step]
            except (LookupError, TypeError):
                value = {}
        return followed(self.document, value, self.at + pointer(*steps))

    def each(self, word: str) -> Iterator[tuple[Any, Node]]:
        """The children of a member that is an object or a list, by name or number."""
        children = self.members.get(word, {})
        keys: list[Any] = list(children)
        if isinstance(children, list):
            keys = list(range(len(children)))
        for key in keys:
            yield key, self.child(word, key)


def followed(document: Json, value: Any, at: str) -> Node:
    """A node for a value; where it is a reference, for what that leads to. A circle of references leads to an empty object."""
    seen: set[str] = set()
    while isinstance(value, dict) and isinstance(value.get("$ref"), str):
        at = value["$ref"].removeprefix("#")
        if at in seen:
            return Node(document, {}, at)
        seen.add(at)
        value = value_at(document, at)
    return Node(document, value, at)


def root(document: Json) -> Node:
    """The whole of a document."""
    return Node(document, document, "")

"""The Python surface of two generated packages, compared by griffe: what breaks the code of callers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe
from attrs import frozen


@frozen
class Break:
    """Something that code written for the old package cannot do with the new one."""

    at: str
    """Module, class and name."""
    says: str


def breaks_between(package: str, old: Path, new: Path) -> tuple[Break, ...]:
    """What breaks from one folder of generated packages to another.

    Args:
        package: its name, in both folders.
        old: the folder that holds the old package.
        new: the folder that holds the new one.
    """
    if not (old / package).is_dir() or not (new / package).is_dir():
        return ()
    before, after = (
        griffe.load(package, search_paths=[folder], allow_inspection=False) for folder in (old, new)
    )
    found = (*_found(before, after), *_annotations(before, after))
    return tuple(dict.fromkeys(found))


def _found(
    before: griffe.Object | griffe.Alias, after: griffe.Object | griffe.Alias
) -> Iterator[Break]:
    for each in griffe.find_breaking_changes(before, after):
        parameter = f"({each.obj.path})"
        detail = each.explain(style=griffe.ExplanationStyle.ONE_LINE)
        text = detail.partition(": ")[2] or detail
        yield Break(parameter.strip("()"), text)


def _annotations(
    before: griffe.Object | griffe.Alias, after: griffe.Object | griffe.Alias
) -> Iterator[Break]:
    """Members of models that have another type: griffe compares functions by their annotations, and members by their values."""
    models = [each.members.get("models") for each in (before, after)]
    if models[0] is None or models[1] is None:
        return
    for name, module in models[0].members.items():
        other = models[1].members.get(name)
        if module.is_alias or other is None or other.is_alias:
            continue
        for kind, model in module.members.items():
            if model.is_alias or not model.is_class or kind not in other.members:
                continue
            yield from _members(model, other.members[kind])


def _members(
    old: griffe.Object | griffe.Alias, new: griffe.Object | griffe.Alias
) -> Iterator[Break]:
    for name, member in old.members.items():
        other = new.members.get(name)
        if not isinstance(member, griffe.Attribute) or not isinstance(other, griffe.Attribute):
            continue
        if str(member.annotation) != str(other.annotation):
            yield Break(member.path, f"{member.annotation} became {other.annotation}")

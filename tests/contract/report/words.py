"""Numbers of things in words."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, one: str, several: str) -> str:
    """A number with what it counts, as in ``1 request`` and ``2 requests``."""
    if number == 1:
        return f"1 {one}"
    return f"{number} {several}"


def listed(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    shown = ", ".join(names[:8])
    if len(names) > 8:
        shown += f" and {len(names) - 8} more"
    return shown

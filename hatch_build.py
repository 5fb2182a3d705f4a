"""The wheel carries the contract suite, which lies in ``tests`` and ``specs`` and is copied nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DESTINATION = "contact_apis/_suite"
CARRIED = ("tests/__init__.py", "tests/strategies.py", "tests/contract")
OF_OTHER_TOOLS = ("generator.yaml", "redocly.yaml")


class SuiteHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is a name that hatchling does not export
    """Adds the suite to a wheel that is installed as it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable installation finds the suite in its checkout, and must not hold a copy that grows old."""
        if version == "editable":
            return
        documents = [
            *Path(self.root, "specs").glob("*.json"),
            *Path(self.root, "specs").glob("*.yaml"),
        ]
        names = [f"specs/{path.name}" for path in documents if path.name not in OF_OTHER_TOOLS]
        for name in [*CARRIED, *names]:
            build_data["force_include"][str(Path(self.root, name))] = f"{DESTINATION}/{name}"

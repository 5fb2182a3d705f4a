"""Where the contract suite lies, and how a run of it is started. Nothing here imports the suite: a run has its own interpreter.

A wheel carries the suite in this folder, with ``tests`` and ``specs`` as in a checkout; a checkout has it at its root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from attrs import frozen

from ._environment import isolated_command, isolated_environment, open_standard_streams

DISTRIBUTION = "contact-apis"
EXTRA = "contract"
HERE = Path(__file__).parent

__all__ = ["Suite", "SuiteError", "find_suite", "isolated_command", "isolated_environment", "start"]


class SuiteError(Exception):
    """The suite cannot be started; the text says why, and the remedy."""


@frozen
class Suite:
    """A copy of the suite: the folder that its package is imported from, and the package's name."""

    root: Path
    package: str

    @property
    def folder(self) -> Path:
        return self.root.joinpath(*self.package.split("."))


def find_suite() -> Suite:
    """The copy in the installed package; in a checkout the one at its root.

    Raises:
        SuiteError: there is neither.
    """
    packaged = Suite(HERE.parents[1], f"{__name__}.tests.contract")
    checkout = Suite(HERE.parents[2], "tests.contract")
    for suite in (packaged, checkout):
        if (suite.folder / "run.py").is_file():
            return suite
    raise SuiteError(
        "this installation does not contain the contract suite; install the wheel of contact-apis again"
    )


def start(suite: Suite, variables: Mapping[str, str]) -> int:
    """Runs the suite with these environment variables, in place of this process where the system can do that.

    Returns:
        The exit code; on POSIX systems this function does not return.

    Raises:
        SuiteError: a package that the extra ``contract`` brings is missing or of another version.
    """
    _check_requirements()
    try:
        Path.cwd()
    except OSError:
        raise SuiteError(
            "the current folder does not exist any more; change to another one"
        ) from None
    command = isolated_command(f"{suite.package}.run", first=[suite.root])
    environment = isolated_environment(variables)
    open_standard_streams()
    if sys.platform != "win32":
        os.execve(command[0], command, environment)  # noqa: S606  # our own interpreter, without a shell
    return subprocess.call(command, env=environment)  # noqa: S603  # likewise


def _check_requirements() -> None:
    try:
        declared = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # a checkout on the path that was never installed
        return
    wanted = [line for line in declared if _is_of_the_extra(line)]
    try:
        from packaging.requirements import Requirement

        for requirement in map(Requirement, wanted):
            installed = metadata.version(requirement.name)
            if not requirement.specifier.contains(installed, prereleases=True):
                raise SuiteError(
                    f"the contract suite needs {requirement.name}{requirement.specifier}, and {installed} is installed; "
                    f"install what fits with: pip install '{DISTRIBUTION}[{EXTRA}]'"
                )
    except (ModuleNotFoundError, metadata.PackageNotFoundError) as missing:
        name = str(missing.name)
        raise SuiteError(
            f"the contract suite needs an optional dependency (extra), {name} is not installed; "
            f"install it with: pip install '{DISTRIBUTION}[{EXTRA}]'"
        ) from None


def _is_of_the_extra(line: str) -> bool:
    """Whether a line of the metadata stands under the extra; read plainly, as ``packaging`` may be missing with the rest."""
    _, _, marker = line.partition(";")
    return marker.replace('"', "'").replace(" ", "") == f"extra=='{EXTRA}'"

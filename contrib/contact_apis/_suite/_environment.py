"""An interpreter that nothing of its caller's Python, pytest or Hypothesis reaches. Also the script that such an interpreter starts with.

The verdict on a service must not depend on who asks. A caller's environment may select tests, load plugins, turn warnings into
errors, drop assertions or put other modules in front of ours; none of that is meant for the contract suite.
"""

from __future__ import annotations

import io
import json
import os
import select
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

FOREIGN = ("PYTHON", "PYTEST", "HYPOTHESIS", "SCHEMATHESIS")
OTHER_FOREIGN = ("PY_COLORS", "PY_IGNORE_IMPORTMISMATCH", "_ARGCOMPLETE")
# Where Python and its packages lie, and whether it may write bytecode, is the installation's own affair.
OF_THE_INSTALLATION = (
    "PYTHONHOME",
    "PYTHONPLATLIBDIR",
    "PYTHONEXECUTABLE",
    "PYTHONUSERBASE",
    "PYTHONNOUSERSITE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONDONTWRITEBYTECODE",
)
OWN = {
    "PYTHONUTF8": "1",  # whatever the locale
    "PYTHONSAFEPATH": "1",  # a module of the current folder is none of ours
    "PYTHONHASHSEED": "0",  # the same seed, the same run
    "HYPOTHESIS_NO_PLUGINS": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


def isolated_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that steer Python, pytest, Hypothesis or schemathesis, and with our own."""
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() in OF_THE_INSTALLATION
        or not (name.upper().startswith(FOREIGN) or name.upper() in OTHER_FOREIGN)
    }
    if sys.flags.no_user_site:
        kept["PYTHONNOUSERSITE"] = "1"
    return {**kept, **OWN}


def isolated_command(module: str, *arguments: str, first: Iterable[Path] = ()) -> list[str]:
    """The command line that calls ``main()`` of a module in such an interpreter.

    Our own packages are imported from where this process finds them, and from ``first``. What else this process can import, say by
    ``PYTHONPATH``, can still be imported where nothing else has the name.
    """
    from contact_apis._vendors.registry import (
        VENDORS,
    )  # here: the script that an interpreter starts with has no path to it yet

    folders = [str(folder) for folder in first]
    for package in ("contact_apis", *(vendor.package for vendor in VENDORS.values())):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folders.append(str(Path(spec.origin).parents[1]))
    last = [entry for entry in sys.path if entry and Path(entry) != Path.cwd()]
    return [sys.executable, __file__, json.dumps([folders, last]), module, *arguments]


def open_standard_streams() -> None:
    """Gives the standard streams that the caller has closed somewhere to go, or the next file that is opened takes their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


class LenientStream(io.RawIOBase):
    """A standard stream whose reader may go away, or whose disk may be full: what is written then is dropped, and the run goes on."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._is_lost = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: object, /) -> int:
        view = memoryview(data)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # a buffer, as io has it
        while not self._is_lost:
            try:
                return os.write(self._number, view)
            except BlockingIOError:
                select.select([], [self._number], [])
            except OSError:
                self._is_lost = True
        return view.nbytes


def _lenient(number: int) -> io.TextIOWrapper:
    raw = io.BufferedWriter(LenientStream(number))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _extend_path(first: list[str], last: list[str]) -> None:
    """Puts ``first`` after the standard library and before other packages, and ``last`` at the end."""
    packages = (
        place
        for place, entry in enumerate(sys.path)
        if Path(entry).name in ("site-packages", "dist-packages")
    )
    place = next(packages, len(sys.path))
    missing = [entry for entry in dict.fromkeys(first) if entry not in sys.path]
    sys.path[place:place] = missing
    sys.path += [entry for entry in dict.fromkeys(last) if entry not in sys.path]


def main() -> None:
    """Starts the module that the command line names."""
    paths, module, *arguments = sys.argv[1:]
    _extend_path(*json.loads(paths))
    sys.stdout = _lenient(1)
    sys.stderr = _lenient(2)
    sys.argv = [module, *arguments]
    sys.exit(import_module(module).main())


if __name__ == "__main__":
    main()

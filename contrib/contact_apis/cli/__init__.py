"""The command ``contact-apis``: needs the extra ``contact-apis[cli]``."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext

from contact_apis._importing.shutdown import exit_on_signals

OPTIONAL_DEPENDENCIES = frozenset({"aiohttp", "click", "orjson", "phonenumbers", "rich", "typer"})
"""What the extras bring; without them the command says so."""


def main() -> None:
    """Runs the command; without the extra it says so in one sentence and exits 2."""
    _open_closed_streams()
    command = sys.argv[1:2]
    signals: AbstractContextManager[None] = nullcontext()
    if command == ["import"]:
        signals = exit_on_signals()
    try:
        with signals:
            from .app import PROGRAM, app

            app(prog_name=PROGRAM)
    except ModuleNotFoundError as missing:
        package, _, _ = str(missing.name).partition(".")
        if package not in OPTIONAL_DEPENDENCIES:
            raise
        extra = "cli"
        if command == ["contract"]:
            extra = "contract"
        sys.stderr.write(
            f"contact-apis: the command needs an optional dependency (extra); install it with: pip install 'contact-apis[{extra}]'\n"
        )
        sys.exit(2)


def _open_closed_streams() -> None:
    """Gives the null device to a standard stream that whoever started the command has closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))

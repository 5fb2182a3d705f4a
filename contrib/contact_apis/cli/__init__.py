"""The command ``contact-apis``: needs the extra ``contact-apis[cli]``."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

from contact_apis._importing.shutdown import exit_on_signals


def main() -> None:
    """Runs the command; without the extra it says so in one sentence and exits 2."""
    for place, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(
                sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if place == 0 else "w")
            )
    try:
        with exit_on_signals() if sys.argv[1:2] == ["import"] else nullcontext():
            from .app import app

            app()
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in (
            "aiohttp",
            "click",
            "orjson",
            "phonenumbers",
            "rich",
            "typer",
        ):
            raise
        extra = "contract" if sys.argv[1:2] == ["contract"] else "cli"
        sys.stderr.write(
            f"contact-apis: the command needs an extra; install it with: pip install 'contact-apis[{extra}]'\n"
        )
        sys.exit(2)

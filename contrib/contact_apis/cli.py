"""The command ``contact-apis``: needs the extra ``contact-apis[cli]``."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command; without the extra it says so in one sentence and exits 2."""
    try:
        from contact_apis._command import app

        app()
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("aiohttp", "click", "orjson", "phonenumbers", "rich", "typer"):
            raise
        sys.stderr.write("contact-apis: the command needs an extra; install it with: pip install 'contact-apis[cli]'\n")
        sys.exit(2)

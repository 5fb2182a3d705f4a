"""``python -m tests.contract``: one run of the suite, told by variables (see the README); what ``make contract`` calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from contact_apis._suite import Suite, SuiteError, start


def main() -> int:
    """Starts the run; the result is the exit code."""
    if len(sys.argv) > 1:
        sys.stderr.write(
            "tests.contract takes variables, no arguments; for options there is the command contact-apis contract\n"
        )
        return 2
    try:
        return start(Suite(Path(__file__).parents[2], __package__), os.environ)
    except SuiteError as reason:
        sys.stderr.write(f"contact-apis: {reason}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())

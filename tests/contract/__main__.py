"""``python -m tests.contract``: one run of the suite, told by variables (see the README); what ``make contract`` calls."""

from __future__ import annotations

import sys

from .run import main

if __name__ == "__main__":
    sys.exit(main())

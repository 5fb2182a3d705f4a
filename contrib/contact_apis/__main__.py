"""``python -m contact_apis`` is the command ``contact-apis``."""

from contact_apis.cli import main

main()

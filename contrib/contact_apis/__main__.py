"""``python -m contact_apis`` is the command ``contact-apis``."""

from .cli import main

main()

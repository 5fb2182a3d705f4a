"""``contact-apis import``: a file of contacts."""

from __future__ import annotations

from contact_apis._importing.options import ImportOptions

EPILOG = "Example: contact-apis import customers.csv --to pristo --map E-Mail=email --custom tier --ignore notes --rate 20"


def import_(options: ImportOptions) -> int:
    """Import a file of contacts. Re-run the same command to resume after an interruption.

    Every row is read and checked before the first is sent. Exit codes: 0 all rows succeeded; 1 some rows refused, failed or unknown; 2 usage
    or configuration; 3 credentials refused; 4 service unavailable; 5 the disk is full, or the journal or a report cannot be written;
    6 all rows so far rejected for the same reason; 129, 130 or 143 stopped by a signal (SIGHUP, SIGINT, SIGTERM).
    """
    from contact_apis._importing.run import run_import

    return run_import(options)

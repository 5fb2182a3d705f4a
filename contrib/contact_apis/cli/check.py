"""``contact-apis check``: whether the services can be reached, and take the credentials."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from contact_apis._errors import ConfigurationError, ContactAPIError
from contact_apis._importing.options import Target
from contact_apis._vendors.registry import VENDORS

EPILOG = "Example: contact-apis check --to pristo"


def check(
    to: Annotated[Target | None, typer.Option(help="Check this service only.")] = None,
) -> None:
    """Check that the services are reachable and accept the credentials. Nothing is written.

    Exit codes: 0 all accept them; 2 a variable is missing or invalid; 3 credentials refused; 4 no response, or an unexpected one.
    """
    names = list(VENDORS)
    if to is not None:
        names = [to.value]
    codes: list[int] = []
    for name in names:
        code, finding = _checked(name)
        codes.append(code)
        sys.stdout.write(f"{name}: {finding}\n")
    raise typer.Exit(max(codes))


def _checked(name: str) -> tuple[int, str]:
    """The exit code for one service, and what is to be said of it."""
    from contact_apis._importing.sender import EXIT_CODES

    try:
        with VENDORS[name].blocking() as client:
            accepted = client.check_credentials()
    except ConfigurationError as error:
        return 2, str(error)
    except ContactAPIError as error:
        return EXIT_CODES["down"], str(error)
    if accepted:
        return 0, "reached, and the credentials are accepted"
    return EXIT_CODES["credentials"], "reached, and the credentials are refused"

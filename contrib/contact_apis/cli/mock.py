"""``contact-apis mock``: both services, in memory."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from contact_apis._http.addresses import is_loopback
from contact_apis._vendors.registry import titles

from .options import fail

EPILOG = "Example: contact-apis mock --port 8025 --fault 429=0.02 --latency 0.05"


class EmailRule(StrEnum):
    """When the mock of Retainful wants an e-mail identifier; its page can be read in three ways."""

    TO_CREATE = "to-create"
    ALWAYS = "always"
    NEVER = "never"


def mock(
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Beyond loopback, anyone who reaches it can use it."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="TCP port. 0 picks a free one.", min=0, max=65535)
    ] = 8025,
    env: Annotated[
        bool, typer.Option("--env", help="Print only NAME=value lines to export.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Inject faults: KIND=RATE or KIND=xCOUNT. KIND is a status from 400 to 599, reset, truncate, malformed or hang."
        ),
    ] = None,
    latency: Annotated[
        float, typer.Option(help="Delay of each response, in seconds.", min=0)
    ] = 0.0,
    custom_field: Annotated[
        list[str] | None,
        typer.Option(
            help="Custom field that Pristo's populations define. Without any, all are accepted."
        ),
    ] = None,
    second_population: Annotated[
        bool, typer.Option("--second-population", help="Give Pristo a second population.")
    ] = False,
    retainful_email: Annotated[
        EmailRule, typer.Option(help="When Retainful requires an e-mail identifier.")
    ] = EmailRule.TO_CREATE,
) -> None:
    """Serve both APIs on loopback, in memory; the page at / shows what arrives."""
    try:
        from contact_apis.mock import MockServer
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("uvicorn", "starlette"):
            raise
        fail(
            "the mock needs an optional dependency (extra); install it with: pip install 'contact-apis[mock]'"
        )
    try:
        server = MockServer(
            host=host,
            port=port,
            custom_fields=custom_field or None,
            second_population=second_population,
            retainful_email=retainful_email.value,
            faults=fault or (),
            latency=latency,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--fault'") from None
    except OSError as error:
        fail(
            f"{host} port {port} cannot be used ({error.strerror}); choose another with --port, or 0 for a free one"
        )
    if not is_loopback(host):
        typer.echo(
            "contact-apis: warning: whoever reaches this address reads and changes what the mock stores",
            err=True,
        )
    if not env:
        typer.echo(
            f"{titles()} are served at {server.base_url}; open it in a browser to see what arrives."
        )
        typer.echo("Export these and clients find it. Ctrl-C ends it.\n")
    typer.echo("\n".join(f"{name}={value}" for name, value in server.env.items()))
    server.serve()

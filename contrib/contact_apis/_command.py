"""The command's arguments and screens."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from contact_apis import __version__

app = typer.Typer(
    name="contact-apis",
    help="Typed clients, a mock and a contract suite for the contact APIs of Pristo and Retainful.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class EmailRule(StrEnum):
    """When the mock of Retainful wants an e-mail identifier; its page can be read in three ways."""

    TO_CREATE = "to-create"
    ALWAYS = "always"
    NEVER = "never"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"contact-apis {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Typed clients, a mock and a contract suite for the contact APIs of Pristo and Retainful."""


@app.command(epilog="Example: contact-apis mock --port 8025 --fault 429=0.02 --latency 0.05")
def mock(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8025,
    env: Annotated[bool, typer.Option("--env", help="Print nothing but NAME=value lines to export.")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="KIND=RATE or KIND=xCOUNT; KIND is a status from 400 to 599, reset, truncate, malformed or hang."),
    ] = None,
    latency: Annotated[float, typer.Option(help="Seconds that each answer is delayed.", min=0)] = 0.0,
    custom_field: Annotated[
        list[str] | None, typer.Option(help="A custom field that Pristo's populations define; without any, all are taken.")
    ] = None,
    second_population: Annotated[bool, typer.Option("--second-population", help="Give Pristo a second population.")] = False,
    retainful_email: Annotated[EmailRule, typer.Option(help="When Retainful wants an e-mail identifier.")] = EmailRule.TO_CREATE,
) -> None:
    """Serve both APIs on loopback, in memory; the page at / shows what arrives."""
    try:
        from contact_apis.mock import MockServer
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("uvicorn", "starlette"):
            raise
        _fail("the mock needs an extra; install it with: pip install 'contact-apis[mock]'")
    try:
        server = MockServer(
            port=port,
            custom_fields=custom_field or None,
            second_population=second_population,
            retainful_email=retainful_email.value,
            faults=fault or (),
            latency=latency,
        )
    except ValueError as error:
        _fail(f"--fault: {error}")
    except OSError as error:
        _fail(f"port {port} cannot be used ({error.strerror}); choose another with --port, or 0 for a free one")
    if not env:
        typer.echo(f"Pristo and Retainful answer at {server.base_url}; open it in a browser to see what arrives.")
        typer.echo("Export these and clients find it. Ctrl-C ends it.\n")
    typer.echo("\n".join(f"{name}={value}" for name, value in server.env.items()))
    server.serve()


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"contact-apis: {sentence}", err=True)
    raise typer.Exit(2)

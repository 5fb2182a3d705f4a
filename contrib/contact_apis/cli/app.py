"""The command and its subcommands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from contact_apis._importing.options import ImportOptions
from contact_apis._suite._options import contract_command
from contact_apis._vendors.registry import titles
from contact_apis._version import __version__

from . import check, import_, mock, upsert
from .options import command_of, fail

PROGRAM = "contact-apis"
ABOUT = f"Typed clients, a mock and a contract suite for the contact APIs of {titles()}."

app = typer.Typer(
    name=PROGRAM,
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,  # boxes are for terminals
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(help=ABOUT)
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """What the command is about is stated above."""


app.command("mock", epilog=mock.EPILOG)(mock.mock)
app.command("import", epilog=import_.EPILOG)(command_of(ImportOptions, import_.import_))
app.command("upsert", epilog=upsert.EPILOG)(command_of(upsert.UpsertOptions, upsert.upsert))
app.command("check", epilog=check.EPILOG)(check.check)
app.command(
    "contract",
    epilog="Example: contact-apis contract --target live --api pristo --reports reports/pristo",
)(contract_command(fail))

"""The options of ``contact-apis contract``, made from the suite's own list of its variables."""

from __future__ import annotations

import inspect
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from attrs import define, field

from contact_apis._suite import SuiteError, find_suite, start
from contact_apis._vendors.registry import VENDORS
from contact_apis._vendors.vendor import Vendor

Kind = Literal["choice", "text", "list", "integer", "number", "flag", "path", "environment"]


@define
class Variable:
    """One variable of a run, and the option that sets it; without an option it comes from the environment alone."""

    name: str
    help: str
    option: str = ""
    kind: Kind = "environment"
    choices: list[str] = field(factory=list[str])
    metavar: str | None = None

    @property
    def keyword(self) -> str:
        return self.name.lower()

    def complete(self, incomplete: str) -> list[str]:
        """What a shell offers for the beginning of a value."""
        return [choice for choice in self.choices if choice.startswith(incomplete)]

    def annotation(self) -> Any:
        """The type of the option and its help, as typer reads them."""
        names = [self.option]
        if self.kind == "flag":
            names = [f"{self.option}/{self.option.replace('--', '--no-', 1)}"]
        settings: dict[str, Any] = {
            "help": f"{self.help} Variable: {self.name}.",
            "metavar": self.metavar,
        }
        if self.kind in ("integer", "number"):
            settings["min"] = 0
            settings["metavar"] = "N"
        if self.kind in ("text", "list") and self.choices:
            settings["autocompletion"] = self.complete
        option: Any = typer.Option(*names, **settings)
        return Annotated[_type_of(self), option]

    def text_of(self, value: Any) -> str:
        """The value of the variable that an option's value stands for."""
        if self.kind == "flag":
            return "1" if value else "0"
        if self.kind == "list":
            return ",".join(value)
        return str(value)


def _type_of(variable: Variable) -> Any:
    match variable.kind:
        case "choice":
            return StrEnum(variable.name, variable.choices) | None  # type: ignore[operator] # pyright: ignore[reportOperatorIssue] # a class made here
        case "list":
            return list[str] | None
        case "integer":
            return int | None
        case "number":
            return float | None
        case "flag":
            return bool | None
        case _:
            return str | None


def load_variables() -> list[Variable]:
    """The variables of the suite that is installed, or that the checkout has.

    Raises:
        SuiteError: there is no suite.
    """
    folder = find_suite().folder
    profiles = folder / "profiles"
    vendors = [vendor for name, vendor in VENDORS.items() if (profiles / f"{name}.py").is_file()]
    found = [Variable(**entry) for entry in _read_table(folder / "variables.toml")]
    for variable in found:
        if variable.name == "API":
            names = [vendor.name for vendor in vendors]
            variable.choices[:0] = names
            variable.help = variable.help.format(apis=", ".join(names))
    for vendor in vendors:
        found += _variables_of(vendor, profiles / f"{vendor.name}.toml")
    return found


def _variables_of(vendor: Vendor, table: Path) -> Iterator[Variable]:
    """Address, credentials and account of one API, and what its profile asks for besides."""
    told = {"base_url": f"Address of {vendor.title}; https, or http on loopback."}
    for setting in vendor.settings:
        told[setting.name] = f"{vendor.title}: {setting.description}."
    if table.is_file():
        for entry in _read_table(table):
            told[entry["name"]] = f"{vendor.title}: {entry['help']}"
    for name, text in told.items():
        yield Variable(vendor.variable(name), text)


def _read_table(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["variable"]
    return entries


def contract_command(refuse: Callable[[str], None]) -> Callable[..., None]:
    """The function behind ``contact-apis contract``, with a parameter for each option; ``refuse`` says what is wrong and exits with 2."""
    try:
        variables = load_variables()
    except SuiteError:
        variables = []  # the command itself says so

    def contract(**given: Any) -> None:
        chosen = {
            variable.name: variable.text_of(given[variable.keyword])
            for variable in options
            if given[variable.keyword] is not None
        }
        _start({**os.environ, **chosen}, refuse)

    options = [variable for variable in variables if variable.option]
    annotations = {variable.keyword: variable.annotation() for variable in options}
    contract.__doc__ = _help(variables)
    contract.__annotations__ = annotations
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in annotations.items()
    ]
    contract.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # pyright: ignore[reportFunctionMemberAccess] # what inspect looks for
    return contract


def _start(variables: Mapping[str, str], refuse: Callable[[str], None]) -> None:
    try:
        code = start(find_suite(), variables)
    except SuiteError as reason:
        refuse(str(reason))
    else:
        raise typer.Exit(code)


def _help(variables: list[Variable]) -> str:
    alone = ", ".join(variable.name for variable in variables if not variable.option)
    return (
        "Check that a service keeps the promises of its published contract, clause by clause.\n\n"
        "Without options the embedded mock is checked. Each option has a variable; an option overrides it. "
        f"Addresses, credentials and ids of the live service come from the environment alone: {alone}.\n\n"
        "Exit codes: 0 conforms; 1 violates; 2 could not run, or usage; 3 incomplete: no violation, but a documented clause was left out."
    )

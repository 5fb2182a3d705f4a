"""What the commands share: how their options become arguments, and how they say what the user has to mend."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, get_type_hints

import attrs
import typer

Options = TypeVar("Options", bound=attrs.AttrsInstance)


def command_of(options: type[Options], act: Callable[[Options], int]) -> Callable[..., None]:
    """The function of a command with an option for each field of ``options``, as the field is annotated and with its default.

    ``act`` gets what was typed, as one object, and returns the exit code.
    """

    def command(**given: Any) -> None:
        raise typer.Exit(exit_code_of(lambda: act(options(**given))))

    annotations = get_type_hints(options, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for field in attrs.fields(options):
        default = field.default
        if default is attrs.NOTHING:
            default = inspect.Parameter.empty
        elif isinstance(default, attrs.Factory):  # type: ignore[arg-type] # a class, which attrs types as a function
            default = []
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=annotations[field.name],
            )
        )
    command.__doc__ = act.__doc__
    command.__annotations__ = annotations
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # pyright: ignore[reportFunctionMemberAccess] # what inspect looks for
    return command


def exit_code_of(work: Callable[[], int]) -> int:
    """Does the work, and reports in one sentence what the user has to mend."""
    from contact_apis import ConfigurationError
    from contact_apis._importing.journal import JournalError, JournalFullError
    from contact_apis._importing.rows import InputError

    try:
        return work()
    except JournalFullError as error:
        fail(f"{error}; nothing was sent. Make room and re-run the same command", code=5)
    except (ConfigurationError, InputError, JournalError) as error:
        fail(str(error))


def fail(sentence: str, *, code: int = 2) -> NoReturn:
    """Ends the command with a sentence on standard error, which may be closed or full."""
    from contact_apis._importing.terminal import QuietStream

    stream = QuietStream(sys.stderr)
    stream.write(f"contact-apis: {sentence}\n")
    stream.flush()
    raise typer.Exit(code)

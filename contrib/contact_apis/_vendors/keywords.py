"""The keywords of a contact, as ``help()``, ``inspect.signature`` and notebooks show them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class _Needed:
    """What stands for the default of a keyword that has none. A contact that is given as a model needs no keyword, so each is optional."""

    def __repr__(self) -> str:
        return "<required>"


NEEDED = _Needed()


def shows_keywords(
    model: type[Any], make: Callable[..., object], typed: Any
) -> Callable[[AnyFunction], AnyFunction]:
    """Gives ``upsert_contact`` a signature that lists the fields of a contact instead of ``**fields``.

    Args:
        model: the generated model, whose members are fields: one that a vendor adds appears by itself.
        make: what builds the model; keywords of its own are fields too.
        typed: the ``TypedDict`` for type checkers, whose annotations say what a keyword takes.
    """
    annotations = {name: each.__forward_arg__ for name, each in typed.__annotations__.items()}
    kinds = {
        each.name: (each.type, each.default is attrs.NOTHING)
        for each in attrs.fields(model)
        if each.init
    }
    own = {
        each.name: each.default
        for each in inspect.signature(make).parameters.values()
        if each.kind is each.KEYWORD_ONLY
    }

    def keyword(name: str) -> inspect.Parameter:
        generated, needed = kinds.get(name, (None, False))
        default = own.get(name, NEEDED if needed else None)
        kind = re.sub(r"^Required\[(.*)\]$", r"\1", annotations.get(name, generated))
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
        )

    def decorated(function: AnyFunction) -> AnyFunction:
        signature = inspect.signature(function)
        fixed = [
            each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD
        ]
        taken = {each.name for each in fixed}
        fields = [keyword(name) for name in dict.fromkeys([*kinds, *own]) if name not in taken]
        shown: Any = function
        shown.__signature__ = signature.replace(parameters=[*fixed, *fields])
        return function

    return decorated

"""What callers bring as a contact: keywords, and rows of data frames and databases."""

from __future__ import annotations

from collections.abc import AsyncIterable, Container, Iterable, Mapping
from decimal import Decimal
from types import ModuleType
from typing import Any, cast

import attrs

from contact_apis._errors import Fault, InvalidRequestError

# Names of types, for none of these packages is a dependency.
_MISSING = frozenset({"NAType", "NaTType"})
_SCALARS = frozenset({"float16", "float32", "longdouble", "datetime64", "timedelta64"})


def is_missing(value: object) -> bool:
    """Whether a value says that there is none: ``None``, NaN, or pandas' NaT and NA."""
    if value is None:
        return True
    name = type(value).__name__
    if name in _MISSING:
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    return (isinstance(value, float) or name in _SCALARS) and bool(
        value != value
    )  # what NaN alone does


def check_names(given: Iterable[str], model: type[Any], own: Iterable[str] = ()) -> None:
    """Raises :class:`TypeError` for a keyword that is no field, with the field that was probably meant."""
    known = [*own, *attrs.fields_dict(model)]
    for name in given:
        if name not in known:
            raise TypeError(
                f"upsert_contact() got an unexpected keyword argument '{name}'{_meant(name, known)}"
            )


def required_names(model: type[Any]) -> list[str]:
    """The keywords that a generated model cannot do without."""
    fields = attrs.fields(model)
    return [field.name for field in fields if field.init and field.default is attrs.NOTHING]


def check_required(given: Container[str], asked: Container[str], model: type[Any]) -> None:
    """Checks that each required field has a value.

    Args:
        given: the keywords that have a value.
        asked: the keywords of the call.
        model: the generated model.

    Raises:
        TypeError: a keyword was left out.
        InvalidRequestError: a keyword was passed, and its value is missing.
    """
    without = [name for name in required_names(model) if name not in given]
    for name in without:
        if name not in asked:
            raise TypeError(f"upsert_contact() missing a required keyword argument: '{name}'")
    if without:
        raise InvalidRequestError([Fault(name, "is missing") for name in without])


def _meant(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    plain = "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
    found = get_close_matches(plain, known, 1)
    if not found:
        return ""
    return f"; did you mean {found[0]}?"


def map_members(model: type[Any], models: ModuleType) -> dict[str, type[Any]]:
    """The members of a generated model that map names to values, such as custom fields, with the generated class of each.

    Args:
        model: the generated model.
        models: the module that has the classes of its members.
    """
    found: dict[str, type[Any]] = {}
    for member in attrs.fields(model):
        kind = getattr(models, str(member.type).partition(" | ")[0], None)
        if (
            isinstance(kind, type)
            and attrs.has(kind)
            and list(attrs.fields_dict(kind)) == ["additional_properties"]
        ):
            found[member.name] = kind
    return found


def with_maps(fields: Mapping[str, Any], members: Mapping[str, type[Any]]) -> dict[str, Any]:
    """The fields, with the generated object for each mapping among the members of :func:`map_members`; missing values are left out."""
    given = dict(fields)
    for name, kind in members.items():
        value = given.get(name)
        if isinstance(value, Mapping):
            present = values_of(cast("Mapping[str, object]", value))
            given[name] = kind.from_dict(present)
    return given


def check_records(contacts: object) -> None:
    """Raises :class:`TypeError`, with the remedy, for an input that does not give one contact after another."""
    kind = type(contacts).__name__
    if hasattr(contacts, "to_dicts"):
        raise TypeError(
            f"upsert_many() takes an iterable of mappings, not a {kind}; pass its .to_dicts()"
        )
    if hasattr(contacts, "iterrows") or (
        hasattr(contacts, "to_dict") and hasattr(contacts, "columns")
    ):
        raise TypeError(
            f'upsert_many() takes an iterable of mappings, not a {kind}; pass its .to_dict("records")'
        )
    if isinstance(contacts, str | bytes | Mapping) or not isinstance(
        contacts, Iterable | AsyncIterable
    ):
        raise TypeError(
            f"upsert_many() takes an iterable of mappings, not a {kind}; for one contact pass a list of one"
        )


def check_record(contact: object, model: type[Any]) -> None:
    """Raises :class:`TypeError`, with the remedy, for what is neither a mapping nor the generated model."""
    if isinstance(contact, Mapping | model):
        return
    kind = type(contact).__name__
    remedy = _ANY_REMEDY
    for attribute, its_remedy in _REMEDIES.items():
        if hasattr(contact, attribute):
            remedy = its_remedy.format(model=model.__name__)
            break
    else:
        if isinstance(contact, tuple):
            remedy = 'pass mappings: of a data frame .to_dict("records"), of a query .mappings()'
    raise TypeError(f"a contact must be a mapping or a generated model, not a {kind}; {remedy}")


_REMEDIES = {
    "_mapping": "read the rows with .mappings()",
    "_asdict": 'pass its ._asdict(), or of a data frame .to_dict("records")',
    "model_dump": "pass its .model_dump()",
    "__dataclass_fields__": "pass dataclasses.asdict() of it",
    "keys": "pass dict() of it",
    "to_dict": "pass its .to_dict(), or a {model} of this service",
}
"""What to do with a contact that has this attribute; the first that it has decides."""
_ANY_REMEDY = 'pass mappings of field names to values, as .to_dict("records") of a data frame or .mappings() of a query gives'


def values_of(fields: Mapping[str, object]) -> dict[str, Any]:
    """Keywords without those that are missing."""
    return {
        name: value
        for name, value in cast("Mapping[str, Any]", fields).items()
        if not is_missing(value)
    }

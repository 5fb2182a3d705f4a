"""From the columns of an input to the body of a request. The fields and what they hold are read from the specification."""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from contact_apis._openapi.document import Json, Operation, contract

from .rows import LONGEST_NAME, OURS, SHOWN_NAMES, InputError, listed, looks_like_data, shown_name

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LIST_SEPARATOR = ";"


class Unfit(Exception):  # noqa: N818 # what a cell is, never raised to callers
    """A cell that is no value of its field."""


def _text(value: str) -> str:
    return value


def _truth(value: str) -> bool:
    try:
        return _TRUTH[value.strip().lower()]
    except KeyError:
        raise Unfit("must be true or false (or yes, no, 1, 0)") from None


def _list(value: str) -> list[str]:
    return [each.strip() for each in value.split(LIST_SEPARATOR) if each.strip()]


def _phone_of(region: str | None) -> Callable[[str], str]:
    """Reads a phone number as it is written in a region, and gives it in E.164."""

    def phone(value: str) -> str:
        if _E164.fullmatch(value):
            return value
        import phonenumbers

        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            number = None
        if number is None or not phonenumbers.is_possible_number(number):
            where = f"in {region}" if region else "without a country: begin it with + and the country's code, or give --region"
            raise Unfit(f"is no phone number {where}")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    return phone


class Form(ABC):
    """What a service's contact is made of: its fields by name, and how they become the body of a request."""

    operation: Operation
    fields: dict[str, Json]
    """The schema of each field that a column can fill."""
    required: list[tuple[str, ...]]
    """Of each of these, one has to be filled."""
    custom: bool
    """Whether there is a place for columns of the caller's own."""
    identities: Callable[[Json], tuple[str, ...]]
    connects: bool
    """Whether a contact can have more than one identity."""
    repeatable: Callable[[Json], bool]

    @abstractmethod
    def body(self, values: Json, custom: Json) -> Json:
        """The body of a request."""

    @abstractmethod
    def is_body(self, values: Mapping[str, object]) -> bool:
        """Whether an object has the form of a body already."""

    @abstractmethod
    def name(self, body: Json) -> str:
        """What the caller knows the contact by."""


class PristoForm(Form):
    """Everything stands in ``contact``; other columns may go to its ``customFields``."""

    connects = False

    def __init__(self) -> None:
        from contact_apis._vendors.pristo.client import identities

        self.identities, self.repeatable = identities, lambda _: True
        self.operation = contract("pristo_client").operation(UPSERT)
        owner = self.operation.contract
        schema = owner.resolve(_body_schema(self.operation)["properties"]["contact"])
        self.fields = {name: owner.resolve(each) for name, each in schema["properties"].items() if name != CUSTOM}
        self.required = [(name,) for name in schema["required"]]
        self.custom = CUSTOM in schema["properties"]

    def body(self, values: Json, custom: Json) -> Json:
        return {"contact": {**values, CUSTOM: custom} if custom else values}

    def is_body(self, values: Mapping[str, object]) -> bool:
        return isinstance(values.get("contact"), dict)

    def name(self, body: Json) -> str:
        return str(body["contact"]["id"])


class RetainfulForm(Form):
    """``email`` and ``phone`` become identifiers, each with the consent, and subscribed unless ``subscribed`` says no."""

    connects = True
    custom = False

    def __init__(self) -> None:
        from contact_apis._vendors.retainful.client import identities, sends_no_mail

        self.identities, self.repeatable = identities, sends_no_mail
        self.operation = contract("retainful_client").operation(UPSERT)
        owner = self.operation.contract
        schema = _body_schema(self.operation)
        identifier = owner.resolve(schema["properties"]["identifiers"]["items"])
        consent = owner.resolve(identifier["properties"]["consent"])
        self._kinds: list[str] = identifier["properties"]["type"]["enum"]
        self.fields = {name: owner.resolve(each) for name, each in schema["properties"].items() if name != "identifiers"}
        self.fields |= {kind: {"type": "string"} for kind in self._kinds} | {"subscribed": {"type": "boolean"}}
        self.fields |= {f"consent.{name}": owner.resolve(each) for name, each in consent["properties"].items()}
        self.required = [(name,) for name in schema["required"] if name != "identifiers"]
        self.required += [tuple(self._kinds), *((f"consent.{name}",) for name in consent["required"])]

    def body(self, values: Json, custom: Json) -> Json:
        status = "subscribed" if values.pop("subscribed", True) else "unsubscribed"
        consent = {name.partition(".")[2]: values.pop(name) for name in [each for each in values if each.startswith("consent.")]}
        values["identifiers"] = [
            {"type": kind, "id": values.pop(kind), "channels": {kind: {"status": status}}, "consent": consent}
            for kind in self._kinds
            if kind in values
        ]
        return values

    def is_body(self, values: Mapping[str, object]) -> bool:
        return "identifiers" in values

    def name(self, body: Json) -> str:
        return str(body["identifiers"][0]["id"])


def _body_schema(operation: Operation) -> Json:
    if operation.body is None:
        raise TypeError(f"{operation.operation_id} takes no body")
    return operation.contract.resolve(operation.body.document)


CUSTOM = "customFields"
"""Where a column of the caller's own goes, by its own name."""
UPSERT = "upsertContact"
"""The ``operationId`` of the operation that contacts are sent to, in either document."""
FORMS: dict[str, Callable[[], Form]] = {"pristo": PristoForm, "retainful": RetainfulForm}


class ColumnMapping:
    """Which column fills which field.

    Args:
        form: of the service.
        columns: fields by column, where the column's own name is not the field's.
        constants: values by field, for every row.
        custom: columns that go to the custom fields.
        ignored: columns that are left out.
        region: two letters; phone numbers without a country's code are read as numbers of it.

    Raises:
        InputError: a field or a region that there is none of.
    """

    def __init__(
        self,
        form: Form,
        *,
        columns: Mapping[str, str] | None = None,
        constants: Mapping[str, str] | None = None,
        custom: Sequence[str] = (),
        ignored: Sequence[str] = (),
        region: str | None = None,
    ) -> None:
        self.form = form
        self._names = {_plain(name): name for name in form.fields}
        self._phone = _phone_of(_checked_region(region))
        self._columns = {column: self._named(name, f"--map {column}=") for column, name in (columns or {}).items()}
        self._custom = dict.fromkeys(custom)
        self._ignored = dict.fromkeys([*OURS, *ignored])
        self._named_in_options = len(self._columns) + len(self._custom) + len(self._ignored)
        if custom and not form.custom:
            raise InputError("--custom: this service has no custom fields; use --ignore for columns that it cannot take")
        for option, named in (("--map", self._columns), ("--ignore", self._ignored)):
            both = sorted(self._custom.keys() & named.keys()) or sorted(self._columns.keys() & self._ignored.keys())
            if both:
                raise InputError(f"{', '.join(map(repr, both))}: --custom, --map and --ignore exclude each other; look at {option}")
        self._region = region
        self.constants: Json = {}
        for name, value in (constants or {}).items():
            field_name = self._named(name, "--set ")
            if field_name in self.constants:
                raise InputError(f"--set {field_name} is given twice")
            try:
                self.constants[field_name] = self._converter(field_name)(value)
            except Unfit as error:
                raise InputError(f"--set {name}: {error}") from None
        self.found: dict[str, str] = {}
        """What each column that was met goes to: a field, :data:`CUSTOM` or nothing."""
        self._named_and_met = 0
        """How many of the columns that an option names were met."""
        self._filled = Counter(self.constants.keys())
        """How many columns and constants fill each field. A custom field has its column's name, so it is filled once."""

    def bind(self, columns: Sequence[str]) -> None:
        """Finds the field of each column of a header, once.

        Raises:
            InputError: a column that fits nothing, an option that names no column, a field that gets no value or two.
        """
        unknown = self._meet(columns)
        self.check_named(columns)
        problems = [each for each in (unknown, self._missing()) if each]
        if problems:
            raise InputError("; ".join(problems))
        self._check_filled_once()
        # Of columns met for the first time, ``found`` has the order.
        self._field_columns = [
            (place, name, self._converter(name)) for place, name in enumerate(self.found.values()) if name in self._filled
        ]
        self._custom_columns = [column for column, name in self.found.items() if name == CUSTOM]
        self._custom_places = [place for place, name in enumerate(self.found.values()) if name == CUSTOM]

    def check_named(self, columns: Collection[str]) -> None:
        """Raises :class:`InputError` if an option names a column that was not met among these, which are all that there are."""
        if self._named_and_met + len(OURS - self.found.keys()) == self._named_in_options:
            return
        for option, named in (("--map", self._columns), ("--custom", self._custom), ("--ignore", self._ignored)):
            missing = [each for each in named if each not in self.found and each not in OURS]
            if missing:
                raise InputError(f"{option} names {', '.join(map(repr, missing))}; the columns are {listed(list(columns))}")

    def _missing(self) -> str:
        """All that no column and no constant gives and that every contact needs, with the remedy; empty if there is nothing."""
        missing = [each for each in self.form.required if self._filled.keys().isdisjoint(each)]
        if not missing:
            return ""
        wanted = ", ".join(" or ".join(alternatives) for alternatives in missing)
        if len(missing) > 1:
            return f"no column gives {wanted}; name one for each with --map COLUMN=FIELD, or give --set FIELD=VALUE"
        field = missing[0][0]
        return f"no column gives {wanted}; name one with --map COLUMN={field}, or give --set {field}=VALUE"

    def _meet(self, columns: Sequence[str]) -> str:
        """Decides where columns go that were not met before; what is wrong with the others, with the remedy."""
        unknown: list[str] = []
        unmet = [column for column in columns if column not in self.found]
        for column in unmet:
            if column in self._ignored:
                self.found[column] = ""
                self._named_and_met += 1
                continue
            if column in self._custom:
                self.found[column] = CUSTOM
                self._named_and_met += 1
                continue
            name = self._columns.get(column)
            if name is not None:
                self._named_and_met += 1
            else:
                name = self._names.get(_plain(column))
            if name is None:
                unknown.append(column)
            else:
                self.found[column] = name
                self._filled[name] += 1
        if not unknown:
            return ""
        near = [f"{shown_name(each)}{self._suggestion(each)}" for each in unknown[:SHOWN_NAMES]]
        more = f" and {len(unknown) - SHOWN_NAMES} more" if len(unknown) > SHOWN_NAMES else ""
        columns_named = "columns" if len(unknown) > 1 else "column"
        ways = "--map COLUMN=FIELD, --ignore COLUMN" + (" or --custom COLUMN" if self.form.custom else "")
        return f"no field fits the {columns_named} {', '.join(near)}{more}; say what it is with {ways}"

    def _check_filled_once(self) -> None:
        """Raises :class:`InputError` if two columns, or a column and a constant, fill one field."""
        twice = sorted(name for name, count in self._filled.items() if count > 1)
        if twice:
            raise InputError(f"{', '.join(twice)} would be filled twice; leave all but one out with --ignore COLUMN")

    def _suggestion(self, column: str) -> str:
        near = difflib.get_close_matches(re.sub(r"[\W_]", "", column.lower()), self._names, 1, 0.8)
        return f" (like {self._names[near[0]]})" if near else ""

    def of_cells(self, cells: list[str]) -> Json:
        """The body of a row of CSV. An empty cell says nothing about its field.

        Raises:
            Unfit: a cell is no value of its field.
        """
        values = dict(self.constants)
        for place, name, convert in self._field_columns:
            value = cells[place]
            if value:
                values[name] = value if convert is _text else _converted(convert, value, name)
        custom = {}
        for name, place in zip(self._custom_columns, self._custom_places, strict=True):
            value = cells[place]
            if value:
                custom[name] = value
        return self.form.body(values, custom)

    def of_members(self, members: Mapping[str, Any]) -> Json:
        """The body of a JSON object, which may have the form of a body already. ``null`` says nothing about its field.

        Raises:
            Unfit: a member is no value of its field.
            InputError: a member that fits nothing.
        """
        if self.form.is_body(members):
            if self.constants or self._custom or self._region:
                raise Unfit("has the form of a request already, in which --set, --custom and --region change nothing; leave them out")
            return dict(members)
        if not members.keys() <= self.found.keys():
            if problem := self._meet(list(members)):
                raise InputError(problem)
            self._check_filled_once()
        values, custom = dict(self.constants), Json()
        for column, value in members.items():
            name = self.found[column]
            if not name or value is None:
                continue
            if name == CUSTOM:
                custom[column] = value
            else:
                convert = self._converter(name)
                if convert is _truth and not isinstance(value, bool | str):
                    raise Unfit(f"{name} must be true or false")
                values[name] = _converted(convert, value, name) if isinstance(value, str) else value
        return self.form.body(values, custom)

    def _converter(self, name: str) -> Callable[[str], Any]:
        if name == "phone":
            return self._phone
        kind = self.form.fields[name].get("type")
        return _truth if kind == "boolean" else _list if kind == "array" else _text

    def _named(self, name: str, option: str) -> str:
        found = self._names.get(_plain(name))
        if found is None:
            raise InputError(f"{option}{name}: there is no such field; there are {', '.join(self.form.fields)}")
        return found

    def shown(self) -> Iterator[tuple[str, str]]:
        """Where everything goes, in words."""
        for column, name in self.found.items():
            if column not in OURS:
                displayed = _displayed(column)
                field = f"{CUSTOM}.{displayed}" if name == CUSTOM else name
                yield displayed, field or "(left out)"
        yield from (("--set", name) for name in self.constants)

    @property
    def signature(self) -> Json:
        """What has to be the same for a journal to go on; a column more or less in the file changes nothing."""
        return {"columns": self._columns, "constants": self.constants, "custom": sorted(self._custom)}


def _converted(convert: Callable[[str], Any], value: str, name: str) -> object:
    try:
        return convert(value)
    except Unfit as error:
        raise Unfit(f"{name} {error}") from None


def _displayed(column: str) -> str:
    """The name of a column as it is: where it cannot be mistaken and is nobody's data."""
    return column if column.isprintable() and len(column) <= LONGEST_NAME and not looks_like_data(column) else shown_name(column)


def _plain(name: str) -> str:
    """A name without what tells camelCase from snake_case."""
    return re.sub(r"[_.]", "", name).lower()


def _checked_region(region: str | None) -> str | None:
    if region is None:
        return None
    import phonenumbers

    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise InputError(f"--region {region} is no region; give its two letters, such as GB or DE")
    return region.upper()

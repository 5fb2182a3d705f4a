"""From the columns of an input to the body of a request. The fields and what they hold are read from the specification."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from contact_apis._openapi.document import Json
from contact_apis._values.phones import PhoneError, read_phone
from contact_apis._vendors.record_mapper import CellError, RecordMapper

from .repairs import Repair
from .rows import LONGEST_NAME, OURS, SHOWN_NAMES, InputError, listed, looks_like_data, shown_name

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_STATUS = {**_TRUTH, "subscribed": True, "unsubscribed": False}
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]+)?")
LIST_SEPARATOR = ";"


def _text(value: str) -> str:
    return value


def _truth(value: str) -> bool:
    try:
        return _TRUTH[value.strip().lower()]
    except KeyError:
        raise CellError("must be true or false (or yes, no, 1, 0)") from None


def _status(value: str) -> bool:
    try:
        return _STATUS[value.strip().lower()]
    except KeyError:
        raise CellError(
            "must be subscribed or unsubscribed (or true, false, yes, no, 1, 0);"
            ' say what other words mean with --values "COLUMN: WORD=subscribed"'
        ) from None


def _list(value: str) -> list[str]:
    return [each.strip() for each in value.split(LIST_SEPARATOR) if each.strip()]


def _whole_number(value: str) -> int:
    if _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    raise CellError("must be a whole number")


def _number(value: str) -> float:
    if _NUMBER.fullmatch(value.strip()):
        return float(value)
    raise CellError("must be a number, such as 2.5")


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "boolean": _truth,
    "array": _list,
    "integer": _whole_number,
    "number": _number,
}
"""How a cell is read, by the type of its field. Any other is text."""


@frozen
class PhoneRules:
    """How phone numbers are read; see :func:`contact_apis.phone`."""

    region: str | None = None
    """Two letters; numbers without a country's code are numbers of it, unless their row names another."""
    lenient: bool = False
    """Numbers of a possible length are taken."""
    international: bool = False
    """Digits that begin with a country's code and have no ``+`` are taken."""


_CUSTOM = "(custom)"
"""Where a column of the caller's own goes, by its own name; no field is called so."""


class ColumnMapping:
    """Which column fills which field.

    Args:
        mapper: of the service.
        columns: fields by column, where the column's own name is not the field's.
        constants: values by field, for every row.
        custom: columns that go to the custom fields.
        ignored: columns that are left out.
        phones: how phone numbers are read.
        words: of columns, by the word in small letters: what is meant by it.

    Raises:
        InputError: a field or a region that there is none of.
    """

    def __init__(
        self,
        mapper: RecordMapper,
        *,
        columns: Mapping[str, str] | None = None,
        constants: Mapping[str, str] | None = None,
        custom: Sequence[str] = (),
        ignored: Sequence[str] = (),
        phones: PhoneRules | None = None,
        words: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.mapper = mapper
        self._names = {_plain(name): name for name in mapper.fields}
        self._phones = phones or PhoneRules()
        self._region = _checked_region(self._phones.region)
        self._words = words or {}
        self._repaired: list[Repair] = []
        self._columns = {
            column: self._named(name, f"--map {column}=")
            for column, name in (columns or {}).items()
        }
        self._custom = dict.fromkeys(custom)
        self._ignored = dict.fromkeys([*OURS, *ignored])
        self._named_in_options = len(self._columns) + len(self._custom) + len(self._ignored)
        if custom and mapper.custom is None:
            raise InputError(
                "--custom: this service has no custom fields; use --ignore for columns that it cannot take"
            )
        for option, named in (("--map", self._columns), ("--ignore", self._ignored)):
            both = sorted(self._custom.keys() & named.keys()) or sorted(
                self._columns.keys() & self._ignored.keys()
            )
            if both:
                raise InputError(
                    f"{', '.join(map(repr, both))}: --custom, --map and --ignore exclude each other; look at {option}"
                )
        self.constants: Json = {}
        for name, value in (constants or {}).items():
            field_name = self._named(name, "--set ")
            if field_name in self.constants:
                raise InputError(f"--set {field_name} is given twice")
            try:
                self.constants[field_name] = self._converter(field_name)(value)
            except CellError as error:
                raise InputError(f"--set {name}: {error}") from None
        try:
            self._read_phones(self.constants)
        except CellError as error:
            raise InputError(f"--set {error}") from None
        self._of_every_row = {
            mapper.constant_names.get(name, name): value for name, value in self.constants.items()
        }
        self.found: dict[str, str] = {}
        """What each column that was met goes to: a field, :data:`_CUSTOM` or nothing."""
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
        is_filled_twice = max(self._filled.values(), default=0) > 1
        filled = {*self.found.values(), *self._of_every_row}
        unclear = "" if is_filled_twice else self.mapper.unclear(filled)
        problems = [each for each in (unknown, self._missing(), unclear) if each]
        if problems:
            raise InputError("; ".join(problems))
        self._check_filled_once()
        # Of columns met for the first time, ``found`` has the order.
        self._field_columns = [
            (place, name, self._converter(name), self._words.get(column))
            for place, (column, name) in enumerate(self.found.items())
            if name in self._filled
        ]
        self._custom_columns = [column for column, name in self.found.items() if name == _CUSTOM]
        self._custom_places = [
            place for place, name in enumerate(self.found.values()) if name == _CUSTOM
        ]

    def check_named(self, columns: Collection[str]) -> None:
        """Raises :class:`InputError` if an option names a column that was not met among these, which are all that there are."""
        strangers = [each for each in self._words if each not in self.found]
        if strangers:
            raise InputError(
                f"--values names {', '.join(map(repr, strangers))}; the columns are {listed(list(columns))}"
            )
        if self._named_and_met + len(OURS - self.found.keys()) == self._named_in_options:
            return
        for option, named in (
            ("--map", self._columns),
            ("--custom", self._custom),
            ("--ignore", self._ignored),
        ):
            missing = [each for each in named if each not in self.found and each not in OURS]
            if missing:
                raise InputError(
                    f"{option} names {', '.join(map(repr, missing))}; the columns are {listed(list(columns))}"
                )

    def _missing(self) -> str:
        """All that no column and no constant gives and that every contact needs, with the remedy; empty if there is nothing."""
        missing = [each for each in self.mapper.required if self._filled.keys().isdisjoint(each)]
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
                self.found[column] = _CUSTOM
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
        ways = "--map COLUMN=FIELD, --ignore COLUMN" + (
            " or --custom COLUMN" if self.mapper.custom is not None else ""
        )
        return (
            f"no field fits the {columns_named} {', '.join(near)}{more}; say what it is with {ways}"
        )

    def _check_filled_once(self) -> None:
        """Raises :class:`InputError` if two columns, or a column and a constant, fill one field."""
        twice = sorted(name for name, count in self._filled.items() if count > 1)
        if twice:
            raise InputError(
                f"{', '.join(twice)} would be filled twice; leave all but one out with --ignore COLUMN"
            )

    def _suggestion(self, column: str) -> str:
        near = difflib.get_close_matches(re.sub(r"[\W_]", "", column.lower()), self._names, 1, 0.8)
        return f" (like {self._names[near[0]]})" if near else ""

    def of_cells(self, cells: list[str]) -> Json:
        """The body of a row of CSV. An empty cell says nothing about its field.

        Raises:
            CellError: a cell is no value of its field.
        """
        values = dict(self._of_every_row)
        for place, name, convert, words in self._field_columns:
            value = cells[place]
            if value and not value.isspace():
                if words is not None:
                    value = self._meant(words, value, name)
                values[name] = value if convert is _text else _converted(convert, value, name)
            elif name in self.mapper.status_fields:
                values[name] = None
        custom: Json = {}
        for name, place in zip(self._custom_columns, self._custom_places, strict=True):
            value = cells[place]
            if value and not value.isspace():
                custom[name] = value
        self._read_phones(values)
        return self.mapper.body(values, custom)

    def of_members(self, members: Mapping[str, Any]) -> Json:
        """The body of a JSON object, which may have the form of a body already. ``null`` says nothing about its field.

        Raises:
            CellError: a member is no value of its field.
            InputError: a member that fits nothing.
        """
        if self.mapper.is_body(members):
            if self.constants or self._custom or self._phones.region:
                raise CellError(
                    "has the form of a request already, in which --set, --custom and --region change nothing; leave them out"
                )
            self._check_phones(members)
            return dict(members)
        if not members.keys() <= self.found.keys():
            if problem := self._meet(list(members)):
                raise InputError(problem)
            self._check_filled_once()
        values = dict(self._of_every_row)
        custom = Json()
        for column, given in members.items():
            value = given
            name = self.found[column]
            is_blank = value is None or (isinstance(value, str) and not value.strip())
            if is_blank and name in self.mapper.status_fields:
                values[name] = None
            if not name or is_blank:
                continue
            if name == _CUSTOM:
                custom[column] = value
            else:
                convert = self._converter(name)
                if isinstance(value, str) and column in self._words:
                    value = self._meant(self._words[column], value, name)
                if convert in (_truth, _status) and not isinstance(value, bool | str):
                    raise CellError(f"{name} must be true or false")
                values[name] = _converted(convert, value, name) if isinstance(value, str) else value
        self._read_phones(values)
        return self.mapper.body(values, custom)

    def _meant(self, words: Mapping[str, str], text: str, name: str) -> str:
        """What is meant by a cell, where that is told."""
        meant = words.get(text.strip().casefold())
        if meant is None:
            return text
        if name not in self.mapper.status_fields:
            self._repaired.append(("words", ("replaced by --values",)))
        return meant

    def repaired(self) -> list[Repair]:
        """What was repaired in the row that was read last, once."""
        found = self._repaired
        self._repaired = []
        return found

    def _read_phones(self, values: Json) -> None:
        """Writes the phone numbers of a row in E.164, by the row's own country where it names one."""
        for name in self.mapper.phone_fields & values.keys():
            text = _digits_of(values[name])
            if text is None:
                continue  # what it is instead, the contract refuses
            try:
                number = read_phone(
                    text,
                    self._country_in(values) or self._region,
                    lenient=self._phones.lenient,
                    international=self._phones.international,
                )
            except PhoneError as error:
                raise CellError(f"{name} {error}") from None
            values[name] = number.e164
            if number.repairs:
                self._repaired.append(("phones", number.repairs))

    def _country_in(self, values: Json) -> str | None:
        """The region that the row names."""
        named = [
            str(values[name]).strip().upper()
            for name in self.mapper.country_fields
            if name in values
        ]
        return next(filter(_is_region, named), None)

    def _check_phones(self, body: Mapping[str, Any]) -> None:
        """Raises :class:`CellError` for a phone number that a row with the form of a request cannot have."""
        for text in self.mapper.phones(body):
            if not isinstance(text, str):
                continue  # what it is instead, the contract refuses
            try:
                number = read_phone(text, lenient=self._phones.lenient)
            except PhoneError as error:
                raise CellError(f"phone {error}") from None
            if number.e164 != text:
                raise CellError(
                    "phone must be in E.164, such as +442079460018, where the row has the form of a request"
                )

    def _converter(self, name: str) -> Callable[[str], Any]:
        if name in self.mapper.status_fields:
            return _status
        return _CONVERTERS.get(self.mapper.fields[name].get("type", ""), _text)

    def _named(self, name: str, option: str) -> str:
        found = self._names.get(_plain(name))
        if found is None:
            raise InputError(
                f"{option}{name}: there is no such field; there are {', '.join(self.mapper.fields)}"
            )
        return found

    def shown(self) -> Iterator[tuple[str, str]]:
        """Where everything goes, in words."""
        for column, name in self.found.items():
            if column not in OURS:
                displayed = _displayed(column)
                field = f"{self.mapper.custom}.{displayed}" if name == _CUSTOM else name
                yield displayed, field or "(left out)"
        yield from (("--set", name) for name in self.constants)

    @property
    def signature(self) -> Json:
        """What has to be the same for a journal to go on; a column more or less in the file changes nothing.

        Nor does the way in which statuses are told, as far as journals of version 0.1 do not note it; see :attr:`statuses`.
        """
        noted = self.mapper.noted_status
        columns: dict[str, str] = {}
        for column, name in self._columns.items():
            if name not in self.mapper.status_fields or name == noted:
                columns[column] = name
            elif self._names.get(_plain(column)) != noted:
                columns[column] = noted
        constants = {
            name: value
            for name, value in self.constants.items()
            if name not in self.mapper.status_fields or (name, value) == (noted, False)
        }
        return {"columns": columns, "constants": constants, "custom": sorted(self._custom)}

    @property
    def statuses(self) -> Json:
        """Where the options say that statuses are: with another answer the rows of a file have to be read again."""
        columns = {
            column: name
            for column, name in sorted(self._columns.items())
            if name in self.mapper.status_fields
        }
        constants = {
            name: value
            for name, value in sorted(self.constants.items())
            if name in self.mapper.status_fields
        }
        return {"columns": columns, "constants": constants}


def _converted(convert: Callable[[str], Any], value: str, name: str) -> object:
    try:
        return convert(value)
    except CellError as error:
        raise CellError(f"{name} {error}") from None


def _digits_of(value: object) -> str | None:
    """The text of a phone number, which JSON may have as a number; ``None`` for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return str(int(value))


def _is_region(text: str) -> bool:
    import phonenumbers

    return text in phonenumbers.SUPPORTED_REGIONS


def _displayed(column: str) -> str:
    """The name of a column as it is: where it cannot be mistaken and is nobody's data."""
    return (
        column
        if column.isprintable() and len(column) <= LONGEST_NAME and not looks_like_data(column)
        else shown_name(column)
    )


def _plain(name: str) -> str:
    """A name without what tells camelCase from snake_case."""
    return re.sub(r"[_.]", "", name).lower()


def _checked_region(region: str | None) -> str | None:
    if region is None:
        return None
    if not _is_region(region.upper()):
        raise InputError(f"--region {region} is no region; give its two letters, such as GB or DE")
    return region.upper()

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Required,
    TypedDict,
    TypeVar,
    cast,
)

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.identifier import Identifier


T = TypeVar("T", bound="Contact")


@_attrs_define
class Contact:
    """A person, the lists they are on, and how they are reached.

    Attributes:
        first_name (str): Given name. Example: John.
        list_ids (list[str]): Ids of the lists the person joins. Example: ['NdrDSPTeIvRMEtzufwDyKMWjmcOMsOxkxTCs'].
        identifiers (list[Identifier]): The addresses and numbers by which the person is recognised.
        last_name (str | Unset): Family name. Example: Doe.
        birth_date (datetime.date | datetime.datetime | Unset): Day of birth. Example: 1990-01-15T00:00:00.000Z.
        city (str | Unset): Town or city the person lives in. Example: San Francisco.
        country_code (str | Unset): Country as a code of two letters. Example: US.
        country (str | Unset): Country by its name. Example: United States.
        province_code (str | Unset): Province or state by its code. Example: CA.
        state (str | Unset): Province or state by its name. Example: California.
        postal_code (str | Unset): Postal or ZIP code. Example: 96162.
        gender (str | Unset): Gender, such as `m` or `f`. Example: m.
        created_at (datetime.date | datetime.datetime | Unset): When the contact came to be; the service takes the
            present moment when it is left out. Example: 2024-03-21T10:30:00.000Z.
        trigger_welcome_email (bool | Unset): Whether this request starts the welcome e-mail flow, where one is
            configured. Default: False. Example: False.
    """

    first_name: str
    list_ids: list[str]
    identifiers: list[Identifier]
    last_name: str | Unset = UNSET
    birth_date: datetime.date | datetime.datetime | Unset = UNSET
    city: str | Unset = UNSET
    country_code: str | Unset = UNSET
    country: str | Unset = UNSET
    province_code: str | Unset = UNSET
    state: str | Unset = UNSET
    postal_code: str | Unset = UNSET
    gender: str | Unset = UNSET
    created_at: datetime.date | datetime.datetime | Unset = UNSET
    trigger_welcome_email: bool | Unset = False
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def __repr__(self) -> str:
        """The members that are set."""
        from attrs import fields

        members = {each.name: getattr(self, each.name) for each in fields(type(self))}
        members = {
            name: value
            for name, value in members.items()
            if not isinstance(value, Unset)
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in members.items())})"

    def to_dict(self) -> dict[str, Any]:
        first_name = self.first_name

        list_ids = self.list_ids

        identifiers = []
        for identifiers_item_data in self.identifiers:
            identifiers_item = identifiers_item_data.to_dict()
            identifiers.append(identifiers_item)

        last_name = self.last_name

        birth_date: str | Unset
        if isinstance(self.birth_date, Unset):
            birth_date = UNSET
        elif isinstance(self.birth_date, datetime.date):
            birth_date = (
                self.birth_date.astimezone(datetime.timezone.utc)
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z")
                if isinstance(self.birth_date, datetime.datetime)
                else self.birth_date.isoformat()
            )

        else:
            birth_date = (
                self.birth_date.astimezone(datetime.timezone.utc)
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z")
            )

        city = self.city

        country_code = self.country_code

        country = self.country

        province_code = self.province_code

        state = self.state

        postal_code = self.postal_code

        gender = self.gender

        created_at: str | Unset
        if isinstance(self.created_at, Unset):
            created_at = UNSET
        elif isinstance(self.created_at, datetime.date):
            created_at = (
                self.created_at.astimezone(datetime.timezone.utc)
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z")
                if isinstance(self.created_at, datetime.datetime)
                else self.created_at.isoformat()
            )

        else:
            created_at = (
                self.created_at.astimezone(datetime.timezone.utc)
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z")
            )

        trigger_welcome_email = self.trigger_welcome_email

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "firstName": first_name,
                "listIds": list_ids,
                "identifiers": identifiers,
            }
        )
        if last_name is not UNSET:
            field_dict["lastName"] = last_name
        if birth_date is not UNSET:
            field_dict["birthDate"] = birth_date
        if city is not UNSET:
            field_dict["city"] = city
        if country_code is not UNSET:
            field_dict["countryCode"] = country_code
        if country is not UNSET:
            field_dict["country"] = country
        if province_code is not UNSET:
            field_dict["provinceCode"] = province_code
        if state is not UNSET:
            field_dict["state"] = state
        if postal_code is not UNSET:
            field_dict["postalCode"] = postal_code
        if gender is not UNSET:
            field_dict["gender"] = gender
        if created_at is not UNSET:
            field_dict["createdAt"] = created_at
        if trigger_welcome_email is not UNSET:
            field_dict["triggerWelcomeEmail"] = trigger_welcome_email

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.identifier import Identifier  # noqa: PLC0415

        d = dict(src_dict)
        first_name = d.pop("firstName")

        list_ids = cast(list[str], d.pop("listIds"))

        identifiers = []
        _identifiers = d.pop("identifiers")
        for identifiers_item_data in _identifiers:
            identifiers_item = Identifier.from_dict(identifiers_item_data)

            identifiers.append(identifiers_item)

        last_name = d.pop("lastName", UNSET)

        def _parse_birth_date(
            data: object,
        ) -> datetime.date | datetime.datetime | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                birth_date_type_0 = datetime.date.fromisoformat(data)

                return birth_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, str):
                raise TypeError()
            birth_date_type_1 = datetime.datetime.fromisoformat(data)

            return birth_date_type_1

        birth_date = _parse_birth_date(d.pop("birthDate", UNSET))

        city = d.pop("city", UNSET)

        country_code = d.pop("countryCode", UNSET)

        country = d.pop("country", UNSET)

        province_code = d.pop("provinceCode", UNSET)

        state = d.pop("state", UNSET)

        postal_code = d.pop("postalCode", UNSET)

        gender = d.pop("gender", UNSET)

        def _parse_created_at(
            data: object,
        ) -> datetime.date | datetime.datetime | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                created_at_type_0 = datetime.date.fromisoformat(data)

                return created_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, str):
                raise TypeError()
            created_at_type_1 = datetime.datetime.fromisoformat(data)

            return created_at_type_1

        created_at = _parse_created_at(d.pop("createdAt", UNSET))

        trigger_welcome_email = d.pop("triggerWelcomeEmail", UNSET)

        contact = cls(
            first_name=first_name,
            list_ids=list_ids,
            identifiers=identifiers,
            last_name=last_name,
            birth_date=birth_date,
            city=city,
            country_code=country_code,
            country=country,
            province_code=province_code,
            state=state,
            postal_code=postal_code,
            gender=gender,
            created_at=created_at,
            trigger_welcome_email=trigger_welcome_email,
        )

        contact.additional_properties = d
        return contact

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


class ContactKeywords(TypedDict, total=False):
    """The members of Contact as keyword arguments, with what may be given for each; ``None`` is as good as left out.

    A required member that is built of other models is not among them.
    """

    first_name: Required[str]
    list_ids: Required[Sequence[str]]
    last_name: str | None
    birth_date: datetime.date | datetime.datetime | str | None
    city: str | None
    country_code: str | None
    country: str | None
    province_code: str | None
    state: str | None
    postal_code: str | None
    gender: str | None
    created_at: datetime.date | datetime.datetime | str | None
    trigger_welcome_email: bool | None

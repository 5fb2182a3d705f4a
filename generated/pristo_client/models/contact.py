from __future__ import annotations

from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.contact_custom_fields import ContactCustomFields


T = TypeVar("T", bound="Contact")


@_attrs_define
class Contact:
    """
    Attributes:
        id (UUID): Client-owned contact identifier
        email (str | Unset):
        phone (str | Unset):
        language (str | Unset): ISO 639-1 language code (e.g. en, he)
        name (str | Unset):
        last_name (str | Unset):
        custom_fields (ContactCustomFields | Unset): Dynamic contact fields (string values). Keys must match fields
            defined on the population.
    """

    id: UUID
    email: str | Unset = UNSET
    phone: str | Unset = UNSET
    language: str | Unset = UNSET
    name: str | Unset = UNSET
    last_name: str | Unset = UNSET
    custom_fields: ContactCustomFields | Unset = UNSET

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
        id = str(self.id)

        email = self.email

        phone = self.phone

        language = self.language

        name = self.name

        last_name = self.last_name

        custom_fields: dict[str, Any] | Unset = UNSET
        if not isinstance(self.custom_fields, Unset):
            custom_fields = self.custom_fields.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
            }
        )
        if email is not UNSET:
            field_dict["email"] = email
        if phone is not UNSET:
            field_dict["phone"] = phone
        if language is not UNSET:
            field_dict["language"] = language
        if name is not UNSET:
            field_dict["name"] = name
        if last_name is not UNSET:
            field_dict["lastName"] = last_name
        if custom_fields is not UNSET:
            field_dict["customFields"] = custom_fields

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.contact_custom_fields import ContactCustomFields  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        email = d.pop("email", UNSET)

        phone = d.pop("phone", UNSET)

        language = d.pop("language", UNSET)

        name = d.pop("name", UNSET)

        last_name = d.pop("lastName", UNSET)

        _custom_fields = d.pop("customFields", UNSET)
        custom_fields: ContactCustomFields | Unset
        if isinstance(_custom_fields, Unset):
            custom_fields = UNSET
        else:
            custom_fields = ContactCustomFields.from_dict(_custom_fields)

        contact = cls(
            id=id,
            email=email,
            phone=phone,
            language=language,
            name=name,
            last_name=last_name,
            custom_fields=custom_fields,
        )

        return contact


class ContactKeywords(TypedDict, total=False):
    """The members of Contact as keyword arguments, with what may be given for each; ``None`` is as good as left out.

    A required member that is built of other models is not among them.
    """

    id: Required[UUID | str]
    email: str | None
    phone: str | None
    language: str | None
    name: str | None
    last_name: str | None
    custom_fields: Mapping[str, str] | None

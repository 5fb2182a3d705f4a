from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.channel import Channel


T = TypeVar("T", bound="Channels")


@_attrs_define
class Channels:
    """Subscription by channel; one of the two is needed.

    Example:
        {'email': {'status': 'subscribed'}, 'phone': {'status': 'unsubscribed'}}

    Attributes:
        email (Channel | Unset): Subscription on one channel.
        phone (Channel | Unset): Subscription on one channel.
    """

    email: Channel | Unset = UNSET
    phone: Channel | Unset = UNSET
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
        email: dict[str, Any] | Unset = UNSET
        if not isinstance(self.email, Unset):
            email = self.email.to_dict()

        phone: dict[str, Any] | Unset = UNSET
        if not isinstance(self.phone, Unset):
            phone = self.phone.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if email is not UNSET:
            field_dict["email"] = email
        if phone is not UNSET:
            field_dict["phone"] = phone

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.channel import Channel  # noqa: PLC0415

        d = dict(src_dict)
        _email = d.pop("email", UNSET)
        email: Channel | Unset
        if isinstance(_email, Unset):
            email = UNSET
        else:
            email = Channel.from_dict(_email)

        _phone = d.pop("phone", UNSET)
        phone: Channel | Unset
        if isinstance(_phone, Unset):
            phone = UNSET
        else:
            phone = Channel.from_dict(_phone)

        channels = cls(
            email=email,
            phone=phone,
        )

        channels.additional_properties = d
        return channels

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

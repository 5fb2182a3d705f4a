from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.identifier_type import IdentifierType, check_identifier_type
from ..types import Unset

if TYPE_CHECKING:
    from ..models.channels import Channels
    from ..models.consent import Consent


T = TypeVar("T", bound="Identifier")


@_attrs_define
class Identifier:
    """One e-mail address or phone number, with its subscriptions and the consent to them.

    Attributes:
        type_ (IdentifierType): What kind of identifier this is. Example: email.
        id (float | str): The address or the number itself. Example: johndoe@gmail.com.
        channels (Channels): Subscription by channel; one of the two is needed. Example: {'email': {'status':
            'subscribed'}, 'phone': {'status': 'unsubscribed'}}.
        consent (Consent): When, from where and through what the person agreed. Example: {'createdAt':
            '2024-03-21T10:30:00.000Z', 'ip': '192.168.1.1', 'source': 'web_form'}.
    """

    type_: IdentifierType
    id: float | str
    channels: Channels
    consent: Consent
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
        type_: str = self.type_

        id: float | str
        id = self.id

        channels = self.channels.to_dict()

        consent = self.consent.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "id": id,
                "channels": channels,
                "consent": consent,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.channels import Channels  # noqa: PLC0415
        from ..models.consent import Consent  # noqa: PLC0415

        d = dict(src_dict)
        type_ = check_identifier_type(d.pop("type"))

        def _parse_id(data: object) -> float | str:
            return cast(float | str, data)

        id = _parse_id(d.pop("id"))

        channels = Channels.from_dict(d.pop("channels"))

        consent = Consent.from_dict(d.pop("consent"))

        identifier = cls(
            type_=type_,
            id=id,
            channels=channels,
            consent=consent,
        )

        identifier.additional_properties = d
        return identifier

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

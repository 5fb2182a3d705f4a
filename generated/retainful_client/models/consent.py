from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import Unset

T = TypeVar("T", bound="Consent")


@_attrs_define
class Consent:
    """When, from where and through what the person agreed.

    Example:
        {'createdAt': '2024-03-21T10:30:00.000Z', 'ip': '192.168.1.1', 'source': 'web_form'}

    Attributes:
        created_at (datetime.date | datetime.datetime): When consent was given. Example: 2024-03-21T10:30:00.000Z.
        ip (str): IP address that consent came from. Example: 192.168.1.1.
        source (str): What consent was given through, such as `web_form` or `import`. Example: web_form.
    """

    created_at: datetime.date | datetime.datetime
    ip: str
    source: str
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
        created_at: str
        if isinstance(self.created_at, datetime.date):
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

        ip = self.ip

        source = self.source

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "createdAt": created_at,
                "ip": ip,
                "source": source,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_created_at(data: object) -> datetime.date | datetime.datetime:
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

        created_at = _parse_created_at(d.pop("createdAt"))

        ip = d.pop("ip")

        source = d.pop("source")

        consent = cls(
            created_at=created_at,
            ip=ip,
            source=source,
        )

        consent.additional_properties = d
        return consent

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

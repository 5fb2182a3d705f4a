"""A mock of a vendor: the mock of its document, with the settings of its descriptor as credentials."""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from contact_apis._mocking.service import MockService

from .vendor import Setting, Vendor


class VendorMock(MockService):
    """What a vendor's document says, until a subclass says what else the vendor does.

    Args:
        settings: what a client has to be told to be let in, by the names of the descriptor.
    """

    vendor: ClassVar[Vendor]

    def __init__(self, **settings: str) -> None:
        secrets = {
            each.scheme: settings[each.name]
            for each in self.vendor.settings
            if each.scheme is not None
        }
        super().__init__(self.vendor.title, self.vendor.package, secrets, self.vendor.error_body)
        self.settings = settings

    @classmethod
    def standard(cls, *_: Any, **options: Any) -> Self:
        """The mock with settings that do not change from run to run, so that they can be exported once.

        Args:
            options: a vendor's own; here there are none.
        """
        settings = {each.name: _standard_value(cls.vendor, each) for each in cls.vendor.settings}
        return cls(**options, **settings)

    def variables(self) -> dict[str, str]:
        """What else the contract suite wants to know of the service, by the ends of the variables' names in lower case."""
        return {}

    def environment(self, base_url: str) -> dict[str, str]:
        """The variables under which clients and contract suite find this mock."""
        told = {"base_url": base_url, **self.settings, **self.variables()}
        return {self.vendor.variable(name): value for name, value in told.items()}


def fixed_uuid(name: str) -> str:
    """A UUID that is always the same for a name."""
    return str(uuid5(NAMESPACE_URL, f"contact-apis/mock/{name}"))


def _standard_value(vendor: Vendor, setting: Setting) -> str:
    value = fixed_uuid(f"{vendor.name} {setting.name}")
    return value if setting.kind is UUID else f"{vendor.name}-{value}"

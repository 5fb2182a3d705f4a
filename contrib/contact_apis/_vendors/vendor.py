"""What a vendor is: all that the rest of the package has to know of one, as data.

Nothing here, and nothing that imports this module alone, loads a client, a server or a generated package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

from attrs import field, frozen

from contact_apis._http.error_body import ErrorBody

if TYPE_CHECKING:
    from contact_apis._errors import Fault
    from contact_apis._openapi.document import Json, Operation

    from .base import AsyncClient, BlockingClient
    from .record_mapper import RecordMapper
    from .vendor_mock import VendorMock


@frozen
class Setting:
    """Something that a client has to be told: a credential, or whose contacts are meant."""

    name: str
    """The keyword of the clients; with the vendor's name in front, the variable of the environment."""
    description: str
    """What it is, for people."""
    scheme: str | None = field(default=None, kw_only=True)
    """The security scheme of the document whose secret it is."""
    path: str | None = field(default=None, kw_only=True)
    """The path parameter of the upsert that it fills."""
    kind: type[str] | type[UUID] = field(default=str, kw_only=True)
    """What it must be. The text of a UUID goes out in lower case."""
    is_secret: bool = field(default=False, kw_only=True)
    """Whether nobody may see it. One that is not secret tells the accounts apart, and is noted in the journals of imports."""


def _is_always(_body: Json) -> bool:
    return True


def _unchanged(body: Json) -> Json:
    return body


def _nothing_foreign(_sent: Json, _shown: object) -> list[Fault]:
    return []


@frozen(kw_only=True)
class Vendor:
    """One vendor. Its folder holds this descriptor, as ``VENDOR``, and what the names in ``client``, ``records`` and ``mock`` name.

    Those are loaded when they are first asked for, so that nobody waits for the vendor that they do not use.
    """

    name: str
    """As the command line has it, in lower case; in capitals, what its environment variables begin with."""
    title: str
    """As people write it."""
    package: str
    """The generated package, which holds the document."""
    folder: str
    """The package that the modules ``client``, ``records`` and ``mock`` of this vendor lie in: the descriptor's ``__name__``."""
    blocking_client: str
    """The class in ``client`` whose calls return when they are done."""
    async_client: str
    """The class in ``client`` whose calls are awaited."""
    record_mapper: str
    """The class in ``records`` that builds the body of a request from a flat record."""
    mock: str
    """The class in ``mock`` that behaves as the vendor does."""
    upsert: str
    """The ``operationId`` of the operation that contacts are sent to."""
    settings: tuple[Setting, ...]
    """What a client has to be told, in the order in which it is asked for."""
    ordering_keys: Callable[[Json], tuple[str, ...]]
    """What a body's contact is recognised by: bodies that share one of these are about the same contact, and keep their order."""
    has_several_keys: bool = False
    """Whether a body can have more than one ordering key, and so tell that two contacts are one."""
    is_idempotent: Callable[[Json], bool] = _is_always
    """Whether an upsert with this body may be processed twice without harm."""
    idempotent_form: Callable[[Json], Json] = _unchanged
    """A body that writes the same contact and may be processed twice."""
    foreign: Callable[[Json, Any], list[Fault]] = _nothing_foreign
    """What shows that a response is that to another request, from the body that was sent and the one that came."""
    error_body: ErrorBody = field(factory=ErrorBody)
    """Where its errors have their words."""

    def variable(self, setting: str) -> str:
        """The environment variable of a setting, such as ``base_url``."""
        return f"{self.name}_{setting}".replace("-", "_").upper()

    def operation(self) -> Operation:
        """The upsert, from the document."""
        from contact_apis._openapi.document import contract

        return contract(self.package).operation(self.upsert)

    def blocking(self, **options: Any) -> BlockingClient[Any]:
        """A client whose calls return when they are done; what is not given comes from the environment."""
        client: BlockingClient[Any] = self._load("client", self.blocking_client)(**options)
        return client

    def awaiting(self, **options: Any) -> AsyncClient[Any]:
        """A client whose calls are awaited; what is not given comes from the environment."""
        client: AsyncClient[Any] = self._load("client", self.async_client)(**options)
        return client

    def mapper(self) -> RecordMapper:
        """What builds the bodies of requests from flat records."""
        mapper: RecordMapper = self._load("records", self.record_mapper)(self)
        return mapper

    def mock_service(self, options: Mapping[str, Any]) -> VendorMock:
        """The mock, with the credentials that do not change from run to run; which options there are is the vendor's own affair."""
        service: VendorMock = self._load("mock", self.mock).standard(**options)
        return service

    def _load(self, module: str, name: str) -> Any:
        return getattr(import_module(f"{self.folder}.{module}"), name)

"""How a flat record, such as a row of a file, becomes the body of a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from contact_apis._openapi.document import Json, Operation

from .vendor import Vendor


class CellError(Exception):
    """A cell that is not a valid value of its field."""


class RecordMapper(ABC):
    """What a vendor's contact is built of: its fields by name, and how they become the body of a request.

    Fields and what they hold are read from the document, so that one that the vendor adds can be filled by a column at once.
    """

    fields: Mapping[str, Json]
    """The schema of each field that a column can fill."""
    required: list[tuple[str, ...]]
    """Of each of these, one has to be filled."""
    phone_fields: ClassVar[frozenset[str]] = frozenset({"phone"})
    """Those of the fields that hold a phone number, which goes out in E.164."""
    country_fields: ClassVar[tuple[str, ...]] = ()
    """Those of the fields that may name the country of the row's phone numbers, the surest first."""
    status_fields: frozenset[str] = frozenset()
    """Those of the fields that say whether somebody is subscribed. An empty cell of one is no answer, and its row is rejected."""
    noted_status: ClassVar[str] = ""
    """The one of them that journals note, as they did when there was no other."""
    constant_names: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields that say more where they are given for every row: the fields that they are then."""
    custom: str | None = None
    """The member that holds fields of the caller's own, where the vendor has such."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.operation = vendor.operation()

    @abstractmethod
    def body(self, values: Json, custom: Json) -> Json:
        """The body of a request, from values by field and from fields of the caller's own."""

    @abstractmethod
    def is_body(self, values: Mapping[str, object]) -> bool:
        """Whether an object has the form of a body already."""

    def unclear(self, filled: Collection[str]) -> str:
        """What fields leave open that has to be said, in a sentence with the remedy; empty if there is nothing."""
        return ""

    @abstractmethod
    def phones(self, body: Mapping[str, Any]) -> Iterator[object]:
        """The phone numbers of a body, which need not fit the contract."""

    @abstractmethod
    def name(self, body: Json) -> str:
        """What the caller knows the contact by."""


def body_schema(operation: Operation) -> Json:
    """The schema of an operation's body, as the document has it.

    Raises:
        TypeError: the operation takes no body.
    """
    if operation.body is None:
        raise TypeError(f"{operation.operation_id} takes no body")
    return operation.contract.resolve(operation.body.document)

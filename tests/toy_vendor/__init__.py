"""A third vendor, which exists in this folder alone: what it takes to add one, and the proof that nothing else has to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contact_apis._http.error_body import ErrorBody
from contact_apis._vendors.vendor import Setting, Vendor

if TYPE_CHECKING:
    from contact_apis._openapi.document import Json


def ordering_keys(body: Json) -> tuple[str, ...]:
    """A person is known by the address."""
    return (body["email"].casefold(),)


VENDOR = Vendor(
    name="toy",
    title="Toy",
    package="toy_client",
    folder=__name__,
    blocking_client="Toy",
    async_client="AsyncToy",
    record_mapper="ToyRecords",
    mock="ToyMock",
    upsert="savePerson",
    settings=(Setting("token", "the account's token", scheme="bearer", is_secret=True),),
    ordering_keys=ordering_keys,
    error_body=ErrorBody(member="problem", code="kind", message="detail"),
)

"""Pristo: contacts by the caller's own id, in populations. What the rest of the package knows of it stands here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from contact_apis._errors import Fault
from contact_apis._vendors.vendor import Setting, Vendor

if TYPE_CHECKING:
    from contact_apis._openapi.document import Json


def ordering_keys(body: Json) -> tuple[str, ...]:
    """A contact is known by its id, in whatever letter case."""
    return (body["contact"]["id"].lower(),)


def foreign(sent: Json, shown: Any) -> list[Fault]:
    """What is wrong with a response that shows another contact than the one that was sent.

    ``contact.id`` is a member of the request and of the response, and optional in the second (Pristo's document).
    """
    try:
        same = shown["contact"]["id"].lower() == sent["contact"]["id"].lower()
    except (AttributeError, LookupError, TypeError):  # it shows no id
        return []
    if same:
        return []
    return [
        Fault("contact.id", "must be the id that was sent: the response belongs to another request")
    ]


VENDOR = Vendor(
    name="pristo",
    title="Pristo",
    package="pristo_client",
    folder=__name__,
    blocking_client="Pristo",
    async_client="AsyncPristo",
    record_mapper="PristoRecords",
    mock="PristoMock",
    upsert="upsertContact",
    settings=(
        Setting("api_key", "the account's key", scheme="ApiKeyAuth", is_secret=True),
        Setting(
            "population_id",
            "the population that contacts belong to; a UUID",
            path="populationId",
            kind=UUID,
        ),
    ),
    ordering_keys=ordering_keys,
    foreign=foreign,
)

"""Retainful: contacts by e-mail address and phone number. What the rest of the package knows of it stands here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contact_apis._vendors.vendor import Setting, Vendor

if TYPE_CHECKING:
    from contact_apis._openapi.document import Json


def ordering_keys(body: Json) -> tuple[str, ...]:
    """A contact is known by each of its identifiers."""
    return tuple(f"{each['type']}:{str(each['id']).casefold()}" for each in body["identifiers"])


def sends_no_mail(body: Json) -> bool:
    """A second welcome e-mail is the one thing that sending a contact twice can do."""
    return body.get("triggerWelcomeEmail") is not True


def without_mail(body: Json) -> Json:
    """The same contact, and no welcome e-mail."""
    return body if sends_no_mail(body) else {**body, "triggerWelcomeEmail": False}


VENDOR = Vendor(
    name="retainful",
    title="Retainful",
    package="retainful_client",
    folder=__name__,
    blocking_client="Retainful",
    async_client="AsyncRetainful",
    record_mapper="RetainfulRecords",
    mock="RetainfulMock",
    upsert="upsertContact",
    settings=(
        Setting("api_key", "the account's secret", scheme="ApiKey", is_secret=True),
        Setting("app_id", "which app of the account is meant", scheme="AppId"),
    ),
    ordering_keys=ordering_keys,
    has_several_keys=True,
    is_idempotent=sends_no_mail,
    idempotent_form=without_mail,
)

"""What Retainful does that no schema can express: see its clauses in ``specs/clauses.yaml``."""

from __future__ import annotations

from typing import Any, Literal, Self

from contact_apis._mocking.service import Request, Response
from contact_apis._openapi.document import Json, Operation
from contact_apis._vendors.retainful import VENDOR
from contact_apis._vendors.vendor_mock import VendorMock, fixed_uuid

EmailRule = Literal["to-create", "always", "never"]


class RetainfulMock(VendorMock):
    """Contacts by whichever identifier is known.

    Args:
        api_key: what a request must carry.
        app_id: likewise.
        email_rule: when a contact needs an e-mail identifier; the vendor's page can be read in three ways.
    """

    vendor = VENDOR

    def __init__(self, api_key: str, app_id: str, email_rule: EmailRule = "to-create") -> None:
        super().__init__(api_key=api_key, app_id=app_id)
        self.known: dict[tuple[str, str], Json] = {}
        self.email_rule = email_rule

    @classmethod
    def standard(cls, *, email_rule: EmailRule = "to-create") -> Self:
        """As every :class:`VendorMock`, with the rule of the constructor."""
        return cls("retainful-" + fixed_uuid("key"), "app-" + fixed_uuid("app"), email_rule)

    def variables(self) -> dict[str, str]:
        """A list that contacts can be put on."""
        return {"list_id": "NdrDSPTeIvRMEtzufwDyKMWjmcOMsOxkxTCs"}

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if operation.operation_id != VENDOR.upsert:
            return super().act(operation, request, body)
        keys = list(map(_key, body["identifiers"]))
        stored = next((self.known[key] for key in keys if key in self.known), None)
        has_email = any(kind == "email" for kind, _ in keys)
        if not has_email and (
            self.email_rule == "always" or (self.email_rule == "to-create" and stored is None)
        ):
            return self.error(
                operation, 400, "email_required", "A new contact needs an identifier of type email."
            )
        contact = {} if stored is None else stored
        identifiers = {_key(each): each for each in contact.get("identifiers", [])}
        identifiers.update(zip(keys, body["identifiers"], strict=True))
        contact.update(body, identifiers=list(identifiers.values()))
        self.known.update(dict.fromkeys(keys, contact))
        return Response(200, {"status": True})

    def forget_all(self) -> None:
        self.known.clear()

    @property
    def contacts(self) -> list[Json]:
        return list({id(each): each for each in self.known.values()}.values())


def _key(identifier: Json) -> tuple[str, str]:
    """What an identifier is known by: letter case does not count."""
    return identifier["type"], str(identifier["id"]).casefold()

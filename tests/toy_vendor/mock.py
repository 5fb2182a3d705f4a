"""What the toy vendor does that its document does not say."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from contact_apis._mocking.service import Request, Response
from contact_apis._openapi.document import Json, Operation
from contact_apis._vendors.vendor_mock import VendorMock

from . import VENDOR


class ToyMock(VendorMock):
    """People by their address, and a segment of each tag."""

    vendor = VENDOR

    def __init__(self, token: str) -> None:
        super().__init__(token=token)
        self.people: dict[str, Json] = {}

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if operation.operation_id == VENDOR.upsert:
            self.people[body["email"].casefold()] = body
            return Response(202, {"email": body["email"]})
        if operation.operation_id == "forgetPerson":
            email = unquote(self.path_values(operation, request)[0])
            if self.people.pop(email.casefold(), None) is None:
                return self.error(operation, 404, "unknown", "There is no such person.")
            return Response(204)
        return super().act(operation, request, body)

    def forget_all(self) -> None:
        self.people.clear()

    @property
    def contacts(self) -> list[Json]:
        return [*self.people.values()]

"""What Pristo does that no schema can express: see its clauses in ``specs/clauses.yaml``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self
from uuid import UUID

from contact_apis._mocking.service import Request, Response
from contact_apis._openapi.document import Json, Operation
from contact_apis._vendors.pristo import VENDOR
from contact_apis._vendors.vendor_mock import VendorMock, fixed_uuid


class PristoMock(VendorMock):
    """Contacts by population and by the client's own id.

    Args:
        api_key: what a request must carry.
        populations: UUIDs, at least one; what the contract suite is told are the first two.
        custom_fields: what every population defines; ``None`` takes any.
    """

    vendor = VENDOR

    def __init__(
        self, api_key: str, populations: Iterable[str], custom_fields: Iterable[str] | None = None
    ) -> None:
        self.populations = list(populations)
        super().__init__(api_key=api_key, population_id=self.populations[0])
        self.stored: dict[UUID, dict[Any, Json]] = {UUID(each): {} for each in self.populations}
        self.defined: list[str] | None = None
        self.custom_fields: set[str] | None = None
        if custom_fields is not None:
            self.defined = list(custom_fields)
            self.custom_fields = set(self.defined)

    @classmethod
    def standard(
        cls, *, custom_fields: Iterable[str] | None = None, second_population: bool = False
    ) -> Self:
        """As every :class:`VendorMock`, with the fields of the constructor and one population or two."""
        names = ["population"]
        if second_population:
            names.append("second population")
        return cls(fixed_uuid("pristo key"), map(fixed_uuid, names), custom_fields)

    def variables(self) -> dict[str, str]:
        """A second population, and the custom fields."""
        told: dict[str, str] = {}
        if len(self.populations) > 1:
            told["second_population_id"] = self.populations[1]
        if self.defined:
            told["custom_fields"] = ",".join(self.defined)
        return told

    def act(self, operation: Operation, request: Request, body: Any) -> Response:
        if operation.operation_id != VENDOR.upsert:
            return super().act(operation, request, body)
        population = UUID(self.path_values(operation, request)[0])
        if population not in self.stored:
            return self.error(
                operation, 400, "unknown_population", "The population does not exist."
            )
        given: Json = body["contact"]
        unknown = set(given.get("customFields", {})) - (self.custom_fields or set())
        if unknown and self.custom_fields is not None:
            return self.error(
                operation,
                400,
                "unknown_field",
                "The population does not define a custom field that was sent.",
            )
        contacts = self.contacts_of(population)
        key = self.key(given)
        created = key not in contacts
        before = contacts.get(key, {})
        after = self.merge(before, {**given, "id": str(UUID(given["id"]))})
        contacts[key] = after
        return Response(self.status(created=created), {"contact": self.show(after, given, before)})

    def contacts_of(self, population: UUID) -> dict[Any, Json]:
        """The contacts of a population, by :meth:`key`."""
        return self.stored[population]

    def key(self, contact: Json) -> Any:
        """What tells contacts apart."""
        return UUID(contact["id"])

    def status(self, *, created: bool) -> int:
        """The status of an upsert that succeeded."""
        return 201 if created else 200

    def show(self, stored: Json, given: Json, before: Json) -> Json:
        """The contact that the response shows: of what is stored now, what the request gave, and what was stored before."""
        return stored

    def merge(self, stored: Json, given: Json) -> Json:
        """What is stored after an upsert: given members win, objects are merged member by member."""
        merged = {**stored, **given}
        for name, value in given.items():
            if isinstance(value, dict):
                merged[name] = {**stored.get(name, {}), **value}
        return merged

    def forget_all(self) -> None:
        for kept in self.stored.values():
            kept.clear()

    @property
    def contacts(self) -> list[Json]:
        return [
            {"population": str(population), **each}
            for population, kept in self.stored.items()
            for each in kept.values()
        ]

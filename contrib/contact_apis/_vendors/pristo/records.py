"""From a flat record to the body of Pristo's upsert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contact_apis._openapi.document import Json
from contact_apis._vendors.record_mapper import RecordMapper, body_schema
from contact_apis._vendors.vendor import Vendor

CUSTOM = "customFields"


class PristoRecords(RecordMapper):
    """Everything stands in ``contact``; other columns may go to its ``customFields``."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(vendor)
        document = self.operation.contract
        schema = document.resolve(body_schema(self.operation)["properties"]["contact"])
        members: Json = schema["properties"]
        self.fields = {
            name: document.resolve(each) for name, each in members.items() if name != CUSTOM
        }
        self.required = [(name,) for name in schema["required"]]
        self.custom = CUSTOM if CUSTOM in members else None

    def body(self, values: Json, custom: Json) -> Json:
        if custom:
            return {"contact": {**values, CUSTOM: custom}}
        return {"contact": values}

    def is_body(self, values: Mapping[str, object]) -> bool:
        return isinstance(values.get("contact"), dict)

    def phones(self, body: Mapping[str, Any]) -> Iterator[object]:
        yield body["contact"].get("phone")

    def name(self, body: Json) -> str:
        return str(body["contact"]["id"])

"""From a flat record to the body of the upsert: its fields are those of the document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contact_apis._openapi.document import Json
from contact_apis._vendors.record_mapper import RecordMapper, body_schema
from contact_apis._vendors.vendor import Vendor


class ToyRecords(RecordMapper):
    """A record is the body."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(vendor)
        schema = body_schema(self.operation)
        self.fields = schema["properties"]
        self.required = [(name,) for name in schema["required"]]

    def body(self, values: Json, custom: Json) -> Json:
        return values

    def is_body(self, values: Mapping[str, object]) -> bool:
        return False

    def phones(self, body: Mapping[str, Any]) -> Iterator[object]:
        yield body.get("phone")

    def name(self, body: Json) -> str:
        return str(body["email"])

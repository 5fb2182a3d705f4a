"""From a flat record to the body of Retainful's upsert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contact_apis._openapi.document import Json
from contact_apis._vendors.record_mapper import RecordMapper, body_schema
from contact_apis._vendors.vendor import Vendor

CONSENT = "consent."


class RetainfulRecords(RecordMapper):
    """``email`` and ``phone`` become identifiers, each with the consent, and subscribed unless ``subscribed`` says no."""

    country_fields = ("countryCode", "country")

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(vendor)
        document = self.operation.contract
        schema = body_schema(self.operation)
        identifier = document.resolve(schema["properties"]["identifiers"]["items"])
        consent = document.resolve(identifier["properties"]["consent"])
        self._kinds: list[str] = identifier["properties"]["type"]["enum"]
        fields: dict[str, Json] = {name: document.resolve(each) for name, each in schema["properties"].items() if name != "identifiers"}
        fields |= {kind: {"type": "string"} for kind in self._kinds}
        fields["subscribed"] = {"type": "boolean"}
        fields |= {f"{CONSENT}{name}": document.resolve(each) for name, each in consent["properties"].items()}
        self.fields = fields
        self.required = [(name,) for name in schema["required"] if name != "identifiers"]
        self.required.append(tuple(self._kinds))
        self.required += [(f"{CONSENT}{name}",) for name in consent["required"]]

    def body(self, values: Json, custom: Json) -> Json:
        status = "subscribed" if values.pop("subscribed", True) else "unsubscribed"
        names = [name for name in values if name.startswith(CONSENT)]
        consent = {name.removeprefix(CONSENT): values.pop(name) for name in names}
        values["identifiers"] = [
            {"type": kind, "id": values.pop(kind), "channels": {kind: {"status": status}}, "consent": consent}
            for kind in self._kinds
            if kind in values
        ]
        return values

    def is_body(self, values: Mapping[str, object]) -> bool:
        return "identifiers" in values

    def phones(self, body: Mapping[str, Any]) -> Iterator[object]:
        identifiers: Any = body["identifiers"]
        for each in identifiers if isinstance(identifiers, list) else ():
            if isinstance(each, dict) and each.get("type") == "phone":
                yield each.get("id")

    def name(self, body: Json) -> str:
        return str(body["identifiers"][0]["id"])

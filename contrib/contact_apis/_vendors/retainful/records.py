"""From a flat record to the body of Retainful's upsert."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from contact_apis._openapi.document import Json
from contact_apis._vendors.record_mapper import CellError, RecordMapper, body_schema
from contact_apis._vendors.vendor import Vendor

CONSENT = "consent."
SUBSCRIBED = "subscribed"
ALL_SUBSCRIBED = "all.subscribed"


class RetainfulRecords(RecordMapper):
    """``email`` and ``phone`` become identifiers, each with the consent, and with the status that a field gives its channel.

    That is ``email.subscribed`` for ``email``, else ``all.subscribed``, else ``subscribed`` where the row has one channel without a
    status of its own. Silence is no consent: an identifier without a status is rejected.
    """

    noted_status = SUBSCRIBED
    constant_names = MappingProxyType({SUBSCRIBED: ALL_SUBSCRIBED})
    country_fields = ("countryCode", "country")

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(vendor)
        document = self.operation.contract
        schema = body_schema(self.operation)
        identifier = document.resolve(schema["properties"]["identifiers"]["items"])
        consent = document.resolve(identifier["properties"]["consent"])
        self._kinds: list[str] = identifier["properties"]["type"]["enum"]
        fields: dict[str, Json] = {
            name: document.resolve(each)
            for name, each in schema["properties"].items()
            if name != "identifiers"
        }
        fields |= {kind: {"type": "string"} for kind in self._kinds}
        self.status_fields = frozenset([SUBSCRIBED, ALL_SUBSCRIBED, *map(_own_status, self._kinds)])
        fields |= {
            name: {"type": "boolean"}
            for name in (SUBSCRIBED, *map(_own_status, self._kinds), ALL_SUBSCRIBED)
        }
        fields |= {
            f"{CONSENT}{name}": document.resolve(each)
            for name, each in consent["properties"].items()
        }
        self.fields = fields
        self.required = [(name,) for name in schema["required"] if name != "identifiers"]
        self.required.append(tuple(self._kinds))
        self.required += [(f"{CONSENT}{name}",) for name in consent["required"]]

    def body(self, values: Json, custom: Json) -> Json:
        problem = self.unclear(values.keys())
        if problem:
            raise CellError(problem)
        fields = self._status_fields_of(values.keys())
        said = {name: values.pop(name) for name in self.status_fields & values.keys()}
        names = [name for name in values if name.startswith(CONSENT)]
        consent = {name.removeprefix(CONSENT): values.pop(name) for name in names}
        identifiers: list[Json] = []
        for kind, field in fields.items():
            if said[field] is None:
                raise CellError(
                    f"{field} is empty, and silence is no consent: write subscribed or unsubscribed"
                )
            status = "subscribed" if said[field] else "unsubscribed"
            channels = {kind: {"status": status}}
            identifiers.append(
                {"type": kind, "id": values.pop(kind), "channels": channels, "consent": consent}
            )
        values["identifiers"] = identifiers
        return values

    def _status_fields_of(self, filled: Collection[str]) -> dict[str, str]:
        """The field that says the status of each channel that is filled; empty where none does."""
        found: dict[str, str] = {}
        for kind in self._kinds:
            if kind in filled:
                saying = (
                    name
                    for name in (_own_status(kind), ALL_SUBSCRIBED, SUBSCRIBED)
                    if name in filled
                )
                found[kind] = next(saying, "")
        return found

    def unclear(self, filled: Collection[str]) -> str:
        fields = self._status_fields_of(filled)
        silent = [kind for kind, field in fields.items() if not field]
        if silent:
            constant = SUBSCRIBED if silent == list(fields) else _own_status(silent[0])
            return (
                f"nothing says whether {' and '.join(silent)} may be written to, and silence is no consent:"
                f" name the column with --map COLUMN={_own_status(silent[0])}, or give --set {constant}=true (or false)"
            )
        shared = [kind for kind, field in fields.items() if field == SUBSCRIBED]
        if len(shared) > 1:
            ways = " or ".join(f"--map COLUMN={_own_status(kind)}" for kind in shared)
            return (
                f"{SUBSCRIBED} does not say which of {' and '.join(shared)} it is about: give {ways}, and the other as well"
                f" (--set {_own_status(shared[-1])}=false), or --map COLUMN={ALL_SUBSCRIBED} if it is about both"
            )
        if ALL_SUBSCRIBED in filled and SUBSCRIBED in filled:
            return f"{SUBSCRIBED} and {ALL_SUBSCRIBED} are both filled; leave one out with --ignore COLUMN"
        return ""

    def is_body(self, values: Mapping[str, object]) -> bool:
        return "identifiers" in values

    def phones(self, body: Mapping[str, Any]) -> Iterator[object]:
        if not isinstance(body["identifiers"], list):
            return
        identifiers = cast("list[Json]", body["identifiers"])
        for each in filter(_is_object, identifiers):
            if each.get("type") == "phone":
                yield each.get("id")

    def name(self, body: Json) -> str:
        return str(body["identifiers"][0]["id"])


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _own_status(kind: str) -> str:
    """The field that says the status of one channel."""
    return f"{kind}.{SUBSCRIBED}"

"""One way to make a call, for the blocking and the awaited client alike: whatever holds for one has to hold for both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from contact_apis import AsyncPristo, AsyncRetainful, Consent, Pristo, Retainful

Kind = Literal["sync", "async"]
Api = Literal["pristo", "retainful"]
KINDS: tuple[Kind, ...] = ("sync", "async")
APIS: tuple[Api, ...] = ("pristo", "retainful")

ID = "0d6c34f5-5b0f-5a4e-8d2b-c0a7ac750000"
POPULATION = "5ee0d1c9-1c0f-4b8e-8f0f-3f6d2a8b7c11"
KEYS: Mapping[Api, Mapping[str, Any]] = {
    "pristo": {"api_key": "pristo-key-9f27", "population_id": POPULATION},
    "retainful": {"api_key": "retainful-key-77aa", "app_id": "retainful-app-31bc"},
}
CONSENT = Consent(datetime(2024, 3, 21, 10, 30, tzinfo=UTC), "192.0.2.7", "web_form")
FIELDS: Mapping[Api, Mapping[str, Any]] = {
    "pristo": {"id": ID, "email": "ada@example.com", "name": "Adalbert"},
    "retainful": {
        "first_name": "Adalbert",
        "email": "ada@example.com",
        "list_ids": ["NdrD"],
        "consent": CONSENT,
    },
}
GOOD: Mapping[Api, object] = {
    "pristo": {"contact": {"id": ID, "email": "ada@example.com"}},
    "retainful": {"status": True},
}
CLASSES: Mapping[tuple[Api, Kind], Any] = {
    ("pristo", "sync"): Pristo,
    ("pristo", "async"): AsyncPristo,
    ("retainful", "sync"): Retainful,
    ("retainful", "async"): AsyncRetainful,
}


def call(
    api: Api,
    kind: Kind,
    url: str,
    method: str = "upsert_contact",
    *,
    given: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Builds a client, makes one call and closes the client; gives back or raises what the call did."""
    client = CLASSES[api, kind](base_url=url, **{**KEYS[api], **options})
    arguments = given if given is not None else FIELDS[api] if method == "upsert_contact" else {}
    if kind == "sync":
        with client:
            return getattr(client, method)(**arguments)

    async def awaited() -> Any:
        async with client:
            return await getattr(client, method)(**arguments)

    return asyncio.run(awaited())


def many(
    kind: Kind,
    contacts: Any,
    url: str = "http://127.0.0.1:9",
    *,
    api: Api = "pristo",
    **options: Any,
) -> list[Any]:
    """The outcomes of many contacts."""
    client = CLASSES[api, kind](base_url=url, max_retries=0, **KEYS[api], **options)
    if kind == "sync":
        with client:
            return list(client.upsert_many(contacts))

    async def awaited() -> list[Any]:
        async with client:
            return [each async for each in client.upsert_many(contacts)]

    return asyncio.run(awaited())

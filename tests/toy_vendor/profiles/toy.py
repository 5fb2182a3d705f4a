"""The toy vendor, as the contract suite sees it: its clauses and its document lie in its own folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.contract.profiles.profile import Credential, Profile, Shape
from tests.strategies import PHONES, POOL_EMAILS
from tests.toy_vendor import VENDOR

if TYPE_CHECKING:
    from tests.contract.service import Service

FOLDER = Path(__file__).parents[1]
Json = dict[str, Any]


def person(number: int) -> Json:
    """One of the pool, with every member of the document."""
    return {
        "email": POOL_EMAILS[number % len(POOL_EMAILS)],
        "nickname": "Ada",
        "phone": PHONES[number % len(PHONES)],
        "tags": ["suite"],
    }


class ToyProfile(Profile):
    """Bodies are a person."""

    def shapes(self, service: Service) -> list[Shape]:
        least = {"email": POOL_EMAILS[0]}
        return [
            Shape("toy.operation", "a person with nothing but an address", least),
            Shape("toy.operation", "a person with every member", person(1)),
        ]

    def valid_bodies(self, service: Service) -> list[Json]:
        return [person(2)]

    def pool_body(self, service: Service, number: int) -> Json:
        return person(number)

    def with_text(self, body: Json, text: str) -> Json:
        return {**body, "nickname": text}

    def gentle(self, service: Service, value: Any) -> Any:
        if isinstance(value, dict) and "@" in str(value.get("email")):
            return {**value, "email": POOL_EMAILS[len(value["email"]) % len(POOL_EMAILS)]}
        return value

    def imagined_body(self, status: int) -> Json:
        return {"email": POOL_EMAILS[0]}


PROFILE = ToyProfile(
    vendor=VENDOR,
    document=FOLDER / "toy.yaml",
    clauses=FOLDER / "clauses.yaml",
    exclusions=FOLDER / "exclusions.yaml",
    credentials=(
        Credential(scheme="bearer", required="toy.token-required", checked="toy.token-checked"),
    ),
    credentials_in_headers="toy.token-in-header",
    envelopes={
        "savePerson": {202: "toy.saved-person-is-shown"},
        "listSegments": {200: "toy.segments-envelope"},
        Profile.everywhere: {"4XX": "toy.problem-envelope"},
    },
)

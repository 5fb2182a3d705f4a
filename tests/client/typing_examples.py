"""What type checkers must accept, and what they must refuse. Checked, never run.

A line that must be refused carries an ignore: a checker that accepted it would complain of an ignore that nothing needs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import assert_type
from uuid import UUID

import httpx

from contact_apis import (
    APIStatusError,
    AsyncPristo,
    AsyncRetainful,
    Channel,
    Channels,
    Consent,
    Fault,
    Identifier,
    InvalidRequestError,
    Pristo,
    PristoContact,
    PristoResult,
    Retainful,
    RetainfulContact,
    RetainfulResult,
)

consent = Consent(created_at=datetime.now(UTC), ip="192.0.2.7", source="web_form")


def blocking(customer: UUID) -> None:
    with Pristo(
        api_key="k",
        population_id=customer,
        base_url="https://example.com",
        timeout=3,
        total_timeout=None,
        max_retries=0,
    ) as pristo:
        assert_type(pristo, Pristo)
        result = pristo.upsert_contact(
            id=customer, email="ada@example.com", name=None, custom_fields={"tier": "gold"}
        )
        assert_type(result, PristoResult)
        assert_type(result.created, bool)
        assert_type(result.contact, PristoContact | None)
        assert_type(result.request_id, UUID)
        assert_type(pristo.upsert_contact(PristoContact(id=customer), request_id="x"), PristoResult)
        assert_type(pristo.with_options(max_retries=5, timeout=httpx.Timeout(3)), Pristo)
        assert_type(pristo.check_credentials(), bool)
        pristo.upsert_contact()  # type: ignore[call-overload] # pyright: ignore[reportCallIssue] # needs an id
        pristo.upsert_contact(id=7)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType] # no id
        pristo.upsert_contact(id=customer, emial="x")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue] # no such field
        pristo.upsert_contact(id=customer, name=b"x")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType] # no text
        pristo.upsert_contact(id=customer, custom_fields={"n": 1})  # type: ignore[dict-item] # pyright: ignore[reportCallIssue, reportArgumentType] # no text
        pristo.upsert_contact(PristoContact(id=customer), name="x")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue] # one or the other
    Pristo(http_client=httpx.Client())
    Pristo(http_client=httpx.AsyncClient())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # of the other kind
    Pristo(retries=3)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] # no such option
    with Retainful(app_id="a") as retainful:
        sent = retainful.upsert_contact(
            first_name="Ada",
            list_ids=["x"],
            email="ada@example.com",
            consent=consent,
            birth_date=date(1990, 1, 15),
            channels={"email": "x"},
        )
        assert_type(sent, RetainfulResult)
        assert_type(sent.created, None)
        identifier = Identifier(
            "phone", 12025550123, Channels(phone=Channel("subscribed")), consent
        )
        assert_type(
            retainful.upsert_contact(RetainfulContact("Ada", [], [identifier])), RetainfulResult
        )
        retainful.upsert_contact(email="ada@example.com")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue] # needs name and lists
        retainful.upsert_contact(first_name="Ada", list_ids=["x"], channels={"fax": "x"})  # type: ignore[dict-item] # pyright: ignore[reportCallIssue, reportArgumentType] # no such channel
        retainful.upsert_contact(PristoContact(id=customer))  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType] # the other service's


async def awaiting(customer: UUID) -> None:
    async with (
        AsyncPristo() as pristo,
        AsyncRetainful(http_client=httpx.AsyncClient()) as retainful,
    ):
        assert_type(await pristo.upsert_contact(id=customer), PristoResult)
        assert_type(await pristo.with_options(max_retries=1).check_credentials(), bool)
        assert_type(await retainful.upsert_contact(first_name="Ada", list_ids=()), RetainfulResult)
        awaited: PristoResult = pristo.upsert_contact(id=customer)  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] # not awaited
        print(awaited)
        with Pristo() as other:
            await other.upsert_contact(id=customer)  # type: ignore[misc] # pyright: ignore[reportGeneralTypeIssues] # nothing to await


def failing(call: Callable[[], object]) -> None:
    try:
        call()
    except InvalidRequestError as error:
        assert_type(error.faults, tuple[Fault, ...])
    except APIStatusError as error:
        assert_type(error.status_code, int)
        assert_type(error.retry_after, float | None)
        assert_type(error.code, str | None)
        assert_type(error.request_id, UUID)

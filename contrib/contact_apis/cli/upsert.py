"""The commands for one contact, and for none: ``upsert`` and ``check``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from contact_apis._bulk.outcome import state_of
from contact_apis._errors import (
    APIConnectionError,
    AuthenticationError,
    ConfigurationError,
    ContactAPIError,
    InternalServerError,
    PermissionDeniedError,
)
from contact_apis._importing.mapping import ColumnMapping, PhoneRules
from contact_apis._importing.rows import InputError
from contact_apis._importing.sender import EXIT_CODES
from contact_apis._vendors.base import BlockingClient, correlation_id
from contact_apis._vendors.record_mapper import CellError
from contact_apis._vendors.registry import VENDORS


def _client(to: str) -> BlockingClient[Any]:
    return VENDORS[to].blocking()


def upsert_one(
    to: str, fields: Mapping[str, str], own: Mapping[str, str], phones: PhoneRules, *, as_json: bool
) -> int:
    """Sends one contact and prints what became of it; the exit code.

    ``fields`` are by name; where there are none, a JSON object is read from standard input. ``own`` are custom fields by key.

    Raises:
        InputError, ConfigurationError: something that the user has to mend.
    """
    if both := sorted(set(fields) & set(own)):
        raise InputError(f"{', '.join(both)} is given with --set and with --custom; which is it?")
    mapping = ColumnMapping(VENDORS[to].mapper(), constants=fields, custom=list(own), phones=phones)
    client = _client(to)
    try:
        body = mapping.of_members({**({} if fields or own else _object_read()), **own})
    except CellError as error:
        raise InputError(str(error)) from None
    session, url = client._target()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # of this package
    failure: ContactAPIError | None = None
    status: int | None = None
    with client, correlation_id(None) as request_id:
        try:
            status = session.request(mapping.mapper.operation.method, url, json=body).status_code
        except ContactAPIError as error:
            failure = error
    state = state_of(mapping.mapper.operation, status, failure)
    if as_json:
        sys.stdout.write(
            json.dumps(
                {"state": state, "request_id": str(request_id), "error": failure and str(failure)}
            )
            + "\n"
        )
    else:
        sys.stdout.write(
            f"{state} (request {request_id})\n" if failure is None else f"{state}: {failure}\n"
        )
    return 0 if failure is None else _code(failure)


def check_services(names: Sequence[str]) -> int:
    """Prints of each service whether it can be reached and takes the credentials; the worst exit code."""
    codes: list[int] = []
    for name in names:
        try:
            with _client(name) as client:
                works = client.check_credentials()
            codes.append(0 if works else EXIT_CODES["credentials"])
            told = (
                "reached, and the credentials work"
                if works
                else "reached, and the credentials are refused"
            )
        except ConfigurationError as error:
            codes.append(2)
            told = str(error)
        except ContactAPIError as error:
            codes.append(EXIT_CODES["down"])
            told = str(error)
        sys.stdout.write(f"{name}: {told}\n")
    return max(codes)


def _object_read() -> dict[str, object]:
    if sys.stdin.isatty():
        raise InputError(
            "give the contact's fields with --set FIELD=VALUE, or a JSON object on standard input"
        )
    try:
        value = json.loads(sys.stdin.buffer.read())
    except (RecursionError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise InputError(
            "standard input must be one JSON object; or give the fields with --set FIELD=VALUE"
        )
    return cast("dict[str, object]", value)


def _code(error: ContactAPIError) -> int:
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return EXIT_CODES["credentials"]
    return EXIT_CODES["down"] if isinstance(error, APIConnectionError | InternalServerError) else 1

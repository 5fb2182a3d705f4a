"""``contact-apis upsert``: one contact."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer
from attrs import field, frozen

from contact_apis._errors import (
    APIConnectionError,
    AuthenticationError,
    ContactAPIError,
    InternalServerError,
    PermissionDeniedError,
)
from contact_apis._importing.options import (
    Assignment,
    LenientPhonesOption,
    Output,
    PhoneForm,
    PhonesOption,
    Target,
    assigned,
    phone_rules,
)
from contact_apis._vendors.registry import VENDORS

if TYPE_CHECKING:
    from uuid import UUID

EPILOG = "Example: contact-apis upsert --to pristo --set id=4b4fd4b2-7c6d-4e5a-9a9a-8d1f3c0f2a11 --set email=ada@example.com"


@frozen(kw_only=True)
class UpsertOptions:
    """What is typed for one contact."""

    to: Annotated[Target, typer.Option(help="Target service.")]
    sets: Annotated[
        list[Assignment],
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            parser=Assignment.by_first_sign,
            help="Set a field. Without any, a JSON object is read from standard input.",
        ),
    ] = field(factory=list[Assignment])
    custom: Annotated[
        list[Assignment],
        typer.Option(
            metavar="KEY=VALUE",
            parser=Assignment.by_first_sign,
            help="Set a custom field. Pristo only.",
        ),
    ] = field(factory=list[Assignment])
    region: Annotated[
        str | None,
        typer.Option(
            help="Default region of a phone number without a country code: two letters, such as GB."
        ),
    ] = None
    phone_form: PhonesOption = PhoneForm.PLUS
    lenient_phones: LenientPhonesOption = False
    output: Annotated[Output, typer.Option(help="Format of the outcome.")] = Output.TEXT


def upsert(options: UpsertOptions) -> int:
    """Create or update one contact, from options or from a JSON object on standard input.

    Exit codes: 0 done; 1 refused, failed or unknown; 2 usage or configuration; 3 credentials refused; 4 no response.
    """
    from contact_apis._bulk.outcome import state_of
    from contact_apis._importing.mapping import ColumnMapping
    from contact_apis._importing.rows import InputError
    from contact_apis._vendors.base import correlation_id
    from contact_apis._vendors.record_mapper import CellError

    fields = assigned("--set", options.sets)
    custom = assigned("--custom", options.custom)
    if both := sorted(fields.keys() & custom.keys()):
        raise typer.BadParameter(
            f"{', '.join(both)} is given with --set, too; which is it?", param_hint="'--custom'"
        )
    vendor = VENDORS[options.to]
    phones = phone_rules(options.region, options.phone_form, lenient=options.lenient_phones)
    mapping = ColumnMapping(vendor.mapper(), constants=fields, custom=list(custom), phones=phones)
    client = vendor.blocking()
    members: dict[str, object] = {**custom}
    if not fields and not custom:
        members = _read_object()
    try:
        body = mapping.of_members(members)
    except CellError as error:
        raise InputError(str(error)) from None
    session, url = client._target()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # of this package
    operation = mapping.mapper.operation
    failure: ContactAPIError | None = None
    status: int | None = None
    with client, correlation_id(None) as request_id:
        try:
            status = session.request(operation.method, url, json=body).status_code
        except ContactAPIError as error:
            failure = error
    state = state_of(operation, status, failure)
    _print_outcome(state, request_id, failure, options.output)
    return _exit_code(failure)


def _print_outcome(
    state: str, request_id: UUID, failure: ContactAPIError | None, output: Output
) -> None:
    message = None
    if failure is not None:
        message = str(failure)
    if output is Output.JSON:
        line = json.dumps({"state": state, "request_id": str(request_id), "error": message})
    elif message is None:
        line = f"{state} (request {request_id})"
    else:
        line = f"{state}: {message}"
    sys.stdout.write(f"{line}\n")


def _read_object() -> dict[str, object]:
    """The contact that standard input holds."""
    from contact_apis._importing.rows import InputError

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


def _exit_code(failure: ContactAPIError | None) -> int:
    from contact_apis._importing.sender import EXIT_CODES

    match failure:
        case None:
            return 0
        case AuthenticationError() | PermissionDeniedError():
            return EXIT_CODES["credentials"]
        case APIConnectionError() | InternalServerError():
            return EXIT_CODES["down"]
        case _:
            return 1

"""The error that a failed call ends with: its class, its words, and what they may show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

import httpx
from attrs import frozen

from contact_apis import _errors as errors  # pyright: ignore[reportPrivateUsage] # a module of this package
from contact_apis._errors import Fault
from contact_apis._openapi.document import Json

from .delivery import Response, Unreadable, delivery
from .error_body import ErrorBody
from .redaction import LONGEST_WORDS, speakable, without
from .secrets import SecretHeaders

_WRITTEN = "the contact may have been written"
_EARLIER = "an earlier attempt may have been carried out"
# What the README tells callers to look for: true of all attempts, or not in the text.
_NEVER_SENT = "the request was never sent"


@frozen
class FailedCall:
    """What an error reports of the call that failed."""

    service: str
    """The name of the service."""
    secrets: SecretHeaders
    """The credentials that the call carried; no error shows them."""
    body: Json
    """What was sent; an error shows the names of its members, and no value."""
    request_id: UUID
    """The correlation id: of the response, or else of the request."""
    attempts: int
    perhaps_written: bool
    error_body: ErrorBody
    """Where the service's errors have their words."""
    probing: bool
    """Whether the request was meant to be rejected."""

    def redact(self, words: str) -> str:
        """A service's words as an error may show them."""
        return speakable(words, self.secrets, self.body)


def error_of(
    call: FailedCall,
    outcome: Response | Exception,
    violations: Sequence[Fault],
    asked: float | None,
) -> errors.APIError:
    """The error for the last attempt of a call.

    Args:
        call: the call that failed.
        outcome: of its last attempt.
        violations: where a success violates the OpenAPI document; empty for any other outcome.
        asked: the seconds that the response asked to wait, if it did.
    """
    if isinstance(outcome, Unreadable):
        return _violation_error(call, outcome.status, [Fault("", str(outcome))])
    if isinstance(outcome, Exception):
        return _connection_error(call, outcome)
    if violations:
        return _violation_error(call, outcome.status_code, violations)
    return _status_error(call, outcome, asked)


def _status_error(
    call: FailedCall, response: Response, asked: float | None
) -> errors.APIStatusError:
    """For a status that the call was not made for."""
    status = response.status_code
    code, message = call.error_body.words(_json_of(response))
    code = _without_secrets(call, code)
    message = _without_secrets(call, message)
    reported = ": ".join(call.redact(words) for words in (code, message) if words)
    text = f"{call.service} returned {status}"
    if reported:
        text += f": {reported}"
    else:
        text += _remark(call, response)
    if call.perhaps_written:
        text += f"; {_what_may_be_written(response)}"
    kind = errors.status_error(status)
    return kind(
        text,
        call.request_id,
        call.attempts,
        call.perhaps_written,
        status_code=status,
        code=code,
        message=message,
        retry_after=asked,
    )


def _connection_error(call: FailedCall, failure: Exception) -> errors.APIConnectionError:
    """For an attempt that got no readable response."""
    why = type(failure).__name__
    if isinstance(failure, httpx.ConnectError):  # its text holds nothing that the service sent
        why += f": {failure}"
    consequence = _WRITTEN
    if not delivery(failure).may_be_written:
        consequence = _NEVER_SENT
        if call.perhaps_written:
            consequence = f"this attempt did not reach it; {_EARLIER}"
    text = f"no response from {call.service}: {why}; {consequence}"
    kind: type[errors.APIConnectionError] = errors.APIConnectionError
    if isinstance(failure, httpx.TimeoutException | TimeoutError):
        kind = errors.APITimeoutError
    return kind(text, call.request_id, call.attempts, call.perhaps_written)


def _violation_error(
    call: FailedCall, status: int, violations: Sequence[Fault]
) -> errors.APIResponseValidationError:
    """For a success that violates the OpenAPI document."""
    shown = tuple(Fault(call.redact(fault.path), fault.remedy) for fault in violations)
    text = f"{call.service} returned {status}, so {_WRITTEN}, but the body violates its OpenAPI document: "
    text += "; ".join(map(str, shown))
    return errors.APIResponseValidationError(
        text,
        call.request_id,
        call.attempts,
        perhaps_written=True,
        status_code=status,
        faults=shown,
    )


def _what_may_be_written(response: Response) -> str:
    if delivery(response).may_be_written:
        return _WRITTEN
    return _EARLIER


def _without_secrets(call: FailedCall, words: str | None) -> str | None:
    if not words:
        return words
    return without(call.secrets, words)[:LONGEST_WORDS]


def _json_of(response: Response) -> object:
    """The JSON of a response, or ``None``."""
    try:
        body: object = json.loads(response.content)
        json.dumps(
            body, ensure_ascii=False
        ).encode()  # a lone surrogate, which an escape can spell, is no text
    except (httpx.ResponseNotRead, RecursionError, ValueError):
        return None
    return body


def _is_html(response: Response) -> bool:
    media_type = response.headers.get("Content-Type", "").strip().lower()
    if media_type.startswith(("text/html", "application/xhtml")):
        return True
    try:
        start = response.content.lstrip()[:15].lower()
    except httpx.ResponseNotRead:
        return False
    return start.startswith((b"<!doctype html", b"<html"))


def _remark(call: FailedCall, response: Response) -> str:
    """What can be reported about a response without a message of its own."""
    status = response.status_code
    if status >= 400 and _is_html(response):
        return ": HTML from a firewall or a proxy, not from the API"
    if 200 <= status <= 299 and call.probing:
        return " to a request that violates its OpenAPI document"
    if 200 <= status <= 299:
        return ", which its OpenAPI document does not list for this operation"
    if 300 <= status <= 399:
        return ": redirects are not followed"
    return " without a message"

"""What became of one contact of many."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from attrs import field, frozen

from contact_apis._errors import APIError, APIStatusError, ContactAPIError
from contact_apis._http.plain import Plain
from contact_apis._openapi.document import Json, Operation

State = Literal["created", "updated", "accepted", "refused", "failed", "unknown"]
SUCCEEDED: tuple[State, ...] = ("created", "updated", "accepted")
MAY_SUCCEED_LATER = (401, 403, 408, 429)
"""Statuses that say nothing about the contact itself."""


@frozen
class UpsertOutcome(Plain):
    """What became of one contact of many."""

    index: int
    """The contact's place in the input, from 0."""
    state: State
    """``created`` or ``updated``; ``accepted`` where the service does not report which; ``refused``: it breaks the contract or the
    service rejects it; ``failed``: it was not written; ``unknown``: it may have been written."""
    status: int | None
    """The status of the last response, if there was one."""
    request_id: UUID | None
    """The correlation id; ``None`` where nothing was sent."""
    attempts: int
    """How many times it was tried."""
    error: ContactAPIError | None
    """Why it did not succeed."""
    contact: object = field(repr=False)
    """The contact as it was given."""

    @property
    def succeeded(self) -> bool:
        return self.state in SUCCEEDED

    def to_dict(self) -> Json:
        """The outcome as ``json.dumps`` takes it: ``request_id`` and ``error`` as text, and no ``contact``, which is personal data."""
        return {
            "index": self.index,
            "state": self.state,
            "status": self.status,
            "request_id": None if self.request_id is None else str(self.request_id),
            "attempts": self.attempts,
            "error": None if self.error is None else str(self.error),
        }


def state_of(operation: Operation, status: int | None, error: ContactAPIError | None) -> State:
    """What is known of a contact whose call ended with this status or this error."""
    if error is not None:
        return _state_after(error)
    if not operation.documents(201):
        return "accepted"
    if status == 201:
        return "created"
    return "updated"


def _state_after(error: ContactAPIError) -> State:
    if not isinstance(error, APIError):
        return "refused"
    if error.perhaps_written:
        return "unknown"  # a refusal too, where an earlier attempt may have been carried out
    if not isinstance(error, APIStatusError):
        return "failed"
    if 400 <= error.status_code <= 499 and error.status_code not in MAY_SUCCEED_LATER:
        return "refused"
    return "failed"

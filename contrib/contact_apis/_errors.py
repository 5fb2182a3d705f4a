"""Everything that these clients raise, as one tree.

::

    ContactAPIError
    ├── ConfigurationError            the client cannot be built, or is closed
    ├── InvalidRequestError           the request breaks the contract; nothing was sent
    └── APIError                      the call was made and did not succeed
        ├── APIConnectionError        no answer, or none that can be read
        │   └── APITimeoutError
        ├── APIStatusError            an answer that is no success
        │   ├── BadRequestError       400
        │   ├── AuthenticationError   401
        │   ├── PermissionDeniedError 403
        │   ├── NotFoundError         404
    │   ├── ConflictError         409
    │   ├── UnprocessableEntityError 422
        │   ├── RateLimitError        429
        │   └── InternalServerError   500 to 599
        └── APIResponseValidationError  a success that breaks the contract

Errors hold plain data and pickle. None has a cause: what httpx raises holds the request, and with it the credentials.
Texts show neither credentials nor what was sent, a service's own words included.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen


@frozen
class Fault:
    """One thing that is wrong with a JSON value: where, and what to do about it. Never shows the value."""

    path: str
    """Where: names after dots and places in brackets, as in ``identifiers[0].consent.ip``; empty for the whole."""
    remedy: str
    """What it must be."""

    def __str__(self) -> str:
        return f"{self.path or 'body'} {self.remedy}"


class ContactAPIError(Exception):
    """The root: whatever goes wrong in a call is one of these."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[ContactAPIError], arguments: tuple[object, ...], facts: dict[str, object]
) -> ContactAPIError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(facts)
    return error


class ConfigurationError(ContactAPIError):
    """The client cannot work as it was set up: a credential, an address or a number is missing or impossible."""


class InvalidRequestError(ContactAPIError):
    """The request breaks the contract, and nothing was sent."""

    faults: tuple[Fault, ...]
    """Everything that is wrong, each with the path of its field and a remedy; values are never shown."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("nothing was sent: " + "; ".join(map(str, faults)))
        self.faults = tuple(faults)


class APIError(ContactAPIError):
    """The call was made and did not succeed."""

    request_id: UUID
    """The correlation id: the service's own where it answered with one, else the one that all attempts carried."""
    attempts: int
    """How many times the request was tried."""
    perhaps_written: bool
    """Whether the service may have carried out the request, at this attempt or an earlier one."""

    def __init__(
        self, text: str, request_id: UUID, attempts: int, perhaps_written: bool, **facts: object
    ) -> None:
        super().__init__(
            f"{text} (request {request_id}, {attempts} attempt{'s' * (attempts != 1)})"
        )
        self.__dict__.update(
            facts, request_id=request_id, attempts=attempts, perhaps_written=perhaps_written
        )


class APIConnectionError(APIError):
    """No answer came, or none that is whole HTTP. Unless the text says "never sent", the write may have happened: see ``perhaps_written``."""


class APITimeoutError(APIConnectionError):
    """No answer came in time."""


class APIStatusError(APIError):
    """The service answered with a status that is no success, or that its contract does not know."""

    status_code: int
    code: str | None
    """The service's code for the error, where its body has one; credentials are masked."""
    message: str | None
    """The service's own words, up to 2,000 characters, where its body has some; credentials are masked, other data may show."""
    retry_after: float | None
    """Seconds to wait before the next try, as the answer's ``Retry-After`` says."""


class BadRequestError(APIStatusError):
    """400: the service refuses what was sent."""


class AuthenticationError(APIStatusError):
    """401: the credentials are missing or not valid."""


class PermissionDeniedError(APIStatusError):
    """403: the credentials do not allow this."""


class NotFoundError(APIStatusError):
    """404: there is nothing at this address."""


class ConflictError(APIStatusError):
    """409: what was sent is at odds with what the service holds."""


class UnprocessableEntityError(APIStatusError):
    """422: the service reads what was sent, and does not accept a value in it."""


class RateLimitError(APIStatusError):
    """429: too many requests; see ``retry_after``."""


class InternalServerError(APIStatusError):
    """500 to 599: something is wrong at the service or on the way to it."""


class APIResponseValidationError(APIError):
    """The service says that it succeeded, and its answer breaks the contract. The write may have happened."""

    status_code: int
    faults: tuple[Fault, ...]
    """What is wrong with the answer, by path, up to twenty faults; values are never shown."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error(status: int) -> type[APIStatusError]:
    """The class for a status."""
    if 500 <= status <= 599:
        return _BY_STATUS.get(status, InternalServerError)
    return _BY_STATUS.get(status, APIStatusError)

"""Typed clients for the contact APIs of Pristo and Retainful."""

from importlib import import_module
from typing import TYPE_CHECKING

from ._errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ContactAPIError,
    Fault,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from ._version import __version__

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncPristo",
    "AsyncRetainful",
    "AuthenticationError",
    "BadRequestError",
    "Channel",
    "Channels",
    "ConfigurationError",
    "ConflictError",
    "Consent",
    "ContactAPIError",
    "Fault",
    "Identifier",
    "InternalServerError",
    "InvalidRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "Pristo",
    "PristoContact",
    "PristoResult",
    "RateLimitError",
    "Retainful",
    "RetainfulContact",
    "RetainfulResult",
    "UnprocessableEntityError",
    "UpsertOutcome",
    "__version__",
    "phone",
]

if TYPE_CHECKING:
    from contact_apis._bulk.outcome import UpsertOutcome
    from contact_apis._values.phones import phone
    from contact_apis._vendors.pristo.client import AsyncPristo, Pristo, PristoContact, PristoResult
    from contact_apis._vendors.retainful.client import (
        AsyncRetainful,
        Channel,
        Channels,
        Consent,
        Identifier,
        Retainful,
        RetainfulContact,
        RetainfulResult,
    )
else:
    _PLACES = {"UpsertOutcome": "_bulk.outcome", "phone": "_values.phones"}
    _PLACES |= dict.fromkeys(
        ("AsyncPristo", "Pristo", "PristoContact", "PristoResult"), "_vendors.pristo.client"
    )
    _PLACES |= dict.fromkeys(
        (
            "AsyncRetainful",
            "Channel",
            "Channels",
            "Consent",
            "Identifier",
            "Retainful",
            "RetainfulContact",
            "RetainfulResult",
        ),
        "_vendors.retainful.client",
    )

    def __getattr__(name: str) -> object:
        """Loads a client or function when it is first asked for, so that nobody waits for what they do not use."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"{__name__}.{_PLACES[name]}")
        value = globals()[name] = getattr(module, name)
        return value

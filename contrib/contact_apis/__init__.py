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
    ContactAPIError,
    Fault,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

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
    "UpsertOutcome",
    "__version__",
]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ._bulk import UpsertOutcome
    from ._pristo import AsyncPristo, Pristo, PristoContact, PristoResult
    from ._retainful import AsyncRetainful, Channel, Channels, Consent, Identifier, Retainful, RetainfulContact, RetainfulResult
else:

    def __getattr__(name: str) -> object:
        """Loads a client when it is first asked for, so that nobody waits for the one that they do not use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        place = "_bulk" if name == "UpsertOutcome" else "_pristo" if "Pristo" in name else "_retainful"
        module = import_module(f".{place}", __name__)
        value = globals()[name] = getattr(module, name)
        return value

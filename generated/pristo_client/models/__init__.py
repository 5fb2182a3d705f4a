"""Contains all the data models used in inputs/outputs"""

from .contact import Contact
from .contact_custom_fields import ContactCustomFields
from .contact_response import ContactResponse
from .contact_upsert_request import ContactUpsertRequest
from .error_response import ErrorResponse
from .error_response_error import ErrorResponseError

__all__ = (
    "Contact",
    "ContactCustomFields",
    "ContactResponse",
    "ContactUpsertRequest",
    "ErrorResponse",
    "ErrorResponseError",
)

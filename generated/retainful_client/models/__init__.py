"""Contains all the data models used in inputs/outputs"""

from .accepted import Accepted
from .channel import Channel
from .channels import Channels
from .consent import Consent
from .contact import Contact
from .error import Error
from .error_status import ErrorStatus
from .identifier import Identifier
from .identifier_type import IdentifierType

__all__ = (
    "Accepted",
    "Channel",
    "Channels",
    "Consent",
    "Contact",
    "Error",
    "ErrorStatus",
    "Identifier",
    "IdentifierType",
)

from typing import Literal

IdentifierType = Literal["email", "phone"]

IDENTIFIER_TYPE_VALUES: set[IdentifierType] = {
    "email",
    "phone",
}


def check_identifier_type(value: str) -> IdentifierType:
    if value in IDENTIFIER_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {IDENTIFIER_TYPE_VALUES!r}"
    )

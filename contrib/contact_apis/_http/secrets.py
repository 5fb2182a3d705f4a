"""Credentials that nothing shows: no repr, and no local variable that a traceback is printed with or a crash reporter sends.

Reporters print what ``repr`` says (rich), or walk through mappings and sequences and copy text (Sentry). So a credential is held
by an opaque object, and taken out of it only in the expression that hands it to a library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

HIDDEN = "***"
Value = TypeVar("Value")


class Secret(Generic[Value]):
    """One value that is not shown."""

    __slots__ = ("_value",)

    def __init__(self, value: Value) -> None:
        self._value = value

    def reveal(self) -> Value:
        """The value; not to be bound to a name."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __getstate__(self) -> object:
        raise TypeError("a secret is not written anywhere by itself")


class SecretText(str):
    """Text that goes out as it is and whose repr hides it, also as the bytes that httpx makes of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{HIDDEN}'"

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """As ``str`` does."""
        return SecretBytes(super().encode(encoding, errors))


class SecretBytes(bytes):
    """What :class:`SecretText` is, for bytes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"b'{HIDDEN}'"

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """As ``bytes`` does."""
        return SecretText(super().decode(encoding, errors))


class SecretHeaders:
    """Headers of a request, some or all of which carry credentials."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers: dict[str, str] = {name: SecretText(value) for name, value in headers.items()}

    def with_plain(self, headers: Mapping[str, str]) -> SecretHeaders:
        """These and others."""
        joined = SecretHeaders({})
        joined._headers = {**self._headers, **headers}
        return joined

    def reveal(self) -> dict[str, str]:
        """Name and value of each; not to be bound to a name."""
        return dict(self._headers)

    def added_to(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Headers as httpx holds them, with these in the place of those of the same names; not to be bound to a name."""
        names = {name.lower().encode("ascii") for name in self._headers}
        kept = [each for each in headers if each[0].lower() not in names]
        return kept + [
            (name.encode("ascii"), value.encode("ascii")) for name, value in self._headers.items()
        ]

    def __iter__(self) -> Iterator[str]:
        """Their values, to be hidden where somebody else quotes them."""
        return iter(self._headers.values())

    def __contains__(self, name: object) -> bool:
        return name in self._headers

    def __repr__(self) -> str:
        return f"SecretHeaders({', '.join(self._headers)})"

"""Where the body of an error has its words."""

from __future__ import annotations

from typing import Any, cast

from attrs import frozen


@frozen
class ErrorBody:
    """The members of a service's errors that hold a code and a message."""

    member: str = "error"
    """The member that holds both; a body without it is looked at itself, as a gateway's may be."""
    code: str = "code"
    message: str = "message"

    def words(self, body: object) -> tuple[str | None, str | None]:
        """The code and the message of a JSON value, where it has such as text."""
        members = _members(body)
        if self.member in members:
            members = _members(members[self.member])
        code = _text(members.get(self.code))
        message = _text(members.get(self.message))
        return code, message


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

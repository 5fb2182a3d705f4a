"""Results as JSON: for a log, a queue, or the response of a web application."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contact_apis._openapi.document import Json


class Plain(ABC):
    """A result that can be written as JSON.

    ``dict(result)`` is ``result.to_dict()``: FastAPI takes it for a result that a function without a return type returns.
    """

    __slots__ = ()

    @abstractmethod
    def to_dict(self) -> Json:
        """The result as a dictionary that ``json.dumps`` takes."""

    def keys(self) -> Iterable[str]:
        """The names in :meth:`to_dict`."""
        return self.to_dict().keys()

    def __getitem__(self, name: str) -> object:
        return self.to_dict()[name]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> dict[str, Any]:
        """Lets pydantic, and so FastAPI, take the class as the return type of a function, or as the type of a field.

        Pydantic's schemas are dictionaries, so this needs no pydantic.
        """
        written = {
            "type": "function-plain",
            "function": cls.to_dict,
            "return_schema": {"type": "dict", "keys_schema": {"type": "str"}},
        }
        return {"type": "is-instance", "cls": cls, "serialization": written}

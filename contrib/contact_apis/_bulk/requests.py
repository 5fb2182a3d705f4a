"""A contact as a request: checked, written, and with the keys by which its order is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from contact_apis._errors import Fault, InvalidRequestError
from contact_apis._http.call import Service, drop_unset, encode_or_reject
from contact_apis._openapi.document import Json


class PreparedRequest(NamedTuple):
    """A contact that fits the contract, ready to be sent."""

    body: Json
    content: bytes
    ordering_keys: tuple[str, ...]
    """Requests that share one are sent in the order of the input, one at a time."""


def prepare_request(service: Service, build: Callable[[], Json]) -> PreparedRequest:
    """A request body, checked and written.

    Raises:
        InvalidRequestError: it breaks the contract.
    """
    body: Any = drop_unset(service.unset, encode_or_reject(lambda: _built(build)))
    content = encode_or_reject(lambda: _encode(body), body)
    schema = service.upsert.body
    if schema is not None:
        faults = schema.faults(body)
        if faults:
            raise InvalidRequestError(faults)
    return PreparedRequest(body, content, service.identities(body))


def _encode(body: Any) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _built(build: Callable[[], Json]) -> Json:
    """What ``build`` returns; a keyword that does not exist or is missing is named."""
    try:
        return build()
    except TypeError as error:
        wrong = re.search(r"(unexpected|missing).*?'(\w+)'(.*)", str(error))
        if wrong is None:
            raise
    problem, name, rest = wrong.groups()
    if problem == "missing":
        raise InvalidRequestError([Fault(name, "is missing")])
    raise InvalidRequestError([Fault(name, f"is not a field of a contact{rest}")])

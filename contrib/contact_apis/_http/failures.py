"""What went wrong with a call, as the error that is raised. Loaded with the first call that fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from contact_apis import _errors as errors  # pyright: ignore[reportPrivateUsage] # a module of this package
from contact_apis._errors import Fault

from .call import Answer, Unreadable, delivery, id_in
from .redaction import LONGEST_WORDS, speakable, without

if TYPE_CHECKING:
    from .call import Call

_HAPPENED = "the write may have happened"
_EARLIER = "an earlier attempt may have been carried out"


def error_of(call: Call, outcome: Answer | Exception, faults: list[Fault] | None, asked: float | None) -> errors.APIError:
    """The error for the last attempt of a call: ``faults`` are those of a success, ``asked`` the seconds to wait that it names."""
    if isinstance(outcome, Unreadable):
        return _unfit(call, outcome.status, call.request_id, [Fault("", str(outcome))])
    if isinstance(outcome, Exception):
        return _failed(call, outcome)
    status, request_id = outcome.status_code, id_in(outcome.headers, call.request_id)
    if faults is not None:
        return _unfit(call, status, request_id, faults)
    secrets = call.service.credentials
    words = [each and without(secrets, each)[:LONGEST_WORDS] for each in call.service.error_body.words(_json_of(outcome))]
    said = ": ".join(speakable(each, secrets, call.body) for each in words if each) or _remark(outcome)
    facts = {"status_code": status, "code": words[0], "message": words[1], "retry_after": asked}
    text = f"{call.service.name} answered {status}: {said}"
    if call.perhaps_written:
        text += f"; {_HAPPENED if delivery(outcome).may_be_written else _EARLIER}"
    return errors.status_error(status)(text, request_id, call.attempts, call.perhaps_written, **facts)


def _failed(call: Call, failure: Exception) -> errors.APIError:
    """For an attempt that got no readable answer."""
    why = type(failure).__name__
    if isinstance(failure, httpx.ConnectError):  # its text holds nothing that the service said
        why += f": {failure}"
    sent = _HAPPENED
    if not delivery(failure).may_be_written:
        never = "the request was never sent"  # what the README tells callers to look for: true of all attempts or not said
        sent = f"this attempt did not reach it; {_EARLIER}" if call.perhaps_written else never
    timed_out = isinstance(failure, httpx.TimeoutException | TimeoutError)
    kind = errors.APITimeoutError if timed_out else errors.APIConnectionError
    return kind(f"no answer from {call.service.name}: {why}; {sent}", call.request_id, call.attempts, call.perhaps_written)


def _unfit(call: Call, status: int, request_id: UUID, faults: list[Fault]) -> errors.APIResponseValidationError:
    """For a success that breaks the contract."""
    secrets = call.service.credentials
    shown = tuple(Fault(speakable(each.path, secrets, call.body), each.remedy) for each in faults)
    text = f"{call.service.name} answered {status}, so the write may have happened, but its body breaks the contract: "
    text += "; ".join(map(str, shown))
    return errors.APIResponseValidationError(text, request_id, call.attempts, perhaps_written=True, status_code=status, faults=shown)


def _json_of(response: Answer) -> object:
    """The JSON of a response; ``None`` where it is not any."""
    try:
        body: object = json.loads(response.content)
        json.dumps(body, ensure_ascii=False).encode()  # a lone surrogate, which an escape can spell, is no text
    except (httpx.ResponseNotRead, RecursionError, ValueError):
        return None
    return body


def _is_html(response: Answer) -> bool:
    if response.headers.get("Content-Type", "").strip().lower().startswith(("text/html", "application/xhtml")):
        return True
    try:
        return response.content.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
    except httpx.ResponseNotRead:
        return False


def _remark(response: Answer) -> str:
    status = response.status_code
    if status >= 400 and _is_html(response):
        return "HTML from a firewall or a proxy, not from the API"
    if 200 <= status <= 299:
        return "no success that its contract knows for this request"
    return "redirects are not followed" if 300 <= status <= 399 else "without saying why"

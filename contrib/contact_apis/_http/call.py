"""One call, decided without I/O: what may be sent, when it is tried again, and what comes out.

:class:`Call` is told what happened and what time it is; the sessions and the bulk transport only act on what it says.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal, NoReturn, Protocol, TypeVar, cast
from uuid import UUID, uuid4

import httpx
from attrs import field, frozen

from contact_apis import _errors as errors  # pyright: ignore[reportPrivateUsage] # a module of this package
from contact_apis._errors import Fault
from contact_apis._openapi.document import IDEMPOTENT_METHODS, Contract, Json, Operation

from .error_body import ErrorBody
from .secrets import SecretHeaders

log = logging.getLogger("contact_apis")
Made = TypeVar("Made")


class Answer(Protocol):
    """What is looked at in an answer: of httpx, or of whatever else carried the request."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


AnyAnswer = TypeVar("AnyAnswer", bound=Answer)

PROBE = "contact_apis.probe"
"""Request extension: the body is meant to be refused, so 400 and 401 are answers and a success is none."""
ID_HEADER = "X-Request-Id"
NO_ID = UUID(int=0)

# Retries and their pace are those of section 4 of the project's design.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
HOPELESS = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
LONGEST_RETRY_AFTER = 120.0  # seconds; who is asked to wait longer is told instead
LONGEST = 86400.0  # seconds; what is far above it overflows in the system's calls
MOST_FAULTS = 20  # of a response that are told; a hostile one has as many as it likes
FIRST_DELAY, DOUBLINGS = 0.5, 4  # 0.5 s, 1 s, 2 s, 4 s, then 8 s


@frozen
class Delivery:
    """What an attempt that ended in a certain way means for the next one, and for what the service may have done."""

    retry: Literal["always", "if idempotent", "never"]
    may_be_written: bool


# What these say and their neighbours do not; the rest follows from the hundred (see `delivery`).
_BY_STATUS: Mapping[int, Delivery] = {
    # RFC 9110, 15.4: the same request is to be made elsewhere, so it was not carried out here. After the other redirects a client
    # may go on with GET: 303, and by old custom 301 and 302, are how a server ends a POST that it did carry out.
    307: Delivery("never", may_be_written=False),
    308: Delivery("never", may_be_written=False),
    408: Delivery("if idempotent", may_be_written=False),
    429: Delivery("always", may_be_written=False),
    499: Delivery("never", may_be_written=True),  # a proxy's own: it stopped waiting for the service behind it
    500: Delivery("if idempotent", may_be_written=True),
    502: Delivery("if idempotent", may_be_written=True),
    503: Delivery("if idempotent", may_be_written=False),
    504: Delivery("if idempotent", may_be_written=True),
    # Those of a content delivery network whose service failed, was down, out of reach, or silent.
    **dict.fromkeys(range(520, 525), Delivery("if idempotent", may_be_written=True)),
}


class Unreadable(Exception):  # noqa: N818 # an outcome that a session reports, never raised to callers
    """A success whose body cannot be had: wrongly encoded, or far too long."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _timeout(value: float | httpx.Timeout | None) -> httpx.Timeout:
    if isinstance(value, httpx.Timeout):
        return value
    return httpx.Timeout(_seconds(value), connect=None if value is None else min(value, 5.0))


def _seconds(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and 0 < value <= LONGEST):
        return value
    raise errors.ConfigurationError(f"timeout and total_timeout must be seconds above 0 and up to {LONGEST:.0f}, or None")


def _count(value: object) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise errors.ConfigurationError("max_retries must be a whole number from 0")


@frozen
class Policy:
    """How long a call may take, in seconds, and how often it is tried again."""

    timeout: httpx.Timeout = field(default=httpx.Timeout(30.0, connect=5.0), converter=_timeout)
    total_timeout: float | None = field(default=180.0, converter=_seconds)
    max_retries: int = field(default=2, converter=_count)


def _nothing_foreign(_sent: Json, _shown: object) -> list[Fault]:
    return []


Addressed = tuple[Operation, list[Fault]]
Addresses = dict[tuple[str, str, bytes, bytes], Addressed]
MOST_ADDRESSES = 64  # that are remembered


@frozen
class Service:
    """Whom a call addresses, and as whom."""

    name: str
    contract: Contract
    credentials: SecretHeaders = field(repr=False)
    unset: type[object]
    """What the generated package's models hold for members that were left out."""
    idempotent: Callable[[Json], bool]
    """Whether a request with this body may be processed twice."""
    identities: Callable[[Json], tuple[str, ...]]
    """What a body's contact is recognised by: two bodies that share one of these are about the same contact."""
    upsert: Operation
    """The operation that contacts are sent to; ``idempotent`` and ``identities`` are about its requests."""
    account: tuple[str, ...] = ()
    """What tells the account apart besides the address and the secret key."""
    base_url: httpx.URL = field(factory=httpx.URL)
    """Where it is."""
    foreign: Callable[[Json, object], list[Fault]] = field(default=_nothing_foreign, kw_only=True)
    """What shows that a response is that to another request: takes the body that was sent and the one that came."""
    addressed: Addresses = field(factory=Addresses, init=False, eq=False, repr=False)
    """What is known of addresses that were called: the operation, and what is wrong with the parameters in the path."""
    noticed: dict[str, object] = field(factory=dict[str, object], init=False, eq=False, repr=False)
    """What a client says once in its log, and has said."""
    repeatable: Callable[[Json], Json] = field(default=lambda body: body, kw_only=True)
    """A body that says the same and may be processed twice."""
    error_body: ErrorBody = field(default=ErrorBody(), kw_only=True)
    """Where its errors have their words."""


def delay(retry: int, asked: float | None, chance: float) -> float:
    """Seconds before a retry (the first is 0), given what the answer asked for and a chance from 0 to 1."""
    if asked is not None:
        return asked + chance * min(1.0, asked / 10)
    return FIRST_DELAY * 2.0 ** min(retry, DOUBLINGS) * (1 - chance / 4)


def retry_after(text: str, today: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for, from its two forms (RFC 9110, 10.2.3); ``None`` for anything else.

    ``today`` is the wall clock's time in seconds since 1970.
    """
    if seconds := re.fullmatch(r"\s*([0-9]+(\.[0-9]+)?)\s*", text):
        return float(seconds[1])
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - today)
    except (ValueError, OverflowError):
        return None


def delivery(outcome: Answer | Exception) -> Delivery:
    """The retry table: the service may fail, hang up or say something unheard of after it did the work."""
    if isinstance(outcome, NEVER_SENT):
        return Delivery("always", may_be_written=False)
    if isinstance(outcome, HOPELESS):
        return Delivery("never", may_be_written=False)
    if isinstance(outcome, Unreadable):
        return Delivery("never", may_be_written=True)
    if isinstance(outcome, Exception):
        return Delivery("if idempotent", may_be_written=True)
    refused = 400 <= outcome.status_code <= 499
    return _BY_STATUS.get(outcome.status_code) or Delivery("never", may_be_written=not refused)


def may_repeat(outcome: Answer | Exception, *, idempotent: bool) -> bool:
    """Whether another try can do no harm and may help."""
    retry = delivery(outcome).retry
    return retry == "always" or (retry == "if idempotent" and idempotent)


_decoder = json.JSONDecoder(parse_constant=int)  # no int is NaN or infinite, which are no JSON


class Call:
    """One call from its request to its end.

    Args:
        operation: of the service's contract, which ``body`` fits.
        request_id: the correlation id that goes out with every attempt.
        now: seconds of a clock that never goes back.
        probing: the body is meant to be refused, so 400 and 401 are answers and a success is none.
    """

    def __init__(
        self, service: Service, policy: Policy, operation: Operation, body: Json, request_id: UUID, now: float, *, probing: bool = False
    ) -> None:
        self.service, self.policy, self.operation, self.body = service, policy, operation, body
        self.request_id, self.probing = request_id, probing
        self.attempts, self.perhaps_written = 0, False
        self._decoded: tuple[Answer, object] | None = None
        self.last = False  # whether this attempt is the last, whatever comes of it
        self.idempotent = service.idempotent(body) if operation is service.upsert else operation.method in IDEMPOTENT_METHODS
        self.deadline = None if policy.total_timeout is None else now + policy.total_timeout

    @property
    def headers(self) -> SecretHeaders:
        """What identifies the caller and the call."""
        named = {ID_HEADER: str(self.request_id)} if ID_HEADER.lower() in self.operation.header_parameters else {}
        return self.service.credentials.with_plain(named)

    def begin(self, now: float) -> dict[str, float | None]:
        """Counts an attempt, and gives its timeouts (those of httpx, in seconds), none of which ends after the call."""
        self.attempts += 1
        timeouts: dict[str, float | None] = self.policy.timeout.as_dict()
        if self.deadline is None:
            return timeouts
        left = max(0.001, self.deadline - now)
        return {name: left if each is None else min(left, each) for name, each in timeouts.items()}

    def give_up(self, outcome: Answer | Exception, now: float, today: float) -> NoReturn:
        """Raises what a call ends with when there is no further attempt."""
        self.last = True
        self.settle(outcome, now, today)
        raise AssertionError("the last attempt had a response after all")

    def settle(self, outcome: AnyAnswer | Exception, now: float, today: float) -> AnyAnswer | float:
        """What follows from an attempt: its answer, or the seconds to wait before the next.

        Raises:
            APIError: the call is over and did not succeed.
        """
        if isinstance(outcome, httpx.HTTPStatusError):  # by a hook of the caller's own client
            outcome = cast("AnyAnswer", outcome.response)
        self.perhaps_written = self.perhaps_written or delivery(outcome).may_be_written
        self._compare_ids(outcome)
        text = None if isinstance(outcome, Exception) else outcome.headers.get("Retry-After")
        asked = None if text is None else retry_after(text, today)
        faults = self._faults(outcome)
        self._decoded = None  # an error's traceback would keep it
        wait = None if faults == [] else self._wait(outcome, asked, now)
        result = type(outcome).__name__ if isinstance(outcome, Exception) else outcome.status_code
        told = (self.service.name, self.operation.method, self.operation.operation_id, result, self.attempts, wait, self.request_id)
        log.log(logging.DEBUG if wait is None else logging.INFO, "%s %s %s: %s, attempt %d, wait %s, request %s", *told)
        if wait is not None:
            return wait
        if isinstance(outcome, Exception) or faults != []:
            from .failures import error_of

            error = error_of(self, outcome, faults, asked)
            del outcome, text, faults  # a service may quote credentials, and a traceback would show them
            raise error
        return outcome

    def _faults(self, outcome: Answer | Exception) -> list[Fault] | None:
        """What is wrong with the answer that was hoped for; ``None`` where another came, or none."""
        status = 0 if isinstance(outcome, Exception) else outcome.status_code
        hoped_for = status in (400, 401) if self.probing else 200 <= status <= 299 and self.operation.documents(status)
        if isinstance(outcome, Exception) or not hoped_for:
            return None
        schema = None if self.probing else self.operation.response_schema(status)
        if schema is None:
            return []
        try:
            value = self._value(outcome)
        except (httpx.ResponseNotRead, RecursionError, ValueError):  # the last is also what a lone surrogate gives
            return [Fault("", "must be JSON")]
        return schema.faults(value, MOST_FAULTS) or self._foreign(value)

    def _foreign(self, value: object) -> list[Fault]:
        return self.service.foreign(self.body, value) if self.operation is self.service.upsert else []

    def _value(self, response: Answer) -> object:
        """The JSON of a response, decoded once."""
        if self._decoded is None or self._decoded[0] is not response:
            text = response.content.decode(json.detect_encoding(response.content), "surrogatepass")
            self._decoded = response, _decoder.decode(text)
        return self._decoded[1]

    def belongs(self, response: Answer) -> bool:
        """Whether a response can be that to this call. The connection of one that cannot must not serve another."""
        if self.probing or not 200 <= response.status_code <= 299:
            return True
        try:
            return not self._foreign(self._value(response))
        except (httpx.ResponseNotRead, RecursionError, ValueError):
            return True

    def _compare_ids(self, outcome: Answer | Exception) -> None:
        """Says once for each client that the service answers under correlation ids of its own, which it may."""
        if isinstance(outcome, Exception) or ID_HEADER.lower() not in self.operation.header_parameters:
            return
        shown = outcome.headers.get(ID_HEADER)
        if shown is None or shown == str(self.request_id) or id_in({ID_HEADER: shown}, NO_ID) == self.request_id:
            return
        if self.service.noticed.setdefault(ID_HEADER, self) is self:
            text = "%s returned another %s than the one it was sent (request %s); results have the one it returned. This is logged once."
            log.warning(text, self.service.name, ID_HEADER, self.request_id)

    def _wait(self, outcome: Answer | Exception, asked: float | None, now: float) -> float | None:
        """Seconds to wait before another try; ``None`` where there is none."""
        if self.last or self.attempts > self.policy.max_retries or not may_repeat(outcome, idempotent=self.idempotent):
            return None
        wait = delay(self.attempts - 1, asked, random.random())  # noqa: S311 # spreads load, hides nothing
        too_long = (asked or 0.0) > LONGEST_RETRY_AFTER or (self.deadline is not None and now + wait >= self.deadline)
        return None if too_long else wait


def id_in(headers: Mapping[str, str], otherwise: UUID) -> UUID:
    """The correlation id that headers carry, or else another."""
    found = headers.get(ID_HEADER)
    try:
        return otherwise if found is None else UUID(found)
    except ValueError:
        return otherwise


def built(make: Callable[[], Made], place: object = None) -> Made:
    """What ``make`` gives, with :class:`InvalidRequestError` for whatever generated code or an encoder stumbles over.

    Args:
        make: builds a part of a request.
        place: the value that goes into it, to be searched for what cannot be written.
    """
    try:
        return make()
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        kind = type(error).__name__
    # Out of the handler, so that no error of an encoder, which holds the value, hangs on to this one.
    from contact_apis._openapi.faults import unwritable

    raise errors.InvalidRequestError(unwritable(place, kind))


def pruned(unset: type[object], value: object) -> object:
    """A JSON value without members that were left out; a copied model has markers that its own code does not know."""
    if isinstance(value, dict):
        return {name: pruned(unset, each) for name, each in cast("Json", value).items() if not isinstance(each, unset)}
    return [pruned(unset, each) for each in cast("list[object]", value)] if isinstance(value, list) else value


def call_for(service: Service, policy: Policy, request: httpx.Request, request_id: UUID | None, now: float) -> Call:
    """The call that a request of httpx makes. Credentials, which go nowhere else, and the correlation id are added to it.

    The id is the request's own, or else ``request_id``, or else made.

    Raises:
        InvalidRequestError: the request breaks the contract.
    """
    operation, misaddressed = _addressed(service, request)
    given = {name.lower() for name, _ in request.headers.raw}
    body, faults = _read(request, operation)
    faults = [*misaddressed, *_wrong_headers(request, operation, given), *faults]
    if faults:
        raise errors.InvalidRequestError(faults)
    sent = request_id or uuid4()
    if ID_HEADER.lower().encode() in given:
        sent = id_in(request.headers, sent)
    call = Call(service, policy, operation, body, sent, now, probing=PROBE in request.extensions)
    request.headers = httpx.Headers(call.headers.added_to(request.headers.raw))
    return call


def _addressed(service: Service, request: httpx.Request) -> Addressed:
    """The operation that a request is for, and what is wrong with the parameters in its path. Most calls of a client are alike."""
    url = request.url
    key = request.method, url.scheme, url.netloc, url.raw_path
    known = service.addressed.get(key)
    if known is not None:
        return known
    base = service.base_url
    if (url.scheme, url.netloc) == (base.scheme, base.netloc):
        path = url.raw_path.decode("ascii").partition("?")[0].removeprefix(base.raw_path.decode("ascii").rstrip("/"))
        for operation in service.contract.operations_at(path):
            values = operation.match(path)
            if values is not None and operation.method == request.method:
                parameters = operation.path_parameters.items()
                faults = [Fault(name, fault.remedy) for name, schema in parameters for fault in schema.faults(values[name])]
                if len(service.addressed) >= MOST_ADDRESSES:
                    service.addressed.clear()
                service.addressed[key] = operation, faults
                return operation, faults
    raise errors.InvalidRequestError([Fault("url", f"must be that of an operation of {service.name}'s contract")])


def _wrong_headers(request: httpx.Request, operation: Operation, given: set[bytes]) -> list[Fault]:
    """What is wrong with the header parameters that a request has."""
    schemas = [(name, schema) for name, (schema, _) in operation.header_parameters.items() if name.encode() in given]
    return [Fault(name, fault.remedy) for name, schema in schemas for fault in schema.faults(request.headers[name])]


def _read(request: httpx.Request, operation: Operation) -> tuple[Json, list[Fault]]:
    """The body of a request, and what is wrong with it."""
    try:
        if not request.content and not operation.request_body.get("required"):
            return {}, []
        body: Json = json.loads(request.content)
    except (httpx.RequestNotRead, RecursionError, ValueError):
        return {}, [Fault("", "must be JSON")]
    return body, [] if operation.body is None or PROBE in request.extensions else operation.body.faults(body)

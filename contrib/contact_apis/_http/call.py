"""One call, decided without I/O: what may be sent, when it is tried again, and what comes out.

:class:`Call` is given what happened and what time it is; the sessions and the bulk transport only act on what it decides.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar, cast
from uuid import UUID, uuid4

import httpx
from attrs import field, frozen

from contact_apis import _errors as errors  # pyright: ignore[reportPrivateUsage] # a module of this package
from contact_apis._errors import Fault
from contact_apis._openapi.document import IDEMPOTENT_METHODS, Contract, Json, Operation

from .delivery import LONGEST_RETRY_AFTER, Response, delay, delivery, may_repeat, retry_after
from .error_body import ErrorBody
from .failures import FailedCall, error_of
from .policy import Policy
from .secrets import SecretHeaders

log = logging.getLogger("contact_apis")
AnyResponse = TypeVar("AnyResponse", bound=Response)
Encoded = TypeVar("Encoded")

PROBE = "contact_apis.probe"
"""Request extension: the body is meant to be rejected, so 400 and 401 are what is hoped for, and a success is not."""
ID_HEADER = "X-Request-Id"
_ID_NAME = ID_HEADER.lower()
NO_ID = UUID(int=0)
MOST_FAULTS = 20  # of a response that are reported; a hostile one has as many as it likes


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


_decoder = json.JSONDecoder(parse_constant=int)  # no int is NaN or infinite, which are no JSON


_LOG_LINE = "%s %s %s: %s, attempt %d, wait %s, request %s"


@frozen
class Problem:
    """Why an outcome is not the response that was hoped for."""

    violations: list[Fault]
    """Where a success violates the OpenAPI document; empty where another response came, or none."""


class Call:
    """One call from its request to its end.

    Args:
        operation: of the service's contract, which ``body`` fits.
        request_id: the correlation id that goes out with every attempt.
        now: seconds of a clock that never goes back.
        probing: the body is meant to be rejected, so 400 and 401 are hoped for and a success is not.
    """

    def __init__(
        self,
        service: Service,
        policy: Policy,
        operation: Operation,
        body: Json,
        request_id: UUID,
        now: float,
        *,
        probing: bool = False,
    ) -> None:
        self.service = service
        self.policy = policy
        self.operation = operation
        self.body = body
        self.request_id = request_id
        self.probing = probing
        self.attempts = 0
        self.perhaps_written = False
        self.last = False  # whether this attempt is the last, whatever comes of it
        self.idempotent = operation.method in IDEMPOTENT_METHODS
        if operation is service.upsert:
            self.idempotent = service.idempotent(body)
        self.deadline: float | None = None
        if policy.total_timeout is not None:
            self.deadline = now + policy.total_timeout
        self._decoded: tuple[Response, object] | None = None

    @property
    def headers(self) -> SecretHeaders:
        """What identifies the caller and the call."""
        return self.service.credentials.with_plain(self.id_header)

    @property
    def id_header(self) -> dict[str, str]:
        """What identifies the call, where the operation has a header for that."""
        if _ID_NAME in self.operation.header_parameters:
            return {ID_HEADER: str(self.request_id)}
        return {}

    def begin(self, now: float) -> dict[str, float | None]:
        """Counts an attempt, and returns its timeouts (those of httpx, in seconds), none of which ends after the call."""
        self.attempts += 1
        timeouts: dict[str, float | None] = self.policy.timeout.as_dict()
        if self.deadline is None:
            return timeouts
        left = max(0.001, self.deadline - now)
        for name, seconds in timeouts.items():
            if seconds is None or seconds > left:
                timeouts[name] = left
        return timeouts

    def give_up(self, outcome: Response | Exception, now: float, today: float) -> NoReturn:
        """Raises the error that a call ends with when there is no further attempt."""
        self.last = True
        self.settle(outcome, now, today)
        raise AssertionError("the last attempt had a response after all")

    def settle(
        self, outcome: AnyResponse | Exception, now: float, today: float
    ) -> AnyResponse | float:
        """What follows from an attempt: its response, or the seconds to wait before the next.

        Raises:
            APIError: the call is over and did not succeed.
        """
        if isinstance(outcome, httpx.HTTPStatusError):  # by a hook of the caller's own client
            outcome = cast("AnyResponse", outcome.response)
        if not self.perhaps_written:
            self.perhaps_written = delivery(outcome).may_be_written
        self._compare_ids(outcome)
        problem = self._problem_with(outcome)
        self._decoded = None  # an error's traceback would keep it
        asked: float | None = None
        wait: float | None = None
        level = logging.DEBUG
        if problem is not None:
            asked = _asked_to_wait(outcome, today)
            wait = self._wait(outcome, asked, now)
        if wait is not None:
            level = logging.INFO
        result: object = type(outcome).__name__
        if not isinstance(outcome, Exception):
            result = outcome.status_code
        operation = self.operation
        name = self.service.name
        log.log(
            level,
            _LOG_LINE,
            name,
            operation.method,
            operation.operation_id,
            result,
            self.attempts,
            wait,
            self.request_id,
        )
        if wait is not None:
            return wait
        if problem is None and not isinstance(outcome, Exception):
            return outcome
        error = self._error(outcome, problem, asked)
        del outcome, problem  # a service may quote credentials, and a traceback would show them
        raise error

    def _problem_with(self, outcome: Response | Exception) -> Problem | None:
        """What keeps an outcome from being the response that was hoped for; ``None`` where nothing does."""
        if isinstance(outcome, Exception):
            return _NO_SUCCESS
        status = outcome.status_code
        if self.probing:
            if status in (400, 401):
                return None
            return _NO_SUCCESS
        if not (200 <= status <= 299 and self.operation.documents(status)):
            return _NO_SUCCESS
        schema = self.operation.response_schema(status)
        if schema is None:
            return None
        try:
            value = self._value(outcome)
        except (
            httpx.ResponseNotRead,
            RecursionError,
            ValueError,
        ):  # the last is also what a lone surrogate gives
            return Problem([Fault("", "must be JSON")])
        violations = schema.faults(value, MOST_FAULTS) or self._foreign(value)
        if violations:
            return Problem(violations)
        return None

    def _foreign(self, value: object) -> list[Fault]:
        """What shows that a response is that to another request."""
        if self.operation is not self.service.upsert:
            return []
        return self.service.foreign(self.body, value)

    def _value(self, response: Response) -> object:
        """The JSON of a response, decoded once."""
        if self._decoded is None or self._decoded[0] is not response:
            content = response.content
            text = content.decode(json.detect_encoding(content), "surrogatepass")
            self._decoded = (response, _decoder.decode(text))
        return self._decoded[1]

    def belongs(self, response: Response) -> bool:
        """Whether a response can be that to this call. The connection of one that cannot must not serve another."""
        if self.probing or not 200 <= response.status_code <= 299:
            return True
        try:
            return not self._foreign(self._value(response))
        except (httpx.ResponseNotRead, RecursionError, ValueError):
            return True

    def _compare_ids(self, outcome: Response | Exception) -> None:
        """Logs once for each client that the service returns correlation ids of its own, which it may."""
        if isinstance(outcome, Exception) or _ID_NAME not in self.operation.header_parameters:
            return
        shown = outcome.headers.get(ID_HEADER)
        if (
            shown is None
            or shown == str(self.request_id)
            or id_in({ID_HEADER: shown}, NO_ID) == self.request_id
        ):
            return
        if self.service.noticed.setdefault(ID_HEADER, self) is self:
            text = "%s returned another %s than the one it was sent (request %s); results have the one it returned. This is logged once."
            log.warning(text, self.service.name, ID_HEADER, self.request_id)

    def _wait(self, outcome: Response | Exception, asked: float | None, now: float) -> float | None:
        """Seconds to wait before another attempt; ``None`` where there is none."""
        if self.last or self.attempts > self.policy.max_retries:
            return None
        if not may_repeat(outcome, idempotent=self.idempotent):
            return None
        if asked is not None and asked > LONGEST_RETRY_AFTER:
            return None
        wait = delay(self.attempts - 1, asked, random.random())  # noqa: S311 # spreads load, hides nothing
        if self.deadline is not None and now + wait >= self.deadline:
            return None
        return wait

    def _error(
        self, outcome: Response | Exception, problem: Problem | None, asked: float | None
    ) -> errors.APIError:
        """The error that the call ends with."""
        request_id = self.request_id
        if not isinstance(outcome, Exception):
            request_id = id_in(outcome.headers, request_id)
        violations: list[Fault] = []
        if problem is not None:
            violations = problem.violations
        service = self.service
        failed = FailedCall(
            service=service.name,
            secrets=service.credentials,
            body=self.body,
            request_id=request_id,
            attempts=self.attempts,
            perhaps_written=self.perhaps_written,
            error_body=service.error_body,
            probing=self.probing,
        )
        return error_of(failed, outcome, violations, asked)


_NO_SUCCESS = Problem([])


def _asked_to_wait(outcome: Response | Exception, today: float) -> float | None:
    """The seconds that a response asks to wait for, if it does."""
    if isinstance(outcome, Exception):
        return None
    text = outcome.headers.get("Retry-After")
    if text is None:
        return None
    return retry_after(text, today)


def id_in(headers: Mapping[str, str], otherwise: UUID) -> UUID:
    """The correlation id that headers carry, or else another."""
    found = headers.get(ID_HEADER)
    if found is None:
        return otherwise
    try:
        return UUID(found)
    except ValueError:
        return otherwise


def encode_or_reject(encode: Callable[[], Encoded], value: object = None) -> Encoded:
    """What ``encode`` returns, with :class:`InvalidRequestError` for whatever generated code or an encoder stumbles over.

    Args:
        encode: builds a part of a request.
        value: what goes into it, to be searched for what cannot be written as JSON.
    """
    try:
        return encode()
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        kind = type(error).__name__
    # Out of the handler, so that no error of an encoder, which holds the value, hangs on to this one.
    from contact_apis._openapi.faults import unwritable

    raise errors.InvalidRequestError(unwritable(value, kind))


def drop_unset(unset: type[object], value: object) -> object:
    """A JSON value without members that were left out; a copied model has markers that its own code does not know."""
    if isinstance(value, dict):
        kept: Json = {}
        for name, member in cast("Json", value).items():
            if not isinstance(member, unset):
                kept[name] = drop_unset(unset, member)
        return kept
    if isinstance(value, list):
        return [drop_unset(unset, member) for member in cast("list[object]", value)]
    return value


def call_for(
    service: Service, policy: Policy, request: httpx.Request, request_id: UUID | None, now: float
) -> Call:
    """The call that a request of httpx makes. Credentials, which go nowhere else, and the correlation id are added to it.

    The id is the request's own, or else ``request_id``, or else generated.

    Raises:
        InvalidRequestError: the request violates the contract.
    """
    operation, faults_in_path = _addressed(service, request)
    given = {name.lower() for name, _ in request.headers.raw}
    body, faults_in_body = _read_body(request, operation)
    faults = [*faults_in_path, *_faults_in_headers(request, operation, given), *faults_in_body]
    if faults:
        raise errors.InvalidRequestError(faults)
    correlation_id = request_id or uuid4()
    if ID_HEADER.lower().encode() in given:
        correlation_id = id_in(request.headers, correlation_id)
    probing = PROBE in request.extensions
    call = Call(service, policy, operation, body, correlation_id, now, probing=probing)
    request.headers = httpx.Headers(call.headers.added_to(request.headers.raw))
    return call


def _addressed(service: Service, request: httpx.Request) -> Addressed:
    """The operation that a request is for, and what is wrong with the parameters in its path. Most calls of a client are alike."""
    url = request.url
    key = (request.method, url.scheme, url.netloc, url.raw_path)
    known = service.addressed.get(key)
    if known is not None:
        return known
    found = _find_operation(service, request)
    if found is None:
        raise errors.InvalidRequestError(
            [Fault("url", f"must be that of an operation of {service.name}'s contract")]
        )
    if len(service.addressed) >= MOST_ADDRESSES:
        service.addressed.clear()
    service.addressed[key] = found
    return found


def _find_operation(service: Service, request: httpx.Request) -> Addressed | None:
    """As :func:`_addressed`, by the document; ``None`` where it has no such operation."""
    url = request.url
    base = service.base_url
    if url.scheme != base.scheme or url.netloc != base.netloc:
        return None
    base_path = base.raw_path.decode("ascii").rstrip("/")
    path = url.raw_path.decode("ascii").partition("?")[0].removeprefix(base_path)
    for operation in service.contract.operations_at(path):
        values = operation.match(path)
        if values is not None and operation.method == request.method:
            return operation, _faults_in_path(operation, values)
    return None


def _faults_in_path(operation: Operation, values: Mapping[str, str]) -> list[Fault]:
    """What is wrong with the path parameters of a request."""
    found: list[Fault] = []
    for name, schema in operation.path_parameters.items():
        found += [Fault(name, fault.remedy) for fault in schema.faults(values[name])]
    return found


def _faults_in_headers(
    request: httpx.Request, operation: Operation, given: set[bytes]
) -> list[Fault]:
    """What is wrong with the header parameters that a request has."""
    found: list[Fault] = []
    for name, (schema, _) in operation.header_parameters.items():
        if name.encode() in given:
            found += [Fault(name, fault.remedy) for fault in schema.faults(request.headers[name])]
    return found


def _read_body(request: httpx.Request, operation: Operation) -> tuple[Json, list[Fault]]:
    """The body of a request, and what is wrong with it."""
    try:
        if not request.content and not operation.request_body.get("required"):
            return {}, []
        body: Json = json.loads(request.content)
    except (httpx.RequestNotRead, RecursionError, ValueError):
        return {}, [Fault("", "must be JSON")]
    if operation.body is None or PROBE in request.extensions:
        return body, []
    return body, operation.body.faults(body)

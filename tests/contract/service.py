"""The service under test, spoken to over HTTP: sends, paces, obeys 429, counts, and keeps what a reproducer needs."""

from __future__ import annotations

import http.client
import json
import random
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import takewhile
from math import ceil
from typing import Any, ClassVar, NoReturn, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from attrs import Factory, define, evolve, frozen

from ..strategies import fixed_id
from .bounded import (
    LARGEST_BODY,
    RESPONSE_SECONDS,
    Deadline,
    TooLarge,
    cut_at_deadline,
    decoded,
    keep_deadline,
    read_body,
)
from .connection import Route, is_distrust, route_to
from .expectations import ACCEPTED, Fact
from .profiles.profile import Profile
from .profiles.registry import PROFILES
from .settings import CannotRun, Endpoint, Settings

# Every id that the suite makes up is derived from this one, so a thousand runs leave the same contacts.
NAMESPACE = UUID("6f0b7a52-3c1c-5d0a-9a0b-c0a7ac7a9150")
OWN_HEADERS = {
    "User-Agent": "contact-apis-contract-suite",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}
ANSWERED = (Fact("answered", scope="answers"),)
TIMEOUT = httpx.Timeout(10, connect=5)
LONGEST_WAIT = 30.0  # seconds that one request waits for a throttling service, all in all
LEAST_AT_ONCE = 2
LEAST_EXAMPLES = 2  # of a property
ATTEMPTS_AT_ONCE = (
    5  # of a burst that is throttled, each with half as many requests as the one before
)
THROTTLED_AT_ONCE = (
    "the service throttles all but one of the requests that reach it in the same moment"
)
PAUSES_FOR_PROXY = (
    0.2,
    1.0,
)  # seconds before a request is tried again that a proxy did not let through
#: What a body raises that names no contact: some are sent broken, or nested too deeply, on purpose.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
# What a reproducer sends before the requests of its own check.
FIRST_WRITES = 4  # of its contact
LATEST_WRITES = 3
LATEST_REQUESTS = 2
LONGEST_HISTORY = 4_000  # steps that are kept to choose from
KEPT_BODY = 20_000  # bytes of a response's body that are kept once it was judged
DROPS_EXCUSED = (
    3  # times that a reused connection may turn out to be closed; after that none is used again
)


class Breach(AssertionError):
    """The service broke a clause."""

    latest: ClassVar[Breach | None] = None
    """The last one that was made: Hypothesis drops it where a service that fails now and then confuses its replay."""

    def __init__(
        self, clause: str, message: str, *exchanges: Exchange, expects: Sequence[Fact] = ()
    ) -> None:
        super().__init__(f"{clause}: {message}")
        self.clause, self.message = clause, message
        self.exchanges = tuple(exchange.kept for exchange in exchanges)
        self.expects = tuple(expects)
        """What must be so of the last of these answers; without it, whatever status it had must not come."""
        self.sequence: list[Step] = [Step((each,)) for each in exchanges]
        """What to send to see it again, in order: the last step is the one that shows the breach."""
        self.fresh: tuple[str, ...] = ()
        """Ids that must be new whenever the sequence is sent."""
        Breach.latest = self

    @property
    def may_depend_on_its_contact(self) -> bool:
        """Whether it may be seen only of a contact that was written before: wherever a write of it should be accepted."""
        return not any(_refuses(fact) for fact in self.expects)

    @property
    def may_depend_on_other_contacts(self) -> bool:
        """Whether another contact with the same address or number may be its cause: it was refused, and should not have been."""
        return self.may_depend_on_its_contact and self.exchanges[-1].status >= 400

    @property
    def may_depend_on_the_request_before(self) -> bool:
        """Whether it may show what belongs to another request."""
        return any(fact.kind in ("member", "same-id", "echo") for fact in self.expects)


class ServiceGone(Exception):
    """The service stopped answering; nothing more can be learned."""


class Unreachable(ServiceGone):
    """The caller's own environment keeps the run from the service, which is not judged by that; the text names the variable."""


class NotExercised(Exception):
    """A clause cannot be exercised at this service or account; the text says why. It does not spoil ``conforms``."""


class LeftOut(NotExercised):
    """A clause was left out for a reason on our side (budget, selection, environment): the run is ``incomplete``."""


@frozen
class Call:
    """A request, ready to be sent. ``headers`` has no credentials unless they were put there."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None = None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_header(self, name: str, value: str | None) -> Call:
        """The same request with one header set, or without it."""
        kept = tuple(each for each in self.headers if each[0].lower() != name.lower())
        return evolve(self, headers=kept if value is None else (*kept, (name, value)))

    def json(self) -> Any:
        """The body, parsed.

        Raises:
            ValueError: it is no JSON, or nested more deeply than Python reads.
        """
        return _parsed(self.body or b"")


@frozen
class Exchange:
    """A request and its answer."""

    call: Call
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float = 0.0

    def json(self) -> Any:
        """The answer's body, parsed strictly (UTF-8, no NaN).

        Raises:
            ValueError: it is no JSON.
        """
        return _parsed(self.body.decode("utf-8"), parse_constant=_refuse_constant)

    @property
    def kept(self) -> Exchange:
        """The same with no more than the beginning of its body, to be kept until the run ends."""
        return self if len(self.body) <= KEPT_BODY else evolve(self, body=self.body[:KEPT_BODY])


@frozen(eq=False)
class Step:
    """Requests that were sent at once, or one alone."""

    exchanges: tuple[Exchange, ...]
    is_judged: bool = True
    """Whether its answer had to be one of those that are documented."""
    started: float = 0.0
    """On a clock of seconds that knows no date."""

    def holds(self, exchange: Exchange) -> bool:
        """Whether this exchange is one of its own, as far as its body was kept."""
        is_cut = len(exchange.body) >= KEPT_BODY
        return any(each is exchange or (is_cut and each == exchange) for each in self.exchanges)

    @property
    def is_accepted(self) -> bool:
        return all(200 <= each.status < 300 for each in self.exchanges)

    @property
    def addresses(self) -> set[str]:
        """The e-mail addresses and phone numbers that it gives to contacts."""
        return set[str]().union(*(_addresses_in(each.call) for each in self.exchanges))


def _parsed(text: str | bytes, **options: Any) -> Any:
    try:
        return json.loads(text, **options)
    except RecursionError:  # of a thousand levels, which other runtimes read
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@define
class Counters:
    """What a run has done to a service."""

    requests: int = 0
    statuses: dict[int, int] = Factory(dict)
    contacts: set[str] = Factory(set)
    fresh: int = 0
    throttled: int = 0
    retry_after: set[str] = Factory(set)
    drops: int = 0
    failures_in_a_row: int = 0
    dynamic_interval: float = 0.0
    last_sent: float = 0.0
    waited: float = 0.0


@define
class Allowance:
    """What the check that runs may use of the run's budget; the plan sets it before each check."""

    depth: float = 1.0
    """From 0, where each loop over cases does the least that can show a violation, to 1, where it does all of them."""
    requests: float = float("inf")
    """The requests after which a property begins no further example."""
    most: float = float("inf")
    """The requests that it cannot exceed: beyond are those that the later checks need at least."""
    contacts: float = float("inf")
    """The new contacts that it may create: beyond are those that the later checks need at least."""


@define
class Patience:
    """How long one request, or one burst, has waited for a service that throttles it."""

    waited: float = 0.0
    """Seconds."""
    attempts: int = 0


T = TypeVar("T")


class Service:
    """One API at its endpoint.

    All sequential requests share one connection, so that whatever a service remembers per connection shows.
    """

    def __init__(
        self, endpoint: Endpoint, settings: Settings, judge: Callable[[Exchange, bool], None]
    ) -> None:
        self.judge = judge
        self.endpoint = endpoint
        self.settings = settings
        self.api = endpoint.api
        self.counters = Counters()
        #: What in the caller's environment keeps the run from the service, once it is known.
        self.environment_fault: str | None = None
        self.deadline = Deadline()
        #: When the run's time is over, on the clock of ``time.monotonic``.
        self.ends_at = float("inf")
        #: Called after each request; the run reports its progress there.
        self.after_request: Callable[[], None] = lambda: None
        #: What is made once for this service and for the rehearsal of its checks.
        self.shared: dict[str, Any] = {}
        self.salt = ""
        #: Clauses that this run has found broken.
        self.broken: set[str] = set()
        self.first_created: Exchange | None = None
        self._steps: list[Step] = []
        self._earlier_steps: deque[list[Step]] = deque(maxlen=100)
        #: Ids that were new when they were first sent.
        self.fresh: list[str] = []
        #: The first writes of each contact, which later checks may rely on.
        self._first_writes: dict[str, list[Step]] = {}
        #: What was sent in this run, the checks before among it.
        self._history: deque[Step] = deque(maxlen=LONGEST_HISTORY)
        self._has_example = False
        self.begin_check(Allowance(), "")
        #: Contacts that answered 201 in the population of the run, by id, as they must be stored since.
        self.created: dict[str, Any] = {}

    @cached_property
    def route(self) -> Route:
        """The way to the service."""
        return route_to(self.endpoint)

    @cached_property
    def client(self) -> httpx.Client:
        """The one connection's."""
        client = self.route.client(timeout=TIMEOUT, headers=OWN_HEADERS)
        keep_deadline(client, self.deadline)
        return client

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    # ------------------------------------------------------------------------------------------------------ examples

    def begin_check(self, allowance: Allowance, name: str) -> None:
        """The next requests are those of this check, and it may use so much."""
        self.allowance = allowance
        self._check = name
        self._requests_before = self.counters.requests
        self._contacts_before = self.counters.fresh
        self._is_idle = False
        self.cut_short: str | None = None
        """Why the check's property ended before its last example, if it did."""
        self.whole_examples = 0
        """How many examples of the check's property were sent whole."""

    @property
    def requests_in_check(self) -> int:
        return self.counters.requests - self._requests_before

    def within(self, cases: Iterable[T], *, least: int = 1) -> list[T]:
        """Those of the cases that the check's allowance has room for: the first ``least``, and of the others a share drawn by the seed.

        The order stays; with a full allowance all of them.
        """
        known = list(cases)
        rest = range(min(least, len(known)), len(known))
        number = int(self.allowance.depth * len(rest) + 1e-9)
        drawn = set(random.Random(f"{self.settings.seed}/{self._check}").sample(rest, number))
        return [case for place, case in enumerate(known) if place < least or place in drawn]

    @property
    def examples(self) -> int:
        """How many examples the check's allowance has room for: drawing more would take time and send nothing."""
        return max(LEAST_EXAMPLES, ceil(self.allowance.depth * self.settings.examples))

    def begin_example(self) -> None:
        """From here on requests belong together: what breaks needs those before it, and they are reported with it."""
        self._next_steps()
        self._end_example()
        has_failed = Breach.latest is not None  # then what failed is sent again, to be made small
        self._is_idle = self.cut_short is not None or (
            self.requests_in_check >= self.allowance.requests and not has_failed
        )
        self._has_example = True

    def _next_steps(self) -> None:
        self._earlier_steps.append(self._steps)
        self._steps = []

    def _end_example(self) -> None:
        if self._has_example and not self._is_idle and self.cut_short is None:
            self.whole_examples += 1
        self._has_example = False

    @contextmanager
    def sending(self) -> Iterator[None]:
        """The requests of one step of an example. Where the budget ends, the rest of the step is left out in silence.

        Hypothesis must not see that: it replays examples and takes whatever differs from the first time for a fault of the
        check. So every value is drawn before, and nothing is drawn inside.
        """
        try:
            yield
        except LeftOut as reason:
            if not self._is_idle:
                self._is_idle = True
                self.cut_short = str(reason)

    def end_check(self, error: BaseException | None) -> None:
        """Gives a breach the requests of its check or example; the next check starts without."""
        self._end_example()
        self._next_steps()
        if (
            isinstance(error, Breach)
            and error.exchanges
            and error.exchanges[-1].call.url.startswith(self.endpoint.base_url)
        ):
            error.sequence = self._sequence(error)
            error.fresh = tuple(self.fresh)
        self._earlier_steps.clear()

    def _sequence(self, breach: Breach) -> list[Step]:
        """What was sent up to the request that shows the breach, and what that may depend on in earlier checks."""
        last = breach.exchanges[-1]
        for steps in reversed(self._earlier_steps):
            for number, step in enumerate(steps):
                if step.holds(last):
                    return self._with_history(breach, steps[: number + 1])
        # A check may judge what an earlier one has sent.
        for step in reversed(self._history):
            if step.holds(last):
                return self._with_history(breach, [step])
        latest = self._earlier_steps[-1] if self._earlier_steps else []
        shown = [
            Step((each,), started=time.monotonic())
            for each in breach.exchanges
            if each.status or each is last
        ]
        return self._with_history(breach, [*latest, *shown])

    def sequence_so_far(self, breach: Breach) -> list[Step]:
        """What is to be sent to see a breach again that does not end its check."""
        return self._with_history(breach, self._steps)

    def _with_history(self, breach: Breach, steps: list[Step]) -> list[Step]:
        """These steps, after those of earlier checks on which the breach may depend."""
        before = list(takewhile(lambda step: step not in steps, self._history))
        call = breach.exchanges[-1].call
        subject = _subject(self.profile, call)
        first = self._first_writes.get(subject, []) if subject else []
        needed: list[Step] = []
        if breach.may_depend_on_its_contact and not self._is_in_known_state(subject, steps):
            writes = [step for step in before if subject and self._is_about(step, subject)]
            needed += [*first, *writes[-LATEST_WRITES:]]
        if breach.may_depend_on_other_contacts:
            reached_at = _addresses_in(call)
            sharing = [step for step in before if reached_at & step.addresses]
            needed += sharing[-LATEST_WRITES:]
        if breach.may_depend_on_the_request_before and not any(
            step.is_accepted for step in steps[:-1]
        ):
            accepted = [step for step in before if step.is_accepted]
            needed += accepted[-LATEST_REQUESTS:]
        in_order = [*(step for step in first if step not in before), *before]
        return [*(step for step in in_order if step in needed and step not in steps), *steps]

    def _is_about(self, step: Step, subject: str) -> bool:
        return any(_subject(self.profile, each.call) == subject for each in step.exchanges)

    def _is_in_known_state(self, subject: str, steps: Sequence[Step]) -> bool:
        """Whether a check has written its contact before; one that was new in this run must be created all the same."""
        is_fresh = subject.rpartition("/")[2] in self.fresh
        has_written = any(step.is_accepted and self._is_about(step, subject) for step in steps[:-1])
        return has_written and not is_fresh

    # ---------------------------------------------------------------------------------------------- building requests

    @property
    def profile(self) -> Profile:
        """What the suite knows of the API."""
        return self.endpoint.profile

    def upsert(
        self, body: Any, *, request_id: str | None = None, account: Mapping[str, str] | None = None
    ) -> Call:
        """An upsert with the right credentials.

        Args:
            body: JSON, or bytes to be sent as they are.
            request_id: the ``X-Request-Id``.
            account: settings of the profile, by name, that are others than those of the run.
        """
        try:
            path = self.profile.path({**self.endpoint.values, **(account or {})})
        except LookupError as error:
            document = self.profile.document.name
            raise CannotRun(
                f"{document} does not fit the suite's requests ({error}); adapt the suite before it judges the service."
            ) from None
        headers = [*self.endpoint.credentials.items(), ("Content-Type", "application/json")]
        if request_id is not None:
            headers.append(("X-Request-Id", request_id))
        raw = (
            body
            if isinstance(body, bytes)
            else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
        return Call(self.profile.upsert.method, self.endpoint.base_url + path, tuple(headers), raw)

    def can_spare(self, contacts: int = 1) -> bool:
        """Whether so many new contacts may be created where the pool would nearly do: no later check needs them."""
        return contacts <= self.contacts_to_spare

    @property
    def contacts_to_spare(self) -> int:
        """What is left of ``CONTRACT_NEW_CONTACTS`` for this check."""
        left = self.settings.new_contacts - self.counters.fresh
        return int(min(left, self._contacts_before + self.allowance.contacts - self.counters.fresh))

    def fresh_id(self, purpose: str, *, contacts: int = 1) -> str:
        """An id that this service has not seen; uses up so many of ``CONTRACT_NEW_CONTACTS``.

        Raises:
            LeftOut: there are not so many left.
        """
        if not self.can_spare(contacts):
            raise LeftOut(
                f"it does not fit into CONTRACT_NEW_CONTACTS={self.settings.new_contacts}"
            )
        self.counters.fresh += contacts
        contact_id = fixed_id(
            NAMESPACE, f"fresh/{self.settings.seed}/{self.salt}/{purpose}/{self.counters.fresh}"
        )
        self.fresh.append(contact_id)
        return contact_id

    # ------------------------------------------------------------------------------------------------------- sending

    def send(self, call: Call, *, judged: bool = True) -> Exchange:
        """Sends a request and returns its answer, judged by what holds for every answer; waits out a 429.

        ``judged=False`` is for requests that the contract says nothing about: only a failure inside the service counts.

        Raises:
            Breach: no answer came, or the answer breaks a clause.
            ServiceGone: no answer came several times in a row.
            LeftOut: the run's budget of requests or of time is used up, or the service throttles for too long.
        """
        patience = Patience()
        while True:
            self._pace()
            exchange = self._deliver(call)
            self._note([exchange], judged)
            self.after_request()
            self.judge(exchange, judged)
            if exchange.status != 429:
                self.counters.dynamic_interval *= 0.98
                return exchange
            self.wait_out([exchange], patience)

    def wait_out(self, answers: Sequence[Exchange], patience: Patience) -> None:
        """Waits as long as those of the answers that are 429 ask for; from then on the run goes more slowly.

        Raises:
            LeftOut: that would be more than ``LONGEST_WAIT`` seconds all in all, or beyond the run's time.
        """
        delay = max(self._delay(each, patience.attempts) for each in answers if each.status == 429)
        if patience.waited + delay > LONGEST_WAIT or time.monotonic() + delay > self.ends_at:
            raise LeftOut(
                f"the service throttled one request for more than {LONGEST_WAIT:.0f} seconds; a lower CONTRACT_RATE may help"
            )
        patience.attempts += 1
        patience.waited += delay
        self.counters.waited += delay
        # Slower from here on: what was too fast once is too fast again.
        self.counters.dynamic_interval = min(max(self.counters.dynamic_interval * 1.5, 0.01), 1.0)
        time.sleep(delay)

    def _delay(self, exchange: Exchange, attempt: int) -> float:
        text = exchange.headers.get("retry-after", "").strip()
        if text:
            self.counters.retry_after.add("seconds" if text.isdigit() else "date or other")
            with suppress(ValueError, OverflowError):
                return (
                    float(text)
                    if text.replace(".", "", 1).isdigit()
                    else max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
                )
        return float(min(0.1 * 2**attempt, 5.0))

    def _admit(self, number: int) -> None:
        """Makes sure that so many requests may be sent."""
        if self._is_idle:
            raise LeftOut("the property has used its share of the budget")
        if (
            self.counters.requests + number > self.settings.max_requests
            or self.requests_in_check + number > self.allowance.most
        ):
            raise LeftOut(
                f"it does not fit into CONTRACT_MAX_REQUESTS={self.settings.max_requests}"
            )
        if time.monotonic() > self.ends_at:
            raise LeftOut(
                f"it does not fit into CONTRACT_MAX_SECONDS={self.settings.max_seconds:g}"
            )

    def _pace(self, number: int = 1) -> None:
        """Waits until so many requests may be sent in the same moment."""
        self._admit(number)
        counters = self.counters
        interval = max(
            1 / self.settings.rate if self.settings.rate else 0.0,
            counters.dynamic_interval if counters.dynamic_interval > 0.001 else 0.0,
        )
        now = time.monotonic()
        wait = counters.last_sent + interval - now
        if wait > 0:
            time.sleep(wait)
        counters.last_sent = time.monotonic() + (number - 1) * interval

    def _deliver(self, call: Call) -> Exchange:
        counters = self.counters
        counters.requests += 1
        request = self.client.build_request(
            call.method,
            call.url,
            headers=[
                (name.encode("latin-1", "replace"), value.encode("utf-8", "surrogateescape"))
                for name, value in call.headers
            ],
            content=call.body,
        )
        reused = counters.requests > 1 and counters.drops <= DROPS_EXCUSED
        started = time.monotonic()
        while True:
            self.deadline.start()
            try:
                response = self._send_on_route(request)
                try:
                    body = read_body(response)
                finally:
                    response.close()
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                # A server may close an idle connection at any moment; then the request never reached it. One that does so
                # more than now and then gets a new connection for each request; a drop on one of these is the server's own.
                if reused:
                    reused = False
                    self._admit(1)
                    counters.requests += 1
                    counters.drops += 1
                    if counters.drops > DROPS_EXCUSED:
                        request.headers["Connection"] = self.client.headers["Connection"] = "close"
                    continue
                self._gone(
                    [call],
                    f"the connection was dropped or garbled instead of an answer ({type(error).__name__})",
                    error,
                )
            except httpx.TimeoutException as error:
                if self.deadline.left <= 0:
                    self._gone(
                        [call],
                        f"the response did not end within {RESPONSE_SECONDS:.0f} seconds",
                        error,
                    )
                self._gone([call], f"no answer came within {TIMEOUT.read:.0f} seconds", error)
            except TooLarge as error:
                self._gone([call], f"the response has more than {LARGEST_BODY} bytes", error)
            except httpx.ConnectError as error:
                self._gone([call], "the connection was refused", error)
            except httpx.HTTPError as error:
                self._gone(
                    [call], f"the answer could not be read as HTTP ({type(error).__name__})", error
                )
            else:
                counters.failures_in_a_row = 0
                return Exchange(
                    call,
                    response.status_code,
                    dict(response.headers),
                    body,
                    time.monotonic() - started,
                )

    def _send_on_route(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; where the way to the service fails before it was sent, it is tried again, and then the run ends."""
        if self.environment_fault is not None:
            raise Unreachable(self.environment_fault)
        for pause in (*PAUSES_FOR_PROXY, None):
            try:
                return self.client.send(request, stream=True)
            except httpx.HTTPError as error:
                fault = self.route.environment_fault(error)
                if fault is None:
                    raise
                if pause is None or is_distrust(error):
                    self._unreachable(fault)
                time.sleep(pause)
                # httpx may keep a tunnel that came to nothing.
                self.close()
        raise AssertionError("the last attempt returns or raises")

    def _unreachable(self, fault: str) -> NoReturn:
        self.environment_fault = fault
        raise Unreachable(fault) from None

    def _opened_connection(self) -> http.client.HTTPConnection:
        """A connection of its own, open."""
        proxy = self.route.proxy
        if proxy is not None and not proxy.is_plain_http:
            raise LeftOut(f"requests at the same moment are not sent through a proxy like {proxy}")
        connection = self.route.connection(TIMEOUT.read or 10.0)
        try:
            connection.connect()
        except OSError as error:
            fault = self.route.environment_fault(error)
            if fault is not None:
                self._unreachable(fault)
            raise
        return connection

    def _gone(self, calls: Sequence[Call], message: str, error: Exception) -> NoReturn:
        self.counters.failures_in_a_row += 1
        breach = Breach(
            f"{self.api}.answers-every-request",
            message,
            *(Exchange(each, 0, {}, b"") for each in calls),
            expects=ANSWERED,
        )
        self._keep(Step(breach.exchanges, started=time.monotonic()))
        if self.counters.failures_in_a_row >= 3:
            raise ServiceGone(message) from breach
        raise breach from error

    def _keep(self, step: Step) -> None:
        self._steps.append(step)
        self._history.append(step)

    def _note(self, exchanges: list[Exchange], judged: bool) -> None:
        step = Step(tuple(each.kept for each in exchanges), judged, time.monotonic())
        if exchanges[0].status != 429 or len(exchanges) > 1:
            self._keep(step)
        for exchange in exchanges:
            self.counters.throttled += exchange.status == 429
            self.counters.statuses[exchange.status] = (
                self.counters.statuses.get(exchange.status, 0) + 1
            )
            if exchange.status < 300:
                self.counters.contacts.update(identities(self.api, exchange.call))
                subject = _subject(self.profile, exchange.call)
                writes = self._first_writes.setdefault(subject, [])
                if len(writes) < FIRST_WRITES and step not in writes:
                    writes.append(step)

    def send_at_once(self, calls: Sequence[Call]) -> list[Exchange]:
        """Sends several requests so that all reach the service in the same moment.

        Each has a connection of its own; the last byte of each is held back until all the others are there.
        """
        self._pace(len(calls))
        connections: list[http.client.HTTPConnection] = []
        sockets: list[Any] = []
        try:
            with cut_at_deadline(sockets):
                for call in calls:
                    assert call.body
                    connection = self._opened_connection()
                    connections.append(connection)
                    sockets.append(connection.sock)
                    connection.putrequest(
                        call.method, urlsplit(call.url).path, skip_accept_encoding=True
                    )
                    for name, value in (*OWN_HEADERS.items(), *call.headers):
                        connection.putheader(name, value)
                    connection.putheader("Content-Length", str(len(call.body)))
                    connection.endheaders(call.body[:-1])
                for connection, call in zip(connections, calls, strict=True):
                    connection.send((call.body or b"")[-1:])
                found = [
                    _received(connection, call)
                    for connection, call in zip(connections, calls, strict=True)
                ]
        except TooLarge as error:
            self._gone(
                calls,
                f"of {len(calls)} requests at once one has a response of more than {LARGEST_BODY} bytes",
                error,
            )
        except (OSError, http.client.HTTPException, zlib.error) as error:
            self._gone(
                calls,
                f"of {len(calls)} requests at once one was not answered ({type(error).__name__})",
                error,
            )
        finally:
            for connection in connections:
                connection.close()
        self.counters.requests += len(calls)
        self._note(found, True)
        for exchange in found:
            self.judge(exchange, True)
        self.after_request()
        return found

    def send_all_at_once(self, calls: Sequence[Call]) -> tuple[list[Exchange], int]:
        """Sends several requests at once; those that are throttled are sent again, later and fewer at a time.

        All of them may be sent twice. The result is the last answer of each, and how many were not throttled in the same moment.
        """
        answers: dict[int, Exchange] = {}
        waiting = list(range(len(calls)))
        size = len(calls)
        together = 0
        patience = Patience()
        while len(waiting) > 1 and not (
            size == LEAST_AT_ONCE and patience.attempts >= ATTEMPTS_AT_ONCE
        ):
            burst = waiting[:size]
            found = self.send_at_once([calls[number] for number in burst])
            answers.update(zip(burst, found, strict=True))
            throttled = [number for number in burst if answers[number].status == 429]
            together = max(together, len(burst) - len(throttled))
            waiting = [number for number in waiting if number in throttled or number not in burst]
            if throttled:
                self.wait_out(found, patience)
                size = fewer_at_once(size)
        for number in waiting:
            answers[number] = self.send(calls[number])
        return [answers[number] for number in range(len(calls))], together


def fewer_at_once(number: int) -> int:
    """How many requests are sent in the same moment after so many were too many."""
    return max(LEAST_AT_ONCE, number // 2)


def _received(connection: http.client.HTTPConnection, call: Call) -> Exchange:
    """The response that a connection brings, read under the bounds."""
    with connection.getresponse() as response:
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = response.read(LARGEST_BODY + 1)
    if len(body) > LARGEST_BODY:
        raise TooLarge
    return Exchange(
        call, response.status, headers, decoded(body, headers.get("content-encoding", ""))
    )


def _subject(profile: Profile, call: Call) -> str:
    """The contact that a request is about, where it can be made out."""
    return next(iter(identities(profile.name, call)), "")


def _addresses_in(call: Call) -> set[str]:
    """The e-mail addresses and phone numbers in a request's body."""
    found: set[str] = set()
    with suppress(*UNREADABLE):
        waiting = [call.json()]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value
            elif isinstance(value, str) and ("@" in value or value.startswith("+")):
                found.add(value)
    return found


def _refuses(fact: Fact) -> bool:
    """Whether a request is expected to be refused."""
    if fact.kind == "status":
        return not re.search("(^|[|(])2", fact.value)
    return fact.kind == "not-status" and fact.value == ACCEPTED


def identities(api: str, call: Call) -> list[str]:
    """What the contacts of a request are recognised by, where it can be made out."""
    with suppress(*UNREADABLE):
        return list(PROFILES[api].identities(call))
    return []

"""The service under test, spoken to over HTTP: sends, paces, obeys 429, counts, and keeps what a reproducer needs."""

from __future__ import annotations

import gzip
import http.client
import json
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from attrs import Factory, define, evolve, frozen

from ..strategies import fixed_id
from .connection import is_distrust, route_to
from .settings import Endpoint, Settings

# Every id that the suite makes up is derived from this one, so a thousand runs leave the same contacts.
NAMESPACE = UUID("6f0b7a52-3c1c-5d0a-9a0b-c0a7ac7a9150")
OWN_HEADERS = {"User-Agent": "contact-apis-contract-suite", "Accept": "application/json"}
TIMEOUT = httpx.Timeout(10, connect=5)
LONGEST_WAIT = 30.0  # seconds that one request waits for a throttling service, all in all
PAUSES_FOR_PROXY = (0.2, 1.0)  # seconds before a request is tried again that a proxy did not let through
DROPS_EXCUSED = 3  # times that a reused connection may turn out to be closed; after that none is used again


class Breach(AssertionError):
    """The service broke a clause."""

    latest: ClassVar[Breach | None] = None
    """The last one that was made: Hypothesis drops it where a service that fails now and then confuses its replay."""

    def __init__(self, clause: str, message: str, *exchanges: Exchange) -> None:
        super().__init__(f"{clause}: {message}")
        self.clause, self.message, self.exchanges = clause, message, exchanges
        self.steps = exchanges
        """What to send to see it again, in order: the last request is the one that shows the breach."""
        Breach.latest = self

    @property
    def is_about_what_is_stored(self) -> bool:
        """Whether an answer shows, or tells by its status, another state than the requests before should have left."""
        return self.clause.startswith(("pristo.update-", "pristo.answer-shows-"))


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
            ValueError: it is no JSON.
        """
        return json.loads(self.body or b"")


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
        return json.loads(self.body.decode("utf-8"), parse_constant=_refuse_constant)


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


class Service:
    """One API at its endpoint.

    All sequential requests share one connection, so that whatever a service remembers per connection shows.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings, judge: Callable[[Exchange, bool], None]) -> None:
        self.judge = judge
        self.endpoint = endpoint
        self.settings = settings
        self.api = endpoint.api
        self.counters = Counters()
        self.route = route_to(endpoint)
        self.client = self.route.client(timeout=TIMEOUT, headers=OWN_HEADERS)
        #: What in the caller's environment keeps the run from the service, once it is known.
        self.environment_fault: str | None = None
        self.salt = ""
        #: Clauses that this run has found broken.
        self.broken: set[str] = set()
        self.first_created: Exchange | None = None
        self._example: list[Exchange] | None = None
        #: Contacts that answered 201 in the population of the run, by id, as they must be stored since.
        self.created: dict[str, Any] = {}

    def close(self) -> None:
        self.client.close()

    # ------------------------------------------------------------------------------------------------------ examples

    def begin_example(self) -> None:
        """From here on requests belong together: what breaks needs those before it, and they are reported with it."""
        self._example = []

    def end_check(self, error: BaseException | None) -> None:
        """Gives a breach the requests of its example, if the check had any; the next check starts without."""
        example, self._example = self._example or [], None
        if isinstance(error, Breach) and error.exchanges and error.exchanges[-1].call.url.startswith(self.endpoint.base_url):
            last = error.exchanges[-1]
            error.steps = (*example[: example.index(last)], last) if last in example else (*example, *error.exchanges)

    # ---------------------------------------------------------------------------------------------- building requests

    @property
    def path(self) -> str:
        return self.path_for(self.endpoint.population) if self.api == "pristo" else "/v2/contacts"

    @staticmethod
    def path_for(population: str) -> str:
        return f"/v1/contacts/save/{population}"

    def upsert(self, body: Any, *, population: str | None = None, request_id: str | None = None) -> Call:
        """An upsert with the right credentials; ``body`` is JSON, or bytes to be sent as they are."""
        path = self.path if population is None else self.path_for(population)
        headers = [*self.endpoint.credentials.items(), ("Content-Type", "application/json")]
        if request_id is not None:
            headers.append(("X-Request-Id", request_id))
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return Call("POST", self.endpoint.base_url + path, tuple(headers), raw)

    @property
    def may_spend_contacts(self) -> bool:
        """Whether new contacts may be made where the pool would nearly do."""
        return self.settings.new_contacts > 20

    @property
    def contacts_left(self) -> int:
        """What is left of ``CONTRACT_NEW_CONTACTS``."""
        return self.settings.new_contacts - self.counters.fresh

    def fresh_id(self, purpose: str, *, contacts: int = 1) -> str:
        """An id that this service has not seen; uses up so many of ``CONTRACT_NEW_CONTACTS``."""
        if contacts > self.contacts_left:
            raise LeftOut(f"the budget of {self.settings.new_contacts} new contacts (CONTRACT_NEW_CONTACTS) is used up")
        self.counters.fresh += contacts
        return fixed_id(NAMESPACE, f"fresh/{self.settings.seed}/{self.salt}/{purpose}/{self.counters.fresh}")

    # ------------------------------------------------------------------------------------------------------- sending

    def send(self, call: Call, *, judged: bool = True) -> Exchange:
        """Sends a request and returns its answer, judged by what holds for every answer; waits out a 429.

        ``judged=False`` is for requests that the contract says nothing about: only a failure inside the service counts.

        Raises:
            Breach: no answer came, or the answer breaks a clause.
            ServiceGone: no answer came several times in a row.
            NotExercised: the run's budget of requests is used up, or the service throttles for too long.
        """
        waited, attempt = 0.0, 0
        while True:
            self._pace()
            exchange = self._deliver(call)
            self._note(exchange)
            self.judge(exchange, judged)
            if exchange.status != 429:
                self.counters.dynamic_interval *= 0.98
                return exchange
            self.counters.throttled += 1
            delay = self._delay(exchange, attempt)
            attempt += 1
            if waited + delay > LONGEST_WAIT:
                raise LeftOut(f"the service throttled one request for more than {LONGEST_WAIT:.0f} seconds; a lower CONTRACT_RATE may help")
            waited += delay
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
                    float(text) if text.replace(".", "", 1).isdigit() else max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
                )
        return float(min(0.1 * 2**attempt, 5.0))

    def _pace(self) -> None:
        counters = self.counters
        if counters.requests >= self.settings.max_requests // len(self.settings.endpoints):
            raise LeftOut(f"the budget of {self.settings.max_requests} requests (CONTRACT_MAX_REQUESTS) is used up")
        interval = max(
            1 / self.settings.rate if self.settings.rate else 0.0, counters.dynamic_interval if counters.dynamic_interval > 0.001 else 0.0
        )
        now = time.monotonic()
        wait = counters.last_sent + interval - now
        if wait > 0:
            time.sleep(wait)
        counters.last_sent = time.monotonic()

    def _deliver(self, call: Call) -> Exchange:
        counters = self.counters
        counters.requests += 1
        request = self.client.build_request(
            call.method,
            call.url,
            headers=[(name.encode("latin-1", "replace"), value.encode("utf-8", "surrogateescape")) for name, value in call.headers],
            content=call.body,
        )
        reused = counters.requests > 1 and counters.drops <= DROPS_EXCUSED
        started = time.monotonic()
        while True:
            try:
                response = self._send_on_route(request)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                # A server may close an idle connection at any moment; then the request never reached it. One that does so
                # more than now and then gets a new connection for each request; a drop on one of these is the server's own.
                if reused:
                    reused = False
                    counters.drops += 1
                    if counters.drops > DROPS_EXCUSED:
                        request.headers["Connection"] = self.client.headers["Connection"] = "close"
                    continue
                self._gone(call, f"the connection was dropped or garbled instead of an answer ({type(error).__name__})", error)
            except httpx.TimeoutException as error:
                self._gone(call, f"no answer came within {TIMEOUT.read:.0f} seconds", error)
            except httpx.ConnectError as error:
                self._gone(call, "the connection was refused", error)
            except httpx.HTTPError as error:
                self._gone(call, f"the answer could not be read as HTTP ({type(error).__name__})", error)
            else:
                counters.failures_in_a_row = 0
                return Exchange(call, response.status_code, dict(response.headers), response.content, time.monotonic() - started)

    def _send_on_route(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; where the way to the service fails before it was sent, it is tried again, and then the run ends."""
        if self.environment_fault is not None:
            raise Unreachable(self.environment_fault)
        for pause in (*PAUSES_FOR_PROXY, None):
            try:
                return self.client.send(request)
            except httpx.HTTPError as error:
                fault = self.route.environment_fault(error)
                if fault is None:
                    raise
                if pause is None or is_distrust(error):
                    self._unreachable(fault)
                time.sleep(pause)
                # httpx may keep a tunnel that came to nothing.
                self.client.close()
                self.client = self.route.client(timeout=TIMEOUT, headers=OWN_HEADERS)
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

    def _gone(self, call: Call, message: str, error: Exception) -> NoReturn:
        self.counters.failures_in_a_row += 1
        breach = Breach(f"{self.api}.answers-every-request", message, Exchange(call, 0, {}, b""))
        if self.counters.failures_in_a_row >= 3:
            raise ServiceGone(message) from breach
        raise breach from error

    def _note(self, exchange: Exchange) -> None:
        if self._example is not None and exchange.status != 429:
            self._example.append(exchange)
        self.counters.statuses[exchange.status] = self.counters.statuses.get(exchange.status, 0) + 1
        if exchange.status < 300:
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                self.counters.contacts.update(_identities(exchange.call))

    def send_at_once(self, calls: Sequence[Call]) -> list[Exchange]:
        """Sends several requests so that all reach the service in the same moment.

        Each has a connection of its own; the last byte of each is held back until all the others are there.
        """
        self._pace()
        connections = []
        try:
            for call in calls:
                assert call.body
                connection = self._opened_connection()
                connections.append(connection)
                connection.putrequest(call.method, urlsplit(call.url).path)
                for name, value in (*OWN_HEADERS.items(), *call.headers):
                    connection.putheader(name, value)
                connection.putheader("Content-Length", str(len(call.body)))
                connection.endheaders(call.body[:-1])
            for connection, call in zip(connections, calls, strict=True):
                connection.send((call.body or b"")[-1:])
            found = []
            for connection, call in zip(connections, calls, strict=True):
                response = connection.getresponse()
                headers = {name.lower(): value for name, value in response.getheaders()}
                body = response.read()
                if headers.get("content-encoding") == "gzip":  # unasked, but it may
                    body = gzip.decompress(body)
                found.append(Exchange(call, response.status, headers, body))
        except (OSError, http.client.HTTPException) as error:
            self._gone(calls[0], f"of {len(calls)} requests at once one was not answered ({type(error).__name__})", error)
        finally:
            for connection in connections:
                connection.close()
        self.counters.requests += len(calls)
        for exchange in found:
            self._note(exchange)
            self.judge(exchange, True)
        return found


def _identities(call: Call) -> Iterable[str]:
    body = call.json()
    if "contact" in body:
        yield f"{call.url.rpartition('/')[2]}/{UUID(body['contact']['id'])}"
    for identifier in body.get("identifiers", []):
        yield f"{identifier['type']}/{identifier['id']}"


# ------------------------------------------------------------------------------------------------------- reproducers

# Reproducers name the variables that hold the credentials, so that they can be pasted and hold no secret.
Variables = dict[str, str]


def as_curl(calls: Iterable[Call], variables: Variables) -> str:
    """Command lines that send the requests again; ``variables`` are names by the secret values they hold."""
    return "\n".join(_curl_line(each, variables) for each in calls)


def _curl_line(call: Call, variables: Variables) -> str:
    parts = ["curl", "-i", "-X", call.method, call.url]
    text = shlex.join(parts)
    for name, value in call.headers:
        if value in variables:
            text += f' -H "{name}: ${variables[value]}"'
        else:
            text += " -H " + shlex.quote(f"{name}: {value}" if value else f"{name};")
    if call.body is None:
        return text
    try:
        return text + " --data-raw " + shlex.quote(call.body.decode("utf-8"))
    except UnicodeDecodeError:
        octal = "".join(f"\\{byte:03o}" for byte in call.body)
        return f"printf '{octal}' | {text} --data-binary @-"


def as_python(calls: Iterable[Call], variables: Variables) -> str:
    """A snippet that sends the requests again, with httpx, and prints each answer."""
    lines = ["import os", "", "import httpx"]
    for call in calls:
        lines += ["", "response = httpx.request(", f"    {call.method!r},", f"    {call.url!r},", "    headers={"]
        lines += [
            f'        {name!r}: os.environ["{variables[value]}"],' if value in variables else f"        {name!r}: {value!r},"
            for name, value in call.headers
        ]
        lines += ["    },", f"    content={call.body!r},", ")", "print(response.status_code, response.headers, response.text)"]
    return "\n".join(lines) + "\n"

"""What all clients share: how they are set up, copied, tried and closed."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
)
from uuid import UUID, uuid4

import attrs
import httpx

from contact_apis._errors import ConfigurationError, Fault, InvalidRequestError
from contact_apis._http.call import PROBE, Service
from contact_apis._http.policy import Policy
from contact_apis._http.secrets import Secret, SecretHeaders, SecretText
from contact_apis._http.session import (
    CALL_ID,
    AsyncClientTransport,
    AsyncSession,
    ClientTransport,
    Session,
)

from .settings import base_url_of, check_options, resolve_settings
from .times import with_times
from .vendor import Vendor

if TYPE_CHECKING:
    from contact_apis._bulk.outcome import UpsertOutcome
    from contact_apis._bulk.requests import PreparedRequest


class Model(Protocol):
    """What generated code has for a JSON object."""

    def to_dict(self) -> dict[str, Any]: ...


class Generated(Protocol):
    """What generated code has for a client."""

    def set_httpx_client(self, client: httpx.Client) -> Self: ...
    def set_async_httpx_client(self, async_client: httpx.AsyncClient) -> Self: ...


RequestId = UUID | str | None
AnyGenerated = TypeVar("AnyGenerated", bound=Generated)
AnyContact = TypeVar("AnyContact", bound=Model)
AnySession = TypeVar("AnySession", Session, AsyncSession)
AnyHttpClient = TypeVar("AnyHttpClient", httpx.Client, httpx.AsyncClient)


class Limits(TypedDict, total=False):
    """How long a call may take and how often it is tried."""

    timeout: float | httpx.Timeout | None
    total_timeout: float | None
    max_retries: int


class Options(Limits, Generic[AnyHttpClient], total=False):
    """What each client can be told besides who calls."""

    base_url: str | None
    allow_http: str | Iterable[str]
    http_client: AnyHttpClient | None


class Client(ABC, Generic[AnyContact, AnySession, AnyHttpClient]):
    """A service, and the session through which it is spoken to."""

    _vendor: ClassVar[Vendor]
    _kinds: ClassVar[tuple[type[Any], type[Any], type[Any]]]
    _model: ClassVar[type[Any]]
    """The generated model of a contact."""
    _session: AnySession
    _identity: Callable[[], dict[str, Any]]
    """What tells who calls; a function, so that nothing that shows attributes shows a credential."""
    _path_values: Mapping[str, str] = MappingProxyType({})
    """The path parameters of the upsert that are the same for every contact, by name."""
    _borrowed = False

    def _configure(self, given: Secret[Mapping[str, Any]], options: Secret[Any]) -> None:
        """Makes the session, from the vendor's settings as they were given and the options of every client.

        Raises:
            ConfigurationError: one of them is missing or impossible.
            TypeError: an option that there is none of.
        """
        vendor = self._vendor
        check_options(type(self).__name__, options, {*given.reveal(), *Options.__annotations__})
        settings = resolve_settings(vendor, given)
        self._identity = lambda: {name: value.reveal() for name, value in settings.items()}
        by_scheme: dict[str, Secret[str]] = {}
        path_values: dict[str, str] = {}
        account: list[str] = []
        for setting in vendor.settings:
            value = settings[setting.name]
            if setting.scheme is not None:
                by_scheme[setting.scheme] = value
            if setting.path is not None:
                path_values[setting.path] = value.reveal()
            elif not setting.is_secret:
                account.append(SecretText(value.reveal()))
        self._path_values = path_values
        upsert = vendor.operation()
        secrets = Secret({scheme: value.reveal() for scheme, value in by_scheme.items()})
        credentials = SecretHeaders(upsert.security_headers(secrets.reveal()))
        unset = import_module(f"{vendor.package}.types").Unset
        service = Service(
            vendor.title,
            upsert.contract,
            credentials,
            unset,
            vendor.is_idempotent,
            vendor.ordering_keys,
            upsert,
            tuple(account),
            foreign=vendor.foreign,
            repeatable=vendor.idempotent_form,
            error_body=vendor.error_body,
        )
        self._set_up(service, **options.reveal())

    def _set_up(
        self,
        service: Service,
        *,
        base_url: str | None = None,
        allow_http: str | Iterable[str] = (),
        http_client: AnyHttpClient | None = None,
        **limits: Unpack[Limits],
    ) -> None:
        """Makes the session with a service, which may be at another address than the one that its document names."""
        service = attrs.evolve(
            service,
            base_url=base_url_of(self._vendor, service.contract.server, base_url, allow_http),
        )
        session, client_transport, kind = self._kinds
        if http_client is not None and not isinstance(http_client, kind):
            raise ConfigurationError(f"http_client must be an httpx.{kind.__name__}")
        self._session = session(
            service, Policy(**limits), client_transport(service.base_url, http_client)
        )

    def _handed_to(self, kind: Callable[..., AnyGenerated]) -> AnyGenerated:
        """A generated client that sends through the session."""
        client = kind(base_url=str(self._session.service.base_url))
        if isinstance(self._session, Session):
            return client.set_httpx_client(self._session)
        return client.set_async_httpx_client(self._session)

    def with_options(self, **limits: Unpack[Limits]) -> Self:
        """A client with other limits (those of the constructor) on the same connections; closing it leaves them open.

        Raises:
            ConfigurationError: a limit that is none.
        """
        session = copy.copy(self._session)
        session.policy = attrs.evolve(session.policy, **limits)
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        vars(other).update(_session=session, _borrowed=True)
        return other

    def _options(self) -> dict[str, Any]:
        """What a client of the same kind is built with, credentials among it."""
        policy = self._session.policy
        limits = {
            "timeout": policy.timeout,
            "total_timeout": policy.total_timeout,
            "max_retries": policy.max_retries,
        }
        return {
            **self._identity(),
            **limits,
            "base_url": str(self._session.service.base_url),
            **self._plain(),
        }

    def _plain(self) -> dict[str, Any]:
        url = self._session.service.base_url
        return {"allow_http": url.host} if url.scheme == "http" else {}

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles to the settings, credentials included; the copy opens connections of its own.

        Raises:
            TypeError: the client was given an ``http_client``, whose connections stay in their process.
        """
        if self._session.client_transport.given is not None:
            raise TypeError(
                "a client with http_client= cannot be pickled: build it in the process that uses it"
            )
        return _rebuilt, (type(self), self._options())

    def __copy__(self) -> Self:
        """A client with the same settings, and connections of its own (or the same ``http_client``)."""
        kind: Any = type(self)
        return cast(
            "Self", kind(http_client=self._session.client_transport.given, **self._options())
        )

    def __deepcopy__(self, _: dict[int, object]) -> Self:
        return self.__copy__()

    def __repr__(self) -> str:
        if "_session" not in vars(self):
            return f"<{type(self).__name__}, not set up>"
        return f"{type(self).__name__}(base_url={str(self._session.service.base_url)!r})"

    @abstractmethod
    def _body(self, contact: AnyContact | None, fields: Mapping[str, Any]) -> Model:
        """The model of a request, from that of a contact or from keywords."""

    def _prepare(self, contact: AnyContact | Mapping[str, Any]) -> PreparedRequest:
        """One contact of many, ready to be sent."""
        from contact_apis._bulk.requests import prepare_request

        from .records import check_record

        check_record(contact, self._model)
        given: tuple[AnyContact | None, Mapping[str, Any]] = (
            (None, contact) if isinstance(contact, Mapping) else (contact, {})
        )
        return prepare_request(self._session.service, lambda: self._body(*given).to_dict())

    def _target(self) -> tuple[AnySession, httpx.URL]:
        """The session, and the whole address that contacts are sent to."""
        service = self._session.service
        return self._session, httpx.URL(
            f"{service.base_url}{service.upsert.expand(self._path_values)}"
        )

    def _probe(self) -> dict[str, Any]:
        """A request that shows whether the credentials are accepted, and has to be refused in either case."""
        session, url = self._target()
        return {
            "method": session.service.upsert.method,
            "url": url,
            "json": {},
            "extensions": {PROBE: True},
        }


class BlockingClient(Client[AnyContact, Session, httpx.Client]):
    """Calls that return when they are done. Threads may share a client."""

    _kinds = Session, ClientTransport, httpx.Client

    def check_credentials(self) -> bool:
        """Whether the credentials are accepted. Nothing is written: the body that is sent has to be refused.

        ``True`` on 400 and ``False`` on 401; the class says how that is known of the service. Whether what the address names,
        such as an account's part, exists is not noticed.

        Raises:
            APIStatusError: any other status, a success among them.
            APIConnectionError: no answer.
        """
        return self._session.request(**self._probe()).status_code == 400

    def upsert_many(
        self,
        contacts: Iterable[AnyContact | Mapping[str, object]],
        *,
        concurrency: int = 64,
        rate: float | None = None,
    ) -> Iterator[UpsertOutcome]:
        """Sends many contacts and yields what became of each, as they end. Needs the extra ``bulk``, and constant memory.

        Contacts are read as they can be sent; while nobody takes outcomes, sending stops. The same contact twice is sent in
        the order of the input, never at once. Nothing about a single contact is raised: see :attr:`UpsertOutcome.error`.
        Closing the iterator early starts nothing more, and waits for the answers to what was sent.

        Args:
            contacts: generated models, or mappings of the keywords of ``upsert_contact``. What this raises comes out at the end.
            concurrency: how many are in flight at once, at most.
            rate: requests a second, evenly spaced; ``None`` for as many as the service takes. A ``Retry-After`` with a 429
                pauses all of them.

        Raises:
            ConfigurationError: the extra is missing, or a number is none.
        """
        from contact_apis._http.connections import loading

        with loading("upsert_many"):
            from contact_apis._bulk.streams import upserts, upserts_blocking
        from .records import check_records

        check_records(contacts)
        return upserts_blocking(
            lambda taken: upserts(*self._target(), self._prepare, taken, concurrency, rate),
            contacts,
            concurrency,
        )

    def close(self) -> None:
        """Closes the connections; a client that was passed as ``http_client`` stays open. Later calls are refused."""
        if not self._borrowed:
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(Client[AnyContact, AsyncSession, httpx.AsyncClient]):
    """Calls to be awaited, under ``asyncio``. Tasks may share a client, and event loops too."""

    _kinds = AsyncSession, AsyncClientTransport, httpx.AsyncClient

    async def check_credentials(self) -> bool:
        """As :meth:`BlockingClient.check_credentials`."""
        return (await self._session.request(**self._probe())).status_code == 400

    def upsert_many(
        self,
        contacts: Iterable[AnyContact | Mapping[str, object]]
        | AsyncIterable[AnyContact | Mapping[str, object]],
        *,
        concurrency: int = 64,
        rate: float | None = None,
    ) -> AsyncGenerator[UpsertOutcome, None]:
        """As :meth:`BlockingClient.upsert_many`; the contacts may come from an asynchronous iterable."""
        from contact_apis._http.connections import loading

        with loading("upsert_many"):
            from contact_apis._bulk.streams import upserts
        from .records import check_records

        check_records(contacts)
        return upserts(*self._target(), self._prepare, contacts, concurrency, rate)

    async def close(self) -> None:
        """Closes the connections; a client that was passed as ``http_client`` stays open. Later calls are refused."""
        if not self._borrowed:
            await self._session.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _rebuilt(kind: Callable[..., object], options: dict[str, Any]) -> object:
    given = Secret(options)
    del options  # credentials are among them
    return kind(**given.reveal())


def contact_from(
    contact: AnyContact | None, fields: Mapping[str, Any], make: Callable[..., AnyContact]
) -> AnyContact:
    """The contact that a call is about: a model, or what is made of its keywords."""
    if contact is None:
        return make(**fields)
    if fields:
        raise TypeError("upsert_contact() takes a contact or its fields, not both")
    return contact


class correlation_id:  # noqa: N801 # it stands where a function with ``contextmanager`` would, at a third of the price
    """Gives the calls inside a correlation id: the given one, or one that is made.

    Raises:
        InvalidRequestError: the id is no UUID.
    """

    __slots__ = ("_chosen", "_token")

    def __init__(self, request_id: RequestId) -> None:
        try:
            self._chosen = uuid4() if request_id is None else UUID(str(request_id))
        except ValueError:
            raise InvalidRequestError([Fault("request_id", "must be a UUID")]) from None

    def __enter__(self) -> UUID:
        self._token = CALL_ID.set(self._chosen)
        return self._chosen

    def __exit__(self, *_: object) -> None:
        CALL_ID.reset(self._token)


def timed(body: AnyContact) -> AnyContact:
    """A request in which each time that was given as text is a time.

    Raises:
        InvalidRequestError: text that is no time, or a time without a time zone.
    """
    faults: list[Fault] = []
    read = with_times(body, faults)
    if faults:
        raise InvalidRequestError(faults)
    return cast("AnyContact", read)

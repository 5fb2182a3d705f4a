"""Pristo: contacts by the caller's own id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack, overload
from uuid import UUID

import httpx
from attrs import field, frozen

from contact_apis._errors import Fault, InvalidRequestError
from contact_apis._http.call import drop_unset, encode_or_reject, id_in
from contact_apis._http.plain import Plain
from contact_apis._http.secrets import Secret
from contact_apis._http.session import AsyncSession, Session
from contact_apis._openapi.document import Json
from contact_apis._vendors.base import (
    AnyHttpClient,
    AnySession,
    AsyncClient,
    BlockingClient,
    Client,
    Options,
    RequestId,
    contact_from,
    correlation_id,
    timed,
)
from contact_apis._vendors.keywords import shows_keywords
from contact_apis._vendors.pristo import VENDOR
from contact_apis._vendors.records import (
    check_names,
    check_required,
    map_members,
    values_of,
    with_maps,
)
from pristo_client import Client as GeneratedClient
from pristo_client import models
from pristo_client.api.contacts import upsert_contact
from pristo_client.models import (
    Contact,
    ContactCustomFields,
    ContactResponse,
    ContactUpsertRequest,
    ErrorResponse,
)
from pristo_client.models.contact import ContactKeywords
from pristo_client.types import Response, Unset

PristoContact = Contact


class PristoFields(ContactKeywords, total=False):
    """The fields of a contact as keywords, as Pristo's document has them. One that is left out, or ``None``, stays as the service has it."""


@frozen
class PristoResult(Plain):
    """What came of an upsert."""

    created: bool
    """Whether the contact is new. After a retry ``False`` can also mean that an earlier attempt created it."""
    contact: Contact | None = field(repr=False)
    """The contact as the service now has it; ``None`` where it did not say."""
    request_id: UUID
    """The correlation id, to quote when asking the service's people."""

    def to_dict(self) -> Json:
        """The result as ``json.dumps`` takes it.

        ``created``; ``contact`` as Pristo writes it (``lastName``), personal data included, or ``None``; ``request_id`` as text.
        """
        contact = None if self.contact is None else drop_unset(Unset, self.contact.to_dict())
        return {"created": self.created, "contact": contact, "request_id": str(self.request_id)}


class _Pristo(Client[Contact, AnySession, AnyHttpClient]):
    _vendor = VENDOR
    _model = Contact

    def __init__(
        self,
        *,
        api_key: str | None = None,
        population_id: UUID | str | None = None,
        **options: Unpack[Options[AnyHttpClient]],
    ) -> None:
        given: Secret[Mapping[str, Any]] = Secret(
            {"api_key": api_key, "population_id": population_id}
        )  # somebody may mix them up
        wanted: Secret[Any] = Secret(options)
        del api_key, population_id, options  # no name holds a key when something is raised
        self._configure(given, wanted)
        self._population_id = UUID(self._path_values["populationId"])

    @property
    def client(self) -> GeneratedClient:
        """The generated client: hand it to any function of ``pristo_client.api`` for the same checks, retries and errors."""
        return self._handed_to(GeneratedClient)

    def _body(self, contact: Contact | None, fields: Mapping[str, object]) -> ContactUpsertRequest:
        body = timed(ContactUpsertRequest(contact=contact_from(contact, fields, _contact)))
        encode_or_reject(body.to_dict)
        return body

    def _result(
        self, response: Response[ContactResponse | ErrorResponse], sent: UUID
    ) -> PristoResult:
        contact = response.parsed.contact if isinstance(response.parsed, ContactResponse) else None
        shown = None if isinstance(contact, Unset) else contact
        return PristoResult(
            created=response.status_code == 201,
            contact=shown,
            request_id=id_in(response.headers, sent),
        )


def _contact(**fields: object) -> Contact:
    given = values_of(fields)
    check_names(given, Contact)
    check_required(given, fields, Contact)
    members = with_maps(given, _MAPS)
    if not isinstance(members.get("custom_fields"), ContactCustomFields | None):
        raise InvalidRequestError([Fault("contact.customFields", "must be an object")])
    return Contact(**members)


_MAPS = map_members(Contact, models)


class Pristo(_Pristo[Session, httpx.Client], BlockingClient[Contact]):
    """Pristo's contacts, for one population.

    Threads may share a client. Use it as a context manager, or :meth:`close` it. What :meth:`check_credentials` takes the statuses
    400 and 401 to mean is inferred from the document, which describes both; a population that does not exist is not noticed.

    Args:
        api_key: the account's key; else ``PRISTO_API_KEY``.
        population_id: a UUID; else ``PRISTO_POPULATION_ID``.
        base_url: https, or http on loopback and on hosts in ``allow_http``; else ``PRISTO_BASE_URL``, else the server that the specification names.
        allow_http: names of hosts that plain http is taken for, such as that of a mock in a container network.
        timeout: seconds to connect (at most 5) and to wait for each piece of an answer, or an ``httpx.Timeout``; ``None`` for ever.
        total_timeout: seconds for a call with its retries and pauses; ``None`` for ever.
        max_retries: further attempts after one that failed and may be repeated without harm.
        http_client: sends the requests instead of connections of our own; it is neither changed nor closed.

    Raises:
        ConfigurationError: something of this is missing or impossible.
    """

    @overload
    def upsert_contact(
        self, contact: Contact, /, *, request_id: RequestId = None
    ) -> PristoResult: ...
    @overload
    def upsert_contact(
        self, /, *, request_id: RequestId = None, **fields: Unpack[PristoFields]
    ) -> PristoResult: ...
    @shows_keywords(Contact, _contact, PristoFields)
    def upsert_contact(
        self, contact: Contact | None = None, /, *, request_id: RequestId = None, **fields: object
    ) -> PristoResult:
        """Creates a contact, or updates the one with this id; what is left out of an update stays.

        Source: "Creates or updates a contact using a client-owned identifier" (Pristo's document).

        Args:
            contact: the generated model, for whoever wants the exact wire form; or else
            fields: the contact's fields by keyword. ``id`` (a UUID) is required; ``custom_fields`` maps the keys that the
                population defines to text.
            request_id: a UUID that goes out as ``X-Request-Id`` with every attempt; one is made when none is given.

        Raises:
            InvalidRequestError: the contact breaks the contract; nothing was sent.
            APIStatusError: the service refused.
            APIConnectionError: no answer; the contact may have been written.
            APIResponseValidationError: an answer that breaks the contract; the contact may have been written.
        """
        with correlation_id(request_id) as sent:
            response = upsert_contact.sync_detailed(
                self._population_id, client=self.client, body=self._body(contact, fields)
            )
        return self._result(response, sent)


class AsyncPristo(_Pristo[AsyncSession, httpx.AsyncClient], AsyncClient[Contact]):
    """What :class:`Pristo` is, with calls to be awaited. Tasks may share a client."""

    @overload
    async def upsert_contact(
        self, contact: Contact, /, *, request_id: RequestId = None
    ) -> PristoResult: ...
    @overload
    async def upsert_contact(
        self, /, *, request_id: RequestId = None, **fields: Unpack[PristoFields]
    ) -> PristoResult: ...
    @shows_keywords(Contact, _contact, PristoFields)
    async def upsert_contact(
        self, contact: Contact | None = None, /, *, request_id: RequestId = None, **fields: object
    ) -> PristoResult:
        """Creates a contact, or updates the one with this id; see :meth:`Pristo.upsert_contact`."""
        with correlation_id(request_id) as sent:
            response = await upsert_contact.asyncio_detailed(
                self._population_id, client=self.client, body=self._body(contact, fields)
            )
        return self._result(response, sent)

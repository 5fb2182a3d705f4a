"""Retainful: contacts by e-mail address and phone number, with the consent to write to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, cast, overload
from uuid import UUID

import httpx
from attrs import frozen

from contact_apis._errors import Fault, InvalidRequestError
from contact_apis._http.call import encode_or_reject, id_in
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
from contact_apis._vendors.records import (
    check_names,
    check_required,
    map_members,
    required_names,
    values_of,
    with_maps,
)
from contact_apis._vendors.retainful import VENDOR
from retainful_client import Client as GeneratedClient
from retainful_client import models
from retainful_client.api.contacts import upsert_contact
from retainful_client.models import Accepted, Channel, Channels, Consent, Contact, Error, Identifier
from retainful_client.models.contact import ContactKeywords
from retainful_client.types import Response

RetainfulContact = Contact
Kind = Literal["email", "phone"]


__all__ = [
    "AsyncRetainful",
    "Channel",
    "Channels",
    "Consent",
    "Identifier",
    "Retainful",
    "RetainfulContact",
    "RetainfulResult",
]


class RetainfulFields(ContactKeywords, total=False):
    """The fields of a contact as keywords. One that is left out, or ``None``, is not sent.

    Most are members of Retainful's document, and come from there. These build the identifiers, which the document requires:
    """

    email: str | None
    phone: str | None
    consent: Consent | None
    subscribed: bool
    channels: Mapping[Kind, str] | None
    identifiers: Sequence[Identifier] | None


@frozen
class RetainfulResult(Plain):
    """What came of an upsert."""

    created: None
    """Always ``None``: Retainful does not tell whether the contact is new."""
    request_id: UUID
    """The correlation id of the call, as logs and errors have it."""

    def to_dict(self) -> Json:
        """The result as ``json.dumps`` takes it: ``created``, and ``request_id`` as text."""
        return {"created": self.created, "request_id": str(self.request_id)}


class _Retainful(Client[Contact, AnySession, AnyHttpClient]):
    _vendor = VENDOR
    _model = Contact

    def __init__(
        self,
        *,
        api_key: str | None = None,
        app_id: str | None = None,
        **options: Unpack[Options[AnyHttpClient]],
    ) -> None:
        given: Secret[Mapping[str, Any]] = Secret({"api_key": api_key, "app_id": app_id})
        wanted: Secret[Any] = Secret(options)
        del api_key, app_id, options  # no name holds a key when something is raised
        self._configure(given, wanted)

    @property
    def client(self) -> GeneratedClient:
        """The generated client: hand it to any function of ``retainful_client.api`` for the same checks, retries and errors."""
        return self._handed_to(GeneratedClient)

    def _body(self, contact: Contact | None, fields: Mapping[str, object]) -> Contact:
        if contact is None:
            # A missing value of these is refused. Of `subscribed`, because silence is never consent.
            kept = [name for name in ("subscribed", *required_names(Contact)) if name in fields]
            fields = {**values_of(fields), **{name: fields[name] for name in kept}}
            check_names(fields, Contact, RetainfulFields.__annotations__)
        body = timed(contact_from(contact, fields, _contact))
        encode_or_reject(body.to_dict)
        return body

    def _result(self, response: Response[Accepted | Error], sent: UUID) -> RetainfulResult:
        return RetainfulResult(created=None, request_id=id_in(response.headers, sent))


def _contact(
    *,
    email: str | None = None,
    phone: str | None = None,
    consent: Consent | None = None,
    subscribed: object = True,
    channels: object = None,
    identifiers: object = None,
    **fields: object,
) -> Contact:
    """The model for a call by keywords: ``email`` and ``phone`` become identifiers, the rest is taken as it is."""
    forms = (
        ("subscribed", isinstance(subscribed, bool), "must be true or false"),
        ("channels", channels is None or isinstance(channels, Mapping), "must be an object"),
        (
            "identifiers",
            identifiers is None or isinstance(identifiers, list | tuple),
            "must be an array",
        ),
    )
    if wrong := [Fault(name, remedy) for name, fits, remedy in forms if not fits]:
        raise InvalidRequestError(wrong)
    given = {
        kind: value for kind, value in (("email", email), ("phone", phone)) if value is not None
    }
    statuses = dict.fromkeys(given, "subscribed" if subscribed else "unsubscribed") | dict(
        cast("Mapping[str, str]", channels or {})
    )
    faults = [
        Fault(f"channels.{kind}", "has no identifier that it belongs to")
        for kind in statuses
        if kind not in given
    ]
    if given and consent is None:
        faults.append(
            Fault("consent", "is missing: say when, from where and through what it was given")
        )
    if consent is not None and not given:
        faults.append(Fault("consent", "belongs to an email or a phone, and neither was given"))
    if faults:
        raise InvalidRequestError(faults)
    made = [
        Identifier(
            type_=cast("Kind", kind),
            id=value,
            channels=Channels.from_dict({kind: {"status": statuses[kind]}}),
            consent=cast("Consent", consent),
        )
        for kind, value in given.items()
    ]
    members = with_maps(values_of(fields), _MAPS)
    built = {"identifiers"}
    check_required({*members, *built}, fields, Contact)
    return Contact(**members, identifiers=[*made, *cast("Sequence[Identifier]", identifiers or ())])


_MAPS = map_members(Contact, models)


class Retainful(_Retainful[Session, httpx.Client], BlockingClient[Contact]):
    """Retainful's contacts, for one app.

    Threads may share a client. Use it as a context manager, or :meth:`close` it. That the service answers :meth:`check_credentials`
    with 400 or 401 is known: public integrations rely on it.

    Args:
        api_key: the account's secret; else ``RETAINFUL_API_KEY``.
        app_id: which app of the account is meant; else ``RETAINFUL_APP_ID``.
        base_url: https, or http on loopback and on hosts in ``allow_http``; else ``RETAINFUL_BASE_URL``, else the server that the specification names.
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
    ) -> RetainfulResult: ...
    @overload
    def upsert_contact(
        self, /, *, request_id: RequestId = None, **fields: Unpack[RetainfulFields]
    ) -> RetainfulResult: ...
    @shows_keywords(Contact, _contact, RetainfulFields)
    def upsert_contact(
        self, contact: Contact | None = None, /, *, request_id: RequestId = None, **fields: object
    ) -> RetainfulResult:
        """Creates a contact, or updates the one that an identifier already belongs to.

        Source: "If a contact with a matching identifier already exists, that contact is updated" (Retainful's page).

        Args:
            contact: the generated model, for whoever wants the exact wire form; or else
            fields: the contact's fields by keyword. ``first_name`` and ``list_ids`` are required. ``email`` and ``phone``
                become identifiers, which share ``consent`` and are subscribed on the channel of their kind, unless
                ``subscribed`` is false or ``channels`` names another status, as in ``{"phone": "unsubscribed"}``.
                ``identifiers`` are sent as they are. Consent is never invented.
                Times need a time zone, and can be RFC 3339 text, in ``consent`` as well: ``"2024-03-21T10:30:00Z"``, or a date.
            request_id: a UUID for logs and errors; one is made when none is given. Retainful has no header for it.

        With ``trigger_welcome_email=True`` an attempt that was perhaps processed is not repeated.

        Raises:
            InvalidRequestError: the contact breaks the contract; nothing was sent.
            APIStatusError: the service refused.
            APIConnectionError: no answer; the contact may have been written.
            APIResponseValidationError: an answer that breaks the contract; the contact may have been written.
        """
        with correlation_id(request_id) as sent:
            response = upsert_contact.sync_detailed(
                client=self.client, body=self._body(contact, fields)
            )
        return self._result(response, sent)


class AsyncRetainful(_Retainful[AsyncSession, httpx.AsyncClient], AsyncClient[Contact]):
    """What :class:`Retainful` is, with calls to be awaited. Tasks may share a client."""

    @overload
    async def upsert_contact(
        self, contact: Contact, /, *, request_id: RequestId = None
    ) -> RetainfulResult: ...
    @overload
    async def upsert_contact(
        self, /, *, request_id: RequestId = None, **fields: Unpack[RetainfulFields]
    ) -> RetainfulResult: ...
    @shows_keywords(Contact, _contact, RetainfulFields)
    async def upsert_contact(
        self, contact: Contact | None = None, /, *, request_id: RequestId = None, **fields: object
    ) -> RetainfulResult:
        """Creates a contact, or updates the one an identifier belongs to; see :meth:`Retainful.upsert_contact`."""
        with correlation_id(request_id) as sent:
            response = await upsert_contact.asyncio_detailed(
                client=self.client, body=self._body(contact, fields)
            )
        return self._result(response, sent)

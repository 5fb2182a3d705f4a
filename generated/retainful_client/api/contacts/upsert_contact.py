from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.accepted import Accepted
from ...models.contact import Contact
from ...models.error import Error
from ...types import Response


def _get_kwargs(
    *,
    body: Contact,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v2/contacts",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Accepted | Error | None:
    if response.status_code == 200:
        response_200 = Accepted.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Error.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Error.from_dict(response.json())

        return response_401

    if response.status_code == 500:
        response_500 = Error.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Accepted | Error]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: Contact,
) -> Response[Accepted | Error]:
    """Create or update a contact

     Updates the contact that one of the identifiers already belongs to, and creates one otherwise. The
    page asks for an e-mail identifier when a contact is created, and elsewhere lets the identifiers be
    "email, phone, etc."; this document accepts both forms.

    Args:
        body (Contact): A person, the lists they are on, and how they are reached.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | Error]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: Contact,
) -> Accepted | Error | None:
    """Create or update a contact

     Updates the contact that one of the identifiers already belongs to, and creates one otherwise. The
    page asks for an e-mail identifier when a contact is created, and elsewhere lets the identifiers be
    "email, phone, etc."; this document accepts both forms.

    Args:
        body (Contact): A person, the lists they are on, and how they are reached.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | Error
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: Contact,
) -> Response[Accepted | Error]:
    """Create or update a contact

     Updates the contact that one of the identifiers already belongs to, and creates one otherwise. The
    page asks for an e-mail identifier when a contact is created, and elsewhere lets the identifiers be
    "email, phone, etc."; this document accepts both forms.

    Args:
        body (Contact): A person, the lists they are on, and how they are reached.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | Error]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: Contact,
) -> Accepted | Error | None:
    """Create or update a contact

     Updates the contact that one of the identifiers already belongs to, and creates one otherwise. The
    page asks for an e-mail identifier when a contact is created, and elsewhere lets the identifiers be
    "email, phone, etc."; this document accepts both forms.

    Args:
        body (Contact): A person, the lists they are on, and how they are reached.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | Error
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed

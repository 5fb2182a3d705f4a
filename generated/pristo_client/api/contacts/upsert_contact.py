from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.contact_response import ContactResponse
from ...models.contact_upsert_request import ContactUpsertRequest
from ...models.error_response import ErrorResponse
from ...types import UNSET, Response, Unset


def _get_kwargs(
    population_id: UUID,
    *,
    body: ContactUpsertRequest,
    x_request_id: UUID | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = str(x_request_id)

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/contacts/save/{population_id}".format(
            population_id=quote(str(population_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ContactResponse | ErrorResponse | None:
    if response.status_code == 200:
        response_200 = ContactResponse.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = ContactResponse.from_dict(response.json())

        return response_201

    if response.status_code == 400:
        response_400 = ErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 429:
        response_429 = ErrorResponse.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = ErrorResponse.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ContactResponse | ErrorResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    population_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: ContactUpsertRequest,
    x_request_id: UUID | Unset = UNSET,
) -> Response[ContactResponse | ErrorResponse]:
    """Create or update a contact

     Creates or updates a contact using a **client-owned identifier**.
    The `contact.id` field is mandatory and represents the identifier used by the client system.
    Optional fields (email, phone, language, name, etc.) will update the existing contact if provided.
    Additional properties are treated as custom fields.

    Args:
        population_id (UUID):
        x_request_id (UUID | Unset):
        body (ContactUpsertRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ContactResponse | ErrorResponse]
    """

    kwargs = _get_kwargs(
        population_id=population_id,
        body=body,
        x_request_id=x_request_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    population_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: ContactUpsertRequest,
    x_request_id: UUID | Unset = UNSET,
) -> ContactResponse | ErrorResponse | None:
    """Create or update a contact

     Creates or updates a contact using a **client-owned identifier**.
    The `contact.id` field is mandatory and represents the identifier used by the client system.
    Optional fields (email, phone, language, name, etc.) will update the existing contact if provided.
    Additional properties are treated as custom fields.

    Args:
        population_id (UUID):
        x_request_id (UUID | Unset):
        body (ContactUpsertRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ContactResponse | ErrorResponse
    """

    return sync_detailed(
        population_id=population_id,
        client=client,
        body=body,
        x_request_id=x_request_id,
    ).parsed


async def asyncio_detailed(
    population_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: ContactUpsertRequest,
    x_request_id: UUID | Unset = UNSET,
) -> Response[ContactResponse | ErrorResponse]:
    """Create or update a contact

     Creates or updates a contact using a **client-owned identifier**.
    The `contact.id` field is mandatory and represents the identifier used by the client system.
    Optional fields (email, phone, language, name, etc.) will update the existing contact if provided.
    Additional properties are treated as custom fields.

    Args:
        population_id (UUID):
        x_request_id (UUID | Unset):
        body (ContactUpsertRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ContactResponse | ErrorResponse]
    """

    kwargs = _get_kwargs(
        population_id=population_id,
        body=body,
        x_request_id=x_request_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    population_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: ContactUpsertRequest,
    x_request_id: UUID | Unset = UNSET,
) -> ContactResponse | ErrorResponse | None:
    """Create or update a contact

     Creates or updates a contact using a **client-owned identifier**.
    The `contact.id` field is mandatory and represents the identifier used by the client system.
    Optional fields (email, phone, language, name, etc.) will update the existing contact if provided.
    Additional properties are treated as custom fields.

    Args:
        population_id (UUID):
        x_request_id (UUID | Unset):
        body (ContactUpsertRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ContactResponse | ErrorResponse
    """

    return (
        await asyncio_detailed(
            population_id=population_id,
            client=client,
            body=body,
            x_request_id=x_request_id,
        )
    ).parsed

"""Shapes: what schemathesis derives from the specification, for every operation that it lists, ours to send and to judge.

An operation that a new specification brings is exercised here without new code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis.errors import Unsatisfiable

from ..clauses import contract_of, load_specification
from ..expectations import ACCEPTED, not_status
from ..oracle import faults_of, is_uuid
from ..service import Breach, Call, Service

if TYPE_CHECKING:  # it takes a third of a second to import, which a run that fails early is spared
    from schemathesis import APIOperation, Case

CONFIG = Path(__file__).with_name("schemathesis.toml")


def operations_of(service: Service) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    import schemathesis

    config = schemathesis.Config.from_path(CONFIG)
    schema = schemathesis.openapi.from_dict(load_specification(service.api), config=config)
    schema.config.update(base_url=service.endpoint.base_url)
    for result in schema.get_all_operations():
        yield result.ok()  # type: ignore[union-attr]  # a document that is no OpenAPI fails here, loudly


def prepared(service: Service, case: Case[Any]) -> Call:
    """A generated request, made fit to be sent: right credentials, an account that exists, contacts of the pool."""
    request = case.as_transport_kwargs(base_url=service.endpoint.base_url)
    method = request["method"].upper()
    headers = [*service.endpoint.credentials.items(), *_declared_headers(service, case)]
    if method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Type", "application/json"))
    url = known_account(service, request["url"])
    return Call(method, url, tuple(headers), _body(service, request))


def _body(service: Service, request: dict[str, Any]) -> bytes | None:
    if "json" in request:
        text = json.dumps(service.profile.gentle(service, request["json"]), ensure_ascii=False)
        return text.encode("utf-8", "surrogatepass")
    match request.get("data"):
        case str(text):
            return text.encode("utf-8", "surrogatepass")
        case bytes(data):
            return data
        case _:
            return None


def _declared_headers(service: Service, case: Case[Any]) -> Iterator[tuple[str, str]]:
    """Those of the generated headers that the operation declares and that HTTP allows."""
    operation_id = case.operation.definition.raw["operationId"]
    declared = contract_of(service.api).operation(operation_id).header_parameters
    for name, value in (case.headers or {}).items():
        if name.lower() in declared and _fits_in_header(str(value)):
            yield name, str(value)


def _fits_in_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == value.strip()


def known_account(service: Service, url: str) -> str:
    """The URL, with the account's own UUID wherever the path has another."""
    own = [
        service.endpoint.value(setting.name)
        for setting in service.profile.vendor.settings
        if setting.path is not None and setting.kind is UUID
    ]
    parts = urlsplit(url)
    steps = parts.path.split("/")
    for place, step in enumerate(steps):
        if own and is_uuid(unquote(step)):
            steps[place] = own[0]
    path = quote("/".join(steps), safe="/%:@!$&'()*+,;=-._~")
    return f"{parts.scheme}://{parts.netloc}{path}"


def exchange_is_right(service: Service, call: Call) -> None:
    """Sends a generated request; what it breaks without doubt must be refused, and every response is judged.

    What is known to be broken is not found again by chance, for each find would be minimised.
    """
    faults = list(faults_of(service.api, call))
    try:
        exchange = service.send(call)
        plain = [clause for clause, must in faults if must]
        if plain and exchange.status < 300:
            message = f"a request that breaks “{plain[0].says}” returned {exchange.status}"
            raise Breach(plain[0].id, message, exchange, expects=not_status(ACCEPTED))
    except Breach as breach:
        if breach.clause not in service.broken:
            raise


@pytest.mark.clause("{api}.documented-statuses", "{api}.answers-are-json", "{api}.no-server-error")
@pytest.mark.estimate(requests=200)
def test_requests_at_the_edges_of_the_schema_are_answered_as_documented(service: Service) -> None:
    """The coverage phase of schemathesis: each rule of each operation, kept and broken."""
    from schemathesis import GenerationMode

    for operation in operations_of(service):
        config = operation.schema.config.generation_for(operation=operation, phase="coverage")
        seen = dict[Call, None]()
        for case in operation.schema.iter_coverage_cases(
            operation,
            generation_modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE],
            generation_config=config,
        ):
            call = prepared(service, case)
            if call.method == operation.method.upper():
                seen[call] = None
        for call in service.within(seen):
            exchange_is_right(service, call)


@pytest.mark.clause("{api}.documented-statuses", "{api}.answers-are-json", "{api}.no-server-error")
@pytest.mark.examples(requests=2)
def test_random_requests_are_answered_as_documented(service: Service) -> None:
    """The fuzzing phase of schemathesis: valid and invalid requests to each operation."""
    from schemathesis import GenerationMode

    for operation in operations_of(service):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            # Each mode gets its share, also where there is room for few.
            @settings(max_examples=service.examples)
            @given(operation.as_strategy(generation_mode=mode))
            def check(case: Case[Any]) -> None:
                call = prepared(service, case)
                service.begin_example()
                with service.sending():
                    exchange_is_right(service, call)

            with suppress(Unsatisfiable):  # an operation that takes anything has no wrong request
                check()

"""The first requests of a run, which tell whether the service is there and takes what is plainly valid."""

from __future__ import annotations

import time
from typing import NoReturn

from .expectations import accepted, status
from .profiles.profile import Creation, Shape
from .report.masking import masked_beginning
from .service import Breach, Call, Exchange, LeftOut, Service, ServiceGone
from .settings import CannotRun


def shapes(service: Service) -> list[Shape]:
    """Valid requests of several forms, the least one first."""
    return service.profile.shapes(service)


def base_requests(service: Service) -> list[tuple[str, Call]]:
    """The requests that the others are made of, with their names; each must be valid by the document."""
    named = [(shape.description, service.upsert(shape.body)) for shape in shapes(service)]
    whole = [service.upsert(body) for body in service.profile.valid_bodies(service)]
    return [*named, *(("a contact with every member", call) for call in whole)]


def preflight(service: Service) -> None:
    """Sends the shapes.

    Raises:
        CannotRun: no connection, credentials that are refused, or not one shape that is taken.
        Breach: some shapes are taken and others refused, or an answer breaks a clause.
    """
    address = service.endpoint.base_url
    refused: list[tuple[Shape, Exchange]] = []
    planned = shapes(service)
    for shape in planned:
        try:
            exchange = service.send(service.upsert(shape.body))
        except Breach as breach:
            if breach.clause.endswith(".answers-every-request") and service.counters.statuses == {}:
                suspects = service.profile.variable("base_url")
                if service.route.proxy is not None:
                    suspects += f" and the proxy {service.route.proxy}"
                raise CannotRun(
                    f"{address} does not answer as an HTTP service ({breach.message}); check {suspects}."
                ) from None
            raise
        except ServiceGone as gone:
            raise CannotRun(f"{address} does not answer ({gone}).") from None
        except LeftOut as reason:
            raise CannotRun(
                f"{address}: “{shape.description}” could not be sent: {reason}."
            ) from None
        if exchange.status == 401:
            names = " and ".join(service.profile.credential_variables)
            raise CannotRun(f"{address} refuses the credentials (401); check {names}.")
        if exchange.status >= 300:
            refused.append((shape, exchange))
    if len(refused) == len(planned):
        _all_refused(service, refused[0][1])
    if refused:
        shape, exchange = refused[0]
        message = f"{shape.description} is refused with {exchange.status}"
        raise Breach(shape.clause, message, exchange, expects=accepted())
    creation = service.profile.creation
    if creation is not None:
        _first_contact(service, creation)


def _all_refused(service: Service, exchange: Exchange) -> NoReturn:
    for clause, why, call in service.profile.telling(service):
        if service.send(call).status < 300:
            message = f"every valid request is refused with {exchange.status} unless {why}"
            raise Breach(clause, message, exchange, expects=accepted())
    said = (
        masked_beginning(
            exchange.body.decode("utf-8", "replace").strip(), service.settings.variables, 200
        )
        or "nothing"
    )
    suspects = service.profile.account_variables or service.profile.credential_variables
    raise CannotRun(
        f"{service.endpoint.base_url} refuses every valid request ({exchange.status}); check {' and '.join(suspects)}. It says: {said}"
    )


def _first_contact(service: Service, creation: Creation) -> None:
    """Finds ids that are new here: those of this seed, unless an earlier run with the same seed used them up."""
    for salt in ("", str(time.time_ns())):
        service.salt = salt
        try:
            body = service.profile.new_contact(service, service.fresh_id("first"))
            exchange = service.send(service.upsert(body))
        except LeftOut:
            return
        if exchange.status == creation.status:
            service.first_created = exchange
            return
        service.counters.fresh -= 1  # it was there already
    message = (
        f"the first upsert of a new id is answered {exchange.status} instead of {creation.status}"
    )
    raise Breach(creation.clause, message, exchange, expects=status(creation.status))

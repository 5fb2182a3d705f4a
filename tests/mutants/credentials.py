"""Mutants of the credentials: each header taken in each of the ways in which comparisons go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from contact_apis._mocking.service import MockService, Request
from contact_apis._openapi.document import Operation
from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis._vendors.retainful.mock import RetainfulMock
from tests.mutants.catalogue import Seen, Subject, of_service, subjects

# Credential header -> (clause for its absence, clause for a wrong one, short name)
HEADERS = {
    "X-API-Key": (PristoMock, "pristo.key-required", "pristo.key-checked", "key"),
    "Retainful-Api-Key": (
        RetainfulMock,
        "retainful.api-key-required",
        "retainful.api-key-checked",
        "api-key",
    ),
    "Retainful-App-Id": (
        RetainfulMock,
        "retainful.app-id-required",
        "retainful.app-id-checked",
        "app-id",
    ),
}
_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Passes = Callable[[str, str, MockService, Request], bool]

# What is sent and what is right -> whether it passes. What is right passes anyway.
ABSENT: dict[str, tuple[str, Passes]] = {
    "absent-taken": (
        "is not asked for, only checked when it is there",
        lambda sent, right, owner, request: sent == "absent",
    ),
    "empty-taken": ("is taken when it is empty", lambda sent, right, owner, request: sent == ""),
}
WRONG: dict[str, tuple[str, Passes]] = {
    "any-taken": (
        "is asked for and not checked",
        lambda sent, right, owner, request: sent not in ("absent", ""),
    ),
    "prefix-taken": (
        "is taken when the right one begins with it",
        lambda sent, right, owner, request: bool(sent) and right.startswith(sent),
    ),
    "all-but-the-last-taken": (
        "is compared without its last character",
        lambda sent, right, owner, request: sent[:-1] == right[:-1],
    ),
    "truncated-taken": (
        "is taken without its last character",
        lambda sent, right, owner, request: sent == right[:-1],
    ),
    "first-half-compared": (
        "is compared in its first half alone",
        lambda sent, right, owner, request: sent[: len(right) // 2] == right[: len(right) // 2],
    ),
    "prolonged-taken": (
        "is taken with more behind it",
        lambda sent, right, owner, request: sent.startswith(right),
    ),
    "contained-taken": (
        "is taken with something before it",
        lambda sent, right, owner, request: sent.endswith(right),
    ),
    "same-length-taken": (
        "is taken when it has the right length",
        lambda sent, right, owner, request: sent != "absent" and len(sent) == len(right),
    ),
    "first-letter-compared": (
        "is compared in its first letter",
        lambda sent, right, owner, request: sent[:1] == right[:1],
    ),
    "star-taken": ("is taken when it is a star", lambda sent, right, owner, request: sent == "*"),
    "null-taken": (
        "is taken when it is the word null",
        lambda sent, right, owner, request: sent == "null",
    ),
    "quote-taken": (
        "is compared by a database that reads it as code",
        lambda sent, right, owner, request: "' OR '1'='1" in sent,
    ),
    "connection-remembered": (
        "is not checked again on a connection that has carried it",
        lambda sent, right, owner, request: request.headers[":connection"] in _passed(owner),
    ),
    "service-opened": (
        "is not checked again once it was right",
        lambda sent, right, owner, request: bool(_passed(owner)),
    ),
    "every-seventh-unchecked": (
        "is not checked on each seventh request",
        lambda sent, right, owner, request: _count(owner) % 7 == 0 and sent != "absent",
    ),
}


def _passed(owner: MockService) -> set[str]:
    passed: set[str] = owner.__dict__.setdefault("passed", set())
    return passed


def _count(owner: MockService) -> int:
    return int(owner.__dict__.get("count", 0))


def loosened(base: type[MockService], header: str, passes: Passes) -> type[MockService]:
    """A service that lets more than the right value of one header pass."""

    class Loosened(base):  # type: ignore[misc, valid-type]  # the same difference for either API
        def authorised(self, operation: Operation, request: Request) -> bool:
            self.count = _count(self) + 1
            every = True
            for name in operation.credentials:
                sent = request.headers.get(name.lower(), "absent")
                right = self.credentials[name]
                if sent == right:
                    continue
                if name != header or not passes(sent, right, self, request):
                    every = False
            if super().authorised(operation, request):
                _passed(self).add(request.headers[":connection"])
            return every

    return Loosened


def _families() -> Iterator[Subject]:
    for header, (base, required, checked, short) in HEADERS.items():
        for family, clauses in ((ABSENT, [required]), (WRONG, [checked, required])):
            for number, (name, (what, passes)) in enumerate(family.items()):
                # Retainful's two headers share what is checked by the same code.
                if family is WRONG and base is RetainfulMock and number % 2 == (short == "app-id"):
                    continue
                yield from subjects(
                    f"{short}-{name}",
                    f"{header} {what}.",
                    clauses,
                    service=loosened(base, header, passes),
                )
    for header, other in (
        ("Retainful-Api-Key", "Retainful-App-Id"),
        ("Retainful-App-Id", "Retainful-Api-Key"),
    ):
        _, required, checked, short = HEADERS[header]

        def swapped(
            sent: str, right: str, owner: MockService, request: Request, other: str = other
        ) -> bool:
            return sent == owner.credentials[other]

        def in_any_case(sent: str, right: str, owner: MockService, request: Request) -> bool:
            return sent.lower() == right.lower()

        yield from subjects(
            f"{short}-swapped-taken",
            f"{header} may hold the value of {other}.",
            [checked],
            service=loosened(RetainfulMock, header, swapped),
        )
        yield from subjects(
            f"{short}-letter-case-ignored",
            f"{header} is compared without letter case.",
            [checked],
            service=loosened(RetainfulMock, header, in_any_case),
        )
    base, required, checked, _ = HEADERS["X-API-Key"]
    yield from subjects(
        "key-any-uuid-taken",
        "Any UUID passes for a key.",
        [checked],
        service=loosened(
            base, "X-API-Key", lambda sent, right, owner, request: bool(_UUID.fullmatch(sent))
        ),
    )
    yield from subjects(
        "key-population-taken",
        "The population's id passes for a key.",
        [checked],
        service=loosened(
            base,
            "X-API-Key",
            lambda sent, right, owner, request: sent == request.path.rpartition("/")[2],
        ),
    )
    yield from subjects(
        "key-not-asked-for-known-contacts",
        "No key is needed for contacts that exist.",
        [required],
        service=loosened(
            base, "X-API-Key", lambda sent, right, owner, request: _known(owner, request)
        ),
    )
    yield from subjects(
        "key-not-asked-for-new-contacts",
        "No key is needed for contacts that do not exist.",
        [required, checked],
        service=loosened(
            base, "X-API-Key", lambda sent, right, owner, request: not _known(owner, request)
        ),
    )


def _known(owner: MockService, request: Request) -> bool:
    assert isinstance(owner, PristoMock)
    return any(
        str(each).encode() in request.body for kept in owner.stored.values() for each in kept
    )


class EitherCredentialIsEnough(RetainfulMock):
    """One right credential of the two is enough."""

    def authorised(self, operation: Operation, request: Request) -> bool:
        return any(
            request.headers.get(name.lower()) == self.credentials[name]
            for name in operation.credentials
        )


class NothingIsAskedFor(PristoMock):
    """No key is needed at all."""

    def authorised(self, operation: Operation, request: Request) -> bool:
        return True


class NoCredentialsAreNeeded(RetainfulMock):
    """No credentials are needed at all."""

    def authorised(self, operation: Operation, request: Request) -> bool:
        return True


def _answered(status: int) -> Callable[[Seen], None]:
    def change(seen: Seen) -> None:
        if seen.status == 401:
            seen.status = status

    return change


def _unauthorised_answered_otherwise() -> Iterator[Subject]:
    """A request without credentials is answered by a status that is not documented for it."""
    for status in (403, 404, 407, 302, 422):
        yield from subjects(
            f"unauthorised-answered-{status}",
            f"A request without credentials is answered {status}.",
            ["{api}.documented-statuses"],
            twist=_answered(status),
        )


def _unauthorised_answered_as_known() -> Iterator[Subject]:
    """A request without credentials is answered as one that was read."""
    for status in (200, 400):
        says = f"A request without credentials is answered {status}."
        yield from subjects(
            f"unauthorised-answered-{status}",
            says,
            ["pristo.key-required", "pristo.key-checked"],
            twist=_answered(status),
            apis=["pristo"],
        )
        clauses = [
            "retainful.api-key-required",
            "retainful.app-id-required",
            "retainful.success-answer",
        ]
        yield from subjects(
            f"unauthorised-answered-{status}",
            says,
            clauses,
            twist=_answered(status),
            apis=["retainful"],
        )


MUTANTS: tuple[Subject, ...] = (
    *_families(),
    *of_service(
        EitherCredentialIsEnough, "retainful.api-key-required", "retainful.app-id-required"
    ),
    *of_service(NothingIsAskedFor, "pristo.key-required", "pristo.key-checked"),
    *of_service(
        NoCredentialsAreNeeded,
        "retainful.api-key-required",
        "retainful.app-id-required",
        "retainful.api-key-checked",
        "retainful.app-id-checked",
    ),
    *_unauthorised_answered_otherwise(),
    *subjects(
        "unauthorised-answered-500",
        "A wrong key is answered 500.",
        ["{api}.no-server-error"],
        twist=_answered(500),
    ),
    *_unauthorised_answered_as_known(),
)

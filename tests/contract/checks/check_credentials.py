"""Security: each credential on its own, absent and wrong in every way, on a connection that just carried the right one."""

from __future__ import annotations

import pytest

from ..oracle import accept, is_uuid, reject_credentials
from ..preflight import shapes
from ..profiles.profile import Credential, Profile
from ..profiles.registry import PROFILES
from ..service import Call, Service

CREDENTIALS = [
    pytest.param(
        profile,
        credential,
        marks=pytest.mark.clause(
            credential.required,
            credential.checked,
            profile.envelope(profile.vendor.upsert, 401),
        ),
        id=profile.header_of(credential),
    )
    for profile in PROFILES.values()
    for credential in profile.credentials
]


def wrong_values(service: Service, header: str) -> dict[str, str]:
    """Values of a header that surely do not hold the credential, by what is wrong with the secret in them."""
    own, prefix = service.endpoint.secret_of(header)
    right = service.endpoint.value(own)
    wrong = {
        "empty": "",
        "another of the same form": right[:-1] + ("0" if right[-1] != "0" else "1"),
        "truncated": right[:-1],
        "its first half": right[: len(right) // 2],
        "its second half": right[len(right) // 2 :],
        "without its first letter": right[1:],
        "backwards": right[::-1],
        "prolonged": right + "0",
        "with a letter before it": "0" + right,
        "nonsense": "wrong",
        "a word that databases like": "' OR '1'='1",
        "a word that programs like": "null",
        "its first letter": right[:1],
        "a star": "*",
    }
    if not is_uuid(right) and right.swapcase() != right:
        wrong["in the other letter case"] = right.swapcase()
    for setting in service.profile.vendor.settings:
        if setting.name != own:
            wrong[f"the {setting.name} of the account"] = service.endpoint.value(setting.name)
    return {reason: f"{prefix}{value}".strip() for reason, value in wrong.items() if value != right}


def valid(service: Service) -> Call:
    return service.upsert(shapes(service)[-1].body)


@pytest.mark.parametrize(("profile", "credential"), CREDENTIALS)
def test_a_credential_that_is_absent_or_wrong_is_answered_401(
    profile: Profile, credential: Credential, request: pytest.FixtureRequest
) -> None:
    """Each wrong request follows a right one on the same connection, for contacts that exist."""
    service: Service = request.getfixturevalue(profile.name)
    header = profile.header_of(credential)
    right = valid(service)
    operation = f"{service.api}.operation"
    accept(service, right, operation)
    call = right.with_header(header, None)
    reject_credentials(service, call, credential.required, f"a request without {header}")
    for reason, value in service.within(wrong_values(service, header).items(), least=2):
        accept(service, right, operation)
        clause = credential.checked
        if reason == "empty":
            clause = credential.required
        call = right.with_header(header, value)
        reject_credentials(service, call, clause, f"a request whose {header} is {reason}")


@pytest.mark.clause("{api}.no-server-error", "{api}.documented-statuses")
def test_a_request_without_any_credentials_is_answered_401(service: Service) -> None:
    """All credentials absent at once, for a body that is valid and for one that is empty."""
    call = valid(service)
    for header in service.endpoint.credentials:
        call = call.with_header(header, None)
    first, *_ = service.profile.credentials
    reject_credentials(service, call, first.required, "a request without credentials")


@pytest.mark.parametrize(
    ("api", "clause"),
    [
        pytest.param(api, clause, marks=pytest.mark.clause(clause))
        for api, clause in [
            (name, profile.credentials_in_headers) for name, profile in PROFILES.items()
        ]
    ],
)
def test_header_names_are_taken_in_any_letter_case(
    api: str, clause: str, request: pytest.FixtureRequest
) -> None:
    """HTTP makes no difference between Authorization and authorization."""
    service: Service = request.getfixturevalue(api)
    for spelling in service.within([str.lower, str.upper]):
        call = valid(service)
        for header, value in service.endpoint.credentials.items():
            call = call.with_header(header, None).with_header(spelling(header), value)
        accept(
            service,
            call,
            clause,
            "a request whose credentials stand in headers of another letter case",
        )

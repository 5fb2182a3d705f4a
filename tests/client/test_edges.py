"""Addresses, proxies, mocked httpx, rows of data frames, and what a client that failed to be built still says."""

from __future__ import annotations

import collections
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contact_apis import (
    ConfigurationError,
    InvalidRequestError,
    Pristo,
    PristoContact,
    RetainfulContact,
)
from contact_apis._http.addresses import is_kept_from_proxy, is_loopback
from contact_apis._vendors.records import is_missing
from tests.contract.settings import Endpoint

from .hostile import Hostile, answer
from .kinds import FIELDS, GOOD, ID, KINDS, Kind, call, many

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *[
            (each, True)
            for each in (
                "localhost",
                "LOCALHOST",
                "127.0.0.1",
                "127.9.8.7",
                "::1",
                "::ffff:127.0.0.1",
            )
        ],
        *[
            (each, False)
            for each in (
                "localhost.example",
                "127.0.0.1.example",
                "10.0.0.1",
                "0.0.0.0",
                "::",
                "::ffff:10.0.0.1",
                "127.999.0.1",
            )
        ],
    ],
)
def test_loopback_is_one_thing(host: str, expected: bool) -> None:
    """Package and contract suite agree on what this machine is."""
    assert is_loopback(host) is expected
    shown = f"[{host}]" if ":" in host else host
    assert Endpoint("pristo", f"http://{shown}:1", {}).is_loopback is expected


@pytest.mark.parametrize(
    ("host", "port", "exceptions", "expected"),
    [
        ("10.1.2.3", 443, "10.0.0.0/8", True),
        ("11.1.2.3", 443, "10.0.0.0/8", False),
        ("10.1.2.3", 443, "10.1.2.3", True),
        ("fd00::5", 443, "fd00::/8", True),
        ("fd00::5", 443, "fd00::5", True),
        ("fd00::5", 443, "[fd00::5]", True),
        ("fd00::5", 8443, "[fd00::5]:8443", True),
        ("fd00::5", 8443, "[fd00::5]:443", False),
        ("::1", 443, "localhost, ::1", True),
        ("::ffff:10.1.2.3", 443, "10.0.0.0/8", True),
        ("api.example", 443, "10.0.0.0/8,example", True),
        ("api.example", 443, ".example", True),
        ("api.example", 443, "*.example", True),
        ("apiexample", 443, "example", False),
        ("api.example", 443, "api.example:443", True),
        ("api.example", 8443, "api.example:443", False),
        ("api.example", 443, "*", True),
        ("api.example", 443, "", False),
        ("api.example", 443, "nonsense/99 [", False),
    ],
)
def test_no_proxy(host: str, port: int, exceptions: str, expected: bool) -> None:
    """Names, domains, addresses of both kinds, with ports, and networks are kept from the proxy; nothing else is."""
    assert is_kept_from_proxy(host, port, exceptions) is expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("proxy", "words"),
    [("socks5://127.0.0.1:1", "httpx\\[socks\\]"), ("socks4://127.0.0.1:1", "SOCKS")],
)
def test_a_socks_proxy_is_named_as_such(
    kind: Kind, proxy: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the extra that it needs, or the kinds that there are."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setattr("contact_apis._http.connections.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=words):
        call("pristo", kind, "https://api.example")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["httpx", "httpcore"])
def test_mocked_httpx_stays_mocked(kind: Kind, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While what httpx sends with is replaced, ``upsert_many`` opens no connection: its requests arrive at the replacement."""
    import httpcore

    seen: list[bytes] = []

    def handle(self: object, request: Any) -> Any:
        seen.append(b"")
        body = json.dumps(GOOD["pristo"]).encode()
        return (
            httpx.Response(200, content=body)
            if level == "httpx"
            else httpcore.Response(200, content=body)
        )

    async def handle_async(self: object, request: Any) -> Any:
        return handle(self, request)

    if level == "httpx":
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async)
    else:
        monkeypatch.setattr(httpcore.ConnectionPool, "handle_request", handle)
        monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", handle_async)
    with Hostile(answer(500)) as service:
        (outcome,) = many(kind, [FIELDS["pristo"]], service.url)
        assert service.connections == 0
    assert (outcome.state, len(seen)) == ("updated", 1)


NA, NaT = (
    type(name, (), {"__eq__": lambda *_: False, "__hash__": lambda _: 0})()
    for name in ("NAType", "NaTType")
)


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), Decimal("NaN"), Decimal("sNaN"), NA, NaT],
    ids=lambda each: type(each).__name__,
)
def test_what_a_data_frame_has_for_nothing_is_absent(value: Any) -> None:
    """A missing value says nothing about its field, in a call by keywords and in one of many, custom fields included."""
    assert is_missing(value)
    fields = {"id": ID, "email": value, "custom_fields": {"tier": value, "since": "2024"}}
    with Hostile(answer(200, {"contact": {"id": ID}})) as service:
        call("pristo", "sync", service.url, given=fields)
        (outcome,) = many("async", [fields], service.url)
    assert outcome.succeeded
    bodies = [json.loads(each.split(b"\r\n\r\n", 1)[1]) for each in service.requests]
    assert bodies == [{"contact": {"id": ID, "customFields": {"since": "2024"}}}] * 2


Row = collections.namedtuple("Row", "id")  # as a data frame makes them


class Frame:
    """What a data frame looks like from outside."""

    columns = ("id",)

    def __iter__(self) -> Any:
        return iter(self.columns)

    def to_dict(self, orient: str) -> list[dict[str, str]]:
        return [{"id": ID}] if orient == "records" else []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("contacts", "remedy"),
    [
        (Frame(), r'\.to_dict\("records"\)'),
        (SimpleNamespace(to_dicts=list), r"\.to_dicts\(\)"),
        ({"id": ID}, "list of one"),
        ("text", "iterable of mappings"),
        (7, "iterable of mappings"),
        ([Row(ID)], r"_asdict\(\)"),
        ([(0, {"id": ID})], r"\.mappings\(\)"),
        ([SimpleNamespace(_mapping={})], r"\.mappings\(\)"),
        ([None], "mapping"),
        (["text"], "mapping"),
        ([RetainfulContact("Ada", [], [])], "of this service"),
    ],
)
def test_what_is_no_mapping_raises_with_the_remedy(contacts: Any, remedy: str, kind: Kind) -> None:
    """Immediately, and never as an outcome that nobody may look at."""
    with pytest.raises(TypeError, match=remedy):
        many(kind, contacts)


@pytest.mark.parametrize("name", ["emial", "Email", "lastname", "lastName", "custom_field"])
def test_a_misspelt_keyword_suggests_the_nearest_field(name: str) -> None:
    """In the error of a call, and in the outcome of one of many."""
    meant = {"emial": "email", "Email": "email", "custom_field": "custom_fields"}.get(
        name, "last_name"
    )
    with pytest.raises(TypeError, match=f"'{name}'; did you mean {meant}"):
        call("pristo", "sync", "http://127.0.0.1:9", given={"id": ID, name: "x"})
    (outcome,) = many("async", [{"id": ID, name: "x"}])
    assert isinstance(outcome.error, InvalidRequestError)
    assert f"did you mean {meant}" in str(outcome.error)


def test_a_client_that_failed_to_be_built_has_a_repr() -> None:
    """For a debugger shows it, and nothing else knows it."""
    client = Pristo.__new__(Pristo)
    with pytest.raises(ConfigurationError):
        client.__init__(api_key="k", population_id="nonsense")  # type: ignore[misc] # what is tested
    assert "not set up" in repr(client)
    key = "secret-" + uuid4().hex
    built = Pristo(api_key=key, population_id=uuid4())
    assert key not in repr(built._session.service)  # noqa: SLF001 # what is tested


@pytest.mark.parametrize("value", [None, float("nan"), NA], ids=["None", "NaN", "NA"])
def test_a_missing_subscription_is_no_consent(value: Any) -> None:
    """A row whose ``subscribed`` says nothing is refused; it does not become the default, which is yes."""
    with pytest.raises(InvalidRequestError, match="subscribed must be true or false"):
        call(
            "retainful",
            "sync",
            "http://127.0.0.1:9",
            given={**FIELDS["retainful"], "subscribed": value},
        )


def test_the_repr_of_a_contact_shows_what_is_set() -> None:
    """No members that were left out, and no address in memory."""
    contact = PristoContact(id=UUID(ID), name="Ada")
    assert repr(contact) == f"Contact(id={UUID(ID)!r}, name='Ada')"
    with Hostile(answer(200, {"contact": {"id": ID, "name": "Ada"}})) as service:
        assert repr(call("pristo", "sync", service.url).contact) == repr(contact)

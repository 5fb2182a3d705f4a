"""No local variable of ours and no attribute that it has shows a credential, whatever a crash reporter does with a traceback."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_apis
from contact_apis import ContactAPIError
from contact_apis._http.secrets import Secret, SecretBytes, SecretHeaders, SecretText

from .kinds import APIS, CLASSES, FIELDS, KINDS, Api, Kind
from .test_bulk import Service

SECRETS: Mapping[Api, Mapping[str, str]] = {
    "pristo": {"api_key": "k3y-that-nobody-sees"},
    "retainful": {"api_key": "k3y-that-nobody-sees", "app_id": "4pp-that-nobody-sees"},
}
POPULATION = {"pristo": {"population_id": "5ee0d1c9-1c0f-4b8e-8f0f-3f6d2a8b7c11"}, "retainful": {}}
OURS = str(Path(contact_apis.__file__).parent)


def frames(error: BaseException) -> Iterator[FrameType]:
    """Every frame of ours in the tracebacks of an error, of what caused it, and of what it came up in."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        entry: TracebackType | None = each.__traceback__
        while entry is not None:
            if entry.tb_frame.f_code.co_filename.startswith(OURS):
                yield entry.tb_frame
            entry = entry.tb_next


def shown(value: object, depth: int = 0) -> Iterator[str]:
    """What reporters make of a variable: its repr, all text in mappings and sequences, and the reprs of its attributes, two deep."""
    if isinstance(value, str | bytes):
        # rich prints the repr; Sentry copies text, but for that of a class of its own, which only libraries hold.
        yield repr(value)
        if type(value) in (str, bytes):
            yield str(value)
        return
    if isinstance(value, Mapping):
        for name, each in list(value.items())[:50]:
            yield from shown(name, depth)
            yield from shown(each, depth)
    elif isinstance(value, Sequence | set | frozenset):
        for each in list(value)[:50]:
            yield from shown(each, depth)
    yield repr(value)
    if depth < 2:
        names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
        for name in names:
            # The inside of a secret and the cells of a function are no attributes that anybody prints.
            if not isinstance(value, Secret | SecretHeaders):
                yield from shown(getattr(value, name, None), depth + 1)


def assert_hidden(error: BaseException, api: Api) -> None:
    """No credential in the error, nor in any frame of ours that it carries."""
    assert any(True for _ in frames(error))
    texts = [*traceback.format_exception(error), repr(vars(error))]
    for frame in frames(error):
        for name, value in frame.f_locals.items():
            texts += [f"{frame.f_code.co_qualname}: {name}: {text}" for text in shown(value)]
    for secret in SECRETS[api].values():
        assert [each[:300] for each in texts if secret in each] == []


def raised_by(act: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as raised:  # noqa: PT011 # whatever it is
        act()
    return raised.value


def answers(status: int, body: bytes, **headers: str) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, content=body, headers=headers))


def failing(error: Exception) -> httpx.MockTransport:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(fail)


TRANSPORTS = {
    "400": answers(400, b'{"error": {"message": "k3y-that-nobody-sees is wrong"}}'),
    "401": answers(401, b'{"message": "4pp-that-nobody-sees k3y-that-nobody-sees"}'),
    "500": answers(500, b""),
    "HTML": answers(403, b"<html>", **{"Content-Type": "text/html"}),
    "not JSON": answers(200, b"k3y-that-nobody-sees"),
    "too long": answers(200, b"x" * (1 << 20)),
    "encoded": answers(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"}),
    "refused": failing(httpx.ConnectError("no")),
    "late": failing(httpx.ReadTimeout("no")),
    "a bug": failing(ZeroDivisionError("no")),
}


@pytest.mark.parametrize("name", TRANSPORTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_a_failed_call_shows_no_credential(api: Api, kind: Kind, name: str) -> None:
    """Single calls and the credentials check, sync and async, with each way in which a response can be wrong."""

    def call(method: str) -> object:
        http: Any = httpx.Client if kind == "sync" else httpx.AsyncClient
        client = CLASSES[api, kind](
            http_client=http(transport=TRANSPORTS[name]),
            max_retries=0,
            **SECRETS[api],
            **POPULATION[api],
        )
        arguments = FIELDS[api] if method == "upsert_contact" else {}
        if kind == "sync":
            return getattr(client, method)(**arguments)

        async def awaited() -> object:
            return await getattr(client, method)(**arguments)

        return asyncio.run(awaited())

    assert_hidden(raised_by(lambda: call("upsert_contact")), api)
    if name not in ("400", "401", "not JSON", "too long", "encoded"):
        assert_hidden(raised_by(lambda: call("check_credentials")), api)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_an_impossible_request_shows_no_credential(api: Api, kind: Kind) -> None:
    """Nor does one that breaks the contract, has a keyword that there is none of, or comes after the client was closed."""
    for arguments in ({**FIELDS[api], "email": "no address"}, {**FIELDS[api], "nonsense": 1}, {}):
        client = CLASSES[api, kind](**SECRETS[api], **POPULATION[api])

        def call(client: Any = client, arguments: Any = arguments) -> object:
            done = client.upsert_contact(**arguments)
            return asyncio.run(done) if kind == "async" else done

        error = (
            raised_by(call)
            if api == "pristo" or "email" not in arguments or "nonsense" in arguments
            else None
        )
        if error is not None:
            assert_hidden(error, api)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_a_constructor_shows_no_credential(api: Api, kind: Kind) -> None:
    """Whatever else is wrong with its arguments, a key under a misspelt name included."""
    right = {**SECRETS[api], **POPULATION[api]}
    wrong: list[dict[str, Any]] = [
        {**right, "base_url": "ftp://nowhere"},
        {**right, "timeout": -1},
        {**right, "http_client": object()},
        {**right, "api_key": right["api_key"] + "\n\x00"},
        {**right, "api_key": [right["api_key"]]},
        {"apikey": right["api_key"]},
        {**right, "secret": right["api_key"]},
    ]
    if api == "pristo":
        wrong.append({**right, "population_id": right["api_key"]})
    for arguments in wrong:

        def build(arguments: dict[str, Any] = arguments) -> object:
            return CLASSES[api, kind](**arguments)

        assert_hidden(raised_by(build), api)


def test_a_misspelt_keyword_is_named() -> None:
    """With the nearest one that there is, and without its value."""
    with pytest.raises(
        TypeError, match=r"Pristo\(\) has no keyword 'apikey'; did you mean api_key=\?"
    ):
        contact_apis.Pristo(apikey="k")  # type: ignore[call-arg]  # what a user gets wrong


@pytest.mark.parametrize("broken", ["prepare", "exchange", "settle"])
def test_many_contacts_show_no_credential(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """A bug of ours or of a library in the middle of a bulk run, over real connections."""

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError

    places = {
        "prepare": "contact_apis._bulk.requests.json.dumps",
        "exchange": "aiohttp.ClientSession._request",
        "settle": "contact_apis._http.call.Call.settle",
    }
    with Service() as service:
        client = CLASSES["pristo", "sync"](
            base_url=service.url, **SECRETS["pristo"], **POPULATION["pristo"]
        )
        monkeypatch.setattr(places[broken], fail)
        error = raised_by(lambda: list(client.upsert_many([FIELDS["pristo"]])))
        assert_hidden(error, "pristo")


def test_a_proxys_password_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy is neither an attribute nor a variable that is shown."""
    monkeypatch.setenv("HTTPS_PROXY", "socks9://me:k3y-that-nobody-sees@127.0.0.1:9")
    for kind in KINDS:
        client = CLASSES["retainful", kind](base_url="https://127.0.0.1:9", **SECRETS["retainful"])

        def call(client: Any = client, kind: Kind = kind) -> object:
            done = client.upsert_contact(**FIELDS["retainful"])
            return asyncio.run(done) if kind == "async" else done

        error = raised_by(call)
        assert isinstance(error, ContactAPIError)
        assert_hidden(error, "retainful")


@given(text=st.text(st.characters(codec="ascii"), min_size=1))
def test_secret_text_goes_out_as_it_is(text: str) -> None:
    """Hidden text is the same text to whoever sends it, and another to whoever prints it."""
    secret = SecretText(text)
    assert (secret, secret.encode(), f"{secret}") == (text, text.encode(), text)
    assert (repr(secret), repr(secret.encode()), repr(secret.encode().decode())) == (
        "'***'",
        "b'***'",
        "'***'",
    )
    assert isinstance(secret.encode(), SecretBytes)
    headers = SecretHeaders({"X-Key": text}).with_plain({"X-Plain": "plain"})
    assert headers.reveal() == {"X-Key": text, "X-Plain": "plain"}
    assert repr(headers) == "SecretHeaders(X-Key, X-Plain)"
    assert (repr(Secret(text)), Secret(text).reveal()) == ("***", text)


def test_a_secret_is_not_pickled_by_itself() -> None:
    """Only a client pickles to its settings."""
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(Secret("k"))

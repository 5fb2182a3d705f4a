"""The contract suite under the limits of a live service: budgets are planned, and never end a run in a fault of the suite."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contact_apis._vendors.pristo.mock import PristoMock
from contact_apis.mock import MockServer
from tests.conftest import Run, contract, live
from tests.contract import bounded
from tests.contract.plan import Progress, _part
from tests.contract.service import KEPT_BODY, Breach, Exchange, LeftOut, Service
from tests.contract.settings import load_settings
from tests.mutants.catalogue import Seen, Subject, SubjectServer
from tests.mutants.warm import warm_suite

#: How many seeds, and which profiles; `make soak` sets both.
SEEDS = range(1, 1 + int(os.environ.get("BUDGET_SEEDS") or 1))
PROFILES = (os.environ.get("BUDGET_PROFILES") or "quick").split(",")
IN_FULL = len(SEEDS) > 1
APIS = ("pristo", "retainful")
Budget = tuple[str, int, int, str, int]


def budgets() -> Iterator[Budget]:
    """API, requests, new contacts, profile and seed of each run; a whole round of budgets before the next seed."""
    for seed in SEEDS:
        for profile in PROFILES:
            for api in APIS:
                for requests in (300, 1000, 2000):
                    # No check of Retainful asks for a new contact; one seed shows that it needs none.
                    for contacts in (0, 5) if api == "pristo" or seed == SEEDS.start else (5,):
                        yield api, requests, contacts, profile, seed


# Each of them is a whole run.
FEW = [
    ("pristo", 300, 0, "quick", 1),
    ("pristo", 2000, 5, "quick", 1),
    ("retainful", 300, 0, "quick", 1),
]


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer(second_population=True, custom_fields=["tier", "notes"]) as server:
        server.app.arrived = type(server.app.arrived)(maxlen=None)
        yield server


@pytest.fixture(scope="module")
def suite(run: Run) -> Iterator[Run]:
    """How a run is started: a process from nothing for the few, forks of a warm one where there are hundreds."""
    if not IN_FULL:
        yield run
        return
    with warm_suite() as warm:
        yield lambda *_command, **variables: warm.run(variables)


@pytest.mark.parametrize(
    ("api", "requests", "contacts", "profile", "seed"), [*budgets()] if IN_FULL else FEW
)
def test_a_healthy_service_passes_under_any_budget(
    suite: Run,
    mock: MockServer,
    tmp_path: Path,
    requests: int,
    contacts: int,
    api: str,
    profile: str,
    seed: int,
) -> None:
    """It conforms where the budget has room for each clause, and is incomplete, with the clauses' names, where it has not."""
    budget = {"CONTRACT_MAX_REQUESTS": str(requests), "CONTRACT_NEW_CONTACTS": str(contacts)}
    code, line, results = contract(
        suite, tmp_path, **live(mock, API=api, PROFILE=profile, SEED=str(seed), **budget)
    )
    assert results["requests"] <= requests
    if api == "pristo" and not contacts:
        assert (code, results["verdict"]) == (3, "incomplete"), line
        assert "pristo.create-answers-201" in results["left_out"]
        assert "CONTRACT_NEW_CONTACTS=0" in results["reason"]
        assert all(clause in results["reason"] for clause in results["left_out"])
        assert results["reason"] in line
        assert "the run is incomplete" in (tmp_path / "index.html").read_text("utf-8")
    else:
        assert (code, results["verdict"], results["left_out"]) == (0, "conforms", []), line


def test_a_budget_too_small_for_all_clauses_names_those_left_out(
    run: Run, mock: MockServer, tmp_path: Path
) -> None:
    """Thirty requests show some clauses; those pass, the others are left out, and the plan says so before the first request."""
    variables = live(
        mock, API="pristo", PROFILE="quick", CONTRACT_MAX_REQUESTS="30", CONTRACT_NEW_CONTACTS="5"
    )
    done = run("python", "-m", "tests.contract", REPORTS=str(tmp_path), **variables)
    results = json.loads((tmp_path / "results.json").read_bytes())
    assert (done.returncode, results["verdict"]) == (3, "incomplete")
    assert "Traceback" not in done.stdout + done.stderr
    assert "the budget has no room for" in done.stdout.partition("checking")[0]
    assert "CONTRACT_MAX_REQUESTS=30" in results["reason"]
    outcomes = Counter(
        each["result"] for each in results["clauses"] if each["evidence"] == "documented"
    )
    assert outcomes["pass"] > 5
    assert outcomes["not-exercised"] > 5


def test_a_budget_without_room_for_a_first_look_sends_nothing(
    run: Run, mock: MockServer, tmp_path: Path
) -> None:
    """Then nothing can be said of the service, and the sentence names the variable."""
    code, line, results = contract(
        run, tmp_path, **live(mock, API="pristo", CONTRACT_MAX_REQUESTS="3")
    )
    assert (code, results["verdict"], results["requests"]) == (2, "could-not-run", 0)
    assert "CONTRACT_MAX_REQUESTS=3" in line


def test_a_budget_is_that_of_each_api(run: Run, mock: MockServer, tmp_path: Path) -> None:
    """With both APIs each gets as many requests as with one alone; the plan's numbers are those that arrive."""
    mock.app.arrived.clear()
    variables = live(mock, PROFILE="quick", CONTRACT_MAX_REQUESTS="250", CONTRACT_NEW_CONTACTS="5")
    done = run("python", "-m", "tests.contract", REPORTS=str(tmp_path), **variables)
    assert done.returncode == 0, done.stdout
    planned = [int(number) for number in re.findall(r"about (\d+) requests", done.stdout)]
    arrived = Counter(
        "pristo" if "/v1/" in request.path else "retainful" for _, request, _, _ in mock.app.arrived
    )
    assert max(arrived.values()) <= 250
    for number, seen in zip(planned, (arrived["pristo"], arrived["retainful"]), strict=True):
        assert abs(number - seen) <= 25


def test_the_plan_says_how_long_it_takes(run: Run, mock: MockServer, tmp_path: Path) -> None:
    """At the given rate, before the first request."""
    done = run(
        *("python", "-m", "tests.contract"),
        **live(mock, CLAUSE="pristo.key-in-header", CONTRACT_RATE="50", REPORTS=str(tmp_path)),
    )
    assert re.search(r"about \d+ requests, about \d+ s", done.stdout.partition("checking")[0])


def test_one_clause_alone_is_checked(run: Run, mock: MockServer, tmp_path: Path) -> None:
    """A name, a list, a pattern; the verdict says how many were selected, and the API follows from the clause."""
    variables = {
        name: value for name, value in live(mock).items() if not name.startswith("RETAINFUL_")
    }
    code, line, results = contract(
        run, tmp_path, **variables, CLAUSE="pristo.key-in-header,pristo.update-keeps-*"
    )
    assert (code, results["verdict"]) == (3, "incomplete")
    assert "selects 2 of" in line
    passed = {each["id"] for each in results["clauses"] if each["result"] == "pass"}
    assert passed == {"pristo.key-in-header", "pristo.update-keeps-the-rest"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pristo.update-keep-the-rest", "did you mean pristo.update-keeps-the-rest?"),
        ("no-such.*", "matches no clause"),
    ],
)
def test_a_clause_that_there_is_not_is_named(
    run: Run, mock: MockServer, tmp_path: Path, text: str, says: str
) -> None:
    """Before the first request."""
    code, line, results = contract(run, tmp_path, **live(mock, CLAUSE=text))
    assert (code, results["requests"]) == (2, 0)
    assert says in line


def _throttles_after_a_while(seen: Seen) -> None:
    if seen.number > 300:
        seen.status = 429
        seen.headers["Retry-After"] = "100"
        seen.answer({"error": {"code": "throttled", "message": "slow down"}})


def test_a_service_that_throttles_for_good_makes_the_run_incomplete(
    run: Run, tmp_path: Path
) -> None:
    """Also in the middle of a property, where Hypothesis must not see it."""
    subject = Subject(
        "pristo.throttles",
        "pristo",
        "Throttles.",
        frozenset(),
        PristoMock,
        twist=_throttles_after_a_while,
    )
    with SubjectServer(subject) as server:
        code, line, results = contract(
            run, tmp_path, **live(server, API="pristo", CONTRACT_NEW_CONTACTS="5")
        )
    assert (code, results["verdict"]) == (3, "incomplete"), line
    assert "throttled" in results["reason"]


def test_a_run_out_of_time_ends_with_a_verdict(run: Run, tmp_path: Path) -> None:
    """A slow service gets the checks that there is time for."""
    with MockServer(second_population=True, custom_fields=["tier"], latency=0.05) as server:
        code, line, results = contract(
            run, tmp_path, **live(server, API="pristo", CONTRACT_MAX_SECONDS="4")
        )
    assert (code, results["verdict"]) == (3, "incomplete"), line
    assert "CONTRACT_MAX_SECONDS=4" in results["reason"]


def test_progress_is_told_while_a_run_is_slow() -> None:
    """Counts and the time left, every fifteen seconds of a clock, and nothing in between."""

    class Slow:
        services = {"pristo": type("S", (), {"counters": type("C", (), {"requests": 0})})}  # noqa: RUF012  # of this test alone
        total = 100

    now, lines = [0.0], list[str]()
    plan: Any = Slow()
    progress = Progress(plan, lines.append, now=lambda: now[0])
    for number in range(1, 41):
        now[0] = number
        Slow.services["pristo"].counters.requests = number  # type: ignore[attr-defined]  # made above
        progress()
    assert lines == [
        "  15 of about 100 requests sent · about 1 min 25 s left",
        "  30 of about 100 requests sent · about 1 min 10 s left",
    ]


# Fifteen seconds of silence are too long for a test.
IMPATIENT = """
import sys
from functools import partial
from tests.contract import plugin
from tests.contract.run import main
plugin.Progress = partial(plugin.Progress, every=0.5)
sys.exit(main())
"""


def test_progress_reaches_the_terminal_while_checks_run(
    run: Run, mock: MockServer, tmp_path: Path
) -> None:
    """After the first check has begun, and before the verdict; the plan says how long all of it takes."""
    variables = live(mock, API="pristo", CLAUSE="pristo.key-*", PROFILE="quick", CONTRACT_RATE="25")
    said = run("python", "-c", IMPATIENT, REPORTS=str(tmp_path), **variables).stdout
    _, _, checking = said.partition("checking credentials")
    assert re.search("of about [0-9]+ requests sent · about [0-9]+ s left", checking), said
    assert re.search("pace: 25 requests a second, about [0-9]+ s in all", said), said


# ------------------------------------------------------------------------------------------------- hostile responses


@contextmanager
def _raw_service(respond: Callable[[socket.socket, threading.Event], None]) -> Iterator[Service]:
    """A service that answers each connection in its own way, and the suite's side of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_answer, args=(connection,), daemon=True).start()

    def _answer(connection: socket.socket) -> None:
        try:
            request = connection.recv(65536)
            while not request.endswith(b"}"):  # the last byte of several at once comes later
                request += connection.recv(65536)
            respond(connection, over)
        except OSError:
            pass
        finally:
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    variables = {
        "TARGET": "live",
        "API": "retainful",
        "RETAINFUL_BASE_URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
        **dict.fromkeys(("RETAINFUL_API_KEY", "RETAINFUL_APP_ID", "RETAINFUL_LIST_ID"), "nobody"),
    }
    settings = load_settings(variables, reports=Path("unused"))
    service = Service(settings.endpoints[0], settings, lambda _exchange, _strictly: None)
    try:
        yield service
    finally:
        over.set()
        service.close()
        listener.close()


def _drips(prefix: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def respond(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(prefix)
        while not over.wait(0.05):
            connection.sendall(b"x")

    return respond


def _endless(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not over.is_set():
        connection.sendall(b" " * 65536)


@cache
def bomb() -> bytes:
    """A few hundred bytes that are 100 MB when they are decoded twice."""
    return gzip.compress(gzip.compress(b" " * 100_000_000, 9), 9)


def _bomb(connection: socket.socket, _over: threading.Event) -> None:
    body = bomb()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


@pytest.mark.parametrize("at_once", [False, True], ids=["one", "at-once"])
@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (_drips(b"HTTP/1.1 200 OK\r\nX-Slow: "), ""),
        (_drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), ""),
        (_endless, "1048576 bytes"),
        (_bomb, "1048576 bytes"),
    ],
    ids=["drips-headers", "drips-body", "endless", "bomb"],
)
def test_a_hostile_response_is_a_violation(
    respond: Callable[[socket.socket, threading.Event], None],
    says: str,
    at_once: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within the deadline and in little memory; alone, and among requests at the same moment."""
    monkeypatch.setattr(bounded, "RESPONSE_SECONDS", 30.0 if says else 1.0)
    bomb()  # takes a while to make
    with _raw_service(respond) as service:
        call = service.upsert({"firstName": "Ada"})
        send = (
            partial(service.send_at_once, [call, call]) if at_once else partial(service.send, call)
        )
        tracemalloc.start()
        with pytest.raises(Breach, match="answers-every-request") as caught:
            send()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert says in caught.value.message
    assert peak < 32_000_000


def test_decoding_a_bomb_takes_little_memory() -> None:
    """Each layer is decoded under the bound."""
    body = bomb()
    tracemalloc.start()
    with pytest.raises(bounded.TooLarge):
        bounded.decoded(body, "gzip, gzip")
    assert tracemalloc.get_traced_memory()[1] < 32_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "coding", ["gzip", "x-gzip", "GZIP", "deflate", "gzip, gzip", "identity", "", "gzip, identity"]
)
def test_usual_codings_are_decoded(coding: str) -> None:
    """One after the other, as the header lists them."""
    import zlib

    body = b'{"status": true}'
    for step in coding.lower().replace(" ", "").split(","):
        if "gzip" in step:
            body = gzip.compress(body)
        elif step == "deflate":
            body = zlib.compress(body)
    assert bounded.decoded(body, coding) == b'{"status": true}'


def test_an_exchange_keeps_the_beginning_of_a_body() -> None:
    """A thousand large responses do not fill the memory of a run."""
    with _raw_service(_endless) as service:
        call = service.upsert({})
    breach = Breach("retainful.operation", "said", Exchange(call, 200, {}, b"x" * 1_000_000))
    assert len(breach.exchanges[0].body) == KEPT_BODY


# ------------------------------------------------------------------------------------------ requests of our own


def _email_required(document: Any) -> str:
    schema = document["components"]["schemas"]["Contact"]
    schema["required"] = [*schema["required"], "email"]
    return "#/components/schemas/Contact/required"


def _header_required(document: Any) -> str:
    (path,) = document["paths"].values()
    path["post"].setdefault("parameters", []).append(
        {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}}
    )
    return "header parameter X-Tenant"


def _name_short(document: Any) -> str:
    document["components"]["schemas"]["Contact"]["properties"]["lastName"]["maxLength"] = 2
    return "#/components/schemas/Contact/properties/lastName/maxLength"


def _path_renamed(document: Any) -> str:
    document["paths"] = {
        "/v2" + path.removeprefix("/v1"): item for path, item in document["paths"].items()
    }
    return "has no operation for POST /v1"


@pytest.mark.parametrize("change", [_email_required, _header_required, _name_short, _path_renamed])
def test_a_request_of_ours_that_no_longer_fits_the_document_stops_the_run(
    run: Run, checkout: Path, mock: MockServer, tmp_path: Path, change: Callable[[Any], str]
) -> None:
    """Before anything is sent: our fault, with the place in the document and the request's name, and not a violation."""
    file = checkout / "specs/pristo.json"
    document = json.loads(file.read_text("utf-8"))
    place = change(document)
    file.write_text(json.dumps(document), "utf-8")
    done = run(
        "python",
        "-m",
        "tests.contract",
        cwd=checkout,
        REPORTS=str(tmp_path),
        **live(mock, API="pristo", PROFILE="quick"),
    )
    results = json.loads((tmp_path / "results.json").read_bytes())
    assert (done.returncode, results["verdict"], results["requests"]) == (2, "could-not-run", 0), (
        done.stdout
    )
    assert place in results["reason"], results["reason"]
    assert re.search("own request “.+” does not fit pristo.json", results["reason"])


def test_a_cut_short_property_does_not_count_as_left_out_once_it_held() -> None:
    """An example that was sent whole shows that the clause ran."""
    with _raw_service(_endless) as service:
        service.begin_example()
        with service.sending():
            pass
        service.begin_example()
        with service.sending():
            raise LeftOut("it does not fit")
        service.end_check(None)
        assert service.whole_examples == 1
        assert service.cut_short == "it does not fit"


@given(spare=st.floats(-1e6, 1e6), wanted=st.floats(0, 1e6))
@example(spare=-3.0, wanted=0.0)
def test_a_part_of_what_is_wanted(spare: float, wanted: float) -> None:
    """Whatever is left, even less than nothing, what is wanted gets a part from none to all that fits into it."""
    part = _part(spare, wanted)
    assert 0.0 <= part <= 1.0
    assert part * wanted <= max(0.0, spare) * 1.000001 + 1e-9

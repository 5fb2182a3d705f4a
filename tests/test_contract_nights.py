"""Five nights of the workflow as it is shipped, each step of it run in order against a service on loopback: what the owner reads each morning."""

from __future__ import annotations

import base64
import html
import json
import multiprocessing
import signal
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import frozen

from tests.github_actions import Json, Leg, call, load_workflow
from tests.mutants.catalogue import HONEST, Seen, Subject, SubjectServer

# The first night looks at all clauses, the others at these, which takes seconds.
SOME = "pristo.create-answers-201,pristo.update-answers-200,pristo.key-*"
BROKEN = "pristo.create-answers-201"
SECRETS = ("PRISTO_API_KEY", "PRISTO_POPULATION_ID", "PRISTO_SECOND_POPULATION_ID")
SPAWN = multiprocessing.get_context("spawn")


def create_answers_200_and_tells_all(seen: Seen) -> None:
    """What the vendor changed: 200 for a new contact, and headers of a debugger that show key and population in several forms."""
    key = seen.request.headers.get("x-api-key", "")
    population = seen.request.path.rpartition("/")[2]
    seen.headers |= {
        "X-Debug-Basic": "Basic " + base64.b64encode(f"{key}:{population}".encode()).decode(),
        "X-Debug-Upper": everywhere(key, "%{:02X}"),
        "X-Debug-Lower": everywhere(population, "%{:02x}"),
        "X-Debug-Page": f"<p title='{everywhere(key, '&#{};')}'>{everywhere(population, '&#x{:x};')}</p>",
        "X-Debug-Bare": population.replace("-", "").upper(),
        "X-Debug-Json": everywhere(key, "\\u{:04x}"),
    }
    if seen.status == 201:
        seen.status = 200


def everywhere(text: str, form: str) -> str:
    """Each character of a text in another form."""
    return "".join(form.format(ord(character)) for character in text)


TWISTS = {"honest": None, "broken": create_answers_200_and_tells_all}


def serve(name: str, tell: Connection) -> None:
    """Serves until it is terminated; the main function of a process."""
    with SubjectServer(
        Subject(name, "pristo", name, frozenset(), HONEST["pristo"], twist=TWISTS[name])
    ) as server:
        tell.send(server.env)
        signal.pause()


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, dict[str, str]]]:
    """The environments of the honest service, of the broken one and of one that is down."""
    processes = []
    environments: dict[str, dict[str, str]] = {}
    for name in TWISTS:
        told, tell = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=serve, args=(name, tell), daemon=True)
        process.start()
        processes.append(process)
        environments[name] = told.recv()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        # Bound and never listening: whoever connects is refused, and no other process takes the port.
        environments["down"] = {
            **environments["honest"],
            "PRISTO_BASE_URL": f"http://127.0.0.1:{nobody.getsockname()[1]}",
        }
        yield environments
    for process in processes:
        process.terminate()
        process.join(10)


@frozen
class Night:
    """What a night has left."""

    leg: Leg
    uploaded: Path
    kept: Path
    secrets: dict[str, str]

    @property
    def results(self) -> Json:
        results: Json = json.loads((self.uploaded / "reports/contract/results.json").read_bytes())
        return results

    @property
    def report(self) -> dict[str, list[str]]:
        """The clauses of the morning report, by category."""
        categories = ("first", "new", "still", "mended", "changed", "not_checked")
        return {
            name: [change["clause"] for change in self.results["morning"][name]]
            for name in categories
        }

    @property
    def lines(self) -> list[Json]:
        return [
            json.loads(line)
            for line in (self.kept / "contract-history.jsonl").read_text("utf-8").splitlines()
        ]


def spend(number: int, environment: dict[str, str], folder: Path, clauses: str) -> Night:
    """One night of the nightly workflow, for the owner of a Pristo account."""
    secrets = {name: environment[name] for name in SECRETS}
    variables = {name: environment[name] for name in ("PRISTO_BASE_URL", "PRISTO_CUSTOM_FIELDS")}
    by_hand = {"API": "both", "PROFILE": "quick", "CLAUSE": clauses, "SEED": ""}
    inputs, passed = call(
        load_workflow("nightly.yml"),
        "contract",
        {"vars": variables, "secrets": secrets, "inputs": by_hand},
    )
    contexts: Json = {
        "inputs": inputs,
        "secrets": passed,
        "matrix": {"api": "pristo"},
        "github": {"run_id": str(number), "run_attempt": "1"},
        "job": {"workflow_repository": "ours/contact-apis", "workflow_sha": "0" * 40},
    }
    storage = folder / "storage"
    leg = Leg(
        load_workflow("contract.yml"),
        "night",
        folder / f"runner-{number}",
        storage,
        folder / "calling",
        contexts,
    ).run()
    uploaded = (storage / "artifacts").rename(
        folder / f"artifacts-{number}"
    ) / "contract-pristo-main"
    kept = storage / "caches" / f"contract-history-pristo-of-main-run-{number}-1"
    return Night(leg, uploaded, kept, secrets)


def let_a_day_pass(night: Night) -> None:
    """What is kept has become a day older."""
    lines = [
        {**line, "finished": a_day_before(line["finished"]), "since": a_day_before(line["since"])}
        for line in night.lines
    ]
    text = "".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines
    )
    (night.kept / "contract-history.jsonl").write_text(text, "utf-8")


def a_day_before(moment: str) -> str:
    return (datetime.fromisoformat(moment) - timedelta(days=1)).isoformat(timespec="seconds")


@pytest.fixture(scope="module")
def nights(
    services: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> list[Night]:
    """Honest, broken, still broken, down, broken: a day between each and the next."""
    folder = tmp_path_factory.mktemp("nights")
    spent: list[Night] = []
    for number, name in enumerate(["honest", "broken", "broken", "down", "broken"], 1):
        if spent:
            let_a_day_pass(spent[-1])
        clauses = "" if number == 1 else SOME
        spent.append(spend(number, services[name], folder, clauses))
    return spent


def days_ago(night: Night, days: int) -> str:
    """The date of a night before this one."""
    finished = datetime.fromisoformat(night.results["finished"])
    return f"{finished - timedelta(days=days):%Y-%m-%d}"


def test_the_exit_code_of_each_night_is_that_of_its_verdict(nights: list[Night]) -> None:
    """And a night that is not good is red."""
    assert [night.results["verdict"] for night in nights] == [
        "conforms",
        "violates",
        "violates",
        "could-not-run",
        "violates",
    ]
    assert [night.leg.steps["run"].code for night in nights] == [0, 1, 1, 2, 1]
    assert [night.leg.status for night in nights] == ["success", *["failure"] * 4]


def test_the_first_night_has_nothing_to_compare_with(nights: list[Night]) -> None:
    """It says so, instead of calling everything new."""
    first = nights[0]
    assert not any(first.report.values())
    assert first.results["morning"]["compared_with"] == {"pristo": None}
    assert "Nothing to compare with" in first.leg.steps["run"].log


def test_what_the_vendor_changed_is_new_on_the_first_morning(nights: list[Night]) -> None:
    """One clause, compared with last night."""
    second = nights[1]
    assert (second.report["new"], second.report["still"], second.report["mended"]) == (
        [BROKEN],
        [],
        [],
    )
    assert second.results["morning"]["compared_with"]["pristo"].startswith(days_ago(second, 1))


def test_what_is_still_broken_has_its_first_night(nights: list[Night]) -> None:
    """It is not new again."""
    third = nights[2]
    assert (third.report["new"], third.report["still"], third.report["mended"]) == (
        [],
        [BROKEN],
        [],
    )
    (still,) = third.results["morning"]["still"]
    assert still["since"].startswith(days_ago(third, 1))


def test_a_night_that_could_not_run_mends_nothing(nights: list[Night]) -> None:
    """It names the reason, and what was broken when it was last looked at."""
    fourth = nights[3]
    assert (fourth.report["new"], fourth.report["still"], fourth.report["mended"]) == ([], [], [])
    assert fourth.report["not_checked"] == [BROKEN]
    assert "PRISTO_BASE_URL" in fourth.results["reason"]


def test_a_night_that_could_not_run_is_no_baseline(nights: list[Night]) -> None:
    """The morning after it, what was broken before is still broken since its first night."""
    fifth = nights[4]
    assert (fifth.report["new"], fifth.report["still"], fifth.report["mended"]) == (
        [],
        [BROKEN],
        [],
    )
    (still,) = fifth.results["morning"]["still"]
    assert still["since"].startswith(days_ago(fifth, 3))
    assert fifth.results["morning"]["compared_with"]["pristo"].startswith(days_ago(fifth, 2))


def test_the_history_has_every_night(nights: list[Night]) -> None:
    """What is kept for the next one is what is uploaded, and holds all nights so far in order."""
    for number, night in enumerate(nights, 1):
        assert len({line["run"] for line in night.lines}) == number
        assert night.lines[-1]["verdict"] == night.results["verdict"]
        assert night.lines == sorted(night.lines, key=lambda line: line["finished"])
    last = nights[-1]
    assert (last.uploaded / "contract-history.jsonl").read_bytes() == (
        last.kept / "contract-history.jsonl"
    ).read_bytes()


def test_the_summary_of_each_night_says_its_news(nights: list[Night]) -> None:
    """On the page of the run, once, with the verdict first."""
    news = [
        "",
        "new tonight",
        "still broken since",
        "not checked tonight, broken when last checked",
        "still broken since",
    ]
    for night, words in zip(nights, news, strict=True):
        summary = html.unescape(night.leg.summary)
        assert summary.startswith(f"## Contract of pristo: {night.results['verdict']}\n")
        assert summary.count("## ") == 1
        assert words in summary
        assert (BROKEN in summary) == bool(words)


def forms_of(secret: str) -> Iterator[str]:
    """How a secret may be written, in small letters."""
    yield secret
    yield secret.replace("-", "")
    for form in ("%{:02x}", "%25{:02x}", "&#{};", "&#x{:x};", "\\u{:04x}", "\\x{:02x}"):
        yield everywhere(secret, form)
        yield secret.replace("-", form.format(ord("-")))
    yield quote(secret, safe="")


def base64_of(secret: str) -> Iterator[str]:
    """What is the secret's own of its Base64, wherever it begins."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret.encode()).decode()
        yield text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]


def what_is_left(night: Night) -> Iterator[tuple[str, str]]:
    """All that a night leaves where others can see it: what is uploaded and kept, the log and the page of the run."""
    for folder in (night.uploaded, night.kept):
        for path in folder.rglob("*"):
            if path.is_file():
                yield (
                    str(path.relative_to(folder)),
                    path.read_bytes().decode("utf-8", "backslashreplace"),
                )
    yield "the log", night.leg.log
    yield "the summary", night.leg.summary


def test_nothing_that_is_left_shows_a_key_or_a_population(nights: list[Night]) -> None:
    """In none of the forms in which it may be written, although the service tells them in several."""
    for night in nights:
        left = list(what_is_left(night))
        assert {
            "reports/contract/index.html",
            "reports/contract/junit.xml",
            "reports/contract/results.json",
        } <= {name for name, _ in left}
        for name, text in left:
            for secret in night.secrets.values():
                small = text.lower()
                assert not [form for form in forms_of(secret) if form in small], name
                assert not [part for part in base64_of(secret) if part in text], name
    assert "X-Debug-Basic" in json.dumps(nights[1].results) or "x-debug-basic" in json.dumps(
        nights[1].results
    )


def test_only_reports_and_history_are_uploaded(nights: list[Night]) -> None:
    """Nothing else of the workspace, the suite's own checkout least of all."""
    for night in nights:
        assert {path.name for path in night.uploaded.iterdir()} == {
            "reports",
            "contract-history.jsonl",
        }
        assert {path.name for path in (night.uploaded / "reports").iterdir()} == {"contract"}
        allowed = {"index.html", "junit.xml", "results.json", "reproducers"}
        assert {path.name for path in (night.uploaded / "reports/contract").iterdir()} <= allowed


def test_a_known_violation_of_the_calling_repository_is_no_news(
    services: dict[str, dict[str, str]], nights: list[Night], tmp_path: Path
) -> None:
    """Its file is found without being named, and the sixth night has nothing new."""
    (tmp_path / "calling").mkdir()
    entry: dict[str, Any] = {
        "clause": BROKEN,
        "since": "2026-01-01",
        "ticket": "PRISTO-17",
        "until": "2999-12-31",
    }
    (tmp_path / "calling/known-violations.yaml").write_text(json.dumps([entry]))
    sixth = spend(6, services["broken"], tmp_path, SOME)
    assert sixth.results["known_and_new"] == "1 known, 0 new"
    assert sixth.results["verdict"] == "incomplete"  # for some clauses alone were selected

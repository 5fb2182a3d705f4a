"""The command as a person uses it: what it takes, what it says, what it sends, and how it ends."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .conftest import Command, results_in
from .service import API_KEY, Service

IDS = [f"4b4fd4b2-7c6d-4e5a-9a9a-{number:012}" for number in range(1000)]
File = Callable[..., Path]


def csv_of(rows: int) -> str:
    return "id,email,name\n" + "".join(
        f"{each},user{place}@example.com,Ada\n" for place, each in enumerate(IDS[:rows])
    )


def test_everything_in_and_nothing_twice(command: Command, file: File, tmp_path: Path) -> None:
    """All rows arrive once; the same file again sends nothing, and so does the same content in another order and encoding."""
    path, journal = file(csv_of(100)), tmp_path / "j"
    with Service() as service:
        first = command(
            "import",
            path,
            "--to",
            "pristo",
            "--journal",
            journal,
            "--output",
            "json",
            service=service,
        )
        assert (first.code, first.told["created"]) == (0, 100)
        again = command(
            "import",
            path,
            "--to",
            "pristo",
            "--journal",
            journal,
            "--output",
            "json",
            service=service,
        )
        assert (again.code, again.told["skipped"]) == (0, 100)
        header, *lines = csv_of(100).splitlines()
        other = file("\n".join([header, *reversed(lines)]).encode("utf-16"), "other.csv")
        moved = command(
            "import",
            other,
            "--to",
            "pristo",
            "--journal",
            journal,
            "--output",
            "json",
            service=service,
        )
        assert (moved.code, moved.told["skipped"]) == (0, 100)
        assert len(service.times) == 100


def test_results_have_one_line_a_row_in_its_order(
    command: Command, file: File, tmp_path: Path
) -> None:
    """With everything that is known of each."""
    path = file(csv_of(2) + "no uuid,x@example.com,Ada\n" + "short\n")
    with Service() as service:
        done = command(
            "import", path, "--to", "pristo", "--results", tmp_path / "r", service=service
        )
    assert done.code == 1
    rows = results_in(tmp_path / "r")
    assert [
        (each["line"], each["id"], each["state"], each["status"], each["attempts"], each["skipped"])
        for each in rows
    ] == [
        (2, IDS[0], "created", 201, 1, False),
        (3, IDS[1], "created", 201, 1, False),
        (4, None, "refused", None, 0, False),
        (5, None, "refused", None, 0, False),
    ]
    assert [list(each) for each in rows] == [
        ["line", "id", "state", "status", "request_id", "attempts", "error", "skipped"]
    ] * 4
    assert rows[2]["error"] == "contact.id must have the format uuid"
    assert rows[3]["error"] == "has 1 cell, and the header has 3"
    assert "line 4: contact.id must have the format uuid" in done.out


def test_columns_find_their_fields(command: Command, file: File) -> None:
    """By the specification's names, snake_case, any case, by --map, --custom and --ignore; it is shown before anything is sent."""
    path = file(
        "ID,E-Mail,last_name,LANGUAGE,Tier,Notes,Tel\n"
        f"{IDS[0]},ada@example.com,Lovelace,en,gold,secret,07911 123456\n"
    )
    words = [
        "--map",
        "E-Mail=email",
        "--map",
        "Tel=phone",
        "--custom",
        "Tier",
        "--ignore",
        "Notes",
        "--region",
        "GB",
        "--set",
        "name=Ada",
    ]
    with Service() as service:
        done = command("import", path, "--to", "pristo", *words, service=service)
        (sent,) = service.applied[IDS[0]]
    assert done.code == 0
    assert sent == {
        "contact": {
            "id": IDS[0],
            "email": "ada@example.com",
            "lastName": "Lovelace",
            "language": "en",
            "name": "Ada",
            "phone": "+447911123456",
            "customFields": {"Tier": "gold"},
        }
    }
    assert re.search(r"E-Mail +-> email", done.err)
    assert re.search(r"Notes +-> \(left out\)", done.err)
    assert "secret" not in done.err + done.out


def test_retainful_rows(command: Command, file: File) -> None:
    """Addresses and numbers become identifiers with the consent of the row; nothing about consent is made up."""
    header = "first_name,email,phone,all_subscribed,consent_created_at,consentIp,birth_date,trigger_welcome_email"
    path = file(
        f"{header}\nAda,ada@example.com,+442079460123,no,2024-03-21T10:30:00.000Z,192.0.2.7,1990-01-15,false\n"
    )
    words = ["--to", "retainful", "--set", "listIds=one;two", "--output", "json"]
    with Service() as service:
        lacking = command("import", path, *words, service=service)
        assert lacking.code == 2
        assert "consent.source" in lacking.err
        done = command("import", path, *words, "--set", "consent.source=import", service=service)
        assert done.told["accepted"] == 1
        (sent,) = service.applied["ada@example.com"]
    consent = {"createdAt": "2024-03-21T10:30:00.000Z", "ip": "192.0.2.7", "source": "import"}
    assert sent == {
        "firstName": "Ada",
        "birthDate": "1990-01-15",
        "triggerWelcomeEmail": False,
        "listIds": ["one", "two"],
        "identifiers": [
            {
                "type": "email",
                "id": "ada@example.com",
                "channels": {"email": {"status": "unsubscribed"}},
                "consent": consent,
            },
            {
                "type": "phone",
                "id": "+442079460123",
                "channels": {"phone": {"status": "unsubscribed"}},
                "consent": consent,
            },
        ],
    }


def test_json_lines(command: Command, file: File) -> None:
    """Objects with columns as members, and objects that have the wire form already."""
    flat = {"id": IDS[0], "last_name": "Lovelace", "phone": None}
    wire = {"contact": {"id": IDS[1], "customFields": {"tier": "gold"}}}
    path = file(f"{json.dumps(flat)}\n\n{json.dumps(wire)}\n", "in.jsonl")
    with Service() as service:
        assert command("import", path, "--to", "pristo", service=service).code == 0
        assert service.applied[IDS[0]] == [{"contact": {"id": IDS[0], "lastName": "Lovelace"}}]
        assert service.applied[IDS[1]] == [wire]


def test_standard_input(command: Command, tmp_path: Path) -> None:
    """It is read with ``-``, and then the journal must be named."""
    with Service() as service:
        unnamed = command(
            "import", "-", "--to", "pristo", stdin=csv_of(3).encode(), service=service
        )
        assert unnamed.code == 2
        assert "--journal" in unnamed.err
        for skipped in (0, 3):
            done = command(
                "import",
                "-",
                "--to",
                "pristo",
                "--journal",
                tmp_path / "j",
                "--output",
                "json",
                stdin=csv_of(3).encode(),
                service=service,
            )
            assert (done.code, done.told.get("skipped", 0)) == (0, skipped)
        assert len(service.times) == 3


WRONG = {
    "no such file": (["nowhere.csv", "--to", "pristo"], "nowhere.csv cannot be read: No such file"),
    "a folder": ([".", "--to", "pristo"], "cannot be read: Is a directory"),
    "a column that fits nothing": (
        ["odd.csv", "--to", "pristo"],
        "no field fits the column 'emial' (like email)",
    ),
    "no id": (["no_id.csv", "--to", "pristo"], "no column gives id"),
    "a column twice": (["twice.csv", "--to", "pristo"], "names a column twice: 'id'"),
    "a field twice": (
        ["small.csv", "--to", "pristo", "--set", "email=x@example.com"],
        "email would be filled twice",
    ),
    "a field that there is none of": (
        ["small.csv", "--to", "pristo", "--map", "name=nickname"],
        "--map name=nickname: there is no such field",
    ),
    "a column that there is none of": (
        ["small.csv", "--to", "pristo", "--ignore", "nam"],
        "--ignore names 'nam'",
    ),
    "an option of the wrong form": (
        ["small.csv", "--to", "pristo", "--map", "name"],
        "'--map': name must have the form COLUMN=FIELD",
    ),
    "a region": (["small.csv", "--to", "pristo", "--region", "XX"], "--region XX is no region"),
    "a first line of data": (["data.csv", "--to", "pristo"], "looks like data"),
    "a spreadsheet": (["sheet.csv", "--to", "pristo"], "save it as CSV"),
    "an encoding of no text": (
        ["small.csv", "--to", "pristo", "--encoding", "hex"],
        "--encoding hex",
    ),
    "another encoding": (["small.csv", "--to", "pristo", "--encoding", "utf-16"], "is not utf-16"),
    "a device": (["small.csv", "--to", "pristo", "--results", "/dev/null"], "no regular file"),
    "a constant twice": (
        ["small.csv", "--to", "pristo", "--set", "last_name=A", "--set", "lastName=B"],
        "--set lastName is given twice",
    ),
    "a column for two": (
        ["small.csv", "--to", "pristo", "--custom", "name", "--ignore", "name"],
        "exclude each other",
    ),
    "an encoding": (["small.csv", "--to", "pristo", "--encoding", "utf-9"], "--encoding utf-9"),
    "custom fields of Retainful": (
        ["small.csv", "--to", "retainful", "--custom", "name"],
        "no custom fields",
    ),
    "a constant that is none": (
        ["small.csv", "--to", "retainful", "--set", "triggerWelcomeEmail=maybe"],
        "must be true or false",
    ),
    "results over the input": (
        ["small.csv", "--to", "pristo", "--results", "small.csv"],
        "would overwrite",
    ),
    "results nowhere": (
        ["small.csv", "--to", "pristo", "--results", "no/r"],
        "cannot be written: No such file",
    ),
    "a journal in no folder": (["small.csv", "--to", "pristo", "--journal", "no/j"], "--journal"),
    "a column in one row of many": (
        ["odd.jsonl", "--to", "pristo"],
        "line 2: no field fits the column 'emial'",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(
    command: Command, file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """With the remedy, exit 2, and nothing is sent or overwritten; what cannot be read as an option is a usage error."""
    monkeypatch.chdir(tmp_path)
    file(csv_of(3), "small.csv")
    file("id,emial\n", "odd.csv")
    file("email\n", "no_id.csv")
    file("id,id\n", "twice.csv")
    file("ada@example.com,Ada\n", "data.csv")
    file(b"PK\x03\x04rest", "sheet.csv")
    file(f'{{"id": "{IDS[0]}"}}\n{{"id": "{IDS[1]}", "emial": "x"}}\n', "odd.jsonl")
    words, told = WRONG[what]
    with Service() as service:
        done = command("import", *words, service=service)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(("contact-apis: ", "Error: Invalid value for "))
    assert told in done.err
    assert service.times == []
    assert (tmp_path / "small.csv").read_text() == csv_of(3)


def test_without_credentials(command: Command, file: File) -> None:
    """One sentence names the variable; a dry run needs none."""
    done = command("import", file(csv_of(3)), "--to", "pristo")
    assert (done.code, done.out) == (2, "")
    assert "PRISTO_API_KEY" in done.err
    assert command("import", file(csv_of(3)), "--to", "pristo", "--dry-run").code == 0


def test_refused_credentials_stop_it_at_once(command: Command, file: File) -> None:
    """Exit 3, after no more requests than were in flight; with others, the same command goes on."""
    path = file(csv_of(500))
    with Service(status=401, latency=0.01) as service:
        done = command("import", path, "--to", "pristo", "--concurrency", 8, service=service)
        assert (done.code, len(service.times) <= 16) == (3, True)
        assert "credentials" in done.out
        service.status = None
        assert (
            command("import", path, "--to", "pristo", "--output", "json", service=service).told[
                "created"
            ]
            == 500
        )


def test_a_service_that_is_down_stops_it_after_a_run_of_failures(
    command: Command, file: File
) -> None:
    """Exit 4; the first failures alone do not."""
    path = file(csv_of(500))
    with Service(status=503) as service:
        done = command(
            "import",
            path,
            "--to",
            "pristo",
            "--max-retries",
            0,
            "--concurrency",
            4,
            service=service,
        )
    assert done.code == 4
    assert 20 <= len(service.times) <= 24
    assert "run the same command again" in done.out


def test_rows_that_are_refused_do_not_stop_it(command: Command, file: File, tmp_path: Path) -> None:
    """Exit 1, each with its status and reason, in the results and in the file to be imported again."""
    path = file(csv_of(50))
    with Service(status=400) as service:
        done = command(
            "import",
            path,
            "--to",
            "pristo",
            "--results",
            tmp_path / "r",
            "--failed",
            tmp_path / "f.csv",
            service=service,
        )
        assert (done.code, len(service.times)) == (1, 50)
        assert {(each["state"], each["status"]) for each in results_in(tmp_path / "r")} == {
            ("refused", 400)
        }
        service.status = None
        again = command(
            "import", tmp_path / "f.csv", "--to", "pristo", "--output", "json", service=service
        )
        assert (again.code, again.told["created"]) == (0, 50)


def test_the_journal_names_what_it_belongs_to(command: Command, file: File) -> None:
    """Another mapping or population needs another journal; a corrected file, and one with a column more, do not."""
    path = file(csv_of(5))
    with Service() as service:
        assert command("import", path, "--to", "pristo", service=service).code == 0
        other = command("import", path, "--to", "pristo", "--set", "language=en", service=service)
        assert other.code == 2
        assert "another mapping" in other.err
        path.write_text(csv_of(5).replace("Ada", "Bob", 1).replace("\n", ",note\n"))
        corrected = command(
            "import",
            path,
            "--to",
            "pristo",
            "--ignore",
            "note",
            "--output",
            "json",
            service=service,
        )
        assert (corrected.told["updated"], corrected.told["skipped"]) == (1, 4)


def test_a_limit(command: Command, file: File) -> None:
    """The first rows alone; without it, the rest."""
    path = file(csv_of(50))
    with Service() as service:
        assert (
            command(
                "import", path, "--to", "pristo", "--limit", 10, "--output", "json", service=service
            ).told["created"]
            == 10
        )
        assert command(
            "import", path, "--to", "pristo", "--output", "json", service=service
        ).told == {
            "rows": 50,
            "ending": "finished",
            "dry_run": False,
            "created": 40,
            "skipped": 10,
            "exit_code": 0,
        }


def test_welcome_mails_are_not_sent_twice(command: Command, file: File, tmp_path: Path) -> None:
    """A row that starts one and may have arrived stays unknown, and is sent again when that is asked for."""
    row = {
        "firstName": "Ada",
        "email": "ada@example.com",
        "listIds": ["a"],
        "triggerWelcomeEmail": True,
    }
    row |= {
        "consent.createdAt": "2024-03-21",
        "consent.ip": "192.0.2.7",
        "consent.source": "import",
        "subscribed": True,
    }
    path = file(json.dumps(row), "in.jsonl")
    with Service(status=500) as service:
        done = command(
            "import", path, "--to", "retainful", "--results", tmp_path / "r", service=service
        )
        assert (done.code, len(service.times)) == (1, 1)
        assert results_in(tmp_path / "r")[0]["state"] == "unknown"
        service.status = None
        assert command("import", path, "--to", "retainful", service=service).code == 1
        assert len(service.times) == 1
        assert (
            command("import", path, "--to", "retainful", "--retry-unknown", service=service).code
            == 0
        )
        assert len(service.times) == 2


def test_a_rate_is_kept(command: Command, file: File) -> None:
    """Never more than one above it in any second, as the service sees it, and evenly spaced."""
    with Service() as service:
        command("import", file(csv_of(60)), "--to", "pristo", "--rate", 20, service=service)
    times = service.times
    assert max(sum(start <= each < start + 1 for each in times) for start in times) <= 21
    assert 0.045 <= statistics.median(later - earlier for earlier, later in pairwise(times)) <= 0.08


class RefusesOnce(Service):
    """Asks at its 41st request to wait two seconds."""

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, str], object] | str:
        """Counts the request, whatever it answers."""
        if len(self.times) != 40:
            return super().answer(body)
        self.times.append(self._loop.time())
        return 429, {"Retry-After": "2"}, {"error": {"code": "slow_down"}}


def test_who_is_asked_to_wait_waits(command: Command, file: File) -> None:
    """A 429 with Retry-After stops all sending for so long, and no row is lost by it."""
    with RefusesOnce() as service:
        done = command(
            "import", file(csv_of(600)), "--to", "pristo", "--output", "json", service=service
        )
    assert done.told["created"] == 600
    refused = service.times[40]
    # Those that were on their way already may still come in, each with one more where the machine is slow; 559 were waiting.
    assert len([each for each in service.times if refused < each < refused + 2]) <= 2 * 64


def test_a_service_that_is_slow_is_not_flooded(
    command: Command, file: File, tmp_path: Path
) -> None:
    """After the first burst it gets about what it takes: few rows are refused again, none is tried often."""
    with Service(capacity=10, latency=0.01) as service:
        done = command(
            "import",
            file(csv_of(60)),
            "--to",
            "pristo",
            "--results",
            tmp_path / "r",
            "--output",
            "json",
            service=service,
        )
    assert done.told["created"] == 60
    assert max(each["attempts"] for each in results_in(tmp_path / "r")) <= 4
    assert len(service.times) <= 60 + 64 + 20


def test_no_personal_data_on_the_terminal_or_in_logs(
    command: Command, file: File, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Line numbers, states and fields are shown; ids, addresses, names and credentials are not."""
    caplog.set_level("DEBUG")
    path = file(csv_of(5) + f"{IDS[7]},no address,Ada\n")
    with Service(status=400) as service:
        done = command(
            "import", path, "--to", "pristo", "--failed", tmp_path / "f", service=service
        )
    shown = done.out + done.err + caplog.text
    for private in ("user1@", "Ada", IDS[0], "no address", API_KEY):
        assert private not in shown


def test_a_full_disk_is_said_and_nothing_is_lost(
    command: Command, file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the journal cannot be written any more, nothing is sent that it does not have; with room again, it goes on."""
    path = file(csv_of(1000))
    program = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from contact_apis.cli import main; main()"
    with Service() as service:
        words = [sys.executable, "-c", program, "import", str(path), "--to", "pristo"]
        full = subprocess.run(
            words, env={"PATH": "", **service.env}, capture_output=True, text=True, check=False
        )
        assert full.returncode == 5, full.stderr
        assert "Traceback" not in full.stderr
        assert "the journal" in full.stderr.splitlines()[-1]
        assert command("import", path, "--to", "pristo", service=service).code == 0
        assert all(len(service.sent[each]) == 1 for each in IDS)


def test_a_run_that_was_stopped_is_never_taken_for_whole(
    command: Command, file: File, tmp_path: Path
) -> None:
    """What succeeded once, was overtaken and has to be sent again is pending until it is; then it has the last word."""
    first, second = csv_of(30), csv_of(30).replace("Ada", "Bob")
    path = file(first)
    with Service() as service:
        for content in (first, second):
            path.write_text(content)
            assert command("import", path, "--to", "pristo", service=service).code == 0
        path.write_text(first)
        service.status = 401
        stopped = command(
            "import",
            path,
            "--to",
            "pristo",
            "--concurrency",
            1,
            "--results",
            tmp_path / "r",
            service=service,
        )
        assert stopped.code == 3
        assert {each["state"] for each in results_in(tmp_path / "r")} == {"failed", "pending"}
        service.status = None
        assert command("import", path, "--to", "pristo", service=service).code == 0
        assert all(service.applied[each][-1]["contact"]["name"] == "Ada" for each in IDS[:30])


def test_input_that_can_be_read_once(command: Command, tmp_path: Path) -> None:
    """A named pipe gives all of its rows."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(csv_of(1000) + "x" * 70_000 + "\n",))
    writer.start()
    done = command("import", pipe, "--to", "pristo", "--dry-run", "--output", "json")
    writer.join()
    assert (done.told["fit"], done.told["refused"]) == (1000, 1)


@pytest.mark.parametrize(
    "content",
    [
        "firstName,lastName,email\nAda,ada@example.com\n",
        'email\n"a@b.com\nc@d.com\n',
        'firstName,email\n"a\rb",x\n',
    ],
)
def test_rows_that_failed_never_change_their_meaning(
    command: Command, file: File, tmp_path: Path, content: str
) -> None:
    """Imported again and again, what could not be read stays so, and no reason becomes a value."""
    words = [
        "--to",
        "retainful",
        "--set",
        "listIds=a",
        "--set",
        "consent.createdAt=2024-03-21",
        "--set",
        "consent.ip=no address",
    ]
    words += ["--set", "consent.source=import", "--set", "subscribed=true"] + (
        [] if "firstName" in content else ["--set", "firstName=Ada"]
    )
    before = file(content)
    seen: list[bytes] = []
    with Service() as service:
        for again in range(4):
            after = tmp_path / f"failed{again}.csv"
            command(
                "import",
                before,
                *words,
                "--failed",
                after,
                "--journal",
                tmp_path / f"j{again}",
                service=service,
            )
            seen.append(after.read_bytes())
            before = after
        sent = json.dumps(service.sent)
    assert len(set(seen[1:])) == 1
    assert "cell" not in sent
    assert "quotes" not in sent


def test_failed_rows_hold_nothing_that_does_harm_again(
    command: Command, file: File, tmp_path: Path
) -> None:
    """Neither what may have started a welcome e-mail, nor what a later row of the same contact has overtaken."""
    row = {
        "firstName": "Ada",
        "email": "ada@example.com",
        "listIds": ["a"],
        "triggerWelcomeEmail": True,
    }
    row |= {
        "consent.createdAt": "2024-03-21",
        "consent.ip": "192.0.2.7",
        "consent.source": "import",
        "subscribed": True,
    }
    with Service(status=500) as service:
        command(
            "import",
            file(json.dumps(row), "in.jsonl"),
            "--to",
            "retainful",
            "--failed",
            tmp_path / "f.jsonl",
            service=service,
        )
    assert (tmp_path / "f.jsonl").read_bytes() == b""
    path = file(
        f"id,email,phone\n{IDS[0]},old@example.com,{'9' * 3}\n{IDS[1]},no address,\n{IDS[0]},new@example.com,\n"
    )
    with Service() as service:
        command(
            "import",
            path,
            "--to",
            "pristo",
            "--region",
            "GB",
            "--failed",
            tmp_path / "f.csv",
            service=service,
        )
    assert "no address" in (tmp_path / "f.csv").read_text()


def test_what_decides_about_rows_is_not_taken_for_the_same(command: Command, file: File) -> None:
    """Another region reads other numbers, so the rows are sent again."""
    path = file(f"id,phone\n{IDS[0]},02079460018\n")
    with Service() as service:
        for region in ("GB", "IT", "GB"):
            assert (
                command("import", path, "--to", "pristo", "--region", region, service=service).code
                == 0
            )
        assert [each["contact"]["phone"] for each in service.applied[IDS[0]]] == [
            "+442079460018",
            "+3902079460018",
            "+442079460018",
        ]


def test_a_file_that_was_imported_is_known_every_time(command: Command, file: File) -> None:
    """Not only the first time that it comes again."""
    path = file(csv_of(5))
    with Service() as service:
        for _ in range(4):
            assert command("import", path, "--to", "pristo", service=service).code == 0
    assert len(service.times) == 5
    db = sqlite3.connect(f"{path}.journal")
    assert db.execute("SELECT count(*) FROM run").fetchone() == (1,)
    db.close()


REFUSED_LINES = {
    '{"contact": {"id": "%s"}}': "has the form of a request already",
    '{"id": "%s", "name": "\\ud800"}': "is not JSON",
    '{"id": "%s", "name": ' + "[" * 900 + "]" * 900 + "}": "is nested too deeply",
}


@pytest.mark.parametrize("line", REFUSED_LINES)
def test_json_lines_that_are_refused_say_why(
    command: Command, file: File, tmp_path: Path, line: str
) -> None:
    """Each with its own reason."""
    path = file(line % IDS[0] + "\n", "in.jsonl")
    command(
        "import",
        path,
        "--to",
        "pristo",
        "--dry-run",
        "--set",
        "language=en",
        "--results",
        tmp_path / "r",
    )
    assert REFUSED_LINES[line] in results_in(tmp_path / "r")[0]["error"]


@pytest.mark.parametrize("value", ['{"a": 1}', '["no"]', "2", "[]"])
def test_a_subscription_is_said_plainly_or_not_at_all(
    command: Command, file: File, tmp_path: Path, value: str
) -> None:
    """Nothing but true and false counts as one."""
    path = file(
        f'{{"firstName": "Ada", "listIds": [], "email": "a@example.com", "subscribed": {value}}}\n',
        "in.jsonl",
    )
    command("import", path, "--to", "retainful", "--dry-run", "--results", tmp_path / "r")
    assert results_in(tmp_path / "r")[0]["error"] == "subscribed must be true or false"


def test_a_dry_run_shows_what_would_be_refused(
    command: Command, file: File, tmp_path: Path
) -> None:
    """And nothing else, on the terminal and in the file of failed rows."""
    path = file(csv_of(10) + "bad,x@example.com,z\n")
    done = command("import", path, "--to", "pristo", "--dry-run", "--failed", tmp_path / "f.csv")
    assert done.out.splitlines() == [
        "11 rows: 10 fit, 1 refused",
        "  line 12: contact.id must have the format uuid",
    ]
    assert len((tmp_path / "f.csv").read_text().splitlines()) == 2


def test_a_file_of_another_encoding_comes_back_readable(
    command: Command, file: File, tmp_path: Path
) -> None:
    """Failed rows of it are imported again by the same command, with the same names."""
    path = file(f"id,email,name\n{IDS[0]},no address,José\n".encode("cp1252"))
    with Service() as service:
        command(
            "import",
            path,
            "--to",
            "pristo",
            "--encoding",
            "cp1252",
            "--failed",
            tmp_path / "f.csv",
            service=service,
        )
        mended = (tmp_path / "f.csv").read_bytes().replace(b"no address", b"jose@example.com")
        (tmp_path / "f.csv").write_bytes(mended)
        assert (
            command(
                "import",
                tmp_path / "f.csv",
                "--to",
                "pristo",
                "--encoding",
                "cp1252",
                service=service,
            ).code
            == 0
        )
        assert service.applied[IDS[0]][0]["contact"]["name"] == "José"


def test_a_service_that_wants_to_be_left_alone_for_long(command: Command, file: File) -> None:
    """It is left alone: exit 4 after the first such answer."""
    with Service(status=429, retry_after="3600") as service:
        done = command(
            "import", file(csv_of(300)), "--to", "pristo", "--concurrency", 4, service=service
        )
    assert done.code == 4
    assert len(service.times) <= 8


def test_one_contact(command: Command) -> None:
    """From options or from standard input; what is wrong with it is named."""
    with Service() as service:
        done = command(
            "upsert",
            "--to",
            "pristo",
            "--set",
            f"id={IDS[0]}",
            "--set",
            "last_name=L",
            "--custom",
            "tier=gold",
            service=service,
        )
        assert (done.code, done.out[:16]) == (0, "created (request")
        stdin = json.dumps({"id": IDS[0], "name": "Ada"}).encode()
        assert (
            command(
                "upsert", "--to", "pristo", "--output", "json", stdin=stdin, service=service
            ).told["state"]
            == "updated"
        )
        wrong = command("upsert", "--to", "pristo", "--set", "id=x", service=service)
        assert (wrong.code, wrong.out) == (
            1,
            "refused: nothing was sent: contact.id must have the format uuid\n",
        )
        assert command("upsert", "--to", "pristo", stdin=b"[", service=service).code == 2
        assert service.applied[IDS[0]][0] == {
            "contact": {"id": IDS[0], "lastName": "L", "customFields": {"tier": "gold"}}
        }
        service.status = 401
        assert command("upsert", "--to", "pristo", stdin=stdin, service=service).code == 3


def test_check(command: Command) -> None:
    """It says of each service whether it is reached and takes the credentials, by exit code too."""
    with Service(status=400) as service:
        assert command("check", service=service).code == 0
        service.status = 401
        refused = command("check", "--to", "pristo", service=service)
        assert (refused.code, refused.out) == (
            3,
            "pristo: reached, and the credentials are refused\n",
        )
        service.down()
        assert command("check", "--to", "retainful", service=service).code == 4
        service.up()
    assert "PRISTO_API_KEY" in command("check").out


def test_the_journal_can_be_read_by_anybody(command: Command, file: File) -> None:
    """It is plain SQLite, with a row for each row."""
    path = file(csv_of(5))
    with Service() as service:
        command("import", path, "--to", "pristo", service=service)
    db = sqlite3.connect(f"{path}.journal")
    assert db.execute("SELECT state, count(*) FROM row GROUP BY state").fetchall() == [
        ("created", 5)
    ]
    db.close()

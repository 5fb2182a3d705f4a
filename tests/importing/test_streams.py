"""More of what happens to the file, the disk, the terminal and the credentials of an import while it runs."""

from __future__ import annotations

import gzip
import io
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contact_apis._importing import sender as _import
from contact_apis._importing.journal import Journal, JournalFullError
from contact_apis._importing.mapping import ColumnMapping
from contact_apis._importing.rows import Input, InputError, looks_like_data

from .conftest import Command
from .service import Service
from .test_conditions import ROWS, Picky, contact, content, run

File = Callable[..., Path]


def test_a_file_that_changes_behind_a_limit(
    command: Command, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the first rows are taken: a file that was replaced meanwhile is not sent, and the next run sends what it holds."""
    path = file(content(range(ROWS)))
    mapped = ColumnMapping.of_cells

    def mapping(self: ColumnMapping, cells: list[str]) -> dict[str, Any]:
        if "Ada" in path.read_text("utf-8"):
            other = path.with_suffix(".new")
            other.write_text(content(range(ROWS), "Eve"), "utf-8")
            other.rename(path)
        return mapped(self, cells)

    with Service() as service:
        with monkeypatch.context() as patch:
            patch.setattr(ColumnMapping, "of_cells", mapping)
            done = command("import", path, "--to", "pristo", "--limit", 3, service=service)
        assert (done.code, service.times) == (2, [])
        assert "was changed or replaced while it was read; nothing was sent" in done.err
        assert command("import", path, "--to", "pristo", "--limit", 3, service=service).code == 0
        assert {each[-1]["contact"]["name"] for each in service.applied.values()} == {"Eve"}


def test_a_file_on_standard_input_that_changes(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """A regular file that is standard input is compared before and after it was read, too."""
    path = file(content(range(ROWS)))
    with path.open("rb") as opened:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(opened))
        source = Input("-")
        rows = iter(source)
        next(rows)
        with path.open("a", encoding="utf-8") as file_:
            file_.write(content([ROWS]).partition("\n")[2])
        with pytest.raises(InputError, match="standard input was changed or replaced"):
            list(rows)


@pytest.mark.parametrize("start", [b'id,name\nx,"', b'"'])
def test_an_open_quote_over_many_short_lines(file: File, start: bytes) -> None:
    """A quote that is never closed takes no more memory where the lines are short, and the line where it is opened is named."""
    path = file(gzip.compress(start + b"a\n" * (1 << 24)), "open.csv.gz")
    measured = f"import sys\nfrom contact_apis.cli import main\nsys.argv = {['x', 'import', str(path), '--to', 'pristo', '--dry-run']!r}\n"
    measured += "try:\n main()\nfinally:\n print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    done = subprocess.run(
        [sys.executable, "-c", measured], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert (
        f"the row that begins in line {start.count(bytes([10])) + 1} of open.csv.gz is too long"
        in done.stderr
    )
    assert int(done.stdout.split()[-1]) < 300 * 1024  # KiB, at their most


def test_an_id_is_somebodys(command: Command, file: File) -> None:
    """A member named by an id is not shown: somebody is known by it."""
    assert looks_like_data(contact(1))
    path = file(f'{{"id": "{contact(1)}", "{contact(2)}": "x"}}\n', "in.jsonl")
    done = command("import", path, "--to", "pristo", "--dry-run")
    assert done.code == 2
    assert contact(2) not in done.err + done.out


# ----------------------------------------------------------------------------------------------------- rejections


def test_a_key_that_is_revoked_meanwhile(command: Command, file: File) -> None:
    """403s after successes are about the credentials if the service says so when it is asked: it stops with 3, not at the end."""
    with Picky() as service:
        service.page = {"error": {"code": "forbidden", "message": "revoked"}}

        def blocked(_: dict[str, Any]) -> bool:
            service.blocks_the_probe = len(service.times) >= 100
            return service.blocks_the_probe

        service.blocked = blocked
        done = command(
            "import",
            file(content(range(1000))),
            "--to",
            "pristo",
            "--concurrency",
            8,
            service=service,
        )
        assert (done.code, "credentials were refused" in done.out) == (3, True)
        assert len(service.times) < 100 + 2 * _import.FORBIDDEN + 8


def test_many_403s_of_rows_do_not_stop_it(command: Command, file: File) -> None:
    """While the service takes the credentials, rows that a firewall does not let through fail one by one, however many."""
    path = file(content(range(300)))
    bad = {contact(each) for each in range(100, 220)}
    with Picky() as service:
        service.blocked = lambda body: body["contact"]["id"] in bad
        done = command("import", path, "--to", "pristo", service=service)
        assert (done.code, len(service.applied)) == (1, 180)
        assert (
            command("import", path, "--to", "pristo", service=service).code == 1
        )  # and so they do alone


@pytest.mark.parametrize("status", [301, 400, 404, 422, 202])
def test_one_reason_is_known_in_whatever_words(command: Command, file: File, status: int) -> None:
    """A reason that names the row's own id, and a redirect or a success that is none, stop it after a window like any other."""

    class Wordy(Service):
        def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, str], object] | str:
            self.times.append(0.0)
            who = body["contact"]["id"] if body else ""
            return (
                status,
                {"Location": "/"},
                {
                    "error": {
                        "code": "no",
                        "message": f"{who} ({len(self.times)}) is not of this population",
                    }
                },
            )

    with Wordy() as service:
        done = command(
            "import",
            file(content(range(600))),
            "--to",
            "pristo",
            "--max-retries",
            0,
            service=service,
        )
    assert done.code == 6
    assert len(service.times) <= 2 * _import.WINDOW
    assert f"returned {status}" in done.out.splitlines()[-1]


def test_what_went_in_before_counts(command: Command, file: File) -> None:
    """Rows that are left because they are bad do not keep those behind them from being sent in a later run."""
    with Picky() as service:
        service.code, service.page = 400, {"error": {"code": "bad_name", "message": "bad name"}}
        service.blocked = lambda body: body["contact"]["name"] == "Bad"
        path = file(content(range(10)) + content(range(10, 210), "Bad").partition("\n")[2])
        assert command("import", path, "--to", "pristo", service=service).code == 1
        path.write_text(
            path.read_text("utf-8") + content(range(300, 310)).partition("\n")[2], "utf-8"
        )
        assert command("import", path, "--to", "pristo", service=service).code == 1
        assert len(service.applied) == 20


# ------------------------------------------------------------------------------------------------ disks and streams


def test_a_disk_that_is_full_before_anything_is_sent(file: File) -> None:
    """One sentence, exit code 5, and nothing is sent; a dry run says so, too."""
    path = file(content(range(3000)))
    limit = 100_000
    with Service() as service:
        for options in ((), ("--dry-run",)):
            done = run(
                path,
                service,
                *options,
                limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
            )
            assert (done.returncode, service.times) == (5, []), done.stderr
            assert "Traceback" not in done.stderr
            assert "nothing was sent" in done.stderr.splitlines()[-1]
        assert run(path, service).returncode == 0
        assert len(service.times) == 3000


def test_a_disk_that_is_full_at_the_very_end(
    command: Command, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the last note finds no room, the summary tells what went in and the exit code that something was not noted."""

    def complete(self: Journal, fingerprint: str | None) -> None:
        raise JournalFullError("the journal cannot be written: the disk is full")

    path = file(content(range(10)))
    with Service() as service:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "complete", complete)
            done = command("import", path, "--to", "pristo", service=service)
        assert (done.code, "10 created" in done.out) == (5, True)
        assert "the disk is full" in done.err
        assert command("import", path, "--to", "pristo", service=service).code == 0
        assert len(service.times) == 10


def test_a_terminal_that_goes_away(file: File) -> None:
    """A session that is closed ends the import by SIGHUP with 129: what is in flight ends, the rest goes in with the next run."""
    path = file(content(range(1000)))
    if (
        signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    ):  # what this process ignores, as under nohup, its children would ignore
        signal.signal(signal.SIGHUP, lambda *_: None)
    terminal, side = pty.openpty()
    with Service(latency=0.02) as service:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "contact_apis",
                "import",
                str(path),
                "--to",
                "pristo",
                "--concurrency",
                "16",
            ],
            env={**os.environ, **service.env},
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
        )
        os.close(side)
        os.set_blocking(terminal, False)
        while len(service.times) < 100:
            time.sleep(0.01)
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 129
        sent = len(service.times)
        assert sent == len(service.applied) < 1000
        assert run(path, service).returncode == 0
        assert len(service.times) == 1000


def test_descriptors_that_run_out_meanwhile(file: File, tmp_path: Path) -> None:
    """A limit that is lowered while rows are sent makes rows fail that were never sent; none is unknown."""
    path, results = file(content(range(1500))), tmp_path / "results.jsonl"
    with Service(latency=0.01) as service:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "contact_apis",
                "import",
                str(path),
                "--to",
                "pristo",
                "--max-retries",
                "0",
                "--results",
                str(results),
            ],
            env={**os.environ, **service.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while len(service.times) < 200:
            time.sleep(0.01)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (5, 5))
        out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1, 4, 5), out + err
    assert "Traceback" not in err
    assert "unknown" not in out

"""An import under its user's conditions: files that change, full disks, closed streams, few descriptors, firewalls."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contact_apis._importing import sender as _import
from contact_apis._importing.journal import Journal, JournalError
from contact_apis._importing.mapping import ColumnMapping
from contact_apis._importing.rows import LONGEST_ROW, looks_like_data, shown_name
from contact_apis._importing.terminal import printable
from contact_apis._vendors.pristo import VENDOR as PRISTO

from .conftest import Command, results_in
from .service import Service

File = Callable[..., Path]
ROWS = 3000  # more than is read ahead


def contact(number: int) -> str:
    return str(uuid5(UUID(int=2), str(number)))


def content(numbers: Iterable[int], name: str = "Ada") -> str:
    """A file of contacts."""
    return "id,email,name\n" + "".join(
        f"{contact(each)},user{each}@example.com,{name}\n" for each in numbers
    )


def run(
    path: Path,
    service: Service,
    *options: object,
    rest: str = "",
    limit: Callable[[], None] | None = None,
) -> Any:
    """The command as a user starts it, in a process of its own; ``rest`` is what follows it on the line."""
    words = " ".join(
        map(str, [sys.executable, "-m", "contact_apis", "import", path, "--to", "pristo", *options])
    )
    return subprocess.run(
        ["bash", "-c", f"{words} {rest}"],
        env={**os.environ, **service.env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=limit,
    )


# ----------------------------------------------------------------------------------------------- files that change


def replaced(path: Path) -> None:
    """By ``mv``, as a careful exporter does it."""
    other = path.with_suffix(".new")
    other.write_text(content(range(ROWS), "Eve"), "utf-8")
    other.rename(path)


def cut_short(path: Path) -> None:
    """At the end of a row."""
    path.write_text(content(range(5)), "utf-8")


def extended(path: Path) -> None:
    """By one row."""
    with path.open("a", encoding="utf-8") as file:
        file.write(content([ROWS]).partition("\n")[2])


def rewritten(path: Path) -> None:
    """In place, to the same size and time."""
    before = path.stat()
    with path.open("r+", encoding="utf-8") as file:
        file.write(content(range(ROWS), "Eve"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def removed(path: Path) -> None:
    """Without a successor."""
    path.unlink()


@pytest.mark.parametrize("rows", [10, ROWS])
@pytest.mark.parametrize("change", [replaced, cut_short, extended, rewritten, removed])
def test_a_file_that_changes_while_it_is_read(
    command: Command,
    file: File,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    rows: int,
) -> None:
    """Either nothing is sent, in one sentence, or what was sent is one state of the file; the next run sends what it holds then."""
    path = file(content(range(rows)))
    count = 0
    mapped = ColumnMapping.of_cells

    def mapping(self: ColumnMapping, cells: list[str]) -> dict[str, Any]:
        nonlocal count
        count += 1
        if count == 5:
            change(path)
        return mapped(self, cells)

    with Service() as service, monkeypatch.context() as patch:
        patch.setattr(ColumnMapping, "of_cells", mapping)
        done = command("import", path, "--to", "pristo", service=service)
        if done.code == 0:  # it was read whole before the change
            assert (rows, change.__name__) == (10, "rewritten")
            assert {each[-1]["contact"]["name"] for each in service.applied.values()} == {"Ada"}
        else:
            assert (done.code, service.times) == (2, [])
            assert "in.csv was changed or replaced while it was read; nothing was sent" in done.err
        if change is removed:
            path.write_text(content(range(rows)), "utf-8")
        again = command("import", path, "--to", "pristo", service=service)
        lines = path.read_text("utf-8").splitlines()[1:]
        assert again.code == 0
        held = {
            contact: bodies[-1]["contact"]["name"] for contact, bodies in service.applied.items()
        }
        assert held == {line.split(",")[0]: line.split(",")[2] for line in lines}


def test_a_row_has_a_bound(file: File) -> None:
    """What never ends a line, or is packed twice, is refused in one sentence and in little memory."""
    endless = file(gzip.compress(b"a" * (1 << 26)), "endless.csv.gz")
    objects = file(gzip.compress(b'{"id":"' + b"a" * (1 << 26)), "endless.jsonl.gz")
    later = file(gzip.compress(b"id,name\n" + b"a" * (1 << 26)), "later.csv.gz")
    twice = file(gzip.compress(gzip.compress(b"id\n")), "twice.csv.gz")
    with Service() as service:
        for path, sentence in (
            (endless, "more than"),
            (objects, "more than"),
            (later, "more than"),
            (twice, "compressed twice"),
        ):
            words = ["x", "import", str(path), "--to", "pristo"]
            measured = f"import sys\nfrom contact_apis.cli import main\nsys.argv = {words!r}\n"
            measured += "try:\n main()\nfinally:\n print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
            done = subprocess.run(
                [sys.executable, "-c", measured],
                env={**os.environ, **service.env},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 2, done.stderr
            assert sentence in done.stderr
            assert int(done.stdout.split()[-1]) < 200 * 1024, path  # KiB, at their most
    assert service.times == []


def test_a_row_at_the_bound_is_read(command: Command, file: File) -> None:
    """A row of nearly the bound is judged by the contract like any other."""
    path = file(f"id,name\n{contact(1)},{'a' * (LONGEST_ROW - 100)}\n")
    assert command("import", path, "--to", "pristo", "--dry-run").out == "1 row: 1 fit\n"


# --------------------------------------------------------------------------------------------- what a user is told


def test_all_missing_fields_are_named_at_once(command: Command, file: File) -> None:
    """One run says everything that is missing, and every column that fits nothing."""
    done = command("import", file("firstname,nonsense\nAda,x\n"), "--to", "retainful", "--dry-run")
    assert done.code == 2
    for name in (
        "'nonsense'",
        "listIds",
        "email or phone",
        "consent.createdAt",
        "consent.ip",
        "consent.source",
    ):
        assert name in done.err
    assert "firstName" not in done.err


@pytest.mark.parametrize(
    "member", ["ada@example.com", "+44 20 7946 0958", "\x1b[31mred", "x" * 500, "a\u202eb"]
)
def test_names_of_members_are_nobodys_data(command: Command, file: File, member: str) -> None:
    """The name of a JSON member is not written as it is where it is an address, a number, or moves the cursor."""
    rows = [{"id": contact(1), member: "x"}, {"contact": {"id": contact(1), member: "x"}}]
    for number, row in enumerate(rows):
        path = file(json.dumps(row) + "\n", f"{number}.jsonl")
        for options in (
            ((), ("--custom", member)) if number == 0 and member.isprintable() else ((),)
        ):
            done = command("import", path, "--to", "pristo", "--dry-run", *options)
            assert done.code in (0, 1, 2)
            assert member not in done.out + done.err


@given(name=st.text())
@example(name="ada@example.com")
@example(name="\x1b]0;title\x07")
def test_shown_names_are_printable(name: str) -> None:
    """Whatever a column is called, what is shown of it is printable, short and no address."""
    shown = shown_name(name)
    assert shown.isprintable()
    assert len(shown) < 1200
    assert not looks_like_data(name) or name not in shown


@given(text=st.text())
@example(text="a\nb\tc\x1b[2J\x9b")
def test_what_is_printed_moves_no_cursor(text: str) -> None:
    """Of control characters only line ends and tabs reach a terminal; what is printable is not touched."""
    shown = printable(text)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    assert not text.isprintable() or shown == text


@pytest.mark.parametrize(
    "row", [["a\0b"], {"name": "a\0b"}, {"a\0b": "x"}, {"custom": ["x", {"y": "\0"}]}]
)
def test_a_nul_is_refused(command: Command, file: File, row: Any) -> None:
    """A NUL character in a cell, in a member or in its name is named, wherever it is."""
    text = (
        f"id,name\n{contact(1)},{row[0]}\n"
        if isinstance(row, list)
        else json.dumps({"id": contact(1), **row}) + "\n"
    )
    done = command(
        "import",
        file(text, "in.csv" if isinstance(row, list) else "in.jsonl"),
        "--to",
        "pristo",
        "--dry-run",
    )
    assert done.code == 1
    assert "has a NUL character" in done.out


def test_an_escape_that_is_spelled_is_no_nul(command: Command, file: File) -> None:
    """A backslash, a u and four zeros are text."""
    assert (
        command(
            "import", file(f"id,name\n{contact(1)},\\u0000\n"), "--to", "pristo", "--dry-run"
        ).code
        == 0
    )


# ----------------------------------------------------------------------------------------------------- rejections


class Picky(Service):
    """A service, and a firewall before it."""

    blocked: Callable[[dict[str, Any]], bool] = staticmethod(lambda _: False)
    blocks_the_probe = False
    page: object = "<html>"
    code = 403

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, str], object] | str:
        if not body:
            return (
                (self.code if self.blocks_the_probe else 400),
                {"Content-Type": "text/html"},
                self.page,
            )
        if self.blocked(body):
            self.times.append(0.0)
            return self.code, {"Content-Type": "text/html"}, self.page
        return super().answer(body)


def test_a_403_for_one_row_says_nothing_about_credentials(command: Command, file: File) -> None:
    """A firewall's page for a row fails that row and says what it is, be it the first row or a later one; all others go in."""
    path = file(content(range(200)))
    with Picky() as service:
        service.blocked = lambda body: body["contact"]["id"] in (contact(0), contact(150))
        done = command("import", path, "--to", "pristo", service=service)
    assert (done.code, len(service.applied)) == (1, 198)
    assert "198 created" in done.out
    assert done.out.count("HTML from a firewall or a proxy, not from the API") == 2


def test_a_403_for_everything_stops_it(command: Command, file: File) -> None:
    """A firewall that lets nothing through stops the import after the first window, and is not called refused credentials."""
    with Picky() as service:
        service.blocked, service.blocks_the_probe = lambda _: True, True
        done = command("import", file(content(range(600))), "--to", "pristo", service=service)
    assert done.code == 6
    assert len(service.times) <= 2 * _import.WINDOW
    assert "HTML from a firewall" in done.out.splitlines()[-1]
    assert "credentials" not in done.out


def test_a_403_of_the_api_for_everything_is_about_credentials(command: Command, file: File) -> None:
    """Where the API itself forbids the credentials check as well, the import ends with 3."""
    with Picky() as service:
        service.blocked, service.blocks_the_probe = lambda _: True, True
        service.page = {"error": {"code": "forbidden", "message": "not this account"}}
        done = command("import", file(content(range(600))), "--to", "pristo", service=service)
    assert (done.code, "credentials were refused" in done.out) == (3, True)


@pytest.mark.parametrize(
    ("rows", "code", "sent"),
    [(600, 6, 2 * _import.WINDOW), (_import.WINDOW - 1, 1, _import.WINDOW)],
)
def test_one_reason_for_everything_stops_it(
    command: Command, file: File, rows: int, code: int, sent: int
) -> None:
    """A wrong population rejects every row: after a window the import stops and says why; a short file comes to its end."""
    path = file(content(range(rows)))
    with Service(status=400) as service:
        done = command("import", path, "--to", "pristo", service=service)
        assert done.code == code
        assert len(service.times) <= sent
        assert ("rejected for the same reason: Pristo returned 400: no: scripted" in done.out) == (
            code == 6
        )
        service.status = None
        assert command("import", path, "--to", "pristo", service=service).code == 0
    assert len(service.applied) == rows


def test_going_on_is_an_option(command: Command, file: File) -> None:
    """``--keep-going`` sends what is behind rows that are all rejected for one reason."""
    with Picky() as service:
        service.code, service.page = 400, {"error": {"code": "bad_name", "message": "bad name"}}
        service.blocked = lambda body: body["contact"]["name"] == "Bad"
        path = file(content(range(200), "Bad") + content(range(200, 300)).partition("\n")[2])
        assert command("import", path, "--to", "pristo", service=service).code == 6
        done = command("import", path, "--to", "pristo", "--keep-going", service=service)
    assert (done.code, len(service.applied)) == (1, 100)


# ------------------------------------------------------------------------------------------------ disks and streams


def test_outcomes_wait_for_a_full_disk(
    command: Command, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was received while the disk was full is written once there is room: the next run sends only what never went out."""
    monkeypatch.setattr(_import, "DISK_PATIENCE", 3.0)
    full = [False]
    calls = 0
    note = Journal.note

    def filling(self: Journal, ended: Any, started: Any) -> None:
        nonlocal calls
        calls += 1
        full[0] = 20 < calls < 24
        if full[0]:
            raise JournalError(f"the journal {self.path} cannot be written: the disk is full")
        note(self, ended, started)

    path = file(content(range(1000)))
    with Service(latency=0.01) as service:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "note", filling)
            done = command("import", path, "--to", "pristo", service=service)
        assert done.code == 5
        assert "the disk is full" in done.out
        assert 0 < len(service.times) < 1000
        assert command("import", path, "--to", "pristo", service=service).code == 0
        assert Counter(map(len, service.sent.values())) == {1: 1000}


@pytest.mark.parametrize(
    "shell",
    [">/dev/full", ">&- 2>&-", "2>/dev/full", "2>&-", "2>&1 | head -n 1; exit ${PIPESTATUS[0]}"],
)
def test_streams_that_cannot_be_written(file: File, tmp_path: Path, shell: str) -> None:
    """A full or closed output does not stop an import, nor change its exit code."""
    results = tmp_path / "results.jsonl"
    with Service() as service:
        done = run(file(content(range(300))), service, "--results", results, rest=shell)
    assert (done.returncode, len(service.applied), len(results_in(results))) == (0, 300, 300)
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr + done.stdout


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_the_imports(file: File, code: int) -> None:
    """Also where nothing can be printed, 1 says that some rows did not go in."""
    text = content(range(3)) + ("no-id,x,y\n" if code else "")
    with Service() as service:
        assert run(file(text), service, rest=">/dev/full 2>/dev/full").returncode == code


@pytest.mark.parametrize("option", ["--results", "--failed"])
def test_a_link_is_replaced_itself(
    command: Command, file: File, tmp_path: Path, option: str
) -> None:
    """A report named by a symbolic link takes the link's place; what it led to stays as it was."""
    target, link = tmp_path / "precious", tmp_path / "link"
    target.write_text("precious", "utf-8")
    link.symlink_to(target)
    with Service() as service:
        assert (
            command(
                "import", file(content([1])), "--to", "pristo", option, link, service=service
            ).code
            == 0
        )
    assert target.read_text("utf-8") == "precious"
    assert not link.is_symlink()


@pytest.mark.parametrize("option", ["--results", "--failed"])
def test_standard_streams_are_no_targets(file: File, tmp_path: Path, option: str) -> None:
    """The file that is standard input, or output, is refused as a target, by whatever name."""
    path = file(content(range(3)))
    alias = tmp_path / "alias.csv"
    alias.hardlink_to(path)
    before = path.read_bytes()
    with Service() as service:
        done = run(Path("-"), service, "--journal", tmp_path / "j", option, alias, rest=f"< {path}")
        assert (done.returncode, "would overwrite another file" in done.stderr) == (2, True)
        done = run(path, service, option, tmp_path / "out", rest=f"> {tmp_path / 'out'}")
        assert (done.returncode, "would overwrite another file" in done.stderr) == (2, True)
    assert (path.read_bytes(), service.times) == (before, [])


def test_the_journals_own_files_are_no_targets(command: Command, file: File) -> None:
    """Neither the journal nor what SQLite has beside it is overwritten by a report."""
    path = file(content([1]))
    with Service() as service:
        for suffix in (".journal", ".journal-wal", ".journal-shm"):
            assert (
                command(
                    "import",
                    path,
                    "--to",
                    "pristo",
                    "--results",
                    f"{path}{suffix}",
                    service=service,
                ).code
                == 2
            )


@pytest.mark.parametrize("descriptors", [8, 10, 12, 16, 24, 40])
def test_few_descriptors(file: File, tmp_path: Path, descriptors: int) -> None:
    """With hardly a descriptor left, rows go in or never went out; nothing is unknown, and nothing crashes."""
    results = tmp_path / "results.jsonl"
    limits = (descriptors, descriptors)
    with Service() as service:
        done = run(
            file(content(range(150))),
            service,
            "--results",
            results,
            limit=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        )
    assert "Traceback" not in done.stderr
    if not results.exists():
        assert (done.returncode, service.times) == (2, []) or descriptors < 8, done.stderr
        return
    states = Counter(each["state"] for each in results_in(results))
    assert states["created"] == len(service.applied)
    assert set(states) <= {"created", "failed", "pending"}


# ------------------------------------------------------------------------------------------------------------ costs


@pytest.mark.parametrize("option", ["custom", "ignored"])
def test_columns_are_bound_once(option: str) -> None:
    """Binding looks at each of many columns a fixed number of times: one of 16,000 costs about what one of 1,000 costs.

    It is the processor's time that counts, as a search through a list is not seen in any other way.
    """
    constants = {"email": "ada@example.com", "phone": "+12025550123", "language": "en"}

    def cost(count: int) -> float:
        """Seconds of CPU time a column; the least of several times."""
        columns = ["id", *(f"c{number}" for number in range(count))]
        options: Any = {option: columns[1:]}
        times: list[float] = []
        for _ in range(3):
            mapping = ColumnMapping(PRISTO.mapper(), constants=constants, **options)
            began = time.process_time()
            mapping.bind(columns)
            times.append(time.process_time() - began)
        return min(times) / count

    assert cost(16_000) < 4 * cost(1000)


def test_a_disk_that_stays_full(file: File, tmp_path: Path) -> None:
    """A real limit on the size of files: one sentence, exit code 5, and the next run sends again only what was in flight."""
    path, results = file(content(range(3000))), tmp_path / "results.jsonl"
    with Service(latency=0.005) as service:
        process = subprocess.Popen(
            [sys.executable, "-m", "contact_apis", "import", str(path), "--to", "pristo"],
            env={**os.environ, **service.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while len(service.times) < 300:
            time.sleep(0.01)
        full = Path(f"{path}.journal-wal").stat().st_size + 30_000
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        assert process.stderr is not None
        line = next(each for each in process.stderr if "waiting up to" in each)
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 5, out + err
        assert "Traceback" not in line + out + err
        before = len(service.times)
        assert before < 3000
        done = run(path, service, "--results", results)
        assert done.returncode == 0, done.stderr
        assert len(service.times) <= 3000 + 2 * 64
    assert {each["state"] for each in results_in(results)} <= {"created", "updated"}

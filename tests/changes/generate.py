"""``make generate``: the generated packages, written beside the old ones and swapped in when all of them are whole.

A document that the generator refuses, a kill or a full disk leaves the old packages as they were. When a document differs from that of
HEAD, what that breaks is printed at the end.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"
_AT_CWD = -100
_EXCHANGE = 2


class GeneratorRefused(Exception):
    """The generator does not take a document; the text has its own words."""


def main(arguments: Sequence[str]) -> int:
    """Generates the packages of these documents into the folder that GENERATED names; 1 where the generator refuses one."""
    target = Path(os.environ.get("GENERATED") or "generated").resolve()
    files = [Path(each) for each in arguments]
    try:
        old = generate_all(files, target)
    except (GeneratorRefused, OSError) as error:
        print(f"generate: {error}", file=sys.stderr)
        print(f"generate: nothing was changed in {target.name}/", file=sys.stderr)
        return 1
    try:
        if target == ROOT / "generated":
            print_changes(old, target)
    finally:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
    return 0


def generate_all(files: Sequence[Path], target: Path) -> Path | None:
    """Writes all packages beside the target and swaps the folders; the old packages' folder, if there were any.

    Raises:
        GeneratorRefused: one of the documents; the target is as it was.
        OSError: they cannot be written; likewise.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-{os.getpid()}-", dir=target.parent))
    try:
        fresh.chmod(0o777 & ~_umask())
        for file in files:
            generate_file(file, fresh / f"{file.stem}_client")
        if not target.exists():
            fresh.rename(target)
            return None
        exchange(fresh, target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return fresh


def generate_file(file: Path, package: Path) -> None:
    """Writes one package, its own document among it.

    Raises:
        GeneratorRefused: the generator does not take the document.
    """
    command = [
        "openapi-python-client",
        "generate",
        "--path",
        file,
        "--meta",
        "none",
        "--output-path",
        package,
    ]
    command += [
        "--config",
        SPECS / "generator.yaml",
        "--custom-template-path",
        SPECS / "templates",
        "--fail-on-warning",
    ]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [str(each) for each in command],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise GeneratorRefused(
            f"the generator refused {file}; its own words follow\n{done.stdout.strip()}"
        )
    document = yaml.safe_load(file.read_text("utf-8"))
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (package / "openapi.json").write_text(text, "utf-8")


def generate_one(document: dict[str, Any], package: str, into: Path) -> None:
    """Writes the package of a document that is in no file.

    Raises:
        GeneratorRefused: the generator does not take it.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(json.dumps(document), "utf-8")
        generate_file(file, into / package)


def exchange(one: Path, other: Path) -> None:
    """Swaps two folders in one step where the system can, so that there is no moment without either.

    Raises:
        OSError: they cannot be swapped.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        done = libc.renameat2(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE)
        if done == 0:
            return
    aside = one.with_name(f"{one.name}-old")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


def _sweep(target: Path) -> None:
    """Removes what killed runs have left; where one was killed between the two steps of a swap, brings the packages back."""
    for left in sorted(target.parent.glob(f".{target.name}-*")):
        found = re.match(rf"\.{re.escape(target.name)}-(\d+)-", left.name)
        if found is None or _is_running(int(found[1])):
            continue
        if left.name.endswith("-old") and not target.exists():
            left.rename(target)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ------------------------------------------------------------------------------------------- what the documents change


def print_changes(old: Path | None, new: Path) -> None:
    """Prints the report of each document that differs from that of HEAD; says so where there is no HEAD to compare with."""
    from .load import NotADocument, git

    if git("rev-parse", "--verify", "--quiet", "HEAD").returncode != 0:
        return
    try:
        reports = list(_reports(old, new))
    except NotADocument as error:
        print(f"generate: what changed cannot be told: {error}")
        return
    if reports:
        from .render import as_text

        print(
            "generate: specs/ differ from HEAD; what that means (make changes FORMAT=markdown for a pull request):\n"
        )
        sys.stdout.write(as_text(reports))


def _reports(old: Path | None, new: Path) -> Iterator[Any]:
    from tests.contract.clauses import APIS

    from .load import read_revision, read_working

    changed = []
    for api in APIS:
        before, after = read_revision("HEAD", api), read_working(api)
        if before.document != after.document:
            changed.append((api, before, after))
    if changed:
        from .report import build_report
        from .surface import breaks_between

        for api, before, after in changed:
            surface = None if old is None else breaks_between(f"{api}_client", old, new)
            yield build_report(api, before, after, surface)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

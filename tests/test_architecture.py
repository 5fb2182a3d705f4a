"""What no room may know (``contrib/ARCHITECTURE.md``), where import rules cannot say it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import contact_apis
from contact_apis._vendors.registry import VENDORS
from tests.contract.profiles.registry import PROFILES

PACKAGE = Path(contact_apis.__file__).parent
#: The public pages: the package's names, the help of the command, and the mock's constructor.
PUBLIC = (
    "__init__.py",
    "cli/check.py",
    "cli/app.py",
    "cli/import_.py",
    "cli/mock.py",
    "cli/upsert.py",
    "mock/server.py",
)
POSITIONS = re.compile(
    r"\boperations\[|\[\"?security\"?\]\[|\bsecurity(Schemes)?\[\d|next\(iter\([^)]*(operations|security|paths)|"
    r"(list|tuple)\([^)]*\b(operations|security|security_schemes|credentials)(\.\w+\(\))?\)\[\d"
)


SUITE = Path(__file__).with_name("contract")


def sources(room: Path = PACKAGE) -> list[str]:
    """All text of the package or another room, each file by its path from there."""
    kinds = {".py", ".html", ".sql", ".md", ".toml", ".ini", ".sh", ".jinja"}
    return sorted(
        path.relative_to(room).as_posix() for path in room.rglob("*") if path.suffix in kinds
    )


def _lines_with(pattern: re.Pattern[str], name: str, room: Path = PACKAGE) -> list[str]:
    text = (room / name).read_text("utf-8")
    return [
        f"{name}:{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_there_is_a_folder_for_each_vendor() -> None:
    """The registry has what lies beside it, and each descriptor finds its modules there."""
    for name, vendor in VENDORS.items():
        assert (PACKAGE / "_vendors" / name).is_dir()
        assert vendor.operation().operation_id == vendor.upsert


@pytest.mark.parametrize("name", [name for name in sources() if name not in PUBLIC])
def test_only_its_own_folder_names_a_vendor(name: str) -> None:
    """What one vendor is called stands in ``_vendors/NAME`` and on the public pages, and nowhere else."""
    owner = next((vendor for vendor in VENDORS if name.startswith(f"_vendors/{vendor}/")), None)
    others = [vendor for vendor in VENDORS if vendor != owner]
    assert _lines_with(re.compile("|".join(others), re.IGNORECASE), name) == []


def test_there_is_a_profile_for_each_vendor() -> None:
    """The suite checks what the package has clients for, and finds each profile by its file."""
    assert list(PROFILES) == list(VENDORS)
    for name, profile in PROFILES.items():
        assert (SUITE / f"profiles/{name}.py").is_file()
        assert (SUITE / f"checks/check_{name}.py").is_file()
        assert profile.vendor is VENDORS[name]


@pytest.mark.parametrize("name", sources(SUITE))
def test_in_the_suite_only_its_profile_and_its_checks_name_a_vendor(name: str) -> None:
    """What is true of one API stands in ``profiles/NAME`` and ``checks/check_NAME``, and nowhere else in the suite."""
    owned = re.match(r"profiles/([a-z]+)\.|checks/check_([a-z]+)(_[a-z]+)?\.", name)
    owners = owned.groups() if owned else ()
    others = [vendor for vendor in VENDORS if vendor not in owners]
    assert _lines_with(re.compile("|".join(others), re.IGNORECASE), name, SUITE) == []


@pytest.mark.parametrize("name", [name for name in sources(SUITE) if name.endswith(".py")])
def test_the_suite_finds_nothing_by_its_position_in_a_document(name: str) -> None:
    """Nor does the suite."""
    assert _lines_with(POSITIONS, name, SUITE) == []


@pytest.mark.parametrize("name", [name for name in sources() if name.endswith(".py")])
def test_nothing_is_found_by_its_position_in_a_document(name: str) -> None:
    """Operations are looked up by their ids, and credentials are bound by the names of security schemes."""
    assert _lines_with(POSITIONS, name) == []


@pytest.mark.parametrize(
    "line",
    [
        "upsert = terms.operations[0]",
        "first = next(iter(self.security), ())",
        'scheme = list(document["security"][0])[0]',
        "header = tuple(operation.credentials)[0]",
        "name, _ = list(self.credentials.items())[0]",
    ],
)
def test_a_position_is_noticed(line: str) -> None:
    """The rule above sees the ways in which a position was relied on."""
    assert POSITIONS.search(line)

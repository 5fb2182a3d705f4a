"""The command ``contact-apis contract``: its options, its help, and what a shell completes."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from contact_apis._suite import Suite, find_suite
from contact_apis._suite._options import load_variables
from contact_apis.mock import MockServer
from tests.conftest import ROOT, Run, live
from tests.contract.settings import load_settings

COMMAND = Path(sys.executable).with_name("contact-apis")


class Watched(Mapping[str, str]):
    """Variables that remember which of them were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_every_variable_that_a_run_reads_is_listed(tmp_path: Path) -> None:
    """So each has its option, its line of help and its line in the README; and nothing is listed that no run reads."""
    with MockServer(second_population=True, custom_fields=["tier"]) as server:
        variables = Watched(live(server))
    load_settings(variables, reports=tmp_path)
    # What the settings leave to other modules is asked for there by name.
    sources = [
        ast.parse(path.read_text("utf-8")) for path in (ROOT / "tests/contract").rglob("*.py")
    ]
    texts = {
        node.value
        for source in sources
        for node in ast.walk(source)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    listed = {variable.name for variable in load_variables()}
    assert variables.asked - listed == set()
    assert listed - variables.asked - texts == set()


def test_a_checkout_has_one_copy_of_the_suite() -> None:
    """Its own; an editable installation holds no second one that grows old."""
    assert find_suite() == Suite(ROOT, "tests.contract")
    assert not any((Path(entry) / "contact_apis/_suite/tests").exists() for entry in sys.path)


def test_help_teaches(run: Run) -> None:
    """Each option with its variable, the exit codes, and an example."""
    text = run(COMMAND, "contract", "--help", COLUMNS="100").stdout
    plain = " ".join(text.split())
    for variable in load_variables():
        assert variable.name in plain
        assert variable.option in plain
    assert re.search("Exit codes: 0 conforms; 1 violates; 2 [^;]+; 3 incomplete", plain)
    assert "Example: contact-apis contract" in plain


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("--target l", {"live"}),
        ("--profile ", {"quick", "ci", "deep"}),
        ("--api r", {"retainful"}),
        ("--max-r", {"--max-requests"}),
    ],
)
def test_a_shell_completes_options_and_values(run: Run, words: str, offered: set[str]) -> None:
    """As bash asks for it."""
    line = f"contact-apis contract {words}"
    done = run(
        COMMAND,
        _CONTACT_APIS_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(line.split(" ")) - 1),
    )
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--target", "production"), "--target"),
        (("--profile", "slow"), "--profile"),
        (("--seed", "x"), "--seed"),
        (("--rate", "-1"), "--rate"),
        (("--max-requests", "many"), "--max-requests"),
        (("--no-such-option",), "--no-such-option"),
        (("surplus",), "surplus"),
    ],
    ids=str,
)
def test_an_impossible_option_is_named(
    run: Run, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    """Before anything is started; exit code 2."""
    done = run(COMMAND, "contract", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_module_refuses_arguments(run: Run) -> None:
    """It takes variables, and an option that it ignored would be a run of something else."""
    done = run("python", "-m", "tests.contract", "--api", "pristo")
    assert done.returncode == 2
    assert "contact-apis contract" in done.stderr

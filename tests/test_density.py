"""How much stands in one statement may only become less; ``python -m tests.density FOLDER`` lists what to mend."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from tests.density import ROOT, Density, read_folder

#: The figures of a folder may not be above these. Lower them when the figures fall; the aim is under 12, under 1 and under 22.
MOST = {
    "contrib/contact_apis": Density(conditionals=10.6, tuple_assignments=1.4, nodes_p90=23),
    "tests/contract": Density(conditionals=10.5, tuple_assignments=0.8, nodes_p90=24),
}
SAMPLE = '''"""Two lines of docstring,
which count as lines and as no statement."""
# A comment, which does not count.

import os

a, b = 1, 2
c, d = os.path.split("x")
e = 1 if a else 2

def f(x):
    return print(x if x else a)
'''


@pytest.mark.parametrize("folder", MOST)
def test_statements_do_not_become_denser(folder: str) -> None:
    """Conditional expressions, tuple assignments and nodes a statement stay within the figures of each folder."""
    figures = attrs.asdict(read_folder(ROOT / folder).density)
    risen = {
        name: figures[name]
        for name, most in attrs.asdict(MOST[folder]).items()
        if figures[name] > most
    }
    assert risen == {}, (
        f"above the limits in {__name__}; python -m tests.density {folder} lists the densest places"
    )


def test_what_is_counted(tmp_path: Path) -> None:
    """Lines without blanks and comments; all conditional expressions, and those within others; tuples assigned to tuples; simple statements."""
    path = tmp_path / "sample.py"
    path.write_text(SAMPLE, "utf-8")
    source = read_folder(path)
    assert source.lines == 8
    assert [place.line for place in source.conditionals] == [9, 12]
    assert [place.line for place in source.nested_conditionals] == [12]
    assert [place.line for place in source.tuple_assignments] == [7]
    assert [place.line for place in source.statements] == [7, 8, 9, 12]
    assert [place.nodes for place in source.statements if place.line == 7] == [11]
    assert source.density == Density(conditionals=250.0, tuple_assignments=125.0, nodes_p90=15)

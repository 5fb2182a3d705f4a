"""How much stands in one statement: ``python -m tests.density`` prints three figures of each folder, as ``ast`` and ``tokenize`` count them.

With a folder or a file named, it lists what to mend there, densest first, with file and line; ``--most N`` lists so many of each.

The lines that count are neither blank nor comments alone. The statements that count have no block of their own, and are neither imports nor
docstrings; the nodes of a statement are all that ``ast.walk`` finds in it.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[1]
FOLDERS = ("contrib/contact_apis", "tests/contract", "tests/mutants", "tests")
_NO_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.ENCODING,
    }
)


@frozen
class Place:
    """A piece of code to look at."""

    path: Path
    line: int
    nodes: int
    text: str

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: {self.nodes} nodes: {self.text}"


@frozen
class Source:
    """What was counted in a file, or in all files of a folder."""

    lines: int
    conditionals: tuple[Place, ...]
    nested_conditionals: tuple[Place, ...]
    """Those that are part of a larger expression."""
    tuple_assignments: tuple[Place, ...]
    statements: tuple[Place, ...]

    @property
    def density(self) -> Density:
        per_thousand = 1000 / max(1, self.lines)
        nodes = sorted(statement.nodes for statement in self.statements)
        return Density(
            conditionals=round(len(self.conditionals) * per_thousand, 1),
            tuple_assignments=round(len(self.tuple_assignments) * per_thousand, 1),
            nodes_p90=nodes[int(len(nodes) * 0.9)] if nodes else 0,
        )


@frozen
class Density:
    """The three figures of a folder."""

    conditionals: float
    """Conditional expressions per 1,000 lines."""
    tuple_assignments: float
    """Assignments of a tuple to a tuple per 1,000 lines."""
    nodes_p90: int
    """Nodes of ``ast`` in a statement, 90th percentile."""


def read_folder(folder: Path) -> Source:
    """Counts in all Python files below a folder, or in one file."""
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]
    sources = [_read_file(path) for path in paths if "node_modules" not in path.parts]
    return Source(
        lines=sum(source.lines for source in sources),
        conditionals=tuple(place for source in sources for place in source.conditionals),
        nested_conditionals=tuple(
            place for source in sources for place in source.nested_conditionals
        ),
        tuple_assignments=tuple(place for source in sources for place in source.tuple_assignments),
        statements=tuple(place for source in sources for place in source.statements),
    )


def _read_file(path: Path) -> Source:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    conditionals = [node for node in nodes if isinstance(node, ast.IfExp)]
    whole = {id(value) for node in nodes for value in _whole_values(node)}
    return Source(
        lines=_count_lines(text),
        conditionals=tuple(_place(path, node) for node in conditionals),
        nested_conditionals=tuple(
            _place(path, node) for node in conditionals if id(node) not in whole
        ),
        tuple_assignments=tuple(_place(path, node) for node in nodes if _assigns_tuple(node)),
        statements=tuple(
            _place(path, node) for node in nodes if isinstance(node, ast.stmt) and _counts(node)
        ),
    )


def _count_lines(text: str) -> int:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    written = text.splitlines()
    return sum(written[number - 1].strip() != "" for number in lines)


def _whole_values(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that are all that a statement assigns or returns."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return) and node.value is not None:
        yield node.value


def _assigns_tuple(node: ast.AST) -> bool:
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    return any(isinstance(target, ast.Tuple) for target in node.targets)


def _counts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return False
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return False
    return not any(
        isinstance(part, ast.stmt | ast.ExceptHandler | ast.match_case)
        for part in ast.iter_child_nodes(statement)
    )


def _place(path: Path, node: ast.stmt | ast.expr | ast.AST) -> Place:
    assert isinstance(node, ast.stmt | ast.expr)
    text = " ".join(ast.unparse(node).split())
    return Place(path, node.lineno, sum(1 for _ in ast.walk(node)), text[:100])


def main() -> int:
    """Reads the command line; the result is the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.density", description="Counts how much stands in one statement."
    )
    parser.add_argument("folder", nargs="*", help="folder or file whose densest places are listed")
    parser.add_argument("--most", type=int, default=40, help="so many places of each kind")
    arguments = parser.parse_args()
    for name in arguments.folder or FOLDERS:
        folder = (Path.cwd() if arguments.folder else ROOT) / name
        if not folder.exists():
            print(f"there is no {name}", file=sys.stderr)
            return 2
        source = read_folder(folder)
        density = source.density
        print(
            f"{name}: {density.conditionals} conditional expressions and {density.tuple_assignments} tuple assignments "
            f"per 1,000 lines, {density.nodes_p90} nodes a statement (p90); {source.lines} lines"
        )
        if arguments.folder:
            _list_places("tuple assignments", source.tuple_assignments, arguments.most)
            _list_places(
                "conditional expressions within another expression",
                source.nested_conditionals,
                arguments.most,
            )
            _list_places("statements", source.statements, arguments.most)
    return 0


def _list_places(title: str, places: tuple[Place, ...], most: int) -> None:
    densest = sorted(places, key=lambda place: -place.nodes)
    print(f"\n{title}: {len(places)}")
    for place in densest[:most]:
        print(f"  {place}")


if __name__ == "__main__":
    sys.exit(main())

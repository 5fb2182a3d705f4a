"""``python -m tests.mutants``: the suite against each mutant and variant; what ``make mutants`` calls.

Variables: ``API`` (one alone), ``SEED`` (1), ``ONLY`` (subjects whose name has one of these texts, comma-separated),
``KIND`` (``mutants`` or ``variants``), ``EVERY`` (3: each third of them), ``JOBS`` (3: some only wait), ``LIMITS=live`` (under the limits of a remote host), ``REPORTS`` (``reports/mutants``). ``python -m tests.mutants serve NAME --port N`` serves one by hand; ``list`` names them all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.mutants.catalogue import load, serving
from tests.mutants.matrix import LEAST_SHARE, limits, run_all, uncovered, write_matrix


def main() -> int:
    """Reads the command line; the result is the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Runs the contract suite against broken services.",
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="name all mutants and variants")
    serve = commands.add_parser("serve", help="serve one of them until interrupted")
    serve.add_argument("name")
    serve.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.command == "list":
        for each in load().values():
            print(
                f"{each.name}: {each.says}"
                + ("" if each.is_variant else f" ({', '.join(sorted(each.right))})")
            )
        return 0
    if arguments.command == "serve":
        return _serve(arguments.name, arguments.port)
    return _matrix()


def _serve(name: str, port: int) -> int:
    subject = load().get(name)
    if subject is None:
        print(f"there is no {name!r}; python -m tests.mutants list names them all", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with serving(subject, port) as server:
        for key, value in server.env.items():
            print(f"{key}={value}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


def _matrix() -> int:
    texts = (os.environ.get("ONLY") or "").split(",")
    subjects = [
        each
        for each in load().values()
        if (os.environ.get("API") or "both") in ("both", each.api)
        and (os.environ.get("KIND") or "both")
        in ("both", "variants" if each.is_variant else "mutants")
        and any(text in each.name for text in texts)
    ][:: int(os.environ.get("EVERY") or 1)]
    if limits() not in LEAST_SHARE:
        print(f"LIMITS={limits()} is not valid; it is none or live", file=sys.stderr)
        return 2
    if not subjects:
        print(
            "no subject has such a name; python -m tests.mutants list names them all",
            file=sys.stderr,
        )
        return 2
    if any(subject.program for subject in subjects) and shutil.which("node") is None:
        print(
            "some subjects are served by Node, which is not installed; install Node 20 or later",
            file=sys.stderr,
        )
        return 2
    seed = int(os.environ.get("SEED") or 1)
    verdicts = run_all(
        subjects,
        seed=seed,
        jobs=int(os.environ.get("JOBS") or 3),
        say=lambda text: print(text, flush=True),
    )
    matrix = write_matrix(Path(os.environ.get("REPORTS") or "reports/mutants"), verdicts, seed=seed)
    missing = uncovered()
    for clause in missing:
        print(f"✗ no mutant breaks {clause}")
    summary = matrix["summary"]
    for line in summary["lines"]:
        print(line)
    return 0 if summary["good"] and not missing else 1


if __name__ == "__main__":
    sys.exit(main())

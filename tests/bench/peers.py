"""``make bench-peers``: plain ``st run`` against the same mutants and variants, beside what the suite's matrix says of them.

schemathesis gets what the suite gets: credentials, the population, the specification, and as much time for a service as the
suite's slowest verdict took. Run ``make mutants`` first: its ``matrix.json`` is the other half of the table. ``ONLY=TEXT`` and
``EVERY=n`` take a part of them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import frozen

from tests.contract.clauses import FILES
from tests.contract.settings import load_settings
from tests.mutants.catalogue import Subject, load, serving

REPORTS = Path("reports")
TIME_TO_LIVE = 20  # seconds; the suite's quick profile stays below that


@frozen
class PeerVerdict:
    """What ``st run`` said of one subject."""

    name: str
    api: str
    is_variant: bool
    convicted: bool
    seconds: float


def judge(subject: Subject) -> PeerVerdict:
    """One ``st run``: exit code 1 is a conviction."""
    with serving(subject) as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "schemathesis.toml"
        population = f'[parameters]\n"path.populationId" = "{server.env["PRISTO_POPULATION_ID"]}"\n'
        config.write_text(population if subject.api == "pristo" else "")
        variables = {**server.env, "TARGET": "live", "API": subject.api}
        (endpoint,) = load_settings(variables, reports=Path(folder)).endpoints
        headers = [
            word
            for name, value in endpoint.credentials.items()
            for word in ("-H", f"{name}: {value}")
        ]
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(config),
            "run",
            str(FILES[subject.api].resolve()),
        ]
        command += [
            "--url",
            endpoint.base_url,
            *headers,
            "--seed",
            "1",
            "--exclude-checks",
            "positive_data_acceptance",
            "--max-failures",
            "1",
            "--max-time",
            str(TIME_TO_LIVE),
            "--no-color",
        ]
        # Without the check that valid data is accepted: it cannot know which custom fields a population defines, and accuses all.
        started = time.monotonic()
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=TIME_TO_LIVE * 3,
                check=False,
            )
            convicted = done.returncode == 1
        except subprocess.TimeoutExpired:
            convicted = False
        return PeerVerdict(
            subject.name, subject.api, subject.is_variant, convicted, time.monotonic() - started
        )


def main() -> int:
    """Prints the table; the result is the exit code."""
    matrix = REPORTS / "mutants/matrix.json"
    if not matrix.is_file():
        print("bench-peers: there is no matrix to compare with; run make mutants first")
        return 2
    ours = {each["name"]: each for each in json.loads(matrix.read_text("utf-8"))["subjects"]}
    only = os.environ.get("ONLY", "")
    every = int(os.environ.get("EVERY") or 1)
    subjects = [each for each in load().values() if each.name in ours and only in each.name][
        ::every
    ]
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(judge, subjects))
    lines = ["| Services | This suite | `st run` |", "| --- | --- | --- |"]
    for api in ("pristo", "retainful"):
        for kind, is_variant in (
            ("break one promise each, convicted", False),
            ("keep every promise, accused", True),
        ):
            theirs = [each for each in verdicts if (each.api, each.is_variant) == (api, is_variant)]
            good = [ours[each.name]["outcome"] in ("killed", "accused") for each in theirs]
            convicted = sum(each.convicted for each in theirs)
            lines.append(
                f"| {len(theirs)} of {api.capitalize()} that {kind} | {sum(good)} | {convicted} |"
            )
    mutants = [each for each in verdicts if not each.is_variant]
    medians = [
        statistics.median(ours[each.name]["seconds"] for each in mutants),
        statistics.median(each.seconds for each in mutants),
    ]
    lines.append(
        f"| median seconds to a verdict on a broken one, two at a time | {medians[0]:.1f} | {medians[1]:.1f} |"
    )
    print("\n".join(lines))
    (REPORTS / "bench").mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "name": each.name,
            "suite": ours[each.name]["outcome"],
            "st": each.convicted,
            "seconds": each.seconds,
        }
        for each in verdicts
    ]
    (REPORTS / "bench/peers.json").write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

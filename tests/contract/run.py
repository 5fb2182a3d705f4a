"""One run of the suite, from its variables to its exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from contact_apis._suite import isolated_command, isolated_environment

from .profiles.registry import PROFILES
from .report.reports import EXIT_CODES, Outcome
from .report.terminal import print_bare, print_verdict
from .report.words import listed
from .report.writing import write_reports
from .settings import CannotRun, Settings, load_settings

if TYPE_CHECKING:
    from .plan import Plan

ROOM = Path(__file__).with_name("checks")
# Nothing of the caller's: no settings but those of checks.ini, no conftest.py, no plugins but our own and that of Hypothesis.
PYTEST_OPTIONS = [
    "--noconftest",
    "--assert=plain",
    *("-p", "_hypothesis_pytestplugin"),
    *("-p", "no:terminal"),
    *("-p", "no:cacheprovider"),
    *("-p", "no:faulthandler"),
    *("-p", "no:unraisableexception"),
    *("-p", "no:threadexception"),
]


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Runs the suite; the result is the exit code: 0 for ``conforms``, 1 ``violates``, 2 ``could-not-run``, 3 ``incomplete``."""
    started = time.monotonic()
    # A copy: the process's own variables change while pytest runs.
    variables = dict(environ)
    outcome = Outcome(Path(environ.get("REPORTS") or "reports/contract"), variables)
    with contextlib.ExitStack() as stack:
        previous = signal.signal(signal.SIGTERM, _interrupt)
        stack.callback(signal.signal, signal.SIGTERM, previous)
        try:
            if (environ.get("TARGET") or "mock") == "mock":
                variables |= stack.enter_context(embedded_mock())
            settings = load_settings(variables, reports=outcome.folder)
            _run(settings, outcome)
        except CannotRun as reason:
            outcome.cannot_run(str(reason))
        except KeyboardInterrupt:
            outcome.interrupted()
        outcome.end(time.monotonic() - started)
        # A second signal, as CI sends one to what it cancels, must not take the reports away.
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, signal.SIG_IGN))
        try:
            problems = write_reports(outcome)
            print_verdict(outcome, problems)
        except Exception as error:  # noqa: BLE001  # a fault of ours here must not take away what the run found
            print_bare(outcome, error)
            return EXIT_CODES["could-not-run"]
    if problems:
        return EXIT_CODES["could-not-run"]
    return EXIT_CODES[outcome.verdict]


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def embedded_mock() -> Iterator[dict[str, str]]:
    """The mock in a process of its own, on a free port, with everything that the suite can exercise."""
    options = [word for profile in PROFILES.values() for word in profile.mock_options]
    command = isolated_command("contact_apis.cli", "mock", "--port", "0", "--env", *options)
    environment = isolated_environment(os.environ)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        yield _variables_told(process.stdout)
    finally:
        process.terminate()
        process.wait(10)


def _variables_told(stream: IO[bytes]) -> dict[str, str]:
    """What the mock prints when it is ready: all of it at once, so nothing is missing where a line has ended and nothing needed is.

    Raises:
        CannotRun: it ended before.
    """
    needed = {profile.variable("base_url") for profile in PROFILES.values()}
    needed |= {name for profile in PROFILES.values() for name in profile.required_variables}
    text = b""
    while True:
        read = os.read(stream.fileno(), 65536)
        if not read:
            raise CannotRun("The embedded mock did not start; its own words stand above.")
        text += read
        pairs = [line.strip().split("=", 1) for line in text.decode().splitlines() if "=" in line]
        variables = dict(pairs)
        if text.endswith(b"\n") and needed <= set(variables):
            return variables


def _run(settings: Settings, outcome: Outcome) -> None:
    """Plan, preflight, checks."""
    # Imported late: a missing variable is said without waiting for them.
    import pytest

    from .plugin import Run, SuitePlugin, api_fixtures

    run = Run(settings)
    outcome.begin(run)
    # Whoever calls this in a process of its own, as the mutants' matrix does, has pytest's variables there still.
    environment = isolated_environment(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    arguments = [
        *PYTEST_OPTIONS,
        f"--rootdir={ROOM}",
        f"--config-file={ROOM / 'checks.ini'}",
        f"--hypothesis-seed={settings.seed}",
    ]
    arguments += ["--pyargs", *check_modules()]
    try:
        code = pytest.main(
            arguments, plugins=[api_fixtures(run), SuitePlugin(run, _say_progress(), print_plan)]
        )
    finally:
        for service in run.services.values():
            run.judged(service.api)
    if code != pytest.ExitCode.INTERRUPTED:
        # After Ctrl-C the lock of httpx's pool may never be given back: the signal can come between its taking and its use.
        for service in run.services.values():
            service.close()
    if run.cannot_run is not None:
        raise run.cannot_run
    if code == pytest.ExitCode.INTERRUPTED and not run.is_cut:
        outcome.interrupted()
    for service in run.services.values():
        if service.environment_fault is not None:
            outcome.cannot_run(
                f"{service.endpoint.base_url} could not be reached any more: {service.environment_fault}."
            )
    if code == pytest.ExitCode.NO_TESTS_COLLECTED and run.is_cut:
        return
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        run.suite_errors.append(f"pytest ended with code {int(code)}")


def check_modules() -> list[str]:
    """The modules to collect: cheap and telling checks first; what draws hundreds of examples, and what is slow to import, last."""
    room = f"{__package__}.checks"
    names = ["check_credentials", "check_fields"]
    names += [f"check_{api}" for api in PROFILES]
    names += ["check_transport"]
    names += [f"check_{api}_properties" for api in PROFILES]
    names += ["check_shapes"]
    return [f"{room}.{name}" for name in names if find_spec(f"{room}.{name}") is not None]


def _say_progress() -> Callable[[str], None]:
    """Names each group of checks once, when its first check starts."""
    said: set[str] = set()

    def say(module: str) -> None:
        group = module.removeprefix("check_")
        if group not in said:
            said.add(group)
            print(f"  checking {group}", flush=True)

    return say


def print_plan(plan: Plan) -> None:
    """What the run will do to a service, before the first request."""
    from .plan import duration

    settings = plan.settings
    say = print
    for notice in settings.notices:
        say(f"Note: {notice}")
    say(
        f"Contract run · profile {settings.profile} · seed {settings.seed} (SEED={settings.seed} repeats it)"
    )
    if settings.selection:
        say(f"  only the clauses of CLAUSE={','.join(settings.selection)}")
    for endpoint in settings.endpoints:
        api = endpoint.api
        number = plan.requests(api)
        takes = f", about {duration(number / settings.rate)}" if settings.rate else ""
        say(f"  {api}: {endpoint.base_url}")
        say(f"    about {number:,} requests{takes} (CONTRACT_MAX_REQUESTS={settings.max_requests})")
        say(
            f"    new contacts needed: {plan.contacts(api)} (CONTRACT_NEW_CONTACTS={settings.new_contacts})"
        )
        left_out = plan.documented_left_out(api)
        if left_out:
            say(f"    the budget has no room for {listed(left_out)}")
    pace = "as fast as the service responds"
    if settings.rate:
        pace = f"{settings.rate:g} requests a second, about {duration(plan.total / settings.rate)} in all"
    say(f"  pace: {pace}; at most {duration(settings.max_seconds)} (CONTRACT_MAX_SECONDS)")
    say(
        "  writes: a fixed pool of 45 contacts an API; addresses under example.com, .org and .net, phones reserved for fiction, no welcome e-mail"
    )
    sys.stdout.flush()

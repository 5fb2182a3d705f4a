"""The suite as a pytest plugin: fixtures, the meaning of the marks, and the collection of results."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import hypothesis
import pytest
from attrs import define, field
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky

from .clauses import Clause, load_clauses
from .oracle import Judge
from .plan import Plan, Progress
from .preflight import preflight
from .profiles.registry import PROFILES
from .rehearsal import rehearse
from .report.reports import NOT_SELECTED
from .service import Breach, LeftOut, NotExercised, Service, ServiceGone
from .settings import CannotRun, Settings

#: The clauses after whose violation a check does not go on: it has another response than all that it knows.
ENDING = (".no-server-error", ".documented-statuses")


@define
class ClauseResult:
    """What became of one clause."""

    passed: int = 0
    failed: bool = False
    observations: list[str] = field(factory=list)
    not_exercised: list[str] = field(factory=list)
    """Why it cannot be exercised at this service or account."""
    left_out: list[str] = field(factory=list)
    """Why it was left out, where the reason is on our side."""
    requests: int = 0


@define
class Run:
    """One run of the suite: its services and what it found."""

    settings: Settings
    results: dict[str, ClauseResult] = field(init=False)
    breaches: list[Breach] = field(factory=list)
    suite_errors: list[str] = field(factory=list)
    cannot_run: CannotRun | None = None
    plan: Plan | None = None
    blocked: dict[str, str] = field(factory=dict)
    """The clauses whose check could not go on, each with the known violation that kept it from that."""
    tolerated: list[str] = field(factory=list)
    """The known violations that the check which runs has met and gone on."""
    is_cut: bool = False
    """Whether the run ended before its last check."""
    judges: dict[str, Judge] = field(init=False)
    services: dict[str, Service] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.results = {each: ClauseResult() for each in load_clauses()}
        self.judges = {api: Judge(api) for api in self.settings.apis}
        for judge in self.judges.values():
            judge.tolerates = self.tolerates
        self.services = {
            each.api: Service(each, self.settings, self.judges[each.api])
            for each in self.settings.endpoints
        }

    @property
    def clauses(self) -> list[Clause]:
        """The clauses of the selected APIs."""
        return [each for each in load_clauses().values() if each.api in self.settings.apis]

    @property
    def requests(self) -> int:
        return sum(each.counters.requests for each in self.services.values())

    def breach(self, found: Breach) -> None:
        """Books a breach; of those of one clause the first, which the simplest check has found."""
        if not self.results[found.clause].failed:
            self.results[found.clause].failed = True
            self.breaches.append(found)
            for service in self.services.values():
                service.broken.add(found.clause)

    def block(self, clauses: list[str], known: str) -> None:
        """Books that a known violation kept the check of these clauses from its end: the service prevents it, not the suite."""
        for clause in clauses:
            if clause != known:
                self.blocked[clause] = known
                self.results[clause].not_exercised.append(
                    f"{known}, a known violation, keeps it from being checked"
                )

    @property
    def new_breaches(self) -> list[Breach]:
        """Those that are not of a known violation."""
        return [found for found in self.breaches if found.clause not in self.settings.known_clauses]

    def tolerates(self, breach: Breach) -> bool:
        """Books a breach of a known violation after which the check goes on, so that what is new does not hide behind it."""
        if breach.clause not in self.settings.known_clauses or breach.clause.endswith(ENDING):
            return False
        self.tolerated.append(breach.clause)
        service = self.services[load_clauses()[breach.clause].api]
        breach.sequence = service.sequence_so_far(breach)
        breach.fresh = tuple(service.fresh)
        self.breach(breach)
        return True

    @property
    def left_out(self) -> dict[str, str]:
        """The documented clauses that did not run although nothing at the service prevents it, each with the reason."""
        found = {}
        for clause in self.clauses:
            result = self.results[clause.id]
            if (
                clause.evidence == "documented"
                and not self.settings.selects(clause.id)
                and not result.failed
            ):
                found[clause.id] = NOT_SELECTED
                continue
            has_run = result.passed or result.failed
            cannot_run_here = result.not_exercised and not result.left_out
            if clause.evidence == "documented" and not has_run and not cannot_run_here:
                found[clause.id] = result.left_out[0] if result.left_out else "no check of it ran"
        return found

    def judged(self, api: str) -> None:
        """Counts what every answer was judged by as exercised."""
        for clause, times in self.judges[api].judged.items():
            self.results[clause].passed += times
            self.results[clause].requests = max(self.results[clause].requests, times)

    @contextmanager
    def recording(self, clauses: list[str]) -> Iterator[None]:
        """Books what happens inside, and its requests, on these clauses; lets nothing but the end of the service out."""
        before = self.requests
        Breach.latest = None
        self.tolerated.clear()
        try:
            yield
        except BaseException as error:
            if (
                isinstance(error, Flaky)
                and _find(error, Breach) is None
                and Breach.latest is not None
            ):
                error = Breach.latest
            for service in self.services.values():
                service.end_check(_find(error, Breach))
            self.book(error, clauses)
            if isinstance(error, (ServiceGone, KeyboardInterrupt)):
                raise
        else:
            for service in self.services.values():
                service.end_check(None)
            # A property that the budget ended has held, unless not one of its examples was sent whole.
            cut_short = [
                each.cut_short
                for each in self.services.values()
                if each.cut_short and not each.whole_examples
            ]
            for clause in clauses:
                self.results[clause].passed += not cut_short
                self.results[clause].left_out += cut_short
        finally:
            for clause in clauses:
                self.results[clause].requests += self.requests - before

    def book(self, error: BaseException, clauses: list[str]) -> None:
        """Sorts an error: a breach, a clause that could not be exercised, or a fault of the suite."""
        if (breach := _find(error, Breach)) is not None:
            self.breach(breach)
            if breach.clause in self.settings.known_clauses:
                self.block(clauses, breach.clause)
        elif (skipped := _find(error, NotExercised)) is not None:
            for clause in clauses:
                result = self.results[clause]
                reasons = result.left_out if isinstance(skipped, LeftOut) else result.not_exercised
                reasons.append(str(skipped))
        elif (reason := _find(error, CannotRun)) is not None:
            self.cannot_run = reason
        elif isinstance(error, (ServiceGone, KeyboardInterrupt)):
            pass
        elif self.tolerated:
            # A check that goes on after a malformed response may find something missing that it relies on.
            self.block(clauses, self.tolerated[-1])
        else:
            self.suite_errors.append("".join(traceback.format_exception(error)))


E = TypeVar("E", bound=BaseException)


def _find(error: BaseException, kind: type[E]) -> E | None:
    if isinstance(error, kind):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next(
            (found for each in error.exceptions if (found := _find(each, kind)) is not None), None
        )
    return (
        _find(error.__cause__, kind) if isinstance(error, ServiceGone) and error.__cause__ else None
    )


class SuitePlugin:
    """Hooks and fixtures of one run."""

    def __init__(
        self, run: Run, progress: Callable[[str], None], say_plan: Callable[[Plan], None]
    ) -> None:
        self.run = run
        self.progress = progress
        self.say_plan = say_plan
        settings = run.settings
        hypothesis.settings.register_profile(
            "contract",
            # Where Hypothesis sees CI, another profile is the one in force, and what is not said here would come from it.
            parent=hypothesis.settings.get_profile("default"),
            max_examples=settings.examples,
            stateful_step_count=settings.steps,
            deadline=None,
            # The seed would mean nothing with it.
            derandomize=False,
            report_multiple_bugs=False,
            print_blob=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            # A given seed must give the same requests, so what earlier runs found is not replayed then.
            database=None
            if settings.seed_is_given
            else DirectoryBasedExampleDatabase(".hypothesis/contract"),
            # Minimising costs hundreds of requests, which a live account is spared, and minutes, which FAILFAST is meant to save.
            phases=[
                phase
                for phase in hypothesis.Phase
                if phase is not hypothesis.Phase.shrink
                or not (settings.rate or settings.is_gentle or settings.fail_fast)
            ],
        )
        hypothesis.settings.load_profile("contract")

    # ------------------------------------------------------------------------------------------------------- fixtures

    @pytest.fixture(scope="session")
    def settings(self) -> Settings:
        return self.run.settings

    @pytest.fixture
    def service(self, request: pytest.FixtureRequest) -> Service:
        """Each selected API in turn."""
        return self.run.services[request.param]

    @pytest.fixture
    def observe(self, request: pytest.FixtureRequest) -> Callable[..., None]:
        """Notes what a probe saw; for a contradictory clause, which of its readings the service follows."""
        (name,) = clauses_of(request.node)

        def observe(text: str) -> None:
            clause = load_clauses()[name]
            if clause.readings and text.partition(":")[0] not in clause.readings:
                raise Breach(
                    name,
                    f"the service follows none of the readings {', '.join(clause.readings)}: {text}",
                )
            self.run.results[name].observations.append(text)

        return observe

    # ---------------------------------------------------------------------------------------------------------- hooks

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line(
            "markers",
            "clause(*ids): the clauses of specs/clauses.yaml that a check or probe is about",
        )
        config.addinivalue_line(
            "markers",
            "examples(requests, steps): about how many requests an example of a property takes, and each of its steps",
        )
        config.addinivalue_line(
            "markers",
            "estimate(requests): about how many requests a check takes that is slow to rehearse",
        )

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "service" in metafunc.fixturenames:
            metafunc.parametrize("service", self.run.settings.apis, indirect=True)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        apis = self.run.settings.apis
        known = load_clauses()
        for item in items:
            if not clauses_of(item) or any(each not in known for each in clauses_of(item)):
                raise pytest.UsageError(
                    f"{item.nodeid} names no clause, or an unknown one: {clauses_of(item)}"
                )
        items[:] = [
            item
            for item in items
            if all(known[each].api in apis for each in clauses_of(item))
            and any(self.run.settings.selects(each) for each in clauses_of(item))
        ]
        checked = {each for item in items for each in clauses_of(item)}
        missing = [
            each.id
            for each in self.run.clauses
            if each.id not in checked and self.run.settings.selects(each.id)
        ]
        if missing and not self.run.settings.fail_fast:
            raise pytest.UsageError(f"no check or probe is about {', '.join(missing)}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Any:
        """Plan and preflight come before the first check."""
        try:
            self._begin(session)
        except CannotRun as reason:
            self.run.cannot_run = reason
        if self.run.cannot_run is not None or self.run.is_cut:
            session.items.clear()
        return (yield)

    def _begin(self, session: pytest.Session) -> None:
        run = self.run
        items = session.items
        checks = {
            item.nodeid: (item, self._api_of(item))
            for item in items
            if isinstance(item, pytest.Function)
        }
        needs = rehearse(checks, run.services)
        run.plan = Plan(
            run.settings,
            run.services,
            needs,
            {name: clauses_of(item) for name, (item, _) in checks.items()},
        )
        for item in [item for item in items if item.nodeid in run.plan.left_out]:
            items.remove(item)
            for clause in clauses_of(item):
                run.results[clause].left_out.append(run.plan.left_out[item.nodeid])
        self.say_plan(run.plan)
        capture = session.config.pluginmanager.getplugin("capturemanager")
        assert capture is not None

        def say(text: str) -> None:
            # pytest keeps to itself what is printed while a check runs.
            with capture.global_and_fixture_disabled():
                print(text, flush=True)

        progress = Progress(run.plan, say)
        for service in run.services.values():
            service.after_request = progress
            service.ends_at = time.monotonic() + run.settings.max_seconds
            try:
                preflight(service)
            except Breach as breach:
                service.end_check(breach)
                run.breach(breach)
            except ServiceGone as gone:
                service.end_check(_find(gone, Breach))
                run.book(gone, [])
                run.is_cut = True
                return
        run.is_cut = bool(run.new_breaches and run.settings.fail_fast)

    @staticmethod
    def _api_of(item: pytest.Item) -> str:
        return load_clauses()[clauses_of(item)[0]].api

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.progress(item.path.stem)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Any:
        clauses = clauses_of(pyfuncitem)
        plan = self.run.plan
        assert plan is not None
        self.run.services[self._api_of(pyfuncitem)].begin_check(
            plan.allowance_for(pyfuncitem.nodeid), pyfuncitem.name
        )
        try:
            with self.run.recording(clauses):
                return (yield)
        except ServiceGone:
            pyfuncitem.session.shouldstop = "the service is gone"
            self.run.is_cut = True
            return True
        finally:
            if self.run.cannot_run is not None:
                pyfuncitem.session.shouldstop = "a request of the suite does not fit the document"
                self.run.is_cut = True
            if self.run.settings.fail_fast and self.run.new_breaches:
                pyfuncitem.session.shouldstop = "FAILFAST"
                self.run.is_cut = True

    def pytest_exception_interact(self, call: pytest.CallInfo[Any]) -> None:
        """What fails outside of a check's own body is a fault of the suite."""
        if call.excinfo is not None:
            self.run.suite_errors.append("".join(traceback.format_exception(call.excinfo.value)))


def api_fixtures(run: Run) -> object:
    """A plugin with a fixture for each API, under its name: the service of that API."""

    def fixture_of(api: str) -> Any:
        def service(_self: object) -> Service:
            return run.services[api]

        return pytest.fixture(scope="session", name=api)(service)

    return type("ApiFixtures", (), {api: fixture_of(api) for api in PROFILES})()


def clauses_of(item: pytest.Item | pytest.Collector) -> list[str]:
    """The clauses that a check names; ``{api}`` stands for the API that it runs against."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return [
        str(name).format(api=parameters.get("service", ""))
        for mark in item.iter_markers("clause")
        for name in mark.args
    ]

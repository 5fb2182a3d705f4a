"""What this repository's workflows use of GitHub Actions, on this machine: expressions, steps in order, and the actions they call.

Expressions: names of contexts (``inputs.API``), texts in single quotes, ``==``, ``!=``, ``!``, ``&&``, ``||``, parentheses, and the functions
``always()``, ``success()``, ``failure()`` and ``cancelled()``. A condition without one of the four means ``success() && (...)``.
A shell gets the variables and files that a hosted runner gives it (``GITHUB_OUTPUT``, ``GITHUB_ENV``, ``GITHUB_STEP_SUMMARY``) and runs with
the options that ``shell: bash`` stands for there. Of the actions, what a checkout, a cache and an upload leave behind is imitated
with folders; setting up an interpreter does nothing. Anything else raises an error, so that no test passes by leaving it out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import Factory, define, field, frozen

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github/workflows"
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
PATIENCE = 300.0  # seconds that one step may take
STATUS_FUNCTIONS = ("always", "success", "failure", "cancelled")
TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w.-]*)(?P<call>\(\))?|(?P<sign>==|!=|&&|\|\||[!()]))"
)
Json = dict[str, Any]
Value = str | bool
Action = Callable[["Leg", Mapping[str, str]], None]


class NotSupported(Exception):
    """A workflow uses something that is not imitated here."""


def load_workflow(name: str) -> Json:
    """A workflow's file, parsed; its ``on`` is under that name, which YAML 1.1 takes for a truth value."""
    loaded: Json = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    loaded["on"] = loaded.pop(True)  # type: ignore[call-overload]  # the key that `on` has become
    return loaded


# --------------------------------------------------------------------------------------------------------- expressions


class Expression:
    """One expression, evaluated against contexts (nested dictionaries) and the status of the steps so far."""

    def __init__(self, text: str, contexts: Json, status: str = "success") -> None:
        self._tokens = list(_tokens(text))
        self._text = text
        self._contexts = contexts
        self._status = status

    def value(self) -> Value:
        value = self._either()
        if self._tokens:
            raise NotSupported(f"the expression {self._text!r} goes on after its end")
        return value

    def _next(self, *signs: str) -> bool:
        if self._tokens and self._tokens[0] in [("sign", sign) for sign in signs]:
            del self._tokens[0]
            return True
        return False

    def _either(self) -> Value:
        value = self._both()
        while self._next("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Value:
        value = self._compared()
        while self._next("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Value:
        value = self._single()
        if self._next("=="):
            return _equal(value, self._single())
        if self._next("!="):
            return not _equal(value, self._single())
        return value

    def _single(self) -> Value:
        if self._next("!"):
            return not self._single()
        if self._next("("):
            value = self._either()
            if not self._next(")"):
                raise NotSupported(f"a parenthesis of {self._text!r} is not closed")
            return value
        if not self._tokens:
            raise NotSupported(f"the expression {self._text!r} ends too early")
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "call":
            return self._called(text)
        if kind == "name":
            return self._named(text)
        raise NotSupported(f"{text!r} in the expression {self._text!r}")

    def _called(self, name: str) -> bool:
        if name not in STATUS_FUNCTIONS:
            raise NotSupported(f"the function {name}()")
        return name in ("always", self._status)

    def _named(self, name: str) -> Value:
        context, *members = name.split(".")
        if context not in self._contexts:
            raise NotSupported(f"the context {context!r}")
        found: Any = self._contexts[context]
        for member in members:
            # What a context does not have is null there, which equals the empty text.
            found = found.get(member, "") if isinstance(found, Mapping) else ""
        if not isinstance(found, str | bool):
            raise NotSupported(f"the value of {name}")
        return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if match is None:
            raise NotSupported(f"{text[position:]!r} in an expression")
        position = match.end()
        if match["name"] is not None:
            yield ("call" if match["call"] else "name"), match["name"]
        elif match["text"] is not None:
            yield "text", match["text"]
        else:
            yield "sign", match["sign"]


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return one == other


def filled(text: object, contexts: Json) -> str:
    """A text of a workflow with its expressions replaced by their values."""

    def replaced(match: re.Match[str]) -> str:
        value = Expression(match[1], contexts).value()
        return str(value).lower() if isinstance(value, bool) else value

    return re.sub(r"\$\{\{(.*?)\}\}", replaced, str(text))


def holds(condition: str | None, contexts: Json, status: str) -> bool:
    """Whether a step with this condition runs."""
    text = (condition or "success()").strip().removeprefix("${{").removesuffix("}}")
    if not any(f"{name}()" in text for name in STATUS_FUNCTIONS):
        text = f"success() && ({text})"
    return bool(Expression(text, contexts, status).value())


# --------------------------------------------------------------------------------------------------------------- a leg


@frozen
class Step:
    """What became of a step."""

    name: str
    outcome: str
    """``success``, ``failure`` or ``skipped``."""
    code: int | None = None
    """The exit code of its shell."""
    log: str = field(default="", repr=False)


@define
class Leg:
    """One job of a matrix on a runner of its own: an empty workspace, with caches and artifacts that outlive it."""

    workflow: Json
    job: str
    folder: Path
    """What the runner has for itself; the workspace is in it."""
    storage: Path
    """Where ``caches`` and ``artifacts`` of the calling repository are kept."""
    calling: Path
    """The files of the calling repository."""
    contexts: Json
    actions: Mapping[str, Action] = Factory(lambda: ACTIONS)
    steps: dict[str, Step] = Factory(dict)
    status: str = "success"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def summary(self) -> str:
        """What the run's page shows."""
        path = self.folder / "summary"
        return path.read_text("utf-8") if path.exists() else ""

    @property
    def log(self) -> str:
        return "".join(step.log for step in self.steps.values())

    def run(self) -> Leg:
        """Runs the steps in order; the result is this leg, with what became of each."""
        self.workspace.mkdir(parents=True)
        job = self.workflow["jobs"][self.job]
        self.contexts["env"] = {
            name: filled(value, self.contexts) for name, value in job.get("env", {}).items()
        }
        self.contexts["steps"] = {}
        for number, step in enumerate(job["steps"], 1):
            name = (
                step.get("id")
                or step.get("name")
                or step.get("uses", f"step {number}").partition("@")[0]
            )
            done = Step(name, "skipped")
            if holds(step.get("if"), self.contexts, self.status):
                done = self._run_step(step, name)
            if done.outcome == "failure":
                self.status = "failure"
            self.steps[name] = done
            self.contexts["steps"][name] = {
                "outcome": done.outcome,
                "outputs": self._file("output"),
            }
        return self

    def _run_step(self, step: Json, name: str) -> Step:
        (self.folder / "output").unlink(missing_ok=True)
        if "uses" in step:
            action = step["uses"].partition("@")[0]
            if action not in self.actions:
                raise NotSupported(f"the action {action}")
            given = {
                key: filled(value, self.contexts) for key, value in step.get("with", {}).items()
            }
            try:
                self.actions[action](self, given)
            except ActionFailed as reason:
                return Step(name, "failure", log=f"{reason}\n")
            return Step(name, "success")
        own = {key: filled(value, self.contexts) for key, value in step.get("env", {}).items()}
        script = self.folder / "script.sh"
        script.write_text(step["run"], "utf-8")
        done = subprocess.run(
            [*SHELL, script],
            cwd=self.workspace,
            env={**self._environment(), **self.contexts["env"], **self._file("env"), **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        return Step(name, "failure" if done.returncode else "success", done.returncode, done.stdout)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        files = {"GITHUB_OUTPUT": "output", "GITHUB_ENV": "env", "GITHUB_STEP_SUMMARY": "summary"}
        kept |= {name: str(self.folder / file) for name, file in files.items()}
        return kept | {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
        }

    def _file(self, name: str) -> dict[str, str]:
        """The lines ``NAME=VALUE`` that a step has written for the next ones."""
        path = self.folder / name
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return {key: value for key, _, value in (line.partition("=") for line in lines)}


# ------------------------------------------------------------------------------------------------------------- actions


class ActionFailed(Exception):
    """An action ends with an error."""


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy2(source, target)


def check_out(leg: Leg, given: Mapping[str, str]) -> None:
    """The files of the calling repository that a sparse checkout names; or this one's checkout, where the workflow's own repository is meant."""
    if "repository" not in given:
        name = given["sparse-checkout"].strip().removeprefix("/")
        _copy(leg.calling / name, leg.workspace / name)
        return
    own = leg.contexts["job"]
    if (given["repository"], given["ref"]) != (own["workflow_repository"], own["workflow_sha"]):
        raise ActionFailed(
            f"there is no repository {given['repository']} with a commit {given['ref']}"
        )
    folder = leg.workspace / given["path"]
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    # As after `make setup`: the commands of the environment in which this checkout is installed, and the sign that nothing is to be done.
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.prefix, "bin"))
    (folder / ".venv/.ready").touch()


def restore_cache(leg: Leg, given: Mapping[str, str]) -> None:
    """The cache with this key, or the newest whose key begins with one of the others."""
    caches = sorted(
        (leg.storage / "caches").glob("*"), key=lambda cache: cache.stat().st_mtime_ns, reverse=True
    )
    wanted = [given["key"], *given.get("restore-keys", "").split()]
    for prefix in wanted:
        for cache in caches:
            if cache.name.startswith(prefix):
                for path in given["path"].split():
                    _copy(cache / path, leg.workspace / path)
                return


def save_cache(leg: Leg, given: Mapping[str, str]) -> None:
    """A new cache; one that is there is never changed."""
    cache = leg.storage / "caches" / given["key"]
    if cache.exists():
        return
    cache.mkdir(parents=True)
    for path in given["path"].split():
        _copy(leg.workspace / path, cache / path)


def upload(leg: Leg, given: Mapping[str, str]) -> None:
    """A copy of the named paths, without hidden files."""
    artifact = leg.storage / "artifacts" / given["name"]
    shutil.rmtree(artifact, ignore_errors=True)
    for path in given["path"].split():
        _copy(leg.workspace / path, artifact / path)
    for hidden in artifact.rglob(".*"):
        if hidden.is_dir():
            shutil.rmtree(hidden)
        else:
            hidden.unlink()


def do_nothing(leg: Leg, given: Mapping[str, str]) -> None:
    """For what is here already."""


ACTIONS: dict[str, Action] = {
    "actions/checkout": check_out,
    "actions/setup-python": do_nothing,
    "actions/cache/restore": restore_cache,
    "actions/cache/save": save_cache,
    "actions/upload-artifact": upload,
}


def call(workflow: Json, job: str, contexts: Json) -> tuple[Json, Json]:
    """The inputs and the secrets that a job gives to the workflow that it calls, with that one's defaults."""
    calling = workflow["jobs"][job]
    called = load_workflow(Path(calling["uses"]).name)["on"]["workflow_call"]
    given = {name: filled(value, contexts) for name, value in calling.get("with", {}).items()}
    secrets = {name: filled(value, contexts) for name, value in calling.get("secrets", {}).items()}
    for kind, values in (("inputs", given), ("secrets", secrets)):
        unknown = set(values) - set(called[kind])
        if unknown:
            raise NotSupported(f"{calling['uses']} has no {kind} {', '.join(sorted(unknown))}")
    defaults = {name: declared.get("default", "") for name, declared in called["inputs"].items()}
    return {**defaults, **given}, secrets

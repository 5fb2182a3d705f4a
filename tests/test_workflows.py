"""The workflows as they are shipped: pinned, with the least rights, without a value in a shell's text, and complete."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from contact_apis._suite._options import load_variables
from tests.contract.clauses import APIS, load_specification
from tests.github_actions import (
    FOLDER,
    Expression,
    Json,
    Leg,
    NotSupported,
    Step,
    call,
    filled,
    holds,
    load_workflow,
)

NAMES = sorted(path.name for path in FOLDER.iterdir())
PINNED = re.compile(r"[\w.-]+/[\w.-]+(/[\w.-]+)*@[0-9a-f]{40}")
# What a night decides itself: it is live, an API a leg, with a history in the place of an earlier run's results.
SET_BY_CONTRACT = {"TARGET", "API", "REPORTS", "HISTORY"}
NOT_PASSED = {"PREVIOUS"}
# This repository's nights look at everything, and keep their known violations where the suite looks for them.
NOT_SET_BY_NIGHTLY = {"FAILFAST", "KNOWN"}


def steps_of(workflow: Json) -> Iterator[Json]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def texts(node: object) -> Iterator[str]:
    """Every text of a part of a workflow."""
    if isinstance(node, Mapping):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


def test_all_workflows_are_looked_at() -> None:
    """The checks below are not of an empty list, and no file has another ending."""
    assert NAMES == ["ci.yml", "contract.yml", "nightly.yml"]


@pytest.mark.parametrize("name", NAMES)
def test_each_action_is_pinned_by_commit_with_its_version_beside_it(name: str) -> None:
    """A tag can be moved, a commit cannot; a file of this repository is of the same commit anyway."""
    used = [
        line.split("uses:")[1].strip()
        for line in (FOLDER / name).read_text("utf-8").splitlines()
        if "uses:" in line
    ]
    workflow = load_workflow(name)
    assert (
        len(used)
        == sum("uses" in part for part in [*steps_of(workflow), *workflow["jobs"].values()])
        > 0
    )
    for text in used:
        if text.startswith("./"):
            assert (FOLDER.parents[1] / text).is_file()
        else:
            action, _, version = text.partition(" # ")
            assert PINNED.fullmatch(action), text
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version), text


def test_an_action_has_one_commit_in_all_workflows() -> None:
    """An update of one file only is seen."""
    used = {
        step["uses"] for name in NAMES for step in steps_of(load_workflow(name)) if "uses" in step
    }
    assert len(used) == len({action.partition("@")[0] for action in used})


@pytest.mark.parametrize("name", NAMES)
def test_rights_are_the_least(name: str) -> None:
    """None by default; a job reads the repository, and no checkout leaves its token behind."""
    workflow = load_workflow(name)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow["on"]
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job.get("secrets") != "inherit"
    checkouts = [
        step for step in steps_of(workflow) if step.get("uses", "").startswith("actions/checkout@")
    ]
    for step in checkouts:
        assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", NAMES)
def test_no_shell_has_an_expression_in_its_text(name: str) -> None:
    """What a caller gives reaches a shell as a variable, and is never read as a command."""
    for step in steps_of(load_workflow(name)):
        assert "${{" not in step.get("run", "")


def test_every_variable_of_the_suite_reaches_the_run() -> None:
    """By the same name, as an input or a secret of the workflow; one that is added to the suite is missed here."""
    contract = load_workflow("contract.yml")
    declared = contract["on"]["workflow_call"]
    job = contract["jobs"]["night"]
    (run,) = [step for step in job["steps"] if step.get("id") == "run"]
    names = {variable.name for variable in load_variables()}
    assert {*run["env"], *job["env"]} == names - NOT_PASSED
    assert {*declared["inputs"], *declared["secrets"]} - {"account"} == (
        names - NOT_PASSED - SET_BY_CONTRACT
    ) | {"API"}
    for name, value in run["env"].items():
        if name not in SET_BY_CONTRACT:
            kind = "secrets" if name in declared["secrets"] else "inputs"
            contexts: Json = {"inputs": {}, "secrets": {}, kind: {name: "a value"}}
            assert filled(value, contexts) == "a value"


def test_the_nightly_workflow_gives_all_that_the_called_one_takes() -> None:
    """From this repository's variables and secrets of the same names, or from what whoever starts it by hand chose."""
    declared = load_workflow("contract.yml")["on"]["workflow_call"]
    nightly = load_workflow("nightly.yml")
    by_hand = nightly["on"]["workflow_dispatch"]["inputs"]
    job = nightly["jobs"]["contract"]
    assert set(job["with"]) == set(declared["inputs"]) - {"account"} - NOT_SET_BY_NIGHTLY
    assert set(job["secrets"]) == set(declared["secrets"])
    for name, value in job["with"].items():
        context = "inputs" if name in by_hand else "vars"
        assert value == f"${{{{ {context}.{name} }}}}"
    for name, value in job["secrets"].items():
        assert value == f"${{{{ secrets.{name} }}}}"


def test_ids_and_keys_are_secrets_and_optional() -> None:
    """GitHub masks secrets in its log, and a caller with one API gives those of that one alone."""
    declared = load_workflow("contract.yml")["on"]["workflow_call"]
    for name in [*declared["secrets"], *declared["inputs"]]:
        assert (name in declared["secrets"]) == name.endswith(("_KEY", "_ID"))
    for each in [*declared["secrets"].values(), *declared["inputs"].values()]:
        assert not each.get("required")
        assert each["description"].endswith(".")


def test_an_address_that_is_not_given_is_that_of_the_document() -> None:
    """The documents say where production is; the workflow agrees."""
    (run,) = [step for step in steps_of(load_workflow("contract.yml")) if step.get("id") == "run"]
    for api in APIS:
        assert (
            filled(run["env"][f"{api.upper()}_BASE_URL"], {"inputs": {}})
            == load_specification(api)["servers"][0]["url"]
        )


def test_the_matrix_has_every_api() -> None:
    """And the choice of one of them is checked against the same list."""
    job = load_workflow("contract.yml")["jobs"]["night"]
    assert job["strategy"]["matrix"]["api"] == list(APIS)
    assert f"both | {' | '.join(APIS)})" in job["steps"][0]["run"]


def test_the_history_is_restored_and_saved_whatever_happens() -> None:
    """Two steps, both always, with the same paths and key, for a failed night counts too; nothing unmasked is kept or uploaded."""
    steps = list(steps_of(load_workflow("contract.yml")))
    (restore,) = [
        step for step in steps if step.get("uses", "").startswith("actions/cache/restore@")
    ]
    (save,) = [step for step in steps if step.get("uses", "").startswith("actions/cache/save@")]
    (upload,) = [
        step for step in steps if step.get("uses", "").startswith("actions/upload-artifact@")
    ]
    for step in (restore, save, upload):
        assert step["if"].startswith("always() && ")
    assert save["with"] == {name: restore["with"][name] for name in ("path", "key")}
    assert save["with"]["key"].startswith(restore["with"]["restore-keys"])
    assert upload["with"]["path"].split() == ["reports/contract/", "contract-history.jsonl"]
    assert steps.index(restore) < steps.index(save) < steps.index(upload)


@pytest.mark.parametrize("name", NAMES)
def test_every_condition_and_value_is_understood(name: str) -> None:
    """So none of the tests passes over an expression that is misspelt."""
    contexts: Json = {
        context: {}
        for context in (
            "inputs",
            "secrets",
            "vars",
            "github",
            "matrix",
            "job",
            "env",
            "steps",
            "strategy",
        )
    }
    workflow = load_workflow(name)
    for text in texts(workflow["jobs"]):
        filled(text, contexts)
    for step in steps_of(workflow):
        holds(step.get("if"), contexts, "success")


def test_the_readme_calls_the_workflow_as_it_can_be_called() -> None:
    """Its example is a workflow with least rights, pinned, and gives nothing that the called one does not take."""
    (example,) = re.findall(
        r"```yaml\n(on:\n.*?)```", (FOLDER.parents[1] / "README.md").read_text("utf-8"), re.DOTALL
    )
    (job,) = yaml.safe_load(example)["jobs"].values()
    action, _, commit = job["uses"].partition("@")
    assert action.endswith("/.github/workflows/contract.yml")
    assert re.fullmatch("[0-9a-f]{40}", commit)
    assert job["permissions"] == {"contents": "read"}
    declared = load_workflow("contract.yml")["on"]["workflow_call"]
    for kind, given in (("inputs", job["with"]), ("secrets", job["secrets"])):
        assert set(given) <= set(declared[kind])


# ------------------------------------------------------------------------------------------------ expressions and steps


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a' == 'A'", True),
        ("inputs.none || 'default'", "default"),
        ("inputs.given || 'default'", "yes"),
        ("inputs.none == ''", True),
        ("inputs.given != '' && !(inputs.none != '')", True),
        ("always() && inputs.given == 'yes'", True),
        ("success() || inputs.none", ""),
        ("failure()", True),
        ("'it''s'", "it's"),
    ],
)
def test_an_expression_has_the_value_that_it_has_there(text: str, value: str | bool) -> None:
    """After a failure, with one input given."""
    assert Expression(text, {"inputs": {"given": "yes"}}, "failure").value() == value


@pytest.mark.parametrize(
    "text",
    ["inputs.a ==", "(inputs.a", "inputs.a inputs.b", "unknown.a", "hashFiles()", "inputs.a > 'b'"],
)
def test_an_expression_that_is_not_understood_is_an_error(text: str) -> None:
    """Never a quiet false."""
    with pytest.raises(NotSupported):
        Expression(text, {"inputs": {}}).value()


def test_a_condition_without_a_status_needs_success() -> None:
    """As everywhere in GitHub Actions."""
    assert holds(None, {}, "success")
    assert not holds(None, {}, "failure")
    assert not holds("inputs.a == ''", {"inputs": {}}, "failure")
    assert holds("always() && inputs.a == ''", {"inputs": {}}, "failure")


# ------------------------------------------------------------------------------------------------- legs without a night


def leg(
    tmp_path: Path,
    api: str,
    *,
    variables: Mapping[str, str] = {},
    secrets: Mapping[str, str] = {},
    **inputs: str,
) -> Leg:
    """A leg of the nightly workflow of a repository with these variables and secrets, to its end."""
    given, passed = call(
        load_workflow("nightly.yml"),
        "contract",
        {"vars": variables, "secrets": secrets, "inputs": inputs},
    )
    identity = {"workflow_repository": "ours/contact-apis", "workflow_sha": "0" * 40}
    contexts: Json = {"inputs": given, "secrets": passed, "matrix": {"api": api}, "job": identity}
    contexts["github"] = {"run_id": "1", "run_attempt": "1"}
    return Leg(
        load_workflow("contract.yml"),
        "night",
        tmp_path / api,
        tmp_path / "storage",
        tmp_path / "calling",
        contexts,
    ).run()


def outcomes(done: Leg) -> dict[str, str]:
    return {name: step.outcome for name, step in done.steps.items()}


@pytest.mark.parametrize("api", APIS)
def test_a_leg_without_secrets_is_skipped_with_a_notice(tmp_path: Path, api: str) -> None:
    """Green, with the names of what is missing; the other API's secrets are not its own; nothing is kept or uploaded."""
    other = {"pristo": "RETAINFUL_API_KEY", "retainful": "PRISTO_API_KEY"}[api]
    done = leg(tmp_path, api, secrets={other: "a key"})
    assert done.status == "success"
    assert {name for name, outcome in outcomes(done).items() if outcome != "skipped"} == {"leg"}
    assert done.log.startswith(
        f"::notice title=Contract of {api}::Skipped: this repository has none of the secrets {api.upper()}_API_KEY "
    )
    assert other not in done.log
    assert done.summary.startswith(f"## Contract of {api}: skipped\n")
    assert not (tmp_path / "storage").exists()


def test_an_api_that_is_not_asked_for_is_left_out_in_silence(tmp_path: Path) -> None:
    """It has its secrets, and needs no notice."""
    done = leg(tmp_path, "pristo", secrets={"PRISTO_API_KEY": "a key"}, API="retainful")
    assert (done.status, done.log, done.summary) == ("success", "pristo is not asked for\n", "")


def test_an_api_that_does_not_exist_fails_the_leg(tmp_path: Path) -> None:
    """A misspelt name must not end in green nights; the text of a caller is not executed."""
    done = leg(
        tmp_path,
        "pristo",
        secrets={"PRISTO_API_KEY": "a key"},
        API='prist0" ]; touch executed; [ "',
    )
    assert done.status == "failure"
    assert done.steps["leg"].log.startswith("::error title=Contract::API is not a valid choice")
    assert not list(tmp_path.rglob("executed"))


def test_a_secret_that_is_missing_beside_others_is_a_fault(tmp_path: Path) -> None:
    """Whoever gave a key wants a night; the run says which name is missing, and the log does not show the others."""
    done = leg(tmp_path, "pristo", secrets={"PRISTO_API_KEY": "a-key-that-nobody-sees"})
    assert (done.status, done.steps["run"].code) == ("failure", 2)
    assert "PRISTO_POPULATION_ID is not set" in done.steps["run"].log
    assert "a-key-that-nobody-sees" not in done.log
    assert "PRISTO_POPULATION_ID is not set" in (
        tmp_path / "storage/artifacts/contract-pristo-main/reports/contract/results.json"
    ).read_text("utf-8")


def test_a_night_without_an_installation_keeps_the_history_and_says_so(tmp_path: Path) -> None:
    """The registry is away: the earlier nights are there tomorrow, and the summary says that there was no run."""
    earlier = tmp_path / "storage/caches/contract-history-pristo-of-main-run-0-1"
    earlier.mkdir(parents=True)
    (earlier / "contract-history.jsonl").write_text("an earlier night\n")
    path = tmp_path / "no-make"
    path.mkdir()
    (path / "make").write_text("#!/bin/sh\nexit 2\n")
    (path / "make").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{path}:/usr/bin:/bin")
        done = leg(tmp_path, "pristo", secrets={"PRISTO_API_KEY": "a key"})
    assert done.status == "failure"
    assert done.steps["run"] == Step("run", "skipped")
    assert done.summary.startswith("## Contract of pristo: no run\n")
    assert "::error title=Contract of pristo::" in done.log
    kept = (
        tmp_path / "storage/caches/contract-history-pristo-of-main-run-1-1/contract-history.jsonl"
    )
    assert kept.read_text() == "an earlier night\n"

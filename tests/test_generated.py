"""The generated clients: typed, reproducible, and true to the page's examples."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import typing
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import attrs
import pytest
import yaml

import pristo_client
import retainful_client
from contact_apis.mock import MockServer
from pristo_client import Client
from pristo_client.api.contacts import upsert_contact
from pristo_client.models import Contact, ContactUpsertRequest
from retainful_client import models as retainful
from tests.conftest import ROOT, Run
from tests.contract.clauses import APIS, load_specification


def models() -> Iterator[type]:
    for package in (pristo_client, retainful_client):
        for module in pkgutil.iter_modules(
            importlib.import_module(f"{package.__name__}.models").__path__,
            f"{package.__name__}.models.",
        ):
            found = importlib.import_module(module.name)
            yield from (
                each
                for each in vars(found).values()
                if isinstance(each, type) and attrs.has(each) and each.__module__ == module.name
            )


def test_no_field_of_a_model_is_any() -> None:
    """Each has a type of its own; only members that the schema leaves open are open."""
    fields = [(model, each) for model in models() for each in attrs.fields(model)]
    loose = [
        (model, each.name)
        for model, each in fields
        if "Any" in str(each.type) and each.name != "additional_properties"
    ]
    assert len(fields) > 40
    assert loose == []


@pytest.mark.parametrize("api", APIS)
def test_each_package_carries_its_specification_and_its_types(api: str) -> None:
    """What an installed client says of its contract is what specs/ say."""
    folder = ROOT / "generated" / f"{api}_client"
    assert json.loads((folder / "openapi.json").read_bytes()) == load_specification(api)
    assert (folder / "py.typed").exists()


def test_a_correlation_id_reaches_the_wire(contact_apis_mock: MockServer) -> None:
    """The generated function sends X-Request-Id as a UUID, over a real socket."""
    env, sent = contact_apis_mock.env, uuid4()
    with Client(
        base_url=env["PRISTO_BASE_URL"], headers={"X-API-Key": env["PRISTO_API_KEY"]}
    ) as client:
        body = ContactUpsertRequest(contact=Contact(id=uuid4()))
        response = upsert_contact.sync_detailed(
            UUID(env["PRISTO_POPULATION_ID"]), client=client, body=body, x_request_id=sent
        )
    assert response.status_code == 201
    assert contact_apis_mock.state["requests"][0]["headers"]["x-request-id"] == str(sent)


def test_the_pages_example_request_goes_through_the_models_unchanged() -> None:
    """Read and written again it is equal JSON, times included."""
    example = load_specification("retainful")["components"]["examples"]["Request"]["value"]
    assert retainful.Contact.from_dict(example).to_dict() == example


def test_a_plain_date_stays_a_plain_date() -> None:
    """No midnight is added, whether it is read or made."""
    example = load_specification("retainful")["components"]["examples"]["Request"]["value"] | {
        "birthDate": "1990-01-15"
    }
    contact = retainful.Contact.from_dict(example)
    assert contact.birth_date == dt.date(1990, 1, 15)
    assert not isinstance(contact.birth_date, dt.datetime)
    assert contact.to_dict()["birthDate"] == "1990-01-15"


def test_times_go_out_in_utc_with_milliseconds() -> None:
    """Whatever the zone of the datetime."""
    zone = dt.timezone(dt.timedelta(hours=2))
    consent = retainful.Consent(
        created_at=dt.datetime(2024, 3, 21, 12, 30, tzinfo=zone), ip="192.0.2.7", source="import"
    )
    assert consent.to_dict()["createdAt"] == "2024-03-21T10:30:00.000Z"


def test_generated_code_is_what_the_specs_give(run: Run) -> None:
    """`make check-generated` passes on this checkout."""
    done = run("make", "check-generated")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("committed", [False, True])
def test_what_is_not_generated_is_named(checkout: Path, run: Run, committed: bool) -> None:
    """A hand edit, a stray file, a missing file and a changed spec each fail the check, which changes nothing."""

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=checkout, check=True)

    if committed:
        git("init", "-q")
        git("add", "-A")
    model = checkout / "generated/pristo_client/models/contact.py"
    model.write_text(model.read_text("utf-8") + "# by hand\n", "utf-8")
    (checkout / "generated/retainful_client/stray.py").write_text("x = 1\n", "utf-8")
    (checkout / "generated/retainful_client/models/channel.py").unlink()
    if committed:
        git("add", "-A")
        git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "change")
    done = run("make", "-o", ".venv/.ready", "check-generated", cwd=checkout)
    assert done.returncode != 0
    for name in ("contact.py", "stray.py", "channel.py"):
        assert name in done.stdout
    assert model.read_text("utf-8").endswith("# by hand\n")
    assert (checkout / "generated/retainful_client/stray.py").exists()


def test_a_spec_that_changed_without_generation_is_named(checkout: Path, run: Run) -> None:
    """The files that would change are listed."""
    spec = checkout / "specs/retainful.yaml"
    spec.write_text(spec.read_text("utf-8").replace("Given name.", "First name."), "utf-8")
    done = run("make", "-o", ".venv/.ready", "check-generated", cwd=checkout)
    assert done.returncode != 0
    assert "retainful_client/models/contact.py" in done.stdout


def add_nickname(document: dict[str, typing.Any]) -> None:
    document["components"]["schemas"]["Contact"]["properties"]["nickname"] = {"type": "string"}


def add_archive(document: dict[str, typing.Any]) -> None:
    save = document["paths"]["/v1/contacts/save/{populationId}"]["post"]
    body = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {"id": {"type": "string", "format": "uuid"}},
                }
            }
        },
    }
    document["paths"]["/v1/contacts/archive/{populationId}"] = {
        "post": {**save, "operationId": "archiveContact", "requestBody": body}
    }


def change_spec(
    checkout: Path, change: typing.Callable[[dict[str, typing.Any]], None], run: Run
) -> None:
    spec = checkout / "specs/pristo.json"
    document = json.loads(spec.read_bytes())
    change(document)
    spec.write_text(json.dumps(document, indent=2), "utf-8")
    done = run("make", "-o", ".venv/.ready", "generate", cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr


def run_suite(checkout: Path, run: Run, **variables: str) -> dict[str, typing.Any]:
    sources = f"{checkout}/contrib:{checkout}/generated"
    done = run(
        "python",
        "-m",
        "tests.contract",
        cwd=checkout,
        PYTHONPATH=sources,
        PROFILE="quick",
        API="pristo",
        **variables,
    )
    results: dict[str, typing.Any] = json.loads(
        (checkout / "reports/contract/results.json").read_bytes()
    )
    assert results["verdict"] == "conforms", done.stdout
    return results


def test_a_new_property_reaches_client_mock_and_suite_without_other_edits(
    checkout: Path, run: Run
) -> None:
    """An optional string in Pristo's Contact: generated, taken, stored, shown and checked."""
    change_spec(checkout, add_nickname, run)
    assert "nickname: str | Unset" in (
        checkout / "generated/pristo_client/models/contact.py"
    ).read_text("utf-8")
    run_suite(checkout, run)
    script = (
        "from contact_apis.mock import MockServer; import httpx\n"
        "with MockServer() as mock:\n"
        "    e = mock.env; url = e['PRISTO_BASE_URL'] + '/v1/contacts/save/' + e['PRISTO_POPULATION_ID']\n"
        "    for value in ('Countess', 7):\n"
        "        body = {'contact': {'id': 'a6d60792-18b0-5e4d-ad1e-9e0fcf43dabe', 'nickname': value}}\n"
        "        answer = httpx.post(url, headers={'X-API-Key': e['PRISTO_API_KEY']}, json=body)\n"
        "        print(answer.status_code, answer.text)\n"
    )
    done = run(
        "python", "-c", script, cwd=checkout, PYTHONPATH=f"{checkout}/contrib:{checkout}/generated"
    )
    assert re.search(r'201 .*"nickname": ?"Countess"', done.stdout), done.stderr
    assert "400" in done.stdout


def test_a_new_operation_is_generated_and_exercised_without_new_code(
    checkout: Path, run: Run
) -> None:
    """An invented second operation of Pristo gets its client, its answers from the mock and its share of the suite."""
    before = run_suite(checkout, run, SEED="1")["requests"]
    change_spec(checkout, add_archive, run)
    assert (checkout / "generated/pristo_client/api/contacts/archive_contact.py").exists()
    assert run_suite(checkout, run, SEED="1")["requests"] > before + 10


def test_generation_is_deterministic(checkout: Path, run: Run) -> None:
    """Twice the same bytes."""
    kept = checkout / "kept"
    assert run("make", "-o", ".venv/.ready", "generate", cwd=checkout).returncode == 0
    shutil.copytree(checkout / "generated", kept)
    assert run("make", "-o", ".venv/.ready", "generate", cwd=checkout).returncode == 0
    assert subprocess.run(["diff", "-r", kept, checkout / "generated"], check=False).returncode == 0


def test_settings_and_templates_are_the_only_differences_from_the_generator(run: Run) -> None:
    """specs/generator.yaml parses, and names nothing that the generator does not know."""
    from openapi_python_client.config import ConfigFile

    settings = yaml.safe_load((ROOT / "specs/generator.yaml").read_text("utf-8"))
    assert set(settings) <= set(ConfigFile.model_fields)

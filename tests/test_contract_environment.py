"""A contract run in the environments that its callers really have: the verdict is the service's, whoever asks."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from contact_apis.mock import MockServer
from tests.client.conftest import authority  # noqa: F401  # a fixture
from tests.client.hostile import Proxy
from tests.conftest import Run, contract, live

Json = dict[str, Any]
NOBODY = "http://127.0.0.1:9"  # the port of "discard", where nobody listens
VARIABLES = {
    "pytest options": {"PYTEST_ADDOPTS": "-k nothing --color=yes -x --maxfail=1 -p no:python"},
    "pytest plugins": {"PYTEST_PLUGINS": "no_such_plugin", "PYTEST_DEBUG": "1"},
    "hypothesis": {
        "HYPOTHESIS_PROFILE": "no-such-profile",
        "HYPOTHESIS_EXPERIMENTAL_OBSERVABILITY": "1",
    },
    "warnings": {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
    "optimised": {
        "PYTHONOPTIMIZE": "2",
        "PYTHONHASHSEED": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    },
    "continuous integration": {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "BUILDKITE": "true",
        "TF_BUILD": "true",
    },
    "terminal": {
        "NO_COLOR": "1",
        "FORCE_COLOR": "1",
        "PY_COLORS": "1",
        "TERM": "dumb",
        "COLUMNS": "1",
        "LINES": "1",
    },
    "locale": {
        "LC_ALL": "C",
        "LANG": "tr_TR.ISO-8859-9",
        "LANGUAGE": "tr",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "TZ": "Asia/Kathmandu",
    },
    "proxies": {
        "HTTP_PROXY": NOBODY,
        "http_proxy": NOBODY,
        "HTTPS_PROXY": NOBODY,
        "ALL_PROXY": "socks5://127.0.0.1:9",
    },
    "schemathesis": {"SCHEMATHESIS_HOOKS": "no_such_module", "SCHEMATHESIS_REPORT": "1"},
}
SHADOWS = (
    "pytest",
    "hypothesis",
    "schemathesis",
    "yaml",
    "jinja2",
    "tests",
    "conftest",
    "sitecustomize_of_no_use",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of somebody's project, full of what pytest, Python and others would obey."""
    folder = tmp_path / "a project [1] of ours"
    (folder / "temporary files").mkdir(parents=True)
    (folder / "modules").mkdir()
    for name in SHADOWS:
        for place in (folder, folder / "modules"):
            (place / f"{name}.py").write_text(
                "raise RuntimeError('this is not what the suite means')"
            )
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -k nothing\nrequired_plugins = no-such-plugin\n"
    )
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-k nothing'\n")
    (folder / "schemathesis.toml").write_text("no configuration")
    (folder / ".hypothesis").write_text("no folder")
    return folder


def results_in(folder: Path) -> Json:
    """The results of a run, without what is never twice the same."""
    results: Json = json.loads((folder / "results.json").read_bytes())
    for clause in results["clauses"]:
        del clause["since"]
    return {name: value for name, value in results.items() if name not in ("seconds", "finished")}


def test_the_callers_environment_changes_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    """All of it at once, in a hostile folder: with the same seed every clause has the same result after as many requests."""
    everything = {
        name: value for variables in VARIABLES.values() for name, value in variables.items()
    }
    everything |= {"PYTHONPATH": str(folder / "modules"), "TMPDIR": str(folder / "temporary files")}
    command = Path(sys.executable).with_name("contact-apis")
    budget = ("--max-requests", "200", "--new-contacts", "5")  # room for each clause
    options = (
        "contract",
        "--api",
        "pristo",
        "--profile",
        "quick",
        "--seed",
        "7",
        *budget,
        "--reports",
    )
    plain = run(command, *options, tmp_path / "plain", cwd=tmp_path)
    hostile = run(command, *options, "the reports", cwd=folder, **everything)
    assert "Traceback" not in hostile.stderr + hostile.stdout
    assert results_in(folder / "the reports") == results_in(tmp_path / "plain")
    assert (plain.returncode, hostile.returncode) == (0, 0)
    assert plain.stdout.splitlines()[-1] == hostile.stdout.splitlines()[-1]


@pytest.mark.skipif(
    "CONTRACT_ENVIRONMENTS" not in os.environ,
    reason="make soak runs each environment by itself, with both APIs",
)
@pytest.mark.parametrize("name", VARIABLES)
def test_each_environment_by_itself_changes_nothing(run: Run, folder: Path, name: str) -> None:
    """One kind of variable at a time, so that none hides another."""
    command = Path(sys.executable).with_name("contact-apis")
    done = run(command, "contract", "--profile", "ci", cwd=folder, **VARIABLES[name])
    assert (done.returncode, results_in(folder / "reports/contract")["verdict"]) == (0, "conforms")


@pytest.mark.parametrize("way", ["closed", "a pipe that nobody reads, and a full disk"])
def test_a_run_that_nobody_listens_to_goes_on(tmp_path: Path, way: str) -> None:
    """Standard output is closed, breaks or is full: the same exit code, and all reports."""
    redirection = {
        "closed": ">&- 2>&- <&-",
        "a pipe that nobody reads, and a full disk": "2>/dev/full | true; exit ${PIPESTATUS[0]}",
    }[way]
    script = f"'{sys.executable}' -m contact_apis contract --profile quick --api pristo --max-requests 200 --new-contacts 5 {redirection}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, check=False, capture_output=True, timeout=300
    )
    assert done.returncode == 0
    assert results_in(tmp_path / "reports/contract")["verdict"] == "conforms"
    assert (tmp_path / "reports/contract/junit.xml").exists()


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    """One sentence, exit code 2."""
    (tmp_path / "gone").mkdir()
    script = f"cd gone && rmdir ../gone && '{sys.executable}' -P -m contact_apis contract"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "the current folder does not exist" in done.stderr
    assert "Traceback" not in done.stderr


# -------------------------------------------------------------------------------------------------------------- proxies


class Encrypted:
    """A service behind TLS: what arrives is passed on to a port on loopback."""

    def __init__(self, folder: Path, port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem")
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            suppress(OSError),
            self._context.wrap_socket(client, server_side=True) as secure,
            socket.create_connection(("127.0.0.1", self._target)) as service,
        ):
            for each in (secure, service):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_copy, args=(service, secure), daemon=True).start()
            _copy(secure, service)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def elsewhere(authority: Path) -> Iterator[tuple[Proxy, dict[str, str]]]:  # noqa: F811  # the fixture above
    """A service that only a proxy leads to, and the variables of a run against it."""
    with (
        MockServer(second_population=True, custom_fields=["tier"]) as server,
        closing(Encrypted(authority, int(server.base_url.rpartition(":")[2]))) as secure,
    ):
        server.app.local = False  # it is known by another name to those who come through the proxy
        proxy = Proxy(secure.port)
        limits = {
            "CONTRACT_RATE": "0",
            "CONTRACT_NEW_CONTACTS": "200",
            "CONTRACT_MAX_REQUESTS": "20000",
        }
        addresses = dict.fromkeys(("PRISTO_BASE_URL", "RETAINFUL_BASE_URL"), "https://api.example")
        yield (
            proxy,
            live(server, **addresses, **limits, SSL_CERT_FILE=str(authority / "ca.pem"), SEED="7"),
        )
        with suppress(OSError):
            proxy.close()


def test_a_live_run_goes_through_the_proxy(
    run: Run, tmp_path: Path, elsewhere: tuple[Proxy, dict[str, str]]
) -> None:
    """Every request does, those that are sent at once among them; the service is judged as it would be without."""
    proxy, variables = elsewhere
    code, _, results = contract(run, tmp_path, **variables, API="pristo", HTTPS_PROXY=proxy.url)
    assert (code, results["verdict"]) == (0, "conforms")
    assert len(proxy.asked) > 2
    assert {each.split(b" HTTP/")[0] for each in proxy.asked} == {b"CONNECT api.example:443"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"HTTPS_PROXY": "http://user:c0nfidential@127.0.0.1:9"}, "HTTPS_PROXY=http://127.0.0.1:9"),
        ({"https_proxy": NOBODY, "HTTPS_PROXY": "http://elsewhere:1"}, "https_proxy"),
        ({"ALL_PROXY": "127.0.0.1:9"}, "ALL_PROXY"),
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "ALL_PROXY names a SOCKS proxy"),
        ({"HTTPS_PROXY": "ftp://proxy:1"}, "HTTPS_PROXY is not a valid proxy address"),
        ({"HTTPS_PROXY": "http://[nonsense"}, "HTTPS_PROXY is not a valid proxy address"),
        ({"SSL_CERT_FILE": "no-such-file"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE"),
    ],
    ids=str,
)
def test_an_error_names_the_variable_that_is_at_fault(
    run: Run, tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    """Neither the service's address nor, in any report, the proxy's password."""
    told = {"TARGET": "live", "API": "retainful", "RETAINFUL_BASE_URL": "https://api.example"}
    told |= dict.fromkeys(("RETAINFUL_API_KEY", "RETAINFUL_APP_ID", "RETAINFUL_LIST_ID"), "nobody")
    code, line, results = contract(run, tmp_path, **told, **variables)
    assert (code, results["verdict"]) == (2, "could-not-run")
    assert says in line
    assert "RETAINFUL_BASE_URL" not in line
    assert not any("c0nfidential" in each.read_text("utf-8") for each in tmp_path.iterdir())


def test_a_certificate_that_is_not_trusted_is_said(
    run: Run, tmp_path: Path, elsewhere: tuple[Proxy, dict[str, str]]
) -> None:
    """As a proxy's that looks into what it passes on: the remedy is a variable for certificates."""
    proxy, variables = elsewhere
    code, line, _ = contract(
        run, tmp_path, **{**variables, "SSL_CERT_FILE": "", "API": "pristo"}, HTTPS_PROXY=proxy.url
    )
    assert code == 2
    assert "SSL_CERT_FILE" in line
    assert "PRISTO_BASE_URL" not in line


def test_a_proxy_that_fails_says_nothing_about_the_service(
    run: Run, tmp_path: Path, elsewhere: tuple[Proxy, dict[str, str]]
) -> None:
    """Halfway through a run: no promise is called broken, and the run could not be finished."""
    proxy, variables = elsewhere
    serve = proxy._serve  # noqa: SLF001  # the proxy that breaks

    def breaking(client: socket.socket) -> None:
        if len(proxy.asked) >= 2:
            proxy._refuse = True  # noqa: SLF001  # likewise
        serve(client)

    proxy._serve = breaking  # type: ignore[method-assign]  # noqa: SLF001  # likewise
    code, line, results = contract(run, tmp_path, **variables, API="pristo", HTTPS_PROXY=proxy.url)
    assert (code, results["verdict"]) == (2, "could-not-run")
    assert results["failures"] == []
    assert "HTTPS_PROXY" in line
    assert any(clause["result"] == "pass" for clause in results["clauses"])

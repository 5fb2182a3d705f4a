"""What several files of these tests need from outside: an environment without settings, and an authority for certificates."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from contact_apis._http import delivery

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither proxy nor certificates of whoever runs the tests, and no pauses."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.001)  # pauses have tests of their own


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a private authority (``ca.pem``) and a server's certificate and key (``server.pem``) for localhost."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    extensions = (
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    openssl(
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=Private authority",
        "-days",
        "2",
        *extensions,
    )
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text(
        "subjectAltName=DNS:localhost,DNS:api.example,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n",
        "utf-8",
    )
    sign = (
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
    )
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", *sign)
    (folder / "server.pem").write_text(
        (folder / "server.crt").read_text("utf-8") + (folder / "server.key").read_text("utf-8"),
        "utf-8",
    )
    return folder

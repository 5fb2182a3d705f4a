"""How the suite reaches a service: through the proxy that the environment names, or directly, and whose certificates it trusts.

The proxy and the certificates are those that the clients of ``contact_apis`` use. A loopback address is reached directly, always.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import httpx
from attrs import field, frozen

from contact_apis import ConfigurationError
from contact_apis._http.connections import proxy_for as proxy_of_client

from .settings import CannotRun, Endpoint

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@frozen
class Proxy:
    """A proxy, and the variable that names it."""

    variable: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        """The variable with the proxy's address, without credentials."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{self.variable}={parts.scheme}://{host}"

    @property
    def is_plain_http(self) -> bool:
        """Whether it is spoken to in HTTP, without TLS or SOCKS."""
        return urlsplit(self.url).scheme == "http"

    @property
    def headers(self) -> dict[str, str]:
        """What the proxy wants to know of its user."""
        parts = urlsplit(self.url)
        if not parts.username:
            return {}
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Proxy-Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


@frozen
class Route:
    """The way to one endpoint."""

    base_url: str
    proxy: Proxy | None
    certificates: ssl.SSLContext | None = field(repr=False)
    """Whom to trust; none for plain http."""

    def client(self, *, timeout: httpx.Timeout, headers: Mapping[str, str]) -> httpx.Client:
        """A client that keeps to one connection.

        Raises:
            CannotRun: a package for this kind of proxy is missing; the text names the variable.
        """
        try:
            return httpx.Client(
                timeout=timeout,
                headers=dict(headers),
                limits=httpx.Limits(max_connections=1),
                follow_redirects=False,
                trust_env=False,
                proxy=self.proxy.url if self.proxy else None,
                verify=self.certificates or False,
            )
        except ImportError:
            raise CannotRun(
                f"{self.proxy} is a SOCKS proxy, which needs the package socksio; "
                "install it with: pip install 'httpx[socks]', or name the service's host in NO_PROXY."
            ) from None

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """A connection of its own, not opened yet, for requests whose moment of sending matters."""
        parts = urlsplit(self.base_url)
        assert parts.hostname is not None
        if self.certificates is None:
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        if self.proxy is None:
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, context=self.certificates
            )
        through = urlsplit(self.proxy.url)
        tunnelled = http.client.HTTPSConnection(
            through.hostname or "", through.port or 80, timeout=timeout, context=self.certificates
        )
        tunnelled.set_tunnel(parts.hostname, parts.port or 443, headers=self.proxy.headers)
        return tunnelled

    def environment_fault(self, error: Exception) -> str | None:
        """What in the caller's environment an error comes from, in one sentence; nothing where it may be the service's own."""
        reason = str(error) or type(error).__name__
        if is_distrust(error):
            names = " or ".join(CERTIFICATE_VARIABLES)
            return f"its certificate is not trusted ({_certificate_reason(reason)}); {names} names whom to trust"
        if self.proxy is None or not isinstance(
            error, (httpx.ProxyError, httpx.ConnectError, httpx.ConnectTimeout, OSError)
        ):
            return None
        return f"the proxy {self.proxy} gives no connection ({reason}); check {self.proxy.variable}, or name the host in NO_PROXY"


def is_distrust(error: Exception) -> bool:
    """Whether a certificate was refused, which it will be again."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def route_to(endpoint: Endpoint) -> Route:
    """The way to an endpoint, by the environment.

    Raises:
        CannotRun: the certificates cannot be read, or the proxy has no valid address; the text names the variable.
    """
    url = httpx.URL(endpoint.base_url)
    if url.scheme == "http":
        return Route(endpoint.base_url, None, None)
    try:
        certificates = httpx.create_ssl_context()
    except (OSError, ValueError) as error:
        named = next(
            (name for name in CERTIFICATE_VARIABLES if os.environ.get(name)), "this system"
        )
        raise CannotRun(f"The certificates that {named} names cannot be read ({error}).") from None
    return Route(endpoint.base_url, None if endpoint.is_loopback else _proxy_to(url), certificates)


def _proxy_to(url: httpx.URL) -> Proxy | None:
    try:
        address = proxy_of_client(url)
    except (
        ConfigurationError
    ) as error:  # a kind of proxy that is not supported, or not without another package
        raise CannotRun(f"{error}.") from None
    if not address:
        return None
    variable = _variable_of_proxy()
    if not _is_proxy_address(address):
        raise CannotRun(
            f"{variable} is not a valid proxy address; it has the form http://host:port."
        )
    return Proxy(variable, address)


def _is_proxy_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        httpx.Proxy(address)
        return bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def _variable_of_proxy() -> str:
    """The variable that names the proxy of https addresses: as urllib has it, lower case first, and https before all."""
    for scheme in ("https", "all"):
        named = [
            name for name in os.environ if name.lower() == f"{scheme}_proxy" and os.environ[name]
        ]
        if named:
            return max(named)  # lower case sorts last
    return "the proxy of this system"


def _certificate_reason(reason: str) -> str:
    return (
        reason.partition("CERTIFICATE_VERIFY_FAILED]")[2]
        .partition(" (_ssl")[0]
        .removeprefix(" certificate verify failed: ")
        .strip()
    )

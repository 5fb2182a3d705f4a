"""What a client is set up with: arguments, variables of the environment, and what is wrong with them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import httpx

from contact_apis._errors import ConfigurationError
from contact_apis._http.addresses import is_loopback
from contact_apis._http.secrets import Secret

from .vendor import Setting, Vendor


def resolve_settings(vendor: Vendor, given: Secret[Mapping[str, Any]]) -> dict[str, Secret[str]]:
    """Each setting of a vendor by name, in the order of the descriptor; see :func:`resolve_setting`."""
    found: dict[str, Secret[str]] = {}
    for setting in vendor.settings:
        argument = Secret(given.reveal().get(setting.name))
        found[setting.name] = resolve_setting(vendor, setting, argument)
    return found


def resolve_setting(vendor: Vendor, setting: Setting, given: Secret[Any]) -> Secret[str]:
    """A setting: the argument, or else the variable of the environment, stripped and checked.

    Raises:
        ConfigurationError: it is missing, cannot stand in a header, or is of another kind. Neither the text nor a frame shows it.
    """
    name = setting.name
    variable = vendor.variable(name)
    found = Secret(os.environ.get(variable)) if given.reveal() is None else given
    if found.reveal() is None:
        raise ConfigurationError(f"{vendor.title} needs its {name}: pass {name}= or set {variable}")
    stripped = Secret("")
    if isinstance(found.reveal(), str | UUID):
        stripped = Secret(str(found.reveal()).strip())
    if not (stripped.reveal() and stripped.reveal().isascii() and stripped.reveal().isprintable()):
        raise ConfigurationError(
            f"{name} (or {variable}) must be printable ASCII text, and not empty"
        )
    if setting.kind is not UUID:
        return stripped
    try:
        return Secret(str(UUID(stripped.reveal())))
    except ValueError:
        raise ConfigurationError(f"{name} (or {variable}) must be a UUID") from None


def check_options(kind: str, options: Secret[Mapping[str, object]], known: Iterable[str]) -> None:
    """Raises ``TypeError`` for a keyword that a client does not take: its value may be a key under a misspelt name."""
    names = sorted(known)
    unknown = [each for each in options.reveal() if each not in names]
    if unknown:
        near = difflib.get_close_matches(unknown[0], names, 1, 0.6)
        hint = f"; it takes {', '.join(names)}"
        if near:
            hint = f"; did you mean {near[0]}=?"
        raise TypeError(f"{kind}() has no keyword {unknown[0]!r}{hint}")


def base_url_of(
    vendor: Vendor, server: str, value: str | None, allow_http: str | Iterable[str] = ()
) -> httpx.URL:
    """The address to call: the argument, or else the environment's, or else the server that the document names.

    Raises:
        ConfigurationError: it is no https URL; plain http is taken for loopback and the hosts in ``allow_http`` alone.
    """
    text = value
    if text is None:
        text = os.environ.get(vendor.variable("base_url")) or server
    try:
        url = httpx.URL(text.strip().rstrip("/"))
    except (AttributeError, httpx.InvalidURL):
        url = httpx.URL()
    if (
        not url.host
        or url.scheme not in ("http", "https")
        or url.userinfo
        or url.query
        or url.fragment
    ):
        raise ConfigurationError("base_url must be an https URL without user, query and fragment")
    hosts = allow_http
    if isinstance(allow_http, str):
        hosts = [allow_http]
    allowed = {host.strip("[]").lower() for host in hosts}
    if url.scheme == "http" and not (is_loopback(url.host) or url.host in allowed):
        raise ConfigurationError(
            "base_url must begin with https, for credentials travel with every call; http is for loopback, and for hosts named in allow_http="
        )
    return url

"""What an address is: this machine, or one that the environment keeps from the proxy."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and no other: ``localhost``, 127.0.0.0/8, ``::1``, and the former mapped into IPv6."""
    if host.rstrip(".").lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_kept_from_proxy(host: str, port: int | None, exceptions: str) -> bool:
    """Whether ``NO_PROXY`` names a host: by name, by a domain that it is in, by address, or by a network (``10.0.0.0/8``)."""
    return any(
        _names(each, host.strip("[]").rstrip(".").lower(), port)
        for each in re.split(r"[,\s]+", exceptions.lower())
        if each
    )


def _names(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return _is_in_network(address, entry)
    named = _address(entry)
    if (
        named is None
    ):  # an IPv6 address is full of colons; anything else has one before its port alone
        parts = re.fullmatch(r"(.*?):(\d+)", entry)
        if parts is not None:
            if int(parts[2]) != port:
                return False
            entry = parts[1]
            named = _address(entry)
    if named is not None:
        return named == address
    domain = entry.removeprefix("*").strip(".")
    return bool(domain) and (host == domain or host.endswith("." + domain))


def _is_in_network(address: Address | None, entry: str) -> bool:
    if address is None:
        return False
    try:
        return address in ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except (TypeError, ValueError):
        return False


def _address(text: str) -> Address | None:
    """The address that a text is; one of IPv4 that is mapped into IPv6 as itself."""
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address

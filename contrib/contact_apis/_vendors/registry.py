"""All vendors by name: each folder beside this module is one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import contact_apis._vendors as room

from .vendor import Vendor


def _found() -> dict[str, Vendor]:
    """The descriptors of all folders, sorted by their names."""
    folders = sorted(each.name for each in iter_modules(room.__path__) if each.ispkg)
    vendors: list[Vendor] = [
        import_module(f"{room.__name__}.{folder}").VENDOR for folder in folders
    ]
    return {vendor.name: vendor for vendor in vendors}


VENDORS = _found()
"""What the commands, the importer and the mock go through."""


def titles(conjunction: str = "and") -> str:
    """The vendors' titles as a sentence has them: ``One, Two and Three``."""
    *others, last = (vendor.title for vendor in VENDORS.values())
    return f"{', '.join(others)} {conjunction} {last}" if others else last

"""All profiles by the names of their APIs: each module of this folder that has a ``PROFILE`` is one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from .profile import Profile

OF_THE_ROOM = ("profile", "registry")


def _found() -> dict[str, Profile]:
    """The profiles of all modules, sorted by their names."""
    package = __name__.rpartition(".")[0]
    room = import_module(package)
    names = sorted(module.name for module in iter_modules(room.__path__))
    profiles: list[Profile] = [
        import_module(f"{package}.{name}").PROFILE for name in names if name not in OF_THE_ROOM
    ]
    return {profile.name: profile for profile in profiles}


PROFILES = _found()
"""What settings, checks and reports go through."""


def other_apis(api: str) -> str:
    """What to do where this API cannot be checked: the sentence's end that names the others."""
    others = [name for name in PROFILES if name != api]
    if len(others) == 1:
        return f"choose the other API alone with API={others[0]}"
    return f"choose other APIs with API={','.join(others)}"

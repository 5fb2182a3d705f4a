"""Both services in memory, for trying things out and for tests: needs the extra ``contact-apis[mock]``."""

from .server import MockServer

__all__ = ["MockServer"]

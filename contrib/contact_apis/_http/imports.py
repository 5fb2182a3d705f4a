"""Modules that are loaded while another thread may fork.

A child that is forked while a thread of its parent loads a module waits for that thread, which it does not have, as soon as it needs
the module itself. So a fork waits until what is being loaded here has been loaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

LONGEST_WAIT = (
    10.0  # seconds that a fork waits; one that comes from within an import must not wait for ever
)


class _Gate:
    """Passed by one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def before_fork(self) -> None:
        self.lock.acquire(timeout=LONGEST_WAIT)

    def after_in_parent(self) -> None:
        with suppress(RuntimeError):  # it was not got in time
            self.lock.release()

    def after_in_child(self) -> None:
        self.lock = threading.RLock()


_gate = _Gate()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_gate.before_fork,
        after_in_parent=_gate.after_in_parent,
        after_in_child=_gate.after_in_child,
    )


@contextmanager
def whole() -> Generator[None, None, None]:
    """No fork of this process begins while the modules inside are being loaded."""
    with _gate.lock:
        yield

"""The pytest fixture ``contact_apis_mock``. Loaded by every pytest run of its users, so it imports nothing early."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .mock import MockServer


@pytest.fixture
def contact_apis_mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    """A running mock of both services, empty, with its addresses and credentials in the environment."""
    from .mock import MockServer

    with MockServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server

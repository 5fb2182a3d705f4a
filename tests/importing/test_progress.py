"""How far an import is, where no terminal shows a bar."""

from __future__ import annotations

import pytest

from contact_apis._importing import progress as _progress
from contact_apis._importing.progress import INTERVAL, Watch


def test_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what is done, at what rate, how long it takes, and what did not make it; also while no row ends."""
    now = 1000.0
    monkeypatch.setattr(_progress, "monotonic", lambda: now)
    watch = Watch()
    watch.phase("sending", 100)
    for _ in range(25):
        now += 0.2
        watch("created")
    now += INTERVAL - 5
    watch("refused")
    watch("created")
    now += INTERVAL
    watch.tick()
    assert capsys.readouterr().err.splitlines() == [
        "sending: 26 of 100 rows, 2.6/s, 1 refused, 28 s left",
        "sending: 27 of 100 rows, 1.3/s, 1 refused, 54 s left",
    ]

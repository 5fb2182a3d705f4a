"""How far an import is: a bar on a terminal, a line every ten seconds elsewhere. Counts alone, nothing of any contact."""

from __future__ import annotations

import sys
from collections import Counter
from time import monotonic
from types import TracebackType
from typing import IO, Self, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from .terminal import QuietStream

INTERVAL = 10.0  # seconds between two lines
REDRAW = 0.1  # seconds between two states of the bar


class Watch:
    """Shows how much of a phase is done, on standard error."""

    def __init__(self) -> None:
        self._tally: Counter[str] = Counter()
        self._total: int | None = None
        self._phase = ""
        self._began = self._shown = monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._stream = QuietStream(sys.stderr, escapes=True)
        if self._stream.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[told]}"),
                TimeRemainingColumn(compact=True),
                console=Console(file=cast("IO[str]", self._stream)),
                transient=True,
            )

    def phase(self, name: str, total: int | None) -> None:
        """Begins a phase of so many rows, if that is known."""
        self._phase, self._total = name, total
        self._tally.clear()
        self._began = self._shown = monotonic()
        if self._bar is not None:
            for each in self._bar.task_ids:
                self._bar.remove_task(each)
            self._task = self._bar.add_task(name, total=total, told="")

    def __call__(self, state: str) -> None:
        """Counts a row that ended in a state."""
        self._tally[state] += 1
        self.tick()

    def tick(self) -> None:
        """Shows what is due to be shown, also while no row ends."""
        now = monotonic()
        if now - self._shown < (INTERVAL if self._bar is None else REDRAW):
            return
        self._shown = now
        done = self._tally.total()
        speed = done / max(REDRAW, now - self._began)
        rate = f"{speed:.{0 if speed >= 10 else 1}f}/s"
        counts = ", ".join(
            f"{count} {each}"
            for each, count in self._tally.items()
            if each not in ("read", "created", "updated", "accepted")
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=done, told=" ".join((rate, counts)))
            return
        left = (
            f", {(self._total - done) / speed:.0f} s left"
            if self._total is not None and speed
            else ""
        )
        of = f" of {self._total}" if self._total is not None else ""
        self._stream.write(
            f"{self._phase}: {done}{of} rows, {rate}{', ' * bool(counts)}{counts}{left}\n"
        )

    def say(self, text: str) -> None:
        """Prints a sentence."""
        if self._bar is None:
            self._stream.write(text + "\n")
            self._stream.flush()
        else:
            self._bar.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

"""How signals end an import: what is in flight comes to its end, and the process ends by itself, with a code of its own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Literal, Self

SignalEnding = Literal["interrupted", "terminated", "hung up"]


def handled_signals() -> Mapping[int, SignalEnding]:
    """The signals that end an import. A hang-up that the caller has ignored, as ``nohup`` does, stays ignored."""
    endings: dict[int, SignalEnding] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
    hang_up = getattr(signal, "SIGHUP", None)  # not on every system
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        endings[hang_up] = "hung up"
    return endings


class Interrupted(BaseException):
    """A signal came while rows were read and checked."""

    def __init__(self, ending: SignalEnding) -> None:
        super().__init__(ending)
        self.ending: SignalEnding = ending


class Signals:
    """While it lasts, signals end the run and not the process.

    A handler runs between any two steps of the program, also within the event loop's own. So it raises only where
    :attr:`raises` allows it, tells a listener where there is one, and else only remembers the signal.
    """

    def __init__(self) -> None:
        self.raises = False
        """Whether :class:`Interrupted` is raised wherever the program is; set back by the first signal."""
        self.received: SignalEnding | None = None
        """How the first signal ends the run."""
        self._listener: Callable[[SignalEnding], None] | None = None
        self._endings = handled_signals()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in self._endings}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def told_to(self, listener: Callable[[SignalEnding], None]) -> Generator[None, None, None]:
        """Has each signal told to ``listener``, which runs between any two steps; one that came before is told at once."""
        self._listener = listener
        try:
            if self.received is not None:
                listener(self.received)
            yield
        finally:
            self._listener = None

    def _handle(self, number: int, _: FrameType | None) -> None:
        ending = self._endings[number]
        if self.received is None:
            self.received = ending
        if self._listener is not None:
            self._listener(ending)
        elif self.raises:
            self.raises = False
            raise Interrupted(ending)


@contextmanager
def exit_on_signals() -> Generator[None, None, None]:
    """Lets a signal before and after an import end the process with the code that a shell gives it, without a traceback.

    When it is left, the process is about to end with a code that is decided, and no signal changes it any more.
    """
    numbers = list(handled_signals())
    for number in numbers:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)

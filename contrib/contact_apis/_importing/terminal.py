"""What a command prints, to a terminal, a pipe or a file that may go away or be full while it runs."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO


class QuietStream:
    """A text stream that nothing depends on: once a write fails, nothing more is written and nothing is raised.

    Control characters but for line ends, tabs and those that ``escapes`` lets pass are written as Python escapes.
    """

    def __init__(self, stream: TextIO, *, escapes: bool = False) -> None:
        self._stream = stream
        self._escapes = escapes
        self.failed = False

    @property
    def encoding(self) -> str:
        return self._stream.encoding

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        if not self.failed:
            shown = text if self._escapes else printable(text)
            encoding = self._stream.encoding or "utf-8"
            with self._guarded():
                self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        if not self.failed:
            with self._guarded():
                self._stream.flush()

    def _guarded(self) -> _Guard:
        return _Guard(self)

    def give_up(self) -> None:
        """Writes nothing more. What the stream still holds goes nowhere, instead of failing when the process ends."""
        self.failed = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class _Guard:
    def __init__(self, stream: QuietStream) -> None:
        self._guarded = stream

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if not isinstance(error, OSError | ValueError):
            return False
        self._guarded.give_up()
        return True


def printable(text: str) -> str:
    """A text as it may stand on a terminal: control characters, which can move the cursor or hide text, are shown as escapes."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )

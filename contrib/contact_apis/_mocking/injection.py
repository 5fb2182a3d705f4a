"""Faults on demand: what goes wrong, and how often."""

from __future__ import annotations

import random

from attrs import define, field

# Beside the 4xx and 5xx statuses. In all of these the request was carried out, and its answer is what suffers.
TRANSPORT_FAULTS = {
    "reset": "the connection is reset instead of an answer",
    "truncate": "the body is cut in the middle",
    "malformed": "the body is no JSON",
    "hang": "no answer comes",
}


@define
class Fault:
    """One kind of fault, for a share of the requests or for the next few."""

    kind: str
    rate: float = 0.0
    remaining: int = 0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Reads ``KIND=RATE`` (``429=0.02``) or ``KIND=xCOUNT`` (``reset=x3``, the next three requests).

        Raises:
            ValueError: the text has another form; the message says what was expected.
        """
        kind, _, amount = text.partition("=")
        if kind not in TRANSPORT_FAULTS and not (
            kind.isascii() and kind.isdigit() and 400 <= int(kind) <= 599
        ):
            raise ValueError(
                f"unknown fault {kind!r}; it is a status from 400 to 599 or one of {', '.join(TRANSPORT_FAULTS)}"
            )
        try:
            if amount.startswith("x"):
                return cls(kind, remaining=int(amount[1:]))
            rate = float(amount)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            raise ValueError(
                f"fault {kind} needs a rate from 0 to 1 ({kind}=0.02) or a count ({kind}=x3)"
            )
        return cls(kind, rate=rate)


@define
class Faults:
    """The faults in force. ``latency`` (seconds) delays every answer."""

    active: list[Fault] = field(factory=list[Fault])
    latency: float = 0.0
    chance: random.Random = field(factory=lambda: random.Random(0))

    def draw(self) -> str | None:
        """The kind of fault that meets the next request, or ``None``."""
        for fault in self.active:
            if fault.remaining > 0:
                fault.remaining -= 1
                return fault.kind
            if fault.rate and self.chance.random() < fault.rate:
                return fault.kind
        return None

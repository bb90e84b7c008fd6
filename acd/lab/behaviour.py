"""What a dialed number does: its last digit says what, the digit before it says when.

A table (`CONDUCTS`) and one pure function; `acd lab --help` prints the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from acd.lab.draws import Span

SHORTEST_NUMBER = 7
"""Digits; anything shorter that is no extension is nobody's number."""
HANGS_UP_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
"""How long a person stays on the line when nobody talks to them."""
MACHINE_SECONDS = 20.0


class Conduct(StrEnum):
    """What the one who is called does."""

    ANSWERS = "answers"
    BUSY = "busy"
    RINGS_OUT = "rings_out"
    REJECTS = "rejects"
    INVALID = "invalid"
    CONGESTED = "congested"
    HANGS_UP = "hangs_up"
    MACHINE = "machine"
    ANSWERS_SOMETIME = "answers_sometime"
    SWITCHED_OFF = "switched_off"


CONDUCTS: Mapping[str, Conduct] = MappingProxyType(
    {
        "0": Conduct.ANSWERS,
        "1": Conduct.BUSY,
        "2": Conduct.RINGS_OUT,
        "3": Conduct.REJECTS,
        "4": Conduct.INVALID,
        "5": Conduct.CONGESTED,
        "6": Conduct.HANGS_UP,
        "7": Conduct.MACHINE,
        "8": Conduct.ANSWERS_SOMETIME,
        "9": Conduct.SWITCHED_OFF,
    }
)
"""By the number's last digit."""

SENTENCES: Mapping[Conduct, str] = MappingProxyType(
    {
        Conduct.ANSWERS: "rings, answers after n seconds",
        Conduct.BUSY: "is busy: 486 after n seconds",
        Conduct.RINGS_OUT: "rings until the caller gives up",
        Conduct.REJECTS: "rings, rejects after n seconds: 603",
        Conduct.INVALID: "does not exist: 404",
        Conduct.CONGESTED: "the carrier has no way: 503",
        Conduct.HANGS_UP: "rings, answers after n seconds, hangs up 2 s later",
        Conduct.MACHINE: "rings, answers after n seconds with a long greeting and a beep",
        Conduct.ANSWERS_SOMETIME: "rings, answers after a time drawn from --ring",
        Conduct.SWITCHED_OFF: "switched off: 480 after n seconds, without ringing",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One call to one number, as it will go if nobody ends it before."""

    conduct: Conduct
    rings: bool
    """180 at once."""
    final_status: int | None
    """None: it rings until the caller gives up."""
    final_seconds: float = 0.0
    """From the INVITE to the final status."""
    stays_seconds: float = PATIENCE_SECONDS
    """From the answer to hanging up."""

    @property
    def greets(self) -> bool:
        """Whether a machine speaks after the answer."""
        return self.conduct is Conduct.MACHINE


def behaviour_of(number: str, *, ring: Span, draw: float) -> Behaviour:
    """What `number` does when it is called.

    Args:
        number: as dialed, with or without `+`.
        ring: how long numbers ring that answer sometime.
        draw: from 0 to 1, picks the moment inside `ring`.
    """
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) >= SHORTEST_NUMBER):
        return Behaviour(conduct=Conduct.INVALID, rings=False, final_status=404)
    conduct, seconds = CONDUCTS[digits[-1]], float(digits[-2])
    match conduct:
        case Conduct.ANSWERS:
            return _answers(conduct, seconds)
        case Conduct.ANSWERS_SOMETIME:
            return _answers(conduct, ring.at(draw))
        case Conduct.HANGS_UP:
            return _answers(conduct, seconds, stays_seconds=HANGS_UP_SECONDS)
        case Conduct.MACHINE:
            return _answers(conduct, seconds, stays_seconds=MACHINE_SECONDS)
        case Conduct.RINGS_OUT:
            return Behaviour(conduct=conduct, rings=True, final_status=None)
        case Conduct.REJECTS:
            return _refuses(conduct, 603, seconds, rings=True)
        case Conduct.BUSY:
            return _refuses(conduct, 486, seconds)
        case Conduct.SWITCHED_OFF:
            return _refuses(conduct, 480, seconds)
        case Conduct.INVALID:
            return _refuses(conduct, 404)
        case Conduct.CONGESTED:
            return _refuses(conduct, 503)


def _answers(
    conduct: Conduct, seconds: float, *, stays_seconds: float = PATIENCE_SECONDS
) -> Behaviour:
    return Behaviour(
        conduct=conduct,
        rings=True,
        final_status=200,
        final_seconds=seconds,
        stays_seconds=stays_seconds,
    )


def _refuses(
    conduct: Conduct, status: int, seconds: float = 0.0, *, rings: bool = False
) -> Behaviour:
    return Behaviour(conduct=conduct, rings=rings, final_status=status, final_seconds=seconds)


def table_lines() -> list[str]:
    """The table for a person: `…n0  rings, answers after n seconds`."""
    return [
        f"…{'n' if ' n ' in SENTENCES[conduct] else 'x'}{digit}  {SENTENCES[conduct]}"
        for digit, conduct in CONDUCTS.items()
    ]

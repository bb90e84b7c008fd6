"""A call after our hang-up, until its dialog is over (`acd.sip.leg` says how that is known)."""

from __future__ import annotations

from dataclasses import dataclass

import pjsua2 as pj


@dataclass(slots=True)
class Closing:
    """A leg that we hung up and whose dialog is not over yet."""

    leg: int
    slot: int
    shadow: pj.Call

    @property
    def is_open(self) -> bool:
        """Whether its dialog is not over yet."""
        return is_tied(self.shadow, self.slot)


def is_tied(call: pj.Call, slot: int) -> bool:
    """Whether the slot still knows this object; pjsua forgets it when the call is over."""
    there = pj.Call.lookup(slot)
    return there is not None and int(there.this) == int(call.this)

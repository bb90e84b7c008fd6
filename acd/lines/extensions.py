"""What a PBX says about an extension: the words, and what a watch of one gives.

A watch tells what the PBX tells, and `UNKNOWN` for as long as it tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import trio


class ExtensionState(StrEnum):
    """How an extension's phone is."""

    UNKNOWN = "unknown"
    """No subscription: not yet, refused, or lost; `ExtensionUpdate.detail` says which."""
    UNAVAILABLE = "unavailable"
    """No phone is registered for it."""
    IDLE = "idle"
    RINGING = "ringing"
    """Somebody calls it, and nobody has picked up."""
    IN_USE = "in_use"
    """It talks, holds a call, or dials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionUpdate:
    """What an extension is from now on."""

    at_seconds: float
    """trio's clock, stamped when the message was seen."""
    state: ExtensionState
    detail: str = ""
    """Why it is UNKNOWN, for a person."""


ExtensionUpdates = trio.MemoryReceiveChannel[ExtensionUpdate]
"""The states of one extension in their order, none twice in a row; the first is where it stands
once the PBX has said so (or UNKNOWN, once it is clear that it does not)."""

"""What one leg went through, watched while others act on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from acd.lines import Alerting, Answered, DialogId, Ended, Line, LineEvent, Proceeding, Released

FIRST_18X = 180
"""RFC 3261 21.1: 100 only says that the next hop has it."""


@dataclass(slots=True)
class LegWatch:
    """Reads a line's events as they come; every moment is trio's clock in seconds."""

    line: Line
    on_dialog: Callable[[DialogId], None]
    """Told what identifies the dialog, as soon as there is one."""
    answered_at: float | None = None
    alerting_at: float | None = None
    progress_at: float | None = None
    """The first 18x: the set-up is over, something is heard."""
    end: Ended | None = None
    answered: trio.Event = field(default_factory=trio.Event)
    """Set at the answer, and at the end too, so that one wait serves for both."""
    ended: trio.Event = field(default_factory=trio.Event)

    async def read(self) -> None:
        """Read until the leg is over; the line's release is the lease's business."""
        while self.end is None:
            self._take(await self.line.next_event())

    def _take(self, event: LineEvent) -> None:
        match event:
            case Proceeding(at_seconds=at, sip_status=status) if status >= FIRST_18X:
                self._progressed(at)
            case Alerting(at_seconds=at, dialog=dialog) if self.alerting_at is None:
                self._progressed(at)
                self.alerting_at = at
                self._note(dialog)
            case Answered(at_seconds=at, dialog=dialog):
                self._note(dialog)
                self.answered_at = at
                self.answered.set()
            case Ended():
                self.end = event
                self.answered.set()
                self.ended.set()
            case Proceeding() | Alerting() | Released():
                pass

    def _progressed(self, at_seconds: float) -> None:
        if self.progress_at is None:
            self.progress_at = at_seconds

    def _note(self, dialog: DialogId | None) -> None:
        if dialog is not None:
            self.on_dialog(dialog)

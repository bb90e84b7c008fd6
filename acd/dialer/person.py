"""What one leg went through, watched while others act on it.

One task reads the leg's events; whoever waits for its end, or wants to be told at a moment, says so
to that task instead of starting one of their own: a call of a hundred a second pays for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf

import structlog
import trio

from acd.lines import Alerting, Answered, DialogId, Ended, Line, LineEvent, Proceeding, Released
from acd.logs import debugging

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FIRST_18X = 180
"""RFC 3261 21.1: 100 only says that the next hop has it."""


@dataclass(slots=True)
class LegWatch:
    """Reads a line's events as they come; every moment is trio's clock in seconds."""

    line: Line
    on_dialog: Callable[[DialogId], None]
    """Told what identifies the dialog, as soon as there is one, and when the answer changes it."""
    answered_at: float | None = None
    alerting_at: float | None = None
    progress_at: float | None = None
    """The first 18x: the set-up is over, something is heard."""
    end: Ended | None = None
    ended: trio.Event = field(default_factory=trio.Event)
    _dialog: DialogId | None = None
    _alarm: Callable[[], None] = lambda: None
    _alarm_at: float = inf
    _reading: trio.CancelScope = field(default_factory=trio.CancelScope)
    _ends: set[trio.CancelScope] = field(default_factory=set)
    """Cancelled at the end."""

    async def wait_answer(self) -> float | None:
        """Read until somebody answers, or the leg is over; when they answered."""
        while self.answered_at is None and self.end is None:
            self._take(await self.line.next_event())
        return self.answered_at

    async def read(self) -> None:
        """Read until the leg is over; the line's release is the lease's business."""
        while self.end is None:
            with trio.CancelScope(deadline=self._alarm_at) as self._reading:
                while self.end is None:
                    self._take(await self.line.next_event())
            if self._reading.cancelled_caught:
                self._alarm_at = inf
                self._alarm()

    @contextmanager
    def alarm(self, at_seconds: float, ring: Callable[[], None]) -> Iterator[None]:
        """Call `ring` at this moment if the block still lasts then, and the leg does too."""
        self._alarm, self._alarm_at = ring, at_seconds
        self._reading.deadline = at_seconds
        try:
            yield
        finally:
            self._alarm_at = self._reading.deadline = inf

    def ring_again(self, at_seconds: float) -> None:
        """From inside an alarm: call it once more then, if its block still lasts."""
        self._alarm_at = at_seconds

    @contextmanager
    def until_end(self) -> Iterator[None]:
        """The block is left when the leg ends."""
        with trio.CancelScope() as scope:
            if self.end is not None:
                scope.cancel()
            self._ends.add(scope)
            try:
                yield
            finally:
                self._ends.discard(scope)

    def _take(self, event: LineEvent) -> None:
        if debugging():
            log.debug("line event", action="line.event", what=type(event).__name__)
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
            case Ended():
                self.end = event
                self.ended.set()
                for scope in self._ends:
                    scope.cancel()
            case Proceeding() | Alerting() | Released():
                pass

    def _progressed(self, at_seconds: float) -> None:
        if self.progress_at is None:
            self.progress_at = at_seconds

    def _note(self, dialog: DialogId | None) -> None:
        if dialog is not None and dialog != self._dialog:
            self._dialog = dialog
            self.on_dialog(dialog)

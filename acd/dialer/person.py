"""What one leg went through, watched while others act on it.

The leg's events are taken as they come, without a task that waits for them: a call of a hundred a
second pays for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial

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
    _decided: trio.Event = field(default_factory=trio.Event)
    """Answered, or over without."""
    _dialog: DialogId | None = None
    _ends: set[trio.CancelScope] = field(default_factory=set)
    """Cancelled at the end."""
    _fault: Exception | None = None

    def begin(self) -> None:
        """Take the line's events until the leg is over; its release is the lease's business."""
        # What the log knows of the call goes with it.
        self.line.follow(partial(copy_context().run, self._hear))

    async def wait_answer(self) -> float | None:
        """Wait until somebody answers, or the leg is over; when they answered."""
        await self._decided.wait()
        self._raise_fault()
        return self.answered_at

    async def wait_end(self) -> None:
        """Wait until the leg is over."""
        if self.end is None:
            await self.ended.wait()
        self._raise_fault()

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

    def _hear(self) -> None:
        """Called from trio's own loop, where nothing may raise: whoever waits for the leg does."""
        try:
            while self.end is None and (event := self.line.event_now()) is not None:
                self._take(event)
        except Exception as fault:
            self._fault = self._fault or fault
            self._decided.set()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

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
                self._decided.set()
            case Ended():
                self.end = event
                self._decided.set()
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

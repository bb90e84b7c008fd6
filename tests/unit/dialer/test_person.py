from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from acd.calls import DisconnectCause
from acd.dialer.person import LegWatch
from acd.errors import IllegalTransition
from acd.lines import Answered, Ended, LineEvent
from tests.fakes.lines import FakeLine


class FaultyLine(FakeLine):
    """Says that somebody answered when the state of its call does not allow it."""

    def __init__(self) -> None:
        self.events: deque[LineEvent] = deque()
        self.on_news: Callable[[], None] = lambda: None

    def follow(self, on_news: Callable[[], None]) -> None:
        self.on_news = on_news

    def say(self, event: LineEvent) -> None:
        self.events.append(event)
        self.on_news()

    def event_now(self) -> LineEvent | None:
        event = self.events.popleft() if self.events else None
        if isinstance(event, Answered):
            raise IllegalTransition("answered while it is idle")
        return event


async def test_a_broken_promise_of_the_line_is_raised_to_who_waits_for_an_answer() -> None:
    line = FaultyLine()
    watch = LegWatch(line, on_dialog=lambda _: None)
    watch.begin()
    line.say(Answered(at_seconds=1.0))
    with pytest.raises(IllegalTransition):
        await watch.wait_answer()


async def test_after_a_broken_promise_the_end_is_still_heard() -> None:
    line = FaultyLine()
    watch = LegWatch(line, on_dialog=lambda _: None)
    watch.begin()
    line.say(Answered(at_seconds=1.0))
    line.say(Ended(at_seconds=2.0, cause=DisconnectCause.NORMAL))
    assert watch.ended.is_set()
    with pytest.raises(IllegalTransition):
        await watch.wait_end()

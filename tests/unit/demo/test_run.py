from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from acd.demo.run import Watch, _dial
from acd.dialer.scheduler import Scheduler
from acd.errors import StoreUnavailable


class BrokenScheduler(Scheduler):
    def __init__(self) -> None:
        pass

    async def run(self, *, until_finished: bool = False) -> None:
        raise StoreUnavailable("the disk is gone")


class NotedWatch(Watch):
    def __init__(self) -> None:
        self.closed = False

    async def look(self) -> None:
        await trio.sleep_forever()

    def close(self) -> None:
        self.closed = True


async def no_signals() -> AsyncIterator[int]:
    await trio.Event().wait()
    yield 0


async def test_an_engine_that_fails_leaves_the_terminal_as_it_was() -> None:
    watch = NotedWatch()
    with pytest.raises(ExceptionGroup) as failed:
        await _dial(BrokenScheduler(), no_signals(), watch)
    assert failed.group_contains(StoreUnavailable)
    assert watch.closed

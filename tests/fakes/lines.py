"""A line, a pool and a trunk without SIP: what happens on a call is a script.

For the logic above `acd.lines` only; `tests/contract/lines` holds the promises that this one and
`acd.sip` both keep.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from acd.calls import CallEvent, CallProgress, CallState, DisconnectCause
from acd.errors import LineInUse, NoFreeLine, TrunkUnavailable
from acd.lines import (
    Alerting,
    Answered,
    Destination,
    Ended,
    LineEvent,
    OriginateRequest,
    Released,
    TransferAnswered,
    TransferResult,
    TrunkHealth,
    TrunkStatus,
)


@dataclass(slots=True)
class Script:
    """What the called side and the PBX do; seconds are from the step before."""

    rings_after: float | None = 0.0
    answers_after: float | None = 0.0
    """None: never; the leg then ends with `cause`."""
    cause: DisconnectCause = DisconnectCause.NORMAL
    hangs_up_after: float | None = None
    """From the answer, unless transferred before."""
    transfers: deque[TransferResult | float] = field(default_factory=deque)
    """Result of each REFER in turn; a number: answered after so many seconds; none: at once."""
    refuses_to_dial: bool = False


class FakeLine:
    """Fulfils `acd.lines.Line` by a `Script`."""

    def __init__(self, number: int, nursery: trio.Nursery, script: Script) -> None:
        self.number = number
        self.script = script
        self.played: list[tuple[Path, bool]] = []
        self.requests: list[OriginateRequest] = []
        self.targets: list[Destination] = []
        self._nursery = nursery
        self._call = CallProgress(CallState.IDLE)
        self._send, self._receive = trio.open_memory_channel[LineEvent](float("inf"))
        self._over = trio.Event()

    @property
    def state(self) -> CallState:
        return self._call.state

    async def originate(self, request: OriginateRequest) -> None:
        if self.state is not CallState.IDLE:
            raise LineInUse(f"line {self.number} carries a call")
        if self.script.refuses_to_dial:
            raise TrunkUnavailable("the trunk may not dial")
        self.requests.append(request)
        self._call = CallProgress()
        self._over = trio.Event()
        self._call.apply(CallEvent.INVITE_SENT)
        self._nursery.start_soon(self._play_script, request.ring_timeout_seconds)

    async def _play_script(self, ring_timeout_seconds: float) -> None:
        if self.script.rings_after is not None:
            if await self._over_within(self.script.rings_after):
                return
            self._call.apply(CallEvent.ALERTING)
            self._say(Alerting(at_seconds=trio.current_time()))
        if self.script.answers_after is None:
            cause = self.script.cause
            if cause is DisconnectCause.NO_ANSWER and await self._over_within(ring_timeout_seconds):
                return
            self._end(CallEvent.FAILED, cause)
            return
        if await self._over_within(self.script.answers_after):
            return
        self._call.apply(CallEvent.ANSWERED)
        self._say(Answered(at_seconds=trio.current_time()))
        hangs_up_after = self.script.hangs_up_after
        if hangs_up_after is not None and not await self._over_within(hangs_up_after):
            self._end(CallEvent.REMOTE_BYE, self.script.cause)

    async def _over_within(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await self._over.wait()
        return self._over.is_set()

    def _say(self, event: LineEvent) -> None:
        self._send.send_nowait(event)

    def _end(self, event: CallEvent, cause: DisconnectCause) -> None:
        if not self._call.apply(event, cause):
            return
        self._over.set()
        now = trio.current_time()
        self._say(Ended(at_seconds=now, cause=self._call.cause or cause))
        self._call.apply(CallEvent.RELEASED)
        self._say(Released(at_seconds=now))

    async def next_event(self) -> LineEvent:
        return await self._receive.receive()

    async def hang_up(self) -> None:
        if self.state is not CallState.IDLE:
            self._end(CallEvent.HANG_UP, DisconnectCause.HUNG_UP)

    async def blind_transfer(
        self, target: Destination, *, timeout_seconds: float
    ) -> TransferResult:
        self._call.apply(CallEvent.REFER_SENT)
        self.targets.append(target)
        result = self.script.transfers.popleft() if self.script.transfers else 0.0
        if isinstance(result, float):
            await self._over_within(min(result, timeout_seconds))
            result = TransferAnswered(at_seconds=trio.current_time())
        if isinstance(result, TransferAnswered):
            self._end(CallEvent.TRANSFER_DONE, DisconnectCause.TRANSFERRED)
        elif not self._over.is_set():
            self._call.apply(CallEvent.TRANSFER_FAILED)
        return result

    async def play(self, wav: Path, *, repeat: bool = False) -> None:
        self.played.append((wav, repeat))

    async def hold(self) -> None:
        self._call.apply(CallEvent.HOLD)

    async def resume(self) -> None:
        self._call.apply(CallEvent.RESUME)


class FakePool:
    """Fulfils `acd.lines.LinePool`; call n follows script n, the last one from then on."""

    def __init__(self, nursery: trio.Nursery, size: int, scripts: Sequence[Script]) -> None:
        self.size = size
        self.used: list[FakeLine] = []
        self.most_leased = 0
        self.looks = 0
        """How often somebody asked for free lines."""
        self._nursery = nursery
        self._scripts = deque(scripts)
        self._limit = trio.CapacityLimiter(size)

    @property
    def free(self) -> int:
        self.looks += 1
        return int(self._limit.available_tokens)

    def states(self) -> Counter[CallState]:
        return Counter(line.state for line in self.used)

    @property
    def leased(self) -> int:
        return self.size - int(self._limit.available_tokens)

    @asynccontextmanager
    async def lease(self, *, holder: str, deadline_seconds: float) -> AsyncIterator[FakeLine]:
        if not holder or deadline_seconds <= 0:
            raise NoFreeLine("a lease needs a holder and a deadline")
        async with self._limit:
            self.most_leased = max(self.most_leased, self.leased)
            script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
            line = FakeLine(len(self.used) % self.size + 1, self._nursery, script)
            self.used.append(line)
            try:
                yield line
            finally:
                await line.hang_up()


class FakeTrunk:
    """Fulfils `acd.lines.Trunk`."""

    def __init__(self, lines: FakePool, *, name: str = "main") -> None:
        self.name = name
        self.lines = lines
        self.asked = 0
        """How often somebody asked for the health."""
        self._health = TrunkHealth(status=TrunkStatus.UP)
        self._changed = trio.Event()

    @property
    def health(self) -> TrunkHealth:
        self.asked += 1
        return self._health

    async def wait_health_change(self, seen: TrunkHealth) -> TrunkHealth:
        while self._health == seen:
            await self._changed.wait()
        return self._health

    def become(self, status: TrunkStatus) -> None:
        self._health = TrunkHealth(status=status)
        self._changed.set()
        self._changed = trio.Event()

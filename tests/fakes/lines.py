"""A line, a pool and a trunk without SIP: what happens on a call is a script.

For the logic above `acd.lines` only; `tests/contract/lines` holds the promises that this one and
`acd.sip` both keep.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from acd.calls import LIVE, TRANSITIONS, CallEvent, CallProgress, CallState, DisconnectCause
from acd.errors import BadInput, IllegalTransition, LineInUse, TrunkUnavailable
from acd.lines import (
    Alerting,
    Answered,
    CallerLine,
    Destination,
    DialogId,
    Ended,
    ExtensionState,
    ExtensionUpdate,
    ExtensionUpdates,
    IncomingCall,
    IncomingEnd,
    LineEvent,
    OriginateRequest,
    PersonWith,
    Proceeding,
    RedirectGuard,
    Released,
    TransferAnswered,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
    TransferWait,
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
    unplayable: bool = False
    answer_crosses: bool = False
    """The answer is on its way up when we hang up."""
    sent_on_to: str = ""
    """A 3xx names this E.164 number, which the door lets through; the rest is its story."""


class FakeLine:
    """Fulfils `acd.lines.Line` by a `Script`; as everywhere, taking an event moves the state."""

    def __init__(self, number: int, nursery: trio.Nursery, script: Script) -> None:
        self.number = number
        self.script = script
        self.played: list[tuple[Path, bool]] = []
        self.requests: list[OriginateRequest] = []
        self.targets: list[Destination] = []
        self._nursery = nursery
        self._call = CallProgress(CallState.IDLE)
        self._send, self._receive = trio.open_memory_channel[LineEvent](float("inf"))
        self._on_news: Callable[[], None] = lambda: None
        self._over = trio.Event()
        self._over.set()
        self._closed = False

    @property
    def state(self) -> CallState:
        return self._call.state

    async def originate(self, request: OriginateRequest) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed or not self._over.is_set():
            raise LineInUse(f"line {self.number} carries a call, or its lease is over")
        if self.script.refuses_to_dial:
            raise TrunkUnavailable("the trunk may not dial")
        self.requests.append(request)
        self._call = CallProgress()
        self._over = trio.Event()
        self._call.apply(CallEvent.INVITE_SENT)
        self._nursery.start_soon(self._play_script, request)

    async def _play_script(self, request: OriginateRequest) -> None:
        over = self._over
        with trio.move_on_after(request.ring_timeout_seconds) as ringing:
            if self.script.sent_on_to and request.may_follow is not None:
                await self._ask(request.may_follow)
            await self._ring()
        if over.is_set():
            return
        if ringing.cancelled_caught:
            self._end(DisconnectCause.NO_ANSWER)
            return
        if self.script.answers_after is None:
            self._end(self.script.cause)
            return
        self._say(Answered(at_seconds=trio.current_time()))
        hangs_up_after = self.script.hangs_up_after
        if hangs_up_after is not None and not await self._over_within(hangs_up_after):
            self._end(self.script.cause)

    async def _ask(self, may_follow: RedirectGuard) -> None:
        """Whether the 3xx may be followed; the call is over where not."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._leave_at_the_end, nursery.cancel_scope)
            refusal = await may_follow(self.script.sent_on_to)
            if refusal is not None:
                self._end(refusal.cause, not_followed=refusal.sentence)
            nursery.cancel_scope.cancel()

    async def _leave_at_the_end(self, scope: trio.CancelScope) -> None:
        await self._over.wait()
        scope.cancel()

    async def _ring(self) -> None:
        """Until the answer, or whatever else ends the ringing."""
        if self.script.rings_after is not None:
            if await self._over_within(self.script.rings_after):
                return
            self._say(Alerting(at_seconds=trio.current_time()))
        if self.script.answers_after is not None:
            await self._over_within(self.script.answers_after)
        elif self.script.cause is DisconnectCause.NO_ANSWER:
            await self._over.wait()

    async def _over_within(self, seconds: float) -> bool:
        over = self._over
        with trio.move_on_after(seconds):
            await over.wait()
        return over.is_set()

    def _say(self, event: LineEvent) -> None:
        self._send.send_nowait(event)
        # As with a PBX, nothing happens to whoever gives an order before their next await.
        trio.lowlevel.current_trio_token().run_sync_soon(self._on_news)

    def _end(self, cause: DisconnectCause, *, not_followed: str = "") -> None:
        if self._over.is_set():
            return
        self._over.set()
        now = trio.current_time()
        self._say(Ended(at_seconds=now, cause=cause, not_followed=not_followed))
        self._say(Released(at_seconds=now))

    async def next_event(self) -> LineEvent:
        return self._taken(await self._receive.receive())

    def event_now(self) -> LineEvent | None:
        try:
            return self._taken(self._receive.receive_nowait())
        except trio.WouldBlock:
            return None

    def follow(self, on_news: Callable[[], None]) -> None:
        self._on_news = on_news

    def _taken(self, event: LineEvent) -> LineEvent:
        if self._call.state is not CallState.DISCONNECTED or isinstance(event, Released):
            cause = event.cause if isinstance(event, Ended) else None
            self._call.apply(_call_event(event), cause)
        return event

    async def hang_up(self) -> None:
        await trio.lowlevel.checkpoint()
        self.hang_up_soon()

    def hang_up_soon(self) -> None:
        if self.script.answer_crosses and not self._over.is_set():
            self._say(Answered(at_seconds=trio.current_time()))
        self._end(DisconnectCause.HUNG_UP)

    def close(self) -> None:
        """The lease is over."""
        self._closed = True
        self.hang_up_soon()

    def blind_transfer(
        self,
        target: Destination,
        *,
        timeout_seconds: float,
        on_accepted: Callable[[], None] | None = None,
    ) -> TransferWait:
        if self.state is not CallState.CONNECTED:
            raise IllegalTransition(f"line {self.number} is {self.state}")
        self._call.apply(CallEvent.REFER_SENT)
        self.targets.append(target)
        send, receive = trio.open_memory_channel[TransferResult](1)
        self._nursery.start_soon(self._transfer, timeout_seconds, on_accepted, send)
        return receive.receive

    async def _transfer(
        self,
        timeout_seconds: float,
        on_accepted: Callable[[], None] | None,
        send: trio.MemorySendChannel[TransferResult],
    ) -> None:
        result = await self._transferred(timeout_seconds, on_accepted)
        answered = isinstance(result, TransferAnswered)
        self._call.apply(
            CallEvent.TRANSFER_DONE if answered else CallEvent.TRANSFER_FAILED,
            DisconnectCause.TRANSFERRED if answered else None,
        )
        if answered:
            self._end(DisconnectCause.TRANSFERRED)
        send.send_nowait(result)

    async def _transferred(
        self, timeout_seconds: float, on_accepted: Callable[[], None] | None
    ) -> TransferResult:
        result = self.script.transfers.popleft() if self.script.transfers else 0.0
        if self._over.is_set():
            return TransferRefused(at_seconds=trio.current_time(), sip_status=481)
        if on_accepted is not None and not isinstance(result, TransferRefused):
            on_accepted()
        if not isinstance(result, float):
            return result
        over = await self._over_within(min(result, timeout_seconds))
        now = trio.current_time()
        if over:
            return TransferUnconfirmed(at_seconds=now)
        if result > timeout_seconds:
            return TransferTimedOut(at_seconds=now, person_with=PersonWith.PBX)
        return TransferAnswered(at_seconds=now)

    async def play(self, wav: Path, *, repeat: bool = False) -> None:
        await trio.lowlevel.checkpoint()
        if self.state not in LIVE:
            raise IllegalTransition(f"line {self.number} is {self.state}")
        if self.script.unplayable:
            raise BadInput(f"{wav} cannot be played")
        self.played.append((wav, repeat))

    async def hold(self) -> bool:
        return await self._reinvite(CallEvent.HOLD)

    async def resume(self) -> bool:
        return await self._reinvite(CallEvent.RESUME)

    async def _reinvite(self, event: CallEvent) -> bool:
        await trio.lowlevel.checkpoint()
        if event not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"line {self.number} is {self.state} and cannot take {event}")
        if self._over.is_set():
            return False
        self._call.apply(event)
        return True


def _call_event(event: LineEvent) -> CallEvent:
    match event:
        case Proceeding():
            return CallEvent.PROGRESS
        case Alerting():
            return CallEvent.ALERTING
        case Answered():
            return CallEvent.ANSWERED
        case Released():
            return CallEvent.RELEASED
        case Ended(cause=DisconnectCause.NORMAL):
            return CallEvent.REMOTE_BYE
        case Ended():
            return CallEvent.FAILED


class FakePool:
    """Fulfils `acd.lines.LinePool`; call n follows script n, the last one from then on."""

    def __init__(self, nursery: trio.Nursery, size: int, scripts: Sequence[Script]) -> None:
        self.size = size
        self.used: list[FakeLine] = []
        self.expired_leases = 0
        self.most_leased = 0
        self._nursery = nursery
        self._scripts = deque(scripts)
        self._limit = trio.CapacityLimiter(size)
        self._leased: dict[FakeLine, str] = {}

    @property
    def free(self) -> int:
        return int(self._limit.available_tokens)

    def states(self) -> Counter[CallState]:
        states = Counter(line.state for line in self._leased)
        states[CallState.IDLE] += self.size - len(self._leased)
        return states

    def holders(self) -> Counter[str]:
        return Counter(self._leased.values())

    def oldest_ended_seconds(self) -> float:
        """Its dialogs end with their leases."""
        return 0.0

    @property
    def leased(self) -> int:
        return self.size - int(self._limit.available_tokens)

    @asynccontextmanager
    async def lease(
        self, *, holder: str, deadline_seconds: float, weight: int = 1
    ) -> AsyncIterator[FakeLine]:
        if not holder or deadline_seconds <= 0 or weight < 1:
            raise ValueError("a lease needs a holder, a deadline and a weight")
        script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        line = FakeLine(len(self.used) % self.size + 1, self._nursery, script)
        await self._limit.acquire_on_behalf_of(line)
        self.used.append(line)
        self._leased[line] = holder
        self.most_leased = max(self.most_leased, self.leased)
        watch = trio.CancelScope()
        self._nursery.start_soon(self._expire, line, deadline_seconds, watch)
        try:
            yield line
        finally:
            watch.cancel()
            self._take_back(line)

    async def _expire(
        self, line: FakeLine, deadline_seconds: float, watch: trio.CancelScope
    ) -> None:
        with watch:
            await trio.sleep(deadline_seconds)
            self.expired_leases += 1
            self._take_back(line)

    def _take_back(self, line: FakeLine) -> None:
        if line in self._leased:
            del self._leased[line]
            line.close()
            self._limit.release_on_behalf_of(line)


class FakeIncomingCall:
    """Fulfils `acd.lines.IncomingCall`; `end` is what its PBX does."""

    def __init__(self, who: CallerLine) -> None:
        self.who = who
        self.answers: list[int | Destination] = []
        """What it was told: 180, final statuses, or where it was redirected."""
        self._end: IncomingEnd | None = None
        self._over = trio.Event()

    def ring(self) -> None:
        self._answer(180)

    def turn_away(self, sip_status: int) -> None:
        self._answer(sip_status)
        self.end(IncomingEnd.ENDED_BY_US)

    def redirect(self, target: Destination) -> None:
        self._answer(target)
        self.end(IncomingEnd.ENDED_BY_US)

    def _answer(self, answer: int | Destination) -> None:
        if self._end is None:
            self.answers.append(answer)

    def end(self, end: IncomingEnd) -> None:
        if self._end is None:
            self._end = end
            self._over.set()

    async def wait_end(self) -> IncomingEnd:
        await self._over.wait()
        assert self._end is not None
        return self._end


class FakeTrunk:
    """Fulfils `acd.lines.Trunk`."""

    def __init__(self, lines: FakePool, *, name: str = "main") -> None:
        self.name = name
        self.challenges = 0
        self.lines = lines
        self.asked = 0
        """How often somebody asked for the health."""
        self._health = TrunkHealth(status=TrunkStatus.UP, registered=True)
        self.hung_up: list[DialogId] = []
        self.callers: list[FakeIncomingCall] = []
        """Everybody who called."""
        self._takes: Callable[[IncomingCall], None] | None = None
        self._changed = trio.Event()
        self._extensions: dict[str, ExtensionUpdate] = {}
        self._watchers: dict[str, list[trio.MemorySendChannel[ExtensionUpdate]]] = {}

    @property
    def health(self) -> TrunkHealth:
        self.asked += 1
        return self._health

    async def wait_health_change(self, seen: TrunkHealth) -> TrunkHealth:
        while self._health == seen:
            await self._changed.wait()
        return self._health

    def become(self, status: TrunkStatus, *, registered: bool = True) -> None:
        self._health = TrunkHealth(status=status, registered=registered)
        self._changed.set()
        self._changed = trio.Event()

    async def hang_up_leftover(self, dialog: DialogId) -> bool:
        await trio.lowlevel.checkpoint()
        self.hung_up.append(dialog)
        return True

    @asynccontextmanager
    async def watch(self, extension: str, *, domain: str = "") -> AsyncIterator[ExtensionUpdates]:
        send, receive = trio.open_memory_channel[ExtensionUpdate](float("inf"))
        watchers = self._watchers.setdefault(extension, [])
        with send, receive:
            watchers.append(send)
            if extension in self._extensions:
                send.send_nowait(self._extensions[extension])
            try:
                yield receive
            finally:
                watchers.remove(send)

    def extension_becomes(self, extension: str, state: ExtensionState, detail: str = "") -> None:
        """From now on the PBX says this of the extension."""
        now = self._extensions.get(extension)
        if now is not None and (now.state, now.detail) == (state, detail):
            return
        update = ExtensionUpdate(at_seconds=trio.current_time(), state=state, detail=detail)
        self._extensions[extension] = update
        for send in self._watchers.get(extension, []):
            send.send_nowait(update)

    @contextmanager
    def take_calls(self, take: Callable[[IncomingCall], None]) -> Iterator[None]:
        before, self._takes = self._takes, take
        try:
            yield
        finally:
            self._takes = before

    def called(self, who: CallerLine) -> FakeIncomingCall:
        """Somebody calls."""
        call = FakeIncomingCall(who)
        self.callers.append(call)
        if self._takes is None:
            call.turn_away(480)
        else:
            self._takes(call)
        return call

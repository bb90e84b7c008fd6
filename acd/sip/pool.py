"""The lines of one trunk: leased at the trunk's calls per second, by the holders' weights.

A line's number goes round: from the free ones into a lease, and back once the lease is over and
the line's dialog too. Whoever wants a line waits in one `FairQueue`; one task waits for a line,
then for a token, and chooses among the waiting only then, so that both are shared by weight.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from acd.calls import CallState
from acd.lines import Line
from acd.lines.fair_queue import FairQueue
from acd.lines.token_bucket import TokenBucket
from acd.sip.inlet import Inlet
from acd.sip.line import LineHost, SipLine
from acd.sip.pace import InvitePace, wait_for_token

_log = structlog.get_logger(__name__)

BURST_SECONDS = 0.1
"""How much of its rate a trunk may use at once after a rest; also evens out late wake-ups."""


class SipLinePool:
    """`acd.lines.LinePool`."""

    def __init__(
        self, host: LineHost, nursery: trio.Nursery, *, size: int, calls_per_second: float
    ) -> None:
        self._host = host
        self._nursery = nursery
        self._size = size
        self._free: Inlet[int] = Inlet()
        for number in range(1, size + 1):
            self._free.put(number)
        self._leases: set[_Lease] = set()
        """Leased lines, and those whose dialog outlives its lease."""
        self._waiting: FairQueue[_Request] = FairQueue()
        self._serving = False
        burst = max(1.0, calls_per_second * BURST_SECONDS)
        self._bucket = TokenBucket(calls_per_second, burst=burst)
        self._pace = InvitePace(calls_per_second)
        self._expired_leases = 0
        self._expiring = False
        self._first_deadline = trio.CancelScope()

    @property
    def size(self) -> int:
        """All lines, leased or not."""
        return self._size

    @property
    def free(self) -> int:
        """Lines that can be leased now."""
        return len(self._free)

    @property
    def expired_leases(self) -> int:
        """Leases that ran into their deadline and were hung up, since the start."""
        return self._expired_leases

    def states(self) -> Counter[CallState]:
        """How many lines are in each state; a line without a call is IDLE, leased or not."""
        states = Counter(lease.state for lease in self._leases)
        states[CallState.IDLE] += self._size - len(self._leases)
        return states

    def holders(self) -> Counter[str]:
        """How many lines each leaseholder has, those included whose dialog is not over yet."""
        return Counter(lease.holder for lease in self._leases)

    def oldest_ended_seconds(self) -> float:
        """Since the oldest call was over whose line is not free again; 0: there is none.

        A BYE that nobody answers keeps its line for 32 s (RFC 3261 17.1.2.2); longer is a leak.
        """
        now_seconds = trio.current_time()
        ended = (lease.ended_at for lease in self._leases)
        return max((now_seconds - at for at in ended if at is not None), default=0.0)

    def lease(
        self, *, holder: str, deadline_seconds: float, weight: int = 1
    ) -> AbstractAsyncContextManager[Line]:
        """Borrow a line, waiting for one and for the trunk's calls per second.

        Where holders want more than there is, they are served in proportion to their weights.
        Leaving the block hangs up whatever is left and gives the line back once its dialog is
        over. A lease past its deadline (seconds from its start) is hung up and counted, whoever
        holds it; its line then goes back although the holder has not left.
        """
        return _Borrowed(self, holder, deadline_seconds, weight)

    async def borrow(self, holder: str, deadline_seconds: float, weight: int) -> _Lease:
        """Wait for a line; its lease is to be ended."""
        number = await self._wait_number(holder, weight)
        line = partial(SipLine, number, self._host, self._pace, self._start)
        lease = _Lease(line, holder, deadline_seconds, self._give_back)
        self._leases.add(lease)
        self._expire_at(lease)
        return lease

    def _give_back(self, lease: _Lease) -> None:
        self._leases.remove(lease)
        self._free.put(lease.line.number)

    async def _wait_number(self, holder: str, weight: int) -> int:
        """A free line's number, once it is this holder's turn."""
        await trio.lowlevel.checkpoint_if_cancelled()
        request = _Request()
        self._waiting.add(request, holder=holder, weight=weight)
        if not self._serving:
            # Where nobody waits and both are there, no task is needed to find out whose turn it is.
            ready = len(self._free) and self._pace.is_short
            if ready and self._bucket.take(trio.current_time()) <= 0:
                self._hand_out(self._free.take_now())
                return request.number
            self._serving = True
            self._start(self._serve)
        try:
            await request.served.wait()
        except trio.Cancelled:
            self._waiting.remove(request, holder=holder)
            if request.number:
                self._free.put(request.number)
            raise
        return request.number

    async def _serve(self) -> None:
        """Give out lines while anybody waits."""
        try:
            while len(self._waiting):
                number = await self._free.take()
                try:
                    if len(self._waiting):
                        await self._pace.wait_short()
                        await wait_for_token(self._bucket)
                finally:
                    self._hand_out(number)
        finally:
            self._serving = False

    def _start(self, task: Callable[[], Awaitable[None]]) -> None:
        """For all leases: what the log knows of the one that came first is not theirs."""
        Context().run(self._nursery.start_soon, task)

    def _hand_out(self, number: int) -> None:
        """To whose turn it is; back to the free lines when all have gone meanwhile."""
        if len(self._waiting):
            self._waiting.pop().serve(number)
        else:
            self._free.put(number)

    def _expire_at(self, lease: _Lease) -> None:
        """Have the lease ended at its deadline: one task sleeps until the first of them all."""
        if not self._expiring:
            self._expiring = True
            self._start(self._expire)
        if lease.deadline_at < self._first_deadline.deadline:
            self._first_deadline.deadline = lease.deadline_at

    async def _expire(self) -> None:
        while True:
            alive = [lease for lease in self._leases if not lease.over]
            first = min((lease.deadline_at for lease in alive), default=math.inf)
            with trio.CancelScope(deadline=first) as self._first_deadline:
                await trio.sleep_forever()
            for lease in [each for each in self._leases if not each.over]:
                if lease.deadline_at <= trio.current_time():
                    self._end_expired(lease)

    def _end_expired(self, lease: _Lease) -> None:
        self._expired_leases += 1
        _log.warning(
            "A lease ran into its deadline and was hung up.",
            action="line.lease_expired",
            trunk=self._host.plan.name,
            line=lease.line.number,
            holder=lease.holder,
            deadline_seconds=lease.deadline_seconds,
            call=lease.line.call_id,
        )
        lease.end()


@dataclass(slots=True, eq=False)
class _Request:
    """Somebody who waits for a line."""

    number: int = 0
    """0 until served."""
    served: trio.Event = field(default_factory=trio.Event)

    def serve(self, number: int) -> None:
        self.number = number
        self.served.set()


class _Borrowed(AbstractAsyncContextManager[Line]):
    """One lease as a block; a generator would take three times as long to enter and leave."""

    def __init__(
        self, pool: SipLinePool, holder: str, deadline_seconds: float, weight: int
    ) -> None:
        self._pool = pool
        self._wanted = (holder, deadline_seconds, weight)
        self._lease: _Lease | None = None

    async def __aenter__(self) -> Line:
        self._lease = await self._pool.borrow(*self._wanted)
        return self._lease.line

    async def __aexit__(self, *_: object) -> None:
        if self._lease is not None:
            self._lease.end()


class _Lease:
    """Gives its line's number back exactly once: when both the lease and the dialog are over."""

    def __init__(
        self,
        line: Callable[[Callable[[], None]], SipLine],
        holder: str,
        deadline_seconds: float,
        give_back: Callable[[_Lease], None],
    ) -> None:
        self.line = line(self._idle)
        self.holder = holder
        self.deadline_seconds = deadline_seconds
        self.deadline_at = trio.current_time() + deadline_seconds
        self._give_back = give_back
        self._over = False
        self._over_at = 0.0
        self._returned = False

    @property
    def state(self) -> CallState:
        """Of the line, for who looks from outside."""
        if self._over:
            # Nobody takes its events any more; the dialog is not over, or it were given back.
            return CallState.DISCONNECTED
        return self.line.state

    @property
    def ended_at(self) -> float | None:
        """When its holder was done with it, or was told that the call is over; None: neither."""
        return self._over_at if self._over else self.line.ended_at

    @property
    def over(self) -> bool:
        """Left, or past its deadline; its dialog may not be over."""
        return self._over

    def end(self) -> None:
        """Left by its holder, or past its deadline; the second time nothing happens."""
        if not self._over:
            self._over = True
            self._over_at = trio.current_time()
            self.line.close()
            self._idle()

    def _idle(self) -> None:
        if self._over and not self._returned and not self.line.carries_call:
            self._returned = True
            self.line.forget()
            self._give_back(self)

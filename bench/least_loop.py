"""What trio and one SIP thread need at least for the same calls: `acd.sip` cannot take less.

A task a call under trio, pjsua in a thread of its own, the two mailboxes of `acd.sip` in between
and what happens to calls queued by the binding: no states, no causes, no timers, no health.

    python -m bench.least_loop ORDER-AS-JSON
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial

import pjsua2 as pj
import trio

from acd.sip.inlet import Inlet
from acd.sip.leg_call import Told
from acd.sip.mailbox import CommandBox, ReportBox
from bench.bare_loop import BareLoop, call_options
from bench.busy import BusySide
from bench.marks import Marks
from bench.order import CallOrder

_LONGEST_SLEEP_MS = 1000
_ANSWERED, _OVER = int(Told.ANSWERED), int(Told.OVER)
_UP_TO_ITS_STATUS = "\r\n\r\nSIP/2.0 200"

Order = Callable[[], None]
"""Carried out in the SIP thread."""
Report = Callable[[], None]
"""Carried out in trio's."""


class LeastLoop:
    """The calls of one order."""

    def __init__(self, order: CallOrder) -> None:
        self.order = order
        self.pjsua = BareLoop(order)
        self.commands: CommandBox[Order] = CommandBox()
        self.reports: ReportBox[Report] | None = None
        self.ready = trio.Event()
        self.completed = 0
        self._waiting: list[Inlet[bool]] = [Inlet() for _ in range(order.calls + 1)]
        self._calls: dict[int, pj.Call] = {}
        self._answered: set[int] = set()
        self._options = call_options()
        self._stopped = False

    def run_thread(self) -> None:
        """Own pjsua from its beginning to its end."""
        self.pjsua.open()
        wake = pj.TransportConfig()
        wake.boundAddress = "127.0.0.1"
        wake_id = self.pjsua.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, wake)
        host, _, port = self.pjsua.endpoint.transportGetInfo(wake_id).localName.rpartition(":")
        self.commands.wake_at((host, int(port)))
        self._tell(self.ready.set)
        while not self._stopped:
            self._turn(self.pjsua.endpoint)
        self.commands.close()
        self._calls.clear()
        self.pjsua.close()

    def _tell(self, report: Report) -> None:
        if self.reports is not None:
            self.reports.post(report)

    def _turn(self, endpoint: pj.Endpoint) -> None:
        endpoint.libHandleEvents(_LONGEST_SLEEP_MS if self.commands.about_to_sleep() else 0)
        self.commands.awake()
        for number, _, kind, method, *_, message, _ in endpoint.takeCallEvents():
            # CONFIRMED comes as well as CONNECTING.
            if kind == _ANSWERED and number not in self._answered:
                self._answered.add(number)
                self._tell(partial(self._waiting[number].put, True))
            elif method == "NOTIFY" and _UP_TO_ITS_STATUS in message:
                self._hang_up(number)
            elif kind == _OVER:
                self._over_with(number, done=False)
        while (order := self.commands.take()) is not None:
            order()

    def _hang_up(self, number: int) -> None:
        call = self._calls.get(number)
        if call is not None:  # a NOTIFY that was sent twice
            call.queueEvents(0)
            call.hangup(pj.CallOpParam())
            self._over_with(number, done=True)

    def _over_with(self, number: int, *, done: bool) -> None:
        # Its object dies here, before another call may have its slot.
        if self._calls.pop(number, None) is not None:
            self._tell(partial(self._waiting[number].put, done))

    def _start(self, number: int) -> None:
        self._calls[number] = call = pj.Call(self.pjsua.account)
        call.queueEvents(number)
        host = self.order.peer
        call.makeCall(f"sip:{self.order.lead_of(number)}@{host}", self._options)

    def _refer(self, number: int) -> None:
        call = self._calls.get(number)
        if call is not None:
            call.xfer(f"sip:{self.order.agent}@{self.order.peer}", pj.CallOpParam())

    async def run(self) -> None:
        """The calls, each a task."""
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(1, self.order.calls + 1):
                await trio.sleep_until(began + number / self.order.rate_per_second)
                nursery.start_soon(self._call, number)

    async def _call(self, number: int) -> None:
        self.commands.post(partial(self._start, number))
        if await self._waiting[number].take():
            self.commands.post(partial(self._refer, number))
            landed = await self._waiting[number].take()
            self.completed += landed

    def stop(self) -> None:
        """End the thread."""
        self.commands.post(self._stop)

    def _stop(self) -> None:
        self._stopped = True


async def main(order: CallOrder) -> None:
    marks, loop, busy = Marks(), LeastLoop(order), BusySide(order.burst_iterations)
    loop.reports = ReportBox(trio.lowlevel.current_trio_token(), lambda report: report())
    thread = threading.Thread(target=loop.run_thread)
    thread.start()
    await loop.ready.wait()
    marks.ready()
    async with trio.open_nursery() as nursery:
        if order.burst_iterations:
            nursery.start_soon(busy.run)
        await loop.run()
        nursery.cancel_scope.cancel()
    marks.done(completed=loop.completed, bursts=busy.bursts)
    loop.stop()
    await trio.to_thread.run_sync(thread.join)


if __name__ == "__main__":
    trio.run(main, CallOrder.from_json(sys.argv[1]))

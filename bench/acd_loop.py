"""`acd.sip` under trio, used as the scheduler uses it: lease, originate, transfer, release.

python -m bench.acd_loop ORDER-AS-JSON
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pjsua2 as pj
import structlog
import trio

from acd.app_trace import TraceSwitch
from acd.lines import (
    Answered,
    CallId,
    Destination,
    DestinationKind,
    Ended,
    Line,
    OriginateRequest,
    Released,
    TransferAnswered,
    Trunk,
)
from acd.settings import Settings, SipTraceSettings, TrunkSettings
from acd.sip import Sip, open_sip
from acd.sip.tracing import MessageWriter
from bench.busy import BusySide
from bench.marks import Marks
from bench.order import CallOrder

_LEASE_SECONDS = 60.0
_TRANSFER_SECONDS = 20.0
_MOST_CALLS_PER_SECOND = 200.0
"""What settings allow; below it the bench itself keeps the rate."""


class AcdLoop:
    """The calls of one order."""

    def __init__(self, order: CallOrder) -> None:
        self.order = order
        self.outcomes: Counter[str] = Counter()
        self._agent = Destination(kind=DestinationKind.TRANSFER, user=order.agent)

    async def run(self, trunk: Trunk) -> None:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(self.order.calls):
                await trio.sleep_until(began + number / self.order.rate_per_second)
                nursery.start_soon(self._call, trunk, number)

    async def _call(self, trunk: Trunk, number: int) -> None:
        request = OriginateRequest(
            call_id=CallId(f"bench-{number}"),
            destination=Destination(kind=DestinationKind.LEAD, user=self.order.lead_of(number)),
            ring_timeout_seconds=30.0,
        )
        async with trunk.lines.lease(holder="bench", deadline_seconds=_LEASE_SECONDS) as line:
            await line.originate(request)
            if await _answered(line):
                result = await line.blind_transfer(self._agent, timeout_seconds=_TRANSFER_SECONDS)()
                self.outcomes[type(result).__name__] += 1
            while not isinstance(await line.next_event(), Released):
                pass


async def _answered(line: Line) -> bool:
    while True:
        event = await line.next_event()
        if isinstance(event, Answered | Ended):
            return isinstance(event, Answered)


async def _wait_may_dial(trunk: Trunk) -> None:
    health = trunk.health
    while not health.may_dial:
        health = await trunk.wait_health_change(health)


def _counted_log_lines() -> Counter[str]:
    """Count, from now on, the lines of pjsua's log that the SIP trace's writer is given."""
    counts: Counter[str] = Counter()
    plain = MessageWriter.write

    def write(self: MessageWriter, entry: pj.LogEntry) -> None:
        counts["lines"] += 1
        plain(self, entry)

    MessageWriter.write = write  # type: ignore[method-assign] # the same, and counted
    return counts


def _trace_of(order: CallOrder, trunk: TrunkSettings) -> TraceSwitch:
    wanted = SipTraceSettings(
        enabled=bool(order.trace_file),
        file=Path(order.trace_file),
        numbers=(order.trace_only,) if order.trace_only else (),
    )
    return TraceSwitch(Settings(trunk=(trunk,), sip_trace=wanted))


async def main(order: CallOrder) -> None:
    marks, loop, busy = Marks(), AcdLoop(order), BusySide(order.burst_iterations)
    settings, logged = _trunk_settings(order), _counted_log_lines()
    # The common peer knows no OPTIONS: each would be a failed call of its.
    with closing(_trace_of(order, settings)) as switch:
        take = switch.take if switch.on else None
        async with open_sip([settings], probe=None, trace=take) as sip:
            await _dial(sip, marks, loop, busy, logged)


async def _dial(
    sip: Sip, marks: Marks, loop: AcdLoop, busy: BusySide, logged: Counter[str]
) -> None:
    trunk = sip.trunk("main")
    await _wait_may_dial(trunk)
    marks.ready()
    async with trio.open_nursery() as nursery:
        if loop.order.burst_iterations:
            nursery.start_soon(busy.run)
        await loop.run(trunk)
        nursery.cancel_scope.cancel()
    marks.done(
        completed=loop.outcomes[TransferAnswered.__name__],
        bursts=busy.bursts,
        log_lines=logged["lines"],
    )


def _trunk_settings(order: CallOrder) -> TrunkSettings:
    values = {
        "domain": order.peer,
        "user": order.user,
        "password": order.password,
        "register": bool(order.password),
        "lines": order.most_at_once,
        "calls_per_second": _MOST_CALLS_PER_SECOND,
        "bind_address": order.own,
    }
    return TrunkSettings.model_validate(values)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    trio.run(main, CallOrder.from_json(sys.argv[1]))

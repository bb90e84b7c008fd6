"""From the peer's 200 OK to the caller's REFER, read off the loopback interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench import sides
from bench.callers import Used
from bench.order import CallOrder
from bench.peer import PEER, common_peer
from bench.protocol import BenchError, Effort, Figure, Measured, none_of
from bench.statistics import latencies
from tests.peers.wire import SipMessage, Wire, select

CALLS = 500
RATE_PER_SECOND = 100.0

_SIDES: dict[str, Callable[[CallOrder], Used]] = {
    "sipp": sides.sipp,
    "bare": sides.bare,
    "acd": sides.acd_busy,
}


def _figures() -> Iterator[Figure]:
    targets = {"acd.p50": 2.0, "acd.p99": 10.0}
    titles = {"sipp": "SIPp as caller", "bare": "bare pjsua2 loop", "acd": "acd.sip, trio busy"}
    for side, title in titles.items():
        for part in ("p50", "p99"):
            yield Figure(
                key=f"{side}.{part}",
                title=f"{title}, {part}",
                unit="ms",
                target=targets.get(f"{side}.{part}"),
                ratio_to="" if side == "bare" else f"bare.{part}",
            )
    yield none_of("missing", "calls without a REFER on the wire, all callers")
    for side, title in titles.items():
        yield Figure(key=f"{side}.rtp", title=f"RTP packets a call, {title}", unit="")


@dataclass(frozen=True, slots=True)
class WireLatency:
    name: str = "wire"
    title: str = f"On the wire, 200 OK → REFER, at {RATE_PER_SECOND:.0f} calls/s"
    figures: tuple[Figure, ...] = tuple(_figures())

    def run(self, effort: Effort) -> Measured:
        calls = effort.calls(CALLS)
        found: dict[str, float] = {"missing": 0}
        for side, caller in _SIDES.items():
            order = sides.order_for(side, calls=calls, rate_per_second=RATE_PER_SECOND)
            with common_peer(), Wire(PEER) as wire:
                caller(order)
                delays = answer_to_refer_ms(wire.sip())
                rtp_packets = len(wire.rtp())
            if not delays:
                raise BenchError(f"{side}: no REFER on the wire")
            found |= latencies(side, delays)
            found[f"{side}.rtp"] = rtp_packets / calls
            found["missing"] += calls - len(delays)
        return found


def answer_to_refer_ms(messages: Sequence[SipMessage]) -> list[float]:
    """One a call: from its first 200 to the INVITE to its first REFER."""
    answered: dict[str, float] = {}
    for answer in select(messages, 200, cseq="INVITE"):
        answered.setdefault(answer.call_id, answer.at_seconds)
    referred: dict[str, float] = {}
    for refer in select(messages, "REFER"):
        referred.setdefault(refer.call_id, refer.at_seconds)
    return [
        (at_seconds - answered[call_id]) * 1000
        for call_id, at_seconds in referred.items()
        if call_id in answered
    ]

"""The whole engine beside what it stands on: CPU a call, and from the answer to the REFER.

What the machine gives changes from minute to minute: the bare loop's CPU a call differs by a third
between two runs of one hour, the engine's too, and not at once. So the figure that has a target is
taken of both at the same moment, each with a peer of its own; there it differs by 1 to 6 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from bench import sides
from bench.callers import Used
from bench.endurance import MEMORY_FIGURES, memory
from bench.order import CallOrder
from bench.peer import ANSWER_AFTER_MS, PEER, PEER_BESIDE, common_peer
from bench.processes import resident_mb
from bench.protocol import BenchError, Effort, Figure, Measured, none_of
from bench.statistics import percentile
from bench.wire_latency import answer_to_refer_ms
from tests.peers.wire import SipMessage, Wire

RATE_PER_SECOND = 100.0
CALLS = 3000
"""Enough that the first ones, for which each SQL statement is compiled, hardly count."""
MINUTES = 5
LEAST_PER_SECOND = 99.0
"""Of `RATE_PER_SECOND`: the rest is the first and the last call's own time."""

FULL_RATE_PER_SECOND = 200.0
"""The most that a trunk may have, and what `acd.sip` alone is measured at."""
FULL_ANSWER_AFTER_MS = 4800
"""So long do phones ring that with `FULL_RATE_PER_SECOND` nearly all of 999 lines are taken; not
quite all, or the engine would be held up by what the other callers know nothing of."""
FULL_CALLS = 4000

_SIDES: Mapping[str, tuple[str, Callable[[CallOrder], Used]]] = {
    "least": ("acd", sides.least_quiet),
    "sip": ("acd", sides.acd_quiet),
    "bare": ("bare", sides.bare),
    "engine": ("acd", sides.engine),
}
"""Each alone, in this order."""

_ROWLESS = none_of("rowless", "calls without their row in SQL")


def _figures(*, ratio_target: float | None) -> tuple[Figure, ...]:
    return (
        Figure(key="bare.ms", title="CPU a call, bare pjsua2 loop", unit="ms"),
        Figure(
            key="least.ms",
            title="CPU a call, trio and one SIP thread, nothing else",
            unit="ms",
            ratio_to="bare.ms",
        ),
        Figure(key="sip.ms", title="CPU a call, acd.sip alone", unit="ms", ratio_to="bare.ms"),
        Figure(key="engine.ms", title="CPU a call, whole engine", unit="ms", ratio_to="bare.ms"),
        Figure(key="trio.ms", title="  of it trio's thread", unit="ms"),
        Figure(key="thread.ms", title="  of it the SIP thread", unit="ms"),
        Figure(key="sql.ms", title="  of it SQL's threads", unit="ms"),
        Figure(
            key="bare beside.ms",
            title="CPU a call at the same moment, bare pjsua2 loop",
            unit="ms",
        ),
        Figure(
            key="engine beside.ms",
            title="CPU a call at the same moment, whole engine",
            unit="ms",
            ratio_to="bare beside.ms",
            ratio_target=ratio_target,
        ),
        Figure(key="sip.p99", title="200 OK → REFER, acd.sip alone, p99", unit="ms"),
        Figure(
            key="engine.p99",
            title="200 OK → REFER, whole engine, p99",
            unit="ms",
            ratio_to="sip.p99",
        ),
        Figure(key="rate", title="completed calls a second, whole engine", unit="/s", decimals=1),
        Figure(key="open", title="calls open at once, whole engine, at most", unit="", decimals=0),
        none_of("failed", "calls not handed over, all callers"),
        _ROWLESS,
    )


def _compare(calls: int, *, rate_per_second: float, answer_after_ms: int) -> Measured:
    """One after the other, each with a fresh peer; then the engine and the bare loop together."""
    found: dict[str, float] = {"failed": 0}
    for key, (side, caller) in _SIDES.items():
        order = sides.order_for(side, calls=calls, rate_per_second=rate_per_second)
        with common_peer(answer_after_ms=answer_after_ms), Wire(PEER) as wire:
            used = caller(order)
            messages = wire.sip()
        delays = answer_to_refer_ms(messages)
        if not delays:
            raise BenchError(f"{key}: no REFER on the wire")
        found[f"{key}.ms"] = used.ms_a_call(used.cpu_seconds)
        found[f"{key}.p99"] = percentile(delays, 99)
        found["failed"] += calls - used.completed
        if key == "engine":
            found |= _by_thread(used)
            found["rate"] = used.completed / used.wall_seconds
            found["open"] = most_at_once(messages)
            found["rowless"] = calls - used.counted["rows"]
    for key, used in _together(calls, rate_per_second, answer_after_ms).items():
        found[f"{key} beside.ms"] = used.ms_a_call(used.cpu_seconds)
        found["failed"] += calls - used.completed
    return found


def _together(calls: int, rate_per_second: float, answer_after_ms: int) -> Mapping[str, Used]:
    """The bare loop and the engine at the same moment."""
    hosts = {"bare": PEER, "engine": PEER_BESIDE}
    with ExitStack() as peers, ThreadPoolExecutor() as pool:
        running = {}
        for key, host in hosts.items():
            side, caller = _SIDES[key]
            peers.enter_context(common_peer(host=host, answer_after_ms=answer_after_ms))
            order = sides.order_for(side, calls=calls, rate_per_second=rate_per_second, host=host)
            running[key] = pool.submit(caller, order)
        return {key: used.result() for key, used in running.items()}


def most_at_once(messages: Iterable[SipMessage]) -> int:
    """Calls between their INVITE and their BYE at the same time, at most."""
    open_calls: set[str] = set()
    most = 0
    for message in messages:
        if message.method == "INVITE":
            open_calls.add(message.call_id)
            most = max(most, len(open_calls))
        elif message.method == "BYE":
            open_calls.discard(message.call_id)
    return most


def _by_thread(used: Used) -> Measured:
    """Milliseconds a call of the engine's threads; pjsua's own hardly count."""
    rows = {"trio.ms": "trio", "thread.ms": "sip", "sql.ms": "sql"}
    return {key: used.ms_a_call(used.counted[role]) for key, role in rows.items()}


@dataclass(frozen=True, slots=True)
class WholeEngine:
    """SQLite, ledger and metrics, at 100 calls/s."""

    name: str = "engine"
    title: str = f"The whole engine, SQLite, at {RATE_PER_SECOND:.0f} calls/s"
    figures: tuple[Figure, ...] = _figures(ratio_target=None)

    def run(self, effort: Effort) -> Measured:
        return _compare(
            effort.calls(CALLS), rate_per_second=RATE_PER_SECOND, answer_after_ms=ANSWER_AFTER_MS
        )


@dataclass(frozen=True, slots=True)
class WholeEngineAtFull:
    """The same with as many lines as there are taken, and as many calls a second as may be."""

    name: str = "engine-full"
    title: str = (
        f"The whole engine at {FULL_RATE_PER_SECOND:.0f} calls/s, nearly all of 999 lines taken"
    )
    figures: tuple[Figure, ...] = _figures(ratio_target=2.5)

    def run(self, effort: Effort) -> Measured:
        return _compare(
            effort.calls(FULL_CALLS),
            rate_per_second=FULL_RATE_PER_SECOND,
            answer_after_ms=FULL_ANSWER_AFTER_MS,
        )


@dataclass(frozen=True, slots=True)
class WholeEngineForMinutes:
    """The same for longer, by itself: is every call's row there?"""

    name: str = "engine-minutes"
    title: str = f"The whole engine for {MINUTES} min at {RATE_PER_SECOND:.0f} calls/s"
    figures: tuple[Figure, ...] = (
        none_of("failed", "calls not handed over"),
        Figure(
            key="rate",
            title="calls handed over a second",
            unit="/s",
            at_least=LEAST_PER_SECOND,
            decimals=1,
        ),
        _ROWLESS,
        Figure(key="ms", title="CPU a call", unit="ms"),
        *MEMORY_FIGURES,
    )

    def run(self, effort: Effort) -> Measured:
        calls = effort.calls(int(MINUTES * 60 * RATE_PER_SECOND))
        order = sides.order_for("acd", calls=calls, rate_per_second=RATE_PER_SECOND)
        samples: list[float] = []
        with common_peer():
            used = sides.engine(order, sample=lambda pid: samples.append(resident_mb(pid)))
        return {
            "failed": calls - used.completed,
            "rate": used.completed / used.wall_seconds,
            "rowless": calls - used.counted["rows"],
            "ms": used.ms_a_call(used.cpu_seconds),
            **memory(samples),
        }

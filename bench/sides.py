"""The callers that are compared: one name, one way to run an order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from bench.busy import iterations_of_a_burst
from bench.callers import Used, run_python, run_sipp
from bench.child import Sampler
from bench.order import CallOrder
from bench.peer import OWN_ADDRESSES, PEER, PEER_PORT


def order_for(side: str, *, calls: int, rate_per_second: float, host: str = PEER) -> CallOrder:
    """An order to the common peer, or to the one beside it."""
    return CallOrder(
        calls=calls,
        rate_per_second=rate_per_second,
        own=OWN_ADDRESSES[side],
        peer=f"{host}:{PEER_PORT}",
    )


def sipp(order: CallOrder) -> Used:
    return run_sipp(order)


def bare(order: CallOrder) -> Used:
    return run_python("bench.bare_loop", order.to_json(), timeout_seconds=order.longest_seconds)


def acd_quiet(order: CallOrder) -> Used:
    """`acd.sip` under a trio that has nothing else to do."""
    return run_python("bench.acd_loop", order.to_json(), timeout_seconds=order.longest_seconds)


def least_quiet(order: CallOrder) -> Used:
    """As `acd_quiet`, with as little between trio and pjsua as there can be."""
    return run_python("bench.least_loop", order.to_json(), timeout_seconds=order.longest_seconds)


def least_busy(order: CallOrder) -> Used:
    """As `acd_busy`, with as little between trio and pjsua as there can be."""
    return run_python(
        "bench.least_loop", _busy(order).to_json(), timeout_seconds=order.longest_seconds
    )


def acd_busy(
    order: CallOrder, *, prefix: Sequence[str] = (), sample: Sampler | None = None
) -> Used:
    """`acd.sip` under a busy trio side; the load is still in what it used."""
    return run_python(
        "bench.acd_loop",
        _busy(order).to_json(),
        timeout_seconds=order.longest_seconds,
        prefix=prefix,
        sample=sample,
    )


def _busy(order: CallOrder) -> CallOrder:
    return replace(order, burst_iterations=burst_iterations())


def engine(order: CallOrder, *, sample: Sampler | None = None) -> Used:
    """The whole engine; it counts what SQL says."""
    return run_python(
        "bench.engine_loop",
        order.to_json(),
        timeout_seconds=order.longest_seconds,
        sample=sample,
    )


def busy_alone(seconds: float) -> Used:
    """The load of `acd_busy` without any SIP."""
    wanted = json.dumps({"seconds": seconds, "iterations": burst_iterations()})
    return run_python("bench.busy", wanted, timeout_seconds=seconds + 30)


def without_load(used: Used, alone: Used) -> float:
    """CPU seconds of `used` less its bursts at the price that `alone` paid for them."""
    a_burst = alone.cpu_seconds / alone.counted["bursts"]
    return used.cpu_seconds - used.counted["bursts"] * a_burst


@cache
def burst_iterations() -> int:
    """Once for all, so that every process of the bench does the same work."""
    return iterations_of_a_burst()

"""Through a real Asterisk: how long an answered person waits until the agent's phone rings."""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import trio

from bench.call_centre import RATE_PER_SECOND, bench_errors, land_acd, land_by_itself, open_pbx
from bench.child import run_child
from bench.protocol import BenchError, Effort, Figure, Measured, latency_figures, none_of

CALLS = 240
PBX = "127.99.2.1"
ACD = "127.99.2.4"

DELAY_MS = 20
FAR_PBX = "10.99.0.1"
FAR_ACD = "10.99.0.2"
_NOBODY_LISTENS = 9
_FAR_SECONDS = 120.0
_WIRE_SECONDS = 10.0

_NOT_LANDED = "who did not reach the agent"


@dataclass(frozen=True, slots=True)
class ThroughAsterisk:
    name: str = "asterisk"
    title: str = (
        f"Through Asterisk, carrier's 200 OK → INVITE at the agent, {RATE_PER_SECOND:.0f} calls/s"
    )
    figures: tuple[Figure, ...] = (
        Figure(
            key="acd.p50",
            title="acd.sip, trio busy, p50",
            unit="ms",
            target=12.0,
            ratio_to="own.p50",
            decimals=1,
        ),
        Figure(
            key="acd.p99",
            title="acd.sip, trio busy, p99",
            unit="ms",
            target=30.0,
            ratio_to="own.p99",
            decimals=1,
        ),
        none_of("acd.not_landed", _NOT_LANDED),
        Figure(key="acd.refers", title="REFERs a call (1: no race met)", unit=""),
        *latency_figures("own", "Asterisk dialing by itself", decimals=1),
        none_of("own.not_landed", _NOT_LANDED),
    )

    def run(self, effort: Effort) -> Measured:
        with bench_errors():
            return trio.run(_beside_each_other, effort.calls(CALLS))


@dataclass(frozen=True, slots=True)
class ThroughFarAsterisk:
    name: str = "far"
    title: str = f"The same with {DELAY_MS} ms each way between acd and Asterisk"
    figures: tuple[Figure, ...] = (
        *latency_figures("far", "acd.sip, trio busy", decimals=1),
        none_of("far.not_landed", _NOT_LANDED),
        Figure(
            key="far.rtt", title="there and back again, on the wire alone", unit="ms", decimals=1
        ),
    )

    def run(self, effort: Effort) -> Measured:
        """In a network namespace of its own, which goes with the process that runs in it."""
        _check_far_is_possible()
        command = [sys.executable, "-m", "bench.through_asterisk", str(effort.calls(CALLS))]
        try:
            done = subprocess.run(
                ["unshare", "--net", "--", *command],
                capture_output=True,
                text=True,
                check=False,
                timeout=_FAR_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"did not end within {_FAR_SECONDS:.0f} s") from None
        if done.returncode:
            raise BenchError(f"it ended with:\n{done.stderr[-2000:]}")
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


async def _beside_each_other(calls: int) -> dict[str, float]:
    async with open_pbx(PBX) as pbx:
        own = await land_by_itself(pbx, calls)
        acd = await land_acd(pbx, calls, own=ACD)
    refers = {"acd.refers": acd.refers / calls}
    return {**own.figures("own"), **acd.figures("acd"), **refers}


async def _from_afar(calls: int) -> dict[str, float]:
    """Everything but acd in this namespace, acd at the other end of a long wire."""
    await trio.run_process(["ip", "link", "set", "lo", "up"])
    with _long_wire() as wire_pid:
        rtt = _round_trip_ms(FAR_ACD)
        async with open_pbx(FAR_PBX) as pbx:
            prefix = ("nsenter", f"--net=/proc/{wire_pid}/ns/net")
            acd = await land_acd(pbx, calls, own=FAR_ACD, prefix=prefix)
    return {**acd.figures("far"), "far.rtt": rtt}


@contextmanager
def _long_wire() -> Iterator[int]:
    wanted = json.dumps({"near": FAR_PBX, "far": FAR_ACD, "delay_ms": DELAY_MS})
    with run_child("bench.long_wire", wanted) as wire:
        wire.wait_mark(timeout_seconds=_WIRE_SECONDS)
        wire.go_on()
        yield wire.pid


def _round_trip_ms(host: str, tries: int = 20) -> float:
    """A connection to where nobody listens is refused after exactly one round trip."""
    taken: list[float] = []
    for _ in range(tries):
        began = perf_counter()
        with suppress(ConnectionRefusedError), socket.create_connection((host, _NOBODY_LISTENS)):
            pass
        taken.append((perf_counter() - began) * 1000)
    return statistics.median(taken)


def _check_far_is_possible() -> None:
    missing: Sequence[str] = [
        *(tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None),
        *(["/dev/net/tun"] if not Path("/dev/net/tun").exists() else []),
        *(["root"] if os.geteuid() else []),
    ]
    if missing:
        raise BenchError(f"a network with delay needs {', '.join(missing)}")


if __name__ == "__main__":
    print(json.dumps(trio.run(_from_afar, int(sys.argv[1]))))

"""Ten minutes on hold: an ACD call at an Asterisk that wants timers and sound, then an agent."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import trio

from acd.tapi.client import line_initialize_ex
from acd.tapi.constants import LineCallState
from bench.protocol import BenchError, Effort, Figure, Measured, none_of
from tests.acceptance.tapi.call_centre import open_tapi_centre
from tests.peers import phones
from tests.peers.asterisk.runner import AsteriskError

HELD_SECONDS = 600.0
AGENT = "101"
DEMANDS = {"timers": "always", "rtp_timeout": "5"}


@dataclass(frozen=True, slots=True)
class HeldCall:
    name: str = "held"
    title: str = "A TAPI call on hold at Asterisk, with session timers and an RTP timeout of 5 s"
    figures: tuple[Figure, ...] = (
        Figure(key="held", title="connected until the transfer", unit="s", decimals=1),
        none_of("lost", "ended before, or not transferred"),
    )

    def run(self, effort: Effort) -> Measured:
        try:
            return trio.run(_hold, effort.seconds(HELD_SECONDS))
        except AsteriskError as error:
            raise BenchError(str(error)) from error


async def _hold(seconds: float) -> Measured:
    with tempfile.TemporaryDirectory(prefix="acd-held-") as folder:
        async with (
            open_tapi_centre(Path(folder), more="wait_limit_seconds = 0", dialer=DEMANDS) as centre,
            line_initialize_ex(centre.gateway) as app,
        ):
            call = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
            if not await app.wait_connected(call):
                raise BenchError("the call was not answered")
            began = trio.current_time()
            with trio.move_on_after(seconds):
                await call.wait_states(LineCallState.IDLE)
            held = trio.current_time() - began
            lost = call.state is not LineCallState.CONNECTED
            if not lost:
                await app.line_blind_transfer(call, AGENT)
            return {"held": held, "lost": float(lost)}

"""A small dialer on TAPI lines, the way a Windows application would do it.

    TAPI_TOKEN=… python examples/tapi_dialer.py --lines 20 numbers.txt 7001 7002 7003

One number a line in the file; the rest are agents' extensions. Each answered person is handed to
an agent who is free; an agent counts as free again `--handle` seconds after that.
"""

from __future__ import annotations

import argparse
import os
from collections import deque
from pathlib import Path

import trio

from acd.tapi.client import GatewayAddress, HCall, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState


class Dialer:
    """Numbers still to be dialed, agents that are free, and what became of whom."""

    def __init__(self, numbers: list[str], agents: list[str], handle_seconds: float) -> None:
        self.numbers = deque(numbers)
        self.handle_seconds = handle_seconds
        self.free, self.waiting = trio.open_memory_channel[str](len(agents))
        for agent in agents:
            self.free.send_nowait(agent)

    async def work_line(self, app: LineApp, number: int, nursery: trio.Nursery) -> None:
        """Dial on one line until no number is left."""
        line = await app.line_open(number)
        while self.numbers:
            dialed = self.numbers.popleft()
            try:
                call = await app.line_make_call(line, dialed)
            except LineError as error:
                print(f"{dialed} {error.code.shown}", flush=True)
                continue
            result = "no answer"
            if await app.wait_connected(call):
                result = await self.hand_over(app, call, nursery)
            await call.wait_states(LineCallState.IDLE)
            mode = call.disconnect_mode
            print(f"{dialed} {result if mode is None else mode.name}", flush=True)
            app.line_deallocate_call(call)

    async def hand_over(self, app: LineApp, call: HCall, nursery: trio.Nursery) -> str:
        """Find an agent while the person waits; the gateway lets nobody wait too long."""
        agent = None
        with trio.move_on_after(1.5):
            agent = await self.waiting.receive()
        if agent is None:
            return "no agent"
        nursery.start_soon(self.free_later, agent)
        try:
            await app.line_blind_transfer(call, agent)
        except LineError as error:
            return error.code.shown
        return f"agent {agent}"

    async def free_later(self, agent: str) -> None:
        """Take the agent for free after the handle time."""
        await trio.sleep(self.handle_seconds)
        await self.free.send(agent)


async def main() -> None:
    """Read the command line and dial."""
    parser = argparse.ArgumentParser(description="Dial numbers on TAPI lines.")
    parser.add_argument("numbers", type=Path)
    parser.add_argument("agents", nargs="+")
    parser.add_argument("--gateway", default="127.0.0.1:8465")
    parser.add_argument("--client", default="overdialer")
    parser.add_argument("--lines", type=int, default=20)
    parser.add_argument("--handle", type=float, default=60.0)
    given = parser.parse_args()
    host, _, port = given.gateway.rpartition(":")
    address = GatewayAddress(
        host=host, port=int(port), client=given.client, token=os.environ["TAPI_TOKEN"]
    )
    dialer = Dialer(given.numbers.read_text().splitlines(), given.agents, given.handle)
    async with line_initialize_ex(address) as app, trio.open_nursery() as nursery:
        devices = [device.number for device in app.line_get_dev_caps() if device.enabled]
        for number in devices[: given.lines]:
            nursery.start_soon(dialer.work_line, app, number, nursery)


if __name__ == "__main__":
    trio.run(main)

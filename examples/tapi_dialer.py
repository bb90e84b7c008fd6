"""A small dialer on TAPI lines: TAPI_TOKEN=… python tapi_dialer.py numbers.txt 7001 7002 7003."""

import argparse
import os
import sys

import trio

from acd.errors import AcdError
from acd.tapi.client import GatewayAddress, HLine, LineApp, LineError, line_initialize_ex
from acd.tapi.constants import LineCallState


async def dial(app: LineApp, line: HLine, number: str, free: trio.MemoryReceiveChannel[str]) -> str:
    """Dial a number and hand over who answers; what came of it."""
    call, agent = await app.line_make_call(line, number), ""
    try:
        if await app.wait_connected(call):
            with trio.move_on_after(1.5):  # the gateway lets nobody wait for long
                agent = await free.receive()
            if agent:
                await app.line_blind_transfer(call, agent)
        await call.wait_states(LineCallState.IDLE)
        return f"agent {agent}" if call.disconnect_mode is None else str(call.disconnect_mode.name)
    finally:
        app.line_deallocate_call(call)


async def main() -> None:
    """Dial the numbers of a file, one a line, and give each agent one person after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("numbers", type=argparse.FileType(), help="one a line")
    parser.add_argument("agents", nargs="+", help="their extensions")
    for option, default in (("port", 8465), ("lines", 20), ("handle", 60.0)):
        parser.add_argument(f"--{option}", type=type(default), default=default)
    given = parser.parse_args()
    token = os.environ.get("TAPI_TOKEN") or parser.error("TAPI_TOKEN holds no token")
    gateway = GatewayAddress(host="127.0.0.1", port=given.port, client="overdialer", token=token)
    send, free = trio.open_memory_channel[str](0)

    async def work_agent(agent: str) -> None:
        while True:
            await send.send(agent)  # until somebody has answered
            await trio.sleep(given.handle)

    async def work_line(line: HLine) -> None:
        for number in map(str.strip, given.numbers):  # each line takes the next one
            try:
                print(number, await dial(app, line, number, free), flush=True)
            except LineError as error:
                print(number, error.code.shown, flush=True)

    async with line_initialize_ex(gateway) as app, trio.open_nursery() as agents:
        for agent in given.agents:
            agents.start_soon(work_agent, agent)
        async with trio.open_nursery() as lines:
            for device in app.line_get_dev_caps()[: given.lines]:
                lines.start_soon(work_line, await app.line_open(device.number))
        agents.cancel_scope.cancel()


problem: BaseException | None = None
try:
    trio.run(main)
except* AcdError as errors:  # no gateway, a wrong token, a line that somebody else has open
    problem = errors
while isinstance(problem, BaseExceptionGroup):  # one for each nursery on the way
    problem = problem.exceptions[0]
sys.exit(f"tapi_dialer.py: {problem}" if problem else None)

"""What an application does with its calls, and what it was told of them."""

from __future__ import annotations

import pytest

from acd.tapi.client import HCall, LineApp, LineError
from acd.tapi.constants import LineCallState, LineErr


def states(call: HCall) -> list[LineCallState]:
    """All that was told of a call, in order."""
    return [event.state for event in call.events]


async def connected(app: LineApp, name: str, *, line: int = 1) -> HCall:
    """A call to this name, on a line that is opened for it, once it is answered."""
    call = await app.line_make_call(await app.line_open(line), name)
    assert await app.wait_connected(call), (states(call), call.disconnect_mode)
    return call


async def assert_transfer_fails(app: LineApp, call: HCall, target: str) -> None:
    """Its request is answered OPERATIONFAILED."""
    with pytest.raises(LineError) as failed:
        await app.line_blind_transfer(call, target)
    assert failed.value.code is LineErr.OPERATIONFAILED

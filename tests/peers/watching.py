"""Wait until the wire shows something, instead of for a length of time."""

from __future__ import annotations

from collections.abc import Callable

import trio

from tests.peers.wire import SipMessage, Wire


async def wait_on_wire(
    wire: Wire, seen: Callable[[list[SipMessage]], object], *, timeout_seconds: float = 10
) -> list[SipMessage]:
    """Wait until `seen` is true of everything sent so far, and return that.

    Raises:
        AssertionError: it did not come in time; with every message that did.
    """
    messages: list[SipMessage] = []
    with trio.move_on_after(timeout_seconds):
        while True:
            messages = await trio.to_thread.run_sync(wire.sip)
            if seen(messages):
                return messages
            # The capture is a file that another program writes: it can only be read again.
            await trio.sleep(0.05)
    listing = "\n".join(str(message) for message in messages)
    raise AssertionError(f"not on the wire within {timeout_seconds} s; there was:\n{listing}")

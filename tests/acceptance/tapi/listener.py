"""An application that keeps every message of the gateway, not only what its client makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from acd.tapi.client import GatewayAddress, LineApp
from acd.tapi.wire import Message


class Listener(LineApp):
    """`heard` has all, in its order."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.heard: list[Message] = []

    def _message(self, message: Message) -> None:
        self.heard.append(message)
        super()._message(message)

    @property
    def replies(self) -> Counter[int]:
        """How often each request was answered."""
        return Counter(message["id"] for message in self.heard if message["t"] == "reply")


@asynccontextmanager
async def listening(address: GatewayAddress) -> AsyncIterator[Listener]:
    """Connect to the gateway; the block's end is `lineShutdown`."""
    app = Listener(address)
    async with trio.open_nursery() as nursery:
        await nursery.start(app.run)
        yield app
        await app.line_shutdown()
        nursery.cancel_scope.cancel()

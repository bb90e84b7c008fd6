"""A TCP way that a test can cut: what connects to it reaches a server, until it does not.

async with open_way(server=(pbx.address, 5038)) as way:
    ...                            # connect to way.host, way.port
    way.cut()                      # every connection is closed, new ones are refused
    await way.mend()
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio


class Way:
    """One listening port in front of one server."""

    def __init__(self, nursery: trio.Nursery, server: tuple[str, int]) -> None:
        self._nursery = nursery
        self._server = server
        self._scope = trio.CancelScope()
        self.host = "127.0.0.1"
        self.port = 0

    async def mend(self) -> None:
        """Let connections through, at the port of the first time."""
        self._scope = trio.CancelScope()
        listeners = await trio.open_tcp_listeners(self.port, host=self.host)
        self.port = int(listeners[0].socket.getsockname()[1])
        self._nursery.start_soon(self._serve, listeners, self._scope)

    def cut(self) -> None:
        """Close every connection, and refuse new ones."""
        self._scope.cancel()

    async def _serve(self, listeners: list[trio.SocketListener], scope: trio.CancelScope) -> None:
        with scope:
            await trio.serve_listeners(self._join, listeners)

    async def _join(self, client: trio.SocketStream) -> None:
        async with (
            client,
            await trio.open_tcp_stream(*self._server) as server,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_copy, client, server, nursery.cancel_scope)
            nursery.start_soon(_copy, server, client, nursery.cancel_scope)


async def _copy(source: trio.SocketStream, sink: trio.SocketStream, both: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError):
        async for data in source:
            await sink.send_all(data)
    both.cancel()


@asynccontextmanager
async def open_way(*, server: tuple[str, int]) -> AsyncIterator[Way]:
    """A way to `server`, open at first."""
    async with trio.open_nursery() as nursery:
        way = Way(nursery, server)
        await way.mend()
        yield way
        nursery.cancel_scope.cancel()

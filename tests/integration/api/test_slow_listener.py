"""A client that asks for events and then reads nothing: it harms nobody but itself."""

from __future__ import annotations

import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import trio
from pydantic import SecretStr

from acd.api.app import api_app
from acd.api.office import Office
from acd.api.server import open_server
from acd.api.stream import KEPT, QUEUE, Bulletin, Event
from acd.settings import ApiClientSettings, ApiRole, ApiSettings

TOKEN = "the-supervisors-token"
BIG = {"reason": "x" * 4000}
"""So that few events fill what the kernel holds for a connection."""
CHUNK = QUEUE // 4
"""Told at a time; whoever reads has them all before the next."""
MOST_CHUNKS = 200
MOST_MEGABYTES = 16
"""Growth allowed over 40 MB of events that somebody does not read."""


@asynccontextmanager
async def serving(bulletin: Bulletin) -> AsyncIterator[int]:
    """The API with this bulletin at a port of its own."""
    client = ApiClientSettings(name="boss", role=ApiRole.SUPERVISOR, token=SecretStr(TOKEN))
    app = api_app(cast("Office", None), bulletin, [client])
    async with open_server(app, ApiSettings(port=0), name="api") as address:
        yield int(address.rpartition(":")[2])


@asynccontextmanager
async def listening(
    port: int, *, receive_buffer: int | None = None
) -> AsyncIterator[trio.SocketStream]:
    """A connection that has asked for the events and read nothing yet."""
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    with sock:
        await sock.connect(("127.0.0.1", port))
        stream = trio.SocketStream(sock)
        request = f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        await stream.send_all(request.encode())
        yield stream


class Reader:
    """Counts the events that one connection is told."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.events = 0
        self._stream = stream
        self._rest = b""

    async def read(self, events: int) -> None:
        """Read until so many have come."""
        with trio.fail_after(30):
            while self.events < events:
                text = self._rest + await self._stream.receive_some(1 << 16)
                self.events += text.count(b"\nevent: ")
                self._rest = text[-len(b"event: ") :]


def megabytes_used() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def events_in_memory() -> int:
    gc.collect()
    return sum(isinstance(each, Event) for each in gc.get_objects())


async def test_a_client_that_does_not_read_is_dropped_and_costs_others_nothing() -> None:
    bulletin = Bulletin()
    async with (
        serving(bulletin) as port,
        listening(port, receive_buffer=4096),
        listening(port) as stream,
    ):
        reader = Reader(stream)
        with trio.fail_after(30):
            while bulletin.listeners < 2:  # noqa: ASYNC110 - a count has no event
                await trio.sleep(0.01)
        before, told, dropped_at = megabytes_used(), 0, 0
        for _ in range(MOST_CHUNKS):
            for _ in range(CHUNK):
                bulletin.tell("agent", BIG)
            told += CHUNK
            await reader.read(told)
            if not dropped_at and bulletin.listeners == 1:
                dropped_at = told
        assert dropped_at, "nobody was dropped"
        assert reader.events == told, "who reads has missed nothing"
        # The buffer, the queue of the one who was dropped, and what each task has in hand.
        assert events_in_memory() <= KEPT + QUEUE + CHUNK
        assert megabytes_used() - before < MOST_MEGABYTES
        bulletin.close()


async def test_the_buffer_of_a_dropped_client_ends_and_so_does_its_connection() -> None:
    bulletin = Bulletin(kept=10, queue=2)
    async with serving(bulletin) as port, listening(port, receive_buffer=4096) as stuck:
        with trio.fail_after(30):
            while not bulletin.listeners:  # noqa: ASYNC110 - a count has no event
                await trio.sleep(0.01)
            while bulletin.listeners:
                bulletin.tell("agent", BIG)
                await trio.lowlevel.checkpoint()
            while await stuck.receive_some(1 << 16):
                pass  # what was under way, then the end

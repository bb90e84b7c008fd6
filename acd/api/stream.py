"""What happens, told to whoever listens: `Bulletin`, and its page of server-sent events.

    Bulletin.tell ─▶ the last KEPT events ─▶ one bounded queue a listener ─▶ text/event-stream

Nobody is waited for. A listener whose queue is full is dropped, and comes back with
Last-Event-ID (WHATWG HTML 9.2); what has left the buffer meanwhile is answered by `resync`.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import Any

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KEPT = 2000
QUEUE = 200
KEEP_ALIVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    number: int
    kind: str
    """agent, attempt (a call) or campaign."""
    agent: str
    """Whom it concerns, by name; empty: nobody in particular."""
    data: Mapping[str, Any]


Wanted = Callable[[Event], bool]


class Bulletin:
    """The last events, and everybody who listens."""

    def __init__(self, *, kept: int = KEPT, queue: int = QUEUE) -> None:
        # Numbers start anew with the engine; an id of another one says nothing.
        self._name = secrets.token_hex(4)
        self._events: deque[Event] = deque(maxlen=kept)
        self._queue = queue
        self._told = 0
        self._listeners: dict[trio.MemorySendChannel[Event], trio.CancelScope] = {}

    @property
    def listeners(self) -> int:
        """How many are told at this moment."""
        return len(self._listeners)

    def id_of(self, number: int) -> str:
        """An event's id on the wire."""
        return f"{self._name}-{number}"

    def tell(self, kind: str, data: Mapping[str, Any], *, agent: str = "") -> None:
        """Tell everybody; returns at once."""
        self._told += 1
        event = Event(number=self._told, kind=kind, agent=agent, data=data)
        self._events.append(event)
        for channel, scope in list(self._listeners.items()):
            try:
                channel.send_nowait(event)
            except trio.WouldBlock:
                del self._listeners[channel]
                scope.cancel()
            except trio.BrokenResourceError:
                del self._listeners[channel]

    def close(self) -> None:
        """Let everybody go."""
        for scope in self._listeners.values():
            scope.cancel()
        self._listeners.clear()

    async def lines(
        self, after: str, wanted: Wanted, scope: trio.CancelScope
    ) -> AsyncGenerator[str, None]:
        """The stream's text: what has happened since `after`, then what happens."""
        send, receive = trio.open_memory_channel[Event](self._queue)
        missed = self._since(after)
        self._listeners[send] = scope
        try:
            yield f"id: {self.id_of(self._told - len(missed or ()))}\nretry: 1000\n\n"
            if missed is None:
                yield f"id: {self.id_of(self._told)}\nevent: resync\ndata: {{}}\n\n"
            for event in filter(wanted, missed or ()):
                yield self._text(event)
            while True:
                with trio.move_on_after(KEEP_ALIVE_SECONDS) as silence:
                    event = await receive.receive()
                if silence.cancelled_caught:
                    yield ": still here\n\n"
                elif wanted(event):
                    yield self._text(event)
        finally:
            self._listeners.pop(send, None)

    def _since(self, after: str) -> list[Event] | None:
        """What came after that id; None where nobody can say."""
        if not after:
            return []
        name, _, number = after.rpartition("-")
        if name != self._name or not number.isascii() or not number.isdecimal():
            return None
        oldest = self._events[0].number if self._events else self._told + 1
        if not oldest - 1 <= int(number) <= self._told:
            return None
        return [event for event in self._events if event.number > int(number)]

    def _text(self, event: Event) -> str:
        data = json.dumps(event.data, ensure_ascii=False, default=str)
        return f"id: {self.id_of(event.number)}\nevent: {event.kind}\ndata: {data}\n\n"


class EventStream(Response):
    """`text/event-stream` for one listener, until they go or are dropped."""

    media_type = "text/event-stream"

    def __init__(
        self,
        bulletin: Bulletin,
        *,
        after: str,
        wanted: Wanted,
        listening: AbstractContextManager[None],
    ) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._bulletin = bulletin
        self._after = after
        self._wanted = wanted
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve (ASGI)."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with self._listening:
            await self._stream(receive, send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
            lines = self._bulletin.lines(self._after, self._wanted, nursery.cancel_scope)
            # Closed here: a listener who is dropped while text is sent leaves it unexhausted.
            async with aclosing(lines):
                async for text in lines:
                    body = text.encode()
                    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()

"""What a session has told its client, numbered, and kept for a client that comes back."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

import trio

from acd.tapi.wire import Message, encode

KEPT = 10_000
"""Messages that a lost connection may miss; a client that missed more starts anew."""


class Outbox:
    """Numbered messages of one session; replies are numbered too, so that none is lost."""

    def __init__(self, kept: int = KEPT) -> None:
        self._messages: deque[bytes] = deque(maxlen=kept)
        self._last_seq = 0
        self._aside: list[bytes] = []
        self._news = trio.Event()

    @property
    def last_seq(self) -> int:
        """Of the newest message; 0: none yet."""
        return self._last_seq

    def put(self, kind: str, **fields: Any) -> None:
        """Number a message and have it sent."""
        self._last_seq += 1
        message: Message = {"t": kind, "seq": self._last_seq, **fields}
        self._messages.append(encode(message))
        self._news.set()

    def put_aside(self, message: Message) -> None:
        """Send a message that has no number, and that nobody misses who is not there."""
        self._aside.append(encode(message))
        self._news.set()

    def forget_aside(self) -> None:
        """Another connection begins."""
        self._aside.clear()

    def holds(self, last_seq: int) -> bool:
        """Whether everything after `last_seq` is still there."""
        return self._last_seq - len(self._messages) <= last_seq <= self._last_seq

    def after(self, last_seq: int) -> bytes:
        """Every message after `last_seq`, as it goes over the wire; those aside first, once."""
        aside, self._aside = self._aside, []
        start = len(self._messages) - (self._last_seq - last_seq)
        return b"".join([*aside, *islice(self._messages, start, None)])

    async def wait_after(self, last_seq: int) -> None:
        """Wait for a message newer than `last_seq`, or one aside."""
        while self._last_seq <= last_seq and not self._aside:
            self._news = trio.Event()
            await self._news.wait()

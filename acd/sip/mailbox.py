"""The two mailboxes between trio and the SIP thread.

Both post without waiting. The SIP thread sleeps in pjsua's own poll, which only a packet ends: a
command therefore sends it a datagram, but only while it sleeps. Reports are handed to trio in
batches: one `run_sync_soon` carries whatever was reported until trio comes around to it. Waking
trio takes as long as a hundred lines of Python, on both sides: reports that nobody's answer waits
for are kept for `PATIENCE_SECONDS`, or until one comes that cannot wait.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Generic, TypeVar

import trio

Item = TypeVar("Item")

WAKE_DATAGRAM = b"\r\n\r\n"
"""RFC 5626 3.5.1's keep-alive: pjsip drops it without a word."""
PATIENCE_SECONDS = 0.01
"""How late a report may come that can wait."""


class CommandBox(Generic[Item]):
    """trio to the SIP thread."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._waker: socket.socket | None = None
        self._sleeping = False

    def __bool__(self) -> bool:
        return bool(self._items)

    def wake_at(self, address: tuple[str, int]) -> None:
        """Wake by datagrams to this address from now on."""
        waker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        waker.setblocking(False)
        waker.connect(address)
        self._waker = waker

    def close(self) -> None:
        """Wake no more."""
        waker, self._waker = self._waker, None
        if waker is not None:
            waker.close()

    def post(self, item: Item) -> None:
        """From any thread."""
        self._items.append(item)
        waker = self._waker
        if self._sleeping and waker is not None:
            # One datagram is enough until the SIP thread says that it sleeps again.
            self._sleeping = False
            try:
                waker.send(WAKE_DATAGRAM)
            except OSError:
                return  # a full socket buffer holds datagrams that wake just as well

    def take(self) -> Item | None:
        """The next command, or None."""
        return self._items.popleft() if self._items else None

    def about_to_sleep(self) -> bool:
        """Say that a datagram is needed from now on; return whether sleeping is right at all.

        In this order no command can slip between the look and the sleep.
        """
        self._sleeping = True
        return not self._items

    def awake(self) -> None:
        """Say that no datagram is needed."""
        self._sleeping = False


class ReportBox(Generic[Item]):
    """The SIP thread to trio; `post` and `announce_due` are the SIP thread's."""

    def __init__(
        self,
        token: trio.lowlevel.TrioToken,
        deliver: Callable[[Item], None],
        may_wait: Callable[[Item], bool] = lambda _: False,
    ) -> None:
        self._token = token
        self._deliver = deliver
        self._may_wait = may_wait
        self._items: deque[Item] = deque()
        self._announced = False
        self.due_at: float | None = None
        """When `announce_due` must be called (`perf_counter`); None: no report waits."""

    def post(self, item: Item) -> None:
        """Hand it over now, or a little later where it may wait; always in this order."""
        self._items.append(item)
        if self._announced:
            return
        if not self._may_wait(item):
            self._announce()
        elif self.due_at is None:
            self.due_at = perf_counter() + PATIENCE_SECONDS

    def announce_due(self, now_seconds: float) -> None:
        """Hand over what has waited long enough."""
        if self.due_at is not None and now_seconds >= self.due_at:
            self._announce()

    def _announce(self) -> None:
        self._announced = True
        self.due_at = None
        try:
            self._token.run_sync_soon(self._drain)
        except trio.RunFinishedError:
            self._items.clear()  # nobody is left to tell

    def _drain(self) -> None:
        self._announced = False
        while self._items:
            self._deliver(self._items.popleft())

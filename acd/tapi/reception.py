"""Who is told of a call that comes in: the first line of its account that is open and free.

INVITE ─▶ `Trunk.take_calls` ─▶ line found? ─▶ `Session.offer`
└─ no: 480 nobody looks, 486 all are busy
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

from acd.lines import IncomingCall, Trunk
from acd.tapi.books import Desk

BUSY_HERE = 486
TEMPORARILY_UNAVAILABLE = 480


class LineOwner(Protocol):
    """Who has a line open."""

    def is_free(self, line: int) -> bool:
        """Whether the line carries no call."""
        ...

    def rings_own_phone(self, line: int) -> bool:
        """Whether the line's call makes the user's own phone ring now."""
        ...

    def offer(self, line: int, incoming: IncomingCall) -> None:
        """Tell of a call on a line that is free."""
        ...


class Reception:
    """Watches the accounts whose callers applications are shown."""

    def __init__(self, owner: Callable[[int], LineOwner | None]) -> None:
        self._owner = owner
        self._desks: Mapping[int, Desk] = {}
        self._watched: dict[str, AbstractContextManager[None]] = {}

    def attend(self, desks: Mapping[int, Desk]) -> None:
        """Take the calls of these lines from now on, and no others; none: an end of it all."""
        self._desks = {line: desk for line, desk in desks.items() if desk.profile.incoming}
        trunks = {desk.trunk.name: desk.trunk for desk in self._desks.values()}
        for name in self._watched.keys() - trunks.keys():
            self._watched.pop(name).__exit__(None, None, None)
        for name in trunks.keys() - self._watched.keys():
            self._watched[name] = self._watch(trunks[name])

    def _watch(self, trunk: Trunk) -> AbstractContextManager[None]:
        watch = trunk.take_calls(partial(self.take, trunk.name))
        watch.__enter__()
        return watch

    def take(self, trunk: str, incoming: IncomingCall) -> None:
        """Offer a call, or turn it away."""
        lines = sorted(line for line, desk in self._desks.items() if desk.trunk.name == trunk)
        owners = {line: owner for line in lines if (owner := self._owner(line)) is not None}
        if not owners:
            incoming.turn_away(TEMPORARILY_UNAVAILABLE)
            return
        free = [line for line, owner in owners.items() if owner.is_free(line)]
        if not free or self._is_our_own(trunk, incoming, owners):
            # Not kept waiting: the PBX is to hear of the phone alone what became of the call.
            incoming.turn_away(BUSY_HERE)
            return
        owners[free[0]].offer(free[0], incoming)

    def _is_our_own(
        self, trunk: str, incoming: IncomingCall, owners: Mapping[int, LineOwner]
    ) -> bool:
        """A call that a line of this account makes to the user's own phone comes here too."""
        caller = incoming.who.caller.lower()
        return any(
            owner.rings_own_phone(line) for line, owner in owners.items()
        ) or caller in self._users(trunk)

    def _users(self, trunk: str) -> set[str]:
        desks: Iterable[Desk] = self._desks.values()
        return {desk.trunk_settings.user.lower() for desk in desks if desk.trunk.name == trunk}

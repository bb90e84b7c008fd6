"""The trio side of a call that comes in."""

from __future__ import annotations

from collections.abc import Callable

import trio

from acd.lines import CallerLine, Destination, IncomingEnd
from acd.sip.messages import (
    CallerArrived,
    Command,
    RedirectCaller,
    RingCaller,
    TurnCallerAway,
)
from acd.sip.uris import refer_target

TEMPORARILY_UNAVAILABLE = 480


class SipIncomingCall:
    """`acd.lines.IncomingCall`."""

    def __init__(
        self, report: CallerArrived, *, domain: str, post: Callable[[Command], None]
    ) -> None:
        self._caller = report.caller
        self._who = report.who
        self._domain = domain
        self._post = post
        self._end = IncomingEnd.ENDED_BY_US
        self._over = trio.Event()

    @property
    def who(self) -> CallerLine:
        """Who calls whom."""
        return self._who

    def ring(self) -> None:
        """Send 180."""
        self._post(RingCaller(self._caller))

    def turn_away(self, sip_status: int) -> None:
        """Send this final response."""
        self._post(TurnCallerAway(self._caller, sip_status))

    def redirect(self, target: Destination) -> None:
        """Send 302 with the target as Contact."""
        self._post(RedirectCaller(self._caller, refer_target(target, domain=self._domain)))

    async def wait_end(self) -> IncomingEnd:
        """Wait until it is over for us, and how."""
        await self._over.wait()
        return self._end

    def over(self, end: IncomingEnd) -> None:
        """The SIP thread says that it is over."""
        self._end = end
        self._over.set()

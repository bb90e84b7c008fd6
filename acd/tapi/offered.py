"""A call to a line's account, as its application sees it: OFFERING until it is over elsewhere.

    INVITE ─▶ `call.new`, OFFERING ─┬─ CANCEL, Reason: SIP;cause=200 ─▶ CONNECTED(INACTIVE) ─▶ IDLE
                                    ├─ CANCEL ──────────────────────────────────────────────▶ IDLE
                                    └─ lineDrop (603), lineRedirect (302) ──────────────────▶ IDLE

It is the user's phone that answers, or nobody does.
"""

from __future__ import annotations

import structlog
import trio

from acd.lines import Destination, IncomingCall, IncomingEnd
from acd.tapi.books import Desk
from acd.tapi.call import Reply
from acd.tapi.constants import LineCallFeature, LineCallOrigin, LineCallState, LineErr
from acd.tapi.info import CallInfo
from acd.tapi.progress import CallProgressTold, Told
from acd.tapi.telling import Teller

log: structlog.stdlib.BoundLogger = structlog.get_logger()

DECLINED = 603
"""The user takes no call: at a 6xx a forking proxy ends every branch (RFC 3261 16.7)."""
TEMPORARILY_UNAVAILABLE = 480
"""Nobody looks at this line any more: other phones ring on."""


class OfferedCall:
    """A call that came in; `offer` tells of it, `run` is the rest of its life."""

    def __init__(
        self, desk: Desk, teller: Teller, incoming: IncomingCall, *, name: str, line: int
    ) -> None:
        self.name = name
        self.line_number = line
        self.told = CallProgressTold()
        self.over = trio.Event()
        self.desk = desk
        self._teller = teller
        self._incoming = incoming
        self._silent = False

    @property
    def idle(self) -> bool:
        """Whether the line could carry the next call."""
        last = self.told.last
        return last is not None and last.state is LineCallState.IDLE

    @property
    def info(self) -> CallInfo:
        """LINECALLINFO, as `call.new` told it."""
        who = self._incoming.who
        return CallInfo(
            line=self.line_number,
            origin=LineCallOrigin.INBOUND,
            caller=who.caller,
            caller_name=who.caller_name,
            called=who.called,
            called_name=who.called_name,
        )

    @property
    def person_waits(self) -> bool:
        """It is no person whom we have called."""
        return False

    @property
    def features(self) -> LineCallFeature:
        """LINECALLFEATUREs in the present state."""
        return self.told.features

    @property
    def rings_own_phone(self) -> bool:
        """It is no call of ours."""
        return False

    def offer(self) -> None:
        """Tell the application; and the caller, if the line says so, that it rings."""
        who = self._incoming.who
        log.info("call offered", action="call.offered", tapi_call=self.name)
        self._teller.tell(
            "call.new",
            call=self.name,
            line=self.line_number,
            **{"from": who.caller, "from_name": who.caller_name},
            to=who.called,
            to_name=who.called_name,
        )
        self._tell(self.told.offered())
        if self.desk.profile.sends_180:
            self._incoming.ring()

    async def run(self) -> None:
        """Until it is over, here or elsewhere."""
        end = await self._incoming.wait_end()
        log.info("offered call over", action="call.offer_ended", tapi_call=self.name, end=end)
        elsewhere = end is IncomingEnd.ANSWERED_ELSEWHERE
        self._tell(self.told.offer_over(elsewhere=elsewhere), reason=end)
        self.over.set()

    def _tell(self, told: list[Told], reason: str = "") -> None:
        for each in told if not self._silent else ():
            self._teller.tell(
                "call.state",
                call=self.name,
                state=int(each.state),
                mode=int(each.mode),
                sip=None,
                q850=None,
                reason=str(reason),
            )

    def drop(self, reply: Reply) -> None:
        """`lineDrop`: the caller is turned away, then IDLE."""
        if self.idle:
            reply(LineErr.INVALCALLSTATE)
            return
        reply(None)
        self._incoming.turn_away(DECLINED)

    def redirect(self, target: Destination, reply: Reply) -> None:
        """`lineRedirect`: the caller is told to call somebody else, then IDLE."""
        if self.idle:
            reply(LineErr.INVALCALLSTATE)
            return
        reply(None)
        self._incoming.redirect(target)

    def drop_soon(self) -> None:
        """The application has let go of the call or the line: the user's phones ring on."""
        self._incoming.turn_away(TEMPORARILY_UNAVAILABLE)

    def silence(self) -> None:
        """Say nothing more: the client has let go of the call."""
        self._silent = True

    def leave(self) -> None:
        """The client is gone for good."""
        self.drop_soon()

    def link_changed(self) -> None:
        """The client was lost or is back; the caller does not mind."""

    def transfer(self, _target: Destination, _written: str, reply: Reply) -> None:
        """Nobody is on the line who could be handed over."""
        reply(LineErr.INVALCALLSTATE)

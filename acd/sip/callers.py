"""INVITEs to us in the SIP thread, from their arrival to their end; none is ever answered.

Callers of a trunk are reported from `TakeCalls` on. All others are turned away at once: 480, and
404 where calls are taken and nobody of that name is here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter

import pjsua2 as pj

from acd.lines.incoming import IncomingEnd
from acd.sip.callbacks import TrunkAccount
from acd.sip.invitation import Invitation, account_for, answered_elsewhere, read_invitation
from acd.sip.mailbox import ReportBox
from acd.sip.messages import (
    CallerArrived,
    CallerGone,
    CallerOrder,
    RedirectCaller,
    Report,
    RingCaller,
    TakeCalls,
    TurnCallerAway,
)
from acd.sip.plain_text import plain_text
from acd.sip.plan import TrunkPlan
from acd.sip.seen import CallerTurnedAway, Inbox, guarded
from acd.sip.timers import Timer, Timers

RINGING = 180
MOVED_TEMPORARILY = 302
NOT_FOUND = 404
TEMPORARILY_UNAVAILABLE = 480
LONGEST_SECONDS = 300.0
"""A caller that no CANCEL ever ends; RFC 3261 16.6 lets a proxy give up after 3 minutes."""


class CallerCall(pj.Call):
    """pjsua2's call behind one caller; it only listens for the CANCEL."""

    def __init__(
        self, account: TrunkAccount, slot: int, inbox: Inbox, gone: Callable[[bool], None]
    ) -> None:
        super().__init__(account, slot)
        self.inbox = inbox
        self.muted = False
        self._gone = gone
        self._elsewhere = False

    @guarded
    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:  # noqa: N802 # pjsua2's name
        """The CANCEL, told before the end that it makes."""
        event = prm.e.body.tsxState
        if event.tsx.method == "CANCEL" and event.type == pj.PJSIP_EVENT_RX_MSG:
            self._elsewhere = answered_elsewhere(plain_text(event.src.rdata.wholeMsg))

    @guarded
    def onCallState(self, _prm: pj.OnCallStateParam) -> None:  # noqa: N802 # pjsua2's name
        """The end."""
        if not self.muted and not self.isActive():
            self.muted = True
            self._gone(self._elsewhere)


class Callers:
    """Lives and dies in the SIP thread."""

    def __init__(self, inbox: Inbox, timers: Timers, reports: ReportBox[Report]) -> None:
        self._inbox = inbox
        self._timers = timers
        self._reports = reports
        self._plans: list[TrunkPlan] = []
        self._taking: set[str] = set()
        self._calls: dict[int, CallerCall] = {}
        self._limits: dict[int, Timer] = {}
        self._over: list[CallerCall] = []
        """Ended from afar: not to be destroyed from inside their own callback."""
        self._last = 0

    def know(self, plan: TrunkPlan) -> None:
        """Callers of this account may come."""
        self._plans.append(plan)

    def arrived(self, account: TrunkAccount, prm: pj.OnIncomingCallParam) -> None:
        """Somebody calls us; from inside pjsua2's callback, where it wants to be told at once."""
        if not self._taking:
            self._refuse(account, prm.callId, TEMPORARILY_UNAVAILABLE)
            return
        invitation = read_invitation(plain_text(prm.rdata.wholeMsg))
        plan = account_for(invitation, self._plans)
        if plan is None:
            self._refuse(account, prm.callId, NOT_FOUND)
        elif plan.name not in self._taking:
            self._refuse(account, prm.callId, TEMPORARILY_UNAVAILABLE)
        else:
            self._take(account, prm.callId, plan, invitation)

    def _refuse(self, account: TrunkAccount, slot: int, status: int) -> None:
        pj.Call(account, slot).hangup(_answer(status))
        self._inbox.append(CallerTurnedAway(account.trunk, perf_counter()))

    def _take(
        self, account: TrunkAccount, slot: int, plan: TrunkPlan, invitation: Invitation
    ) -> None:
        self._last += 1
        caller = self._last

        def gone(elsewhere: bool) -> None:  # pjsua2's callback says it so
            self._over.append(self._calls.pop(caller))
            end = IncomingEnd.ANSWERED_ELSEWHERE if elsewhere else IncomingEnd.CANCELLED
            self._tell_gone(caller, end)

        self._calls[caller] = CallerCall(account, slot, self._inbox, gone)
        now = perf_counter()
        self._limits[caller] = self._timers.at(
            now + LONGEST_SECONDS, lambda: self.turn_away(caller, TEMPORARILY_UNAVAILABLE)
        )
        self._reports.post(CallerArrived(caller, plan.name, now, invitation.line))

    def _tell_gone(self, caller: int, end: IncomingEnd) -> None:
        limit = self._limits.pop(caller, None)
        if limit is not None:
            limit.cancel()
        self._reports.post(CallerGone(caller, perf_counter(), end))

    def obey(self, order: CallerOrder) -> None:
        """Carry out an order; one for a caller who is gone is none."""
        match order:
            case TakeCalls():
                (self._taking.add if order.on else self._taking.discard)(order.trunk)
            case RingCaller():
                call = self._calls.get(order.caller)
                if call is not None:
                    self._try(lambda: call.answer(_answer(RINGING)))
            case TurnCallerAway():
                self.turn_away(order.caller, order.sip_status)
            case RedirectCaller():
                contact = pj.SipHeader()
                contact.hName, contact.hValue = "Contact", order.contact
                self.turn_away(order.caller, MOVED_TEMPORARILY, contact)

    def turn_away(self, caller: int, status: int, *headers: pj.SipHeader) -> None:
        """Send a final response."""
        call = self._calls.pop(caller, None)
        if call is None:
            return
        options = _answer(status)
        for header in headers:
            options.txOption.headers.append(header)
        call.muted = True
        self._try(lambda: call.hangup(options))
        self._tell_gone(caller, IncomingEnd.ENDED_BY_US)

    def sweep(self) -> None:
        """Let go of what ended; outside any callback."""
        self._over.clear()

    def end_all(self) -> None:
        """Nobody is there any more who could be told."""
        for caller in list(self._calls):
            self.turn_away(caller, TEMPORARILY_UNAVAILABLE)

    def close(self) -> None:
        """Let go of every pj object, in this thread and now."""
        self._calls.clear()
        self._over.clear()

    def _try(self, order: Callable[[], None]) -> None:
        """A CANCEL may have been faster."""
        with suppress(pj.Error):
            order()


def _answer(status: int) -> pj.CallOpParam:
    options = pj.CallOpParam()
    options.statusCode = status
    return options

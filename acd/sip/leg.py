"""One call in the SIP thread, from its INVITE until its dialog is over.

Two moments end a leg. `CallEnded` is told as soon as the cause is fixed: on a final response, on
a BYE, or when we decide to hang up. `CallReleased` is told when pjsua has let go of the dialog:
for an end that came from the other side that is the same moment; after a hang-up of our own it is
the answer to our BYE, the end of the INVITE that we cancelled, or the end of the BYE that pjsua
sends by itself when a 2xx crossed our CANCEL.

pjsua2 is silent between the two: `hangup()` reports DISCONNECTED from inside itself and then cuts
every callback of that call. It forgets the slot's user pointer when the dialog is over, though,
so a second `Call` object is tied to the slot after the hang-up, and `Call.lookup` tells the end.
No command starts a call between that end and our look, so no other call of ours can take its
place unseen.

A `Call` object must not outlive its slot: its destructor unties, and hangs up, whatever call has
the slot by then. All of them therefore die here, in the SIP thread, as soon as they are done.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter

import pjsua2 as pj

from acd.calls import DisconnectCause
from acd.lines import PersonWith
from acd.sip.causes import Reason, cause_of, reason_of
from acd.sip.closing import Closing, is_tied
from acd.sip.late_orders import no_such_call
from acd.sip.leftover import dialog_of
from acd.sip.leg_call import LegCall
from acd.sip.leg_media import LegMedia
from acd.sip.leg_start import Refusal, hang_up_options, refer_options, send_invite
from acd.sip.mailbox import ReportBox
from acd.sip.messages import (
    CallAlerting,
    CallAnswered,
    CallEnded,
    CallProceeding,
    CallRedirected,
    CallReleased,
    Counted,
    FollowRedirect,
    HangUpCall,
    HoldCall,
    LeaveRedirect,
    LegOrder,
    PlayWav,
    Report,
    ResumeCall,
    StartCall,
    StopPlaying,
    TransferAccepted,
    TransferCall,
    TransferEnded,
)
from acd.sip.players import Players
from acd.sip.redirect import NextTarget, Redirects
from acd.sip.seen import (
    Answered,
    Inbox,
    MediaChanged,
    Notified,
    Over,
    Progressed,
    ReferAnswered,
    ReInviteAnswered,
)
from acd.sip.timers import Timer, Timers
from acd.sip.transfer import (
    ReferAgain,
    TransferDone,
    TransferMachine,
    TransferOutcome,
    TransferStep,
    read_notify,
)
from acd.sip.trunk_side import TrunkSide

_RINGING = 180
_SERVER_ERROR = 500
_INCOMPATIBLE_STATUSES = frozenset({415, 488, 606})


LegSeen = Progressed | Answered | Over | ReferAnswered | Notified | ReInviteAnswered | MediaChanged


@dataclass(slots=True)
class LegWorld:
    """What every leg of the SIP thread shares."""

    inbox: Inbox
    timers: Timers
    reports: ReportBox[Report]
    players: Players
    pauses_sending: bool
    """The binding has `pause-sending.patch`."""
    close: Callable[[Closing], None]
    """Watch this hung-up call until its dialog is over."""
    forget: Callable[[int], None]
    """The leg with this number is done."""
    invited: Callable[[Leg], None]
    """Its INVITE is on its way, or the one after a redirect."""


@dataclass(slots=True)
class Leg:
    """One call."""

    number: int
    trunk: TrunkSide
    world: LegWorld
    call: LegCall | None = None
    call_id: str = ""
    """Its holder's name of it."""
    alerted: bool = False
    responded: bool = False
    answered_at: float | None = None
    ended: bool = False
    number_called: str = ""
    invited_at: float = 0.0
    _started: StartCall | None = None
    _transfer: TransferMachine | None = None
    _refer_to: str = ""
    _earlier_refers: frozenset[int] = frozenset()
    """CSeqs of those for the transfers before this one: what still comes of them is too late."""
    _tells_accepted: bool = False
    """Somebody waits for the PBX's word that it will try."""
    _timers: list[Timer] = field(default_factory=list)
    _media: LegMedia = field(init=False)
    _redirects: Redirects = field(init=False)
    _next: StartCall | None = None
    """What a 3xx leads to, until its holder says whether it may be called."""
    _moved_status: int | None = None
    """Of that 3xx."""

    def __post_init__(self) -> None:
        world = self.world
        takes_person = self.trunk.plan.after_failed_transfer is PersonWith.PBX
        self._media = LegMedia(
            self.number,
            world.players,
            world.timers,
            world.reports,
            hushes=takes_person and world.pauses_sending,
        )
        self._redirects = Redirects(self.trunk.plan)

    def start(self, command: StartCall) -> None:
        """Send the INVITE; the ring timeout counts over whatever it is redirected to."""
        self.call_id = command.call_id
        self._invite(command)
        if self.call is not None:
            # Counted from when the INVITE has left, or the phone would ring a little too short.
            ring_until = perf_counter() + command.ring_timeout_seconds
            self._timers.append(self.world.timers.at(ring_until, self._ring_timed_out))

    def _invite(self, command: StartCall) -> None:
        self._started = command
        self.number_called = command.uri
        self._redirects.dialed.add(command.uri)
        self.invited_at = perf_counter()
        sent = send_invite(command, self.trunk, self.world.inbox)
        if isinstance(sent, Refusal):
            self._end(sent.cause, reason_text=sent.text)
            self._release()
            return
        self.call = sent
        self.world.invited(self)

    def obey(self, order: LegOrder) -> None:
        """Carry out one order to this call."""
        if isinstance(order, HangUpCall):
            self.hang_up()
            return
        if isinstance(order, FollowRedirect):
            self._follow()
            return
        if isinstance(order, LeaveRedirect):
            self._leave(order)
            return
        call = self.call
        answered = call is not None and self.answered_at is not None and not self.ended
        if call is None or not answered:
            late = no_such_call(order)
            if late is not None:
                self.world.reports.post(late)
            return
        match order:
            case TransferCall():
                self._start_transfer(call, order, self.answered_at or 0.0)
            case PlayWav():
                self._media.play(call, order)
            case StopPlaying():
                self._media.stop(call, order.order)
            case HoldCall():
                self._media.hold(call)
            case ResumeCall():
                self._media.resume(call)

    def hang_up(self, cause: DisconnectCause = DisconnectCause.HUNG_UP) -> None:
        """CANCEL or BYE, whatever the moment asks for; pjsip delays a CANCEL until a 1xx."""
        if self.ended:
            return
        self._end(cause)
        if self.call is None:  # between a 3xx and the next INVITE
            self._release()
            return
        call, self.call = self.call, None
        call.mute()
        slot = call.getId()
        shadow: pj.Call = call
        if is_tied(call, slot):
            with suppress(pj.Error):
                call.hangup(hang_up_options())
            # Its destructor unties the slot, so it must run before the shadow is tied to it.
            del shadow, call
            shadow = pj.Call(self.trunk.account, slot)
        # Else its end lies unread in the inbox, and what is tied to a free slot stays so for ever.
        self.world.forget(self.number)
        self.world.close(Closing(self.number, slot, shadow))

    def seen(self, what: LegSeen) -> None:
        """What pjsua2 told of this call."""
        match what:
            case Progressed():
                self._seen_progress(what)
            case Answered():
                self._seen_answer(what)
            case Over():
                self._seen_over(what)
            case ReferAnswered():
                self._seen_refer_answer(what)
            case Notified():
                self._seen_notify(what)
            case ReInviteAnswered():
                self._media.seen_reinvite_answer(what)
            case MediaChanged():
                if self.call is not None:
                    self._media.media_changed(self.call)

    def _start_transfer(self, call: LegCall, command: TransferCall, answered_at: float) -> None:
        """REFER, not before the trunk's PBX is ready for it."""
        if self._transfer is not None:
            late = no_such_call(command)
            if late is not None:
                self.world.reports.post(late)
            return
        self._transfer = TransferMachine(self.trunk.timing, self.trunk.plan.after_failed_transfer)
        self._earlier_refers = frozenset(call.refers)
        self._tells_accepted = command.tells_accepted
        self._refer_to = command.refer_to
        now = perf_counter()
        self._timers.append(
            self.world.timers.at(now + command.timeout_seconds, self._transfer_timed_out)
        )
        first_at = answered_at + self.trunk.timing.delay_seconds
        if first_at <= now:
            self._refer()
        else:
            self._timers.append(self.world.timers.at(first_at, self._refer))

    def _seen_progress(self, seen: Progressed) -> None:
        """1xx."""
        if not self.responded:
            self.responded = True
            self.trunk.call_responded()
        if self.ended:
            return
        if seen.sip_status > 100 and not self.alerted:
            self.alerted = True
            self.trunk.call_got_through(seen.at_seconds)
        if seen.sip_status == _RINGING:
            self.world.reports.post(
                CallAlerting(self.number, seen.at_seconds, dialog_of(seen.message))
            )
        else:
            self.world.reports.post(CallProceeding(self.number, seen.at_seconds, seen.sip_status))

    def _seen_answer(self, seen: Answered) -> None:
        """2xx."""
        if self.ended:
            return
        if not self.responded:
            self.responded = True
            self.trunk.call_responded()
        self.answered_at = seen.at_seconds
        self.trunk.call_got_through(seen.at_seconds)
        self._cancel_timers()
        self.world.reports.post(CallAnswered(self.number, seen.at_seconds, dialog_of(seen.message)))

    def _seen_over(self, seen: Over) -> None:
        """The other side, a timer or a broken transport ended the dialog."""
        if self.ended:
            return
        target = self._redirect_target(seen)
        if isinstance(target, NextTarget):
            self._redirect(seen, target)
            return
        reason = reason_of(seen.message)
        cause = self._cause_of(seen, reason)
        self._end(
            cause,
            at_seconds=seen.at_seconds,
            sip_status=seen.sip_status or None,
            reason=reason,
            not_followed=target,
        )
        self._release(seen.at_seconds)

    def _redirect_target(self, seen: Over) -> NextTarget | str:
        if self.answered_at is not None or not seen.received:
            return ""
        return self._redirects.target(seen.sip_status, seen.message)

    def _redirect(self, seen: Over, target: NextTarget) -> None:
        """Call somebody else on this leg, asking its holder first where they want that."""
        self._tell_refused(seen)
        self.alerted = self.responded = False
        self.call = None
        before = self._started
        if before is None:
            return
        self._next, self._moved_status = replace(before, uri=target.uri), seen.sip_status
        if before.asks_before_following and target.e164 is not None:
            self.world.reports.post(CallRedirected(self.number, target.e164))
        else:
            self._follow()

    def _follow(self) -> None:
        """Its holder sees one call."""
        following, self._next = self._next, None
        if following is None:
            return
        self.world.reports.post(Counted("redirects_followed", self.trunk.plan.name))
        # Not now: other calls that ended may still be tied to the slot that it would be given.
        again = partial(self._invite, following)
        self._timers.append(self.world.timers.at(perf_counter(), again))

    def _leave(self, order: LeaveRedirect) -> None:
        """The 3xx is the end."""
        if self._next is not None:
            self._end(order.cause, sip_status=self._moved_status, not_followed=order.why)
            self._release()

    def _seen_refer_answer(self, seen: ReferAnswered) -> None:
        """The REFER's final response."""
        if self._transfer is None or seen.cseq in self._earlier_refers:
            return
        if seen.sip_status == 0:
            self._step(self._transfer.unanswered())
        else:
            self._step(self._transfer.answered(seen.sip_status))
            self._tell_accepted()

    def _seen_notify(self, seen: Notified) -> None:
        """A NOTIFY; only the REFER's count."""
        notify = read_notify(seen.message)
        if notify is None or notify.refer_cseq in self._earlier_refers:
            return
        if self._transfer is not None:
            step = self._transfer.notified(notify.sip_status, terminated=notify.terminated)
            self._tell_accepted()
            self._step(step)

    def _tell_accepted(self) -> None:
        """Once a transfer, before its end is told."""
        if self._tells_accepted and self._transfer is not None and self._transfer.accepted:
            self._tells_accepted = False
            self.world.reports.post(TransferAccepted(self.number))

    def _cause_of(self, seen: Over, reason: Reason) -> DisconnectCause:
        if self.answered_at is not None:
            if seen.method == "BYE":
                self.trunk.call_got_through(seen.at_seconds)
                return DisconnectCause.NORMAL
            if seen.sip_status in _INCOMPATIBLE_STATUSES:
                return DisconnectCause.INCOMPATIBLE
            return DisconnectCause.TEMPORARY_FAILURE
        if not seen.received:
            if not self.responded:
                self.trunk.call_unanswered()
            return DisconnectCause.UNREACHABLE
        self._tell_refused(seen)
        return cause_of(
            seen.sip_status,
            q850_cause=reason.q850_cause,
            alerted=self.alerted,
            overrides=self.trunk.plan.causes,
        )

    def _tell_refused(self, seen: Over) -> None:
        self.trunk.call_refused(
            seen.sip_status,
            seen.message,
            alerted=self.alerted,
            number=self.number_called,
            invited_at_seconds=self.invited_at,
        )

    def _end(
        self,
        cause: DisconnectCause,
        *,
        at_seconds: float | None = None,
        sip_status: int | None = None,
        reason: Reason | None = None,
        reason_text: str = "",
        not_followed: str = "",
    ) -> None:
        self.ended = True
        self._cancel_timers()
        self._media.over()
        if self._transfer is not None:
            self._step(self._transfer.dialog_over())
        self.world.reports.post(
            CallEnded(
                self.number,
                perf_counter() if at_seconds is None else at_seconds,
                cause,
                sip_status,
                reason.q850_cause if reason else None,
                reason_text or (reason.text if reason else ""),
                not_followed,
            )
        )

    def _release(self, at_seconds: float | None = None) -> None:
        self.call = None
        self.world.forget(self.number)
        self.world.reports.post(
            CallReleased(self.number, perf_counter() if at_seconds is None else at_seconds)
        )

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _ring_timed_out(self) -> None:
        self.hang_up(DisconnectCause.NO_ANSWER)

    def _refer(self) -> None:
        transfer = self._transfer
        if transfer is None or self.call is None:
            return
        transfer.refer_sent()
        self._media.hush(self.call)
        try:
            self.call.xfer(self._refer_to, refer_options(self.trunk.referred_by))
        except pj.Error:
            self._step(transfer.answered(_SERVER_ERROR))

    def _transfer_timed_out(self) -> None:
        if self._transfer is not None:
            self._step(self._transfer.timed_out())

    def _step(self, step: TransferStep) -> None:
        if isinstance(step, ReferAgain):
            self._timers.append(
                self.world.timers.at(perf_counter() + step.after_seconds, self._refer)
            )
        elif isinstance(step, TransferDone):
            self._transfer_done(step)

    def _transfer_done(self, done: TransferDone) -> None:
        transfer, self._transfer = self._transfer, None
        self._cancel_timers()
        self.trunk.transfer_ended(done)
        self.world.reports.post(
            TransferEnded(
                self.number,
                perf_counter(),
                done.outcome,
                done.sip_status,
                done.person_with,
                transfer.refers_sent if transfer else 0,
            )
        )
        if done.outcome is TransferOutcome.ANSWERED:
            # Asterisk keeps the old dialog for a minute after a transfer that succeeded.
            self.hang_up(DisconnectCause.TRANSFERRED)
        elif self.call is not None:
            self._media.unhush(self.call)

"""The trio side of a leased line: orders go down as commands, reports come up as events.

The state moves when the holder takes an event, not when the SIP thread reports it: between two
awaits of the holder the line looks the same. An order that comes too late for the call therefore
ends as a value (a transfer of a call that is gone is `TransferRefused` with 481), never as an
exception that nobody could have avoided.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Protocol

import trio

from acd.calls import LIVE, TRANSITIONS, CallEvent, CallProgress, CallState, DisconnectCause
from acd.errors import BadInput, IllegalTransition, LineInUse, TrunkUnavailable
from acd.lines import (
    Alerting,
    Answered,
    Destination,
    Ended,
    LineEvent,
    OriginateRequest,
    PersonWith,
    Proceeding,
    RedirectGuard,
    Released,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
    TransferWait,
    TrunkHealth,
)
from acd.sip.inlet import Inlet
from acd.sip.messages import (
    CallAlerting,
    CallAnswered,
    CallEnded,
    CallProceeding,
    CallRedirected,
    CallReleased,
    Command,
    EventReport,
    FollowRedirect,
    HangUpCall,
    HoldCall,
    HoldEnded,
    LeaveRedirect,
    LegReport,
    PlayEnded,
    PlayWav,
    ResumeCall,
    StartCall,
    StopPlaying,
    TransferAccepted,
    TransferCall,
    TransferEnded,
)
from acd.sip.pace import InvitePace
from acd.sip.plan import TrunkPlan
from acd.sip.transfer import TransferOutcome
from acd.sip.uris import checked_headers, destination_uri, from_header, refer_target
from acd.sip.wav import read_wav

_NO_SUCH_CALL = 481
_ENDED_BY_US = frozenset(
    {DisconnectCause.HUNG_UP, DisconnectCause.NO_ANSWER, DisconnectCause.TRANSFERRED}
)


class LineHost(Protocol):
    """What a line needs of its trunk."""

    @property
    def plan(self) -> TrunkPlan:
        """The trunk's settings."""
        ...

    @property
    def health(self) -> TrunkHealth:
        """Whether it may dial."""
        ...

    def post(self, command: Command) -> None:
        """Send a command to the SIP thread."""
        ...

    def attach(self, receive: Callable[[LegReport], None]) -> int:
        """A new leg number, whose reports go to `receive` until it is released."""
        ...


class SipLine:
    """One lease of one line; `acd.lines.Line`."""

    def __init__(
        self,
        number: int,
        host: LineHost,
        pace: InvitePace,
        start: Callable[[Callable[[], Awaitable[None]]], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._number = number
        self._host = host
        self._pace = pace
        self._on_idle = on_idle
        self._start = start
        self._progress = CallProgress(CallState.IDLE)
        self._leg: int | None = None
        self._call_id = ""
        self._ended_at: float | None = None
        self._closed = False
        # One offset for all its events: two readings of two clocks would turn their order round.
        self._ahead_seconds = trio.current_time() - perf_counter()
        self._events: Inlet[LineEvent] = Inlet()
        self._on_news: Callable[[], None] = _nothing
        self._transfer: Inlet[TransferResult] | None = None
        self._on_accepted: Callable[[], None] | None = None
        self._last_play = 0
        self._plays: dict[int, Inlet[PlayEnded]] = {}
        self._hold: tuple[CallEvent, Inlet[bool]] | None = None
        self._may_follow: RedirectGuard | None = None
        self._asking: trio.CancelScope | None = None

    @property
    def number(self) -> int:
        """1 to the trunk's number of lines."""
        return self._number

    @property
    def state(self) -> CallState:
        """Where the call stands by the events that were taken; IDLE when there is none."""
        return self._progress.state

    @property
    def call_id(self) -> str:
        """The holder's name of the call, for the log; empty before the first one."""
        return self._call_id

    @property
    def ended_at(self) -> float | None:
        """When its holder was told that the call is over; None: it lives, or the line is idle."""
        return self._ended_at

    @property
    def carries_call(self) -> bool:
        """A dialog is not over yet, whatever events were taken."""
        return self._leg is not None

    async def originate(self, request: OriginateRequest) -> None:
        """Start a call once its turn has come; returns when the SIP side has the order.

        Raises:
            LineInUse: the line still carries a call, or its lease is over.
            TrunkUnavailable: the trunk may not dial now; no INVITE was sent.
            BadInput: a header, caller ID or URI that no SIP message may carry.
        """
        await self._pace.wait_turn()
        if self._closed:
            raise LineInUse(f"the lease of line {self._number} is over")
        if self._leg is not None:
            raise LineInUse(f"line {self._number} carries a call that is not over")
        health = self._host.health
        if not health.may_dial:
            raise TrunkUnavailable(f"trunk {self._host.plan.name}: {health.detail}")
        self._events.clear()
        command = _start_command(request, self._host.plan)
        self._call_id = request.call_id
        self._may_follow = request.may_follow
        self._leg = self._host.attach(self._receive)
        self._progress = CallProgress()
        self._progress.apply(CallEvent.INVITE_SENT)
        self._host.post(command(self._leg))

    async def next_event(self) -> LineEvent:
        """Wait for what happens next; after `Released` there is nothing until `originate`."""
        return self._taken(await self._events.take())

    def event_now(self) -> LineEvent | None:
        """What `next_event` would return at once; None: nothing has happened."""
        return self._taken(self._events.take_now()) if self._events else None

    def follow(self, on_news: Callable[[], None]) -> None:
        """Call this whenever `event_now` has something; it must not raise.

        A holder who does so needs no task that waits for events while they do something else.
        """
        self._on_news = on_news

    def _taken(self, event: LineEvent) -> LineEvent:
        step = _call_event(event)
        if self._progress.state is not CallState.DISCONNECTED or step is CallEvent.RELEASED:
            cause = event.cause if isinstance(event, Ended) else None
            self._progress.apply(step, cause)
            ended = self._progress.state is CallState.DISCONNECTED
            self._ended_at = trio.current_time() if ended else None
        return event

    async def hang_up(self) -> None:
        """End the call at whatever moment; `Ended` and `Released` follow as events."""
        await trio.lowlevel.checkpoint()
        self.hang_up_soon()

    def hang_up_soon(self) -> None:
        """The same without a checkpoint; nothing happens where there is no call."""
        if self._leg is not None:
            self._host.post(HangUpCall(self._leg))

    def blind_transfer(
        self,
        target: Destination,
        *,
        timeout_seconds: float,
        on_accepted: Callable[[], None] | None = None,
    ) -> TransferWait:
        """Order the REFER; the result is kept for whoever waits, and again.

        Raises:
            IllegalTransition: the call is not CONNECTED.
            BadInput: the target's URI has a character that no SIP message may carry.
        """
        if self._progress.state is not CallState.CONNECTED:
            raise IllegalTransition(
                f"line {self._number} is {self._progress.state}: there is nobody to transfer"
            )
        refer_to = refer_target(target, domain=self._host.plan.domain)
        self._progress.apply(CallEvent.REFER_SENT)
        result: Inlet[TransferResult] = Inlet()
        if self._leg is None:
            self._progress.apply(CallEvent.TRANSFER_FAILED)
            now = trio.current_time()
            result.put(TransferRefused(at_seconds=now, sip_status=_NO_SUCH_CALL))
        else:
            self._transfer = result
            self._on_accepted = on_accepted
            tells_accepted = on_accepted is not None
            self._host.post(TransferCall(self._leg, refer_to, timeout_seconds, tells_accepted))
        return result.take

    async def play(self, wav: Path, *, repeat: bool = False) -> None:
        """Play a WAV to the connected person, instead of what played before.

        Returns when the file was heard once, or something else plays, or the call is over; with
        `repeat`, at once. Cancelling the wait ends the sound.

        Raises:
            IllegalTransition: there is nobody to hear it.
            BadInput: it is no 8 kHz mono 16-bit PCM file, or pjsua plays no more at once.
        """
        if self._progress.state not in LIVE:
            await trio.lowlevel.checkpoint()
            raise IllegalTransition(
                f"line {self._number} is {self._progress.state}: there is nobody to play to"
            )
        sound = await trio.to_thread.run_sync(read_wav, wav)
        leg = self._leg
        if leg is None:
            return
        self._last_play = order = self._last_play + 1
        self._plays[order] = ended = Inlet[PlayEnded]()
        self._host.post(PlayWav(leg, order, sound, repeat))
        try:
            report = await ended.take()
        except trio.Cancelled:
            self._host.post(StopPlaying(leg, order))
            raise
        finally:
            self._plays.pop(order, None)
        if report.error_text:
            raise BadInput(f"{wav} cannot be played: {report.error_text}")

    async def hold(self) -> bool:
        """Put the person on hold (re-INVITE); return whether the other side agreed.

        Raises:
            IllegalTransition: the call is not CONNECTED.
        """
        return await self._reinvite(CallState.CONNECTED, CallEvent.HOLD)

    async def resume(self) -> bool:
        """Take the person off hold; return whether the other side agreed.

        Raises:
            IllegalTransition: the call is not ONHOLD.
        """
        return await self._reinvite(CallState.ONHOLD, CallEvent.RESUME)

    async def _reinvite(self, before: CallState, event: CallEvent) -> bool:
        await trio.lowlevel.checkpoint()
        if self._progress.state is not before or self._hold is not None:
            raise IllegalTransition(
                f"line {self._number} is {self._progress.state} and cannot take {event} now"
            )
        if self._leg is None:
            return False
        agreed: Inlet[bool] = Inlet()
        self._hold = (event, agreed)
        command = HoldCall if event is CallEvent.HOLD else ResumeCall
        self._host.post(command(self._leg))
        return await agreed.take()

    def close(self) -> None:
        """The lease is over: hang up what is left; no new call from now on."""
        self._closed = True
        self.hang_up_soon()

    def forget(self) -> None:
        """Closed, and no call is left: let go of who is told, who knows this line too.

        A circle of a call's thirty objects would wait for the garbage collector.
        """
        self._on_news = self._on_idle = _nothing

    def _receive(self, report: LegReport) -> None:
        match report:
            case PlayEnded():
                if (waiting := self._plays.pop(report.order, None)) is not None:
                    waiting.put(report)
            case HoldEnded():
                self._take_hold(agreed=report.agreed)
            case TransferAccepted():
                if self._transfer is not None and self._on_accepted is not None:
                    self._on_accepted()
            case TransferEnded():
                self._take_transfer(report, report.at_seconds + self._ahead_seconds)
            case CallRedirected():
                self._asking = trio.CancelScope()
                self._start(partial(self._ask, report, self._asking))
            case _:
                self._take_event(report, report.at_seconds + self._ahead_seconds)

    def _take_event(self, report: EventReport, at_seconds: float) -> None:
        self._events.put(_line_event(report, at_seconds))
        self._on_news()
        if isinstance(report, CallReleased):
            # An order that crossed the end of the call finds no leg any more.
            if self._transfer is not None:
                self._take_transfer(_gone(report), at_seconds)
            self._take_hold(agreed=False)
            if self._asking is not None:
                self._asking.cancel()
            self._leg = None
            self._on_idle()

    async def _ask(self, redirected: CallRedirected, asking: trio.CancelScope) -> None:
        """Whether the number of a 3xx may be called; of a call that is over nobody is told."""
        with asking:
            # Before the question, whose answer is good for the moment only.
            await self._pace.wait_turn()
            refusal = await self._may_follow(redirected.e164) if self._may_follow else None
            self._host.post(
                FollowRedirect(redirected.leg)
                if refusal is None
                else LeaveRedirect(redirected.leg, refusal.cause, refusal.sentence)
            )

    def _take_hold(self, *, agreed: bool) -> None:
        waiting, self._hold = self._hold, None
        if waiting is None:
            return
        event, answer = waiting
        moves = event in TRANSITIONS[self._progress.state]
        if agreed and moves:
            self._progress.apply(event)
        answer.put(agreed and moves)

    def _take_transfer(self, report: TransferEnded, at_seconds: float) -> None:
        waiting, self._transfer = self._transfer, None
        if waiting is None:
            return
        if self._progress.state is CallState.TRANSFERRING:
            answered = report.outcome is TransferOutcome.ANSWERED
            self._progress.apply(
                CallEvent.TRANSFER_DONE if answered else CallEvent.TRANSFER_FAILED,
                DisconnectCause.TRANSFERRED if answered else None,
            )
        waiting.put(_transfer_result(report, at_seconds))


def _nothing() -> None:
    """Nobody follows; `next_event` tells."""


def _start_command(request: OriginateRequest, plan: TrunkPlan) -> Callable[[int], StartCall]:
    uri = destination_uri(request.destination, domain=plan.domain, transport=plan.transport)
    shown = from_header(request.caller_id, domain=plan.domain) if request.caller_id else ""
    headers = (*plan.own_headers, *checked_headers(request.headers))
    if shown and plan.asserts_identity:
        headers = (*headers, ("P-Asserted-Identity", shown))

    def command(leg: int) -> StartCall:
        return StartCall(
            leg,
            plan.name,
            uri,
            shown,
            headers,
            request.ring_timeout_seconds,
            request.call_id,
            asks_before_following=request.may_follow is not None,
        )

    return command


def _line_event(report: EventReport, at_seconds: float) -> LineEvent:
    match report:
        case CallProceeding():
            return Proceeding(at_seconds=at_seconds, sip_status=report.sip_status)
        case CallAlerting():
            return Alerting(at_seconds=at_seconds, dialog=report.dialog)
        case CallAnswered():
            return Answered(at_seconds=at_seconds, dialog=report.dialog)
        case CallEnded():
            return Ended(
                at_seconds=at_seconds,
                cause=report.cause,
                sip_status=report.sip_status,
                q850_cause=report.q850_cause,
                reason_text=report.reason_text,
                not_followed=report.not_followed,
            )
        case CallReleased():
            return Released(at_seconds=at_seconds)


def _call_event(event: LineEvent) -> CallEvent:
    match event:
        case Proceeding():
            return CallEvent.PROGRESS
        case Alerting():
            return CallEvent.ALERTING
        case Answered():
            return CallEvent.ANSWERED
        case Released():
            return CallEvent.RELEASED
        case Ended(cause=DisconnectCause.NORMAL):
            return CallEvent.REMOTE_BYE
        case Ended(cause=cause):
            return CallEvent.HANG_UP if cause in _ENDED_BY_US else CallEvent.FAILED


def _gone(report: CallReleased) -> TransferEnded:
    return TransferEnded(
        report.leg, report.at_seconds, TransferOutcome.REFUSED, _NO_SUCH_CALL, PersonWith.US
    )


def _transfer_result(report: TransferEnded, at_seconds: float) -> TransferResult:
    status = report.sip_status or 0
    person = report.person_with or PersonWith.PBX
    match report.outcome:
        case TransferOutcome.ANSWERED:
            return TransferAnswered(at_seconds=at_seconds)
        case TransferOutcome.REFUSED:
            return TransferRefused(at_seconds=at_seconds, sip_status=status)
        case TransferOutcome.FAILED:
            return TransferFailed(at_seconds=at_seconds, sip_status=status, person_with=person)
        case TransferOutcome.UNCONFIRMED:
            return TransferUnconfirmed(at_seconds=at_seconds)
        case TransferOutcome.TIMED_OUT:
            return TransferTimedOut(at_seconds=at_seconds, person_with=person)

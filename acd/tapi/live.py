"""One TAPI call from its INVITE to its closed row.

    DIALING ─▶ … CONNECTED ─▶ lineBlindTransfer ─▶ LINE_REPLY ─▶ IDLE ─▶ row closed
                          └─ nobody takes them in time ─▶ message ─▶ BYE ─┘

A person who answered waits for `lineBlindTransfer` no longer than the client's limit; then they
hear the message and are hung up on, and that counts as abandoned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
import trio

from acd.calls import DisconnectCause
from acd.errors import BadInput, IllegalTransition
from acd.lines import (
    Alerting,
    Answered,
    Destination,
    DialogId,
    Ended,
    Line,
    LineEvent,
    PersonWith,
)
from acd.lines.records import TransferRecord, record_of
from acd.logs import debugging
from acd.rules.dispositions import Disposition, TransferOutcome
from acd.settings import TransferReply
from acd.store.attempts import AttemptClosed
from acd.store.outcomes import AttemptAnswered, DialogSeen
from acd.tapi.books import Desk
from acd.tapi.constants import LineErr
from acd.tapi.counts import CallCounts
from acd.tapi.profiles import Course, cause_of_target
from acd.tapi.telling import CallTelling

log: structlog.stdlib.BoundLogger = structlog.get_logger()

HANG_UP_SECONDS = 40.0
"""Longest that a leg's end is waited for: RFC 3261 timer B is 32 s."""
LINK_LOST_SECONDS = 2.0
"""How long a person waits for a client that is gone, where the client may take its time."""
_AGENT_HAS_PERSON = frozenset({TransferOutcome.ANSWERED, TransferOutcome.UNCONFIRMED})


class LiveCall:
    """A call whose row is committed."""

    def __init__(
        self,
        desk: Desk,
        telling: CallTelling,
        line: Line,
        *,
        attempt_id: int,
        course: Course,
    ) -> None:
        self._desk = desk
        self._telling = telling
        self._line = line
        self._attempt_id = attempt_id
        self._course = course
        self._handing_on = False
        """The mode's own transfer, or the one that came with the `lineMakeCall`, is under way."""
        self._failed_as: DisconnectCause | None = None
        """Why the number was not reached, where the user's phone was called first."""
        self._nursery: trio.Nursery | None = None
        self._message_scope = trio.CancelScope()
        self._dropped = False
        self._leaving = False
        self._abandoned = False
        self._started_at = trio.current_time()
        self._answered_at = math.nan
        """NaN: not yet; as for `_waits_since`."""
        self._waits_since = math.nan
        self._joined_at: float | None = None
        self._transfer: TransferRecord | None = None
        self._transfer_over: trio.Event | None = None
        self._pbx_tries = False
        """The transfer under way was accepted: our BYE no longer ends it."""
        self._told_early = False
        """… and the application knows no more of it than that."""
        self._end: Ended | None = None
        self._sip_call_id = ""
        self._changed = trio.Event()
        self._counts = CallCounts(desk.metrics, desk.label, attempt_id=attempt_id)

    @property
    def story(self) -> Mapping[str, Any]:
        """What every log line of this call carries."""
        return {
            "tapi_client": self._desk.name,
            "tapi_call": self._telling.name,
            "attempt": self._attempt_id,
            "call": f"a{self._attempt_id}",
        }

    @property
    def answered(self) -> bool:
        """Whether there was a 2xx."""
        return not math.isnan(self._answered_at)

    @property
    def person_waits(self) -> bool:
        """Whether somebody has answered whom nobody has yet."""
        joined = self._joined_at is not None
        return self._course.person_first and self.answered and self._end is None and not joined

    @property
    def may_transfer(self) -> bool:
        """Whether `lineBlindTransfer` fits the present moment."""
        if not self._course.person_first:
            return False
        busy = self._leaving or self._dropped or self._handing_on or self._transfer_over is not None
        return self.answered and self._end is None and not busy

    @property
    def rings_phone(self) -> bool:
        """Whether the user's own phone is being called."""
        if self._course.person_first:
            return self._course.then is not None and self._transfer_over is not None
        return not self.answered and self._end is None

    async def run(self) -> None:
        """From the INVITE to the closed row."""
        self._telling.placed()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._guard)
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._finish()

    async def _read(self) -> None:
        while self._end is None:
            await self._take(await self._line.next_event())

    async def _take(self, event: LineEvent) -> None:
        if debugging():
            log.debug("line event", action="line.event", what=type(event).__name__)
        self._counts.saw(event, started_at=self._started_at)
        match event:
            case Alerting(dialog=dialog):
                self._note(dialog)
            case Answered(at_seconds=at, dialog=dialog):
                self._note_answer(at)
                self._note(dialog)
                self._hand_on_soon()
            case Ended():
                self._end = event
                self.look_again()
                if self._transfer_over is not None:
                    # LINE_REPLY before IDLE: the line tells both at the same moment.
                    with trio.move_on_after(HANG_UP_SECONDS):
                        await self._transfer_over.wait()
                if self._failed_as is not None and not self._dropped:
                    event = replace(event, cause=self._failed_as)
            case _:
                pass
        self._telling.take(event, dropped=self._dropped)

    def _note_answer(self, at_seconds: float) -> None:
        log.info("answered", action="call.answered")
        self._answered_at = self._waits_since = at_seconds
        self.look_again()
        if not self._course.person_first:
            return
        self._counts.answered(at_seconds - self._started_at)
        self._desk.books.put(
            AttemptAnswered(attempt_id=self._attempt_id, at=self._wall(at_seconds))
        )
        if self._nursery is not None:
            self._nursery.start_soon(self._comfort)

    def _note(self, dialog: DialogId | None) -> None:
        if dialog is not None:
            self._sip_call_id = dialog.call_id
            self._desk.books.put(
                DialogSeen(
                    attempt_id=self._attempt_id, sip_call_id=dialog.call_id, dialog=asdict(dialog)
                )
            )

    def _hand_on_soon(self) -> None:
        """The REFER that nobody needs to ask for, as soon as somebody has answered."""
        target = self._course.then
        if target is not None and not self._dropped:
            self._handing_on = True
            self.transfer_soon(target, self._course.then_written, self._handed_on)

    def _handed_on(self, error: LineErr | None) -> None:
        self._handing_on = False
        if self._course.auto:
            self._telling.auto_transferred(done=error is None)
        elif error is not None and not self._course.person_first:
            # Only the user's own phone is on the line: nobody waits for anything more.
            self._failed_as = cause_of_target(self._transfer)
            self._leaving = True

    # What is asked of it

    def drop_soon(self) -> None:
        """End the call; the application asked for it."""
        self._dropped = True
        self._message_scope.cancel()
        self.look_again()

    def let_go_soon(self) -> None:
        """Nobody will take the person any more."""
        self._leaving = True
        self.look_again()

    def look_again(self) -> None:
        """Something changed that decides how long the call may go on."""
        self._changed.set()

    def transfer_soon(
        self, target: Destination, written: str, reply: Callable[[LineErr | None], None]
    ) -> None:
        """`lineBlindTransfer`; look at `may_transfer` in the same step before.

        The transfer is under way from here on, not from its task's first step: the client's next
        message may have come in the same segment.
        """
        if self._nursery is None:
            reply(LineErr.INVALCALLSTATE)
            return
        self._transfer_over = over = trio.Event()
        self.look_again()
        with structlog.contextvars.bound_contextvars(**self.story):
            self._nursery.start_soon(self._transfer_now, over, target, written, reply)

    async def _transfer_now(
        self,
        over: trio.Event,
        target: Destination,
        written: str,
        reply: Callable[[LineErr | None], None],
    ) -> None:
        log.info("transferring", action="transfer.start")
        self._counts.referred(trio.current_time() - self._answered_at)
        error: LineErr | None = LineErr.OPERATIONFAILED
        try:
            result = await self._line.blind_transfer(
                target,
                timeout_seconds=self._desk.settings.transfer_timeout_seconds,
                on_accepted=partial(self._accepted, reply),
            )()
            if self._pbx_tries or not self._dropped:
                error = self._take_result(record_of(result, target=written), result.at_seconds)
        except IllegalTransition:
            error = LineErr.INVALCALLSTATE
        except BadInput:
            error = LineErr.INVALADDRESS
        finally:
            reply(error)
            self._transfer_over = None
            self._pbx_tries = self._told_early = False
            self._waits_since = trio.current_time()
            over.set()
            self.look_again()

    def _accepted(self, reply: Callable[[LineErr | None], None]) -> None:
        """The PBX will try; an application that wants to know no more is told now."""
        self._pbx_tries = True
        if self._handing_on:
            return
        if self._desk.settings.transfer_reply is TransferReply.ACCEPTED and not self._dropped:
            self._told_early = True
            reply(None)

    def _take_result(self, record: TransferRecord, at_seconds: float) -> LineErr | None:
        """What to answer the `lineBlindTransfer`."""
        self._transfer = record
        log.info("transfer over", action="transfer.end", result=record.outcome)
        self._counts.transferred(record.outcome)
        if record.outcome not in _AGENT_HAS_PERSON:
            return LineErr.OPERATIONFAILED
        self._joined_at = at_seconds
        if not self._course.person_first:
            return None
        self._counts.joined(at_seconds - self._answered_at)
        return None

    # Nobody waits in silence

    async def _comfort(self) -> None:
        """Something to hear until somebody takes the person, or the message is played."""
        wav = self._desk.comfort_audio
        if wav is None or self._leaving:
            return
        try:
            await self._line.play(wav, repeat=True)
        except BadInput as error:
            log.warning("comfort audio not played", action="comfort.unplayable", why=str(error))
        except IllegalTransition:
            log.info("hung up before the comfort audio", action="comfort.unheard")

    async def _guard(self) -> None:
        """Hang up when asked to, and when an answered person has waited long enough."""
        while not (self._drops_now or trio.current_time() >= self._patience()):
            changed = self._changed = trio.Event()
            with trio.move_on_at(self._patience()):
                await changed.wait()
        if not self._dropped:
            await self._let_go()
        await self._line.hang_up()

    @property
    def _drops_now(self) -> bool:
        """Who was told at the 202 takes the transfer for done; the PBX still needs the leg."""
        return self._dropped and not self._told_early

    @property
    def _has_limit(self) -> bool:
        return self._course.person_first and self._desk.settings.wait_limit_seconds > 0

    @property
    def _limit_seconds(self) -> float:
        """How long somebody waits for a transfer, or for another after one that failed."""
        if self._has_limit:
            return self._desk.settings.wait_limit_seconds
        waits = self._course.then is None or self._course.auto
        return math.inf if waits else LINK_LOST_SECONDS

    def _patience(self) -> float:
        """Until when, on trio's clock, the call may go on as it is."""
        if not self.answered or self._transfer_over is not None or self._end is not None:
            return math.inf
        if self._leaving or self._person_is_gone:
            return -math.inf
        if self._joined_at is not None:
            return self._joined_at + HANG_UP_SECONDS
        until = self._waits_since + self._limit_seconds
        lost_at = self._telling.lost_at
        if lost_at is not None:
            until = min(until, max(lost_at, self._waits_since) + LINK_LOST_SECONDS)
        return until

    @property
    def _person_is_gone(self) -> bool:
        record = self._transfer
        return (
            record is not None and self._joined_at is None and record.person_with is PersonWith.PBX
        )

    async def _let_go(self) -> None:
        """Nobody took the person: the message, if there is one."""
        self._leaving = True
        if self._joined_at is not None or self._person_is_gone or not self._course.person_first:
            return
        self._abandoned = True
        log.warning("abandoned", action="call.abandoned")
        message = self._desk.settings.wait_message
        if message is None:
            return
        try:
            with self._message_scope:
                await self._line.play(message)
        except BadInput as error:
            log.warning("message not played", action="message.unplayable", why=str(error))
        except IllegalTransition:
            log.info("hung up before the message", action="message.unheard")

    # The books

    def _wall(self, at_seconds: float) -> datetime:
        return self._desk.clock.now() - timedelta(seconds=trio.current_time() - at_seconds)

    async def _finish(self) -> None:
        """End the leg if it still lives, tell the end and close the row; call it shielded."""
        if self._end is None:
            await self._line.hang_up()
            with trio.move_on_after(HANG_UP_SECONDS):
                await self._read()
        if self._end is None:
            self._telling.lost()
        else:
            log.info(
                "call over",
                action="call.ended",
                cause=self._end.cause,
                sip_status=self._end.sip_status,
                sip_call_id=self._sip_call_id,
            )
            status = 200 if self.answered else self._end.sip_status
            self._counts.ended(self._end.cause, sip_status=status)
        self._close_row(dialed=True)

    def close_undialed(self) -> None:
        """Close the row of a call whose INVITE never left."""
        self._close_row(dialed=False)

    def _close_row(self, *, dialed: bool) -> None:
        self._judge()
        self._desk.books.put(self._closed(dialed=dialed), settled=self._settled)

    def _judge(self) -> None:
        """By the same rule as a campaign: joined to an agent too late is abandoned too."""
        if self.answered and self._has_limit:
            until = self._answered_at + self._desk.settings.wait_limit_seconds
            lost = self._joined_at is None and (self._dropped or self._transfer is not None)
            late = self._joined_at is not None and self._joined_at > until
            self._abandoned = self._abandoned or lost or late
        if self._abandoned:
            self._counts.abandoned()

    def _settled(self, disposition: Disposition) -> None:
        self._counts.closed(disposition)
        log.info(
            "attempt closed",
            action="attempt.closed",
            **self.story,
            disposition=disposition,
        )

    @property
    def _person_answered_at(self) -> float | None:
        """When the dialed number answered, on trio's clock; the user's own phone is nobody."""
        if self._course.person_first:
            return self._answered_at if self.answered else None
        record = self._transfer
        # Unconfirmed: the user may have hung up while the number rang.
        confirmed = record is not None and record.outcome is TransferOutcome.ANSWERED
        return self._joined_at if confirmed else None

    def _row_cause(self, *, dialed: bool) -> DisconnectCause | None:
        if not self._course.person_first and self._joined_at is None:
            # A user's phone that was busy says nothing about the number.
            return self._failed_as or DisconnectCause.HUNG_UP
        if self._end is not None:
            return self._end.cause
        return None if dialed else DisconnectCause.HUNG_UP

    def _closed(self, *, dialed: bool) -> AttemptClosed:
        end, transfer, answered_at = self._end, self._transfer, self._person_answered_at
        joined_at = None if answered_at is None else self._joined_at
        return AttemptClosed(
            attempt_id=self._attempt_id,
            cause=self._row_cause(dialed=dialed),
            sip_status=end.sip_status if end else None,
            q850_cause=end.q850_cause if end else None,
            ring_seconds=None if answered_at is None else answered_at - self._started_at,
            wait_seconds=None
            if joined_at is None or answered_at is None
            else joined_at - answered_at,
            transfer_result=transfer.outcome if transfer else None,
            transfer_target=transfer.target if transfer else None,
            transfer_sip_status=transfer.sip_status if transfer else None,
            answered_at=None if answered_at is None else self._wall(answered_at),
            transferred_at=None if joined_at is None else self._wall(joined_at),
            ended_at=self._wall(end.at_seconds) if end else self._desk.clock.now(),
            abandoned=self._abandoned,
            not_followed=end.not_followed if end else "",
        )

"""One TAPI call from `lineMakeCall` on: its turn, its line, its row, and what is asked of it.

    client's turn ─▶ line leased ─▶ row committed ─▶ INVITE ─▶ LINE_REPLY ─▶ `LiveCall`

Whatever happens, the request is answered once and the row is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog
import trio

from acd.errors import BadInput, TrunkUnavailable
from acd.lines import CallerId, CallId, Destination, Line, OriginateRequest
from acd.metrics import call_exemplar
from acd.tapi.books import Desk, Refusal
from acd.tapi.constants import LineCallFeature, LineCallState, LineErr
from acd.tapi.info import CallInfo
from acd.tapi.live import LiveCall
from acd.tapi.order import CallOrder
from acd.tapi.profiles import course_of
from acd.tapi.progress import CallProgressTold
from acd.tapi.telling import CallTelling, Teller

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LEASE_SECONDS = 4 * 3600.0
PLACE_SECONDS = 60.0
"""Longest that a `lineMakeCall` waits for its turn and a line."""

Reply = Callable[[LineErr | Refusal | None], None]
"""Completes an asynchronous request; None: it succeeded."""


class TapiCall:
    """A call that a client has asked for; `run` is its life."""

    def __init__(self, desk: Desk, teller: Teller, order: CallOrder) -> None:
        self.name = order.name
        self.line_number = order.line
        self.over = trio.Event()
        self._desk = desk
        self._order = order
        self._course = course_of(desk.profile, order.dialed.destination, auto=order.auto)
        called = order.info(desk)
        first = called.called if self._course.person_first else self._course.first.user
        self._telling = CallTelling(teller, name=order.name, info=called, connects_to=first)
        self._place_scope = trio.CancelScope(deadline=trio.current_time() + PLACE_SECONDS)
        self._dropped = False
        self._live: LiveCall | None = None

    @property
    def told(self) -> CallProgressTold:
        """The states that the client was told."""
        return self._telling.told

    @property
    def info(self) -> CallInfo:
        """LINECALLINFO."""
        return self._telling.info

    @property
    def idle(self) -> bool:
        """Whether the line could carry the next call."""
        last = self.told.last
        return self.over.is_set() or (last is not None and last.state is LineCallState.IDLE)

    @property
    def person_waits(self) -> bool:
        """Whether somebody has answered whom nobody has yet."""
        return self._live is not None and self._live.person_waits

    @property
    def features(self) -> LineCallFeature:
        """LINECALLFEATUREs in the present state."""
        features = self.told.features
        if self._live is not None and not self._live.may_transfer:
            features &= ~LineCallFeature.BLINDTRANSFER
        return features

    @property
    def desk(self) -> Desk:
        """Who served the line when the call was asked for."""
        return self._desk

    @property
    def rings_own_phone(self) -> bool:
        """Whether the account's own user is called now, whose phones we are one of."""
        return self._live is not None and self._live.rings_phone and self._desk.phone_is_own

    async def run(self, reply: Reply) -> None:
        """Dial and see the call through; answers the `lineMakeCall` exactly once."""
        try:
            async with AsyncExitStack() as lease:
                line = await self._lease(lease)
                placed = LineErr.RESOURCEUNAVAIL if line is None else await self._place(line)
                if isinstance(placed, LineErr | Refusal):
                    reply(LineErr.OPERATIONFAILED if self._dropped else placed)
                    return
                self._live = placed
                if self._dropped:
                    # In the very moment of the INVITE: a request that failed has no call.
                    self._telling.silence()
                    placed.drop_soon()
                reply(LineErr.OPERATIONFAILED if self._dropped else None)
                with structlog.contextvars.bound_contextvars(**placed.story):
                    await placed.run()
        finally:
            self.over.set()

    async def _lease(self, lease: AsyncExitStack) -> Line | None:
        with self._place_scope:
            await self._desk.wait_turn()
            return await lease.enter_async_context(
                self._desk.lines.lease(holder=self._desk.label, deadline_seconds=LEASE_SECONDS)
            )
        return None

    async def _place(self, line: Line) -> LiveCall | LineErr | Refusal:
        """The row, then the INVITE; a row without an INVITE is closed at once."""
        if not self._desk.may_dial:
            return LineErr.RESOURCEUNAVAIL
        attempt_id = await self._desk.begin(self._order.dialed, self.line_number)
        if isinstance(attempt_id, LineErr | Refusal):
            return attempt_id
        live = LiveCall(self._desk, self._telling, line, attempt_id=attempt_id, course=self._course)
        error: LineErr | None = LineErr.OPERATIONFAILED
        try:
            if not self._dropped:
                error = await self._originate(line, attempt_id)
        finally:
            if error is not None:
                live.close_undialed()
        if error is not None:
            return error
        exemplar = call_exemplar(attempt_id)
        self._desk.metrics.originates.labels(self._desk.label).inc(exemplar=exemplar)
        log.info("dialing", action="call.originate", **live.story)
        return live

    async def _originate(self, line: Line, attempt_id: int) -> LineErr | None:
        shown = self._order.caller_id
        request = OriginateRequest(
            call_id=CallId(f"a{attempt_id}"),
            destination=self._course.first,
            headers=self._course.headers,
            ring_timeout_seconds=self._order.no_answer_seconds,
            caller_id=CallerId(number=shown) if shown else None,
            # Where the user's own phone sends a call on is the user's business.
            may_follow=self._desk.may_follow if self._course.person_first else None,
        )
        try:
            await line.originate(request)
        except TrunkUnavailable:
            return LineErr.RESOURCEUNAVAIL
        except BadInput:
            return LineErr.INVALCALLPARAMS
        return None

    def drop(self, reply: Reply) -> None:
        """`lineDrop`: LINE_REPLY, then IDLE alone; at whatever moment."""
        if self.idle:
            reply(LineErr.INVALCALLSTATE)
            return
        reply(None)
        self.drop_soon()

    def drop_soon(self) -> None:
        """End the call; the application asked for it."""
        self._dropped = True
        self._place_scope.cancel()
        if self._live is not None:
            self._live.drop_soon()

    def silence(self) -> None:
        """Say nothing more: the client has let go of the call."""
        self._telling.silence()

    def leave(self) -> None:
        """The client is gone for good: a phone that rings is cancelled, a person let go."""
        if self._live is not None and self._live.answered:
            self._live.let_go_soon()
        else:
            self.drop_soon()

    def link_changed(self) -> None:
        """The client was lost or is back."""
        if self._live is not None:
            self._live.look_again()

    def transfer(self, target: Destination, written: str, reply: Reply) -> None:
        """`lineBlindTransfer`; look at `features` in the same step before."""
        if self._live is None:
            reply(LineErr.INVALCALLSTATE)
        else:
            self._live.transfer_soon(target, written, reply)

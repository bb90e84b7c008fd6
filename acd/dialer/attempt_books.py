"""What is told of one attempt: to SQL, to metrics, to the log."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
import trio

from acd.agents import AgentId
from acd.calls import DisconnectCause
from acd.dialer.dialing import CallsInFlight, Dialing
from acd.dialer.handover import Handover
from acd.dialer.leftovers import dialog_as_json
from acd.dialer.person import LegWatch
from acd.lines import DialogId
from acd.lines.records import TransferRecord
from acd.metrics import call_exemplar, response_class
from acd.rules.dispositions import Disposition
from acd.store.attempts import AgentTimes, AttemptClosed
from acd.store.outcomes import AttemptAnswered, DialogSeen

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class AttemptBooks:
    """The books of one attempt; nothing here waits for anything."""

    def __init__(
        self, dialing: Dialing, in_flight: CallsInFlight, *, lead_id: int, attempt_id: int
    ) -> None:
        self._dialing = dialing
        self._in_flight = in_flight
        self._lead_id = lead_id
        self._attempt_id = attempt_id
        self._campaign = dialing.campaign.name
        self.series = dialing.metrics.of_calls(dialing.campaign.name)
        self._started_at = trio.current_time()
        self._began = dialing.clock.now()
        self._sip_call_id = ""
        self._is_live_answer = False
        self._rang = False
        # Looked up once: a call writes six lines, and each look-up takes 6 µs, wanted or not.
        self.log = log.bind()
        self.exemplar = call_exemplar(attempt_id)
        """Leads from a metric to this call."""

    def saw_dialog(self, dialog: DialogId) -> None:
        """The other side has answered with anything that makes a dialog."""
        self._sip_call_id = dialog.call_id
        self._dialing.outcomes.put(
            DialogSeen(
                attempt_id=self._attempt_id,
                sip_call_id=dialog.call_id,
                dialog=dialog_as_json(dialog),
            )
        )

    def answered(self, at_seconds: float) -> None:
        """The 2xx."""
        self.log.info("answered", action="call.answered")
        self.series.ring_seconds.observe(max(0.0, at_seconds - self._started_at), self.exemplar)
        self._dialing.outcomes.put(
            AttemptAnswered(attempt_id=self._attempt_id, at=self._wall(at_seconds))
        )

    def saw_agent(self, answered_at: float, handover: Handover) -> None:
        """The feed has seen something of the agent's phone; also after our own leg is over."""
        times = (handover.rang_at, handover.answered_at)
        rang_at, agent_at = (None if at is None else self._wall(at) for at in times)
        if handover.rang_at is not None and not self._rang:
            self._rang = True
            self.series.answer_to_ring_seconds.observe(
                max(0.0, handover.rang_at - answered_at), self.exemplar
            )
        self._dialing.outcomes.put(
            AgentTimes(
                attempt_id=self._attempt_id,
                rang_at=rang_at,
                answered_at=agent_at,
                talk_seconds=handover.talk_seconds,
                agent=handover.agent,
            )
        )

    def joined(self, wait_seconds: float) -> None:
        """An agent has the person, so long after the answer."""
        self._count_live_answer()
        self.series.answer_to_agent_seconds.observe(max(0.0, wait_seconds), self.exemplar)

    def _count_live_answer(self) -> None:
        """As the ledger does: a person who was joined with an agent, or abandoned, or both."""
        if self._is_live_answer:
            return
        self._is_live_answer = True
        self.series.live_answers.inc(exemplar=self.exemplar)

    def abandoned(self) -> None:
        """Nobody had the person in time."""
        self._in_flight.abandoned.add(self._lead_id)
        self._count_live_answer()
        self.series.abandoned.inc(exemplar=self.exemplar)
        self.log.warning("abandoned", action="call.abandoned")

    def close(
        self,
        watch: LegWatch,
        *,
        dialed: bool,
        transfer: TransferRecord | None,
        referred_at: float | None,
        joined_at: float | None,
        abandoned: bool,
        agent: AgentId | None,
    ) -> None:
        """The attempt is over; its row is closed soon.

        Args:
            watch: of the leg.
            dialed: whether its INVITE left.
            transfer: the last one.
            referred_at: when its REFER left.
            joined_at: when an agent had the person.
            abandoned: as it was judged.
            agent: who has the person, or was offered them last.
        """
        self._count_end(watch)
        end, answered_at = watch.end, watch.answered_at
        closed = AttemptClosed(
            attempt_id=self._attempt_id,
            # A row whose INVITE never left has no doubt about it: nobody's phone rang.
            cause=end.cause if end else None if dialed else DisconnectCause.HUNG_UP,
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
            referred_at=None if referred_at is None else self._wall(referred_at),
            transferred_at=None if joined_at is None else self._wall(joined_at),
            ended_at=self._wall(end.at_seconds) if end else self._dialing.clock.now(),
            abandoned=abandoned,
            agent=agent,
            not_followed=end.not_followed if end else "",
        )
        self._dialing.outcomes.put(closed, settled=self._settled)

    def _count_end(self, watch: LegWatch) -> None:
        end = watch.end
        if (progress_at := watch.progress_at) is not None:
            self.series.setup_seconds.observe(
                max(0.0, progress_at - self._started_at), self.exemplar
            )
        if end is not None:
            self.log.info(
                "call over",
                action="call.ended",
                cause=end.cause,
                sip_status=end.sip_status,
                sip_call_id=self._sip_call_id,
            )
            if end.not_followed:
                self.log.info("redirect not followed", action="redirect.left", why=end.not_followed)
            self.series.ended[end.cause].inc(exemplar=self.exemplar)
            seen = response_class(200 if watch.answered_at is not None else end.sip_status)
            self.series.responses[seen].inc(exemplar=self.exemplar)

    def _settled(self, disposition: Disposition) -> None:
        """The row is closed; this runs in the task that writes."""
        self._in_flight.written(self._lead_id)
        self.series.dispositions[disposition].inc(exemplar=self.exemplar)
        self.log.info(
            "attempt closed",
            action="attempt.closed",
            disposition=disposition,
            **self.names,
        )

    @property
    def names(self) -> dict[str, object]:
        """What its log lines carry, for those that other tasks write."""
        return {
            "campaign": self._campaign,
            "lead": self._lead_id,
            "attempt": self._attempt_id,
            "call": f"a{self._attempt_id}",
        }

    def _wall(self, at_seconds: float) -> datetime:
        """A moment on trio's clock as time of day, of a clock that nobody sets during a call."""
        return self._began + timedelta(seconds=at_seconds - self._started_at)

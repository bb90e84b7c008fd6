"""One TAPI call in `/metrics`: under its client's name where campaigns have theirs.

Exemplars lead from a point in a graph to the call's log lines, as for campaigns.
"""

from __future__ import annotations

from acd.calls import DisconnectCause
from acd.lines import Alerting, LineEvent, Proceeding
from acd.metrics import Metrics, call_exemplar, response_class
from acd.rules.dispositions import Disposition, TransferOutcome

RINGING_OR_PROGRESS = 180


class CallCounts:
    """Counts each step once; seconds are from the INVITE or the answer, as named."""

    def __init__(self, metrics: Metrics, label: str, *, attempt_id: int) -> None:
        self._metrics = metrics
        self._label = label
        self._exemplar = call_exemplar(attempt_id)
        self._seen_progress = False

    def saw(self, event: LineEvent, *, started_at: float) -> None:
        """The first sign of a phone, from whatever the line tells."""
        progress = isinstance(event, Alerting) or (
            isinstance(event, Proceeding) and event.sip_status >= RINGING_OR_PROGRESS
        )
        if progress and not self._seen_progress:
            self._seen_progress = True
            seconds = max(0.0, event.at_seconds - started_at)
            self._metrics.setup_seconds.labels(self._label).observe(seconds, self._exemplar)

    def answered(self, ring_seconds: float) -> None:
        """A person, so long after the INVITE."""
        self._metrics.live_answers.labels(self._label).inc(exemplar=self._exemplar)
        ring = self._metrics.ring_seconds.labels(self._label)
        ring.observe(max(0.0, ring_seconds), self._exemplar)

    def referred(self, wait_seconds: float) -> None:
        """REFER is ordered, so long after the answer."""
        wait = self._metrics.answer_to_refer_seconds.labels(self._label)
        wait.observe(max(0.0, wait_seconds), self._exemplar)

    def transferred(self, outcome: TransferOutcome) -> None:
        """What became of a `lineBlindTransfer`."""
        self._metrics.transfers.labels(self._label, outcome).inc(exemplar=self._exemplar)

    def joined(self, wait_seconds: float) -> None:
        """An agent has the person, so long after the answer."""
        wait = self._metrics.answer_to_agent_seconds.labels(self._label)
        wait.observe(max(0.0, wait_seconds), self._exemplar)

    def ended(self, cause: DisconnectCause, *, sip_status: int | None) -> None:
        """The leg is over; `sip_status` is 200 where somebody answered."""
        self._metrics.ended.labels(self._label, cause).inc(exemplar=self._exemplar)
        seen = response_class(sip_status)
        self._metrics.responses.labels(self._label, seen).inc(exemplar=self._exemplar)

    def abandoned(self) -> None:
        """Nobody took the person in time."""
        self._metrics.abandoned.labels(self._label).inc(exemplar=self._exemplar)

    def closed(self, disposition: Disposition) -> None:
        """The row is closed."""
        self._metrics.dispositions.labels(self._label, disposition).inc(exemplar=self._exemplar)

from __future__ import annotations

import pytest

from acd.dialer.holding import why_held
from acd.dialer.pacing import PacingSnapshot
from acd.rules.hold import Hold


def snapshot(
    *,
    ready: int = 2,
    unanswered: int = 0,
    queued: int = 0,
    waiting: int = 0,
    lines: int = 5,
    leads: int = 5,
) -> PacingSnapshot:
    return PacingSnapshot(
        ready_agents=ready,
        certain_agents=ready,
        unanswered_calls=unanswered,
        queued_calls=queued,
        waiting_persons=waiting,
        free_lines=lines,
        lines_to_ask_for=8,
        leads_at_hand=leads,
    )


@pytest.mark.parametrize(
    ("seen", "started", "hold"),
    [
        (snapshot(), 2, Hold.NONE),
        (snapshot(ready=0, leads=0), 0, Hold.NO_READY_AGENT),
        (snapshot(unanswered=2), 0, Hold.ENOUGH_CALLS),
        (snapshot(unanswered=1, waiting=1, lines=0), 0, Hold.ENOUGH_CALLS),
        (snapshot(lines=0), 0, Hold.NO_FREE_LINE),
        (snapshot(unanswered=2, queued=2, lines=0), 0, Hold.NO_FREE_LINE),
        (snapshot(unanswered=2, queued=2, leads=0), 0, Hold.ENOUGH_CALLS),
        (snapshot(leads=0), 0, Hold.NO_LEAD),
    ],
)
def test_the_reason_is_the_one_that_somebody_can_act_upon(
    seen: PacingSnapshot, started: int, hold: Hold
) -> None:
    assert why_held(seen, started=started) is hold

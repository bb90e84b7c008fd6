"""Why a look at a campaign started no call: pure, the snapshot that pacing saw in, a word out."""

from __future__ import annotations

from acd.dialer.pacing import PacingSnapshot
from acd.rules.hold import Hold


def why_held(snapshot: PacingSnapshot, *, started: int) -> Hold:
    """What stood in the way, the first reason of those that a person can do something about.

    Args:
        snapshot: what pacing saw.
        started: how many calls it then started.
    """
    if started:
        return Hold.NONE
    if snapshot.ready_agents == 0:
        return Hold.NO_READY_AGENT
    dialed = snapshot.unanswered_calls - snapshot.queued_calls
    if dialed + snapshot.waiting_persons >= snapshot.ready_agents:
        return Hold.ENOUGH_CALLS
    if snapshot.free_lines <= 0:
        return Hold.NO_FREE_LINE
    if snapshot.leads_at_hand + snapshot.queued_calls == 0:
        return Hold.NO_LEAD
    return Hold.ENOUGH_CALLS

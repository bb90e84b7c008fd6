"""A callback goes to the agent who promised it: reserved before it is dialed.

The agent is taken out of the roster before the INVITE leaves, so that nobody else is given to
them while the lead's phone rings; whatever does not come of the call, they are ready again.
"""

from __future__ import annotations

import structlog
import trio

from acd.dialer.attempts import run_attempt
from acd.dialer.dialing import CallsInFlight, Dialing, OwnerHold
from acd.store.leads import ClaimedLead
from acd.store.outcomes import GivenBack

log: structlog.stdlib.BoundLogger = structlog.get_logger()


async def run_claimed(
    dialing: Dialing, lead: ClaimedLead, in_flight: CallsInFlight, stop: trio.Event
) -> None:
    """`run_attempt`, with the lead's own agent where it is kept for one.

    A lead whose agent is no longer ready, or needed by another campaign's call, is given back, and
    waits for them or for its time.
    """
    if lead.callback_agent is None:
        await run_attempt(dialing, lead, in_flight, stop)
        return
    place = dialing.roster.reserve_agent(dialing.campaign.campaign_id, lead.callback_agent)
    # Needs none of the agents whom the pacing counts.
    in_flight.settled(lead.lead_id)
    if place is None:
        dialing.outcomes.put(GivenBack(lead_ids=(lead.lead_id,)))
        return
    hold = OwnerHold(place)
    # It may wait for a line for longer than its claim lasts.
    in_flight.owned.add(lead.lead_id)
    try:
        await run_attempt(dialing, lead, in_flight, stop, owner=hold)
    finally:
        in_flight.owned.discard(lead.lead_id)
        if (left := hold.take()) is not None:
            dialing.roster.give_back(left)

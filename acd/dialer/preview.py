"""Preview dialing: an agent takes a lead, looks at it, and has it dialed or skips it.

    take ─▶ agent reserved ─▶ lead claimed ─▶ shown ─┬ accept, or the time is over ─▶ run_attempt
                                                     ├ skip ─▶ the lead waits a while
                                                     └ stop, agent gone ─▶ the lead is free

`PreviewDesk` is what desktops ask; each campaign that runs has its `CampaignPreviews`, which
carries out what was asked in the campaign's own nursery. The claim is a lease as in the hopper: an
engine that dies leaves a claimed lead, which its next start frees. Whether the lead may be dialed
is asked at the claim and, as for every other one, once more when its attempt begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
import trio

from acd.agents import AgentId
from acd.dialer.attempts import run_attempt
from acd.dialer.dialing import CallsInFlight, Dialing, OwnerHold
from acd.dialer.places import AgentPlace
from acd.errors import BadInput, Problem
from acd.rules.definition import DialMode
from acd.rules.preview import PreviewEnd, PreviewTimeout
from acd.store.leads import ClaimedLead, claim_leads
from acd.store.outcomes import GivenBack, LeadSkipped

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Preview:
    """One lead before one agent."""

    agent: str
    """Their name."""
    campaign: str
    lead: ClaimedLead
    place: AgentPlace
    until: datetime
    """When the campaign decides for the agent."""
    end: PreviewEnd | None = None
    """None: the agent still looks at it."""
    left: trio.Event = field(default_factory=trio.Event)
    """Set when the agent has nothing more to do with this lead."""
    _ended: trio.Event = field(default_factory=trio.Event)

    def finish(self, end: PreviewEnd) -> None:
        """Let this be what the agent says; the first word counts."""
        if self.end is None:
            self.end = end
            self._ended.set()

    async def wait_end(self) -> None:
        """Wait until it is over."""
        await self._ended.wait()


class CampaignPreviews:
    """The previews of one campaign while it runs on this node.

    Args:
        dialing: the campaign's present surroundings.
        in_flight: where its attempts stand.
        stop: the event of the moment that is set when no new call may start.
        over: told each preview's end, its call's included.
    """

    def __init__(
        self,
        dialing: Callable[[], Dialing],
        in_flight: CallsInFlight,
        *,
        stop: Callable[[], trio.Event],
        over: Callable[[], None],
    ) -> None:
        self._dialing = dialing
        self._in_flight = in_flight
        self._stop = stop
        self._over = over
        self._nursery: trio.Nursery | None = None
        self._shown: dict[AgentId, Preview] = {}

    @property
    def dialing(self) -> Dialing:
        """The campaign's present surroundings."""
        return self._dialing()

    @property
    def on(self) -> bool:
        """Whether the campaign is dialed by previews."""
        return self.dialing.campaign.definition.dial_mode is DialMode.PREVIEW

    @property
    def lead_ids(self) -> set[int]:
        """Whose claims are to be renewed."""
        return {preview.lead.lead_id for preview in self._shown.values()}

    def open(self, nursery: trio.Nursery) -> None:
        """Run previews in the campaign's nursery from now on; they end before it does."""
        self._nursery = nursery

    def of(self, agent: AgentId) -> Preview | None:
        """What an agent looks at, or is being connected to."""
        return self._shown.get(agent)

    async def take(self, agent: AgentId, name: str) -> Preview | None:
        """Reserve an agent and show them the next lead; None: no lead may be dialed now.

        Raises:
            BadInput: the agent is not ready, or the campaign cannot dial.
            StoreUnavailable: the database is away.
        """
        dialing, nursery, stop = self.dialing, self._nursery, self._stop()
        if nursery is None or stop.is_set() or not dialing.trunk.health.may_dial:
            raise BadInput(f"campaign {dialing.campaign.name}: it cannot dial at this moment")
        place = dialing.roster.reserve_agent(dialing.campaign.campaign_id, agent)
        if place is None:
            raise BadInput(
                Problem(
                    f"agent {name}",
                    "they are not ready, or another campaign's call needs them",
                    "a lead is shown to agents who are free",
                )
            )
        with ExitStack() as unless_shown:
            unless_shown.callback(dialing.roster.give_back, place)
            lead = await self._claim(agent, name)
            if lead is None or stop.is_set():
                campaign = dialing.campaign.name
                log.debug("no lead to show", action="preview.none", agent=name, campaign=campaign)
                self._free(lead)
                return None
            unless_shown.pop_all()
        preview = self._shown[agent] = self._preview(name, lead, place)
        nursery.start_soon(self._see_through, preview, stop)
        return preview

    async def _claim(self, agent: AgentId, name: str) -> ClaimedLead | None:
        # Shielded: a client that goes away must not leave a lead that nobody holds.
        with trio.CancelScope(shield=True):
            claimed = await self.dialing.store.run(
                claim_leads,
                campaign_id=self.dialing.campaign.campaign_id,
                node=self.dialing.node,
                limit=1,
                now=self.dialing.clock.now(),
                ready_names={agent, name},
            )
        return claimed[0] if claimed else None

    def _preview(self, name: str, lead: ClaimedLead, place: AgentPlace) -> Preview:
        campaign = self.dialing.campaign
        seconds = campaign.definition.preview_seconds
        return Preview(
            agent=name,
            campaign=campaign.name,
            lead=lead,
            place=place,
            until=self.dialing.clock.now() + timedelta(seconds=seconds),
        )

    def _free(self, lead: ClaimedLead | None) -> None:
        if lead is not None:
            self.dialing.outcomes.put(GivenBack(lead_ids=(lead.lead_id,)))

    async def _see_through(self, preview: Preview, stop: trio.Event) -> None:
        """From the moment at which the lead is shown until it is dialed, or somebody else's."""
        hold = OwnerHold(preview.place)
        context = {"campaign": preview.campaign, "lead": preview.lead.lead_id}
        with structlog.contextvars.bound_contextvars(**context):
            log.info("lead shown", action="preview.shown", agent=preview.agent)
            try:
                await self._decide(preview, stop)
                await self._carry_out(preview, hold, stop)
            finally:
                if preview.end is None:
                    # Cancelled: the engine ends at once.
                    self._free(preview.lead)
                del self._shown[preview.place.agent]
                if (left := hold.take()) is not None:
                    self.dialing.roster.give_back(left)
                preview.left.set()
                self._over()

    async def _decide(self, preview: Preview, stop: trio.Event) -> None:
        """Wait for the agent's word, the end of their time, or that of the campaign.

        Who logs off, is not ready or has lost a skill looks at nothing any more. What a feed says
        of the phone is asked at the end alone: one that registers anew takes no lead off a screen.
        """
        seconds = self.dialing.campaign.definition.preview_seconds
        with trio.move_on_after(seconds) as in_time:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_after, stop.wait, nursery.cancel_scope)
                gone = partial(
                    self.dialing.roster.wait_unwilling,
                    self.dialing.campaign.campaign_id,
                    preview.place.agent,
                )
                nursery.start_soon(_cancel_after, gone, nursery.cancel_scope)
                await preview.wait_end()
                nursery.cancel_scope.cancel()
        preview.finish(PreviewEnd.TIMED_OUT if in_time.cancelled_caught else PreviewEnd.WITHDRAWN)

    async def _carry_out(self, preview: Preview, hold: OwnerHold, stop: trio.Event) -> None:
        dialing, definition = self.dialing, self.dialing.campaign.definition
        end = preview.end or PreviewEnd.WITHDRAWN
        dials = end is PreviewEnd.ACCEPTED or (
            end is PreviewEnd.TIMED_OUT and definition.preview_timeout is PreviewTimeout.DIAL
        )
        if dials and not dialing.roster.may_be_called(preview.place):
            end, dials = PreviewEnd.WITHDRAWN, False
        dialing.metrics.previews.labels(preview.campaign, end).inc()
        log.info("lead decided", action="preview.end", agent=preview.agent, end=end)
        if dials:
            await run_attempt(dialing, preview.lead, self._in_flight, stop, owner=hold)
        elif end is PreviewEnd.WITHDRAWN:
            self._free(preview.lead)
        else:
            dialing.outcomes.put(
                LeadSkipped(
                    lead_id=preview.lead.lead_id,
                    agent=preview.agent,
                    until=dialing.clock.now() + timedelta(seconds=definition.preview_skip_seconds),
                )
            )


async def _cancel_after(wait: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    await wait()
    scope.cancel()


class PreviewDesk:
    """What desktops ask about previews, whichever campaign they belong to."""

    def __init__(self, campaigns: Callable[[], Iterable[CampaignPreviews]]) -> None:
        self._campaigns = campaigns

    async def take(self, agent: AgentId, name: str, campaign: str = "") -> Preview | None:
        """Show an agent the next lead, or the one that they look at; None: there is none now.

        Args:
            agent: their extension.
            name: theirs.
            campaign: whose lead; empty: of the one preview campaign that they serve.

        Raises:
            BadInput: no such campaign runs for them, or they are not ready.
            StoreUnavailable: the database is away.
        """
        if (present := self.of(agent)) is not None:
            return present
        return await self._campaign_for(agent, name, campaign).take(agent, name)

    def of(self, agent: AgentId) -> Preview | None:
        """What an agent looks at, or is being connected to."""
        found = (previews.of(agent) for previews in self._campaigns())
        return next((preview for preview in found if preview is not None), None)

    async def finish(self, agent: AgentId, name: str, end: PreviewEnd) -> Preview:
        """The agent accepts or skips what they look at; who has skipped is free after it.

        Raises:
            BadInput: they look at nothing, or it is decided already.
        """
        preview = self.of(agent)
        if preview is None or preview.end not in (None, end):
            raise BadInput(
                Problem(f"agent {name}", "they look at no lead", "take one before it is decided")
            )
        preview.finish(end)
        if end is PreviewEnd.SKIPPED:
            await preview.left.wait()
        return preview

    def _campaign_for(self, agent: AgentId, name: str, campaign: str) -> CampaignPreviews:
        serving = {
            previews.dialing.campaign.name: previews
            for previews in self._campaigns()
            if previews.on
            and previews.dialing.roster.serves(previews.dialing.campaign.campaign_id, agent)
        }
        known = ", ".join(sorted(serving)) or "none"
        if campaign and campaign not in serving:
            raise BadInput(
                Problem(
                    f"campaign {campaign}",
                    f"it does not run with previews for agent {name}",
                    f"theirs: {known}",
                )
            )
        if not campaign and len(serving) != 1:
            raise BadInput(
                Problem(f"agent {name}", "say which campaign's lead", f"running for them: {known}")
            )
        return serving[campaign or known]

"""Which campaigns run on this node: those that SQL says are to (`CampaignControl`)."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
import trio

from acd.dialer.agents_book import AgentBook
from acd.dialer.beginnings import Beginnings
from acd.dialer.campaign_run import CampaignRun
from acd.dialer.dialing import Dialing
from acd.dialer.outcomes import Outcomes
from acd.dialer.preview import CampaignPreviews
from acd.dialer.store_watch import StoreWatch
from acd.dialer.surroundings import Surroundings
from acd.errors import StoreUnavailable
from acd.lines import Door
from acd.store.campaigns import CampaignRow, running_campaigns

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_SECONDS = 0.5
"""How often SQL is asked unprompted which campaigns run."""


class CampaignControl:
    """Starts, renews and stops campaigns."""

    def __init__(
        self,
        around: Surroundings,
        *,
        store: StoreWatch,
        beginnings: Beginnings,
        book: AgentBook,
    ) -> None:
        self._around = around
        self._store = store
        self._beginnings = beginnings
        self._book = book
        self._outcomes: Outcomes
        self._stopping = trio.Event()
        self._look = trio.Event()
        self._changed = trio.Event()
        self._runs: dict[int, CampaignRun] = {}
        self._trunkless: set[tuple[int, int]] = set()
        """Campaigns, each with its version, whose trunk's absence was logged."""

    def write_to(self, outcomes: Outcomes) -> None:
        """Where attempts are written; to be told before `follow`."""
        self._outcomes = outcomes

    @property
    def running(self) -> tuple[CampaignRow, ...]:
        """The campaigns that run, each in the version that is dialed."""
        return tuple(run.campaign for run in self._runs.values())

    def previews(self) -> list[CampaignPreviews]:
        """Those of each campaign that runs."""
        return [run.previews for run in self._runs.values()]

    async def wait_change(self) -> None:
        """Wait until another campaign or another version runs, or one no more."""
        await self._changed.wait()

    def look(self) -> None:
        """Ask SQL now, instead of at the next look."""
        self._look.set()

    def stop(self) -> None:
        """Start no more calls; `follow` returns, and its tasks end with the present calls."""
        self._stopping.set()
        self._look.set()
        for run in self._runs.values():
            run.stop()

    async def follow(self, nursery: trio.Nursery, *, until_finished: bool) -> None:
        """Run campaigns as SQL says, each as a task of `nursery`, until `stop`.

        Args:
            nursery: the campaigns'.
            until_finished: return as soon as no campaign runs any more.
        """
        while not self._stopping.is_set():
            try:
                # Agents first: nobody who is logged off may be offered a person of a new campaign.
                await self._book.read()
                rows = await self._store.read(running_campaigns)
            except StoreUnavailable:
                pass  # what runs goes on as it is
            else:
                if self._stopping.is_set():
                    # Told while SQL was read: what has just been left must not be taken up again.
                    return
                self._take_up(nursery, {row.campaign_id: row for row in rows})
                if until_finished and not self._runs:
                    return
            self._look = trio.Event()
            with trio.move_on_after(LOOK_SECONDS):
                await self._look.wait()

    def _take_up(self, nursery: trio.Nursery, rows: Mapping[int, CampaignRow]) -> None:
        for campaign_id, run in self._runs.items():
            if campaign_id not in rows:
                run.stop()
        for campaign_id, row in rows.items():
            present = self._runs.get(campaign_id)
            if present is not None and _is_dialed(present, row):
                continue
            dialing = self._dialing(row)
            if dialing is None:
                if present is not None:
                    present.stop()
            elif present is None:
                self._runs[campaign_id] = started = CampaignRun(dialing)
                self._notice()
                nursery.start_soon(self._run_campaign, started)
            else:
                self._change(present, dialing)

    def _change(self, run: CampaignRun, dialing: Dialing) -> None:
        """Have what runs, or ends its last calls, dial on as SQL says now."""
        name = run.campaign.name
        if run.campaign.version != dialing.campaign.version:
            run.renew(dialing)
            self._notice()
            log.info("campaign reloaded", action="campaign.reloaded", campaign=name)
        if run.stopped:
            run.resume()
            log.info("campaign resumed", action="campaign.resumed", campaign=name)

    async def _run_campaign(self, run: CampaignRun) -> None:
        name = run.campaign.name
        self._around.metrics.know_campaign(name)
        log.info("campaign started", action="campaign.started", campaign=name)
        try:
            await run.run()
        finally:
            del self._runs[run.campaign.campaign_id]
            self._around.metrics.rest_campaign(name)
            self._notice()
            log.info("campaign left", action="campaign.left", campaign=name)
            # It may have been started again in the moment in which it ended.
            self.look()

    def _notice(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _dialing(self, row: CampaignRow) -> Dialing | None:
        """What the campaign is dialed with; None: this engine has no such trunk."""
        around = self._around
        trunk_settings = {trunk.name: trunk for trunk in around.settings.trunk}
        name = row.trunk or around.settings.trunk[0].name
        if name not in trunk_settings:
            self._miss_trunk(row, name)
            return None
        return Dialing(
            campaign=row,
            trunk=around.trunks[name],
            trunk_settings=trunk_settings[name],
            door=Door(around.settings.destinations, trunk_settings[name]),
            roster=self._book.roster,
            feed=around.feed,
            store=self._store,
            beginnings=self._beginnings,
            outcomes=self._outcomes,
            metrics=around.metrics,
            clock=around.clock,
            node=around.node,
            comfort_audio=around.comfort_audio,
        )

    def _miss_trunk(self, row: CampaignRow, trunk: str) -> None:
        # SQL is asked twice a second: once a version is enough.
        if (row.campaign_id, row.version) not in self._trunkless:
            self._trunkless.add((row.campaign_id, row.version))
            log.error(
                "campaign not dialed, its trunk is not in acd.toml",
                action="campaign.no_trunk",
                campaign=row.name,
                trunk=trunk,
            )


def _is_dialed(run: CampaignRun, row: CampaignRow) -> bool:
    return run.campaign.version == row.version and not run.stopped

"""What only SQL knows of a campaign, read beside its calls."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
import trio
import trio.testing

from acd.clock import SystemClock
from acd.dialer import campaign_watch
from acd.dialer.campaign_watch import CampaignWatch
from acd.dialer.ledger_watch import LedgerWatch
from acd.dialer.store_watch import StoreWatch
from acd.metrics import Metrics
from acd.store import open_store_sync
from acd.store.campaigns import campaign_by_id
from tests.contract.store.world import World


async def test_a_count_that_fails_is_no_word_about_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def counts(_conn: sa.Connection, **_: object) -> None:
        token.run_sync_soon(asked.set)
        raise sa.exc.OperationalError("SELECT", {}, Exception("interrupted"))

    monkeypatch.setattr(campaign_watch, "campaign_counts", counts)
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as store:
        campaign = store.read_sync(campaign_by_id, World(store).campaign())
        metrics, clock = Metrics(), SystemClock()
        database = StoreWatch(store, metrics)
        watch = CampaignWatch(
            campaign.name,
            store=database,
            ledger=LedgerWatch(campaign.campaign_id, store=database, clock=clock, node="node"),
            metrics=metrics,
            clock=clock,
        )
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch.count, lambda: campaign)
                await asked.wait()
                await trio.testing.wait_all_tasks_blocked(cushion=0.05)
                nursery.cancel_scope.cancel()
        assert database.up
        assert metrics.registry.get_sample_value("acd_store_up") == 1

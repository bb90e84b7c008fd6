"""`[[filter]]` in SQL as in the judge: excluded leads are neither claimed nor waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import sqlalchemy as sa

from acd.rules.definition import FilterTable
from acd.store import Store
from acd.store import schema as t
from acd.store.campaigns import finish_if_exhausted
from acd.store.filters import passes
from tests.contract.store.world import NOON, World

VALUES = (
    "Österreich",
    "ÖSTERREICH",
    "österreich ",
    "Straße",
    "STRASSE",
    "strasse",
    "ΟΔΟΣ",
    "οδός",
    "οδος",
    "İstanbul",
    "istanbul",
    "Ĳssel",
    "ﬁsch",
    "\u0436\u0443\u043a",
    "\u0416\u0423\u041a",
    "",
    "Wien",
)


def lead_with_each(world: World, campaign: int, values: Sequence[str]) -> Mapping[int, str]:
    """Lead → what its column `place` says."""
    world.leads(campaign, len(values))

    def write(conn: sa.Connection) -> Mapping[int, str]:
        ids = conn.scalars(
            sa.select(t.leads.c.lead_id)
            .where(t.leads.c.campaign_id == campaign)
            .order_by(t.leads.c.lead_id)
        ).all()
        found = dict(zip(ids, values, strict=True))
        for lead_id, value in found.items():
            conn.execute(
                sa.update(t.leads)
                .where(t.leads.c.lead_id == lead_id)
                .values(columns={"place": value})
            )
        return found

    return world.store.run_sync(write)


@pytest.mark.parametrize("kind", ["one_of", "none_of"])
@pytest.mark.parametrize("wanted", VALUES)
def test_sql_and_the_judge_find_the_same_leads(
    world: World, store: Store, kind: str, wanted: str
) -> None:
    leads = lead_with_each(world, world.campaign(), VALUES)
    rule = FilterTable.model_validate({"column": "place", kind: [wanted, "nowhere"]})
    found = store.read_sync(
        lambda conn: set(conn.scalars(sa.select(t.leads.c.lead_id).where(passes(rule))))
    )
    judged = {lead_id for lead_id, value in leads.items() if rule.passes({"place": value})}
    assert {leads[lead_id] for lead_id in found} == {leads[lead_id] for lead_id in judged}


def test_leads_beyond_ascii_that_a_filter_excludes_keep_nobody_from_being_dialed(
    world: World,
) -> None:
    campaign = world.campaign(filter=[{"column": "place", "one_of": ["Österreich"]}])
    leads = lead_with_each(world, campaign, ["Übersee"] * 30 + ["ÖSTERREICH"])
    claimed = world.claim(campaign, limit=10)
    assert [leads[lead.lead_id] for lead in claimed] == ["ÖSTERREICH"]


def test_a_campaign_is_finished_when_its_filters_exclude_all_that_waits(
    world: World, store: Store
) -> None:
    campaign = world.campaign(filter=[{"column": "place", "one_of": ["Österreich"]}])
    lead_with_each(world, campaign, ["Übersee", "österreich"])
    assert not store.run_sync(finish_if_exhausted, campaign, NOON)
    (lead,) = world.claim(campaign)
    attempt = world.dial(lead)
    assert not store.run_sync(finish_if_exhausted, campaign, NOON)
    world.close(attempt, None)
    assert world.lead(lead.lead_id).state == "review"
    assert store.run_sync(finish_if_exhausted, campaign, NOON)

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.rules.callbacks import owner_of
from acd.store import Store
from acd.store import schema as t
from acd.store.asking_again import all_asked_again, version_to_ask_by
from acd.store.campaigns import CampaignState, set_campaign_state
from acd.store.dnc import add_numbers, open_list, remove_numbers
from acd.store.events import Subject, events_of
from acd.store.lead_changes import promise_callback, reset_leads
from acd.store.leads import LEASE, claim_leads, renew_claims, skip_lead, unclaim_leads
from acd.store.outcomes import TurnedAway
from tests.contract.store.world import NOON, World, later


def test_a_claim_takes_the_longest_waiting_leads_and_no_more_than_asked(world: World) -> None:
    campaign = world.campaign()
    world.leads(campaign, 2, now=later(hours=-1))
    world.leads(campaign, 2, now=later(hours=-2))
    first = world.claim(campaign, limit=3)
    assert [lead.lead_id for lead in first] == [3, 4, 1]
    assert [lead.lead_id for lead in world.claim(campaign)] == [2]


def test_a_claimed_lead_carries_what_dialing_needs(world: World) -> None:
    campaign = world.campaign()
    [e164] = world.leads(campaign)
    [lead] = world.claim(campaign)
    assert (lead.e164, lead.attempt_no, lead.columns) == (e164, 1, {"name": "lead 1"})


def test_two_nodes_never_hold_the_same_lead(world: World) -> None:
    campaign = world.campaign()
    world.leads(campaign, 4)
    a = world.claim(campaign, limit=2, node="a")
    b = world.claim(campaign, limit=4, node="b")
    assert {lead.lead_id for lead in a}.isdisjoint(lead.lead_id for lead in b)
    assert len(a) + len(b) == 4


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.STOPPED])
def test_a_campaign_that_does_not_run_has_nothing_to_claim(
    world: World, store: Store, state: CampaignState
) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    store.run_sync(set_campaign_state, campaign_id=campaign, state=state, now=NOON)
    assert world.claim(campaign) == []


def test_outside_calling_hours_nothing_is_claimed(world: World) -> None:
    campaign = world.campaign(calling_hours={"monday": ["13:00-14:00"]})
    world.leads(campaign)
    assert world.claim(campaign, now=NOON) == []
    assert len(world.claim(campaign, now=later(hours=1))) == 1


def test_each_lead_is_claimed_by_its_own_clock(world: World) -> None:
    campaign = world.campaign(calling_hours={"monday": ["09:00-20:00"]})
    [new_york] = world.leads(campaign, zones=("America/New_York",))
    [vienna] = world.leads(campaign, zones=("Europe/Vienna",))
    [lead] = world.claim(campaign, now=NOON)
    assert lead.e164 == vienna
    world.close(world.dial(lead), DisconnectCause.BLOCKED)
    assert [lead.e164 for lead in world.claim(campaign, now=later(hours=4))] == [new_york]


def test_a_number_added_to_a_list_is_not_claimed_and_removed_it_is(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    [e164] = world.leads(campaign)
    list_id = store.run_sync(open_list, name="own", campaign_id=None, made_on=NOON.date(), now=NOON)
    store.run_sync(add_numbers, list_id=list_id, numbers=[e164], now=NOON)
    assert world.claim(campaign) == []
    store.run_sync(remove_numbers, list_id=list_id, numbers=[e164], now=NOON)
    assert len(world.claim(campaign)) == 1


def test_another_campaigns_list_does_not_hold_here(world: World, store: Store) -> None:
    campaign, other = world.campaign(), world.campaign()
    [e164] = world.leads(campaign)
    list_id = store.run_sync(
        open_list, name="theirs", campaign_id=other, made_on=NOON.date(), now=NOON
    )
    store.run_sync(add_numbers, list_id=list_id, numbers=[e164], now=NOON)
    assert len(world.claim(campaign)) == 1


def test_a_required_list_that_is_missing_or_too_old_blocks(world: World, store: Store) -> None:
    campaign = world.campaign(dnc={"required_lists": ["robinson"], "max_age_days": 31})
    world.leads(campaign)
    assert world.claim(campaign) == []
    for age, claimed in ((32, 0), (31, 1)):
        store.run_sync(
            open_list,
            name="robinson",
            campaign_id=None,
            made_on=later(days=-age).date(),
            now=NOON,
        )
        assert len(world.claim(campaign)) == claimed


def test_leads_given_back_can_be_claimed_again(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign, 2)
    leads = world.claim(campaign)
    ids = [lead.lead_id for lead in leads]
    assert store.run_sync(unclaim_leads, node="b", lead_ids=ids) == 0
    assert store.run_sync(unclaim_leads, node="a", lead_ids=ids) == 2
    assert len(world.claim(campaign)) == 2


def test_a_lead_that_is_being_dialed_is_not_given_back(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    [lead] = world.claim(campaign)
    world.dial(lead)
    assert store.run_sync(unclaim_leads, node="a", lead_ids=[lead.lead_id]) == 0
    assert world.claim(campaign, now=later(hours=9)) == []


def test_a_dead_nodes_claim_ends_with_its_lease_and_a_renewed_one_does_not(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    world.leads(campaign, 2)
    dead, alive = world.claim(campaign, node="a")
    past = NOON + LEASE * 1.5
    store.run_sync(renew_claims, node="a", lead_ids=[alive.lead_id], now=NOON + LEASE)
    assert [lead.lead_id for lead in world.claim(campaign, node="b", now=past)] == [dead.lead_id]


def test_a_tightened_definition_closes_leads_that_have_had_their_attempts(
    world: World, store: Store
) -> None:
    campaign = world.campaign(max_attempts=2, gap_seconds=0, retry=_AT_ONCE)
    world.leads(campaign)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead), DisconnectCause.BUSY)
    world.reload(campaign, max_attempts=1, gap_seconds=0)
    assert world.claim(campaign) == []
    assert (world.lead(lead.lead_id).state, world.lead(lead.lead_id).reason) == (
        "closed",
        "attempts",
    )


def test_a_loosened_definition_lets_go_at_once_who_was_put_off_by_the_old_one(
    world: World, store: Store
) -> None:
    campaign = world.campaign(gap_seconds=7200, retry=_AT_ONCE)
    world.leads(campaign, 3)
    waits_for_gap, skipped, fresh = world.claim(campaign)
    world.close(world.dial(waits_for_gap), DisconnectCause.BUSY)
    hour = later(hours=1)
    store.run_sync(skip_lead, node="a", lead_id=2, agent="ben", until=hour, now=NOON)
    store.run_sync(unclaim_leads, node="a", lead_ids=[3], now=NOON)
    store.run_sync(promise_callback, lead_id=3, at=hour, agent=None, now=NOON)
    assert world.claim(campaign, now=later(minutes=20)) == []
    world.reload(campaign, gap_seconds=600, retry=_AT_ONCE, now=later(minutes=21))
    world.ask_again(campaign, now=later(minutes=21))
    again = world.claim(campaign, now=later(minutes=21))
    assert [lead.lead_id for lead in again] == [waits_for_gap.lead_id]
    late = world.claim(campaign, now=hour)
    assert {lead.lead_id for lead in late} >= {skipped.lead_id, fresh.lead_id}


@pytest.mark.parametrize(
    ("changes", "asks_again"),
    [
        ({"gap_seconds": 600}, True),
        ({"max_attempts_per_day": 2}, True),
        ({"retry": {"abandoned": {"action": "retry", "after_seconds": 400_000}}}, True),
        ({"calling_hours": {"monday": ["00:00-24:00"]}}, True),
        ({"wait_limit_seconds": 1}, False),
        ({"max_attempts": 7}, False),
        ({}, False),
    ],
)
def test_only_a_reload_of_what_leads_are_put_off_by_asks_them_again(
    world: World, store: Store, changes: dict[str, Any], asks_again: bool
) -> None:
    campaign = world.campaign(gap_seconds=7200)
    changed = world.reload(campaign, **{"gap_seconds": 7200, **changes})
    wanted = changed.version if asks_again else None
    assert store.read_sync(version_to_ask_by, campaign) == wanted


def test_leads_that_are_to_be_asked_again_stay_so_over_other_reloads_until_all_were(
    world: World, store: Store
) -> None:
    campaign = world.campaign(gap_seconds=7200)
    world.reload(campaign, gap_seconds=600)
    world.reload(campaign, gap_seconds=600, wait_limit_seconds=1)
    assert store.read_sync(version_to_ask_by, campaign) == 2
    world.reload(campaign, gap_seconds=300, wait_limit_seconds=1)
    store.run_sync(all_asked_again, campaign_id=campaign, version=2, now=NOON)
    assert store.read_sync(version_to_ask_by, campaign) == 4, "reloaded while the second was asked"
    world.ask_again(campaign)
    assert store.read_sync(version_to_ask_by, campaign) is None


def test_what_closes_a_lead_is_named_also_where_something_else_blocks_it_for_a_while(
    world: World, store: Store
) -> None:
    campaign = world.campaign(max_attempts=2, gap_seconds=0, retry=_AT_ONCE)
    world.leads(campaign)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead), DisconnectCause.BUSY)
    world.reload(campaign, max_attempts=1, dnc={"required_lists": ["robinson"]})
    assert world.claim(campaign) == []
    assert world.lead(lead.lead_id).reason == "attempts"


_AT_ONCE = {"busy": {"action": "retry", "after_seconds": 0}}


def test_the_gap_and_the_daily_limit_hold_a_lead_back(world: World) -> None:
    campaign = world.campaign(
        max_attempts=9, max_attempts_per_day=2, gap_seconds=3600, retry=_AT_ONCE
    )
    world.leads(campaign)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead))
    assert world.claim(campaign, now=later(minutes=59)) == []
    [again] = world.claim(campaign, now=later(minutes=60))
    assert again.attempt_no == 2
    world.close(world.dial(again, now=later(hours=1)), now=later(hours=1))
    assert world.claim(campaign, now=later(hours=23)) == []
    assert len(world.claim(campaign, now=later(hours=24))) == 1


def test_every_change_of_a_lead_leaves_an_event(world: World, store: Store) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead))
    events = store.read_sync(events_of, Subject.LEAD, lead.lead_id)
    assert [event.what for event in events] == ["claimed", "waiting"]
    assert lead.e164 not in str(events)


@pytest.mark.parametrize("late_seconds", [0, 1, 899, 900, 901])
@pytest.mark.parametrize("ready", [[], ["ben"], ["anna", "201"]])
def test_sql_keeps_a_callback_for_its_owner_as_the_rule_says(
    world: World, store: Store, late_seconds: int, ready: list[str]
) -> None:
    campaign = world.campaign(callback_owner_seconds=900)
    world.leads(campaign)
    lead_id = store.read_sync(lambda conn: conn.scalar(sa.select(t.leads.c.lead_id))) or 0
    at, now = later(hours=1), later(hours=1, seconds=late_seconds)
    store.run_sync(promise_callback, lead_id=lead_id, at=at, agent="anna", now=NOON)
    claimed = store.run_sync(
        claim_leads, campaign_id=campaign, node="a", limit=9, now=now, ready_names=ready
    )
    owner = owner_of(at, "anna", owner_seconds=900, now=now)
    assert [lead.callback_agent for lead in claimed] == (
        [owner] if owner is None or owner in ready else []
    )


def test_a_skipped_lead_is_free_and_waits_for_everybody_however_often_it_is_written(
    world: World, store: Store
) -> None:
    campaign_id = world.campaign()
    world.leads(campaign_id, 1)
    [lead] = world.claim(campaign_id)
    for _ in range(2):  # an answer to a COMMIT may be lost
        store.run_sync(
            skip_lead,
            node="a",
            lead_id=lead.lead_id,
            agent="anna",
            until=later(hours=1),
            now=NOON,
        )
    assert world.claim(campaign_id, now=later(minutes=59)) == []
    assert [again.lead_id for again in world.claim(campaign_id, now=later(hours=1))] == [
        lead.lead_id
    ]
    events = store.read_sync(events_of, Subject.LEAD, str(lead.lead_id))
    assert [event.what for event in events].count("skipped") == 1


def test_a_lead_that_another_node_holds_is_not_skipped(world: World, store: Store) -> None:
    campaign_id = world.campaign()
    world.leads(campaign_id, 1)
    [lead] = world.claim(campaign_id)
    until = later(hours=1)
    store.run_sync(skip_lead, node="b", lead_id=lead.lead_id, agent="ben", until=until, now=NOON)
    assert world.lead(lead.lead_id).state == "claimed"


def test_a_lead_whose_number_is_refused_goes_on_to_its_next_number_and_then_closes(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    world.leads(campaign, numbers=2, zones=("Europe/Vienna",))
    store.run_sync(promise_callback, lead_id=1, at=NOON, agent=None, now=NOON)
    [first] = world.claim(campaign)
    for _ in range(2):  # an answer to a COMMIT may be lost
        world.write(TurnedAway(lead=first, rule="region"))
    assert (world.lead(1).state, world.lead(1).next_position) == ("waiting", 1)
    [second] = world.claim(campaign)
    assert second.number_id != first.number_id
    world.write(TurnedAway(lead=first, rule="region"))
    assert world.lead(1).state == "claimed"
    world.write(TurnedAway(lead=second, rule="premium"))
    assert (world.lead(1).state, world.lead(1).reason) == ("closed", "destination_refused")
    assert world.claim(campaign) == []
    told = store.read_sync(events_of, Subject.LEAD, 1)[-1]
    assert told.detail == {"reason": "destination_refused", "rule": "premium"}


def test_a_number_that_may_be_dialed_has_its_turn_again_after_one_that_is_refused(
    world: World,
) -> None:
    campaign = world.campaign(gap_seconds=0, retry=_AT_ONCE)
    world.leads(campaign, numbers=3)
    [first] = world.claim(campaign)
    for times in (1, 2):
        world.close(world.dial(world.claim(campaign)[0] if times > 1 else first))
        for _ in range(2):
            assert world.lead(1).state == "waiting"
            world.write(TurnedAway(lead=world.claim(campaign)[0], rule="region"))
        assert (world.lead(1).state, world.lead(1).next_position) == ("waiting", 0)
    world.write(TurnedAway(lead=world.claim(campaign)[0], rule="region"))
    assert (world.lead(1).state, world.lead(1).reason) == ("closed", "destination_refused")


def test_a_lead_that_was_refused_can_be_reset_once_the_door_lets_it_through(
    world: World, store: Store
) -> None:
    campaign = world.campaign()
    world.leads(campaign)
    world.write(TurnedAway(lead=world.claim(campaign)[0], rule="region"))
    reason = "destination_refused"
    assert store.run_sync(reset_leads, campaign_id=campaign, reason=reason, now=NOON) == 1
    assert len(world.claim(campaign)) == 1


def test_refused_leads_do_not_keep_the_others_from_being_claimed(world: World) -> None:
    campaign = world.campaign()
    world.leads(campaign, 3, now=later(hours=-1))
    world.leads(campaign, 1)
    for _ in range(3):
        [lead] = world.claim(campaign, limit=1)
        world.write(TurnedAway(lead=lead, rule="region"))
    assert [lead.lead_id for lead in world.claim(campaign, limit=1)] == [4]

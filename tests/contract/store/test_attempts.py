from __future__ import annotations

import pytest
import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.rules.dispositions import Disposition
from acd.rules.eligibility import Rule
from acd.store import Store
from acd.store import schema as t
from acd.store.attempts import AgentTimes, close_orphans, leftover_dialogs
from acd.store.beginning import Blocked
from acd.store.campaigns import finish_if_exhausted
from acd.store.dnc import add_numbers, open_list
from acd.store.events import Subject, events_of
from acd.store.leads import ClaimedLead
from acd.store.outcomes import AttemptAnswered, DialogSeen
from tests.contract.store.world import NOON, World, closed, later


@pytest.fixture
def campaign(world: World) -> int:
    return world.campaign(gap_seconds=0)


@pytest.fixture
def lead(world: World, campaign: int) -> ClaimedLead:
    world.leads(campaign)
    return world.claim(campaign)[0]


def test_the_same_attempt_cannot_begin_twice(world: World, lead: ClaimedLead) -> None:
    world.dial(lead)
    again = world.begin(lead)
    assert isinstance(again, Blocked)
    assert again.rule is Rule.LEAD_STATE


def test_a_leftover_dialog_is_told_with_its_campaign_and_lead(
    world: World, store: Store, lead: ClaimedLead
) -> None:
    attempt = world.dial(lead)
    world.write(DialogSeen(attempt_id=attempt, sip_call_id="x", dialog={"tag": "y"}))
    (leftover,) = store.read_sync(leftover_dialogs, node="a")
    assert (leftover.attempt_id, leftover.lead_id) == (attempt, lead.lead_id)
    assert leftover.campaign == "campaign-1"
    assert leftover.tapi_client is None


def test_a_node_that_lost_its_claim_cannot_dial(world: World, lead: ClaimedLead) -> None:
    blocked = world.begin(lead, node="b")
    assert isinstance(blocked, Blocked)
    assert world.lead(lead.lead_id).claimed_by == "a"


def test_a_number_listed_after_the_claim_is_not_dialed(
    world: World, store: Store, campaign: int, lead: ClaimedLead
) -> None:
    list_id = store.run_sync(open_list, name="own", campaign_id=None, made_on=NOON.date(), now=NOON)
    store.run_sync(add_numbers, list_id=list_id, numbers=[lead.e164], now=NOON)
    blocked = world.begin(lead)
    assert isinstance(blocked, Blocked)
    assert blocked.rule is Rule.DNC
    assert world.lead(lead.lead_id).state == "waiting"
    assert world.claim(campaign) == []


def test_hours_that_ended_after_the_claim_stop_the_dial(world: World) -> None:
    campaign = world.campaign(calling_hours={"monday": ["12:00-12:30"]})
    world.leads(campaign)
    [lead] = world.claim(campaign)
    blocked = world.begin(lead, now=later(minutes=30))
    assert isinstance(blocked, Blocked)
    assert blocked.rule is Rule.CALLING_HOURS


def test_closing_writes_the_disposition_and_frees_the_lead(world: World, lead: ClaimedLead) -> None:
    attempt = world.dial(lead)
    assert world.close(attempt, DisconnectCause.BUSY) is Disposition.BUSY
    row = world.attempt(attempt)
    assert (row.state, row.disposition, row.cause, row.ring_seconds) == (
        "closed",
        "busy",
        "busy",
        3.5,
    )
    freed = world.lead(lead.lead_id)
    assert (freed.state, freed.claimed_by, freed.attempts) == ("waiting", None, 1)
    assert freed.next_attempt_at == later(minutes=30)


def test_the_first_close_wins(world: World, store: Store, lead: ClaimedLead) -> None:
    attempt = world.dial(lead)
    world.close(attempt, DisconnectCause.BUSY)
    assert world.close(attempt, DisconnectCause.NO_ANSWER) is Disposition.BUSY
    events = store.read_sync(events_of, Subject.ATTEMPT, attempt)
    assert [event.what for event in events] == ["dialing", "closed"]


def test_a_handed_over_lead_is_closed(world: World, lead: ClaimedLead) -> None:
    attempt = world.dial(lead)
    world.write(AttemptAnswered(attempt_id=attempt, at=later(seconds=5)))
    disposition = world.close(
        attempt,
        DisconnectCause.TRANSFERRED,
        transfer_result="answered",
        transfer_target="201",
        wait_seconds=0.8,
    )
    assert disposition is Disposition.HANDED_OVER
    assert world.attempt(attempt).answered_at == later(seconds=5)
    assert (world.lead(lead.lead_id).state, world.lead(lead.lead_id).reason) == (
        "closed",
        "handed_over",
    )


def test_an_abandoned_lead_is_locked_out_for_72_hours(
    world: World, campaign: int, lead: ClaimedLead
) -> None:
    attempt = world.dial(lead)
    assert (
        world.close(attempt, DisconnectCause.HUNG_UP, abandoned=True, answered_at=NOON)
        is Disposition.ABANDONED
    )
    assert world.claim(campaign, now=later(hours=71)) == []
    assert len(world.claim(campaign, now=later(hours=72))) == 1


def test_the_next_number_is_tried_after_an_invalid_one(world: World, campaign: int) -> None:
    world.leads(campaign, numbers=2)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead), DisconnectCause.BAD_ADDRESS)
    [again] = world.claim(campaign)
    assert (again.lead_id, again.attempt_no) == (lead.lead_id, 2)
    assert again.e164 != lead.e164
    world.close(world.dial(again), DisconnectCause.BAD_ADDRESS)
    assert world.lead(lead.lead_id).reason == "no_usable_number"


def test_a_lead_moves_to_the_lane_of_its_next_number(world: World) -> None:
    campaign = world.campaign(
        calling_hours={"monday": ["09:00-20:00"]},
        gap_seconds=0,
        retry={"busy": {"action": "retry"}},
    )
    world.leads(campaign, numbers=2, zones=("Europe/Vienna",))

    def move_second_number(conn: sa.Connection) -> None:
        conn.execute(
            sa.update(t.lead_numbers)
            .where(t.lead_numbers.c.position == 1)
            .values(zones="America/New_York")
        )

    world.store.run_sync(move_second_number)
    [lead] = world.claim(campaign)
    world.close(world.dial(lead))
    assert world.claim(campaign) == []
    assert len(world.claim(campaign, now=later(hours=4))) == 1


def test_what_a_dead_node_had_open_ends_unknown_and_is_never_redialed(
    world: World, store: Store, campaign: int
) -> None:
    world.leads(campaign, 3)
    dialed, held, theirs = world.claim(campaign, limit=2) + world.claim(campaign, node="b")
    attempt, other = world.dial(dialed), world.dial(theirs, node="b")
    assert store.run_sync(close_orphans, node="a", now=later(minutes=1)) == [attempt]
    assert world.attempt(attempt).disposition == "unknown"
    assert world.lead(dialed.lead_id).state == "review"
    assert world.lead(held.lead_id).state == "waiting"
    assert world.attempt(other).state == "dialing"
    again = world.claim(campaign, now=later(days=300))
    assert [lead.lead_id for lead in again] == [held.lead_id]


def test_a_campaign_finishes_when_nothing_can_become_dialable(
    world: World, store: Store, campaign: int, lead: ClaimedLead
) -> None:
    assert not store.run_sync(finish_if_exhausted, campaign, NOON)
    attempt = world.dial(lead)
    assert not store.run_sync(finish_if_exhausted, campaign, NOON)
    world.close(attempt, DisconnectCause.BLOCKED)
    assert store.run_sync(finish_if_exhausted, campaign, NOON)
    assert not store.run_sync(finish_if_exhausted, campaign, NOON)


def test_the_agent_is_whom_a_feed_named_last_also_in_one_batch_with_the_close(
    world: World, lead: ClaimedLead
) -> None:
    attempt = world.dial(lead)

    def rings(agent: str | None) -> AgentTimes:
        return AgentTimes(
            attempt_id=attempt, rang_at=NOON, answered_at=None, talk_seconds=None, agent=agent
        )

    end = closed(attempt, DisconnectCause.TRANSFERRED, NOON, agent="sales#3")
    world.write(rings(None), end)
    assert world.attempt(attempt).agent == "sales#3"
    world.write(rings("101"))
    assert world.attempt(attempt).agent == "101"


def test_a_member_who_picks_up_after_the_close_of_the_same_batch_is_the_agent(
    world: World, lead: ClaimedLead
) -> None:
    attempt = world.dial(lead)
    seen = AgentTimes(
        attempt_id=attempt, rang_at=NOON, answered_at=NOON, talk_seconds=None, agent="102"
    )
    world.write(closed(attempt, DisconnectCause.TRANSFERRED, NOON, agent="sales#3"), seen)
    assert world.attempt(attempt).agent == "102"

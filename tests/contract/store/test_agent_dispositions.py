from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.errors import BadInput, UnknownName
from acd.rules.dispositions import Disposition
from acd.rules.eligibility import Rule
from acd.rules.ledger import LedgerCounts
from acd.store import Store
from acd.store import schema as t
from acd.store.agent_dispositions import any_undisposed, close_undisposed, dispose_attempt
from acd.store.beginning import Blocked
from acd.store.campaigns import (
    CampaignState,
    campaign_by_id,
    finish_if_exhausted,
    set_campaign_state,
)
from acd.store.counts import ledger_counts
from acd.store.dnc import listed_numbers, lists_of_number
from acd.store.lead_changes import erase_lead
from acd.store.tapi import begin_tapi_attempt
from tests.contract.store.world import NOON, World, later

AGENTS = {"extensions": ["201"], "disposition_seconds": 60, "codes": {"sold": "sale"}}
LATER = later(seconds=30)


@pytest.fixture
def campaign(world: World) -> int:
    return world.campaign(gap_seconds=0, agents=AGENTS)


@pytest.fixture
def handed(world: World, campaign: int) -> int:
    """An attempt whose person an agent has."""
    world.leads(campaign, numbers=2)
    return hand_over(world, campaign)


def hand_over(world: World, campaign: int, **changes: Any) -> int:
    values = {"transfer_result": "answered", "transferred_at": NOON, "agent": "201", **changes}
    attempt = world.dial(world.claim(campaign)[0])
    world.close(attempt, DisconnectCause.TRANSFERRED, answered_at=NOON, **values)
    return attempt


def dispose(store: Store, attempt: int, code: str, **changes: Any) -> Disposition:
    return store.run_sync(
        dispose_attempt, **{"attempt_id": attempt, "code": code, "now": LATER, **changes}
    )


def lead_of(world: World, attempt: int) -> Any:
    return world.lead(world.attempt(attempt).lead_id)


def test_a_lead_waits_for_its_agents_word_and_its_campaign_with_it(
    world: World, store: Store, campaign: int, handed: int
) -> None:
    assert lead_of(world, handed).state == "with_agent"
    assert world.attempt(handed).agent == "201"
    assert not store.run_sync(finish_if_exhausted, campaign, LATER)
    assert dispose(store, handed, "sold") is Disposition.SALE
    assert (lead_of(world, handed).state, lead_of(world, handed).reason) == ("closed", "sale")
    assert (world.attempt(handed).disposition, world.attempt(handed).disposed_at) == (
        "sale",
        LATER,
    )
    assert store.run_sync(finish_if_exhausted, campaign, LATER)


def test_without_a_word_the_closing_timer_goes_on(world: World, store: Store, handed: int) -> None:
    assert not store.read_sync(any_undisposed, now=later(seconds=59))
    assert store.run_sync(close_undisposed, now=later(seconds=59)) == []
    assert store.read_sync(any_undisposed, now=later(seconds=61))
    (closed,) = store.run_sync(close_undisposed, now=later(seconds=61))
    assert (closed.lead_id, closed.attempt_id) == (world.attempt(handed).lead_id, handed)
    assert lead_of(world, handed).reason == "handed_over"
    assert dispose(store, handed, "not_interested", now=later(hours=1)) is (
        Disposition.NOT_INTERESTED
    ), "a late word is taken too"


def test_do_not_call_is_in_force_with_the_disposition(
    world: World, store: Store, handed: int
) -> None:
    dispose(store, handed, "do_not_call")
    lead_id = world.attempt(handed).lead_id
    numbers = numbers_of(store, lead_id)
    assert len(numbers) == 2
    for e164 in numbers:
        assert store.read_sync(lists_of_number, e164) == ["agents"]
    for campaign_id in (world.attempt(handed).campaign_id, world.campaign()):
        assert store.read_sync(listed_numbers, numbers, campaign_id) == set(numbers)
    assert dispose(store, handed, "do_not_call") is Disposition.DO_NOT_CALL


def numbers_of(store: Store, lead_id: int) -> list[str]:
    query = sa.select(t.lead_numbers.c.e164).where(t.lead_numbers.c.lead_id == lead_id)
    return store.read_sync(lambda conn: list(conn.scalars(query)))


def test_a_crash_between_the_list_and_the_disposition_leaves_neither(
    world: World, store: Store, handed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, now: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("acd.store.agent_dispositions.settle_lead", dies)
    with pytest.raises(KeyboardInterrupt):
        dispose(store, handed, "do_not_call")
    assert world.attempt(handed).disposition == "handed_over"
    for e164 in numbers_of(store, world.attempt(handed).lead_id):
        assert store.read_sync(lists_of_number, e164) == []


def test_a_callback_waits_for_its_time_and_its_owner(
    world: World, store: Store, campaign: int, handed: int
) -> None:
    at = later(hours=2)
    with pytest.raises(UnknownName, match="agent 299: there is no agent"):
        dispose(store, handed, "callback", callback_at=at, callback_agent="299")
    world.agent("anna", "201")
    dispose(store, handed, "callback", callback_at=at, callback_agent="201")
    lead = lead_of(world, handed)
    assert (lead.state, lead.callback_at, lead.callback_agent) == ("waiting", at, "anna")
    assert world.claim(campaign, now=later(hours=1)) == []


def test_a_wrong_number_is_dead_and_the_next_one_is_tried(
    world: World, store: Store, campaign: int, handed: int
) -> None:
    first = numbers_of(store, world.attempt(handed).lead_id)[0]
    dispose(store, handed, "wrong_number")
    [claimed] = world.claim(campaign, now=LATER)
    assert claimed.e164 != first


def test_a_machine_leaves_the_live_answers(
    world: World, store: Store, campaign: int, handed: int
) -> None:
    world.leads(campaign)
    hand_over(world, campaign, abandoned=True, transfer_result="with_pbx", transferred_at=None)

    def ledger() -> LedgerCounts:
        ever = store.read_sync(ledger_counts, campaign_id=campaign)
        assert ever == store.read_sync(ledger_counts, campaign_id=campaign, since=later(days=-1))
        return ever

    assert ledger() == LedgerCounts(live_answers=2, abandoned=1)
    dispose(store, handed, "machine")
    assert ledger() == LedgerCounts(live_answers=1, abandoned=1)


@pytest.mark.parametrize(
    ("code", "changes", "told"),
    [
        ("great", {}, "allowed: callback, do_not_call, machine, not_interested, sale"),
        ("busy", {}, "no such code"),
        ("callback", {}, "needs a time"),
        ("sale", {"callback_at": LATER}, "needs a time"),
    ],
)
def test_what_no_agent_can_say_is_refused(
    store: Store, handed: int, code: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        dispose(store, handed, code, **changes)


def test_only_an_attempt_that_an_agent_had_can_be_spoken_of(
    world: World, store: Store, campaign: int, handed: int
) -> None:
    with pytest.raises(UnknownName, match="attempt 999: there is none"):
        dispose(store, 999, "sale")
    world.leads(campaign, 2)
    busy, open_ = (world.dial(lead) for lead in world.claim(campaign))
    world.close(busy, DisconnectCause.BUSY)
    with pytest.raises(BadInput, match="no agent had the person"):
        dispose(store, busy, "sale")
    with pytest.raises(BadInput, match="not over yet"):
        dispose(store, open_, "sale")


def test_an_attempt_whose_lead_was_dialed_again_says_no_more(
    world: World, store: Store, campaign: int, handed: int
) -> None:
    dispose(store, handed, "wrong_number")
    world.claim(campaign, now=LATER)
    with pytest.raises(BadInput, match="is being dialed again"):
        dispose(store, handed, "sale")


def test_a_late_do_not_call_is_taken_while_the_lead_is_dialed_again(
    world: World, store: Store, handed: int
) -> None:
    dispose(store, handed, "wrong_number")
    [claimed] = world.claim(world.attempt(handed).campaign_id, now=LATER)
    dispose(store, handed, "do_not_call")
    for e164 in numbers_of(store, claimed.lead_id):
        assert store.read_sync(lists_of_number, e164) == ["agents"]
    assert world.lead(claimed.lead_id).state == "claimed", "what goes on is not settled here"
    blocked = world.begin(claimed, now=LATER)
    assert isinstance(blocked, Blocked)
    assert blocked.rule is Rule.DNC


def test_a_do_not_call_of_somebody_who_was_erased_is_taken(
    world: World, store: Store, handed: int
) -> None:
    store.run_sync(erase_lead, lead_id=world.attempt(handed).lead_id, now=LATER)
    with pytest.raises(BadInput, match="was erased"):
        dispose(store, handed, "sale")
    assert dispose(store, handed, "do_not_call") is Disposition.DO_NOT_CALL
    assert lead_of(world, handed).reason == "erased"


def test_a_tapi_clients_attempt_has_no_agents_disposition(store: Store) -> None:
    attempt = store.run_sync(
        begin_tapi_attempt,
        client="overdialer",
        e164="+431505641",
        node="node",
        trunk="main",
        line=7,
        now=NOON,
    )
    assert isinstance(attempt, int)
    with pytest.raises(BadInput, match="it is a TAPI client's, which has no lead"):
        dispose(store, attempt, "sale")


@pytest.mark.parametrize(
    ("code", "changes", "state"),
    [
        ("callback", {"callback_at": later(hours=1)}, CampaignState.RUNNING),
        ("machine", {}, CampaignState.RUNNING),
        ("sale", {}, CampaignState.FINISHED),
    ],
)
def test_a_campaign_that_finished_while_its_last_agent_talked_runs_again_for_their_word(
    world: World, store: Store, code: str, changes: dict[str, Any], state: CampaignState
) -> None:
    campaign = world.campaign(gap_seconds=0)
    world.leads(campaign)
    handed = hand_over(world, campaign)
    assert store.run_sync(finish_if_exhausted, campaign_id=campaign, now=NOON)
    dispose(store, handed, code, **changes)
    assert store.read_sync(campaign_by_id, campaign).state is state
    waits = state is CampaignState.RUNNING
    assert len(world.claim(campaign, now=later(hours=5))) == waits


def test_a_finished_campaign_that_is_stopped_stays_so_whatever_an_agent_says(
    world: World, store: Store
) -> None:
    campaign = world.campaign(gap_seconds=0)
    world.leads(campaign)
    handed = hand_over(world, campaign)
    assert store.run_sync(finish_if_exhausted, campaign_id=campaign, now=NOON)
    store.run_sync(set_campaign_state, campaign_id=campaign, state=CampaignState.STOPPED, now=NOON)
    dispose(store, handed, "machine")
    assert store.read_sync(campaign_by_id, campaign).state is CampaignState.STOPPED

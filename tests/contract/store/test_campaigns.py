from __future__ import annotations

import pytest

from acd.errors import BadInput, UnknownName
from acd.store import Store
from acd.store.campaigns import (
    CampaignState,
    campaign_by_name,
    create_campaign,
    running_campaigns,
    set_campaign_state,
)
from tests.contract.store.world import NOON, World, definition


def test_the_stored_definition_is_the_one_that_was_given(store: Store) -> None:
    given = definition(
        retry={"busy": {"action": "close"}},
        calling_hours={"monday": ["09:00-12:30"], "holidays": ["2026-12-25"]},
        header_map={"Telefon": "phone"},
    )
    made = store.run_sync(create_campaign, name="x", definition=given, trunk="main", now=NOON)
    assert made.definition == given
    assert store.read_sync(campaign_by_name, "x") == made


def test_a_name_is_taken_once(store: Store) -> None:
    store.run_sync(create_campaign, name="x", definition=definition(), trunk="main", now=NOON)
    with pytest.raises(BadInput, match="exists already"):
        store.run_sync(create_campaign, name="x", definition=definition(), trunk="main", now=NOON)


def test_only_running_campaigns_are_listed_as_running(world: World, store: Store) -> None:
    running = world.campaign()
    world.campaign(running=False)
    assert [row.campaign_id for row in store.read_sync(running_campaigns)] == [running]


def test_a_changed_definition_is_a_new_version_and_the_same_one_is_not(world: World) -> None:
    campaign_id = world.campaign()
    assert world.reload(campaign_id).version == 1
    changed = world.reload(campaign_id, max_attempts=7)
    assert (changed.version, changed.definition.max_attempts) == (2, 7)


def test_a_campaign_that_never_ran_cannot_be_paused(world: World, store: Store) -> None:
    campaign = world.campaign(running=False)
    with pytest.raises(BadInput, match="it is created and cannot become paused"):
        store.run_sync(
            set_campaign_state, campaign_id=campaign, state=CampaignState.PAUSED, now=NOON
        )


def test_an_unknown_name_is_answered_with_the_known_ones(store: Store) -> None:
    store.run_sync(create_campaign, name="spring", definition=definition(), trunk="m", now=NOON)
    with pytest.raises(UnknownName, match="spring"):
        store.read_sync(campaign_by_name, "sprnig")

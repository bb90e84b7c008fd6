from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.dialer.routing import Roster
from acd.dialer.sharing import Sharing, UnderWay
from acd.dialer.supply import Supply
from tests.unit.dialer.seats import SALES, SERVICE, place

THIRD = 99


class Floor:
    """Ready agents, each by the campaigns that they serve."""

    def __init__(self, *agents: set[int]) -> None:
        self._agents = agents

    def ready(self, campaign_id: int) -> int:
        return sum(campaign_id in agent for agent in self._agents)

    def supplies(self) -> list[Supply]:
        return [Supply(campaigns=frozenset(agent), ready=1) for agent in self._agents]


def under_way(
    calls: int = 0, *, needed: int | None = None, headroom: int = 0, wants: bool = True
) -> UnderWay:
    return UnderWay(
        calls=calls,
        agents_needed=calls if needed is None else needed,
        ledger_headroom=headroom,
        wants_more=wants,
    )


def _just(told: UnderWay) -> UnderWay:
    return told


def _now(*, calls: Mapping[int, int], campaign: int, headroom: int) -> UnderWay:
    return under_way(calls[campaign], headroom=headroom)


def beside(floor: Floor, **others: UnderWay) -> Sharing:
    sharing = Sharing(floor)
    for other, told in zip((SERVICE, THIRD), others.values(), strict=False):
        sharing.tell(other, partial(_just, told))
    return sharing


BOTH = [{SALES, SERVICE}] * 10


@pytest.mark.parametrize(("calls", "left"), [(0, 2), (1, 2), (2, 1), (3, 1)])
def test_calls_of_another_campaign_leave_fewer_of_the_shared_agents(calls: int, left: int) -> None:
    floor = Floor({SALES}, {SALES, SERVICE}, {SERVICE})
    sharing = beside(floor, service=under_way(calls))
    assert sharing.left_for(SALES) == left, "SERVICE's own takes the first; one is SALES' alone"
    assert sharing.left_for(SERVICE) == 2
    sharing.forget(SERVICE)
    assert sharing.left_for(SALES) == 2


async def test_the_roster_is_asked_who_is_ready() -> None:
    roster = Roster()
    roster.seat(SALES, [place("201"), place("202")])
    roster.seat(SERVICE, [place("202"), place("203")])
    roster.sharing.tell(SERVICE, lambda: under_way(2))
    assert roster.sharing.left_for(SALES) == 1
    roster.unseat(SERVICE)
    assert roster.sharing.left_for(SALES) == 2


def test_calls_that_another_ledger_bears_need_few_agents_and_may_come_to_need_all() -> None:
    sharing = beside(Floor(*BOTH), service=under_way(8, needed=4, headroom=9))
    assert sharing.left_for(SALES) == 6
    assert sharing.certain_for(SALES) == 2


def test_alone_a_campaign_has_its_ledgers_room() -> None:
    elsewhere = beside(Floor({SALES}, {SERVICE}), service=under_way(5))
    assert elsewhere.over_dial_room(SALES, ledger_headroom=7) == 7


@pytest.mark.parametrize("calls", [0, 4, 10])
@pytest.mark.parametrize(("mine", "theirs", "room"), [(5, 0, 0), (0, 5, 0), (5, 2, 2), (2, 5, 2)])
def test_an_over_dial_is_borne_by_the_smallest_headroom_of_those_who_share_the_agents(
    calls: int, mine: int, theirs: int, room: int
) -> None:
    sharing = beside(Floor(*BOTH), service=under_way(calls, headroom=theirs))
    assert sharing.over_dial_room(SALES, ledger_headroom=mine) == room


def test_three_campaigns_do_not_count_on_the_same_agent_over_a_third_one() -> None:
    floor = Floor({SALES, SERVICE}, {SERVICE, THIRD})
    sharing = beside(floor, service=under_way(1), third=under_way(1))
    assert sharing.left_for(SALES) == 0, "the third's call needs the second, so service's the first"
    assert sharing.over_dial_room(SALES, ledger_headroom=9) == 0


def test_a_ledger_that_is_short_by_itself_binds_nobody_whose_calls_take_none_of_its_agents() -> (
    None
):
    sharing = beside(Floor({SALES}, {SERVICE}), service=under_way(5))
    assert sharing.over_dial_room(SALES, ledger_headroom=7) == 7


def test_a_campaign_without_calls_that_wants_none_binds_nobody() -> None:
    sharing = beside(Floor(*BOTH), service=under_way(0, wants=False))
    assert sharing.over_dial_room(SALES, ledger_headroom=5) == 5


def test_what_others_have_beyond_the_agents_is_room_no_more() -> None:
    sharing = beside(Floor(*BOTH), service=under_way(12, headroom=5))
    assert sharing.certain_for(SALES) == 0
    assert sharing.over_dial_room(SALES, ledger_headroom=5) == 3


def test_agents_whom_the_other_has_no_call_for_are_no_over_dial() -> None:
    floor = Floor({SALES}, {SALES, SERVICE}, {SERVICE}, {SERVICE})
    assert beside(floor, service=under_way(1)).over_dial_room(SALES, ledger_headroom=9) == 1
    assert beside(floor, service=under_way(3)).over_dial_room(SALES, ledger_headroom=9) == 0


@given(
    agents=st.lists(st.sets(st.sampled_from([SALES, SERVICE, THIRD]), min_size=1), max_size=12),
    rooms=st.tuples(*[st.integers(0, 4)] * 3),
    turns=st.lists(st.sampled_from([0, 1, 2]), max_size=60),
)
def test_whoever_dials_in_whatever_order_no_ledger_is_left_short(
    agents: list[set[int]], rooms: tuple[int, int, int], turns: list[int]
) -> None:
    """Everybody answers, and each campaign's people come last of all: its ledger bears the rest."""
    campaigns = (SALES, SERVICE, THIRD)
    headroom = dict(zip(campaigns, rooms, strict=True))
    calls = dict.fromkeys(campaigns, 0)
    floor = Floor(*agents)
    sharing = Sharing(floor)
    for campaign in campaigns:
        sharing.tell(
            campaign, partial(_now, calls=calls, campaign=campaign, headroom=headroom[campaign])
        )
    for turn in turns:
        campaign = campaigns[turn]
        most = sharing.certain_for(campaign) + sharing.over_dial_room(
            campaign, ledger_headroom=headroom[campaign]
        )
        calls[campaign] += calls[campaign] < most
    for campaign in campaigns:
        assert calls[campaign] - sharing.certain_for(campaign) <= headroom[campaign]

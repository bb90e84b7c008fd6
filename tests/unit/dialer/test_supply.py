"""How many calls find an agent where campaigns share some, beside every way to hand them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from acd.dialer.supply import Flow, Supply, served

CAMPAIGNS = (1, 2, 3)
ROOMS = {"sales": 1, "help": 2}

SUPPLIES = st.lists(
    st.builds(
        lambda campaigns, ready, queue: Supply(
            campaigns=campaigns, ready=ready, queue=queue, room=ROOMS.get(queue, 0)
        ),
        st.frozensets(st.sampled_from(CAMPAIGNS)),
        st.integers(0, 2),
        st.sampled_from(["", "", *ROOMS]),
    ),
    max_size=3,
)
NEEDS = st.dictionaries(st.sampled_from(CAMPAIGNS), st.integers(0, 3))


def every_way(supplies: Sequence[Supply], needs: Mapping[int, int]) -> int:
    """The most calls that find an agent, whichever campaign each agent is given to."""
    agents = [supply for supply in supplies for _ in range(supply.ready)]
    return max(
        sum(min(count, needs.get(campaign, 0)) for campaign, count in Counter(given_to).items())
        for given_to in product(*([*agent.campaigns, 0] for agent in agents))
        if _has_room(agents, given_to)
    )


def _has_room(agents: Sequence[Supply], given_to: Sequence[int]) -> bool:
    inside = Counter(a.queue for a, to in zip(agents, given_to, strict=True) if to)
    return all(inside[queue] <= room for queue, room in ROOMS.items())


@given(SUPPLIES, NEEDS)
def test_as_many_calls_find_an_agent_as_the_best_way_to_hand_them_out_serves(
    supplies: list[Supply], needs: dict[int, int]
) -> None:
    assert served(supplies, needs) == every_way(supplies, needs)


@given(SUPPLIES, NEEDS, st.sampled_from(CAMPAIGNS))
def test_what_is_left_takes_nothing_from_the_calls_of_the_others(
    supplies: list[Supply], needs: dict[int, int], campaign_id: int
) -> None:
    others = {**needs, campaign_id: 0}
    all_it_could_use = {**needs, campaign_id: 100}
    left = every_way(supplies, all_it_could_use) - every_way(supplies, others)
    flow = Flow(supplies)
    flow.serve_all(others)
    assert flow.copy().serve(campaign_id) == left
    assert flow.serve(campaign_id) == left, "a copy leaves the other one as it is"

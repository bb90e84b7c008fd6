from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.lines.fair_queue import FairQueue


def serve(queue: FairQueue[str], times: int) -> Counter[str]:
    """Serve so often; whoever was served asks again at once."""
    served: Counter[str] = Counter()
    for _ in range(times):
        name = queue.pop()
        served[name] += 1
        queue.add(name, holder=name, weight=WEIGHTS[name])
    return served


WEIGHTS = {"big": 3, "small": 1}


def both() -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue()
    for name, weight in WEIGHTS.items():
        queue.add(name, holder=name, weight=weight)
    return queue


def test_three_to_one_is_three_to_one() -> None:
    assert serve(both(), 400) == {"big": 300, "small": 100}


def test_the_share_of_who_wants_nothing_goes_to_the_others() -> None:
    queue = both()
    queue.remove("big", holder="big")
    assert serve(queue, 50) == {"small": 50}


def test_nobody_saves_up() -> None:
    queue = both()
    queue.remove("big", holder="big")
    serve(queue, 100)
    queue.add("big", holder="big", weight=3)
    assert serve(queue, 40) == {"big": 30, "small": 10}


def test_one_holder_is_served_in_the_order_of_asking() -> None:
    queue: FairQueue[int] = FairQueue()
    for request in range(5):
        queue.add(request, holder="only", weight=7)
    assert [queue.pop() for _ in range(5)] == [0, 1, 2, 3, 4]


def test_an_empty_queue_and_a_weight_of_nothing_are_refused() -> None:
    queue: FairQueue[int] = FairQueue()
    with pytest.raises(IndexError):
        queue.pop()
    with pytest.raises(ValueError, match="1 or more"):
        queue.add(1, holder="x", weight=0)


def test_a_request_that_was_served_cannot_be_taken_back() -> None:
    queue = both()
    served = queue.pop()
    queue.remove(served, holder=served)
    queue.remove("nothing", holder="nobody")
    assert len(queue) == 1


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 100), min_size=1))
def test_any_weights_are_kept_to_within_one_request(weights: dict[str, int]) -> None:
    queue: FairQueue[str] = FairQueue()
    for name, weight in weights.items():
        queue.add(name, holder=name, weight=weight)
    total = sum(weights.values())
    served: Counter[str] = Counter()
    for turn in range(1, 2 * total + 1):
        name = queue.pop()
        served[name] += 1
        queue.add(name, holder=name, weight=weights[name])
        for other, weight in weights.items():
            # Nobody is ever more than one request ahead of, or behind, anybody else's share.
            assert (served[other] - 1) / weight <= (served[name]) / weights[name], turn


@given(st.lists(st.sampled_from(["ask", "serve"]), max_size=200))
def test_whoever_asks_is_served_in_the_end(steps: list[str]) -> None:
    """However often a heavy one asks, a light one waits for a hundred turns at most."""
    queue: FairQueue[str] = FairQueue()
    queue.add("light", holder="light", weight=1)
    for step in steps:
        if step == "ask":
            queue.add("heavy", holder="heavy", weight=100)
        elif len(queue) > 1:
            queue.pop()
    for _ in range(102):
        queue.add("heavy", holder="heavy", weight=100)
    assert "light" in [queue.pop() for _ in range(102)] or "serve" in steps

from __future__ import annotations

from functools import partial

from acd.dialer.dialing import CallsInFlight


def test_of_calls_that_ring_the_last_dialed_are_hung_up_but_for_those_that_must_ring_on() -> None:
    calls = CallsInFlight(unanswered={1, 2, 3, 4}, queued={4})
    hung_up: list[int] = []

    def hang_up(lead_id: int) -> bool:
        if lead_id == 2:
            return False
        hung_up.append(lead_id)
        calls.settled(lead_id)
        return True

    calls.ringing.update({lead_id: partial(hang_up, lead_id) for lead_id in (1, 2, 3)})
    calls.withdraw(1)
    assert hung_up == [3]
    calls.withdraw(2)
    assert hung_up == [3, 1]
    assert calls.unanswered == {2, 4}


def test_a_lead_with_an_agent_of_its_own_is_claimed_and_counted_with_nobody() -> None:
    calls = CallsInFlight(unanswered={1}, owned={2})
    assert calls.claimed == {1, 2}
    calls.settled(1)
    assert calls.claimed == {2}

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.lines import TrunkStatus
from acd.sip.health import CREDENTIALS_RETRY_SECONDS, NOWHERE_BACK_OFF_SECONDS, HealthJudge


def judge(*, registers: bool = False, probes: bool = True) -> HealthJudge:
    return HealthJudge(registers=registers, probes=probes)


def test_a_trunk_starts_until_its_first_answer() -> None:
    trunk = judge()
    assert trunk.health(0).status is TrunkStatus.STARTING
    trunk.answered()
    assert trunk.health(0).status is TrunkStatus.UP


def test_a_trunk_that_neither_registers_nor_probes_is_up_at_once() -> None:
    assert judge(probes=False).health(0).may_dial


def test_a_registering_trunk_waits_for_its_registration() -> None:
    trunk = judge(registers=True)
    trunk.answered()
    assert trunk.health(0).status is TrunkStatus.STARTING
    trunk.registration(200, 0)
    assert trunk.health(0).status is TrunkStatus.UP


def test_a_registration_that_is_lost_stops_dialing_until_it_is_back() -> None:
    trunk = judge(registers=True)
    trunk.registration(200, 0)
    trunk.registration(503, 1)
    assert trunk.health(1).status is TrunkStatus.UNREACHABLE
    assert "503" in trunk.health(1).detail
    trunk.registration(200, 2)
    assert trunk.health(2).status is TrunkStatus.UP


def test_silence_takes_a_trunk_down_and_any_answer_up() -> None:
    trunk = judge()
    trunk.silent()
    assert trunk.health(0).status is TrunkStatus.UNREACHABLE
    trunk.answered()
    assert trunk.health(0).status is TrunkStatus.UP


def test_refused_credentials_pause_everything_for_a_while() -> None:
    trunk = judge(registers=True)
    trunk.registration(401, 10)
    assert trunk.health(10).status is TrunkStatus.CREDENTIALS_REFUSED
    assert trunk.wakes_at(10) == 10 + CREDENTIALS_RETRY_SECONDS
    assert (
        trunk.health(10 + CREDENTIALS_RETRY_SECONDS).status is not TrunkStatus.CREDENTIALS_REFUSED
    )


def test_a_registration_that_succeeds_ends_the_pause() -> None:
    trunk = judge(registers=True)
    trunk.registration(403, 0)
    trunk.registration(200, 1)
    assert trunk.health(1).status is TrunkStatus.UP


def test_a_503_backs_off_for_as_long_as_it_says_and_a_shorter_one_does_not_shorten_it() -> None:
    trunk = judge()
    trunk.answered()
    trunk.told_to_wait(60, 0)
    trunk.told_to_wait(5, 1)
    assert trunk.health(59).status is TrunkStatus.BACKING_OFF
    assert trunk.health(60).status is TrunkStatus.UP


def test_an_absurd_back_off_is_cut_to_an_hour() -> None:
    trunk = judge()
    trunk.answered()
    trunk.told_to_wait(10**9, 0)
    assert trunk.wakes_at(0) == 3600


def test_refused_transfers_stop_dialing_although_the_pbx_lives() -> None:
    trunk = judge()
    trunk.answered()
    trunk.transfers_refused = 403
    assert trunk.health(0).status is TrunkStatus.TRANSFER_REFUSED
    assert not trunk.health(0).may_dial
    assert "refuses REFER with 403" in trunk.health(0).detail
    assert "then restart the engine" in trunk.health(0).detail


def lose(
    judge: HealthJudge, now: float, *, status: int = 408, number: str = "", invited_at: float = 0.5
) -> None:
    judge.call_ended(
        status,
        now,
        alerted=False,
        number=number or f"sip:{now}@pbx",
        invited_at_seconds=invited_at,
    )


def test_three_calls_in_a_row_that_reach_nobody_back_the_trunk_off() -> None:
    judge = HealthJudge(registers=False, probes=False)
    for now in (1.0, 2.0):
        lose(judge, now, status=504)
        assert judge.health(now).may_dial
    lose(judge, 3.0)
    assert judge.health(3.0).status is TrunkStatus.BACKING_OFF
    assert "3 calls in a row ended with 408" in judge.health(3.0).detail
    later = 3.0 + NOWHERE_BACK_OFF_SECONDS
    assert judge.health(later).may_dial
    # The next one is a question: an answer that reached nobody again asks for another pause.
    lose(judge, later)
    assert not judge.health(later).may_dial


@pytest.mark.parametrize(("sip_status", "alerted"), [(486, False), (408, True), (480, False)])
def test_a_call_that_reached_somebody_counts_from_the_beginning(
    sip_status: int, alerted: bool
) -> None:
    judge = HealthJudge(registers=False, probes=False)
    for number, (status, rang) in enumerate(
        ((408, False), (408, False), (sip_status, alerted), (408, False))
    ):
        judge.call_ended(
            status, 1.0, alerted=rang, number=f"sip:{number}@pbx", invited_at_seconds=1.0
        )
    assert judge.health(1.0).may_dial


def test_a_full_carrier_that_answers_503_to_everybody_never_pauses_the_trunk() -> None:
    judge = HealthJudge(registers=False, probes=False)
    for now in range(1000):
        lose(judge, float(now), status=503)
        assert judge.health(now).may_dial


def test_one_leads_phone_that_cannot_be_reached_never_pauses_the_trunk() -> None:
    judge = HealthJudge(registers=False, probes=False)
    for now in range(20):
        lose(judge, float(now), number="sip:43150564100@pbx")
        assert judge.health(now).may_dial


def test_a_carriers_503_between_lost_calls_is_no_sign_of_life() -> None:
    judge = HealthJudge(registers=False, probes=False)
    for now, status in enumerate((408, 503, 408, 503, 408)):
        lose(judge, float(now), status=status)
    assert not judge.health(4.0).may_dial


def test_calls_on_their_way_while_another_ones_phone_rings_do_not_count() -> None:
    judge = HealthJudge(registers=False, probes=False)
    judge.call_got_through(5.0)
    for now in (6.0, 6.1, 6.2, 6.3):
        lose(judge, now, invited_at=4.0)
    assert judge.health(7.0).may_dial


@given(
    st.lists(
        st.tuples(
            st.sampled_from([408, 503, 504, 404, 480, 486, 603]),
            st.booleans(),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
def test_a_trunk_pauses_only_after_three_lost_calls_to_two_numbers_and_nothing_else_between(
    calls: list[tuple[int, bool, int]],
) -> None:
    judge = HealthJudge(registers=False, probes=False)
    lost: list[int] = []
    for now, (status, alerted, number) in enumerate(calls):
        at = now * 100.0
        judge.call_ended(status, at, alerted=alerted, number=str(number), invited_at_seconds=at)
        if not alerted and status in {408, 504}:
            lost.append(number)
        elif alerted or status != 503:
            lost.clear()
        just_lost = not alerted and status in {408, 504}
        expected = just_lost and len(lost) >= 3 and len(set(lost)) >= 2
        assert judge.health(at).may_dial is not expected


def test_options_that_pass_the_proxy_alone_tell_whether_the_pbx_lives() -> None:
    judge = HealthJudge(registers=True, probes=True, asks_beyond=True)
    judge.registration(200, 1.0)
    assert judge.health(1.0).status is TrunkStatus.STARTING
    judge.probed(404)
    assert judge.health(1.0).status is TrunkStatus.UP
    for now in range(10):
        lose(judge, float(now))
    assert judge.health(10.0).may_dial
    judge.probed(408)
    judge.answered()
    health = judge.health(11.0)
    assert health.status is TrunkStatus.UNREACHABLE
    assert health.detail == "the PBX does not answer: a proxy answered OPTIONS for it with 408"
    judge.probed(200)
    assert judge.health(12.0).status is TrunkStatus.UP


def test_options_that_a_proxy_answers_itself_say_that_something_is_there() -> None:
    judge = HealthJudge(registers=False, probes=True)
    judge.probed(503)
    assert judge.health(1.0).may_dial


def test_what_pjsip_made_up_is_not_told_as_an_answer_of_the_registrar() -> None:
    judge = HealthJudge(registers=True, probes=False)
    judge.registration(503, 1.0, received=False, reason="Connection refused")
    assert judge.health(1.0).detail == (
        "the PBX does not answer: there is no way to it (Connection refused)"
    )
    judge.registration(503, 2.0)
    assert judge.health(2.0).detail == "REGISTER was answered 503"

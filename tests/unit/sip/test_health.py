from __future__ import annotations

import pytest

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


def test_three_calls_in_a_row_that_reach_nobody_back_the_trunk_off() -> None:
    judge = HealthJudge(registers=False, probes=False)
    for now in (1.0, 2.0):
        judge.call_ended(503, now, alerted=False)
        assert judge.health(now).may_dial
    judge.call_ended(408, 3.0, alerted=False)
    assert judge.health(3.0).status is TrunkStatus.BACKING_OFF
    assert "3 calls in a row ended with 408" in judge.health(3.0).detail
    later = 3.0 + NOWHERE_BACK_OFF_SECONDS
    assert judge.health(later).may_dial
    # The next one is a question: an answer that reached nobody again asks for another pause.
    judge.call_ended(408, later, alerted=False)
    assert not judge.health(later).may_dial


@pytest.mark.parametrize(("sip_status", "alerted"), [(486, False), (408, True), (480, False)])
def test_a_call_that_reached_somebody_counts_from_the_beginning(
    sip_status: int, alerted: bool
) -> None:
    judge = HealthJudge(registers=False, probes=False)
    for status, rang in ((503, False), (503, False), (sip_status, alerted), (503, False)):
        judge.call_ended(status, 1.0, alerted=rang)
    assert judge.health(1.0).may_dial


def test_what_pjsip_made_up_is_not_told_as_an_answer_of_the_registrar() -> None:
    judge = HealthJudge(registers=True, probes=False)
    judge.registration(503, 1.0, received=False, reason="Connection refused")
    assert judge.health(1.0).detail == (
        "the PBX does not answer: there is no way to it (Connection refused)"
    )
    judge.registration(503, 2.0)
    assert judge.health(2.0).detail == "REGISTER was answered 503"

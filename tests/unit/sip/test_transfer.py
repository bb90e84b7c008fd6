from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.lines import PersonWith
from acd.sip.transfer import (
    Notify,
    ReferAgain,
    TransferDone,
    TransferMachine,
    TransferOutcome,
    TransferPermission,
    TransferStep,
    TransferTiming,
    read_notify,
)


def machine(
    timing: TransferTiming | None = None, *, after_failure: PersonWith = PersonWith.PBX
) -> TransferMachine:
    transfer = TransferMachine(timing or TransferTiming(), after_failure)
    transfer.refer_sent()
    return transfer


def test_a_202_is_no_result() -> None:
    assert machine().answered(202) is None


def test_the_final_notify_is_the_result() -> None:
    transfer = machine()
    transfer.answered(202)
    assert transfer.notified(100, terminated=False) is None
    assert transfer.notified(180, terminated=False) is None
    done = transfer.notified(200, terminated=True)
    assert done == TransferDone(TransferOutcome.ANSWERED, 200)


@pytest.mark.parametrize("status", [300, 404, 486, 503, 603])
def test_a_refused_refer_leaves_the_person_with_us(status: int) -> None:
    expected = TransferDone(TransferOutcome.REFUSED, status, PersonWith.US)
    assert machine().answered(status) == expected


def test_each_race_waits_longer_until_it_is_final() -> None:
    transfer = machine()
    waits: list[float] = []
    while isinstance(step := transfer.notified(400, terminated=True), ReferAgain):
        waits.append(step.after_seconds)
        transfer.refer_sent()
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.005, 0.100)
    assert sum(waits) == pytest.approx(1.0)
    assert step == TransferDone(TransferOutcome.FAILED, 400, PersonWith.US)


@pytest.mark.parametrize(
    ("status", "person"), [(404, PersonWith.US), (486, PersonWith.PBX), (503, PersonWith.PBX)]
)
def test_a_failed_transfer_says_who_has_the_person(status: int, person: PersonWith) -> None:
    done = machine().notified(status, terminated=True)
    assert done == TransferDone(TransferOutcome.FAILED, status, person)


@pytest.mark.parametrize("status", [404, 480, 486, 503, 603])
def test_where_the_leg_lives_on_the_person_is_ours_whatever_failed(status: int) -> None:
    done = machine(after_failure=PersonWith.US).notified(status, terminated=True)
    assert done == TransferDone(TransferOutcome.FAILED, status, PersonWith.US)


def test_a_bye_before_the_final_notify_is_unconfirmed() -> None:
    transfer = machine()
    transfer.answered(202)
    assert transfer.dialog_over() == TransferDone(TransferOutcome.UNCONFIRMED)


def test_silence_tells_by_the_202_who_has_the_person() -> None:
    asked, heard = machine(), machine()
    heard.answered(202)
    assert asked.timed_out() == TransferDone(TransferOutcome.TIMED_OUT, None, PersonWith.US)
    assert heard.timed_out() == TransferDone(TransferOutcome.TIMED_OUT, None, PersonWith.PBX)
    lives_on = machine(after_failure=PersonWith.US)
    lives_on.answered(202)
    assert lives_on.timed_out() == TransferDone(TransferOutcome.TIMED_OUT, None, PersonWith.US)


_Feed = Callable[[TransferMachine], TransferStep]


def _answered(status: int) -> _Feed:
    return lambda transfer: transfer.answered(status)


def _notified(status: int | None, terminated: bool) -> _Feed:
    return lambda transfer: transfer.notified(status, terminated=terminated)


_STATUSES = st.integers(100, 699)
_FEEDS = st.one_of(
    st.builds(_answered, _STATUSES),
    st.builds(_notified, st.none() | _STATUSES, st.booleans()),
    st.sampled_from(
        [TransferMachine.unanswered, TransferMachine.dialog_over, TransferMachine.timed_out]
    ),
)


@given(st.lists(_FEEDS, max_size=20))
def test_a_transfer_is_done_at_most_once(feeds: list[_Feed]) -> None:
    transfer = machine()
    done = 0
    for feed in feeds:
        step = feed(transfer)
        if isinstance(step, ReferAgain):
            transfer.refer_sent()
        done += isinstance(step, TransferDone)
    assert done <= 1
    assert (done == 1) == (transfer.done is not None)


def test_a_trunk_learns_to_wait_from_its_races_and_forgets_slowly() -> None:
    timing = TransferTiming()
    assert timing.delay_seconds == 0
    for _ in range(3):
        machine(timing).notified(400, terminated=True)
    learnt = timing.delay_seconds
    assert learnt == pytest.approx(0.003)
    for _ in range(100):
        machine(timing).notified(200, terminated=True)
    assert 0.4 * learnt < timing.delay_seconds < learnt


def test_the_delay_is_bounded() -> None:
    timing = TransferTiming()
    for _ in range(1000):
        timing.raced()
    assert timing.delay_seconds == timing.LONGEST_DELAY_SECONDS


def test_retries_of_one_transfer_teach_once() -> None:
    timing = TransferTiming()
    transfer = machine(timing)
    for _ in range(4):
        transfer.notified(400, terminated=True)
        transfer.refer_sent()
    assert timing.delay_seconds == pytest.approx(0.001)


@pytest.mark.parametrize("status", [403, 405, 603])
def test_transfers_are_refused_after_two_in_a_row(status: int) -> None:
    permission = TransferPermission()
    refused = TransferDone(TransferOutcome.REFUSED, status, PersonWith.US)
    assert [permission.note(refused), permission.note(refused)] == [None, status]


@pytest.mark.parametrize(
    "done",
    [
        TransferDone(TransferOutcome.UNCONFIRMED),
        TransferDone(TransferOutcome.TIMED_OUT, None, PersonWith.PBX),
        TransferDone(TransferOutcome.FAILED, 486, PersonWith.PBX),
        TransferDone(TransferOutcome.REFUSED, 481, PersonWith.US),
    ],
)
def test_a_transfer_that_was_on_its_way_opens_no_refused_trunk(done: TransferDone) -> None:
    permission = TransferPermission()
    refused = TransferDone(TransferOutcome.REFUSED, 403, PersonWith.US)
    permission.note(refused)
    permission.note(refused)
    assert permission.note(done) == 403


def test_an_answered_transfer_between_two_refusals_forgives() -> None:
    permission = TransferPermission()
    refused = TransferDone(TransferOutcome.REFUSED, 403, PersonWith.US)
    permission.note(refused)
    permission.note(TransferDone(TransferOutcome.ANSWERED, 200))
    assert permission.note(refused) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "NOTIFY sip:a@b SIP/2.0\r\nEvent: refer;id=2\r\n"
            "Subscription-State: terminated;reason=noresource\r\n\r\nSIP/2.0 200 OK\r\n",
            Notify(200, terminated=True, refer_cseq=2),
        ),
        (
            "NOTIFY sip:a@b SIP/2.0\r\no: refer\r\n"
            "Subscription-State:active;expires=60\r\n\r\nSIP/2.0 180 Ringing",
            Notify(180, terminated=False),
        ),
        (
            "NOTIFY sip:a@b SIP/2.0\r\nEvent: refer\r\nSubscription-State: terminated\r\n\r\n",
            Notify(None, terminated=True),
        ),
        (
            "NOTIFY sip:a@b SIP/2.0\r\nEVENT : Refer\r\n ;ID=7\r\n"
            "Subscription-state: TERMINATED;reason=noresource\r\n\r\nSIP/2.0 486 Busy",
            Notify(486, terminated=True, refer_cseq=7),
        ),
        ("NOTIFY sip:a@b SIP/2.0\r\nEvent: presence\r\n\r\nSIP/2.0 200 OK", None),
        ("NOTIFY sip:a@b SIP/2.0\r\nEvent: referral\r\n\r\nSIP/2.0 200 OK", None),
    ],
)
def test_a_notify_is_read_as_rfc_3515_writes_it(message: str, expected: Notify | None) -> None:
    assert read_notify(message) == expected

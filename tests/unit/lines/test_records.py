from __future__ import annotations

from typing import get_args

import pytest

from acd.lines import (
    PersonWith,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
)
from acd.lines.records import record_of
from acd.rules.dispositions import TransferOutcome

RESULTS: list[tuple[TransferResult, TransferOutcome, PersonWith]] = [
    (TransferAnswered(at_seconds=1.0), TransferOutcome.ANSWERED, PersonWith.PBX),
    (TransferRefused(at_seconds=1.0, sip_status=603), TransferOutcome.REFUSED, PersonWith.US),
    (
        TransferFailed(at_seconds=1.0, sip_status=404, person_with=PersonWith.US),
        TransferOutcome.FAILED,
        PersonWith.US,
    ),
    (
        TransferFailed(at_seconds=1.0, sip_status=503, person_with=PersonWith.PBX),
        TransferOutcome.FAILED,
        PersonWith.PBX,
    ),
    (TransferUnconfirmed(at_seconds=1.0), TransferOutcome.UNCONFIRMED, PersonWith.PBX),
    (
        TransferTimedOut(at_seconds=1.0, person_with=PersonWith.US),
        TransferOutcome.TIMED_OUT,
        PersonWith.US,
    ),
]


@pytest.mark.parametrize(("result", "outcome", "person"), RESULTS)
def test_each_result_has_its_name_and_says_who_has_the_person(
    result: TransferResult, outcome: TransferOutcome, person: PersonWith
) -> None:
    record = record_of(result, target="201")
    assert (record.outcome, record.person_with) == (outcome, person)


def test_every_kind_of_result_and_every_name_is_in_the_table() -> None:
    assert {type(row[0]) for row in RESULTS} == set(get_args(TransferResult))
    assert {row[1] for row in RESULTS} | {TransferOutcome.WITH_PBX} == set(TransferOutcome)


WITH_US, WITH_PBX = PersonWith.US, PersonWith.PBX


@pytest.mark.parametrize(
    ("result", "outcome", "agent_has_person"),
    [
        (TransferAnswered(at_seconds=3.0), TransferOutcome.WITH_PBX, True),
        (TransferUnconfirmed(at_seconds=3.0), TransferOutcome.WITH_PBX, True),
        (
            TransferTimedOut(at_seconds=9.0, person_with=WITH_PBX),
            TransferOutcome.WITH_PBX,
            False,
        ),
        (TransferTimedOut(at_seconds=9.0, person_with=WITH_US), TransferOutcome.TIMED_OUT, False),
        (
            TransferFailed(at_seconds=3.0, sip_status=503, person_with=WITH_PBX),
            TransferOutcome.FAILED,
            False,
        ),
        (TransferRefused(at_seconds=3.0, sip_status=603), TransferOutcome.REFUSED, False),
    ],
)
def test_whom_the_pbx_had_past_the_limit_is_with_the_pbx(
    result: TransferResult, outcome: TransferOutcome, agent_has_person: bool
) -> None:
    record = record_of(result, target="201", late=True)
    assert (record.outcome, record.agent_has_person) == (outcome, agent_has_person)

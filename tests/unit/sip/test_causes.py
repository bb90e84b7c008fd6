from __future__ import annotations

import pytest

from acd.calls import DisconnectCause
from acd.sip.causes import (
    OVERRIDABLE_STATUSES,
    Q850_CAUSES,
    STATUS_CAUSES,
    Reason,
    cause_of,
    reason_of,
    retry_after_seconds,
)

_NEVER_FROM_A_STATUS = {
    DisconnectCause.NORMAL,
    DisconnectCause.HUNG_UP,
    DisconnectCause.TRANSFERRED,
    DisconnectCause.NO_ANSWER,
}


@pytest.mark.parametrize("status", range(300, 700))
def test_every_final_status_has_a_cause(status: int) -> None:
    assert cause_of(status) not in _NEVER_FROM_A_STATUS


def test_every_cause_that_a_pbx_can_tell_is_reached() -> None:
    reached = {cause_of(status) for status in range(300, 700)} | set(Q850_CAUSES.values())
    reached |= {cause_of(480, alerted=True)}
    ours = {DisconnectCause.NORMAL, DisconnectCause.HUNG_UP, DisconnectCause.TRANSFERRED}
    assert reached == set(DisconnectCause) - ours


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (486, DisconnectCause.BUSY),
        (600, DisconnectCause.BUSY),
        (404, DisconnectCause.BAD_ADDRESS),
        (484, DisconnectCause.BAD_ADDRESS),
        (485, DisconnectCause.BAD_ADDRESS),
        (604, DisconnectCause.BAD_ADDRESS),
        (410, DisconnectCause.NUMBER_CHANGED),
        (301, DisconnectCause.NUMBER_CHANGED),
        (302, DisconnectCause.FORWARDED),
        (603, DisconnectCause.REJECTED),
        (607, DisconnectCause.REJECTED),
        (403, DisconnectCause.BLOCKED),
        (433, DisconnectCause.BLOCKED),
        (608, DisconnectCause.BLOCKED),
        (503, DisconnectCause.CONGESTION),
        (500, DisconnectCause.TEMPORARY_FAILURE),
        (504, DisconnectCause.TEMPORARY_FAILURE),
        (513, DisconnectCause.TEMPORARY_FAILURE),
        (502, DisconnectCause.OUT_OF_ORDER),
        (415, DisconnectCause.INCOMPATIBLE),
        (488, DisconnectCause.INCOMPATIBLE),
        (606, DisconnectCause.INCOMPATIBLE),
        (580, DisconnectCause.QOS_UNAVAILABLE),
        (487, DisconnectCause.CANCELLED),
        (401, DisconnectCause.UNAVAILABLE),
        (407, DisconnectCause.UNAVAILABLE),
        (420, DisconnectCause.UNAVAILABLE),
        (480, DisconnectCause.UNREACHABLE),
        (408, DisconnectCause.UNREACHABLE),
    ],
)
def test_a_status_means_what_the_table_of_the_gateway_says(
    status: int, cause: DisconnectCause
) -> None:
    assert cause_of(status) is cause


@pytest.mark.parametrize("status", [408, 480])
def test_a_phone_that_rang_was_not_answered_rather_than_unreachable(status: int) -> None:
    assert cause_of(status, alerted=True) is DisconnectCause.NO_ANSWER


@pytest.mark.parametrize("q850_cause", sorted(Q850_CAUSES))
def test_the_networks_cause_overrides_the_status(q850_cause: int) -> None:
    for status in STATUS_CAUSES:
        assert cause_of(status, q850_cause=q850_cause) is Q850_CAUSES[q850_cause]


def test_normal_clearing_leaves_the_status_as_it_is() -> None:
    assert cause_of(486, q850_cause=16) is DisconnectCause.BUSY


@pytest.mark.parametrize("status", sorted(OVERRIDABLE_STATUSES))
def test_a_trunk_may_read_three_statuses_its_own_way(status: int) -> None:
    overrides = {status: DisconnectCause.BUSY}
    assert cause_of(status, overrides=overrides) is DisconnectCause.BUSY
    assert cause_of(404, overrides=overrides) is DisconnectCause.BAD_ADDRESS


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('Reason: Q.850;cause=17;text="User busy"', Reason(17, "User busy")),
        ("Reason: Q.850 ; cause=21", Reason(21)),
        ("reason:q.850;cause=1", Reason(1)),
        (
            'Reason: SIP;cause=486;text="Busy", Q.850;cause=34;text="No circuit"',
            Reason(34, "No circuit"),
        ),
        ('Reason: SIP;cause=600;text="Busy Everywhere"', Reason()),
        ("Reason: Q.850;text=nothing", Reason()),
        ("X-Reason: Q.850;cause=17", Reason()),
    ],
)
def test_the_reason_header_is_read_as_rfc_3326_writes_it(header: str, reason: Reason) -> None:
    message = f"SIP/2.0 486 Busy\r\n{header}\r\nContent-Length: 0\r\n\r\nReason: Q.850;cause=3"
    assert reason_of(message) == reason


def test_two_reason_headers_are_both_looked_at() -> None:
    message = "BYE sip:a@b SIP/2.0\r\nReason: SIP;cause=200\r\nReason: Q.850;cause=16\r\n\r\n"
    assert reason_of(message) == Reason(16)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("Retry-After: 120", 120), ("retry-after:5 (maintenance);duration=3", 5), ("X: 1", None)],
)
def test_retry_after_is_seconds(header: str, seconds: int | None) -> None:
    assert retry_after_seconds(f"SIP/2.0 503 No\r\n{header}\r\n\r\n") == seconds

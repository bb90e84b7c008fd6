"""Every word of ours has its number, and none of TAPI's is misspelt."""

from __future__ import annotations

import pytest

from acd.calls import CallState, DisconnectCause
from acd.lines import DoorRule
from acd.tapi.constants import (
    LineAddrCapFlags,
    LineBusyMode,
    LineCallFeature,
    LineCallState,
    LineDisconnectMode,
    LineErr,
)
from acd.tapi.mapping import CALL_FEATURES, CALL_STATES, DISCONNECT_MODES, DOOR_ERRORS


def test_every_call_state_has_a_linecallstate() -> None:
    assert set(CALL_STATES) == set(CallState)


def test_every_disconnect_cause_has_a_mode_but_those_of_our_own_making() -> None:
    assert set(DISCONNECT_MODES) == set(DisconnectCause)
    without = {cause for cause, mode in DISCONNECT_MODES.items() if mode is None}
    assert without == {DisconnectCause.HUNG_UP, DisconnectCause.TRANSFERRED}


def test_no_two_causes_share_a_mode() -> None:
    modes = [mode for mode in DISCONNECT_MODES.values() if mode is not None]
    assert len(set(modes)) == len(modes)


def test_every_rule_of_the_door_has_an_error() -> None:
    assert set(DOOR_ERRORS) == set(DoorRule)


def test_every_state_has_its_features_and_only_connected_may_be_transferred() -> None:
    assert set(CALL_FEATURES) == set(LineCallState)
    movable = {s for s, f in CALL_FEATURES.items() if LineCallFeature.BLINDTRANSFER in f}
    assert movable == {LineCallState.CONNECTED}


@pytest.mark.parametrize(
    ("constant", "number"),
    [
        (LineCallState.CONNECTED, 0x100),
        (LineCallState.DISCONNECTED, 0x4000),
        (LineDisconnectMode.NOANSWER, 0x40),
        (LineDisconnectMode.BUSY, 0x20),
        (LineDisconnectMode.CANCELLED, 0x80000),
        (LineBusyMode.STATION, 1),
        (LineAddrCapFlags.PREDICTIVEDIALER, 0x00800000),
        (LineErr.RESOURCEUNAVAIL, 2147483723),
        (LineErr.INUSE, 0x8000000F),
    ],
)
def test_constants_are_those_of_tapi_h(constant: int, number: int) -> None:
    assert constant == number


def test_resourceunavail_as_a_signed_long_is_what_siptapi_answers_for_a_disabled_line() -> None:
    assert LineErr.RESOURCEUNAVAIL - (1 << 32) == -2147483573

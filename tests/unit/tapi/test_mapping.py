"""Every word of ours has its number, and none of TAPI's is misspelt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import EnumType

from acd.calls import DisconnectCause
from acd.lines import DoorRule, PersonWith
from acd.lines.records import TransferRecord
from acd.rules.dispositions import TransferOutcome
from acd.sip.causes import STATUS_CAUSES
from acd.tapi import constants
from acd.tapi.constants import LineCallFeature, LineCallState, LineErr
from acd.tapi.mapping import CALL_FEATURES, DISCONNECT_MODES, DOOR_ERRORS
from acd.tapi.profiles import TARGET_CAUSES, cause_of_target


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


OURS = {
    408: DisconnectCause.NO_ANSWER,
    480: DisconnectCause.NO_ANSWER,
    # The PBX gave up ringing: the one who was to answer did not.
    487: DisconnectCause.NO_ANSWER,
    # The PBX's own account at a carrier, no word about the number.
    401: DisconnectCause.TEMPORARY_FAILURE,
    407: DisconnectCause.TEMPORARY_FAILURE,
}
"""Statuses that mean another thing in a NOTIFY than as the answer to our own INVITE."""


def test_a_notify_means_what_the_same_answer_to_an_invite_means() -> None:
    expected = {**{code: cause for code, cause in STATUS_CAUSES.items() if code >= 400}, **OURS}
    for code, cause in expected.items():
        record = TransferRecord(
            outcome=TransferOutcome.FAILED,
            target="7001",
            sip_status=code,
            person_with=PersonWith.PBX,
            agent_has_person=False,
        )
        assert cause_of_target(record) is cause, code
    assert set(TARGET_CAUSES) <= set(expected)


TAPI_H = """
LineCallState IDLE 1 OFFERING 2 ACCEPTED 4 DIALTONE 8 DIALING 10 RINGBACK 20 BUSY 40 SPECIALINFO 80
  CONNECTED 100 PROCEEDING 200 ONHOLD 400 CONFERENCED 800 ONHOLDPENDCONF 1000
  ONHOLDPENDTRANSFER 2000 DISCONNECTED 4000 UNKNOWN 8000
LineDisconnectMode NORMAL 1 UNKNOWN 2 REJECT 4 PICKUP 8 FORWARDED 10 BUSY 20 NOANSWER 40
  BADADDRESS 80 UNREACHABLE 100 CONGESTION 200 INCOMPATIBLE 400 UNAVAIL 800 NODIALTONE 1000
  NUMBERCHANGED 2000 OUTOFORDER 4000 TEMPFAILURE 8000 QOSUNAVAIL 10000 BLOCKED 20000
  DONOTDISTURB 40000 CANCELLED 80000
LineBusyMode STATION 1 TRUNK 2 UNKNOWN 4 UNAVAIL 8
LineConnectedMode ACTIVE 1 INACTIVE 2
LineOfferingMode ACTIVE 1 INACTIVE 2
LineCallFeature ACCEPT 1 ANSWER 4 BLINDTRANSFER 8 DIAL 40 DROP 80 HOLD 800 REDIRECT 20000
  SETUPTRANSFER 2000000
LineAddrCapFlags DIALED 20 ORIGOFFHOOK 40 PARTIALDIAL 10000 PREDICTIVEDIALER 800000 QUEUE 1000000
  SETCALLINGID 20000000 ACDGROUP 40000000
LineCallParamFlags SECURE 1 IDLE 2 BLOCKID 4 ORIGOFFHOOK 8 DESTOFFHOOK 10 PREDICTIVEDIAL 40
LineCallReason DIRECT 1 REDIRECT 40 TRANSFER 100 UNKNOWN 400 UNAVAIL 800
LineCallOrigin OUTBOUND 1 INTERNAL 2 EXTERNAL 4 UNKNOWN 10 UNAVAIL 20 INBOUND 80
LineCallPartyId BLOCKED 1 OUTOFAREA 2 NAME 4 ADDRESS 8 PARTIAL 10 UNKNOWN 20 UNAVAIL 40
LineCallInfoState OTHER 1 MEDIAMODE 10 ORIGIN 100 REASON 200 CALLERID 8000 CALLEDID 10000
  CONNECTEDID 20000
LineMediaMode UNKNOWN 2 INTERACTIVEVOICE 4 AUTOMATEDVOICE 8
LineErr ALLOCATED 80000001 BADDEVICEID 80000002 CALLUNAVAIL 80000005 DIALBILLING 80000008
  DIALDIALTONE 80000009 DIALPROMPT 8000000A DIALQUIET 8000000B INCOMPATIBLEAPIVERSION 8000000C
  INUSE 8000000F INVALADDRESS 80000010 INVALADDRESSID 80000011 INVALCALLHANDLE 80000018
  INVALCALLPARAMS 80000019 INVALCALLSTATE 8000001C INVALLINEHANDLE 8000002B
  INVALLINESTATE 8000002C INVALMEDIAMODE 8000002F INVALPARAM 80000032 INVALPOINTER 80000035
  NODEVICE 80000042 NODRIVER 80000043 NOMEM 80000044 NOTOWNER 80000046 OPERATIONFAILED 80000048
  OPERATIONUNAVAIL 80000049 RESOURCEUNAVAIL 8000004B STRUCTURETOOSMALL 8000004D
  UNINITIALIZED 80000050 REINIT 80000052 ADDRESSBLOCKED 80000053 DIALVOICEDETECT 8000005C
  DISCONNECTED 80000060
"""
"""Names and hexadecimal numbers as `tapi.h` has them, written down by hand."""


def as_tapi_h_has_them() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for table in re.split(r"\n(?=Line)", TAPI_H.strip()):
        kind, *words = table.split()
        found[kind] = {n: int(hexa, 16) for n, hexa in zip(words[::2], words[1::2], strict=True)}
    return found


def numbers_of(kind: EnumType) -> dict[str, int]:
    members: Mapping[str, int] = kind.__members__
    return {name: int(number) for name, number in members.items()}


def test_constants_are_those_of_tapi_h_and_each_is_looked_at() -> None:
    ours = {
        name: numbers_of(kind)
        for name, kind in vars(constants).items()
        if isinstance(kind, EnumType) and kind.__module__ == constants.__name__
    }
    assert ours == as_tapi_h_has_them()


def test_resourceunavail_as_a_signed_long_is_what_siptapi_answers_for_a_disabled_line() -> None:
    assert LineErr.RESOURCEUNAVAIL - (1 << 32) == -2147483573

"""What a line profile makes of a `lineMakeCall`: whom to call first, and whom to REFER them to.

| mode                  | called first | then                                             |
|-----------------------|--------------|--------------------------------------------------|
| acd                   | the number   | waits for `lineBlindTransfer`                    |
| standard, alternative | user's phone | REFER to the number                              |
| reverse               | the number   | REFER to the user's phone, once the person is on |

Pure. Headers that make a phone pick up by itself go on the call to the user's own phone alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from acd.calls import DisconnectCause
from acd.errors import BadSettings
from acd.lines import Destination, DestinationKind, Door, Refused
from acd.lines.records import TransferRecord
from acd.rules.dispositions import TransferOutcome
from acd.settings import AutoAnswer, LineMode, ProfileSettings, TrunkSettings
from acd.tapi.info import AutoTransfer

Headers = tuple[tuple[str, str], ...]
DIALED_NUMBER = "dialed number"
"""Stands where a transfer's target is written down: the number itself is in one place only."""


class Party(StrEnum):
    """Whom a leg or a REFER leads to."""

    NUMBER = "number"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Flow:
    """One mode."""

    first: Party
    then: Party | None = None


FLOWS: Mapping[LineMode, Flow] = MappingProxyType(
    {
        LineMode.ACD: Flow(Party.NUMBER),
        LineMode.STANDARD: Flow(Party.PHONE, Party.NUMBER),
        LineMode.REVERSE: Flow(Party.NUMBER, Party.PHONE),
        LineMode.ALTERNATIVE: Flow(Party.PHONE, Party.NUMBER),
    }
)

_CALL_INFO = ("Call-Info", "<sip:{domain}>;answer-after=0")
_ALERT_INFO = ("Alert-Info", "<http://{domain}>;info=alert-autoanswer;delay=0")
_RING_ANSWER = ("Alert-Info", "Ring Answer")

AUTO_ANSWER: Mapping[AutoAnswer, Headers] = MappingProxyType(
    {
        AutoAnswer.OFF: (),
        AutoAnswer.ANY: (_CALL_INFO, _ALERT_INFO, _RING_ANSWER),
        AutoAnswer.SNOM: (_CALL_INFO,),
        AutoAnswer.GRANDSTREAM: (_CALL_INFO, _ALERT_INFO),
        AutoAnswer.POLYCOM: (_RING_ANSWER,),
        AutoAnswer.AASTRA: (_ALERT_INFO,),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProfile:
    """A `[[profile]]`, read for one trunk."""

    mode: LineMode = LineMode.ACD
    flow: Flow = FLOWS[LineMode.ACD]
    phone: Destination | None = None
    """None in ACD mode, which has no phone of its own."""
    headers: Headers = ()
    """For the call to the user's own phone."""
    incoming: bool = False
    """Calls to the account are shown to the application."""
    sends_180: bool = False
    """… and their callers hear that it rings here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One call's way."""

    first: Destination
    then: Destination | None = None
    then_written: str = ""
    """`then` as it is written down."""
    headers: Headers = ()
    person_first: bool = True
    """Who answers first is the person that was dialed, not the user."""
    auto: bool = False
    """`then` came with the `lineMakeCall`: the application looks after who is not taken."""


PLAIN = LineProfile()
"""A line without a profile: ACD mode."""


def read_profile(profile: ProfileSettings, trunk: TrunkSettings, door: Door) -> LineProfile:
    """A profile on its trunk.

    Raises:
        BadSettings: the phone must not be called.
    """
    flow = FLOWS[profile.mode]
    phone = None
    if Party.PHONE in (flow.first, flow.then):
        phone = _phone(profile, trunk, door)
    headers = tuple(
        (name, value.format(domain=trunk.domain))
        for name, value in AUTO_ANSWER[profile.auto_answer]
    )
    return LineProfile(
        mode=profile.mode,
        flow=flow,
        phone=phone,
        headers=headers,
        incoming=profile.incoming,
        sends_180=profile.send_180,
    )


def _phone(profile: ProfileSettings, trunk: TrunkSettings, door: Door) -> Destination:
    written = profile.phone or trunk.user
    wanted = f"sip:{written}" if "@" in written else written
    admitted = door.admit(wanted, DestinationKind.TRANSFER)
    if isinstance(admitted, Refused):
        raise BadSettings(f"profile {profile.name}: the phone {admitted.sentence}")
    return admitted


def course_of(
    profile: LineProfile, number: Destination, *, auto: AutoTransfer | None = None
) -> Course:
    """How to bring the user and a dialed number together.

    Args:
        profile: of the line.
        number: who was dialed.
        auto: whom the application wants them sent to; in ACD mode alone.
    """
    if auto is not None:
        return Course(first=number, then=auto.target, then_written=auto.target.written, auto=True)
    parties = {Party.NUMBER: number, Party.PHONE: profile.phone or number}
    flow = profile.flow
    then = None if flow.then is None else parties[flow.then]
    written = "" if then is None else DIALED_NUMBER if flow.then is Party.NUMBER else then.user
    phone_first = flow.first is Party.PHONE
    return Course(
        first=parties[flow.first],
        then=then,
        then_written=written,
        headers=profile.headers if phone_first else (),
        person_first=not phone_first,
    )


TARGET_CAUSES: Mapping[int, DisconnectCause] = MappingProxyType(
    {
        **dict.fromkeys((486, 600), DisconnectCause.BUSY),
        **dict.fromkeys((408, 480, 487), DisconnectCause.NO_ANSWER),
        **dict.fromkeys((404, 484, 485, 604), DisconnectCause.BAD_ADDRESS),
        410: DisconnectCause.NUMBER_CHANGED,
        **dict.fromkeys((603, 607), DisconnectCause.REJECTED),
        **dict.fromkeys((403, 433, 608), DisconnectCause.BLOCKED),
        503: DisconnectCause.CONGESTION,
        502: DisconnectCause.OUT_OF_ORDER,
        580: DisconnectCause.QOS_UNAVAILABLE,
        **dict.fromkeys((415, 488, 606), DisconnectCause.INCOMPATIBLE),
    }
)
"""Final statuses of the NOTIFY; any other is a temporary failure, for the PBX could not tell."""


def cause_of_target(record: TransferRecord | None) -> DisconnectCause:
    """Why the number could not be brought to the user's phone, by the PBX's NOTIFY."""
    if record is None or record.outcome is TransferOutcome.TIMED_OUT:
        return DisconnectCause.TEMPORARY_FAILURE
    if record.outcome is TransferOutcome.REFUSED:
        # The PBX takes no REFER: that says nothing about the number.
        return DisconnectCause.UNAVAILABLE
    return TARGET_CAUSES.get(record.sip_status or 0, DisconnectCause.TEMPORARY_FAILURE)

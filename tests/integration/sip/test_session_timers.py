"""Session timers (RFC 4028) against SIPp and Asterisk.

90 s is the least that the RFC allows, and pjsip's refresher asks at half of it, so three refreshes
take 135 s. All calls therefore run side by side, on one trunk to one SIPp each, and on one to an
Asterisk that wants timers. Asterisk takes the 1800 s that pjsip asks for, whatever its own
`timers_sess_expires` says; on that trunk we ask for 90.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pjsua2 as pj
import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import (
    Answered,
    CallId,
    Destination,
    DestinationKind,
    Ended,
    LinePool,
    OriginateRequest,
    Released,
    TransferAnswered,
    TrunkStatus,
)
from acd.settings import TrunkSettings
from acd.sip import Sip, open_sip, thread
from acd.sip.pj_config import account_config
from acd.sip.plan import TrunkPlan
from tests.integration.sip.conftest import until, wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import DIALER, DIALER_PASSWORD
from tests.peers.centre import Centre, Traffic, open_centre
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import (
    ack,
    answer,
    bye,
    hang_up,
    invite,
    offer_again,
    pause,
    receive,
    request,
    take_reinvite,
    take_update,
    write,
)
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

_HERE = Addresses.free()
ENGINE = _HERE.dialer
PBX = _HERE.pbx
SESSION_SECONDS = 90
REFRESHES = 3
HELD_SECONDS = REFRESHES * SESSION_SECONDS / 2 + 5
"""Past the third refresh; pjsip's timers and Asterisk's turn late on a busy machine."""
WHOLE_SECONDS = 200
_BASE_METHODS = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS"
_WITH_UPDATE = f"{_BASE_METHODS}, UPDATE"
_OURS = (f"Session-Expires: {SESSION_SECONDS};refresher=uac", "Require: timer")
_THEIRS = (f"Session-Expires: {SESSION_SECONDS};refresher=uas", "Require: timer")
_THEIR_REQUEST = (f"Session-Expires: {SESSION_SECONDS};refresher=uac", "Supported: timer")
_BETWEEN_MS = 20_000
_SILENCE_SECONDS = 60
"""RFC 4028 10: BYE the lesser of 32 s and a third of the session before it expires."""

CALLS: Mapping[str, tuple[str, ...]] = {
    "ours by UPDATE": (
        *(invite(), answer(_WITH_UPDATE, *_OURS), ack()),
        *[take_update(_WITH_UPDATE, *_OURS)] * REFRESHES,
        hang_up(),
    ),
    "ours by INVITE": (
        *(invite(), answer(_BASE_METHODS, *_OURS), ack()),
        *[take_reinvite(_BASE_METHODS, *_OURS)] * REFRESHES,
        hang_up(),
    ),
    "theirs by UPDATE": (
        *(invite(), answer(_WITH_UPDATE, *_THEIRS), ack()),
        *[pause(_BETWEEN_MS), request("UPDATE", *_THEIR_REQUEST)] * REFRESHES,
        bye(),
    ),
    "theirs by INVITE": (
        *(invite(), answer(_BASE_METHODS, *_THEIRS), ack()),
        *[pause(_BETWEEN_MS), offer_again(*_THEIR_REQUEST)] * REFRESHES,
        bye(),
    ),
    "ours unanswered": (
        *(invite(), answer(_WITH_UPDATE, *_OURS), ack()),
        receive("UPDATE"),
        pause(60_000),
    ),
}


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one call."""

    answered: Answered
    ended: Ended
    messages: list[SipMessage]

    @property
    def seconds(self) -> float:
        return self.ended.at_seconds - self.answered.at_seconds

    def sent(self, method: str, *, by: str) -> list[SipMessage]:
        return [m for m in select(self.messages, method) if m.source[0] == by]


async def test_a_session_lives_by_its_refreshes_and_ends_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread, "account_config", _short_sessions)
    courses: dict[str, Course] = {}
    ends: dict[str, tuple[Answered, Ended]] = {}
    with trio.fail_after(WHOLE_SECONDS):
        async with _peers(tmp_path) as (peers, wire, sip, centre):
            async with trio.open_nursery() as nursery:
                for name, peer in peers.items():
                    nursery.start_soon(_one_call, sip.trunk("main").lines, name, peer.bind, ends)
                nursery.start_soon(_held_call, sip.trunk("asterisk").lines)
            messages = wire.sip()
            _check_held(centre.traffic())
    for name, (answered, ended) in ends.items():
        port = peers[name].bind.port
        own = [m for m in messages if port in (m.source[1], m.destination[1])]
        courses[name] = Course(answered, ended, own)
    _check_ours(courses["ours by UPDATE"], "UPDATE")
    _check_ours(courses["ours by INVITE"], "INVITE")
    _check_theirs(courses["theirs by UPDATE"], "UPDATE")
    _check_theirs(courses["theirs by INVITE"], "INVITE")
    _check_unanswered(courses["ours unanswered"])


def _short_sessions(plan: TrunkPlan, transport_id: int, *, shared_auth: bool) -> pj.AccountConfig:
    config = account_config(plan, transport_id, shared_auth=shared_auth)
    if plan.name == "asterisk":
        config.callConfig.timerSessExpiresSec = SESSION_SECONDS
    return config


def _check_held(traffic: Traffic) -> None:
    """We kept Asterisk's session for three refreshes, and a transfer then worked."""
    answer = traffic.to_engine(200, cseq="INVITE")[0]
    assert answer.get("Session-Expires") == f"{SESSION_SECONDS};refresher=uac"
    refer = traffic.from_engine("REFER")[0]
    refreshes = [
        each
        for method in ("UPDATE", "INVITE")
        for each in traffic.from_engine(method)
        if each.at_seconds > answer.at_seconds and each.get("Session-Expires")
    ]
    assert len(refreshes) == REFRESHES
    byes = [*traffic.from_engine("BYE"), *traffic.to_engine("BYE")]
    assert all(each.at_seconds > refer.at_seconds for each in byes)
    assert b" 200 " in traffic.final_notify().body


def _check_ours(course: Course, method: str) -> None:
    """We refreshed three times, at half the session each, and then the other side hung up."""
    refreshes = [m for m in course.sent(method, by=ENGINE) if ";tag=" in m.get("To")]
    assert len(refreshes) == REFRESHES
    for message in refreshes:
        assert message.get("Session-Expires").startswith(str(SESSION_SECONDS))
    assert course.ended.cause is DisconnectCause.NORMAL
    assert course.seconds > REFRESHES * SESSION_SECONDS / 2 - 2


def _check_theirs(course: Course, method: str) -> None:
    """Three refreshes kept it up; when the next one did not come, we ended it with a cause."""
    refreshes = course.sent(method, by=PBX)
    answers = [m for m in select(course.messages, 200, cseq=method) if m.source[0] == ENGINE]
    assert (len(refreshes), len(answers)) == (REFRESHES, REFRESHES)
    assert all(m.get("Session-Expires").startswith(str(SESSION_SECONDS)) for m in answers)
    (our_bye,) = course.sent("BYE", by=ENGINE)
    # Margin: pjsip's timers turn late on a busy machine, never early.
    assert our_bye.at_seconds - refreshes[-1].at_seconds > _SILENCE_SECONDS - 1
    assert our_bye.at_seconds - refreshes[-1].at_seconds < SESSION_SECONDS
    _check_expired(course.ended)


def _check_unanswered(course: Course) -> None:
    assert course.sent("UPDATE", by=ENGINE)
    assert course.seconds < SESSION_SECONDS
    _check_expired(course.ended)


def _check_expired(ended: Ended) -> None:
    assert ended.cause is DisconnectCause.TEMPORARY_FAILURE
    assert ended.sip_status == 408


@asynccontextmanager
async def _peers(folder: Path) -> AsyncIterator[tuple[dict[str, Sipp], Wire, Sip, Centre]]:
    there = Addresses.free()
    wanted = {"timers": "always", "timers_sess_expires": str(SESSION_SECONDS)}
    agent = phones.agent_answers(there.agent_101)
    async with open_centre(there, agent, dialer=wanted) as centre:
        with ExitStack() as stack:
            wire = stack.enter_context(Wire(PBX))
            peers = {
                name: stack.enter_context(Sipp.uas(write(folder, *steps), Bind(PBX)))
                for name, steps in CALLS.items()
            }
            trunks = [
                _trunk("main", PBX, user="acd", register=False),
                _trunk("asterisk", there.pbx, user=DIALER, password=DIALER_PASSWORD),
            ]
            async with open_sip(trunks, probe=None) as sip:
                for each in trunks:
                    await wait_status(sip.trunk(each.name), TrunkStatus.UP)
                yield peers, wire, sip, centre


def _trunk(name: str, domain: str, **more: object) -> TrunkSettings:
    values = {"name": name, "domain": domain, "lines": len(CALLS), "bind_address": ENGINE}
    return TrunkSettings.model_validate({**values, **more})


async def _held_call(lines: LinePool) -> None:
    """Somebody waits for an agent for three refreshes, and then gets one."""
    async with lines.lease(holder="held", deadline_seconds=WHOLE_SECONDS) as line:
        number = Destination(kind=DestinationKind.LEAD, user=phones.ANSWERS)
        await line.originate(
            OriginateRequest(call_id=CallId("held"), destination=number, ring_timeout_seconds=20)
        )
        await until(line, Answered)
        with trio.move_on_after(HELD_SECONDS):
            raise AssertionError(f"it ended: {await line.next_event()}")
        to = Destination(kind=DestinationKind.TRANSFER, user="101")
        assert isinstance(await line.blind_transfer(to, timeout_seconds=30)(), TransferAnswered)
        await until(line, Released)


async def _one_call(
    lines: LinePool, name: str, where: Bind, ends: dict[str, tuple[Answered, Ended]]
) -> None:
    async with AsyncExitStack() as stack:
        lease = lines.lease(holder=name, deadline_seconds=WHOLE_SECONDS)
        line = await stack.enter_async_context(lease)
        destination = Destination(kind=DestinationKind.LEAD, user="", uri=f"sip:100@{where}")
        await line.originate(
            OriginateRequest(call_id=CallId(name), destination=destination, ring_timeout_seconds=20)
        )
        answered = (await until(line, Answered))[-1]
        *_, ended, _ = await until(line, Released)
        assert isinstance(answered, Answered)
        assert isinstance(ended, Ended)
        ends[name] = (answered, ended)

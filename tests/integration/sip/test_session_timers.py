"""Session timers (RFC 4028) against SIPp.

90 s is the least that the RFC allows, and pjsip's refresher asks at half of it, so three refreshes
take 135 s. All calls therefore run side by side, on one trunk to one SIPp each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

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
    TrunkStatus,
)
from acd.settings import TrunkSettings
from acd.sip import open_sip
from tests.integration.sip.conftest import until, wait_status
from tests.peers.addresses import Addresses
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


async def test_a_session_lives_by_its_refreshes_and_ends_without_them(tmp_path: Path) -> None:
    courses: dict[str, Course] = {}
    with trio.fail_after(WHOLE_SECONDS):
        async with _peers(tmp_path) as (peers, wire, lines):
            ends: dict[str, tuple[Answered, Ended]] = {}
            async with trio.open_nursery() as nursery:
                for name, peer in peers.items():
                    nursery.start_soon(_one_call, lines, name, peer.bind, ends)
            messages = wire.sip()
    for name, (answered, ended) in ends.items():
        port = peers[name].bind.port
        own = [m for m in messages if port in (m.source[1], m.destination[1])]
        courses[name] = Course(answered, ended, own)
    _check_ours(courses["ours by UPDATE"], "UPDATE")
    _check_ours(courses["ours by INVITE"], "INVITE")
    _check_theirs(courses["theirs by UPDATE"], "UPDATE")
    _check_theirs(courses["theirs by INVITE"], "INVITE")
    _check_unanswered(courses["ours unanswered"])


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
async def _peers(folder: Path) -> AsyncIterator[tuple[dict[str, Sipp], Wire, LinePool]]:
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(PBX))
        peers = {
            name: stack.enter_context(Sipp.uas(write(folder, *steps), Bind(PBX)))
            for name, steps in CALLS.items()
        }
        settings = TrunkSettings.model_validate(
            {
                "domain": PBX,
                "user": "acd",
                "register": False,
                "lines": len(CALLS),
                "bind_address": ENGINE,
            }
        )
        async with open_sip([settings], probe=None) as sip:
            trunk = sip.trunk("main")
            await wait_status(trunk, TrunkStatus.UP)
            yield peers, wire, trunk.lines


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

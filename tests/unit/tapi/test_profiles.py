"""Line profiles: who is called first, and what the application is told; on scripted lines."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import pytest

from acd.calls import DisconnectCause
from acd.errors import BadSettings
from acd.lines import Destination, DestinationKind, Door, PersonWith, TransferFailed, TrunkStatus
from acd.settings import AutoAnswer, DestinationSettings, LineMode, ProfileSettings
from acd.tapi.client import LineError
from acd.tapi.constants import LineCallState as S
from acd.tapi.constants import LineDisconnectMode as Mode
from acd.tapi.profiles import AUTO_ANSWER, FLOWS, course_of, read_profile
from tests.fakes.lines import Script
from tests.unit.tapi.stage import NUMBER, OPEN, TRUNK, StandingClock, stage, until

DIALED = Destination(kind=DestinationKind.LEAD, user="+431505641")
DOOR = Door(DestinationSettings(), TRUNK)
BUSY = TransferFailed(at_seconds=0.0, sip_status=486, person_with=PersonWith.PBX)
LOST = TransferFailed(at_seconds=0.0, sip_status=486, person_with=PersonWith.US)


def settings(mode: LineMode, **more: object) -> ProfileSettings:
    return ProfileSettings.model_validate(
        {"name": "one", "first_line": 1, "last_line": 4, "mode": mode, **more}
    )


@pytest.mark.parametrize("mode", LineMode)
def test_every_mode_has_a_flow(mode: LineMode) -> None:
    course = course_of(read_profile(settings(mode), TRUNK, DOOR), DIALED)
    parties = [each.user for each in (course.first, course.then) if each is not None]
    assert (
        parties
        == {
            LineMode.ACD: ["+431505641"],
            LineMode.STANDARD: ["dialer", "+431505641"],
            LineMode.REVERSE: ["+431505641", "dialer"],
            LineMode.ALTERNATIVE: ["dialer", "+431505641"],
        }[mode]
    )
    assert course.person_first == (FLOWS[mode].first == "number")


@pytest.mark.parametrize(
    ("phone", "user", "uri"),
    [
        ("", "dialer", ""),
        ("31", "31", ""),
        ("31@192.0.2.7:8899", "31", "sip:31@192.0.2.7:8899"),
    ],
)
def test_the_users_extension_with_and_without_its_address(phone: str, user: str, uri: str) -> None:
    read = read_profile(settings(LineMode.STANDARD, phone=phone), TRUNK, DOOR)
    assert read.phone is not None
    assert (read.phone.user, read.phone.uri) == (user, uri)


@pytest.mark.parametrize("kind", AutoAnswer)
def test_every_phone_has_its_headers_and_no_customer_gets_them(kind: AutoAnswer) -> None:
    read = read_profile(settings(LineMode.STANDARD, auto_answer=kind), TRUNK, DOOR)
    course = course_of(read, DIALED)
    assert len(course.headers) == len(AUTO_ANSWER[kind])
    assert all("{" not in value for _, value in course.headers)
    reverse = read_profile(settings(LineMode.REVERSE, auto_answer=kind), TRUNK, DOOR)
    assert course_of(reverse, DIALED).headers == ()


def test_an_emergency_number_is_no_phone() -> None:
    with pytest.raises(BadSettings, match=r"profile one: the phone .* emergency"):
        read_profile(settings(LineMode.STANDARD, phone="112"), TRUNK, DOOR)


async def test_standard_calls_the_phone_and_refers_it_to_the_number() -> None:
    async with stage(profile=settings(LineMode.STANDARD, phone="31", auto_answer="snom")) as on:
        call = await on.connected()
        await call.wait_states(S.IDLE)
        assert [event.state for event in call.events] == [
            *(S.DIALING, S.RINGBACK, S.CONNECTED, S.IDLE)
        ]
        (line,) = on.pool.used
        assert line.requests[0].destination.user == "31"
        assert line.requests[0].headers == (("Call-Info", "<sip:127.0.0.1>;answer-after=0"),)
        assert [each.user for each in line.targets] == ["+431505641"]
        await until(lambda: bool(on.books.closed))
    (row,) = on.books.closed
    assert row.answered_at is not None
    assert row.transferred_at is not None
    assert row.transfer_target == "dialed number"


async def test_standard_tells_why_the_number_was_not_reached() -> None:
    script = Script(transfers=deque([BUSY]), hangs_up_after=None)
    async with stage(script, profile=settings(LineMode.STANDARD)) as on:
        call = await on.app.line_make_call(await on.app.line_open(1), NUMBER)
        await call.wait_states(S.IDLE)
        assert call.disconnect_mode is Mode.BUSY
        await until(lambda: bool(on.books.closed))
    (row,) = on.books.closed
    assert row.cause is DisconnectCause.BUSY
    assert row.answered_at is None
    assert not row.abandoned


async def test_standard_books_no_answer_of_a_number_that_nobody_confirmed() -> None:
    # BYE after the 202: the PBX has brought them together, or the user hung up before.
    script = Script(transfers=deque([30.0]), hangs_up_after=0.1)
    async with stage(script, profile=settings(LineMode.STANDARD)) as on:
        call = await on.app.line_make_call(await on.app.line_open(1), NUMBER)
        await call.wait_states(S.IDLE)
        await until(lambda: bool(on.books.closed))
    (row,) = on.books.closed
    assert row.transfer_result == "unconfirmed"
    assert (row.answered_at, row.transferred_at, row.ring_seconds) == (None, None, None)
    assert not row.abandoned


async def test_reverse_gives_a_person_up_whose_user_does_not_answer() -> None:
    script = Script(transfers=deque([LOST]), hangs_up_after=None)
    client = {"wait_limit_seconds": 0.2}
    async with stage(script, client=client, profile=settings(LineMode.REVERSE, phone="31")) as on:
        call = await on.connected()
        await call.wait_states(S.IDLE)
        await until(lambda: bool(on.books.closed))
        assert [each.user for each in on.pool.used[0].targets] == ["31"]
    (row,) = on.books.closed
    assert row.abandoned
    assert row.answered_at is not None


@pytest.mark.parametrize("mode", [LineMode.STANDARD, LineMode.REVERSE])
async def test_every_mode_keeps_the_hours_of_whoever_is_called(mode: LineMode) -> None:
    night = StandingClock(OPEN + timedelta(hours=12))
    async with stage(profile=settings(mode, phone="31"), clock=night) as on:
        line = await on.app.line_open(1)
        with pytest.raises(LineError) as refused:
            await on.app.line_make_call(line, NUMBER)
        assert refused.value.rule == "calling_hours"
        assert not on.books.begun
        assert not on.pool.used


@pytest.mark.parametrize(
    ("mode", "seconds"), [(LineMode.STANDARD, 5.0), (LineMode.REVERSE, 15.0), (LineMode.ACD, 15.0)]
)
async def test_the_shortest_ringing_is_for_people_and_not_for_the_users_own_phone(
    mode: LineMode, seconds: float
) -> None:
    async with stage(profile=settings(mode)) as on:
        line = await on.app.line_open(1)
        await on.app.line_make_call(line, NUMBER, no_answer_timeout_seconds=5)
        assert on.pool.used[0].requests[0].ring_timeout_seconds == seconds


async def test_lines_are_told_when_their_own_trunk_goes_and_comes_back() -> None:
    profile = settings(LineMode.STANDARD, trunk="office", last_line=1)
    async with stage(profile=profile) as on:
        for number in (1, 2):
            await on.app.line_open(number)
        for status, there in ((TrunkStatus.UNREACHABLE, False), (TrunkStatus.UP, True)):
            on.own_trunk.become(status)
            await on.app.wait_devices_changed()
            own, other, *_ = on.app.line_get_dev_caps()
            assert (own.in_service, other.in_service) == (there, True)

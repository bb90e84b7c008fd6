"""3xx on a trunk that follows them: the next INVITE, the door before it, and where it ends."""

from __future__ import annotations

import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import Answered, Ended, LineEvent, NotFollowed
from acd.settings import DestinationSettings
from tests.integration.sip.conftest import PBX_HOST, Bench, released, request, until
from tests.peers.sipp.steps import (
    ack,
    answer,
    bye,
    cancel,
    invite,
    redirect,
    reject,
    ring,
    terminate_cancelled,
)
from tests.peers.wire import first, select

pytestmark = pytest.mark.real

_OTHER = r"\+43150564200"
_TO_OTHER = "<sip:+43150564200@127.3.0.9>;q=0.5"


def _ended(events: list[LineEvent]) -> Ended:
    ended = [event for event in events if isinstance(event, Ended)]
    assert len(ended) == 1
    return ended[0]


def _dialed(bench: Bench) -> list[str]:
    """The users of the INVITEs' Request-URIs, each once."""
    uris = [m.request_uri for m in select(bench.messages(), "INVITE")]
    assert all(f"@{PBX_HOST}:" in uri for uri in uris), "never to the Contact's own host"
    return list(dict.fromkeys(uri.removeprefix("sip:").partition("@")[0] for uri in uris))


async def test_a_followed_redirect_is_the_same_call_to_another_number(bench: Bench) -> None:
    pbx = bench.pbx(redirect(_TO_OTHER, unless=_OTHER), ring(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), follow_redirects=True)
    line = await bench.line(trunk)
    await line.originate(request())
    events = await until(line, Answered)
    assert not any(isinstance(event, Ended) for event in events)
    await line.hang_up()
    assert _ended(await released(line)).cause is DisconnectCause.HUNG_UP
    assert _dialed(bench) == ["43150564100", "+43150564200"]
    assert len(select(bench.messages(), "BYE")) == 1
    assert bench.sip.counts["redirects_followed"] == 1


@pytest.mark.parametrize(
    "user", ["112", "+43112", "0900123456", "+4930231250", "%31%31%32", "2001", "sales"]
)
async def test_a_redirect_that_the_door_refuses_is_not_dialed(bench: Bench, user: str) -> None:
    pbx = bench.pbx(invite(), reject("302 Moved", f"Contact: <sip:{user}@127.3.0.9>"))
    line = await bench.line(await bench.trunk(str(pbx.bind), follow_redirects=True))
    await line.originate(request())
    ended = _ended(await released(line))
    assert (ended.cause, ended.sip_status) == (DisconnectCause.FORWARDED, 302)
    assert "is not dialed" in ended.not_followed
    assert _dialed(bench) == ["43150564100"]


async def test_a_redirect_in_a_circle_ends(bench: Bench) -> None:
    pbx = bench.pbx(redirect(_TO_OTHER))
    line = await bench.line(await bench.trunk(str(pbx.bind), follow_redirects=True))
    await line.originate(request())
    ended = _ended(await released(line))
    assert ended.cause is DisconnectCause.FORWARDED
    assert ended.not_followed == "redirected in a circle"
    assert _dialed(bench) == ["43150564100", "+43150564200"]


async def test_the_fourth_redirect_of_a_call_is_its_end(bench: Bench) -> None:
    # Every INVITE is sent on to a number that has one digit more.
    pbx = bench.pbx(invite(), reject("302 Moved", "Contact: <sip:+[$9]0@127.3.0.9>"))
    line = await bench.line(await bench.trunk(str(pbx.bind), follow_redirects=True))
    await line.originate(request(user="4315056410"))
    ended = _ended(await released(line))
    assert ended.cause is DisconnectCause.FORWARDED
    assert ended.not_followed == "redirected more than 3 times"
    assert len(_dialed(bench)) == 4


async def test_the_ring_timeout_counts_over_a_redirect(bench: Bench) -> None:
    moved = redirect(_TO_OTHER, unless=_OTHER, after_milliseconds=1000)
    pbx = bench.pbx(moved, ring(), cancel(), terminate_cancelled())
    line = await bench.line(await bench.trunk(str(pbx.bind), follow_redirects=True))
    await line.originate(request(ring_timeout_seconds=2))
    ended = _ended(await released(line))
    assert ended.cause is DisconnectCause.NO_ANSWER
    messages = bench.messages()
    rang_seconds = first(messages, "CANCEL").at_seconds - first(messages, "INVITE").at_seconds
    assert 1.9 < rang_seconds < 2.8, "3 s if it began again with the second INVITE"
    assert _dialed(bench) == ["43150564100", "+43150564200"]


async def test_hanging_up_while_it_is_redirected_leaves_no_call_behind(bench: Bench) -> None:
    moved = redirect(_TO_OTHER, unless=_OTHER)
    pbx = bench.pbx(moved, ring(), cancel(), terminate_cancelled())
    trunk = await bench.trunk(str(pbx.bind), follow_redirects=True)
    line = await bench.line(trunk)
    await line.originate(request())
    while not bench.sip.counts["redirects_followed"]:
        await bench.breathe()
    await line.hang_up()
    assert _ended(await released(line)).cause is DisconnectCause.HUNG_UP
    assert len(select(bench.messages(), "CANCEL")) == len(_dialed(bench)) - 1


async def test_each_number_is_asked_of_the_holder_before_its_invite(bench: Bench) -> None:
    asked: list[str] = []

    async def may_follow(e164: str) -> NotFollowed | None:
        await trio.lowlevel.checkpoint()
        assert len(_dialed(bench)) == len(asked) + 1, "its INVITE has not left"
        asked.append(e164)
        listed = NotFollowed(cause=DisconnectCause.FORWARDED, sentence="on a list")
        return listed if len(asked) == 3 else None

    # Every INVITE is sent on to a number that has one digit more.
    pbx = bench.pbx(invite(), reject("302 Moved", "Contact: <sip:+[$9]0@127.3.0.9>"))
    line = await bench.line(await bench.trunk(str(pbx.bind), follow_redirects=True))
    await line.originate(request(user="4315056410", may_follow=may_follow))
    ended = _ended(await released(line))
    assert (ended.cause, ended.sip_status) == (DisconnectCause.FORWARDED, 302)
    assert ended.not_followed == "on a list"
    assert asked == ["+43150564100", "+431505641000", "+4315056410000"]
    assert _dialed(bench) == ["4315056410", "+43150564100", "+431505641000"]
    assert bench.sip.counts["redirects_followed"] == 2


async def test_a_redirect_that_is_asked_about_waits_for_its_turn(bench: Bench) -> None:
    async def may_follow(_: str) -> None:
        await trio.lowlevel.checkpoint()

    pbx = bench.pbx(redirect(_TO_OTHER, unless=_OTHER), ring(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), follow_redirects=True, calls_per_second=1)
    line = await bench.line(trunk)
    await line.originate(request(may_follow=may_follow))
    await until(line, Answered)
    invites = {m.request_uri: m.at_seconds for m in reversed(select(bench.messages(), "INVITE"))}
    first_at, next_at = sorted(invites.values())
    # A turn comes every 0.95 s; how late the first INVITE left after its own is not known.
    assert next_at - first_at >= 0.5


async def test_an_extension_is_no_number_that_anybody_is_asked_about(bench: Bench) -> None:
    async def may_follow(e164: str) -> None:
        await trio.lowlevel.checkpoint()
        raise AssertionError(f"{e164} is an extension")

    pbx = bench.pbx(redirect("<sip:2001@127.3.0.9>", unless="2001"), ring(), answer(), ack(), bye())
    bench.destinations = DestinationSettings(allow=("2001",))
    line = await bench.line(await bench.trunk(str(pbx.bind), follow_redirects=True))
    await line.originate(request(may_follow=may_follow))
    await until(line, Answered)
    assert _dialed(bench) == ["43150564100", "2001"]


async def test_a_call_hung_up_while_its_holder_is_asked_sends_nothing_more(bench: Bench) -> None:
    asked = trio.Event()

    async def may_follow(_: str) -> None:
        asked.set()
        await trio.sleep_forever()

    pbx = bench.pbx(redirect(_TO_OTHER, unless=_OTHER), ring(), answer(), ack(), bye())
    trunk = await bench.trunk(str(pbx.bind), follow_redirects=True)
    line = await bench.line(trunk)
    await line.originate(request(may_follow=may_follow))
    await asked.wait()
    await line.hang_up()
    assert _ended(await released(line)).cause is DisconnectCause.HUNG_UP
    # The line is good for the next call, whose question is another.
    await line.originate(request(user="43150564101"))
    await until(line, Answered)
    assert _dialed(bench) == ["43150564100", "43150564101", "+43150564200"]

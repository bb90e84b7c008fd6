"""Calls are told the same by a binding that queues what happens to them and by one that calls back.

`make setup` builds the first (`call-events.patch`); the wheel of PyPI is the second.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from acd.calls import CallState, DisconnectCause
from acd.lines import Alerting, Answered, Ended, Proceeding, Released, TransferAnswered
from acd.sip import endpoint
from acd.sip.leg_call import CallEvent, LegCall
from acd.sip.limits import compiled_limits
from tests.integration.sip.conftest import Bench, agent, answered, released, request
from tests.peers.sipp.steps import (
    ack,
    answer,
    bye,
    challenge,
    digest,
    early_media,
    hang_up,
    invite,
    notify,
    refer,
    refuse_reinvite,
    reject,
    ring,
    take_reinvite,
    trying,
)
from tests.peers.wire import select

pytestmark = pytest.mark.real

_PATCH = "call-events"


@dataclass
class Binding:
    """One that queues, or one as if it had no patch."""

    queues: bool
    called: list[str] = field(default_factory=list)
    """The callbacks of calls that came."""


@pytest.fixture(autouse=True, params=["queues", "calls back"])
def binding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Binding:
    binding = Binding(queues=request.param == "queues")
    limits = compiled_limits()
    assert _PATCH in limits.patches
    if not binding.queues:
        without = replace(limits, patches=limits.patches - {_PATCH})
        monkeypatch.setattr(endpoint, "compiled_limits", lambda: without)
    for name in ("onCallState", "onCallTsxState", "onCallMediaState"):
        monkeypatch.setattr(LegCall, name, _noted(binding.called, name))
    return binding


def _noted(came: list[str], name: str) -> object:
    plain = getattr(LegCall, name)

    def note(call: LegCall, prm: object) -> None:
        came.append(name)
        plain(call, prm)

    return note


async def test_a_call_is_told_from_trying_to_the_transfer_that_was_answered(
    bench: Bench, binding: Binding
) -> None:
    pbx = bench.pbx(
        *(invite(), trying(), ring(), early_media(), answer(), ack()),
        *(refer(202), notify(400, final=True), refer(202), notify(200, final=True), bye()),
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    told = [await line.next_event() for _ in range(4)]
    assert [type(event) for event in told] == [Proceeding, Alerting, Proceeding, Answered]
    assert all(event.dialog for event in told if isinstance(event, Alerting | Answered))
    result = await line.blind_transfer(agent(), timeout_seconds=5)()
    assert isinstance(result, TransferAnswered)
    ended, gone = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.TRANSFERRED
    moments = [event.at_seconds for event in (*told, ended, gone)]
    assert moments == sorted(moments)
    assert len(select(bench.messages(), "REFER")) == 2
    assert binding.queues is not bool(binding.called)


async def test_a_challenged_call_that_is_busy_is_counted_and_has_its_cause(bench: Bench) -> None:
    pbx = bench.pbx(invite(), challenge(), invite(), ring(), reject("486 Busy Here"))
    trunk = await bench.trunk(str(pbx.bind), password="secret")
    line = await bench.line(trunk)
    await line.originate(request())
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.sip_status) == (DisconnectCause.BUSY, 486)
    assert trunk.challenges == 1


async def test_the_other_side_hanging_up_is_told_with_its_reason(bench: Bench) -> None:
    pbx = bench.pbx(invite(), answer(), ack(), hang_up('Reason: Q.850;cause=16;text="Normal"'))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    ended, gone = await released(line)
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.q850_cause) == (DisconnectCause.NORMAL, 16)
    assert isinstance(gone, Released)


async def test_a_hold_is_challenged_and_agreed_to_and_the_next_one_refused(bench: Bench) -> None:
    challenged = refuse_reinvite("407 Not Yet", digest("Proxy-Authenticate"))
    pbx = bench.pbx(
        *(invite(), answer(), ack(), challenged, take_reinvite(direction="recvonly")),
        *(refuse_reinvite("488 Not Acceptable Here"), bye()),
    )
    line = await bench.line(await bench.trunk(str(pbx.bind), password="secret"))
    await answered(line)
    assert await line.hold()
    assert line.state is CallState.ONHOLD
    assert not await line.resume()
    await line.hang_up()
    ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP


async def test_a_fault_of_ours_in_one_event_costs_that_event_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, faults = LegCall._changed, []

    def faulty(call: LegCall, event: CallEvent) -> None:
        if event.sip_status == 180:
            faults.append(event)
            raise ValueError("a fault of ours")
        plain(call, event)

    monkeypatch.setattr(LegCall, "_changed", faulty)
    pbx = bench.pbx(invite(), ring(), answer(), ack(), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    assert isinstance(await line.next_event(), Answered)
    assert faults
    await line.hang_up()
    ended, _ = await released(line)
    assert isinstance(ended, Ended)

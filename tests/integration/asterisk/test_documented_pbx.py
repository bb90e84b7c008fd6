"""The Asterisk of `docs/pbx-asterisk.md` keeps its promises, whoever dials.

The dialer here is SIPp, which shows every message that acd would get; addresses 127.40.1.x.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from tests.peers import phones
from tests.peers.asterisk import Asterisk, run_asterisk
from tests.peers.sipp.runner import Sipp
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage, Wire, select

pytestmark = pytest.mark.real

PBX = "127.40.1.1"
CARRIER = "127.40.1.2"
AGENT_101 = "127.40.1.3"
AGENT_102 = "127.40.1.4"
DIALER = "127.40.1.5"

TOGETHER_SECONDS = 0.1
"""Two messages of one moment; measured 2 ms."""


@dataclass(frozen=True, slots=True)
class Centre:
    pbx: Asterisk
    wire: Wire

    async def hand_over(self, extension: str, *, number: str = phones.ANSWERS) -> list[SipMessage]:
        """Dial, REFER to `extension`, hang up after the final NOTIFY; everything on the wire."""
        dialer = phones.dialer_refers(DIALER, PBX, number=number, extension=extension)
        return await self.after(dialer)

    async def dial(self, number: str) -> list[SipMessage]:
        """Dial and take what comes; everything on the wire."""
        return await self.after(phones.dialer_calls(DIALER, PBX, number=number))

    async def after(self, dialer: Sipp) -> list[SipMessage]:
        with dialer:
            await trio.to_thread.run_sync(dialer.wait, 20)
        return self.wire.sip()


@asynccontextmanager
async def open_centre(*agents: Sipp) -> AsyncIterator[Centre]:
    known = {"101": f"{AGENT_101}:5060", "102": f"{AGENT_102}:5060"}
    async with run_asterisk(address=PBX, carrier=f"{CARRIER}:5060", agents=known) as pbx:
        with ExitStack() as stack:
            wire = stack.enter_context(Wire(PBX))
            for peer in (phones.carrier(CARRIER), *agents):
                stack.enter_context(peer)
                # People who still talk when a test has seen enough are not waited for.
                stack.callback(peer.stop, grace_seconds=0.2)
            yield Centre(pbx, wire)


def final_notify(messages: list[SipMessage]) -> SipMessage:
    ends = "terminated"
    return next(m for m in select(messages, "NOTIFY") if ends in m.get("subscription-state"))


def sent_to(messages: list[SipMessage], address: str, what: str) -> list[SipMessage]:
    return [m for m in select(messages, what) if m.destination[0] == address]


def answers_of(messages: list[SipMessage], address: str) -> list[SipMessage]:
    return [m for m in select(messages, 200, cseq="INVITE") if m.source[0] == address]


def answered_by(messages: list[SipMessage], address: str) -> SipMessage:
    return answers_of(messages, address)[0]


async def test_the_transfer_is_reported_answered_when_the_agent_picks_up() -> None:
    async with open_centre(phones.agent_answers(AGENT_101, ring_ms=700)) as centre:
        messages = await centre.hand_over("101")
    final = final_notify(messages)
    assert b"200" in final.body
    picked_up = answered_by(messages, AGENT_101).at_seconds
    assert 0 <= final.at_seconds - picked_up < TOGETHER_SECONDS


async def test_with_a_ring_tone_the_transfer_is_reported_answered_while_the_phone_still_rings() -> (
    None
):
    # Why the documented dialplan sets a tone zone; once this fails, it need not any more.
    async with open_centre(phones.agent_answers(AGENT_101, ring_ms=700)) as centre:
        await centre.pbx.cli("dialplan add extension 103,1,Dial,PJSIP/101 into acd-agents")
        await centre.hand_over("103")
        messages = await wait_on_wire(centre.wire, lambda seen: answers_of(seen, AGENT_101))
    picked_up = answered_by(messages, AGENT_101).at_seconds
    assert final_notify(messages).at_seconds < picked_up - 0.5


async def test_the_agents_phone_is_told_to_pick_up_by_itself() -> None:
    async with open_centre(phones.agent_answers(AGENT_101)) as centre:
        messages = await centre.hand_over("101")
    (invite,) = sent_to(messages, AGENT_101, "INVITE")
    assert invite.get("call-info").endswith("answer-after=0")
    assert invite.get("alert-info").endswith("info=alert-autoanswer")


async def test_the_agent_sees_the_number_of_the_person() -> None:
    async with open_centre(phones.agent_answers(AGENT_101)) as centre:
        messages = await centre.hand_over("101")
    (invite,) = sent_to(messages, AGENT_101, "INVITE")
    assert phones.ANSWERS in invite.get("from")


async def test_a_busy_agents_person_goes_to_the_next_free_agent() -> None:
    agents = (phones.agent_busy(AGENT_101), phones.agent_answers(AGENT_102, ring_ms=700))
    async with open_centre(*agents) as centre:
        messages = await centre.hand_over("101")
    final = final_notify(messages)
    assert b"200" in final.body
    picked_up = answered_by(messages, AGENT_102).at_seconds
    assert 0 <= final.at_seconds - picked_up < TOGETHER_SECONDS
    assert not [m for m in sent_to(messages, CARRIER, "BYE") if m.at_seconds < final.at_seconds]


async def test_a_silent_agents_person_goes_to_the_next_free_agent() -> None:
    agents = (phones.agent_silent(AGENT_101), phones.agent_answers(AGENT_102))
    async with open_centre(*agents) as centre:
        await centre.pbx.cli("dialplan set global ACD_RING_SECONDS 1")
        # Else the queue would ring the silent phone first, for 20 s more.
        await centre.pbx.cli("queue pause member PJSIP/101 queue sales")
        messages = await centre.hand_over("101")
    assert sent_to(messages, AGENT_101, "CANCEL")
    final = final_notify(messages)
    assert b"200" in final.body
    assert final.at_seconds >= answered_by(messages, AGENT_102).at_seconds


async def test_a_transfer_to_the_queue_is_reported_answered_when_an_agent_picks_up() -> None:
    agents = (phones.agent_busy(AGENT_101), phones.agent_answers(AGENT_102, ring_ms=700))
    async with open_centre(*agents) as centre:
        messages = await centre.hand_over("sales")
    final = final_notify(messages)
    assert b"200" in final.body
    picked_up = answered_by(messages, AGENT_102).at_seconds
    assert 0 <= final.at_seconds - picked_up < TOGETHER_SECONDS


async def test_nobody_free_ends_with_503_and_the_person_is_hung_up_by_the_pbx() -> None:
    async with open_centre(phones.agent_busy(AGENT_101), phones.agent_busy(AGENT_102)) as centre:
        await centre.pbx.cli("dialplan set global ACD_QUEUE_SECONDS 1")
        messages = await centre.hand_over("101")
    final = final_notify(messages)
    assert b"503" in final.body
    (bye,) = sent_to(messages, CARRIER, "BYE")
    assert abs(bye.at_seconds - final.at_seconds) < TOGETHER_SECONDS


@pytest.mark.parametrize("extension", ["199", "+493023125002", "0049900123456"])
async def test_a_transfer_to_anything_but_an_agent_is_404_and_the_person_stays(
    extension: str,
) -> None:
    async with open_centre() as centre:
        messages = await centre.hand_over(extension)
    assert b"404" in final_notify(messages).body
    assert len(sent_to(messages, CARRIER, "INVITE")) == 1
    own_bye = sent_to(messages, PBX, "BYE")[0].at_seconds
    assert sent_to(messages, CARRIER, "BYE")[0].at_seconds > own_bye


@pytest.mark.parametrize("number", [phones.BUSY, "00493023125086", "493023125086"])
async def test_every_way_of_writing_a_number_reaches_the_carrier_the_same(number: str) -> None:
    async with open_centre() as centre:
        messages = await centre.dial(number)
    (invite,) = sent_to(messages, CARRIER, "INVITE")
    assert invite.request_uri.startswith(f"sip:{phones.BUSY}@")


async def test_the_campaigns_caller_id_reaches_the_carrier() -> None:
    async with open_centre() as centre:
        messages = await centre.dial(phones.BUSY)
    (invite,) = sent_to(messages, CARRIER, "INVITE")
    assert phones.CALLER in invite.get("from")


@pytest.mark.parametrize(
    ("number", "status", "cause"), [(phones.BUSY, 486, 17), (phones.UNKNOWN, 404, 1)]
)
async def test_the_carriers_refusal_comes_through_with_its_cause(
    number: str, status: int, cause: int
) -> None:
    async with open_centre() as centre:
        messages = await centre.dial(number)
    refusal = [m for m in messages if m.destination[0] == DIALER and (m.status or 0) > 401]
    assert refusal[0].status == status
    assert f"cause={cause}" in refusal[0].get("reason")

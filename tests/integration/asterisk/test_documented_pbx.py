"""The Asterisk of `docs/pbx-asterisk.md` keeps its promises, whoever dials.

The dialer here is SIPp, which shows every message that acd would get.
"""

from __future__ import annotations

import pytest
import trio

from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import Centre, Traffic, open_centre
from tests.peers.sipp.runner import Sipp
from tests.peers.watching import wait_on_wire
from tests.peers.wire import SipMessage

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
TOGETHER_SECONDS = 0.1
"""Two messages of one moment; measured 2 ms."""


async def hand_over(centre: Centre, extension: str, *, number: str = phones.ANSWERS) -> Traffic:
    """Dial, REFER to `extension`, hang up after the final NOTIFY; everything on the wire."""
    dialer = phones.dialer_refers(
        ADDRESSES.dialer, ADDRESSES.pbx, number=number, extension=extension
    )
    return await after(centre, dialer)


async def dial(centre: Centre, number: str) -> Traffic:
    """Dial and take the refusal that comes; everything on the wire."""
    return await after(centre, phones.dialer_calls(ADDRESSES.dialer, ADDRESSES.pbx, number=number))


async def after(centre: Centre, dialer: Sipp) -> Traffic:
    with dialer:
        await trio.to_thread.run_sync(dialer.wait, 20)
    return centre.traffic()


def answered_by(traffic: Traffic, address: str) -> SipMessage:
    return traffic.of(address, 200, cseq="INVITE")[0]


async def test_the_transfer_is_reported_answered_when_the_agent_picks_up() -> None:
    async with open_centre(
        ADDRESSES, phones.agent_answers(ADDRESSES.agent_101, ring_ms=700)
    ) as centre:
        traffic = await hand_over(centre, "101")
    final = traffic.final_notify()
    assert b"200" in final.body
    picked_up = answered_by(traffic, ADDRESSES.agent_101).at_seconds
    assert 0 <= final.at_seconds - picked_up < TOGETHER_SECONDS


async def test_with_a_ring_tone_the_transfer_is_reported_answered_while_the_phone_still_rings() -> (
    None
):
    # Why the documented dialplan sets a tone zone; once this fails, it need not any more.
    async with open_centre(
        ADDRESSES, phones.agent_answers(ADDRESSES.agent_101, ring_ms=700)
    ) as centre:
        await centre.pbx.cli("dialplan add extension 103,1,Dial,PJSIP/101 into acd-agents")
        await hand_over(centre, "103")
        seen = await wait_on_wire(
            centre.wire,
            lambda seen: Traffic(ADDRESSES, seen).of(ADDRESSES.agent_101, 200, cseq="INVITE"),
        )
    traffic = Traffic(ADDRESSES, seen)
    picked_up = answered_by(traffic, ADDRESSES.agent_101).at_seconds
    assert traffic.final_notify().at_seconds < picked_up - 0.5


async def test_the_agents_phone_is_told_to_pick_up_by_itself() -> None:
    async with open_centre(ADDRESSES, phones.agent_answers(ADDRESSES.agent_101)) as centre:
        traffic = await hand_over(centre, "101")
    (invite,) = traffic.to(ADDRESSES.agent_101, "INVITE")
    assert invite.get("call-info").endswith("answer-after=0")
    assert invite.get("alert-info").endswith("info=alert-autoanswer")


async def test_the_agent_sees_the_number_of_the_person() -> None:
    async with open_centre(ADDRESSES, phones.agent_answers(ADDRESSES.agent_101)) as centre:
        traffic = await hand_over(centre, "101")
    (invite,) = traffic.to(ADDRESSES.agent_101, "INVITE")
    assert phones.ANSWERS in invite.get("from")


async def test_a_busy_agents_person_goes_to_the_next_free_agent() -> None:
    agents = (
        phones.agent_busy(ADDRESSES.agent_101),
        phones.agent_answers(ADDRESSES.agent_102, ring_ms=700),
    )
    async with open_centre(ADDRESSES, *agents) as centre:
        traffic = await hand_over(centre, "101")
    final = traffic.final_notify()
    assert b"200" in final.body
    picked_up = answered_by(traffic, ADDRESSES.agent_102).at_seconds
    assert 0 <= final.at_seconds - picked_up < TOGETHER_SECONDS
    assert not [m for m in traffic.to(ADDRESSES.carrier, "BYE") if m.at_seconds < final.at_seconds]


async def test_a_silent_agents_person_goes_to_the_next_free_agent() -> None:
    agents = (phones.agent_silent(ADDRESSES.agent_101), phones.agent_answers(ADDRESSES.agent_102))
    async with open_centre(ADDRESSES, *agents) as centre:
        await centre.pbx.cli("dialplan set global ACD_RING_SECONDS 1")
        # Else the queue would ring the silent phone first, for 20 s more.
        await centre.pbx.cli("queue pause member PJSIP/101 queue sales")
        traffic = await hand_over(centre, "101")
    assert traffic.to(ADDRESSES.agent_101, "CANCEL")
    final = traffic.final_notify()
    assert b"200" in final.body
    assert final.at_seconds >= answered_by(traffic, ADDRESSES.agent_102).at_seconds


async def test_a_transfer_to_the_queue_is_reported_answered_when_an_agent_picks_up() -> None:
    agents = (
        phones.agent_busy(ADDRESSES.agent_101),
        phones.agent_answers(ADDRESSES.agent_102, ring_ms=700),
    )
    async with open_centre(ADDRESSES, *agents) as centre:
        traffic = await hand_over(centre, "sales")
    final = traffic.final_notify()
    assert b"200" in final.body
    picked_up = answered_by(traffic, ADDRESSES.agent_102).at_seconds
    assert 0 <= final.at_seconds - picked_up < TOGETHER_SECONDS


async def test_nobody_free_ends_with_503_and_the_person_is_hung_up_by_the_pbx() -> None:
    async with open_centre(
        ADDRESSES, phones.agent_busy(ADDRESSES.agent_101), phones.agent_busy(ADDRESSES.agent_102)
    ) as centre:
        await centre.pbx.cli("dialplan set global ACD_QUEUE_SECONDS 1")
        traffic = await hand_over(centre, "101")
    final = traffic.final_notify()
    assert b"503" in final.body
    (bye,) = traffic.to(ADDRESSES.carrier, "BYE")
    assert abs(bye.at_seconds - final.at_seconds) < TOGETHER_SECONDS


@pytest.mark.parametrize("extension", ["199", "+493023125002", "0049900123456"])
async def test_a_transfer_to_anything_but_an_agent_is_404_and_the_person_stays(
    extension: str,
) -> None:
    async with open_centre(ADDRESSES) as centre:
        traffic = await hand_over(centre, extension)
    assert b"404" in traffic.final_notify().body
    assert len(traffic.to(ADDRESSES.carrier, "INVITE")) == 1
    own_bye = traffic.to(ADDRESSES.pbx, "BYE")[0].at_seconds
    assert traffic.to(ADDRESSES.carrier, "BYE")[0].at_seconds > own_bye


@pytest.mark.parametrize("number", [phones.BUSY, "00493023125086", "493023125086"])
async def test_every_way_of_writing_a_number_reaches_the_carrier_the_same(number: str) -> None:
    async with open_centre(ADDRESSES) as centre:
        traffic = await dial(centre, number)
    (invite,) = traffic.to(ADDRESSES.carrier, "INVITE")
    assert invite.request_uri.startswith(f"sip:{phones.BUSY}@")


async def test_the_campaigns_caller_id_reaches_the_carrier() -> None:
    async with open_centre(ADDRESSES) as centre:
        traffic = await dial(centre, phones.BUSY)
    (invite,) = traffic.to(ADDRESSES.carrier, "INVITE")
    assert phones.CALLER in invite.get("from")


@pytest.mark.parametrize(
    ("number", "status", "cause"), [(phones.BUSY, 486, 17), (phones.UNKNOWN, 404, 1)]
)
async def test_the_carriers_refusal_comes_through_with_its_cause(
    number: str, status: int, cause: int
) -> None:
    async with open_centre(ADDRESSES) as centre:
        traffic = await dial(centre, number)
    (refusal,) = traffic.to(ADDRESSES.dialer, status, cseq="INVITE")
    assert f"cause={cause}" in refusal.get("reason")

"""A dialog on the wire beyond one plain call: what the other side may do to it (RFC 3261, 4028)."""

from __future__ import annotations

import socket

import pytest
import trio

from acd.calls import DisconnectCause
from acd.lines import Answered, Ended, Proceeding
from tests.integration.sip.conftest import PBX_HOST, Bench, answered, released, request, until
from tests.peers.sipp.steps import (
    ack,
    answer,
    answer_cancelled,
    bye,
    early_media,
    hang_up,
    invite,
    offer_again,
    offer_by_update,
    pause,
    reject,
    ring,
)
from tests.peers.sipp.steps import request as in_dialog
from tests.peers.wire import SipMessage, first, select

pytestmark = pytest.mark.real

_UP = (invite(), answer(), ack())


def _media(message: SipMessage) -> list[str]:
    """Where we want RTP, and which way it goes; an answer lists only what was offered to it."""
    lines = message.body.decode().split("\r\n")
    kept = ("c=", "m=", "a=rtcp:", "a=sendrecv", "a=rtpmap:8 ")
    return [" ".join(line.split()[:3]) for line in sorted(lines) if line.startswith(kept)]


async def test_a_reinvite_is_answered_with_the_same_media(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, offer_again(), hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind), codecs=["PCMA"]))
    await answered(line)
    await released(line)
    messages = bench.messages()
    offered = first(messages, "INVITE")
    reply = [
        m
        for m in select(messages, 200, cseq="INVITE")
        if m.source != (pbx.bind.host, pbx.bind.port)
    ]
    assert _media(reply[0]) == _media(offered)


async def test_options_are_answered_200(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, bye())
    trunk = await bench.trunk(str(pbx.bind))
    host, port = trunk.sip_address.split(":")
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        await asker.bind((PBX_HOST, 0))
        own = "{}:{}".format(*asker.getsockname())
        head = (
            f"OPTIONS sip:acd@{host}:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bKoptions",
            "Max-Forwards: 70",
            f"From: <sip:pbx@{own}>;tag=pbx",
            f"To: <sip:acd@{host}:{port}>",
            f"Call-ID: options@{own}",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
        )
        await asker.sendto("\r\n".join((*head, "", "")).encode(), (host, int(port)))
        reply = await asker.recv(4096)
    assert reply.startswith(b"SIP/2.0 200 ")


async def test_update_without_an_offer_is_answered_200(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, in_dialog("UPDATE"), hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.NORMAL
    assert first(bench.messages(), 200, cseq="UPDATE")
    assert not [m for m in select(bench.messages(), "UPDATE") if m.source[0] != pbx.bind.host]


async def test_an_answer_with_two_codecs_is_taken_as_it_is(bench: Bench) -> None:
    """Left alone, pjsua asks at once for one of them, by UPDATE where the other side takes it."""
    two = answer("Allow: INVITE, ACK, BYE, UPDATE, REFER, NOTIFY", codec="PCMA PCMU")
    # Anything but the answer to its BYE ends SIPp's call, and there is no BYE then.
    pbx = bench.pbx(invite(), two, ack(), pause(300), hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await released(line)
    sent = [message for message in bench.messages() if message.source[0] != pbx.bind.host]
    assert [message.method for message in sent if message.method] == ["INVITE", "ACK"]


async def test_update_with_an_offer_is_answered_with_the_same_media(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, offer_by_update(), hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind), codecs=["PCMA"]))
    await answered(line)
    await released(line)
    messages = bench.messages()
    offered = first(messages, "INVITE")
    assert _media(first(messages, 200, cseq="UPDATE")) == _media(offered)


async def test_options_inside_a_dialog_are_answered_200(bench: Bench) -> None:
    pbx = bench.pbx(*_UP, in_dialog("OPTIONS"), hang_up())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.NORMAL
    assert "REFER" in first(bench.messages(), 200, cseq="OPTIONS").get("Allow")


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [
        ("PUBLISH", 405, ("Event: presence",)),
        ("NOTIFY", 481, ("Event: hold", "Subscription-State: active")),
    ],
)
async def test_what_nothing_takes_inside_a_dialog_is_refused_and_the_call_stays(
    bench: Bench, method: str, status: int, headers: tuple[str, ...]
) -> None:
    pbx = bench.pbx(*_UP, in_dialog(method, *headers, status=status), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    while not (replies := select(bench.messages(), status, cseq=method)):
        await bench.breathe()
    assert replies[0].get("Allow")
    await line.hang_up()
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP


async def test_early_media_is_progress_and_no_answer(bench: Bench) -> None:
    pbx = bench.pbx(invite(), early_media(), pause(1000), answer(), ack(), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    progress, answer_ = await until(line, Answered)
    assert isinstance(progress, Proceeding)
    assert progress.sip_status == 183
    assert answer_.at_seconds - progress.at_seconds > 0.25


async def test_a_retransmitted_200_is_acked_again(bench: Bench) -> None:
    pbx = bench.pbx(invite(), answer(), ack(), answer_cancelled(), ack(), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    while len(select(bench.messages(), "ACK")) < 2:
        await bench.breathe()
    await line.hang_up()
    events = await released(line)
    assert not any(isinstance(event, Answered) for event in events)


async def test_of_two_forks_that_ring_the_one_that_answers_has_the_call(bench: Bench) -> None:
    pbx = bench.pbx(invite(), ring(fork="one"), ring(fork="two"), answer(fork="two"), ack(), bye())
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    await line.hang_up()
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.HUNG_UP
    assert first(bench.messages(), "BYE").get("To").endswith("two")


async def test_a_redirect_is_a_cause_and_nothing_more_is_dialed(bench: Bench) -> None:
    pbx = bench.pbx(invite(), reject("302 Moved", "Contact: <sip:112@127.3.0.9>"))
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await line.originate(request())
    *_, ended, _ = await released(line)
    assert isinstance(ended, Ended)
    assert ended.cause is DisconnectCause.FORWARDED
    assert len(select(bench.messages(), "INVITE")) == 1


async def test_of_two_forks_that_answer_the_first_is_kept_and_the_other_hung_up(
    bench: Bench,
) -> None:
    pbx = bench.pbx(
        invite(), answer(fork="one"), ack(), answer_cancelled(fork="two"), ack(), bye(), bye()
    )
    line = await bench.line(await bench.trunk(str(pbx.bind)))
    await answered(line)
    while not select(bench.messages(), 200, cseq="BYE"):
        await bench.breathe()
    await line.hang_up()
    await released(line)
    byes = [message.get("To")[-3:] for message in select(bench.messages(), "BYE")]
    acks = [message.get("To")[-3:] for message in select(bench.messages(), "ACK")]
    assert (acks, byes) == (["one", "two"], ["two", "one"])

"""What is read off the wire and off memory samples."""

from __future__ import annotations

import pytest

from bench.call_centre import AGENTS_PHONE, CARRIER, answer_to_agent_ms
from bench.callers import Used
from bench.endurance import memory
from bench.feed_latency import ready_after
from bench.order import CallOrder
from bench.protocol import Effort
from bench.sides import without_load
from bench.whole_engine import most_at_once
from bench.wire_latency import answer_to_refer_ms
from tests.peers.wire import SipMessage

PBX = "127.99.2.1"


def message(
    at_seconds: float,
    first_line: str,
    call_id: str,
    *,
    cseq: str = "1 INVITE",
    source: str = PBX,
    destination: str = PBX,
    sender: str = "",
) -> SipMessage:
    headers = (("Call-ID", call_id), ("CSeq", cseq), ("From", sender))
    return SipMessage(at_seconds, (source, 5060), (destination, 5060), first_line, headers, b"")


def test_the_first_answer_and_the_first_refer_of_each_call_count() -> None:
    messages = [
        message(1.000, "SIP/2.0 200 OK", "a"),
        message(1.500, "SIP/2.0 200 OK", "a"),
        message(1.502, "REFER sip:peer SIP/2.0", "a", cseq="2 REFER"),
        message(1.900, "REFER sip:peer SIP/2.0", "a", cseq="2 REFER"),
        message(2.000, "SIP/2.0 200 OK", "a", cseq="3 BYE"),
    ]
    assert answer_to_refer_ms(messages) == [pytest.approx(502.0)]


def test_a_call_that_was_never_referred_has_no_latency() -> None:
    assert answer_to_refer_ms([message(1.0, "SIP/2.0 200 OK", "a")]) == []


def landing(number: str, call_id: str, *, answered: float, landed: float) -> list[SipMessage]:
    invite = f"INVITE sip:{number}@{CARRIER}:5060 SIP/2.0"
    to_agent = f"INVITE sip:101@{AGENTS_PHONE}:5060 SIP/2.0"
    return [
        message(answered - 0.5, invite, call_id, destination=CARRIER),
        message(answered, "SIP/2.0 200 OK", call_id, source=CARRIER),
        message(
            landed, to_agent, f"agent-{call_id}", destination=AGENTS_PHONE,
            sender=f'"lead" <sip:{number}@{PBX}>;tag=x',
        ),
    ]  # fmt: skip


def test_an_answer_and_the_agents_invite_belong_together_by_the_leads_number() -> None:
    messages = [
        *landing("+493023125000001", "first", answered=1.0, landed=1.010),
        *landing("+493023125000101", "second", answered=1.005, landed=1.008),
    ]
    assert answer_to_agent_ms(messages) == [pytest.approx(10.0), pytest.approx(3.0)]


def test_a_lead_who_reached_no_agent_did_not_land() -> None:
    messages = landing("+493023125000001", "first", answered=1.0, landed=1.010)
    assert answer_to_agent_ms(messages[:-1]) == []


def test_memory_that_settles_before_half_time_has_not_grown() -> None:
    found = memory([*range(100, 150), *([150.0] * 50)])
    assert (found["half.mb"], found["end.mb"], found["growth"]) == (150.0, 150.0, 0.0)


def test_memory_that_grows_in_the_second_half_is_told_in_percent() -> None:
    assert memory([*([100.0] * 90), *([110.0] * 10)])["growth"] == pytest.approx(10.0)


def test_without_samples_nothing_is_said_of_memory() -> None:
    assert memory([]) == {}


def used(cpu_seconds: float, bursts: int) -> Used:
    counted = {"completed": 1.0, "bursts": float(bursts)}
    return Used(
        counted=counted, wall_seconds=1.0, cpu_seconds=cpu_seconds, peak_resident_mb=1.0
    )  # fmt: skip


def test_the_load_is_subtracted_burst_by_burst() -> None:
    assert without_load(used(3.0, 400), alone=used(1.0, 200)) == pytest.approx(1.0)


def test_an_order_crosses_to_another_process_unchanged() -> None:
    order = CallOrder(calls=3, rate_per_second=10.0, own="127.0.0.1", peer="127.0.0.2:5060")
    assert CallOrder.from_json(order.to_json()) == order


def test_an_order_numbers_its_leads_where_it_is_told_to() -> None:
    order = CallOrder(calls=1, rate_per_second=1.0, own="", peer="", lead="+4930{:04d}01")
    assert order.lead_of(7) == "+4930000701"


def test_a_small_effort_still_makes_a_call() -> None:
    assert Effort(0.001).calls(100) == 1
    assert Effort().calls(100) == 100


def test_each_hang_up_is_followed_by_the_agents_own_ready_before_the_next() -> None:
    ends, ready = [1.0, 2.0, 3.0], [0.5, 1.1, 1.4, 3.2]
    assert list(ready_after(ends, ready)) == [(1.0, 1.1), (3.0, 3.2)]


def test_calls_are_open_from_their_invite_to_their_bye() -> None:
    messages = [
        message(1.0, "INVITE sip:a SIP/2.0", "a"),
        message(1.1, "INVITE sip:b SIP/2.0", "b"),
        message(1.2, "INVITE sip:a SIP/2.0", "a"),
        message(1.3, "BYE sip:a SIP/2.0", "a", cseq="2 BYE"),
        message(1.4, "INVITE sip:c SIP/2.0", "c"),
    ]
    assert most_at_once(messages) == 2

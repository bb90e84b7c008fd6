"""The lab, dialed by SIPp: each behaviour as it is seen on the wire."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.lab.conftest import (
    CALLER_HOST,
    LAB_HOST,
    Dial,
    Occupied,
    ring_somebody,
    sipp_call,
    wait_until,
)
from tests.integration.lab.scenarios import (
    CALL,
    CHALLENGED,
    HUNG_UP_BY_THEM,
    REFUSED_ACK,
    answered,
    bye,
    cancelled_after_ringing,
    invite,
    notified,
    options,
    recv,
    refer,
    refused,
    scenario,
)
from tests.peers.lab import Lab
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.wire import SipMessage, Wire, first, select

pytestmark = pytest.mark.real

SLACK_SECONDS = 0.3


def outside(messages: list[SipMessage]) -> list[SipMessage]:
    """Without the lab's legs to itself."""
    return [m for m in messages if CALLER_HOST in (m.source[0], m.destination[0])]


def to_final_seconds(messages: list[SipMessage], status: int) -> float:
    """From the INVITE that carried credentials to its final status."""
    asked = select(outside(messages), "INVITE")[-1]
    return first(outside(messages), status, cseq="INVITE").at_seconds - asked.at_seconds


@pytest.mark.parametrize(
    ("number", "status", "seconds"),
    [
        ("+436601234511", 486, 1.0),
        ("+436601234513", 603, 1.0),
        ("+436601234514", 404, 0.0),
        ("+436601234515", 503, 0.0),
        ("+436601234519", 480, 1.0),
    ],
)
def test_refusals(dial: Dial, wire: Wire, number: str, status: int, seconds: float) -> None:
    assert dial(number, scenario(CALL, refused(status))).successful == 1

    assert to_final_seconds(wire.sip(), status) == pytest.approx(seconds, abs=SLACK_SECONDS)


def test_answers_after_n_seconds_of_ringing(dial: Dial, wire: Wire) -> None:
    assert dial("+436601234520", scenario(CALL, answered(), bye(3))).successful == 1

    messages = wire.sip()
    assert to_final_seconds(messages, 200) == pytest.approx(2.0, abs=SLACK_SECONDS)
    ringing = first(messages, 180).at_seconds - select(messages, "INVITE")[-1].at_seconds
    assert ringing < SLACK_SECONDS


def test_answers_sometime_inside_the_ring_span(dial: Dial, wire: Wire) -> None:
    assert dial("+436601234508", scenario(CALL, answered(), bye(3))).successful == 1

    assert 1.0 - SLACK_SECONDS < to_final_seconds(wire.sip(), 200) < 2.0 + SLACK_SECONDS


def test_rings_out_until_the_caller_gives_up(lab: Lab, dial: Dial) -> None:
    assert dial("+436601234502", scenario(CALL, cancelled_after_ringing())).successful == 1

    (record,) = [r for r in lab.records("call") if r["number"] == "+436601234502"]
    assert (record["status"], record["ended_by"]) == (487, "caller")


def test_hangs_up_two_seconds_after_the_answer(dial: Dial, wire: Wire) -> None:
    assert dial("+436601234506", scenario(CALL, answered(), HUNG_UP_BY_THEM)).successful == 1

    messages = wire.sip()
    ended = first(messages, "BYE").at_seconds - first(messages, 200, cseq="INVITE").at_seconds
    assert ended == pytest.approx(2.0, abs=SLACK_SECONDS)


def test_a_person_sends_silence_and_a_machine_sends_sound(dial: Dial, wire: Wire) -> None:
    wait = '\n  <pause milliseconds="1000"/>'
    heard = {}
    for number in ("+436601234500", "+436601234507"):
        before = len(wire.rtp())
        assert dial(number, scenario(CALL, answered(), wait, bye(3))).successful == 1
        packets = wire.rtp()[before:]
        heard[number] = {byte for packet in packets for byte in packet.payload}
        assert len(packets) > 30

    # PCMU silence is 0xff or 0x7f, whatever the sign.
    assert heard["+436601234500"] <= {0xFF, 0x7F, 0xFE, 0x7E}
    assert len(heard["+436601234507"]) > 20


def test_the_challenge_is_digest_and_the_nonce_is_the_labs(dial: Dial, wire: Wire) -> None:
    assert dial("+436601234514", scenario(CALL, refused(404))).successful == 1

    challenge = first(wire.sip(), 401).get("www-authenticate")
    assert challenge.startswith('Digest realm="acd-lab", nonce="')
    assert 'algorithm=MD5, qop="auth"' in challenge


@pytest.mark.parametrize(("user", "password"), [("acd", "wrong"), ("somebody", "lab")])
def test_wrong_credentials_are_challenged_again(dial: Dial, user: str, password: str) -> None:
    steps = scenario(
        invite(),
        recv(100, optional=True),
        CHALLENGED,
        invite(user=user, password=password, sequence=2),
        recv(100, optional=True),
        recv(401),
        REFUSED_ACK,
    )

    assert dial("+436601234500", steps).successful == 1


def own(lab: Lab, user: str) -> str:
    return f"sip:{user}@{lab.bind}"


def transferred(lab: Lab, user: str, *statuses: int) -> str:
    """A call that is answered at once and transferred; these NOTIFYs; BYE."""
    notifies = "".join(notified(status) for status in statuses)
    return scenario(CALL, answered(), refer(own(lab, user)), recv(202), notifies, bye())


def test_transfer_to_an_agent_who_answers_and_talks_on(lab: Lab, dial: Dial, wire: Wire) -> None:
    assert dial("+436601234500", transferred(lab, "2001", 100, 180, 200)).successful == 1

    (talk,) = wait_until(lambda: [t for t in lab.records("talk") if t["agent"] == "2001"])
    assert talk["talk_seconds"] == pytest.approx(1.0, abs=SLACK_SECONDS)
    assert talk["number"] == "+436601234500"
    agents_leg = select(wire.sip(), "INVITE")[-1]
    assert agents_leg.source == agents_leg.destination == (lab.bind.host, lab.bind.port)


def test_transfer_to_the_queue_finds_a_free_agent(lab: Lab, dial: Dial) -> None:
    assert dial("+436601234500", transferred(lab, "support", 100, 180, 200)).successful == 1


def test_transfer_to_an_unknown_extension_leaves_the_person_with_us(lab: Lab, dial: Dial) -> None:
    assert dial("+436601234500", transferred(lab, "7777", 100, 404)).successful == 1


def test_transfer_out_of_the_lab_is_refused(dial: Dial) -> None:
    steps = scenario(CALL, answered(), refer("sip:2001@127.60.0.9:5060"), recv(403), bye())

    assert dial("+436601234500", steps).successful == 1


def test_a_busy_agent_is_486_and_another_refer_works(
    small_lab: Lab, dial_small: Dial, occupied: Occupied
) -> None:
    occupied("2001")
    steps = scenario(
        *(CALL, answered(), refer(own(small_lab, "2001")), recv(202), notified(100)),
        *(notified(486), refer(own(small_lab, "2002"), 4), recv(202), notified(100)),
        *(notified(180), notified(200), bye(5)),
    )

    assert dial_small("+436601234500", steps).successful == 1


def test_the_queue_waits_for_the_first_free_agent(
    small_lab: Lab, dial_small: Dial, occupied: Occupied
) -> None:
    occupied("2001")
    occupied("2002")
    steps = transferred(small_lab, "support", 100, 182, 180, 200)

    assert dial_small("+436601234500", steps).successful == 1


def test_two_hundred_transfers_that_overlap_all_land(tmp_path: Path) -> None:
    """Slots of calls that are over are used again while agents still talk to those people."""
    with Lab(
        LAB_HOST, tmp_path, ["--agents", "90", "--agent-answer", "0", "--talk", "0.2-1"]
    ) as lab:
        steps = tmp_path / "scenario.xml"
        steps.write_text(transferred(lab, "support", 100, 180, 200))
        caller = Sipp.uac(
            steps,
            Bind(CALLER_HOST),
            lab.bind,
            calls=200,
            rate_per_second=30,
            limit=30,
            extra=["-s", "+436601234500"],
            folder=tmp_path,
        )
        with caller:
            counts = caller.wait(60)
        assert (counts.successful, counts.failed) == (200, 0)
        wait_until(lambda: len(lab.records("talk")) == 200)
    assert all(talk["answered"] for talk in lab.records("talk"))


def test_the_same_number_rings_as_long_with_the_same_seed(tmp_path: Path) -> None:
    rings = []
    steps, drawn = scenario(CALL, answered(), bye(3)), ["--ring", "0-3", "--seed", "7"]
    for _ in range(2):
        with Lab(LAB_HOST, tmp_path, drawn) as lab, Wire(LAB_HOST) as wire:
            assert sipp_call(lab, tmp_path, "+436601234508", steps).successful == 1
            rings.append(to_final_seconds(wire.sip(), 200))

    assert rings[0] == pytest.approx(rings[1], abs=0.25)


def test_one_person_too_many_is_503(tmp_path: Path) -> None:
    with Lab(LAB_HOST, tmp_path, ["--calls", "1", "--agents", "0"]) as lab, ExitStack() as stack:
        ring_somebody(stack, lab, tmp_path / "first", "+436601234502")
        counts = sipp_call(lab, tmp_path, "+436601234500", scenario(CALL, refused(503)))

    assert counts.successful == 1


def test_options_is_answered_200(lab: Lab, tmp_path: Path) -> None:
    """Who dials against the lab probes it first."""
    scenario_file = tmp_path / "options.xml"
    scenario_file.write_text(scenario(options(), recv(200)))
    with Sipp.uac(scenario_file, Bind(CALLER_HOST), lab.bind, calls=1, folder=tmp_path) as caller:
        assert caller.wait(10).successful == 1


def test_a_taken_port_is_one_sentence(lab: Lab) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "acd", "lab", "--address", LAB_HOST, "--port", str(lab.bind.port)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode == 1
    assert f"cannot listen on {lab.bind}" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_end_of_stdin_ends_it_with_calls_up(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with Lab(LAB_HOST, tmp_path, ["--agents", "1"]) as lab:
            ring_somebody(stack, lab, tmp_path / "first", "+436601234502")
            logged = lab.stop()
        assert logged[-1]["action"] == "lab.closed"
        assert len(lab.records("call")) == 1

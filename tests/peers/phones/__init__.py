"""Phones behind the PBX, played by SIPp: the telephone network, agents, and a hand-made dialer.

The network chooses by the last two digits dialed, so one carrier serves every kind of lead.
"""

from __future__ import annotations

from pathlib import Path

from tests.peers.sipp.runner import Bind, Sipp

HERE = Path(__file__).parent

# From the numbers that the German regulator keeps free for films and books (BNetzA, 148/2021).
CALLER = "+493023125000"
ANSWERS = "+493023125001"
BUSY = "+493023125086"
SILENT = "+493023125080"
UNKNOWN = "+493023125004"
"""Numbers, and what the carrier does with them."""
_OK = """<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""


def carrier(
    address: str, *, answer_ms: int = 300, patience_ms: int = 150, echoes: bool = False
) -> Sipp:
    """The telephone network behind the PBX's trunk, at port 5060 of `address`.

    Impatient people hang up `patience_ms` after their answer.
    Where it `echoes`, every person says what they hear: each RTP packet goes back at once.
    """
    return Sipp.uas(
        HERE / "carrier.xml",
        Bind(address, 5060),
        keys={"answer_ms": str(answer_ms), "patience_ms": str(patience_ms)},
        extra=("-rtp_echo",) if echoes else (),
    )


def agent_answers(
    address: str, *, ring_ms: int = 300, talk_ms: int = 1000, echoes: bool = False
) -> Sipp:
    """A phone that is picked up after `ring_ms` and hung up `talk_ms` later.

    Where it `echoes`, each RTP packet goes back to where it came from.
    """
    return Sipp.uas(
        HERE / "agent_answers.xml",
        Bind(address, 5060),
        keys={"ring_ms": str(ring_ms), "talk_ms": str(talk_ms)},
        extra=("-rtp_echo",) if echoes else (),
    )


def agent_speaks(
    address: str, folder: Path, *, voice: bytes, ring_ms: int = 300, talk_ms: int = 1000
) -> Sipp:
    """The same, and whoever picks up says `voice` (A-law) over and over.

    `folder` takes the scenario and the voice.
    """
    file = folder / "voice.alaw"
    file.write_bytes(voice)
    picked_up = '<recv request="ACK" crlf="true"/>'
    scenario = (HERE / "agent_answers.xml").read_text()
    assert scenario.count(picked_up) == 1
    speaks = f'<nop><action><exec rtp_stream="{file},-1,8"/></action></nop>'
    (folder / "agent_speaks.xml").write_text(scenario.replace(picked_up, picked_up + speaks))
    keys = {"ring_ms": str(ring_ms), "talk_ms": str(talk_ms)}
    return Sipp.uas(folder / "agent_speaks.xml", Bind(address, 5060), keys=keys)


def agent_busy(address: str) -> Sipp:
    """A phone that answers 486."""
    return Sipp.uas(HERE / "agent_busy.xml", Bind(address, 5060))


def agent_silent(address: str) -> Sipp:
    """A phone that rings until the PBX gives up."""
    return Sipp.uas(HERE / "agent_silent.xml", Bind(address, 5060))


def caller(address: str, proxy: str, *, user: str, talk_ms: int = 500) -> Sipp:
    """Somebody outside calls a `user` of the proxy, is answered, talks and hangs up."""
    return _calls_in("caller.xml", address, proxy, number=user, talk_ms=str(talk_ms))


def caller_gives_up(address: str, proxy: str, *, user: str) -> Sipp:
    """Somebody outside calls a `user` of the proxy and hangs up when it rings."""
    return _calls_in("caller_gives_up.xml", address, proxy, number=user)


def _calls_in(scenario: str, address: str, proxy: str, **keys: str) -> Sipp:
    keys = {"caller": CALLER, **keys}
    # From a port of its own: at 5060 of the same address is who takes calls.
    return Sipp.uac(HERE / scenario, Bind(address, 0), Bind(proxy, 5060), calls=1, keys=keys)


def dialer_calls(address: str, pbx: str, *, number: str) -> Sipp:
    """One call to a `number` that does not answer, over the documented account."""
    return Sipp.uac(
        HERE / "dialer_calls.xml",
        Bind(address, 5060),
        Bind(pbx, 5060),
        calls=1,
        keys={"number": number, "caller": CALLER},
    )


def dialer_refers(address: str, pbx: str, *, number: str, extension: str) -> Sipp:
    """One call to `number` over the documented account, handed to `extension` by REFER."""
    return Sipp.uac(
        HERE / "dialer_refers.xml",
        Bind(address, 5060),
        Bind(pbx, 5060),
        calls=1,
        keys={"number": number, "extension": extension, "caller": CALLER},
    )


def dialer_silent(address: str, pbx: str, folder: Path, *, number: str) -> Sipp:
    """One call to `number` over the documented account, without RTP, until the PBX hangs up.

    `folder` takes the scenario.
    """
    dials, refers, _ = (HERE / "dialer_refers.xml").read_text().partition("<pause")
    assert refers
    # SIPp refuses variables that nothing reads.
    hung_up_on = '<recv request="BYE"><action><log message="by [$callee]"/></action></recv>'
    scenario = folder / "dialer_silent.xml"
    scenario.write_text(f"{dials}{hung_up_on}{_OK}</scenario>")
    return Sipp.uac(
        scenario,
        Bind(address, 5060),
        Bind(pbx, 5060),
        calls=1,
        keys={"number": number, "caller": CALLER},
    )

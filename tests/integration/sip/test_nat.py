"""An engine behind NAT, at the documented Kamailio: SIP, sound and a transfer find their way."""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.integration.sip.listening import samples, says, tone
from tests.peers.certificates import make_certificate
from tests.peers.g711 import a_law, write_wav
from tests.peers.kamailio import DIALER, DIALER_PASSWORD, pbx_behind, run_kamailio
from tests.peers.nat import INSIDE, run_nat
from tests.peers.wire import Wire, first, select

pytestmark = pytest.mark.real

PBX_PORT = 5080


async def test_a_call_its_sound_and_its_transfer_pass_a_nat(tmp_path: Path) -> None:
    words = tone(0.6, hertz=440)
    heard = tmp_path / "heard.wav"
    async with AsyncExitStack() as stack:
        nat = stack.enter_context(run_nat())
        certificate, key = make_certificate(tmp_path, name=nat.server)
        pbx = stack.enter_context(pbx_behind(nat.server, port=PBX_PORT, echoes=True))
        await stack.enter_async_context(
            run_kamailio(address=nat.server, pbx=str(pbx.bind), certificate=certificate, key=key)
        )
        wire = stack.enter_context(Wire(nat.server))
        trunk = {
            "domain": nat.server,
            "user": DIALER,
            "password": DIALER_PASSWORD,
            "lines": 2,
        }
        order = {
            "trunk": trunk,
            "wav": str(write_wav(tmp_path / "words.wav", words)),
            "heard": str(heard),
        }
        done = await trio.run_process(
            nat.inside(
                sys.executable, "-m", "tests.integration.sip.engine_inside", json.dumps(order)
            ),
            capture_stdout=True,
        )
        messages = wire.sip()
    (told,) = [line for line in done.stdout.decode().splitlines() if line.startswith("told ")]
    assert json.loads(told.removeprefix("told ")) == {
        "result": "TransferAnswered",
        "events": ["Ended", "Released"],
    }
    assert says(a_law(samples(heard)), a_law(words))
    # What the PBX was told of the engine's whereabouts is of no use to it, and need not be.
    invite = first(messages, "INVITE")
    assert f"c=IN IP4 {INSIDE}".encode() in invite.body
    assert f"received={nat.public}" in " ".join(invite.all("Via"))
    for method in ("INVITE", "REFER", "BYE"):
        assert len(select(messages, method)) == 1, method

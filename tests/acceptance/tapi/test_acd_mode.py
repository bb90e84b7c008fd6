"""ACD mode through a real Asterisk: rows of the acceptance table, judged from the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.tapi.client import line_initialize_ex
from acd.tapi.constants import LineCallState as S
from tests.acceptance.tapi.call_centre import open_tapi_centre
from tests.peers import phones
from tests.peers.watching import wait_on_wire
from tests.peers.wire import select

pytestmark = pytest.mark.real

BYE_SECONDS = 1.0
"""From the final NOTIFY to our BYE, as row 1 promises."""


async def test_row_04_acd_mode_waits_for_line_blind_transfer_and_then_refers(
    tmp_path: Path,
) -> None:
    # The person waits 3 s here; that nothing happens by itself is the gateway's own limit.
    async with (
        open_tapi_centre(tmp_path, more="wait_limit_seconds = 0") as centre,
        line_initialize_ex(centre.gateway) as app,
    ):
        line = await app.line_open(1)
        call = await app.line_make_call(line, phones.ANSWERS)
        assert await app.wait_connected(call)
        assert not centre.sent("REFER")
        await app.line_blind_transfer(call, "101")
        await call.wait_states(S.IDLE)
        messages = await wait_on_wire(centre.wire, lambda seen: select(seen, "BYE"))
        (refer,) = centre.sent("REFER")
        assert "sip:101@" in refer.get("refer-to")
        assert len(centre.to(centre.agent(101), "INVITE")) == 1
        bye = centre.sent("BYE")[0]
        assert bye.call_id == refer.call_id
        final = [each for each in select(messages, "NOTIFY") if b"200" in each.body][-1]
        assert bye.at_seconds - final.at_seconds < BYE_SECONDS
        assert [event.state for event in call.events][-2:] == [S.CONNECTED, S.IDLE]
    (attempt,) = centre.installation.rows("attempts")
    assert attempt["tapi_client"] == "overdialer"
    assert attempt["disposition"] == "handed_over"
    assert attempt["started_at"] < attempt["answered_at"]

"""Digest against Asterisk: one challenge serves many calls."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import trio

from acd.lines import TrunkStatus
from tests.integration.sip.call_centre import call_and_hand_over, open_engine, run_pbx
from tests.integration.sip.conftest import wait_status
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.wire import Wire, select

pytestmark = pytest.mark.real

HERE = Addresses.free()
CALLS = 5


async def test_a_nonce_is_used_again_by_the_next_calls() -> None:
    with ExitStack() as peers, trio.fail_after(90):
        wire = peers.enter_context(Wire(HERE.pbx))
        peers.enter_context(phones.carrier(HERE.carrier))
        peers.enter_context(phones.agent_answers(HERE.agent_101, talk_ms=200))
        async with run_pbx(HERE), open_engine(HERE) as (_, trunk):
            await wait_status(trunk, TrunkStatus.UP)
            for _ in range(CALLS):
                await call_and_hand_over(trunk)
        messages = wire.sip()
    sent = [m for m in select(messages, "INVITE") if m.source[0] == HERE.dialer]
    challenges = [
        m for m in select(messages, 401, cseq="INVITE") if m.destination[0] == HERE.dialer
    ]
    # Asterisk's nonces live for 32 s: a slow machine may need a second one.
    assert len(challenges) <= 2
    assert len(sent) == CALLS + len(challenges)
    assert all(m.get("Authorization") for m in sent[1 + (not sent[0].get("Authorization")) :])
    referred = [m for m in select(messages, "REFER") if m.source[0] == HERE.dialer]
    assert {m.get("Referred-By") for m in referred} == {f"<sip:dialer@{HERE.pbx}>"}

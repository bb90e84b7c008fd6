"""An agent whose phone Asterisk tells of has time to write after each person."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.agent_feed.test_agent_feed import (
    ADDRESSES,
    HANDED_OVER,
    PEOPLE,
    installation_with_feed,
)
from tests.acceptance.api.test_desktop_and_pbx import ANNA, wait_anna
from tests.acceptance.support.api import add_agents, open_api_engine, serve_api
from tests.acceptance.support.installation import Installation, edit, uncomment
from tests.peers import phones
from tests.peers.centre import open_centre
from tests.peers.wire import first_of_each_call

pytestmark = pytest.mark.real

WRAP_UP_SECONDS = 6
BUSY = "030/23125 086"
"""Is called again later: the campaign is not over."""


def prepare(installation: Installation) -> None:
    """Anna of SQL alone, at 101, with time to write."""
    campaign = installation.folder / "campaigns" / "sample" / "campaign.toml"
    edit(campaign, {"extensions": "[]", "wait_limit_seconds": "9"})
    uncomment(campaign, f"wrap_up_seconds = {WRAP_UP_SECONDS}")
    serve_api(installation)


async def test_the_next_person_comes_when_the_time_is_over_or_the_agent_is_done(
    tmp_path: Path,
) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=300)
    async with open_centre(ADDRESSES, phone) as centre:
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=(*PEOPLE[:3], BUSY), prepare=prepare
        )
        add_agents(tmp_path, "anna,101,sample")
        await installation.succeed("acd agents import agents.csv", "acd agents ready anna")
        async with open_api_engine(installation) as (engine, api):
            for calls in (1, 2):
                await engine.wait_metric(
                    HANDED_OVER, calls, campaign="sample", disposition="handed_over"
                )
            await wait_anna(api, state="wrap_up")
            await api.succeed("POST", "/v1/agents/anna/wrap-up-done", **ANNA)
            await engine.wait_metric(HANDED_OVER, 3, campaign="sample", disposition="handed_over")
            await wait_anna(api, state="wrap_up")
            await api.succeed("POST", "/v1/agents/anna/ready", **ANNA)
            await wait_anna(api, state="ready")
            # She has hung up long ago, and still writes.
            await api.succeed("POST", "/v1/agents/anna/wrap-up", **ANNA)
            await wait_anna(api, state="wrap_up")
            await api.succeed("POST", "/v1/agents/anna/wrap-up-done", **ANNA)
            await wait_anna(api, state="ready")
            assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    dialed = [m.at_seconds for m in first_of_each_call(traffic.to(ADDRESSES.carrier, "INVITE"))]
    byes = [m.at_seconds for m in first_of_each_call(traffic.of(ADDRESSES.agent_101, "BYE"))]
    assert dialed[1] - byes[0] >= WRAP_UP_SECONDS
    assert dialed[2] - byes[1] < WRAP_UP_SECONDS

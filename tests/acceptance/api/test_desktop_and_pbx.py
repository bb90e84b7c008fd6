"""A desktop says one thing of an agent, Asterisk another: the desktop is believed."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.acceptance.agent_feed.test_agent_feed import (
    ADDRESSES,
    HANDED_OVER,
    PEOPLE,
    installation_with_feed,
    pause,
)
from tests.acceptance.support.api import TOKENS, Api, add_agents, open_api_engine, serve_api
from tests.acceptance.support.installation import Installation, edit
from tests.peers import phones
from tests.peers.centre import Centre, open_centre
from tests.peers.wire import first_of_each_call

pytestmark = pytest.mark.real

BUSY = "030/23125 086"
ANNA: dict[str, Any] = {"token": TOKENS["anna"]}
SECONDS = 30


def prepare(installation: Installation, *of_api: str) -> None:
    """Only anna of SQL serves the campaign, and she may say so over HTTP."""
    campaign = installation.folder / "campaigns" / "sample" / "campaign.toml"
    edit(campaign, {"extensions": "[]", "wait_limit_seconds": "9"})
    serve_api(installation, *of_api)


async def wait_anna(api: Api, **wanted: str) -> None:
    with trio.fail_after(SECONDS):
        while True:
            anna = await api.succeed("GET", "/v1/agents/anna", **ANNA)
            if all(anna[key] == value for key, value in wanted.items()):
                return
            await trio.sleep(0.05)  # the question is the API's own


def dialed(centre: Centre) -> int:
    return len(first_of_each_call(centre.traffic().to(ADDRESSES.carrier, "INVITE")))


async def test_a_desktops_word_goes_before_a_pause_and_a_command_before_both(
    tmp_path: Path,
) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=4000)
    async with open_centre(ADDRESSES, phone) as centre:
        await pause(centre, "pause")
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=PEOPLE[:2], prepare=prepare
        )
        add_agents(tmp_path, "anna,101,sample")
        await installation.succeed("acd agents import agents.csv", "acd agents ready anna")
        async with open_api_engine(installation) as (engine, api):
            await engine.wait_metric("acd_feed_up", 1, feed="ami")
            await engine.wait_metric("acd_trunk_up", 1, trunk="main")
            await wait_anna(api, state="not_ready", wanted="ready")
            assert dialed(centre) == 0, "the PBX says that she pauses"
            await api.succeed("POST", "/v1/agents/anna/ready", **ANNA)
            await wait_anna(api, state="on_call")
            await api.succeed("POST", "/v1/agents/anna/not-ready", {"reason": "tea"}, **ANNA)
            await pause(centre, "unpause")
            await wait_anna(api, state="not_ready", reason="tea")
            assert dialed(centre) == 1, "the PBX says that she is free"
            await installation.succeed("acd agents ready anna")
            await engine.wait_metric(HANDED_OVER, 2, campaign="sample", disposition="handed_over")
            assert await engine.end() == 0, engine.log()


def prepare_grace(installation: Installation) -> None:
    prepare(installation, "desktop_grace_seconds = 0.5")


async def test_an_agent_whose_desktop_is_gone_is_not_ready_until_it_is_back(
    tmp_path: Path,
) -> None:
    async with open_centre(ADDRESSES, phones.agent_silent(ADDRESSES.agent_101)):
        installation = await installation_with_feed(
            tmp_path, host=ADDRESSES.pbx, people=(BUSY,), prepare=prepare_grace
        )
        add_agents(tmp_path, "anna,101,sample")
        await installation.succeed("acd agents import agents.csv")
        async with open_api_engine(installation) as (engine, api):
            with listening(api):
                await api.succeed("POST", "/v1/agents/anna/ready", **ANNA)
                await wait_anna(api, state="ready")
            await wait_anna(api, state="not_ready", wanted="ready")
            with listening(api):
                await wait_anna(api, state="ready")
            await wait_anna(api, state="not_ready", wanted="ready")
            await installation.succeed("acd agents ready anna")
            await wait_anna(api, state="ready")
            assert await engine.end() == 0, engine.log()
    said = [row for row in installation.rows("events") if "desktop gone" in str(row["detail"])]
    assert {(row["subject_id"], row["what"]) for row in said} == {("anna", "not_ready")}


@contextmanager
def listening(api: Api) -> Iterator[None]:
    """Anna's desktop is told what happens."""
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=SECONDS)) as desktop:
        token = f"Bearer {TOKENS['anna']}"
        desktop.request("GET", "/v1/events", headers={"Authorization": token})
        with closing(desktop.getresponse()) as stream:
            assert stream.status == 200
            yield

"""A desktop, a CRM and a supervisor at a running engine whose calls SIPp answers."""

from __future__ import annotations

import http.client
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.acceptance.support.api import TOKENS, Api, add_agents, open_api_engine, serve_api
from tests.acceptance.support.carrier import Carrier, dialing_installation, handed_over
from tests.acceptance.support.installation import REPOSITORY, Engine, Installation
from tests.peers.addresses import Addresses

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
SECONDS = 30
_BLOCK = re.compile(r"<!-- test_api\.py runs these very lines -->\n```sh\n(.*?)```", re.DOTALL)


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[tuple[Installation, Engine, Api, Carrier]]:
    """Anna is logged off and serves the one campaign; calls end at once, handle time is 300 s."""
    steps = handed_over(agent_ms=20)
    with Carrier(folder / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(folder, carrier, leads=20)
        serve_api(installation)
        definition = folder / "campaigns" / "sample" / "campaign.toml"
        text = definition.read_text()
        queue = text[text.index("queue =") : text.index("[calling_hours]")]
        definition.write_text(
            text.replace(queue, "handle_seconds = 300\ndisposition_seconds = 300\n")
        )
        add_agents(folder, "anna,201,sample")
        await installation.succeed("acd campaign reload sample", "acd agents import agents.csv")
        async with open_api_engine(installation) as (engine, api):
            yield installation, engine, api, carrier
            assert await engine.end() == 0, engine.log()


async def wait_agent(api: Api, **wanted: str) -> dict[str, Any]:
    with trio.fail_after(SECONDS):
        while True:
            agent: dict[str, Any] = await api.succeed("GET", "/v1/agents/anna")
            if all(agent[key] == value for key, value in wanted.items()):
                return agent
            await trio.sleep(0.05)  # the question is the API's own; events have a test


async def test_a_desktop_takes_its_agent_through_a_call(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (_, _engine, api, carrier):
        anna: dict[str, Any] = {"token": TOKENS["anna"]}
        assert carrier.calls == 0, "anna has not come yet"
        await api.succeed("POST", "/v1/agents/anna/ready", **anna)
        await wait_agent(api, state="on_call")
        (own,) = await api.succeed("GET", "/v1/agent-times", **anna)
        assert own["agent"] == "anna"
        person = await api.succeed("GET", "/v1/agents/anna/person", **anna)
        assert person["columns"] == {} or "phone" not in person["columns"]
        refused = await api.ask("POST", "/v1/agents/anna/log-off", token=TOKENS["crm"])
        assert refused.status == 403
        await api.succeed("POST", "/v1/agents/anna/not-ready", {"reason": "tea"}, **anna)
        await wait_agent(api, state="on_call", wanted="not_ready")
        await api.succeed("POST", "/v1/agents/anna/wrap-up", **anna)
        await wait_agent(api, state="wrap_up")
        next_year = datetime.now(UTC).year + 1
        word = {"code": "callback", "at": f"{next_year}-01-02T10:30:00+01:00"}
        path = f"/v1/attempts/{person['attempt']}/disposition"
        with trio.fail_after(SECONDS):
            while (said := await api.ask("POST", path, word, **anna)).status != 200:
                assert "not over yet" in said.body["error"], said
                await trio.sleep(0.05)  # until the call's end is written
        assert said.body["disposition"] == "callback"
        path = f"/v1/leads/{person['lead']}/callback"
        refused = await api.ask("POST", path, {"at": "9999-12-01T10:00:00Z"})
        assert refused.status == 422
        assert "too far ahead" in refused.body["error"]
        assert (await api.succeed("GET", "/v1/campaigns/sample"))["leads"]
        await api.succeed("POST", "/v1/agents/anna/wrap-up-done", **anna)
        assert (await wait_agent(api, state="not_ready"))["reason"] == "tea"
        assert carrier.calls == 1


async def test_tokens_and_roles_are_asked_for(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (_, engine, api, _carrier):
        for token, path, status in (
            ("", "/v1/agents", 401),
            ("wrong", "/v1/agents", 401),
            ("wrong", "/v1/events", 401),
            (TOKENS["crm"], "/v1/agents", 403),
            (TOKENS["desktop"], "/v1/campaigns", 403),
            (TOKENS["anna"], "/v1/agents/201", 403),
            (TOKENS["anna"], "/v1/agents/anna", 200),
            (TOKENS["desktop"], "/v1/agents/201", 200),
            (TOKENS["crm"], "/v1/campaigns/none", 404),
        ):
            answer = await api.ask("GET", path, token=token)
            assert answer.status == status, (path, answer)
            assert status == 200 or set(answer.body) == {"error", "problems"}
        assert not any(token in engine.log() for token in TOKENS.values())


async def test_nobody_has_the_engine_play_or_look_for_files_of_other_folders(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path) as (installation, _, api, _carrier):
        there = installation.folder / "acd.toml"
        for key in ("abandon_message", "comfort_audio"):
            said = set()
            for sound in (str(there), "../../acd.toml", "/nothing.wav", "a\0b"):
                body = {"agents": {"extensions": ["201"]}, key: sound}
                answer = await api.ask("PUT", "/v1/campaigns/spring", body, token=TOKENS["crm"])
                assert answer.status == 422, answer
                said.add(answer.body["error"])
            assert len(said) == 1, "what is there and what is not are refused alike"
            body = {"agents": {"extensions": ["201"]}, key: "missing.wav"}
            answer = await api.ask("PUT", "/v1/campaigns/spring", body, token=TOKENS["crm"])
            assert "missing.wav cannot be read" in answer.body["error"]
            assert str(installation.folder) not in answer.body["error"]


async def test_the_documents_examples_run(tmp_path: Path) -> None:
    blocks = _BLOCK.findall((REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8"))
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) >= 15
    async with at_work(tmp_path) as (installation, _, api, _carrier):
        auth = shlex.quote(f"Authorization: Bearer {TOKENS['boss']}")
        for line in lines:
            (done,) = await installation.succeed(f"API={api.address}; AUTH={auth}; {line}")
            if line.endswith("spring/leads"):
                assert '"added":1' in done.stdout
                assert '"row":1' in done.stdout


async def test_events_go_on_where_a_client_left(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (_, _engine, api, _carrier):

        def read(until: str, last: str = "") -> list[dict[str, str]]:
            """Events of the stream until one says this; blocks."""
            connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=SECONDS)
            headers = {"Authorization": f"Bearer {TOKENS['boss']}", "Last-Event-ID": last}
            connection.request("GET", "/v1/events", headers=headers)
            stream = connection.getresponse()
            events: list[dict[str, str]] = [{}]
            while until not in events[-1].get("data", events[-1].get("event", "")):
                line = stream.readline().decode().rstrip("\n")
                if line:
                    key, _, value = line.partition(": ")
                    events[-1][key] = value
                else:
                    events.append({})
            connection.close()
            return [event for event in events if event]

        async with trio.open_nursery() as nursery:
            first: list[dict[str, str]] = []

            async def listen() -> None:
                first.extend(await trio.to_thread.run_sync(read, '"paused"'))

            nursery.start_soon(listen)
            with trio.fail_after(SECONDS):
                # The listener may come after a change, so there are changes until it has one.
                while not first:
                    await api.succeed("POST", "/v1/campaigns/sample/pause")
                    await trio.sleep(0.2)
                    await api.succeed("POST", "/v1/campaigns/sample/start")
                    await trio.sleep(0.2)
        await api.succeed("POST", "/v1/agents/anna/not-ready", {"reason": "tea"})
        missed = await trio.to_thread.run_sync(read, "not_ready", first[-1]["id"])
        assert missed[-1]["event"] == "agent"
        lost = await trio.to_thread.run_sync(read, "resync", "another-1")
        assert lost[-1]["event"] == "resync"

"""An agent at the phone of a real PBX takes leads on their desktop before they are dialed."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import TOKENS, Api, add_agents, open_api_engine, serve_api
from tests.acceptance.support.installation import REPOSITORY, Engine, Installation, edit
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import Centre, open_centre
from tests.peers.wire import first_of_each_call

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
ANNA: dict[str, Any] = {"token": TOKENS["anna"]}
PATH = "/v1/agents/anna/preview"
_BLOCK = re.compile(r"<!-- test_preview\.py runs these very lines -->\n```sh\n(.*?)```", re.DOTALL)


async def preview_installation(folder: Path) -> Installation:
    """Anna at phone 101, logged off, and four leads of a preview campaign."""
    installation = Installation.fresh(folder)
    shutil.copy(folder / "acd.example.toml", folder / "acd.toml")
    installation.settle(pbx=ADDRESSES.pbx)
    installation.prepare_sample()
    sample = folder / "campaigns" / "sample"
    edit(sample / "campaign.toml", {"dial_mode": '"preview"', "extensions": "[]"})
    edit(sample / "campaign.toml", {"wait_limit_seconds": "9"})
    rows = [f"030/23125 {number}01,Person {number}" for number in range(4)]
    (sample / "leads.csv").write_text("\n".join(["Telefon,Name", *rows, ""]))
    serve_api(installation)
    add_agents(folder, "anna,101,sample")
    await installation.succeed(
        "acd leads import sample campaigns/sample/leads.csv",
        "acd agents import agents.csv",
        "acd campaign start sample",
    )
    return installation


@asynccontextmanager
async def anna_ready(installation: Installation) -> AsyncIterator[tuple[Engine, Api]]:
    """An engine that may dial, and anna has come."""
    async with open_api_engine(installation) as (engine, api):
        await engine.wait_metric("acd_trunk_up", 1, trunk="main")
        await api.succeed("POST", "/v1/agents/anna/ready", **ANNA)
        await engine.wait_metric("acd_agents", 1, state="ready")
        yield engine, api


def dialed(centre: Centre) -> int:
    """How many calls the carrier was asked for."""
    return len(first_of_each_call(centre.traffic().to(ADDRESSES.carrier, "INVITE")))


async def test_the_accepted_person_comes_to_the_agent_and_the_skipped_one_is_not_dialed(
    tmp_path: Path,
) -> None:
    installation = await preview_installation(tmp_path)
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=300)
    async with open_centre(ADDRESSES, phone) as centre, anna_ready(installation) as (engine, api):
        first = await api.succeed("POST", PATH, {}, **ANNA)
        assert first["columns"] == {"Name": "Person 0"}
        assert (first["state"], first["attempt_no"]) == ("shown", 1)
        assert (await api.succeed("GET", "/v1/agents/anna", **ANNA))["name"] == "anna"
        await api.succeed("POST", f"{PATH}/skip", **ANNA)
        second = await api.succeed("POST", PATH, {"campaign": "sample"}, **ANNA)
        assert second["columns"] == {"Name": "Person 1"}
        assert dialed(centre) == 0
        assert (await api.succeed("POST", f"{PATH}/accept", **ANNA))["state"] == "dialing"
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="handed_over"
        )
        for result in ("accepted", "skipped"):
            assert engine.metric("acd_previews_total", campaign="sample", result=result) == 1
        person = await api.succeed("GET", "/v1/agents/anna/person", **ANNA)
        assert person["columns"] == {"Name": "Person 1"}
        assert centre.traffic().of(ADDRESSES.agent_101, 200, cseq="INVITE")
        assert dialed(centre) == 1
        assert await engine.end() == 0, engine.log()


async def test_a_crash_while_a_lead_is_shown_frees_it_and_dials_nobody(tmp_path: Path) -> None:
    installation = await preview_installation(tmp_path)
    async with open_centre(ADDRESSES) as centre:
        async with anna_ready(installation) as (engine, api):
            lost = await api.succeed("POST", PATH, {}, **ANNA)
            engine.process.kill()
            await engine.wait()
        assert [row["state"] for row in installation.rows("leads")].count("claimed") == 1
        async with anna_ready(installation) as (engine, api):
            again = await api.succeed("POST", PATH, {}, **ANNA)
            assert (again["lead"], again["attempt_no"]) == (lost["lead"], 1)
            await api.succeed("POST", f"{PATH}/skip", **ANNA)
            assert await engine.end() == 0, engine.log()
        assert dialed(centre) == 0
    assert installation.rows("attempts") == []


async def test_a_desktop_is_told_in_one_sentence_what_it_cannot_have(tmp_path: Path) -> None:
    installation = await preview_installation(tmp_path)
    async with open_centre(ADDRESSES), anna_ready(installation) as (engine, api):
        for method, path, body, token, status, words in (
            ("POST", f"{PATH}/accept", None, "anna", 422, "they look at no lead"),
            ("POST", PATH, {"campaign": "none"}, "anna", 422, "theirs: sample"),
            ("POST", "/v1/agents/none/preview", {}, "desktop", 404, "there is no agent"),
            ("POST", PATH, {}, "crm", 403, "role integrator"),
            ("POST", "/v1/agents/101/preview", {}, "anna", 403, "anna alone"),
        ):
            answer = await api.ask(method, path, body, token=TOKENS[token])
            assert answer.status == status, answer
            assert words in answer.body["error"], answer
        await api.succeed("POST", "/v1/agents/anna/not-ready", {}, **ANNA)
        await engine.wait_metric("acd_agents", 1, state="not_ready")
        answer = await api.ask("POST", PATH, {}, **ANNA)
        assert (answer.status, "not ready" in answer.body["error"]) == (422, True)
        assert await engine.end() == 0, engine.log()


async def test_the_documents_examples_run(tmp_path: Path) -> None:
    (block,) = _BLOCK.findall((REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8"))
    installation = await preview_installation(tmp_path)
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100, talk_ms=300)
    async with open_centre(ADDRESSES, phone), anna_ready(installation) as (engine, api):
        auth = shlex.quote(f"Authorization: Bearer {TOKENS['anna']}")
        for line in block.splitlines():
            await installation.succeed(f"API={api.address}; AUTH={auth}; {line}")
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="handed_over"
        )
        assert await engine.end() == 0, engine.log()

"""Every endpoint of a running engine, asked what its own OpenAPI allows and what it does not."""

from __future__ import annotations

import shutil
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, Phase, settings

from tests.acceptance.support.api import (
    TOKENS,
    Api,
    add_agents,
    open_api_engine,
    serve_api,
)
from tests.acceptance.support.carrier import Carrier, dialing_installation, handed_over
from tests.acceptance.support.installation import Installation
from tests.peers.addresses import Addresses

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
KNOWN = {"agent": "anna", "campaign": "sample", "lead": "1", "lead_id": 1, "attempt_id": 1}
"""What exists, for every other request."""
EXAMPLES = 12
"""Requests an endpoint, of each kind."""


async def test_no_request_makes_the_engine_fail(tmp_path: Path) -> None:
    steps = handed_over(agent_ms=50, after_ms=300)
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=40, slots=2)
        serve_api(installation)
        await add_preview_campaign(installation)
        add_agents(installation.folder, "anna,201,looked", "bert,202,sample")
        await installation.succeed("acd agents import agents.csv")
        async with open_api_engine(installation) as (engine, api):
            await api.succeed("POST", "/v1/agents/anna/ready")
            schema = await api.succeed("GET", "/v1/openapi.json")
            asked = await trio.to_thread.run_sync(fuzz, api, schema)
            assert asked >= len(operations(schema)) * EXAMPLES // 2
            assert (await api.ask("GET", "/v1/agents")).status == 200
            assert "Traceback" not in engine.log()
            assert await engine.end() == 0, engine.log()
        for token in TOKENS.values():
            assert token not in engine.log()


async def add_preview_campaign(installation: Installation) -> None:
    """A second campaign, whose leads anna looks at first."""
    campaigns = installation.folder / "campaigns"
    shutil.copytree(campaigns / "sample", campaigns / "looked")
    definition = campaigns / "looked" / "campaign.toml"
    text = definition.read_text()
    queue = text[text.index("queue =") : text.index("handle_seconds")]
    definition.write_text('dial_mode = "preview"\n' + text.replace(queue, ""))
    leads = campaigns / "looked" / "leads.csv"
    # Other people: a number of an erased lead is not imported again.
    leads.write_text(leads.read_text().replace("+49302312500", "+49302312509"))
    await installation.succeed(
        "acd leads import looked campaigns/looked/leads.csv", "acd campaign start looked"
    )


def operations(schema: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path, method) for path, methods in schema["paths"].items() for method in methods]


def fuzz(api: Api, schema: dict[str, Any]) -> int:
    """How many requests were sent; blocks."""
    # Importing it registers what only its own plugin for pytest would else be asked for.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = (
        not_a_server_error,
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )
    loaded = schemathesis.openapi.from_dict(schema)
    sent = 0
    tokens = cycle([*TOKENS.values(), "nobodys"])
    bounded: Any = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for result in loaded.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # ours is valid: it raises if not
        if operation.path == "/v1/events":
            continue  # it does not end; tests/integration/api reads it

        def ask(case: Any) -> None:
            nonlocal sent
            sent += 1
            if sent % 2 and case.path_parameters:
                case.path_parameters |= {
                    name: KNOWN[name] for name in case.path_parameters if name in KNOWN
                }
            # Every other one may do everything; 401 and 403 must be as they are described too.
            token = next(tokens) if sent % 4 < 2 else TOKENS["boss"]
            headers = {"Authorization": f"Bearer {token}"}
            case.call_and_validate(base_url=api.address, headers=headers, checks=checks)

        bounded(operation_given(operation)(ask))()
    return sent


def operation_given(operation: Any) -> Any:
    from hypothesis import given
    from schemathesis.generation import GenerationMode

    either = operation.as_strategy() | operation.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )
    return given(case=either)

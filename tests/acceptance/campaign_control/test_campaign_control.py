"""What a running engine makes of `acd campaign ...`, and how soon, on the carrier's wire."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.support.carrier import QUEUE, Carrier, dialing_installation, handed_over
from tests.acceptance.support.installation import Engine, Installation
from tests.peers.addresses import Addresses

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
TOLD_SECONDS = 1.0
"""How soon a running engine has taken up what a command says, from when the command is over."""
MARGIN_SECONDS = 0.5
"""For a machine that has more to do than it has cores."""
CALLS_PER_SECOND = 4.0
AGENTS = 60
AGENT_MS = 6000
"""Transfers stay open for so long: what is started again finds calls from before."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Whoever types commands, and the carrier that sees what comes of them."""

    carrier: Carrier
    installation: Installation
    engine: Engine

    async def say(self, *lines: str) -> tuple[float, float]:
        """Commands that the engine is told of; when the last one began and was over."""
        for line in lines:
            began_at = time.time()
            (said,) = await self.installation.succeed(line)
            over_at = time.time()
            assert f"the engine (pid {self.engine.process.pid}) was told" in said.stdout
        return began_at, over_at

    async def stops_after(self, line: str) -> None:
        """No INVITE comes once the engine has had its time, until something else is said."""
        _, over_at = await self.say(line)
        limit = over_at + TOLD_SECONDS + MARGIN_SECONDS
        while time.time() < limit + 2 / CALLS_PER_SECOND:
            await self.installation.succeed("acd campaign list")
        late = [at for at in self.invited_at() if at > limit]
        assert late == [], f"{len(late)} after `{line}`, the last {late[-1] - over_at:.2f} s later"

    async def dials_after(self, *lines: str) -> None:
        """The first INVITE after the last command comes in time."""
        began_at, over_at = await self.say(*lines)
        await self.carrier.wait(lambda _: any(at > began_at for at in self.invited_at()))
        first = min(at for at in self.invited_at() if at > began_at)
        took = first - over_at
        assert took <= TOLD_SECONDS + MARGIN_SECONDS, f"{took:.2f} s after `{lines[-1]}`"

    def invited_at(self) -> list[float]:
        return [each.at_seconds for each in self.carrier.said() if each.method == "INVITE"]

    @property
    def open_transfers(self) -> set[str]:
        return self.carrier.sent(202) - self.carrier.received("BYE")


async def test_a_running_engine_takes_up_each_command_within_a_second(tmp_path: Path) -> None:
    steps = handed_over(agent_ms=AGENT_MS)
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, steps) as carrier:
        installation = await dialing_installation(
            tmp_path, carrier, leads=600, slots=AGENTS, calls_per_second=CALLS_PER_SECOND
        )
        await with_agents(installation)
        async with installation.engine() as engine:
            desk = Desk(carrier, installation, engine)
            await carrier.wait(lambda seen: seen.calls > 2, timeout_seconds=120)
            await desk.stops_after("acd campaign pause sample")
            assert desk.open_transfers, "calls from before go on"
            await desk.dials_after("acd campaign start sample")
            dial_by(installation, "preview")
            await desk.stops_after("acd campaign reload sample")
            dial_by(installation, "progressive")
            await desk.dials_after("acd campaign reload sample")
            (shown,) = await installation.succeed("acd campaign status sample --json")
            assert json.loads(shown.stdout)["engine"] == {
                "state": "running",
                "pid": engine.process.pid,
            }
            await desk.stops_after("acd campaign stop sample")
            assert await engine.end() == 0, engine.log()


async def with_agents(installation: Installation) -> None:
    """Agents instead of a queue: only they can look at leads before these are dialed."""
    extensions = ", ".join(f'"{extension}"' for extension in range(201, 201 + AGENTS))
    file = installation.folder / "campaigns" / "sample" / "campaign.toml"
    text = file.read_text()
    queue = f'queue = "{QUEUE}"\nslots = {AGENTS}'
    assert queue in text
    file.write_text(text.replace(queue, f"extensions = [{extensions}]"))
    await installation.succeed("acd campaign reload sample")


def dial_by(installation: Installation, dial_mode: str) -> None:
    """Change the campaign's file; previews dial nobody while no desktop asks for leads."""
    file = installation.folder / "campaigns" / "sample" / "campaign.toml"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("dial_mode")]
    file.write_text("\n".join([f'dial_mode = "{dial_mode}"', *kept]) + "\n")


async def test_no_second_engine_comes_up_beside_one_that_has_no_time_to_answer(
    tmp_path: Path,
) -> None:
    with Carrier(tmp_path / "carrier", ADDRESSES.carrier, handed_over()) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=1)
        async with installation.engine() as engine:
            await engine.wait_metric(
                "acd_dispositions_total", 1, campaign="sample", disposition="handed_over"
            )
            engine.process.send_signal(signal.SIGSTOP)
            second = await installation.command("acd run")
            said = await installation.command("acd campaign stop sample")
            engine.process.send_signal(signal.SIGCONT)
            assert second.exit_code == 1, str(second)
            assert "another engine runs here" in second.stderr
            assert "has not answered within 1 s; it looks at the database by itself" in said.stdout
            assert await engine.end() == 0, engine.log()

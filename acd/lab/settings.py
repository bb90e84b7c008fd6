"""What a lab is told."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from acd.errors import BadInput, Problem
from acd.lab.digest import Account
from acd.lab.draws import Span

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSettings:
    """One lab."""

    address: str
    """Loopback only: the lab's password is no secret."""
    port: int
    """0 takes any free one."""
    watch_port: int
    """Where it tells what the agents' phones do; 0 takes any free one."""
    account: Account
    agents: int
    first_extension: int
    queue: str
    ring: Span
    """How long numbers ring that answer sometime."""
    agent_answer: Span
    talk: Span
    calls: int
    """People who are called at once; more get 503."""
    seed: int

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise BadInput(problems)

    def _problems(self) -> list[Problem]:
        found = []
        if not _is_loopback(self.address):
            found.append(
                Problem("--address", f"{self.address} is not on loopback", "127.0.0.1, 127.x.x.x")
            )
        if self.watch_port > _LAST_PORT:
            found.append(
                Problem("--watch-port", "the one after --port is none", "1 to 65535, or 0")
            )
        if self.first_extension + self.agents > 10**6:
            found.append(Problem("--first-extension", "too long", "extensions of 6 digits or less"))
        return found

    @property
    def extensions(self) -> tuple[str, ...]:
        """The agents' phones."""
        last = self.first_extension + self.agents
        return tuple(str(number) for number in range(self.first_extension, last))

    @property
    def call_slots(self) -> int:
        """Calls that pjsua carries at once: each agent has a leg to them and one from the PBX."""
        spare = 16
        return self.calls + 2 * self.agents + spare


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False

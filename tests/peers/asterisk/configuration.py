"""Write one Asterisk's configuration: the documented files as they stand, the peer's filled in."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
DOCUMENTED = HERE / "documented"
PEER = HERE / "peer"
FOR_EACH_AGENT = frozenset(
    {"agent.conf", "agent_extension.conf", "registering_agent.conf", "user.conf"}
)
"""Not files of Asterisk's: they are added to others, once for each agent."""

FOLDERS = ("etc", "lib", "agi", "spool", "run", "log", "cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where one Asterisk listens and whom it knows."""

    address: str
    port: int
    manager_port: int
    carrier: str
    """host:port of what plays the telephone network."""
    agents: Mapping[str, str]
    """Extension → host:port of the agent's phone; empty: it registers."""
    users: Mapping[str, str] = field(default_factory=dict)
    """Extension → host:port of the phone of a user who may register something else, too."""
    packet_ms: int = 20
    """How much sound one RTP packet carries."""
    dialer: Mapping[str, str] = field(default_factory=dict)
    """More keys of the dialer's endpoint."""


def write_configuration(
    layout: Layout, *, seen_by_us: Path, seen_by_it: Path, modules: str
) -> Path:
    """Write the folder that one Asterisk lives in; return its asterisk.conf as Asterisk sees it.

    Args:
        layout: addresses.
        seen_by_us: the folder, as this process names it.
        seen_by_it: the same folder inside the chroot.
        modules: where Asterisk's modules are, inside the chroot.
    """
    for name in FOLDERS:
        (seen_by_us / name).mkdir()
    etc = seen_by_us / "etc"
    for source in DOCUMENTED.iterdir():
        shutil.copy(source, etc)
    values = {
        "folder": str(seen_by_it),
        "modules": modules,
        "address": layout.address,
        "port": str(layout.port),
        "manager_port": str(layout.manager_port),
        "carrier": layout.carrier,
        "packet_ms": str(layout.packet_ms),
        "dialer": "\n".join(f"{key}={value}" for key, value in layout.dialer.items()),
    }
    for name in sorted(path.name for path in PEER.iterdir()):
        if name not in FOR_EACH_AGENT:
            (etc / name).write_text(_filled(name, values))
    with (etc / "pjsip.conf").open("a") as pjsip, (etc / "extensions.conf").open("a") as dialplan:
        for extension, contact in layout.agents.items():
            agent = {"extension": extension, "contact": contact}
            pjsip.write(_filled("agent.conf" if contact else "registering_agent.conf", agent))
            # The documented dialplan has ten extensions of its own.
            if not extension.startswith("10"):
                dialplan.write(_filled("agent_extension.conf", agent))
        for extension, contact in layout.users.items():
            pjsip.write(_filled("user.conf", {"extension": extension, "contact": contact}))
    return seen_by_it / "etc" / "asterisk.conf"


def _filled(name: str, values: Mapping[str, str]) -> str:
    return Template((PEER / name).read_text()).substitute(values)

"""A carrier played by SIPp, dialed without a PBX, with a log of its own; and campaigns for it.

    with Carrier(folder, address, answer(), ack(), refer(202), ...) as carrier:
        installation = await dialing_installation(tmp_path, carrier, leads=2000)

SIPp's short messages, one line each, are the log: the database is compared with them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import trio

from tests.acceptance.support.installation import DAYS, Installation
from tests.peers.sipp.runner import Bind, Sipp
from tests.peers.sipp.steps import (
    ack,
    answer,
    bye,
    invite,
    notify,
    pause,
    refer,
    ring,
    trying,
    write,
)

FIRST_NUMBER = 4930231250000
"""A block that the German regulator keeps free for films and books, and on from there."""
QUEUE = "sales"
_UNMOVED = ("-default_behaviors", "all,-abortunexp")
"""SIPp gives a call up when its INVITE is sent again while it rings, as a busy machine makes it."""


def handed_over(*, ring_ms: int = 0, agent_ms: int = 0, after_ms: int = 0) -> tuple[str, ...]:
    """Steps of a call that is answered, referred, and whose agent picks up."""
    rest = (pause(after_ms),) if after_ms else ()
    alerting = (trying(), ring(), pause(ring_ms)) if ring_ms else ()
    agent = (pause(agent_ms),) if agent_ms else ()
    return (*alerting, answer(), ack(), refer(202), *agent, notify(200, final=True), bye(), *rest)


@dataclass(frozen=True, slots=True)
class Said:
    """One message on the carrier's side."""

    at_seconds: float
    received: bool
    call_id: str
    first_line: str

    @property
    def method(self) -> str:
        return "" if self.first_line.startswith("SIP/2.0") else self.first_line.split(" ")[0]

    @property
    def number(self) -> str:
        found = re.match(r"INVITE sip:(\+?\d+)@", self.first_line)
        return found[1] if found else ""


@dataclass(slots=True)
class Carrier:
    """SIPp on one address; a context manager."""

    folder: Path
    address: str
    steps: Iterable[str]
    _sipp: Sipp | None = None
    _read: int = 0
    _said: list[Said] = field(default_factory=list)
    _invites: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        extra = ("-trace_shortmsg", "-shortmessage_file", str(self._log), *_UNMOVED)
        self._sipp = Sipp.uas(
            write(self.folder, invite(), *self.steps),
            Bind(self.address, 5060),
            folder=self.folder,
            extra=extra,
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._sipp is not None:
            self._sipp.stop(grace_seconds=0.2)
            self._sipp.__exit__(kind, error, trace)

    @property
    def _log(self) -> Path:
        return self.folder / "short.log"

    def said(self) -> list[Said]:
        """Every message so far; SIPp writes each line at once."""
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(self._read)
                text = log.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read += len(whole)
            for said in filter(None, map(_said_of, whole.decode().splitlines())):
                self._said.append(said)
                if said.received and said.number:
                    self._invites[said.number].add(said.call_id)
        return self._said

    def invites(self) -> dict[str, set[str]]:
        """Dialed number → Call-IDs of its INVITEs; a retransmission is the same Call-ID."""
        self.said()
        return self._invites

    @property
    def calls(self) -> int:
        """How many INVITEs came, retransmissions aside."""
        return sum(len(call_ids) for call_ids in self.invites().values())

    def received(self, method: str) -> set[str]:
        """Call-IDs of the dialogs in which this request came."""
        return {said.call_id for said in self.said() if said.received and said.method == method}

    def sent(self, status: int) -> set[str]:
        """Call-IDs of the dialogs in which this status was sent, to whatever."""
        start = f"SIP/2.0 {status}"
        return {
            said.call_id
            for said in self.said()
            if not said.received and said.first_line.startswith(start)
        }

    @property
    def up(self) -> set[str]:
        """Call-IDs of the calls that are answered and not over."""
        called = set().union(*self.invites().values())
        return called & self.sent(200) - self.received("BYE")

    def most_up(self) -> int:
        """The most calls that were answered and not over at one moment."""
        called = set().union(*self.invites().values())
        answered: set[str] = set()
        over: set[str] = set()
        most = 0
        for said in self.said():
            if said.call_id not in called:
                continue
            if not said.received and said.first_line.startswith("SIP/2.0 200"):
                answered.add(said.call_id)
            elif said.received and said.method == "BYE":
                over.add(said.call_id)
            most = max(most, len(answered) - len(over))
        return most

    def when(self, call_id: str, start: str, *, received: bool = True) -> float:
        """When a message that begins like this came, or went, first in one call."""
        return min(
            said.at_seconds
            for said in self.said()
            if said.received is received
            and said.call_id == call_id
            and said.first_line.startswith(start)
        )

    async def wait(self, seen: Callable[[Carrier], object], *, timeout_seconds: float = 30) -> None:
        """Wait until this is true of the log."""
        with trio.move_on_after(timeout_seconds):
            while True:
                if seen(self):
                    return
                # The log is a file that another program writes: it can only be read again.
                await trio.sleep(0.02)
        last = "\n".join(str(said) for said in self.said()[-20:])
        raise AssertionError(f"not in {timeout_seconds} s; the carrier's last messages:\n{last}")


def _said_of(line: str) -> Said | None:
    parts = line.split("\t")
    if len(parts) != 7:
        return None
    _, _, epoch, way, call_id, _, first_line = parts
    return Said(float(epoch), way == "R", call_id, first_line)


async def dialing_installation(
    folder: Path,
    carrier: Carrier,
    *,
    leads: int,
    slots: int = 60,
    handle_seconds: float = 0.5,
    lines: int = 200,
    calls_per_second: float = 100.0,
    store_url: str = "",
    wait_limit_seconds: float = 10.0,
) -> Installation:
    """A started campaign "sample" whose leads are dialed straight at the carrier."""
    installation = Installation.fresh(folder)
    (folder / "acd.toml").write_text(
        f"""
[[trunk]]
name = "main"
domain = "{carrier.address}"
user = "dialer"
register = false
lines = {lines}
calls_per_second = {calls_per_second}
[destinations]
default_region = "DE"
[metrics]
port = {installation.metrics_port}
[store]
url = "{store_url or "sqlite:///acd.sqlite"}"
"""
    )
    sample = folder / "campaigns" / "sample"
    hours = "\n".join(f'{day} = ["00:00-24:00"]' for day in DAYS)
    (sample / "campaign.toml").write_text(
        f"""
wait_limit_seconds = {wait_limit_seconds}
number_columns = ["phone"]
[agents]
queue = "{QUEUE}"
slots = {slots}
handle_seconds = {handle_seconds}
[calling_hours]
{hours}
"""
    )
    numbers = "\n".join(f"+{FIRST_NUMBER + lead}" for lead in range(leads))
    (sample / "leads.csv").write_text(f"phone\n{numbers}\n")
    await installation.succeed(
        "acd leads import sample campaigns/sample/leads.csv", "acd campaign start sample"
    )
    return installation


async def add_campaign(
    installation: Installation, name: str, *, first: int, leads: int, more: str = ""
) -> None:
    """Another one like "sample", started, with a queue of its own and numbers from `first` on.

    Args:
        installation: as `dialing_installation` gives it.
        name: the campaign's, and its queue's.
        first: number.
        leads: how many.
        more: keys of `campaign.toml` before its first table.
    """
    campaigns = installation.folder / "campaigns"
    sample = (campaigns / "sample" / "campaign.toml").read_text()
    queue = f'queue = "{QUEUE}"'
    assert queue in sample
    (campaigns / name).mkdir()
    own = sample.replace(queue, f'queue = "{name}"')
    (campaigns / name / "campaign.toml").write_text(f"{more}\n{own}")
    numbers = "\n".join(f"+{first + lead}" for lead in range(leads))
    (campaigns / name / "leads.csv").write_text(f"phone\n{numbers}\n")
    await installation.succeed(
        f"acd leads import {name} campaigns/{name}/leads.csv", f"acd campaign start {name}"
    )

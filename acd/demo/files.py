"""The demo's installation: what a person would write, written into a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acd.demo.leads import demo_leads, leads_csv

CAMPAIGN = "demo"
FIRST_EXTENSION = 2001
USER = "acd"
PASSWORD = "lab"  # noqa: S105 - of a PBX that listens on loopback only, and says so
TALK_SECONDS = (3.0, 8.0)
RING_SECONDS = (1.0, 4.0)
LINES_PER_AGENT = 1.5
"""The others are those of people who are being handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """How large a demo."""

    leads: int
    agents: int
    seed: int

    @property
    def lines(self) -> int:
        """Calls at once."""
        return max(2, round(self.agents * LINES_PER_AGENT))

    @property
    def extensions(self) -> Sequence[str]:
        """The agents' phones in the lab."""
        return [str(FIRST_EXTENSION + number) for number in range(self.agents)]


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where everything of one demo stands."""

    path: Path

    @property
    def settings(self) -> Path:
        """acd.toml."""
        return self.path / "acd.toml"

    @property
    def database(self) -> Path:
        """SQLite."""
        return self.path / "acd.sqlite"

    @property
    def leads(self) -> Path:
        """The list that is imported."""
        return self.path / "campaigns" / CAMPAIGN / "leads.csv"

    @property
    def metrics(self) -> Path:
        """The last page of /metrics."""
        return self.path / "metrics.txt"

    @property
    def log(self) -> Path:
        """The engine's."""
        return self.path / "acd.log"

    @property
    def lab_log(self) -> Path:
        """The lab's."""
        return self.path / "lab.log"

    @property
    def lab_records(self) -> Path:
        """What the lab says of each call."""
        return self.path / "lab-calls.jsonl"


def write_installation(folder: DemoFolder, plan: DemoPlan, *, domain: str, watch: str) -> None:
    """Settings, campaign and leads.

    Args:
        folder: is there; files in it are replaced.
        plan: how large.
        domain: host:port of the lab.
        watch: host:port at which it tells what its agents' phones do.
    """
    password = folder.path / "lab.password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o600)
    folder.settings.write_text(_settings(plan, domain, watch))
    folder.leads.parent.mkdir(parents=True, exist_ok=True)
    folder.leads.with_name("campaign.toml").write_text(campaign_toml(plan))
    folder.leads.write_text(leads_csv(demo_leads(plan.leads, seed=plan.seed)))


def _settings(plan: DemoPlan, domain: str, watch: str) -> str:
    host = domain.partition(":")[0]
    return f"""\
[[trunk]]
name = "lab"
domain = "{domain}"
user = "{USER}"
password_file = "lab.password"
register = false                  # the lab takes calls without
lines = {plan.lines}
calls_per_second = 20
ring_timeout_seconds = 15
bind_address = "{host}"

[feeds.dialog_info]
domain = "{watch}"{" " * max(1, 24 - len(watch))}# whose phone is free, and who talks

[destinations]
default_region = "DE"

[metrics]
port = 0                          # any free one
"""


def campaign_toml(plan: DemoPlan) -> str:
    """The campaign: everybody is called once, at any hour, because nobody is there."""
    listed = ", ".join(f'"{extension}"' for extension in plan.extensions)
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    hours = "\n".join(f'{day} = ["00:00-24:00"]' for day in days)
    # Where no feed sees the phones: more than the longest talk, or an agent is offered two people.
    handle_seconds = TALK_SECONDS[1] + 0.5
    return f"""\
# The campaign of `acd demo`, and for trying by hand: acd lab, then import, start and run this.
# Its numbers are kept free for films (BNetzA, Mitteilung 148/2021): they belong to nobody, so
# they may be "called" at any hour. Real leads want the hours of campaigns/sample.

dial_mode = "progressive"
max_attempts = 1
default_region = "DE"
number_columns = ["phone"]

[agents]
extensions = [{listed}]
handle_seconds = {handle_seconds:g}

[calling_hours]
{hours}
"""

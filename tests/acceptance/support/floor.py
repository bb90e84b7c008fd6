"""A floor of many agents behind a real Asterisk, and an installation that serves them.

The engine is told by the manager interface what the phones do, or by what a test names. Who
answers and who only rings is chosen by the leads' last two digits
(`tests/peers/phones/carrier.xml`), and on the agents' side by the address of their phones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.acceptance.support.installation import DAYS, Installation
from tests.peers.asterisk import DIALER, DIALER_PASSWORD, MANAGER, MANAGER_SECRET

ANSWERS, RINGS = "01", "80"
"""A lead's last two digits."""


_SETTINGS = """
[[trunk]]
name = "main"
domain = "{pbx}"
user = "{user}"
password_file = "dialer.password"
lines = {lines}
calls_per_second = 50.0
{trunk}
[destinations]
default_region = "DE"
[metrics]
port = {metrics_port}
[store]
url = "{store_url}"
{feed}
"""
_MANAGER = """
[feeds.ami]
host = "{host}"
port = {port}
user = "{user}"
password_file = "manager.password"
"""
SUBSCRIPTIONS = "[feeds.dialog_info]"
NO_FEED = ""
_CAMPAIGN = """
number_columns = ["phone"]
{more}
[agents]
extensions = {extensions}
[calling_hours]
{hours}
"""


def number(lead: int, how: str = ANSWERS) -> str:
    """Of the block that the German regulator keeps free for films and books, one for each lead."""
    return f"+493023125{lead:04d}{how}"


async def floor_installation(
    folder: Path,
    *,
    pbx: str,
    manager: tuple[str, int] | str,
    extensions: Sequence[str],
    leads: Sequence[str],
    lines: int,
    trunk: str = "",
    campaign: str = "",
    store_url: str = "sqlite:///acd.sqlite",
) -> Installation:
    """The campaign "sample", started, with these leads and agents.

    Args:
        folder: empty, or not there yet.
        pbx: the Asterisk's address.
        manager: host and port of its manager interface; or `SUBSCRIPTIONS`, or `NO_FEED`.
        extensions: the agents' phones.
        leads: phone numbers.
        lines: of the one trunk.
        trunk: more keys of `[[trunk]]`.
        campaign: more keys of `campaign.toml`, before its first table.
        store_url: as in `[store]`.
    """
    folder.mkdir(exist_ok=True)
    installation = Installation.fresh(folder)
    for name, secret in (("dialer", DIALER_PASSWORD), ("manager", MANAGER_SECRET)):
        file = folder / f"{name}.password"
        file.write_text(secret + "\n")
        file.chmod(0o600)
    settings = _SETTINGS.format(
        pbx=pbx,
        user=DIALER,
        lines=lines,
        trunk=trunk,
        metrics_port=installation.metrics_port,
        store_url=store_url,
        feed=manager if isinstance(manager, str) else _manager_feed(*manager),
    )
    (folder / "acd.toml").write_text(settings)
    sample = folder / "campaigns" / "sample"
    hours = "\n".join(f'{day} = ["00:00-24:00"]' for day in DAYS)
    (sample / "campaign.toml").write_text(
        _CAMPAIGN.format(more=campaign, extensions=list(extensions), hours=hours)
    )
    (sample / "leads.csv").write_text("phone\n" + "\n".join(leads) + "\n")
    await installation.succeed(
        "acd leads import sample campaigns/sample/leads.csv", "acd campaign start sample"
    )
    return installation


def _manager_feed(host: str, port: int) -> str:
    return _MANAGER.format(host=host, port=port, user=MANAGER)

"""The whole engine with a campaign of invented leads: SQLite, ledger, metrics and all.

python -m bench.engine_loop ORDER-AS-JSON

Put together as `acd.app` does it, without the OPTIONS probe, which the common peer does not know.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
import structlog
import trio

from acd.app import open_feeds
from acd.clock import SystemClock
from acd.dialer.lead_import import import_leads
from acd.dialer.scheduler import Scheduler
from acd.dialer.surroundings import Surroundings
from acd.lines import TrunkStatus
from acd.metrics import Metrics
from acd.settings import Settings
from acd.sip import open_sip
from acd.store import Store, open_store, open_store_sync
from acd.store.campaigns import CampaignState, campaign_by_name, set_campaign_state
from acd.store.schema import attempts
from bench.marks import Marks
from bench.order import CallOrder
from bench.threads import ThreadClocks

CAMPAIGN = "bench"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DEFINITION = """\
dial_mode = "ratio"
calls_per_agent = 1.2
ramp_seconds = 0
max_attempts = 1
number_columns = ["phone"]

[agents]
queue = "{agent}"
slots = 999
handle_seconds = 0.2

[calling_hours]
{hours}
"""


def _settings(folder: Path, order: CallOrder) -> Settings:
    return Settings.model_validate(
        {
            "trunk": [
                {
                    "domain": order.peer,
                    "user": order.user,
                    "register": False,
                    "lines": order.most_at_once,
                    "calls_per_second": order.rate_per_second,
                    "bind_address": order.own,
                }
            ],
            "destinations": {"default_region": "AT"},
            "store": {"url": f"sqlite:///{folder / 'acd.sqlite'}"},
            "campaigns_folder": folder / "campaigns",
            "control_socket": folder / "acd.sock",
        }
    )


def _write_campaign(folder: Path, order: CallOrder) -> Path:
    campaign = folder / "campaigns" / CAMPAIGN
    campaign.mkdir(parents=True)
    hours = "\n".join(f'{day} = ["00:00-24:00"]' for day in _DAYS)
    definition = _DEFINITION.format(agent=order.agent, hours=hours)
    (campaign / "campaign.toml").write_text(definition)
    leads = campaign / "leads.csv"
    # Nobody is called: the peer stands on loopback.
    leads.write_text("phone\n" + "".join(f"0664 {1_000_000 + n}\n" for n in range(order.calls)))
    return leads


def _load(settings: Settings, leads: Path) -> None:
    now = datetime.now(UTC)
    with open_store_sync(settings.store.url, create=True) as store:
        import_leads(store, settings, campaign_name=CAMPAIGN, path=leads, now=now)
        campaign = store.read_sync(campaign_by_name, CAMPAIGN)
        store.run_sync(
            set_campaign_state,
            campaign_id=campaign.campaign_id,
            state=CampaignState.RUNNING,
            now=now,
        )


def _closed(conn: sa.Connection, transfer_result: str | None) -> int:
    which = [attempts.c.state == "closed", attempts.c.sip_call_id.is_not(None)]
    if transfer_result is not None:
        which.append(attempts.c.transfer_result == transfer_result)
    return conn.scalar(sa.select(sa.func.count()).select_from(attempts).where(*which)) or 0


async def _run(settings: Settings, marks: Marks) -> None:
    metrics = Metrics()
    async with (
        open_store(settings.store.url, create=True) as store,
        open_sip(settings.trunk, probe=None) as sip,
        open_feeds(settings.feeds, metrics) as feed,
    ):
        trunk = sip.trunk(settings.trunk[0].name)
        health = trunk.health
        while health.status is not TrunkStatus.UP:
            health = await trunk.wait_health_change(health)
        metrics.know_trunk(trunk.name, trunk.lines, challenges=lambda: trunk.challenges)
        around = Surroundings(
            settings=settings,
            trunks={trunk.name: trunk},
            store=store,
            feed=feed,
            metrics=metrics,
            clock=SystemClock(),
            node="bench",
        )
        marks.ready()
        clocks = ThreadClocks()
        await Scheduler(around).run(until_finished=True)
        marks.done(**clocks.used(), **await _counted(store))


async def _counted(store: Store) -> dict[str, float]:
    return {
        "completed": await store.read(_closed, "answered"),
        "rows": await store.read(_closed, None),
    }


def main(order: CallOrder) -> None:
    marks = Marks()
    with tempfile.TemporaryDirectory(prefix="acd-bench-") as name:
        folder = Path(name)
        settings = _settings(folder, order)
        _load(settings, _write_campaign(folder, order))
        trio.run(_run, settings, marks)


if __name__ == "__main__":
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(30),
    )
    main(CallOrder.from_json(sys.argv[1]))

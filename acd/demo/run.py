"""The demo from an empty folder to the report."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
import trio
from prometheus_client import generate_latest
from rich.console import Console, RenderableType
from rich.live import Live

from acd.app import Engine, open_engine
from acd.demo.figures import Pace, figures_of, read_samples
from acd.demo.files import (
    CAMPAIGN,
    FIRST_EXTENSION,
    PASSWORD,
    RING_SECONDS,
    TALK_SECONDS,
    USER,
    DemoFolder,
    DemoPlan,
    write_installation,
)
from acd.demo.lab_process import open_lab
from acd.demo.view import WIDTH, Moment, as_line, render
from acd.dialer.lead_import import import_leads
from acd.dialer.reports import CampaignReport, campaign_report
from acd.dialer.scheduler import Scheduler
from acd.logs import configure_logs
from acd.settings import Settings, load_settings
from acd.store import open_store_sync
from acd.store.campaigns import CampaignState, campaign_by_name, set_campaign_state

_REMOTE_FONT = re.compile(r',\s*url\("https?://[^)]*\)\s*format\("[^"]*"\)')

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_SECONDS = 0.25
SAY_SECONDS = 5.0
"""Between two lines where there is no terminal."""
QUICK_STOP_SECONDS = 3.0
"""What the present calls get after Ctrl-C: it is a demo, nobody is on the line."""
PICTURE_AT_SHARE = 0.6
"""Of the leads: everything is moving."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What is left of a demo."""

    report: CampaignReport
    metrics_address: str


async def run_demo(
    folder: DemoFolder, plan: DemoPlan, console: Console, *, picture: Path | None = None
) -> DemoResult:
    """Dial the demo's campaign to its end, or until Ctrl-C.

    Args:
        folder: is there and empty.
        plan: how large.
        console: where it is watched.
        picture: SVG file to draw the view into, as it was in the middle of the run.

    Raises:
        AcdError: one sentence on what did not work.
    """
    with ExitStack() as files:
        signals = files.enter_context(trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
        engine_log = files.enter_context(folder.log.open("w"))
        console.print(f"settings, database and logs of this demo: {folder.path}", soft_wrap=True)
        async with open_lab(_lab_options(folder, plan), log=folder.lab_log) as lab:
            write_installation(folder, plan, domain=lab.domain, watch=lab.watch)
            settings = load_settings(folder.settings, {})
            configure_logs(settings.log, engine_log)
            await trio.to_thread.run_sync(_load_leads, settings, folder)
            async with open_engine(settings) as engine:
                watch = Watch(engine, plan, console)
                await _dial(engine.scheduler, signals, watch)
                folder.metrics.write_bytes(generate_latest(engine.metrics.registry))
            if watch.stopping:
                await trio.to_thread.run_sync(_stop_campaign, settings)
    if picture is not None:
        _draw(watch.picture, picture)
    report = await trio.to_thread.run_sync(_report, settings)
    return DemoResult(report, engine.metrics_address)


def _lab_options(folder: DemoFolder, plan: DemoPlan) -> list[str]:
    options: dict[str, object] = {
        "port": 0,
        "user": USER,
        "password": PASSWORD,
        "agents": plan.agents,
        "first-extension": FIRST_EXTENSION,
        "ring": "{:g}-{:g}".format(*RING_SECONDS),
        "talk": "{:g}-{:g}".format(*TALK_SECONDS),
        "calls": plan.lines + 10,
        "seed": plan.seed,
        "record": folder.lab_records,
    }
    return [f"--{name}={value}" for name, value in options.items()]


def _load_leads(settings: Settings, folder: DemoFolder) -> None:
    now = datetime.now(UTC)
    with open_store_sync(settings.store.url, create=True) as store:
        import_leads(
            store,
            settings,
            campaign_name=CAMPAIGN,
            path=folder.leads,
            now=now,
            header_map={},
            progress=lambda share: None,
        )
        campaign_id = store.read_sync(campaign_by_name, CAMPAIGN).campaign_id
        store.run_sync(
            set_campaign_state, campaign_id=campaign_id, state=CampaignState.RUNNING, now=now
        )


def _stop_campaign(settings: Settings) -> None:
    """What was left by Ctrl-C does not go on by itself in an engine on the same folder."""
    with open_store_sync(settings.store.url) as store:
        campaign = store.read_sync(campaign_by_name, CAMPAIGN)
        # The last lead may have been closed in the same moment.
        if campaign.state is CampaignState.RUNNING:
            store.run_sync(
                set_campaign_state,
                campaign_id=campaign.campaign_id,
                state=CampaignState.STOPPED,
                now=datetime.now(UTC),
            )


def _report(settings: Settings) -> CampaignReport:
    with open_store_sync(settings.store.url) as store:
        return store.read_sync(campaign_report, CAMPAIGN, now=datetime.now(UTC))


async def _dial(scheduler: Scheduler, signals: AsyncIterator[int], watch: Watch) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.look)
        nursery.start_soon(_obey, signals, scheduler, watch, nursery.cancel_scope)
        try:
            await scheduler.run(until_finished=True)
        finally:
            # Whatever ends the engine, the terminal gets its cursor back.
            nursery.cancel_scope.cancel()
            watch.close()


async def _obey(
    signals: AsyncIterator[int], scheduler: Scheduler, watch: Watch, scope: trio.CancelScope
) -> None:
    """The first Ctrl-C gives the present calls a moment, the second none; rows are written."""
    await anext(signals)
    log.info("stopping", action="demo.stopping")
    watch.stopping = True
    scheduler.stop()
    with trio.move_on_after(QUICK_STOP_SECONDS):
        await anext(signals)
    scope.cancel()


class Watch:
    """Looks at the engine's registry and shows what it sees."""

    def __init__(self, engine: Engine, plan: DemoPlan, console: Console) -> None:
        self.stopping = False
        self.picture: RenderableType | None = None
        self._engine = engine
        self._plan = plan
        self._console = console
        self._pace = Pace()
        self._started_at = trio.current_time()
        self._said_at = self._started_at
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        if self._live is not None:
            self._live.start()
        else:
            console.print(f"metrics: {engine.metrics_address}/metrics", soft_wrap=True)

    async def look(self) -> None:
        """Until cancelled."""
        while True:
            self._show(self._moment())
            await trio.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Show the end."""
        moment = self._moment()
        self._show(moment)
        if self._live is not None:
            self._live.stop()
        else:
            self._console.print(as_line(moment), soft_wrap=True)

    def _moment(self) -> Moment:
        now = trio.current_time()
        figures = figures_of(
            read_samples(self._engine.metrics.registry),
            campaign=CAMPAIGN,
            trunk="lab",
            at_seconds=now,
        )
        self._pace.note(figures)
        return Moment(
            figures=figures,
            leads=self._plan.leads,
            elapsed_seconds=now - self._started_at,
            calls_per_second=self._pace.calls_per_second(),
            seconds_left=self._pace.seconds_left(leads=self._plan.leads),
            metrics_address=self._engine.metrics_address,
            stopping=self.stopping,
        )

    def _show(self, moment: Moment) -> None:
        if self.picture is None or moment.figures.closed <= self._plan.leads * PICTURE_AT_SHARE:
            self.picture = render(moment)
        if self._live is not None:
            self._live.update(render(moment), refresh=True)
        elif moment.figures.at_seconds - self._said_at >= SAY_SECONDS:
            self._said_at = moment.figures.at_seconds
            self._console.print(as_line(moment), soft_wrap=True)


def _draw(picture: RenderableType | None, file: Path) -> None:
    if picture is None:
        return
    with Path("/dev/null").open("w") as nowhere:
        console = Console(
            record=True,
            width=WIDTH,
            file=nowhere,
            force_terminal=True,
            color_system="truecolor",
        )
        console.print(picture)
        drawn = console.export_svg(title="make demo")
    # A picture in a README fetches nothing: the reader's own monospace font will do.
    file.write_text(_REMOTE_FONT.sub("", drawn), encoding="utf-8")

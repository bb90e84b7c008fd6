"""Joins the parts: store, SIP, agent feed, scheduler and servers, in nested lifetimes.

    open_engine ─ lock ─ store ─ SIP ─ agent feed ─ /metrics ─▶ Scheduler.run

What was opened last is closed first, so that a call is over before the database goes away.
"""

from __future__ import annotations

import hashlib
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog
import trio

from acd.agents import FeedName
from acd.agents_feed.ami import run_ami_feed
from acd.agents_feed.dialog_info import DialogInfoFeed, Watch
from acd.agents_feed.merged import MergedFeed, open_merged_feed
from acd.api.server import metrics_app, open_server
from acd.app_api import open_api
from acd.app_tapi import join_tapi
from acd.app_trace import TraceSwitch, control_handlers
from acd.clock import SystemClock
from acd.control import only_engine, open_control
from acd.dialer.comfort import open_comfort_noise
from acd.dialer.scheduler import Scheduler
from acd.dialer.surroundings import Surroundings
from acd.lines import Trunk
from acd.metrics import Metrics
from acd.settings import MAX_LINES, FeedsSettings, Settings, called_trunks, resting_trunks
from acd.sip import Sip, open_sip
from acd.sip.limits import check_watches, compiled_limits
from acd.store import open_store
from acd.store.agents import all_agents
from acd.store.campaigns import running_campaigns

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What `open_engine` has put together."""

    scheduler: Scheduler
    metrics: Metrics
    metrics_address: str
    """`http://host:port` of `/metrics`; empty where it is not served."""


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """Everything that a campaign needs, up and connected, while the block lasts.

    Raises:
        AcdError: one sentence on what could not be opened.
    """
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        # First of all: a second engine of this node's name would end the calls of the first.
        stack.enter_context(only_engine(settings.control_socket))
        store = await stack.enter_async_context(open_store(settings.store.url, create=True))
        if settings.feeds.dialog_info is not None:
            check_watches(compiled_limits(), watches=await store.read(_count_watched))
        switch = stack.enter_context(closing(TraceSwitch(settings)))
        sip = await stack.enter_async_context(
            open_sip(
                settings.trunk,
                destinations=settings.destinations,
                trace=switch.take if switch.on else None,
                called=called_trunks(settings) if settings.tapi.enabled else (),
                resting=resting_trunks(settings),
            )
        )
        _tell_small_binding(compiled_limits().calls)
        stack.enter_context(switch.serving(sip))
        feed = await stack.enter_async_context(
            open_feeds(
                settings.feeds,
                metrics,
                watch=_watch_of(settings, sip),
                desktops=settings.api.enabled,
            )
        )
        address = ""
        if settings.metrics.enabled:
            address = await stack.enter_async_context(
                open_server(metrics_app(metrics.registry), settings.metrics, name="metrics")
            )
            log.info("metrics served", action="metrics.serving", address=address)
        trunks: dict[str, Trunk] = {}
        for name in (trunk.name for trunk in settings.trunk):
            trunks[name] = trunk = sip.trunk(name)
            metrics.know_trunk(name, trunk.lines, challenges=partial(getattr, trunk, "challenges"))
        comfort_audio = stack.enter_context(open_comfort_noise())
        gateway = join_tapi(
            settings,
            trunks,
            metrics,
            node=node_name(settings),
            rest=sip.rest,
            comfort_audio=comfort_audio,
        )
        scheduler = Scheduler(
            Surroundings(
                settings=settings,
                trunks=gateway.campaign_trunks,
                companions=gateway.companions,
                store=store,
                feed=feed,
                metrics=metrics,
                clock=SystemClock(),
                node=node_name(settings),
                comfort_audio=comfort_audio,
            )
        )
        await stack.enter_async_context(
            open_control(
                settings.control_socket,
                {
                    "look": partial(_look, scheduler),
                    **control_handlers(switch),
                    **gateway.controls,
                },
            )
        )
        if settings.api.enabled:
            await stack.enter_async_context(
                open_api(settings, store, feed, scheduler.previews, scheduler.look)
            )
        yield Engine(scheduler=scheduler, metrics=metrics, metrics_address=address)


@asynccontextmanager
async def open_feeds(
    settings: FeedsSettings,
    metrics: Metrics,
    *,
    watch: Watch | None = None,
    desktops: bool = False,
) -> AsyncIterator[MergedFeed]:
    """Whatever tells what agents do, as one feed, while the block lasts.

    Args:
        settings: the feeds.
        metrics: told which feeds are up.
        watch: a trunk's, for the feed of subscriptions.
        desktops: whether agents say something over HTTP too.
    """
    names = [FeedName.AMI] if settings.ami is not None else []
    names += [FeedName.DIALOG_INFO] if watch is not None else []
    names += [FeedName.HTTP] if desktops else []
    async with open_merged_feed(metrics, names) as feed, trio.open_nursery() as nursery:
        if settings.ami is not None:
            nursery.start_soon(run_ami_feed, settings.ami, feed)
        if watch is not None:
            subscriptions = DialogInfoFeed(watch, feed)
            feed.tell_asked(subscriptions.ask)
            nursery.start_soon(subscriptions.run)
        yield feed
        nursery.cancel_scope.cancel()


def _tell_small_binding(calls: int) -> None:
    """It does for the lines that are configured; whoever wants more learns here how."""
    if calls < MAX_LINES:
        log.warning(
            "this pjsua2 holds few calls at once; make setup builds one that holds 999",
            action="sip.small_binding",
            calls=calls,
        )


def _count_watched(conn: sa.Connection) -> int:
    """How many phones `[feeds.dialog_info]` watches as things are: those of campaigns that dial."""
    running = running_campaigns(conn)
    named = {name for campaign in running for name in campaign.definition.agents.extensions}
    assigned = {
        agent.extension
        for agent in all_agents(conn)
        for campaign in running
        if campaign.campaign_id in agent.campaign_ids
        and agent.skills.issuperset(campaign.definition.agents.skills)
    }
    return len(named | assigned)


def _watch_of(settings: Settings, sip: Sip) -> Watch | None:
    asked = settings.feeds.dialog_info
    if asked is None:
        return None
    trunk = sip.trunk(asked.trunk or settings.trunk[0].name)
    return partial(trunk.watch, domain=asked.domain)


def node_name(settings: Settings) -> str:
    """This engine's name in SQL: the same after a restart, another one for each installation.

    Two engines of one name would end each other's calls; the control socket, of which only one
    engine can be the owner, tells them apart on one machine.
    """
    where = hashlib.sha256(str(settings.control_socket.absolute()).encode()).hexdigest()[:8]
    return f"{socket.gethostname()[:50]}-{where}"


def _look(scheduler: Scheduler) -> Mapping[str, Any]:
    scheduler.look()
    return {}


async def run_engine(settings: Settings, *, until_finished: bool = False) -> None:
    """Run campaigns until SIGTERM or Ctrl-C.

    The first signal lets the present calls finish; the second ends them at once. Either way
    every attempt's row is closed.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_engine(settings) as engine, trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, engine.scheduler, nursery.cancel_scope)
            await engine.scheduler.run(until_finished=until_finished)
            nursery.cancel_scope.cancel()


async def _obey(signals: AsyncIterator[int], scheduler: Scheduler, scope: trio.CancelScope) -> None:
    first = True
    async for number in signals:
        name = signal.Signals(number).name
        if first:
            log.info("stopping after the present calls", action="engine.stopping", signal=name)
            scheduler.stop()
        else:
            log.warning("ending the present calls", action="engine.ending", signal=name)
            scope.cancel()
        first = False

"""The boards, a module each: for the supervisor, a campaign, its agents, trunks, engine, TAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.boards.agents import agents
from dashboards.boards.campaign import campaign
from dashboards.boards.engine import engine
from dashboards.boards.overview import overview
from dashboards.boards.runbook import runbook
from dashboards.boards.tapi import tapi
from dashboards.boards.trunk import trunk
from dashboards.panels import RUNBOOK

BOARDS: Mapping[str, Callable[[], builders.Dashboard]] = MappingProxyType(
    {
        "acd-overview": overview,
        "acd-campaign": campaign,
        "acd-agents": agents,
        "acd-trunk": trunk,
        "acd-engine": engine,
        "acd-tapi": tapi,
        RUNBOOK: runbook,
    }
)
"""uid → board."""

"""Every bench there is, in the order of the table."""

from __future__ import annotations

from bench.answer_to_agent import AnswerToAgent
from bench.cpu_a_call import CpuACall
from bench.endurance import Endurance
from bench.feed_latency import FeedLatency
from bench.held import HeldCall
from bench.leads_import import LeadsImport
from bench.metrics_cost import MetricsCost
from bench.protocol import Bench
from bench.tapi import TapiGatewayCost
from bench.through_asterisk import ThroughAsterisk, ThroughFarAsterisk
from bench.trace_cost import TraceCost
from bench.whole_engine import WholeEngine, WholeEngineAtFull, WholeEngineForMinutes
from bench.wire_latency import WireLatency

BENCHES: tuple[Bench, ...] = (
    CpuACall(),
    WireLatency(),
    WholeEngine(),
    WholeEngineAtFull(),
    ThroughAsterisk(),
    ThroughFarAsterisk(),
    AnswerToAgent(),
    FeedLatency(),
    LeadsImport(),
    MetricsCost(),
    TraceCost(),
    TapiGatewayCost(),
)
LONG_BENCHES: tuple[Bench, ...] = (Endurance(), WholeEngineForMinutes(), HeldCall())
"""Run once, and only when asked for."""

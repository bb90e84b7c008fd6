"""Expressions that several boards have in common."""

from __future__ import annotations

from dashboards.panels import CAMPAIGN, NODE

HOUR = 3600.0


def agents_by_state(which: str = 'state!=""') -> str:
    """How many agents are in each state; several engines on one database all count all of them."""
    return f"max by (state) (acd_agents{{{NODE},{which}}})"


BUSY = agents_by_state('state=~"on_call|wrap_up"')
STAFFED = agents_by_state('state!="logged_off"')
TAPI_CALLS = f'campaign=~"tapi:.*",{NODE}'
"""What calls of TAPI clients are counted under, where campaigns have their name."""


def a_second(counter: str, by: str, chosen: str = CAMPAIGN) -> str:
    """Events per second by one label; `counter` without its `_total`."""
    return f"sum by ({by}) (rate({counter}_total{{{chosen}}}[$__rate_interval]))"


def quantile(share: float, histogram: str, chosen: str, by: str = "") -> str:
    """What `share` of the observations stay below, by one label or over all."""
    labels = f"le,{by}" if by else "le"
    rate = f"rate({histogram}_bucket{{{chosen}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({labels}) ({rate}))"


def quantiles(histogram: str, chosen: str) -> dict[str, str]:
    """The three that a graph of waits shows: legend → expression."""
    return {
        "half": quantile(0.5, histogram, chosen),
        "95 of 100": quantile(0.95, histogram, chosen),
        "99 of 100": quantile(0.99, histogram, chosen),
    }

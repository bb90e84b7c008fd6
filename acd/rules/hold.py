"""What keeps a campaign from starting a call: one word at any moment, a closed set.

The ids are labels of `acd_campaign_hold`; alerts and dashboards read them.
"""

from __future__ import annotations

from enum import StrEnum


class Hold(StrEnum):
    """Why no call is started now."""

    NONE = "none"
    """Calls are started."""
    TRUNK = "trunk"
    """The trunk may not dial: unreachable, refused, backing off."""
    STORE = "store"
    """The database is away: a call could not be recorded."""
    PREVIEW = "preview"
    """Leads are dialed when agents take them."""
    NO_READY_AGENT = "no_ready_agent"
    NO_LEAD = "no_lead"
    """Agents are ready, and no lead may be dialed now."""
    NO_FREE_LINE = "no_free_line"
    """Every line of the trunk, or of the campaign's own limit, is in use."""
    ENOUGH_CALLS = "enough_calls"
    """As many calls are under way as the dial level and the abandon ledger allow."""

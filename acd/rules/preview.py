"""A lead is shown to an agent before it is dialed: how that can end, and what follows in time."""

from __future__ import annotations

from enum import StrEnum


class PreviewEnd(StrEnum):
    """How a preview ended; labels of `acd_previews_total`."""

    ACCEPTED = "accepted"
    """The agent wants this person called."""
    SKIPPED = "skipped"
    """The agent does not; the lead waits a while."""
    TIMED_OUT = "timed_out"
    """No word in time; the campaign says what follows."""
    WITHDRAWN = "withdrawn"
    """The campaign was stopped, or the agent has left meanwhile; the lead is free again."""


class PreviewTimeout(StrEnum):
    """What a campaign does with a lead on which the agent has said nothing."""

    DIAL = "dial"
    SKIP = "skip"

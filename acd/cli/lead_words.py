"""`acd leads why` and its neighbours in words for a person."""

from __future__ import annotations

from datetime import datetime

import click

from acd.dialer.lead_why import Explanation


def say_explanation(found: Explanation) -> None:
    """Every rule with its word, then the answer."""
    click.echo(
        f"lead {found.lead_id} of campaign {found.campaign}, which is {found.campaign_state}"
    )
    for check in found.checks:
        until = f" until {local(check.passes_at)}" if check.passes_at else ""
        mark = "yes" if check.passed else "NO "
        click.echo(f"  {mark}  {check.rule.replace('_', ' '):<18} {check.detail}{until}")
    click.echo(_answer(found))


def _answer(found: Explanation) -> str:
    if found.dialable_at is None:
        return "it will not be dialed unless somebody changes what is said above"
    if found.eligible:
        return f"it may be dialed now{_kept(found)}"
    when = f"it can be dialed from {local(found.dialable_at)} on{_kept(found)}"
    return when if found.campaign_state == "running" else f"{when}, once the campaign runs"


def _kept(found: Explanation) -> str:
    if found.kept_for is None:
        return ""
    anybody = f"; from {local(found.anybody_at)} on for anybody" if found.anybody_at else ""
    return f", for agent {found.kept_for} alone and while they are ready{anybody}"


def local(moment: datetime) -> str:
    """A moment as this machine's clock shows it."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")

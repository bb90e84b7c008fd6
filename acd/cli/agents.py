"""`acd agents`: who takes the answered people, and what they are asked to do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from acd.agents import AgentState
from acd.cli.agent_times import times
from acd.cli.shared import DATABASE_ID, engine_told, moment_to_come, say_json, settings_of, store_of
from acd.dialer.agents_import import import_agents
from acd.rules.dispositions import Disposition
from acd.store import Store
from acd.store.agent_dispositions import dispose_attempt
from acd.store.agents import AgentRow, all_agents, ask_agent
from acd.store.campaigns import all_campaigns


@click.group()
def agents() -> None:
    """Agents: their phones, skills and campaigns, and what they do.

    An agent is named by name or by extension.

    Example: acd agents list
    """


agents.add_command(times)


@agents.command(
    "import",
    epilog="\b\nExample:\n  acd agents import agents.csv"
    "\n\n\b\nagents.csv:\n  name,extension,display_name,skills,campaigns,priority"
    "\n  anna,201,Anna Huber,german english,sample,5",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def import_(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Add the agents of FILE (CSV), and change those of the same name.

    Lists in a cell are separated by spaces; of ready agents the highest priority (0 to 9,
    nothing is 0) goes first. New agents are logged off. Agents who are not in FILE stay as they
    are. All or nothing: one wrong line, and nothing changes.
    """
    settings = settings_of(ctx)
    with store_of(ctx, create=True) as store:
        done = store.run_sync(import_agents, settings, file, now=datetime.now(UTC))
    told = engine_told(ctx)
    if as_json:
        say_json(done.as_json())
        return
    click.echo(
        f"{file}: {len(done.added)} agents added, {len(done.changed)} changed, "
        f"{done.unchanged} as they were; {told}"
    )
    for what, names in (("added", done.added), ("changed", done.changed)):
        for name in names:
            click.echo(f"  {what} {name}")


@agents.command(
    "list", epilog="\b\nExample:\n  acd agents list\n  acd agents list --json | jq '.[].state'"
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """Show every agent with their state, skills and campaigns."""
    with store_of(ctx) as store:
        rows = store.read_sync(all_agents)
        campaigns = {row.campaign_id: row.name for row in store.read_sync(all_campaigns)}
    shown = [_shown(row, campaigns) for row in rows]
    if as_json:
        say_json(shown)
        return
    for row in rows:
        serves = " ".join(sorted(campaigns[each] for each in row.campaign_ids)) or "no campaign"
        skills = f" ({' '.join(sorted(row.skills))})" if row.skills else ""
        skills += f" priority {row.priority}" if row.priority else ""
        since = f"{row.since.astimezone():%Y-%m-%d %H:%M:%S}"
        state = f"{_words(row.state)}{f', {row.reason}' if row.reason else ''} since {since}"
        click.echo(f"{row.name:<16} {row.extension:<8} {state:<40} {serves}{skills}")


def _shown(row: AgentRow, campaigns: dict[int, str]) -> dict[str, object]:
    return {
        "name": row.name,
        "extension": row.extension,
        "display_name": row.display_name,
        "state": row.state,
        "priority": row.priority,
        "wanted": row.wanted,
        "reason": row.reason,
        "since": row.since.isoformat(),
        "feed": row.feed,
        "wraps_up_until": row.wraps_up_until and row.wraps_up_until.isoformat(),
        "skills": sorted(row.skills),
        "campaigns": sorted(campaigns[each] for each in row.campaign_ids),
    }


_AGENTS = click.argument("names", metavar="AGENT...", nargs=-1, required=True)


@agents.command(epilog="\b\nExample:\n  acd agents ready anna\n  acd agents ready 201 202 203")
@_AGENTS
@click.pass_context
def ready(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Let AGENT be given people; logs them on where they were not."""
    _ask(ctx, names, AgentState.READY)


@agents.command("not-ready", epilog="\b\nExample:\n  acd agents not-ready anna --reason lunch")
@_AGENTS
@click.option("--reason", default="", metavar="R", help="Shown in the list, at most 64 signs.")
@click.pass_context
def not_ready(ctx: click.Context, names: tuple[str, ...], reason: str) -> None:
    """Give AGENT nobody more; a call that they have goes on."""
    if len(reason) > 64:
        raise click.BadParameter("it is longer than 64 signs", param_hint="--reason")
    _ask(ctx, names, AgentState.NOT_READY, reason)


@agents.command("log-off", epilog="\b\nExample:\n  acd agents log-off anna")
@_AGENTS
@click.pass_context
def log_off(ctx: click.Context, names: tuple[str, ...]) -> None:
    """End AGENT's shift; a call that they have goes on."""
    _ask(ctx, names, AgentState.LOGGED_OFF)


@agents.command(
    epilog="\b\nExample:\n  acd agents disposition 4711 sale"
    "\n  acd agents disposition 4711 callback --at '2026-12-01 10:30' --owner anna"
)
@click.argument("attempt", type=DATABASE_ID)
@click.argument("code")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]),
    help="For callback: when, by this machine's clock.",
)
@click.option("--owner", metavar="AGENT", help="For callback: the agent who promised it.")
@click.pass_context
def disposition(
    ctx: click.Context, attempt: int, code: str, at: datetime | None, owner: str | None
) -> None:
    """Say what came of the person of ATTEMPT, as their agent would.

    CODE is sale, not_interested, wrong_number, machine, callback or do_not_call, or a code of
    the campaign's own ([agents] codes). do_not_call is in force at once, for every campaign.
    """
    now = datetime.now(UTC)
    moment = None if at is None else moment_to_come(at, now)
    with store_of(ctx) as store:
        meant = store.run_sync(
            dispose_attempt,
            attempt_id=attempt,
            code=code,
            now=now,
            callback_at=moment,
            callback_agent=owner,
        )
    click.echo(f"attempt {attempt} is {_words(meant)}")


def _ask(ctx: click.Context, names: tuple[str, ...], wanted: AgentState, reason: str = "") -> None:
    """Ask all of them or, where one is unknown, nobody."""
    with store_of(ctx) as store:
        asked = _asked(store, names, wanted, reason)
    told = engine_told(ctx)
    for agent in asked:
        if agent.state is wanted:
            click.echo(f"agent {agent.name} is {_words(wanted)}; {told}")
        else:
            click.echo(
                f"agent {agent.name} is {_words(agent.state)} and will be {_words(wanted)} "
                f"after that; {told}"
            )


def _asked(store: Store, names: tuple[str, ...], wanted: AgentState, reason: str) -> list[AgentRow]:
    with store.transaction() as conn:
        now = datetime.now(UTC)
        return [ask_agent(conn, name, wanted=wanted, reason=reason, now=now) for name in names]


def _words(state: AgentState | Disposition) -> str:
    return state.replace("_", " ")

"""`acd tapi`: applications that dial with TAPI, and their lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from acd.cli.shared import ask_running_engine, say_json, settings_of, store_of
from acd.cli.tapi_import import import_reg
from acd.errors import BadInput, Problem, UnknownName
from acd.settings import tapi_part
from acd.store import Store
from acd.store.tapi import TapiCounts, tapi_counts


@click.group()
def tapi() -> None:
    """Applications that dial with TAPI, and their lines.

    Example: acd tapi status
    """


tapi.add_command(import_reg)


@tapi.command(epilog="\b\nExample:\n  acd tapi status\n  acd tapi status --json | jq .lines")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show who is connected, and what each client has dialed so far."""
    now = _ask(ctx, "tapi.status")
    with store_of(ctx) as store:
        counts = store.read_sync(tapi_counts)
    if as_json:
        say_json({**now, "counts": [asdict(each) for each in counts]})
        return
    disabled = f", {len(now['disabled'])} of them disabled" if now["disabled"] else ""
    click.echo(f"{now['lines']} lines{disabled}")
    for client in now["clients"]:
        link = "connected" if client["connected"] else "connection lost"
        click.echo(
            f"{client['client']:<16} {link}, {client['open_lines']} lines open, "
            f"{client['calls']} calls"
        )
    if not now["clients"]:
        click.echo("nobody is connected")
    for each in counts:
        say_counts(each)


@tapi.command(epilog="\b\nExample:\n  acd tapi lines 40")
@click.argument("number", type=int)
@click.pass_context
def lines(ctx: click.Context, number: int) -> None:
    """Give TAPI NUMBER of the trunk's lines from now on, and campaigns the rest.

    Calls on lines that go run to their end. Until the engine ends: after that, `lines` in [tapi]
    counts again.
    """
    done = _ask(ctx, "tapi.lines", lines=number)
    click.echo(
        f"TAPI has {done['lines']} lines now and campaigns {done['campaign_lines']}; "
        "set lines in [tapi] to keep it so"
    )


@tapi.command(epilog="\b\nExample:\n  acd tapi reload")
@click.pass_context
def reload(ctx: click.Context) -> None:
    """Read lines and profiles of acd.toml anew, while the engine goes on.

    Calls go on as they began; the next one on a line is made as its profile says by then. A new
    [[trunk]], and whatever else stands in acd.toml, waits for the next start.
    """
    done = _ask(ctx, "tapi.reload", **tapi_part(settings_of(ctx)))
    click.echo(
        f"TAPI has {done['lines']} lines now: {done['new']} new, {done['changed']} changed, "
        f"{done['gone']} gone"
    )


def say_counts(counts: TapiCounts) -> None:
    """One client's attempts, for a person."""
    rate = f" ({counts.abandoned / counts.live_answers:.2%})" if counts.live_answers else ""
    click.echo(
        f"{counts.client:<16} attempts: {counts.attempts}, live answers: {counts.live_answers}, "
        f"transferred: {counts.transferred}, abandoned: {counts.abandoned}{rate}"
    )


def check_client(ctx: click.Context, store: Store, name: str) -> None:
    """Let a client pass that is in acd.toml, or was when it dialed.

    Raises:
        UnknownName: it is neither.
    """
    known = {client.name for client in settings_of(ctx).tapi_client}
    known |= {each.client for each in store.read_sync(tapi_counts)}
    if name not in known:
        listed = ", ".join(sorted(known)) or "none so far"
        raise UnknownName(Problem(f"TAPI client {name}", "there is none", f"known: {listed}"))


def _ask(ctx: click.Context, question: str, **arguments: Any) -> dict[str, Any]:
    """What the engine's gateway answers.

    Raises:
        BadInput: the gateway is off, or will not.
        EngineNotRunning: none answers.
    """
    if not settings_of(ctx).tapi.enabled:
        raise BadInput(Problem("[tapi]", "the gateway is off", "set enabled = true, start acd run"))
    return ask_running_engine(ctx, question, **arguments)

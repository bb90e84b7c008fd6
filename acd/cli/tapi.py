"""`acd tapi`: applications that dial with TAPI, and their lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from acd.cli.shared import say_json, settings_of, store_of
from acd.control import ask_engine
from acd.errors import BadInput, Problem
from acd.store.tapi import TapiCounts, tapi_counts


@click.group()
def tapi() -> None:
    """Applications that dial with TAPI, and their lines."""


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


def say_counts(counts: TapiCounts) -> None:
    """One client's attempts, for a person."""
    rate = f" ({counts.abandoned / counts.live_answers:.2%})" if counts.live_answers else ""
    click.echo(
        f"{counts.client:<16} attempts: {counts.attempts}, live answers: {counts.live_answers}, "
        f"transferred: {counts.transferred}, abandoned: {counts.abandoned}{rate}"
    )


def _ask(ctx: click.Context, question: str, **fields: object) -> dict[str, Any]:
    """What the engine answers.

    Raises:
        BadInput: none runs, its gateway is off, or it will not.
    """
    answer = ask_engine(settings_of(ctx).control_socket, question, **fields)
    if answer is None:
        raise BadInput(Problem("acd tapi", "no engine runs here", "`acd run` starts one"))
    if not answer["ok"]:
        off = "its gateway is off" if "look" in answer["why"] else "it did not do so"
        remedy = "set enabled = true in [tapi]" if "look" in answer["why"] else answer["why"]
        raise BadInput(Problem(f"the engine: {question}", off, remedy))
    return answer

"""`acd calls`: the story of each call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from acd.cli.ladder import harmless, ladder
from acd.cli.shared import say_json, settings_of, store_of
from acd.cli.tapi import check_client
from acd.logs.sip_trace import TracedMessage, read_trace
from acd.store.calls import CallEventRow, CallRow, call_of, last_calls
from acd.store.campaigns import campaign_by_name


@click.group()
def calls() -> None:
    """Calls: what became of each attempt, campaigns' and TAPI clients'.

    Example: acd calls show 17
    """


@calls.command(
    "list", epilog="\b\nExample:\n  acd calls list --last 50\n  acd calls list --campaign sample"
)
@click.option("--last", default=20, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--campaign", default="", metavar="NAME", help="Only this campaign's.")
@click.option("--tapi-client", default="", metavar="NAME", help="Only this TAPI client's.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def list_(ctx: click.Context, last: int, campaign: str, tapi_client: str, as_json: bool) -> None:
    """Show the last calls, the newest first."""
    with store_of(ctx) as store:
        if campaign:
            store.read_sync(campaign_by_name, campaign)
        if tapi_client:
            check_client(ctx, store, tapi_client)
        found = store.read_sync(last_calls, limit=last, campaign=campaign, tapi_client=tapi_client)
    if as_json:
        say_json([_call_json(call) for call in found])
        return
    for call in found:
        click.echo(
            f"{call.attempt_id:>8}  {call.started_at:%Y-%m-%d %H:%M:%S}  "
            f"{call.number or '-':<16}  {call.disposition or call.state:<14}  {call.owner}"
        )
    if not found:
        click.echo("no calls")


@calls.command(epilog="\b\nExample:\n  acd calls show 17\n  acd calls show 17 --json")
@click.argument("attempt", type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, whole SIP messages included.")
@click.pass_context
def show(ctx: click.Context, attempt: int, as_json: bool) -> None:
    """Tell the story of one call; its SIP messages where they were traced (`acd trace`)."""
    with store_of(ctx) as store:
        call, happened = store.read_sync(call_of, attempt)
    messages = _traced(settings_of(ctx).sip_trace.file, call)
    if as_json:
        say_json(
            {
                **_call_json(call),
                "events": [asdict(event) for event in happened],
                "sip": [asdict(message) for message in messages],
            }
        )
        return
    say_story(call, happened, messages)


def _traced(file: Path, call: CallRow) -> list[TracedMessage]:
    """What the trace has of a call; without it the story is still worth telling."""
    try:
        return read_trace(file, call=call.call, sip_call_id=call.sip_call_id or "")
    except OSError as error:
        click.echo(f"acd: SIP messages are left out: {error.filename}: {error.strerror}", err=True)
        return []


def say_story(
    call: CallRow, happened: Sequence[CallEventRow], messages: Sequence[TracedMessage]
) -> None:
    """A call for a person."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"attempt {call.attempt_id} of {call.owner}, call {call.call}", style="bold")
    for line in _facts(call):
        console.print(Text(harmless(f"  {line}")))
    console.print("what happened (UTC)", style="bold")
    for event in happened:
        detail = ", ".join(f"{name} {value}" for name, value in event.detail.items())
        line = f"  {_clock(event.at)}  {event.what}  {detail}".rstrip()
        console.print(Text(harmless(line)))
    if not messages:
        console.print("SIP messages were not traced; acd trace on does that for the next calls")
        return
    console.print(f"SIP from {_clock(messages[0].at)} on, seconds", style="bold")
    for message, line in zip(messages, ladder(messages), strict=True):
        console.print(Text(harmless(line), style="cyan" if message.sent else "green"))


def _facts(call: CallRow) -> Iterator[str]:
    lead = f"lead {call.lead_id}, " if call.lead_id is not None else ""
    yield f"{lead}number {call.number or 'not kept'}, trunk {call.trunk}, line {call.line}"
    yield f"began {call.started_at:%Y-%m-%d} {_clock(call.started_at)} on {call.node}"
    if call.answered_at is not None:
        yield f"answered {_clock(call.answered_at)}{_seconds(' after', call.ring_seconds)}"
    if call.transfer_target is not None:
        status = f" ({call.transfer_sip_status})" if call.transfer_sip_status else ""
        yield (
            f"transfer to {call.transfer_target}: {call.transfer_result}{status}"
            f"{_seconds(', waited', call.wait_seconds)}{_seconds(', talked', call.talk_seconds)}"
        )
    steps = {
        "referred": call.referred_at,
        f"agent {call.agent} rang": call.agent_rang_at,
        "picked up": call.agent_answered_at,
    }
    told = [f"{what} {_clock(at)}" for what, at in steps.items() if at is not None]
    if told:
        yield ", ".join(told)
    if call.abandoned:
        yield "abandoned: no agent within the limit"
    if call.ended_at is not None:
        codes = [f"SIP {call.sip_status}"] if call.sip_status else []
        codes += [f"Q.850 {call.q850_cause}"] if call.q850_cause else []
        yield f"over {_clock(call.ended_at)}: {', '.join([call.cause or 'unknown', *codes])}"
    yield f"disposition: {call.disposition or f'none yet, {call.state}'}"
    if call.sip_call_id:
        yield f"Call-ID {call.sip_call_id}"


def _call_json(call: CallRow) -> dict[str, Any]:
    return {**asdict(call), "call": call.call}


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S.%f")[:-3]


def _seconds(words: str, seconds: float | None) -> str:
    return "" if seconds is None else f"{words} {seconds:.1f} s"

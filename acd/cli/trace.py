"""`acd trace`: SIP messages of the running engine into a file of their own."""

from __future__ import annotations

import click

from acd.cli.shared import ask_running_engine


def _checked_numbers(
    _ctx: click.Context, _option: click.Parameter, numbers: tuple[str, ...]
) -> tuple[str, ...]:
    for number in numbers:
        if not any(sign.isdigit() for sign in number):
            raise click.BadParameter(f"{number!r} has no digit; give a number as it is dialed.")
    return numbers


@click.group()
def trace() -> None:
    """Write SIP messages of the running engine into a file (mode 0600).

    Credentials and keys are taken out; phone numbers are not.

    Example: acd trace on --trunk main
    """


@trace.command(epilog="\b\nExample:\n  acd trace on --number +431505641 --attempt 17")
@click.option("--trunk", "trunks", multiple=True, metavar="NAME", help="Of this SIP account.")
@click.option(
    "--number",
    "numbers",
    multiple=True,
    metavar="NUMBER",
    callback=_checked_numbers,
    help="From or to this number.",
)
@click.option(
    "--attempt",
    "attempts",
    multiple=True,
    type=click.IntRange(min=1),
    help="Of this attempt's call.",
)
@click.pass_context
def on(
    ctx: click.Context, trunks: tuple[str, ...], numbers: tuple[str, ...], attempts: tuple[int, ...]
) -> None:
    """Begin; without options every message, else those that fit any of them.

    Replaces what was traced before, until `acd trace off` or the engine's end.
    """
    calls = [f"a{attempt}" for attempt in attempts]
    answer = ask_running_engine(
        ctx, "trace", switch="on", trunks=trunks, numbers=numbers, calls=calls
    )
    click.echo(f"SIP trace: {answer['trace']}")


@trace.command(epilog="\b\nExample:\n  acd trace off")
@click.pass_context
def off(ctx: click.Context) -> None:
    """End it; what was written stays."""
    click.echo(f"SIP trace: {ask_running_engine(ctx, 'trace', switch='off')['trace']}")


@trace.command(epilog="\b\nExample:\n  acd trace status")
@click.pass_context
def status(ctx: click.Context) -> None:
    """Say what is traced."""
    click.echo(f"SIP trace: {ask_running_engine(ctx, 'trace')['trace']}")

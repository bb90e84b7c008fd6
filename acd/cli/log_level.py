"""`acd log-level`: more or fewer lines of the engine that runs."""

from __future__ import annotations

from typing import get_args

import click

from acd.cli.shared import ask_running_engine
from acd.settings import LogLevel


@click.command("log-level", epilog="\b\nExample:\n  acd log-level debug")
@click.argument("level", type=click.Choice(get_args(LogLevel)))
@click.pass_context
def log_level(ctx: click.Context, level: str) -> None:
    """Change the log level of the running engine, until its end."""
    answer = ask_running_engine(ctx, "log-level", level=level)
    click.echo(f"the engine (pid {answer['pid']}) logs from {level} on")

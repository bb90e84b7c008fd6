"""What the commands share: their settings, the store, and how answers are written."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import click

from acd.control import ask_engine
from acd.errors import BadInput, EngineNotRunning, EngineSilent, Problem
from acd.settings import Settings
from acd.store import Store, open_store_sync

DATABASE_ID = click.IntRange(1, 2**63 - 1)
"""What an id can be: both databases count in 64 bits."""


class CliState(Protocol):
    """`ctx.obj`: reads acd.toml when somebody asks for it."""

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        ...


def settings_of(ctx: click.Context) -> Settings:
    """The settings of this command line.

    Raises:
        BadSettings: with everything that is wrong.
    """
    return cast(CliState, ctx.obj).settings


def store_of(ctx: click.Context, *, create: bool = False) -> AbstractContextManager[Store]:
    """The installation's store, open for the block."""
    return open_store_sync(settings_of(ctx).store.url, create=create)


def engine_seen(ctx: click.Context) -> dict[str, Any]:
    """Whether an engine runs here: `state` running, silent or none, and its `pid`."""
    try:
        answer = ask_engine(settings_of(ctx).control_socket, "ping")
    except EngineSilent:
        return {"state": "silent", "pid": None}
    if answer is None:
        return {"state": "none", "pid": None}
    return {"state": "running", "pid": answer["pid"]}


def engine_told(ctx: click.Context) -> str:
    """Have the running engine look at SQL now, and say whether there is one."""
    try:
        answer = ask_engine(settings_of(ctx).control_socket, "look")
    except EngineSilent as silent:
        return f"{silent}; it looks at the database by itself"
    if answer is None:
        return "no engine runs here: `acd run` starts one"
    return f"the engine (pid {answer['pid']}) was told"


def ask_running_engine(ctx: click.Context, question: str, **arguments: Any) -> dict[str, Any]:
    """What the running engine answers.

    Raises:
        EngineNotRunning: there is none on this installation's control socket.
        EngineSilent: it has not answered.
        BadInput: it says why it will not.
    """
    socket = settings_of(ctx).control_socket
    answer = ask_engine(socket, question, **arguments)
    if answer is None:
        raise EngineNotRunning(
            f"no engine runs here (nobody listens on {socket}); `acd run` starts one"
        )
    if not answer["ok"]:
        raise BadInput(answer["why"])
    return answer


def moment_to_come(at: datetime, now: datetime) -> datetime:
    """`--at`, by this machine's clock, in UTC.

    Raises:
        BadInput: it is over, or at an end of the calendar, where UTC has no such moment.
    """
    try:
        moment = at.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment <= now:
        what = "is over" if at.year <= now.year else "is too far ahead"
        raise BadInput(Problem("--at", f"{at:%Y-%m-%d %H:%M} {what}", "name a time to come"))
    return moment


def say_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))

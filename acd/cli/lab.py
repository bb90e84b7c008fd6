"""`acd lab`: a small PBX on loopback to dial against."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click
import structlog

from acd.lab.behaviour import table_lines
from acd.lab.digest import Account
from acd.lab.draws import Span
from acd.lab.records import RecordFile
from acd.lab.settings import LabSettings
from acd.logs import configure_logs
from acd.settings import LogSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_TABLE = "\n".join(table_lines())
_EPILOG = f"""\b
Example:
  acd lab --agents 5 --talk 10-20
and in acd.toml:
  domain = "127.0.0.1:5070", user = "acd", register = false
  [feeds.dialog_info]
  domain = "127.0.0.1:5071"

\b
What a number does: its last digit says what, the one before it (n) after how many seconds.
{_TABLE}

\b
Anything shorter than 7 digits that is no agent is 404. A REFER to an agent's extension rings
that agent (486 when busy), one to the queue waits for the first free agent, one to a number
calls that number. The caller keeps a person whose transfer failed. REGISTER is not answered:
set register = false. Only its own extensions, on loopback: a REFER elsewhere is 403.
What the agents' phones do is told by dialog-info (RFC 4235) on --watch-port.
"""


class _Stop:
    """Set by SIGTERM, Ctrl-C, or the end of stdin."""

    def __init__(self, *, follow_stdin: bool) -> None:
        self._asked = False
        self._follow_stdin = follow_stdin
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    def __call__(self) -> bool:
        if self._follow_stdin and select.select([sys.stdin], [], [], 0)[0]:
            self._asked = self._asked or not os.read(sys.stdin.fileno(), 1)
        return self._asked


def _spans(_ctx: click.Context, _param: click.Parameter, value: str) -> Span:
    return Span.parse(value)


@click.command(epilog=_EPILOG)
@click.option("--address", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=5070, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--watch-port",
    type=click.IntRange(0, 65535),
    help="Tells what the agents' phones do, by subscriptions.  [default: --port + 1]",
)
@click.option("--user", default="acd", show_default=True, help="The account that may call.")
@click.option("--password", default="lab", show_default=True, help="Its password; no secret.")
@click.option("--realm", default="acd-lab", show_default=True)
@click.option("--agents", default=40, show_default=True, type=click.IntRange(0, 999))
@click.option("--first-extension", default=2001, show_default=True, type=click.IntRange(1))
@click.option("--queue", default="support", show_default=True, help="Name of the agents' queue.")
@click.option(
    "--ring",
    default="1-4",
    show_default=True,
    callback=_spans,
    metavar="SECONDS",
    help="How long a number ending in 8 rings.",
)
@click.option(
    "--agent-answer",
    default="0.2-0.8",
    show_default=True,
    callback=_spans,
    metavar="SECONDS",
    help="How long an agent's phone rings.",
)
@click.option(
    "--talk",
    default="3-8",
    show_default=True,
    callback=_spans,
    metavar="SECONDS",
    help="How long an agent talks.",
)
@click.option(
    "--calls",
    default=300,
    show_default=True,
    type=click.IntRange(1, 999),
    help="People at once; one more gets 503.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed draws the same times.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write each call and each talk here, as JSON lines; with full numbers.",
)
@click.option("--follow-stdin", is_flag=True, help="End with whoever holds the other end of stdin.")
def lab(
    *,
    port: int,
    watch_port: int | None,
    user: str,
    password: str,
    realm: str,
    record: Path | None,
    follow_stdin: bool,
    **options: object,
) -> None:
    """Run a small PBX with a carrier behind it on loopback, until Ctrl-C."""
    configure_logs(LogSettings())
    account = Account(realm=realm, user=user, password=password)
    watch_port = (port and port + 1) if watch_port is None else watch_port
    settings = LabSettings(account=account, port=port, watch_port=watch_port, **options)  # type: ignore[arg-type] # click typed them
    stopped = _Stop(follow_stdin=follow_stdin)
    with ExitStack() as stack:
        write: Callable[..., None] = _nothing
        if record is not None:
            write = RecordFile(stack.enter_context(record.open("a"))).write
        _serve(settings, write, stopped)


def _nothing(_record: object) -> None:
    """Keeps no records."""


def _serve(settings: LabSettings, record: Callable[..., None], stopped: Callable[[], bool]) -> None:
    from acd.lab.sip import LabSip, compiled_calls

    if (slots := compiled_calls()) < settings.call_slots:
        log.warning(
            "this pjsua2 holds few calls at once, and a person with an agent needs 3; "
            "make setup builds one that holds 4096",
            action="lab.small_binding",
            calls=slots,
            wanted=settings.call_slots,
        )
    sip = LabSip(settings, record=record)
    try:
        log.info(
            "the lab takes calls",
            action="lab.ready",
            domain=sip.address,
            watch=sip.watch_address,
            pid=os.getpid(),
            user=settings.account.user,
            agents=" to ".join(settings.extensions[:: max(1, settings.agents - 1)][:2]),
            queue=settings.queue,
        )
        sip.serve(stopped=stopped)
    finally:
        sip.close()
    log.info("the lab is closed", action="lab.closed")

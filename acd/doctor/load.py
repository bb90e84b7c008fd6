"""`acd doctor --load`: how many calls an account really carries at once, by dialing them.

Calls are started one after another as the trunk's calls per second allow, all to one named
extension, and kept. The first one that ends without an answer stops the climb: a PBX or a
provider has a call limit of its own more often than not, and its SIP code says which. What was
reached is held for a moment, so that "at once" is true, and hung up.

Knows only the Protocols of `acd.lines`; `dial_load` joins them to pjsua2 and to the one door.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from acd.calls import DisconnectCause
from acd.control import ask_engine
from acd.doctor.check import Check
from acd.errors import AcdError, BadInput, TrunkUnavailable, UnknownName
from acd.lines import (
    Answered,
    CallId,
    Destination,
    DestinationKind,
    Door,
    Ended,
    Line,
    LinePool,
    OriginateRequest,
    Refused,
    Released,
    Trunk,
)
from acd.settings import Settings, TrunkSettings

HOLD_SECONDS = 2.0
"""How long the calls that are up stay up once no more are started."""
READY_SECONDS = 10.0
"""How long the trunk may take to come up."""
SPARE_SECONDS = 30.0
"""By how much a climb may last longer than its calls per second and one ring timeout say."""
_MANY_CALLS = "name an EXTENSION that answers at once and takes any number of calls (an echo test)"


@dataclass(slots=True)
class LoadResult:
    """What a climb has reached so far."""

    asked: int
    started: int = 0
    up: int = 0
    carried: int = 0
    """The most calls that were up at once."""
    dropped: int = 0
    """Answered, and ended by the other side before we did."""
    stopped_at: int = 0
    """Which call ended without an answer and so stopped the climb; 0: none did."""
    stopped_by: Ended | None = None
    """How that call ended."""
    unavailable: str = ""
    """Why the trunk took no more orders."""

    @property
    def stopped(self) -> bool:
        """Whether no more calls are started."""
        return bool(self.stopped_by or self.unavailable) or self.started >= self.asked

    def as_json(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        end = self.stopped_by
        return {
            "asked": self.asked,
            "started": self.started,
            "carried": self.carried,
            "dropped": self.dropped,
            "stopped_at": self.stopped_at or None,
            "sip_status": end.sip_status if end else None,
            "q850_cause": end.q850_cause if end else None,
            "cause": end.cause if end else None,
        }


Watcher = Callable[[LoadResult], None]
"""Told after each call that was started, answered or ended."""


async def climb(
    trunk: Trunk,
    destination: Destination,
    *,
    calls: int,
    calls_per_second: float,
    ring_timeout_seconds: float,
    watch: Watcher = lambda _: None,
) -> LoadResult:
    """Hold as many calls at once as the trunk carries, `calls` at most, then hang all up.

    Raises:
        TrunkUnavailable: the trunk did not come up.
    """
    await _wait_ready(trunk)
    result = LoadResult(calls)
    longest = calls / calls_per_second + ring_timeout_seconds + HOLD_SECONDS + SPARE_SECONDS
    await _Climb(trunk.lines, destination, ring_timeout_seconds, longest, result, watch).run()
    return result


async def _wait_ready(trunk: Trunk) -> None:
    health = trunk.health
    with trio.move_on_after(READY_SECONDS):
        while not health.may_dial:
            health = await trunk.wait_health_change(health)
    if not health.may_dial:
        raise TrunkUnavailable(f"the trunk may not dial: {health.detail or health.status}")


@dataclass(slots=True)
class _Climb:
    lines: LinePool
    destination: Destination
    ring_timeout_seconds: float
    longest_seconds: float
    result: LoadResult
    watch: Watcher
    unanswered: int = 0
    changed: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        with trio.move_on_after(self.longest_seconds):
            async with trio.open_nursery() as nursery:
                while not self.result.stopped:
                    # Returns once a line is leased: the pool keeps to the calls per second.
                    await nursery.start(self._one_call)
                while self.unanswered:
                    await self.changed.wait()
                await trio.sleep(HOLD_SECONDS)
                nursery.cancel_scope.cancel()  # leaving its lease hangs a call up

    async def _one_call(self, task_status: trio.TaskStatus[None]) -> None:
        async with self.lines.lease(holder="doctor", deadline_seconds=self.longest_seconds) as line:
            number = await self._originate(line)
            task_status.started()
            if number:
                await self._follow(line, number)

    async def _originate(self, line: Line) -> int:
        """Start one call; its number, 0 where none was started."""
        if self.result.stopped:  # while the lease was waited for
            return 0
        number = self.result.started + 1
        try:
            await line.originate(
                OriginateRequest(
                    call_id=CallId(f"load-{number}"),
                    destination=self.destination,
                    ring_timeout_seconds=self.ring_timeout_seconds,
                )
            )
        except TrunkUnavailable as error:
            self.result.unavailable = str(error)
            return 0
        self.result.started = number
        self._note(unanswered=1)
        return number

    async def _follow(self, line: Line, number: int) -> None:
        answered = False
        while not isinstance(event := await line.next_event(), Released):
            if isinstance(event, Answered):
                answered = True
                self._note(unanswered=-1, up=1)
            elif isinstance(event, Ended) and answered:
                self.result.dropped += 1
                self._note(up=-1)
            elif isinstance(event, Ended):
                # Several may end in the same moment; the first one dialed is the one to name.
                if self.result.stopped_by is None or number < self.result.stopped_at:
                    self.result.stopped_by, self.result.stopped_at = event, number
                self._note(unanswered=-1)

    def _note(self, *, unanswered: int = 0, up: int = 0) -> None:
        self.unanswered += unanswered
        self.result.up += up
        self.result.carried = max(self.result.carried, self.result.up)
        self.changed.set()
        self.changed = trio.Event()
        self.watch(self.result)


def admitted_extension(settings: Settings, trunk: TrunkSettings, extension: str) -> Destination:
    """What the trunk's door makes of `--to`.

    Raises:
        BadInput: it does not let it through.
    """
    admitted = Door(settings.destinations, trunk).admit(extension, DestinationKind.TRANSFER)
    if isinstance(admitted, Refused):
        raise BadInput(f"--to: {admitted.sentence}")
    return admitted


def beside_engine(settings: Settings, trunk: TrunkSettings) -> TrunkSettings:
    """The trunk as the climb may use it: an engine that runs here keeps its socket and contact.

    A REGISTER of ours would take the place of its contact, where the PBX allows one, and ours is
    taken back at the end: nobody could call the engine's lines then. Whoever needs a registration
    to call has that of the engine.
    """
    if ask_engine(settings.control_socket, "ping") is None:
        return trunk
    return trunk.model_copy(update={"register_account": False, "bind_port": 0})


def chosen_trunk(settings: Settings, name: str | None) -> TrunkSettings:
    """The trunk of that name, the first one where none is named.

    Raises:
        UnknownName: there is none.
    """
    for trunk in settings.trunk:
        if name in {None, trunk.name}:
            return trunk
    known = ", ".join(trunk.name for trunk in settings.trunk)
    raise UnknownName(f"--trunk: there is no trunk {name!r}; there are: {known}")


async def dial_load(
    trunk: TrunkSettings, destination: Destination, *, calls: int, watch: Watcher
) -> tuple[LoadResult, Check]:
    """Climb to `calls` on this account, with as many lines, and judge what was reached."""
    from acd.sip import open_sip  # not at the top: the doctor also runs without pjsua2

    result = LoadResult(calls)
    failed = ""
    try:
        async with open_sip((trunk.model_copy(update={"lines": calls}),)) as sip:
            result = await climb(
                sip.trunk(trunk.name),
                destination,
                calls=calls,
                calls_per_second=trunk.calls_per_second,
                ring_timeout_seconds=trunk.ring_timeout_seconds,
                watch=watch,
            )
    except* AcdError as errors:
        failed = str(_first_leaf(errors))
    return result, _failed_row(trunk, failed) if failed else load_row(trunk, result)


def _first_leaf(errors: BaseExceptionGroup[AcdError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed_row(trunk: TrunkSettings, sentence: str) -> Check:
    detail, _, remedy = sentence.partition("; ")
    return Check(_name(trunk), detail, remedy or "see the rows above", ok=False)


def load_row(trunk: TrunkSettings, result: LoadResult) -> Check:
    """Did the account carry what was asked, and if not, why?"""
    detail = f"{result.carried} of {result.asked} calls at once"
    if result.dropped:
        detail += f"; {result.dropped} were hung up by the other side"
    if result.stopped_by is not None:
        detail += f"; call {result.stopped_at} ended with {_ending(result.stopped_by)}"
    elif result.unavailable:
        detail += f"; {result.unavailable}"
    if result.carried == result.asked:
        return Check(_name(trunk), detail, ok=True)
    return Check(_name(trunk), detail, _remedy(result, trunk), ok=False)


def _name(trunk: TrunkSettings) -> str:
    return f"load ({trunk.name})"


def _ending(end: Ended) -> str:
    status = f"{end.sip_status} " if end.sip_status else ""
    words = f"{status}{end.not_followed or end.reason_text or end.cause.replace('_', ' ')}"
    return f"{words} (Q.850 cause {end.q850_cause})" if end.q850_cause else words


_EXTENSION_AT_FAULT = frozenset(
    {
        DisconnectCause.BUSY,
        DisconnectCause.NO_ANSWER,
        DisconnectCause.BAD_ADDRESS,
        DisconnectCause.NUMBER_CHANGED,
    }
)


def _remedy(result: LoadResult, trunk: TrunkSettings) -> str:
    end = result.stopped_by
    if end is None and not result.unavailable:
        return _MANY_CALLS
    if end is not None and end.cause in _EXTENSION_AT_FAULT:
        return _MANY_CALLS
    limit = "raise the call limit of this account at the PBX and at the provider behind it"
    fewer = result.carried if 0 < result.carried < trunk.lines else 0
    return f"{limit}, or set lines = {fewer}" if fewer else limit

"""What a TAPI call needs of the engine: the same books and the same law as a campaign's call.

`acd.app` fulfils `Books` with the scheduler's own store and queue of outcomes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

import trio

from acd.calls import DisconnectCause
from acd.clock import WallClock
from acd.errors import StoreUnavailable
from acd.lines import (
    Destination,
    DestinationKind,
    Door,
    LinePool,
    NotFollowed,
    Refused,
    Trunk,
)
from acd.lines.token_bucket import TokenBucket
from acd.metrics import Metrics
from acd.numbers import PhoneNumber, plain, read_number
from acd.rules.dispositions import Disposition
from acd.rules.hours import CallingHours, is_open, next_open
from acd.settings import (
    DestinationSettings,
    ProfileSettings,
    TapiClientSettings,
    TrunkSettings,
)
from acd.store.outcomes import Outcome
from acd.store.suppressions import Barred
from acd.tapi.constants import LineErr
from acd.tapi.dialing import dialed_number, transfer_target
from acd.tapi.mapping import DOOR_ERRORS
from acd.tapi.profiles import PLAIN, LineProfile, Party, read_profile


class Books(Protocol):
    """Where attempts are written."""

    @property
    def up(self) -> bool:
        """Whether a new call could be recorded."""
        ...

    async def begin(self, *, client: str, e164: str | None, line: int) -> int | Barred:
        """Commit a row before its INVITE.

        Raises:
            StoreUnavailable: the database is away.
        """
        ...

    async def may_follow(self, e164: str, *, hours: CallingHours | None) -> NotFollowed | None:
        """Why a number that a 3xx names must not be called; None: it may be.

        Args:
            e164: the number.
            hours: when people may be called; None: at any time.
        """
        ...

    def put(
        self, outcome: Outcome, *, settled: Callable[[Disposition], None] | None = None
    ) -> None:
        """Write this soon."""
        ...


_CALLER_ID = re.compile(r"^\+?[0-9]{2,15}$")


class Law(StrEnum):
    """Why a number is not dialed although the door would let it through."""

    DNC = "dnc"
    ERASED = "erased"
    CALLING_HOURS = "calling_hours"
    CALLER_ID = "caller_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that fails, with what the LINEERR cannot say; without any number."""

    error: LineErr
    rule: str
    """Which rule, for machines."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialed:
    """A `lineMakeCall` address that may be dialed."""

    destination: Destination
    e164: str | None
    """None for an extension that the settings let through."""
    zones: tuple[str, ...] = ()
    """IANA names, all that the number may lie in."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """What all sessions of one client share."""

    settings: TapiClientSettings
    destinations: DestinationSettings
    trunk: Trunk
    lines: LinePool
    trunk_settings: TrunkSettings
    door: Door
    books: Books
    metrics: Metrics
    clock: WallClock
    bucket: TokenBucket
    turn: trio.Lock
    comfort_audio: Path | None = None
    """What a person hears who waits, over and over; None: silence."""
    profile: LineProfile = PLAIN
    by_line: Mapping[int, Desk] = field(default_factory=dict)
    """Lines that have a profile, with the desks that serve them."""

    def of_line(self, line: int) -> Desk:
        """Who serves this line: the same client, perhaps on another trunk and in another mode."""
        return self.by_line.get(line, self)

    def with_profile(
        self,
        settings: ProfileSettings,
        *,
        trunk: Trunk,
        lines: LinePool,
        trunk_settings: TrunkSettings,
        books: Books,
    ) -> Desk:
        """The same client's desk for the lines of a profile; its calls per second are shared.

        Raises:
            BadSettings: the profile's phone must not be called.
        """
        written = written_by(self.settings, trunk_settings)
        door = Door(self.destinations, written)
        return replace(
            self,
            trunk=trunk,
            lines=lines,
            trunk_settings=written,
            books=books,
            door=door,
            profile=read_profile(settings, trunk_settings, door),
            by_line={},
        )

    @property
    def name(self) -> str:
        """The client's name."""
        return self.settings.name

    @property
    def label(self) -> str:
        """In metrics, where campaigns have their name."""
        return f"tapi:{self.settings.name}"

    @property
    def may_dial(self) -> bool:
        """Whether a new call could be started."""
        return self.trunk.health.may_dial and self.books.up

    @property
    def phone_is_own(self) -> bool:
        """Whether the profile's phone is called by the name of the account itself."""
        phone = self.profile.phone
        return phone is not None and not phone.uri and phone.user == self.trunk_settings.user

    def read_address(self, address: str) -> Dialed | LineErr | Refusal:
        """Let the address of a `lineMakeCall` through, or say why not."""
        number = dialed_number(address)
        if isinstance(number, LineErr):
            return number
        destination = self.door.admit(number, DestinationKind.LEAD)
        if isinstance(destination, Refused):
            return _refused(destination.rule, DOOR_ERRORS[destination.rule], destination.sentence)
        read = read_number(number, default_region=self.destinations.default_region)
        if not isinstance(read, PhoneNumber):
            return Dialed(destination=destination, e164=None)
        dialed = Dialed(destination=destination, e164=read.e164, zones=read.zones)
        return self.why_closed(dialed) or dialed

    def why_closed(self, dialed: Dialed) -> Refusal | None:
        """The calling hours' word, by the clock of whoever is called."""
        hours, now = self._hours, self.clock.now()
        if dialed.e164 is None or hours is None:
            return None
        if is_open(hours, dialed.zones, now):
            return None
        opens = next_open(hours, dialed.zones, now)
        until = f", open from {opens:%Y-%m-%dT%H:%M}Z" if opens else ""
        zones = f"closed in {', '.join(dialed.zones)}" if dialed.zones else "time zone unknown"
        return _refused(Law.CALLING_HOURS, LineErr.ADDRESSBLOCKED, f"calling hours: {zones}{until}")

    @property
    def _hours(self) -> CallingHours | None:
        """None: the application sees to them."""
        kept = self.settings.keep_calling_hours
        return self.settings.calling_hours.hours if kept else None

    async def may_follow(self, e164: str) -> NotFollowed | None:
        """Why a number that a 3xx names must not be called; None: it may be.

        The trunk's own door has let it through, and the client's may be narrower.
        """
        admitted = self.door.admit(e164, DestinationKind.REDIRECT)
        if isinstance(admitted, Refused):
            sentence = f"redirect refused: {admitted.sentence}"
            return NotFollowed(cause=DisconnectCause.FORWARDED, sentence=sentence)
        return await self.books.may_follow(e164, hours=self._hours)

    def ring_seconds(self, no_answer_seconds: int) -> float:
        """How long a phone rings for a `dwNoAnswerTimeout`; 0: as the trunk says.

        The law asks for a shortest time where a person is called, not the user's own phone.
        """
        if not no_answer_seconds:
            return self.trunk_settings.ring_timeout_seconds
        if self.profile.flow.first is Party.PHONE:
            return float(no_answer_seconds)
        return max(float(no_answer_seconds), self.settings.shortest_ring_seconds)

    def read_caller_id(self, number: str) -> str | Refusal:
        """Let a `lineMakeCall`'s own caller ID through, as it is sent; empty: the trunk's."""
        shown = re.sub(r"[ ()/.-]", "", plain(number))
        if shown and not _CALLER_ID.match(shown):
            return _refused(Law.CALLER_ID, LineErr.INVALCALLPARAMS, "the caller ID is no number")
        patterns = self.settings.caller_ids
        if shown and patterns and not any(fnmatchcase(shown, pattern) for pattern in patterns):
            why = "the caller ID is none of the client's"
            return _refused(Law.CALLER_ID, LineErr.INVALCALLPARAMS, why)
        return shown

    def read_target(self, address: str) -> Destination | LineErr:
        """Let the address of a `lineBlindTransfer` through, or say why not."""
        patterns = self.settings.transfer_targets
        target = transfer_target(address, listed=patterns)
        if isinstance(target, LineErr):
            return target
        if not patterns:
            admitted = self.door.admit_asked(target)
        elif any(fnmatchcase(target, pattern) for pattern in patterns):
            admitted = self.door.admit(target, DestinationKind.TRANSFER)
        else:
            return LineErr.ADDRESSBLOCKED
        return DOOR_ERRORS[admitted.rule] if isinstance(admitted, Refused) else admitted

    async def wait_turn(self) -> None:
        """Until this client's calls per second let another one start; first come, first served."""
        async with self.turn:
            wait_seconds = self.bucket.take(trio.current_time())
            while wait_seconds > 0:
                # Only the clock fills the bucket: there is no event to wait for.
                await trio.sleep(wait_seconds)
                wait_seconds = self.bucket.take(trio.current_time())

    async def begin(self, dialed: Dialed, line: int) -> int | LineErr | Refusal:
        """The attempt's id once its row is committed, or why it was not begun."""
        # The call may have waited for its turn until the hours were over.
        closed = self.why_closed(dialed)
        if closed is not None:
            return closed
        try:
            begun = await self.books.begin(client=self.name, e164=dialed.e164, line=line)
        except StoreUnavailable:
            return LineErr.RESOURCEUNAVAIL
        if isinstance(begun, Barred):
            return _refused(Law(begun), LineErr.ADDRESSBLOCKED, _LISTED[begun])
        return begun


_LISTED = {
    Barred.DNC: "on a do-not-call list",
    Barred.ERASED: "the person had their data erased",
}


def _refused(rule: str, error: LineErr, why: str) -> Refusal:
    return Refusal(error=error, rule=str(rule), why=why)


def written_by(client: TapiClientSettings, trunk: TrunkSettings) -> TrunkSettings:
    """The trunk with the client's own rule for how numbers are written."""
    prefix = trunk.number_prefix if client.number_prefix is None else client.number_prefix
    return trunk.model_copy(
        update={
            "number_format": client.number_format or trunk.number_format,
            "number_prefix": prefix,
        }
    )


def destinations_of(
    client: TapiClientSettings, destinations: DestinationSettings
) -> DestinationSettings:
    """`[destinations]` with what the client's own table says of them."""
    return destinations.model_copy(
        update={
            "allowed_regions": client.allowed_regions or destinations.allowed_regions,
            "allow": (*destinations.allow, *client.allow),
        }
    )


def open_desk(
    settings: TapiClientSettings,
    *,
    destinations: DestinationSettings,
    trunk: Trunk,
    lines: LinePool,
    trunk_settings: TrunkSettings,
    books: Books,
    metrics: Metrics,
    clock: WallClock,
    comfort_audio: Path | None = None,
) -> Desk:
    """A client's desk, with its own rules and its own sound for those who wait."""
    written = written_by(settings, trunk_settings)
    destinations = destinations_of(settings, destinations)
    return Desk(
        settings=settings,
        destinations=destinations,
        trunk=trunk,
        lines=lines,
        trunk_settings=written,
        door=Door(destinations, written),
        books=books,
        metrics=metrics,
        clock=clock,
        bucket=TokenBucket(settings.calls_per_second),
        turn=trio.Lock(),
        comfort_audio=settings.comfort_audio or comfort_audio,
    )

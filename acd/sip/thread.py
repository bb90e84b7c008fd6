"""The SIP thread: one thread that owns every pj object, from libCreate to libDestroy.

One turn of its loop: let pjsua handle packets and timers (callbacks fill the inbox), act on the
inbox, look at hung-up calls, carry out commands (a few new calls at most), run our own timers. It
sleeps only inside pjsua's poll and is woken there by a datagram to a socket of its own, so that a
command waits for nobody on any transport.

pjsua2 asserts in threads that it does not know, and the garbage collector may drop an object in
any thread: therefore nothing of pjsua2 is ever handed out, and what held a pj object is emptied
here before it is let go.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Sequence
from time import perf_counter

import pjsua2 as pj

from acd.errors import AcdError, AddressInUse, BadSettings, TrunkError
from acd.settings import Codec
from acd.sip.callbacks import ListeningEndpoint, TrunkAccount
from acd.sip.callers import Callers
from acd.sip.closing import Closing
from acd.sip.late_orders import no_such_call
from acd.sip.leg import Leg, LegWorld
from acd.sip.leg_call import CallEvent
from acd.sip.limits import BindingLimits
from acd.sip.mailbox import CommandBox, ReportBox
from acd.sip.messages import (
    CHALLENGES,
    CallReleased,
    Command,
    Complaint,
    Counted,
    LegOrder,
    RedirectCaller,
    Report,
    RestTrunk,
    RingCaller,
    StartCall,
    Started,
    Stop,
    Stopped,
    TakeCalls,
    TraceMessages,
    TurnCallerAway,
    UnwatchExtension,
    WatchExtension,
)
from acd.sip.pj_config import (
    MOST_TRANSPORTS,
    account_config,
    codec_priorities,
    endpoint_config,
    sip_transport_config,
    transport_key,
    transport_type,
    wake_transport_config,
)
from acd.sip.plan import TrunkPlan
from acd.sip.players import Players
from acd.sip.seen import (
    Broken,
    CallerTurnedAway,
    CertificateRefused,
    Challenged,
    Inbox,
    ProbeAnswered,
    Registered,
    Seen,
    Watched,
)
from acd.sip.timers import Timers
from acd.sip.tracing import Tracer, set_library_level
from acd.sip.trunk_side import TrunkSide

_LONGEST_SLEEP_SECONDS = 1.0
_SWEEP_SECONDS = 0.005
"""Hung-up calls are looked at no more often than this."""
_MOST_CALLS_AT_ONCE = 4
"""Placed between two looks at packets and timers."""
_OS_ERROR = 120000
"""PJ_STATUS_FROM_OS: pjlib's numbers for errno begin here."""
_DESTROY_SILENTLY = 3
"""PJSUA_DESTROY_NO_NETWORK: whatever is still open by then has had its time."""


class SipThread:
    """`run` is the thread's target; only the two mailboxes are touched from outside."""

    def __init__(
        self,
        plans: Sequence[TrunkPlan],
        limits: BindingLimits,
        *,
        commands: CommandBox[Command],
        reports: ReportBox[Report],
        traced: bool = False,
    ) -> None:
        self._plans = plans
        self._traced = traced
        self._limits = limits
        self._queues_call_events = "call-events" in limits.patches
        self._commands = commands
        self._reports = reports
        self._inbox: Inbox = Inbox()
        self._timers = Timers()
        self._players = Players(self._timers, limits.players)
        self._tracer = Tracer(reports)
        self._callers = Callers(self._inbox, self._timers, reports)
        self._endpoint: pj.Endpoint | None = None
        self._trunks: dict[str, TrunkSide] = {}
        self._legs: dict[int, Leg] = {}
        self._closing: list[Closing] = []
        self._displaced: list[Closing] = []
        """Over, but another call has their slot: their destructor would untie that one."""
        self._swept_at = 0.0
        self._sweep_due = False
        self._stop_by: float | None = None
        self._world = LegWorld(
            inbox=self._inbox,
            timers=self._timers,
            reports=reports,
            players=self._players,
            pauses_sending="pause-sending" in limits.patches,
            close=self._closing.append,
            forget=self._forget,
            invited=self._tracer.name,
        )

    def run(self) -> None:
        """Live; every failure ends in the last report, `Stopped`."""
        stopped = Stopped()
        try:
            endpoint = self._open()
            while not self._finished():
                self._turn(endpoint)
        except Exception as error:  # told to trio, which raises it
            stopped = _stopped_by(error)
        try:
            self._close()
        except Exception as error:  # the first one counts
            stopped = stopped if stopped.error_name else _stopped_by(error)
        self._reports.post(stopped)

    def _open(self) -> pj.Endpoint:
        self._endpoint = endpoint = ListeningEndpoint(self._inbox)
        # pjlib writes to standard output before `libInit` has set its log level.
        set_library_level(0)
        endpoint.libCreate()
        config = endpoint_config(self._plans, most_calls=self._limits.calls)
        self._tracer.give_writer(config)
        endpoint.libInit(config)
        if self._traced:
            self._tracer.switch((), on=True)
        transports = _create_transports(endpoint, self._plans)
        # Last: a response outside any transaction, to a Via without rport, leaves through the
        # first UDP transport there is, and from this one it would reach nobody but ourselves.
        wake_id = endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, wake_transport_config())
        self._commands.wake_at(_address(endpoint, wake_id))
        endpoint.libStart()
        endpoint.audDevManager().setNullDev()
        _set_codecs(endpoint, [codec for plan in self._plans for codec in plan.codecs])
        for plan in self._plans:
            self._trunks[plan.name] = self._open_trunk(plan, transports[plan.name])
        names = {name: endpoint.transportGetInfo(tp).localName for name, tp in transports.items()}
        self._reports.post(Started(tuple(names.items())))
        for trunk in self._trunks.values():
            trunk.start()
        return endpoint

    def _open_trunk(self, plan: TrunkPlan, transport_id: int) -> TrunkSide:
        self._callers.know(plan)
        account = TrunkAccount(
            plan.name,
            self._inbox,
            called=self._callers.arrived,
            codecs=plan.codecs if plan.own_words else None,
            queues_call_events=self._queues_call_events,
        )
        account.create(
            account_config(plan, transport_id, shared_auth=self._limits.shared_auth),
            not self._trunks,
        )
        return TrunkSide(
            plan,
            account,
            inbox=self._inbox,
            timers=self._timers,
            reports=self._reports,
            writes_referred_by="referred-by" in self._limits.patches,
        )

    def _turn(self, endpoint: pj.Endpoint) -> None:
        milliseconds = self._sleep_milliseconds() if self._commands.about_to_sleep() else 0
        happened = endpoint.libHandleEvents(milliseconds)
        self._commands.awake()
        if happened:
            self._sweep_due = True
        if self._queues_call_events:
            self._gather(endpoint)
        while self._inbox:
            self._see(self._inbox.popleft())
        self._callers.sweep()
        now = perf_counter()
        if self._sweep_due and now - self._swept_at >= _SWEEP_SECONDS:
            self._sweep(now)
        self._obey_some()
        now = perf_counter()
        self._timers.run_due(now)
        self._tracer.flush()
        self._reports.announce_due(now)

    def _gather(self, endpoint: pj.Endpoint) -> None:
        """Fill the inbox with what happened to calls, as callbacks do elsewhere."""
        for event in map(CallEvent._make, endpoint.takeCallEvents()):
            leg = self._legs.get(event.leg)
            if leg is None or leg.call is None:
                continue
            try:
                leg.call.told(event)
            except Exception:  # as in a callback: one call's fault must not end the others
                self._inbox.append(Broken(traceback.format_exc()))

    def _sleep_milliseconds(self) -> int:
        now = perf_counter()
        until = now + _LONGEST_SLEEP_SECONDS
        for at in (self._timers.next_at(), self._reports.due_at):
            if at is not None:
                until = min(until, at)
        if self._sweep_due and self._closing:
            until = min(until, self._swept_at + _SWEEP_SECONDS)
        # Rounded up: waking a little early would mean turning around until the moment comes.
        return max(0, int((until - now) * 1000 + 0.999))

    def _obey_some(self) -> None:
        """Whatever was ordered, up to and with a few calls to be placed.

        Calls that are ordered together, all placed in one go, would leave packets and timers
        waiting, and INVITEs would be sent again though their 100 lies in the socket. Placing one
        takes a fraction of a millisecond; so does going round once.
        """
        placed = 0
        while placed < _MOST_CALLS_AT_ONCE and (command := self._commands.take()) is not None:
            self._obey(command)
            placed += isinstance(command, StartCall)

    def _obey(self, command: Command) -> None:
        match command:
            case StartCall():
                leg = Leg(command.leg, self._trunks[command.trunk], self._world)
                self._legs[command.leg] = leg
                leg.start(command)
            case WatchExtension():
                self._trunks[command.trunk].watches.add(command.watch, command.extension_uri)
            case UnwatchExtension():
                self._trunks[command.trunk].watches.remove(command.watch)
            case TakeCalls() | RingCaller() | TurnCallerAway() | RedirectCaller():
                self._callers.obey(command)
            case RestTrunk():
                self._trunks[command.trunk].rest(on=command.on)
            case TraceMessages():
                self._tracer.switch(self._legs.values(), on=command.on)
            case Stop():
                self._stop(command)
            case _:
                self._order(command)

    def _order(self, order: LegOrder) -> None:
        leg = self._legs.get(order.leg)
        if leg is not None:
            leg.obey(order)
        elif (late := no_such_call(order)) is not None:
            self._reports.post(late)

    def _see(self, seen: Seen) -> None:
        match seen:
            case Registered():
                self._trunks[seen.trunk].seen_registration(seen)
            case ProbeAnswered():
                self._trunks[seen.trunk].seen_probe(seen)
            case CertificateRefused():
                for trunk in self._trunks.values():
                    trunk.seen_certificate(seen)
            case Watched():
                self._trunks[seen.trunk].watches.seen(seen)
            case CallerTurnedAway():
                self._reports.post(Counted("callers_turned_away", seen.trunk))
            case Challenged():
                if (challenged := self._legs.get(seen.leg)) is not None:
                    self._reports.post(Counted(CHALLENGES, challenged.trunk.plan.name))
            case Broken():
                self._reports.post(Complaint(f"a callback of pjsua2 failed: {seen.what}"))
            case _:
                leg = self._legs.get(seen.leg)
                if leg is None:
                    self._reports.post(Counted("late_events"))
                else:
                    leg.seen(seen)

    def _sweep(self, now: float) -> None:
        """Look which hung-up calls are over by now."""
        self._swept_at = now
        self._sweep_due = False
        if not self._closing:
            return
        still: list[Closing] = []
        for closing in self._closing:
            if closing.is_open:
                still.append(closing)
                continue
            if pj.Call.lookup(closing.slot) is not None:
                self._displaced.append(closing)
            self._reports.post(CallReleased(closing.leg, now))
        self._closing[:] = still
        self._displaced = [c for c in self._displaced if pj.Call.lookup(c.slot) is not None]

    def _forget(self, leg: int) -> None:
        self._legs.pop(leg, None)

    def _stop(self, command: Stop) -> None:
        self._stop_by = perf_counter() + command.grace_seconds
        for leg in list(self._legs.values()):
            leg.hang_up()
        self._callers.end_all()
        for trunk in self._trunks.values():
            trunk.watches.close()
            trunk.unregister()
        # The loop must come around to see that the time is over.
        self._timers.at(self._stop_by, _nothing)

    def _finished(self) -> bool:
        if self._stop_by is None:
            return False
        if perf_counter() >= self._stop_by:
            return True
        busy = self._legs or self._closing
        return not busy and not any(trunk.registered for trunk in self._trunks.values())

    def _close(self) -> None:
        """Give everything back, in this thread and in this order."""
        self._commands.close()
        for leg in self._legs.values():
            leg.call = None
        self._legs.clear()
        self._closing.clear()
        self._displaced.clear()
        self._callers.close()
        # An action may hold a player: one that outlived this run would destroy, when the garbage
        # collector finds it, whatever player has its number in the next.
        self._timers.clear()
        self._players.close()
        for trunk in self._trunks.values():
            trunk.watches.close()
        self._tracer.flush()
        # The library deletes the writer while it may still log.
        set_library_level(0)
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.libDestroy(_DESTROY_SILENTLY)
        # Not before: an OPTIONS that is still open would ask for an account that is gone, and a
        # build with assertions ends the process there. And not later: its destructor would shut
        # down whatever account has its number in the next run.
        for trunk in self._trunks.values():
            trunk.drop_account()
        self._trunks.clear()


def _stopped_by(error: Exception) -> Stopped:
    text = str(error) if isinstance(error, AcdError) else traceback.format_exc()
    return Stopped(type(error).__name__, text)


def _nothing() -> None:
    """A timer that only ends a sleep."""


def _address(endpoint: pj.Endpoint, transport_id: int) -> tuple[str, int]:
    host, _, port = endpoint.transportGetInfo(transport_id).localName.rpartition(":")
    return host, int(port)


def _create_transports(endpoint: pj.Endpoint, plans: Sequence[TrunkPlan]) -> dict[str, int]:
    """Each trunk's transport; where there are more trunks than pjsua has, like ones share one."""
    keys = {
        plan.name: transport_key(plan) if len(plans) > MOST_TRANSPORTS else plan.name
        for plan in plans
    }
    if len(set(keys.values())) > MOST_TRANSPORTS:
        raise BadSettings(
            f"{len(plans)} trunks need {len(set(keys.values()))} SIP sockets, and pjsua has "
            f"{MOST_TRANSPORTS}: trunks share one where transport, bind_address, public_address "
            "and certificates are the same and bind_port is 0"
        )
    made: dict[object, int] = {}
    for plan in plans:
        if keys[plan.name] not in made:
            made[keys[plan.name]] = _create_transport(endpoint, plan)
    return {name: made[key] for name, key in keys.items()}


def _create_transport(endpoint: pj.Endpoint, plan: TrunkPlan) -> int:
    try:
        return endpoint.transportCreate(transport_type(plan.transport), sip_transport_config(plan))
    except pj.Error as error:
        where = f"{plan.bind_address or '*'}:{plan.bind_port}"
        kind = plan.transport.value.upper()
        if error.status == _OS_ERROR + errno.EADDRINUSE:
            raise AddressInUse(
                f"trunk {plan.name}: another program holds {kind} {where}; choose another bind_port"
            ) from None
        if error.status == _OS_ERROR + errno.EADDRNOTAVAIL:
            raise BadSettings(
                f"trunk {plan.name}: bind_address {plan.bind_address!r} is no address "
                "of this machine"
            ) from None
        raise TrunkError(
            f"trunk {plan.name}: no {kind} transport at {where}: {error.reason}"
        ) from None


def _set_codecs(endpoint: pj.Endpoint, wanted: Sequence[Codec]) -> None:
    order = tuple(dict.fromkeys(wanted))
    known = [codec.codecId for codec in endpoint.codecEnum2()]
    for codec_id, priority in codec_priorities(known, order).items():
        endpoint.codecSetPriority(codec_id, priority)

"""The lab's exchange: what becomes of each leg. No SIP stack and no clock of its own.

    INVITE ─ digest ─┬─ a number ─▶ Person: its behaviour, minute by minute
                     └─ an extension or the queue ─▶ AgentCall: rings, talks, hangs up
    REFER of a Person ─▶ a leg from the lab to itself, which comes in as an AgentCall

`Leg` is what the SIP side gives; every leg that was told about is told `over` once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from acd.lab.agents import AgentDesk
from acd.lab.behaviour import Behaviour, Conduct, behaviour_of
from acd.lab.digest import DigestDoor, Verdict
from acd.lab.draws import Draws
from acd.lab.messages import Invite
from acd.lab.records import CallRecord, EndedBy, Record, TalkRecord
from acd.lab.settings import LabSettings
from acd.lab.timetable import Entry, Timetable

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RINGING, QUEUED, OK, BUSY, CANCELLED, NO_WAY = 180, 182, 200, 486, 487, 503
UNAUTHORIZED = 401


class Leg(Protocol):
    """One SIP dialog, as far as the exchange acts on it."""

    def respond(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> bool:
        """Answer the INVITE; False where the caller gave up before."""
        ...

    def hang_up(self) -> None:
        """End it, at whatever moment."""
        ...

    def greet(self) -> None:
        """Play a machine's greeting; the leg has media."""
        ...


@dataclass(eq=False, slots=True)
class _Person:
    """Somebody whose number was dialed."""

    leg: Leg
    invite: Invite
    behaviour: Behaviour
    status: int = 0
    agent: str = ""
    transfers: list[Leg] = field(default_factory=list)
    """The lab's own legs to agents that are still up."""
    transfers_made: int = 0
    ended_by: EndedBy = EndedBy.CALLER
    gone: bool = False
    """They hung up."""
    next_step: Entry | None = None


@dataclass(eq=False, slots=True)
class _Transfer:
    """The lab's own leg to an agent, on behalf of a person."""

    person: _Person
    sip_call_id: str


@dataclass(eq=False, slots=True)
class _AgentCall:
    """An agent's phone: rings, talks."""

    leg: Leg
    person: _Person | None
    extension: str = ""
    """Empty while it waits in the queue."""
    answered_at: float | None = None
    leave_queue: Callable[[], None] = lambda: None
    next_step: Entry | None = None


class Pbx:
    """The exchange and the carrier behind it."""

    def __init__(
        self,
        settings: LabSettings,
        *,
        door: DigestDoor,
        clock: Callable[[], float],
        record: Callable[[Record], None],
    ) -> None:
        self.timetable = Timetable()
        self._settings = settings
        self._door = door
        self._clock = clock
        self._record = record
        self._draws = Draws(settings.seed)
        self.desk = AgentDesk(settings.extensions)
        self._legs: dict[Leg, _Person | _Transfer | _AgentCall] = {}
        self._transfers: dict[str, _Person] = {}
        self._calls_to: Counter[str] = Counter()
        self._people = 0

    def invited(self, leg: Leg, invite: Invite) -> None:
        """An INVITE came in."""
        if not invite.from_ourselves and not self._admit(leg, invite):
            return
        person = self._transfers.get(invite.sip_call_id) if invite.from_ourselves else None
        if invite.user == self._settings.queue:
            self._queue(leg, person)
        elif self.desk.knows(invite.user):
            self._call_agent(leg, person, invite.user)
        else:
            self._call_person(leg, invite)

    def transferred(self, leg: Leg, to_agent: Leg, sip_call_id: str) -> None:
        """A REFER on `leg` was accepted; `to_agent` is the lab's own leg that follows it."""
        person = self._legs.get(leg)
        if not isinstance(person, _Person):
            return
        self._legs[to_agent] = _Transfer(person, sip_call_id)
        self._transfers[sip_call_id] = person
        person.transfers.append(to_agent)
        person.transfers_made += 1
        if person.gone:
            to_agent.hang_up()

    def media_up(self, leg: Leg) -> None:
        """Sound can be heard on the leg."""
        call = self._legs.get(leg)
        if isinstance(call, _Person) and call.behaviour.greets:
            leg.greet()

    def over(self, leg: Leg) -> None:
        """The leg's dialog is over."""
        match self._legs.pop(leg, None):
            case _Person() as person:
                self._person_over(person)
            case _AgentCall() as call:
                self._agent_over(call)
            case _Transfer(person=person, sip_call_id=sip_call_id):
                del self._transfers[sip_call_id]
                person.transfers.remove(leg)
                # The agent hung up on somebody whose caller never left.
                if person.agent and not person.transfers:
                    self._hang_up_person(person)
            case None:
                pass

    def _admit(self, leg: Leg, invite: Invite) -> bool:
        now = self._clock()
        verdict = self._door.check(invite.authorization, method="INVITE", now_seconds=now)
        if verdict is not Verdict.ACCEPTED:
            challenge = self._door.challenge(verdict, now_seconds=now)
            leg.respond(UNAUTHORIZED, [("WWW-Authenticate", challenge)])
            if verdict is Verdict.WRONG:
                log.warning("wrong user or password", action="lab.auth.refused")
            return False
        if self._people >= self._settings.calls:
            leg.respond(NO_WAY)
            log.warning("too many calls at once", action="lab.full", calls=self._people)
            return False
        return True

    # People.

    def _call_person(self, leg: Leg, invite: Invite) -> None:
        behaviour = self._behaviour(invite.user)
        person = _Person(leg, invite, behaviour)
        self._legs[leg] = person
        self._people += 1
        log.debug("called", action="lab.called", conduct=behaviour.conduct)
        if behaviour.rings:
            leg.respond(RINGING)
        if (status := behaviour.final_status) is not None:
            settles = partial(self._person_settles, person, status)
            self._person_next(person, behaviour.final_seconds, settles)

    def _behaviour(self, number: str) -> Behaviour:
        self._calls_to[number] += 1
        draw = self._draws.of("ring", number, self._calls_to[number])
        return behaviour_of(number, ring=self._settings.ring, draw=draw)

    def _person_next(self, person: _Person, seconds: float, step: Callable[[], None]) -> None:
        person.next_step = self.timetable.at(self._clock() + seconds, step)

    def _person_settles(self, person: _Person, status: int) -> None:
        """The final status of their behaviour."""
        if not person.leg.respond(status):
            return
        person.status = status
        if status == OK:
            hang_up = partial(self._hang_up_person, person)
            self._person_next(person, person.behaviour.stays_seconds, hang_up)
        else:
            person.ended_by = EndedBy.LAB

    def _hang_up_person(self, person: _Person) -> None:
        person.gone = True
        for leg in tuple(person.transfers):
            leg.hang_up()
        if person.leg in self._legs:
            person.ended_by = EndedBy.LAB
            person.leg.hang_up()

    def _person_over(self, person: _Person) -> None:
        self._people -= 1
        if person.next_step is not None and not person.transfers:
            person.next_step.cancel()
        self._record(
            CallRecord(
                number=person.invite.user,
                sip_call_id=person.invite.sip_call_id,
                conduct=person.behaviour.conduct,
                status=person.status or CANCELLED,
                ended_by=person.ended_by,
                agent=person.agent,
                transfers=person.transfers_made,
            )
        )
        log.debug("call over", action="lab.call.over", conduct=person.behaviour.conduct)

    # Agents.

    def _call_agent(self, leg: Leg, person: _Person | None, extension: str) -> None:
        if not self.desk.take(extension):
            leg.respond(BUSY)
            return
        call = _AgentCall(leg, person)
        self._legs[leg] = call
        self._ring_agent(call, extension)

    def _queue(self, leg: Leg, person: _Person | None) -> None:
        call = _AgentCall(leg, person)
        self._legs[leg] = call
        call.leave_queue = self.desk.wait(lambda extension: self._ring_agent(call, extension))
        if not call.extension:
            leg.respond(QUEUED)

    def _ring_agent(self, call: _AgentCall, extension: str) -> None:
        call.extension = extension
        call.leg.respond(RINGING)
        seconds = self._settings.agent_answer.at(self._draw("answer", call))
        call.next_step = self.timetable.at(self._clock() + seconds, lambda: self._talk(call))

    def _talk(self, call: _AgentCall) -> None:
        if not call.leg.respond(OK):
            return
        now = call.answered_at = self._clock()
        self.desk.talks(call.extension)
        person = call.person
        if person is not None:
            person.agent = call.extension
            # Whoever is talked to has patience; one who hangs up anyway does so on time.
            if person.next_step is not None and person.behaviour.conduct is not Conduct.HANGS_UP:
                person.next_step.cancel()
        seconds = self._settings.talk.at(self._draw("talk", call))
        call.next_step = self.timetable.at(now + seconds, call.leg.hang_up)

    def _draw(self, what: str, call: _AgentCall) -> float:
        if call.person is None:
            return self._draws.of(what, call.extension)
        number = call.person.invite.user
        return self._draws.of(what, number, self._calls_to[number])

    def _agent_over(self, call: _AgentCall) -> None:
        call.leave_queue()
        if call.next_step is not None:
            call.next_step.cancel()
        if not call.extension:
            return
        talked = 0.0 if call.answered_at is None else self._clock() - call.answered_at
        self._record(
            TalkRecord(
                agent=call.extension,
                number=call.person.invite.user if call.person else "",
                answered=call.answered_at is not None,
                talk_seconds=round(talked, 3),
            )
        )
        self.desk.free(call.extension)

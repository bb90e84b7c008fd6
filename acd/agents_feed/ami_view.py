"""What Asterisk's events say about agents: `decode`, and `AmiView` which adds them up.

Pure: packets in, sightings out. Devices tell what phones do, queues who has paused and why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from acd.agents import AgentId, PersonSeen, Phone, Word
from acd.agents_feed.ami_frames import Packet
from acd.agents_feed.sightings import Sighting

PHONES: Mapping[str, Phone] = MappingProxyType(
    {
        "UNKNOWN": Phone.UNKNOWN,
        "NOT_INUSE": Phone.IDLE,
        "INUSE": Phone.IN_USE,
        "BUSY": Phone.IN_USE,
        "INVALID": Phone.UNAVAILABLE,
        "UNAVAILABLE": Phone.UNAVAILABLE,
        "RINGING": Phone.RINGING,
        "RINGINUSE": Phone.IN_USE,
        "ONHOLD": Phone.IN_USE,
    }
)
"""Every state that `ast_devstate_str` of Asterisk 22 can name; one of a later one is unknown."""

_PHONE_NUMBERS: Mapping[str, Phone] = MappingProxyType(
    {str(number): phone for number, phone in enumerate(PHONES.values())}
)
"""The same in the order of `enum ast_device_state`, as queues tell it."""


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """A phone does something."""

    device: str
    phone: Phone


@dataclass(frozen=True, slots=True)
class MemberSeen:
    """Somebody is in a queue, and has paused there or has not."""

    queue: str
    device: str
    paused: bool
    reason: str
    phone: Phone = Phone.UNKNOWN
    has_person: bool | None = None
    """Talks to a person of this queue; None where the event does not tell."""
    wrap_up_seconds: float = 0.0
    """Their own; 0: the queue's."""
    interface: str = ""
    """What the queue calls; mostly the device itself."""


@dataclass(frozen=True, slots=True)
class MemberGone:
    """Somebody has left a queue."""

    queue: str
    device: str
    interface: str


@dataclass(frozen=True, slots=True)
class QueueWaiting:
    """So many people wait in a queue."""

    queue: str
    waiting: int
    person: str = ""
    """The number of whoever has just come; empty where nobody has."""


@dataclass(frozen=True, slots=True)
class MemberCalled:
    """A member's phone rings for one of a queue's people."""

    queue: str
    interface: str
    person: str = ""
    """Their number."""


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """A member of a queue has one of its people."""

    queue: str
    interface: str
    person: str = ""
    """Their number."""


@dataclass(frozen=True, slots=True)
class MemberDone:
    """A member's call from a queue is over."""

    queue: str
    interface: str
    person: str = ""
    """Their number."""


@dataclass(frozen=True, slots=True)
class PersonHungUp:
    """Somebody's own phone has ended a call, an agent's or a person's."""

    person: str
    """The number of whoever that is."""


@dataclass(frozen=True, slots=True)
class ListEnded:
    """All was told that this action asked for."""

    action_id: str


@dataclass(frozen=True, slots=True)
class ListRefused:
    """The account may not ask that, or there is nothing to answer it."""

    action_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Asterisk is up, or has read its configuration again: ask everything anew."""


@dataclass(frozen=True, slots=True)
class ShuttingDown:
    """Asterisk says that it ends."""


QueueFact = MemberSeen | MemberGone | QueueWaiting | MemberCalled | MemberJoined | MemberDone
Fact = DeviceSeen | QueueFact | PersonHungUp | ListEnded | ListRefused | Reloaded | ShuttingDown


def decode(packet: Packet) -> Fact | None:
    """The one thing that a packet says about agents, if it says any."""
    if packet.get("Response") == "Error":
        return ListRefused(packet.get("ActionID", ""), packet.get("Message", "no reason given"))
    match packet.get("Event", ""):
        case "DeviceStateChange":
            state = packet.get("State", "").upper()
            return DeviceSeen(packet.get("Device", ""), PHONES.get(state, Phone.UNKNOWN))
        case "QueueMember" | "QueueMemberStatus" | "QueueMemberAdded" | "QueueMemberPause":
            return _member_seen(packet)
        case "QueueMemberRemoved":
            return MemberGone(packet.get("Queue", ""), _member_device(packet), _interface(packet))
        case "QueueParams":
            return QueueWaiting(packet.get("Queue", ""), _number(packet, "Calls"))
        case "QueueCallerJoin":
            came = packet.get("CallerIDNum", "")
            return QueueWaiting(packet.get("Queue", ""), _number(packet, "Count"), came)
        case "QueueCallerLeave":
            return QueueWaiting(packet.get("Queue", ""), _number(packet, "Count"))
        case "AgentCalled":
            return MemberCalled(*_member_of_person(packet))
        case "AgentConnect":
            return MemberJoined(*_member_of_person(packet))
        case "AgentComplete":
            return MemberDone(*_member_of_person(packet))
        case "HangupRequest":
            return PersonHungUp(packet.get("CallerIDNum", ""))
        case "DeviceStateListComplete" | "QueueStatusComplete":
            return ListEnded(packet.get("ActionID", ""))
        case "FullyBooted" | "Reload":
            return Reloaded()
        case "Shutdown":
            return ShuttingDown()
    return None


def _member_seen(packet: Packet) -> MemberSeen:
    # Asterisk 22.10 says InCall rightly in the answer to QueueStatus alone.
    listed = packet.get("Event") == "QueueMember"
    return MemberSeen(
        queue=packet.get("Queue", ""),
        device=_member_device(packet),
        paused=packet.get("Paused") == "1",
        reason=packet.get("PausedReason", ""),
        phone=_PHONE_NUMBERS.get(packet.get("Status", ""), Phone.UNKNOWN),
        has_person=packet.get("InCall") == "1" if listed else None,
        wrap_up_seconds=_number(packet, "Wrapuptime"),
        interface=_interface(packet),
    )


def _member_of_person(packet: Packet) -> tuple[str, str, str]:
    # The channel that waits is the one by which Asterisk called the person: its number is theirs.
    return packet.get("Queue", ""), packet.get("Interface", ""), packet.get("CallerIDNum", "")


PersonFact = QueueWaiting | MemberCalled | MemberJoined | MemberDone | PersonHungUp


def person_of(fact: PersonFact, agent: AgentId | None) -> PersonSeen | None:
    """What a fact says of one person, of whom a queue's member is this agent; None: nobody's."""
    match fact:
        case PersonHungUp():
            gone = PersonSeen(number=fact.person, phone=Phone.IDLE, hung_up=True)
            return gone if fact.person else None
        case QueueWaiting():
            came = PersonSeen(number=fact.person, phone=Phone.IDLE, waits=True)
            return came if fact.person else None
        case MemberCalled():
            phone = Phone.RINGING
        case MemberJoined():
            phone = Phone.IN_USE
        case MemberDone():
            phone = Phone.IDLE
    return PersonSeen(number=fact.person, phone=phone, agent=agent) if fact.person else None


def _number(packet: Packet, name: str) -> int:
    text = packet.get(name, "")
    return int(text) if text.isdecimal() else 0


def _member_device(packet: Packet) -> str:
    # A member may be called by Local/101@agents while PJSIP/101 tells whether they are free.
    return packet.get("StateInterface") or _interface(packet)


def _interface(packet: Packet) -> str:
    return packet.get("Interface") or packet.get("Location", "")


class AmiView:
    """Agents by what their devices and queues have said so far."""

    def __init__(self, *, device: str, queues: Collection[str] = ()) -> None:
        """Begin with nobody.

        Args:
            device: an agent's device, with `{extension}` in it, as `PJSIP/{extension}`.
            queues: where a pause counts; empty: everywhere.
        """
        self._before, self._after = device.split("{extension}")
        self._queues = frozenset(queues)
        self._phones: dict[AgentId, Phone] = {}
        self._pauses: dict[AgentId, dict[str, str]] = {}
        self._devices: dict[str, str] = {}
        """By the interface that a queue calls."""

    def take(self, fact: Fact) -> Sighting | None:
        """The agent whom a fact changes, as they are now."""
        match fact:
            case DeviceSeen(device=device, phone=phone):
                agent = self._agent(device)
                if agent is not None and self._phones.get(agent) is not phone:
                    self._phones[agent] = phone
                    return self._sighting(agent)
            case MemberSeen(device=device) | MemberGone(device=device):
                self._devices[fact.interface] = device
                agent = self._agent(device)
                if agent is not None and self._note_pause(agent, fact):
                    return self._sighting(agent)
        return None

    def _note_pause(self, agent: AgentId, fact: MemberSeen | MemberGone) -> bool:
        """Whether anything changed."""
        if self._queues and fact.queue not in self._queues:
            return False
        pauses = self._pauses.setdefault(agent, {})
        before = dict(pauses)
        if isinstance(fact, MemberSeen) and fact.paused:
            pauses[fact.queue] = fact.reason
        else:
            pauses.pop(fact.queue, None)
        return pauses != before

    def sightings(self) -> Iterator[Sighting]:
        """Everybody whose phone was seen."""
        return map(self._sighting, self._phones)

    def agent_at(self, interface: str) -> AgentId | None:
        """Whose phone a queue calls by this interface; None: nobody's of ours."""
        return self._agent(self._devices.get(interface, interface))

    def _sighting(self, agent: AgentId) -> Sighting:
        pauses = self._pauses.get(agent, {})
        return Sighting(
            agent=agent,
            phone=self._phones.get(agent, Phone.UNKNOWN),
            word=Word.NOT_READY if pauses else Word.NONE,
            reason=", ".join(sorted(filter(None, set(pauses.values())))),
        )

    def _agent(self, device: str) -> AgentId | None:
        extension = device.removeprefix(self._before).removesuffix(self._after)
        whole = f"{self._before}{extension}{self._after}"
        return AgentId(extension) if extension and whole == device else None

"""One feed of many: what is true of an agent of whom several feeds tell something.

The phone is the word of the first of `PHONE_FEEDS` that knows the agent, the agent's own word
that of the first of `WORD_FEEDS`; `AGENT_STATES` joins the two. Agents whose phones nobody sees
are told by the clock. A feed answers for everybody whom it has ever told: while it is lost they
are unknown and so not ready, and before it has told for the first time everybody is. A queue is
told under its own name, with what it can take; while its feed is lost it can take nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
import trio

from acd.agents import (
    AGENT_STATES,
    PHONE_FEEDS,
    WORD_FEEDS,
    AgentId,
    AgentState,
    AgentUpdate,
    FeedName,
    PersonSeen,
    Phone,
    QueueSeen,
    Word,
    queue_of_place,
)
from acd.agents_feed.fixed import FixedFeed
from acd.agents_feed.sightings import NO_QUEUES, Sighting
from acd.logs import debugging
from acd.metrics import Metrics

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CONFIRM_SECONDS = 5.0
"""After a transfer that the PBX calls answered, the agent's phone is in use, or it was not
theirs that answered."""


PHONE_REASONS = {Phone.UNKNOWN: "phone unknown", Phone.RINGING: "phone rings"}
"""Why somebody is not ready who has said nothing."""
QUEUE_FEED = FeedName.AMI
"""The one feed that can see queues."""


class _Told:
    """All that one feed has told."""

    def __init__(self) -> None:
        self.up = False
        self.began = False
        self.sightings: dict[AgentId, Sighting] = {}

    def phone(self, agent: AgentId) -> Phone | None:
        """None: somebody else's agent."""
        seen = self.sightings.get(agent)
        if seen is None:
            return None if self.began else Phone.UNKNOWN
        return seen.phone if self.up else Phone.UNKNOWN


class MergedFeed:
    """Fulfils `acd.agents.AgentFeed`, and `Listener` for the feeds that it merges."""

    def __init__(
        self,
        nursery: trio.Nursery,
        metrics: Metrics,
        feeds: Collection[FeedName] = (),
        *,
        confirm_seconds: float = CONFIRM_SECONDS,
    ) -> None:
        self._nursery = nursery
        self._metrics = metrics
        self._told = {feed: _Told() for feed in feeds}
        self._fixed = FixedFeed(nursery, self._told_by_clock)
        self._said: dict[AgentId, AgentUpdate] = {}
        self._queues: dict[str, QueueSeen] = {}
        self._tells_persons = False
        """The PBX tells whose phone rings for whom; an older event filter keeps it back."""
        self._on_asked: Callable[[AgentId], None] = lambda _: None
        self._confirm_seconds = confirm_seconds
        self._send, self._receive = trio.open_memory_channel[AgentUpdate](float("inf"))
        for feed in feeds:
            metrics.feed_up.labels(feed).set(0)

    @property
    def updates(self) -> trio.MemoryReceiveChannel[AgentUpdate]:
        """States as they change, in order."""
        return self._receive

    def state_of(self, agent: AgentId) -> AgentState:
        """The present state, also of an agent of whom nothing was told yet."""
        # Who is asked for is told of from now on, also where no feed has named them yet.
        if agent not in self._said and not queue_of_place(agent):
            self._on_asked(agent)
        return self._said.setdefault(agent, self._update(agent)).state

    def tell_asked(self, on_asked: Callable[[AgentId], None]) -> None:
        """Have a feed that must be asked told of every agent, before their state is."""
        self._on_asked = on_asked

    def sees_phone(self, agent: AgentId) -> bool:
        """Whether some feed tells what the phone does, now or once it is back."""
        if queue := queue_of_place(agent):
            return self._tells_persons and queue in self._queues
        return self._phone(agent) is not None

    def reason_of(self, agent: AgentId) -> str:
        """Why they are not ready: their own word, or that of the PBX, or what their phone does."""
        word, reason = self._word(agent)
        if word is not Word.NONE and reason:
            return reason
        phone = self._phone(agent)
        return PHONE_REASONS.get(phone, "") if phone is not None else ""

    def handed_over(self, agent: AgentId, *, handle_seconds: float) -> None:
        """A person was given to this agent just now."""
        if queue_of_place(agent) in self._queues:
            self._nursery.start_soon(self._confirm_queue, queue_of_place(agent))
        elif self._phone(agent) is None:
            self._fixed.handed_over(agent, handle_seconds=handle_seconds)
        else:
            self._nursery.start_soon(self._confirm, agent)

    def call_over(self, agent: AgentId) -> None:
        """The agent's own word that they are done with a person, where nobody sees the phone."""
        self._fixed.call_over(agent)

    def wrapped_up(self, agent: AgentId) -> None:
        """The agent's own word that they are done with their last person, talk and wrap-up."""
        self._fixed.call_over(agent)
        self._send.send_nowait(replace(self._update(agent), wrapped_up=True))

    def feed_up(
        self,
        feed: FeedName,
        sightings: Iterable[Sighting],
        queues: Mapping[str, QueueSeen] = NO_QUEUES,
    ) -> None:
        """The feed works from now on, and this is everybody, and every queue, that it knows."""
        told = self._told[feed]
        told.up = told.began = True
        now = {sighting.agent: sighting for sighting in sightings}
        gone = told.sightings.keys() - now.keys()
        told.sightings.update(now)
        for agent in gone:
            told.sightings[agent] = Sighting(agent=agent, phone=Phone.UNKNOWN)
        self._metrics.feed_up.labels(feed).set(1)
        log.info("agent feed is up", action="feed.up", feed=feed, agents=len(now))
        # Before the agents: a queue's places are ready from here on, as far as it can take people.
        if feed is QUEUE_FEED:
            self._tell_queues(queues, gone=QueueSeen(usable=0, persons=0))
        self._say_all()

    def feed_down(self, feed: FeedName, why: str) -> None:
        """The feed is lost: nothing is known about its agents."""
        told = self._told[feed]
        if told.up and (told.sightings or (feed is QUEUE_FEED and self._queues)):
            log.error(
                "agent feed is lost; its agents are not ready until it is back",
                action="feed.lost",
                feed=feed,
                agents=len(told.sightings),
                why=why,
            )
        told.up = False
        if feed is QUEUE_FEED:
            self._tell_queues(NO_QUEUES, gone=QueueSeen(usable=0, persons=None))
        self._metrics.feed_up.labels(feed).set(0)
        self._say_all()

    def saw(self, feed: FeedName, sighting: Sighting) -> None:
        """One agent has changed."""
        self._told[feed].sightings[sighting.agent] = sighting
        self._say(sighting.agent)

    def saw_person(self, queue: str, person: PersonSeen) -> None:
        """A member's phone has done something for one of a queue's people, or somebody hung up."""
        self._tells_persons = self._tells_persons or bool(queue)
        update = AgentUpdate(agent=AgentId(queue), state=AgentState.ON_CALL, person=person)
        self._send.send_nowait(update)

    def saw_queue(self, queue: str, seen: QueueSeen) -> None:
        """One queue has changed."""
        self._queues[queue] = seen
        free = seen.persons is not None and seen.usable > seen.persons
        state = AgentState.READY if free else AgentState.NOT_READY
        self._send.send_nowait(AgentUpdate(agent=AgentId(queue), state=state, queue=seen))

    def _tell_queues(self, queues: Mapping[str, QueueSeen], *, gone: QueueSeen) -> None:
        for queue, seen in {**dict.fromkeys(self._queues, gone), **queues}.items():
            self.saw_queue(queue, seen)

    def _say_all(self) -> None:
        for agent in {*self._said, *self._known()}:
            self._say(agent)

    def _known(self) -> Iterator[AgentId]:
        for told in self._told.values():
            yield from told.sightings

    def _say(self, agent: AgentId) -> None:
        update = self._update(agent)
        if self._said.get(agent) != update:
            _tell(update)
            self._said[agent] = update
            self._send.send_nowait(update)

    def _update(self, agent: AgentId) -> AgentUpdate:
        phone = self._phone(agent)
        word, reason = self._word(agent)
        if phone is None:
            state = self._fixed.state_of(agent)
            if word is not Word.NONE and state is AgentState.READY:
                state = AGENT_STATES[word][Phone.IDLE]
        else:
            state = AGENT_STATES[word][phone]
        return AgentUpdate(agent=agent, state=state, phone=phone, reason=reason)

    def _phone(self, agent: AgentId) -> Phone | None:
        """What the phone does; None where no feed sees it."""
        for feed in PHONE_FEEDS:
            phone = self._told[feed].phone(agent) if feed in self._told else None
            if phone is not None:
                return phone
        return None

    def _word(self, agent: AgentId) -> tuple[Word, str]:
        for feed in WORD_FEEDS:
            seen = self._told[feed].sightings.get(agent) if feed in self._told else None
            if seen is not None and seen.word is not Word.NONE:
                return seen.word, seen.reason
        return Word.NONE, ""

    async def _confirm(self, agent: AgentId) -> None:
        """Say again what is true, for a roster that has the agent on a call."""
        await trio.sleep(self._confirm_seconds)
        self._send.send_nowait(self._update(agent))

    async def _confirm_queue(self, queue: str) -> None:
        """Say again what is true, for a roster that has a place on a call nobody saw."""
        await trio.sleep(self._confirm_seconds)
        self.saw_queue(queue, self._queues[queue])

    def _told_by_clock(self, update: AgentUpdate) -> None:
        if self._phone(update.agent) is None:
            ready = update.state is AgentState.READY
            said = self._update(update.agent) if ready else update
            _tell(said)
            self._said[update.agent] = said
            self._send.send_nowait(said)


def _tell(update: AgentUpdate) -> None:
    if debugging():
        log.debug(
            "agent's state",
            action="feed.told",
            agent=update.agent,
            state=update.state,
            phone=update.phone,
        )


@asynccontextmanager
async def open_merged_feed(
    metrics: Metrics,
    feeds: Collection[FeedName] = (),
    *,
    confirm_seconds: float = CONFIRM_SECONDS,
) -> AsyncIterator[MergedFeed]:
    """A merged feed for as long as the block lasts; all of `feeds` are down at first."""
    async with trio.open_nursery() as nursery:
        yield MergedFeed(nursery, metrics, feeds, confirm_seconds=confirm_seconds)
        nursery.cancel_scope.cancel()

"""What agents say on their desktops, as the feed HTTP among the others: `DesktopWords`.

SQL keeps what was asked of an agent; the word here takes part in the precedence table of
`acd.agents`, where a desktop goes before the PBX. Whoever changes the agent by other means
afterwards, as `acd agents ready` does, has the last word: the desktop's is dropped then.
"""

from __future__ import annotations

from collections.abc import Iterable

from acd.agents import AgentId, AgentState, FeedName, Word
from acd.agents_feed.merged import MergedFeed
from acd.agents_feed.sightings import Sighting
from acd.store.agents import AgentRow

DESKTOP_GONE = "desktop gone"
"""Why such an agent is not ready."""


class DesktopWords:
    """The last word of each agent, as long as it holds."""

    def __init__(self, feed: MergedFeed) -> None:
        self._feed = feed
        self._versions: dict[str, int] = {}
        """Of the agents who have said something, as they were in SQL then."""
        self._words: dict[str, tuple[Word, str]] = {}
        self._gone: dict[str, str] = {}
        """By agent's name the extension of those whose desktop is gone."""
        feed.feed_up(FeedName.HTTP, [])

    def said(self, agent: AgentRow, word: Word, reason: str) -> None:
        """An agent, or somebody for them, has said this."""
        self._gone.pop(agent.name, None)
        self._words[agent.extension] = word, reason
        self._versions[agent.extension] = agent.version
        if word is Word.WRAP_UP:
            self._feed.call_over(AgentId(agent.extension))
        self._saw(agent.extension, word, reason)
        if word is Word.READY:
            self._feed.wrapped_up(AgentId(agent.extension))

    def done(self, agent: AgentRow) -> None:
        """They have wrapped up: what was asked of them before holds again."""
        self.said(agent, Word(agent.wanted.value), agent.reason)
        self._feed.wrapped_up(AgentId(agent.extension))

    def desktop_gone(self, agent: AgentRow) -> None:
        """Nobody hears what happens to them: they are not ready, until it is back."""
        if agent.wanted is not AgentState.READY:
            return
        self._gone[agent.name] = agent.extension
        self._versions[agent.extension] = agent.version
        word, _ = self._words.get(agent.extension, (Word.NONE, ""))
        if word in (Word.NONE, Word.READY):
            self._saw(agent.extension, Word.NOT_READY, DESKTOP_GONE)

    def desktop_back(self, name: str) -> None:
        """What they had said before holds again."""
        extension = self._gone.pop(name, None)
        if extension is not None:
            word, reason = self._words.get(extension, (Word.NONE, ""))
            self._saw(extension, word, reason)

    def check(self, agents: Iterable[AgentRow]) -> None:
        """Drop the words of agents who were changed since, or are no more."""
        present = {agent.extension: agent.version for agent in agents}
        for extension, version in list(self._versions.items()):
            if present.get(extension) != version:
                del self._versions[extension]
                self._words.pop(extension, None)
                self._gone = {name: ext for name, ext in self._gone.items() if ext != extension}
                self._saw(extension, Word.NONE, "")

    def _saw(self, extension: str, word: Word, reason: str) -> None:
        sighting = Sighting(agent=AgentId(extension), word=word, reason=reason)
        self._feed.saw(FeedName.HTTP, sighting)

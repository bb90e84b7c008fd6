"""The lab's agents: who is free, who is talking, and who waits in the queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable


class AgentDesk:
    """Extensions that take one person at a time, and one queue in front of all of them.

    The agent who has been free longest is next; whoever waits longest is served first.
    """

    def __init__(self, extensions: Iterable[str]) -> None:
        self._free = deque(extensions)
        self._all = frozenset(self._free)
        self._waiting: deque[Callable[[str], None]] = deque()

    @property
    def busy(self) -> frozenset[str]:
        """Agents whose phone rings or who talk."""
        return self._all - frozenset(self._free)

    def knows(self, extension: str) -> bool:
        """Whether there is such an agent."""
        return extension in self._all

    def take(self, extension: str) -> bool:
        """Occupy one agent; False when they are busy."""
        if extension not in self._free:
            return False
        self._free.remove(extension)
        return True

    def wait(self, served: Callable[[str], None]) -> Callable[[], None]:
        """Queue for any agent.

        Args:
            served: called with the extension that was occupied, at once where one is free.

        Returns:
            Leaves the queue; does nothing for somebody who was served.
        """
        self._waiting.append(served)
        self._serve()
        return lambda: self._leave(served)

    def free(self, extension: str) -> None:
        """The agent's phone is on the hook again."""
        self._free.append(extension)
        self._serve()

    def _serve(self) -> None:
        while self._free and self._waiting:
            self._waiting.popleft()(self._free.popleft())

    def _leave(self, served: Callable[[str], None]) -> None:
        if served in self._waiting:
            self._waiting.remove(served)

"""The lab's agents: who is free, whose phone rings, who is talking, and who waits in the queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from acd.lines import ExtensionState


class AgentDesk:
    """Extensions that take one person at a time, and one queue in front of all of them.

    The agent who has been free longest is next; whoever waits longest is served first.
    """

    def __init__(self, extensions: Iterable[str]) -> None:
        self._free = deque(extensions)
        self._phones = dict.fromkeys(self._free, ExtensionState.IDLE)
        self._waiting: deque[Callable[[str], None]] = deque()
        self._changed: Callable[[str], None] = _tell_nobody

    @property
    def busy(self) -> frozenset[str]:
        """Agents whose phone rings or who talk."""
        return frozenset(self._phones) - frozenset(self._free)

    def tell(self, changed: Callable[[str], None]) -> None:
        """Call `changed` with the extension of each phone that is something else from now on."""
        self._changed = changed

    def phone(self, extension: str) -> ExtensionState | None:
        """Idle, ringing or in use; None where there is no such agent."""
        return self._phones.get(extension)

    def knows(self, extension: str) -> bool:
        """Whether there is such an agent."""
        return extension in self._phones

    def take(self, extension: str) -> bool:
        """Occupy one agent, whose phone rings; False when they are busy."""
        if extension not in self._free:
            return False
        self._free.remove(extension)
        self._becomes(extension, ExtensionState.RINGING)
        return True

    def talks(self, extension: str) -> None:
        """The agent has picked up."""
        self._becomes(extension, ExtensionState.IN_USE)

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
        self._becomes(extension, ExtensionState.IDLE)
        self._serve()

    def _serve(self) -> None:
        while self._free and self._waiting:
            served, extension = self._waiting.popleft(), self._free.popleft()
            self._becomes(extension, ExtensionState.RINGING)
            served(extension)

    def _becomes(self, extension: str, state: ExtensionState) -> None:
        self._phones[extension] = state
        self._changed(extension)

    def _leave(self, served: Callable[[str], None]) -> None:
        if served in self._waiting:
            self._waiting.remove(served)


def _tell_nobody(_extension: str) -> None:
    """Until somebody asks."""

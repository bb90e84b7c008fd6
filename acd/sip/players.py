"""pjsua's WAV players, in the SIP thread: as few as can be, and none dropped too early.

Everybody who hears a file over and over hears the same player, wherever it is just then. What is
played once must be heard from its beginning, so it gets a player of its own for that long.

A player tells the end of its file to its own C++ object, through a queue and from a thread of
pjmedia's. One that may still have such a message under way must not be dropped: it is put aside
for a second first. `getPos` does not tell the end either: it is 0 again as soon as the last
buffer was filled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import pjsua2 as pj

from acd.errors import BindingTooSmall
from acd.sip.timers import Timers
from acd.sip.wav import WavFile

_FILE_NO_LOOP = 1
"""PJMEDIA_FILE_NO_LOOP."""
_ASIDE_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Player:
    """One open file."""

    pj_player: pj.AudioMediaPlayer
    shared_as: WavFile | None = None
    """None: played once, for one call."""
    users: int = 1


@dataclass(slots=True)
class Players:
    """Every player of the process."""

    timers: Timers
    most: int
    """How many this pjsua2 was compiled for."""
    _shared: dict[WavFile, Player] = field(default_factory=dict)
    _open: set[Player] = field(default_factory=set)

    def repeating(self, wav: WavFile) -> Player:
        """The player that repeats this file, for one more call.

        Raises:
            BindingTooSmall: this pjsua2 plays no more files at once.
            pj.Error: the file cannot be opened.
        """
        player = self._shared.get(wav)
        if player is None:
            player = self._shared[wav] = self._create(wav, options=0)
            player.shared_as = wav
        else:
            player.users += 1
        return player

    def once(self, wav: WavFile) -> Player:
        """A player that stands at the beginning of this file.

        Raises:
            BindingTooSmall: this pjsua2 plays no more files at once.
            pj.Error: the file cannot be opened.
        """
        return self._create(wav, options=_FILE_NO_LOOP)

    def release(self, player: Player) -> None:
        """One call less hears it; a file that repeats stays open for the next."""
        player.users -= 1
        if player.users == 0 and player.shared_as is None:
            self.timers.at(perf_counter() + _ASIDE_SECONDS, lambda: self._open.discard(player))

    def close(self) -> None:
        """Drop all, before libDestroy: a destructor that comes later would meet nothing."""
        self._shared.clear()
        self._open.clear()

    def _create(self, wav: WavFile, *, options: int) -> Player:
        if len(self._open) >= self.most:
            self._drop_idle()
        if len(self._open) >= self.most:
            raise BindingTooSmall(
                f"{self.most + 1} files are to be played at once, but this pjsua2 plays "
                f"{self.most}; make setup builds one that plays 1024"
            )
        pj_player = pj.AudioMediaPlayer()
        pj_player.createPlayer(wav.path, options)
        player = Player(pj_player)
        self._open.add(player)
        return player

    def _drop_idle(self) -> None:
        for wav, player in list(self._shared.items()):
            if player.users == 0:
                del self._shared[wav]
                self._open.discard(player)

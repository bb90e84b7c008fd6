"""What one answered call hears of us, and whether it is on hold; in the SIP thread.

A call's audio port lives as long as its stream: hold, resume and many a re-INVITE of the other
side's make a new one, and whatever played must be joined to that. A port's number is used again
by other calls, so nothing is ever unjoined from a call that is over: pjsua has done that.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import pjsua2 as pj

from acd.errors import BindingTooSmall
from acd.sip.leg_call import LegCall
from acd.sip.mailbox import ReportBox
from acd.sip.messages import HoldEnded, PlayEnded, PlayWav, Report
from acd.sip.players import Player, Players
from acd.sip.seen import ReInviteAnswered
from acd.sip.timers import Timer, Timers

_LAST_FRAMES_SECONDS = 0.1
"""From the end of a file to the RTP packet that surely carries it."""
_HUSHED_SECONDS = 1.0
"""From a REFER until the PBX has surely taken the person out of our call.

Not for longer: a PBX may end a call of which it hears nothing while an agent's phone rings.
"""


@dataclass(slots=True)
class _Sound:
    """What the call hears."""

    order: int
    player: Player
    end: Timer | None
    """None: it repeats, and its order is answered."""


@dataclass(slots=True)
class LegMedia:
    """One leg's sound and hold."""

    leg: int
    players: Players
    timers: Timers
    reports: ReportBox[Report]
    hushes: bool
    """The PBX takes the person at the REFER, and pjsua2 can send nothing."""
    _hush: Timer | None = None
    _sound: _Sound | None = None
    _reinvite_open: bool = False

    def play(self, call: LegCall, command: PlayWav) -> None:
        """Play a file instead of what played before."""
        self._stop_sound(call)
        try:
            if command.repeat:
                player = self.players.repeating(command.wav)
            else:
                player = self.players.once(command.wav)
        except BindingTooSmall as error:
            self.reports.post(PlayEnded(self.leg, command.order, str(error)))
            return
        except pj.Error as error:
            self.reports.post(PlayEnded(self.leg, command.order, error.reason))
            return
        self._sound = _Sound(command.order, player, None)
        call.tell_media(on=True)
        self.media_changed(call)
        if command.repeat:
            self.reports.post(PlayEnded(self.leg, command.order))
        else:
            heard_at = perf_counter() + command.wav.seconds + _LAST_FRAMES_SECONDS
            self._sound.end = self.timers.at(heard_at, lambda: self._stop_sound(call))

    def stop(self, call: LegCall, order: int) -> None:
        """Nobody waits for this order any more; a later one goes on."""
        if self._sound is not None and self._sound.order == order:
            self._stop_sound(call)

    def media_changed(self, call: LegCall) -> None:
        """Join what plays to the audio port that the call has now."""
        # No audio port: the other side put us on hold, or took the stream away.
        with suppress(pj.Error):
            if self._sound is not None:
                self._sound.player.pj_player.startTransmit(call.getAudioMedia(-1))

    def hush(self, call: LegCall) -> None:
        """Send no audio while the PBX takes the person.

        Asterisk counts a voice frame that it still passes on to them as the agent's answer.
        """
        if self.hushes:
            self._end_hush()
            call.pauseSending(True)
            until = perf_counter() + _HUSHED_SECONDS
            self._hush = self.timers.at(until, lambda: self.unhush(call))

    def unhush(self, call: LegCall) -> None:
        """Send audio again; nothing happens where it is sent."""
        if self._hush is not None:
            self._end_hush()
            call.pauseSending(False)

    def _end_hush(self) -> None:
        hush, self._hush = self._hush, None
        if hush is not None:
            hush.cancel()

    def hold(self, call: LegCall) -> None:
        """re-INVITE with sendonly (RFC 3264 8.4)."""
        self._reinvite(lambda: call.setHold(pj.CallOpParam()))

    def resume(self, call: LegCall) -> None:
        """re-INVITE with sendrecv."""
        options = pj.CallOpParam(True)
        options.opt.audioCount = 1
        options.opt.videoCount = 0
        if hasattr(options.opt, "textCount"):
            options.opt.textCount = 0
        options.opt.flag = pj.PJSUA_CALL_UNHOLD
        self._reinvite(lambda: call.reinvite(options))

    def seen_reinvite_answer(self, seen: ReInviteAnswered) -> None:
        """A final response to a re-INVITE; 0 where nothing came."""
        if self._reinvite_open:
            self._reinvite_over(agreed=200 <= seen.sip_status < 300)

    def over(self) -> None:
        """The call is over for everyone."""
        self._end_hush()
        sound, self._sound = self._sound, None
        if sound is not None:
            self._forget(sound)
        if self._reinvite_open:
            self._reinvite_over(agreed=False)

    def _reinvite(self, send: Callable[[], None]) -> None:
        if self._reinvite_open:
            self.reports.post(HoldEnded(self.leg, agreed=False))
            return
        try:
            send()
        except pj.Error:
            # Another re-INVITE is under way (RFC 3261 14.1).
            self.reports.post(HoldEnded(self.leg, agreed=False))
            return
        self._reinvite_open = True

    def _reinvite_over(self, *, agreed: bool) -> None:
        self._reinvite_open = False
        self.reports.post(HoldEnded(self.leg, agreed=agreed))

    def _stop_sound(self, call: LegCall) -> None:
        sound, self._sound = self._sound, None
        if sound is None:
            return
        call.tell_media(on=False)
        with suppress(pj.Error):  # as in `media_changed`
            sound.player.pj_player.stopTransmit(call.getAudioMedia(-1))
        self._forget(sound)

    def _forget(self, sound: _Sound) -> None:
        self.players.release(sound.player)
        if sound.end is not None:
            sound.end.cancel()
            self.reports.post(PlayEnded(self.leg, sound.order))

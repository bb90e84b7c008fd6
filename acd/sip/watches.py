"""The watched extensions of one trunk, in the SIP thread.

Two subscriptions an extension: dialog-info tells idle, ringing and in use, presence tells whether
a phone is registered at all (Asterisk calls an unregistered phone's dialogs `terminated`, as an
idle one's). Each is a buddy of pjsua's, which refreshes it; a subscription that ended is begun
again with a new buddy, and so are all of them when the PBX was away: one that was restarted has
forgotten them, and would say so only at the next refresh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import pjsua2 as pj

from acd.lines import ExtensionState
from acd.sip.callbacks import ExtensionBuddy
from acd.sip.dialog_info import Dialogs, is_reachable
from acd.sip.mailbox import ReportBox
from acd.sip.messages import ExtensionReport, Report
from acd.sip.seen import Inbox, Watched
from acd.sip.timers import Timer, Timers

_LOST_RETRY_SECONDS = 2.0
_REFUSED_RETRY_SECONDS = 30.0
_LOST_STATUSES = frozenset({408, 481, 500, 503})
"""The PBX is busy, was away, or forgot us: nothing that only its owner could change."""
_NO_CREDENTIALS = frozenset({401, 407})
"""With credentials that were good before: the PBX was restarted and does not know its nonce."""
_NO_SUCH_EVENT = frozenset({405, 489, 501})
_NO_PBX = "the PBX does not answer"


@dataclass(slots=True)
class _Watch:
    """One extension."""

    number: int
    uri: str
    asks_presence: bool = True
    """Until the PBX says that it has none; then dialogs alone tell."""
    dialog_buddy: ExtensionBuddy | None = None
    presence_buddy: ExtensionBuddy | None = None
    dialogs: Dialogs | None = None
    """None until a NOTIFY told of them."""
    reachable: bool | None = None
    """None until a NOTIFY told."""
    detail: str = ""
    told: tuple[ExtensionState, str] | None = None
    accepted: bool = False
    """The credentials were good, and have not been refused since."""
    retry: Timer | None = None

    @property
    def state(self) -> ExtensionState:
        """UNKNOWN until everything is in: a phone that is gone looks idle for a moment."""
        if self.dialogs is None or (self.asks_presence and self.reachable is None):
            return ExtensionState.UNKNOWN
        busy = self.dialogs.state
        if busy is ExtensionState.IDLE and self.reachable is False:
            return ExtensionState.UNAVAILABLE
        return busy

    def has_buddy(self, *, presence: bool) -> bool:
        return (self.presence_buddy if presence else self.dialog_buddy) is not None

    def take(self, body: str) -> None:
        """The body of a NOTIFY, of either kind."""
        dialogs = self.dialogs or Dialogs()
        if dialogs.take(body):
            self.dialogs = dialogs
        elif (reachable := is_reachable(body)) is not None:
            self.reachable = reachable

    def forget(self, detail: str) -> None:
        """Nothing is known any more."""
        self.dialogs = None
        self.reachable = None
        self.detail = detail
        # Their destructors end the subscriptions, in this thread and now.
        self.dialog_buddy = None
        self.presence_buddy = None

    def cancel_retry(self) -> None:
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None


class Watches:
    """Lives and dies in the SIP thread."""

    def __init__(
        self,
        trunk: str,
        account: Callable[[], pj.Account],
        *,
        inbox: Inbox,
        timers: Timers,
        reports: ReportBox[Report],
    ) -> None:
        self._trunk = trunk
        self._account = account
        self._inbox = inbox
        self._timers = timers
        self._reports = reports
        self._watches: dict[int, _Watch] = {}
        self._alive = True

    def add(self, number: int, uri: str) -> None:
        """Subscribe."""
        watch = self._watches[number] = _Watch(number, uri)
        if self._alive:
            self._subscribe(watch)
        else:
            watch.detail = _NO_PBX
            self._tell(watch, perf_counter())

    def remove(self, number: int) -> None:
        """Unsubscribe."""
        watch = self._watches.pop(number, None)
        if watch is not None:
            watch.cancel_retry()
            watch.forget("")

    def close(self) -> None:
        """Unsubscribe from everything."""
        for number in list(self._watches):
            self.remove(number)

    def pbx_is(self, *, alive: bool) -> None:
        """The PBX fell silent, or is back."""
        if alive == self._alive:
            return
        self._alive = alive
        now = perf_counter()
        for watch in self._watches.values():
            watch.cancel_retry()
            watch.forget("" if alive else _NO_PBX)
            if alive:
                self._subscribe(watch)
            else:
                self._tell(watch, now)

    def seen(self, seen: Watched) -> None:
        """What a buddy told."""
        watch = self._watches.get(seen.watch)
        if watch is None or not watch.has_buddy(presence=seen.presence):
            return
        watch.take(seen.message.partition("\r\n\r\n")[2])
        if not seen.ended:
            watch.accepted = True
            self._tell(watch, seen.at_seconds)
        elif seen.presence and seen.sip_status in _NO_SUCH_EVENT:
            watch.asks_presence = False
            watch.presence_buddy = None
            self._tell(watch, seen.at_seconds)
        else:
            self._lost(watch, seen)

    def _subscribe(self, watch: _Watch) -> None:
        watch.retry = None
        try:
            watch.dialog_buddy = self._new_buddy(watch, presence=False)
            watch.dialog_buddy.subscribeDlgEvent(True)
            if watch.asks_presence:
                watch.presence_buddy = self._new_buddy(watch, presence=True)
                watch.presence_buddy.subscribePresence(True)
        except pj.Error as error:
            self._try_again(watch, f"SUBSCRIBE could not be sent: {error.reason}")

    def _new_buddy(self, watch: _Watch, *, presence: bool) -> ExtensionBuddy:
        config = pj.BuddyConfig()
        config.uri = watch.uri
        buddy = ExtensionBuddy(self._trunk, watch.number, self._inbox, presence=presence)
        buddy.create(self._account(), config)
        return buddy

    def _lost(self, watch: _Watch, seen: Watched) -> None:
        if seen.sip_status < 300:
            self._try_again(watch, "the PBX ended the subscription")
        elif seen.sip_status in _LOST_STATUSES or self._is_forgotten(watch, seen.sip_status):
            self._try_again(watch, f"SUBSCRIBE was answered {seen.sip_status}")
        else:
            self._try_again(
                watch, f"SUBSCRIBE was answered {seen.sip_status}", wait=_REFUSED_RETRY_SECONDS
            )

    def _is_forgotten(self, watch: _Watch, sip_status: int) -> bool:
        """Whether credentials are refused that were good; true once, a password may change."""
        was_accepted, watch.accepted = watch.accepted, False
        return was_accepted and sip_status in _NO_CREDENTIALS

    def _try_again(self, watch: _Watch, detail: str, *, wait: float = _LOST_RETRY_SECONDS) -> None:
        now = perf_counter()
        watch.cancel_retry()
        watch.forget(detail)
        self._tell(watch, now)
        watch.retry = self._timers.at(now + wait, lambda: self._subscribe(watch))

    def _tell(self, watch: _Watch, at_seconds: float) -> None:
        state = watch.state
        if state is ExtensionState.UNKNOWN and not watch.detail:
            return  # the first NOTIFY of each kind is still on its way
        if state is not ExtensionState.UNKNOWN:
            watch.detail = ""
        what = (state, watch.detail)
        if what != watch.told:
            watch.told = what
            self._reports.post(ExtensionReport(watch.number, at_seconds, *what))

"""The lab on pjsua2: one thread, callbacks that only note what happened, and the loop.

A callback copies plain values into an inbox and returns; the loop reads the inbox as soon as
pjsua gives the word back. The one decision inside a callback is whether to take a REFER, since
pjsua wants the answer there.
"""

from __future__ import annotations

import ctypes
import resource
import secrets
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pjsua2 as pj
import structlog

from acd.errors import AddressInUse, BadInput
from acd.lab.digest import DigestDoor
from acd.lab.messages import is_own_target, read_invite
from acd.lab.pbx import Pbx
from acd.lab.records import Record
from acd.lab.settings import LabSettings
from acd.lab.watch_port import WatchPort

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LONGEST_PAUSE_SECONDS = 0.05
"""How late a signal or a SUBSCRIBE may be noticed."""
STOP_SECONDS = 3.0
FILES_PER_CALL = 2
"""One RTP and one RTCP socket."""
_SAMPLES_PER_SECOND = 8000
_FIRST_RTP_PORT = 10000
_FORBIDDEN = 403
_REFER_ACCEPTED = 202
_SYLLABLE = (440, 250, 100)
_BEEP = (1000, 700, 0)
_SYLLABLES = 16


class _Invited(NamedTuple):
    leg: LabLeg
    message: str
    source: str


class _Transferred(NamedTuple):
    leg: LabLeg
    to_agent: LabLeg


class _MediaUp(NamedTuple):
    leg: LabLeg


class _Over(NamedTuple):
    leg: LabLeg


class _Broken(NamedTuple):
    what: str


_Seen = _Invited | _Transferred | _MediaUp | _Over | _Broken


class LabLeg:
    """A leg: `acd.lab.pbx.Leg` on a pjsua2 call, which it may outlive."""

    def __init__(self, account: LabAccount, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        self.call: LabCall | None = LabCall(account, call_id, self)
        """None once it is over."""
        self._greeting: pj.ToneGenerator | None = None

    @property
    def sip_call_id(self) -> str:
        """The dialog's Call-ID; empty where pjsua could not even start it."""
        try:
            return self.call.getInfo().callIdString if self.call else ""
        except pj.Error:
            return ""

    def respond(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> bool:
        """Answer the INVITE; False where the caller gave up before."""
        prm = pj.CallOpParam(True)
        _audio_only(prm.opt)
        prm.statusCode = status
        for name, value in headers:
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            prm.txOption.headers.append(header)
        try:
            if self.call is not None:
                self.call.answer(prm)
                return True
        except pj.Error:
            pass
        return False

    def hang_up(self) -> None:
        """End it; it may be over already."""
        with suppress(pj.Error):
            if self.call is not None:
                self.call.hangup(pj.CallOpParam())

    def greet(self) -> None:
        """Play something like a machine's greeting, and a beep."""
        if self.call is None:
            return
        self._greeting = pj.ToneGenerator()
        self._greeting.createToneGenerator(_SAMPLES_PER_SECOND, 1)
        tones = pj.ToneDescVector()
        for hertz, on_msec, off_msec in [_SYLLABLE] * _SYLLABLES + [_BEEP]:
            tone = pj.ToneDesc()
            tone.freq1, tone.on_msec, tone.off_msec = hertz, on_msec, off_msec
            tones.append(tone)
        self._greeting.play(tones)
        with suppress(pj.Error):
            self._greeting.startTransmit(self.call.getAudioMedia(-1))


class LabCall(pj.Call):
    """What pjsua2 calls back.

    It must not outlive its slot in pjsua's table: its destructor unties, and hangs up, whatever
    call has the slot by then. So only its leg refers to it, and `LabSip` lets it go.
    """

    def __init__(self, account: LabAccount, call_id: int, leg: LabLeg) -> None:
        super().__init__(account, call_id)
        self._account = account
        self._leg = leg
        self._media_was_up = False

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802 # pjsua2's name
        """The end."""
        try:
            if not self.isActive():
                self._account.inbox.append(_Over(self._leg))
        except Exception:  # whatever it is, it must not reach SWIG
            self._account.inbox.append(_Broken(traceback.format_exc()))

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802 # as above
        """Media after the answer, and after each re-INVITE."""
        if not self._media_was_up:
            self._media_was_up = True
            self._account.inbox.append(_MediaUp(self._leg))

    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:  # noqa: N802 # as above
        """REFER: taken when it stays inside the lab."""
        try:
            if not self._account.takes_transfer_to(prm.dstUri):
                prm.statusCode = _FORBIDDEN
                return
            to_agent = LabLeg(self._account)
            if to_agent.call is not None:
                prm.newCall = to_agent.call
            prm.statusCode = _REFER_ACCEPTED
            _audio_only(prm.opt)
            self._account.inbox.append(_Transferred(self._leg, to_agent))
        except Exception:  # as above
            self._account.inbox.append(_Broken(traceback.format_exc()))


class LabAccount(pj.Account):
    """The account that every call comes in on."""

    def __init__(self, takes_transfer_to: Callable[[str], bool]) -> None:
        super().__init__()
        self.takes_transfer_to = takes_transfer_to
        self.inbox: deque[_Seen] = deque()

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802 # pjsua2's name
        """An INVITE."""
        try:
            leg = LabLeg(self, prm.callId)
            self.inbox.append(_Invited(leg, prm.rdata.wholeMsg, prm.rdata.srcAddress))
        except Exception:  # as above
            self.inbox.append(_Broken(traceback.format_exc()))


class LabSip:
    """The lab's SIP side, from `__init__` to `close`; everything runs in the caller's thread."""

    def __init__(self, settings: LabSettings, *, record: Callable[[Record], None]) -> None:
        self._settings = settings
        self._legs: set[LabLeg] = set()
        self._ended: list[LabCall] = []
        """Calls that are over and whose slot already has another one."""
        door = DigestDoor(settings.account, secrets.token_bytes(32))
        self._pbx = Pbx(settings, door=door, clock=time.monotonic, record=record)
        self._watch_port = WatchPort.open(
            (settings.address, settings.watch_port),
            desk=self._pbx.desk,
            door=door,
            timetable=self._pbx.timetable,
        )
        _silence_pjlib()
        self._endpoint = pj.Endpoint()
        self._endpoint.libCreate()
        _raise_file_limit(settings.call_slots)
        self._endpoint.libInit(_endpoint_config(settings))
        self._endpoint.audDevManager().setNullDev()
        transport = self._listen()
        self._endpoint.libStart()
        self._account = LabAccount(self._takes_transfer_to)
        self._account.create(_account_config(settings, transport, self.address), True)

    @property
    def address(self) -> str:
        """host:port that it listens on."""
        return f"{self._settings.address}:{self._port}"

    @property
    def watch_address(self) -> str:
        """host:port where it tells what the agents' phones do."""
        return self._watch_port.address

    def serve(self, *, stopped: Callable[[], bool]) -> None:
        """Run calls until `stopped`."""
        while not stopped():
            self._turn()

    def close(self) -> None:
        """Hang up whatever is left and give everything back."""
        self._endpoint.hangupAllCalls()
        deadline = time.monotonic() + STOP_SECONDS
        while self._legs and time.monotonic() < deadline:
            self._turn()
        self._legs.clear()
        self._watch_port.close()
        self._account.shutdown()
        self._endpoint.libDestroy()

    def _listen(self) -> int:
        config = pj.TransportConfig()
        config.port = self._settings.port
        config.boundAddress = config.publicAddress = self._settings.address
        try:
            transport = self._endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, config)
        except pj.Error as error:
            self._endpoint.libDestroy()
            raise AddressInUse(
                f"the lab cannot listen on {self._settings.address}:{self._settings.port}: "
                f"{error.reason}; choose another --port"
            ) from error
        name = self._endpoint.transportGetInfo(transport).localName
        self._port = int(name.rpartition(":")[2])
        return transport

    def _takes_transfer_to(self, refer_to: str) -> bool:
        return is_own_target(refer_to, address=self._settings.address, port=self._port)

    def _turn(self) -> None:
        pause = LONGEST_PAUSE_SECONDS
        due = self._pbx.timetable.next_at_seconds()
        if due is not None:
            pause = min(pause, max(0.0, due - time.monotonic()))
        self._endpoint.libHandleEvents(int(pause * 1000))
        self._watch_port.read()
        self._read_inbox()
        self._pbx.timetable.run_due(time.monotonic())
        self._read_inbox()
        if self._ended:
            self._let_go()

    def _read_inbox(self) -> None:
        inbox = self._account.inbox
        while inbox:
            self._take(inbox.popleft())

    def _take(self, seen: _Seen) -> None:
        match seen:
            case _Invited(leg, message, source):
                self._legs.add(leg)
                invite = read_invite(message, from_ourselves=source == self.address)
                self._pbx.invited(leg, invite)
            case _Transferred(leg, to_agent):
                if sip_call_id := to_agent.sip_call_id:
                    self._legs.add(to_agent)
                    self._pbx.transferred(leg, to_agent, sip_call_id)
            case _MediaUp(leg):
                self._pbx.media_up(leg)
            case _Over(leg):
                self._pbx.over(leg)
                self._legs.discard(leg)
                if leg.call is not None:
                    self._ended.append(leg.call)
                    leg.call = None
            case _Broken(what):
                raise RuntimeError(f"a callback of the lab failed:\n{what}")

    def _let_go(self) -> None:
        """Free every call whose slot is empty; the others wait until it is."""
        self._ended = [call for call in self._ended if pj.Call.lookup(call.getId()) is not None]


def compiled_calls() -> int:
    """How many calls this pjsua2 was compiled for."""
    return pj.EpConfig().uaConfig.maxCalls


def _audio_only(setting: pj.CallSetting) -> None:
    """A text stream brings a thread that is waited for, a quarter of a second, at the hang-up."""
    setting.audioCount, setting.videoCount = 1, 0
    # pjproject 2.15, of the ready-made wheel, knows no text.
    if hasattr(setting, "textCount"):
        setting.textCount = 0


def _silence_pjlib() -> None:
    """Libraries log to stdout from their creation on, before any configuration reaches them."""
    for library in Path(pj.__file__).parent.glob("_pjsua2*.so"):
        # A build that hides the symbol writes six lines, and that is all.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).pj_log_set_level(0)


def _endpoint_config(settings: LabSettings) -> pj.EpConfig:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.maxCalls = min(settings.call_slots, compiled_calls())
    config.uaConfig.userAgent = "acd lab"
    # A build without a resampler answers every call 488 where these differ from the codec's rate.
    config.medConfig.clockRate = _SAMPLES_PER_SECOND
    config.medConfig.sndClockRate = _SAMPLES_PER_SECOND
    config.medConfig.channelCount = 1
    config.medConfig.threadCnt = 1
    config.medConfig.hasIoqueue = True
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    config.medConfig.sndAutoCloseTime = -1
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.logConfig.msgLogging = 0
    return config


def _account_config(settings: LabSettings, transport: int, address: str) -> pj.AccountConfig:
    config = pj.AccountConfig()
    config.idUri = f"sip:lab@{address}"
    config.sipConfig.transportId = transport
    config.mediaConfig.lockCodecEnabled = False
    rtp = config.mediaConfig.transportConfig
    rtp.port = _FIRST_RTP_PORT
    rtp.portRange = 8 * settings.call_slots
    rtp.boundAddress = rtp.publicAddress = settings.address
    return config


def _raise_file_limit(calls: int) -> None:
    needed = FILES_PER_CALL * calls + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BadInput(f"{calls} calls need {needed} open files, this process may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

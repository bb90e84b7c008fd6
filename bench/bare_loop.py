"""The least that pjsua2 can do the same calls with: one thread, no trio, no bookkeeping.

Written as pjsua2's own examples are: REFER from inside onCallState, BYE from inside
onCallTransferStatus. The media settings are those of `acd.sip`, so that both pay for the same.

    python -m bench.bare_loop ORDER-AS-JSON
"""

from __future__ import annotations

import sys
from time import perf_counter

import pjsua2 as pj

from bench.marks import Marks
from bench.order import CallOrder

_LONGEST_SLEEP_SECONDS = 0.02
_DESTROY_SILENTLY = 3
"""PJSUA_DESTROY_NO_NETWORK."""


class BareCall(pj.Call):
    """One call; says that it is over by putting itself into `over`."""

    def __init__(self, account: pj.Account, refer_to: str, over: list[BareCall]) -> None:
        super().__init__(account)
        self.refer_to = refer_to
        self.over = over
        self.transferred = False

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802 # pjsua2's name
        state = self.getInfo().state
        if state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.xfer(self.refer_to, pj.CallOpParam())
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            # Its destructor must not run in here.
            self.over.append(self)

    def onCallTransferStatus(  # noqa: N802 # pjsua2's name
        self, prm: pj.OnCallTransferStatusParam
    ) -> None:
        if prm.finalNotify:
            self.transferred = prm.statusCode == 200
            self.hangup(pj.CallOpParam())


class BareLoop:
    """The calls of one order."""

    def __init__(self, order: CallOrder) -> None:
        self.order = order
        self.endpoint = pj.Endpoint()
        self.account = pj.Account()
        self.calls: set[BareCall] = set()
        self.over: list[BareCall] = []
        self.started = 0
        self.ended = 0
        self.completed = 0

    def open(self) -> None:
        self.endpoint.libCreate()
        self.endpoint.libInit(_endpoint_config(self.order.most_at_once))
        transport = pj.TransportConfig()
        transport.port = 5060
        transport.boundAddress = transport.publicAddress = self.order.own
        transport_id = self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            wanted = codec.codecId.startswith(("PCMA", "PCMU"))
            self.endpoint.codecSetPriority(codec.codecId, 200 if wanted else 0)
        self.account.create(_account_config(self.order, transport_id), True)

    def run(self) -> None:
        options = call_options()
        began = perf_counter()
        while self.ended < self.order.calls:
            next_at = began + self.started / self.order.rate_per_second
            if self.started < self.order.calls and perf_counter() >= next_at:
                self._start(options)
                continue
            wait = min(_LONGEST_SLEEP_SECONDS, max(0.0, next_at - perf_counter()))
            all_started = self.started >= self.order.calls
            longest = _LONGEST_SLEEP_SECONDS if all_started else wait
            self.endpoint.libHandleEvents(int(longest * 1000 + 0.999))
            self._drop_over()

    def close(self) -> None:
        self.calls.clear()
        self.account.shutdown()
        self.endpoint.libDestroy(_DESTROY_SILENTLY)

    def _start(self, options: pj.CallOpParam) -> None:
        host = self.order.peer
        call = BareCall(self.account, f"sip:{self.order.agent}@{host}", self.over)
        self.calls.add(call)
        call.makeCall(f"sip:{self.order.lead_of(self.started)}@{host}", options)
        self.started += 1

    def _drop_over(self) -> None:
        while self.over:
            call = self.over.pop()
            self.calls.discard(call)
            self.ended += 1
            self.completed += call.transferred


def call_options() -> pj.CallOpParam:
    """One audio stream."""
    options = pj.CallOpParam(True)
    options.opt.audioCount = 1
    options.opt.videoCount = 0
    # As in acd.sip: from 2.16 on pjsua2 offers a text stream too unless told otherwise.
    if hasattr(options.opt, "textCount"):
        options.opt.textCount = 0
    return options


def _endpoint_config(most_calls: int) -> pj.EpConfig:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = False
    config.uaConfig.maxCalls = most_calls
    media = config.medConfig
    media.clockRate = media.sndClockRate = 8000
    media.channelCount = 1
    media.threadCnt = 1
    media.hasIoqueue = True
    media.noVad = True
    media.ecTailLen = 0
    media.sndAutoCloseTime = -1
    config.logConfig.level = 0
    config.logConfig.consoleLevel = 0
    config.logConfig.msgLogging = 0
    return config


def _account_config(order: CallOrder, transport_id: int) -> pj.AccountConfig:
    config = pj.AccountConfig()
    config.idUri = f"sip:{order.user}@{order.peer}"
    config.sipConfig.transportId = transport_id
    config.mediaConfig.lockCodecEnabled = False
    rtp = config.mediaConfig.transportConfig
    rtp.port = 20000
    rtp.portRange = 9999
    rtp.boundAddress = rtp.publicAddress = order.own
    return config


def main(order: CallOrder) -> None:
    marks, loop = Marks(), BareLoop(order)
    loop.open()
    marks.ready()
    loop.run()
    marks.done(completed=loop.completed)
    loop.close()


if __name__ == "__main__":
    main(CallOrder.from_json(sys.argv[1]))

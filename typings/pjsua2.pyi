from collections.abc import Iterator
from typing import SupportsInt

# Only what acd uses of pjsua2's generated Python module (pjsua2.hpp of pjproject 2.15 and 2.17).

PJSUA_INVALID_ID: int

PJSIP_TRANSPORT_UDP: int
PJSIP_TRANSPORT_TCP: int
PJSIP_TRANSPORT_TLS: int

PJSIP_ROLE_UAC: int
PJSIP_ROLE_UAS: int

PJSIP_EVENT_TIMER: int
PJSIP_EVENT_TX_MSG: int
PJSIP_EVENT_RX_MSG: int
PJSIP_EVENT_TRANSPORT_ERROR: int
PJSIP_EVENT_TSX_STATE: int
PJSIP_EVENT_USER: int

PJSIP_INV_STATE_CONFIRMED: int
PJSIP_INV_STATE_DISCONNECTED: int

PJSIP_TSX_STATE_CALLING: int
PJSIP_TSX_STATE_TRYING: int
PJSIP_TSX_STATE_PROCEEDING: int
PJSIP_TSX_STATE_COMPLETED: int
PJSIP_TSX_STATE_TERMINATED: int

PJSIP_EVSUB_STATE_TERMINATED: int

PJSIP_TP_STATE_CONNECTED: int

PJSUA_CALL_UNHOLD: int

PJMEDIA_SRTP_DISABLED: int
PJMEDIA_SRTP_OPTIONAL: int
PJMEDIA_SRTP_MANDATORY: int
PJ_SSL_SOCK_PROTO_TLS1_2: int
PJ_SSL_SOCK_PROTO_TLS1_3: int

class Error(Exception):
    status: int
    title: str
    reason: str
    def info(self, multi_line: bool = False) -> str: ...

class UaConfig:
    nameserver: StringVector
    maxCalls: int
    threadCnt: int
    mainThreadOnly: bool
    userAgent: str

class MediaConfig:
    clockRate: int
    sndClockRate: int
    channelCount: int
    threadCnt: int
    hasIoqueue: bool
    noVad: bool
    ecTailLen: int
    sndAutoCloseTime: int
    maxMediaPorts: int

class LogEntry:
    msg: str

class LogWriter:
    def __init__(self) -> None: ...
    def __disown__(self) -> object: ...
    def write(self, entry: LogEntry) -> None: ...

class LogConfig:
    level: int
    consoleLevel: int
    msgLogging: int
    decor: int
    writer: LogWriter

class EpConfig:
    uaConfig: UaConfig
    medConfig: MediaConfig
    logConfig: LogConfig

class TlsConfig:
    CaListFile: str
    certFile: str
    privKeyFile: str
    proto: int
    verifyServer: bool

class TransportConfig:
    port: int
    portRange: int
    randomizePort: bool
    boundAddress: str
    publicAddress: str
    tlsConfig: TlsConfig

class TransportInfo:
    localName: str
    localAddress: str

class CodecInfo:
    codecId: str
    priority: int

class AudDevManager:
    def setNullDev(self) -> None: ...

class TimeVal:
    sec: int

class SslCertInfo:
    subjectCn: str
    issuerCn: str
    validityEnd: TimeVal

class TlsInfo:
    remoteAddr: str
    remoteCertInfo: SslCertInfo
    verifyStatus: int
    verifyMsgs: StringVector
    def isEmpty(self) -> bool: ...

class OnTransportStateParam:
    state: int
    tlsInfo: TlsInfo

class Endpoint:
    def __init__(self) -> None: ...
    def onTransportState(self, prm: OnTransportStateParam) -> None: ...
    def libCreate(self) -> None: ...
    def libInit(self, config: EpConfig) -> None: ...
    def libStart(self) -> None: ...
    def libHandleEvents(self, msec_timeout: int) -> int: ...
    def hangupAllCalls(self) -> None: ...
    def libDestroy(self, flags: int = 0) -> None: ...
    def transportCreate(self, kind: int, config: TransportConfig) -> int: ...
    def transportGetInfo(self, transport_id: int) -> TransportInfo: ...
    def codecEnum2(self) -> tuple[CodecInfo, ...]: ...
    def codecSetPriority(self, codec_id: str, priority: int) -> None: ...
    def audDevManager(self) -> AudDevManager: ...
    @staticmethod
    def instance() -> Endpoint: ...
    def libIsThreadRegistered(self) -> bool: ...
    def libRegisterThread(self, name: str) -> None: ...
    # Of call-events.patch: tag, moment, kind, what changed, the call's last status.
    def takeCallEvents(
        self,
    ) -> list[tuple[int, float, int, str, int, int, int, int, int, int, str, int]]: ...
    def mediaEnumPorts2(self) -> tuple[AudioMedia, ...]: ...

class AuthCredInfo:
    def __init__(
        self, scheme: str, realm: str, user_name: str, data_type: int, data: str
    ) -> None: ...

class AuthCredInfoVector:
    def append(self, item: AuthCredInfo) -> None: ...

class StringVector:
    def __iter__(self) -> Iterator[str]: ...
    def append(self, item: str) -> None: ...

class SipHeader:
    hName: str
    hValue: str

class SipHeaderVector:
    def append(self, item: SipHeader) -> None: ...

class AccountSipConfig:
    authCreds: AuthCredInfoVector
    proxies: StringVector
    transportId: int
    useSharedAuth: bool
    contactUriParams: str

class AccountRegConfig:
    registrarUri: str
    headers: SipHeaderVector
    registerOnAdd: bool
    timeoutSec: int
    retryIntervalSec: int
    firstRetryIntervalSec: int
    unregWaitMsec: int
    dropCallsOnFail: bool

class AccountCallConfig:
    timerUse: int
    timerMinSESec: int
    timerSessExpiresSec: int

class AccountMediaConfig:
    transportConfig: TransportConfig
    lockCodecEnabled: bool
    srtpUse: int
    srtpSecureSignaling: int

class AccountConfig:
    idUri: str
    sipConfig: AccountSipConfig
    regConfig: AccountRegConfig
    callConfig: AccountCallConfig
    mediaConfig: AccountMediaConfig

class SipTxOption:
    localUri: str
    headers: SipHeaderVector

class CallSetting:
    audioCount: int
    videoCount: int
    textCount: int
    flag: int

class CallOpParam:
    opt: CallSetting
    statusCode: int
    txOption: SipTxOption
    def __init__(self, use_default_call_setting: bool = False) -> None: ...

class SipRxData:
    wholeMsg: str
    srcAddress: str

class SipTxData:
    wholeMsg: str

class TsxStateEventSrc:
    rdata: SipRxData
    tdata: SipTxData
    status: int

class SipTransaction:
    role: int
    method: str
    statusCode: int
    statusText: str
    state: int
    lastTx: SipTxData

class TsxStateEvent:
    src: TsxStateEventSrc
    tsx: SipTransaction
    prevState: int
    type: int

class SipEventBody:
    tsxState: TsxStateEvent

class SipEvent:
    type: int
    body: SipEventBody

class OnCallStateParam:
    e: SipEvent

class OnCallTsxStateParam:
    e: SipEvent

class OnCallTransferStatusParam:
    statusCode: int
    finalNotify: bool

class OnIncomingCallParam:
    callId: int
    rdata: SipRxData
    tdata: SipTxData

class OnCallMediaStateParam: ...

class SdpSession:
    wholeSdp: str

class OnCallSdpCreatedParam:
    sdp: SdpSession

class OnCallTransferRequestParam:
    dstUri: str
    statusCode: int
    opt: CallSetting
    newCall: Call

class OnRegStateParam:
    status: int
    code: int
    reason: str
    expiration: int
    rdata: SipRxData

class OnIncomingSubscribeParam:
    code: int

class OnSendRequestParam:
    e: SipEvent

class SendRequestParam:
    method: str
    txOption: SendRequestTxOption

class SendRequestTxOption:
    targetUri: str
    headers: SipHeaderVector

class Account:
    def __init__(self) -> None: ...
    def create(self, config: AccountConfig, make_default: bool = False) -> None: ...
    def shutdown(self) -> None: ...
    def setRegistration(self, renew: bool) -> None: ...
    def sendRequest(self, prm: SendRequestParam) -> None: ...
    def onIncomingCall(self, prm: OnIncomingCallParam) -> None: ...
    def onIncomingSubscribe(self, prm: OnIncomingSubscribeParam) -> None: ...
    def onRegState(self, prm: OnRegStateParam) -> None: ...
    def onSendRequest(self, prm: OnSendRequestParam) -> None: ...

class BuddyConfig:
    uri: str

class BuddyInfo:
    subState: int

class OnBuddyEvSubStateParam:
    e: SipEvent

class Buddy:
    def __init__(self) -> None: ...
    def create(self, account: Account, config: BuddyConfig) -> None: ...
    def getInfo(self) -> BuddyInfo: ...
    def subscribePresence(self, subscribe: bool) -> None: ...
    def subscribeDlgEvent(self, subscribe: bool) -> None: ...
    def onBuddyEvSubState(self, prm: OnBuddyEvSubStateParam) -> None: ...
    def onBuddyEvSubDlgEventState(self, prm: OnBuddyEvSubStateParam) -> None: ...

class ConfPortInfo:
    name: str

class AudioMedia:
    def getPortInfo(self) -> ConfPortInfo: ...
    def startTransmit(self, sink: AudioMedia) -> None: ...
    def stopTransmit(self, sink: AudioMedia) -> None: ...

class AudioMediaPlayer(AudioMedia):
    def __init__(self) -> None: ...
    def createPlayer(self, file_name: str, options: int = 0) -> None: ...

class AudioMediaRecorder(AudioMedia):
    def __init__(self) -> None: ...
    def createRecorder(self, file_name: str) -> None: ...

class ToneDesc:
    freq1: int
    on_msec: int
    off_msec: int

class ToneDescVector:
    def append(self, item: ToneDesc) -> None: ...

class ToneGenerator(AudioMedia):
    def createToneGenerator(self, clock_rate: int, channel_count: int) -> None: ...
    def play(self, tones: ToneDescVector, loop: bool = False) -> None: ...

class CallInfo:
    callIdString: str
    state: int
    lastStatusCode: int
    lastReason: str

class Call:
    this: SupportsInt
    def __init__(self, account: Account, call_id: int = -1) -> None: ...
    @staticmethod
    def lookup(call_id: int) -> Call | None: ...
    def getId(self) -> int: ...
    def getInfo(self) -> CallInfo: ...
    def isActive(self) -> bool: ...
    def queueEvents(
        self, tag: int, sdp_callback: bool = False, media: bool = False
    ) -> None: ...  # as above
    def makeCall(self, uri: str, prm: CallOpParam) -> None: ...
    def answer(self, prm: CallOpParam) -> None: ...
    def hangup(self, prm: CallOpParam) -> None: ...
    def setHold(self, prm: CallOpParam) -> None: ...
    def reinvite(self, prm: CallOpParam) -> None: ...
    def pauseSending(self, paused: bool) -> None: ...  # of our patch
    def xfer(self, dest: str, prm: CallOpParam) -> None: ...
    def onCallState(self, prm: OnCallStateParam) -> None: ...
    def onCallTsxState(self, prm: OnCallTsxStateParam) -> None: ...
    def getAudioMedia(self, index: int) -> AudioMedia: ...
    def onCallMediaState(self, prm: OnCallMediaStateParam) -> None: ...
    def onCallTransferRequest(self, prm: OnCallTransferRequestParam) -> None: ...
    def onCallTransferStatus(self, prm: OnCallTransferStatusParam) -> None: ...

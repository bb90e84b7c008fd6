"""Settings in pjsua2's own words: endpoint, transports, accounts, codecs."""

from __future__ import annotations

from collections.abc import Sequence

import pjsua2 as pj

from acd.settings import Codec, Srtp, Transport
from acd.sip.invitation import line_token
from acd.sip.plan import TrunkPlan
from acd.sip.uris import route_uri, transport_parameter, user_uri

SPARE_CALLS = 8
"""Call slots beyond the lines, for callers that we turn away."""
_SAMPLES_PER_SECOND = 8000
_REGISTER_RETRY_SECONDS = 10
_TRANSPORT_TYPES = {
    Transport.UDP: pj.PJSIP_TRANSPORT_UDP,
    Transport.TCP: pj.PJSIP_TRANSPORT_TCP,
    Transport.TLS: pj.PJSIP_TRANSPORT_TLS,
}
_SRTP_USES = {
    Srtp.OFF: pj.PJMEDIA_SRTP_DISABLED,
    Srtp.OPTIONAL: pj.PJMEDIA_SRTP_OPTIONAL,
    Srtp.REQUIRED: pj.PJMEDIA_SRTP_MANDATORY,
}
_HIGHEST_CODEC_PRIORITY = 255


def endpoint_config(plans: Sequence[TrunkPlan], *, most_calls: int) -> pj.EpConfig:
    """The whole library: no threads of its own for SIP, one for RTP, 8 kHz, no log."""
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = False
    config.uaConfig.maxCalls = min(sum(plan.lines for plan in plans) + SPARE_CALLS, most_calls)
    # pjsua knows one User-Agent for all accounts; where they differ, each says its own.
    config.uaConfig.userAgent = "" if plans[0].own_words else plans[0].user_agent
    for server in plans[0].dns_servers:
        config.uaConfig.nameserver.append(server)
    # A build without a resampler answers every call 488 where these differ from the codec's rate.
    config.medConfig.clockRate = _SAMPLES_PER_SECOND
    config.medConfig.sndClockRate = _SAMPLES_PER_SECOND
    config.medConfig.channelCount = 1
    config.medConfig.threadCnt = 1
    config.medConfig.hasIoqueue = True
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    # Closing the null device whenever no call is up would stall the SIP thread.
    config.medConfig.sndAutoCloseTime = -1
    # pjsip's own log shows phone numbers and Authorization headers: nothing is logged at level 0.
    # What a trace asks for later goes to a writer alone (acd.sip.tracing), bare of times and names.
    config.logConfig.level = 0
    config.logConfig.consoleLevel = 4
    config.logConfig.msgLogging = 1
    config.logConfig.decor = 0
    return config


MOST_TRANSPORTS = 7
"""pjsua has room for 8 sockets of its own, and one wakes the SIP thread."""


def transport_key(plan: TrunkPlan) -> object:
    """Trunks with the same key may share a SIP socket; one at a port of its own shares none."""
    if plan.bind_port:
        return plan.name
    tls = (plan.tls_verify, plan.tls_ca_file, plan.tls_certificate_file, plan.tls_key_file)
    return (
        plan.transport,
        plan.bind_address,
        plan.public_address,
        tls if plan.transport is Transport.TLS else (),
    )


def transport_type(transport: Transport) -> int:
    """pjsip_transport_type_e of a transport."""
    return _TRANSPORT_TYPES[transport]


def sip_transport_config(plan: TrunkPlan) -> pj.TransportConfig:
    """The trunk's own SIP transport."""
    config = pj.TransportConfig()
    config.port = plan.bind_port
    config.boundAddress = plan.bind_address
    config.publicAddress = plan.public_address
    if plan.transport is Transport.TLS:
        config.tlsConfig.verifyServer = plan.tls_verify
        config.tlsConfig.CaListFile = plan.tls_ca_file
        config.tlsConfig.certFile = plan.tls_certificate_file
        config.tlsConfig.privKeyFile = plan.tls_key_file
        # Left alone, pjsip 2.17 offers TLS 1.0 to 1.2.
        config.tlsConfig.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3
    return config


def wake_transport_config() -> pj.TransportConfig:
    """A UDP socket that only we write to, so that the SIP thread can be woken on any trunk."""
    config = pj.TransportConfig()
    config.port = 0
    config.boundAddress = "127.0.0.1"
    return config


def account_config(plan: TrunkPlan, transport_id: int, *, shared_auth: bool) -> pj.AccountConfig:
    """The trunk's account."""
    config = pj.AccountConfig()
    config.idUri = f"<{user_uri(plan.user, domain=plan.domain)}>"
    sip = config.sipConfig
    sip.authCreds.append(pj.AuthCredInfo("digest", plan.realm, plan.auth_user, 0, plan.password))
    sip.transportId = transport_id
    if plan.is_called:
        # What the PBX calls is our Contact: it says whose call it is, on a shared socket too.
        sip.contactUriParams = f";line={line_token(plan.name)}"
    if plan.proxy:
        sip.proxies.append(route_uri(plan.proxy, plan.transport))
    if shared_auth:
        sip.useSharedAuth = True
    _set_registration(config.regConfig, plan)
    _set_media(config.mediaConfig, plan)
    return config


def add_headers(to: pj.SipHeaderVector, headers: Sequence[tuple[str, str]]) -> None:
    """Headers in pjsua2's form."""
    for name, value in headers:
        header = pj.SipHeader()
        header.hName = name
        header.hValue = value
        to.append(header)


def _set_registration(config: pj.AccountRegConfig, plan: TrunkPlan) -> None:
    config.registerOnAdd = plan.register and not plan.rests
    if not plan.register:
        return
    add_headers(config.headers, plan.own_headers)
    config.registrarUri = f"sip:{plan.domain}{transport_parameter(plan.transport)}"
    config.timeoutSec = plan.register_expiry_seconds
    config.retryIntervalSec = _REGISTER_RETRY_SECONDS
    config.firstRetryIntervalSec = _REGISTER_RETRY_SECONDS
    config.dropCallsOnFail = False


def _set_media(config: pj.AccountMediaConfig, plan: TrunkPlan) -> None:
    # Without this pjsua2 sends an UPDATE after each answer, to pin the codec.
    config.lockCodecEnabled = False
    config.srtpUse = _SRTP_USES[plan.srtp]
    # RFC 4568 keys in clear SIP protect little, but the PBX decides what it accepts.
    config.srtpSecureSignaling = 0
    rtp = config.transportConfig
    rtp.port = plan.rtp_port_min
    rtp.portRange = plan.rtp_port_max - plan.rtp_port_min
    rtp.boundAddress = plan.bind_address
    rtp.publicAddress = plan.public_address


def codec_priorities(known: Sequence[str], wanted: Sequence[Codec]) -> dict[str, int]:
    """Priority of every codec that pjsua knows (`PCMA/8000/1`): the wanted in order, others 0."""
    order = [codec.value for codec in wanted]
    priorities: dict[str, int] = {}
    for codec_id in known:
        name = codec_id.partition("/")[0]
        rank = order.index(name) if name in order else None
        priorities[codec_id] = 0 if rank is None else _HIGHEST_CODEC_PRIORITY - rank
    return priorities

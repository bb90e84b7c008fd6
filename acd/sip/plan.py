"""One trunk as the SIP thread needs it: its settings, and what the machine had to tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from acd.calls import DisconnectCause
from acd.dns import UnknownHost, find_host
from acd.errors import BadSettings, Problem
from acd.lines import Door, PersonWith
from acd.settings import (
    AfterFailedTransfer,
    Codec,
    DestinationSettings,
    Srtp,
    Transport,
    TrunkSettings,
)
from acd.settings.rtp import RtpPorts, scarcest_ports
from acd.sip.authorities import system_authorities
from acd.sip.uris import host_and_port, local_address_towards

_LEFT_WITH: Mapping[AfterFailedTransfer, PersonWith] = MappingProxyType(
    {
        AfterFailedTransfer.PBX: PersonWith.PBX,
        AfterFailedTransfer.OURS: PersonWith.US,
    }
)


@dataclass(frozen=True, slots=True)
class ProbeTiming:
    """OPTIONS to the PBX: together at most 8 s, so that a dead PBX is known within them."""

    interval_seconds: float = 3.0
    timeout_seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class TrunkPlan:
    """Plain values only: a plan crosses to the SIP thread."""

    name: str
    domain: str
    proxy: str
    user: str
    auth_user: str
    password: str = field(repr=False)
    realm: str
    register: bool
    register_expiry_seconds: int
    transport: Transport
    tls_verify: bool
    tls_ca_file: str
    """Empty where this machine has no list of authorities."""
    tls_certificate_file: str
    tls_key_file: str
    srtp: Srtp
    lines: int
    codecs: tuple[Codec, ...]
    rtp_port_min: int
    rtp_port_max: int
    bind_address: str
    bind_port: int
    public_address: str
    user_agent: str
    dns_servers: tuple[str, ...]
    own_words: bool
    """Another trunk of this process has another User-Agent or other codecs, which pjsua knows
    only one of."""
    asserts_identity: bool
    probe: ProbeTiming | None
    probe_user: str
    """Whom OPTIONS ask for; empty: nobody, so that a proxy answers them itself."""
    causes: Mapping[int, DisconnectCause]
    """This trunk's own reading of statuses (`acd.sip.causes.OVERRIDABLE_STATUSES`)."""
    after_failed_transfer: PersonWith
    """Who has the person, where the NOTIFY leaves it open (`acd.sip.transfer`)."""
    redirect_door: Door | None
    """What a 3xx's Contact must pass; None: no 3xx is followed."""

    rests: bool = False
    """Not registered before somebody asks for it."""
    is_called: bool = False
    """Somebody wants to see who calls the account."""

    @property
    def own_headers(self) -> tuple[tuple[str, str], ...]:
        """What each request outside a dialog must say for this trunk alone."""
        return (("User-Agent", self.user_agent),) if self.own_words else ()


def plan_trunks(
    trunks: Sequence[TrunkSettings],
    *,
    probe: ProbeTiming | None,
    destinations: DestinationSettings | None = None,
    called: Collection[str] = (),
    resting: Collection[str] = (),
) -> tuple[TrunkPlan, ...]:
    """Plan every trunk; reads the routing table and may look up names, so call it in a thread.

    Without `destinations` there is no door to pass, and no trunk follows a redirect. `called`
    names trunks whose callers somebody wants to see, `resting` those that do not register yet.

    Raises:
        BadSettings: a domain is no host, names repeat, or RTP ports are too few for the lines.
    """
    _check_rtp_ports(trunks)
    slices = _rtp_slices(trunks)
    own_words = len({(trunk.user_agent, trunk.codecs) for trunk in trunks}) > 1
    plans = [
        replace(
            _plan(trunk, slices[trunk.name], probe, own_words=own_words),
            is_called=trunk.name in called,
            rests=trunk.name in resting,
        )
        for trunk in trunks
    ]
    if destinations is None:
        return tuple(plans)
    return tuple(
        replace(plan, redirect_door=Door(destinations, trunk)) if trunk.follow_redirects else plan
        for plan, trunk in zip(plans, trunks, strict=True)
    )


def _plan(
    trunk: TrunkSettings,
    rtp_ports: tuple[int, int],
    probe: ProbeTiming | None,
    *,
    own_words: bool,
) -> TrunkPlan:
    host, port = _first_hop(trunk)
    return TrunkPlan(
        name=trunk.name,
        domain=trunk.domain,
        proxy=trunk.outbound_proxy,
        user=trunk.user,
        auth_user=trunk.auth_user or trunk.user,
        password=trunk.password.get_secret_value(),
        realm=host_and_port(trunk.domain, trunk.transport)[0] if trunk.realm_check else "*",
        register=trunk.register_account,
        register_expiry_seconds=trunk.register_expiry_seconds,
        transport=trunk.transport,
        tls_verify=trunk.tls_verify,
        tls_ca_file=str(trunk.tls_ca_file or system_authorities()),
        tls_certificate_file=str(trunk.tls_certificate_file or ""),
        tls_key_file=str(trunk.tls_key_file or ""),
        srtp=trunk.srtp,
        lines=trunk.lines,
        codecs=trunk.codecs,
        rtp_port_min=rtp_ports[0],
        rtp_port_max=rtp_ports[1],
        # pjsua2 would take the machine's first interface, which need not reach the PBX.
        bind_address=trunk.bind_address or local_address_towards(host, port),
        bind_port=trunk.bind_port,
        public_address=trunk.public_address,
        user_agent=trunk.user_agent,
        dns_servers=trunk.dns_servers,
        own_words=own_words,
        asserts_identity=trunk.assert_identity,
        probe=probe,
        probe_user=trunk.probe_user,
        causes={int(status): cause for status, cause in trunk.causes.items()},
        after_failed_transfer=_LEFT_WITH[trunk.after_failed_transfer],
        redirect_door=None,
    )


def _first_hop(trunk: TrunkSettings) -> tuple[str, int]:
    """Only to learn which address of ours routes there."""
    host, port = host_and_port(trunk.outbound_proxy or trunk.domain, trunk.transport)
    if not trunk.dns_servers or trunk.bind_address:
        return host, port
    named = (trunk.outbound_proxy or trunk.domain) != host
    try:
        found = find_host(
            host,
            port if named else None,
            transport=trunk.transport.value,
            servers=trunk.dns_servers,
        )
    except UnknownHost:
        return host, port  # pjsip asks again at every request, and the health says so
    return found.address, found.port


def _rtp_slices(trunks: Sequence[TrunkSettings]) -> dict[str, tuple[int, int]]:
    """Trunks that name the same RTP range share it in slices, by their numbers of lines.

    pjsua gives up after 100 busy pairs in a row, which another trunk's calls would make.
    """
    sharing: dict[tuple[int, int], list[TrunkSettings]] = defaultdict(list)
    for trunk in trunks:
        sharing[trunk.rtp_port_min, trunk.rtp_port_max].append(trunk)
    slices: dict[str, tuple[int, int]] = {}
    for (lowest, highest), members in sharing.items():
        per_line = (highest - lowest + 1) / sum(trunk.lines for trunk in members)
        start = lowest + lowest % 2
        for trunk in members:
            width = int(trunk.lines * per_line) // 2 * 2
            slices[trunk.name] = (start, min(start + width - 1, highest))
            start += width
    return slices


def _check_rtp_ports(trunks: Sequence[TrunkSettings]) -> None:
    """Now, for pjsua would notice with a call that finds no port."""
    judged = [scarcest_ports(trunk, trunks) for trunk in trunks]
    # Trunks that share a range are judged alike, and told once.
    problems = dict.fromkeys(_too_few_ports(found) for found in judged if found.missing > 0)
    if problems:
        raise BadSettings(list(problems))


def _too_few_ports(found: RtpPorts) -> Problem:
    return Problem(
        where=", ".join(f"trunk {trunk.name}" for trunk in found.trunks),
        what=f"{found.lines} lines share the {found.ports} RTP ports "
        f"{found.lowest} to {found.highest}",
        allowed=f"at least {found.needed} are needed",
    )

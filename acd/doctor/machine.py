"""The rows about this machine and the settings: binding, open files, RTP ports, encryption."""

from __future__ import annotations

import math
import resource
from dataclasses import dataclass
from importlib import metadata

from acd.doctor.check import Binding, Check
from acd.settings import Settings, Srtp, Transport, TrunkSettings
from acd.settings.rtp import scarcest_ports

FILES_PER_CALL = 2
"""One RTP and one RTCP socket: 2.00 a call were measured."""
SPARE_FILES = 256
"""SIP sockets, the database, HTTP servers, logs, players."""
_DISTRIBUTIONS = ("pjsua2", "pjsua2-python")
_BUILD = "make setup builds a pjsua2 that holds 999 calls"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a pjsua2 was compiled for."""

    version: str
    calls: int
    accounts: int


def installed_binding() -> Compiled | str:
    """The pjsua2 that the engine would use, or why there is none."""
    try:
        from acd.sip.limits import compiled_limits
    except ModuleNotFoundError as error:
        if error.name != "pjsua2":
            raise
        return "pjsua2 is not installed"
    except ImportError as error:  # a shared library that it needs is missing
        return f"pjsua2 cannot be loaded: {error}"
    limits = compiled_limits()
    return Compiled(_version(), limits.calls, limits.accounts)


def _version() -> str:
    """The wheel's version; asking pjsua2 itself would start its library."""
    for name in _DISTRIBUTIONS:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "of unknown version"


def told_binding(compiled: Compiled | str) -> Binding:
    """The part of the JSON that names the binding."""
    return Binding() if isinstance(compiled, str) else Binding(compiled.version, compiled.calls)


def binding_row(compiled: Compiled | str, settings: Settings) -> Check:
    """Does the binding hold the lines and trunks that are configured?"""
    name = "binding"
    if isinstance(compiled, str):
        remedy = f"{_BUILD}; pip install pjsua2-python gives one that holds 4"
        return Check(name, compiled, remedy, ok=False)
    lines = sum(trunk.lines for trunk in settings.trunk)
    trunks = len(settings.trunk)
    detail = f"pjsua2 {compiled.version} holds {_many(compiled.calls, 'call')}"
    detail += f" and {_many(compiled.accounts, 'account')}"
    if lines > compiled.calls:
        detail += f"; {_many(lines, 'line')} are configured"
        return Check(name, detail, f"{_BUILD}; or set lines = {compiled.calls} at most", ok=False)
    if trunks > compiled.accounts:
        detail += f"; {_many(trunks, 'trunk')} are configured"
        return Check(name, detail, f"{_BUILD} and 1024 accounts", ok=False)
    tail = f" ({_BUILD})" if compiled.calls < 999 else ""
    return Check(name, f"{detail}, enough for {_many(lines, 'line')}{tail}", ok=True)


def open_files_row(settings: Settings, limits: tuple[int, int] | None = None) -> Check:
    """May this process open enough files? The engine lifts the soft limit itself at its start."""
    soft, hard = limits or resource.getrlimit(resource.RLIMIT_NOFILE)
    lines = sum(trunk.lines for trunk in settings.trunk)
    needed = FILES_PER_CALL * lines + SPARE_FILES
    allowed = math.inf if hard == resource.RLIM_INFINITY else hard
    detail = f"{needed} needed for {_many(lines, 'line')}; soft limit {_limit(soft)}"
    detail += f", hard limit {_limit(hard)}"
    if allowed < needed:
        remedy = f"raise the hard limit to {needed}: LimitNOFILE in the systemd unit or ulimit -Hn"
        return Check("open files", detail, remedy, ok=False)
    raised = soft != resource.RLIM_INFINITY and soft < needed
    return Check("open files", detail + (" (raised at start)" if raised else ""), ok=True)


def rtp_ports_row(trunk: TrunkSettings, settings: Settings) -> Check:
    """Are there 2.5 RTP ports a line, counting trunks that share some of the range?"""
    found = scarcest_ports(trunk, settings.trunk)
    detail = f"{found.ports} in {found.lowest}-{found.highest}, {found.needed} needed"
    detail += f" for {_many(found.lines, 'line')}"
    if len(found.trunks) > 1:
        detail += f" of {_many(len(found.trunks), 'trunk')} that share them"
    if found.missing <= 0:
        return Check(f"RTP ports ({trunk.name})", detail, ok=True)
    remedy = f"widen rtp_port_min to rtp_port_max by {found.missing} ports, or set fewer lines"
    return Check(f"RTP ports ({trunk.name})", detail, remedy, ok=False)


def encryption_row(trunk: TrunkSettings) -> Check:
    """Is what the settings promise to encrypt really out of others' reach?"""
    name = f"encryption ({trunk.name})"
    detail = f"SIP over {trunk.transport.upper()}, SRTP {trunk.srtp}"
    if trunk.transport is Transport.TLS and not trunk.tls_verify:
        detail += ": the certificate is not checked, anyone on the way can pose as the PBX"
        return Check(name, detail, "set tls_verify = true, and tls_ca_file for an own CA", ok=False)
    if trunk.transport is Transport.TLS:
        return Check(name, detail + ", certificate checked", ok=True)
    if trunk.srtp is Srtp.OFF:
        return Check(name, detail + ": nothing is encrypted", ok=True)
    # RFC 4568 9.2: the key stands in the SDP, so it is as secret as the SIP message.
    detail += ": its keys travel in clear text"
    return Check(name, detail, 'set transport = "tls"', ok=trunk.srtp is not Srtp.REQUIRED)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _limit(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)

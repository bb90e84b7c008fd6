"""What this pjsua2 was compiled for, asked before pjsua is asked for more.

pjsua answers too many calls with an error, but too many accounts with an assertion that ends the
process. A wheel built by `make setup` says what it holds in the module `pjsua2_limits`; for any
other build the call limit is read from a fresh `EpConfig` and the rest are upstream's defaults.
"""

from __future__ import annotations

import importlib
import resource
from dataclasses import dataclass

import pjsua2 as pj

from acd.errors import BadInput, BindingTooSmall

FILES_PER_CALL = 2
"""One RTP and one RTCP socket."""
BUDDIES_PER_WATCH = 2
"""One subscription to dialogs, one to presence."""
BUILT_ACCOUNTS = 1024
BUILT_WATCHES = 512
"""What `acd/sip/binding/config_site.h` sets; a test compares."""
_SPARE_FILES = 256
"""SIP sockets, the database, HTTP servers, logs, players."""


@dataclass(frozen=True, slots=True)
class BindingLimits:
    """Compile-time limits of a pjsua2."""

    calls: int
    accounts: int = 8
    buddies: int = 256
    players: int = 32
    shared_auth: bool = False
    """Whether nonces are re-used between calls (PJSIP_AUTH_AUTO_SEND_NEXT)."""
    patches: frozenset[str] = frozenset()
    """Names of `acd/sip/binding/patches` that are in it."""


def compiled_limits() -> BindingLimits:
    """The limits of the pjsua2 that is installed."""
    calls = pj.EpConfig().uaConfig.maxCalls
    try:
        told = importlib.import_module("pjsua2_limits")
    except ImportError:
        return BindingLimits(calls=calls)
    return BindingLimits(
        calls=calls,
        accounts=told.MAX_ACCOUNTS,
        buddies=told.MAX_BUDDIES,
        players=told.MAX_PLAYERS,
        shared_auth=bool(told.AUTH_AUTO_SEND_NEXT),
        patches=frozenset(getattr(told, "PATCHES", ())),
    )


def check_binding(limits: BindingLimits, *, lines: int, accounts: int) -> None:
    """Refuse what would make pjsua fail later.

    Raises:
        BindingTooSmall: with both numbers, and how to get a pjsua2 that holds more.
    """
    if lines > limits.calls:
        raise BindingTooSmall(
            f"{lines} lines are configured, but this pjsua2 holds {limits.calls} calls at once; "
            + _way_out(limits.calls, 999, "configure fewer lines")
        )
    if accounts > limits.accounts:
        raise BindingTooSmall(
            f"{accounts} trunks are configured, but this pjsua2 holds {limits.accounts} accounts; "
            + _way_out(limits.accounts, BUILT_ACCOUNTS, "configure fewer trunks")
        )


def check_watches(limits: BindingLimits, *, watches: int) -> None:
    """Refuse more watched extensions than pjsua has buddies for.

    Raises:
        BindingTooSmall: with both numbers, and what helps.
    """
    holds = limits.buddies // BUDDIES_PER_WATCH
    if watches > holds:
        raise BindingTooSmall(
            f"{watches} extensions are to be watched, but this pjsua2 watches {holds}; "
            + _way_out(holds, BUILT_WATCHES, "have fewer agents, or [feeds.ami]")
        )


def _way_out(holds: int, built: int, otherwise: str) -> str:
    return f"make setup builds one that holds {built}" if holds < built else otherwise


def raise_file_limit(*, lines: int) -> None:
    """Lift this process's soft limit of open files to what `lines` calls need.

    Raises:
        BadInput: the hard limit is too low; only the machine's owner can lift that.
    """
    needed = FILES_PER_CALL * lines + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BadInput(
            f"{lines} lines need {needed} open files, but this process may have at most {hard}: "
            "raise its hard limit (ulimit -Hn, or LimitNOFILE in the systemd unit)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

"""TAPI's numbers, by their names in `tapi.h` without the prefix that the class stands for.

Source: mingw-w64 `tapi.h`, checked against Microsoft's reference pages. Only what the gateway
says or reads; `LineCallState.CONNECTED` is LINECALLSTATE_CONNECTED.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class LineCallState(IntFlag):
    """LINECALLSTATE_*: where a call stands; flags, so that a mask of several can be named."""

    IDLE = 0x1
    OFFERING = 0x2
    ACCEPTED = 0x4
    DIALTONE = 0x8
    DIALING = 0x10
    RINGBACK = 0x20
    BUSY = 0x40
    SPECIALINFO = 0x80
    CONNECTED = 0x100
    PROCEEDING = 0x200
    ONHOLD = 0x400
    CONFERENCED = 0x800
    ONHOLDPENDCONF = 0x1000
    ONHOLDPENDTRANSFER = 0x2000
    DISCONNECTED = 0x4000
    UNKNOWN = 0x8000

    @property
    def shown(self) -> str:
        """In metrics and logs: `ringback`."""
        return str(self.name).lower()


class LineDisconnectMode(IntFlag):
    """LINEDISCONNECTMODE_*: why a call ended."""

    NORMAL = 0x1
    UNKNOWN = 0x2
    REJECT = 0x4
    PICKUP = 0x8
    FORWARDED = 0x10
    BUSY = 0x20
    NOANSWER = 0x40
    BADADDRESS = 0x80
    UNREACHABLE = 0x100
    CONGESTION = 0x200
    INCOMPATIBLE = 0x400
    UNAVAIL = 0x800
    NODIALTONE = 0x1000
    NUMBERCHANGED = 0x2000
    OUTOFORDER = 0x4000
    TEMPFAILURE = 0x8000
    QOSUNAVAIL = 0x10000
    BLOCKED = 0x20000
    DONOTDISTURB = 0x40000
    CANCELLED = 0x80000


class LineBusyMode(IntFlag):
    """LINEBUSYMODE_*."""

    STATION = 0x1
    TRUNK = 0x2
    UNKNOWN = 0x4
    UNAVAIL = 0x8


class LineOfferingMode(IntFlag):
    """LINEOFFERINGMODE_*."""

    ACTIVE = 0x1
    INACTIVE = 0x2


class LineConnectedMode(IntFlag):
    """LINECONNECTEDMODE_*."""

    ACTIVE = 0x1
    INACTIVE = 0x2


class LineCallFeature(IntFlag):
    """LINECALLFEATURE_*: what may be asked of a call in its present state."""

    ACCEPT = 0x1
    ANSWER = 0x4
    BLINDTRANSFER = 0x8
    DIAL = 0x40
    DROP = 0x80
    HOLD = 0x800
    REDIRECT = 0x20000
    SETUPTRANSFER = 0x2000000


class LineAddrCapFlags(IntFlag):
    """LINEADDRCAPFLAGS_*."""

    DIALED = 0x20
    ORIGOFFHOOK = 0x40
    PARTIALDIAL = 0x10000
    PREDICTIVEDIALER = 0x800000
    QUEUE = 0x1000000
    SETCALLINGID = 0x20000000
    ACDGROUP = 0x40000000


class LineCallReason(IntFlag):
    """LINECALLREASON_*."""

    DIRECT = 0x1
    REDIRECT = 0x40
    TRANSFER = 0x100
    UNKNOWN = 0x400
    UNAVAIL = 0x800


class LineCallOrigin(IntFlag):
    """LINECALLORIGIN_*."""

    OUTBOUND = 0x1
    INTERNAL = 0x2
    EXTERNAL = 0x4
    UNKNOWN = 0x10
    UNAVAIL = 0x20
    INBOUND = 0x80


class LineCallPartyId(IntFlag):
    """LINECALLPARTYID_*: what is known of a party."""

    BLOCKED = 0x1
    OUTOFAREA = 0x2
    NAME = 0x4
    ADDRESS = 0x8
    PARTIAL = 0x10
    UNKNOWN = 0x20
    UNAVAIL = 0x40


class LineCallInfoState(IntFlag):
    """LINECALLINFOSTATE_*: what of a LINECALLINFO has changed."""

    OTHER = 0x1
    MEDIAMODE = 0x10
    ORIGIN = 0x100
    REASON = 0x200
    CALLERID = 0x8000
    CALLEDID = 0x10000
    CONNECTEDID = 0x20000


class LineCallParamFlags(IntFlag):
    """LINECALLPARAMFLAGS_*: wishes of a lineMakeCall."""

    SECURE = 0x1
    IDLE = 0x2
    BLOCKID = 0x4
    ORIGOFFHOOK = 0x8
    DESTOFFHOOK = 0x10
    PREDICTIVEDIAL = 0x40


NO_STATES = LineCallState(0)
NO_PARAMS = LineCallParamFlags(0)


class LineMediaMode(IntFlag):
    """LINEMEDIAMODE_*."""

    UNKNOWN = 0x2
    INTERACTIVEVOICE = 0x4
    AUTOMATEDVOICE = 0x8


class LineErr(IntEnum):
    """LINEERR_*: why a request failed; as an unsigned DWORD."""

    ALLOCATED = 0x80000001
    BADDEVICEID = 0x80000002
    CALLUNAVAIL = 0x80000005
    DIALBILLING = 0x80000008
    DIALDIALTONE = 0x80000009
    DIALPROMPT = 0x8000000A
    DIALQUIET = 0x8000000B
    INCOMPATIBLEAPIVERSION = 0x8000000C
    INUSE = 0x8000000F
    INVALADDRESS = 0x80000010
    INVALADDRESSID = 0x80000011
    INVALCALLHANDLE = 0x80000018
    INVALCALLPARAMS = 0x80000019
    INVALCALLSTATE = 0x8000001C
    INVALLINEHANDLE = 0x8000002B
    INVALLINESTATE = 0x8000002C
    INVALMEDIAMODE = 0x8000002F
    INVALPARAM = 0x80000032
    INVALPOINTER = 0x80000035
    NODEVICE = 0x80000042
    NODRIVER = 0x80000043
    NOMEM = 0x80000044
    NOTOWNER = 0x80000046
    OPERATIONFAILED = 0x80000048
    OPERATIONUNAVAIL = 0x80000049
    RESOURCEUNAVAIL = 0x8000004B
    STRUCTURETOOSMALL = 0x8000004D
    UNINITIALIZED = 0x80000050
    REINIT = 0x80000052
    ADDRESSBLOCKED = 0x80000053
    DIALVOICEDETECT = 0x8000005C
    DISCONNECTED = 0x80000060

    @property
    def shown(self) -> str:
        """As it stands in `tapi.h`."""
        return f"LINEERR_{self.name}"

"""A small PBX with a carrier behind it, on loopback, in a process of its own.

    pjsua2 ─▶ SipPhone (callbacks → inbox) ─▶ Pbx ─┬─ digest     who may call
                                                   ├─ behaviour  what a dialed number does
                                                   ├─ timetable  what happens when
    UDP ───▶ WatchPort ─▶ Notifier ────────────────┴─ agents     who takes a transfer

One thread does everything. For trying things and for the demo: what acd promises is tested
against real servers.
"""

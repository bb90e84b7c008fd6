"""Runs inside the machine that `test_service.py` boots, beside the service, and reports on it.

    python in_the_service.py > report.json

Reads the process that systemd started from /proc: that is what the kernel enforces, whatever the
unit says.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

SETTINGS = Path("/etc/acd/acd.toml")
STATE = Path("/var/lib/acd")
WAIT_SECONDS = 90.0


def systemctl(*arguments: str) -> str:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def shown(*names: str) -> dict[str, str]:
    """Properties of the service."""
    lines = systemctl("show", "acd", "--property", ",".join(names)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def wait(seen: Callable[[], Any], what: str) -> Any:
    """Ask until there is an answer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            if answer := seen():
                return answer
        except OSError:
            pass  # not serving yet
        time.sleep(0.05)  # systemd tells nobody who has no D-Bus
    raise SystemExit(f"{what} never came:\n{journal()}")


def journal() -> str:
    """What systemd and the service have said."""
    command = ["journalctl", "--unit=acd", "--no-pager", "--output=cat"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def metrics() -> str:
    with urlopen("http://127.0.0.1:9464/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def pid() -> int:
    return int(shown("MainPID")["MainPID"])


def inside(command: str) -> int:
    """Exit code of a command as the service's user in the service's own view of the files."""
    enter = ["nsenter", "--target", str(pid()), "--mount", "setpriv", "--reuid=acd", "--regid=acd"]
    done = subprocess.run(
        [*enter, "--clear-groups", "sh", "-c", command], capture_output=True, check=False
    )
    return done.returncode


def process() -> dict[str, Any]:
    """What the kernel holds the service to."""
    status = Path(f"/proc/{pid()}/status").read_text()
    limits = Path(f"/proc/{pid()}/limits").read_text()
    fields = dict(re.findall(r"(?m)^(\w+):\s+(.*)$", status))
    (files,) = re.findall(r"(?m)^Max open files\s+(\d+)\s+(\d+)", limits)
    wanted = ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Umask")
    return {**{name: fields[name] for name in wanted}, "files": [int(each) for each in files]}


def files() -> dict[str, str]:
    """Of the state folder: name → owner and mode."""
    return {
        path.name: f"{path.owner()} {path.stat().st_mode & 0o777:04o}"
        for path in [STATE, *STATE.iterdir()]
    }


def running() -> dict[str, Any]:
    systemctl("enable", "--now", "acd")
    page = wait(metrics, "/metrics")
    writes = {place: inside(f"echo x > {place}/probe") for place in ("/etc", "/etc/acd", "/opt")}
    return {
        "serves": "acd_build_info" in page,
        "state": shown("ActiveState", "SubState", "NRestarts"),
        "enabled": systemctl("is-enabled", "acd"),
        "process": process(),
        "files": files(),
        "writes": {**writes, str(STATE): inside(f"echo x > {STATE}/probe && rm {STATE}/probe")},
        "homes": inside("ls /root"),
    }


def killed() -> dict[str, str]:
    """systemd starts it again by itself."""
    before = pid()
    systemctl("kill", "--signal=KILL", "acd")
    wait(lambda: pid() not in (0, before), "a second start")
    wait(metrics, "/metrics after it was killed")
    return shown("ActiveState", "NRestarts")


def stopped() -> dict[str, str]:
    systemctl("stop", "acd")
    return shown("ActiveState", "Result", "ExecMainStatus")


def wrong_settings() -> dict[str, str]:
    """Nobody starts again what a person must mend."""
    SETTINGS.write_text(SETTINGS.read_text() + "\n[sip_trace\n")
    systemctl("start", "acd")
    wait(lambda: shown("ActiveState")["ActiveState"] == "failed", "the failed state")
    return shown("ActiveState", "SubState", "ExecMainStatus", "NRestarts")


print(
    json.dumps(
        {
            "running": running(),
            "killed": killed(),
            "stopped": stopped(),
            "wrong settings": wrong_settings(),
            "journal": journal(),
        }
    )
)

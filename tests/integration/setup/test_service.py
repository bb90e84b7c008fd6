"""The service as a running systemd starts it, installed by the guide's own lines."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.setup.debian_folder import REPO
from tests.integration.setup.systemd_machine import SystemdMachine

pytestmark = pytest.mark.real

GUIDE = (REPO / "docs" / "operate.md").read_text(encoding="utf-8")
UNIT = """
[Unit]
After=basic.target
Requires=basic.target
[Service]
Type=oneshot
ExecStart=/opt/acd/.venv/bin/python /mnt/shared/in_the_service.py
ExecStopPost=/bin/systemctl exit
StandardOutput=file:/mnt/shared/report.json
StandardError=file:/mnt/shared/errors.txt
"""


def block(kind: str, containing: str) -> str:
    """A code block of the guide."""
    blocks = re.findall(rf"(?s)```{kind}\n(.*?)```", GUIDE)
    (found,) = (each for each in blocks if containing in each)
    return str(found)


def install() -> str:
    """The guide's commands, but for `make setup`; at the end the same as the user acd."""
    _, _, commands = block("sh", "useradd").partition("\n")
    settings = block("toml", "control_socket").replace("pbx.example.com", "127.0.0.1")
    checks = block("sh", "acd db upgrade").replace("acd doctor\n", "")
    return f"""
# Where acd is installed on this machine, begin without it.
! id acd 2>/dev/null || userdel acd
rm -rf /etc/acd /var/lib/acd
cd /opt/acd
mv /mnt/shared/unit /etc/systemd/system/acd-test.service
{commands}
cat > /etc/acd/acd.toml <<'END'
{settings}
END
install -m 0600 -o acd /dev/null /etc/acd/dialer.password
echo secret > /etc/acd/dialer.password
PATH=/opt/acd/.venv/bin:$PATH setpriv --reuid=acd --regid=acd --clear-groups bash -eu <<'END'
{checks}
END
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    machine = SystemdMachine(tmp_path_factory.mktemp("systemd"))
    machine.lay_out(REPO)
    shutil.copy(Path(__file__).with_name("in_the_service.py"), machine.shared)
    said = machine.boot(install=install(), unit=UNIT, timeout_seconds=180)
    errors = (machine.shared / "errors.txt").read_text()
    written = (machine.shared / "report.json").read_text()
    assert written, f"{said}\n{errors}"
    found: dict[str, Any] = json.loads(written)
    return found


def test_it_runs_as_its_own_user_and_serves_metrics(report: dict[str, Any]) -> None:
    running = report["running"]
    assert running["serves"]
    assert running["state"] == {"ActiveState": "active", "SubState": "running", "NRestarts": "0"}
    assert running["enabled"] == "enabled", "it starts with the machine"
    process = running["process"]
    assert "0" not in process["Uid"].split(), "real, effective, saved and file system user"
    assert (int(process["CapEff"], 16), int(process["CapBnd"], 16)) == (0, 0)
    assert (process["NoNewPrivs"], process["Seccomp"], process["Umask"]) == ("1", "2", "0077")


def test_it_may_open_the_files_of_999_calls(report: dict[str, Any]) -> None:
    assert min(report["running"]["process"]["files"]) >= 2 * 999 + 256


def test_it_writes_in_its_state_folder_alone(report: dict[str, Any]) -> None:
    writes = report["running"]["writes"]
    assert writes.pop("/var/lib/acd") == 0
    assert len(writes) == 3
    assert 0 not in writes.values(), writes
    assert report["running"]["homes"] != 0, "nobody's home is seen"
    files = report["running"]["files"]
    assert files["acd"] == "acd 0750"
    for name in ("acd.log", "acd.sock"):
        assert files[name] == "acd 0600", name
    assert "acd.sqlite" in files


def test_it_is_started_again_after_it_was_killed(report: dict[str, Any]) -> None:
    assert report["killed"] == {"ActiveState": "active", "NRestarts": "1"}


def test_it_stops_when_asked_to(report: dict[str, Any]) -> None:
    stopped = {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert report["stopped"] == stopped


def test_wrong_settings_are_told_once_and_not_tried_again(report: dict[str, Any]) -> None:
    failed = {"ActiveState": "failed", "SubState": "failed", "ExecMainStatus": "2"}
    assert report["wrong settings"] == {**failed, "NRestarts": "0"}
    told = [line for line in report["journal"].splitlines() if line.startswith("acd: ")]
    assert len(told) == 1
    assert told[0].startswith("acd: /etc/acd/acd.toml: line 18")

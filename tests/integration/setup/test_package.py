"""The wheel in a clean environment, and the systemd unit that starts it."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from acd.settings import load_settings
from tests.integration.lab.conftest import LAB_HOST, sipp_call
from tests.integration.lab.scenarios import CALL, answered, bye, scenario
from tests.integration.setup.debian_folder import REPO
from tests.peers.lab import Lab

pytestmark = pytest.mark.real

WATCHING = (
    *(f"dashboards/prometheus/{name}.yml" for name in ("alerts", "rules", "prometheus")),
    *(f"dashboards/grafana/provisioning/{kind}/acd.yml" for kind in ("dashboards", "datasources")),
    "dashboards/runbook.md",
)
UNIT = REPO / "packaging" / "acd.service"
GUIDE = REPO / "docs" / "operate.md"


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_wheel_runs_from_a_clean_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    # Only what is under version control, so that nothing built before slips in.
    run("git", "checkout-index", "--all", f"--prefix={source}/", folder=REPO)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, source, folder=tmp_path)
    (wheel,) = tmp_path.glob("acd-*.whl")
    home = tmp_path / "installed"
    run(sys.executable, "-m", "venv", home, folder=tmp_path)
    constraints = ("--constraint", REPO / "constraints.txt")
    run(home / "bin/pip", "install", "--quiet", *constraints, wheel, folder=tmp_path)

    acd, share = home / "bin/acd", home / "share/acd"
    assert "Outbound-dialer" in run(acd, "--help", folder=tmp_path)
    assert "Example" in run(acd, "lab", "--help", folder=tmp_path)
    (tmp_path / "acd.toml").write_text('[[trunk]]\ndomain = "pbx"\nuser = "a"\nregister = false\n')
    run(acd, "db", "upgrade", folder=tmp_path)
    assert "as this program needs it" in run(acd, "db", "check", folder=tmp_path)
    assert {path.name for path in (share / "dashboards/grafana/boards").iterdir()} == {
        path.name for path in (REPO / "dashboards/grafana/boards").iterdir()
    }
    for shipped in ("acd.example.toml", "acd.service", "operate.md", "campaigns/sample/leads.csv"):
        assert (share / shipped).is_file(), shipped
    for shipped in WATCHING:
        assert (share / shipped).read_bytes() == (REPO / shipped).read_bytes(), shipped
    a_call_to_its_lab_is_answered(acd, tmp_path / "lab")


def a_call_to_its_lab_is_answered(acd: Path, folder: Path) -> None:
    """With our own pjsua2 and nothing else of this environment."""
    modules = folder / "pjsua2"
    modules.mkdir(parents=True)
    for entry in Path(sysconfig.get_path("platlib")).glob("*pjsua2*"):
        (modules / entry.name).symlink_to(entry)
    where = {"PYTHONPATH": str(modules)}
    with Lab(LAB_HOST, folder, program=[acd], environment=where) as lab:
        counts = sipp_call(lab, folder, "+436601234520", scenario(CALL, answered(), bye(3)))
    assert counts.successful == 1


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "acd.service"
    # The program need not be installed where the unit will find it.
    unit.write_text(UNIT.read_text().replace("/opt/acd/.venv/bin/acd", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("User=acd", "ProtectSystem=strict", "NoNewPrivileges=yes"):
        assert line in UNIT.read_text().splitlines()


def test_systemd_rates_the_unit_as_well_locked_in() -> None:
    """0 is locked in, 10 wide open; what is left is what it must do: networks and its own user."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_unit_allows_the_files_that_999_calls_need() -> None:
    (limit,) = re.findall(r"^LimitNOFILE=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(limit) >= 2 * 999 + 256


def test_the_guides_settings_write_only_where_the_unit_lets_them(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "dialer.password").write_text("secret\n")
    (tmp_path / "dialer.password").chmod(0o600)
    (tmp_path / "acd.toml").write_text(block)
    settings = load_settings(tmp_path / "acd.toml", {})
    state = Path("/var/lib/acd")
    assert settings.store.url == f"sqlite:///{state}/acd.sqlite"
    assert settings.log.file is not None
    for path in (settings.log.file, settings.sip_trace.file, settings.control_socket):
        assert path.parent == state


def test_the_guide_names_every_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", (REPO / "dashboards/prometheus/alerts.yml").read_text())
    assert re.findall(r"^\| (Acd\w+) \|", GUIDE.read_text(), re.MULTILINE) == alerts

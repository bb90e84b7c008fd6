"""Importing a lead file, beside the phone-number calls alone and `sqlite3 .import`."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.protocol import BenchError, Effort, Figure, Measured

ROWS = 1_000_000
LISTED = 100_000
_FORMS = ("0664/{}", "+43 (1) {}", "0043-676-{}", "0 699 1{}")


class LeadsImport:
    """A million rows against 100,000 do-not-call numbers into SQLite."""

    name = "leads"
    title = "leads import, 1,000,000 rows, 100,000 DNC numbers, SQLite"
    figures = (
        Figure(key="numbers", title="phonenumbers alone, one core", unit="s", decimals=1),
        Figure(
            key="import",
            title="acd leads import, all cores",
            unit="s",
            ratio_to="numbers",
            ratio_target=1.5,
            decimals=1,
        ),
        Figure(key="sqlite", title="sqlite3 .import, unchecked", unit="s", decimals=1),
        Figure(key="memory", title="memory, all processes", unit="MB", target=800, decimals=0),
        Figure(key="again", title="the same file again, nothing added", unit="s", decimals=1),
        Figure(
            key="again_memory", title="memory, the file again", unit="MB", target=800, decimals=0
        ),
    )

    def run(self, effort: Effort) -> Measured:
        """Write a file of rows, import it three ways, and once more where every row is known."""
        rows = effort.calls(ROWS)
        with tempfile.TemporaryDirectory(prefix="acd-bench-") as name:
            folder = Path(name)
            file, listed = folder / "leads.csv", folder / "dnc.csv"
            _write(file, listed, rows)
            campaign = folder / "campaigns" / "bench"
            campaign.mkdir(parents=True)
            (campaign / "campaign.toml").write_text('[agents]\nextensions = ["201"]\n')
            numbers = _child(_NUMBERS, str(file))["seconds"]
            plain = _sqlite_import(folder, file)
            seconds, most = _import(folder, file, listed)
            again, again_most = _import(folder, file)
            return {
                "numbers": numbers,
                "sqlite": plain,
                "import": seconds,
                "memory": most,
                "again": again,
                "again_memory": again_most,
            }


def _write(file: Path, listed: Path, rows: int) -> None:
    chance = random.Random(7)  # noqa: S311 - the same file every time
    numbers = [f"{number:07}" for number in chance.sample(range(10_000_000), rows)]
    phones = [_FORMS[row % len(_FORMS)].format(number) for row, number in enumerate(numbers)]
    with file.open("w") as out:
        out.write("customer;first name;last name;phone;city;zip\n")
        out.writelines(
            f"C{row:07};Anna{row % 977};Huber{row % 1999};{phone};Wien;0{row % 9999:04}\n"
            for row, phone in enumerate(phones)
        )
    listed.write_text("\n".join(["number", *phones[:: max(1, rows // (LISTED * rows // ROWS))]]))


def _import(folder: Path, file: Path, *listed: Path) -> tuple[float, float]:
    """Seconds, and the most MB of all processes; of `listed` a do-not-call list is made first."""
    process = subprocess.Popen(
        [sys.executable, "-c", _IMPORT, *map(str, (folder, file, *listed))],
        stdout=subprocess.PIPE,
        text=True,
    )
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(map(_megabytes, _family(process.pid))))
        time.sleep(0.2)
    said = process.communicate()[0]
    if process.returncode != 0:
        raise BenchError("the import failed")
    return json.loads(said)["seconds"], most


def _sqlite_import(folder: Path, file: Path) -> float:
    program = shutil.which("sqlite3")
    if program is None:
        raise BenchError("sqlite3 is missing: apt-get install sqlite3")
    began = time.perf_counter()
    subprocess.run(
        [program, str(folder / "plain.sqlite"), ".mode csv", ".separator ;", f".import {file} x"],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def _child(program: str, *words: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise BenchError(done.stderr.strip().splitlines()[-1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _megabytes(pid: int) -> float:
    """Proportional: pages that several processes share count once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


_NUMBERS = """
import csv, json, sys, time
import phonenumbers
from phonenumbers import timezone
with open(sys.argv[1], newline="") as file:
    texts = [row["phone"] for row in csv.DictReader(file, delimiter=";")]
began = time.perf_counter()
for text in texts:
    number = phonenumbers.parse(text, "AT")
    phonenumbers.number_type(number)
    timezone.time_zones_for_number(number)
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
print(json.dumps({"seconds": time.perf_counter() - began}))
"""

_IMPORT = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
from acd.dialer.dnc import import_list
from acd.dialer.lead_import import import_leads
from acd.settings import Settings
from acd.store import open_store_sync

if __name__ == "__main__":
    folder, now = Path(sys.argv[1]), datetime.now(UTC)
    settings = Settings.model_validate({
        "trunk": [{"domain": "pbx.example", "user": "1"}],
        "campaigns_folder": folder / "campaigns",
    })
    with open_store_sync(f"sqlite:///{folder / 'acd.sqlite'}", create=True) as store:
        for listed in map(Path, sys.argv[3:]):
            import_list(
                store, settings, name="robinson", path=listed, made_on=now.date(), now=now
            )
        began = time.perf_counter()
        summary = import_leads(
            store, settings, campaign_name="bench", path=Path(sys.argv[2]), now=now
        )
        seconds = time.perf_counter() - began
    assert summary.rows == summary.added + sum(summary.refused.values())
    print(json.dumps({"seconds": seconds}))
"""

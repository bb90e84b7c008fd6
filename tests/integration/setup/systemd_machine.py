"""A machine of its own for a systemd: this one's files under a layer that is thrown away.

systemd is process 1 of new PID, mount, network, IPC, host name and cgroup namespaces, in a cgroup
of its own; only what a unit of ours wants is started in it. When it ends, or the test is killed,
every process and mount is gone with it, and nothing was written to this machine. Wants root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# In a mount namespace: a cgroup for all that follows, taken away again at the end.
OUTER = """
set -eu
base=$1
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root" "$base/cgroup"
mount -t cgroup2 cgroup2 "$base/cgroup"
group=$base/cgroup/acd-systemd-$$
mkdir "$group"
echo $$ > "$group/cgroup.procs"
status=0
spaces="--mount --propagation private --cgroup --pid --net --uts --ipc"
setpriv --pdeathsig KILL unshare $spaces --fork --kill-child bash -c "$2" inner "$@" || status=$?
echo $$ > "$base/cgroup/cgroup.procs"
find "$group" -depth -type d -exec rmdir {} ';'
exit $status
"""
# In all the namespaces: lay the file system out, install, become systemd.
INNER = """
set -eu
base=$1 shared=$3 python=$4 packages=$5 root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for name in run tmp dev; do mount -t tmpfs tmpfs "$root/$name"; done
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
# Nothing of this machine's own is started.
rm -rf "$root"/etc/systemd/system/*
mkdir -p "$root/mnt/shared" "$root/opt/acd/python" "$root/opt/acd/packages"
mount --bind "$shared" "$root/mnt/shared"
mount --bind "$python" "$root/opt/acd/python"
mount --bind "$packages" "$root/opt/acd/packages"
cp -r "$shared/opt/." "$root/opt/acd/"
# A Python in somebody's home folder, which no service sees, has its library found here.
echo /opt/acd/python/lib > "$root/etc/ld.so.conf.d/acd.conf"
chroot "$root" ldconfig
# A chroot would not do: systemd gives a service its view of the files by a copy of all mounts.
mkdir "$root/mnt/above"
cd "$root"
pivot_root . mnt/above
umount --lazy /mnt/above
bash -eu /mnt/shared/install
export container=acd
exec /lib/systemd/systemd --system --unit=acd-test.service --show-status=no
"""
SITE = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


@dataclass(frozen=True, slots=True)
class SystemdMachine:
    """What is to be laid out; `shared` is seen inside as /mnt/shared."""

    folder: Path

    @property
    def shared(self) -> Path:
        return self.folder / "shared"

    def lay_out(self, repository: Path) -> None:
        """/opt/acd as `make setup` leaves it, but for packages, which are this environment's."""
        opt = self.shared / "opt"
        for part in ("acd", "campaigns", "packaging"):
            shutil.copytree(repository / part, opt / part)
        home = opt / ".venv"
        (home / SITE).mkdir(parents=True)
        (home / SITE / "acd.pth").write_text("/opt/acd\n/opt/acd/packages\n")
        (home / "pyvenv.cfg").write_text("home = /opt/acd/python/bin\n")
        (home / "bin").mkdir()
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (home / "bin" / "python").symlink_to(f"/opt/acd/python/bin/{name}")
        script = home / "bin" / "acd"
        script.write_text("#!/opt/acd/.venv/bin/python\nfrom acd.cli import main\nmain()\n")
        script.chmod(0o755)

    def boot(self, *, install: str, unit: str, timeout_seconds: float) -> str:
        """Run `install` in a shell inside, then systemd with this unit alone until it exits.

        Returns:
            What was printed by both.
        """
        (self.shared / "install").write_text(install)
        (self.shared / "unit").write_text(unit)
        base = self.folder / "root"
        base.mkdir()
        packages = Path(sys.prefix) / SITE
        done = subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "private"),
                *("bash", "-c", OUTER, "outer", str(base), INNER, str(self.shared)),
                *(sys.base_prefix, str(packages)),
            ],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

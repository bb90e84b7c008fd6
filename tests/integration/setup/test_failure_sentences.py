"""What goes wrong in `make setup` and `make test-servers` is one sentence with its remedy.

The real scripts run on a machine made of stubs for the programs that fail (stub_machine.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.setup.stub_machine import (
    ALL_INSTALLED,
    NOBODY,
    NONE_INSTALLED,
    PYTHON_TAG,
    Answer,
    Machine,
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def assert_one_sentence(machine: Machine, answer: Answer, *, what: str, remedy: str) -> None:
    assert answer.code == 1
    assert len(answer.sentences) == 1, answer
    assert what in answer.sentences[0]
    assert remedy in answer.sentences[0]
    assert machine.cached() == {
        "wheels/pjsua2-2.16+acd.c00000000-cp39-cp39-linux_x86_64.whl": "good"
    }


# Python


def test_no_python(machine: Machine) -> None:
    answer = machine.run("setup", PYTHON="python3.99")

    assert_one_sentence(
        machine, answer, what="python3.99 is missing", remedy="install Python 3.11 or newer"
    )


def test_python_too_old(machine: Machine) -> None:
    machine.stub("python3", "exit 1")

    answer = machine.run("setup")

    assert_one_sentence(
        machine, answer, what="python3 is older than Python 3.11", remedy="name a newer one"
    )


def test_python_without_venv(machine: Machine) -> None:
    machine.stub("python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')

    answer = machine.run("setup")

    assert_one_sentence(
        machine, answer, what="python3 can't make environments", remedy="install its venv module"
    )


def test_no_python_headers(machine: Machine) -> None:
    (machine.folder / "sitecustomize.py").write_text(
        "import sysconfig\n"
        "real = sysconfig.get_path\n"
        "def get_path(name, *rest, **more):\n"
        "    return '/nowhere' if name == 'include' else real(name, *rest, **more)\n"
        "sysconfig.get_path = get_path\n"
    )

    answer = machine.run(
        "setup", PYTHONPATH=str(machine.folder), PJPROJECT_SOURCE=str(machine.folder)
    )

    assert_one_sentence(
        machine,
        answer,
        what="building pjsua2 needs /nowhere/Python.h",
        remedy="install what is missing",
    )


def test_python_packages_cannot_be_had(machine: Machine) -> None:
    wheel = machine.folder / "pjsua2.whl"
    machine.stub("python3", f'case "$*" in *build.py*) echo {wheel}; exit;; *) exit 0;; esac')
    venv_python = machine.repo / ".venv/bin/python"
    venv_python.parent.mkdir(parents=True)
    venv_python.write_text('#!/bin/sh\ncase "$*" in "-m pip"*) exit 1;; *) exit 0;; esac\n')
    venv_python.chmod(0o755)

    answer = machine.run("setup", PYTHON=str(machine.programs / "python3"))

    assert_one_sentence(
        machine,
        answer,
        what="pip could not install the Python packages",
        remedy="check the network and pip's configuration",
    )


# Tools and Debian's packages


@pytest.mark.parametrize("tool", ["gcc", "swig", "xz"])
def test_missing_tool(machine: Machine, tool: str) -> None:
    machine.remove(tool)

    answer = machine.run("setup", PJPROJECT_SOURCE=str(machine.folder))

    assert_one_sentence(
        machine,
        answer,
        what=f"building pjsua2 needs {tool}:",
        remedy="install what is missing with your system's package manager",
    )


def test_neither_root_nor_sudo(machine: Machine) -> None:
    machine.stub("id", NOBODY)
    machine.stub("dpkg-query", NONE_INSTALLED)

    answer = machine.run("setup")

    assert_one_sentence(
        machine,
        answer,
        what="This needs root and there is no sudo",
        remedy="ask an administrator for: apt-get install --no-install-recommends ca-certificates",
    )


def test_sudo_refuses(machine: Machine) -> None:
    machine.stub("id", NOBODY)
    machine.stub("sudo", "exit 1")
    machine.stub("dpkg-query", NONE_INSTALLED)

    answer = machine.run("setup")

    assert_one_sentence(machine, answer, what="sudo was refused", remedy="run make setup as root")


def test_apt_update_fails(machine: Machine) -> None:
    machine.stub("dpkg-query", NONE_INSTALLED)
    machine.with_apt(update='echo "E: Could not resolve mirror.test" >&2; exit 100')

    answer = machine.run("setup")

    assert_one_sentence(
        machine, answer, what="apt-get update failed", remedy="check the network and apt's sources"
    )


def test_apt_cannot_install_a_package(machine: Machine) -> None:
    machine.stub("dpkg-query", NONE_INSTALLED)
    machine.with_apt()

    answer = machine.run("setup")

    assert_one_sentence(
        machine, answer, what="apt-get could not install ca-certificates", remedy="repair apt"
    )


def test_lists_that_another_apt_holds_are_waited_for(machine: Machine) -> None:
    machine.stub("dpkg-query", NONE_INSTALLED)
    seen = machine.folder / "seen"
    machine.with_apt(
        update=f"test -e {seen} || {{ touch {seen}; "
        'echo "E: Could not get lock /var/lib/apt/lists/lock." >&2; exit 100; }'
    )

    answer = machine.run("setup")

    assert_one_sentence(machine, answer, what="apt-get could not install", remedy="repair apt")


# pjproject's source


def test_download_fails(machine: Machine) -> None:
    machine.with_apt(source='echo "E: Failed to fetch" >&2; exit 100')

    answer = machine.run("setup")

    assert_one_sentence(
        machine,
        answer,
        what="Debian's source package of Asterisk can't be fetched",
        remedy="try again, or set PJPROJECT_SOURCE",
    )


def test_mirror_cannot_be_reached(machine: Machine) -> None:
    machine.with_apt(update="exit 100")

    answer = machine.run("setup")

    assert_one_sentence(
        machine,
        answer,
        what="Debian's mirror can't be reached",
        remedy="check the network and try again, or set PJPROJECT_SOURCE",
    )


def test_apt_names_no_mirror(machine: Machine) -> None:
    machine.stub("apt-get", "exit 0")

    answer = machine.run("setup")

    assert_one_sentence(
        machine, answer, what="apt's sources name no Debian mirror", remedy="set ACD_DEBIAN_MIRROR"
    )


def source_package(digest: str) -> str:
    """Return the shell lines that "download" a source package whose .dsc says `digest`."""
    tarball = "asterisk_22.orig-Xpjproject.tar.xz"
    return (
        f"echo tampered >{tarball}; "
        f'printf "Checksums-Sha256:\\n {digest} 9 {tarball}\\n" >asterisk_22.dsc'
    )


def test_hash_mismatch(machine: Machine) -> None:
    machine.with_apt(source=source_package("0" * 64))

    answer = machine.run("setup")

    assert_one_sentence(
        machine,
        answer,
        what="asterisk_22.orig-Xpjproject.tar.xz does not match the SHA256 in its .dsc",
        remedy="try again, or set PJPROJECT_SOURCE",
    )


def test_source_package_without_pjproject(machine: Machine) -> None:
    machine.with_apt(source="touch asterisk_22.dsc")

    answer = machine.run("setup")

    assert_one_sentence(
        machine, answer, what="brings no pjproject today", remedy="or set PJPROJECT_SOURCE"
    )


def test_failed_download_falls_back_on_the_last_good_wheel(machine: Machine) -> None:
    machine.with_apt(update="exit 100")
    wheel = machine.keep(f"wheels/pjsua2-2.16+acd.c00000000-{PYTHON_TAG}-{PYTHON_TAG}-linux.whl")

    answer = machine.run("binding-wheel")

    assert answer.code == 0
    assert answer.stdout == f"{wheel}\n"
    assert answer.sentences[-1] == f"acd: The last good wheel is used: {wheel}."
    assert wheel.read_text() == "good"


def test_own_source_does_not_exist(machine: Machine) -> None:
    answer = machine.run("setup", PJPROJECT_SOURCE="/nowhere/pjproject")

    assert_one_sentence(
        machine,
        answer,
        what="PJPROJECT_SOURCE is /nowhere/pjproject, which does not exist",
        remedy="set it to a pjproject folder or tarball",
    )


def test_own_source_is_not_pjproject(machine: Machine) -> None:
    other = machine.folder / "other"
    other.mkdir()

    answer = machine.run("setup", PJPROJECT_SOURCE=str(other))

    assert_one_sentence(
        machine,
        answer,
        what=f"{other} is not a pjproject source tree or tarball",
        remedy="set PJPROJECT_SOURCE to one that",
    )


def test_system_that_is_not_debian(machine: Machine) -> None:
    machine.remove("dpkg-query")

    answer = machine.run("setup")

    assert_one_sentence(
        machine, answer, what="There is no apt-get here", remedy="set PJPROJECT_SOURCE"
    )
    assert "acd: This is not Debian, so nothing is installed" in answer.stdout


# The cache


def test_cache_that_cannot_be_made(machine: Machine) -> None:
    answer = machine.run("setup", ACD_CACHE_DIR="/dev/null/acd")

    assert_one_sentence(
        machine, answer, what="The cache folder /dev/null/acd can't be", remedy="set ACD_CACHE_DIR"
    )


# Asterisk's folder


def with_asterisk_folder(machine: Machine) -> Path:
    store = machine.cache / "asterisk"
    machine.keep("asterisk/1_22-amd64/etc/hosts")
    (store / "current").symlink_to("1_22-amd64")
    machine.stub("chroot", "echo Asterisk 22")
    return store / "1_22-amd64"


UNINSTALLABLE = 'mkdir -p "$5/usr"; echo "E: Couldn\'t find these debs: asterisk" >&2; exit 1'


def test_unstable_cannot_install_asterisk(machine: Machine) -> None:
    machine.with_apt()
    machine.stub("debootstrap", UNINSTALLABLE)

    answer = machine.run("test-servers")

    assert_one_sentence(
        machine,
        answer,
        what="Debian unstable can't install Asterisk today",
        remedy="try again later; a folder once made stays in use",
    )
    assert list((machine.cache / "asterisk").iterdir()) == []


def test_unstables_asterisk_does_not_start(machine: Machine) -> None:
    machine.with_apt()
    machine.stub("debootstrap", 'mkdir -p "$5/usr"')
    machine.stub("chroot", "exit 127")

    answer = machine.run("test-servers")

    assert_one_sentence(
        machine,
        answer,
        what="Debian unstable's Asterisk does not start today",
        remedy="try again later",
    )
    assert list((machine.cache / "asterisk").iterdir()) == []


def test_last_good_asterisk_stays_when_unstable_cannot_install_it(machine: Machine) -> None:
    machine.with_apt()
    machine.stub("debootstrap", UNINSTALLABLE)
    folder = with_asterisk_folder(machine)

    answer = machine.run("test-servers", ACD_REFRESH="1")

    assert answer.code == 0
    assert f"acd: The last good Asterisk folder is used: {folder}." in answer.stdout
    assert f"Asterisk in {folder}" in answer.stdout
    assert {path.name for path in folder.parent.iterdir()} == {"1_22-amd64", "current"}


def test_working_asterisk_folder_is_used_without_asking_the_network(machine: Machine) -> None:
    machine.stub("debootstrap", "exit 1")
    folder = with_asterisk_folder(machine)

    answer = machine.run("test-servers")

    assert (answer.code, answer.sentences) == (0, [])
    assert f"Asterisk in {folder}" in answer.stdout


def test_new_asterisk_folder_leaves_the_one_before_and_no_older(machine: Machine) -> None:
    machine.with_apt()
    before = with_asterisk_folder(machine)
    older = machine.keep("asterisk/1_20-amd64/etc/hosts").parents[1]
    os.utime(older, (1, 1))
    machine.stub("debootstrap", 'mkdir -p "$5/etc"')
    machine.stub(
        "dpkg-query", f'case "$*" in *admindir*) echo 1:23-amd64;; *) {ALL_INSTALLED};; esac'
    )

    answer = machine.run("test-servers", ACD_REFRESH="1")

    assert (answer.code, answer.sentences) == (0, [])
    kept = {path.name for path in before.parent.iterdir()}
    assert kept == {"1_23-amd64", "1_22-amd64", "current"}
    assert (before.parent / "current").readlink() == Path("1_23-amd64")


def test_no_debootstrap(machine: Machine) -> None:
    machine.with_apt()

    answer = machine.run("test-servers")

    assert_one_sentence(
        machine, answer, what="debootstrap is missing", remedy="install it with your system's"
    )


def test_asterisk_needs_root(machine: Machine) -> None:
    machine.stub("id", NOBODY)

    answer = machine.run("test-servers")

    assert_one_sentence(
        machine,
        answer,
        what="the tests' Asterisk runs by chroot",
        remedy="run make test-servers as root",
    )

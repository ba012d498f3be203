"""The walls around a program: namespaces, an own root of files, another user, limits, barred calls.

Runs in the sandbox's child before any foreign code. Each wall says whether it stands: systems and
containers differ in what they allow, and `docs/sandbox.md` says what is not stopped without it.
Linux only but for the limits; standard library only, since the child sees no packages.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pathshift.verify.sandbox_calls import bar_calls
from pathshift.verify.sandbox_paths import confine

_NEW = {"files": 0x00020000, "ipc": 0x08000000, "net": 0x40000000, "pids": 0x20000000}
_NEW_USER = 0x10000000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_KEPT_FLAGS = 2 | 4 | 8 | 1024 | 2048  # nosuid, nodev, noexec, noatime, nodiratime: locked for us
_RELATIME, _ST_RELATIME = 1 << 21, 4096
_DETACH = 2

_DEATH_SIGNAL, _DUMPABLE, _KEEP_CAPABILITIES, _NO_NEW_PRIVILEGES = 1, 4, 8, 38
_CAPABILITIES_V3 = 0x20080522
_READ_ANY_FILE = 1 << 2

_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")

FIRST_UID = 1_900_000_000
"""Users that no system gives out; each sandbox takes its own, so that limits count it alone."""

_NOBODY = 65_534


def enter_namespaces(wanted: Iterable[str]) -> set[str]:
    """Leaves the host's namespaces, each by itself; returns those of `wanted` that were left.

    Processes started from here on are the first of their own PID namespace.
    """
    libc = _libc()
    wanted, left = set(wanted), set()
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        if "user" not in wanted or libc is None or libc.unshare(_NEW_USER) != 0:
            return set()
        if not _map_user(uid, gid):
            return set()
        left.add("user")
    for name, flag in _NEW.items():
        if name in wanted and libc is not None and libc.unshare(flag) == 0:
            left.add(name)
    return left


def _map_user(uid: int, gid: int) -> bool:
    try:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    except OSError:
        return False
    return True


def enter_own_root(work: str, libraries: Iterable[str], hidden: Iterable[str]) -> bool:
    """Makes `work` the root: Python's library read-only, an empty /tmp of 16 MiB, little else.

    Args:
        work: An empty folder; what happens in it is seen by nobody else.
        libraries: Folders that stay readable, besides the system's shared libraries.
        hidden: Folders that are emptied where they lie within those: packages, this one too.
    """
    libc = _libc()
    assert libc is not None
    try:
        _mount("none", "/", None, _REC | _PRIVATE)
        _mount("tmpfs", work, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
        for folder in (*_LIBRARIES, *libraries):
            _show(folder, work)
        for device in _DEVICES:
            _show(device, work)
        for folder in sorted(set(hidden)):
            if Path(work + folder).is_dir():
                _mount("tmpfs", work + folder, "tmpfs", _NOSUID | _NODEV | _RDONLY, "size=4k")
        Path(work, "tmp").mkdir(exist_ok=True)
        size = "size=16m,nr_inodes=1000,mode=1777"
        _mount("tmpfs", f"{work}/tmp", "tmpfs", _NOSUID | _NODEV, size)
        _mount("none", work, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
        os.chdir(work)
        if libc.pivot_root(b".", b".") != 0:
            raise OSError(ctypes.get_errno(), "pivot_root")
    except OSError:
        with contextlib.suppress(OSError):
            os.chdir("/")
        libc.umount2(work.encode(), _DETACH)
        return False
    libc.umount2(b".", _DETACH)
    os.chdir("/tmp")
    return True


def _show(source: str, work: str) -> None:
    """The folder, file or link at its own place under the new root, if there is one."""
    target = Path(work + source)
    if target.exists() or target.is_symlink() or not Path(source).exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if Path(source).is_symlink():
        target.symlink_to(Path(source).readlink())
        return
    if Path(source).is_dir():
        target.mkdir()
    else:
        target.touch()
    _mount(source, str(target), None, _BIND | _REC)
    flags = os.statvfs(source).f_flag
    kept = flags & _KEPT_FLAGS | (_RELATIME if flags & _ST_RELATIME else 0)
    if stat.S_ISDIR(Path(source).stat().st_mode):
        _mount("none", str(target), None, _REMOUNT | _BIND | _RDONLY | _NOSUID | kept)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    libc = _libc()
    assert libc is not None
    done = libc.mount(
        source.encode(), target.encode(), kind.encode() if kind else None,
        ctypes.c_ulong(flags), data.encode() if data else None,
    )  # fmt: skip
    if done != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def become_nobody(uid: int, *, may_read_all: bool) -> bool:
    """Gives up root for a user of its own; False where this process is not root,
    or the system not Linux.

    Args:
        uid: The user; where the system has no such number, nobody.
        may_read_all: Keep the right to read (not write) any file: where Python itself lies in a
            folder that only root may enter, and no own root of files could be made.
    """
    if os.geteuid() != 0 or _libc() is None:
        return False
    if may_read_all:
        _prctl(_KEEP_CAPABILITIES, 1)
    for number in (uid, _NOBODY):
        try:
            os.setgroups([])
            os.setresgid(number, number, number)
            os.setresuid(number, number, number)
        except OSError:
            continue
        break
    return os.geteuid() != 0


def drop_rights(*, may_read_all: bool) -> None:
    """No capabilities but that one, and none to be had by starting a program."""
    _set_capabilities(_READ_ANY_FILE if may_read_all else 0)
    _prctl(_NO_NEW_PRIVILEGES, 1)


def _set_capabilities(low: int) -> None:
    libc = _libc()
    if libc is None:
        return
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    libc.capset(header, sets)


def die_with_parent() -> None:
    """Asks the system to kill this process when the one that started it ends."""
    _prctl(_DEATH_SIGNAL, 9)


def hide_memory() -> None:
    """No process of the same user may read this one's memory or open its files."""
    _prctl(_DUMPABLE, 0)


def limit(limits: Mapping[str, int]) -> None:
    """Sets resource limits by their names in `resource`, without RLIMIT_, hard and soft alike.

    One that the system does not know or does not grant is passed over.
    """
    for name, value in limits.items():
        which = getattr(resource, f"RLIMIT_{name}", None)
        if which is None:
            continue
        hard = resource.getrlimit(which)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (most, most))


def close_paths(libraries: Iterable[str], work: str) -> bool:
    """Leaves this process libraries and devices, and `work` to write in; see `sandbox_paths`."""
    libc = _libc()
    return libc is not None and confine(libc, (*_LIBRARIES, *libraries), (work, *_DEVICES))


def bar() -> bool:
    """Bars the system calls of `sandbox_calls`; False where the system cannot."""
    libc = _libc()
    return libc is not None and bar_calls(libc)


def is_open_to_all(path: str) -> bool:
    """Whether any user may enter the folder and list it."""
    folder = Path(path)
    try:
        ways = all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents)
        return ways and folder.stat().st_mode & 0o5 == 0o5
    except OSError:
        return False


def _prctl(option: int, value: int) -> None:
    libc = _libc()
    if libc is not None:
        zero = ctypes.c_ulong(0)
        libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero)


def _libc() -> Any:
    """The C library of Linux; None on other systems."""
    if os.uname().sysname != "Linux":
        return None
    return ctypes.CDLL(None, use_errno=True)

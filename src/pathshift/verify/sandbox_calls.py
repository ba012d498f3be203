"""System calls that a program for a test has no need of, barred by a seccomp filter.

Starting processes and programs, sockets, signals to others, tracing, mounts, keys, shared memory
that outlives the process, and the parts of the kernel in which most holes were found. A barred call
fails with "not permitted"; `clone3` with "not known", so that the C library falls back on `clone`,
which is allowed for threads alone.

Linux on x86-64 and arm64 (the latter by the kernel's tables, not run by us). A list of what is
barred, not of what is allowed: Python and its C library need more calls with every version.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

_BARRED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "listen": (50, 201),
    "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438), "setsid": (112, 157), "setpgid": (109, 154), "prctl": (157, 167),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "open_by_handle_at": (304, 265), "shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "mount_setattr": (442, 442), "kcmp": (312, 272), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142),
    "process_madvise": (440, 440), "personality": (135, 92), "fanotify_init": (300, 262),
    "quotactl": (179, 60), "acct": (163, 89),
}  # fmt: skip
_CLONE, _CLONE3, _TGKILL = (56, 220), (435, 435), (234, 131)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
_THREAD = 0x00010000
_SECCOMP, _FILTER = 22, 2

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def bar_calls(libc: Any) -> bool:
    """Bars the calls for this process and its threads; False where the system cannot.

    The process must have given up gaining privileges before.
    """
    packed = packed_filter(os.uname().machine, os.getpid())
    if packed is None:
        return False
    program = _Program(len(packed) // 8, packed)
    zero = ctypes.c_ulong(0)
    done = libc.prctl(_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(program), zero, zero)
    return bool(done == 0)


def packed_filter(machine: str, pid: int) -> bytes | None:
    """The filter as the kernel reads it; None for a machine whose call numbers are not known.

    Args:
        machine: As `os.uname` names it.
        pid: The one process to which `tgkill` may send signals: the program itself.
    """
    if machine not in _MACHINES or struct.calcsize("P") != 8:
        return None
    column, audit = _MACHINES[machine]
    lines: list[Instruction] = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        # Numbers of x32, a second table of the same calls.
        (_AT_LEAST, 0, 1, 0x40000000),
        (_RETURN, 0, 0, _REFUSE | _EPERM),
    ]
    for numbers in _BARRED.values():
        number = numbers[column]
        if number is not None:
            lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE | _EPERM)]
    lines += [(_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _REFUSE | _ENOSYS)]
    lines += _unless_argument(_CLONE[column], (_ANY_BIT, 1, 0, _THREAD))
    lines += _unless_argument(_TGKILL[column], (_EQUAL, 1, 0, pid))
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _unless_argument(number: int, test: Instruction) -> list[Instruction]:
    """The call is refused unless its first argument passes."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        test,
        (_RETURN, 0, 0, _REFUSE | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]

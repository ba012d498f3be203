"""Landlock: which paths a process may open at all. Works without root and without namespaces.

Everything not named is closed, /proc with the files and memory of other processes included; and
processes outside cannot be traced. Linux from 5.13 on, where the kernel has it switched on.
Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Any

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every machine
_ASK_VERSION, _BENEATH = 1, 1

_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS = 13
_LATER_RIGHTS = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""Version -> the right it added: linking elsewhere, truncating, device controls."""


def confine(libc: Any, readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Leaves this process those paths and what is beneath them; False where the system cannot.

    The process must have given up gaining privileges before. Paths that are absent are passed over.
    """
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    if version < 1:
        return False
    every = (1 << _FIRST_RIGHTS) - 1
    every |= sum(right for since, right in _LATER_RIGHTS.items() if version >= since)
    asked = struct.pack("=Q", every)
    rules = libc.syscall(_CREATE, asked, ctypes.c_size_t(len(asked)), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow(libc, rules, path, _EXECUTE | _READ | _LIST)
        for path in writable:
            _allow(libc, rules, path, every)
        return bool(libc.syscall(_RESTRICT, rules, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(rules)


def _allow(libc: Any, rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(place):  # noqa: PTH112  by its number: the path may change
            rights &= _EXECUTE | _WRITE | _READ
        rule = struct.pack("=Qi", rights, place)
        libc.syscall(_ADD, rules, _BENEATH, rule, ctypes.c_uint32(0))
    finally:
        os.close(place)

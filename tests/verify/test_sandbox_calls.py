"""The filter of system calls, interpreted here as the kernel interprets it."""

from __future__ import annotations

import struct

import pytest

from pathshift.verify.sandbox_calls import packed_filter

ALLOWED, NOT_PERMITTED, NOT_KNOWN, KILLED = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
PID = 4_321
X86, ARM = ("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)


def verdict(machine: tuple[str, int], number: int, argument: int = 0) -> int:
    """What the filter returns: the instructions of classic BPF that it uses, no others."""
    packed = packed_filter(machine[0], PID)
    assert packed is not None
    program = list(struct.iter_unpack("=HBBI", packed))
    data = struct.pack("=IIQ6Q", number, machine[1], 0, argument, 0, 0, 0, 0, 0)
    value, place = 0, 0
    while True:
        code, if_true, if_false, operand = program[place]
        if code == 0x06:
            return int(operand)
        place += 1
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
            continue
        holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
        place += if_true if holds else if_false


# From the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h.
@pytest.mark.parametrize(
    ("machine", "numbers"),
    [
        (X86, {"fork": 57, "execve": 59, "socket": 41, "ptrace": 101, "kill": 62, "mount": 165}),
        (ARM, {"execve": 221, "socket": 198, "ptrace": 117, "kill": 129, "mount": 40}),
    ],
)
def test_calls_that_reach_outside_are_not_permitted(
    machine: tuple[str, int], numbers: dict[str, int]
) -> None:
    assert {name: verdict(machine, n) for name, n in numbers.items()} == dict.fromkeys(
        numbers, NOT_PERMITTED
    )


@pytest.mark.parametrize(
    ("machine", "numbers"),
    [(X86, [0, 1, 3, 9, 11, 12, 202, 257, 231]), (ARM, [63, 64, 57, 222, 215, 214, 98, 56, 94])],
)
def test_reading_writing_memory_and_waiting_are_allowed(
    machine: tuple[str, int], numbers: list[int]
) -> None:
    assert {verdict(machine, number) for number in numbers} == {ALLOWED}


@pytest.mark.parametrize(("machine", "clone", "tgkill"), [(X86, 56, 234), (ARM, 220, 131)])
def test_threads_may_be_started_and_processes_not(
    machine: tuple[str, int], clone: int, tgkill: int
) -> None:
    of_a_thread, of_a_process = 0x3D0F00, 17
    assert verdict(machine, clone, of_a_thread) == ALLOWED
    assert verdict(machine, clone, of_a_process) == NOT_PERMITTED
    assert verdict(machine, 435) == NOT_KNOWN
    assert verdict(machine, tgkill, PID) == ALLOWED
    assert verdict(machine, tgkill, PID + 1) == NOT_PERMITTED


def test_another_table_of_calls_is_no_way_round() -> None:
    assert verdict(X86, 0x40000000 + 41) == NOT_PERMITTED
    assert verdict(("x86_64", 0x40000003), 1) == KILLED
    assert packed_filter("riscv64", PID) is None

"""Forty named functions on strings of lower-case letters, each with its exact partial inverse.

All are injective: `undo(apply(s)) == s` for every string of letters a-z, and `undo(t)` is None
where no string leads to t. Names say nothing of what a function does, so that `definitions=none`
asks for knowledge learnt elsewhere. A name keeps its function for good: new ones go to the end.

Letters are numbered a=0 to z=25, places from 1; letter arithmetic wraps around.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

LETTERS = "abcdefghijklmnopqrstuvwxyz"

Step = Callable[[str], str]
PartialStep = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StringFunction:
    """One function on strings.

    Attributes:
        name: What a question calls it.
        meaning: One sentence that defines it, with s the argument.
        apply: The function.
        undo: The string that `apply` maps to this one; None if there is none.
    """

    name: str
    meaning: str
    apply: Step
    undo: PartialStep


def _number(letter: str) -> int:
    return ord(letter) - 97


def _letter(number: int) -> str:
    return LETTERS[number % 26]


def _places(order: Callable[[int], list[int]]) -> tuple[Step, PartialStep]:
    """Rearrangement: place i of the result takes the letter of place order(length)[i]."""

    @lru_cache(maxsize=64)
    def both(length: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        there = tuple(order(length))
        return there, tuple(sorted(range(length), key=there.__getitem__))

    def apply(s: str) -> str:
        return "".join([s[i] for i in both(len(s))[0]])

    def undo(s: str) -> str:
        return "".join([s[i] for i in both(len(s))[1]])

    return apply, undo


def _alphabet(image: str) -> tuple[Step, PartialStep]:
    """Letter for letter: the i-th of the alphabet becomes the i-th of `image`."""
    there, back = str.maketrans(LETTERS, image), str.maketrans(image, LETTERS)
    return lambda s: s.translate(there), lambda s: s.translate(back)


def _shift(by: Callable[[int, int], int]) -> tuple[Step, PartialStep]:
    """The letter at place i of a string of length n moves by(i, n) letters on."""

    def apply(s: str) -> str:
        n = len(s)
        return "".join([_letter(_number(c) + by(i, n)) for i, c in enumerate(s, 1)])

    def undo(s: str) -> str:
        n = len(s)
        return "".join([_letter(_number(c) - by(i, n)) for i, c in enumerate(s, 1)])

    return apply, undo


def _checked(apply: Step, guess: Step) -> tuple[Step, PartialStep]:
    """For functions that lengthen: undo takes what `guess` says if that indeed leads here."""

    def undo(s: str) -> str | None:
        before = guess(s)
        return before if apply(before) == s else None

    return apply, undo


def _blocks(length: int, size: int, order: Callable[[range], list[int]]) -> list[int]:
    """Every full block of `size` places in the order given; places left over stay."""
    full = length - length % size
    moved = [i for start in range(0, full, size) for i in order(range(start, start + size))]
    return moved + list(range(full, length))


def _among(length: int, chosen: range, order: Callable[[list[int]], list[int]]) -> list[int]:
    """Only the `chosen` places change, among themselves."""
    result = list(range(length))
    for place, source in zip(chosen, order(list(chosen)), strict=True):
        result[place] = source
    return result


def _outside_in(n: int) -> list[int]:
    return [i // 2 if i % 2 == 0 else n - 1 - i // 2 for i in range(n)]


def _swap_halves(n: int) -> list[int]:
    half = n // 2
    return [*range(n - half, n), *range(half, n - half), *range(half)]


def _interleave(n: int) -> list[int]:
    half = (n + 1) // 2
    return [i // 2 if i % 2 == 0 else half + i // 2 for i in range(n)]


def _last_behind_second(n: int) -> list[int]:
    return list(range(n)) if n < 4 else [0, 1, n - 1, *range(2, n - 1)]


def _sums(s: str) -> str:
    return "".join(map(_letter, accumulate(map(_number, s))))


def _differences(s: str) -> str:
    return "".join(_letter(_number(b) - _number(a)) for a, b in zip("a" + s, s, strict=False))


def _sums_from_end(s: str) -> str:
    return _sums(s[::-1])[::-1]


def _differences_from_end(s: str) -> str:
    return _differences(s[::-1])[::-1]


def _add_next(s: str) -> str:
    following = s[1:] + "a"
    return "".join(_letter(_number(c) + _number(d)) for c, d in zip(s, following, strict=False))


def _undo_add_next(s: str) -> str:
    before: list[int] = []
    for c in reversed(s):
        before.append((_number(c) - (before[-1] if before else 0)) % 26)
    return "".join(map(_letter, reversed(before)))


def _add_first(s: str, sign: int = 1) -> str:
    return s[:1] + "".join(_letter(_number(c) + sign * _number(s[0])) for c in s[1:])


def _add_last(s: str, sign: int = 1) -> str:
    return "".join(_letter(_number(c) + sign * _number(s[-1])) for c in s[:-1]) + s[-1:]


def _mirror_first_half(s: str) -> str:
    half = len(s) // 2
    return s[:half].translate(_MIRROR) + s[half:]


def _times_at_odd(s: str, factor: int) -> str:
    # 3 * 9 = 27 = 1 in letter arithmetic, so the two factors undo each other.
    return "".join(_letter(_number(c) * (1 if i % 2 else factor)) for i, c in enumerate(s))


def _rotate_vowels(alphabet: str) -> str:
    return alphabet.translate(str.maketrans("aeiou", "eioua"))


_MIRROR = str.maketrans(LETTERS, LETTERS[::-1])

_MEANINGS: list[tuple[str, tuple[Step, PartialStep]]] = [
    # Places change, letters stay.
    ("s read backwards", _places(lambda n: list(range(n))[::-1])),
    (
        "the first letter of s moves to the end",
        _places(lambda n: [*range(1, n), *range(min(n, 1))]),
    ),
    (
        "the first three letters of s move, in their order, to the end",
        _places(lambda n: [*range(3, n), *range(min(n, 3))]),
    ),
    ("the two halves of s change places; a middle letter stays", _places(_swap_halves)),
    (
        "the 1st and 2nd letters of s change places, the 3rd and 4th, and so on; a last one left "
        "over stays",
        _places(lambda n: _blocks(n, 2, lambda block: list(block)[::-1])),
    ),
    (
        "the first half of s (the longer one if they differ) and the second half are interleaved, "
        "letter by letter, starting with the first half",
        _places(_interleave),
    ),
    (
        "all letters of s at even places in their order, then all at odd places in their order",
        _places(lambda n: [*range(1, n, 2), *range(0, n, 2)]),
    ),
    (
        "the first half of s (the shorter one if they differ) is turned round, the rest stays",
        _places(lambda n: [*range(n // 2 - 1, -1, -1), *range(n // 2, n)]),
    ),
    (
        "the second half of s (the longer one if they differ) is turned round, the rest stays",
        _places(lambda n: [*range(n // 2), *range(n - 1, n // 2 - 1, -1)]),
    ),
    (
        "each full block of three letters of s is turned round; letters left over stay",
        _places(lambda n: _blocks(n, 3, lambda block: list(block)[::-1])),
    ),
    (
        "in each full block of four letters of s the first one moves to the block's end; letters "
        "left over stay",
        _places(lambda n: _blocks(n, 4, lambda block: [*block[1:], block[0]])),
    ),
    (
        "the first and the last letter of s change places",
        _places(lambda n: _among(n, range(0, n, max(n - 1, 1)), lambda ends: ends[::-1])),
    ),
    (
        "the last letter of s moves behind the second one; s of fewer than four letters stays",
        _places(_last_behind_second),
    ),
    (
        "the 1st letter of s, then the last, the 2nd, the last but one, and so on to the middle",
        _places(_outside_in),
    ),
    (
        "the letters of s at even places are turned round among themselves, the others stay",
        _places(lambda n: _among(n, range(1, n, 2), lambda places: places[::-1])),
    ),
    (
        "the letters of s at odd places move one odd place to the left, the first of them to the "
        "last odd place; the others stay",
        _places(lambda n: _among(n, range(0, n, 2), lambda places: places[1:] + places[:1])),
    ),
    # Letters change, the length stays.
    (
        "in the first half of s (the shorter one if they differ) each letter moves 5 on in the "
        "alphabet",
        _shift(lambda i, n: 5 * (i <= n // 2)),
    ),
    (
        "each letter of s becomes its mirror image in the alphabet, a-z, b-y, ...",
        _alphabet(LETTERS[::-1]),
    ),
    ("the letters of s at odd places move 3 on in the alphabet", _shift(lambda i, n: 3 * (i % 2))),
    (
        "the letters of s at even places move 4 back in the alphabet",
        _shift(lambda i, n: -4 * (1 - i % 2)),
    ),
    (
        "each letter of s moves on in the alphabet by its place, the first by 1",
        _shift(lambda i, n: i),
    ),
    (
        "each letter of s moves on in the alphabet by its place from the end, the last by 1",
        _shift(lambda i, n: n + 1 - i),
    ),
    ("each letter of s becomes the sum of itself and all before it", (_sums, _differences)),
    (
        "each letter of s becomes the sum of itself and all behind it",
        (_sums_from_end, _differences_from_end),
    ),
    (
        "the letter behind it is added to each letter of s; the last stays",
        (_add_next, _undo_add_next),
    ),
    (
        "the numbers of the letters of s at odd places are multiplied by 3",
        (lambda s: _times_at_odd(s, 3), lambda s: _times_at_odd(s, 9)),
    ),
    (
        "the number of each letter of s is multiplied by 7, then 2 is added",
        _alphabet("".join(_letter(7 * i + 2) for i in range(26))),
    ),
    (
        "in s the letters a and b change for each other, c and d, e and f, and so on to y and z",
        _alphabet("".join(_letter(i ^ 1) for i in range(26))),
    ),
    (
        "each vowel of s becomes the next one, a-e, e-i, i-o, o-u, u-a; other letters stay",
        _alphabet(_rotate_vowels(LETTERS)),
    ),
    (
        "the first letter of s is added to each of the others",
        (_add_first, lambda s: _add_first(s, -1)),
    ),
    (
        "the last letter of s is added to each of the others",
        (_add_last, lambda s: _add_last(s, -1)),
    ),
    (
        "in the first half of s (the shorter one if they differ) each letter becomes its mirror "
        "image in the alphabet, a-z, b-y, ...",
        (_mirror_first_half, _mirror_first_half),
    ),
    (
        "in the second half of s (the longer one if they differ) each letter moves 7 on in the "
        "alphabet",
        _shift(lambda i, n: 7 * (i > n // 2)),
    ),
    # The string grows.
    ("the letter q is put behind s", _checked(lambda s: s + "q", lambda s: s[:-1])),
    ("the letter z is put before s", _checked(lambda s: "z" + s, lambda s: s[1:])),
    (
        "the first letter of s is put behind s once more",
        _checked(lambda s: s + s[:1], lambda s: s[:-1]),
    ),
    (
        "the last letter of s is put before s once more",
        _checked(lambda s: s[-1:] + s, lambda s: s[1:]),
    ),
    (
        "the second letter of s is doubled",
        _checked(lambda s: s[:2] + s[1:], lambda s: s[:2] + s[3:]),
    ),
    (
        "the letter k is put in the middle of s, behind its first half (the shorter one if they "
        "differ)",
        _checked(
            lambda s: s[: len(s) // 2] + "k" + s[len(s) // 2 :],
            lambda s: s[: (len(s) - 1) // 2] + s[(len(s) + 1) // 2 :],
        ),
    ),
    (
        "the last three letters of s, turned round, are put behind s once more",
        _checked(lambda s: s + s[-3:][::-1], lambda s: s[: max(len(s) - 3, len(s) // 2)]),
    ),
]

FUNCTIONS: dict[str, StringFunction] = {
    f"f{number:02d}": StringFunction(name=f"f{number:02d}", meaning=meaning, apply=apply, undo=undo)
    for number, (meaning, (apply, undo)) in enumerate(_MEANINGS, 1)
}
"""Every function by its name, f01 to f40."""

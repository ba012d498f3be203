"""Marking a sheet in the terminal: one chain after the other, each answer kept at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from pathshift.store.reviews import Item, mark_item, read_sheet

_ASKED = "Does the work itself lead to the answer? y yes, n no, ? cannot say, b back, q quit: "
_ANSWERS = {"y": "yes", "n": "no", "?": "unsure"}


def mark_in_terminal(sheet: Path, ask: Callable[[str], str] = input) -> list[Item]:
    """Ask about every chain that has no mark yet; returns the items as they are at the end.

    Args:
        ask: Shows a prompt and returns a line; raises EOFError at the end of input.
    """
    items = read_sheet(sheet)
    place = next_open(items, 0)
    while place is not None:
        for line in _shown(items[place], place, len(items)):
            typer.echo(line)
        answer = _answer(ask)
        if answer == "q":
            break
        if answer == "b":
            place = max(0, place - 1)
            continue
        items = mark_item(sheet, items[place].token, _ANSWERS[answer])
        place = next_open(items, place)
    return items


def next_open(items: Sequence[Item], place: int) -> int | None:
    """Place of the next item without a mark, from `place` on and then from the start."""
    order = [*range(place, len(items)), *range(place)]
    return next((i for i in order if items[i].mark is None), None)


def _answer(ask: Callable[[str], str]) -> str:
    while True:
        try:
            answer = ask(_ASKED).strip().lower()
        except EOFError:
            return "q"
        answer = {"back": "b", "quit": "q", "yes": "y", "no": "n"}.get(answer, answer)
        if answer in (*_ANSWERS, "b", "q"):
            return answer


def _shown(item: Item, place: int, of: int) -> list[str]:
    mark = "" if item.mark is None else f", marked {item.mark}"
    return [
        "",
        f"=== chain {place + 1} of {of}{mark} " + "=" * 40,
        f"question:\n{shown(item.question)}\n",
        f"reference answer: {shown(item.reference)}\n",
        f"chain:\n{shown(item.chain)}",
        "=" * 40,
    ]


def shown(text: str) -> str:
    r"""Foreign text with every character that could steer a terminal or hide spelled out.

    >>> print(shown("a\x1b[2J\u202eb"))
    a\x1b[2J\u202eb
    """
    text = text.replace("\r\n", "\n")
    return "".join(c if c in "\n\t" or c.isprintable() else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

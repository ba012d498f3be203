"""Whether a row of tokens ends with a stop text, without decoding it at every token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_TAIL_TOKENS = 24


class StopTexts:
    """Looks for stop texts at the end of a row of tokens.

    A stop text is complete only with a token that holds its last character. Of tokens whose own
    text is whole ASCII that is known from the token alone, and the row is not decoded.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        self._lasts = {stop[-1] for stop in stops}
        # Only the end can hold a new stop text; one token is at least a byte of it.
        self._tail = max(len(stop.encode()) for stop in stops) + _TAIL_TOKENS
        self._may_end: dict[int, bool] = {}

    def ended(self, tokens: Sequence[int]) -> bool:
        """Whether a stop text stands in the last tokens."""
        if not self._can_complete(tokens[-1]):
            return False
        tail = self._tokenizer.decode(tokens[-self._tail :])
        return any(stop in tail for stop in self._stops)

    def _can_complete(self, token: int) -> bool:
        known = self._may_end.get(token)
        if known is None:
            known = self._may_end[token] = self._looks_complete(self._tokenizer.decode([token]))
        return known

    def _looks_complete(self, piece: str) -> bool:
        """Yes where in doubt: pieces of characters, and what a decoder may drop or join."""
        if not piece or not piece.isascii() or any(last == " " for last in self._lasts):
            return True
        return any(last in piece for last in self._lasts)

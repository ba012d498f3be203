"""Prompts and completions that are lists of chat messages, as one text each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pathshift.store.importers.logged import as_text


def prompt_text(prompt: object) -> str:
    """The question of a prompt: the user's turn if there is one, else all turns with their roles.

    A system turn is left out beside a single user's turn: it is dress, not question.

    >>> prompt_text([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "2+2"}])
    '2+2'
    """
    if not _is_messages(prompt):
        return as_text(prompt)
    turns = [(as_text(m.get("role")), content_text(m.get("content"))) for m in _messages(prompt)]
    asked = [text for role, text in turns if role == "user"]
    is_single = len(asked) == 1 and all(role in ("system", "user") for role, _ in turns)
    return asked[0] if is_single else "\n".join(f"{role}: {text}" for role, text in turns)


def completion_text(completion: object) -> str:
    """What the model said: the text, or its turns one after the other."""
    if not _is_messages(completion):
        return as_text(completion)
    said = [m for m in _messages(completion) if m.get("role") in ("assistant", None)]
    return "\n".join(message_text(message) for message in said)


def message_text(message: Mapping[str, Any]) -> str:
    """One turn, with its reasoning before it where that is kept apart."""
    text = content_text(message.get("content"))
    thought = as_text(message.get("reasoning_content") or message.get("reasoning"))
    return f"<think>\n{thought}\n</think>\n{text}" if thought else text


def content_text(content: object) -> str:
    """A turn's content: text, or parts of which text and reasoning are kept."""
    if not isinstance(content, Sequence) or isinstance(content, str):
        return as_text(content)
    return "".join(_part_text(part) for part in content)


def _part_text(part: object) -> str:
    if not isinstance(part, Mapping):
        return as_text(part)
    if part.get("type") == "reasoning":
        return f"<think>\n{as_text(part.get('reasoning'))}\n</think>\n"
    return as_text(part.get("text"))


def _messages(value: object) -> list[Mapping[str, Any]]:
    return list(value) if isinstance(value, Sequence) else []


def _is_messages(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(isinstance(item, Mapping) and "content" in item for item in value)
    )

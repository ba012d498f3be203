"""Files of training examples, as documents of tokens.

One row a line: {"text"}, {"prompt", "completion"} or {"messages"}, the forms that TRL reads too.
Prompt and completion may be texts or lists of chat turns. The loss is taken on the completion and
its end token only; of chat turns on the last one, the assistant's; of a plain text on all of it.

Prompt and completion are encoded apart, as when a model is sampled: no token spans the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathshift.errors import ConfigError, InputError, ModelError
from pathshift.store.rowfiles import Rules, read_rows
from pathshift.training.mixture import SourceSize
from pathshift.training.packing import Document, document, pieces

ROLES = ("system", "user", "assistant", "developer", "tool")
_RULES = Rules(line_bytes=100_000_000, file_bytes=4_000_000_000, rows=20_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row of a file.

    Attributes:
        prompt: What the loss is not taken on: a text, chat turns, or "" for a plain text.
        completion: What it is taken on.
        is_plain: A plain text, which may be cut into pieces.
        content_hash: The problem's, where the row holds one (`Problem.content_hash`).
    """

    prompt: str | tuple[Mapping[str, str], ...]
    completion: str
    is_plain: bool = False
    content_hash: str | None = None

    @property
    def asked(self) -> str:
        """All text before the completion; of a plain text all of it."""
        if self.is_plain:
            return self.completion
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(turn["content"] for turn in self.prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file's examples and its documents.

    Attributes:
        too_long: Rows left out because prompt and completion exceed a row of the batch.
    """

    name: str
    weight: float | None
    examples: tuple[Example, ...]
    documents: tuple[Document, ...]
    too_long: int = 0

    @property
    def size(self) -> SourceSize:
        """What the mixture needs of it."""
        return SourceSize(
            name=self.name, weight=self.weight, lengths=[len(d) for d in self.documents]
        )


def parse_data(item: str) -> tuple[Path, float | None]:
    """FILE or FILE:WEIGHT, as --data takes it; a file of that very name wins.

    >>> parse_data("a.jsonl:0.3")
    (PosixPath('a.jsonl'), 0.3)
    """
    head, colon, tail = item.rpartition(":")
    if not colon or Path(item).is_file():
        return Path(item), None
    try:
        return Path(head), float(tail)
    except ValueError:
        raise ConfigError(
            f"--data {item!r}: {tail!r} is no weight; give FILE or FILE:WEIGHT"
        ) from None


def read_examples(path: Path) -> list[Example]:
    """Rows of a .jsonl, .json, .csv or .parquet file.

    Raises:
        InputError: names file and row.
    """
    found = [_example(row.values, row.where) for row in read_rows(path, _RULES)]
    if not found:
        raise InputError(f"{path} holds no rows")
    return found


def _example(row: Mapping[str, Any], where: str) -> Example:
    content_hash = row.get("content_hash")
    known = content_hash if isinstance(content_hash, str) else None
    if "messages" in row:
        return _chat(_turns(row["messages"], where), known, where)
    if "prompt" in row and "completion" in row:
        prompt, completion = row["prompt"], row["completion"]
        if isinstance(prompt, str) and isinstance(completion, str):
            return Example(prompt=prompt, completion=_filled(completion, where), content_hash=known)
        turns = [*_turns(prompt, where), *_turns(completion, where)]
        return _chat(turns, known, where)
    if "text" in row:
        text = _filled(row["text"], where)
        return Example(prompt="", completion=text, is_plain=True, content_hash=known)
    names = ", ".join(sorted(map(str, row)))[:80]
    raise InputError(
        f"{where}: needs the field text, prompt and completion, or messages; it has {names}"
    )


def _filled(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: text and completion must be texts that are not empty")
    return value


def _turns(value: object, where: str) -> list[Mapping[str, str]]:
    """Chat turns of {"role", "content"}; a text stands for none and is refused."""
    rows = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    for turn in rows:
        is_turn = isinstance(turn, Mapping) and turn.get("role") in ROLES
        if not is_turn or not isinstance(turn.get("content"), str):
            raise InputError(
                f"{where}: a chat turn must be {{role, content}} with a role of {', '.join(ROLES)} "
                "and a text as content"
            )
    if not rows:
        raise InputError(f"{where}: prompt and completion must both be texts, or both chat turns")
    return [{"role": turn["role"], "content": turn["content"]} for turn in rows]


def _chat(turns: Sequence[Mapping[str, str]], known: str | None, where: str) -> Example:
    if turns[-1]["role"] != "assistant" or len(turns) < 2 or not turns[-1]["content"]:
        raise InputError(
            f"{where}: the turns must end with one of the assistant, which is what is learned"
        )
    return Example(prompt=tuple(turns[:-1]), completion=turns[-1]["content"], content_hash=known)


class Encoder:
    """From examples to documents, with a model's own tokenizer."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"the tokenizer of {name} has no end token, so no completion could be learned to "
                'its end; name one in its tokenizer_config.json, such as "eos_token": "</s>"'
            )
        self._tokenizer, self._name = tokenizer, name

    @property
    def pad_id(self) -> int:
        """What rows are filled up with; it is never seen, so the end token serves as well."""
        pad = self._tokenizer.pad_token_id
        return int(self._tokenizer.eos_token_id if pad is None else pad)

    def document(self, example: Example) -> Document:
        """Tokens of prompt, completion and end.

        Raises:
            ModelError: chat turns, and the tokenizer has no chat template.
        """
        end = [self._tokenizer.eos_token_id]
        if example.is_plain:
            return document([*self._encode(example.completion, special=True), *end])
        prompt = self._prompt(example.prompt)
        completion = self._encode(example.completion, special=False)
        return document([*prompt, *completion, *end], n_prompt=len(prompt))

    def _prompt(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        if isinstance(prompt, str):
            return self._encode(prompt, special=True)
        if self._tokenizer.chat_template is None:
            raise ModelError(
                f"{self._name} has no chat template and the data holds chat turns; "
                "give rows of {prompt, completion} as texts"
            )
        text = self._tokenizer.apply_chat_template(
            [dict(turn) for turn in prompt], tokenize=False, add_generation_prompt=True
        )
        return self._encode(text, special=False)

    def _encode(self, text: str, *, special: bool) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=special)
        # A tokenizer that ends a text by itself would put an end between prompt and completion.
        return ids[:-1] if special and ids[-1:] == [self._tokenizer.eos_token_id] else ids


def read_source(path: Path, weight: float | None, encoder: Encoder, length: int) -> Source:
    """A file as documents of at most `length` tokens.

    A plain text that is longer is cut into pieces; a longer prompt with its completion is left out
    and counted, since a cut answer would teach to stop in the middle.
    """
    return as_source(str(path), weight, read_examples(path), encoder, length)


def as_source(
    name: str, weight: float | None, examples: Sequence[Example], encoder: Encoder, length: int
) -> Source:
    """Examples as documents of at most `length` tokens; see `read_source`.

    Raises:
        InputError: nothing is left.
    """
    documents: list[Document] = []
    kept: list[Example] = []
    for example in examples:
        whole = encoder.document(example)
        if example.is_plain or len(whole) <= length:
            documents += pieces(whole, length)
            kept.append(example)
    if not documents:
        raise InputError(
            f"{name}: all {len(examples):,} rows are longer than {length} tokens; "
            "use a larger --length"
        )
    return Source(
        name=name, weight=weight, examples=tuple(kept), documents=tuple(documents),
        too_long=len(examples) - len(kept),
    )  # fmt: skip

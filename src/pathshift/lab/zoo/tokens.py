"""A tokenizer of the two families: one token for each letter, function name, number and set phrase.

Written in transformers' format. The chat template keeps the first paragraph of the last turn, the
question, and drops the instruction behind it, which these models were not taught to read: a zoo
model answers `pathshift sample --tasks compose -T definitions=none` without a prompt template.
Does not cover other texts: what is not in the vocabulary becomes `<unk>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pathshift.errors import MissingExtra, UnknownName
from pathshift.problems.compose_functions import FUNCTIONS, LETTERS
from pathshift.problems.whole_numbers import LARGEST

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, END, UNKNOWN = "<pad>", "<end>", "<unk>"
CHAT_TEMPLATE = "{{ messages[-1]['content'].split('\\n\\n')[0] + '\\n' }}"
_CONTEXT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words of one family, in the order of their numbers behind the special tokens.

    Attributes:
        phrases: Words taken as they stand, the longest first where several fit.
        pattern: A regular expression for the words that no phrase is.
        rest: The words that `pattern` finds.
    """

    phrases: tuple[str, ...]
    pattern: str
    rest: tuple[str, ...]

    @property
    def numbers(self) -> dict[str, int]:
        """Word -> token number."""
        words = (PAD, END, UNKNOWN, *self.phrases, *self.rest)
        return {word: number for number, word in enumerate(words)}


VOCABULARIES: Mapping[str, Vocabulary] = {
    "compose": Vocabulary(
        # Each bracket is a token of its own: one for ")))" would be new to a model that never saw
        # depth 3, and its failure there would say nothing of composition.
        phrases=("\n", "What is ", "(", '("', '")', ")", "?", ": ", " answer: "),
        pattern="f[0-9]{2}|[a-z]",
        rest=(*FUNCTIONS, *LETTERS),
    ),
    "countdown": Vocabulary(
        phrases=(
            "\n", "Use the numbers ", ", ", " and ",
            ", each exactly once, with the operations + - * / and parentheses to write an "
            "expression that equals ",
            ".", " + ", " - ", " * ", " / ", " = ", "(", ")", "answer: ",
        ),
        pattern="[0-9]+",
        rest=tuple(map(str, range(LARGEST + 1))),
    ),
}  # fmt: skip


def tokenizer_for(family: str) -> Tokenizer:
    """The tokenizer of `family`: decoding the numbers of a text gives the text.

    Raises:
        UnknownName: The family has none.
        MissingExtra: The package `tokenizers` is not installed.
    """
    vocabulary = VOCABULARIES.get(family)
    if vocabulary is None:
        raise UnknownName(f"no zoo tokenizer for {family!r}; there are: {', '.join(VOCABULARIES)}")
    try:
        from tokenizers import Regex, Tokenizer
        from tokenizers.decoders import Fuse
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Split
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "tokenizers", "hf") from error
    longest_first = sorted(vocabulary.phrases, key=len, reverse=True)
    pattern = "|".join([*map(_escaped, longest_first), vocabulary.pattern])
    tokenizer = Tokenizer(WordLevel(vocab=vocabulary.numbers, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = Fuse()
    tokenizer.add_special_tokens([PAD, END, UNKNOWN])
    return tokenizer


def _escaped(phrase: str) -> str:
    # The tokenizer's engine reads "\ " as a space too, but a bare newline is clearer in the file.
    return re.escape(phrase).replace("\\\n", "\n").replace("\\ ", " ")


def save_tokenizer(family: str, folder: Path) -> None:
    """Write the files that transformers reads; the same bytes every time.

    Raises:
        UnknownName, MissingExtra: As `tokenizer_for`.
    """
    tokenizer = tokenizer_for(family)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "unk_token": UNKNOWN,
        "clean_up_tokenization_spaces": False,
        "model_max_length": _CONTEXT,
        "chat_template": CHAT_TEMPLATE,
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    _write(folder / "tokenizer_config.json", json.dumps(settings, indent=2))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode() + b"\n")

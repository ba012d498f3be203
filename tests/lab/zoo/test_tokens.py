"""The tokenizer: every text of its family and back, one token a word, the same bytes each time."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pathshift.errors import UnknownName
from pathshift.lab.zoo.corpus import CorpusPlan, documents
from pathshift.lab.zoo.tokens import END, PAD, UNKNOWN, VOCABULARIES, save_tokenizer, tokenizer_for
from pathshift.problems import compose, countdown
from pathshift.problems.whole_numbers import LARGEST
from pathshift.records import Problem


def asked(family: str) -> list[Problem]:
    """Problems as the family itself draws them, of every level."""
    if family == "compose":
        return [
            problem
            for depth in (1, 2, 3)
            for problem in compose.load(
                compose.Options(depth=(depth,), definitions="none", n=30), limit=None
            )
        ]
    return countdown.load(countdown.Options(numbers=(3, 4, 5), max_target=900, n=20), limit=None)


def written(family: str) -> list[str]:
    shares = ((1, 0.4), (3, 0.3), (5, 0.3)) if family == "compose" else ((3, 0.5), (6, 0.5))
    plan = CorpusPlan(family=family, n_documents=200, shares=shares, noise=0.3)
    return [document.prompt + document.completion for document in documents(plan)]


@pytest.mark.parametrize("family", VOCABULARIES)
def test_a_text_comes_back_from_its_tokens(family: str) -> None:
    tokenizer = tokenizer_for(family)
    unknown = tokenizer.token_to_id(UNKNOWN)
    for text in [*written(family), *(problem.question for problem in asked(family))]:
        ids = tokenizer.encode(text).ids
        assert unknown not in ids
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("family", VOCABULARIES)
def test_prompt_and_solution_encoded_apart_are_the_text_encoded_whole(family: str) -> None:
    """So that sampling after a prompt meets the tokens that training saw."""
    tokenizer = tokenizer_for(family)
    shares = ((2, 1.0),) if family == "compose" else ((5, 1.0),)
    plan = CorpusPlan(family=family, n_documents=50, shares=shares)
    for document in documents(plan):
        apart = [*tokenizer.encode(document.prompt).ids, *tokenizer.encode(document.completion).ids]
        assert apart == tokenizer.encode(document.prompt + document.completion).ids


def test_each_letter_and_each_function_is_one_token() -> None:
    tokens = tokenizer_for("compose").encode('What is f12(f03("abz"))?\nf03: bza').tokens
    assert tokens == [
        "What is ", "f12", "(", "f03", '("', "a", "b", "z", '")', ")", "?", "\n",
        "f03", ": ", "b", "z", "a",
    ]  # fmt: skip


def test_each_number_and_each_sign_is_one_token() -> None:
    tokens = tokenizer_for("countdown").encode("25 * (4 + 13) = 925\nanswer: 7").tokens
    assert tokens == [
        "25", " * ", "(", "4", " + ", "13", ")", " = ", "925", "\n", "answer: ", "7",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [str(LARGEST + 1), "1234567", "٣"])
def test_a_number_without_a_token_is_unknown_and_not_cut(text: str) -> None:
    assert tokenizer_for("countdown").encode(text).tokens == [UNKNOWN]


@pytest.mark.parametrize(
    ("family", "size", "sha"),
    [("compose", 78, "3c17fca521879c8e"), ("countdown", 1017, "d81de032c0d9e500")],
)
def test_the_files_are_the_same_bytes_as_when_the_zoo_was_made(
    tmp_path: Path, family: str, size: int, sha: str
) -> None:
    """A change here would renumber the tokens of models that exist."""
    for folder in ("a", "b"):
        save_tokenizer(family, tmp_path / folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    numbers = tokenizer_for(family).get_vocab()
    assert len(numbers) == size
    assert hashlib.sha256(repr(sorted(numbers.items())).encode()).hexdigest()[:16] == sha


@pytest.fixture(scope="module", params=list(VOCABULARIES))
def loaded(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(request.param, folder)
    return request.param, AutoTokenizer.from_pretrained(folder)


def test_transformers_reads_the_same_numbers_and_texts(loaded: tuple[str, Any]) -> None:
    family, tokenizer = loaded
    ours = tokenizer_for(family)
    for text in islice(written(family), 50):
        assert tokenizer.encode(text) == ours.encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_transformers_knows_the_pad_and_end_tokens(loaded: tuple[str, Any]) -> None:
    _, tokenizer = loaded
    assert (tokenizer.pad_token, tokenizer.pad_token_id) == (PAD, 0)
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == (END, 1)
    assert tokenizer.decode([0, 1], skip_special_tokens=True) == ""


def test_the_chat_template_keeps_the_first_paragraph(loaded: tuple[str, Any]) -> None:
    _, tokenizer = loaded
    turns = [{"role": "user", "content": "The question?\n\nAn instruction.\n\nMore."}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "The question?\n"


def test_a_family_without_tokens_is_named() -> None:
    with pytest.raises(UnknownName, match="'gsm8k'; there are: compose, countdown"):
        tokenizer_for("gsm8k")

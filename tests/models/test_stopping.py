"""Stop texts found early and skipped cheaply are those that decoding every row finds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.tiny import save_tiny
from transformers import AutoTokenizer

from pathshift.models.hf.model import HfModel
from pathshift.models.hf.stopping import StopTexts

STOPS = [("\n\nQ",), ("Q:", "é"), (" ",), ("</answer>", "\n"), ("。",)]
TEXT = 'One Q: two\n\nQ three é, "</answer> 。 4'


def first_by_decoding(tokenizer: object, ids: list[int], stops: tuple[str, ...]) -> int | None:
    for end in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[:end])  # type: ignore[attr-defined]
        if any(stop in text for stop in stops):
            return end
    return None


@pytest.mark.parametrize("stops", STOPS)
def test_a_row_ends_where_its_decoded_text_first_holds_a_stop(
    stops: tuple[str, ...], tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(save_tiny(tmp_path))
    ids = tokenizer.encode(TEXT)
    texts = StopTexts(tokenizer, stops)
    found = next((end for end in range(1, len(ids) + 1) if texts.ended(ids[:end])), None)
    assert found is not None
    assert found == first_by_decoding(tokenizer, ids, stops)


@pytest.mark.model
@pytest.mark.parametrize("stops", STOPS)
def test_the_same_with_a_real_vocabulary_and_odd_tokens(
    stops: tuple[str, ...], smollm: HfModel
) -> None:
    tokenizer = smollm._tokenizer
    noise = torch.randint(0, 49152, (60,), generator=torch.Generator().manual_seed(2)).tolist()
    ids = noise + tokenizer.encode(TEXT)
    texts = StopTexts(tokenizer, stops)
    found = next((end for end in range(1, len(ids) + 1) if texts.ended(ids[:end])), None)
    assert found == first_by_decoding(tokenizer, ids, stops)

"""`zoo:NAME`: bundled folders, whole ones only."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pathshift.decoding.policy import Policy
from pathshift.errors import UnknownName
from pathshift.lab.zoo.corpus import prompt_of
from pathshift.lab.zoo.tokens import save_tokenizer
from pathshift.models import load
from pathshift.models.load import load_model
from pathshift.models.protocol import Request
from pathshift.models.zoo import zoo_location, zoo_names
from pathshift.problems import compose


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one whole model, `compose-base`, of random weights in bf16."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("zoo")
    here = folder / "compose-base"
    save_tokenizer("compose", here)
    config = LlamaConfig(
        vocab_size=78, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, bos_token_id=None, eos_token_id=1,
        pad_token_id=0, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(here)
    (here / "README.md").write_text("Random weights.\n")
    (folder / "__pycache__").mkdir()
    return folder


@pytest.mark.parametrize("missing", ["README.md", "model.safetensors", "tokenizer.json"])
def test_a_model_that_lacks_a_file_is_not_listed(zoo: Path, tmp_path: Path, missing: str) -> None:
    shutil.copytree(zoo, tmp_path / "zoo")
    assert zoo_names(tmp_path / "zoo") == ["compose-base"]
    (tmp_path / "zoo" / "compose-base" / missing).unlink()
    assert zoo_names(tmp_path / "zoo") == []


def test_an_unknown_name_lists_what_is_there(zoo: Path) -> None:
    with pytest.raises(UnknownName, match="no zoo model 'compose'; there are: compose-base"):
        zoo_location("compose", zoo)


def test_an_empty_zoo_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="none is bundled yet"):
        zoo_location("compose-base", tmp_path / "absent")


@pytest.mark.parametrize("name", ["..", ".", "compose-base/../compose-base", "/etc"])
def test_a_name_is_no_path(zoo: Path, name: str) -> None:
    with pytest.raises(UnknownName):
        zoo_location(name, zoo)


def test_a_spec_that_names_no_bundled_model_is_one_line() -> None:
    with pytest.raises(UnknownName, match="no zoo model 'no-such'") as caught:
        load_model("zoo:no-such")
    assert "\n" not in str(caught.value)


def test_a_zoo_model_draws_from_the_question_alone(
    zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chat template keeps the question and drops the instruction behind it."""
    monkeypatch.setattr(load, "zoo_location", lambda name: zoo_location(name, zoo))
    model = load_model("zoo:compose-base")
    problem = compose.load(compose.Options(n=1, depth=(2,), definitions="none"), limit=None)[0]
    turn = {"role": "user", "content": f"{problem.question}\n\nThen write it after 'Answer:'."}
    prompt = model.render_chat([turn])
    assert prompt == prompt_of(problem)
    request = Request(prompt=prompt, seeds=(1, 2), is_chat=True)
    (drawn,) = model.generate([request], Policy(max_tokens=4))
    assert [completion.n_tokens for completion in drawn] == [4, 4]
    assert model.info.details["parameters"] < 20_000

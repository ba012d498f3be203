from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.tiny import save_tiny
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, StorageError
from pathshift.models.hf.model import load_hf, load_parts
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Request
from pathshift.training.saved_model import save_adapter, save_model


def trained(folder: Path) -> tuple[Any, Any]:
    """A network that the engine has drawn from, as after training, and its tokenizer."""
    save_tiny(folder)
    load_hf("tiny", str(folder)).generate([Request(prompt="a", seeds=(1,))], Policy(max_tokens=2))
    return load_parts("tiny", str(folder), revision=None, dtype="fp32", device="cpu")


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_saved_model_is_loaded_by_its_spec_with_the_same_weights(
    dtype: str, tmp_path: Path
) -> None:
    network, tokenizer = trained(tmp_path / "base")
    with torch.no_grad():
        network.lm_head.weight.add_(0.25)
    folder = save_model(network, tokenizer, tmp_path / "out" / "model", dtype=dtype)
    kind = torch.float32 if dtype == "fp32" else torch.bfloat16
    stored = load_file(folder / "model.safetensors")
    for name, weight in network.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(stored[name], weight.to(kind)), name
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert written["dtype"] == str(kind).removeprefix("torch.")
    assert "pathshift" not in json.dumps(written), "the engine's own attention is not written"
    model = load_model(f"hf:{folder}", LoadOptions(dtype=dtype))
    (completions,) = model.generate([Request(prompt="ab", seeds=(1, 2))], Policy(max_tokens=4))
    assert len(completions) == 2


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    _, tokenizer = trained(tmp_path / "base")
    config = LlamaConfig(
        vocab_size=257, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    folder = save_model(LlamaForCausalLM(config), tokenizer, tmp_path / "model", dtype="bf16")
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    again = AutoModelForCausalLM.from_pretrained(folder)
    assert again.lm_head.weight.data_ptr() == again.model.embed_tokens.weight.data_ptr()


def test_a_second_save_takes_the_place_of_the_first_and_a_failed_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, tokenizer = trained(tmp_path / "base")
    folder = save_model(network, tokenizer, tmp_path / "model")
    with torch.no_grad():
        network.lm_head.weight.zero_()
    save_model(network, tokenizer, folder)
    assert not load_file(folder / "model.safetensors")["lm_head.weight"].any()

    def full(_handle: int) -> None:
        raise OSError(28, "")

    with torch.no_grad():
        network.lm_head.weight.fill_(1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"cannot write .*model: No space left"):
            save_model(network, tokenizer, folder)
    assert not load_file(folder / "model.safetensors")["lm_head.weight"].any()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["base", "model"]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft calls what transformers renames
def test_a_saved_adapter_gives_the_trained_network_again(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    network, tokenizer = trained(tmp_path / "base")
    settings = peft.LoraConfig(target_modules="all-linear", r=2, task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(network, settings).eval()
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="save that with save_adapter"):
        save_model(network, tokenizer, tmp_path / "model")
    folder = save_adapter(wrapped, tmp_path / "out" / "adapter", base="smollm2")
    names = sorted(one.name for one in folder.iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    assert all("lora_" in name for name in load_file(folder / "adapter_model.safetensors"))
    written = (folder / "adapter_config.json").read_text(encoding="utf-8")
    assert json.loads(written)["base_model_name_or_path"] == "smollm2"
    assert str(tmp_path) not in written
    merged = load_model(f"hf:{tmp_path / 'base'}+{folder}")
    ids = tokenizer.encode("abcdef")
    with torch.no_grad():
        logp = wrapped(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    want = [float(logp[i, ids[i + 1]]) for i in range(2, 5)]
    assert merged.score("abc", "def") == pytest.approx(want, abs=1e-4)


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dtype 'fp8' is not known; use one of fp32, bf16"):
        save_model(None, None, tmp_path / "model", dtype="fp8")

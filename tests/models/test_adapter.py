"""A LoRA adapter in its base: the merged weights are W + (alpha / r) B A, or it is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.tiny import save_tiny
from transformers import AutoModelForCausalLM

from pathshift.decoding.policy import Policy
from pathshift.errors import MissingExtra, ModelError
from pathshift.models.hf.model import HfModel
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Request

peft = pytest.importorskip("peft", reason="peft is not installed; the train extra has it")

RANK, ALPHA = 4, 12
TARGETS = ("q_proj", "down_proj")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "base")


def write_adapter(folder: Path, base: Path, **settings: Any) -> Path:
    """An adapter as peft writes it, made by hand from its published layout."""
    folder.mkdir()
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(base),
        "r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0, "bias": "none",
        "target_modules": list(TARGETS), "inference_mode": True,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config | settings))
    made = torch.Generator().manual_seed(5)
    tensors = {}
    for name, weight in load_file(base / "model.safetensors").items():
        module = name.removesuffix(".weight")
        if module.endswith(TARGETS):
            rows, columns = weight.shape
            stem = f"base_model.model.{module}"
            tensors[f"{stem}.lora_A.weight"] = torch.randn(RANK, columns, generator=made) * 0.1
            tensors[f"{stem}.lora_B.weight"] = torch.randn(rows, RANK, generator=made) * 0.1
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def merged_by_hand(base: Path, adapter: Path, target: Path) -> Path:
    """The folder a user would have merged: W + (alpha / r) B A."""
    network = AutoModelForCausalLM.from_pretrained(base)
    tensors = load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for name, weight in network.named_parameters():
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            if f"{stem}.lora_A.weight" in tensors:
                a, b = tensors[f"{stem}.lora_A.weight"], tensors[f"{stem}.lora_B.weight"]
                weight += ALPHA / RANK * (b @ a)
    save_tiny(target)
    network.save_pretrained(target)
    return target


def logprobs(spec: str) -> torch.Tensor:
    return torch.tensor(load_model(spec).score("What is 2 + 2?", " It is 4, of course."))


def test_scores_are_those_of_the_model_merged_by_hand(base: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base)
    by_hand = merged_by_hand(base, adapter, tmp_path / "merged")
    found, wanted = logprobs(f"hf:{base}+{adapter}"), logprobs(f"hf:{by_hand}")
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert (found - logprobs(f"hf:{base}")).abs().max() > 0.1


def test_its_samples_are_those_of_the_model_merged_by_hand(base: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base)
    by_hand = merged_by_hand(base, adapter, tmp_path / "merged")
    asked = [Request(prompt="What is", seeds=tuple(range(16)))]
    drawn = [
        load_model(spec, LoadOptions(rows=16)).generate(asked, Policy(max_tokens=8))
        for spec in (f"hf:{base}+{adapter}", f"hf:{by_hand}")
    ]
    assert [c.token_ids for c in drawn[0][0]] == [c.token_ids for c in drawn[1][0]]


def test_the_hash_of_the_weights_covers_both(base: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base)
    spec = f"hf:{base}+{adapter}"
    first = load_model(spec).info.weights_hash
    assert first != load_model(f"hf:{base}").info.weights_hash
    assert first == load_model(spec).info.weights_hash
    file = adapter / "adapter_model.safetensors"
    save_file({name: 2 * value for name, value in load_file(file).items()}, file)
    assert load_model(spec).info.weights_hash != first


def test_the_frequencies_of_positions_stay_in_fp32(base: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base)
    loaded = load_model(f"hf:{base}+{adapter}", LoadOptions(dtype="bf16"))
    plain = load_model(f"hf:{base}", LoadOptions(dtype="bf16"))
    assert isinstance(loaded, HfModel)
    assert isinstance(plain, HfModel)
    for mine, theirs in zip(
        loaded._network.named_buffers(), plain._network.named_buffers(), strict=True
    ):
        assert mine[0] == theirs[0]
        torch.testing.assert_close(mine[1], theirs[1], atol=0, rtol=0)
    assert {w.dtype for w in loaded._network.parameters()} == {torch.bfloat16}


def test_an_adapter_of_another_model_is_no_silent_base(base: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base)
    file = adapter / "adapter_model.safetensors"
    renamed = {name.replace("layers.", "blocks."): t for name, t in load_file(file).items()}
    save_file(renamed, file)
    with pytest.raises(ModelError, match="find no place in the base") as caught:
        load_model(f"hf:{base}+{adapter}")
    assert "\n" not in str(caught.value)
    wider = save_tiny(tmp_path / "wider", width=64)
    with pytest.raises(ModelError, match="does not fit"):
        load_model(f"hf:{wider}+{write_adapter(tmp_path / 'second', base)}")


def test_a_pickled_adapter_is_not_opened(base: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base)
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors"):
        load_model(f"hf:{base}+{adapter}")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peft_type": "IA3"}, "of type IA3"),
        ({"peft_type": "PROMPT_TUNING"}, "merge_and_unload"),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "with megatron_config"),
        ({"auto_mapping": {"parent_library": "antigravity"}}, "with auto_mapping"),
        ({"target_modules": ["no_such_module"]}, "does not fit"),
        ({"r": "four"}, "does not fit"),
    ],
)
def test_what_is_no_lora_or_names_code_is_one_line(
    base: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    adapter = write_adapter(tmp_path / "adapter", base, **settings)
    with pytest.raises(ModelError, match=said) as caught:
        load_model(f"hf:{base}+{adapter}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", "nonsense", '{"peft_type": null}'])
def test_a_broken_configuration_is_one_line(base: Path, tmp_path: Path, content: str) -> None:
    adapter = write_adapter(tmp_path / "adapter", base)
    (adapter / "adapter_config.json").write_text(content)
    with pytest.raises(ModelError):
        load_model(f"hf:{base}+{adapter}")


def test_an_adapter_that_is_not_there(base: Path) -> None:
    with pytest.raises(ModelError, match="is no folder"):
        load_model(f"hf:{base}+/no/such/adapter")


def test_without_peft_the_error_names_the_extra(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    adapter = write_adapter(tmp_path / "adapter", base)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pathshift\[hf\]'"):
        load_model(f"hf:{base}+{adapter}")


def test_a_folder_with_a_plus_in_its_name_is_a_folder(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "a+b")
    assert load_model(f"hf:{folder}").info.spec == f"hf:{folder}"
    adapter = write_adapter(tmp_path / "c+d", folder)
    assert load_model(f"hf:{folder}+{adapter}").info.weights_hash

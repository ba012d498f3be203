"""manifest.json: what a run is, and the refusal to continue it as something else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pathshift.errors import ConfigMismatch, RunError
from pathshift.records import SCHEMA_VERSION, RunManifest
from pathshift.store.shards import whole_or_absent

FILE_NAME = "manifest.json"
_SHOWN_CHARS = 80
_DERIVED = ("stream", "task_hash", "template_hash")
"""Fields that follow from others; named only if nothing else differs."""


def is_run(path: Path) -> bool:
    """Whether the path is a run folder."""
    return (path / FILE_NAME).is_file()


def read_manifest(folder: Path) -> RunManifest:
    """The folder's manifest.

    Raises:
        RunError: no manifest, not JSON, or a schema newer than this version reads.
    """
    path = folder / FILE_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        manifest = RunManifest(**fields)
    except FileNotFoundError:
        raise RunError(
            f"{folder} is not a run folder: it has no {FILE_NAME}; "
            "make one with `pathshift sample --out`"
        ) from None
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is not a manifest ({error}); the run must be drawn anew") from error
    if manifest.schema > SCHEMA_VERSION:
        raise RunError(
            f"{path} has schema {manifest.schema}, this version reads up to {SCHEMA_VERSION}; "
            "upgrade pathshift"
        )
    return manifest


def write_manifest(folder: Path, manifest: RunManifest) -> None:
    """Write the manifest so that it is either the old one or the new one, never half."""
    write_json(asdict(manifest), folder / FILE_NAME)


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file so that it is either the old one or the new one, never half."""
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    with whole_or_absent(path) as file:
        file.write(text.encode("utf-8"))


def check_same_config(
    folder: Path, have: Mapping[str, Any], want: Mapping[str, Any], *, done: str = "sampled"
) -> None:
    """Refuse to go on under another configuration.

    Args:
        done: What was done under the old one, for the message.

    Raises:
        ConfigMismatch: names the first differing field and both values.
    """
    for name in sorted({*have, *want}, key=lambda name: (name in _DERIVED, name)):
        old, new = have.get(name), want.get(name)
        if old != new:
            raise ConfigMismatch(
                f"{folder} was {done} with {name}={_shown(old)}, now asked with "
                f"{name}={_shown(new)}: one run holds one configuration; use another --out"
            )


def changed_environment(have: RunManifest, now: RunManifest) -> list[str]:
    """What "same seed, same samples" depends on and has changed since the run began."""
    before, after = (_flat(manifest.environment) for manifest in (have, now))
    return [
        f"{name} was {_shown(before[name])}, is {_shown(after[name])}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name] and name != "versions.pathshift"
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"

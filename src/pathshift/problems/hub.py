"""Files of a Hugging Face data set, fetched once into the hub's own cache.

Data files only: no loading script is run, so data sets that need one are not covered. The hub
library's telemetry is switched off; the request itself names the data set, nothing of this run.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath

from pathshift.errors import InputError, MissingExtra
from pathshift.store.rowfiles import Row, is_readable, read_rows


def hub_rows(dataset: str, *, otherwise: str) -> Generator[Row]:
    """Rows of a data set `OWNER/NAME[@REVISION]`: its test split if it has one.

    Args:
        dataset: The hub's id of it.
        otherwise: What the user can do if it cannot be fetched, for the message.

    Raises:
        InputError: The hub cannot be reached, or the data set is absent or without data files.
        MissingExtra: huggingface_hub is not installed.
    """
    for path in _fetch(dataset, otherwise):
        yield from read_rows(path)


def choose_files(names: Sequence[str]) -> list[str]:
    """The data files to read: of one split (test before others) and of one kind, in order.

    >>> choose_files(["README.md", "data/train-0.parquet", "data/test-0.parquet"])
    ['data/test-0.parquet']
    """
    data = sorted(name for name in names if is_readable(Path(name)))
    for split in ("test", "validation", "train"):
        chosen = [name for name in data if split in PurePosixPath(name).as_posix().lower()]
        if chosen:
            data = chosen
            break
    suffixes = [PurePosixPath(name).suffix.lower() for name in data]
    return [name for name, suffix in zip(data, suffixes, strict=True) if suffix == suffixes[0]]


def _fetch(dataset: str, otherwise: str) -> list[Path]:
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when the library is first imported
    try:
        import huggingface_hub.errors
    except ModuleNotFoundError:
        raise MissingExtra("huggingface_hub", "hf") from None
    name, _, revision = dataset.partition("@")
    # The last is the root of whichever HTTP library this version of the hub's client uses.
    refusals = (OSError, ValueError, getattr(huggingface_hub.errors, "HTTPError", OSError))
    try:
        return _download(name, revision or None)
    except refusals as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    try:
        return _cached(name, revision or None)
    except refusals:
        raise InputError(
            f"cannot fetch the data set {dataset} from the hub ({reason}); {otherwise}"
        ) from None


def _download(name: str, revision: str | None) -> list[Path]:
    from huggingface_hub import HfApi, hf_hub_download

    listed = HfApi().dataset_info(name, revision=revision).siblings or []
    chosen = choose_files([file.rfilename for file in listed])
    if not chosen:
        raise ValueError("it holds no .jsonl, .json, .csv or .parquet file")
    return [
        Path(hf_hub_download(name, file, repo_type="dataset", revision=revision)) for file in chosen
    ]


def _cached(name: str, revision: str | None) -> list[Path]:
    """What an earlier download left, for machines without a network; OSError if nothing."""
    from huggingface_hub import snapshot_download

    folder = Path(
        snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True)
    )
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    chosen = choose_files(names)
    if not chosen:
        raise FileNotFoundError(name)
    return [folder / file for file in chosen]

"""Where the rows of a data set come from that is not shipped: its contest texts are not ours.

In this order: the file named by the option `path`; NAME.jsonl (or .json, .csv, .parquet) in the
folder named by the environment variable PATHSHIFT_DATA; the Hugging Face data set of the option
`hub`.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

from pathshift.errors import InputError
from pathshift.problems.hub import hub_rows
from pathshift.store.rowfiles import Row, is_readable, read_rows

FOLDER_VARIABLE = "PATHSHIFT_DATA"


def rows_of(name: str, *, path: str, hub: str) -> Generator[Row]:
    """Rows of the data set `name`; empty `path` or `hub` means not given.

    Raises:
        InputError: Nowhere to be had; the message names every way to provide it.
    """
    ways = f"give the file with -T path=FILE or put {name}.jsonl into ${FOLDER_VARIABLE}"
    if path:
        return read_rows(Path(path).expanduser())
    local = _in_folder(name)
    if local:
        return read_rows(local)
    if not hub:
        raise InputError(f"{name} is not shipped with this package; {ways}, or name a -T hub=ID")
    return hub_rows(hub, otherwise=ways)


def _in_folder(name: str) -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise InputError(f"{FOLDER_VARIABLE} names no folder: {folder}")
    found = [file for file in sorted(Path(folder).iterdir()) if file.stem == name]
    return next((file for file in found if is_readable(file)), None)

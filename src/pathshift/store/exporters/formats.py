"""The formats that are written: a literal table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pathshift.errors import InputError, UnknownName
from pathshift.records import CountTable
from pathshift.store.exporters import counts, every_eval_ever, flat, inspect_log
from pathshift.store.exporters.judged import Exported, Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFormat:
    """One format.

    Attributes:
        summary: One line for a listing.
        write: Samples and verdicts to a place on disk.
        write_counts: The same for counts without samples; None where the format needs samples.
        suffix: What a file of it must be called; None where the place is a folder.
    """

    summary: str
    write: Callable[[Judged, Path], Exported]
    write_counts: Callable[[CountTable, Path], Exported] | None = None
    suffix: str | None = None


EXPORTS: Mapping[str, ExportFormat] = {
    "passk": ExportFormat(
        summary="counts for passk-inference, JSON lines of id, c and n",
        write=counts.write_passk,
        write_counts=counts.write_passk_counts,
        suffix=".jsonl",
    ),
    "every-eval-ever": ExportFormat(
        summary="Every Eval Ever 0.3.0, a folder data/COLLECTION/DEVELOPER/MODEL under --out",
        write=every_eval_ever.write,
    ),
    "csv": ExportFormat(
        summary="a table, one row a sample (of counts: one row a problem)",
        write=flat.write_csv,
        write_counts=counts.write_csv_counts,
        suffix=".csv",
    ),
    "parquet": ExportFormat(
        summary="the same table as Parquet",
        write=flat.write_parquet,
        write_counts=counts.write_parquet_counts,
        suffix=".parquet",
    ),
    "inspect": ExportFormat(
        summary="Inspect log, .json; a folder as --out gets a name that `inspect view` lists",
        write=inspect_log.write,
    ),
}


def format_for(name: str, out: Path) -> ExportFormat:
    """The format of a name, if `out` is called as it has to be.

    Raises:
        UnknownName: there is no such format.
        InputError: the suffix is another one, by which no reader would know the file.
    """
    found = EXPORTS.get(name)
    if found is None:
        raise UnknownName(
            f"format {name!r:.40} is not written; --to takes {', '.join(EXPORTS)} or verl"
        )
    if found.suffix is not None and out.suffix.lower() != found.suffix:
        raise InputError(f"{out}: a {name} file must end in {found.suffix}; call it so with --out")
    return found

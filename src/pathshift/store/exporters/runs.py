"""The samples of a run folder with their verdicts, a few at a time.

A run may hold more text than fits in memory, so no shard is read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pathshift.errors import DamagedShard
from pathshift.records import Sample
from pathshift.store.exporters.judged import JudgedSample
from pathshift.store.rows import SAMPLE_COLUMNS, samples_of
from pathshift.store.run import RunFolder
from pathshift.store.shards import live_shards

BATCH = 1_024


def run_rows(path: Path, verifier: str) -> Iterator[JudgedSample]:
    """All samples of a run that the verifier has judged, in the order of its shards.

    Raises:
        DamagedShard: a file cannot be read. Doubled samples are for `run_counts` to find.
    """
    folder = RunFolder(path)
    problems = {problem.id: problem for problem in folder.problems()}
    verdicts = {(v.problem_id, v.sample_no): v for v in folder.verdicts(verifier)}
    for shard in live_shards(folder.samples_path):
        for sample in _samples(shard):
            verdict = verdicts.get((sample.problem_id, sample.sample_no))
            if verdict is not None and sample.problem_id in problems:
                yield problems[sample.problem_id], sample, verdict


def _samples(shard: Path) -> Iterator[Sample]:
    try:
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(BATCH, columns=SAMPLE_COLUMNS.names):
                yield from samples_of(pa.Table.from_batches([batch]).cast(SAMPLE_COLUMNS))
    except (pa.ArrowException, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise DamagedShard(
            f"{shard} cannot be read as Parquet ({reason}); move it away and run the same "
            "`pathshift sample` again to draw its samples anew"
        ) from error

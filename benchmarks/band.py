"""Seconds of the default band beside passk-inference's, on the same counts in the same run.

500 problems, 1,024 samples each, every k, 2,000 replicates, after import; and a counts query over
512,000 samples of a run folder. The peer runs in the environment of `make test-tools`, whose Python
is the one argument; without it only our own times are printed.

    python benchmarks/band.py [PYTHON WITH passk-inference]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pathshift.stats.bands import dirichlet_weights, guarded_band
from pathshift.stats.knots import between, knots
from pathshift.stats.passk import IntArray, paired_table
from pathshift.store.counts import run_counts

PROBLEMS, N, REPLICATES, ROUNDS = 500, 1024, 2000, 5
PEER = """
import sys, time
from passk_inference import compare_files
best = []
for _ in range(2):
    start = time.perf_counter()
    compare_files(sys.argv[1], sys.argv[2], ks=range(1, int(sys.argv[3]) + 1), bootstrap=2000)
    best.append(time.perf_counter() - start)
print(min(best))
"""


def counts(rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Counts of both models: a third of the problems hard, the rest spread."""
    hard = rng.random(PROBLEMS) < 0.35
    p = np.where(hard, 10 ** rng.uniform(-4, -2, PROBLEMS), rng.beta(0.5, 1.2, PROBLEMS))
    sides = [rng.binomial(N, q) for q in (p, np.minimum(1.3 * p, 0.999))]
    full = np.full(PROBLEMS, N)
    return np.column_stack([full, sides[0]]), np.column_stack([full, sides[1]])


def ours(base: IntArray, tuned: IntArray) -> float:
    """Seconds of one band, from counts to edges."""
    start = time.perf_counter()
    k = np.arange(1, N + 1)
    table = paired_table(base, tuned, k)
    weights = dirichlet_weights(table.weight, REPLICATES, np.random.default_rng(0))
    places = knots(k)
    rows = np.ascontiguousarray(table.difference[:, places])
    between(guarded_band(weights, rows, (-1.0, 1.0), 0.95), k, places)
    return time.perf_counter() - start


def peers(python: str, base: IntArray, tuned: IntArray, folder: Path) -> float:
    """Seconds of passk-inference on the same counts, the better of two."""
    files = []
    for name, side in (("base", base), ("tuned", tuned)):
        rows = [{"id": str(i), "n": int(n), "c": int(c)} for i, (n, c) in enumerate(side)]
        files.append(folder / f"{name}.jsonl")
        files[-1].write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    done = subprocess.run(
        [python, "-c", PEER, *map(str, files), str(N)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def query(folder: Path) -> float:
    """Seconds of counting 512,000 stored samples, the median of five."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pathshift.rollout.ingest import import_logs

    index = np.repeat(np.arange(PROBLEMS), N)
    right = np.random.default_rng(0).random(len(index)) < index / PROBLEMS
    rows = pa.table(
        {"id": [f"p{i}" for i in index], "response": list(map(str, range(len(index)))),
         "correct": right}
    )  # fmt: skip
    pq.write_table(rows, folder / "rows.parquet")
    import_logs([folder / "rows.parquet"], folder / "run")
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run_counts(folder / "run")
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(python: str | None) -> None:
    """Print all of it."""
    base, tuned = counts(np.random.default_rng(0))
    mine = statistics.median(ours(base, tuned) for _ in range(ROUNDS))
    print(f"default band, {PROBLEMS} problems x {N}, every k, {REPLICATES} draws: {mine:.3f} s")
    with tempfile.TemporaryDirectory() as folder:
        if python is not None:
            theirs = peers(python, base, tuned, Path(folder))
            print(f"passk-inference on the same counts: {theirs:.3f} s, ratio {theirs / mine:.1f}")
        print(f"counts of {PROBLEMS * N:,} stored samples: {query(Path(folder)):.3f} s")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)

"""How long logs of other tools take, beside what reading their bytes alone takes in the same run.

Three logs are made in a temporary folder: an Inspect archive of 30 problems x 1,024 epochs with
zstandard members of 7 kB (the size of a sample with a short answer), a Parquet file of 500 problems
x 1,024 samples, and verl dumps of 320 problems x 32 samples at two steps. Times are processor
seconds of this process; "bytes alone" unpacks and parses the same data and does nothing with it.

    python benchmarks/importers.py
"""

from __future__ import annotations

import json
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pathshift.analysis.comparison import compare
from pathshift.rollout.ingest import import_logs, read_table
from pathshift.store.importers.archive import Archive

INSPECT = (30, 1024)
PARQUET = (500, 1024)
VERL = (320, 32)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def inspect_sample(problem: int, epoch: int, *, is_right: bool) -> bytes:
    """One sample as Inspect stores it, with its transcript."""
    said = problem + (not is_right)
    text = f"Let me think about {problem} in attempt {epoch}. The answer is {said}."
    message = {"role": "assistant", "content": text, "source": "generate", "model": "mockllm/model"}
    output = {
        "model": "mockllm/model",
        "choices": [{"message": message, "stop_reason": "stop"}],
        "completion": text,
        "usage": {"input_tokens": 12, "output_tokens": 30, "total_tokens": 42},
    }
    event = {"event": "model", "output": output, "uuid": f"{problem}-{epoch}", "pad": "x" * 600}
    sample = {
        "id": f"p{problem}", "epoch": epoch, "input": f"What is {problem} + 0?",
        "target": str(problem), "messages": [message], "output": output,
        "scores": {"match": {"value": "C" if is_right else "I", "answer": text}},
        "metadata": {}, "store": {}, "events": [event] * 5, "attachments": {},
    }  # fmt: skip
    return json.dumps(sample).encode()


def write_zstd_zip(path: Path, members: Iterator[tuple[str, bytes]]) -> None:
    """A zip with zstandard members (method 93), which Python's zipfile cannot write before 3.14."""
    codec = pa.Codec("zstd")
    central, count = b"", 0
    with path.open("wb") as file:
        for name, data in members:
            packed, offset = codec.compress(data, asbytes=True), file.tell()
            sizes = struct.pack("<III", zlib.crc32(data), len(packed), len(data))
            head = struct.pack("<HHHHH", 63, 0, 93, 0, 33) + sizes
            names = struct.pack("<HH", len(name), 0)
            file.write(b"PK\x03\x04" + head + names + name.encode() + packed)
            central += b"PK\x01\x02" + struct.pack("<H", 63) + head + names
            central += struct.pack("<HHHII", 0, 0, 0, 0, offset) + name.encode()
            count += 1
        start = file.tell()
        file.write(central)
        end = struct.pack("<HHHHIIH", 0, 0, count, count, len(central), start, 0)
        file.write(b"PK\x05\x06" + end)


def inspect_members(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """All members of the Inspect log."""
    problems, epochs = INSPECT
    spec = {"task": "bench", "model": "mockllm/model", "scorers": [{"name": "match"}]}
    header = {"version": 2, "status": "success", "eval": spec, "plan": {}}
    for epoch in range(1, epochs + 1):
        for problem, draw in enumerate(rng.random(problems)):
            name = f"samples/p{problem}_epoch_{epoch}.json"
            yield name, inspect_sample(problem, epoch, is_right=bool(draw < problem / problems))
    yield "header.json", json.dumps(header).encode()


def write_parquet(path: Path, rng: np.random.Generator) -> None:
    """Rows of question, answer, response and correct."""
    problems, n = PARQUET
    index = np.repeat(np.arange(problems), n)
    right = rng.random(problems * n) < index / problems
    texts = [
        f"Step by step, {i}-{j}: " + "and so on " * 20 for i, j in zip(index, right, strict=True)
    ]
    draws = [f"{text}{number}" for number, text in enumerate(texts)]
    table = pa.table(
        {
            "question": [f"What is {i} + 0?" for i in index],
            "answer": [str(i) for i in index],
            "response": draws,
            "correct": right,
        }
    )
    pq.write_table(table, path, compression="zstd")


def write_verl(path: Path, rng: np.random.Generator, lift: float) -> None:
    """A validation dump."""
    problems, n = VERL
    with path.open("w", encoding="utf-8") as file:
        for i in range(problems):
            for j, draw in enumerate(rng.random(n)):
                right = bool(draw < lift * i / problems)
                row = {
                    "input": f"user\nWhat is {i} + 0?\nassistant\n", "gts": str(i),
                    "output": f"Attempt {j}: " + "and so on " * 100, "score": float(right),
                    "acc": float(right), "step": int(lift > 0.5),
                }  # fmt: skip
                file.write(json.dumps(row) + "\n")


def read_members(path: Path) -> None:
    """Unpack and parse every member of an archive."""
    with Archive(path) as archive:
        for name in archive.names():
            json.loads(archive.read(name))


def read_lines(*paths: Path) -> None:
    """Parse every line."""
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                json.loads(line)


def tell(what: str, seconds: float, alone: float) -> None:
    """One line of the result."""
    print(f"{what:<62} {seconds:6.2f} s  bytes alone {alone:6.2f} s  ratio {seconds / alone:4.1f}")


def main() -> None:
    """Make the logs, read them, print the table."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        log, rows = Path(folder) / "log.eval", Path(folder) / "rows.parquet"
        base, tuned = (Path(folder) / f"{step}.jsonl" for step in (0, 1))
        write_zstd_zip(log, inspect_members(rng))
        write_parquet(rows, rng)
        write_verl(base, rng, 0.4)
        write_verl(tuned, rng, 0.6)
        tell(
            "Inspect .eval, 30,720 samples: counts",
            cpu_seconds(lambda: read_table(log)),
            cpu_seconds(lambda: read_members(log)),
        )
        alone = cpu_seconds(lambda: pq.read_table(rows).to_pylist())
        tell("Parquet, 512,000 samples: counts", cpu_seconds(lambda: read_table(rows)), alone)
        tell(
            "Parquet, 512,000 samples: import into a run folder",
            cpu_seconds(lambda: import_logs([rows], Path(folder) / "run")),
            alone,
        )
        tell(
            "verl dumps, 2 x 320 problems x 32 samples: verdict",
            cpu_seconds(lambda: compare(base, tuned)),
            cpu_seconds(lambda: read_lines(base, tuned)),
        )


if __name__ == "__main__":
    main()

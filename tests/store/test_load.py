"""A run folder under load: a hundred kills, torn shards, a full disk, two writers at once.

Each time the same holds: nothing is lost but the open shard, and nothing stands there twice.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.commands import PROGRAM, environment, pathshift, started

from pathshift.errors import DamagedShard
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder, RunWriter

KILLS = 100
PROBLEMS = [Problem(id=f"p{i}", task="t", question=f"q{i}?", gold=str(i)) for i in range(7)]
EACH, STEP = 160, 9
FAKE = ("sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 64, "--limit", 40)


def sample(problem: Problem, number: int) -> Sample:
    return Sample(
        problem_id=problem.id, sample_no=number, seed=number, n_tokens=number,
        text=f"{problem.id} says {number * 7919 % 1009} " * 9, finish_reason="stop",
    )  # fmt: skip


def verdict(of: Sample) -> Verdict:
    outcome = list(Outcome)[of.sample_no % 4]
    return Verdict(problem_id=of.problem_id, sample_no=of.sample_no, outcome=outcome)


def opened(out: Path) -> RunWriter:
    manifest = RunManifest(config={"verifier": "text", "model": "m"}, n=EACH)
    return RunWriter.open(out, manifest, PROBLEMS, [p.question for p in PROBLEMS])


def write(out: Path, shard_seconds: float) -> None:
    """What `sample` does with a folder: pick up, add unit by unit, join in between and at the end.

    Compaction comes often here, so that many kills fall into it.
    """
    with opened(out) as run:
        run.shard_seconds = shard_seconds
        have = run.sampled()
        run.add_verdicts([verdict(s) for s in run.unjudged()])
        for round_no, first in enumerate(range(0, EACH, STEP)):
            for problem in PROBLEMS:
                numbers = range(first, min(first + STEP, EACH))
                new = [sample(problem, i) for i in numbers if (problem.id, i) not in have]
                run.add(new, [verdict(s) for s in new])
            if round_no % 4 == 3:
                run.compact()
        run.compact()


def read(out: Path) -> dict[tuple[str, int], Sample]:
    """Every sample, each right and there once, each verdict right and there at most once."""
    if not (out / "manifest.json").exists():
        return {}
    folder = RunFolder(out)
    samples = folder.samples()
    found = {(s.problem_id, s.sample_no): s for s in samples}
    assert len(found) == len(samples)
    by_id = {p.id: p for p in PROBLEMS}
    assert all(s == sample(by_id[s.problem_id], s.sample_no) for s in samples)
    verdicts = folder.verdicts("text")
    assert len({(v.problem_id, v.sample_no) for v in verdicts}) == len(verdicts)
    assert all(v == verdict(found[v.problem_id, v.sample_no]) for v in verdicts)
    return found


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where a sync costs nothing: a kill is no power cut, and does not care."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_a_hundred_kills_lose_nothing_that_was_closed_and_double_nothing(quick: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    rng = random.Random(100)
    kept: dict[tuple[str, int], Sample] = {}
    hits = runs = 0
    while hits < KILLS:
        out = quick / f"run{runs}"
        child = context.Process(target=write, args=(out, rng.choice([0.0, 0.0, 0.02])))
        child.start()
        child.join(rng.uniform(0.0, 0.5))
        child.kill()
        child.join()
        hits += child.exitcode == -signal.SIGKILL
        now = read(out)
        assert kept.keys() <= now.keys()
        kept = now
        if child.exitcode == 0:  # it came to its end: the next folder
            assert len(now) == len(PROBLEMS) * EACH
            assert [c.n for c in run_counts(out).counts] == [EACH * 3 // 4] * len(PROBLEMS)
            assert len(list((out / "samples").iterdir())) == 1
            kept, runs = {}, runs + 1
    write(quick / f"run{runs}", 0.0)
    assert len(read(quick / f"run{runs}")) == len(PROBLEMS) * EACH


def contents(out: Path) -> tuple[Any, ...]:
    folder = RunFolder(out)
    return folder.samples(), folder.verdicts("number-first"), folder.problems()


def whole(tmp_path: Path) -> Path:
    done = pathshift(*FAKE, "--out", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    return tmp_path / "whole"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("table", ["samples", "verdicts/number-first"])
def test_a_torn_shard_is_named_and_its_samples_are_drawn_anew(tmp_path: Path, table: str) -> None:
    out = tmp_path / "run"
    process = started(*FAKE, "-M", "delay=0.005", "--flush-every", 0, "--out", out)
    while len(list((out / table).glob("*.parquet"))) < 12:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    torn = sorted((out / table).glob("shard-*.parquet"))[3]
    cut(torn)
    done = pathshift(*FAKE, "--out", out)
    assert done.returncode == 2
    assert str(torn) in done.stderr
    assert "move it away and run the same command again" in done.stderr
    with pytest.raises(DamagedShard):
        run_counts(out)
    shutil.move(torn, tmp_path / "torn.parquet")
    done = pathshift(*FAKE, "--out", out)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(whole(tmp_path))


def test_two_writers_on_one_folder_the_second_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = started(*FAKE, "-M", "delay=0.002", "--flush-every", 0, "--out", out)
    try:
        while not list((out / "samples").glob("*.parquet")):
            assert process.poll() is None
            time.sleep(0.02)
        for second in (
            pathshift(*FAKE, "--out", out), pathshift("verify", out),
            pathshift(*FAKE, "--out", out, "--seed", 1),
        ):  # fmt: skip
            assert second.returncode == 2
            assert "another process" in second.stderr
    finally:
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert contents(out) == contents(whole(tmp_path))


# In a mount namespace of its own: whoever runs the test need not be root, and nothing is left.
FULL = """
set -u
mount -t tmpfs -o size=$SIZE tmpfs "$DISK" || exit 77
"$@" --out "$DISK/run" --flush-every 0 2> "$OUT/first"; echo $? > "$OUT/code"
cp -r "$DISK/run" "$OUT/full"
mount -o remount,size=64m "$DISK"
"$@" --out "$DISK/run" || exit 1
cp -r "$DISK/run" "$OUT/run"
"""


def in_namespace(script: str, tmp_path: Path, size: str) -> int:
    (tmp_path / "disk").mkdir()
    where = {"DISK": str(tmp_path / "disk"), "OUT": str(tmp_path), "SIZE": size}
    command = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
    try:
        done = subprocess.run(
            [*command, "sh", "-c", script, "sh", *PROGRAM, *map(str, FAKE)],
            env={**environment(), **where}, timeout=600, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return 77
    return 77 if done.returncode == 1 and not (tmp_path / "code").exists() else done.returncode


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs tmpfs and unshare")
@pytest.mark.parametrize("size", ["160k", "260k", "420k"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, size: str
) -> None:
    code = in_namespace(FULL, tmp_path, size)
    if code == 77:
        pytest.skip("this system lets nobody mount a small disk")
    assert code == 0
    said = (tmp_path / "first").read_text().strip().splitlines()[-1]
    assert (tmp_path / "code").read_text() == "2\n"
    assert "No space left on device" in said
    assert "closed shards are safe" in said
    full = RunFolder(tmp_path / "full")
    kept = full.samples()
    assert kept
    assert not list((tmp_path / "full").rglob("*.tmp"))
    assert contents(tmp_path / "run") == contents(whole(tmp_path))
    known = {(s.problem_id, s.sample_no): s for s in RunFolder(tmp_path / "run").samples()}
    assert all(known[s.problem_id, s.sample_no] == s for s in kept)

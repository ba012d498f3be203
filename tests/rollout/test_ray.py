"""A Ray cluster of several nodes on this machine: the same run comes out, whatever dies on the way.

The driver is the command line, as a user starts it, in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.commands import PROGRAM, pathshift, started
from tests.tiny import save_tiny

from pathshift.records import Sample, Verdict
from pathshift.store.run import RunFolder

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before Ray is imported
pytest.importorskip("ray", reason="needs the ray extra: pip install 'pathshift[ray]'")

NODES, WAIT_S = 3, 120.0
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
FAKE = ("--model", "fake:base", "--tasks", "arithmetic", "--n", 64, "--limit", 36)
SLOW = ("-M", "delay=0.01", "--flush-every", 0.3)


class Nodes:
    """The cluster; a node that was killed is replaced before the next test."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        # The head has no CPU, so that no worker is on it and any other node may die.
        head = {**NODE, "num_cpus": 0, "include_dashboard": False}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._up = [self.cluster.add_node(**NODE) for _ in range(NODES)]

    @property
    def flags(self) -> tuple[object, ...]:
        return ("--engine", "ray", "-E", f"address={self.cluster.address}")

    def kill_one(self) -> None:
        self.cluster.remove_node(self._up.pop(), allow_graceful=False)

    def fill(self) -> None:
        while len(self._up) < NODES:
            self._up.append(self.cluster.add_node(**NODE))
        self.cluster.wait_for_nodes()


@pytest.fixture(scope="module")
def _nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    nodes.cluster.shutdown()


@pytest.fixture
def nodes(_nodes: Nodes) -> Nodes:
    _nodes.fill()
    return _nodes


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that one process draws."""
    out = tmp_path_factory.mktemp("here") / "run"
    done = pathshift("sample", *FAKE, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def contents(out: Path) -> tuple[Any, ...]:
    folder = RunFolder(out)
    samples: list[Sample] = folder.samples(traced=True)
    verdicts: list[Verdict] = folder.verdicts("number-first")
    config = folder.manifest.config
    return samples, verdicts, folder.problems(), folder.prompts(), config, folder.manifest.n


def shards(out: Path) -> int:
    return len(list((out / "samples").glob("*.parquet")))


def until_half_way(process: subprocess.Popen[str], out: Path) -> None:
    """Wait until every worker has left a shard or two."""
    ends = time.monotonic() + WAIT_S
    while shards(out) < 2 * NODES:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "no shard came"
        time.sleep(0.05)


@contextlib.contextmanager
def driver(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = started("sample", *arguments)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_network_on_three_nodes_draws_the_very_run_of_one_machine(
    nodes: Nodes, tmp_path: Path
) -> None:
    tiny = save_tiny(tmp_path / "tiny")
    asked = ("--model", f"hf:{tiny}", "--tasks", "arithmetic", "--completion", "--n", 40,
             "--limit", 6, "--max-tokens", 6, "--store", "tokens", "--threads", 1)  # fmt: skip
    for out, more in ((tmp_path / "here", ()), (tmp_path / "there", nodes.flags)):
        done = pathshift("sample", *asked, "--out", out, *more)
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert contents(tmp_path / "here")[0][0].trace is not None
    assert RunFolder(tmp_path / "there").manifest.environment["engine"] == "ray"
    assert sorted(p.name for p in (tmp_path / "there").iterdir() if p.name != ".lock") == sorted(
        p.name for p in (tmp_path / "here").iterdir() if p.name != ".lock"
    )


def test_a_node_killed_half_way_changes_nothing(nodes: Nodes, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with driver(*FAKE, *SLOW, *nodes.flags, "--out", out) as process:
        until_half_way(process, out)
        nodes.kill_one()
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, said
    assert contents(out) == contents(whole)


def test_a_lost_worker_is_told_of(nodes: Nodes, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = tmp_path / "told"
    with told.open("w") as file:
        process = subprocess.Popen(
            [*PROGRAM, "sample", *map(str, (*FAKE, *SLOW, *nodes.flags)),
             "-E", "problems=4", "--out", str(out)],
            stdout=file, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        until_half_way(process, out)
        nodes.kill_one()
        assert process.wait(timeout=WAIT_S) == 0, told.read_text()
    assert "a worker is lost" in told.read_text()
    assert contents(out) == contents(whole)


def test_a_killed_driver_is_resumed_by_the_same_command(
    nodes: Nodes, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with driver(*FAKE, *SLOW, *nodes.flags, "--out", out) as process:
        until_half_way(process, out)
        process.kill()
    kept = len(RunFolder(out).samples())
    done = pathshift("sample", *FAKE, *nodes.flags, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"({kept} kept)" in done.stderr
    assert contents(out) == contents(whole)
    assert not (out / "incoming").exists()


def test_what_a_cluster_began_one_machine_ends(nodes: Nodes, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with driver(*FAKE, *SLOW, *nodes.flags, "--out", out) as process:
        until_half_way(process, out)
        second = pathshift("sample", *FAKE, "--out", out)
        assert second.returncode == 2
        assert "is being written by another process" in second.stderr
        before = len(RunFolder(out).samples())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "This goes on from there" in said
    assert len(RunFolder(out).samples()) > before
    done = pathshift("sample", *FAKE, "--out", out)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(whole)


def test_a_staging_address_stands_in_for_a_shared_folder(
    nodes: Nodes, whole: Path, tmp_path: Path
) -> None:
    staging = f"file://{tmp_path}/aside"
    done = pathshift(
        "sample", *FAKE, *nodes.flags, "-E", f"staging={staging}", "-E", "problems=3",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "run") == contents(whole)
    assert not list((tmp_path / "aside").rglob("*.parquet"))


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2
    return done.stderr.strip().splitlines()[-1]


def test_what_cannot_work_is_one_line(nodes: Nodes, tmp_path: Path) -> None:
    def said(*more: object) -> str:
        done = pathshift("sample", *FAKE, "--out", tmp_path / "run", *more)
        assert "Traceback" not in done.stderr
        return one_line(done)

    assert "each needs 99 CPUs" in said(*nodes.flags, "-E", "cpus=99")
    assert "no Ray cluster at 127.0.0.1:1" in said("--engine", "ray", "-E", "address=127.0.0.1:1")
    assert "HOST:PORT" in said("--engine", "ray", "-E", "address=ray://127.0.0.1:10001")
    assert "use local or ray" in said("--engine", "slurm")
    assert "belongs to --engine ray" in said("-E", "workers=2")
    assert "-E horses is not known" in said("--engine", "ray", "-E", "horses=2")
    assert "must be a number" in said("--engine", "ray", "-E", "cpus=two")
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_not_there_is_one_line(nodes: Nodes, tmp_path: Path) -> None:
    done = pathshift(
        "sample", "--model", f"hf:{tmp_path}/none", "--tasks", "arithmetic", "--n", 2,
        "--out", tmp_path / "run", *nodes.flags,
    )  # fmt: skip
    assert f"{tmp_path}/none" in one_line(done)
    assert "Traceback" not in done.stderr

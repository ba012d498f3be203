"""A run drawn in parts by --shard, joined: the very run that one process draws."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.commands import pathshift
from tests.tiny import save_tiny

from pathshift.errors import ConfigError, ConfigMismatch, DuplicateSamples, InputError, RunError
from pathshift.models.fake import FakeModel
from pathshift.models.hf.model import load_hf
from pathshift.models.protocol import Model
from pathshift.records import Sample, Verdict
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.store.counts import run_counts
from pathshift.store.merge import merge_runs
from pathshift.store.run import RunFolder

FAKE = FakeModel(name="base")
BASE = SampleConfig(task="arithmetic", n=40, limit=11)


def draw(config: SampleConfig, out: Path, model: Model = FAKE) -> Path:
    draw_samples(make_plan(config, model), model, out)
    return out


def parts(tmp_path: Path, of: int, model: Model = FAKE, **changes: Any) -> list[Path]:
    return [
        draw(asked(**changes, shard=(i, of)), tmp_path / f"part{i}", model)
        for i in range(1, of + 1)
    ]  # fmt: skip


def asked(**changes: Any) -> SampleConfig:
    return replace(BASE, **changes)


def contents(out: Path) -> tuple[list[Sample], list[Verdict]]:
    """In the order of the files: that of the problems, then of the numbers."""
    folder = RunFolder(out)
    return folder.samples(traced=True), folder.verdicts(str(folder.manifest.config["verifier"]))


def same(a: Path, b: Path) -> None:
    left, right = RunFolder(a), RunFolder(b)
    assert contents(a) == contents(b)
    assert left.problems() == right.problems()
    assert left.prompts() == right.prompts()
    assert left.manifest.config == right.manifest.config
    assert left.manifest.n == right.manifest.n


@pytest.mark.parametrize("of", [2, 3, 11])
def test_the_parts_joined_are_the_run(tmp_path: Path, of: int) -> None:
    whole = draw(BASE, tmp_path / "whole")
    found = parts(tmp_path, of)
    merged = merge_runs(found[::-1], tmp_path / "joined")  # in any order
    assert (merged.n_runs, merged.n_problems, merged.n_samples) == (of, 11, 440)
    same(tmp_path / "joined", whole)


def test_a_run_that_stops_by_a_rule_is_joined_too(tmp_path: Path) -> None:
    rule: dict[str, Any] = {"n": 64, "pilot": 4, "stop_at": 2}
    whole = draw(asked(**rule), tmp_path / "whole")
    merge_runs(parts(tmp_path, 3, **rule), tmp_path / "joined")
    same(tmp_path / "joined", whole)
    assert run_counts(tmp_path / "joined").is_stopped


def test_a_network_with_tokens_stored_is_joined_too(tmp_path: Path) -> None:
    network = load_hf("hf:tiny", str(save_tiny(tmp_path / "tiny")), n_rows=16)
    changes: dict[str, Any] = {"n": 16, "limit": 4, "max_tokens": 6, "store": "tokens"}
    whole = draw(asked(**changes), tmp_path / "whole", network)
    merge_runs(parts(tmp_path, 2, network, **changes), tmp_path / "joined")
    same(tmp_path / "joined", whole)
    assert contents(whole)[0][0].trace is not None


def test_a_joined_run_is_drawn_on_like_any_other(tmp_path: Path) -> None:
    merge_runs(parts(tmp_path, 3), tmp_path / "joined")
    draw(asked(n=96), tmp_path / "joined")
    same(tmp_path / "joined", draw(asked(n=96), tmp_path / "whole"))


def test_unfinished_parts_are_joined_and_the_rest_is_drawn(tmp_path: Path) -> None:
    found = parts(tmp_path, 2)
    draw(asked(n=72, shard=(2, 2)), tmp_path / "part2")
    merged = merge_runs(found, tmp_path / "joined")
    assert merged.n_per_problem == (40, 72)
    draw(asked(n=72), tmp_path / "joined")
    same(tmp_path / "joined", draw(asked(n=72), tmp_path / "whole"))


def test_a_part_that_is_missing_double_or_foreign_is_refused(tmp_path: Path) -> None:
    one, two, three = parts(tmp_path, 3)
    with pytest.raises(InputError, match=r"part 2/3 of the run is missing.*--shard 2/3"):
        merge_runs([one, three], tmp_path / "x")
    shutil.copytree(two, tmp_path / "copy")
    with pytest.raises(DuplicateSamples, match="both part 2 of 3"):
        merge_runs([one, two, tmp_path / "copy", three], tmp_path / "x")
    other = draw(asked(seed=1, shard=(3, 3)), tmp_path / "other")
    with pytest.raises(ConfigMismatch, match="seed"):
        merge_runs([one, two, other], tmp_path / "x")
    halves = draw(asked(shard=(1, 2)), tmp_path / "half")
    with pytest.raises(ConfigMismatch, match="part 1 of 2"):
        merge_runs([one, two, halves], tmp_path / "x")
    with pytest.raises(InputError, match="join the parts of one run first"):
        merge_runs([one, draw(BASE, tmp_path / "whole")], tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_other_problems_under_the_same_plan_are_refused(tmp_path: Path) -> None:
    found = parts(tmp_path, 2)
    path = found[1] / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["shard"] = "2 of 2"
    path.write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="no part of a run"):
        merge_runs(found, tmp_path / "x")
    for part, folder in enumerate(found, 1):
        manifest["config"] |= {"shard": [part, 2], "task_hash": "another"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="not those of the run"):
        merge_runs(found, tmp_path / "x")


def test_a_part_does_not_go_on_as_another(tmp_path: Path) -> None:
    out = draw(asked(shard=(1, 2)), tmp_path / "part")
    for other in (asked(shard=(2, 2)), BASE):
        with pytest.raises(ConfigMismatch, match="shard"):
            draw(other, out)


def test_more_parts_than_problems_are_refused() -> None:
    with pytest.raises(ConfigError, match="only 11 problems"):
        make_plan(asked(shard=(1, 12)), FAKE)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/2/3", "a/b", "-1/2", "1/ 2"])
def test_a_part_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    done = pathshift("sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 2,
                     "--out", tmp_path / "run", f"--shard={text}")  # fmt: skip
    assert done.returncode == 2
    assert "must be I/N" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_from_the_command_line(tmp_path: Path) -> None:
    common = ("sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 8, "--limit", 5)
    for name, more in (("whole", ()), ("a", ("--shard", "1/2")), ("b", ("--shard", "2/2"))):
        done = pathshift(*common, "--out", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
    done = pathshift("merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "joined")
    assert "40 samples of 5 problems (8 each) from 2 runs" in done.stdout
    same(tmp_path / "joined", tmp_path / "whole")

"""pathshift paths as a user types it, on fakes and on runs whose truth is worked out by hand."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.analysis.origin_runs import QUICK, copied, drawn_pair, halves, sampled
from tests.analysis.scored_runs import BASE, TUNED, Token, write_traced
from tests.commands import pathshift

from pathshift.analysis.origins import gaps, origins
from pathshift.cli.paths_lines import lines
from pathshift.store.scores import scorers

ROOT = Path(__file__).parents[2]
PARTS = ("perplexity", "reach", "shift")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_pair(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def runs(drawn: Path, tmp_path: Path) -> tuple[Path, Path]:
    return copied(drawn, tmp_path)


def test_the_numbers_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    found = origins(*halves(tmp_path), bootstrap=QUICK)
    text = "\n".join(lines(found))
    # The sum of right x p_base / p_tuned: half of the samples, a quarter each.
    assert "estimate 0.125; its own samples say 0.125" in text
    assert f"tuned model's under the base         {8**0.25:.3g} [" in text
    assert f"tuned model's under the tuned model  {2**0.25:.3g} [" in text
    rows = {
        line.split()[0]: line.split() for line in text.splitlines() if line[:6].strip().isdigit()
    }
    # A quarter as likely: not covered at 1, wholly at 4, so at 16 as well.
    assert rows["1"][4] == "0.000"
    assert rows["16"][4] == "1.000"
    # ln p >= -ln 16: all samples of both; ln p >= 0: none.
    assert [rows[k][-2:] for k in ("1", "16")] == [["0.000", "0.000"], ["1.000", "1.000"]]


def test_reach_is_never_said_to_be_absent(tmp_path: Path) -> None:
    text = "\n".join(lines(origins(*halves(tmp_path), bootstrap=QUICK)))
    assert "This can prove reach, never its absence" in text
    assert "the last test is the wrong one" in text


def test_without_scores_the_rest_is_there_and_the_printed_commands_make_them(
    runs: tuple[Path, Path],
) -> None:
    before = pathshift("paths", *runs, "--json", runs[0].parent / "before.json")
    assert before.returncode == 0, before.stderr
    (told,) = [line for line in before.stdout.splitlines() if line.startswith("missing for ")]
    commands = re.findall(r"pathshift (score .*?)(?= && |   \()", told)
    assert len(commands) == 2
    found = json.loads((runs[0].parent / "before.json").read_text())
    assert [found[part] for part in PARTS] == [None] * 3
    assert found["diversity"]["n_problems"] == 20
    assert [one["command"] for one in found["missing"]] == [f"pathshift {c}" for c in commands]
    for command in commands:
        assert pathshift(*shlex.split(command)).returncode == 0
    after = pathshift("paths", *runs, "--json", "-")
    found = json.loads(after.stdout)
    assert found["schema"] == 1
    assert found["missing"] == []
    assert None not in [found[part] for part in PARTS]
    assert found["shift"]["base"] is not None


def test_one_command_does_the_whole_chain(runs: tuple[Path, Path], tmp_path: Path) -> None:
    report = tmp_path / "paths.html"
    done = pathshift("paths", *runs, "--score", "--report", report, "--json", tmp_path / "r.json")
    assert done.returncode == 0, done.stderr
    for part in (*PARTS, "diversity"):
        assert f"\n{part}: " in done.stdout
    assert len(done.stdout.splitlines()) <= 55
    assert "scale: toy" in done.stdout
    assert json.loads((tmp_path / "r.json").read_text())["missing"] == []
    assert "Content-Security-Policy" in report.read_text(encoding="utf-8")
    again = pathshift("paths", *runs, "--score", "-q")
    assert "loading" not in again.stdout  # nothing is left to score


def test_runs_without_tokens_are_scored_by_their_own_models_too(tmp_path: Path) -> None:
    base, tuned = (sampled(tmp_path, name) for name in ("base", "tuned"))
    assert [(gap.scorer, gap.run) for gap in gaps(base, tuned)] == [
        (base, base), (base, tuned), (tuned, tuned), (tuned, base)
    ]  # fmt: skip
    done = pathshift("paths", base, tuned, "--score", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["missing"] == []
    assert {len(scorers(run)) for run in (base, tuned)} == {2}


def test_sums_are_enough_for_all_but_the_shift(runs: tuple[Path, Path]) -> None:
    for scorer, run in (runs, runs[::-1]):
        assert pathshift("score", "--as", scorer, run, "--sums", "-q").returncode == 0
    found = origins(*runs, bootstrap=QUICK)
    assert None not in (found.perplexity, found.reach)
    assert found.shift is None
    assert [one.parts for one in found.missing] == [("shift",), ("control of shift",)]
    assert all("remove it and score again" in one.reason for one in found.missing)
    done = pathshift("paths", *runs, "--score")  # leaves the sums alone and says the same
    assert done.returncode == 0, done.stderr
    assert "no shift: " in done.stdout


def test_one_model_under_two_policies_is_said_to_be_one(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    sharp = sampled(tmp_path / "sharp", "base", "--store", "tokens", "--temperature", 0.5)
    done = pathshift("paths", runs[0], sharp, "--score", "-q")
    assert done.returncode == 0, done.stderr
    assert "no token's probability differs" in done.stdout
    assert "raised most" not in done.stdout


def test_model_text_cannot_steer_the_terminal(tmp_path: Path) -> None:
    hostile = "\x1b[2J\u202e\r\n"
    rows = [[Token(hostile, -1.0, -3.0), Token("x" * 500, -1.0, -2.0)]] * 6
    name = f"q{hostile}"
    for side in (BASE, TUNED):
        write_traced(tmp_path / side.model, side, {name: rows, "p": rows})
    found = origins(tmp_path / "base", tmp_path / "tuned", bootstrap=QUICK)
    told = list(lines(found))
    assert any("raised most" in line for line in told)
    assert all(line.isprintable() for line in told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--level", "0.2"), "level must be from .5 to below 1"),
        (("--replicates", "3"), "replicates must be 200 to 100000"),
        (("--verifier", "nobody"), "nobody"),
        (("--reference", "nowhere"), "nowhere"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], told: str, drawn: Path, tmp_path: Path
) -> None:
    done = pathshift("paths", drawn / "base", drawn / "tuned", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_other_weights_under_the_old_name_are_not_taken_for_the_model(
    runs: tuple[Path, Path],
) -> None:
    path = runs[0] / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    manifest["config"]["weights_hash"] = "another"
    path.write_text(json.dumps(manifest))
    done = pathshift("paths", *runs, "--score")
    assert done.returncode == 2
    assert "is no longer the model that drew" in done.stderr


def test_the_page_of_the_docs_is_a_chain_that_runs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "howto-paths.md").read_text(encoding="utf-8")
    (block, *_) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    commands = [shlex.split(line) for line in block.strip().splitlines()]
    assert [command[1] for command in commands] == ["sample"] * 2 + ["score"] * 2 + ["paths"]
    all_done = [pathshift(*command[1:], cwd=tmp_path) for command in commands]
    assert [done.stderr for done in all_done if done.returncode] == []
    assert "missing" not in all_done[-1].stdout
    assert (tmp_path / "paths.html").exists()

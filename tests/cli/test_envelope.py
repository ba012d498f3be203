"""`compare` with several runs a side, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.commands import pathshift
from tests.report.reading import elements, words

from pathshift.report.formats import MINUS


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two fake models at two temperatures: base.7, base1.3, tuned.7, tuned1.3."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for model in ("base", "tuned"):
        for temperature in ("0.7", "1.3"):
            name = f"{model}{temperature}"
            found[name] = folder / name
            done = pathshift(
                "sample", "--model", f"fake:{model}", "--tasks", "arithmetic", "--limit", 40,
                "--n", 32, "--temperature", temperature, "--out", found[name], "--quiet",
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    return found


def test_several_runs_a_side_give_the_fair_envelope(runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    done = pathshift(
        "compare", runs["base0.7"], runs["tuned0.7"], "--base", runs["base1.3"],
        "--tuned", runs["tuned1.3"], "--replicates", 500, "--json", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for part in (
        "fair envelope over T=0.7, T=1.3",
        "T=1.3 alone: pass@1",
        "chosen on half of the problems",
        "at equal tokens a problem: 1 ",
        "at equal entropy (base ",
        "how samples ended",
        "all (40), tuned",
    ):
        assert part in done.stdout
    result = json.loads(out.read_text(encoding="utf-8"))
    envelope = result["envelope"]
    assert envelope["k"][-1] == 16
    assert [s["label"] for s in envelope["settings"]] == ["T=0.7", "T=1.3"]
    assert envelope["settings"][1]["base"] == str(runs["base1.3"])
    assert envelope["verdict"]["sentence"] in done.stdout
    assert envelope["notes"] == []
    assert envelope["ends"]["T=1.3"]["tuned"]["truncated"][0] == 0
    assert envelope["entropy"]["match"]["mismatch"] == 0
    assert result["hygiene"]["ends"]["all"]["base"]["truncated"][0] == 0


def test_the_tuned_model_alone_at_several_temperatures_is_matched_by_entropy(
    runs: dict[str, Path],
) -> None:
    done = pathshift(
        "compare", runs["base0.7"], runs["tuned0.7"], "--tuned", runs["tuned1.3"],
        "--replicates", 500, "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "envelope" not in found
    assert found["entropy"]["kind"] == "policy"
    assert 0.7 < found["entropy"]["temperature"] < 1.3


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (("--base", "base1.3"), "tuned lacks T=1.3"),
        (("--base", "tuned1.3", "--tuned", "tuned1.3"), "are different models"),
        (("--base", "base0.7", "--tuned", "tuned1.3"), "have the same setting"),
    ],
)
def test_what_is_no_grid_ends_in_one_line(
    runs: dict[str, Path], extra: tuple[str, ...], said: str
) -> None:
    flags = [runs.get(word, word) for word in extra]
    done = pathshift("compare", runs["base0.7"], runs["tuned0.7"], *flags, "--replicates", 500)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_says_what_the_lines_say(runs: dict[str, Path], tmp_path: Path) -> None:
    report, out = tmp_path / "report.html", tmp_path / "result.json"
    done = pathshift(
        "compare", runs["base0.7"], runs["tuned0.7"], "--base", runs["base1.3"],
        "--tuned", runs["tuned1.3"], "--replicates", 500, "--report", report, "--json", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = report.read_text(encoding="utf-8")
    ids = [e.attributes.get("id") for e in elements(page, "section")]
    assert [name for name in ids if name in ("best", "tokens", "entropy", "hygiene")] == [
        "best", "tokens", "entropy", "hygiene",
    ]  # fmt: skip
    envelope = json.loads(out.read_text(encoding="utf-8"))["envelope"]
    text = words(page).replace(MINUS, "-")
    assert envelope["verdict"]["sentence"] in text
    for way in (envelope["fair"], envelope["other_problems"], envelope["by_setting"]["T=1.3"]):
        assert f"{way['difference'][0]:+.3f} [{way['low'][0]:+.3f}," in text
    assert f"tuned model at T = {envelope['entropy']['temperature']:.2f}" in text


def test_a_plain_comparison_gets_no_envelope_and_keeps_its_lines(runs: dict[str, Path]) -> None:
    done = pathshift("compare", runs["base0.7"], runs["tuned0.7"], "--replicates", 500)
    assert done.returncode == 0
    assert "envelope" not in done.stdout
    assert "how samples ended" not in done.stdout

"""lm-evaluation-harness and lighteval: many samples of a document, one judgement of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.store.importers.worlds import (
    CORRECT,
    DATA,
    IDS,
    SIDES,
    Side,
    changed,
    draws_of,
    expected,
    item_of,
    outcomes,
    read,
    world,
    world_words,
)

from pathshift.errors import LogError
from pathshift.records import Outcome
from pathshift.rollout.ingest import judged_table, read_table

MATH = "lm-eval/base/world__base/samples_world_math_2026-11-24T08-16-47.572297.jsonl"
CHOICE = "lm-eval/mc/world__base/samples_world_choice_2026-11-24T08-17-00.157813.jsonl"


def counts_or_refusal(path: Path) -> dict[str, list[tuple[int, int]]] | None:
    """Counts by task; None where the log is refused with one line."""
    try:
        table = read_table(path)
    except LogError:
        return None
    found: dict[str, list[tuple[int, int]]] = {}
    for p in sorted(table.counts, key=lambda p: p.id):
        found.setdefault(p.id.rpartition("-")[0], []).append((p.n, p.c))
    return found


def test_lm_eval_multiple_choice_is_one_judged_sample_a_document() -> None:
    assembly = read("lm-eval/mc")
    counts = assembly.counts("x").counts
    # expected.json: right where the world says so of sample 2.
    assert [(p.n, p.c) for p in counts] == [(1, world.is_correct("base", i, 2)) for i in range(8)]
    said = next(v for k, v in expected("lm-eval").items() if k.startswith("mc"))["tool"]
    assert sum(p.c for p in counts) / 8 == said["acc,none"]
    for problem, sample, verdict in assembly.rows():
        assert verdict is not None
        assert (sample.text == problem.gold) == (verdict.outcome is Outcome.CORRECT)


@pytest.mark.parametrize("name", [None, "strict-match", "flexible-extract", "maj@4", "exact_match"])
def test_lm_eval_filters_are_three_views_of_the_same_four_samples(name: str | None) -> None:
    assembly = read(MATH, score=name)
    assert {(item_of(p), s.text) for p, s, _ in assembly.rows()} == draws_of("base").keys()
    assert not assembly.is_judged
    with pytest.raises(LogError, match="pathshift import"):
        assembly.counts("x")
    assert [p.c for p in judged_table(assembly, "x", None).counts] == list(CORRECT["base"])


def test_lm_eval_verdict_of_a_document_counts_only_where_it_has_one_sample(tmp_path: Path) -> None:
    def first_only(rows: list[Any]) -> None:
        for row in rows:
            row["resps"] = [row["resps"][0][:1]]

    path = changed(MATH, tmp_path, first_only)
    majority = expected("lm-eval")[MATH.removeprefix("lm-eval/")]["tool"]["exact_match,maj@4"]
    first = expected("lm-eval")[MATH.removeprefix("lm-eval/")]["tool"]["exact_match,strict-match"]
    for score, said in (("maj@4", majority), ("strict-match", first)):
        assembly = read(path, score=score)
        counts = assembly.counts("x").counts
        assert [p.n for p in counts] == [1] * 8
        assert sum(p.c for p in counts) / 8 == said
        assert assembly.log.judged_by.startswith("lm-eval-exact-match-")


@pytest.mark.parametrize("first", ["repeats", "choice"])
def test_lm_eval_tasks_with_and_without_repeats_in_one_folder_are_not_miscounted(
    tmp_path: Path, first: str
) -> None:
    choice = "samples_{}_2026-11-24T08-17-00.157813.jsonl".format(
        "aa" if first == "choice" else "zz"
    )
    shutil.copyfile(DATA / CHOICE, tmp_path / choice)
    shutil.copyfile(DATA / MATH, tmp_path / Path(MATH).name)
    found = counts_or_refusal(tmp_path)
    if found is not None:
        assert found.pop("world_math") == [(4, c) for c in CORRECT["base"]]
        assert list(found.values()) == [[(1, world.is_correct("base", i, 2)) for i in range(8)]]


def test_lighteval_with_fewer_samples_than_declared_keeps_both_numbers() -> None:
    table = read_table(DATA / "lighteval" / "short")
    said = next(v for k, v in expected("lighteval").items() if k.startswith("short"))
    assert table.settings["declared_n"] == 8
    assert table.settings["drawn_n"] == 4
    told = {k: v for k, v in said["tool"].items() if not k.endswith("_stderr")}
    assert table.settings["reported"] == pytest.approx(told)
    assert sorted((p.n, p.c) for p in table.counts) == sorted((4, c) for c in CORRECT["base"])


@pytest.mark.parametrize("side", SIDES)
def test_lighteval_with_all_samples_drawn_reports_nothing(side: Side) -> None:
    assert not {"declared_n", "reported"} & read(f"lighteval/{side}").log.settings.keys()


def lighteval_rows(side: Side) -> list[dict[str, Any]]:
    path = next((DATA / "lighteval" / side).rglob("*.parquet"))
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def single(rows: list[dict[str, Any]], path: Path) -> Path:
    """The rows with their first sample and one metric, the truth of the world about it."""
    kept = []
    for row in rows:
        item = IDS.index(row["doc"]["specific"]["item"])
        response = {"text": row["model_response"]["text"][:1]}
        metric = {"em": float(world.is_correct("tuned", item, 0))}
        doc = {**row["doc"], "task_name": "single|0"}
        kept.append({"doc": doc, "metric": metric, "model_response": response})
    pq.write_table(pa.Table.from_pylist(kept), path)
    return path


def test_lighteval_metric_is_the_verdict_where_a_document_has_one_sample(tmp_path: Path) -> None:
    path = single(lighteval_rows("tuned"), tmp_path / "details_single|0_2026.parquet")
    assembly = read(path)
    assert assembly.log.judged_by == "lighteval-em"
    assert outcomes(assembly) == [word[0] for word in world_words("tuned")]


@pytest.mark.parametrize("first", ["repeats", "single"])
def test_lighteval_tasks_with_and_without_repeats_in_one_folder_are_not_miscounted(
    tmp_path: Path, first: str
) -> None:
    name = "a" if first == "single" else "z"
    single(lighteval_rows("tuned"), tmp_path / f"{name}_single|0_2026.parquet")
    shutil.copyfile(next((DATA / "lighteval/tuned").rglob("*.parquet")), tmp_path / "many.parquet")
    found = counts_or_refusal(tmp_path)
    if found is not None:
        assert found["world|0"] == [(4, c) for c in CORRECT["tuned"]]
        assert found["single|0"] == [(1, world.is_correct("tuned", i, 0)) for i in range(8)]

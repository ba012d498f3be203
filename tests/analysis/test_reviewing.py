"""Which chains a sheet holds, that it hides whose they are, and the table made of the marks."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest
from tests.authoring.runs import Chain, write_run

from pathshift.analysis.reviewed import Reviewed, take
from pathshift.analysis.reviewing import ReviewSettings, Selection, choose
from pathshift.errors import ConfigError, InputError
from pathshift.records import Outcome
from pathshift.store.reviews import Side, key_path, mark_item, read_sheet, write_marks, write_review
from pathshift.store.run import RunFolder

SETTINGS = ReviewSettings(secret="s", max_p=0.2)
RIGHT, WRONG = Outcome.CORRECT, Outcome.WRONG


def run_with(path: Path, counts: list[int], *, n: int = 20, tag: str = "") -> Path:
    """Problem i has counts[i] right chains of n, all texts different."""

    def chain(i: int, number: int) -> Chain:
        return f"{tag} {i} way {number}", RIGHT if number < counts[i] else WRONG

    return write_run(path, chain, problems=len(counts), n=n)


def made(
    folder: Path, base: Path, tuned: Path | None = None, settings: ReviewSettings = SETTINGS
) -> tuple[Path, Selection]:
    """A sheet on disk."""
    runs: dict[Side, Path] = {"base": base}
    if tuned is not None:
        runs["tuned"] = tuned
    sheet = folder / "sheet.jsonl"
    selection = choose(runs, settings, sheet=sheet)
    write_review(sheet, selection.items, selection.key)
    return sheet, selection


def origins(selection: Selection) -> list[tuple[str, str, int]]:
    return sorted(
        (o.side, o.problem_id, o.sample_no) for found in selection.key.origins.values()
        for o in found
    )  # fmt: skip


def test_rare_is_above_zero_and_below_the_share_exactly(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [0, 1, 3, 4, 5, 20])
    _, selection = made(tmp_path, base)
    assert [p.id for p in selection.rare["base"]] == ["p1", "p2"]
    p1 = selection.rare["base"][0]
    expected = binomtest(1, 20).proportion_ci(method="exact")
    assert (p1.low, p1.high) == pytest.approx((expected.low, expected.high))


def test_only_right_chains_are_shown_and_one_of_each_problem(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [3, 2, 0])
    _, selection = made(tmp_path, base)
    assert [(side, p) for side, p, _ in origins(selection)] == [("base", "p0"), ("base", "p1")]
    right = {"p0": 3, "p1": 2}
    assert all(number < right[p] for _, p, number in origins(selection))


def test_more_chains_of_a_problem_on_request(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [3, 2, 0])
    _, selection = made(tmp_path, base, settings=replace(SETTINGS, per_problem=2))
    assert [p for _, p, _ in origins(selection)] == ["p0", "p0", "p1", "p1"]


def test_room_is_shared_evenly_and_what_one_leaves_the_other_takes(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [1] * 30, tag="b")
    tuned = run_with(tmp_path / "t", [1] * 30, tag="t")
    few = run_with(tmp_path / "f", [1] * 3 + [0] * 27, tag="f")
    for other, sides in ((tuned, (10, 10)), (few, (17, 3))):
        folder = tmp_path / other.name / "sheet"
        folder.mkdir()
        _, selection = made(folder, base, other, replace(SETTINGS, n=20))
        assert (selection.chosen["base"], selection.chosen["tuned"]) == sides
        assert len(selection.items) == 20


def test_samples_of_one_text_share_an_item_and_its_mark(tmp_path: Path) -> None:
    def same(i: int, number: int) -> Chain:
        return "the only way", RIGHT if number < 2 else WRONG

    base = write_run(tmp_path / "b", same, problems=1, n=20)
    tuned = write_run(tmp_path / "t", same, problems=1, n=20)
    sheet, selection = made(tmp_path, base, tuned)
    assert len(selection.items) == 1
    assert origins(selection) == [(s, "p0", i) for s in ("base", "tuned") for i in (0, 1)]
    mark_item(sheet, selection.items[0].token, "yes")
    found = take([sheet])
    assert {side: len(v) for side, v in found.verdicts.items()} == {"base": 2, "tuned": 2}
    assert [told.sound for told in found.sides.values()] == [1, 1]


def test_equal_secrets_choose_equally_and_others_otherwise(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [3] * 40)
    runs: Mapping[Side, Path] = {"base": base}

    def chosen(secret: str) -> list[tuple[str, str, int]]:
        settings = replace(SETTINGS, secret=secret, n=10)
        return origins(choose(runs, settings, sheet=tmp_path / "s.jsonl"))

    assert chosen("a") == chosen("a")
    assert chosen("a") != chosen("b")


def test_the_sheet_is_the_same_whichever_side_is_which(tmp_path: Path) -> None:
    one = run_with(tmp_path / "one", [1, 2, 3, 0, 0, 9], tag="x")
    two = run_with(tmp_path / "two", [0, 1, 1, 2, 9, 1], tag="y")
    sheets = []
    for number, (base, tuned) in enumerate(((one, two), (two, one))):
        folder = tmp_path / str(number)
        folder.mkdir()
        sheet, _ = made(folder, base, tuned, replace(SETTINGS, n=6))
        sheets.append(sheet)
    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    keys = [json.loads(key_path(sheet).read_text()) for sheet in sheets]
    swap = {"base": "tuned", "tuned": "base"}
    for token, found in keys[0]["origins"].items():
        assert sorted(swap[o["side"]] for o in found) == sorted(
            o["side"] for o in keys[1]["origins"][token]
        )


def test_nothing_on_the_sheet_names_a_side_a_run_or_a_sample(tmp_path: Path) -> None:
    base = run_with(tmp_path / "basemodel", [1] * 8, tag="x")
    tuned = run_with(tmp_path / "tunedmodel", [1] * 8, tag="y")
    sheet, selection = made(tmp_path, base, tuned)
    text = sheet.read_text()
    for word in ("base", "tuned", "fake:m", "sample", "p0", "seed", "basemodel"):
        assert word not in text
    rows = [json.loads(line) for line in text.splitlines()]
    assert {tuple(row) for row in rows} == {("token", "question", "reference", "chain", "mark")}
    assert all(re.fullmatch(r"[0-9a-f]{16}", row["token"]) for row in rows)
    sides = [selection.key.origins[row["token"]][0].side for row in rows]
    assert sides != sorted(sides)
    assert sides != sorted(sides, reverse=True)


def test_the_order_carries_no_side(tmp_path: Path) -> None:
    """Over many secrets a base chain stands first about as often as a tuned one."""
    base = run_with(tmp_path / "b", [1] * 4, tag="x")
    tuned = run_with(tmp_path / "t", [1] * 4, tag="y")
    runs: Mapping[Side, Path] = {"base": base, "tuned": tuned}
    first = 0
    for number in range(40):
        found = choose(runs, replace(SETTINGS, secret=f"s{number}"), sheet=tmp_path / "s.jsonl")
        token = min(item.token for item in found.items)
        first += found.key.origins[token][0].side == "base"
    assert binomtest(first, 40).pvalue > 0.01


def test_a_run_without_rare_problems_says_what_its_samples_allow(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [0, 20, 9])
    with pytest.raises(InputError, match=r"with 20 samples the smallest share is 0\.05"):
        made(tmp_path, base, settings=replace(SETTINGS, max_p=0.05))
    with pytest.raises(InputError, match="no problem of either run"):
        made(tmp_path, base, base, settings=replace(SETTINGS, max_p=0.05))


@pytest.mark.parametrize("wrong", [{"max_p": 0}, {"max_p": 1.5}, {"n": 0}, {"per_problem": 0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(SETTINGS, **wrong)


Marker = Callable[[str, int], str | None]
"""(side, number of the problem) -> the mark."""


def marked(sheet: Path, selection: Selection, marker: Marker) -> None:
    for token, found in selection.key.origins.items():
        mark = marker(found[0].side, int(found[0].problem_id[1:]))
        if mark is not None:
            mark_item(sheet, token, mark)


def test_the_published_table_comes_back_with_exact_intervals(tmp_path: Path) -> None:
    """Yue et al. (2025), AIME24: base 5 of 6 with one ambiguous left out, RL 4 of 6."""
    base = run_with(tmp_path / "b", [1] * 7, tag="x")
    tuned = run_with(tmp_path / "t", [1] * 6 + [0], tag="y")
    sheet, selection = made(tmp_path, base, tuned)
    bad = {"base": {0}, "tuned": {2, 3}}

    def reader(side: str, problem: int) -> str:
        return "unsure" if problem == 6 else "no" if problem in bad[side] else "yes"

    marked(sheet, selection, reader)
    found = take([sheet])
    assert (found.items, found.marked) == (13, 13)
    told = {side: (f.sound, f.problems, f.unsure) for side, f in found.sides.items()}
    assert told == {"base": (5, 6, 1), "tuned": (4, 6, 0)}
    for side, (sound, of) in {"base": (5, 6), "tuned": (4, 6)}.items():
        expected = binomtest(sound, of).proportion_ci(method="exact")
        assert found.sides[side].share == pytest.approx((sound / of, expected.low, expected.high))


def test_one_sound_chain_is_enough_for_a_problem(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [3, 3])
    sheet, selection = made(tmp_path, base, settings=replace(SETTINGS, per_problem=3))
    by_sample = {found[0].problem_id + str(found[0].sample_no): token
                 for token, found in selection.key.origins.items()}  # fmt: skip
    for place, mark in {"p00": "no", "p01": "yes", "p02": "unsure", "p10": "no"}.items():
        mark_item(sheet, by_sample[place], mark)
    found = take([sheet]).sides["base"]
    assert (found.sound, found.problems, found.sound_chains, found.chains) == (1, 2, 1, 3)


def test_marks_become_verdicts_of_the_reviewed_samples_only(tmp_path: Path) -> None:
    base = run_with(tmp_path / "b", [1, 1, 1, 1])
    sheet, selection = made(tmp_path, base)
    marks = {0: "yes", 1: "no", 2: "unsure", 3: None}
    marked(sheet, selection, lambda side, problem: marks[problem])
    found = take([sheet])
    write_marks(base, found.verdicts["base"])
    stored = {v.problem_id: v.outcome.value for v in RunFolder(base).verdicts("human")}
    assert stored == {"p0": "correct", "p1": "wrong", "p2": "failed"}


def two(tmp_path: Path, first: Marker, second: Marker) -> Reviewed:
    base = run_with(tmp_path / "b", [1] * 50)
    sheet, selection = made(tmp_path, base, settings=replace(SETTINGS, n=50))
    other = tmp_path / "other.jsonl"
    shutil.copy(sheet, other)
    marked(sheet, selection, first)
    marked(other, selection, second)
    return take([sheet, other])


def test_two_reviewers_are_set_against_each_other(tmp_path: Path) -> None:
    """20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: kappa .4 in every textbook."""
    found = two(
        tmp_path,
        lambda side, i: "yes" if i < 25 else "no",
        lambda side, i: "yes" if i < 20 or 25 <= i < 35 else "no",
    )
    told = found.agreement
    assert told is not None
    assert told.table == {"yes/yes": 20, "yes/no": 5, "no/yes": 10, "no/no": 15}
    assert told.kappa.value == pytest.approx(0.4)
    assert told.kappa.low is not None
    assert told.kappa.low < 0.2
    assert told.raw.value == pytest.approx(0.7)
    side = found.sides["base"]
    assert (side.sound, side.problems, side.unsure) == (20, 35, 15)
    assert sum(v.outcome is Outcome.FAILED for v in found.verdicts["base"]) == 15


def test_chains_one_reviewer_left_open_count_for_neither(tmp_path: Path) -> None:
    found = two(
        tmp_path,
        lambda side, i: "yes" if i < 10 else None,
        lambda side, i: "yes" if i < 9 else "unsure",
    )
    assert found.agreement is not None
    assert (found.agreement.chains, found.marked) == (9, 10)
    assert found.agreement.kappa.value is None
    assert len(found.verdicts["base"]) == 10


def test_nothing_marked_is_undefined_and_stores_nothing(tmp_path: Path) -> None:
    found = two(tmp_path, lambda side, i: None, lambda side, i: None)
    assert found.sides["base"].share.value is None
    assert found.verdicts["base"] == ()
    assert found.agreement is not None
    assert found.agreement.raw.value is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_sheet_that_was_changed_beside_its_marks_is_refused(tmp_path: Path) -> None:
    sheet, _ = made(tmp_path, run_with(tmp_path / "b", [1, 1]))
    sheet.write_text(sheet.read_text().replace("way", "highway"))
    with pytest.raises(InputError, match="row 1: question, reference or chain was changed"):
        take([sheet])


def test_a_foreign_sheet_is_refused(tmp_path: Path) -> None:
    sheet, _ = made(tmp_path, run_with(tmp_path / "b", [1, 1]))
    (tmp_path / "o").mkdir()
    other, _ = made(tmp_path / "o", run_with(tmp_path / "c", [1], tag="z"))
    with pytest.raises(InputError, match="is not the sheet that the key"):
        take([sheet, other])
    with pytest.raises(InputError, match="one sheet, or the same marked by two, got 3"):
        take([sheet] * 3)


def test_runs_may_move_with_the_sheet_or_be_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    sheet, selection = made(home, run_with(home / "b", [1]))
    mark_item(sheet, selection.items[0].token, "yes")
    home.rename(tmp_path / "moved")
    sheet = tmp_path / "moved" / "sheet.jsonl"
    assert take([sheet]).sides["base"].sound == 1
    (tmp_path / "moved" / "b").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"not at .* any more; give the runs"):
        take([sheet])
    assert take([sheet], runs={"base": tmp_path / "elsewhere"}).sides["base"].sound == 1


def test_marks_do_not_land_on_another_run(tmp_path: Path) -> None:
    sheet, selection = made(tmp_path, run_with(tmp_path / "b", [1]))
    mark_item(sheet, selection.items[0].token, "yes")
    other = run_with(tmp_path / "c", [1], tag="else")
    with pytest.raises(InputError, match="is not the base run of this review"):
        take([sheet], runs={"base": other})


def test_the_sheet_shows_what_the_run_holds(tmp_path: Path) -> None:
    sheet, _ = made(tmp_path, run_with(tmp_path / "b", [1]))
    (item,) = read_sheet(sheet)
    assert (item.question, item.reference, item.chain) == ("What is 0 + 0?", "0", " 0 way 0")

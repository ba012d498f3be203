"""Votes and rules, their JSON, and the refusal to mix two judges."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.errors import ConfigError, ConfigMismatch, InputError, RunError
from pathshift.records import Outcome, Verdict
from pathshift.store.judgements import (
    RULES,
    SAID_CHARS,
    JudgeSettings,
    Mark,
    Vote,
    chain_outcome,
    decided,
    judge_name,
    name_for,
    read_judge,
    settle_judge,
    votes_of,
    votes_text,
)

SETTINGS = JudgeSettings(
    model="m", answers="number", votes=3, rule="majority", temperature=0.7, max_tokens=100, seed=0,
    prompt_hash="abc",
)  # fmt: skip
MARKS = [Mark.SOUND, Mark.UNSOUND, None]


def votes(*marks: Mark | None) -> list[Vote]:
    return [Vote(mark=mark) for mark in marks]


@pytest.mark.parametrize("marks", list(product(MARKS, repeat=3)))
def test_rules_over_every_triple_of_votes(marks: tuple[Mark | None, ...]) -> None:
    sound, unsound = marks.count(Mark.SOUND), marks.count(Mark.UNSOUND)
    expected: dict[str, Mark | None] = dict.fromkeys(RULES)
    if sound + unsound:
        expected = {
            "any": Mark.SOUND if sound else Mark.UNSOUND,
            "majority": Mark.SOUND if sound > unsound else Mark.UNSOUND,
            "all": Mark.UNSOUND if unsound else Mark.SOUND,
        }
    assert {rule: decided(votes(*marks), rule) for rule in RULES} == expected


@pytest.mark.parametrize("answer", [Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED])
def test_no_vote_makes_another_answer_right(answer: Outcome) -> None:
    assert chain_outcome(answer, votes(Mark.SOUND), "any") is answer


def test_a_right_answer_without_a_readable_vote_failed_and_is_not_wrong() -> None:
    assert chain_outcome(Outcome.CORRECT, votes(None, None), "all") is Outcome.FAILED
    assert chain_outcome(Outcome.CORRECT, votes(Mark.UNSOUND), "all") is Outcome.WRONG
    assert chain_outcome(Outcome.CORRECT, votes(Mark.SOUND, None), "all") is Outcome.CORRECT


def verdict(detail: str) -> Verdict:
    return Verdict(problem_id="p", sample_no=0, outcome=Outcome.CORRECT, detail=detail)


@given(st.lists(st.tuples(st.sampled_from(MARKS), st.text(st.characters(codec="utf-8"))),
                min_size=1, max_size=5))  # fmt: skip
def test_votes_come_back_from_their_json_cut_to_size(rows: list[tuple[Mark | None, str]]) -> None:
    given_ = [Vote(mark=mark, said=said) for mark, said in rows]
    back = votes_of(verdict(votes_text(given_)))
    assert back == tuple(replace(vote, said=vote.said[:SAID_CHARS]) for vote in given_)


def test_a_half_character_does_not_stop_the_run() -> None:
    assert votes_of(verdict(votes_text([Vote(mark=None, said="\ud800")])))[0].said == "?"


@pytest.mark.parametrize("detail", ["", "timed out", '{"other": 1}'])
def test_a_verdict_without_votes_has_none(detail: str) -> None:
    assert votes_of(verdict(detail)) == ()


@pytest.mark.parametrize(
    "detail",
    ['{"votes":', '{"votes":[["good",""]]}', '{"votes":[1]}', '{"votes":null}',
     '{"votes":' + "[" * 100_000],
)  # fmt: skip
def test_damaged_votes_are_one_line(detail: str) -> None:
    with pytest.raises(RunError, match="votes on sample p#0 cannot be read"):
        votes_of(verdict(detail))


def test_the_same_judge_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    assert settle_judge(tmp_path / "judge-m", SETTINGS) is None
    assert settle_judge(tmp_path / "judge-m", SETTINGS) == SETTINGS
    other: dict[str, Any] = {
        "model": "n", "votes": 5, "temperature": 0.1, "seed": 1, "prompt_hash": "x",
        "answers": "text", "max_tokens": 7,
    }  # fmt: skip
    for name, value in other.items():
        with pytest.raises(ConfigMismatch, match=f"judged with {name}="):
            settle_judge(tmp_path / "judge-m", replace(SETTINGS, **{name: value}))
    assert read_judge(tmp_path / "judge-m") == SETTINGS


def test_the_rule_may_change(tmp_path: Path) -> None:
    settle_judge(tmp_path, SETTINGS)
    assert settle_judge(tmp_path, replace(SETTINGS, rule="all")) == SETTINGS
    assert read_judge(tmp_path) == replace(SETTINGS, rule="all")


@pytest.mark.parametrize("text", ["{", "[]", '{"model": "m"}', '{"votes": 99}'])
def test_a_damaged_settings_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "judge.json").write_text(text)
    with pytest.raises((RunError, InputError), match=r"judge\.json"):
        read_judge(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [{"rule": "most"}, {"votes": 0}, {"votes": 26}, {"temperature": -1}, {"temperature": 0},
     {"max_tokens": 0}],
)  # fmt: skip
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(SETTINGS, **wrong)


def test_one_vote_may_be_greedy() -> None:
    assert replace(SETTINGS, votes=1, temperature=0).votes == 1


@pytest.mark.parametrize("text", ["judge-a", "verdicts/judge-a"])
def test_names_of_judges(text: str) -> None:
    assert judge_name(text) == "judge-a"


@pytest.mark.parametrize("text", ["number", "human", "judge-", "judge-../x", "/tmp/judge-a", ""])
def test_a_judge_is_not_taken_for_a_verifier_nor_leaves_its_folder(text: str) -> None:
    with pytest.raises(ConfigError, match="judge-"):
        judge_name(text)


@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "a b/c d", "//", "ü" * 300, "..", "m/../../x"])
def test_every_model_has_a_usable_default_name(model: str) -> None:
    assert judge_name(name_for(model)).startswith("judge-")

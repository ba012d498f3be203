"""The audit of real reasoning-gym data sets; skipped where the package is not installed."""

from __future__ import annotations

import pytest

from pathshift.errors import ConfigError, UnknownName
from pathshift.problems import load_problems
from pathshift.records import Outcome, Sample
from pathshift.rollout.audit import Audit, AuditOptions, audit_gym, audit_task
from pathshift.verify import Judge

pytest.importorskip("reasoning_gym")

BROKEN = ("game_of_life_halting", "coin_flip", "puzzle24")
GUESSABLE = ("syllogism", "circuit_logic", "rotten_oranges", "gcd")


@pytest.fixture(scope="module")
def audits() -> dict[str, Audit]:
    names = [*BROKEN, *GUESSABLE, "leg_counting", "isomorphic_strings", "n_queens", "graph_color"]
    found = audit_gym(AuditOptions(limit=30, others=8), names=names)
    return dict(zip(names, found, strict=True))


def errors(audit: Audit) -> set[str]:
    return {finding.name for finding in audit.findings if finding.severity == "error"}


def test_the_scorer_that_accepts_every_text_is_found(audits: dict[str, Audit]) -> None:
    assert {"junk", "echo", "constant", "cross-item"} <= errors(audits["game_of_life_halting"])


def test_the_scorer_that_accepts_0_for_every_probability_is_found(audits: dict[str, Audit]) -> None:
    constant = audits["coin_flip"].constant
    assert constant is not None
    assert constant.answer == "0"
    assert constant.share > 0.8
    assert errors(audits["coin_flip"]) == {"constant"}


def test_the_scorer_that_does_not_look_at_the_numbers_is_found(audits: dict[str, Audit]) -> None:
    assert {"constant", "cross-item"} <= errors(audits["puzzle24"])
    (crossed,) = (a for a in audits["puzzle24"].attacks if a.kind == "cross-item")
    assert crossed.right == crossed.asked > 100


@pytest.mark.parametrize("name", GUESSABLE)
def test_what_one_answer_solves_by_chance_is_a_warning_and_no_error(
    name: str, audits: dict[str, Audit]
) -> None:
    found = {f.name: f.severity for f in audits[name].findings}
    assert found["constant"] == "warning"
    assert "cross-item" not in errors(audits[name])


def test_a_sound_data_set_has_no_error(audits: dict[str, Audit]) -> None:
    assert errors(audits["leg_counting"]) == set()


def test_items_that_depend_on_the_order_of_sets_are_found(audits: dict[str, Audit]) -> None:
    assert "determinism" in errors(audits["isomorphic_strings"])


def test_scorers_that_run_answers_are_found(audits: dict[str, Audit]) -> None:
    assert "runs-answers" in errors(audits["n_queens"])


def test_missing_references_are_noted(audits: dict[str, Audit]) -> None:
    assert "no-reference" in {finding.name for finding in audits["graph_color"].findings}


def test_item_i_of_a_seed_is_item_0_of_the_seed_i_further(audits: dict[str, Audit]) -> None:
    assert "neighbour-seeds" in {finding.name for finding in audits["leg_counting"].findings}


def test_fractions_among_the_variables_do_not_keep_a_data_set_from_being_stored() -> None:
    assert len(load_problems("reasoning_gym:gsm_symbolic", {"n": "20", "floor_draws": "0"})) == 20


def test_mistakes_of_the_user_are_no_findings() -> None:
    with pytest.raises(UnknownName, match="gcd"):
        audit_task("reasoning_gym:nix")
    with pytest.raises(ConfigError, match="no setting"):
        audit_task("reasoning_gym:gcd", pairs={"nix": "1"})


@pytest.mark.parametrize("name", ["gcd", "syllogism"])
def test_the_floor_is_the_share_of_other_golds_that_the_verifier_accepts(name: str) -> None:
    """The null policy simulated through the real verifier, from far seeds."""
    problems = load_problems(f"reasoning_gym:{name}", {"n": "8", "floor_draws": "300"})
    others = load_problems(
        f"reasoning_gym:{name}", {"n": "200", "seed": "5000", "floor_draws": "0"}
    )
    with Judge("reasoning_gym", timeout_s=20) as judge:
        for problem in problems:
            verdicts = judge.verdicts(
                [
                    (problem, Sample(problem_id=problem.id, sample_no=i, seed=i, text=other.gold,
                                     n_tokens=1, finish_reason="stop"))
                    for i, other in enumerate(others)
                ]
            )  # fmt: skip
            share = sum(v.outcome is Outcome.CORRECT for v in verdicts) / len(verdicts)
            assert problem.floor == pytest.approx(share, abs=0.12)

"""The child of a reasoning-gym audit, with a stand-in of that package whose defects are known."""

from __future__ import annotations

import pytest

from pathshift.rollout.audit import Audit, AuditOptions, audit_gym

STAND_IN = """
import random
from dataclasses import dataclass
from fractions import Fraction


@dataclass
class Config:
    seed: int = 0
    size: int = 10


class Sound:
    def __init__(self, config):
        self.config = config

    def __getitem__(self, i):
        rng = random.Random(1000003 * self.config.seed + i)
        gold = str(rng.randrange(10**9))
        return {"question": f"Say {gold[::-1]} backwards", "answer": gold, "metadata": {}}

    def score_answer(self, answer, entry):
        return float(answer is not None and answer == entry["answer"])


class Hangs(Sound):
    def score_answer(self, answer, entry):
        while answer == "xyz":
            try:
                pass
            except Exception:
                pass
        return super().score_answer(answer, entry)


class Evaluates(Sound):
    def score_answer(self, answer, entry):
        try:
            return float(eval(answer) == eval(entry["answer"]))
        except Exception:
            return 0.0


class NoneRaises(Sound):
    def score_answer(self, answer, entry):
        return super().score_answer(answer.strip(), entry)


class NoNumber(Sound):
    def score_answer(self, answer, entry):
        return float("nan") if answer == "xyz" else super().score_answer(answer, entry)


class NoneRight(Sound):
    def score_answer(self, answer, entry):
        return 1.0 if answer is None else super().score_answer(answer, entry)


class Ordered(Sound):
    def __getitem__(self, i):
        word = next(iter({f"w{j}" for j in range(50)}))
        name = f"{self.config.seed} {i} {word}"
        return {"question": f"{name}?", "answer": name, "metadata": {}}


class Global(Sound):
    def __getitem__(self, i):
        gold = str(random.random())
        return {"question": gold, "answer": gold + "!", "metadata": {}}


class Neighbours(Sound):
    def __getitem__(self, i):
        gold = str(random.Random(self.config.seed + i).randrange(10**9))
        return {"question": f"{gold}?", "answer": gold, "metadata": {"half": Fraction(1, 2)}}


class Unstorable(Sound):
    def __getitem__(self, i):
        return {**super().__getitem__(i), "metadata": {"pair": (i, i)}}

    def score_answer(self, answer, entry):
        is_pair = isinstance(entry["metadata"]["pair"], tuple)
        return float(is_pair and answer == entry["answer"])


class Breaks(Sound):
    def __getitem__(self, i):
        raise KeyError("no item")


class Eats(Sound):
    def __getitem__(self, i):
        return [bytearray(2**30) for _ in range(64)]


class Missing(Sound):
    def __getitem__(self, i):
        return {**super().__getitem__(i), "answer": None}
"""

FACTORY = """
from reasoning_gym import sets

KINDS = [kind for kind in vars(sets).values() if isinstance(kind, type)
         and issubclass(kind, sets.Sound)]
DATASETS = {kind.__name__.lower(): (kind, sets.Config) for kind in KINDS}
"""

PACKAGE = """
from reasoning_gym import factory

def create_dataset(name, **settings):
    kind, config = factory.DATASETS[name]
    return kind(config(**settings))

def get_score_answer_fn(name):
    return create_dataset(name).score_answer
"""


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Audit]:
    root = tmp_path_factory.mktemp("site")
    package = root / "reasoning_gym"
    package.mkdir()
    for name, text in (("__init__", PACKAGE), ("factory", FACTORY), ("sets", STAND_IN)):
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    names = ["sound", "hangs", "evaluates", "noneraises", "noneright", "ordered", "global",
             "neighbours", "unstorable", "breaks", "eats", "missing", "nonumber"]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root))
        options = AuditOptions(limit=12, others=4, timeout_s=0.3, wall_s=60)
        return dict(zip(names, audit_gym(options, names=names), strict=True))


def found(audit: Audit) -> list[tuple[str, str]]:
    return [(finding.severity, finding.name) for finding in audit.findings]


def test_nothing_is_found_in_a_sound_data_set(audits: dict[str, Audit]) -> None:
    assert found(audits["sound"]) == []
    assert audits["sound"].n_problems == 12
    assert audits["sound"].task == "reasoning_gym:sound"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hangs", [("error", "hangs")]),
        ("noneraises", [("warning", "none")]),
        ("noneright", [("error", "none")]),
        ("ordered", [("error", "determinism")]),
        ("neighbours", [("note", "neighbour-seeds")]),
        ("unstorable", [("error", "stored-oracle")]),
        ("missing", [("note", "no-reference")]),
        ("breaks", [("error", "crashes")]),
        ("eats", [("error", "crashes")]),
        ("nonumber", [("warning", "raises")]),
    ],
)
def test_each_defect_is_found_and_nothing_else(
    name: str, expected: list[tuple[str, str]], audits: dict[str, Audit]
) -> None:
    assert list(dict.fromkeys(found(audits[name]))) == expected


def test_a_scorer_that_hangs_is_not_asked_for_ever(audits: dict[str, Audit]) -> None:
    assert any("timed out" in finding.seen for finding in audits["hangs"].findings)
    assert audits["hangs"].seconds < 30


def test_an_answer_that_is_code_is_seen_to_run(audits: dict[str, Audit]) -> None:
    assert ("error", "runs-answers") in found(audits["evaluates"])


def test_a_global_generator_is_seen_in_one_process(audits: dict[str, Audit]) -> None:
    assert any("loading the same" in finding.seen for finding in audits["global"].findings)


def test_the_reason_of_a_crash_is_said(audits: dict[str, Audit]) -> None:
    assert "KeyError" in audits["breaks"].findings[0].seen
    assert "MemoryError" in audits["eats"].findings[0].seen

"""The fake's declared probabilities against its own draws and against arithmetic."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError, UnknownName
from pathshift.models.fake import MUMBLE, SUCCESS, FakeModel, value_of
from pathshift.models.protocol import Request

PROMPT = "Question: What is 37 + 48?\nAnswer:"


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.data())
def test_reads_sums_differences_and_products(numbers: list[int], data: st.DataObject) -> None:
    signs = [data.draw(st.sampled_from("+-*")) for _ in numbers[1:]]
    text = str(numbers[0]) + "".join(
        f" {sign} {n}" for sign, n in zip(signs, numbers[1:], strict=True)
    )
    # The text is made above of digits and three operators; Python itself is the independent source.
    assert value_of(text) == eval(text)


@pytest.mark.parametrize("name", SUCCESS)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_declared_distribution(name: str, temperature: float) -> None:
    model, policy = FakeModel(name=name), Policy(temperature=temperature)
    declared = model.answers(PROMPT, policy)
    assert sum(declared.values()) == pytest.approx(1)
    n = 20_000
    (drawn,) = model.generate([Request(prompt=PROMPT, seeds=tuple(range(n)))], policy)
    for text, p in declared.items():
        seen = sum(c.text.strip() == text for c in drawn) / n
        assert seen == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n) + 1e-9)


def test_right_answer_comes_first_with_its_success_probability() -> None:
    model = FakeModel(name="even")
    assert model.success_probability(PROMPT, Policy()) == pytest.approx(0.5)
    assert next(iter(model.answers(PROMPT, Policy()))) == "85"


def test_temperature_is_a_power_of_the_plain_distribution() -> None:
    model = FakeModel(name="base")
    plain, cold = (model.answers(PROMPT, Policy(temperature=t)) for t in (1.0, 0.5))
    ratios = [cold[text] / plain[text] ** 2 for text in plain]
    assert all(a == pytest.approx(b) for a, b in pairwise(ratios))


def test_a_sample_depends_on_its_seed_alone() -> None:
    model = FakeModel(name="base")
    (many,) = model.generate([Request(prompt=PROMPT, seeds=(1, 2, 3, 4))], Policy())
    (one,) = model.generate([Request(prompt=PROMPT, seeds=(3,))], Policy())
    assert one[0] == many[2]


def test_tuned_gains_on_average_and_loses_the_rarest() -> None:
    u = np.linspace(0, 1, 999, endpoint=False)
    base, tuned = (np.array([SUCCESS[name](x) for x in u]) for name in ("base", "tuned"))
    assert tuned.mean() > base.mean() + 0.05
    assert ((base > 0) & (tuned == 0)).mean() > 0.1
    assert (np.array([SUCCESS["grown"](x) for x in u]) > base).all()


def test_what_it_cannot_read_it_mumbles_about() -> None:
    assert FakeModel(name="base").answers("Tell me a story.", Policy()) == {MUMBLE: 1.0}


def test_score_is_the_log_of_the_declared_probability() -> None:
    assert FakeModel(name="even").score(PROMPT, " 85") == pytest.approx([math.log(0.5)])
    assert FakeModel(name="even").score(PROMPT, "no such answer") == [-math.inf]


def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(UnknownName, match=r"fake:magic.*fake:base"):
        FakeModel(name="magic")
    with pytest.raises(ConfigError, match="delay"):
        FakeModel(name="base", delay=-1)
    with pytest.raises(ConfigError, match="temperature above 0 only"):
        FakeModel(name="base").answers(PROMPT, Policy(top_p=0.9))
    with pytest.raises(ModelError, match="no chat template"):
        FakeModel(name="base").render_chat([])

"""vLLM in this process against transformers in this process; `make test-servers` runs it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError
from pathshift.models import smollm2
from pathshift.models.protocol import Continuation, Request

pytest.importorskip("vllm", reason="vllm is not installed here; `make test-servers` has it")
pytestmark = pytest.mark.filterwarnings("default")  # vLLM's own

CLOSE = 0.02
PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def model() -> Any:
    from pathshift.models.vllm_local import load_vllm

    if not smollm2.is_here():
        pytest.skip("smollm2 is not unpacked; `pathshift models get smollm2` does it")
    return load_vllm(
        f"vllm:{smollm2.location()}", dtype="fp32", max_model_len=512, enforce_eager=True
    )


@pytest.fixture(scope="module")
def truth() -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder: Path = smollm2.location()
    return (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
    )


def logprobs(truth: tuple[Any, Any], prompt: list[int], rest: tuple[int, ...]) -> list[float]:
    """ln p of each of the rest, in plain transformers."""
    with torch.inference_mode():
        logits = truth[1](torch.tensor([[*prompt, *rest]])).logits[0]
    found = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    values: list[float] = found.gather(-1, torch.tensor(rest)[:, None])[:, 0].tolist()
    return values


def test_log_probabilities_are_those_of_the_model(model: Any, truth: tuple[Any, Any]) -> None:
    asked = [Request(prompt=PROMPT, seeds=(11, 12)), Request(prompt="One", seeds=(13,))]
    drawn = model.generate(asked, Policy(max_tokens=8))
    assert [len(of_request) for of_request in drawn] == [2, 1]
    for request, of_request in zip(asked, drawn, strict=True):
        for one in of_request:
            wanted = sum(logprobs(truth, truth[0].encode(request.prompt), one.token_ids))
            assert one.logprob_sum == pytest.approx(wanted, abs=8 * CLOSE)
            assert one.sampling_logprob_sum == one.logprob_sum


def test_scores_are_those_of_the_model(model: Any, truth: tuple[Any, Any]) -> None:
    rest = tuple(truth[0].encode(" Paris, of course", add_special_tokens=False))
    wanted = logprobs(truth, truth[0].encode(PROMPT), rest)
    assert model.score(PROMPT, " Paris, of course") == pytest.approx(wanted, abs=CLOSE)
    empty, _ = model.score_all(
        PROMPT, [Continuation(text=""), Continuation(text=" x")], Policy(), is_chat=False
    )
    assert empty.trace is None


def test_callers_in_several_threads_each_get_their_own(model: Any) -> None:
    asked = [Request(prompt=text, seeds=(5, 6)) for text in ("One", "Two", PROMPT)]
    alone = [model.generate([one], Policy(max_tokens=6))[0] for one in asked]
    found: dict[int, Any] = {}

    def draw(place: int) -> None:
        (found[place],) = model.generate([asked[place]], Policy(max_tokens=6))

    callers = [threading.Thread(target=draw, args=(place,)) for place in range(3)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    together = [[c.token_ids for c in found[place]] for place in range(3)]
    assert together == [[c.token_ids for c in of_one] for of_one in alone]


def test_what_does_not_fit_is_a_failed_sample_and_a_trace_is_refused(model: Any) -> None:
    asked = [Request(prompt="a " * 600, seeds=(1, 2)), Request(prompt="One", seeds=(3,))]
    (long, fine) = model.generate(asked, Policy(max_tokens=4))
    assert [one.finish_reason for one in long] == ["error", "error"]
    assert fine[0].finish_reason != "error"
    with pytest.raises(ConfigError, match="entropy"):
        model.generate([Request(prompt="One", seeds=(3,), with_trace=True)], Policy())


def test_the_chat_template_is_the_models_own(model: Any, truth: tuple[Any, Any]) -> None:
    turns = [{"role": "user", "content": "What is 2 + 2?"}]
    wanted = truth[0].apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert model.render_chat(turns) == wanted

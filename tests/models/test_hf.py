"""The engine against transformers itself, on SmolLM2-135M."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from transformers import AutoModelForCausalLM, DynamicCache

from pathshift.decoding.policy import Policy
from pathshift.errors import ModelError
from pathshift.models import smollm2
from pathshift.models.hf import scoring
from pathshift.models.hf.cache import buffer_cache, spread
from pathshift.models.hf.model import HfModel, load_hf
from pathshift.models.protocol import Completion, Continuation, Request

pytestmark = pytest.mark.model

PROMPT = "Question: What is 14 + 23?\nAnswer: 37\n\nQuestion: What is 37 + 48?\nAnswer:"


def ask(model: HfModel, seeds: range, **policy: Any) -> list[Completion]:
    (drawn,) = model.generate(
        [Request(prompt=PROMPT, seeds=tuple(seeds))], Policy(**{"max_tokens": 6, **policy})
    )
    return drawn


def test_greedy_text_equals_transformers_generate(smollm: HfModel) -> None:
    ids = torch.tensor([smollm._encode(PROMPT, is_chat=False)])
    theirs = smollm._network.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False
    )
    (ours,) = ask(smollm, range(1), temperature=0, max_tokens=24)
    assert list(ours.token_ids) == theirs[0, ids.shape[1] :].tolist()


def test_a_sample_is_the_same_to_the_last_bit_in_any_batch(smollm: HfModel) -> None:
    together = ask(smollm, range(20))
    assert ask(smollm, range(1)) == together[:1]
    assert ask(smollm, range(7)) == together[:7]
    assert ask(smollm, range(11, 20)) == together[11:]
    shuffled = ask(smollm, range(19, -1, -1))
    assert shuffled[::-1] == together


def test_log_probabilities_equal_a_plain_forward_pass(smollm: HfModel) -> None:
    prompt_ids = smollm._encode(PROMPT, is_chat=False)
    for drawn in ask(smollm, range(4), temperature=0.7):
        ids = torch.tensor([[*prompt_ids, *drawn.token_ids]])
        with torch.inference_mode():
            logits = smollm._network(ids).logits[0, len(prompt_ids) - 1 : -1].double()
        chosen = torch.tensor(drawn.token_ids)[:, None]
        plain = logits.log_softmax(-1).gather(-1, chosen).sum().item()
        cooled = (logits / 0.7).log_softmax(-1).gather(-1, chosen).sum().item()
        assert drawn.logprob_sum == pytest.approx(plain, abs=1e-3)
        assert drawn.sampling_logprob_sum == pytest.approx(cooled, abs=1e-3)


def test_score_is_the_models_own_loss(smollm: HfModel) -> None:
    text = " 85 apples"
    prompt_ids = smollm._encode(PROMPT, is_chat=False)
    added = smollm._encode(text, is_chat=True)
    ids = torch.tensor([[*prompt_ids, *added]])
    labels = ids.clone()
    labels[:, : len(prompt_ids)] = -100
    with torch.inference_mode():
        loss = smollm._network(ids, labels=labels).loss.item()
    scores = smollm.score(PROMPT, text)
    assert len(scores) == len(added)
    assert -sum(scores) / len(scores) == pytest.approx(loss, abs=1e-4)
    with pytest.raises(ModelError, match="at least one token"):
        smollm.score(PROMPT, "")


def test_first_tokens_are_drawn_with_their_probabilities(smollm: HfModel) -> None:
    n = 1600
    drawn = ask(smollm, range(n), max_tokens=1)
    with torch.inference_mode():
        ids = torch.tensor([smollm._encode(PROMPT, is_chat=False)])
        probs = smollm._network(ids).logits[0, -1].softmax(-1)
    seen = torch.bincount(torch.tensor([c.token_ids[0] for c in drawn]), minlength=len(probs)) / n
    likely = probs > 0.01
    error = (seen - probs)[likely] / (probs * (1 - probs) / n).sqrt()[likely]
    assert error.abs().max() < 5


def test_second_tokens_meet_their_probabilities_by_chi_square(smollm: HfModel) -> None:
    n = 1600
    with torch.inference_mode():
        ids = torch.tensor([smollm._encode(PROMPT + " 85", is_chat=False)])
        probs = smollm._network(ids).logits[0, -1].double().softmax(-1)
    (drawn,) = smollm.generate(
        [Request(prompt=PROMPT + " 85", seeds=tuple(range(n)))], Policy(max_tokens=1)
    )
    seen = torch.bincount(torch.tensor([c.token_ids[0] for c in drawn]), minlength=len(probs))
    is_rare = probs * n < 5
    counts = [*seen[~is_rare].tolist(), int(seen[is_rare].sum())]
    expected = [*(probs[~is_rare] * n).tolist(), float(probs[is_rare].sum() * n)]
    assert len(counts) > 5
    assert chisquare(counts, expected).pvalue > 1e-4


def test_bf16_is_as_near_to_fp32_as_transformers_own(smollm: HfModel) -> None:
    short = load_hf("smollm2", str(smollm2.location()), dtype="bf16", n_rows=32)
    (drawn,) = short.generate(
        [Request(prompt=PROMPT, seeds=tuple(range(32)), with_trace=True)], Policy(max_tokens=16)
    )
    own = AutoModelForCausalLM.from_pretrained(smollm2.location(), dtype=torch.bfloat16).eval()
    prompt_ids = smollm._encode(PROMPT, is_chat=False)
    traces = [completion.trace for completion in drawn if completion.trace is not None]
    n = min(len(trace.token_ids) for trace in traces)
    tokens = torch.tensor([trace.token_ids[:n] for trace in traces])
    ours = torch.tensor([trace.logprobs[:n] for trace in traces], dtype=torch.float64)
    exact, theirs = (by_token(net, prompt_ids, tokens) for net in (smollm._network, own))
    assert n > 4
    assert (ours - exact).square().mean().sqrt() <= 1.2 * (theirs - exact).square().mean().sqrt()


def by_token(network: Any, prompt_ids: list[int], tokens_BT: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of tokens drawn one by one with transformers' own cache, fp64."""
    cache, found = DynamicCache(), []
    given = torch.tensor([prompt_ids]).expand(len(tokens_BT), -1)
    with torch.inference_mode():
        for chosen_B1 in tokens_BT.split(1, dim=1):  # type: ignore[no-untyped-call]
            logits = network(given, past_key_values=cache, logits_to_keep=1).logits[:, -1]
            found.append(logits.double().log_softmax(-1).gather(-1, chosen_B1))
            given = chosen_B1
    return torch.cat(found, dim=1)


def test_a_stop_text_ends_the_sample_and_is_cut_off(smollm: HfModel) -> None:
    (drawn,) = ask(smollm, range(1), temperature=0, max_tokens=40, stop=("\n\nQ",))
    assert drawn.finish_reason == "stop"
    assert "\n\nQ" not in drawn.text
    assert smollm._tokenizer.decode(drawn.token_ids).startswith(drawn.text + "\n\nQ")


def test_the_token_limit_is_told_from_an_end(smollm: HfModel) -> None:
    (drawn,) = ask(smollm, range(1), temperature=0, max_tokens=2)
    assert (drawn.finish_reason, drawn.n_tokens) == ("length", 2)


def test_a_chat_ends_with_its_end_token(smollm: HfModel) -> None:
    prompt = smollm.render_chat([{"role": "user", "content": "Say hi."}])
    assert prompt.endswith("<|im_start|>assistant\n")
    request = Request(prompt=prompt, seeds=(0,), is_chat=True)
    ((drawn,),) = smollm.generate([request], Policy(temperature=0, max_tokens=60))
    assert drawn.finish_reason == "stop"
    assert "<|im_end|>" not in drawn.text
    assert drawn.token_ids[-1] in smollm._end_ids


def test_a_prompt_that_does_not_fit_fails_as_data(smollm: HfModel) -> None:
    request = Request(prompt="word " * 9000, seeds=(0, 1))
    (drawn,) = smollm.generate([request], Policy(max_tokens=4))
    assert [c.finish_reason for c in drawn] == ["error", "error"]
    assert "exceeds context of 8192" in drawn[0].detail


def test_the_buffer_cache_gives_the_logits_of_the_dynamic_cache(smollm: HfModel) -> None:
    network = smollm._network
    ids = torch.tensor([smollm._encode(PROMPT, is_chat=False)])
    step = torch.tensor([[100], [200], [300]])
    with torch.inference_mode():
        ours = buffer_cache(network.config.num_hidden_layers, ids.shape[1] + 2)
        network(ids, past_key_values=ours)
        spread(ours, 3)
        theirs = DynamicCache()
        network(ids.expand(3, -1), past_key_values=theirs)
        for _ in range(2):
            mine = network(step, past_key_values=ours).logits
            reference = network(step, past_key_values=theirs).logits
            torch.testing.assert_close(mine, reference, atol=1e-3, rtol=1e-4)


def test_what_a_run_records_of_the_model(smollm: HfModel) -> None:
    info = smollm.info
    assert len(info.weights_hash) == 64
    assert info.details["parameters"] == 134_515_008
    assert info.details["dtype"] == "float32"
    assert info.chat_template is not None
    assert "im_start" in info.chat_template


def traced(model: HfModel, seeds: range, **policy: Any) -> list[Completion]:
    (drawn,) = model.generate(
        [Request(prompt=PROMPT, seeds=tuple(seeds), with_trace=True)],
        Policy(**{"max_tokens": 6, **policy}),
    )
    return drawn


POLICIES: list[dict[str, Any]] = [{}, {"temperature": 0.7}, {"temperature": 0.8, "top_p": 0.9}]


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_drawn_scores_as_it_was_drawn(smollm: HfModel, policy: dict[str, Any]) -> None:
    drawn = traced(smollm, range(12), **policy)
    asked = [Continuation(text=c.text, token_ids=c.token_ids) for c in drawn]
    scored = smollm.score_all(PROMPT, asked, Policy(**policy), is_chat=False)
    for completion, score in zip(drawn, scored, strict=True):
        assert completion.trace is not None
        assert score.trace is not None
        assert score.trace.token_ids == completion.token_ids
        assert score.trace.pieces == completion.trace.pieces
        for field in ("logprobs", "policy_logprobs", "entropies"):
            ours, theirs = getattr(score.trace, field), getattr(completion.trace, field)
            assert ours == pytest.approx(theirs, abs=2e-3)
        assert sum(score.trace.logprobs) == pytest.approx(completion.logprob_sum, abs=2e-3)


def test_scores_in_small_pieces_equal_a_plain_forward_pass(
    smollm: HfModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "MOST_LOGITS", 3 * 49152 * 3)  # three tokens of three rows
    texts = [" 85 apples and some pears, which makes 17", " 85", " eighty five. So"]
    prompt_ids = smollm._encode(PROMPT, is_chat=False)
    found = smollm.score_all(PROMPT, [Continuation(text=t) for t in texts], Policy(), is_chat=False)
    for text, score in zip(texts, found, strict=True):
        added = smollm._encode(text, is_chat=True)
        with torch.inference_mode():
            ids = torch.tensor([[*prompt_ids, *added]])
            logits = smollm._network(ids).logits[0, len(prompt_ids) - 1 : -1].double()
        logprobs = logits.log_softmax(-1)
        chosen = logprobs.gather(-1, torch.tensor(added)[:, None]).squeeze(-1)
        assert score.trace is not None
        assert score.trace.logprobs == pytest.approx(chosen.tolist(), abs=1e-3)
        nats = -(logprobs.exp() * logprobs).sum(-1)
        assert score.trace.entropies == pytest.approx(nats.tolist(), abs=1e-3)
        assert "".join(score.trace.pieces) == text


def test_an_excluded_token_has_no_probability_under_the_policy(smollm: HfModel) -> None:
    odd = Continuation(text=" zebra", is_ended=True)
    (score,) = smollm.score_all(PROMPT, [odd], Policy(top_k=1), is_chat=False)
    assert score.trace is not None
    assert score.trace.policy_logprobs[0] == -float("inf")
    assert score.trace.logprobs[0] > -40
    assert score.trace.token_ids[-1] == smollm._tokenizer.eos_token_id


def test_what_cannot_be_scored_comes_back_with_its_reason(smollm: HfModel) -> None:
    asked = [
        Continuation(text=""),
        Continuation(text="x" * 40_000),
        Continuation(text=" 85"),
        Continuation(text=" 85", token_ids=(10**6,)),
    ]
    found = smollm.score_all(PROMPT, asked, Policy(), is_chat=False)
    assert [score.trace is None for score in found] == [True, True, False, True]
    assert found[0].detail == "empty completion"
    assert found[1].detail.endswith("tokens exceed the context of 8192")
    assert found[3].detail == "a token number the model does not have"

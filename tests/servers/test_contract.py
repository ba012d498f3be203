"""What a model at a server says of its samples is what the very model in this process says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.commands import pathshift
from tests.servers.conftest import Served

from pathshift.decoding.policy import Policy
from pathshift.models.openai.model import OpenAIModel, load_openai
from pathshift.models.protocol import Request
from pathshift.store.run import RunFolder

PROMPT = "The capital of France is"
QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]


@pytest.fixture(scope="module")
def model(served: Served) -> Iterator[OpenAIModel]:
    found = load_openai(served.spec, concurrency=16)
    yield found
    found.close()


def summed(served: Served, prompt: list[int], drawn: tuple[int, ...]) -> float:
    """ln p of the drawn tokens after the prompt, in this process."""
    logprobs = served.logprobs([*prompt, *drawn])[len(prompt) - 1 : -1]
    return float(logprobs.gather(-1, torch.tensor(drawn)[:, None]).sum())


def test_what_the_server_can_is_found_out(model: OpenAIModel) -> None:
    assert model.info.capabilities == {"token_ids", "logprobs", "score"}
    assert model.info.details["logprobs"] == "raw"
    assert model.info.details["prompts"] == "rendered text"
    assert model.info.details["context"] == 512


def test_log_probabilities_are_those_of_the_model(served: Served, model: OpenAIModel) -> None:
    ((*drawn,),) = model.generate(
        [Request(prompt=PROMPT, seeds=(11, 12, 13))], Policy(max_tokens=8)
    )
    for one in drawn:
        assert one.n_tokens == len(one.token_ids) <= 8
        assert one.logprob_sum == pytest.approx(
            summed(served, served.encode(PROMPT), one.token_ids), abs=8 * served.close
        )
        assert one.sampling_logprob_sum == one.logprob_sum


def test_at_another_temperature_only_the_raw_ones_are_known(
    served: Served, model: OpenAIModel
) -> None:
    policy = Policy(max_tokens=6, temperature=0.5, top_p=0.9)
    ((one,),) = model.generate([Request(prompt=PROMPT, seeds=(5,))], policy)
    assert one.logprob_sum == pytest.approx(
        summed(served, served.encode(PROMPT), one.token_ids), abs=6 * served.close
    )
    assert one.sampling_logprob_sum is None


def test_the_text_of_a_chat_is_the_models_own(served: Served, model: OpenAIModel) -> None:
    prompt = model.render_chat(QUESTION)
    assert prompt == served.rendered(QUESTION)
    asked = [Request(prompt=prompt, seeds=(3,), is_chat=True)]
    ((one,),) = model.generate(asked, Policy(max_tokens=5))
    assert one.logprob_sum == pytest.approx(
        summed(served, served.encode(prompt, special=False), one.token_ids), abs=5 * served.close
    )


def test_first_tokens_follow_the_exact_distribution(served: Served, model: OpenAIModel) -> None:
    """Would fail under a server's own top-k, or seeds that repeat."""
    n = 400
    asked = [Request(prompt=PROMPT, seeds=tuple(range(1000, 1000 + n)))]
    (drawn,) = model.generate(asked, Policy(max_tokens=1))
    counts = Counter(one.token_ids[0] for one in drawn)
    probs = served.logprobs(served.encode(PROMPT))[-1].double().exp()
    likely = [int(i) for i in (probs * n >= 5).nonzero()[:, 0]]
    expected = np.array([float(probs[i]) * n for i in likely])
    seen = np.array([counts[i] for i in likely], dtype=float)
    expected, seen = np.append(expected, n - expected.sum()), np.append(seen, n - seen.sum())
    assert chisquare(seen, expected).pvalue > 1e-4


def test_samples_of_one_seed_are_one_sample(model: OpenAIModel) -> None:
    """Servers promise no such thing; this one at rest keeps it, and other seeds draw otherwise."""
    asked = [Request(prompt=PROMPT, seeds=(1 << 61, (1 << 61) + 1, 1 << 61))]
    ((first, other, again),) = model.generate(asked, Policy(max_tokens=12))
    assert first.token_ids == again.token_ids
    assert first.token_ids != other.token_ids


def test_a_stop_text_ends_a_sample_and_is_cut_off(model: OpenAIModel) -> None:
    policy = Policy(max_tokens=60, stop=("e", "a"))
    (drawn,) = model.generate([Request(prompt=PROMPT, seeds=tuple(range(2, 18)))], policy)
    stopped = [one for one in drawn if one.finish_reason == "stop"]
    assert stopped
    assert not any("e" in one.text or "a" in one.text for one in drawn)


def test_scores_are_those_of_the_model(served: Served, model: OpenAIModel) -> None:
    prompt, rest = served.encode(PROMPT), served.encode(" Paris, of course", special=False)
    logprobs = served.logprobs([*prompt, *rest])[len(prompt) - 1 : -1]
    wanted = logprobs.gather(-1, torch.tensor(rest)[:, None])[:, 0].tolist()
    assert model.score(PROMPT, " Paris, of course") == pytest.approx(wanted, abs=served.close)


def test_what_does_not_fit_the_context_is_a_failed_sample(model: OpenAIModel) -> None:
    long, nearly = "word " * 600, "a " * 240
    asked = [Request(prompt=text, seeds=(2,)) for text in (long, nearly, PROMPT)]
    ((refused,), (cut,), (fine,)) = model.generate(asked, Policy(max_tokens=400, stop=(" ",)))
    assert refused.finish_reason == "error"
    assert "context" in refused.detail
    assert fine.finish_reason != "error"
    assert cut.finish_reason != "length"  # the server cuts the limit down without a word


def test_a_run_is_sampled_and_drawn_on(served: Served, tmp_path: Path) -> None:
    def sample(n: int) -> None:
        done = pathshift(
            "sample", "--model", served.spec, "--tasks", "arithmetic", "--limit", "3", "--n", n,
            "--max-tokens", 8, "--out", "run", "-M", "concurrency=4", cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    sample(2)
    first = {s.id: s.text for s in RunFolder(tmp_path / "run").samples()}
    sample(4)
    second = {s.id: s for s in RunFolder(tmp_path / "run").samples()}
    assert len(first) == 6
    assert len(second) == 12
    assert first.items() <= {key: s.text for key, s in second.items()}.items()
    assert all(s.logprob_sum is not None and s.logprob_sum < 0 for s in second.values())
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["config"]["mode"] == "chat"

"""What is made of a server's reply, and what is not made up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pathshift.decoding.policy import Policy
from pathshift.models.openai.model import completion_of
from pathshift.models.openai.probe import kind_of
from pathshift.models.openai.replies import Said, said


def test_two_likeliest_tokens_of_one_probability_tell_nothing() -> None:
    assert kind_of({"a": -1.0, "b": -1.0}, {"a": -1.0, "b": -1.0}, 0.25) == ""
    assert kind_of({"a": -1.0}, {"a": -1.0}, 0.25) == ""
    assert kind_of({"a": -1.0, "b": -2.0}, {"a": -3.0, "b": -3.5}, 0.25) == ""


def test_the_limit_that_a_server_lowers_in_silence_is_no_length() -> None:
    """Its samples would be of a shorter policy than the run says."""
    found = Said(text="a", finish="length", n_tokens=17)
    assert completion_of(found, Policy(max_tokens=17), "").finish_reason == "length"
    cut = completion_of(found, Policy(max_tokens=100), "")
    assert (cut.finish_reason, "after 17 of 100" in cut.detail) == ("error", True)


@pytest.mark.parametrize("word", ["content_filter", "abort", None, 7])
def test_an_end_that_is_none_is_a_failed_sample(word: object) -> None:
    body = json.dumps({"choices": [{"text": "a", "finish_reason": word}]}).encode()
    found = said(body, is_chat=False)
    assert found is not None
    assert completion_of(found, Policy(), "raw").finish_reason == "error"


@pytest.mark.parametrize("logprobs", [[0.5], [None], ["x"], [-1.0, -1.0], "abc", [True], [-1e999]])
def test_numbers_that_are_no_log_probabilities_are_not_summed(logprobs: Any) -> None:
    reply = {
        "choices": [{"text": "a", "finish_reason": "stop",
                     "logprobs": {"token_logprobs": logprobs}}],
        "usage": {"completion_tokens": 1},
    }  # fmt: skip
    found = said(json.dumps(reply).encode(), is_chat=False)
    if found is not None:
        value = completion_of(found, Policy(), "raw").logprob_sum
        assert value is None or (logprobs == [None] and value == 0)

"""A model at a server: what is asked, what is made of the reply, and what a bad server costs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.servers.hf_server import Behaviour, Body, Mishap, send, serving
from tests.tiny import save_tiny

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError, ModelLost
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.openai.client import HttpClient, Limits, Server
from pathshift.models.openai.model import OpenAIModel
from pathshift.models.openai.probe import features_of
from pathshift.models.protocol import Request, is_conversation

SEEDS = tuple(range(100, 108))
QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@contextmanager
def at(
    folder: Path, *, key: str = "", concurrency: int = 4, retries: int = 2, **behaviour: Any
) -> Iterator[tuple[OpenAIModel, Behaviour, list[float]]]:
    """A model at a server, the server, and the pauses between tries."""
    pauses: list[float] = []
    with serving(folder, Behaviour(**behaviour)) as own:
        limits = Limits(timeout_s=10, retries=retries, lost_in_a_row=16)
        client = HttpClient(Server.from_spec(own.spec), key=key, limits=limits, sleep=pauses.append)
        model = OpenAIModel(own.spec, client, features_of(client), concurrency=concurrency)
        try:
            yield model, own, pauses
        finally:
            model.close()


def after_probes(mishap: Mishap) -> Mishap:
    """A mishap of samples only; probes have seed 1 or none. It counts samples from 0."""
    count, lock = [0], threading.Lock()

    def wrapped(handler: BaseHTTPRequestHandler, body: Body, number: int) -> bool:
        if body.get("seed", 1) == 1:
            return False
        with lock:
            place, count[0] = count[0], count[0] + 1
        return mishap(handler, body, place)

    return wrapped


def status(code: int, *, times: int = 10**9, body: bytes = b"{}", **headers: str) -> Mishap:
    def mishap(handler: BaseHTTPRequestHandler, request: Body, number: int) -> bool:
        if number < times:
            send(handler, code, body, **headers)
        return number < times

    return after_probes(mishap)


def draw(model: OpenAIModel, **policy: Any) -> list[Any]:
    asked = Request(prompt="One two", seeds=SEEDS)
    (drawn,) = model.generate([asked], Policy(**{"max_tokens": 3, **policy}))
    return drawn


def test_one_request_a_sample_with_its_own_seed_and_nothing_left_to_the_server(
    folder: Path,
) -> None:
    """The server's own defaults are top-k 1 and min-p .9; a request without them would show."""
    with at(folder) as (model, own, _):
        drawn = draw(model, temperature=0.7, top_p=0.9, top_k=5, min_p=0.1, stop=("\n",))
        assert len({one.token_ids for one in draw(model)}) > 1
    assert len(drawn) == len(SEEDS)
    asked = own.samples_asked[: len(SEEDS)]
    assert sorted(body["seed"] for body in asked) == list(SEEDS)
    wanted = {
        "model": "test/Model-1", "prompt": "One two", "max_tokens": 3, "temperature": 0.7,
        "top_p": 0.9, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.0, "stop": ["\n"],
        "logprobs": 0, "return_token_ids": True, "add_special_tokens": True,
    }  # fmt: skip
    assert {k: v for k, v in asked[0].items() if k != "seed"} == wanted
    off = own.samples_asked[-1]
    assert (off["top_k"], off["min_p"], off["top_p"], off["temperature"]) == (-1, 0.0, 1.0, 1.0)
    assert "stop" not in off


def test_completions_stand_in_the_order_of_requests_and_seeds(folder: Path) -> None:
    with at(folder, concurrency=8) as (model, _, _):
        asked = [
            Request(prompt=p, seeds=SEEDS[:n]) for p, n in (("One", 5), ("Two", 2), ("Six", 8))
        ]
        together = model.generate(asked, Policy(max_tokens=3))
        alone = [
            [model.generate([Request(prompt=one.prompt, seeds=(s,))], Policy(max_tokens=3))[0][0]
             for s in one.seeds]
            for one in asked
        ]  # fmt: skip
    assert together == alone


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_requests_under_way_are_bounded_over_all_callers(folder: Path, concurrency: int) -> None:
    with at(folder, concurrency=concurrency) as (model, own, _):
        assert model.info.at_once == concurrency
        callers = [threading.Thread(target=draw, args=(model,)) for _ in range(3)]
        own.most_under_way = 0
        for one in callers:
            one.start()
        for one in callers:
            one.join()
        assert len(own.samples_asked) == 3 * len(SEEDS)
    assert 1 <= own.most_under_way <= concurrency
    assert own.most_under_way > 1 or concurrency == 1


@pytest.mark.parametrize(
    ("owner", "wish"),
    [("sglang", {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
     ("llamacpp", {"top_k": -1, "min_p": 0.0, "repeat_penalty": 1.0}),
     ("openai", {})],
)  # fmt: skip
def test_each_kind_of_server_is_spoken_to_in_its_own_way(
    folder: Path, owner: str, wish: dict[str, Any]
) -> None:
    seed = 2**61 + 5
    with at(folder, owner=owner, gives_ids=False) as (model, own, _):
        model.generate([Request(prompt="One", seeds=(seed,))], Policy(max_tokens=2))
    (asked,) = own.samples_asked
    assert asked.pop("seed") < 2**31
    plain = {"model", "prompt", "max_tokens", "temperature", "top_p", "logprobs"}
    assert {k: v for k, v in asked.items() if k not in plain} == wish


@pytest.mark.parametrize("policy", [{"top_k": 5}, {"min_p": 0.1}])
def test_a_server_of_unknown_kind_is_asked_for_no_top_k(
    folder: Path, policy: dict[str, Any]
) -> None:
    with at(folder, owner=None) as (model, own, _):
        with pytest.raises(ConfigError, match="no part of the OpenAI protocol"):
            draw(model, **policy)
        assert own.samples_asked == []


def test_a_trace_is_refused_with_the_reason(folder: Path) -> None:
    with at(folder) as (model, own, _):
        asked = Request(prompt="One", seeds=(2,), with_trace=True)
        with pytest.raises(ConfigError, match="entropy, which needs the whole distribution"):
            model.generate([asked], Policy())
        assert "full_logits" not in model.info.capabilities
        assert "deterministic" not in model.info.capabilities
        assert own.samples_asked == []


@pytest.mark.parametrize("kind", ["raw", "tempered", "none"])
def test_whose_log_probabilities_they_are_is_tried_out(folder: Path, kind: str) -> None:
    with at(folder, logprobs=kind) as (model, _, _):
        assert model.info.details["logprobs"] == kind.replace("none", "")
        hot, plain, cut = draw(model, temperature=2.0), draw(model), draw(model, top_p=0.5)
    known = [
        [(one.logprob_sum is not None, one.sampling_logprob_sum is not None) for one in drawn]
        for drawn in (hot, plain, cut)
    ]
    wanted = {
        "raw": [(True, False), (True, True), (True, False)],
        "tempered": [(False, True), (True, True), (False, False)],
        "none": [(False, False)] * 3,
    }[kind]
    assert known == [[one] * len(SEEDS) for one in wanted]


def test_a_server_without_log_probabilities_says_so(folder: Path) -> None:
    with at(folder, owner="openai", logprobs="none", gives_ids=False) as (model, _, _):
        assert model.info.capabilities == frozenset()
        (one, *_) = draw(model)
        assert (one.logprob_sum, one.token_ids, one.n_tokens) == (None, (), 3)
        with pytest.raises(ModelError, match="no log-probabilities of a text"):
            model.score("One", " two")


def test_an_echoing_server_scores_as_one_that_numbers_tokens(folder: Path) -> None:
    with at(folder) as (model, _, _):
        wanted = model.score("One two", " three")
    with at(folder, owner="openai", gives_ids=False, echoes=True) as (model, _, _):
        assert "score" in model.info.capabilities
        assert model.score("One two", " three") == pytest.approx(wanted, abs=1e-9)


def test_a_chat_that_the_server_alone_can_render_goes_there_as_messages(folder: Path) -> None:
    with at(folder, shows_template=False) as (model, own, _):
        prompt = model.render_chat(QUESTION)
        assert is_conversation(prompt)
        asked = Request(prompt=prompt, seeds=(7,), is_chat=True)
        ((by_chat,),) = model.generate([asked], Policy(max_tokens=4))
        assert own.samples_asked[-1]["messages"] == QUESTION
        with pytest.raises(ModelError, match="does not show the text"):
            model.score_all(prompt, [], Policy(), is_chat=True)
    with at(folder) as (model, own, _):
        prompt = model.render_chat(QUESTION)
        assert prompt == "<user>What is 2 + 2?\n<assistant>"
        asked = Request(prompt=prompt, seeds=(7,), is_chat=True)
        ((by_text,),) = model.generate([asked], Policy(max_tokens=4))
        assert own.samples_asked[-1]["add_special_tokens"] is False
    assert by_chat.text == by_text.text
    assert by_chat.logprob_sum == pytest.approx(by_text.logprob_sum)


def test_llama_server_shows_its_template_in_its_own_way(folder: Path) -> None:
    with at(folder, owner="llamacpp", gives_ids=False) as (model, _, _):
        assert model.render_chat(QUESTION) == "<user>What is 2 + 2?\n<assistant>"


def test_a_server_without_completions_takes_chats_only(folder: Path) -> None:
    with at(folder, has_completions=False) as (model, _, _):
        assert is_conversation(model.render_chat(QUESTION))
        with pytest.raises(ModelError, match="takes chats only"):
            draw(model)


def test_a_server_without_chats_has_no_template(folder: Path) -> None:
    with at(folder, has_chat=False, shows_template=False) as (model, _, _):
        assert model.info.chat_template is None
        with pytest.raises(ModelError, match="use --completion"):
            model.render_chat(QUESTION)


def test_thoughts_that_a_server_takes_out_stand_before_the_answer(folder: Path) -> None:
    with at(folder, shows_template=False, thinks=True) as (model, _, _):
        asked = Request(prompt=model.render_chat(QUESTION), seeds=(7,), is_chat=True)
        ((one,),) = model.generate([asked], Policy(max_tokens=4))
    assert one.text.startswith("<think>\nLet me see.\n</think>\n\n")


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_passing_failure_is_tried_again(folder: Path, code: int) -> None:
    mishap = status(code, times=2)
    with at(folder, mishap=mishap, concurrency=1) as (model, own, pauses):
        assert all(one.finish_reason != "error" for one in draw(model))
        assert len(own.samples_asked) == len(SEEDS) + 2
    assert pauses == [0.5, 1.0]


def test_retry_after_is_obeyed(folder: Path) -> None:
    mishap = status(429, times=1, Retry_After="7")
    with at(folder, mishap=mishap, concurrency=1) as (model, _, pauses):
        draw(model)
    assert pauses == [7.0]


def test_a_server_that_goes_away_leaves_what_it_had_drawn(folder: Path) -> None:
    def dies(handler: BaseHTTPRequestHandler, body: Body, number: int) -> bool:
        if number >= 5:
            send(handler, 503, b"{}")
        return number >= 5

    with at(folder, mishap=after_probes(dies), concurrency=1, retries=1) as (model, _, _):
        with pytest.raises(ModelLost, match=r"is gone: HTTP 503") as caught:
            draw(model)
        (drawn,) = caught.value.drawn
    assert [one is not None for one in drawn] == [True] * 5 + [False] * 3


def test_one_request_that_breaks_the_server_is_a_failed_sample(folder: Path) -> None:
    """As a prompt on which the server's engine fails, time and again."""

    def breaks(handler: BaseHTTPRequestHandler, body: Body, number: int) -> bool:
        is_bad = body.get("seed") == SEEDS[3]
        if is_bad:
            send(handler, 500, b"{}")
        return is_bad

    with at(folder, mishap=breaks) as (model, own, _):
        drawn = draw(model)
        assert len(own.samples_asked) == len(SEEDS) + 2
    assert [one.finish_reason == "error" for one in drawn] == [s == SEEDS[3] for s in SEEDS]
    assert drawn[3].detail == "HTTP 500 from the server"


def test_a_server_that_only_fails_is_gone_after_a_while(folder: Path) -> None:
    with at(folder, mishap=status(500), concurrency=1, retries=0) as (model, own, _):
        assert all(one.finish_reason == "error" for one in draw(model))
        with pytest.raises(ModelLost, match="is gone: HTTP 500"):
            draw(model)
        assert len(own.samples_asked) == 16


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b'{"choices": []}', b'{"choices": [{"text": null}]}',
     b'{"choices": [{"text": 7}]}', b"[" * 50_000, b"\xff"],
)  # fmt: skip
def test_a_reply_that_is_none_is_a_failed_sample(folder: Path, body: bytes) -> None:
    with at(folder, mishap=status(200, times=1, body=body), concurrency=1) as (model, _, _):
        first, *others = draw(model)
    assert (first.finish_reason, first.detail) == ("error", "the reply is no completion")
    assert all(one.finish_reason != "error" for one in others)


@pytest.mark.parametrize(
    ("code", "message", "said_so"),
    [(401, "x", "refuses the key"), (403, "x", "PATHSHIFT_API_KEY"), (404, "x", "HTTP 404"),
     (400, "unknown field top_k; key sk-secret", "unknown field top_k"), (422, "bad", "HTTP 422")],
)  # fmt: skip
def test_a_refusal_of_every_request_ends_it_in_one_line(
    folder: Path, code: int, message: str, said_so: str
) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    with at(folder, key="sk-secret", mishap=status(code, body=body)) as (model, own, pauses):
        with pytest.raises(ModelError, match=said_so) as caught:
            draw(model)
        assert len(own.samples_asked) <= len(SEEDS)
    assert "\n" not in str(caught.value)
    assert "sk-secret" not in str(caught.value)
    assert pauses == []


@pytest.mark.parametrize(
    "message",
    ["This model's maximum context length is 2048 tokens.",
     "max_tokens=4000 cannot be greater than max_model_len=2048.",
     "the request exceeds the available context size (exceed_context_size_error)",
     "The response was filtered due to the prompt triggering content management policy."],
)  # fmt: skip
def test_a_refusal_of_one_prompt_is_a_failed_sample(folder: Path, message: str) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    with at(folder, mishap=status(400, times=2, body=body), concurrency=1) as (model, _, _):
        drawn = draw(model)
    assert [one.finish_reason == "error" for one in drawn] == [True] * 2 + [False] * 6
    assert message[:40] in drawn[0].detail


def test_a_server_that_is_not_there_is_one_line() -> None:
    options = LoadOptions(retries=0, timeout=2)
    with pytest.raises(ModelError, match="is gone: no connection") as caught:
        load_model("openai:http://127.0.0.1:9/v1#m", options)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_served_names_those_that_are(folder: Path) -> None:
    said_so = pytest.raises(ModelError, match=r"no model other; it has: test/Model-1")
    with serving(folder) as own, said_so:
        load_model(f"openai:{own.url}#other")


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"concurrency": 5000}, {"timeout": 0}, {"retries": 99}]
)
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        load_model("openai:http://127.0.0.1:9/v1#m", LoadOptions(**options))


def test_the_key_goes_into_the_header_and_nowhere_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHSHIFT_API_KEY", "sk-mine")
    with serving(folder) as own:
        model = load_model(own.spec)
        assert isinstance(model, OpenAIModel)
        draw(model)
        model.close()
    assert {sent["authorization"] for sent in own.headers} == {"Bearer sk-mine"}
    assert "sk-mine" not in json.dumps(own.asked) + repr(model.info)

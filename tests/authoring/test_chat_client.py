"""The client against a real server that is slow, failing, broken, flooding or gone."""

from __future__ import annotations

import builtins
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler as Handler
from typing import Any

import pytest
from tests.authoring.chat_server import FakeJudge, Mishap, answer, running, send

from pathshift.authoring.chat_client import (
    ChatClient,
    ChatServer,
    Limits,
    Reply,
    key_from,
    reply_of,
)
from pathshift.errors import ConfigError, MissingExtra, ModelError

QUESTION = [{"role": "user", "content": "<<< SOLUTION f >>>\nGOOD\n<<< END f >>>"}]


@contextmanager
def client(
    mishap: Mishap | None = None, *, key: str = "", **limits: Any
) -> Iterator[tuple[ChatClient, FakeJudge, list[float]]]:
    """A client of a server with a mishap, and the pauses it took."""
    pauses: list[float] = []
    with running(mishap=mishap) as server:
        one = ChatClient(
            ChatServer.from_spec(server.spec), key=key, limits=Limits(**limits),
            sleep=pauses.append,
        )  # fmt: skip
        try:
            yield one, server, pauses
        finally:
            one.close()


def ask(one: ChatClient, seed: int = 7) -> Reply:
    return one.ask(QUESTION, seed=seed, temperature=0.5, max_tokens=64)


def status(code: int, times: int = 10**9, body: bytes = b"{}", **headers: str) -> Mishap:
    """Answer the first requests with a status."""

    def mishap(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        if number < times:
            send(handler, code, body, **headers)
        return number < times

    return mishap


def test_the_request_says_model_seed_temperature_and_limit() -> None:
    with client() as (one, server, _):
        assert ask(one).text == "Checked it.\nVERDICT: sound\n"
    (asked,) = server.asked
    assert asked == {
        "model": "test/Judge-1", "messages": QUESTION, "seed": 7, "temperature": 0.5,
        "max_tokens": 64,
    }  # fmt: skip
    assert server.headers[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again_with_growing_pauses(code: int) -> None:
    with client(status(code, times=3)) as (one, server, pauses):
        assert ask(one).text is not None
    assert len(server.asked) == 4
    assert pauses == [0.5, 1.0, 2.0]


def test_retry_after_is_obeyed_within_reason() -> None:
    with client(status(429, times=1, Retry_After="7")) as (one, _, pauses):
        assert ask(one).text is not None
    assert pauses == [7.0]
    with client(status(429, times=1, Retry_After="86400")) as (one, _, pauses):
        ask(one)
    assert pauses == [60.0]
    with client(status(429, times=1, Retry_After="Wed, 21 Oct 2037 07:28:00 GMT")) as got:
        ask(got[0])
        assert got[2] == [0.5]


def test_a_lasting_failure_is_data_twice_and_then_an_error() -> None:
    with client(status(500), retries=1) as (one, server, _):
        first, second = ask(one), ask(one)
        assert (first.text, first.detail, first.is_lost) == (None, "HTTP 500 from the server", True)
        assert second.is_lost
        with pytest.raises(ModelError, match=r"test/Judge-1 at http://127.*is gone: HTTP 500"):
            ask(one)
    assert len(server.asked) == 6


def test_a_good_reply_in_between_keeps_the_server_alive() -> None:
    def every_other(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        if number % 2:
            send(handler, 500, b"{}")
        return bool(number % 2)

    with client(every_other, retries=0) as (one, _, _):
        lost = [ask(one).is_lost for _ in range(10)]
    assert lost == [False, True] * 5


def test_what_the_server_refuses_is_data_and_not_tried_again() -> None:
    body = json.dumps({"error": {"message": "context too long; key sk-secret-1"}}).encode()
    with client(status(400, body=body), key="sk-secret-1") as (one, server, pauses):
        replies = [ask(one) for _ in range(5)]
    assert all(not reply.is_lost for reply in replies)
    assert "HTTP 400" in replies[0].detail
    assert "context too long" in replies[0].detail
    assert "sk-secret-1" not in replies[0].detail
    assert (len(server.asked), pauses) == (5, [])


@pytest.mark.parametrize(
    ("code", "said"),
    [(401, "refuses the key"), (403, "PATHSHIFT_API_KEY"), (404, "/v1"), (302, "HTTP 302")],
)
def test_a_wrong_key_or_address_ends_it_at_once(code: int, said: str) -> None:
    mishap = status(code, Location="http://127.0.0.1:1/elsewhere")
    with client(mishap, key="sk-secret-2") as (one, server, _):
        with pytest.raises(ModelError, match=said) as caught:
            ask(one)
        assert "sk-secret-2" not in str(caught.value)
        assert len(server.asked) == 1


def test_the_key_goes_into_the_header_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with client(key="sk-secret-3") as (one, server, _):
        ask(one)
    assert server.headers[0]["authorization"] == "Bearer sk-secret-3"
    assert "sk-secret-3" not in json.dumps(server.asked)
    assert "sk-secret-3" not in caplog.text


def test_no_key_of_another_service_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "sk-other-service")
    with client() as (one, server, _):
        ask(one)
    assert "sk-other-service" not in json.dumps(server.headers)


def raw(body: bytes, **headers: str) -> Mishap:
    def mishap(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        send(handler, 200, body, **headers)
        return True

    return mishap


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{", b"null", b"[]", b"{}", b'{"choices": []}', b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}', b"[" * 100_000, b"\xff\xfe",
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": ' + b"9" * 9000 + b"}",
    ],
)  # fmt: skip
def test_a_reply_that_is_none_is_lost_and_no_crash(body: bytes) -> None:
    with client(raw(body)) as (one, server, _):
        reply = ask(one)
    assert (reply.text, reply.is_lost) == (None, True)
    assert len(server.asked) == 1


@pytest.mark.parametrize("content", ["null", "7", '["a"]', "{}"])
def test_a_reply_without_text_is_data(content: str) -> None:
    reply = reply_of(f'{{"choices": [{{"message": {{"content": {content}}}}}]}}'.encode())
    assert (reply.text, reply.is_lost) == (None, False)
    assert "no text" in reply.detail


@pytest.mark.parametrize("code", [200, 500])
def test_a_huge_body_is_cut_off_whatever_its_status(code: int) -> None:
    sent = 0

    def flood(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        nonlocal sent
        handler.send_response(code)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        for _ in range(4000):
            handler.wfile.write(b" " * 100_000)
            sent += 100_000
        return True

    with client(flood, reply_bytes=1_000_000, retries=0) as (one, _, _):
        reply = ask(one)
    assert reply.is_lost
    assert "larger than 1,000,000 bytes" in reply.detail
    assert sent < 50_000_000


def test_a_packed_body_is_refused_unread() -> None:
    with client(raw(b"\x1f\x8b" + b"x" * 50, Content_Encoding="gzip")) as (one, _, _):
        assert "packed" in ask(one).detail


def test_a_server_that_says_nothing_is_given_up_on() -> None:
    done = threading.Event()

    def sleep(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        done.wait(5)
        return True

    started = time.monotonic()
    with client(sleep, timeout_s=0.2, retries=1) as (one, server, _):
        reply = ask(one)
        done.set()
    assert time.monotonic() - started < 3
    assert (reply.detail, reply.is_lost) == ("no reply within 0.2 s", True)
    assert len(server.asked) == 2


def test_a_server_that_trickles_is_given_up_on() -> None:
    def trickle(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)
        return True

    started = time.monotonic()
    with client(trickle, timeout_s=0.3, retries=0) as (one, _, _):
        assert "took longer than 0.3 s" in ask(one).detail
    assert time.monotonic() - started < 8


def test_a_connection_that_breaks_in_the_middle_is_tried_again() -> None:
    def hang_up(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        if number == 0:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b'{"choi')
            handler.close_connection = True
        return number == 0

    with client(hang_up) as (one, server, _):
        assert ask(one).text is not None
    assert len(server.asked) == 2


def test_a_server_that_is_not_there() -> None:
    with running() as server:
        spec = ChatServer.from_spec(server.spec)
    one = ChatClient(spec, limits=Limits(retries=2), sleep=lambda _: None)
    assert "no connection (ConnectError)" in ask(one).detail
    ask(one)
    with pytest.raises(ModelError, match="is gone: no connection"):
        ask(one)


def test_a_cut_reply_says_so() -> None:
    def cut(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        answer(handler, "Let me think", finish="length")
        return True

    with client(cut) as (one, _, _):
        assert ask(one) == Reply(text="Let me think", detail="cut by --max-tokens")


def test_threads_share_a_client() -> None:
    with client() as (one, server, _), ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda seed: ask(one, seed), range(40)))
    assert all(reply.text is not None for reply in replies)
    assert {request["seed"] for request in server.asked} == set(range(40))


def test_a_closed_client_asks_nothing_more() -> None:
    with client() as (one, server, _):
        one.close()
        with pytest.raises(ModelError, match="closed"):
            ask(one)
        assert server.asked == []


@pytest.mark.parametrize(
    "spec",
    ["", "openai:", "openai:http://a/v1", "openai:http://a/v1#", "openai:ftp://a#m",
     "openai:a/v1#m", "vllm:http://a#m", "openai:http://[#m", "openai:http://u:pw@a/v1#m",
     "openai:http://a/v1?key=pw#m"],
)  # fmt: skip
def test_a_bad_spec_is_one_line_without_the_password(spec: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ChatServer.from_spec(spec)
    assert "pw" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", " sk-1 \n")
    assert key_from("MY_KEY") == "sk-1"
    assert key_from("NOT_SET_ANYWHERE") == ""
    with pytest.raises(ConfigError, match="not a key") as caught:
        key_from("sk-live-1234")
    assert "1234" not in str(caught.value)
    monkeypatch.setenv("MY_KEY", "sk-\x1b")
    with pytest.raises(ConfigError, match="characters"):
        key_from("MY_KEY")


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "httpx2":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtra, match=r"pip install 'pathshift\[api\]'"):
        ChatClient(ChatServer(base_url="http://127.0.0.1:9/v1", model="m"))


@pytest.mark.parametrize("limits", [{"timeout_s": 0}, {"retries": -1}, {"retries": 10**6}])
def test_limits_out_of_range(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Limits(**limits)

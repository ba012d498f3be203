"""pathshift judge as a user types it, against a real server."""

from __future__ import annotations

import json
import re
import signal
import time
from http.server import BaseHTTPRequestHandler as Handler
from pathlib import Path

import pytest
from tests.authoring.chat_server import running
from tests.authoring.runs import half_right, write_run
from tests.authoring.test_marking import dies_after
from tests.commands import pathshift, started

from pathshift.records import Outcome


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", half_right)


def test_judged_printed_stored_and_compared(run: Path, tmp_path: Path) -> None:
    with running() as server:
        done = pathshift("judge", run, "--judge", server.spec, "--json", tmp_path / "j.json")
        assert done.returncode == 0, done.stderr
        again = pathshift("judge", run, "--judge", server.spec, "--rule", "all", "--quiet")
        assert len(server.asked) == 48
    assert "16 distinct chains judged now, 0 before" in done.stdout
    assert "stored as verdicts/judge-Judge-1" in done.stdout
    assert re.search(
        r"sound by majority 0\.500 \[0\.\d+, 0\.\d+\] of right answers.*<- count", done.stdout
    )
    assert "votes agree on all of 3 in 1.000" in done.stdout
    assert "Fleiss kappa 1.000" in done.stdout
    assert "16 before" in again.stdout
    assert "next:" not in again.stdout
    found = json.loads((tmp_path / "j.json").read_text())
    assert found["sound"]["majority"][0] == 0.5
    assert found["chains"]["majority"]["value"][0] == 0.25
    compared = pathshift("compare", run, run, "--verifier", "judge-Judge-1", "--json", "-")
    assert json.loads(compared.stdout)["base"][0] == 0.25
    shown = pathshift("show", run, "--verifier", "judge-Judge-1", "--against", "text")
    assert shown.returncode == 0, shown.stderr


def test_noise_of_a_known_rate_gives_its_closed_form(tmp_path: Path) -> None:
    noise, chains = 0.2, 300
    run = write_run(
        tmp_path / "r", lambda i, n: (f"{i} {n} GOOD", Outcome.CORRECT), problems=30, n=10
    )
    with running(noise=noise) as server:
        done = pathshift("judge", run, "--judge", server.spec, "--concurrency", 8, "--json", "-")
    sound = json.loads(done.stdout)["sound"]
    truth = {"any": 1 - noise**3, "majority": 0.8**3 + 3 * 0.8**2 * 0.2, "all": 0.8**3}
    for rule, share in truth.items():
        error = (share * (1 - share) / chains) ** 0.5
        assert abs(sound[rule][0] - share) < 3.5 * error
    assert len(server.asked) == 900


def test_a_server_that_dies_is_one_line_and_the_same_command_goes_on(run: Path) -> None:
    with running(mishap=dies_after(10)) as server:
        died = pathshift("judge", run, "--judge", server.spec, "--retries", 0, "--concurrency", 1)
    assert died.returncode == 2
    assert died.stderr.count("\n") == 1
    assert "is gone" in died.stderr
    assert "3 judged chains are kept, run the same command again to go on" in died.stderr
    refused = pathshift("compare", run, run, "--verifier", "judge-Judge-1")
    assert "run `pathshift judge" in refused.stderr
    with running() as server:
        done = pathshift("judge", run, "--judge", server.spec)
        assert len(server.asked) == 39
    assert "13 distinct chains judged now, 3 before" in done.stdout


def slowly(handler: Handler, request: dict[str, object], number: int) -> bool:
    time.sleep(0.3)
    return False


def test_ctrl_c_keeps_what_was_judged_and_says_how_to_go_on(run: Path) -> None:
    with running(mishap=slowly) as server:
        judging = started("judge", run, "--judge", server.spec, "--votes", 1, "--concurrency", 1)
        deadline = time.monotonic() + 60
        while len(server.asked) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        judging.send_signal(signal.SIGINT)
        _, said = judging.communicate(timeout=60)
    assert judging.returncode == 130
    assert "to go on: pathshift judge" in said
    assert "Traceback" not in said
    with running() as server:
        done = pathshift("judge", run, "--judge", server.spec, "--votes", 1)
    kept = re.search(r"(\d+) distinct chains judged now, (\d+) before", done.stdout)
    assert kept is not None
    assert int(kept[1]) + int(kept[2]) == 16
    assert int(kept[2]) >= 2


def test_a_limit_says_what_is_left(run: Path) -> None:
    with running() as server:
        done = pathshift("judge", run, "--judge", server.spec, "--limit", 5, "--json", "-")
    assert json.loads(done.stdout)["left"] == 11


def test_all_shows_what_the_judge_lets_pass(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "r",
        lambda i, n: (f"{i} {n} GOOD", Outcome.CORRECT if n else Outcome.WRONG), problems=2, n=4,
    )  # fmt: skip
    with running() as server:
        done = pathshift("judge", run, "--judge", server.spec, "--all")
    assert "of the chains with a wrong answer the judge calls 1.000" in done.stdout


def test_the_key_of_the_environment_reaches_the_server_and_no_output(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHSHIFT_API_KEY", "sk-very-secret")
    with running() as server:
        done = pathshift("judge", run, "--judge", server.spec, "--json", "-")
    assert server.headers[0]["authorization"] == "Bearer sk-very-secret"
    files = b"".join(p.read_bytes() for p in run.rglob("*") if p.is_file())
    assert "sk-very-secret" not in done.stdout + done.stderr
    assert b"sk-very-secret" not in files


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--judge", "qwen"], "openai:BASE_URL#MODEL"),
        (["--judge", "openai:http://127.0.0.1:9#m", "--out", "number"], "judge- followed by"),
        (["--judge", "openai:http://127.0.0.1:9#m", "--votes", "0"], "votes must be 1"),
        (["--judge", "openai:http://127.0.0.1:9#m", "--rule", "most"], "any, majority, all"),
        (["--judge", "openai:http://127.0.0.1:9#m", "--temperature", "0"], "--votes 1"),
        (["--judge", "openai:http://127.0.0.1:9#m", "--timeout", "0"], "timeout must be"),
        (["--judge", "openai:http://127.0.0.1:9#m", "--key-env", "sk-1"], "not a key"),
        (["--judge", "openai:http://127.0.0.1:9#m", "--verifier", "other"], "pathshift verify"),
    ],
)  # fmt: skip
def test_bad_flags_are_one_line(run: Path, flags: list[str], said: str) -> None:
    done = pathshift("judge", run, *flags)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert re.search(said, done.stderr)


def test_no_run_is_one_line(tmp_path: Path) -> None:
    done = pathshift("judge", tmp_path, "--judge", "openai:http://127.0.0.1:9#m")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is not a run folder" in done.stderr

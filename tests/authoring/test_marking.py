"""Runs judged by a real server with known truth: what is stored, resumed, held back and kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler as Handler
from pathlib import Path
from typing import Any

import pytest
from tests.authoring.chat_server import FakeJudge, Mishap, answer, is_flipped, running, send
from tests.authoring.chat_server import solution_of as chain_of
from tests.authoring.runs import half_right, write_run

from pathshift.authoring.chat_client import ChatClient, ChatServer, Limits
from pathshift.authoring.judge import PROMPT_HASH
from pathshift.authoring.marking import Marked, MarkOptions, mark_run
from pathshift.errors import ConfigError, ConfigMismatch, ModelError, RunError
from pathshift.records import Outcome, Verdict
from pathshift.store.counts import run_counts
from pathshift.store.judgements import JudgeSettings, Mark, votes_of
from pathshift.store.run import RunFolder, RunWriter
from pathshift.store.shards import live_shards

NAME = "judge-one"
SETTINGS = JudgeSettings(
    model="test/Judge-1", answers="text", votes=3, rule="majority", temperature=0.7, max_tokens=64,
    seed=0, prompt_hash=PROMPT_HASH,
)  # fmt: skip


def judged(
    run: Path,
    server: FakeJudge,
    options: MarkOptions | None = None,
    settings: JudgeSettings = SETTINGS,
    **limits: Any,
) -> Marked:
    one = ChatClient(
        ChatServer.from_spec(server.spec), limits=Limits(**limits), sleep=lambda _: None
    )
    with closing(one):
        return mark_run(run, NAME, settings, one, options or MarkOptions())


def verdicts(run: Path) -> dict[tuple[str, int], Verdict]:
    return {(v.problem_id, v.sample_no): v for v in RunFolder(run).verdicts(NAME)}


def outcomes(run: Path) -> list[str]:
    """Of the samples of the first problem, in their order."""
    return [verdicts(run)["p0", number].outcome.value for number in range(8)]


def test_right_answers_are_judged_and_others_copied(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running() as server:
        marked = judged(run, server)
    assert (marked.asked, marked.kept, marked.failed, marked.left) == (16, 0, 0, 0)
    assert len(server.asked) == 16 * 3
    assert outcomes(run) == ["correct", "wrong", "wrong", "wrong"] * 2
    assert all("GOOD" in chain_of(r) or "LUCK" in chain_of(r) for r in server.asked)
    votes = {key: votes_of(v) for key, v in verdicts(run).items()}
    assert [len(votes["p1", i]) for i in range(4)] == [3, 0, 3, 0]
    assert {v.mark for v in votes["p1", 2]} == {Mark.UNSOUND}
    assert votes["p1", 0][0].said == "Checked it."


def test_unparsed_and_failed_answers_stay_what_they_are(tmp_path: Path) -> None:
    kinds = [Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED]
    run = write_run(tmp_path / "r", lambda i, n: (f"GOOD {n}", kinds[n]), problems=2, n=4)
    with running() as server:
        judged(run, server)
    count = run_counts(run, verifier=NAME).counts[0]
    assert (count.n, count.c, count.unparsed, count.failed) == (3, 1, 1, 1)


def test_noisy_votes_follow_the_server_exactly(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running(noise=0.3) as server:
        judged(run, server)
    asked = {(chain_of(r), r["seed"]) for r in server.asked}
    assert len(asked) == 48
    texts = {(s.problem_id, s.sample_no): s.text for s in RunFolder(run).samples()}
    for key, verdict in verdicts(run).items():
        votes = votes_of(verdict)
        if votes:
            flips = sorted(is_flipped(seed, t, 0.3) for t, seed in asked if t == texts[key])
            truth = "GOOD" in texts[key]
            assert sorted((v.mark is Mark.SOUND) != truth for v in votes) == flips
            wanted = Outcome.CORRECT if (sum(flips) < 2) == truth else Outcome.WRONG
            assert verdict.outcome is wanted


def test_what_is_judged_is_not_asked_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running() as server:
        judged(run, server)
        again = judged(run, server)
        assert len(server.asked) == 48
    assert (again.asked, again.kept) == (0, 16)
    assert len(live_shards(RunFolder(run).verdicts_path(NAME))) == 1


def test_a_limit_takes_every_problem_first_and_the_rest_later(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running() as server:
        first = judged(run, server, MarkOptions(limit=4, concurrency=1))
        assert {chain_of(r) for r in server.asked} == {f"step {i} 0 GOOD" for i in range(4)}
        with pytest.raises(RunError, match="run `pathshift judge"):
            run_counts(run, verifier=NAME)
        rest = judged(run, server)
        assert len(server.asked) == 48
    assert (first.left, rest.asked, rest.kept) == (12, 12, 4)
    run_counts(run, verifier=NAME)


def dies_after(requests: int) -> Mishap:
    def mishap(handler: Handler, request: Mapping[str, Any], number: int) -> bool:
        if number >= requests:
            handler.close_connection = True
        return number >= requests

    return mishap


def test_a_server_that_dies_half_way_leaves_only_whole_votes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running(mishap=dies_after(20)) as server, pytest.raises(ModelError, match="is gone"):
        judged(run, server, MarkOptions(concurrency=1), retries=1)
    have = [votes_of(v) for v in verdicts(run).values() if votes_of(v)]
    assert len(have) == 6
    assert all(vote.mark is not None for votes in have for vote in votes)
    with running() as server:
        marked = judged(run, server)
        assert len(server.asked) == 30
    assert (marked.kept, marked.asked) == (6, 10)
    other = write_run(tmp_path / "whole", half_right)
    with running() as server:
        judged(other, server)
    assert verdicts(run) == verdicts(other)


def test_concurrent_chains_of_a_dying_server_are_not_lost_or_doubled(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right, problems=10)
    with running(mishap=dies_after(45)) as server, pytest.raises(ModelError):
        judged(run, server, MarkOptions(concurrency=8), retries=0)
    with running() as server:
        judged(run, server, MarkOptions(concurrency=8))
    count = run_counts(run, verifier=NAME)
    assert sum(p.c for p in count.counts) == 20
    assert sum(p.failed or 0 for p in count.counts) == 0


def test_one_poisonous_chain_fails_alone_and_may_be_asked_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)

    def poison(handler: Handler, request: dict[str, Any], number: int) -> bool:
        hit = chain_of(request) == "step 0 0 GOOD"
        if hit:
            send(handler, 400, b'{"error": {"message": "too long"}}')
        return hit

    with running(mishap=poison) as server:
        marked = judged(run, server)
    assert marked.failed == 1
    assert outcomes(run)[:5] == ["failed", "wrong", "wrong", "wrong", "correct"]
    assert "too long" in votes_of(verdicts(run)["p0", 0])[0].said
    with running() as server:
        assert judged(run, server).asked == 0
        assert judged(run, server, MarkOptions(retry_failed=True)).asked == 1
    assert outcomes(run)[0] == "correct"


def test_unreadable_replies_are_failed_and_never_wrong(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)

    def mumble(handler: Handler, request: dict[str, Any], number: int) -> bool:
        answer(handler, "I believe it is sound.")
        return True

    with running(mishap=mumble) as server:
        marked = judged(run, server)
    assert marked.failed == 16
    count = run_counts(run, verifier=NAME).counts[0]
    assert (count.n, count.c, count.failed) == (4, 0, 4)


def test_another_rule_is_applied_to_the_votes_that_are_there(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    right = {}
    with running(noise=0.3) as server:
        for rule in ("any", "majority", "all"):
            judged(run, server, settings=replace(SETTINGS, rule=rule))
            right[rule] = sum(p.c for p in run_counts(run, verifier=NAME).counts)
        assert len(server.asked) == 48
    marks = [[v.mark is Mark.SOUND for v in votes_of(x)] for x in verdicts(run).values()]
    votes = [found for found in marks if found]
    assert right == {
        "any": sum(map(any, votes)),
        "majority": sum(sum(found) >= 2 for found in votes),
        "all": sum(map(all, votes)),
    }
    assert len(set(right.values())) == 3


def test_votes_of_two_judges_are_not_mixed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running() as server:
        judged(run, server, MarkOptions(limit=1))
        with pytest.raises(ConfigMismatch, match="votes=3, now asked with votes=5"):
            judged(run, server, settings=replace(SETTINGS, votes=5))


def test_equal_chains_are_asked_once(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", lambda i, n: ("GOOD all the same", Outcome.CORRECT), problems=3)
    with running() as server:
        marked = judged(run, server)
        assert len(server.asked) == 9
    assert marked.asked == 3
    assert sum(p.c for p in run_counts(run, verifier=NAME).counts) == 24


def test_a_top_up_asks_only_about_new_texts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right, n=4)
    with running() as server:
        judged(run, server)
        write_more(run)
        marked = judged(run, server)
    assert (marked.kept, marked.asked) == (8, 1)
    assert verdicts(run)["p0", 5].outcome is Outcome.CORRECT


def write_more(run: Path) -> None:
    """One sample with a known text and one with a new one, both right."""
    texts = {5: "step 0 0 GOOD", 6: "step 0 6 GOOD"}
    samples = [
        replace(s, sample_no=number, seed=9 + number, text=text)
        for s in RunFolder(run).samples()[:1]
        for number, text in texts.items()
    ]
    with RunWriter(run, "text") as writer:
        right = [
            Verdict(problem_id="p0", sample_no=number, outcome=Outcome.CORRECT) for number in texts
        ]
        writer.add(samples, right)


def test_wrong_answers_are_judged_on_request_and_stay_wrong(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running() as server:
        judged(run, server)
        marked = judged(run, server, MarkOptions(only_correct=False))
        assert (marked.kept, marked.asked) == (16, 16)
        assert judged(run, server, MarkOptions(only_correct=False)).asked == 0
        assert judged(run, server).asked == 0
    assert outcomes(run) == ["correct", "wrong", "wrong", "wrong"] * 2
    assert all(votes_of(v) for v in verdicts(run).values())


def test_answers_must_be_judged_first(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", half_right)
    with running() as server, pytest.raises(RunError, match="pathshift verify"):
        judged(run, server, settings=replace(SETTINGS, answers="number"))
    assert server.asked == []


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"limit": 0}, {"concurrency": 1000}])
def test_options_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        MarkOptions(**wrong)  # type: ignore[arg-type]

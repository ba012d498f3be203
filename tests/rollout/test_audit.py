"""Every probe finds the defect it is for, and finds nothing in tasks that have none."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.rollout.toys import Toy, distinct, exact, problem

from pathshift.errors import ConfigError, MissingExtra, UnknownName
from pathshift.records import Outcome, Problem
from pathshift.rollout.audit import Audit, AuditOptions, audit_gym, audit_task
from pathshift.rollout.audit.attacks import CONSTANTS, JUNK
from pathshift.rollout.audit.battery import audit_subject
from pathshift.rollout.audit.bench import is_same, shown
from pathshift.rollout.audit.subject import FORMS, TaskSubject
from pathshift.verify.jobs import Job

OPTIONS = AuditOptions(limit=20)


def found(toy: Toy, severity: str | None = None) -> set[str]:
    """Names of what is found, of one severity or of all but notes."""
    findings = audit_subject(toy, OPTIONS).findings
    grave = {"error", "warning"} if severity is None else {severity}
    return {finding.name for finding in findings if finding.severity in grave}


def test_nothing_is_found_in_a_sound_task() -> None:
    audit = audit_subject(Toy(), OPTIONS)
    assert audit.findings == ()
    assert audit.worst is None
    assert all(attack.right == 0 for attack in audit.attacks)
    assert {a.kind for a in audit.attacks} == {
        "junk", "empty", "echo", "very long", "hedge", "cross-item",
    }  # fmt: skip


@pytest.mark.parametrize("spec", ["arithmetic", "countdown", "compose", "gsm8k"])
def test_nothing_is_found_in_the_families_of_this_package(spec: str) -> None:
    audit = audit_task(spec, AuditOptions(limit=30))
    assert [f for f in audit.findings if f.severity != "note"] == []
    assert audit.n_problems == 30
    assert audit.floors is not None
    assert audit.floors.stated is not None


def test_a_reference_that_is_not_right_is_found() -> None:
    def picky(p: Problem, text: str) -> float:
        return exact(p, text) if p.id != "0-3" else 0.0

    audit = audit_subject(Toy(grade=picky), OPTIONS)
    (finding,) = audit.findings
    assert (finding.severity, finding.name) == ("error", "oracle")
    assert "1 of 20" in finding.seen
    assert "0-3" in finding.seen


@pytest.mark.parametrize(
    ("accepts", "names"),
    [
        (lambda text: text == JUNK[0], {"junk"}),
        (lambda text: text == "", {"empty"}),
        (lambda text: text.startswith("What is"), {"echo"}),
        (lambda text: len(text) > 50_000, {"very long"}),
    ],
)
def test_answers_of_no_content_that_are_right_are_found(accepts, names) -> None:  # type: ignore[no-untyped-def]
    toy = Toy(grade=lambda p, text: float(text == p.gold or accepts(text)))
    assert found(toy) - {"constant"} == names


def test_an_answer_that_lists_answers_is_found_to_be_right() -> None:
    toy = Toy(grade=lambda p, text: float(p.gold in text.split(", ")))
    assert found(toy) >= {"hedge"}


def test_a_verifier_that_never_looks_at_the_problem_is_found() -> None:
    """As puzzle24: any reference is right on any problem, junk and constants are not."""
    audit = audit_subject(Toy(grade=lambda p, text: float(text.startswith("gold"))), OPTIONS)
    errors = {f.name for f in audit.findings if f.severity == "error"}
    assert errors == {"cross-item", "constant", "hedge"}
    assert audit.constant is not None
    assert (audit.constant.share, audit.constant.held_out) == (1, 1)
    assert audit.constant.foreign == 1


def test_a_constant_that_is_right_where_it_should_not_be_is_an_error() -> None:
    """As coin_flip: no reference is a common text, yet one common text is always right."""
    toy = Toy(grade=lambda p, text: float(text in (p.gold, CONSTANTS[0])))
    assert found(toy, "error") == {"constant"}


def test_few_answer_values_are_a_warning_and_the_share_is_counted() -> None:
    """As yes-or-no questions: the constant is right only where it is the reference."""

    def draw(seed: int, number: int) -> Problem:
        return problem(f"{number}", f"{seed} {number}?", "yes" if number % 10 < 6 else "no")

    audit = audit_subject(Toy(draw=draw), OPTIONS)
    assert [(f.severity, f.name) for f in audit.findings] == [("warning", "constant")]
    assert audit.constant is not None
    assert audit.constant.answer == "yes"
    assert audit.constant.share == pytest.approx(0.6)
    assert audit.constant.foreign == 0
    assert audit.floors is not None
    assert audit.floors.answers is not None
    # With 12 yes and 8 no the others hold 11 of 19 or 7 of 19 of one's own kind; 16 of them drawn.
    assert audit.floors.answers[0] == pytest.approx((12 * 11 + 8 * 7) / (20 * 19), abs=0.03)
    assert audit.floors.answers[3:] == (None, None, None)


def test_a_verifier_that_raises_or_hangs_is_found() -> None:
    def raises(p: Problem, text: str) -> float:
        return float(int(text)) if text in JUNK else exact(p, text)

    def hangs(p: Problem, text: str) -> float:
        if len(text) > 50_000:
            raise TimeoutError
        return exact(p, text)

    assert found(Toy(grade=raises), "warning") == {"raises"}
    assert found(Toy(grade=hangs), "error") == {"hangs"}


def test_a_verifier_that_runs_the_answer_is_found() -> None:
    def runs(p: Problem, text: str) -> float:
        if "__import__" in text:
            eval(text)
        return exact(p, text)

    assert found(Toy(grade=runs), "error") == {"runs-answers"}


def test_partial_credit_is_counted_and_never_right() -> None:
    audit = audit_subject(Toy(grade=lambda p, t: exact(p, t) or 0.05 * (t == JUNK[0])), OPTIONS)
    (finding,) = audit.findings
    assert (finding.severity, finding.name) == ("note", "partial-credit")
    assert audit.scores is not None
    assert audit.scores["(0,.05]"] == 20
    assert sum(audit.scores.values()) == sum(a.asked for a in audit.attacks)


def test_a_generator_without_a_seed_of_its_own_is_found() -> None:
    counter = itertools.count()
    assert found(Toy(draw=lambda seed, n: distinct(seed, next(counter)))) >= {"determinism"}


def test_a_verifier_that_changes_its_mind_is_found() -> None:
    seen: set[str] = set()

    def moody(p: Problem, text: str) -> float:
        is_first = text not in seen
        seen.add(text)
        return exact(p, text) * is_first

    assert "determinism" in found(Toy(grade=moody), "error")


def test_problems_that_depend_on_how_many_are_asked_for_are_found() -> None:
    class Sized(Toy):
        def problems(self, seed: int, limit: int) -> list[Problem]:
            return [distinct(seed * 100 + limit, number) for number in range(limit)]

    assert found(Sized(), "warning") == {"determinism"}


def test_neighbouring_seeds_that_share_their_problems_are_found() -> None:
    """As reasoning-gym, which draws item i from seed + i."""
    assert found(Toy(draw=lambda seed, n: distinct(seed + n, 0)), "note") == {"neighbour-seeds"}


def test_questions_that_repeat_within_and_across_sets_are_found() -> None:
    few = Toy(draw=lambda seed, n: problem(f"{n}", f"Question {n % 10}", f"gold {n % 10}"))
    assert found(few) >= {"duplicates", "overlap"}


def test_training_problems_are_looked_for_by_name(tmp_path: Path) -> None:
    rows = [{"question": f"Q {i}?", "answer": str(i), "floor": 0.001} for i in range(20)]
    for name, some in (
        ("test", rows[:10]),
        ("train", [*rows[9:], {"question": " q 3? ", "answer": "3"}]),
    ):
        text = "\n".join(map(json.dumps, some))
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    audit = audit_task(
        f"jsonl:{tmp_path}/test.jsonl",
        OPTIONS,
        verifier="number",
        training=f"jsonl:{tmp_path}/train.jsonl",
    )
    (finding,) = audit.findings
    assert finding.name == "overlap"
    assert "2 of 10" in finding.seen


def test_problems_without_reference_or_floor_are_noted(tmp_path: Path) -> None:
    toy = Toy(references=lambda p: None if p.id.endswith("1") else p.gold)
    assert found(toy, "note") == {"no-reference"}
    (tmp_path / "a.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n', encoding="utf-8")
    audit = audit_task(f"jsonl:{tmp_path}/a.jsonl", OPTIONS, verifier="number")
    assert [f.name for f in audit.findings if f.severity == "note"] == ["no-floor"]


def test_an_exception_in_a_verifier_is_a_mark_and_the_rest_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with TaskSubject("arithmetic") as subject:
        one = subject.problems(0, 1)[0]
        grade = subject._judge.verifier.grade

        def breaks(answer: str, asked: Problem) -> Outcome | Job:
            if answer == "13":
                raise ZeroDivisionError("13")
            return grade(answer, asked)

        object.__setattr__(
            subject._judge, "verifier", replace(subject._judge.verifier, grade=breaks)
        )
        good, bad = subject.marks([(one, one.gold), (one, "13")])
    assert good.is_right
    assert (bad.score, bad.detail) == (None, "ZeroDivisionError: 13")


@pytest.mark.parametrize("verifier", ["number", "math", "text", "countdown"])
def test_each_verifier_reads_at_least_one_form(verifier: str) -> None:
    gold = "3*8" if verifier == "countdown" else "24"
    asked = Problem(
        id="p", task="jsonl", question="?", gold=gold, data={"numbers": [3, 8], "target": 24}
    )
    with TaskSubject("gsm8k", verifier=verifier) as subject:
        marks = subject.marks([(asked, form.replace("@", gold)) for form in FORMS])
    assert any(mark.is_right for mark in marks)


def test_an_audit_survives_json() -> None:
    audit = audit_subject(Toy(grade=lambda p, text: 1.0), OPTIONS)
    assert audit.worst == "error"
    assert Audit.from_dict(json.loads(json.dumps(audit.to_dict()))) == audit


@pytest.mark.parametrize(
    ("one", "other"), [("1.0", "1"), ("True", "true "), ("a  b", "A b"), ("1e3", "1000")]
)
def test_one_answer_in_other_dress_is_the_same(one: str, other: str) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(("one", "other"), [("12", "1 2"), ("nan", "0"), ("1", None), ("", "0")])
def test_other_answers_are_not_the_same(one: str, other: str | None) -> None:
    assert not is_same(one, other)


def test_what_is_shown_has_no_control_characters_and_is_short() -> None:
    assert "\x1b" not in shown("\x1b[31m" * 100)
    assert len(shown("\n" * 1000)) <= 60


@pytest.mark.parametrize(
    "pairs", [{"limit": 1}, {"others": 0}, {"workers": 0}, {"timeout_s": 0}, {"wall_s": -1}]
)
def test_options_out_of_range_are_refused(pairs: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=min(pairs)):
        AuditOptions(**pairs)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UnknownName, match="arithmetic"):
        audit_task("nix")


def test_reasoning_gym_is_audited_with_its_own_scorer() -> None:
    with pytest.raises(ConfigError, match="own scorer"):
        audit_task("reasoning_gym:gcd", verifier="number")


def child(code: str) -> list[str]:
    """A stand-in for the child of a data set: it gets the request as its last argument."""
    return [sys.executable, "-c", f"import json, sys, time\nname = sys.argv[-1]\n{code}"]


def one_audit(code: str, options: AuditOptions) -> Audit:
    return audit_gym(options, names=["toy"], command=child(code))[0]


def test_a_child_that_hangs_is_killed_and_what_it_did_is_said(tmp_path: Path) -> None:
    code = (
        "import os, pathlib\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "print(json.dumps({'doing': 'very long'}), flush=True)\ntime.sleep(600)"
    )
    started = time.monotonic()
    audit = one_audit(code, AuditOptions(wall_s=2.0))
    assert time.monotonic() - started < 30
    (finding,) = audit.findings
    assert (finding.severity, finding.name) == ("error", "killed")
    assert "very long" in finding.seen
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("sys.exit(3)", "status 3"),
        ("print(json.dumps({'failed': 'KeyError: x'}))", "KeyError: x"),
        ("sys.stdout.write('x' * 20_000_000)", "wrote too much"),
        ("print('no json')", "no JSON"),
        ("print('[1]')", "no JSON"),
    ],
)
def test_a_child_that_crashes_is_a_finding(code: str, says: str) -> None:
    (finding,) = one_audit(code, AuditOptions(wall_s=30)).findings
    assert (finding.severity, finding.name) == ("error", "crashes")
    assert says in finding.seen


def test_problems_that_depend_on_the_process_are_found() -> None:
    """The second child has another hash seed; here its problems depend on it."""
    sound = audit_subject(Toy(), OPTIONS).to_dict()
    code = (
        "import os\n"
        "mode = json.loads(name)['mode']\n"
        "content = [os.environ['PYTHONHASHSEED']] * 10\n"
        f"found = {{'audit': {sound!r}, 'contents': content}}\n"
        "print(json.dumps(found if mode == 'audit' else {'contents': content}))"
    )
    (finding,) = one_audit(code, OPTIONS).findings
    assert (finding.severity, finding.name) == ("error", "determinism")
    assert "another Python process" in finding.seen


def test_a_second_child_that_fails_says_nothing_of_the_problems() -> None:
    sound = audit_subject(Toy(), OPTIONS).to_dict()
    code = (
        "if json.loads(name)['mode'] == 'contents': sys.exit(3)\n"
        f"print(json.dumps({{'audit': {sound!r}, 'contents': []}}))"
    )
    (finding,) = one_audit(code, OPTIONS).findings
    assert (finding.severity, finding.name) == ("error", "crashes")
    assert "in a second process" in finding.seen


def test_audits_come_back_in_the_order_asked() -> None:
    code = "print(json.dumps({'failed': json.loads(name)['name']}))"
    names = [f"d{i}" for i in range(6)]
    done: list[tuple[int, int]] = []
    audits = audit_gym(
        AuditOptions(workers=3), names=names, command=child(code),
        on_done=lambda audit, i, of: done.append((i, of)),
    )  # fmt: skip
    assert [a.task for a in audits] == [f"reasoning_gym:{name}" for name in names]
    assert done == [(i, 6) for i in range(1, 7)]


def test_without_reasoning_gym_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(MissingExtra, match=r"pathshift\[gym\]"):
        audit_gym(AuditOptions())


def test_the_task_subject_reports_failures_of_its_pool_as_marks() -> None:
    """A worker that dies or hangs gives FAILED, which is a mark without score."""
    with TaskSubject("gsm8k") as subject:
        asked = subject.problems(0, 1)[0]

        class Dead:
            def verdicts(self, pairs):  # type: ignore[no-untyped-def]
                from pathshift.records import Verdict

                return [
                    Verdict(problem_id=asked.id, sample_no=s.sample_no, outcome=Outcome.FAILED,
                            detail="verifier timed out after 5 s")
                    for _, s in pairs
                ]  # fmt: skip

        subject._judge, judge = Dead(), subject._judge  # type: ignore[assignment]
        (mark,) = subject.marks([(asked, "x")])
        subject._judge = judge
    assert (mark.score, mark.detail) == (None, "verifier timed out after 5 s")

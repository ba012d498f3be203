"""The verifier pool beside Math-Verify one by one, and with pathological answers, in one run.

    python benchmarks/verify.py [WORKERS]

1. Real answers (benchmarks/data/answers): every sample's text graded by Math-Verify alone, in this
   process, one after the other as trainers do; by the judge with one worker and nothing shared; and
   by the judge as it is. Warm: imports and the start of workers are printed on their own.
2. 10,000 answers of which 100 are pathological, none like another: seconds, and how many of the
   9,900 right ones were not called correct. A third of the right ones need the algebra system.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pathshift.records import Outcome, Problem, Sample
from pathshift.verify import Judge

ANSWERS = Path(__file__).parent / "data" / "answers" / "smollm2_math500.jsonl"
N = 10_000
EVERY = 100
LIMIT_S = 2.0
ROUNDS = 3

Pairs = list[tuple[Problem, Sample]]

# Each is made with a number, so that no two are one answer.
PATHOLOGICAL: tuple[Callable[[int], str], ...] = (
    lambda n: rf"{n}^{{9^{{9^{{9^{{9}}}}}}}}+1",  # a power tower
    lambda n: rf"({n}^{{12}})!",  # a factorial
    lambda n: rf"\sum_{{k=1}}^{{10^{{9}}+{n}}} \sin(k^2)",  # a loop without end; wrong at once
    lambda n: rf"2^{{2^{{33}}+{n}}}",  # a memory bomb
    lambda n: rf"\binom{{10^{{12}}}}{{10^{{6}}+{n}}}",  # a long product
    lambda n: "(" * 1500 + str(n),  # a deep nesting
    lambda n: rf"\sin(\sin(e^{{e^{{e^{{{n}}}}}}}+3))",  # a value that needs endless digits
    lambda n: rf"\frac{{1}}{{{n}!!!!!}}",  # factorials of factorials
)


def problem(number: str, gold: str) -> Problem:
    """A problem of which only the reference is looked at."""
    return Problem(id=number, task="bench", question="", gold=gold)


def sample(number: int, text: str) -> Sample:
    """A sample of which only the text is looked at."""
    return Sample(
        problem_id="", sample_no=number, seed=0, text=text, n_tokens=0, finish_reason="stop"
    )


def real_answers() -> Pairs:
    """The committed samples, in their order."""
    rows = [json.loads(line) for line in ANSWERS.read_text("utf-8").splitlines()]
    return [
        (problem(row["id"], row["gold"]), sample(number, text))
        for row in rows
        for number, text in enumerate(row["texts"])
    ]


def trapped(number: int) -> tuple[str, str, bool]:
    """Reference, text, and whether it is right."""
    if number % EVERY == EVERY // 2:
        bad = PATHOLOGICAL[number // EVERY % len(PATHOLOGICAL)]
        return "x+5", rf"\boxed{{{bad(number + 7)}}}", False
    forms = (
        (str(number), rf"so \boxed{{{number}}}"),
        (rf"\frac{{{number}}}{{7}}", rf"so \boxed{{{2 * number}/14}}"),
        (rf"{number}\sqrt{{2}}", rf"so \boxed{{\frac{{{2 * number}}}{{\sqrt{{2}}}}}}"),
    )
    gold, text = forms[number % 3]
    return gold, text, True


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Wall time of a call, and what it returned."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def math_verify_alone(pairs: Pairs) -> list[bool]:
    """As its README says, one by one in this process, with its own timeouts."""
    import math_verify

    return [
        bool(math_verify.verify(math_verify.parse(f"${p.gold}$"), math_verify.parse(s.text)))
        for p, s in pairs
    ]


def one_by_one(judge: Judge, pairs: Pairs) -> None:
    """The judge without memory: each sample asked of a single worker."""
    for pair in pairs:
        judge._remembered.clear()
        judge.verdicts([pair])


def warm(judge: Judge) -> None:
    """Starts every worker."""
    judge.verdicts(
        (problem("warm", r"\sqrt{2}"), sample(n, rf"\boxed{{\sqrt{{{n + 3}}}}}")) for n in range(8)
    )


def compare(workers: int) -> None:
    """Part 1: medians of rounds in turn, and of their ratios."""
    pairs = real_answers()
    import_s, _ = seconds(lambda: math_verify_alone(pairs[:1]))
    rounds = [_round(pairs, workers) for _ in range(ROUNDS)]
    start_s, ours_s, single_s, theirs_s = map(statistics.median, zip(*rounds, strict=True))
    with Judge("math", workers=workers) as judge:
        distinct = {(p.id, judge.verifier.extract(s.text)) for p, s in pairs}
        ours = [verdict.outcome for verdict in judge.verdicts(pairs)]
    print(f"{len(pairs)} samples, {len(distinct)} distinct answers, {ROUNDS} rounds in turn")
    print(f"  Math-Verify one by one {theirs_s:7.2f} s  {1e3 * theirs_s / len(pairs):.2f} ms each")
    print(f"  one worker one by one  {single_s:7.2f} s  {1e3 * single_s / len(pairs):.2f} ms each")
    print(f"  the judge, {workers} worker(s) {ours_s:7.2f} s")
    print(f"  not in these: start of workers {start_s:.2f} s, of Math-Verify {import_s:.2f} s")
    bar = 0.8 * len(pairs) / len(distinct) * workers
    for name, place in (("Math-Verify", 3), ("one worker", 2)):
        ratio = statistics.median(row[place] / row[1] for row in rounds)
        print(f"  {name} / judge = {ratio:.1f} (bar {bar:.1f})")
    theirs = math_verify_alone(pairs)
    agreed = sum((o is Outcome.CORRECT) == t for o, t in zip(ours, theirs, strict=True))
    right = ours.count(Outcome.CORRECT)
    print(f"  correct {right}; the same verdict as Math-Verify on {agreed} of {len(pairs)}")


def _round(pairs: Pairs, workers: int) -> tuple[float, float, float, float]:
    """Seconds of the workers' start, of the judge, of one worker, and of Math-Verify."""
    with Judge("math", workers=workers) as judge:
        start_s, _ = seconds(lambda: warm(judge))
        ours_s, _ = seconds(lambda: judge.verdicts(pairs))
    with Judge("math", workers=1) as judge:
        warm(judge)
        single_s, _ = seconds(lambda: one_by_one(judge, pairs))
    theirs_s, _ = seconds(lambda: math_verify_alone(pairs))
    return start_s, ours_s, single_s, theirs_s


def survive(workers: int) -> None:
    """Part 2."""
    cases = [trapped(number) for number in range(N)]
    pairs = [(problem(str(n), gold), sample(n, text)) for n, (gold, text, _) in enumerate(cases)]
    with Judge("math", timeout_s=LIMIT_S, workers=workers) as judge:
        spent_s, verdicts = seconds(lambda: judge.verdicts(pairs))
    outcomes = [verdict.outcome for verdict in verdicts]
    right = [o for o, (_, _, is_right) in zip(outcomes, cases, strict=True) if is_right]
    bad = [o for o, (_, _, is_right) in zip(outcomes, cases, strict=True) if not is_right]
    lost = len(right) - right.count(Outcome.CORRECT)
    at_most = -(-len(bad) // workers) * LIMIT_S
    print(f"{N} answers, {len(bad)} pathological, limit {LIMIT_S:g} s, {workers} worker(s)")
    print(f"  {spent_s:.1f} s (the pathological alone may take {at_most:.0f}); lost {lost}")
    counts = {name.value: bad.count(name) for name in Outcome if bad.count(name)}
    print(f"  pathological: {counts}")
    if lost:
        sys.exit("correct answers were lost")


def main(workers: int) -> None:
    """Print both parts."""
    logging.disable(logging.CRITICAL)  # Math-Verify reports each answer that it cannot compare
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    compare(workers)
    survive(workers)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)

"""The attacks: each sees one thing, returns what it found, and knows no other.

A wrong answer here is wrong by construction: text that answers nothing, or the reference answer of
another problem where that differs from this one's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from pathshift.records import Problem
from pathshift.rollout.audit.bench import (
    Bench,
    generator_of,
    is_same,
    score_of,
    shown,
    undetermined,
)
from pathshift.rollout.audit.result import Constant, Finding
from pathshift.rollout.audit.subject import AT, NOT_ASKED, Mark

JUNK = (
    *("xyz", "???", "I do not know.", "lorem ipsum dolor sit amet", "\x00\U0001f600é"),
    *('{"x": 1}', '[["x"]]'),
)
EMPTY = ("", "   ", "\n")
LONG = ("9" * 100_000, "(" * 20_000, "word " * 100_000)
CONSTANTS = (
    *("0", "1", "2", "3", "-1", "10", "24", "1.0", "0.5"),
    *("True", "False", "yes", "no", "None", "A", "B", "a", "x", "[]", "{}"),
)
SOLVED_BY_ONE = 0.2
"""Share of problems solved by one constant from which guessing is worth a warning."""

_CANDIDATES = 10


def oracle(bench: Bench) -> list[Finding]:
    """The reference answer must be right, and right again; chooses the form on the way."""
    asked = bench.referenced
    missing = len(bench.problems) - len(asked)
    found = []
    if missing:
        found.append(
            Finding(
                severity="note",
                name="no-reference",
                seen=f"{missing} of {len(bench.problems)} problems have no reference answer",
                advice="whether a right answer is accepted cannot be checked here; solve some",
            )
        )
    if not asked:
        return found
    by_form = {
        form: bench.subject.marks([(problem, form.replace(AT, gold)) for problem, gold in asked])
        for form in bench.subject.forms
    }
    right = {form: sum(mark.is_right for mark in marks) for form, marks in by_form.items()}
    bench.form = max(right, key=lambda form: right[form])
    marks = by_form[bench.form]
    if right[bench.form] < len(asked):
        i = next(i for i, mark in enumerate(marks) if not mark.is_right)
        found.append(
            Finding(
                severity="error",
                name="oracle",
                seen=f"{len(asked) - right[bench.form]} of {len(asked)} reference answers are not "
                f"right, as {asked[i][0].id}: {shown(asked[i][1])} {score_of(marks[i])}",
                advice="no model can reach 1 here; mend the references or the verifier",
            )
        )
    if bench.marks(asked) != marks:
        found.append(undetermined("judging the same answers twice gave two results"))
    return found


def junk(bench: Bench) -> list[Finding]:
    """Text that answers nothing must not be right."""
    pairs = [
        (problem, text)
        for problem in bench.problems
        for text in JUNK
        if not is_same(text, bench.subject.reference(problem))
    ]
    return _accepted(bench, "junk", pairs)


def empty(bench: Bench) -> list[Finding]:
    """No answer must not be right, unless the reference is empty."""
    pairs = [
        (problem, text)
        for problem in bench.problems
        for text in EMPTY
        if (bench.subject.reference(problem) or "x").strip()
    ]
    return _accepted(bench, "empty", pairs)


def echo(bench: Bench) -> list[Finding]:
    """The question is no answer to itself."""
    pairs = [(problem, problem.question) for problem in bench.problems]
    return _accepted(bench, "echo", pairs)


def long(bench: Bench) -> list[Finding]:
    """Very long answers must neither be right nor hang; tried on few problems."""
    pairs = [(problem, text) for problem in bench.problems[:3] for text in LONG]
    return _accepted(bench, "very long", pairs)


def hedge(bench: Bench) -> list[Finding]:
    """An answer that lists many answers, the right one among them, is no answer."""
    golds = list(dict.fromkeys(gold for _, gold in bench.referenced))
    rng = generator_of(bench, "hedge")
    pairs: list[tuple[Problem, str]] = []
    for problem, gold in bench.referenced:
        others = [other for other in golds if not is_same(other, gold)]
        if len(others) >= 3:
            first, *rest = rng.sample(others, 3)
            pairs.append((problem, ", ".join([first, gold, *rest])))
    return _accepted(bench, "hedge", pairs)


def cross_item(bench: Bench) -> tuple[list[Finding], list[float]]:
    """The reference of another problem must not be right where the two differ.

    Returns:
        What was found, and by problem the share of other problems' references that are right:
        equal ones count, so this is what guessing by the distribution of answers reaches. No shares
        where the verifier was not asked about all of them.
    """
    asked = bench.referenced
    if len(asked) < 2:
        return [], []
    rng = generator_of(bench, "cross-item")
    affordable = max(1, bench.affordable // len(asked))
    n_others = min(bench.options.others, len(asked) - 1, affordable)
    pairs: list[tuple[Problem, str]] = []
    equal: list[int] = []
    for i, (problem, gold) in enumerate(asked):
        others = [asked[j][1] for j in rng.sample([*range(i), *range(i + 1, len(asked))], n_others)]
        pairs.extend((problem, other) for other in others if not is_same(other, gold))
        equal.append(sum(is_same(other, gold) for other in others))
    made, marks = bench.attack("cross-item", pairs)
    right = Counter(
        problem.id for (problem, _), mark in zip(pairs, marks, strict=True) if mark.is_right
    )
    shares = [
        (same + right[problem.id]) / n_others
        for (problem, _), same in zip(asked, equal, strict=True)
    ]
    if not _is_asked(marks):
        shares = []
    if not made.right:
        return [], shares
    share, i = made.right / made.asked, next(i for i, m in enumerate(marks) if m.is_right)
    return [
        Finding(
            severity="error" if share >= SOLVED_BY_ONE else "warning" if share >= 0.02 else "note",
            name="cross-item",
            seen=f"{made.right} of {made.asked} answers of other problems that differ from the "
            f"reference are right ({share:.0%}), as {shown(pairs[i][1])} on {pairs[i][0].id}, "
            f"whose reference is {shown(bench.subject.reference(pairs[i][0]) or '')}",
            advice="the verifier checks less than the question asks; a policy can be right without "
            "reading it"
            if share >= SOLVED_BY_ONE
            else "look whether such answers are right in their own way",
        )
    ], shares


def best_constant(bench: Bench) -> tuple[list[Finding], Constant | None]:
    """The one answer that solves most problems, and whether it should."""
    table = _constants(bench)
    if not table:
        return [], None
    answer = max(table, key=lambda text: sum(table[text]))
    right, n = table[answer], len(bench.problems)
    foreign = [
        hit
        for problem, hit in zip(bench.problems, right, strict=True)
        if (gold := bench.subject.reference(problem)) is not None and not is_same(answer, gold)
    ]
    constant = Constant(
        answer=answer if len(answer) <= 200 else answer[:199] + "…",
        share=sum(right) / n,
        held_out=_held_out(table, n),
        foreign=sum(foreign) / len(foreign) if foreign else None,
    )
    if constant.share < SOLVED_BY_ONE:
        return [], constant
    is_broken = len(foreign) >= 5 and (constant.foreign or 0) >= SOLVED_BY_ONE
    seen = (
        f"the one answer {shown(answer)} solves {sum(right)} of {n} problems ({constant.share:.0%};"
        f" {constant.held_out:.0%} where it is chosen on other problems)"
    )
    if is_broken:
        seen += f", among them {sum(foreign)} of the {len(foreign)} whose reference is another"
    return [
        Finding(
            severity="error" if is_broken else "warning",
            name="constant",
            seen=seen,
            advice="do not train or compare on it: a policy can be right by one answer"
            if is_broken
            else "few tries reach a high pass@k by guessing; read it beside the floor",
        )
    ], constant


def _constants(bench: Bench) -> dict[str, list[bool]]:
    """Which problems each candidate solves: common texts, frequent and widely right references."""
    golds = Counter(gold for _, gold in bench.referenced if len(gold) <= 2_000)
    hits = Counter(answer for answer, mark in bench.wrong if mark.is_right and len(answer) <= 2_000)
    listed = dict.fromkeys(
        [
            *(text for text, _ in hits.most_common(_CANDIDATES)),
            *(text for text, _ in golds.most_common(_CANDIDATES)),
            *CONSTANTS,
        ]
    )
    candidates = islice(listed, max(1, bench.affordable // len(bench.problems)))
    by_text = {text: bench.marks([(p, text) for p in bench.problems]) for text in candidates}
    return {
        text: [mark.is_right for mark in marks]
        for text, marks in by_text.items()
        if _is_asked(marks)
    }


def _is_asked(marks: Sequence[Mark]) -> bool:
    """Whether the verifier was asked each time; where it hung too often, no is not its answer."""
    return all(mark.detail != NOT_ASKED for mark in marks)


def _held_out(table: dict[str, list[bool]], n: int) -> float:
    """Each half of the problems answered with what is best on the other half."""
    solved = 0
    for half in (0, 1):
        best = max(table, key=lambda text: sum(table[text][1 - half :: 2]))
        solved += sum(table[best][half::2])
    return solved / n


def _accepted(bench: Bench, kind: str, pairs: Sequence[tuple[Problem, str]]) -> list[Finding]:
    """A finding if answers that are wrong by construction are taken for right."""
    if not pairs:
        return []
    made, marks = bench.attack(kind, pairs)
    if not made.right:
        return []
    example = next(answer for (_, answer), mark in zip(pairs, marks, strict=True) if mark.is_right)
    return [
        Finding(
            severity="error" if made.right / made.asked >= SOLVED_BY_ONE else "warning",
            name=kind,
            seen=f"{made.right} of {made.asked} are taken for right, as {shown(example)}",
            advice="the verifier accepts what answers nothing; do not use it as a reward",
        )
    ]

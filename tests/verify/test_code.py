"""Programs in texts, and what the tests make of them; CRUXEval's literals and arguments."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from typing import Any

import pytest
from tests.verify.attacks import ATTACKS
from tests.verify.samples import outcomes, problem, sample

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem
from pathshift.verify import Judge
from pathshift.verify.code import SandboxPool, programs, reply
from pathshift.verify.code_text import code_of
from pathshift.verify.cruxeval import extract, is_harmless, parsed
from pathshift.verify.jobs import Job
from pathshift.verify.sandbox import Finding, Result

C, W, U, F = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED

PROMPT = (
    "from typing import List\n\n\ndef helper(x: int) -> int:\n    return x * 2\n\n\n"
    'def total(xs: List[int]) -> int:\n    """ Sum of the doubled numbers. """\n'
)
TOTAL = problem(
    "    return sum(map(helper, xs))\n",
    prompt=PROMPT, setup=PROMPT, entry="total", names=["total"],
    tests="def check(f):\n    assert f([1, 2]) == 6\n    assert f([]) == 0\ncheck(total)\n",
)  # fmt: skip
WHOLE = "def total(xs: List[int]) -> int:\n    return sum(helper(x) for x in xs)\n"

ANSWERS = [
    ("    return sum(map(helper, xs))\n", C, "a continuation"),
    ("    return sum(map(helper, xs))\n\nprint(total([1]))\nx = (\n", C, "and more after it"),
    ("\n    return 2 * sum(xs)\n", C, "an empty line first"),
    ("    n = 0\n    for x in xs:\n        n += x\n    # twice\n    return 2 * n", C, "longer"),
    ("    n = '''\nx'''\n    return 2 * sum(xs)", W, "cut within a text, as by Codex"),
    ("return 2 * sum(xs)", C, "without its indentation"),
    ("n = sum(xs)\nreturn 2 * n", C, "several lines without their indentation"),
    ("return 2 * n\n    n = 1", W, "no indentation makes it valid"),
    (WHOLE, C, "the whole function"),
    (f"import math\n{WHOLE}", C, "with an import before it"),
    (f"Sure!\n```python\n{WHOLE}```\nIt doubles.", C, "fenced"),
    (f"```\n{WHOLE}```", C, "fenced, no language"),
    (f"```python\n{WHOLE}", C, "a fence that is never closed"),
    ("```python\n    return 2 * sum(xs)\n```", C, "a fenced continuation"),
    (f"```python\n{PROMPT}    return 2 * sum(xs)\n```", C, "prompt and body"),
    (f"~~~~py\n{WHOLE}~~~~", C, "another fence"),
    (f"```python\ndef total(xs): return 0\n```\nWait.\n```python\n{WHOLE}```", C, "the last"),
    (f"```python\n{WHOLE}```\n```python\ndef total(xs): return 0\n```", W, "also against"),
    (f"```python\n{WHOLE}```\nUse:\n```python\nprint(total([1]))\n```", C, "a block without def"),
    (f"```python\n{WHOLE}```\n```python\ndef test_total():\n    1/0\n```", C, "a block of tests"),
    (f"```python\n{WHOLE}```\n```bash\ndef x\n```", C, "another language"),
    (f"<think>```python\n1/0\ndef total(xs): 0\n```</think>{WHOLE}", C, "thought away"),
    (f"```python\n{WHOLE}".replace("\n", "\r\n"), C, "line ends of Windows"),
    (WHOLE + "\nif __name__ == '__main__':\n    raise SystemExit\n", C, "a main part"),
    (WHOLE.replace("helper(x)", "x"), W, "a wrong one"),
    ("    return helper(sum(xs)) if xs else '0'", W, "wrong in the last test"),
    ("    pass", W, "returns nothing"),
    ("    raise ValueError", W, "raises"),
    ("    return total(xs)", W, "recurses for ever"),
    ("    return undefined", W, "an unknown name"),
    ("    return )", W, "no Python"),
    ("def totl(xs): return 2 * sum(xs)", W, "another name; the prompt's own has no body"),
    ("def helper(x): return 1\ndef total(xs): return 6 if xs else 0", C, "helpers are its own"),
    ("def check(f): pass\ndef total(xs): pass", W, "the check is not"),
    ("I cannot help with that.", U, "prose"),
    ("", U, "empty"),
    ("```python\n```", U, "an empty block"),
    ("```json\n{}\n```", U, "no Python block"),
    ("    return 2 * sum(xs)\n" + "#" * 60_000, C, "a comment at the margin is cut"),
    ("    return 2 * sum(xs) " + "#" * 60_000, U, "too long to be an answer"),
]  # fmt: skip


def test_answers_to_a_prompt_that_a_completion_continues() -> None:
    with Judge("code-tests") as judge:
        found = outcomes(judge, TOTAL, [text for text, _, _ in ANSWERS])
    told = zip(ANSWERS, found, strict=True)
    assert [(text, why, said) for (text, outcome, why), said in told if said is not outcome] == []


def test_hostile_answers_are_wrong_through_the_whole_judge() -> None:
    asked = problem("", tests="assert add(1, 2) == 3", names=["add"])
    some = ["sys.exit", "os._exit", "equal to everything", "forges replies", "segfault"]
    with Judge("code-tests") as judge:
        said = outcomes(judge, asked, [f"```python\n{ATTACKS[name]}\n```" for name in some])
        assert said == [W] * len(some)
        assert outcomes(judge, asked, ["```python\ndef add(a, b): return a + b\n```"]) == [C]


def test_broken_tests_are_a_failure_with_a_reason_and_never_a_wrong_answer() -> None:
    broken = problem("", tests="assert f(lambda: 1) == 1", names=["f"])
    with Judge("code-tests") as judge:
        (verdict,) = judge.verdicts([(broken, sample("def f(x): return 1"))])
    assert verdict.outcome is F
    assert "hands over" in verdict.detail


def test_a_problem_without_tests_is_refused_before_anything_is_drawn() -> None:
    lacking: list[dict[str, Any]] = [
        {}, {"tests": " ", "names": ["f"]}, {"tests": "assert f()", "names": []}
    ]  # fmt: skip
    for data in lacking:
        with Judge("code-tests") as judge, pytest.raises(ConfigError, match="no tests to run"):
            judge.check([problem("x", **data)])


def test_equal_programs_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []
    real = SandboxPool.ask_all

    def counting(self: SandboxPool, jobs: list[Job], **kwargs: object) -> object:
        ran.extend(jobs)
        return real(self, jobs, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(SandboxPool, "ask_all", counting)
    with Judge("code-tests") as judge:
        texts = ["    return 2 * sum(xs)", "    return 0"] * 5
        assert outcomes(judge, TOTAL, texts) == [C, W] * 5
        assert outcomes(judge, TOTAL, texts) == [C, W] * 5
    assert len(ran) == 2


def test_every_result_has_its_outcome() -> None:
    expected = {"passed": C, "failed": W, "broken": F, "lost": F}
    assert {r.value: reply(Finding(r)).outcome for r in Result} == expected


def test_the_pool_can_be_sent_to_another_process_and_checks_its_settings() -> None:
    pool = pickle.loads(pickle.dumps(SandboxPool(timeout_s=2.5)))
    assert pool.sandbox.limits.cpu_s == 3
    for bad in ({"timeout_s": 0.0}, {"workers": 0}):
        with pytest.raises(ConfigError):
            SandboxPool(**bad)


def test_a_whole_program_keeps_the_imports_of_its_prompt() -> None:
    assert programs(WHOLE, prompt=PROMPT, entry="total")[0].startswith(PROMPT)
    assert programs("anything", prompt="", entry="") == ["anything"]


@pytest.mark.parametrize("text", ["```" * 60_000, "\n" * 150_000, " " * 150_000, "~~~\n" * 40_000])
def test_long_nonsense_is_read_quickly_and_is_no_code(text: str) -> None:
    assert code_of(text) is None


OUTPUTS = [
    ("[1, 2]", "Answer: [1, 2]", C, "a line"),
    ("[1, 2]", "<answer>[1,2]</answer>", C, "a tag"),
    ("[1, 2]", "[ANSWER]\nassert f(3) == [1, 2]\n[/ANSWER]", C, "the published form"),
    ("[1, 2]", "[1, 2]", C, "alone"),
    ("[1, 2]", "f(3) == [1, 2]", C, "a comparison"),
    ("[1, 2]", "So it is.\nThe final answer is: `[1, 2]`", C, "in backticks"),
    ("[1, 2]", "<answer>\n```python\n[1, 2]\n```\n</answer>", C, "fenced in a tag"),
    ("[1, 2]", "Answer: [2]\nWait.\nAnswer: [1, 2]", C, "the last counts"),
    ("'a. b'", "Answer: 'a. b'", C, "a period within"),
    ("'x'", 'Answer: "x"', C, "other quotes"),
    ("'x'", "Answer: x", U, "no quotes, no literal"),
    ("'5'", "Answer: 5", W, "a number is no text"),
    ("{'a': 1, 'b': 2}", "Answer: {'b': 2, 'a': 1}", C, "order of a dict"),
    ("True", "Answer: 1", C, "equal, as in the published harness"),
    ("[]", "Answer: ()", W, "another kind"),
    ("'a\\nb'", r"Answer: 'a\nb'", C, "an escape"),
    ("16", "Answer: 2 ** 4", U, "nothing is computed"),
    ("16", "Answer: int('16')", U, "nothing is called"),
    ("16", "Answer: __import__('os').getpid()", U, "nothing is run"),
    ("16", "Answer: [" + "9" * 1_900 + "]", W, "many digits"),
    ("16", "Answer: " + "9" * 4_400, U, "too long"),
    ("16", "Answer: " + "[" * 1_900, U, "deep"),
    ("16", "Answer: " + "-" * 1_900 + "16", U, "deep in signs"),
    ("16", "I do not know.\nNobody does.", U, "no answer"),
    ("None", "Answer: None", C, "None is a value"),
    ("None", "Answer: nothing", U, "and nothing is none"),
    ("None", "Answer: x = 3", U, "a statement is no value"),
]


@pytest.mark.parametrize(("gold", "text", "outcome", "why"), OUTPUTS)
def test_outputs_are_compared_by_value(gold: str, text: str, outcome: Outcome, why: str) -> None:
    with Judge("cruxeval") as judge:
        assert outcomes(judge, problem(gold, asks="output"), [text]) == [outcome], why


STRIP = problem(
    "'-ab'", asks="input", output="'AB'", code="known = ['-ab']\ndef f(s, g=None):\n"
    "    s = g(s) if g else s\n    return s.upper().strip('-')",
)  # fmt: skip

INPUTS = [
    ("Answer: '-ab'", C, "the published one"),
    ("Answer: 'ab--'", C, "another that does"),
    ("Answer: f('ab')", C, "the whole call"),
    ("[ANSWER]\nassert f('ab') == 'AB'\n[/ANSWER]", C, "the published form"),
    ("Answer: 'ab', lambda x: x", C, "a function"),
    ("Answer: s='ab'", C, "by name"),
    ("Answer: ''.join(['a', 'b'])", C, "a method of a literal"),
    ("Answer: ''.join(c for c in 'ab')", C, "a comprehension"),
    ("Answer: known[0]", C, "data of the function's module"),
    ("Answer: *['ab']", C, "a star"),
    ("Answer: 'ba'", W, "another value"),
    ("Answer: 5", W, "raises"),
    ("Answer: ", U, "nothing"),
    ("Answer: 'ab'); import os; (1", U, "more than a call"),
    ("Answer: 'ab' # x", U, "a comment"),
    ("Answer: 'ab' if", U, "no Python"),
    ("Answer: (f := lambda *a: 'AB')", W, "names itself a function"),
    ("Answer: setattr(f, '__code__', (lambda s: 'AB').__code__)", W, "changes the function"),
    ("Answer: f.__globals__.update(f=lambda s: 'AB')", W, "reaches into it"),
    ("Answer: exec('raise SystemExit')", W, "a built-in that is not of the few"),
    ("Answer: __import__('os')._exit(0)", W, "imports"),
    ("Answer: (lambda: 0).__globals__", W, "an underscore"),
    ("Answer: 'a' * 10 ** 12", W, "a memory bomb"),
    ("Answer: 9 ** 9 ** 9 ** 9", W, "a power tower"),
    ("Answer: f(f('ab'))", W, "the function as its own argument"),
    ("Answer: " + "-" * 1_900 + "1", U, "deep"),
]


def test_inputs_are_right_if_the_function_says_so() -> None:
    with Judge("cruxeval", timeout_s=1) as judge:
        found = outcomes(judge, STRIP, [text for text, _, _ in INPUTS])
    told = zip(INPUTS, found, strict=True)
    assert [(text, why, said) for (text, outcome, why), said in told if said is not outcome] == []


@pytest.mark.parametrize(
    ("arguments", "harmless"),
    [
        ("1, [2], {'a': (3,)}, -4, 1 + 2, x if x else 0", False),
        ("1, [2], {'a': (3,)}, -4, 1 + 2, 3 if 4 else 0", True),
        ("range(3), dict(a=1), lambda x: x.reverse(), [y for y in 'ab' if y]", True),
        ("'{0.__class__}'.format(1)", True),
        ("().__class__", False),
        ("open('x')", False),
        ("(yield)", False),
        ("(y := 1)", False),
        ("f'{1}'", False),
        ("lambda __x: __x", False),
        ("[z async for z in y]", False),
    ],
)
def test_arguments_are_of_a_small_kind(arguments: str, harmless: bool) -> None:  # noqa: FBT001
    call = ast.parse(f"f({arguments})").body[0].value  # type: ignore[attr-defined]
    assert is_harmless(call) is harmless


def test_a_problem_of_another_task_is_refused() -> None:
    with Judge("cruxeval") as judge, pytest.raises(ConfigError, match="no input or output"):
        judge.check([problem("5")])


def test_nothing_of_two_thousand_characters_breaks_the_reader() -> None:
    """In another process, for what this is about ends a process."""
    program = (
        "import sys, warnings\nwarnings.simplefilter('error')\n"
        "from pathshift.records import Problem\nfrom pathshift.verify.cruxeval import grade\n"
        "asked = Problem(id='p', task='t', question='', gold='1', data={'asks': 'output'})\n"
        "for unit in sys.argv[1:]:\n    grade((unit * 2000)[:1990] + '1', asked)\n"
        "    n = 1900 // (len(unit) + 1)\n    grade(unit * n + '1' + ')' * n, asked)\n"
    )
    units = ["-", "(", "[", "[1,", "{1:", "lambda:", "not ", "1**", "1if 1else ", "f(", "~", "x.y",
             "'a'", "1 is ", "'\\d'"]  # fmt: skip
    subprocess.run([sys.executable, "-c", program, *units], check=True)


def test_a_long_text_is_not_parsed_and_marks_are_found_at_its_end() -> None:
    assert parsed("1" * 2_010) is None
    assert extract("x" * 200_000 + "\nAnswer: 7") == "7"
    assert extract("") is None


def test_the_verifiers_say_where_their_jobs_go() -> None:
    from pathshift.verify import VERIFIERS

    assert {name for name, v in VERIFIERS.items() if v.in_sandbox} == {"code-tests", "cruxeval"}
    job = VERIFIERS["code-tests"].grade("    return 0", TOTAL)
    assert isinstance(job, Job)
    assert isinstance(TOTAL, Problem)

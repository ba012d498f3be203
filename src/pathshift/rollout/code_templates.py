"""How programming problems are put to a model: text to continue, or a turn that asks for a block.

A base model continues HumanEval's prompt itself, without examples, up to the stop texts of the
Codex paper (Chen et al. 2021) and the end of a fence. The examples of the others are written for
this package and stand in no benchmark.
"""

from __future__ import annotations

from pathshift.rollout.templates import Template

HUMANEVAL = Template(
    completion="{question}",
    chat=(
        "Complete this Python function. Give the whole function, with the imports it needs, in one "
        "fenced block.\n\n```python\n{question}\n```"
    ),
    stop=("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n```", "\n@", "\nassert"),
)

MBPP = Template(
    completion=(
        '"""\nWrite a function that adds one to every number of a list.\n\n'
        "Your code should pass this test:\n\n"
        "assert add_one([1, 5]) == [2, 6]\n"
        '"""\n'
        "def add_one(numbers):\n    return [number + 1 for number in numbers]\n\n\n"
        '"""\n{question}\n"""\n'
    ),
    chat="{question}\n\nWrite it in Python. Give the whole program in one fenced block.",
    stop=('\n"""', "\nassert", "\nprint", "\nif __name__", "\n```"),
)

CRUXEVAL = Template(
    completion=(
        "What must stand in place of ?? for the assertion to hold?\n\n"
        "def f(words, n):\n    return [word * n for word in words]\n"
        "assert f(['a', 'bc'], 2) == ??\n"
        "Answer: ['aa', 'bcbc']\n\n"
        "def f(text):\n    return text.upper().strip('-')\n"
        "assert f(??) == 'AB'\n"
        "Answer: '-ab'\n\n"
        "{question}\n"
        "Answer:"
    ),
    chat=(
        "{question}\n\nWhat must stand in place of ?? for the assertion to hold? Follow the code "
        "step by step. Then give that alone, as Python literals, between <answer> and </answer>."
    ),
    stop=("\n",),
)

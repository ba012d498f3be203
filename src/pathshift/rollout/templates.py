"""How a problem is put to a model: few-shot text for base models, an instruction for chat models.

All examples are written for this package and stand in no benchmark. `{question}` is replaced by the
problem's own text; nothing else in a template is interpreted. Template and stop texts are recorded
with every run, because they move pass@1 by tens of points.
"""

from __future__ import annotations

from dataclasses import dataclass

MARK = "{question}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A task's two ways of asking.

    Attributes:
        completion: Text that a base model continues.
        chat: Content of the user's turn.
        stop: Texts that end a completion; a chat model ends by itself.
    """

    completion: str
    chat: str
    stop: tuple[str, ...]


def filled(template: str, question: str) -> str:
    """The template with the question in its place."""
    return template.replace(MARK, question)


ARITHMETIC = Template(
    completion=(
        "Question: What is 14 + 23?\nAnswer: 37\n\n"
        "Question: What is 50 - 18?\nAnswer: 32\n\n"
        "Question: What is 6 * 9?\nAnswer: 54\n\n"
        "Question: What is 81 - 95?\nAnswer: -14\n\n"
        "Question: {question}\nAnswer:"
    ),
    chat="{question} Give only the number.",
    stop=("\n",),
)

COUNTDOWN = Template(
    completion=(
        "Problem: Using the numbers 3, 5, 7, write an expression that equals 22.\n"
        "Answer: 3 * 5 + 7\n\n"
        "Problem: Using the numbers 2, 4, 9, 10, write an expression that equals 27.\n"
        "Answer: 9 * (10 - 4) / 2\n\n"
        "Problem: {question}\n"
        "Answer:"
    ),
    chat=(
        "{question}\n\nThink first. Then give the expression alone between <answer> and "
        "</answer>, for example <answer>3 * 5 + 7</answer>."
    ),
    stop=("\n",),
)

COMPOSE = Template(
    completion=(
        "Each function takes a string s of lower-case letters and returns another.\n"
        "g1(s): s is written backwards.\n"
        "g2(s): the letter z is put before s.\n\n"
        'What is g2(g1("abcd"))?\n'
        "Answer: zdcba\n\n"
        "{question}\n"
        "Answer:"
    ),
    chat=(
        "{question}\n\nApply the functions one after the other, the innermost first. Then write "
        "the resulting string after 'Answer:'."
    ),
    stop=("\n",),
)

GSM8K = Template(
    completion=(
        "Question: A baker fills 3 trays with 12 rolls each and sells 20 rolls. "
        "How many rolls are left?\n"
        "Answer: 3 trays hold 3 * 12 = 36 rolls. After selling 20 there are 36 - 20 = 16.\n"
        "#### 16\n\n"
        "Question: Mira reads 15 pages a day. How many days does she need for a book of 180 "
        "pages if she has read 30 already?\n"
        "Answer: 180 - 30 = 150 pages are left. That takes 150 / 15 = 10 days.\n"
        "#### 10\n\n"
        "Question: Pens cost $2 and notebooks cost $5. Tom buys 4 pens and twice as many "
        "notebooks. How much does he pay?\n"
        "Answer: Tom buys 2 * 4 = 8 notebooks. He pays 4 * 2 + 8 * 5 = 8 + 40 = 48 dollars.\n"
        "#### 48\n\n"
        "Question: {question}\n"
        "Answer:"
    ),
    chat="{question}\n\nReason step by step, then put the final number within \\boxed{}.",
    stop=("\n\n", "\nQuestion:"),
)

MATH = Template(
    completion=(
        "Problem: What is the sum of the roots of $x^2 - 7x + 3 = 0$?\n"
        "Solution: By Vieta the sum of the roots is the negative of the linear coefficient, "
        "so it is $\\boxed{7}$.\n\n"
        "Problem: {question}\n"
        "Solution:"
    ),
    chat="{question}\n\nReason step by step, then put the final answer within \\boxed{}.",
    stop=("\n\nProblem:",),
)

PLAIN = Template(
    completion="Question: {question}\nAnswer:",
    chat="{question}\n\nReason step by step, then put the final answer within \\boxed{}.",
    stop=("\n\nQuestion:",),
)

TAGGED = Template(
    completion="{question}\nAnswer:",
    chat="{question}\n\nGive the final answer alone between <answer> and </answer>.",
    stop=("\n\n",),
)

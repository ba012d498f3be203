"""Training data that holds the problems a model will be tested on: refused.

Found are rows that carry a test problem's content hash, and rows in which a test question stands
word for word. A question that stands in all prompts of a source is an example of its template and
not a test problem that leaked. Not found: a question in other words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pathshift.errors import InputError
from pathshift.problems import load_problems
from pathshift.records import Problem
from pathshift.training.examples import Example

_SHORTEST = 8
"""Characters of a question from which on it is looked for inside of texts; below, as a whole."""
_WINDOW = 32


def check_no_overlap(
    sources: Mapping[str, Sequence[Example]], problems: Sequence[Problem], task: str
) -> None:
    """Refuse sources that hold problems of a test.

    Args:
        sources: Examples by the name of their source.
        task: What to call the test.

    Raises:
        InputError: names the source, how many problems, one of them, and the way out.
    """
    index = _Index(problems)
    for name, examples in sources.items():
        found = index.found_in(examples)
        if found:
            rows = len({row for rows in found.values() for row in rows})
            first = min(found, key=lambda at: min(found[at]))
            raise InputError(
                f"{name} overlaps {task}: {len(found):,} of its {len(problems):,} problems stand "
                f"in {rows:,} of {len(examples):,} rows, such as {problems[first].id} in row "
                f"{min(found[first]) + 1}; leave these rows out, or test on other problems "
                "(-T seed=... of a generated task)"
            )


class _Index:
    """Questions by how they begin."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._hashes = {problem.content_hash: at for at, problem in enumerate(problems)}
        self._whole = {problem.question.strip(): at for at, problem in enumerate(problems)}
        long = [text for text in self._whole if len(text) >= _SHORTEST]
        self._width = min([_WINDOW, *map(len, long)])
        self._starts: dict[str, list[str]] = defaultdict(list)
        for text in long:
            self._starts[text[: self._width]].append(text)

    def found_in(self, examples: Sequence[Example]) -> dict[int, list[int]]:
        """Rows by the number of the problem they hold."""
        by_hash: dict[int, list[int]] = defaultdict(list)
        by_text: dict[int, list[int]] = defaultdict(list)
        for row, example in enumerate(examples):
            if example.content_hash in self._hashes:
                by_hash[self._hashes[example.content_hash]].append(row)
            for at in set(self._questions_in(example.asked)):
                by_text[at].append(row)
        n_prompts = len({example.asked for example in examples})
        of_template = {
            at for at, rows in by_text.items() if n_prompts > 1 and len(rows) == len(examples)
        }
        kept = {at: rows for at, rows in by_text.items() if at not in of_template}
        return {
            at: [*by_hash.get(at, []), *kept.get(at, [])] for at in by_hash.keys() | kept.keys()
        }

    def _questions_in(self, text: str) -> Iterator[int]:
        whole = self._whole.get(text.strip())
        if whole is not None:
            yield whole
        if not self._starts:
            return
        for at in range(len(text) - self._width + 1):
            for question in self._starts.get(text[at : at + self._width], ()):
                if text.startswith(question, at) and _stands_alone(text, at, len(question)):
                    yield self._whole[question]


def _stands_alone(text: str, at: int, length: int) -> bool:
    """Whether no word goes on at either end: 2 + 3 does not stand in 12 + 34."""
    before, after = text[at - 1 : at], text[at + length : at + length + 1]
    return not (before.isalnum() and text[at].isalnum()) and not (
        after.isalnum() and text[at + length - 1].isalnum()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutTask:
    """A test to keep the training data clear of.

    Attributes:
        task: Its spec.
        options: The task's options, as text.
        limit: First problems only; None for all.
    """

    task: str
    options: Mapping[str, str]
    limit: int | None = None

    def problems(self) -> list[Problem]:
        """Its problems."""
        return load_problems(self.task, self.options, limit=self.limit)

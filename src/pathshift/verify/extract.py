r"""Text -> the answer as the model wrote it, or None if it gave none.

Looks for, in this order: the last `\boxed{...}`, `\fbox{...}` or `<answer>...</answer>`,
whichever closes last; the last line `#### 18`; the last "the answer is ..." or "Answer: ...".
The text given is a completion, already cut at its stop strings. Only its last 100,000 characters
are read, and no pattern here can take more than a fixed number of steps for one of them.

The last box is taken here, not by a library, because boxes that stand close together are merged
into a set by some: `\boxed{41}. Wait ... \boxed{42}` answers 42.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pathshift.verify.notation import simplify, without_prose_commands
from pathshift.verify.number import last_number, leading_number, read_number

MAX_TEXT = 100_000
"""Characters of a completion that are looked at, counted from its end."""

_LONGEST_LINE = 2_500

_BRACES = re.compile(r"\\(?:boxed|fbox)[ \t]{0,4}\{|\\.|[{}]", re.DOTALL)
_TAGS = re.compile(r"<(/?)answer>", re.IGNORECASE)
_HASHES = re.compile(r"####[ \t]{0,8}([^\n]{1,200})")
_PHRASE = re.compile(
    r"\banswer(?: to [^\n.:?]{1,100}?)?[ \t*_]{0,4}(?:\bis\b|:|=)[ \t*_:]{0,6}", re.IGNORECASE
)
_FORMULA = re.compile(r"\$(?:\\.|[^$\\])+\$")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_QUOTES = "\"'`“”‘’"


class _Span(NamedTuple):
    """A piece of the text and where its closing mark stands."""

    end: int
    text: str


def marked(text: str) -> str | None:
    r"""The answer behind the strongest mark in the text.

    >>> marked(r"It is \boxed{41}. Wait, no: \boxed{42}.")
    '42'
    >>> marked("The answer is 7. Then I wondered.")
    '7'
    """
    return _explicit(text) or next(_hashed(text), None) or next(_phrases(text), None)


def number(text: str) -> str | None:
    """The marked answer; of the phrases, the last that a number follows.

    Without any mark, a text that is nothing but a number is its own answer.
    """
    found = _explicit(text) or next(_hashed(text), None)
    if found is None:
        found = next(filter(None, map(leading_number, _phrases(text))), None)
    return found if found is not None else _bare_number(text)


def number_or_last(text: str) -> str | None:
    """As `number`; if that finds nothing that reads as one, the last number in the text."""
    found = number(text)
    if found is not None and read_number(found) is not None:
        return found
    return last_number(text[-MAX_TEXT:])


def number_or_first(text: str) -> str | None:
    """As `number`; if that finds none, the number the text begins with.

    For completions of `Answer:`, which begin with the answer and may go on to explain it.

    >>> number_or_first(" 97 (there are only 2 choices)")
    '97'
    """
    return number(text) or leading_number(text.strip()[:_LONGEST_LINE])


def expression(text: str) -> str | None:
    """The marked answer, or a text that is nothing but a number or one formula in dollars."""
    found = marked(text)
    if found is not None:
        return found
    whole = text.strip()
    is_formula = whole.startswith("$") and whole.endswith("$") and len(whole) > 2
    return whole if is_formula and "\n" not in whole else _bare_number(text)


def string(text: str) -> str | None:
    """The marked answer, or the only line of the text, without quotes and LaTeX dress."""
    found = marked(text)
    if found is None:
        lines = text[-MAX_TEXT:].strip().splitlines()
        found = lines[0] if len(lines) == 1 else None
    return None if found is None else trim_string(found) or None


def tagged_or_whole(text: str) -> str | None:
    """What the last `<answer>...</answer>` holds, or else the trimmed text; None if empty."""
    tail = text[-MAX_TEXT:]
    tag = _last_tag(tail)
    return (tag.text if tag else tail).strip() or None


def trim_string(text: str) -> str:
    """Without surrounding space, quotes, final period and LaTeX dress; case is kept.

    >>> trim_string(' "abC".')
    'abC'
    """
    while (shorter := _undressed(text)) != text:
        text = shorter
    return text


def _undressed(text: str) -> str:
    return without_prose_commands(simplify(text)).strip(_QUOTES).removesuffix(".").strip()


def _bare_number(text: str) -> str | None:
    whole = text.strip()
    return whole if "\n" not in whole and read_number(whole) is not None else None


def _explicit(text: str) -> str | None:
    """The content of the box or tag that closes last; a box within a tag is opened."""
    tail = text[-MAX_TEXT:]
    spans = [span for span in (_last_box(tail), _last_tag(tail)) if span]
    if not spans:
        return None
    answer = max(spans).text
    while inner := _last_box(answer):
        answer = inner.text
    return answer.strip() or None


def _last_box(text: str) -> _Span | None:
    """The box that closes last. One pass with a stack, so unclosed boxes cost nothing."""
    starts: list[int | None] = []
    found = None
    for token in _BRACES.finditer(text):
        mark = token.group()
        if mark == "}":
            start = starts.pop() if starts else None
            if start is not None:
                found = _Span(token.end(), text[start : token.start()])
        elif mark.endswith("{") and mark != "\\{":
            starts.append(token.end() if len(mark) > 1 else None)
    return found


def _last_tag(text: str) -> _Span | None:
    start, found = None, None
    for token in _TAGS.finditer(text):
        if not token[1]:
            start = token.end()
        elif start is not None:
            found, start = _Span(token.end(), text[start : token.start()]), None
    return found


def _hashed(text: str) -> Iterator[str]:
    """Contents of the lines `#### 18`, last first. `#### Step 3` is a headline and passed over."""
    for token in reversed(list(_HASHES.finditer(text[-MAX_TEXT:]))):
        if read_number(token[1]) is not None:
            yield token[1].strip()


def _phrases(text: str) -> Iterator[str]:
    """What follows each "answer is" or "answer:", last first, up to the end of its sentence."""
    tail = text[-MAX_TEXT:]
    for token in reversed(list(_PHRASE.finditer(tail))):
        lines = tail[token.end() : token.end() + _LONGEST_LINE].strip().splitlines()
        sentence = _first_sentence(lines[0]) if lines else ""
        if sentence:
            yield sentence


def _first_sentence(line: str) -> str:
    if formula := _FORMULA.match(line):
        return formula.group()
    end_of_sentence = _SENTENCE_END.search(line)
    return (line[: end_of_sentence.start()] if end_of_sentence else line).strip(" *_")

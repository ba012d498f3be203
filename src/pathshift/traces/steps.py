"""A text as normalised words: the path of last resort.

Case, space, width, punctuation, markup and filler words ("so", "then", "the", ...) go; other words,
numbers in one spelling and arithmetic signs stay, in their order. It tells wordings apart, not
ideas: two texts with one plan in other words are two paths, so counts of this kind run high.
"""

from __future__ import annotations

import re
import unicodedata

from pathshift.traces.notation import plain_arithmetic

_TOKEN = re.compile(r"[0-9]+(?:\.[0-9]+)?|[^\W\d_]+|[-+*/=<>^]")
_TRAILING_ZEROS = re.compile(r"\.?0+$")

_WORDS = """
a an the this that these those it its is are was were be been being am so then thus hence therefore
now next first second third finally lastly step okay ok well let lets us we i you our my your have
has had get gets got can could will would should just also and as to of in on for with by at from
since because which here there please sure alright know need s
"""

FILLER = frozenset(_WORDS.split())
"""Words that are dropped: they carry wording, not steps."""


def steps_key(text: str) -> str:
    """The normalised words as one key; empty for a text without any.

    >>> steps_key("So, then we HAVE 12.0 apples.") == steps_key("12 apples")
    True
    """
    plain = plain_arithmetic(unicodedata.normalize("NFKC", text)).casefold()
    words = (_one_spelling(token) for token in _TOKEN.findall(plain))
    return " ".join(word for word in words if word not in FILLER)


def _one_spelling(token: str) -> str:
    return _TRAILING_ZEROS.sub("", token) if "." in token else token

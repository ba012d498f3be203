"""Reads a page as a browser's parser would, with the standard library: elements and their text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_CELLS = ("td", "th", "dt", "dd")
"""Set apart from what stands before them, as the eye does."""


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class _Reader(HTMLParser):
    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag in _CELLS:
            self.handle_data(" ")
        if tag != "meta":
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data


def elements(html: str, tag: str | None = None) -> list[Element]:
    """Every element of the page in order; `text` holds that of its children too."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [element for element in reader.elements if tag in (None, element.tag)]


def words(html: str) -> str:
    """What a reader sees of the page's body, white space made single."""
    shown = next(element for element in elements(html, "main"))
    return " ".join(shown.text.split())

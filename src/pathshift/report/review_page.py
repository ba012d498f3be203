"""One chain of a review as a page: foreign text escaped, one script and one style, nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkButton:
    """A mark, its key on the keyboard, and whether it is the one that was given."""

    value: str
    key: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPage:
    """What the page shows, as texts.

    Attributes:
        number: Place of the chain, from 1.
        back, forward: Numbers of the neighbours; None at the ends.
    """

    title: str
    progress: str
    marked: int
    of: int
    number: int
    token: str
    question: str
    reference: str
    chain: str
    buttons: tuple[MarkButton, ...]
    back: int | None
    forward: int | None

    @property
    def is_done(self) -> bool:
        """Whether every chain has a mark."""
        return self.marked == self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A page and the policy that its headers must carry."""

    html: str
    policy: str


def renderer() -> Callable[[ReviewPage], Rendered]:
    """A function that renders pages; template and assets are read once."""
    style = _asset("comparison.css") + _asset("review.css")
    script = _asset("review.js")
    template = Environment(
        loader=PackageLoader("pathshift.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("review.html.j2")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )

    def render(page: ReviewPage) -> Rendered:
        html = template.render(page=page, style=Markup(style), script=Markup(script))
        return Rendered(html=html, policy=policy)

    return render


def _asset(name: str) -> str:
    return (files("pathshift.report") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""A page to one HTML file that needs nothing else: no network, no second file.

Text of models is hostile: the template escapes everything, data stand in a script element that no
browser runs, and a content security policy names the two scripts that may run by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pathshift.errors import StorageError
from pathshift.report import bundle
from pathshift.report.parts import Figure

# `<` and `>` so that no text can end the element, `&` so that no parser can read an entity.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


class AnyPage(Protocol):
    """What every page has; the rest is between the page and its template."""

    @property
    def title(self) -> str:
        """Title of the document."""
        ...

    @property
    def command(self) -> str:
        """Command line that made it; may be empty."""
        ...

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Charts by their id."""
        ...


def render(page: AnyPage, template: str = "comparison") -> str:
    """The whole page as HTML; the same page gives the same text."""
    library, starter, style = bundle.script(), _asset("starter.js"), _asset("comparison.css")
    html: str = _template(template).render(
        page=page,
        policy=content_policy(scripts=(library, starter), style=style),
        specs=Markup(embedded_json(_specs(page))),
        library=Markup(library),
        starter=Markup(starter),
        style=Markup(style),
    )
    return html


def write_report(page: AnyPage, path: Path, template: str = "comparison") -> None:
    """Write the page; an interrupted write leaves what was there before.

    Raises:
        StorageError: if the file cannot be written.
    """
    html = render(page, template).encode()
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(html)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write the report {path}: {error.strerror or error}") from error


def embedded_json(value: Any) -> str:
    r"""JSON that can stand inside a script element: ASCII, with `<`, `>` and `&` escaped.

    >>> embedded_json({"id": "</script>"})
    '{"id":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def content_policy(*, scripts: tuple[str, ...], style: str) -> str:
    """What the browser may do: run these scripts, use this style, show images held in the page."""
    allowed = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _specs(page: AnyPage) -> dict[str, Any]:
    return {name: figure.spec for name, figure in page.figures.items() if figure.spec is not None}


def _asset(name: str) -> str:
    return (files("pathshift.report") / "assets" / name).read_text(encoding="utf-8")


def _template(name: str) -> Any:
    environment = Environment(
        loader=PackageLoader("pathshift.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html.j2")

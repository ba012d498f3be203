"""A review in the browser: a server for this machine's own eyes, and for one sheet.

It listens on 127.0.0.1 at a port the system picks and answers under a path that holds a random
token, so other users and other pages cannot guess it. Requests whose Host is not this address are
refused (a foreign name that resolves here would else read the page), and so are posts from another
origin. Nothing is loaded from anywhere; marks are on disk before the answer leaves.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pathshift.cli.review_terminal import next_open, shown
from pathshift.errors import PathshiftError
from pathshift.report.review_page import MarkButton, Rendered, ReviewPage, renderer
from pathshift.store.reviews import MARKS, Item, mark_item, read_sheet

_MOST_BYTES = 1_000
_KEYS = {"yes": "y", "no": "n", "unsure": "?"}
_LABELS = {"yes": "sound", "no": "not sound", "unsure": "cannot say"}


class ReviewServer(ThreadingHTTPServer):
    """Serves one sheet; use `serve_forever` and close it after."""

    daemon_threads = True

    def __init__(self, sheet: Path, token: str | None = None) -> None:
        self.sheet, self.lock = sheet, threading.Lock()
        self.token = token or secrets.token_urlsafe(24)
        self.render: Callable[[ReviewPage], Rendered] = renderer()
        read_sheet(sheet)
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Address of the page, its token included."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers of the page and takes marks."""

    server: ReviewServer
    timeout = 30
    server_version = "pathshift"
    sys_version = ""

    def do_GET(self) -> None:
        """The page of one chain: the one asked for, or the first without a mark."""
        if self._is_refused():
            return
        asked = parse_qs(urlsplit(self.path).query).get("at", [""])[0]
        items = read_sheet(self.server.sheet)
        first = next_open(items, 0)
        place = int(asked) - 1 if asked.isdecimal() and len(asked) < 7 else first or 0
        if not 0 <= place < len(items):
            self._end(HTTPStatus.NOT_FOUND)
            return
        rendered = self.server.render(page_of(items, place))
        self._end(HTTPStatus.OK, rendered.html.encode(), {
            "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": rendered.policy,
        })  # fmt: skip

    def do_POST(self) -> None:
        """Keep a mark, then go to the next chain without one."""
        if self._is_refused(action="mark"):
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isdecimal() and len(length) < 5 and int(length) <= _MOST_BYTES):
            self._end(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        form = parse_qs(self.rfile.read(int(length)).decode("ascii", "replace"))
        token, mark = (form.get(name, [""])[0] for name in ("item", "mark"))
        try:
            with self.server.lock:
                items = mark_item(self.server.sheet, token, mark)
        except PathshiftError:
            self._end(HTTPStatus.BAD_REQUEST)
            return
        place = next(i for i, item in enumerate(items) if item.token == token)
        following = next_open(items, place)
        at = place if following is None else following
        self._end(HTTPStatus.SEE_OTHER, headers={"Location": f"/{self.server.token}/?at={at + 1}"})

    def _is_refused(self, action: str = "") -> bool:
        """Whether the request does not come from this page; then it was answered."""
        own = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        # A page without referrer posts with the origin null; the token in the path vouches for it.
        is_own = origin in (None, "null") or origin.removeprefix("http://") == host
        if host not in own or not is_own:
            self._end(HTTPStatus.FORBIDDEN)
            return True
        wanted = f"/{self.server.token}/{action}"
        if not secrets.compare_digest(urlsplit(self.path).path.encode(), wanted.encode()):
            self._end(HTTPStatus.NOT_FOUND)
            return True
        return False

    def _end(
        self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        always = {
            "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
        }  # fmt: skip
        for name, value in {**always, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the path holds the token."""


def page_of(items: list[Item], place: int) -> ReviewPage:
    """The page of one chain."""
    item, marked = items[place], sum(item.mark is not None for item in items)
    return ReviewPage(
        title=f"Review: chain {place + 1} of {len(items)}",
        progress=f"{marked} of {len(items)} chains marked",
        marked=marked,
        of=len(items),
        number=place + 1,
        token=item.token,
        question=shown(item.question),
        reference=shown(item.reference),
        chain=shown(item.chain),
        buttons=tuple(
            MarkButton(value=m, key=_KEYS[m], label=_LABELS[m], is_chosen=item.mark == m)
            for m in MARKS
        ),
        back=place if place > 0 else None,
        forward=place + 2 if place + 1 < len(items) else None,
    )

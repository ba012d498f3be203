"""pathshift review: the commands, the terminal, and the page through real requests."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from tests.authoring.runs import Chain, write_run
from tests.commands import PROGRAM, environment, pathshift
from tests.report import chromium

from pathshift.analysis.reviewing import ReviewSettings, choose
from pathshift.cli.review_server import ReviewServer, page_of
from pathshift.cli.review_terminal import mark_in_terminal, next_open, shown
from pathshift.errors import InputError
from pathshift.records import Outcome
from pathshift.report.review_page import renderer
from pathshift.store.reviews import Item, mark_item, read_sheet, write_review
from pathshift.store.run import RunFolder

EVIL = "</pre><script>document.title='owned'</script><img src=x onerror=alert(1)>\x1b[2J\u202e"


def luck(tag: str) -> object:
    def chain(i: int, number: int) -> Chain:
        text = f"{EVIL if i == 0 else ''} {tag} step {i} {number}\nso it is {2 * i}"
        return text, Outcome.CORRECT if number == 0 else Outcome.WRONG

    return chain


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    sides = [(name, luck(tag)) for name, tag in (("b", "x"), ("t", "y"))]
    base, tuned = (
        write_run(tmp_path / name, chain, problems=3, n=30)  # type: ignore[arg-type]
        for name, chain in sides
    )
    return base, tuned


@pytest.fixture
def sheet(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    path = tmp_path / "sheet.jsonl"
    selection = choose({"base": runs[0], "tuned": runs[1]}, ReviewSettings(secret="s"), sheet=path)
    write_review(path, selection.items, selection.key)
    return path


def test_made_marked_and_taken_back(runs: tuple[Path, Path], tmp_path: Path) -> None:
    sheet = tmp_path / "new.jsonl"
    made = pathshift("review", *runs, "--sheet", sheet, "--seed", 3)
    assert "6 chains, sides hidden" in made.stdout
    assert "at 1 of 30 the success rate lies in [0.001, 0.172]" in made.stdout
    answers = "y\nmaybe\nn\n?\ny\ny\ny\n"
    marking = typed(answers, "review", "--sheet", sheet, "--mark")
    assert marking.returncode == 0, marking.stderr
    assert "6 of 6 chains marked" in marking.stdout
    assert "\x1b" not in marking.stdout
    assert "\\x1b[2J\\u202e" in marking.stdout
    done = pathshift("review", "--take", sheet, "--json", "-")
    found = json.loads(done.stdout)
    assert sum(side["sound_chains"] for side in found["sides"].values()) == 4
    stored = [v for run in runs for v in RunFolder(run).verdicts("human")]
    assert sorted(v.outcome.value for v in stored) == ["correct"] * 4 + ["failed", "wrong"]
    told = pathshift("review", "--take", sheet).stdout
    assert re.search(r"base +\d of \d rarely solved problems have a sound chain", told)
    shown_human = pathshift("show", runs[0], "--verifier", "human")
    assert "a person marks a sheet of chains" in shown_human.stderr


def typed(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        input=text, capture_output=True, text=True, env=environment(), timeout=60, check=False,
    )  # fmt: skip


def test_a_marking_that_ends_goes_on_where_it_was(sheet: Path) -> None:
    typed("y\nq\n", "review", "--sheet", sheet, "--mark")
    typed("n\n", "review", "--sheet", sheet, "--mark")
    assert [item.mark for item in read_sheet(sheet)][:3] == ["yes", "no", None]


def test_back_shows_the_last_one_and_its_mark_may_change(sheet: Path) -> None:
    given = iter(["y", "y", "back", "n", "quit"])
    mark_in_terminal(sheet, lambda prompt: next(given))
    assert [item.mark for item in read_sheet(sheet)][:3] == ["yes", "no", None]


def test_two_reviewers_are_compared(sheet: Path, tmp_path: Path) -> None:
    other = tmp_path / "second.jsonl"
    other.write_bytes(sheet.read_bytes())
    typed("y\ny\ny\nn\nn\nn\n", "review", "--sheet", sheet, "--mark")
    typed("y\ny\nn\ny\nn\nn\n", "review", "--sheet", other, "--mark")
    done = pathshift("review", "--take", sheet, "--take", other)
    assert "yes/yes 2, yes/no 1, no/yes 1, no/no 2" in done.stdout
    assert "Cohen's kappa 0.333 [" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs --sheet"),
        (["--sheet", "none.jsonl"], "say what to do"),
        (["--sheet", "none.jsonl", "--mark"], "no such file"),
        (["--sheet", "none.jsonl", "--page"], "no such file"),
        (["--sheet", "none.jsonl", "--page", "--mark"], "exclude each other"),
        (["--take", "none.jsonl"], "without its key"),
        (["--take", "none.jsonl", "--mark"], "--take stands without"),
        (["nowhere", "--sheet", "s.jsonl"], "is not a run folder"),
    ],
)
def test_bad_flags_are_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = pathshift("review", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


def test_next_open_goes_round() -> None:
    items = [
        Item(token=str(i), question="", reference="", chain="", mark=mark)
        for i, mark in enumerate(["yes", None, "no", None])
    ]
    assert [next_open(items, place) for place in range(4)] == [1, 1, 3, 3]
    assert next_open(items[:1], 0) is None


@pytest.mark.parametrize("code", [*range(9), 11, 27, 0x7F, 0x9B, 0x202E, 0x200B, 0xD800, 0x1F600])
def test_shown_text_is_printable(code: int) -> None:
    text = shown(f"a{chr(code)}b")
    assert text.isprintable()
    assert text.startswith("a")


@contextmanager
def served(sheet: Path) -> Iterator[ReviewServer]:
    with ReviewServer(sheet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(
    server: ReviewServer, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, dict[str, str], str]:
    """One request to the server's port, with any Host."""
    line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    sent = {"Host": f"127.0.0.1:{server.server_port}", **headers}
    line.putrequest(method, path, skip_host=True)
    for name, value in sent.items():
        line.putheader(name.replace("_", "-"), value)
    if body and "Content_Length" not in headers:
        line.putheader("Content-Length", str(len(body)))
    line.endheaders(body.encode())
    reply = line.getresponse()
    found = (reply.status, dict(reply.getheaders()), reply.read().decode())
    line.close()
    return found


def home(server: ReviewServer) -> str:
    return urlsplit(server.url).path


def test_the_page_shows_a_chain_escaped_and_locked_up(sheet: Path) -> None:
    evil = next(i for i, item in enumerate(read_sheet(sheet), 1) if "owned" in item.chain)
    with served(sheet) as server:
        status, headers, page = ask(server, "GET", f"{home(server)}?at={evil}")
    assert status == 200
    assert "<script>document.title" not in page
    assert "&lt;script&gt;document.title" in page
    assert "\x1b" not in page
    assert "\\x1b[2J" in page
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert "http://" not in page
    assert "https://" not in page


def test_a_mark_is_on_disk_before_the_answer_and_the_next_chain_follows(sheet: Path) -> None:
    items = read_sheet(sheet)
    with served(sheet) as server:
        for number, (item, mark) in enumerate(zip(items, ["yes", "no", "unsure"] * 2, strict=True)):
            body = urlencode({"item": item.token, "mark": mark})
            status, headers, _ = ask(server, "POST", f"{home(server)}mark", body)
            assert status == 303
            assert [i.mark for i in read_sheet(sheet)].count(None) == 5 - number
            assert headers["Location"] == f"{home(server)}?at={min(number + 2, 6)}"
        _, _, page = ask(server, "GET", home(server))
    assert "Every chain has a mark" in page
    assert [i.mark for i in read_sheet(sheet)] == ["yes", "no", "unsure"] * 2


def test_the_page_opens_at_the_first_chain_without_a_mark(sheet: Path) -> None:
    mark_item(sheet, read_sheet(sheet)[0].token, "yes")
    with served(sheet) as server:
        assert "Chain 2 of 6" in ask(server, "GET", home(server))[2]
        assert 'aria-pressed="true">sound' in ask(server, "GET", f"{home(server)}?at=1")[2]


@pytest.mark.parametrize("at", ["0", "7", "99999999", "x", "-1", "1e9", "٣"])
def test_places_that_are_none(sheet: Path, at: str) -> None:
    with served(sheet) as server:
        status, _, _ = ask(server, "GET", f"{home(server)}?{urlencode({'at': at})}")
    assert status in (200, 404)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1]:{port}"]
)
def test_a_foreign_name_that_resolves_here_is_refused(sheet: Path, host: str) -> None:
    with served(sheet) as server:
        given = host.format(port=server.server_port)
        for method, path in (("GET", home(server)), ("POST", f"{home(server)}mark")):
            assert ask(server, method, path, Host=given)[0] == 403


def test_a_post_from_another_page_is_refused(sheet: Path) -> None:
    body = urlencode({"item": read_sheet(sheet)[0].token, "mark": "yes"})
    with served(sheet) as server:
        path = f"{home(server)}mark"
        assert ask(server, "POST", path, body, Origin="http://evil.example")[0] == 403
        assert read_sheet(sheet)[0].mark is None
        own = f"http://127.0.0.1:{server.server_port}"
        assert ask(server, "POST", path, body, Origin=own)[0] == 303
        # What a browser sends from a page whose referrer policy is no-referrer.
        assert ask(server, "POST", path, body, Origin="null")[0] == 303
        assert ask(server, "POST", "/elsewhere/mark", body, Origin="null")[0] == 404


@pytest.mark.parametrize("path", ["/", "/mark", "/x/", "/x/mark", "//", "/{token}", "/{token}/../"])
def test_without_the_token_there_is_nothing(sheet: Path, path: str) -> None:
    with served(sheet) as server:
        status, _, page = ask(server, "GET", path.format(token=server.token))
    assert (status, page) == (404, "")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("item=nowhere&mark=yes", 400),
        ("item={token}&mark=perhaps", 400),
        ("item={token}", 400),
        ("", 413),
        ("x" * 5000, 413),
        ("%ff%00=&&&=", 400),
    ],
)
def test_posts_that_are_none_change_nothing(sheet: Path, body: str, status: int) -> None:
    before = sheet.read_bytes()
    with served(sheet) as server:
        sent = body.replace("{token}", read_sheet(sheet)[0].token)
        assert ask(server, "POST", f"{home(server)}mark", sent)[0] == status
    assert sheet.read_bytes() == before


@pytest.mark.parametrize("length", ["-1", "x", "99999", "1e3"])
def test_lengths_that_are_none(sheet: Path, length: str) -> None:
    with served(sheet) as server:
        assert ask(server, "POST", f"{home(server)}mark", Content_Length=length)[0] == 413


def test_every_server_has_a_token_and_listens_here_only(sheet: Path) -> None:
    with ReviewServer(sheet) as one, ReviewServer(sheet) as two:
        assert one.token != two.token
        assert len(one.token) >= 32
        assert one.server_address[0] == "127.0.0.1"


def test_a_page_of_a_broken_sheet_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text("{}\n")
    with pytest.raises(InputError):
        ReviewServer(tmp_path / "s.jsonl")


@pytest.mark.browser
def test_in_a_browser_the_text_stays_text_and_nothing_complains(
    sheet: Path, tmp_path: Path
) -> None:
    program = chromium.find()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    evil = next(i for i, item in enumerate(read_sheet(sheet), 1) if "owned" in item.chain)
    with served(sheet) as server:
        done = subprocess.run(
            [program, *chromium.QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
             f"{server.url}?at={evil}"],
            capture_output=True, encoding="utf-8", timeout=120, check=True,
        )  # fmt: skip
    assert re.findall(r".*CONSOLE.*", done.stderr) == []
    assert f"<title>Review: chain {evil} of 6</title>" in done.stdout


PRESS = """<script>
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  document.title = "pressed " + event.submitter.value;
});
document.dispatchEvent(new KeyboardEvent("keydown", {key: "KEY"}));
</script>"""


@pytest.mark.browser
@pytest.mark.parametrize(("key", "mark"), [("y", "yes"), ("N", "no"), ("?", "unsure"), ("x", "")])
def test_keys_press_the_buttons(sheet: Path, tmp_path: Path, key: str, mark: str) -> None:
    program = chromium.find()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    html = renderer()(page_of(read_sheet(sheet), 0)).html
    page = tmp_path / "page.html"
    page.write_text(html.replace("</body>", PRESS.replace("KEY", key) + "</body>"))
    seen = chromium.Browser(program, tmp_path / "profile").open(page)
    assert seen.console == []
    title = f"pressed {mark}" if mark else "Review: chain 1 of 6"
    assert f"<title>{title}</title>" in seen.document

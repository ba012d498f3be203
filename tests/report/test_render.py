from __future__ import annotations

import base64
import errno
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.comparisons import VARIANTS, made_up
from tests.report.reading import Element, elements

from pathshift.analysis.result import ProblemRow, SampleView
from pathshift.errors import StorageError
from pathshift.report.page import build_page
from pathshift.report.render import embedded_json, render, write_report

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)> {{7*7}} {% raw %}"
    " \u2028\u2029 </pre></textarea> <!-- &lt;b&gt; &amp;"
)
N_SCRIPTS = 3
"""The charts' data, the chart library, and the lines that draw."""


def sample(text: str, **changes: object) -> SampleView:
    fields: dict[str, object] = {
        "problem_id": "toy/0001", "question": "1 + 1?", "gold": "2", "side": "base",
        "sample_no": 0, "outcome": "correct", "answer": "2", "text": text,
    }  # fmt: skip
    return SampleView(**(fields | changes))  # type: ignore[arg-type]


def page_of(variant: str, *samples: SampleView) -> str:
    return render(
        build_page(
            VARIANTS[variant](),
            title="A title",
            scale="toy",
            command="pathshift",
            samples=samples,
        )
    )


def hostile_page() -> str:
    result = made_up("gain")
    row = ProblemRow(id=HOSTILE, source=HOSTILE, n_base=4, c_base=1, n_tuned=4, c_tuned=4)
    result = replace(
        result,
        names={"base": HOSTILE, "tuned": HOSTILE},
        verdict=replace(result.verdict, sentence=HOSTILE),
        notes=[HOSTILE],
        problems=[row, *result.problems],
        runs={"base": {HOSTILE: HOSTILE}},
        settings={"band": HOSTILE},
    )
    everywhere = dict.fromkeys(("problem_id", "question", "gold", "answer", "outcome"), HOSTILE)
    return render(
        build_page(
            result,
            title=HOSTILE,
            scale=HOSTILE,
            command=HOSTILE,
            samples=[sample(HOSTILE, **everywhere)],
        )
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_renders_as_one_small_file(variant: str) -> None:
    html = page_of(variant)
    assert html.startswith("<!DOCTYPE html>")
    assert len(html.encode()) < 3_000_000


def test_hostile_text_adds_no_element() -> None:
    tame, hostile = (elements(html) for html in (page_of("gain", sample("tame")), hostile_page()))
    assert sum(element.tag == "script" for element in hostile) == N_SCRIPTS
    assert {element.tag for element in hostile} == {element.tag for element in tame}
    assert not any(name.startswith("on") for e in hostile for name in e.attributes)


def test_hostile_text_is_shown_as_it_is() -> None:
    html = hostile_page()
    # The newline after the tag belongs to the markup: a browser drops it.
    question, text = (e.text.removeprefix("\n") for e in elements(html, "pre"))
    assert question == text == HOSTILE
    assert elements(html, "title")[0].text == HOSTILE
    assert elements(html, "code")[0].text == HOSTILE


def test_hostile_ids_come_back_from_the_embedded_data() -> None:
    script = elements(hostile_page(), "script")[0]
    assert script.attributes == {"type": "application/json", "id": "specs"}
    assert not set("<>&\u2028\u2029") & set(script.text)
    ids = re.findall(r"</script>[^,]*", json.dumps(json.loads(script.text)["scatter"]))
    assert ids


def test_embedded_json_says_the_same() -> None:
    assert json.loads(embedded_json({HOSTILE: [HOSTILE, 1.5, None]})) == {
        HOSTILE: [HOSTILE, 1.5, None]
    }


def policy_of(html: str) -> dict[str, str]:
    (meta,) = (e for e in elements(html, "meta") if "http-equiv" in e.attributes)
    assert meta.attributes["http-equiv"] == "Content-Security-Policy"
    parts = (part.split(" ", 1) for part in meta.attributes["content"].split("; "))
    return {part[0]: part[1] for part in parts}


def checksum(element: Element) -> str:
    digest = hashlib.sha256(element.text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def test_policy_names_exactly_the_scripts_and_the_style_of_the_page() -> None:
    html = page_of("gain")
    policy = policy_of(html)
    running = [e for e in elements(html, "script") if "type" not in e.attributes]
    assert policy["script-src"].split() == [checksum(script) for script in running]
    assert policy["style-src"] == checksum(elements(html, "style")[0])
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in str(policy)


def test_policy_stands_before_anything_it_rules() -> None:
    html = page_of("gain")
    assert html.index("Content-Security-Policy") < html.index("<style>") < html.index("<script")


def test_same_input_gives_the_same_bytes() -> None:
    assert page_of("gain", sample("x")) == page_of("gain", sample("x"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_in_the_page_can_be_requested(variant: str) -> None:
    html = page_of(variant, sample("see https://example.org"))
    for element in elements(html):
        assert not {"src", "href", "srcset", "action", "data", "poster"} & set(element.attributes)
        assert element.tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert "url(" not in elements(html, "style")[0].text
    assert "@import" not in elements(html, "style")[0].text


def test_written_file_holds_the_page(tmp_path: Path) -> None:
    page = build_page(made_up("gain"), title="Ä", scale="toy")
    write_report(page, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == render(page).encode()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_missing_folder_is_said_in_one_line(tmp_path: Path) -> None:
    page = build_page(made_up("gain"), title="x", scale="toy")
    with pytest.raises(StorageError, match=r"^cannot write the report .*No such file.*$"):
        write_report(page, tmp_path / "none" / "report.html")


def test_full_disk_keeps_the_former_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("former")

    def no_space(_self: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(StorageError, match="No space left"):
        write_report(build_page(made_up("gain"), title="x", scale="toy"), path)
    assert path.read_text() == "former"

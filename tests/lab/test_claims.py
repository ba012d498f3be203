"""The table of claims: its form, its sources, and what its reader refuses."""

import re
import sys
from datetime import date
from pathlib import Path
from subprocess import run

import pytest

import pathshift.lab
from pathshift.errors import ConfigError
from pathshift.lab import Claim, Status, load_claims

CLAIMS = load_claims()
EACH_CLAIM = pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])

SOURCES = {
    "beyond the base model": "arXiv 2504.13837",
    "four habits": "arXiv 2503.01307",
    "reflection in pre-training": "arXiv 2504.04022",
    "entropix": "github.com/xjdr-alt/entropix",
    "openseek": "github.com/FlagAI-Open/OpenSeek",
    "cci4.0": "arXiv 2506.07463",
    "the second half": '"The Second Half"',
    "era of experience": '"Welcome to the Era of Experience"',
    "the thesis": "The thesis this package tests",
    "prolonged rl": "arXiv 2505.24864",
    "composition": "arXiv 2509.25123",
    "power sampling": "arXiv 2510.14901",
}

ENTRY = {
    "id": '"first-claim"',
    "sentence": '"More of it helps."',
    "source": '"Somebody 2025, Table 1"',
    "test": '"Supported if the interval lies above 0."',
    "scale": '"toy"',
    "status": '"untested"',
}
FINDING = {"result": '"It did."', "date": "2026-01-31", "evidence": '"pathshift lab run it"'}


def entry(changes: dict[str, str | None] | None = None) -> str:
    """One [[claim]] in TOML: ENTRY with values replaced, added or, by None, left out."""
    values = {**ENTRY, **(changes or {})}
    lines = [f"{key} = {value}" for key, value in values.items() if value is not None]
    return "\n".join(["[[claim]]", *lines, ""])


def load(tmp_path: Path, text: str) -> tuple[Claim, ...]:
    path = tmp_path / "some.toml"
    path.write_text(text, encoding="utf-8")
    return load_claims(path)


# ---- the shipped table


def test_there_are_about_two_dozen_claims() -> None:
    assert 20 <= len(CLAIMS) <= 30


def test_ids_are_unique_and_kebab_case() -> None:
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", i) and len(i) <= 40 for i in ids)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_every_line_of_work_is_represented(source: str) -> None:
    assert any(source in claim.source for claim in CLAIMS)


def test_both_halves_of_the_thesis_and_claims_against_it_are_there() -> None:
    spoken_against = {other for claim in CLAIMS for other in claim.against}
    assert {"ceiling-set-in-pretraining", "rl-amplifies-sampling"} <= spoken_against


@EACH_CLAIM
def test_a_claim_is_one_sentence(claim: Claim) -> None:
    assert claim.sentence.endswith(".")
    assert ". " not in claim.sentence


@EACH_CLAIM
def test_a_test_says_in_terms_of_an_interval_what_supports_and_what_refutes(claim: Claim) -> None:
    assert "Supported if" in claim.test
    assert "Refuted if" in claim.test
    assert re.search(r"\b(interval|band|bound)", claim.test.partition("Supported if")[2])


@EACH_CLAIM
def test_a_result_is_there_exactly_if_something_was_tested(claim: Claim) -> None:
    tested = claim.status is not Status.UNTESTED
    for value in (claim.result, claim.date, claim.evidence):
        assert (value is not None) == tested


@EACH_CLAIM
def test_texts_are_single_lines_and_name_no_place_on_a_disk(claim: Claim) -> None:
    for text in (claim.sentence, claim.source, claim.test, claim.scale):
        assert text == " ".join(text.split())
        assert not re.search(r"(^|\s)(/|~/|[A-Z]:\\)\w", text)


def test_a_claim_is_frozen() -> None:
    with pytest.raises(AttributeError):
        CLAIMS[0].status = Status.SUPPORTED  # type: ignore[misc]


def test_the_public_names_are_sorted() -> None:
    assert sorted(pathshift.lab.__all__) == pathshift.lab.__all__


def test_reading_the_claims_loads_nothing_heavy() -> None:
    code = "import sys, pathshift.lab as l; l.load_claims(); print(*sys.modules)"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scipy", "torch", "pyarrow", "duckdb"} & set(done.stdout.split())


# ---- the reader


def test_order_of_the_file_is_kept_and_lines_are_joined(tmp_path: Path) -> None:
    second = entry({"id": '"second"', "sentence": '"""\nOne\n  two."""'})
    assert [c.id for c in load(tmp_path, entry() + second)] == ["first-claim", "second"]
    assert load(tmp_path, second)[0].sentence == "One two."


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.UNTESTED])
def test_a_tested_claim_carries_its_finding(tmp_path: Path, status: Status) -> None:
    (claim,) = load(tmp_path, entry({**FINDING, "status": f'"{status}"'}))
    assert claim.status is status
    assert claim.result == "It did."
    assert claim.date == date(2026, 1, 31)
    assert claim.evidence == "pathshift lab run it"


def test_a_claim_may_speak_against_a_later_one(tmp_path: Path) -> None:
    text = entry({"against": '["second"]'}) + entry({"id": '"second"'})
    assert load(tmp_path, text)[0].against == ("second",)


SUPPORTED = {**FINDING, "status": '"supported"'}
BAD_FILES = {  # what is wrong -> (the file, words its message must hold)
    "unknown key": (entry({"resutl": '"x"'}), ["first-claim", "'resutl'", "evidence"]),
    "line break in a key": (entry({r'"a\nb"': "1"}), [r"'a\nb'", "unknown key"]),
    "number for a text": (entry({"sentence": "3"}), ["sentence", "got 3", "quotes"]),
    "id not kebab": (entry({"id": '"Two Words"'}), ["'Two Words'", "kebab-case"]),
    "id ends in a dash": (entry({"id": '"ends-"'}), ["'ends-'", "kebab-case"]),
    "id twice": (entry() + entry(), ["'first-claim'", "claims 1 and 2", "rename"]),
    "unknown status": (entry({"status": '"true"'}), ["'true'", "untested, supported"]),
    "against unknown": (entry({"against": '["nobody"]'}), ["'nobody'", "mend"]),
    "against itself": (entry({"against": '["first-claim"]'}), ["no other"]),
    "against a text": (entry({"against": '"nobody"'}), ["must list ids", "'nobody'"]),
    "against a number": (entry({"against": "[1]"}), ["must list ids", "[1]"]),
    "date in quotes": (entry({**SUPPORTED, "date": '"2026-01-31"'}), ["a day", "unquoted"]),
    "date and time": (entry({**SUPPORTED, "date": "2026-01-31T10:00:00"}), ["a day"]),
    "result no text": (entry({**SUPPORTED, "result": "[]"}), ["result", "got []"]),
    "empty file": ("", ["no list of claims", "[[claim]]"]),
    "claim is a number": ("claim = 3", ["no list of claims"]),
    "claims are numbers": ("claim = [1]", ["no list of claims"]),
    "key outside a claim": ("note = 1\n" + entry(), ["'note'", "[[claim]]"]),
    "broken TOML": ("[[claim]\n", ["not TOML", "line 1"]),
}
for key in ENTRY:
    BAD_FILES[f"no {key}"] = (entry({key: None}), [f"'{key}'", "missing"])
    BAD_FILES[f"blank {key}"] = (entry({key: '"  "'}), [key, "'  '", "must be a text"])
for key in FINDING:
    BAD_FILES[f"untested with {key}"] = (entry({key: FINDING[key]}), ["untested", f"'{key}'"])
    BAD_FILES[f"tested without {key}"] = (entry({**SUPPORTED, key: None}), ["needs", f"'{key}'"])


@pytest.mark.parametrize(("text", "words"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_gives_one_line_with_value_rule_and_way_out(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert "some.toml" in message
    assert "; " in message
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_a_file_that_is_not_utf8_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'[[claim]]\nid = "\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml.*UTF-8.*mend"):
        load_claims(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml.*; give the path"):
        load_claims(tmp_path / "none.toml")

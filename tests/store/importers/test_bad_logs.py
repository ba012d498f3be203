"""A bad log is refused in one line that names file and row, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.commands import pathshift
from tests.store.importers.refusals import Refuses, written
from tests.store.importers.worlds import DATA, changed, copied, json_rows, read, write_rows

from pathshift.errors import DuplicateSamples, LogError, UnknownName
from pathshift.rollout.ingest import import_logs, read_table
from pathshift.store.importers import formats
from pathshift.store.importers.logged import MAX_FIELD_CHARS
from pathshift.store.run import RunFolder

ROW: dict[str, Any] = {"question": "1 + 1?", "answer": "2", "response": "It is 2.", "reward": 1}


def rows_of(path: Path, *changes: dict[str, Any]) -> Path:
    """Generic rows, each `ROW` with a change; a value of ... takes the field away."""
    return write_rows(
        path, [{k: v for k, v in {**ROW, **c}.items() if v is not ...} for c in changes]
    )


GARBAGE = bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.json", '{"a": 1}', r"not a log of a format known here \(fields: a\)"),
        ("x.json", "[1, 2]", "not a log of a format"),
        ("x.json", "null", "not a log of a format"),
        ("x.json", "[]", "not a log of a format"),
        ("x.json", "", "not valid JSON"),
        ("x.jsonl", "", "not a log of a format"),
        ("x.jsonl", "\n\n", "not a log of a format"),
        ("x.jsonl", "null\n", "row 1: a row must be an object"),
        ("x.jsonl", '{"a": 1}\n', "not a log of a format"),
        ("x.jsonl", "[" * 200_000, "row 1: not valid JSON"),
        ("x.jsonl", json.dumps(ROW) + '\n{"a": ' * 50_000, "row 2: not valid JSON"),
        ("x.json", '{"a": [' * 200_000, "not valid JSON"),
        ("x.csv", "", "not a log of a format"),
        ("x.csv", "a,b\n", "not a log of a format"),
        ("x.parquet", "", "not Parquet"),
        ("x.yaml", "", "not a log of a format"),
        ("x.yaml", "a: 1\n", "not a log of a format"),
        ("x.eval", "", "not a whole zip file"),
        ("x.txt", "It was a bright cold day in April.", "not a log of a format"),
        ("x", "no suffix", "not a log of a format"),
        *(
            (f"x.{kind}", GARBAGE, "not (valid JSON|CSV|Parquet|a whole zip|a log of a format)")
            for kind in ("json", "jsonl", "csv", "parquet", "eval", "yaml", "txt", "yml")
        ),
    ],
)
def test_what_is_no_log_is_refused(
    tmp_path: Path, refuses: Refuses, name: str, content: bytes | str, says: str
) -> None:
    refuses(written(tmp_path / name, content), says=says)


def test_nothing_there_and_nothing_in_it(tmp_path: Path, refuses: Refuses) -> None:
    refuses(tmp_path / "absent.jsonl", says="does not exist")
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", says="holds no log")
    written(tmp_path / "other" / "deep" / "readme.txt", "hello")
    written(tmp_path / "other" / "settings.json", "{}")
    refuses(tmp_path / "other", says="holds no log")


def test_no_path_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError):
        import_logs([], tmp_path / "run")


def test_a_folder_called_like_a_file_is_a_folder(tmp_path: Path, refuses: Refuses) -> None:
    (tmp_path / "x.jsonl").mkdir()
    refuses(tmp_path / "x.jsonl", says="holds no log")


def test_an_unknown_format_lists_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"'verl2' is not known; there are: verl, trl, inspect"):
        read("verl/val/0.jsonl", format="verl2")


@pytest.mark.parametrize("cut", [1, 20, 60])
@pytest.mark.parametrize(
    "source", ["verl/val/0.jsonl", "generic/base.jsonl", "scorio/base.jsonl",
               "human-eval/base/samples.jsonl_results.jsonl", "verifiers/base/traces.jsonl"],
)  # fmt: skip
def test_a_torn_last_line_is_named(tmp_path: Path, refuses: Refuses, source: str, cut: int) -> None:
    content = (DATA / source).read_bytes().rstrip(b"\n")
    n_rows = len(json_rows(DATA / source))
    path = written(tmp_path / Path(source).name, content[:-cut])
    refuses(path, says=rf", row {n_rows}: not valid JSON")


def test_a_line_torn_inside_a_letter_is_named(tmp_path: Path, refuses: Refuses) -> None:
    whole = json.dumps(ROW).encode() + b"\n"
    refuses(written(tmp_path / "x.jsonl", whole + b'{"question": "\xc3'), says="row 2: not valid")


PARQUETS = [
    "trl/plain/completions/completions_00001.parquet",
    "verl/generation/tuned.parquet",
    "lighteval/base",
]


def parquet_bytes(source: str) -> bytearray:
    found = DATA / source
    path = found if found.is_file() else next(found.rglob("*.parquet"))
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("source", PARQUETS)
@pytest.mark.parametrize("part", [slice(0, 100), slice(0, -100), slice(0, -4), slice(2000, None)])
def test_a_torn_parquet_file_is_named(
    tmp_path: Path, refuses: Refuses, source: str, part: slice
) -> None:
    path = written(tmp_path / "x.parquet", bytes(parquet_bytes(source)[part]))
    refuses(path, says=r"x\.parquet(, row \d+)?: not Parquet", score="has_letter_a")


@pytest.mark.parametrize("source", PARQUETS)
@pytest.mark.parametrize("place", [30, 300, 1500])
def test_a_rotten_page_of_a_parquet_file_is_named(
    tmp_path: Path, refuses: Refuses, source: str, place: int
) -> None:
    content = parquet_bytes(source)
    content[place : place + 400] = bytes(byte ^ 0x5A for byte in content[place : place + 400])
    path = written(tmp_path / "completions_00001.parquet", bytes(content))
    score = "has_letter_a" if source.startswith("trl") else None
    refuses(path, says=r"\.parquet(, row \d+)?: not Parquet", score=score)


@pytest.mark.parametrize(
    ("source", "change", "says"),
    [
        ("scorio/base.jsonl", {"model": "toy/other"}, "row 6: models are mixed, 'toy/other' here"),
        ("generic/base.jsonl", {"model": "b"}, "row 6: models are mixed, 'b' here and 'a' at"),
        ("verl/val/0.jsonl", {"step": 100}, "row 6: training steps are mixed, 100 here and 0 at"),
        ("generic/base.jsonl", {"step": 2}, "row 6: training steps are mixed, 2 here and 1 at"),
    ],
)
def test_two_models_or_two_steps_in_a_log_are_named_with_both_rows(
    tmp_path: Path, refuses: Refuses, source: str, change: dict[str, Any], says: str
) -> None:
    def mix(rows: list[Any]) -> None:
        for row in rows:
            row.setdefault("model", "a")
            row.setdefault("step", 1)
        rows[5].update(change)

    message = refuses(changed(source, tmp_path, mix), says=says)
    assert ", row 1; split the log" in message


@pytest.mark.parametrize(("field", "role"), [("question", "question"), ("answer", "gold"),
                                             ("response", "text")])  # fmt: skip
def test_a_field_of_a_million_characters_is_refused_and_one_less_is_not(
    tmp_path: Path, refuses: Refuses, field: str, role: str
) -> None:
    long = rows_of(tmp_path / "long.jsonl", {}, {field: "x" * (MAX_FIELD_CHARS + 1)})
    refuses(long, says=rf"row 2: its {role} has 1,000,001 characters, more than 1,000,000")
    fits = rows_of(tmp_path / "fits.jsonl", {}, {field: "x" * MAX_FIELD_CHARS})
    assert sum(p.n for p in read_table(fits).counts) == 2


def test_an_id_of_ten_thousand_characters_gives_way_to_a_hash(tmp_path: Path) -> None:
    long = {"id": "x" * 10_000}
    path = rows_of(tmp_path / "x.jsonl", long, {**long, "response": "2"})
    counts = read_table(path).counts
    assert [(p.n, p.c) for p in counts] == [(2, 2)]
    assert len(counts[0].id) < 100


@pytest.mark.parametrize(
    "value", [0.5, -1, 2, float("inf"), 10**30, pytest.param(10**400, id="big")]
)
def test_a_reward_that_is_neither_0_nor_1_is_named_with_both_ways_out(
    tmp_path: Path, refuses: Refuses, value: float
) -> None:
    path = rows_of(tmp_path / "x.jsonl", {}, {"reward": value})
    message = refuses(path, says="row 2: reward=.* is a reward, not right or wrong")
    assert "--threshold" in message
    assert "--score" in message


@pytest.mark.parametrize("value", ["maybe", {"a": 1}, [[1]]])
def test_a_score_that_is_no_number_is_named(
    tmp_path: Path, refuses: Refuses, value: object
) -> None:
    path = rows_of(tmp_path / "x.jsonl", {}, {"reward": value})
    refuses(path, says="row 2: ")


def test_a_row_without_question_and_id_is_named(tmp_path: Path, refuses: Refuses) -> None:
    path = rows_of(tmp_path / "x.jsonl", {}, {"question": ...})
    refuses(path, says="row 2: neither question nor id")


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("verl/val/0.jsonl", "acc"), ("verl/val/0.jsonl", "input"), ("verl/val/0.jsonl", "output"),
        ("scorio/base.jsonl", "data_id"), ("scorio/base.jsonl", "processed_results"),
        ("human-eval/base/samples.jsonl_results.jsonl", "passed"),
        ("human-eval/base/samples.jsonl_results.jsonl", "task_id"),
        ("verifiers/base/traces.jsonl", "traces"),
        ("verifiers_legacy/base/results.jsonl", "prompt"),
        ("verifiers_legacy/base/results.jsonl", "example_id"),
        ("evalscope/base/reviews/world-base/gsm8k_default.jsonl", "sample_score"),
        ("nemo-skills/base/eval-results/toy-world/output-rs0.jsonl", "expected_answer"),
        ("qwen-math/tuned/toy/test_cot_-1_seed0_t0.6_s0_e-1.jsonl", "code"),
        ("qwen-math/tuned/toy/test_cot_-1_seed0_t0.6_s0_e-1.jsonl", "score"),
    ],
)  # fmt: skip
def test_a_missing_field_is_named_with_its_row(
    tmp_path: Path, refuses: Refuses, source: str, field: str
) -> None:
    path = changed(source, tmp_path, lambda rows: rows[4].pop(field))
    refuses(path, says=rf", row 5: no '{field}'; it has ")


@pytest.mark.parametrize("field", ["code", "score", "pred"])
def test_lists_of_unequal_length_are_named_with_their_row(
    tmp_path: Path, refuses: Refuses, field: str
) -> None:
    source = "qwen-math/tuned/toy/test_cot_-1_seed0_t0.6_s0_e-1.jsonl"
    path = changed(source, tmp_path, lambda rows: rows[4][field].pop())
    refuses(path, says=r", row 5: \d texts in code, \d in score, \d in pred.* of one length")


@pytest.mark.parametrize("field", ["code_list", "graded_list", "output_list"])
def test_programs_and_grades_of_unequal_number_are_named_with_their_row(
    tmp_path: Path, refuses: Refuses, field: str
) -> None:
    name = "codegeneration_4_0.2_eval_all.json"
    content = json.loads((DATA / "livecodebench" / "base" / name).read_text(encoding="utf-8"))
    content[2][field].pop()
    path = written(tmp_path / name, json.dumps(content))
    refuses(path, says=r", row 3: \d outputs, \d programs and \d grades")


def test_one_id_for_two_questions_is_named(tmp_path: Path, refuses: Refuses) -> None:
    path = rows_of(tmp_path / "x.jsonl", {"id": "a"}, {"id": "a", "question": "2 + 2?"})
    refuses(path, says="row 2: problem 'a' asks another thing.* than at .*row 1")


def test_two_formats_in_a_folder_are_named_with_a_file_each(
    tmp_path: Path, refuses: Refuses
) -> None:
    copied("scorio/base.jsonl", tmp_path)
    copied("verl/val/0.jsonl", tmp_path)
    message = refuses(tmp_path, says=r"logs of 2 formats \(scorio: .*; verl: .*--format")
    assert str(tmp_path / "base.jsonl") in message
    assert str(tmp_path / "0.jsonl") in message
    assert read(tmp_path, format="verl").n_samples == 32


def test_too_many_files_in_a_folder(
    tmp_path: Path, refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "MAX_FILES", 3)
    shutil.copytree(DATA / "llmonkeys" / "base", tmp_path / "many")
    refuses(tmp_path / "many", says="more than 3 files; name the log itself")


@pytest.mark.parametrize("name", ["base.jsonl", "copy.jsonl"])
def test_one_file_given_twice_counts_no_sample_twice(
    tmp_path: Path, refuses: Refuses, name: str
) -> None:
    source = DATA / "generic" / "base.jsonl"
    shutil.copyfile(source, tmp_path / name)
    message = refuses(source, tmp_path / name, says="are the same file: every sample would count")
    assert name in message
    with pytest.raises(DuplicateSamples):
        import_logs([source, source], tmp_path / "run")


def test_one_draw_in_two_files_is_named_with_both(tmp_path: Path, refuses: Refuses) -> None:
    def touch(rows: list[Any]) -> None:
        rows[3]["output"]["num_completion_tokens"] = 99

    path = changed("scorio/base.jsonl", tmp_path / "other", touch)
    both = (DATA / "scorio" / "base.jsonl", path)
    message = refuses(*both, says=r"row 1: sample 1261 of problem '0' stands at .*row 1 already")
    assert all(str(one) in message for one in both)


def test_one_number_for_several_draws_of_a_row_is_refused(tmp_path: Path, refuses: Refuses) -> None:
    row = {"question": "1 + 1?", "answer": "2", "outputs": ["2", "3", "4"], "scores": [1, 0, 0],
           "epoch": 0}  # fmt: skip
    path = write_rows(tmp_path / "x.jsonl", [row])
    refuses(path, says="row 1: sample 0 of problem")


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\r"])
def test_only_line_feeds_end_a_row(tmp_path: Path, letter: str) -> None:
    line = json.dumps({**ROW, "response": f"a{letter}b"}, ensure_ascii=False)
    if letter == "\r":  # JSON escapes it in any case; a bare one is not allowed inside a text
        line = json.dumps({**ROW, "response": "a\rb"}) + "\r"
    path = written(tmp_path / "x.jsonl", f"{line}\n{line.replace('1 + 1', '1 + 2')}\n")
    assert [s.text for _, s, _ in read(path).rows()] == [f"a{letter}b"] * 2


@pytest.mark.parametrize("field", ["question", "answer", "response", "id", "model", "error"])
def test_half_a_code_point_comes_through_or_is_named(
    tmp_path: Path, refuses: Refuses, field: str
) -> None:
    # Tokenisers cut letters in half; JSON then holds "\ud83d" alone.
    path = rows_of(tmp_path / "x.jsonl", {field: "a \ud83d"}, {field: "a \ud83d", "epoch": 1})
    found = import_logs([path], tmp_path / "run")
    assert (found.n_problems, found.n_samples) == (1, 2)
    assert len(RunFolder(tmp_path / "run").samples()) == 2


def test_a_nan_is_a_score_that_nobody_gave(tmp_path: Path) -> None:
    path = rows_of(tmp_path / "x.jsonl", {"reward": float("nan")}, {"reward": 1, "response": "2"})
    assert [(p.n, p.c, p.failed) for p in read_table(path).counts] == [(1, 1, 1)]


BAD: list[tuple[str, bytes | str, str]] = [
    ("x.json", '{"a": 1}', "not a log of a format"),
    ("x.jsonl", GARBAGE, "row 1: not valid JSON"),
    ("x.jsonl", json.dumps(ROW) + '\n{"question": "1 +', "row 2: not valid JSON"),
    ("x.jsonl", json.dumps({**ROW, "reward": 0.5}), "row 1: reward=0.5 is a reward"),
    ("x.parquet", b"PAR1 no more", "not Parquet"),
    ("x.eval", b"PK\x03\x04", "not a whole zip file"),
    ("1.yaml", "gt_answer: '1'\nsamples: !!python/name:os.system\n", "not YAML of plain values"),
    ("x.jsonl", json.dumps({**ROW, "id": "\x1b[31m\n"}) + "\n[]", "row 2: a row must be"),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD)
def test_the_command_says_it_in_one_line(
    tmp_path: Path, name: str, content: bytes | str, said: str
) -> None:
    path = written(tmp_path / "logs" / name, content)
    done = pathshift("import", path, "--out", tmp_path / "out" / "run")
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert str(path) in done.stderr
    assert said in done.stderr
    assert "\x1b" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_compare_says_it_in_one_line_too(tmp_path: Path) -> None:
    path = rows_of(tmp_path / "x.jsonl", {}, {"reward": 3})
    done = pathshift("compare", DATA / "verl" / "val" / "0.jsonl", path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{path}, row 2: reward=3" in done.stderr


def test_the_folder_one_stands_in_can_be_no_run(tmp_path: Path) -> None:
    log = DATA / "generic" / "base.jsonl"
    done = pathshift("import", log, "--out", ".", cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)

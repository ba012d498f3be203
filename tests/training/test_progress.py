from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pathshift.errors import MissingExtra, RunError, StorageError, TrainingError, UnknownName
from pathshift.training import trackers
from pathshift.training.progress import (
    MetricsLog,
    Progress,
    StepLine,
    progress_text,
    read_metrics,
)
from pathshift.training.trackers import TRACKERS, TrackedRun, Trackers


def steps_in(path: Path) -> list[int]:
    return [line["step"] for line in read_metrics(path)]


def test_each_step_is_one_json_line_and_numbers_that_are_none_are_null(tmp_path: Path) -> None:
    path = tmp_path / "new" / "metrics.jsonl"
    with MetricsLog(path, step=0) as log:
        log.add(1, {"loss": 0.5, "kl": math.nan, "by_k": [1.0, math.inf], "why": {"a": -math.inf}})
        assert path.read_text(encoding="utf-8") == (
            '{"step": 1, "loss": 0.5, "kl": null, "by_k": [1.0, null], "why": {"a": null}}\n'
        )
        log.add(2, {"loss": 1e300})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


def test_going_on_drops_later_steps_and_a_line_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, step=0) as log:
        for step in range(1, 8):
            log.add(step, {"loss": 1 / step})
    path.write_bytes(path.read_bytes()[:-4])
    with MetricsLog(path, step=4) as log:
        assert steps_in(path) == [1, 2, 3, 4]
        log.add(5, {"loss": 9.0})
    lines = read_metrics(path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["loss"] for line in lines] == [1.0, 1 / 2, 1 / 3, 1 / 4, 9.0]


def test_every_cut_of_the_file_can_be_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, step=0) as log:
        log.add(1, {"loss": 0.25})
        log.add(2, {"loss": 0.125})
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with MetricsLog(path, step=2) as log:
            log.add(3, {"loss": 1.0})
        assert steps_in(path) == [*([1] if size > whole.index(b"\n") else []), 3]


def test_no_step_stands_twice(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "metrics.jsonl", step=3) as log:
        log.add(5, {})
        for step in (3, 5):
            with pytest.raises(ValueError, match=f"step {step} after step 5"):
                log.add(step, {})


@pytest.mark.parametrize("strange", ["[1]", "{}", '{"step": "1"}', "nonsense", "[" * 10_000])
def test_a_line_of_something_else_is_refused_with_its_number(tmp_path: Path, strange: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{strange}\n', encoding="utf-8")
    with pytest.raises(RunError, match=r"metrics.jsonl line 2 is no line of metrics") as refusal:
        MetricsLog(path, step=1)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot write"):
        MetricsLog(tmp_path / "file" / "metrics.jsonl", step=0)


class Library:
    """Stands in for trackio or wandb: keeps what it is called with."""

    def __init__(self, *, fails_at: int = 0) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._fails_at = fails_at

    def init(self, **settings: Any) -> Library:
        print("* project initialized")  # noqa: T201 - as trackio does
        self.calls.append(("init", settings))
        return self

    def log(self, metrics: dict[str, float], *, step: int) -> None:
        if step == self._fails_at:
            raise ConnectionError("no\nroute")
        self.calls.append(("log", (step, metrics)))

    def finish(self) -> None:
        self.calls.append(("finish", None))


def tracked(folder: Path, step: int = 0) -> TrackedRun:
    return TrackedRun(folder=folder / "rl-a", project="maths", config={"seed": 1}, step=step)


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_tracker_is_given_the_run_and_every_finite_number(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, name, library)
    said: list[str] = []
    copies = Trackers([name, name], tracked(tmp_path), said.append)
    copies.add(1, {"loss": 0.5, "kl": math.nan, "kind": "x", "none": None, "n": 3})
    copies.close()
    (_, settings), *rest = library.calls
    assert settings["project"] == "maths"
    assert settings["name"].startswith("rl-a")
    assert settings["config"] == {"seed": 1}
    assert settings["resume"] == "allow"
    assert rest == [("log", (1, {"loss": 0.5, "n": 3.0})), ("finish", None)]
    assert said == []
    assert capsys.readouterr().out == ""  # the result of --json - stands there


@pytest.mark.parametrize(("name", "key"), [("trackio", "name"), ("wandb", "id")])
def test_a_run_that_goes_on_is_the_same_run_and_another_folder_another(
    name: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, name, library)
    for run in (tracked(tmp_path), tracked(tmp_path, step=40), tracked(tmp_path / "other")):
        Trackers([name], run, print)
    first, again, other = (settings[key] for _, settings in library.calls)
    assert first == again
    assert first != other


def test_tensorboard_writes_each_number_and_forgets_steps_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    class Writer:
        def __init__(self, log_dir: str, purge_step: int | None) -> None:
            calls.append((Path(log_dir).relative_to(tmp_path).as_posix(), purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, value, step))

        def flush(self) -> None: ...

        def close(self) -> None:
            calls.append("closed")

    monkeypatch.setitem(sys.modules, "tensorboard", SimpleNamespace())
    monkeypatch.setitem(
        sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer)
    )
    for step in (0, 7):
        copies = Trackers(["tensorboard"], tracked(tmp_path, step=step), print)
        copies.add(step + 1, {"loss": 2.0})
        copies.close()
    place = "rl-a/trackers/tensorboard"
    assert calls == [(place, None), ("loss", 2.0, 1), "closed",
                     (place, 8), ("loss", 2.0, 8), "closed"]  # fmt: skip


def test_a_tracker_that_fails_is_said_once_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = Library(fails_at=2), Library()
    monkeypatch.setitem(sys.modules, "trackio", broken)
    monkeypatch.setitem(sys.modules, "wandb", sound)
    said: list[str] = []
    copies = Trackers(["trackio", "wandb"], tracked(tmp_path), said.append)
    for step in (1, 2, 3):
        copies.add(step, {"loss": 1.0})
    copies.close()
    assert said == [
        "trackio failed (ConnectionError: no route) and gets no more; metrics.jsonl holds all"
    ]
    assert [what for what, _ in broken.calls] == ["init", "log"]
    assert [what for what, _ in sound.calls] == ["init", "log", "log", "log", "finish"]


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_names_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # how Python marks what cannot be imported
    with pytest.raises(MissingExtra, match=rf"pip install 'pathshift\[{name}\]'"):
        Trackers([name], tracked(tmp_path), print)


def test_an_unknown_tracker_is_refused_before_another_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "trackio", library)
    with pytest.raises(UnknownName, match="'mlflow' is not known; use trackio, wandb, tensorboard"):
        Trackers(["trackio", "mlflow"], tracked(tmp_path), print)
    assert library.calls == []


def test_a_tracker_that_cannot_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_settings: Any) -> None:
        raise PermissionError("no api\nkey")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=refuse))
    with pytest.raises(
        TrainingError, match=r"wandb could not be started \(PermissionError: no api"
    ):
        Trackers(["wandb"], tracked(tmp_path), print)


def test_no_tracker_is_imported_unless_asked_for() -> None:
    assert not {"trackio", "wandb"} & set(vars(trackers))


def progress(step: int, seconds: float = 10.0, **shown: float) -> Progress:
    return Progress(step=step, n_steps=20, done_before=10, seconds=seconds, shown=shown)


def test_time_left_follows_from_the_steps_of_this_process() -> None:
    text = progress_text(progress(15, seconds=60.0, reward=0.123456, kl=math.nan))
    assert text.endswith("step 15/20 · reward 0.123 · kl - · 12.0 s a step · 1m00s left")
    assert progress_text(progress(10)).endswith("step 10/20")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_rewritten_and_the_last_one_stays() -> None:
    stream, now = Terminal(), [0.0]
    line = StepLine(quiet=False, stream=stream, clock=lambda: now[0])
    for step, at in ((11, 0.0), (12, 0.1), (13, 0.3), (20, 0.31)):
        now[0] = at
        line(progress(step))
    shown = stream.getvalue().split("\r")[1:]
    assert [text.split(" ·")[0].split("step ")[1] for text in shown] == ["11/20", "13/20", "20/20"]
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("\n")


def test_a_shorter_line_leaves_nothing_of_a_longer_one_and_clearing_nothing_at_all() -> None:
    stream, now = Terminal(), [0.0]
    line = StepLine(quiet=False, stream=stream, clock=lambda: now[0])
    line(progress(11, some_long_name=0.5))
    long = len(stream.getvalue()) - 1
    now[0] = 1.0
    line(progress(12))
    assert len(stream.getvalue().split("\r")[2]) == long
    line.clear()
    assert stream.getvalue().endswith("\r")


def test_elsewhere_a_plain_line_comes_every_ten_seconds() -> None:
    stream, now = io.StringIO(), [0.0]
    line = StepLine(quiet=False, stream=stream, clock=lambda: now[0])
    for step in range(11, 21):
        line(progress(step))
        now[0] += 4.0
    lines = stream.getvalue().splitlines()
    assert [text.split("step ")[1].split("/")[0] for text in lines] == ["11", "14", "17", "20"]


def test_quiet_says_nothing() -> None:
    stream = Terminal()
    line = StepLine(quiet=True, stream=stream)
    line(progress(20))
    line.clear()
    assert stream.getvalue() == ""

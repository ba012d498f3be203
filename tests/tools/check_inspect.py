"""Inspect opens our logs, computes our numbers from them, and serves them to its viewer.

python check_inspect.py FOLDER     as make_exports.py made it; in the tools' environment
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from inspect_ai.log import list_eval_logs, read_eval_log, recompute_metrics

DIGITS = 1e-12
START_SECONDS = 60.0


def numbers(log: Any) -> dict[str, float]:
    """Accuracy by reducer."""
    return {score.reducer: score.metrics["accuracy"].value for score in log.results.scores}


def reductions(log: Any) -> dict[tuple[str, str], float]:
    """Reduced score by reducer and problem."""
    return {(r.reducer, s.sample_id): s.value for r in log.reductions for s in r.samples}


def equal(left: dict[Any, float], right: dict[Any, float]) -> bool:
    """Whether two tables hold the same keys and, but for rounding, the same numbers."""
    return left.keys() == right.keys() and all(abs(left[k] - right[k]) < DIGITS for k in left)


def totals(log: Any) -> list[object]:
    """What the results say of how many samples they rest on."""
    scores = [(s.reducer, s.scored_samples, s.unscored_samples) for s in log.results.scores]
    return [log.results.total_samples, log.results.completed_samples, scores, log.results.headline]


def check_log(folder: Path) -> int:
    """One source's log; how many samples it has."""
    wanted = json.loads((folder / "expected.json").read_bytes())
    (info,) = list_eval_logs(str(folder / "logs"))
    header = read_eval_log(info.name, header_only=True)
    assert (header.version, header.status, header.eval.model) == (
        2,
        "success",
        f"toy/{folder.name}",
    )
    log = read_eval_log(info.name)
    assert sorted(sample.output.completion for sample in log.samples) == wanted["texts"]
    assert sum(sample.error is not None for sample in log.samples) == wanted["failed"]
    ours, ours_reduced, ours_totals = numbers(log), reductions(log), totals(log)
    recompute_metrics(log)
    assert equal(numbers(log), ours), folder
    assert equal(reductions(log), ours_reduced), folder
    assert totals(log) == ours_totals, folder
    for reducer, value in ours.items():
        k = "1" if reducer == "mean" else reducer.removeprefix("pass_at_")
        assert abs(value - wanted["pass_at_k"][k]) < DIGITS, (folder, reducer)
    return len(log.samples)


@contextmanager
def viewer(folder: Path) -> Iterator[str]:
    """`inspect view` on a folder; its address. It keeps its own files in a folder of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            [
                Path(sys.executable).with_name("inspect"), "view", "start",
                "--host", "127.0.0.1", "--port", str(port), "--log-dir", folder,
            ],
            stdout=subprocess.DEVNULL, env={**os.environ, "HOME": home, "XDG_DATA_HOME": home},
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def fetched(address: str, *, patience_s: float = 0.0) -> bytes:
    """What the server answers, as soon as it does."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with urlopen(address, timeout=60) as answer:
                content: bytes = answer.read()
                return content
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def check_viewer(folder: Path) -> None:
    """The viewer's page, its list of logs and the log itself come from the server."""
    wanted = json.loads((folder / "expected.json").read_bytes())
    (path,) = (folder / "logs").iterdir()
    with viewer(folder / "logs") as address:
        assert b"<html" in fetched(address, patience_s=START_SECONDS)
        listed = json.loads(fetched(f"{address}/api/logs"))["files"]
        assert [Path(entry["name"]).name for entry in listed] == [path.name]
        log = json.loads(fetched(f"{address}/api/logs/{quote(listed[0]['name'], safe='')}"))
    assert sorted(s["output"]["completion"] for s in log["samples"]) == wanted["texts"]
    assert sum(s.get("error") is not None for s in log["samples"]) == wanted["failed"]


def main() -> None:
    """All sources in the folder; the viewer with the nastiest."""
    folder = Path(sys.argv[1])
    sources = sorted(path.parent for path in folder.glob("*/logs"))
    assert sources, folder
    samples = sum(map(check_log, sources))
    check_viewer(folder / "nasty")
    sys.stdout.write(f"inspect: {len(sources)} logs, {samples} samples, one served by its viewer\n")


if __name__ == "__main__":
    main()

"""Fetching a data set, against a small server that speaks as much of the hub's protocol as needed.

The client runs in a process of its own: the hub's library reads its address once, at import.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pathshift.problems.hub import choose_files

ROWS = b'{"id": "2024-I-1", "Problem": "1 + 1?", "Answer": "002"}\n'
FILES = ["README.md", "test.jsonl", "train.jsonl"]

PROGRAM = """
import sys
from pathshift.errors import PathshiftError
from pathshift.problems import load_problems
try:
    (problem,) = load_problems(sys.argv[1], dict(pair.split("=") for pair in sys.argv[2:]))
    print(problem.id, problem.gold)
except PathshiftError as error:
    print(type(error).__name__, error)
"""


class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/api/datasets/own/set"):
            siblings = [{"rfilename": name} for name in FILES]
            content = json.dumps({"id": "own/set", "sha": "a" * 40, "siblings": siblings}).encode()
        elif self.path == "/datasets/own/set/resolve/main/test.jsonl":
            content = ROWS
        else:
            content = b""
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"1"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run(address: str, cache: Path, *arguments: str, offline: bool = False) -> str:
    environment = {name: text for name, text in os.environ.items() if name != "PATHSHIFT_DATA"}
    environment |= {"HF_ENDPOINT": address, "HF_HOME": str(cache), "HF_HUB_OFFLINE": str(offline)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_the_test_split_is_fetched_and_found_again_without_a_network(
    address: str, tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub")
    assert run(address, tmp_path, "aime24", "hub=own/set") == "aime24-2024-I-1 2"
    assert run(address, tmp_path, "jsonl:own/set", offline=True) == "2024-I-1 002"


def test_an_absent_data_set_is_one_line_with_the_ways_out(address: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    said = run(address, tmp_path, "aime24", "hub=own/absent")
    assert said.startswith("InputError cannot fetch the data set own/absent from the hub (")
    assert "path=FILE" in said
    assert "\n" not in said


def test_an_unreachable_hub_is_one_line_with_the_ways_out(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    said = run("http://127.0.0.1:9", tmp_path, "math500")
    assert said.startswith("InputError cannot fetch the data set HuggingFaceH4/MATH-500")
    assert "PATHSHIFT_DATA" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([], []),
        (["README.md", ".gitattributes"], []),
        (["b.jsonl", "a.jsonl"], ["a.jsonl", "b.jsonl"]),
        (["data/train-0.parquet", "data/validation-0.parquet"], ["data/validation-0.parquet"]),
        (["test-1.parquet", "test-0.parquet"], ["test-0.parquet", "test-1.parquet"]),
        (["test.csv", "test.parquet"], ["test.csv"]),
    ],
)
def test_files_of_one_split_and_kind_are_chosen(names: list[str], chosen: list[str]) -> None:
    assert choose_files(names) == chosen

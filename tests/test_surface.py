"""What importing costs, what is public, and which flags exist."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.commands import environment

import pathshift

HEAVY = ["torch", "transformers", "scipy", "pyarrow", "duckdb", "altair"]


RUN = "from pathshift.cli.main import main; main()"


@pytest.mark.parametrize(
    "code",
    [
        "import pathshift",
        f"sys.argv = ['pathshift', '--help']; {RUN}",
        f"sys.argv = ['pathshift', 'sample', '--help']; {RUN}",
        "import pathshift.records, pathshift.report, pathshift.lab, pathshift.store",
    ],
)
def test_cheap_imports_leave_the_heavy_libraries_alone(code: str) -> None:
    program = (
        "import atexit, json, sys\n"
        f"found = lambda: json.dumps([name for name in {HEAVY} if name in sys.modules])\n"
        "atexit.register(lambda: sys.stderr.write(found()))\n"
        f"{code}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_a_comparison_needs_neither_torch_nor_duckdb(tmp_path: Path) -> None:
    code = (
        "import pathshift, sys\n"
        "pathshift.compare([[4, 1]] * 9, [[4, 2]] * 9)\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment())


def test_public_names_are_sorted_and_all_there() -> None:
    assert pathshift.__all__ == sorted(pathshift.__all__)
    for name in pathshift.__all__:
        assert getattr(pathshift, name) is not None
    assert dir(pathshift) == pathshift.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pathshift.nothing


def test_typed_marker_and_example_data_are_packaged() -> None:
    root = Path(pathshift.__file__).parent
    assert (root / "py.typed").is_file()
    for name in ("base.jsonl", "tuned.jsonl", "LICENSE", "SOURCE.md"):
        assert (root / "examples" / "deepscaler32k" / name).is_file()

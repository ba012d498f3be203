"""Every Eval Ever's validator passes our two files. Runs in the tools' environment.

python check_every_eval_ever.py FOLDER     as make_exports.py made it
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from every_eval_ever.validator.validation_core import validate_file


def check_store(store: Path) -> int:
    """Both files of a data store, with the checks across files; how many rows they have."""
    paths = sorted(path.relative_to(store).as_posix() for path in store.rglob("*.json*"))
    assert len(paths) == 2, paths
    rows = 0
    for path in paths:
        report = validate_file(
            store / path,
            repo_path=path,
            available_files=paths,
            read_repo_file=lambda name: (store / name).read_text(encoding="utf-8"),
            run_semantic_checks=True,
        )
        assert report.valid, (path, report.errors)
        assert not report.warnings, (path, report.warnings)
        rows += report.line_count
    return rows


def check_numbers(folder: Path, aggregate: Path) -> None:
    """The aggregate states our pass@k."""
    wanted = json.loads((folder / "expected.json").read_bytes())["pass_at_k"]
    for result in json.loads(aggregate.read_bytes())["evaluation_results"]:
        k = result["metric_config"]["metric_parameters"]["k"]
        assert abs(result["score_details"]["score"] - wanted[str(k)]) < 1e-12, (folder, k)


def main() -> None:
    """All sources in the folder."""
    folder = Path(sys.argv[1])
    stores = sorted(folder.glob("*/store"))
    assert stores, folder
    rows = 0
    for store in stores:
        rows += check_store(store)
        (aggregate,) = store.rglob("*.json")
        check_numbers(store.parent, aggregate)
    sys.stdout.write(f"every-eval-ever: {len(stores)} pairs of files, {rows} rows, all valid\n")


if __name__ == "__main__":
    main()

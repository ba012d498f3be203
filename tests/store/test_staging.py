"""Shards put aside by workers: taken once, whole, from a folder or an fsspec address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathshift.errors import RunError, StorageError
from pathshift.store.staging import Staging

TABLE = pa.table({"sample_id": ["a#0", "a#1"], "text": ["x" * 5000, "y"]})


@pytest.fixture(params=["folder", "file://", "memory://", "local://"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "aside")
    elif request.param == "memory://":
        fsspec = pytest.importorskip("fsspec")
        yield "memory://aside"
        fsspec.filesystem("memory").store.clear()
    else:
        yield f"{request.param}{tmp_path}/aside"


def test_what_was_put_is_taken_once(tmp_path: Path, address: str) -> None:
    driver = Staging(address, "one")
    driver.open()
    worker = Staging(address, "one")  # as another process opens it
    worker.check_seen()
    name = worker.put(TABLE, "work-s")
    target = tmp_path / "run" / "samples" / "shard-1.parquet"
    driver.take(name, target)
    assert pq.read_table(target) == TABLE
    assert [p.name for p in target.parent.iterdir()] == ["shard-1.parquet"]
    with pytest.raises(StorageError):
        driver.take(name, target)
    assert pq.read_table(target) == TABLE


def test_two_drivers_do_not_meet(tmp_path: Path, address: str) -> None:
    first, second = Staging(address, "one"), Staging(address, "two")
    first.open()
    with pytest.raises(RunError, match="does not see"):
        second.check_seen()
    second.open()
    name = first.put(TABLE, "work")
    second.close()
    first.take(name, tmp_path / "x.parquet")
    first.close()
    with pytest.raises(RunError):
        first.check_seen()


def test_closing_what_was_never_opened_is_nothing(address: str) -> None:
    Staging(address, "one").close()


@pytest.mark.parametrize("address", ["nothing://x/y", "s3//no/scheme://"])
def test_an_address_of_no_store_is_one_line(address: str) -> None:
    with pytest.raises(StorageError) as caught:
        Staging(address, "one").open()
    assert "\n" not in str(caught.value)
    assert address in str(caught.value)


def test_a_name_never_leads_out_of_the_place(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        Staging(str(tmp_path), "one").take("../../etc/passwd", tmp_path / "x")

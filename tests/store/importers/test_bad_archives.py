"""Zip and YAML made to harm: torn, false, outside, too large, too deep, with objects in them."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.importers.refusals import Refuses, crash, written
from tests.store.importers.worlds import DATA, outcomes, read, world_words

from pathshift.errors import LogError
from pathshift.store.importers import archive, files
from pathshift.store.importers.archive import Archive

DEFLATED = "inspect-ai/base_deflate.eval"
ZSTD = "inspect-ai/base.eval"
MEMBER = "samples/add-1_epoch_1.json"
METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}

Change = Callable[[bytearray, int, int], None]
"""Of the archive's bytes, the place of the member's central record and of its local header."""


def repacked(method: int, extra: dict[str, str] | None = None) -> bytes:
    """The deflated log with its members packed otherwise, and further members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(DATA / DEFLATED) as old, zipfile.ZipFile(packed, "w", method) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        for name, content in (extra or {}).items():
            new.writestr(name, content)
    return packed.getvalue()


def patched(content: bytes, change: Change) -> bytes:
    """The archive after a change of the two headers of `MEMBER`."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        header = opened.getinfo(MEMBER).header_offset
        place = content.index(b"PK\x01\x02", opened.start_dir)
    while content[place + 46 : place + 46 + len(MEMBER)] != MEMBER.encode():
        place += 46 + sum(struct.unpack("<HHH", content[place + 28 : place + 34]))
    changed = bytearray(content)
    change(changed, place, header)
    return bytes(changed)


def checksum(content: bytearray, record: int, header: int) -> None:
    content[record + 16] ^= 255
    content[header + 14] ^= 255


def method_99(content: bytearray, record: int, header: int) -> None:
    content[record + 10 : record + 12] = struct.pack("<H", 99)
    content[header + 8 : header + 10] = struct.pack("<H", 99)


def encrypted(content: bytearray, record: int, header: int) -> None:
    content[record + 8] |= 1
    content[header + 6] |= 1


def body(content: bytearray, record: int, header: int) -> None:
    start = header + 30 + len(MEMBER) + 20
    content[start : start + 20] = bytes(byte ^ 0xA5 for byte in content[start : start + 20])


def declared_larger(content: bytearray, record: int, header: int) -> None:
    content[record + 24 : record + 28] = struct.pack("<I", archive.MAX_MEMBER_BYTES + 1)


def declared_smaller(content: bytearray, record: int, header: int) -> None:
    content[record + 24 : record + 28] = struct.pack("<I", 10)


def elsewhere(content: bytearray, record: int, header: int) -> None:
    content[record + 42 : record + 46] = struct.pack("<I", 7)


CHANGES: dict[str, tuple[Change, str]] = {
    "checksum": (checksum, "damaged"),
    "method": (method_99, "packed in a way that is not known here"),
    "encrypted": (encrypted, "encrypted|packed in a way|damaged"),
    "body": (body, "damaged"),
    "larger": (declared_larger, "more than 2000000000 bytes"),
    "smaller": (declared_smaller, "damaged"),
    "elsewhere": (elsewhere, "damaged"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CHANGES)
def test_a_false_member_is_named(tmp_path: Path, refuses: Refuses, method: str, name: str) -> None:
    change, says = CHANGES[name]
    if method in ("bzip2", "lzma"):
        says += "|packed in a way that is not known here"
    path = written(tmp_path / "x.eval", patched(repacked(METHODS[method]), change))
    refuses(path, says=rf"x\.eval, member '.*': .*({says})")


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"encrypted"}))
def test_a_false_zstandard_member_is_named(tmp_path: Path, refuses: Refuses, name: str) -> None:
    change, says = CHANGES[name]
    path = written(tmp_path / "x.eval", patched((DATA / ZSTD).read_bytes(), change))
    refuses(path, says=rf"x\.eval, member '{MEMBER}': .*({says})")


@pytest.mark.parametrize("method", ["stored", "deflated"])
def test_an_archive_packed_anew_holds_the_same(tmp_path: Path, method: str) -> None:
    path = written(tmp_path / "x.eval", repacked(METHODS[method]))
    assert outcomes(read(path)) == world_words("base")


@pytest.mark.parametrize("source", [DEFLATED, ZSTD])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_part_of_an_archive_is_no_archive(
    tmp_path: Path, refuses: Refuses, source: str, share: float
) -> None:
    content = (DATA / source).read_bytes()
    path = written(tmp_path / "x.eval", content[: int(len(content) * share)])
    refuses(path, says="not a whole zip file .* if the copy was cut, copy it again")


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "samples/../../../x.json", "..\\x", "\\x", "a/..", "C:/x"]
)
def test_a_member_that_points_outside_is_refused(
    tmp_path: Path, refuses: Refuses, name: str
) -> None:
    path = written(tmp_path / "x.eval", repacked(zipfile.ZIP_DEFLATED, {name: "{}"}))
    refuses(path, says="points outside of the archive")


@pytest.mark.parametrize("source", [DEFLATED, ZSTD])
def test_a_member_is_not_unpacked_beyond_the_limit(
    tmp_path: Path, refuses: Refuses, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    with Archive(DATA / source) as opened:
        monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", opened.size(MEMBER) - 1)
    refuses(DATA / source, says="member '.*': more than [0-9]+ bytes")


def test_a_bomb_ends_at_its_declared_size(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr(MEMBER, b"0" * 50_000_000)
    path = written(tmp_path / "x.eval", patched(packed.getvalue(), declared_smaller))
    tracemalloc.start()
    with Archive(path) as opened, pytest.raises(LogError, match="damaged"):
        opened.read(MEMBER)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_an_archive_of_something_else_is_no_inspect_log(tmp_path: Path, refuses: Refuses) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as new:
        new.writestr("samples/a.json", "{}")
    refuses(
        written(tmp_path / "x.eval", packed.getvalue()),
        says=r"neither header\.json nor _journal/start\.json; not an Inspect log",
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("header.json", "{", "member 'header.json': not valid JSON"),
        ("header.json", "[]", "member 'header.json': not a JSON object"),
        ("header.json", "{}", "its header has no 'eval'"),
        ("samples/z_epoch_1.json", "{", "member 'samples/z_epoch_1.json': not valid JSON"),
        ("samples/z_epoch_1.json", "[]", "member 'samples/z_epoch_1.json': not a JSON object"),
        ("samples/z_epoch_1.json", "{}", "member 'samples/z_epoch_1.json': epoch=None"),
        ("samples/z.json", '{"epoch": 0}', "epochs are counted from 1"),
        ("samples/z.json", "[" * 200_000, "member 'samples/z.json': not valid JSON"),
    ],
)
def test_a_member_that_is_no_sample_is_named(
    tmp_path: Path, refuses: Refuses, name: str, content: str, says: str
) -> None:
    with zipfile.ZipFile(DATA / DEFLATED) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    members[name] = content.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as new:
        for member, data in members.items():
            new.writestr(member, data)
    refuses(written(tmp_path / "x.eval", packed.getvalue()), says=says)


# YAML

HEAD = "gt_answer: '1'\nis_corrects: [true]\nsamples: [a]\n"


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.mkdir ['{made}']",
        "!!python/object/new:os.mkdir ['{made}']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object:pathlib.Path {{}}",
    ],
)
def test_yaml_makes_no_objects(tmp_path: Path, refuses: Refuses, value: str) -> None:
    made = tmp_path / "made"
    path = written(tmp_path / "logs/1.yaml", f"{HEAD}question: {value.format(made=made)}\n")
    refuses(path, says="not YAML of plain values")
    assert not made.exists()


BROKEN: dict[str, bytes | str] = {
    "torn": HEAD + "question: 'torn\n",
    "letters": HEAD.encode() + b"question: \xff\xfe\n",
    "deep": HEAD + "question: " + "[" * 5_000 + "]" * 5_000 + "\n",
    "list in itself": HEAD + "question: &a [*a]\n",
    "list in itself twice": HEAD + "question: &a [*a, *a]\n",
    "mapping in itself": HEAD + "question: &a {b: *a}\n",
    "unknown alias": HEAD + "question: *nobody\n",
    "no list of samples": HEAD.replace("[a]", "a"),
    "more verdicts than samples": HEAD.replace("[true]", "[true, false]"),
    "no list of verdicts": HEAD.replace("[true]", "yes"),
    "no verdict": HEAD.replace("[true]", "[perhaps]"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_yaml_that_breaks_a_rule_is_named(tmp_path: Path, refuses: Refuses, name: str) -> None:
    refuses(written(tmp_path / "1.yaml", BROKEN[name]), says=r"1\.yaml[,:] ")


@pytest.mark.parametrize(
    "value", ["{1: a, b: 2}", "{null: 1, b: 2}", "2020-01-01", "!!binary aGk="]
)
def test_yaml_values_of_any_kind_are_read_or_named(tmp_path: Path, value: str) -> None:
    assert crash(written(tmp_path / "1.yaml", f"{HEAD}question: {value}\n")) == ""


def bomb(levels: int) -> str:
    """Lists of lists, each ten times the one before."""
    lists = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, levels + 1)]
    return f"{HEAD}a0: &a0 lol\n{''.join(lists)}question: *a{levels}\n"


def test_yaml_aliases_are_not_unfolded_into_millions(tmp_path: Path, refuses: Refuses) -> None:
    # Six levels are 600 bytes here and 7 MB unfolded; nine would fill the memory of any machine.
    path = written(tmp_path / "1.yaml", bomb(6))
    assert path.stat().st_size < 700
    tracemalloc.start()
    refuses(path, says=r"1\.yaml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_files_that_are_read_whole_have_a_limit(
    tmp_path: Path, refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 100)
    monkeypatch.setattr(files, "MAX_YAML_BYTES", 100)
    refuses(DATA / "inspect-ai/base.json", says="larger than 100 bytes and has to be read whole")
    refuses(DATA / "llmonkeys/base", says="larger than 100 bytes and has to be read whole")

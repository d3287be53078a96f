"""Archives as sources: members in order, hostile ones with their reason, nothing written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragstone.config import LimitSettings
from ragstone.errors import EncryptedInput, LimitExceeded, MalformedInput, Rejected
from ragstone.ingestion import archives
from ragstone.ingestion.candidates import load
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.sources import open_source
from ragstone.schemas.records import Raw, RowColumns

Files = dict[str, bytes]
FILES: Files = {"b/2.txt": b"two", "a.txt": b"one", "b/1.txt": b"1", "b.md": b"# B"}
MIB = 2**20


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(files: Files) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


PACKERS: dict[str, Callable[[Files], bytes]] = {
    "x.zip": zipped,
    "x.tar": tarred,
    "x.tar.gz": lambda files: gzip.compress(tarred(files)),
    "x.TGZ": lambda files: gzip.compress(tarred(files)),
    "x.tar.bz2": lambda files: bz2.compress(tarred(files)),
    "x.tar.xz": lambda files: lzma.compress(tarred(files)),
}


def raws(
    where: Path, options: SourceOptions | RowColumns | None = None, **limits: float
) -> list[Raw]:
    return list(open_source(where, options, limits=LimitSettings(**limits)).raws())


def saved(tmp_path: Path, content: bytes, name: str = "x.zip") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def problems(found: list[Raw]) -> dict[str, str]:
    return {raw.name: str(raw.problem) for raw in found if raw.problem}


@pytest.mark.parametrize("name", PACKERS)
def test_members_are_objects_in_sorted_order(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, PACKERS[name](FILES), name)
    found = raws(path)
    assert [raw.name for raw in found] == [
        f"{name}/{member}" for member in ("a.txt", "b/1.txt", "b/2.txt", "b.md")
    ]
    assert found[1] == Raw(f"{path}!b/1.txt", f"{name}/b/1.txt", content=b"1")
    assert raws(tmp_path) == found  # the same when it is met in a folder


def test_archives_among_other_files(tmp_path: Path) -> None:
    saved(tmp_path, zipped({"m.txt": b"m"}), "b.zip")
    saved(tmp_path, b"a", "a.txt")
    saved(tmp_path, b"c", "c.txt")
    assert [raw.name for raw in raws(tmp_path)] == ["a.txt", "b.zip/m.txt", "c.txt"]
    assert open_source(tmp_path).total is None
    whole = raws(tmp_path, SourceOptions(archives=False))
    assert [raw.name for raw in whole] == ["a.txt", "b.zip", "c.txt"]
    assert whole[1].path == tmp_path / "b.zip"


def test_globs_and_hidden_members(tmp_path: Path) -> None:
    files = {"t/a.txt": b"1", "t/b.jpg": b"2", ".git/x.txt": b"3", "__MACOSX/t/._a.txt": b"4"}
    path = saved(tmp_path, zipped(files))
    assert [raw.name for raw in raws(path)] == ["x.zip/t/a.txt", "x.zip/t/b.jpg"]
    assert [r.name for r in raws(path, SourceOptions(include=("t/*.txt",)))] == ["x.zip/t/a.txt"]
    for where in ("*.txt", "x.zip/t/*.txt", "**/*.txt"):
        assert [r.name for r in raws(tmp_path, SourceOptions(include=(where,)))] == [
            "x.zip/t/a.txt"
        ]
    assert len(raws(tmp_path, SourceOptions(include=("*.zip",)))) == 2
    assert [r.name for r in raws(tmp_path, SourceOptions(exclude=("*.jpg",)))] == ["x.zip/t/a.txt"]
    assert raws(tmp_path, SourceOptions(exclude=("x.zip",))) == []
    assert len(raws(path, SourceOptions(hidden=True))) == 4


def test_tables_in_archives_are_read_by_rows(tmp_path: Path) -> None:
    rows = b'{"id": "a", "t": "One"}\n{"id": "b", "t": "Two"}\n'
    path = saved(tmp_path, zipped({"d/r.jsonl": rows, "d/q.csv": b"x,y\n1,2\n"}))
    found = raws(path, RowColumns(("t",), "id"))
    assert [raw.name for raw in found] == ["x.zip/d/q.csv", "a", "b"]
    assert found[1].source == f"{path}!d/r.jsonl#a"
    assert found[1].content == b'{"id": "a", "t": "One"}'


def test_archives_in_archives_down_to_the_third(tmp_path: Path) -> None:
    deep = zipped({"4.txt": b"deep"})
    third = zipped({"3.txt": b"3", "d.zip": deep})
    second = gzip.compress(tarred({"2.txt": b"2", "c.zip": third}))
    path = saved(tmp_path, zipped({"1.txt": b"1", "b.tgz": second}))
    found = raws(path)
    assert [raw.name for raw in found] == [
        "x.zip/1.txt",
        "x.zip/b.tgz/2.txt",
        "x.zip/b.tgz/c.zip/3.txt",
        "x.zip/b.tgz/c.zip/d.zip",
    ]
    assert found[2].source == f"{path}!b.tgz!c.zip!3.txt"
    assert isinstance(found[3].problem, LimitExceeded)
    assert "depth" in str(found[3].problem)


UNSAFE = ["/etc/passwd", "../up.txt", "a/../../up.txt", "C:/x.txt", "C:\\x.txt", "..\\up.txt"]


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_names_that_lead_out_become_problems(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, PACKERS[name]({**{n: b"x" for n in UNSAFE}, "fine\\a.txt": b"a"}), name)
    found = raws(path)
    before = {p.name for p in tmp_path.iterdir()}
    good = [raw for raw in found if raw.problem is None]
    assert [(raw.name, raw.content) for raw in good] == [(f"{name}/fine/a.txt", b"a")]
    assert len(found) == len(UNSAFE) + 1
    assert all("leads out of it" in text for text in problems(found).values())
    assert {p.name for p in tmp_path.iterdir()} == before == {name}
    with pytest.raises(MalformedInput):
        load(next(raw for raw in found if raw.problem), LimitSettings())


def test_links_and_devices_become_problems(tmp_path: Path) -> None:
    target = io.BytesIO()
    kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "dev": tarfile.CHRTYPE}
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, kind in {**kinds, "pipe": tarfile.FIFOTYPE, "dir": tarfile.DIRTYPE}.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = problems(raws(saved(tmp_path, target.getvalue(), "x.tar")))
    assert set(found) == {"x.tar/sym", "x.tar/hard", "x.tar/dev", "x.tar/pipe"}
    assert "A link in an archive" in found["x.tar/sym"]
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as written:
        written.writestr(link, "/etc/passwd")
    assert "A link" in problems(raws(tmp_path / "y.zip"))["y.zip/link"]


def test_equal_names_stay_apart(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.txt", "1")
        archive.writestr("./a.txt", "2")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.txt", "3")
    path = saved(tmp_path, target.getvalue())
    found = raws(path)
    assert [raw.source for raw in found] == [f"{path}!a.txt{n}" for n in ("", "~2", "~3")]
    assert [raw.content for raw in found] == [b"1", b"2", b"3"]


def test_an_encrypted_member_is_refused_alone(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.txt": b"open", "b.txt": b"locked"}))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rfind(header) + flags] |= 1
    one, two = raws(saved(tmp_path, bytes(content)))
    assert one.content == b"open"
    assert isinstance(two.problem, EncryptedInput)


def test_a_damaged_member_is_refused_alone(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.txt": b"first", "b.txt": b"second"}, zipfile.ZIP_STORED))
    content[content.find(b"second")] ^= 1
    one, two = raws(saved(tmp_path, bytes(content)))
    assert one.content == b"first"
    assert "CRC" in str(two.problem)


def test_what_is_no_archive_says_so(tmp_path: Path) -> None:
    for name in PACKERS:
        (found,) = raws(saved(tmp_path, b"This is text.", name))
        assert isinstance(found.problem, MalformedInput), name
        assert found.name == name
        (tmp_path / name).unlink()
    assert "holds no files" in str(raws(saved(tmp_path, zipped({})))[0].problem)
    os.mkfifo(tmp_path / "pipe.zip")
    assert raws(tmp_path / "pipe.zip")[0].path == tmp_path / "pipe.zip"


def test_a_cut_off_tar_gives_what_comes_before(tmp_path: Path) -> None:
    members = {f"{n}.bin": os.urandom(40_000) for n in range(9)}
    packed = gzip.compress(tarred(members))
    found = raws(saved(tmp_path, packed[: len(packed) // 2], "x.tar.gz"))
    whole = [raw for raw in found if raw.problem is None]
    assert 2 <= len(whole) <= 5
    assert all(raw.content == members[raw.name.removeprefix("x.tar.gz/")] for raw in whole)
    assert found[-1].name == "x.tar.gz"
    assert isinstance(found[-1].problem, MalformedInput)


def test_an_office_file_is_no_archive_whatever_its_name(tmp_path: Path) -> None:
    from docx import Document

    document = Document()
    document.add_paragraph("Granite is hard.")
    document.save(str(tmp_path / "a.docx"))
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.docx").read_bytes())
    found = raws(tmp_path)
    assert [(raw.name, raw.path) for raw in found] == [
        ("a.docx", tmp_path / "a.docx"),
        ("b.zip", tmp_path / "b.zip"),
    ]
    content = load(found[1], LimitSettings())
    assert "Granite" in parse(found[1], content, LimitSettings()).text


def test_large_members_are_refused_alone(tmp_path: Path) -> None:
    for name in ("x.zip", "x.tar"):
        path = saved(tmp_path, PACKERS[name]({"a.bin": b"a" * 2_000, "b.txt": b"b"}), name)
        one, two = raws(path, bytes=1_000)
        assert isinstance(one.problem, LimitExceeded)
        assert two.content == b"b"


def test_a_member_that_unpacks_to_far_too_much_is_refused_alone(tmp_path: Path) -> None:
    path = saved(tmp_path, zipped({"a.bin": bytes(20 * MIB), "b.txt": b"b"}))
    one, two = raws(path)
    assert isinstance(one.problem, LimitExceeded)
    assert "limits.ratio" in one.problem.hint
    assert two.content == b"b"


def test_many_small_bombs_end_the_archive(tmp_path: Path) -> None:
    bombs = {f"{n:02}.bin": bytes(8 * MIB) for n in range(6)}
    found = raws(saved(tmp_path, zipped(bombs)))
    assert [raw.name for raw in found if raw.problem] == ["x.zip"]
    assert len(found) < len(bombs)
    nested = zipped({"in.zip": zipped(bombs), "z.txt": b"z"})
    assert [raw.name for raw in raws(saved(tmp_path, nested)) if raw.problem] == ["x.zip"]
    packed = gzip.compress(tarred(bombs))
    found = raws(saved(tmp_path, packed, "y.tar.gz"))
    assert [raw.name for raw in found] == ["y.tar.gz"]
    assert isinstance(found[0].problem, LimitExceeded)


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    content = zipped({"a.bin": os.urandom(5_000)}, zipfile.ZIP_STORED)
    start, end = content.find(b"PK\x01\x02"), content.find(b"PK\x05\x06")
    entry = content[start:end]
    tail = bytearray(content[end:])
    tail[8:12] = (20).to_bytes(2, "little") * 2
    tail[12:16] = (20 * len(entry)).to_bytes(4, "little")
    (found,) = raws(saved(tmp_path, content[:start] + entry * 20 + bytes(tail)))
    assert "overlap" in str(found.problem)


def test_bzip2_members_that_no_bound_holds_are_refused(tmp_path: Path) -> None:
    (found,) = raws(saved(tmp_path, zipped({"a.txt": b"a" * 999}, zipfile.ZIP_BZIP2)))
    assert "bzip2" in str(found.problem)


def test_a_tar_header_that_leads_backwards_ends_it(tmp_path: Path) -> None:
    content = bytearray(tarred({"a.txt": b"a", "b.txt": b"b"}))
    header = bytearray(content[1024:1536])
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"  # a size of -1024
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content[1024:1536] = header
    found = raws(saved(tmp_path, bytes(content), "x.tar"))
    assert [raw.name for raw in found] == ["x.tar/a.txt", "x.tar"]
    assert "backwards" in str(found[1].problem)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragstone.ingestion.archive_formats.MAX_MEMBERS", 3)
    for name in ("x.zip", "x.tar"):
        (found,) = raws(saved(tmp_path, PACKERS[name](FILES), name))
        assert "number of packed files" in str(found.problem)


def test_the_unpacked_size_of_an_archive_has_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 25_000)
    members = {f"{n}.bin": os.urandom(10_000) for n in range(4)}
    found = raws(saved(tmp_path, zipped(members)))
    assert [raw.name for raw in found] == ["x.zip/0.bin", "x.zip/1.bin", "x.zip"]
    assert isinstance(found[-1].problem, LimitExceeded)


@cache  # what is packed holds the time
def packed(name: str) -> bytes:
    """FILES, and an archive of them, in an archive; the same bytes whenever it is asked for."""
    return PACKERS[name]({**FILES, "in.zip": zipped(FILES)})


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_damage_stops_the_reading(tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(packed(name))
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[at] = value
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        found = raws(saved(tmp_path, damaged, name))
        assert found
        assert all((raw.content is None) == isinstance(raw.problem, Rejected) for raw in found)
        assert len({raw.source for raw in found}) == len(found)


def test_a_member_whose_name_is_cut_to_nothing(tmp_path: Path) -> None:
    nameless = zipped(FILES).replace(b"a.txt", b"\0.txt")  # `zipfile` ends a name at a zero
    found = raws(saved(tmp_path, nameless))
    assert len(found) == len(FILES)
    (problem,) = problems(found).values()
    assert "leads out of it" in problem


def test_twelve_thousand_images_of_a_real_archive(data: Path) -> None:
    folder = data / "cifar10_subset"
    options = SourceOptions(captions=str(folder / "labels.csv"))
    found = raws(folder / "images.zip", options)
    assert len(found) == 12_000
    assert not any(raw.problem for raw in found)
    assert found[0].name == "images.zip/test/airplane/0000.jpg"
    assert found[0].metadata == {"label": "airplane", "split": "test"}
    assert all(raw.metadata["label"] in raw.name for raw in found)

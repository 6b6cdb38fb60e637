"""The index of a tar: what is read from it, and what a hostile one cannot do."""

import io
import tarfile
from pathlib import Path

import pytest

from instar.core.errors import UserError
from instar.core.listing import Why
from instar.core.packed.tar import TarMember, rows_in


def write(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                file.addfile(info, io.BytesIO(member[1]))
    return path


def special(name: str, kind: bytes, to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def test_members_of_one_name_are_a_sample(tmp_path: Path) -> None:
    shard = write(
        tmp_path / "s.tar",
        ("./x/0001.a.jpg", b"first"),
        ("x/0001.B.png", b"second"),
        ("x/0001.cls", b"7\n"),
        ("0002.jpg", b"third"),
        ("0002.json", b'{"domain": "horse", "split": "test", "label": null}'),
        ("0002.txt", b"a horse"),
    )
    found = rows_in(shard)
    assert found.columns == ["a", "B", "image"]
    one, other = found.rows
    assert {name: file.read_bytes() for name, file in one.images.items()} == {"a": b"first", "B": b"second"}
    assert (one.key, one.label, one.split, one.domain) == ("x/0001", "7", "", "")
    assert (other.key, other.label, other.split, other.domain) == ("0002", None, "test", "horse")
    assert [(one.path.name, one.why) for one in found.left_out] == [("0002.txt", Why.OTHER)]
    assert str(one.images["a"]) == f"{shard}/x/0001.a.jpg"


def test_the_last_of_one_name_counts_as_when_it_is_unpacked(tmp_path: Path) -> None:
    (row,) = rows_in(write(tmp_path / "s.tar", ("1.png", b"old"), ("1.png", b"new"))).rows
    assert row.images["image"].read_bytes() == b"new"


def test_links_devices_and_names_that_lead_out_are_left_out(tmp_path: Path) -> None:
    shard = write(
        tmp_path / "s.tar",
        ("good.png", b"x"),
        ("../out.png", b"x"),
        ("/etc/out.png", b"x"),
        ("a\\..\\b.png", b"x"),
        ("._good.png", b"x"),
        special("link.png", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.png", tarfile.LNKTYPE, "good.png"),
        special("pipe.png", tarfile.FIFOTYPE),
        special("folder.png", tarfile.DIRTYPE),
    )
    found = rows_in(shard)
    assert [row.key for row in found.rows] == ["good"]
    why = [one.why for one in found.left_out]
    assert why == [Why.ASTRAY] * 3 + [Why.SYSTEM] + [Why.SPECIAL] * 3
    assert [one.fault for one in found.left_out] == [True] * 3 + [False] + [True] * 3
    assert not (tmp_path.parent / "out.png").exists()


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_compressed_ones_are_refused(tmp_path: Path, mode: str) -> None:
    with tarfile.open(tmp_path / "s.tar", mode):  # type: ignore[call-overload]
        pass
    with pytest.raises(UserError, match=r"s\.tar: no tar file that can be read: it is compressed"):
        rows_in(tmp_path / "s.tar")


def test_broken_ones_are_one_line(tmp_path: Path) -> None:
    shard = write(tmp_path / "s.tar", ("1.png", b"x" * 5000), ("1.json", b"{"), ("2.png", b"x" * 5000))
    with pytest.raises(UserError, match=r"s\.tar/1\.json: cannot be read") as error:
        rows_in(shard)
    assert "\n" not in str(error.value)
    for length in (100, 700, 3000, 12000):
        (tmp_path / "cut.tar").write_bytes(shard.read_bytes()[:length])
        with pytest.raises(UserError, match=r"cut\.tar"):
            rows_in(tmp_path / "cut.tar")
    (tmp_path / "text.tar").write_text("hello " * 500)
    with pytest.raises(UserError, match=r"text\.tar: no tar"):
        rows_in(tmp_path / "text.tar")


def test_a_shard_that_has_become_shorter_since(tmp_path: Path) -> None:
    member = TarMember(write(tmp_path / "s.tar", ("1.png", b"x" * 5000)), "1.png", 512, 50_000)
    with pytest.raises(OSError, match="ends within it"):
        member.open()


def test_a_shard_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    shard = tmp_path / "s.tar"
    assert len(rows_in(write(shard, ("1.png", b"x"))).rows) == 1
    assert len(rows_in(write(shard, ("1.png", b"x"), ("2.png", b"x" * 20_000))).rows) == 2

import base64
import json
import os
import shutil
import sys
import time
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from instar.core.errors import UserError
from instar.core.events import Worked
from instar.core.formats import DomainFormat
from instar.core.listing import list_images
from instar.data import ImageRef
from instar.data import decoding as decoding_module
from instar.data.decoding import Decoding, fitted
from instar.data.store import ImageStore, open_stores


def decoding(short_side: int, channels: int, sides: int = 1, **options: Any) -> Decoding:
    return Decoding(short_side, (DomainFormat(channels=channels),) * sides, **options)


SMALL = decoding(12, 3)


def refs(root: Path) -> list[ImageRef]:
    return [ImageRef(path) for path in list_images(root, recursive=True)]


def opened(files: list[ImageRef], how: Decoding) -> ImageStore:
    (store,) = open_stores([(ref,) for ref in files], how)
    return store


def open_counting(monkeypatch: pytest.MonkeyPatch, *args, **kwargs) -> tuple[ImageStore, int]:
    """Open a store and count how many images are decoded for it."""
    calls = []
    real = decoding_module.decode
    with monkeypatch.context() as patch:
        patch.setattr(decoding_module, "decode", lambda *a: calls.append(a) or real(*a))
        store = opened(*args, **kwargs)
    return store, len(calls)


def test_images_are_resized_to_the_short_side(make) -> None:
    root = make("1.png", size=(24, 40))
    make("2.png", size=(6, 6))
    store = opened(refs(root), SMALL)
    assert [store[i].shape for i in range(len(store))] == [(20, 12, 3), (12, 12, 3)]
    expected = Image.open(root / "1.png").resize((12, 20), Image.Resampling.BICUBIC)
    assert np.array_equal(store[0], np.asarray(expected))
    assert store[0].dtype == np.uint8
    assert not store[0].flags.owndata
    assert not store[0].flags.writeable
    assert store.names == [str(root / "1.png"), str(root / "2.png")]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 600))
def test_the_short_side_is_met_and_the_shape_kept(height: int, width: int, short_side: int) -> None:
    found = fitted(height, width, short_side)
    assert min(found) == short_side
    scale = short_side / min(height, width)
    assert all(abs(new - old * scale) <= 0.5 for new, old in zip(found, (height, width), strict=True))
    assert (found[0] <= found[1]) == (height <= width) or found[0] == found[1]


def test_what_is_decoded_is_told(make) -> None:
    files = refs(make("1.png", "2.png", "3.png"))
    rows, events = [(ref,) for ref in files], []
    open_stores(rows, SMALL, events.append)
    assert events == [Worked("decoding images", done, 3) for done in range(4)]
    open_stores(rows, SMALL, events.append)
    assert len(events) == 4  # nothing is decoded again


def test_second_opening_decodes_nothing(make, monkeypatch: pytest.MonkeyPatch) -> None:
    files = refs(make("1.png", "2.png"))
    first, decoded = open_counting(monkeypatch, files, SMALL)
    second, again = open_counting(monkeypatch, files, SMALL)
    assert (decoded, again) == (2, 0)
    assert all(np.array_equal(first[i], second[i]) for i in range(2))
    assert open_counting(monkeypatch, files, decoding(12, 1))[1] == 2


def test_a_changed_file_makes_a_new_cache(make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make("1.png", "2.png")
    before = opened(refs(root), SMALL)
    make("1.png")
    os.utime(root / "1.png", ns=(1, 1))
    after, decoded = open_counting(monkeypatch, refs(root), SMALL)
    assert decoded == 2
    assert not np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])


def test_mixed_depths_become_16_bit(make) -> None:
    root = make("1.png")
    wide = np.arange(12 * 12, dtype=np.uint16).reshape(12, 12) * 400
    Image.fromarray(wide).save(root / "2.png")
    store = opened(refs(root), SMALL)
    assert store[0].dtype == store[1].dtype == np.uint16
    assert np.array_equal(store[1][:, :, 2], wide)
    assert store[0].max() > 256 * 200
    assert (store[0] % 257 == 0).all()


def test_label_maps_keep_their_colours(make) -> None:
    root = make("1.png")
    label = Image.open(root / "1.png").quantize(5)
    label.save(root / "1.png")
    store = opened(refs(root), SMALL)
    colours = {tuple(c) for c in np.asarray(label.convert("RGB")).reshape(-1, 3)}
    assert {tuple(c) for c in store[0].reshape(-1, 3)} <= colours


def test_pairs_get_one_size_and_lose_bad_halves(make) -> None:
    root = make("A/1.png", "A/2.png", "A/3.png", size=(30, 20))
    make("B/1.png", "B/3.png", size=(77, 50))
    (root / "B/2.png").write_bytes(b"nothing")
    a, b = open_stores(
        list(zip(refs(root / "A"), refs(root / "B"), strict=True)), decoding(12, 3, sides=2, max_bad=0.5)
    )
    assert [Path(name).name for name in a.names] == [Path(name).name for name in b.names] == ["1.png", "3.png"]
    assert [a[i].shape for i in range(2)] == [b[i].shape for i in range(2)] == [(12, 18, 3)] * 2
    assert a.bad == b.bad == [(root / "B/2.png", "not an image")]


def test_rows_of_three(make) -> None:
    root = make("A/1.png", "A/2.png", "C/1.png", "C/2.png", size=(30, 20))
    make("B/1.png", "B/2.png", size=(20, 20))
    (root / "C/2.png").write_bytes(b"")
    rows = list(zip(*(refs(root / side) for side in "ABC"), strict=True))
    stores = open_stores(rows, decoding(12, 3, sides=3, max_bad=0.5))
    assert [store[0].shape for store in stores] == [(12, 18, 3)] * 3
    assert [len(store) for store in stores] == [1, 1, 1]
    assert len({store.cached_bytes for store in stores}) == 1


def test_too_many_bad_files(make) -> None:
    root = make("1.png", "2.png", "3.png")
    (root / "2.png").write_bytes(b"")
    for _ in range(2):  # the second time from the cache
        with pytest.raises(UserError, match=r"1 of 3 images cannot be read.*2\.png: the file is empty"):
            opened(refs(root), SMALL)
    store = opened(refs(root), decoding(12, 3, max_bad=0.4))
    assert [Path(name).name for name in store.names] == ["1.png", "3.png"]
    for name in ("1.png", "3.png"):
        (root / name).write_bytes(b"")
    with pytest.raises(UserError, match="3 of 3"):
        opened(refs(root), decoding(12, 3, max_bad=1))


def test_what_a_killed_writer_left_is_ignored_and_removed(make, own_cache: Path, monkeypatch) -> None:
    files = refs(make("1.png"))
    real = opened(files, SMALL)
    (cache,) = own_cache.iterdir()
    killed = cache.rename(own_cache / f".part-{cache.name}-1")
    again, decoded = open_counting(monkeypatch, files, SMALL)
    assert decoded == 1
    assert np.array_equal(real[0], again[0])
    assert killed.exists()  # it may still be at work
    os.utime(killed, (time.time() - 90_000,) * 2)
    open_counting(monkeypatch, files, decoding(13, 3))
    assert not killed.exists()


@pytest.mark.parametrize("damage", ["pixels.bin", "index.json"])
def test_a_damaged_cache_is_made_anew(make, own_cache: Path, monkeypatch, damage: str) -> None:
    files = refs(make("1.png"))
    opened(files, SMALL)
    path = next(own_cache.iterdir()) / damage
    path.write_bytes(path.read_bytes()[:9])
    assert open_counting(monkeypatch, files, SMALL)[1] == 1
    assert open_counting(monkeypatch, files, SMALL)[1] == 0


def test_an_interrupted_build_leaves_nothing(make, own_cache: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding_module, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened(refs(make("1.png")), SMALL)
    assert list(own_cache.iterdir()) == []


def test_a_faster_process_wins(make, own_cache: Path, monkeypatch) -> None:
    files = refs(make("1.png"))
    first = opened(files, SMALL)
    (cache,) = own_cache.iterdir()
    inode = (cache / "pixels.bin").stat().st_ino
    answers = iter([None])  # the first look finds nothing, as if the other process were not ready yet
    real = decoding_module.cache.load
    monkeypatch.setattr(decoding_module.cache, "load", lambda name: next(answers, real(name)))
    second = opened(files, SMALL)
    assert (cache / "pixels.bin").stat().st_ino == inode
    assert list(own_cache.iterdir()) == [cache]
    assert second.notes == []
    assert np.array_equal(first[0], second[0])


def test_least_recently_used_caches_go_first(make, own_cache: Path, monkeypatch) -> None:
    size = 12 * 15 * 3
    small = decoding(12, 3, cache_gb=(2 * size + 1200) / 1e9)  # two, with their indexes
    a, b, c = ([ref] for ref in refs(make("1.png", "2.png", "3.png")))
    opened(a, small)
    opened(b, small)
    for i, folder in enumerate(sorted(own_cache.iterdir(), key=lambda f: f.stat().st_mtime_ns)):
        os.utime(folder, (1000 + i, 1000 + i))
    assert open_counting(monkeypatch, a, small)[1] == 0  # now b is the oldest
    opened(c, small)
    assert open_counting(monkeypatch, a, small)[1] == 0
    assert open_counting(monkeypatch, c, small)[1] == 0
    assert open_counting(monkeypatch, b, small)[1] == 1


def test_too_large_for_the_cache(make, own_cache: Path, monkeypatch) -> None:
    root = make("1.png", "2.png")
    (root / "0.png").write_bytes(b"")
    Image.fromarray(np.full((15, 15), 50000, np.uint16)).save(root / "3.png")
    cached = opened(refs(root), decoding(12, 3, max_bad=0.5))
    for folder in own_cache.iterdir():
        folder.rename(own_cache / ".part-gone")
    tight = decoding(12, 3, max_bad=0.5, cache_gb=1e-7)
    direct = opened(refs(root), tight)
    assert "data.cache_gb=1e-07" in direct.notes[0]
    assert "decoded each time" in direct.notes[0]
    assert (direct.cached_bytes, cached.notes) == (0, [])
    assert direct.names == cached.names
    assert all(np.array_equal(direct[i], cached[i]) for i in range(3))
    assert direct[0].dtype == cached[0].dtype
    again, decoded = open_counting(monkeypatch, refs(root), tight)
    assert decoded == 0  # which files are good is remembered
    assert (again.notes, again.bad) == (direct.notes, cached.bad)
    assert open_counting(monkeypatch, refs(root), decoding(12, 3, max_bad=0.5))[1] == 4
    taken = decoding(13, 3, max_bad=0.5, taken=8 * 10**9)
    assert opened(refs(root), taken).cached_bytes == 0


def test_a_cache_that_cannot_be_written(make, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("INSTAR_CACHE", str(tmp_path / "file/cache"))
    root = make("1.png")
    store = opened(refs(root), SMALL)
    assert "cannot be kept" in store.notes[0]
    assert store[0].shape == (12, 15, 3)


def test_a_disk_that_fills_up(make, own_cache: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dumps", full)
    monkeypatch.setattr(decoding_module.cache, "key", lambda *_: "key")
    store = opened(refs(make("1.png")), SMALL)
    assert "No space left on device" in store.notes[0]
    assert store[0].shape == (12, 15, 3)
    assert list(own_cache.iterdir()) == []


def test_a_thin_strip_is_left_out_and_the_others_are_cached(make) -> None:
    root = make("1.png", "2.png", size=(20, 20))
    Image.new("RGB", (65500, 1)).save(root / "strip.jpg")
    store = opened(refs(root), decoding(256, 3, max_bad=0.5))
    assert len(store) == 2
    assert store.cached_bytes == 2 * 256 * 256 * 3
    assert store.bad == [
        (
            root / "strip.jpg",
            "65500 x 1 pixels, which would be 16768000 x 256 with the short side of the training: cut it into parts",
        )
    ]
    assert len(opened(refs(root), decoding(32, 3))) == 3


def test_out_of_memory_names_the_file(make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding_module, "to_typed", fails)
    with pytest.raises(UserError, match=r"1\.png: out of memory"):
        opened(refs(make("1.png")), SMALL)


def test_what_files_lack_is_noted_now_and_from_the_cache(make) -> None:
    root = make("1.png", size=(20, 20))
    for name in ("2.tif", "3.tif"):
        frames = [Image.new("L", (20, 20), value) for value in (3, 4)]
        frames[0].save(root / name, save_all=True, append_images=frames[1:])
    for _ in range(2):
        notes = opened(refs(root), SMALL).notes
        assert notes == [f"2 pages or frames, of which the first is read: 2 images, {root / '2.tif'} first"]


def test_images_written_anew_with_equal_size_and_time_are_seen(make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make("1.png", size=(20, 20))
    path = root / "1.bmp"
    for value in (10, 200):
        Image.new("L", (20, 20), value).save(path)
        os.utime(path, ns=(10**18, 10**18))
        assert opened(refs(root)[:1], SMALL)[0].max() == value


@pytest.mark.parametrize("where", [0, -1])
def test_pixels_that_were_changed_are_decoded_again(make, own_cache: Path, monkeypatch, where: int) -> None:
    files = refs(make("1.png", "2.png"))
    before = [image.copy() for image in (opened(files, SMALL)[i] for i in range(2))]
    file = next(own_cache.iterdir()) / "pixels.bin"
    pixels = bytearray(file.read_bytes())
    pixels[where if where == 0 else 12 * 15 * 3 + 20] ^= 1
    file.write_bytes(pixels)
    store, decoded = open_counting(monkeypatch, files, SMALL)
    assert decoded == 2
    assert all(np.array_equal(store[i], before[i]) for i in range(2))
    file.write_bytes(bytes(len(pixels)))
    assert open_counting(monkeypatch, files, SMALL)[1] == 2
    assert open_counting(monkeypatch, files, SMALL)[1] == 0


def test_an_index_that_was_changed_is_not_believed(make, own_cache: Path, monkeypatch) -> None:
    files = refs(make("1.png", "2.png"))
    opened(files, SMALL)
    file = next(own_cache.iterdir()) / "index.json"
    content = json.loads(file.read_text())
    index = json.loads(content["index"])
    swapped = base64.b64encode(array("q", [1, 0]).tobytes()).decode()
    assert index["kept"]["q"] != swapped
    file.write_text(json.dumps({**content, "index": json.dumps({**index, "kept": {"q": swapped}})}))
    assert open_counting(monkeypatch, files, SMALL)[1] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="mapped files cannot be cut short there")
def test_a_cache_that_is_cut_short_in_use_is_an_error(make, own_cache: Path) -> None:
    """To touch the mapping would end this process."""
    root = make(*(f"{i}.png" for i in range(40)), size=(64, 64))
    store = opened(refs(root), decoding(64, 3))
    path = next(own_cache.iterdir()) / "pixels.bin"
    kept = store[3].copy()
    os.truncate(path, 5000)
    with pytest.raises(UserError, match=r"pixels\.bin: the cache of images was cut short while it was in use") as error:
        store[39]
    assert "\n" not in str(error.value)
    again = opened(refs(root), decoding(64, 3))
    assert np.array_equal(again[3], kept)


def test_a_link_to_itself_is_an_unreadable_file(make) -> None:
    root = make(*(f"{i}.png" for i in range(3)), size=(20, 20))
    (root / "9.png").symlink_to("9.png")
    store = opened(refs(root), replace(SMALL, max_bad=0.5))
    assert (len(store), [path.name for path, _ in store.bad]) == (3, ["9.png"])


def photos(root: Path, count: int = 6) -> list[ImageRef]:
    """Write smooth images, which become smaller when they are packed."""
    root.mkdir()
    for i in range(count):
        down, right = np.mgrid[0:40, 0:50]
        Image.fromarray(np.stack([down + i, right, down + right], 2).astype(np.uint8)).save(root / f"{i}.png")
    return refs(root)


def test_what_fits_packed_is_kept_so(tmp_path: Path, own_cache: Path, monkeypatch) -> None:
    files = photos(tmp_path / "photos")
    raw = opened(files, decoding(40, 3))
    wanted = [raw[i].copy() for i in range(6)]
    shutil.rmtree(own_cache)
    tight = decoding(40, 3, cache_gb=raw.cached_bytes * 0.7 / 1e9)
    for calls in (6 + 6, 0):  # some say how small all become
        store, decoded = open_counting(monkeypatch, files, tight)
        assert decoded == calls
        assert all(np.array_equal(store[i], wanted[i]) for i in range(6))
        assert 0 < store.cached_bytes < raw.cached_bytes * 0.7
        assert (store.packed, store.is_decoded, raw.is_decoded) == (True, False, True)
        (note,) = store.notes
        assert "they are packed without loss into 0.00 GB, which is slower" in note
        assert "data.cache_gb" in note
    (cache,) = own_cache.iterdir()
    pixels = bytearray((cache / "pixels.bin").read_bytes())
    pixels[40] ^= 1
    (cache / "pixels.bin").write_bytes(pixels)
    assert open_counting(monkeypatch, files, tight)[1] > 0


def test_what_does_not_fit_after_all_is_decoded_each_time(tmp_path: Path, own_cache: Path, monkeypatch) -> None:
    files = photos(tmp_path / "photos")
    raw = opened(files, decoding(40, 3))
    shutil.rmtree(own_cache)
    tight = decoding(40, 3, cache_gb=raw.cached_bytes * 0.5 / 1e9)
    monkeypatch.setattr(decoding_module, "_packed_bytes", lambda *_: 1)
    monkeypatch.setattr(decoding_module, "pack", lambda pixels: pixels.tobytes())
    for _ in range(2):
        store = opened(files, tight)
        assert store.cached_bytes == 0
        assert "decoded each time" in store.notes[0]
        assert np.array_equal(store[5], raw[5])
    assert open_counting(monkeypatch, files, tight)[1] == 0  # which is remembered

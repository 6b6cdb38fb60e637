"""Digits in the files in which they are published."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from instar.core.batch import Labelled, Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import digits, find, open_data
from instar.data.refs import ImageRef


def some(count: int, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_mnist(folder: Path, train: int = 20, test: int = 6, gz: bool = True) -> Path:
    folder.mkdir(parents=True)
    for split, count, seed in (("train", train, 0), ("t10k", test, 1)):
        for name, array in (
            (f"{split}-images-idx3-ubyte", some(count, 28, 28, seed=seed)),
            (f"{split}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10),
        ):
            raw = idx(array)
            (folder / (name + ".gz" * gz)).write_bytes(gzip.compress(raw) if gz else raw)
    return folder


def write_npz(path: Path, train: int = 20, test: int = 6, shape: tuple[int, ...] = (16, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sets = {"train": train, "test": test}
    images = {f"x_{split}": some(n, *shape, seed=n) for split, n in sets.items()}
    np.savez(path, **images, **{f"y_{split}": np.arange(n) % 10 for split, n in sets.items()})
    return path


def pixels(ref: ImageRef) -> NDArray[np.uint8]:
    return np.asarray(ref.read())


@pytest.mark.parametrize("gz", [True, False])
def test_idx_files(tmp_path: Path, gz: bool) -> None:
    data = find(DataConfig(roots=(write_mnist(tmp_path / "mnist", gz=gz), write_npz(tmp_path / "usps.npz"))), Unpaired)
    assert (data.names["a"], data.names["b"]) == ("mnist", "usps")
    assert [len(refs) for refs in (data.train["a"], data.train["b"], data.test["a"], data.test["b"])] == [20, 20, 6, 6]
    assert np.array_equal(pixels(data.train["a"][7]), some(20, 28, 28)[7])
    assert np.array_equal(pixels(data.test["a"][5]), some(6, 28, 28, seed=1)[5])
    assert [ref.label for ref in data.train["a"]] == [str(i % 10) for i in range(20)]
    assert data.train["a"][7].probe()[:4] == (28, 28, 1, "uint8")
    assert data.notes == []


def test_small_digits_get_a_margin(tmp_path: Path) -> None:
    """16 x 16 in a frame of 22, the scale at which MNIST draws them."""
    found = digits.at(write_npz(tmp_path / "usps.npz"))
    assert found
    padded = digits.pixels(found.train.images, found.train.array)
    assert padded.shape == (20, 22, 22)
    assert np.array_equal(padded[:, 3:-3, 3:-3], some(20, 16, 16, seed=20))
    assert padded.sum() == padded[:, 3:-3, 3:-3].sum()


def test_svhn(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    images = some(5, 32, 32, 3)
    for name in ("train", "extra", "test"):
        io.savemat(
            tmp_path / f"{name}_32x32.mat",
            {"X": images.transpose(1, 2, 3, 0), "y": np.array([[1], [9], [10], [10], [3]], np.uint8)},
        )
    for root, first in ((tmp_path, "train"), (tmp_path / "extra_32x32.mat", "extra")):
        found = digits.at(root)
        assert found
        assert found.test
        assert (found.train.images.name, found.test.images.name) == (f"{first}_32x32.mat", "test_32x32.mat")
        assert digits.labels(found.train) == ["1", "9", "0", "0", "3"]
        assert np.array_equal(digits.pixels(found.train.images, found.train.array), images)


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "usps.h5", "w") as file:
        for split in ("train", "test"):
            file[f"{split}/data"] = np.array([[0.0, 0.5, 1.0, 0.002] * 64] * 3, np.float32)
            file[f"{split}/target"] = np.array([6, 1, 0], np.int32)
    found = digits.at(tmp_path / "usps.h5")
    assert found
    assert found.test
    assert digits.labels(found.test) == ["6", "1", "0"]
    assert digits.pixels(found.train.images, found.train.array)[0, 3, 3:7].tolist() == [0, 128, 255, 1]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(digits.importlib, "import_module", absent)
    (tmp_path / "usps.h5").touch()
    with pytest.raises(UserError, match=r"usps\.h5: reading it needs h5py: pip install h5py"):
        digits.at(tmp_path / "usps.h5")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": some(4, 28, 28), "y_train": np.arange(3)}, "3 labels for the 4 images"),
        ({"x_train": some(4, 7), "y_train": np.arange(4)}, "holds no images"),
        ({"x_train": some(4, 28, 28) / 1.0, "y_train": np.arange(4)}, "0 to 1 is read"),
        ({"x_train": some(4, 28, 28).astype(np.int64), "y_train": np.arange(4)}, "holds int64; uint8"),
        ({"x_train": some(4, 28, 28)}, "holds no 'y_train'"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, arrays: dict[str, NDArray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=message):
        find(DataConfig(roots=(tmp_path / "a.npz", write_npz(tmp_path / "b.npz"))), Unpaired)


def test_damaged_files(tmp_path: Path) -> None:
    root = write_mnist(tmp_path / "mnist")
    file = root / "train-images-idx3-ubyte.gz"
    for content in (file.read_bytes()[:50], b"", gzip.compress(b"\0\0\x0d\x03")):
        file.write_bytes(content)
        digits.pixels.cache_clear()
        with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz: cannot be read"):
            find(DataConfig(roots=(root, write_npz(tmp_path / "b.npz"))), Unpaired)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="cannot be read"):
        digits.at(tmp_path / "broken.npz")


def test_what_is_no_data_set_of_digits(tmp_path: Path, make) -> None:
    np.savez(tmp_path / "weights.npz", w=np.ones(3))
    assert digits.at(tmp_path / "weights.npz") is None
    assert digits.at(tmp_path / "nothing") is None
    root = make("A/1.png", "B/1.png")
    write_npz(root / "A" / "features.npz")
    assert [ref.path.name for ref in find(DataConfig(roots=(root,)), Unpaired).train["a"]] == ["1.png"]
    (tmp_path / "list.txt").touch()
    with pytest.raises(UserError, match="give the folder that holds the images"):
        find(DataConfig(roots=(tmp_path / "list.txt", root)), Unpaired)
    with pytest.raises(UserError, match="one domain only"):
        find(DataConfig(roots=(write_npz(tmp_path / "b.npz"),)), Unpaired)


def test_no_test_digits(tmp_path: Path) -> None:
    """The last training digits are kept, as with folders."""
    np.savez(tmp_path / "a.npz", x_train=some(50, 28, 28), y_train=np.arange(50) % 10)
    data = find(DataConfig(roots=(tmp_path / "a.npz", write_npz(tmp_path / "b.npz"))), Unpaired)
    assert (len(data.train["a"]), len(data.test["a"])) == (45, 5)


def test_data_sets_in_one_folder(tmp_path: Path) -> None:
    write_mnist(tmp_path / "sets" / "mnist")
    write_npz(tmp_path / "sets" / "usps" / "usps.npz")
    data = find(DataConfig(roots=(tmp_path / "sets",), source="usps"), Unpaired)
    assert (data.names["a"], data.names["b"]) == ("usps", "mnist")
    assert data.train["a"][0].label == "0"


def test_digits_of_equal_number_are_pairs(tmp_path: Path) -> None:
    """MNIST and what is blended from it."""
    roots = (write_mnist(tmp_path / "mnist"), write_npz(tmp_path / "mnist_m.npz", shape=(28, 28, 3)))
    data = find(DataConfig(roots=roots), Paired)
    assert len(data.train["a"]) == len(data.train["b"]) == 20
    assert [ref.entry.number for ref in data.train["b"] if ref.entry] == list(range(20))


def test_batches(tmp_path: Path) -> None:
    """Images, labels and names belong together, over a resume and with what the cache holds."""
    roots = (write_mnist(tmp_path / "mnist"), write_npz(tmp_path / "usps.npz"))
    cfg = DataConfig(roots=roots, size=28, zoom=1.0, flip=False)
    for _ in range(2):
        data = open_data(cfg, 1, Labelled, batch=5, seed=3)
        assert data.classes == tuple("0123456789")
        batch = data.train.batch(2)
        assert isinstance(batch, Labelled)
        numbers = [int(name.split()[-1].strip(")")) for name in batch.names[:5]]
        assert batch.labels.tolist() == [number % 10 for number in numbers]
        assert batch.labels.dtype == torch.int64
        seen = ((batch.a[:, 0] + 1) * 127.5).round().to(torch.uint8)
        assert np.array_equal(seen.numpy(), some(20, 28, 28)[numbers])
        with data.train.stream(2) as stream:
            again = next(stream)
        assert isinstance(again, Labelled)
        assert torch.equal(again.labels, batch.labels)


def test_a_changed_file_makes_a_new_cache(tmp_path: Path) -> None:
    roots = (write_npz(tmp_path / "a.npz"), write_npz(tmp_path / "b.npz"))
    cfg = DataConfig(roots=roots, size=28, zoom=1.0, flip=False)
    before = open_data(cfg, 1, Labelled, batch=20, seed=0).train.batch(0)
    write_npz(tmp_path / "a.npz", shape=(28, 28))
    os.utime(tmp_path / "a.npz", ns=(1, 1))
    digits.pixels.cache_clear()
    after = open_data(cfg, 1, Labelled, batch=20, seed=0).train.batch(0)
    assert not torch.equal(before.a, after.a)
    assert torch.equal(before.b, after.b)


def test_real_digits() -> None:
    """Counts and first labels as published."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("INSTAR_TEST_DATA", default)) / "digits" / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no real digits at {folder}; set INSTAR_TEST_DATA")
    found = digits.at(folder)
    assert found
    assert found.test
    assert digits.pixels(found.train.images, found.train.array).shape == (60_000, 28, 28)
    assert "".join(digits.labels(found.train)[:10]) == "5041921314"
    assert "".join(digits.labels(found.test)[:10]) == "7210414959"

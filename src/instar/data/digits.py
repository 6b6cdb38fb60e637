"""Data sets of digits in the files in which they are published: MNIST, USPS, SVHN, and what is made like them.

| Files | What is read |
| --- | --- |
| `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-...`, also with .gz | MNIST and its relatives |
| `.npz` with `x_train`, `y_train`, `x_test`, `y_test` | MNIST as Keras has it; what `instar.data.mnist_m` writes |
| `.h5` with `train/data`, `train/target`, `test/data`, `test/target` | USPS; needs the package h5py |
| `.mat` with `X`, `y`: `train_32x32.mat` or `extra_32x32.mat`, `test_32x32.mat` | SVHN; needs the package scipy |
"""

from __future__ import annotations

import gzip
import importlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.core.errors import UserError

USPS_SIDE, USPS_MARGIN = 16, 3
"""USPS digits fill their frame; with a margin (Liu and Tuzel 2016) they have the scale of MNIST's."""


class Entry(NamedTuple):
    """Where in a file an image is."""

    array: str
    """Name of the array in the file."""
    number: int


class Part(NamedTuple):
    """The images of a split: the files and the names of the arrays in them."""

    images: Path
    array: str
    labels: Path
    label_array: str


@dataclass(frozen=True)
class Digits:
    """A data set of digits; `test` is None if there is none."""

    train: Part
    test: Part | None


def at(root: Path) -> Digits | None:
    """Return the data set that `root` is, a file or the folder of the files; None if it is something else.

    A folder counts only if it holds one data set: the files of MNIST or of SVHN, or a single .npz or .h5 file.
    """
    if root.is_file():
        return _by_file(root)
    if not root.is_dir():
        return None
    train, test = _idx(root, "train"), _idx(root, "t10k")
    if train:
        return Digits(train, test)
    try:
        files = sorted(path for path in root.iterdir() if path.suffix in (".npz", ".h5", ".mat"))
    except OSError:  # who lists its images says so
        return None
    if len(files) == 1:
        return _by_file(files[0])
    mats = {path.name: path for path in files}
    first = mats.get("train_32x32.mat") or mats.get("extra_32x32.mat")
    return _by_file(first) if first else None


def labels(part: Part) -> list[str]:
    """Return the classes of all images of a split, by name.

    Raises:
        UserError: the file cannot be read, or has not as many labels as images.
    """
    values = _array(part.labels, part.label_array).ravel()
    if part.labels.suffix == ".mat":
        values = values % 10  # SVHN calls the digit 0 a 10
    count = len(pixels(part.images, part.array))
    if len(values) != count:
        raise UserError(f"{part.labels}: {len(values)} labels for the {count} images of {part.images}")
    return [str(int(value)) for value in values]


@lru_cache(maxsize=8)  # both splits of two domains, and of two others
def pixels(path: Path, array: str) -> NDArray[np.uint8]:
    """Return the images (N, H, W) or (N, H, W, 3) of an array of a file; 16 x 16 digits get a margin of 3.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    values = _array(path, array)
    if path.suffix == ".mat":
        values = values.transpose(3, 0, 1, 2)
    if values.ndim == 2 and values.shape[1] == USPS_SIDE**2:
        values = values.reshape(-1, USPS_SIDE, USPS_SIDE)
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] != 3):
        raise UserError(f"{path}: {array} of shape {values.shape} holds no images (N, H, W) or (N, H, W, 3)")
    if np.issubdtype(values.dtype, np.floating):
        if values.size and not 0 <= values.min() <= values.max() <= 1:
            raise UserError(f"{path}: {array} holds numbers from {values.min():g} to {values.max():g}; 0 to 1 is read")
        values = np.rint(values * 255).astype(np.uint8)
    if values.dtype != np.uint8:
        raise UserError(f"{path}: {array} holds {values.dtype}; uint8, or numbers from 0 to 1, are read")
    if values.shape[1:3] == (USPS_SIDE, USPS_SIDE):
        margin = (USPS_MARGIN, USPS_MARGIN)
        values = np.pad(values, ((0, 0), margin, margin) + ((0, 0),) * (values.ndim - 3))
    return values


def _by_file(path: Path) -> Digits | None:
    if path.suffix == ".mat":
        test = path.with_name("test_32x32.mat")
        return Digits(Part(path, "X", path, "y"), Part(test, "X", test, "y") if test.is_file() else None)
    if path.suffix not in _READERS:
        return None
    images, classes = ("x_{}", "y_{}") if path.suffix == ".npz" else ("{}/data", "{}/target")
    train, test_part = (Part(path, images.format(s), path, classes.format(s)) for s in ("train", "test"))
    if not _has(path, train.array):
        return None
    return Digits(train, test_part if _has(path, test_part.array) else None)


def _idx(folder: Path, split: str) -> Part | None:
    found = []
    for what in ("images-idx3", "labels-idx1"):
        names = [f"{split}-{written}-ubyte{end}" for written in (what, what.replace("-i", ".i")) for end in ("", ".gz")]
        there = [folder / name for name in names if (folder / name).is_file()]
        if not there:
            return None
        found.append(there[0])
    return Part(found[0], "image", found[1], "label")


def _array(path: Path, array: str) -> NDArray[Any]:
    """Read an array of a file of any kind."""
    try:
        return np.asarray(_READERS.get(path.suffix, _read_idx)(path, array))
    except KeyError as error:
        raise UserError(f"{path}: holds no {array!r}") from error
    except _BROKEN as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def _has(path: Path, array: str) -> bool:
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                return array in file
        with _package("h5py", path).File(path) as file:
            return array in file
    except _BROKEN as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def _read_idx(path: Path, _: str) -> NDArray[np.uint8]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if raw[:3] != b"\0\0\x08":
        raise ValueError("no IDX file of bytes")
    dims = raw[3]
    shape = np.frombuffer(raw, ">u4", dims, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(tuple(int(n) for n in shape))


def _npz(path: Path, array: str) -> Any:
    with np.load(path) as file:
        return file[array]


def _h5(path: Path, array: str) -> Any:
    with _package("h5py", path).File(path) as file:
        return file[array][()]


def _mat(path: Path, array: str) -> Any:
    return _package("scipy.io", path).loadmat(path, variable_names=[array])[array]


def _package(name: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".", maxsplit=1)[0]
        raise UserError(f"{path}: reading it needs {package}: pip install {package}") from error


_READERS: dict[str, Callable[[Path, str], Any]] = {".npz": _npz, ".h5": _h5, ".mat": _mat}
_BROKEN = (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, struct.error)
"""What readers raise for files that are damaged or something else."""

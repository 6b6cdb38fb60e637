"""Tensors in safetensors files: read with their digest compared, written at once or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor

from instar.core.digests import DamagedError, check_sum
from instar.core.files import read_own, sync


def read_tensors(path: Path, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """Read the tensors of a file onto the CPU, all or those with some names.

    Raises:
        DamagedError: the file is damaged, or a tensor that was read holds numbers that are not finite.
    """
    check_sum(path)
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if names is None or name in names}  # noqa: SIM118
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise DamagedError(f"{path}: {name} holds numbers that are not finite")
    return tensors


def write_tensors(tensors: Mapping[str, Tensor], path: Path, mode: int) -> None:
    """Write a file with these rights.

    Raises:
        OSError: it could not be written.
    """
    try:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:  # its way to say that the disk is full, or anything else of the system's
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number) if found else str(error), str(path)) from error
    path.chmod(mode)  # the library makes files for their owner alone
    sync(path)


def tensor_names(path: Path) -> tuple[str, ...]:
    """Return the names of a file's tensors, of which nothing else is read. `DamagedError`: it cannot be read."""
    with _opened(path) as file:
        return tuple(file.keys())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with read_own(path) as file:  # of a file that may not be read, safetensors says that there is none
            if _is_unicode(path):
                with safe_open(path, "pt") as opened:
                    yield opened
            else:  # it opens no other names
                yield _Loaded(load(file.read()))
    except Exception as error:  # whatever the library makes of bytes that could be anything
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DamagedError(f"{path}: cannot be read ({why})") from error


class _Loaded(dict[str, Tensor]):
    """What `safe_open` gives, of a file that was read as a whole."""

    get_tensor = dict.__getitem__


def _is_unicode(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True

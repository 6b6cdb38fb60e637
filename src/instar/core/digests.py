"""SHA256SUMS of a folder: the digest of each of its files, in lines that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from instar.core.errors import UserError
from instar.core.files import read_own, write_atomically

SUMS = "SHA256SUMS"
_CHUNK = 1 << 20


class DamagedError(UserError):
    """A file of a checkpoint is not as it was written."""


def write_sums(folder: Path) -> None:
    """Write the digests of all files in `folder`."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    write_atomically(folder / SUMS, "".join(f"{_digest(folder / name)}  {name}\n" for name in names).encode())


def check_sum(path: Path) -> None:
    """Do nothing if a file is as it was written, or if its folder has no digests, as those of earlier versions.

    Raises:
        DamagedError: the file, or the list of digests, is damaged or not there.
    """
    sums = _read_sums(path.parent)
    if sums is None:
        return
    if path.name not in sums:
        raise DamagedError(f"{path}: not in {SUMS}, so it was not written with the other files of {path.parent}")
    try:
        found = _digest(path)
    except FileNotFoundError as error:
        raise DamagedError(f"{path}: is missing") from error
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read ({error.strerror})") from error
    if found != sums[path.name]:
        raise DamagedError(f"{path}: damaged or changed since it was written (its SHA-256 is not that in {SUMS})")


def listed(folder: Path) -> list[str]:
    """Return the names of the files that have digests."""
    return list(_read_sums(folder) or {})


def _read_sums(folder: Path) -> dict[str, str] | None:
    path = folder / SUMS
    try:
        with read_own(path) as file:
            lines = file.read().decode("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path}: cannot be read ({error})") from error
    matches = [re.fullmatch(r"([0-9a-f]{64})  ([^/]+)", line) for line in lines]
    found = {match[2]: match[1] for match in matches if match}
    if not lines or len(found) < len(lines):
        raise DamagedError(f"{path}: damaged: its lines are not digests and names of files")
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with read_own(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

"""Where a model lies: a path, a store of files (file://), a hub of models (hf://), or this package (demo:).

What is there is a stranger's: only files of a checkpoint are fetched, weights as safetensors and settings as data, and
they are read as those of any run (docs/decisions/0024). No code is fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from instar.core.errors import UserError, shown

FILES = ("config.yaml", "method.safetensors", "averages.safetensors", "training.json", "SHA256SUMS")
"""Of a shared model: those of a checkpoint that translate, without optimisers and names of images. Averages of their
own have only those that earlier versions have shared."""
SHIPPED = Path(__file__).parent.parent / "shipped"
"""Trained models that are part of the package, a folder each."""
EXAMPLES = "examples"
"""Folder of pictures that a shipped model has never seen."""
DEMO = "demo:"
_HUB = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?")
_FILE = re.compile(r"file:/+.*", re.DOTALL)


class Repository(NamedTuple):
    """A repository of a hub."""

    name: str
    """OWNER/NAME."""
    revision: str | None = None
    """Branch, tag or commit; the newest if None."""

    def __str__(self) -> str:
        return f"hf://{self.name}" + (f"@{self.revision}" if self.revision else "")


def place(given: str | PathLike[str]) -> Path | Repository:
    """Return what a text means: hf://OWNER/NAME, hf://OWNER/NAME@REVISION, file:///PATH, demo:NAME, or a path.

    A path that was made of such a text, where two slashes are one, means the same.

    Raises:
        UserError: it begins like an address and is none.
    """
    text = os.fspath(given)
    if text.startswith(DEMO):
        return _shipped(text.removeprefix(DEMO))
    if text.startswith("hf:/"):
        found = _HUB.fullmatch(text)
        if not found:
            raise UserError(f"{shown(text)}: a model of a hub is hf://OWNER/NAME, or hf://OWNER/NAME@REVISION")
        return Repository(found[1], found[2])
    if _FILE.fullmatch(text):
        return Path(unquote(urlsplit(re.sub("^file:/+", "file:///", text)).path))
    return Path(text)


def local(given: str | PathLike[str]) -> Path:
    """Return the path of a model; of a hub's it is fetched first, or taken from the cache of earlier times.

    Raises:
        UserError: huggingface_hub is not installed, there is no such model, or the hub cannot be reached.
    """
    where = place(given)
    return where if isinstance(where, Path) else _fetched(where)


def absolute(given: str | PathLike[str]) -> Path:
    """Return an address as it is, and a path from the root on, with the names of its links."""
    is_address = os.fspath(given).startswith(("hf:/", "file:/", DEMO))
    return Path(given) if is_address else Path(os.path.abspath(given))  # noqa: PTH100


def shipped() -> list[str]:
    """Return the names of the models that come with Instar."""
    return sorted(folder.parent.name for folder in SHIPPED.glob(f"*/{FILES[0]}"))


def examples(given: str | PathLike[str]) -> Path | None:
    """Return the folder of pictures that come with a model, if it is one of Instar's own."""
    name = os.fspath(given)
    return _shipped(name.removeprefix(DEMO)) / EXAMPLES if name.startswith(DEMO) else None


def _shipped(name: str) -> Path:
    if name not in shipped():
        there = ", ".join(f"{DEMO}{one}" for one in shipped())
        raise UserError(f"{shown(f'{DEMO}{name}')}: no such model comes with Instar; there is: {there}")
    return SHIPPED / name


def _fetched(where: Repository) -> Path:
    hub = client()
    try:
        folder = hub.snapshot_download(where.name, revision=where.revision, allow_patterns=list(FILES))
    except Exception as error:  # those of its HTTP client, too, of which there are two
        raise refused(where, error) from error
    found = Path(folder)
    if not (found / FILES[0]).is_file() or not (found / FILES[1]).is_file():
        raise UserError(f"{where}: holds no model of Instar ({FILES[0]} and {FILES[1]}); `instar.push` makes one")
    return found


def client() -> Any:
    """Import the hub's library.

    Raises:
        UserError: it is not installed.
    """
    try:
        import huggingface_hub  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UserError("models of a hub need huggingface_hub: pip install '.[hub]'") from error
    return huggingface_hub


def refused(where: Repository, error: Exception) -> UserError:
    """Return one line for what the hub's library raises: by the names of its errors, which moved between versions."""
    names = {kind.__name__ for kind in type(error).__mro__}
    remedies: dict[str, Callable[[], str]] = {
        "GatedRepoError": lambda: "its owner gives it to those who ask; ask there, then `hf auth login`",
        "RepositoryNotFoundError": lambda: "there is no such model, or it is private; to log in: `hf auth login`",
        "RevisionNotFoundError": lambda: f"there is no revision {where.revision}",
        "LocalTokenNotFoundError": lambda: "you are not logged in: `hf auth login`, or set HF_TOKEN",
    }
    for name, words in remedies.items():
        if name in names:
            return UserError(f"{where}: {words()}")
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(
        f"{where}: the hub cannot be asked ({reason}); if this machine is offline, fetch the model where there is a "
        "network and give its folder"
    )

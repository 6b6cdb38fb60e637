"""Trained models for others: on a hub, or in a store of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from instar.api.paths import AnyPath, path_or_none, written_at_once
from instar.core.errors import UserError, setting


@dataclass(frozen=True)
class PushResult:
    """A model that was shared.

    Attributes:
        address: under which `load` finds it.
        files: their names.
        bytes: of all files.
    """

    address: str
    files: tuple[str, ...]
    bytes: int


def push(
    run: AnyPath,
    to: str,
    *,
    data: str = "",
    license: str = "",  # noqa: A002
    scores: AnyPath | None = None,
    picture: AnyPath | None = None,
    private: bool = False,
) -> PushResult:
    """Share a trained model: weights as safetensors, settings, and a card. `instar.load` takes its address.

    What tells of this machine stays: paths of images, their names, optimisers. To log in to a hub, see
    its library: `hf auth login`, or the variable HF_TOKEN.

    Args:
        run: directory of a run (its last checkpoint is shared) or one checkpoint.
        to: hf://OWNER/NAME, on the hub of HF_ENDPOINT (Hugging Face's if not set); or file:///PATH, a folder that is
            not there yet.
        data: what the images are and where they are from, in your words, for the card.
        license: what may be done with the weights, for the card: a short name such as cc0-1.0, or your words.
        scores: JSON file that `evaluate` has written, whose scores go onto the card.
        picture: for the card; the newest sample picture of the run if None.
        private: on a hub: only its owner sees it, if it is made now.

    Raises:
        UserError: the run has no whole checkpoint, the address is none, or it cannot be written to.
    """
    from instar.core.store import Repository, place
    from instar.sharing.folder import Words, write_shared

    where = place(to)
    words = Words(data, license, path_or_none(scores), path_or_none(picture))
    if isinstance(where, Repository):
        with TemporaryDirectory(prefix="instar-") as folder:
            write_shared(Path(run), Path(folder), where.name, words)
            _upload(Path(folder), where, private)
            return _result(str(where), Path(folder))
    if not to.startswith("file:/"):
        raise UserError(f"{setting('to', to)}: give hf://OWNER/NAME or file:///PATH")
    if where.exists() and (not where.is_dir() or any(where.iterdir())):
        raise UserError(f"{setting('to', to)}: exists already; choose another folder")
    with written_at_once(where) as part:
        write_shared(Path(run), part, where.name, words)
    return _result(where.absolute().as_uri(), where)


def _upload(folder: Path, where: object, private: bool) -> None:
    from instar.core.store import Repository, client, refused

    assert isinstance(where, Repository)
    if where.revision:
        raise UserError(f"{setting('to', where)}: a model is pushed without a revision")
    hub = client()
    try:
        api = hub.HfApi()
        api.create_repo(where.name, repo_type="model", private=private, exist_ok=True)
        api.upload_folder(repo_id=where.name, folder_path=folder, commit_message="Model of Instar")
    except Exception as error:  # as where models are fetched
        raise refused(where, error) from error


def _result(address: str, folder: Path) -> PushResult:
    files = sorted(folder.iterdir())
    return PushResult(address, tuple(one.name for one in files), sum(one.stat().st_size for one in files))

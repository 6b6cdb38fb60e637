"""Published weights in the folder where PyTorch keeps what it fetches. PyTorch's own loader would print."""

from __future__ import annotations

import re
from pathlib import Path

import torch


def folder() -> Path:
    """Return the folder, which torch's and torchvision's loaders share."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def published_weights(url: str) -> Path:
    """Return the file of an address, fetched if it is not there; its hash is checked if its name ends in one.

    Raises:
        OSError: it cannot be fetched, or the folder cannot be written.
        RuntimeError: the hash is another one.
    """
    file = folder() / url.rpartition("/")[2]
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        stated = re.search(r"-([0-9a-f]{8,})\.", file.name)
        torch.hub.download_url_to_file(url, str(file), stated and stated[1], progress=False)
    return file

"""Names of splits, alone or before that of a domain."""

from __future__ import annotations

import re

from instar.data.dataset import Split

# "trainA", "train_A", "trainannot", "val": a split, then the domain. The longer words first.
_SPLIT = re.compile(r"(training|train|testing|test|validation|valid|val)[ _-]*(.*)", re.IGNORECASE)
_SPLITS: tuple[Split, ...] = ("train", "test", "val")


def split_and_domain(word: str) -> tuple[Split, str] | None:
    """Return the split that a word begins with, and what follows: nothing, or a domain. None if it is no split."""
    match = _SPLIT.fullmatch(word)
    if not match:
        return None
    return next(split for split in _SPLITS if match[1].lower().startswith(split)), match[2]

"""Masks of images: which image is the mask of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from instar.core.config import DataConfig
from instar.core.errors import UserError, setting
from instar.core.listing import composed
from instar.data.dataset import DataSet, Split, Splits
from instar.data.layouts import tree
from instar.data.refs import ImageRef

SPLITS: tuple[Split, ...] = ("train", "test", "val")


def with_mask_folders(data: DataSet, cfg: DataConfig) -> DataSet:
    """Return a data set in which folders of masks beside those that were given are domains, as they are within one."""
    if cfg.masks is None:
        return data
    found = {}
    for name, root in zip(data.domains, cfg.roots, strict=False):
        beside = root.resolve().with_name(f"{tree.name_of(root)}{cfg.masks}")
        if len(data.domains) == len(cfg.roots) and beside.is_dir():
            found[f"{name}{cfg.masks}"] = tree.own_domain(beside)
    return replace(data, domains={**data.domains, **found})


def with_masks(data: DataSet, cfg: DataConfig) -> DataSet:
    """Return a data set whose images know their masks, and in which masks are no images themselves.

    Raises:
        UserError: no image has a mask, or only some of a domain have one; names one that has none.
    """
    end = cfg.masks
    if end is None:
        return data
    spelled = {name.casefold(): name for name in data.domains}
    domains: dict[str, Splits] = {}
    covered = False
    for name, images in data.domains.items():
        if name.casefold().endswith(end.casefold()) and name[: -len(end)].casefold() in spelled:
            continue
        beside = data.domains.get(spelled.get(f"{name}{end}".casefold(), ""), Splits([]))
        train, test, val = (_masked(images.refs(split), beside.refs(split), end) for split in SPLITS)
        refs = [*train, *test, *val]
        without = [ref for ref in refs if not ref.masks]
        if without and len(without) < len(refs):
            said = f"{len(without)} images of {name} have no mask, {without[0].name} first"
            raise UserError(f"{setting('data.masks', end)}: {said}")
        covered = covered or not without
        domains[name] = Splits(train, test, val, images.left_out)
    if not covered:
        where = f"neither a folder {next(iter(domains))}{end} nor a file NAME{end}"
        raise UserError(f"{setting('data.masks', end)}: {cfg.roots[0]} has no masks, {where} with the image's name")
    return replace(data, domains=domains)


def _masked(refs: Sequence[ImageRef], masks: Sequence[ImageRef], end: str) -> list[ImageRef]:
    """Return images with their masks: those of the same key, or among themselves those whose names end so."""
    of = {composed(mask.key): mask for mask in masks}
    own = {composed(ref.key): ref for ref in refs}
    inside = {key: own[name] for key in own if (name := _name_of(key, end)) in own}
    taken = set(inside.values())
    found = []
    for ref in refs:
        if ref in taken:
            continue
        key = composed(ref.key)
        mask = of.get(key) or of.get(key.partition("#")[0]) or inside.get(key)
        found.append(ref if mask is None else replace(ref, masks=(mask,)))
    return found


def _name_of(key: str, end: str) -> str:
    """Return what the mask of an image is called, page by page."""
    name, page, number = key.partition("#")
    return f"{name}{end}{page}{number}"

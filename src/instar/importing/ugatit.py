"""U-GAT-IT: one file with all networks of the authors' PyTorch code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.importing.imported import Imported
from instar.importing.weights import Weights, prefixed, read

GENERATORS = {"genA2B": "G_st", "genB2A": "G_ts"}
DISCRIMINATORS = {
    "disGA": ("D_s", "global"),
    "disLA": ("D_s", "local"),
    "disGB": ("D_t", "global"),
    "disLB": ("D_t", "local"),
}


def ugatit(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return U-GAT-IT of one file *_params_*.pt."""
    ((_, path),) = files
    held = read(path)
    wanted = [*GENERATORS, *DISCRIMINATORS]
    known = [name for name in wanted if isinstance(held.get(name), Mapping)]
    if not set(GENERATORS) <= set(known):
        names = ", ".join(map(str, list(held)[:3])) or "nothing"
        raise Weights(path, {}, "U-GAT-IT").misfit(f"it should hold genA2B and genB2A, and holds {names}")
    found = Imported("ugatit", "paper")
    for theirs, ours in GENERATORS.items():
        weights = Weights(path, held[theirs], f"U-GAT-IT's {theirs}")
        tensors, shown = _generator(weights)
        found.size = shown.pop("size", None)
        found.agree(weights, shown)
        found.networks[ours] = tensors
    if found.options["light"]:
        found.preset = "light"
    else:
        found.options["side"] = found.size
    for theirs in (name for name in DISCRIMINATORS if name in known):
        ours, kind = DISCRIMINATORS[theirs]
        weights = Weights(path, held[theirs], f"U-GAT-IT's {theirs}")
        tensors, downs = _discriminator(weights)
        found.agree(weights, {f"{kind}_downs": downs})
        found.networks.setdefault(ours, {}).update(prefixed(kind, tensors))
    return found


def _generator(w: Weights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    first = w.look("DownBlock.1.weight")
    blocks = w.count(r"DownBlock\.\d+\.conv_block\.1\.weight")
    found: dict[str, Tensor] = {}
    for i in range(3):
        found |= prefixed(f"encoder.{3 * i}", w.layer(f"DownBlock.{4 * i + 1}", False))
    for i in range(blocks):
        block = f"DownBlock.{12 + i}.conv_block"
        found |= prefixed(f"encoder.{9 + i}.conv1", w.layer(f"{block}.1", False))
        found |= prefixed(f"encoder.{9 + i}.conv2", w.layer(f"{block}.5", False))
    found |= prefixed("cam.average", w.layer("gap_fc", False)) | prefixed("cam.maximum", w.layer("gmp_fc", False))
    found |= prefixed("cam.mix", w.layer("conv1x1"))
    for i in (0, 2):
        found |= prefixed(f"read.{i}", w.layer(f"FC.{i}", False))
    found |= prefixed("gamma", w.layer("gamma", False)) | prefixed("beta", w.layer("beta", False))
    for i in range(blocks):
        for part in (1, 2):
            theirs = f"UpBlock1_{i + 1}"
            found |= prefixed(f"blocks.{i}.conv{part}", w.layer(f"{theirs}.conv{part}", False))
            found[f"blocks.{i}.norm{part}.rho"] = w.take(f"{theirs}.norm{part}.rho").flatten()
    for i in range(2):
        found |= prefixed(f"up.{3 * i}", w.layer(f"UpBlock2.{5 * i + 2}", False))
        for name in ("rho", "gamma", "beta"):
            found[f"up.{3 * i + 1}.{name}"] = w.take(f"UpBlock2.{5 * i + 3}.{name}").flatten()
    found |= prefixed("out", w.layer("UpBlock2.11", False))
    w.finish()
    read_from, deep = found["read.0.weight"].shape[1], 4 * len(first)
    shown = {"channels": first.shape[1], "width": len(first), "blocks": blocks, "light": read_from == deep}
    return found, shown if shown["light"] else {**shown, "size": 4 * isqrt(read_from // deep)}


def _discriminator(w: Weights) -> tuple[dict[str, Tensor], int]:
    places = w.numbers(r"model\.(\d+)\.weight_orig")
    found: dict[str, Tensor] = {}
    for i, place in enumerate(places):
        found |= prefixed(f"body.{2 * i}", _spectral(w, f"model.{place}"))
    average, maximum = _spectral(w, "gap_fc", False), _spectral(w, "gmp_fc", False)
    found |= prefixed("cam.average", average) | prefixed("cam.maximum", maximum)
    mix = w.layer("conv1x1")
    # The authors weight features with the classifiers' weights before spectral norm, Instar with those after it.
    by_average, by_maximum = mix["weight"].chunk(2, 1)
    mix["weight"] = torch.cat([by_average * _largest(average), by_maximum * _largest(maximum)], 1)
    found |= prefixed("cam.mix", mix) | prefixed("last", _spectral(w, "conv", False))
    w.finish()
    return found, len(places) - 1


def _spectral(w: Weights, name: str, bias: bool = True) -> dict[str, Tensor]:
    """Take a layer with spectral norm: its weight, and the vectors of the power iteration."""
    inside = "parametrizations.weight"
    found = {
        f"{inside}.original": w.take(f"{name}.weight_orig"),
        f"{inside}.0._u": w.take(f"{name}.weight_u"),
        f"{inside}.0._v": w.take(f"{name}.weight_v"),
    }
    return found | ({"bias": w.take(f"{name}.bias")} if bias else {})


def _largest(layer: Mapping[str, Tensor]) -> Tensor:
    """Return the largest singular value as the power iteration has it."""
    inside = "parametrizations.weight"
    weight, u, v = (layer[f"{inside}.{name}"] for name in ("original", "0._u", "0._v"))
    return u @ weight.flatten(1) @ v

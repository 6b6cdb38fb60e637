"""TUNIT: one file with all networks and their moving averages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from instar.importing.imported import Imported
from instar.importing.munit import blocks_of, perceptron
from instar.importing.weights import Weights, prefixed, read

NETWORKS = ("C_EMA", "G_EMA", "C", "G", "D")
CONTENT = 16
"""Side of the content in training."""


def tunit(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return TUNIT of one file model_*.ckpt."""
    ((_, path),) = files
    held = read(path)
    known = {name: held.get(f"{name}_state_dict") for name in NETWORKS}
    if not isinstance(known["G_EMA"], Mapping) or not isinstance(known["C_EMA"], Mapping):
        names = ", ".join(map(str, list(held)[:3])) or "nothing"
        raise Weights(path, {}, "TUNIT").misfit(f"it should hold G_EMA_state_dict and C_EMA_state_dict, not {names}")
    weights = {name: Weights(path, one, f"TUNIT's {name}") for name, one in known.items() if isinstance(one, Mapping)}
    found = Imported("tunit", "paper", options={"cluster": 0.0}, train={})
    made = {name: _guiding(found, weights[name]) for name in ("C_EMA", "C") if name in weights}
    body, head = made["C_EMA"]
    found.networks |= {"C_ema": prefixed("net", body), "H_ema": prefixed("net", head)}
    found.networks |= dict(zip(("C", "H"), made.get("C", made["C_EMA"]), strict=True))
    averaged, shown, downs = _generator(weights["G_EMA"])
    found.agree(weights["G_EMA"], shown)
    found.averages["G"] = averaged
    found.networks["G"] = _generator(weights["G"])[0] if "G" in weights else averaged
    found.size = CONTENT * 2**downs
    found.options["side"] = found.size
    if "D" in weights:
        found.networks["D"] = _discriminator(weights["D"])
    found.notes.append("domains have no mean styles until the run has been trained on: give references for styles")
    return found


def _guiding(found: Imported, w: Weights) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Take C, and the layer for the domains on it."""
    tensors: dict[str, Tensor] = {}
    for place in w.numbers(r"features\.(\d+)\.weight"):
        tensors |= prefixed(f"body.{place}", w.layer(f"features.{place}"))
        for part in ("running_mean", "running_var", "num_batches_tracked"):
            if f"features.{place}.{part}" in w:
                tensors[f"body.{place}.{part}"] = w.take(f"features.{place}.{part}")
    tensors |= prefixed("head", w.layer("cont"))
    head = w.layer("disc")
    w.finish()
    style, domains = len(tensors["head.bias"]), len(head["bias"])
    found.agree(w, {"guide_width": len(tensors["body.0.bias"]), "style_dim": style, "domains": domains})
    return tensors, head


def _generator(w: Weights) -> tuple[dict[str, Tensor], dict[str, Any], int]:
    first = w.look("cnt_encoder.model.0.conv.weight")
    downs = w.count(r"cnt_encoder\.model\.\d+\.conv\.weight") - 1
    found: dict[str, Tensor] = {}
    for i in range(downs + 1):
        inside = "1" if i == 0 else "2"
        found |= prefixed(f"content.{2 * i}.{inside}", w.layer(f"cnt_encoder.model.{i}.conv"))
    found |= blocks_of(w, f"cnt_encoder.model.{downs + 1}.model", "content", 2 * downs + 3)
    found |= blocks_of(w, "decoder.model.0.model", "blocks")
    for i in range(downs):
        found |= prefixed(f"ups.{i}", w.layer(f"decoder.model.{2 * i + 2}.conv"))
    found |= prefixed("out.1", w.layer(f"decoder.model.{2 * downs + 1}.conv")) | perceptron(w)
    w.finish()
    return found, {"channels": first.shape[1], "width": len(first)}, downs


def _discriminator(w: Weights) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    places = w.numbers(r"main\.(\d+)\.(?:conv1\.)?weight")
    *body, heads = places
    for place in body:
        if f"main.{place}.conv1.weight" not in w:
            found |= prefixed(f"body.{place}", w.layer(f"main.{place}"))
            continue
        for part, ours in ((1, "first"), (2, "second")):
            for theirs, name in (("gamma", "scale"), ("beta", "shift"), ("tau", "floor")):
                norm = w.take(f"main.{place}.norm{part}.{theirs}")
                found[f"body.{place}.{ours}.0.{name}"] = norm.flatten()
            found |= prefixed(f"body.{place}.{ours}.1", w.layer(f"main.{place}.conv{part}"))
        if f"main.{place}.conv1x1.weight" in w:
            found |= prefixed(f"body.{place}.shortcut", w.layer(f"main.{place}.conv1x1", False))
    found |= prefixed("heads", w.layer(f"main.{heads}"))
    w.finish()
    return found

"""MUNIT and UNIT in its later form: files of generators and of discriminators, each with the networks a and b."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from instar.importing.imported import Imported
from instar.importing.weights import Weights, prefixed, read

DOWNS = 2
"""Halvings down to the content."""


def munit(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return MUNIT of gen_*.pt and dis_*.pt of its authors' code."""
    found = Imported("munit", "paper")
    for path, domain, weights in _networks(files, "MUNIT"):
        if "cnns.0.0.conv.weight" in weights:
            tensors, shown = _discriminator(weights)
            _add_discriminator(found, f"D_{domain}", path, tensors, shown)
        else:
            tensors, shown = _generator(weights)
            found.agree(weights, shown)
            found.networks[f"G_{domain}"] = tensors
    return found


def unit(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return UNIT of gen_*.pt and dis_*.pt of its authors' later code, with MUNIT's networks."""
    found = Imported("unit", "head")
    generator: dict[str, Tensor] = {}
    discriminator: dict[str, Tensor] = {}
    for path, domain, weights in _networks(files, "UNIT"):
        if "cnns.0.0.conv.weight" in weights:
            tensors, shown = _discriminator(weights)
            _add_discriminator(found, "D", path, prefixed(f"own.{domain}", tensors), shown, discriminator)
            continue
        front, shown = _content_encoder(weights, "enc")
        back = _decoder(weights, shown["blocks"])
        weights.finish()
        found.agree(weights, shown)
        drawn = {name.removeprefix("blocks."): tensor for name, tensor in back.items() if name.startswith("blocks.")}
        drawn |= {
            f"{shown['blocks']}.{name.removeprefix('out.')}": tensor
            for name, tensor in back.items()
            if name.startswith("out.")
        }
        generator |= prefixed(f"front.{domain}", front) | prefixed(f"back.{domain}", drawn)
        found.networks["G"] = generator
    return found


def blocks_of(w: Weights, theirs: str, ours: str, first: int = 0) -> dict[str, Tensor]:
    """Take residual blocks `theirs`.0, ... of two convolutions each as `ours` from number `first` on."""
    found: dict[str, Tensor] = {}
    for i in range(w.count(rf"{theirs}\.\d+\.model\.0\.conv\.weight")):
        block = f"{ours}.{first + i}" if ours else str(first + i)
        found |= prefixed(f"{block}.first.1", w.layer(f"{theirs}.{i}.model.0.conv"))
        found |= prefixed(f"{block}.second.2", w.layer(f"{theirs}.{i}.model.1.conv"))
    return found


def perceptron(w: Weights) -> dict[str, Tensor]:
    """Take the three layers that turn a style into AdaIN's numbers."""
    found: dict[str, Tensor] = {}
    for i in range(3):
        found |= prefixed(f"mlp.{2 * i}", w.layer(f"mlp.model.{i}.fc"))
    return found


def _networks(files: Sequence[tuple[str, Path]], what: str) -> list[tuple[Path, str, Weights]]:
    """Return the networks of all files, generators first: their file, domain and weights."""
    found = []
    for _, path in files:
        held = read(path)
        if set(held) != {"a", "b"} or not all(isinstance(one, Mapping) for one in held.values()):
            names = ", ".join(map(str, list(held)[:3]))
            raise Weights(path, {}, what).misfit(f"it should hold the networks a and b, and holds {names or 'nothing'}")
        found += [(path, domain, Weights(path, held[domain], f"{what}'s {domain}")) for domain in ("a", "b")]
    return sorted(found, key=lambda one: "cnns.0.0.conv.weight" in one[2])


def _generator(w: Weights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if "enc_content.model.0.conv.weight" not in w:
        raise w.misfit("there is no encoder of contents (enc_content); it may be of UNIT")
    content, shown = _content_encoder(w, "enc_content")
    found = prefixed("content", content)
    convolutions = w.numbers(r"enc_style\.model\.(\d+)\.conv\.weight")
    if convolutions != [0, 1, 2, 3, 4]:
        raise w.misfit("its encoder of styles has not the authors' four halvings")
    for i in convolutions:
        found |= prefixed(f"style.body.{3 * i + 1}", w.layer(f"enc_style.model.{i}.conv"))
    head = w.layer("enc_style.model.6")
    found |= prefixed("style.head", {"weight": head["weight"].flatten(1), "bias": head["bias"]})
    found |= prefixed("decoder", _decoder(w, shown["blocks"])) | perceptron(w)
    w.finish()
    return found, {**shown, "style_dim": len(head["bias"]), "mlp": len(found["mlp.0.bias"])}


def _content_encoder(w: Weights, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    first = w.look(f"{name}.model.0.conv.weight")
    if f"{name}.model.{DOWNS + 1}.model.0.model.0.conv.weight" not in w:
        raise w.misfit(f"its encoder does not halve {DOWNS} times (n_downsample)")
    found: dict[str, Tensor] = {}
    for i in range(DOWNS + 1):
        found |= prefixed(str(4 * i + 1), w.layer(f"{name}.model.{i}.conv"))
    blocks = blocks_of(w, f"{name}.model.{DOWNS + 1}.model", "", 4 * (DOWNS + 1))
    return found | blocks, {"channels": first.shape[1], "width": len(first), "blocks": len(blocks) // 4}


def _decoder(w: Weights, blocks: int) -> dict[str, Tensor]:
    found = blocks_of(w, "dec.model.0.model", "blocks")
    if len(found) != 4 * blocks:
        raise w.misfit("encoder and decoder differ in their number of blocks")
    for i in range(DOWNS):
        up = f"dec.model.{2 + 2 * i}"
        found |= prefixed(f"out.{3 * i}", w.layer(f"{up}.conv"))
        norm = {"weight": w.take(f"{up}.norm.gamma"), "bias": w.take(f"{up}.norm.beta")}
        found |= prefixed(f"out.{3 * i + 1}", norm)
    return found | prefixed("out.7", w.layer(f"dec.model.{2 + 2 * DOWNS - 1}.conv"))


def _discriminator(w: Weights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    first = w.look("cnns.0.0.conv.weight")
    scales, layers = len(w.numbers(r"cnns\.(\d+)\.0\.conv\.weight")), w.count(r"cnns\.0\.\d+\.conv\.weight")
    found: dict[str, Tensor] = {}
    for scale in range(scales):
        for i in range(layers):
            found |= prefixed(f"nets.{scale}.{3 * i + 1}", w.layer(f"cnns.{scale}.{i}.conv"))
        found |= prefixed(f"nets.{scale}.{3 * layers}", w.layer(f"cnns.{scale}.{layers}"))
    w.finish()
    return found, {"width": len(first), "scales": scales, "layers": layers, "channels": first.shape[1]}


def _add_discriminator(
    found: Imported,
    name: str,
    path: Path,
    tensors: dict[str, Tensor],
    shown: Mapping[str, Any],
    into: dict[str, Tensor] | None = None,
) -> None:
    if shown["layers"] != 4 or shown["width"] != found.options.get("width", shown["width"]):
        said = f"{path}: left out: the method's discriminators have 4 halvings and the width of the generators"
        found.notes += [said] if said not in found.notes else []
        return
    found.options["scales"] = shown["scales"]
    whole = tensors if into is None else into
    whole.update(tensors)
    found.networks[name] = whole

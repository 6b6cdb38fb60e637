"""pix2pix and BicycleGAN: U-Nets, whose files nest one level in another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.importing.imported import Imported, weights_of
from instar.importing.resnet import patch_discriminator, pixel_discriminator
from instar.importing.weights import Weights, as_gray, prefixed

PIX2PIX = ("G", "D")
BICYCLEGAN = ("E", "G", "D", "D2")
"""E first: it tells how many numbers a style has."""


def pix2pix(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return pix2pix of files of junyanz' code."""
    found = Imported("pix2pix", "reference")
    for label, path in sorted(files, key=lambda one: PIX2PIX.index(one[0])):
        weights = weights_of(path, f"pix2pix's {label}")
        if label == "G":
            _pix2pix_generator(found, weights)
        else:
            _pix2pix_discriminator(found, weights)
    return found


def bicyclegan(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return BicycleGAN of files of its authors' code."""
    found = Imported("bicyclegan", "paper")
    for label, path in sorted(files, key=lambda one: BICYCLEGAN.index(one[0])):
        weights = weights_of(path, f"BicycleGAN's {label}")
        if label == "E":
            found.networks["E"], shown = _style_encoder(weights)
            found.agree(weights, shown)
        elif label == "G":
            _styled_generator(found, weights)
        else:
            _two_scales(found, label, weights)
    labels = {label for label, _ in files}
    if "D" in labels and "D2" not in labels:
        found.options["same_d"] = True
    return found


def _levels(w: Weights) -> list[tuple[str, str, str, str]]:
    """Return the names of convolution, its norm, transposed convolution and its norm, from the outermost level on."""
    found = [("model.model.0", "", "model.model.3", "")]
    place = "model.model.1.model"
    while f"{place}.5.weight" in w:
        found.append((f"{place}.1", f"{place}.2", f"{place}.5", f"{place}.6"))
        place += ".3.model"
    return [*found, (f"{place}.1", "", f"{place}.3", f"{place}.4")]


def _levels_with_z(w: Weights) -> list[tuple[str, str]]:
    """Return the names of convolution and transposed convolution, from the outermost level on."""
    found, place = [("model.down.0", "model.up.1")], "model.submodule"
    while f"{place}.down.1.weight" in w:
        found.append((f"{place}.down.1", f"{place}.up.1"))
        place += ".submodule"
    return found


def _pix2pix_generator(found: Imported, w: Weights) -> None:
    if "model.model.0.weight" not in w:
        raise w.misfit("it is no U-Net (--netG unet_256 or unet_128)")
    levels = _levels(w)
    batch = f"{levels[1][1]}.weight" in w
    if not batch and f"{levels[1][0]}.bias" not in w:
        raise w.misfit("it has no norms (--norm none)")
    tensors: dict[str, Tensor] = {}
    for i, (down, norm, up, up_norm) in enumerate(levels):
        j = len(levels) - 1 - i
        tensors |= prefixed(f"down.{i}.0", w.layer(down, not batch))
        tensors |= prefixed(f"up.{j}.0", w.layer(up, not batch or i == 0))
        for name, place in ((norm, f"down.{i}.1"), (up_norm, f"up.{j}.1")):
            if batch and name:
                tensors |= prefixed(place, w.layer(name))
    w.finish()
    channels = _channels(w, tensors, len(levels))
    dropout_at = tuple(range(2, len(levels) - 3))
    found.networks["G"] = tensors
    found.agree(
        w,
        {
            "channels": channels,
            "width": len(tensors["down.0.0.weight"]),
            "downs": len(levels),
            "norm": "batch" if batch else "instance",
            "dropout_at": dropout_at,
        },
    )
    if dropout_at:
        where = ", ".join(f"d{number}" for number in dropout_at)
        found.notes.append(f"dropout on {where} while translating too, as in the authors' code without --no_dropout")


def _pix2pix_discriminator(found: Imported, w: Weights) -> None:
    if "net.0.weight" in w:
        tensors, shown = pixel_discriminator(w)
    else:
        tensors, shown = patch_discriminator(w)
        w.finish()
    first = "body.0.weight"
    channels = found.options.get("channels", 3)
    if shown["channels"] == 4 and channels == 3:
        tensors[first] = as_gray(tensors[first])
    norm, width = (found.options.get(key, shown[key]) for key in ("norm", "width"))
    if shown["norm"] != norm or shown["width"] != width or shown["channels"] not in (4, 2 * channels):
        found.notes.append(f"{w.path}: left out: its norm, width or channels are not those of the generator")
        return
    found.networks["D"] = tensors
    found.options["patch_layers"] = shown["layers"]


def _styled_generator(found: Imported, w: Weights) -> None:
    everywhere = "model.down.0.weight" in w
    if not everywhere and "model.model.0.weight" not in w:
        raise w.misfit("it is no U-Net with a style")
    levels = _levels_with_z(w) if everywhere else [(down, up) for down, _, up, _ in _levels(w)]
    tensors: dict[str, Tensor] = {}
    for i, (down, up) in enumerate(levels):
        j = len(levels) - 1 - i
        tensors |= prefixed(f"down.{i}.0", w.layer(down))
        if f"{up}.weight" not in w:
            raise w.misfit("it upsamples by interpolation (--upsample bilinear)")
        layer = w.layer(up)
        if i < len(levels) - 1:  # the authors put what comes from below first, Instar the skip
            layer["weight"] = torch.cat(layer["weight"].chunk(2)[::-1])
        tensors |= prefixed(f"up.{j}.0", layer)
    w.finish()
    width, seen = tensors["down.0.0.weight"].shape[:2]
    out = len(tensors[f"up.{len(levels) - 1}.0.bias"])
    style = tensors["down.1.0.weight"].shape[1] - width if everywhere else found.options.get("style", seen - out)
    if style < 1:
        raise w.misfit("it has no style (--nz 0)")
    if (seen - style, out) == (1, 3):
        tensors["down.0.0.weight"] = as_gray(tensors["down.0.0.weight"])
    elif seen - style != out:
        raise w.misfit(f"images have {seen - style} channels in and {out} out")
    found.networks["G"] = tensors
    inject = "all" if everywhere else "input"
    found.agree(w, {"channels": out, "width": width, "downs": len(levels), "style": style, "inject": inject})


def _style_encoder(w: Weights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    resnet = "conv.1.conv.2.weight" in w
    first = w.look("conv.0.weight")
    found = prefixed("body.0", w.layer("conv.0"))
    if resnet:
        blocks = w.numbers(r"conv\.(\d+)\.shortcut\.1\.weight")
        for i in blocks:
            for part, place in (("conv.2", "body.2"), ("conv.5.0", "body.5"), ("shortcut.1", "shortcut.1")):
                found |= prefixed(f"body.{i}.{place}", w.layer(f"conv.{i}.{part}"))
    else:
        for i, number in enumerate(w.numbers(r"conv\.(\d+)\.weight")[1:]):
            found |= prefixed(f"body.{i + 2}.0", w.layer(f"conv.{number}"))
    found |= prefixed("mu", w.layer("fc.0")) | prefixed("logvar", w.layer("fcVar.0"))
    w.finish()
    shown = {"channels": first.shape[1], "width": len(first), "style": len(found["mu.bias"])}
    return found, {**shown, "encoder": "resnet" if resnet else "conv"}


def _two_scales(found: Imported, label: str, w: Weights) -> None:
    if "model_0.0.weight" not in w:
        found.notes.append(f"{w.path}: left out: it has one scale (--num_Ds 1), the method's discriminators two")
        return
    fine, shown = patch_discriminator(w, "model_0")
    coarse, _ = patch_discriminator(w, "model_1")
    w.finish()
    channels = found.options.get("channels", shown["channels"])
    found.networks[label] = prefixed("fine", fine) | prefixed("coarse", coarse)
    found.agree(w, {"patch_layers": shown["layers"], "conditional": shown["channels"] != channels})


def _channels(w: Weights, tensors: dict[str, Tensor], downs: int) -> int:
    """Return the channels of the images, and make the first kernel of gray ones fit colour where colour comes out."""
    cin, cout = tensors["down.0.0.weight"].shape[1], len(tensors[f"up.{downs - 1}.0.bias"])
    if (cin, cout) == (1, 3):
        tensors["down.0.0.weight"] = as_gray(tensors["down.0.0.weight"])
    elif cin != cout:
        raise w.misfit(f"images have {cin} channels in and {cout} out")
    return cout

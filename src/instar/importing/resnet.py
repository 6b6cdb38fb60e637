"""The ResNet generator and the patch discriminator of the CycleGAN family."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from instar.importing.weights import Weights, as_gray, prefixed

STRIDED, BLURRED = (4, 7), (4, 8)
"""Places of the convolutions that halve, in the authors' list of layers."""


def resnet_generator(w: Weights) -> tuple[dict[str, Tensor], dict[str, Any], bool]:
    """Take the weights of a ResNet generator.

    Returns:
        Tensors by Instar's names, options that they show, and whether there was dropout in its blocks.
    """
    if "model.model.0.weight" in w or "model.down.0.weight" in w:
        raise w.misfit("it is a U-Net (--netG unet_256 or unet_128), which this method does not have")
    if "model.0.weight" in w:
        raise w.misfit("its convolutions pad with zeros, for which Instar has no network")
    if "model.1.weight" not in w:
        raise w.misfit("it is no ResNet generator (--netG)")
    antialias = "model.8.bias" in w
    first = w.look("model.1.weight")
    blocks = w.count(r"model\.\d+\.conv_block\.1\.weight")
    if "model.2.weight" in w:
        raise w.misfit("its norms are batch norms or learn scales (--normG batch); instance norms are known alone")
    start = 12 if antialias else 10
    dropout = f"model.{start}.conv_block.6.weight" in w
    stem, (down1, down2) = w.layer("model.1"), BLURRED if antialias else STRIDED
    found = prefixed("encoder.stem.0", stem)
    found |= prefixed("encoder.down1", w.layer(f"model.{down1}")) | prefixed("encoder.down2", w.layer(f"model.{down2}"))
    for i in range(blocks):
        block = f"model.{start + i}.conv_block"
        found |= prefixed(f"encoder.block{i + 1}.body.1", w.layer(f"{block}.1"))
        found |= prefixed(f"encoder.block{i + 1}.body.5", w.layer(f"{block}.{6 if dropout else 5}"))
    end = start + blocks
    blurred_up = antialias and f"model.{end + 1}.weight" in w
    if antialias and not blurred_up:
        raise w.misfit("it blurs on the way down only (--no_antialias_up)")
    for i in range(2):
        place, name = (end + 4 * i + 1, f"decoder.{i}.1") if antialias else (end + 3 * i, f"decoder.{i}.0")
        found |= prefixed(name, w.layer(f"model.{place}"))
    last = end + (9 if antialias else 7)
    found |= prefixed("decoder.3", w.layer(f"model.{last}"))
    w.finish()
    cin, cout = first.shape[1], len(found["decoder.3.bias"])
    if (cin, cout) == (1, 3):
        found["encoder.stem.0.weight"] = as_gray(first)
    elif cin != cout:
        raise w.misfit(f"images have {cin} channels in and {cout} out")
    return found, {"channels": cout, "width": len(first), "blocks": blocks, "antialias": antialias}, dropout


def patch_discriminator(
    w: Weights, name: str = "model", *, antialias: bool = False
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take the weights of a patch discriminator whose layers are called `name`.0, `name`.1, ...

    Returns:
        Tensors by Instar's names, and what they show: channels in, width, layers, norm.
    """
    places = w.numbers(rf"{name}\.(\d+)\.weight")
    convolutions = [place for place in places if w.look(f"{name}.{place}.weight").dim() == 4]
    norms = [place for place in places if place not in convolutions]
    step = 4 if antialias else 3
    layers = len(convolutions) - 2
    expected = [0, *((3 if antialias else 2) + step * i for i in range(layers))]
    expected.append(expected[-1] + 3)
    if layers < 1 or convolutions != expected:
        kinds = "with" if antialias else "without"
        raise w.misfit(f"its layers are not those of a patch discriminator {kinds} blurs (--netD, --no_antialias)")
    first = w.look(f"{name}.0.weight")
    found: dict[str, Tensor] = {}
    for place in convolutions:
        found |= prefixed(f"body.{place}", w.layer(f"{name}.{place}", None))
    for place in norms:
        found |= prefixed(f"body.{place}", w.layer(f"{name}.{place}"))
    shown = {"channels": first.shape[1], "width": len(first), "layers": layers}
    return found, {**shown, "norm": "batch" if norms else "instance"}


def pixel_discriminator(w: Weights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take the weights of the discriminator of single pixels; returns as `patch_discriminator`."""
    first, batch = w.look("net.0.weight"), "net.3.weight" in w
    found = prefixed("body.0", w.layer("net.0"))
    found |= prefixed("body.2", w.layer("net.2", not batch)) | prefixed("body.5", w.layer("net.5", not batch))
    if batch:
        found |= prefixed("body.3", w.layer("net.3"))
    w.finish()
    return found, {
        "channels": first.shape[1],
        "width": len(first),
        "layers": 0,
        "norm": "batch" if batch else "instance",
    }

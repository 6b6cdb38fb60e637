"""CycleGAN, CUT and GcGAN: one or two ResNet generators and patch discriminators, a file for each network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from instar.importing.imported import Imported, weights_of
from instar.importing.resnet import patch_discriminator, pixel_discriminator, resnet_generator
from instar.importing.weights import Weights, prefixed

CYCLEGAN = {"G_A": "G", "G_B": "F", "D_A": "D_Y", "D_B": "D_X", "G": "G"}
"""Networks of the authors, and ours: their D_A looks at images of B, where their G_A translates to."""
CUT = {"G": "G", "D": "D", "F": "H"}
GCGAN = {
    "G_AB": "G",
    "G_BA": "F",
    "D_B": "D_Y",
    "D_A": "D_X",
    "D_gc_B": "D_fY",
    "D_gc_A": "D_fX",
    "D_rot_B": "D_fY",
    "D_vf_B": "D_fY",
}
MAPS = {"D_gc_B": "rot90", "D_gc_A": "rot90", "D_rot_B": "rot90", "D_vf_B": "vflip"}
"""Of GcGAN's discriminators, the maps whose images they see; the name `gc` does not tell, rotations are the default."""
PATCH_LAYERS = 3
"""Of the discriminators here."""
LAYERS = ("pixels", "down1", "down2", "block1", "block5")
"""That CUT compares: 0, 4, 8, 12, 16 in the authors' count, if its networks blur and have 5 blocks or more."""
DROPOUT = "dropout in the generator's blocks (no --no_dropout) is left out: it is off while translating"


def cyclegan(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return CycleGAN of files of junyanz' code."""
    found = Imported("cyclegan", "paper")
    for label, path in files:
        _network(found, CYCLEGAN[label], weights_of(path, f"CycleGAN's {label}"))
    return found


def cut(files: Sequence[tuple[str, Path]], preset: str = "paper") -> Imported:
    """Return CUT of files of its authors' code."""
    found = Imported("cut", preset)
    for label, path in sorted(files, key=lambda one: "GDF".index(one[0])):
        weights = weights_of(path, f"CUT's {label}")
        if label == "F":
            _heads(found, weights)
        else:
            _network(found, CUT[label], weights)
        if label == "G" and found.options["blocks"] < 5:
            found.options["layers"] = LAYERS[:-1]
    return found


def fastcut(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return FastCUT, whose networks are those of CUT."""
    return cut(files, "fastcut")


def gcgan(files: Sequence[tuple[str, Path]]) -> Imported:
    """Return GcGAN of files of its authors' code."""
    found = Imported("gcgan", "paper")
    labels = {label for label, _ in files}
    if "G_BA" in labels:
        found.options["cycle"] = 10.0
    maps = tuple(dict.fromkeys(MAPS[label] for label in sorted(labels & set(MAPS))))
    if maps:
        found.options["maps"] = maps
    if labels & {"D_gc_A", "D_gc_B"}:
        found.notes.append("the file does not tell of which map D_gc is; taken for rotations (--geometry rot)")
    for label, path in files:
        inside = f"{MAPS[label]}." if label in MAPS else ""
        _network(found, GCGAN[label], weights_of(path, f"GcGAN's {label}"), inside)
    return found


def _network(found: Imported, name: str, weights: Weights, inside: str = "") -> None:
    """Take a generator or a discriminator; one of another kind than the method's is left out with a note."""
    if name in ("G", "F"):
        tensors, shown, dropout = resnet_generator(weights)
        found.agree(weights, shown)
        if dropout and DROPOUT not in found.notes:
            found.notes.append(DROPOUT)
        found.networks[name] = tensors
        return
    antialias = "model.2.filt" in weights
    if "net.0.weight" in weights:
        tensors, shown = pixel_discriminator(weights)
    else:
        tensors, shown = patch_discriminator(weights, antialias=antialias)
        weights.finish()
    wanted = {"width": found.options.get("width", shown["width"]), "layers": PATCH_LAYERS, "norm": "instance"}
    other = [f"{key} {shown[key]}" for key, value in wanted.items() if shown[key] != value]
    if antialias != found.options.get("antialias", antialias):
        other.append("blurs" if antialias else "no blurs")
    if other:
        found.notes.append(f"{weights.path}: left out: the method's discriminators have no {', '.join(other)}")
        return
    found.networks.setdefault(name, {}).update(prefixed(inside.rstrip("."), tensors) if inside else tensors)


def _heads(found: Imported, weights: Weights) -> None:
    if weights.count(r"mlp_\d+\.0\.weight") != len(LAYERS):
        found.notes.append(f"{weights.path}: left out: it compares other layers than 0,4,8,12,16 (--nce_layers)")
        return
    if not found.options.get("antialias") or "layers" in found.options:
        found.notes.append(f"{weights.path}: left out: in this generator the layers 0,4,8,12,16 are others")
        return
    tensors: dict[str, Tensor] = {}
    for number, layer in enumerate(LAYERS):
        for part in (0, 2):
            tensors |= prefixed(f"heads.{layer}.{part}", weights.layer(f"mlp_{number}.{part}"))
    weights.finish()
    found.networks["H"] = tensors

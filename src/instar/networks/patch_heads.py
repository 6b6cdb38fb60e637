"""The projection heads of CUT and DCLGAN: from encoder features at chosen places to unit vectors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from instar.core.device import moved


class PatchHeads(nn.Module):
    """For each layer a two-layer perceptron and L2 normalisation, shared by queries and keys."""

    def __init__(self, channels: Mapping[str, int], dim: int = 256) -> None:
        """Build one head for each layer name in `channels`, which gives the width of its features."""
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(count, dim), nn.ReLU(inplace=True), nn.Linear(dim, dim))
                for name, count in channels.items()
            }
        )

    def project(self, features: Mapping[str, Tensor], places: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Project features at places.

        Args:
            features: by layer, (N, C, H, W).
            places: by layer, (S,) indices into the H * W positions, the same for all images, or (N, S, H * W) weights
                with which the features of all positions are added up.

        Returns:
            By layer, (N, S, dim) vectors x / (|x| + 1e-7).
        """
        out = {}
        for name, head in self.heads.items():
            feature, where = features[name].flatten(2), places[name]
            picked = where.dim() == 1
            patches = feature[:, :, where].transpose(1, 2) if picked else where @ feature.transpose(1, 2)
            vectors = head(patches)
            out[name] = vectors / (vectors.norm(dim=2, keepdim=True) + 1e-7)
        return out


def sample_places(features: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Draw, for each layer, min(count, H * W) different positions: (S,) indices into H * W."""
    places = {}
    for name, feature in features.items():
        h, w = feature.shape[2:]
        places[name] = moved(torch.randperm(h * w)[:count], feature.device)
    return places

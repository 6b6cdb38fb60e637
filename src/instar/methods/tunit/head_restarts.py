"""A linear head for clusters, trained from many starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, distributed, nn

IMAGES = 20_000
"""That are looked at, at most."""
STEPS, BATCH, LR = 600, 768, 3e-3
"""Of the heads' training, on features with mean 0 and deviation 1, from logits with deviation 1."""
DEAD = 1e-3
"""A feature that varies less than this share of the one that varies most is not scaled up."""
COMPARED = 4096
"""Images on which the heads are compared, at most."""


@torch.no_grad()
def restart_head(
    head: nn.Linear, features: Iterable[Tensor], count: int, loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Set `head` to that of `count` new heads whose clusters of two views have most in common.

    Which domains a head finds depends on where it starts: two that look alike end in one, another one is split, and
    what is common to views keeps it so. Heads are cheap to train while the features stay as they are, and the
    least `loss` tells which of them is best: no label is asked. With several processes, all take that of the first.

    Args:
        head: from features to K logits.
        features: (2 N, F) for each batch of N images: of a view of each, then of another view of each.
        count: heads.
        loss: (count,), of the probabilities (count, N, K) of the clusters for the first and for the other views.

    Returns:
        (count,), the loss of each head, the least first.
    """
    pairs: list[Tensor] = []
    for batch in features:
        pairs.append(torch.stack(batch.float().chunk(2)))
        if sum(part.shape[1] for part in pairs) >= IMAGES:
            break
    views = torch.cat(pairs, 1)
    mean, std = views.mean((0, 1)), views.std((0, 1))
    std = torch.where(std > DEAD * std.max(), std, std.max()) + 1e-5
    with torch.autocast(views.device.type, enabled=False):
        weight, bias, losses = _train((views - mean) / std, head.out_features, count, loss)
        weight = weight / std[:, None]
        bias = bias - mean @ weight
    head.weight.copy_(weight.T)
    head.bias.copy_(bias)
    if distributed.is_available() and distributed.is_initialized():
        for parameter in head.parameters():
            distributed.broadcast(parameter, 0)
    return losses


@torch.enable_grad()
def _train(
    views: Tensor, clusters: int, count: int, loss: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return weight (F, K) and bias (K,) of the best head for features (2, N, F), and the losses of all."""
    images, features = views.shape[1:]
    weights = torch.randn(count, features, clusters, device=views.device).div_(features**0.5).requires_grad_()
    biases = torch.zeros(count, 1, clusters, device=views.device, requires_grad=True)
    adam = torch.optim.Adam([weights, biases], lr=LR)

    def losses(some: Tensor) -> Tensor:
        first, second = ((view @ weights + biases).softmax(-1) for view in some)
        return loss(first, second)

    for _ in range(STEPS):
        total = losses(views[:, torch.randint(images, (BATCH,), device=views.device)]).sum()
        weights.grad, biases.grad = torch.autograd.grad(total, (weights, biases))
        adam.step()
    with torch.no_grad():
        found = losses(views[:, :COMPARED])
    best = int(found.argmin())
    return weights[best].detach(), biases[best, 0].detach(), found.sort().values

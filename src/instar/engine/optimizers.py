"""One Adam for each network; an objective names the networks that move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from instar.core.method import Method
from instar.core.progress import Progress
from instar.core.schedule import halving, linear

LARGEST_NORM = 1e18
"""Of gradients that Adam can take: it squares them, and float32 ends at 3e38. With such gradients, and with the bounds
that settings have, whatever it writes is finite."""


class Optimizers:
    """The optimisers of a method's direct children that have something to train."""

    def __init__(self, method: Method[Any]) -> None:
        self.method = method
        self.by_name = {name: _adam(method, name, net) for name, net in method.named_children() if _trains(net)}
        self._names = {id(net): name for name, net in method.named_children()}

    def names(self, over: Iterable[nn.Module]) -> list[str]:
        """Return the names of the networks of an objective; one that cannot be moved is an error."""
        names = []
        for net in over:
            name = self._names.get(id(net))
            if name not in self.by_name:
                what = f"{name!r} has nothing to train" if name else f"a {type(net).__name__} is no direct child"
                raise ValueError(f"an objective of {type(self.method).__name__} cannot move it: {what}")
            names.append(name)
        return names

    def parameters(self, names: Sequence[str]) -> list[nn.Parameter]:
        """Return the parameters of these networks."""
        return [p for name in names for group in self.by_name[name].param_groups for p in group["params"]]

    def step(self, names: Sequence[str], at: Progress, bad: Tensor | None = None) -> None:
        """Move these networks along their gradients, at the learning rate of this moment.

        Args:
            names: of the networks.
            at: where the run stands.
            bad: a number on the device: if it is 1 nothing moves, Adam's averages and counts of steps included. Only
                fused Adams look at it.
        """
        for name in names:
            settings = self.method.optim(name)
            for group in self.by_name[name].param_groups:
                group["lr"] = settings.lr * linear(at, settings.hold) * halving(at, settings.halve)
            vars(self.by_name[name])["found_inf"] = bad  # where a GradScaler leaves it for a fused Adam
            self.by_name[name].step()

    def state(self) -> dict[str, Tensor]:
        """Return all tensors of all optimisers as ``network/index/key``."""
        return {
            f"{name}/{index}/{key}": value
            for name, adam in self.by_name.items()
            for index, values in adam.state_dict()["state"].items()
            for key, value in values.items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` returned. `ValueError`: it is of other networks."""
        for name, adam in self.by_name.items():
            nested: dict[int, dict[str, Tensor]] = {}
            for path, value in state.items():
                network, index, key = path.split("/")
                if network == name:
                    nested.setdefault(int(index), {})[key] = value
            for number, values in nested.items():
                nested[number] = _fitting(f"{name}/{number}", values, self.parameters([name])[number : number + 1])
            adam.load_state_dict({"state": nested, "param_groups": adam.state_dict()["param_groups"]})


def gradient_norm(gradients: Sequence[Tensor], clip: float) -> Tensor:
    """Return the norm of all gradients together, scaling them down to `clip` if that is above 0."""
    norm = get_total_norm(gradients)
    if clip:
        for gradient in gradients:
            gradient.mul_((clip / (norm + 1e-6)).clamp(max=1.0))
    return norm


def usable(norm: Tensor) -> Tensor:
    """Return whether Adam can take gradients of this norm: they are finite, and so are their squares."""
    return norm <= LARGEST_NORM


def _fitting(where: str, values: dict[str, Tensor], found: Sequence[nn.Parameter]) -> dict[str, Tensor]:
    """Return Adam's averages with the strides of their parameter: fused Adam goes through both side by side.

    Raises:
        ValueError: they are not those of this parameter. Adam itself would see it a step later.
    """
    shapes = {key: value.shape for key, value in values.items() if key != "step"}
    if not found or "step" not in values or shapes != dict.fromkeys(("exp_avg", "exp_avg_sq"), found[0].shape):
        raise ValueError(f"{where} does not fit")
    laid_out = {key: torch.empty_like(found[0], dtype=values[key].dtype).copy_(values[key]) for key in shapes}
    return {"step": values["step"], **laid_out}


def _trains(net: nn.Module) -> bool:
    return any(p.requires_grad for p in net.parameters())


def _adam(method: Method[Any], name: str, net: nn.Module) -> torch.optim.Adam:
    settings = method.optim(name)
    trained = [p for p in net.parameters() if p.requires_grad]
    fused = all(p.device.type in ("cuda", "cpu") for p in trained)
    groups: list[dict[str, Any]] = [{"params": trained}]
    if settings.weight_decay:  # a norm's scale or AdaLIN's ratio is not to be pulled to 0
        groups = [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in trained if p.dim() <= 1]},
        ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.Adam(groups, lr=settings.lr, betas=settings.betas, fused=fused)

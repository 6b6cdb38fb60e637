"""Running modules by rows, for the tests of this folder."""

from collections.abc import Callable

import torch
from torch import Tensor

from instar.inference.tiles.local import Given
from instar.inference.tiles.storage import Space
from instar.inference.tiles.tensor import TiledTensor
from instar.inference.tiles.work import Work


def work_for(x: Tensor, rows: int, memory: int = 2**30) -> Work:
    """What computes so many rows of x (1, C, H, W) at a time."""
    return Work(torch.device("cpu"), (x.shape[-2], x.shape[-1]), rows * x.shape[-1], Space(memory))


def tiled_of(x: Tensor, work: Work) -> TiledTensor:
    return TiledTensor(Given(x.shape, x.dtype, x, work.device), work)


@torch.no_grad()
def by_rows(run: Callable[[Tensor], Tensor], x: Tensor, rows: int, memory: int = 2**30) -> Tensor:
    """What a function makes of x, computed so many rows of x at a time."""
    work = work_for(x, rows, memory)
    out = run(tiled_of(x, work))
    assert isinstance(out, TiledTensor), "nothing was left to compute by rows"
    return work.tensor(out.current())

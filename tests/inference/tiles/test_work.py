import gc

import pytest
import torch
from torch import nn

from instar.inference.tiles.storage import Space, Storage
from instar.modules.norms import InstanceNorm
from instar.networks.resnet import ResnetGenerator

from .rows import tiled_of, work_for


@pytest.mark.parametrize("memory", [0, 2**20])
def test_storage_gives_back_what_it_was_given(memory: int) -> None:
    space = Space(memory)
    x = torch.randn(3, 20, 7)
    storage = Storage((3, 20, 7), x.dtype, space)
    for first in range(0, 20, 6):
        storage.write(first, x[:, first : first + 6])
    assert torch.equal(storage.read(0, 20), x)
    assert torch.equal(storage.read(5, 13), x[:, 5:13])
    assert (space.in_memory, space.on_disk) == ((0, x.nbytes) if memory == 0 else (x.nbytes, 0))
    del storage
    gc.collect()
    assert (space.in_memory, space.on_disk) == (0, 0)
    assert space.most_in_memory + space.most_on_disk == x.nbytes


def test_features_go_to_disk_where_memory_ends() -> None:
    space = Space(100 * 4)
    kept = [Storage((1, 10, 8), torch.float32, space) for _ in range(2)]
    assert (space.in_memory, space.on_disk) == (320, 320)
    kept.pop(0)
    gc.collect()
    kept.append(Storage((1, 5, 8), torch.float32, space))
    assert (space.in_memory, space.on_disk) == (160, 320)


@torch.no_grad()
def test_no_more_is_kept_than_a_block_needs() -> None:
    """However deep the network is: the input of a block, and what two convolutions in it made."""
    x = torch.zeros(1, 3, 64, 48)
    most = []
    for blocks in (3, 9):
        work = work_for(x, 8)
        out = ResnetGenerator(3, 4, blocks)(tiled_of(x, work))
        del out
        most.append(work.space.most_in_memory)
        gc.collect()
        assert work.space.in_memory == 0
    assert most[0] == most[1]


@torch.no_grad()
def test_counting_is_what_computing_does() -> None:
    x = torch.rand(1, 3, 64, 48)
    net = ResnetGenerator(3, 4, 2, antialias=True, skip=True)
    ticks: list[int] = []
    real, counted = work_for(x, 8), work_for(x, 8)
    real.tick, counted.counts_only = ticks.append, True
    for work in (real, counted):
        out = net(tiled_of(x, work))
        work.tensor(out.current())
    assert ticks == list(range(1, counted.strips + 1))
    assert counted.space.most_in_memory == real.space.most_in_memory > 0
    assert counted.strip_bytes == real.strip_bytes > 0


@torch.no_grad()
def test_a_norm_after_a_convolution_reads_it_once() -> None:
    """The statistics are summed up while the convolution is computed."""
    x = torch.rand(1, 3, 64, 48)
    work = work_for(x, 8)
    out = nn.Sequential(nn.Conv2d(3, 4, 1), InstanceNorm())(tiled_of(x, work))
    assert work.strips == 8
    work.tensor(out.current())
    assert work.strips == 16


@torch.no_grad()
def test_what_is_soon_computed_is_not_written_to_disk() -> None:
    """The first convolution and the last but one are as large as the image and cheap; what is computed is the same."""
    x = torch.rand(1, 3, 96, 64)
    net = ResnetGenerator(3, 16, 2).eval()
    channels = net(x).shape[1]
    whole = [work_for(x, 8, memory) for memory in (2**30, 0)]
    found = []
    for work in whole:
        out = net(tiled_of(x, work))
        found.append(work.tensor(out.current()))
        del out
        gc.collect()
    assert found[0].shape[1] == channels
    assert torch.allclose(found[0], found[1], atol=1e-5)
    assert whole[0].space.most_on_disk == 0
    large = 16 * 96 * 64 * 4
    assert 0 < whole[1].space.most_on_disk < whole[0].space.most_in_memory - large / 2


@torch.no_grad()
def test_costly_features_are_kept_on_disk() -> None:
    """A convolution of many channels is computed once: it takes longer than a disk."""
    x = torch.rand(1, 3, 64, 48)
    for inner, kept in ((4, 0), (64, 128 * 64 * 48 * 4)):
        work = work_for(x, 8, 0)
        net = nn.Sequential(nn.Conv2d(3, inner, 1), nn.Conv2d(inner, 128, 3, padding=1))
        out = net(tiled_of(x, work))
        assert work.space.on_disk == kept
        assert torch.allclose(work.tensor(out.current()), net(x), atol=1e-5)
        del out
        gc.collect()

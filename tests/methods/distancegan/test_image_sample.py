import pytest
import torch
from torch import Tensor

from instar.methods.distancegan.image_sample import ImageSample


@pytest.fixture
def levels() -> Tensor:
    return torch.randint(256, (6, 3, 4, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def images(levels: Tensor) -> Tensor:
    return levels / 127.5 - 1


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_images_of_8_bits_come_back_however_they_were_batched(levels: Tensor, size: int) -> None:
    sample = ImageSample(5)
    for part in levels.split(size):
        sample.add(images(part))
    assert torch.equal(sample.levels(), levels[:5])
    assert sample.done


def test_a_file_that_comes_again_ends_the_sample(levels: Tensor) -> None:
    sample = ImageSample(900)
    sample.add(images(levels[:3]), ("a", "b", "c"))
    assert not sample.done
    sample.add(images(levels[3:]), ("d", "a", "e"))
    assert sample.done
    sample.add(images(levels[:1]), ("f",))
    assert torch.equal(sample.levels(), levels[:4])
    assert len(sample) == 4


def test_without_names_all_images_differ(levels: Tensor) -> None:
    sample = ImageSample(900)
    for _ in range(3):
        sample.add(images(levels), ("a", "b"))
    assert len(sample) == 18
    assert not sample.done

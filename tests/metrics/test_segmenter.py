import numpy as np
import pytest
import torch

from instar.core.events import Event, Worked
from instar.metrics import segmenter
from instar.metrics.segmenter import Scene, Segmenter, train

CPU = torch.device("cpu")


def scenes(count: int, seed: int = 0, side: int = 24) -> list[Scene]:
    """Dark grounds with a lighter disc on them; the rim between them is class 2, not scored."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        y, x = np.mgrid[:side, : side + 8]
        far = np.hypot(y - random.uniform(6, side - 6), x - random.uniform(6, side + 2))
        classes = np.where(far < 5, 1, np.where(far < 6, 2, 0)).astype(np.uint8)
        shade = np.where(classes == 1, random.integers(150, 255), random.integers(0, 100))
        pixels = np.clip(shade[..., None] + random.normal(0, 10, (side, side + 8, 3)), 0, 255).astype(np.uint8)
        made.append(Scene(pixels, classes))
    return made


def test_shapes_for_any_size() -> None:
    network = Segmenter(5, width=2).eval()
    for height, width in ((32, 32), (17, 40)):
        assert network(torch.zeros(2, 3, height, width)).shape == (2, 5, height, width)


def test_it_learns_what_is_where_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "RATE", 0.02)  # so that few steps are enough
    events: list[Event] = []
    network = train(scenes(16), 2, 2, 16, CPU, events.append, steps=40, width=4)
    assert events == [Worked("training the segmenter", step, 40) for step in range(40)]
    assert not network.training
    (other,) = scenes(1, seed=1)
    image = torch.from_numpy(other.pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    found = network(image).argmax(1)[0].numpy()
    scored = other.classes < 2
    assert (found == other.classes)[scored].mean() > 0.9
    again = train(scenes(16), 2, 2, 16, CPU, steps=40, width=4)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_training_leaves_the_chance_of_others_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train(scenes(2), 3, None, 16, CPU, steps=1, width=2)
    assert torch.equal(torch.rand(2), expected)


def test_ignored_pixels_teach_nothing() -> None:
    plain = scenes(4)
    blank = [Scene(s.pixels, np.full_like(s.classes, 2)) for s in plain]
    one, two = (train(blank, 2, 2, 16, CPU, steps=steps, width=2) for steps in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_without_scenes() -> None:
    with pytest.raises(ValueError, match="needs images"):
        train([], 2, None, 16, CPU)

import math

import torch

from instar.modules.waves import waves


def test_waves() -> None:
    found = waves(torch.tensor([0, 500]), 4)
    slow = 10_000 ** (-1 / 2)
    expected = [math.cos(500), math.cos(500 * slow), math.sin(500), math.sin(500 * slow)]
    torch.testing.assert_close(found, torch.tensor([[1.0, 1.0, 0.0, 0.0], expected]), atol=1e-4, rtol=0)

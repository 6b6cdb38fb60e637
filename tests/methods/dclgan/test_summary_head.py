import torch
from torch.nn import functional as nnf

from instar.methods.dclgan.summary_head import SummaryHead
from methods.parts import count


def test_parameters() -> None:
    assert count(SummaryHead(4)) == 4 * 9 * 64 + 64 + 2 * (64 * 64 + 64) == 10_688


def test_by_hand() -> None:
    torch.manual_seed(0)
    net, vectors = SummaryHead(2), torch.randn(3, 2, 7, 9)
    conv, _, _, _, first, _, second = net.body
    pooled = nnf.conv2d(vectors, conv.weight, conv.bias, stride=2).relu().mean((2, 3))
    out = second(first(pooled).relu())
    torch.testing.assert_close(net(vectors), out / out.norm(dim=1, keepdim=True))


def test_the_order_of_distant_pairs_hardly_matters_but_values_do() -> None:
    torch.manual_seed(0)
    net, vectors = SummaryHead(2), torch.randn(1, 2, 16, 16)
    assert not torch.allclose(net(vectors), net(vectors.flip(1)))
    torch.testing.assert_close(net(vectors).norm(dim=1), torch.ones(1))

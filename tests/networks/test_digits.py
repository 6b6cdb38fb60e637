import pytest
import torch
from methods.parts import count

from instar.methods.unit_adaptation.networks import codis32x32
from instar.networks.digits import codis28x28


@pytest.mark.parametrize(("make", "side", "features"), [(codis32x32, 32, (512, 2, 2)), (codis28x28, 28, (500, 1, 1))])
def test_discriminators(make, side: int, features: tuple[int, ...]) -> None:
    net = make((3, 1)).eval()
    a, b = torch.rand(2, 3, side, side), torch.rand(3, 1, side, side)
    f = net.features(a, b)
    assert f.shape == (5, *features)
    assert net.realness(f).shape == (5,)
    assert net.classes(f).shape == (5, 10)
    torch.testing.assert_close(net.classify(b, "b"), net.classes(f)[2:])
    torch.testing.assert_close(net.classify(a, "a"), net.classes(f)[:2])
    both = net.real(f)[:, :, 0, 0]
    torch.testing.assert_close(net.realness(f).sigmoid(), both.softmax(1)[:, 1])


def test_parameters() -> None:
    """Those of CoGAN's code."""
    with torch.device("meta"):
        assert count(codis28x28((1, 1))) == 432_603


def test_domains_meet_after_their_own_layer() -> None:
    net = codis28x28((1, 1)).eval()
    x = torch.rand(2, 1, 28, 28)
    assert not torch.equal(net.classify(x, "a"), net.classify(x, "b"))
    net.own["b"].load_state_dict(net.own["a"].state_dict())
    assert torch.equal(net.classify(x, "a"), net.classify(x, "b"))

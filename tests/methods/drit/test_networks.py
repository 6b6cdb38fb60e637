import pytest
import torch
from torch import nn
from torch.nn import functional as nnf

from instar.methods.drit.networks import (
    AttributeEncoder,
    Attributes,
    ContentDiscriminator,
    ContentEncoder,
    Generator,
    HalvingBlock,
    Inject,
    MixingBlock,
    initial,
    least_content,
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_shapes_at_the_papers_size() -> None:
    with torch.device("meta"):
        x = torch.empty(1, 3, 216, 216)
        content = ContentEncoder((3, 3))(x, "a")
        assert content.shape == (1, 256, 54, 54)
        assert ContentDiscriminator()(content).shape == (1, 1, 1, 1)


@pytest.mark.parametrize("inject", ["concat", "features"])
def test_each_domain_has_its_own_channels(inject: Inject) -> None:
    content, attributes, draw = (
        ContentEncoder((3, 1), 2),
        AttributeEncoder((3, 1), 2, 4, inject),
        Generator((3, 1), 2, 4, inject),
    )
    for domain, channels in (("a", 3), ("b", 1)):
        x = torch.rand(2, channels, 32, 24)
        found = attributes(x, domain)
        assert found.mean.shape == (2, 4)
        assert (found.logvar is None) == (inject == "features")
        out = draw(content(x, domain), found.mean, domain)
        assert out.shape == x.shape
        assert out.abs().max() <= 1


def test_contents_have_noise_in_training_only() -> None:
    net, x = ContentEncoder((3, 3), 2), torch.rand(2, 3, 32, 32)
    clean = net.eval()(x, "a")
    assert torch.equal(clean, net(x, "a"))
    noise = net.train()(x, "a") - clean
    assert noise.std().item() == pytest.approx(1, abs=0.1)
    assert not torch.equal(noise, net(x, "a") - clean)


def test_the_last_block_of_the_content_is_the_same_for_both_domains() -> None:
    net = ContentEncoder((3, 3), 2).eval()
    net.own["b"].load_state_dict(net.own["a"].state_dict())
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(net(x, "a"), net(x, "b"))
    net(x, "b").sum().backward()
    assert all(p.grad is None for p in net.own["a"].parameters())
    assert all(p.grad is not None for p in net.shared.parameters())


def test_halving_block_by_hand() -> None:
    block, x = HalvingBlock(3, 5), torch.randn(2, 3, 8, 6)
    first, second = (layer for layer in block.body if isinstance(layer, nn.Conv2d))
    inside = x
    for layer in (first, second):
        padded = nnf.pad(nnf.leaky_relu(inside, 0.2), [1] * 4, mode="reflect")
        inside = nnf.conv2d(padded, layer.weight, layer.bias)
    expected = nnf.avg_pool2d(inside, 2) + block.shortcut[1](nnf.avg_pool2d(x, 2))
    torch.testing.assert_close(block(x), expected)


def test_mixing_block_by_hand() -> None:
    block, x, made = MixingBlock(3), torch.randn(2, 3, 5, 6), torch.randn(2, 3)
    everywhere = made[:, :, None, None].repeat(1, 1, 5, 6)
    inside = x
    for conv, mix in ((block.first, block.mix1), (block.second, block.mix2)):
        assert isinstance(conv[1], nn.Conv2d)
        padded = nnf.pad(inside, [1] * 4, mode="reflect")
        inside = nnf.instance_norm(nnf.conv2d(padded, conv[1].weight, conv[1].bias))
        inside = torch.cat([inside, everywhere], 1)
        for layer in mix:  # type: ignore[attr-defined]
            inside = nnf.conv2d(inside, layer.weight, layer.bias) if isinstance(layer, nn.Conv2d) else inside.relu()
    torch.testing.assert_close(block(x, made), x + inside, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_least_content(layers: int) -> None:
    with torch.device("meta"):
        net, side = ContentDiscriminator(1, layers), least_content(layers)
        assert net(torch.empty(1, 1, side, side)).shape == (1, 1, 1, 1)
        with pytest.raises(RuntimeError):
            net(torch.empty(1, 1, side - 1, side - 1))


def test_a_distribution_without_variance_draws_its_mean() -> None:
    mean = torch.randn(2, 3)
    assert torch.equal(Attributes(mean, None).draw(), mean)
    torch.testing.assert_close(Attributes(mean, torch.full((2, 3), -200.0)).draw(), mean)
    spread = Attributes(torch.zeros(1, 20_000), torch.full((1, 20_000), 2 * torch.tensor(3.0).log().item())).draw()
    assert spread.std().item() == pytest.approx(3, abs=0.1)


def test_initial_weights() -> None:
    net = initial(Generator((3, 3), 16, 8, "features"))
    block = net.own["a"].blocks[0]  # type: ignore[union-attr, index]
    assert block.mix1[0].weight.std().item() == pytest.approx(0.02, rel=0.1)  # type: ignore[union-attr, index]
    linear = net.own["a"].perceptron[2]  # type: ignore[union-attr, index]
    assert linear.weight.std().item() == pytest.approx(1 / (3 * 64) ** 0.5, rel=0.1)  # PyTorch's own

from collections.abc import Iterator

import pytest
import torch
from networks.test_munit import content_by_table, discriminator_by_table, ends_by_table
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.methods.unit.networks import (
    DiscriminatorPair,
    SharedCodeGenerator,
    deep_discriminators,
    munit_discriminators,
    munit_generator,
    scaled_discriminators,
    tied_discriminators,
    tied_generator,
)
from methods.parts import count

Weights = Iterator[nn.Parameter]


def conv(x: Tensor, weights: Weights, pad: int, stride: int = 1) -> Tensor:
    return nnf.conv2d(x, next(weights), next(weights), stride, pad)


def blocks_by_table(weights: Weights, x: Tensor, count: int) -> Tensor:
    for _ in range(count):
        inside = nnf.instance_norm(conv(x, weights, 1)).relu()
        x = x + nnf.instance_norm(conv(inside, weights, 1))
    return x


def act(x: Tensor, normed: bool) -> Tensor:
    return nnf.instance_norm(x).relu() if normed else nnf.leaky_relu(x, 0.01)


def code_by_table(net: SharedCodeGenerator, x: Tensor, side: str, blocks: int, shared: int, normed: bool) -> Tensor:
    weights = iter([*net.front[side].parameters(), *net.enter.parameters()])
    x = nnf.leaky_relu(conv(x, weights, 3), 0.01)
    for _ in range(2):
        x = act(conv(x, weights, 1, 2), normed)
    return blocks_by_table(weights, x, blocks + shared)


def image_by_table(net: SharedCodeGenerator, z: Tensor, side: str, blocks: int, shared: int, normed: bool) -> Tensor:
    weights = iter([*net.leave.parameters(), *net.back[side].parameters()])
    z = blocks_by_table(weights, z, shared + blocks)
    for _ in range(2):
        z = nnf.conv_transpose2d(z, next(weights), next(weights), 2, 1, output_padding=1)
        z = act(z, normed)
    return nnf.conv_transpose2d(z, next(weights), next(weights)).tanh()


def shaken(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for p in net.double().parameters():
            p.add_(0.1 * torch.randn_like(p))
    return net


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, 16, 24, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(("blocks", "shared", "normed"), [(2, 1, False), (1, 2, True), (2, 0, False)])
def test_tied_generator_equals_the_table(x: Tensor, side: str, blocks: int, shared: int, normed: bool) -> None:
    net = shaken(tied_generator(3, 4, blocks, shared, normed=normed))
    code = net.encode(x, side)
    torch.testing.assert_close(code, code_by_table(net, x, side, blocks, shared, normed))
    assert code.shape == (2, 16, 4, 6)
    torch.testing.assert_close(net.decode(code, side), image_by_table(net, code, side, blocks, shared, normed))


def test_later_generator_is_munits(x: Tensor) -> None:
    net = shaken(munit_generator(3, 4, 2))
    code = net.encode(x, "b")
    torch.testing.assert_close(code, content_by_table(net.front["b"], x, 2))
    weights = iter(list(net.back["a"].parameters()))
    expected = code
    for _ in range(2):
        padded = nnf.pad(expected, (1,) * 4, mode="reflect")
        inside = nnf.pad(nnf.instance_norm(conv(padded, weights, 0)).relu(), (1,) * 4, mode="reflect")
        expected = expected + nnf.instance_norm(conv(inside, weights, 0))
    torch.testing.assert_close(net.decode(code, "a"), ends_by_table(weights, expected))


def test_parameters() -> None:
    with torch.device("meta"):
        net, normed, later, untied = (
            tied_generator(),
            tied_generator(normed=True),
            munit_generator(),
            tied_generator(blocks=4, shared=0),
        )
    assert count(net) == count(normed) == 18_017_286
    assert count(untied) == 18_017_286 + 2 * 1_180_160
    assert {count(net.front[side]) for side in "ab"} == {3_918_976}
    assert count(net.enter) == count(net.leave) == 1_180_160
    assert {count(net.back[side]) for side in "ab"} == {3_909_507}
    assert {count(later.front[side]) + count(later.back[side]) for side in "ab"} == {11_140_483}
    assert count(later) == 2 * 11_140_483


def test_shapes_at_128_px() -> None:
    with torch.device("meta"):
        for net in (tied_generator(), munit_generator()):
            code = net.encode(torch.empty(1, 3, 128, 128), "a")
            assert code.shape == (1, 256, 32, 32)
            assert net.decode(code, "b").shape == (1, 3, 128, 128)


def test_both_at_once_is_each_alone(x: Tensor) -> None:
    net = shaken(tied_generator(3, 4, 1))
    a, b = x, x.flip(3)
    torch.testing.assert_close(net.encode_both(a, b), torch.cat([net.encode(a, "a"), net.encode(b, "b")]))


def test_shared_layers_are_the_very_same(x: Tensor) -> None:
    """Each is there once among the parameters, and gets gradients from both domains."""
    net = tied_generator(3, 4, 1).double()
    shared = [*net.enter.parameters(), *net.leave.parameters()]
    assert sum(p is q for p in net.parameters() for q in shared) == len(shared)
    for side in ("a", "b"):
        grads = torch.autograd.grad(net.decode(net.encode(x, side), side).square().sum(), shared)
        assert all(g.any() for g, p in zip(grads, shared, strict=True) if p.dim() > 1)


@pytest.mark.parametrize("make", [lambda: tied_generator(3, 4, 1), lambda: munit_generator(3, 4, 1)])
def test_equal_own_layers_make_a_translation_the_reconstruction(make, x: Tensor) -> None:
    net = make().double()
    assert not torch.equal(net.decode(net.encode(x, "a"), "a"), net.decode(net.encode(x, "a"), "b"))
    net.back["b"].load_state_dict(net.back["a"].state_dict())
    assert torch.equal(net.decode(net.encode(x, "a"), "a"), net.decode(net.encode(x, "a"), "b"))


def test_dropout_is_for_training_only(x: Tensor) -> None:
    net = tied_generator(3, 4, 1, dropout=0.5).double()
    assert not torch.equal(net.encode(x, "a"), net.encode(x, "a"))
    net.eval()
    assert torch.equal(net.encode(x, "a"), net.encode(x, "a"))
    with torch.device("meta"):
        assert sum(isinstance(m, nn.Dropout) for m in tied_generator(dropout=0.5).modules()) == 6 + 2 + 6
        assert not any(isinstance(m, nn.Dropout) for m in tied_generator().modules())


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (deep_discriminators, 50_298_114),
        (tied_discriminators, 25_240_065),
        (scaled_discriminators, 9_308_934),
        (munit_discriminators, 2 * 8_271_171),
    ],
)
def test_parameters_of_the_discriminators(make, parameters: int) -> None:
    with torch.device("meta"):
        net = make()
    assert count(net) == parameters
    if make is tied_discriminators:
        assert {count(net.own[side]) for side in "ab"} == {83_328}
        assert count(net.shared) == 25_073_409


def chain_by_table(weights: Weights, x: Tensor, halvings: int, first: int = 3) -> Tensor:
    for i in range(halvings):
        x = nnf.leaky_relu(conv(x, weights, first // 2 if i == 0 else 1, 2), 0.01)
    return conv(x, weights, 0)


@pytest.mark.parametrize("side", ["a", "b"])
def test_discriminators_equal_the_tables(x: Tensor, side: str) -> None:
    def map_of(net: DiscriminatorPair) -> list[Tensor]:
        return net(x, x)[side == "b"]

    deep = shaken(deep_discriminators(3, 2, 5))
    torch.testing.assert_close(map_of(deep), [chain_by_table(iter(list(deep.own[side].parameters())), x, 5)])

    tied = shaken(tied_discriminators(3, 2, 4))
    weights = iter([*tied.own[side].parameters(), *tied.shared.parameters()])
    torch.testing.assert_close(map_of(tied), [chain_by_table(weights, x, 4, first=7)])

    scaled = shaken(scaled_discriminators(3, 2, 3))
    weights, expected, smaller = iter(list(scaled.own[side].parameters())), [], x
    kernel = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)
    for _ in range(3):
        expected.append(chain_by_table(weights, smaller, 3))
        padded = nnf.pad(smaller, (1,) * 4, mode="replicate")
        smaller = nnf.conv2d(padded, torch.outer(kernel, kernel).expand(3, 1, 3, 3), groups=3)[:, :, ::2, ::2]
    torch.testing.assert_close(map_of(scaled), expected)


def test_munits_discriminators_equal_the_table() -> None:
    net, x = shaken(munit_discriminators(3, 2, 2)), torch.rand(1, 3, 32, 36).double()
    for maps, side in zip(net(x, x), "ab", strict=True):
        torch.testing.assert_close(maps, discriminator_by_table(net.own[side], x, 2))


def test_tied_discriminators_share_all_but_the_first_layers(x: Tensor) -> None:
    net = tied_discriminators(3, 2, 4).double()
    weights = {name: p for name, p in net.named_parameters() if p.dim() > 1}
    touched = []
    for maps in net(x, x):
        grads = torch.autograd.grad(maps[0].sum(), list(weights.values()), allow_unused=True, retain_graph=True)
        touched.append({name for name, g in zip(weights, grads, strict=True) if g is not None and g.any()})
    shared = {name for name in weights if name.startswith("shared.")}
    assert touched[0] & touched[1] == shared
    assert len(shared) == 3
    assert touched[0] | touched[1] == set(weights)

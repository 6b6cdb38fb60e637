"""Networks that are compiled, or computed twice, give the gradients that they gave."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from engine.graphs import Graphs
from instar.core import registry
from instar.core.progress import Progress
from instar.engine import calls
from instar.engine.calls import Calls, compile_calls, graph_calls, outermost, plain, recompute_calls
from instar.engine.first_step import farthest, slopes
from instar.engine.parallel import fabric_of
from instar.engine.steps import Steps
from instar.modules.freeze import frozen
from instar.testing.runs import build, source_for, tiny


class Net(nn.Module):
    """Norm that keeps statistics, weights made anew in each pass, and chance; can be called whole or by its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Tanh())
        self.last = nn.Sequential(spectral_norm(nn.Conv2d(4, 1, 3)), nn.Tanh())
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        out: Tensor = self.last(self.first(x))
        return out


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch's own graphs of forward and backward, without a compiler for C++."""
    monkeypatch.setattr(calls, "BACKEND", "aot_eager")
    yield
    torch.compiler.reset()


X = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)


def gradients(net: Net, run: Callable[[Net], Tensor] | None = None) -> tuple[list[Tensor], dict[str, Tensor]]:
    torch.manual_seed(1)
    for parameter in net.parameters():
        parameter.grad = None
    loss = (run or (lambda net: net(X).square().sum()))(net)
    torch.rand(3)  # of what comes between, which must not change what is computed anew
    loss.backward()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    return [parameter.grad for parameter in net.parameters() if parameter.grad is not None], state


def by_parts(net: Net) -> Tensor:
    return net.last(net.first(X)).square().sum()  # type: ignore[no-any-return]


def twice(net: Net) -> Tensor:
    return (net(X) - net(X.flip(3))).square().sum()  # the second pass changes statistics and vectors


def half_frozen(net: Net) -> Tensor:
    with frozen(net):
        through = net(net(X).expand(-1, 3, -1, -1))
    return through.sum() + net(X).sum()


def penalised(net: Net) -> Tensor:
    images = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(images).sum(), images, create_graph=True)
    return gradient.square().sum()


@pytest.mark.parametrize("run", [None, by_parts, twice, half_frozen, penalised])
def test_recomputing_gives_the_same_bits(net: Net, run: Callable[[Net], Tensor] | None) -> None:
    other = copy.deepcopy(net)
    wanted, state = gradients(net, run)
    recompute_calls(other)
    for _ in range(2):  # the second time it starts from what the first one left
        found, left = gradients(other, run)
        assert len(found) == len(wanted)
        assert all(torch.equal(one, two) for one, two in zip(wanted, found, strict=True))
        assert [name for name, value in state.items() if not torch.equal(value, left[name])] == []
        assert all(parameter.requires_grad for parameter in other.parameters())
        wanted, state = gradients(net, run)


def test_it_is_computed_twice_and_only_for_gradients(net: Net) -> None:
    recompute_calls(net)
    gradients(net)
    assert net.passes == 2
    with torch.no_grad():
        net(X)
    assert net.passes == 3


def test_less_is_kept(net: Net) -> None:
    """Of a pass only its input, as autograd asks for it."""

    def kept() -> int:
        sizes: list[int] = []

        def pack(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            net(X)
        return sum(sizes)

    assert kept() > 5 * X.numel()
    recompute_calls(net)
    assert kept() == X.numel()


def test_copies_and_states_are_as_before(net: Net) -> None:
    names, wanted = [*net.state_dict()], net.eval()(X)
    changed = recompute_calls(net)
    copied = copy.deepcopy(net)
    assert [*net.state_dict()] == names
    with torch.no_grad():
        net.last[0].bias.zero_()
    assert torch.equal(copied(X), wanted), "a copy is computed with its own weights"
    copied.passes = 0
    copied(X).sum().backward()
    assert copied.passes == 1
    changed.remove()
    assert "forward" not in vars(net)
    net.passes = 0
    net(X).sum().backward()
    assert net.passes == 1


def test_the_outermost_parts_that_are_called(net: Net) -> None:
    assert outermost([net], lambda: net(X)) == [net]
    assert outermost([net], lambda: by_parts(net)) == [net.first, net.last]
    assert outermost([net], lambda: net.first[0](X)) == [], "single layers are left alone"
    assert "forward" not in vars(net)


def test_an_error_leaves_all_as_it_was(net: Net) -> None:
    recompute_calls(net)
    with pytest.raises(RuntimeError):
        net(X[:, :2])
    wanted = gradients(copy.deepcopy(net))[0]
    assert all(torch.equal(one, two) for one, two in zip(wanted, gradients(net)[0], strict=True))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("run", [None, half_frozen, penalised])
def test_compiled_is_close(net: Net, run: Callable[[Net], Tensor] | None) -> None:
    """The penalty's pass, which is differentiated twice, stays as it is."""
    wanted, state = gradients(copy.deepcopy(net), run)
    compile_calls([net])
    found, left = gradients(net, run)
    for one, two in zip([*wanted, *state.values()], [*found, *left.values()], strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.usefixtures("eager")
def test_what_is_compiled_is_called(net: Net) -> None:
    made: list[Any] = []
    changed = Calls([net], lambda part, _: lambda *args: (made.append(part), plain(part)(*args))[1], lambda *_: True)
    net(X)
    assert made == [net]
    changed.remove()
    compile_calls([net])
    net(X)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


@pytest.mark.parametrize("run", [None, half_frozen, penalised])
def test_graphs_are_close(net: Net, graphs: Graphs, run: Callable[[Net], Tensor] | None) -> None:
    wanted, state = gradients(copy.deepcopy(net), run)
    graph_calls([net])
    found, left = gradients(net, run)
    assert bool(graphs.recorded) == (run is not penalised)
    for one, two in zip([*wanted, *state.values()], [*found, *left.values()], strict=True):
        torch.testing.assert_close(one, two)
    graphs.begin()
    assert all(value.isfinite().all() for value in net.state_dict().values()), "weights and statistics are no graph's"
    assert any(value.isnan().any() for value in found) == (run is not penalised), "what it gave is overwritten"


def test_pictures_and_scores_are_computed_as_they_are(net: Net, graphs: Graphs) -> None:
    graph_calls([net])
    with torch.inference_mode():
        net(X)
    assert graphs.recorded == 0
    with torch.no_grad():  # as a discriminator's step looks at what the generator makes
        net(X)
    assert graphs.recorded > 0


def steps_of(name: str, step: int = 0) -> Steps:
    config = tiny(name, {"batch": 2})
    steps = Steps(fabric_of("cpu"), build(config), config, Path("run"), source_for(config), lambda _: None)
    steps.step = step
    steps.phase = steps.method.phase(Progress(step, config.train.steps, 3)) if step else ""
    return steps


@pytest.mark.parametrize("step", [0, 19])
@pytest.mark.parametrize("name", registry.names())
def test_every_method_computes_the_same_twice(name: str, step: int) -> None:
    """In the first phase and in the last, which begins without its preparation here."""
    steps = steps_of(name, step)
    batch = steps.source.batch(0)
    wanted = slopes(steps, batch)
    for network in steps.method.children():
        if any(parameter.requires_grad for parameter in network.parameters()):
            recompute_calls(network)
    found = farthest(wanted, slopes(steps, batch))
    assert (found.loss, found.gradient) == (0, 0)

"""MUNIT as its paper and the authors' code have it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn

from instar.core.batch import Unpaired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.run import load_method
from instar.core.schedule import halving
from instar.core.tensors import read_tensors
from instar.methods.munit import MUNIT, Config
from instar.testing.runs import Noise, build, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4
RATES = (1, 1, 0.5, 0.25)
"""Halved after each 0.3 of the steps."""


def l1(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().mean()


def seen(vgg: nn.Module, x: Tensor) -> Tensor:
    """Features with zero mean and unit variance in every channel."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]).to(x), torch.tensor([0.229, 0.224, 0.225]).to(x)
    f = vgg(((x + 1) / 2 - mean[:, None, None]) / std[:, None, None])
    f = f - f.mean((2, 3), keepdim=True)
    return f / (f.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


def adam(nets: list[nn.Module], decay: float) -> torch.optim.Adam:
    """One for all networks of a player. Kernels decay."""
    trained = [p for net in nets for p in net.parameters()]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, lr=1e-4, betas=(0.5, 0.999))


class ByHand:
    """The authors' loop on copies of a method's networks, every pass on its own."""

    def __init__(self, method: MUNIT) -> None:
        self.w, self.vgg = method.cfg, method.vgg.net
        self.nets = [copy.deepcopy(net) for net in (method.G_a, method.G_b, method.D_a, method.D_b)]
        self.of_G, self.of_D = adam(self.nets[:2], 1e-4), adam(self.nets[2:], 1e-4)

    def real(self, p: Tensor) -> Tensor:
        return ((p - 1) ** 2).mean()

    def fake(self, p: Tensor) -> Tensor:
        return (p**2).mean()

    def step(self, x_a: Tensor, x_b: Tensor, rate: float) -> None:
        for group in (*self.of_G.param_groups, *self.of_D.param_groups):
            group["lr"] = 1e-4 * rate
        self.move_discriminators(x_a, x_b)
        self.of_G.zero_grad()
        self.loss(x_a, x_b).backward()
        self.of_G.step()

    def move_discriminators(self, x_a: Tensor, x_b: Tensor) -> None:
        G_a, G_b, D_a, D_b = self.nets
        s_a, s_b = (torch.randn(len(x), self.w.style_dim, dtype=x.dtype) for x in (x_a, x_b))
        x_ba, x_ab = G_a.decode(G_b.content(x_b), s_a), G_b.decode(G_a.content(x_a), s_b)
        self.of_D.zero_grad()
        loss = torch.zeros(())
        for D, x, made in ((D_a, x_a, x_ba), (D_b, x_b, x_ab)):
            for p, q in zip(D(x), D(made.detach()), strict=True):
                loss = loss + self.real(p) + self.fake(q)
        loss.backward()
        self.of_D.step()

    def loss(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        G_a, G_b, D_a, D_b = self.nets
        w = self.w
        s_a, s_b = (torch.randn(len(x), w.style_dim, dtype=x.dtype) for x in (x_a, x_b))
        c_a, c_b, own_a, own_b = G_a.content(x_a), G_b.content(x_b), G_a.style(x_a), G_b.style(x_b)
        x_ba, x_ab = G_a.decode(c_b, s_a), G_b.decode(c_a, s_b)
        again_b, again_a = G_a.content(x_ba), G_b.content(x_ab)
        loss = w.image * (l1(G_a.decode(c_a, own_a), x_a) + l1(G_b.decode(c_b, own_b), x_b))
        loss = loss + w.style * (l1(G_a.style(x_ba), s_a) + l1(G_b.style(x_ab), s_b))
        loss = loss + w.content * (l1(again_a, c_a) + l1(again_b, c_b))
        loss = loss + w.cycle * (l1(G_a.decode(again_a, own_a), x_a) + l1(G_b.decode(again_b, own_b), x_b))
        loss = loss + sum(self.real(p) for p in D_a(x_ba)) + sum(self.real(p) for p in D_b(x_ab))
        if w.perceptual:
            pairs = ((x_ba, x_b), (x_ab, x_a))
            loss = loss + w.perceptual * sum(((seen(self.vgg, f) - seen(self.vgg, x)) ** 2).mean() for f, x in pairs)
        return loss


def stand_in() -> nn.Module:
    """In the place of VGG-16."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3, 2))
    return net.double().requires_grad_(False)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"cycle": 0.0}, 1),
        ({"cycle": 10.0, "perceptual": 1.0}, 2),
        ({"cycle": 10.0, "content": 0.5}, 1),
        ({"cycle": 0.0, "image": 0.0}, 1),
        ({"cycle": 10.0, "content": 0.0, "style": 0.0}, 1),
    ],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("munit", {"steps": STEPS, "batch": size}, optim={"halve": 0.3}, **options)
    method = scramble(build(config))
    method.vgg.net = stand_in()
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    networks = (method.G_a, method.G_b, method.D_a, method.D_b)
    before, hand = [copy.deepcopy(net) for net in networks], ByHand(method)
    for step, rate in enumerate(RATES):
        batch = source.batch(step)
        seed_step(0, step)
        hand.step(batch.a, batch.b, rate)
        play.train_step(batch)
    for old, expected, net in zip(before, hand.nets, networks, strict=True):
        for (name, start), a, b in zip(old.named_parameters(), expected.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0, msg=name)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-5


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method, gray = MUNIT(Config()), MUNIT(Config(channels=1))
    assert count(method.G_a) == count(method.G_b) == 15_026_187
    assert count(gray.G_a) == 15_007_369
    assert count(method.D_a) == count(method.D_b) == 8_271_171
    assert count(method) == 2 * (15_026_187 + 8_271_171)


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.image, cfg.content, cfg.style, cfg.cycle, cfg.perceptual) == (10, 1, 1, 0, 0)
    assert cfg.optim == Optim(lr=1e-4, betas=(0.5, 0.999), hold=1.0, halve=0.1, weight_decay=1e-4)
    paper = defaults("munit", MUNIT, "paper")
    assert (paper.train.steps, paper.train.batch, paper.data.short_side, paper.data.size) == (1_000_000, 1, 256, 256)
    rates = [halving(Progress(step, 1_000_000), cfg.optim.halve) for step in (0, 99_999, 100_000, 999_999)]
    assert rates == [1, 1, 0.5, 0.5**9]
    streets = defaults("munit", MUNIT, "synthia2cityscape")
    assert (streets.method.cycle, streets.method.perceptual, streets.data.size) == (10, 1, 512)  # type: ignore[attr-defined]


@pytest.fixture
def method() -> MUNIT:
    return build(tiny("munit"))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired).batch(0)  # type: ignore[return-value]


def play(method: MUNIT, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


class Same(nn.Module):
    """An encoder, or a decoder, that says the same of everything."""

    def __init__(self, says: Tensor) -> None:
        super().__init__()
        self.says = says

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return self.says.expand(len(x), *self.says.shape[1:])


@pytest.mark.parametrize(("scales", "size"), [(3, 64), (2, 32)])
def test_a_discriminator_of_zeros(scales: int, size: int) -> None:
    """Each scale costs 1, for D and for G: nothing is halved or averaged over the scales."""
    method = build(tiny("munit", scales=scales))
    for p in (*method.D_a.parameters(), *method.D_b.parameters()):
        nn.init.zeros_(p)
    played = play(method, Noise(Unpaired, side=size).batch(0))  # type: ignore[arg-type]
    assert values(played["D"]) == {"a_real": scales, "a_fake": 0, "b_real": scales, "b_fake": 0}
    assert played["D"].loss.total().item() == 2 * scales
    assert values(played["G"])["gan_a"] == values(played["G"])["gan_b"] == scales
    assert {t.weight for t in (*played["D"].loss.terms, *played["G"].loss.terms[2:4])} == {1.0}


def test_weights_of_the_terms(method: MUNIT, batch: Unpaired) -> None:
    """Encoders and decoders that are off by a known amount."""
    gray = torch.zeros(1, 3, 32, 32)
    batch = Unpaired(gray + 0.5, gray - 0.25)
    for G, content in ((method.G_a, 2.0), (method.G_b, 5.0)):
        G.content, G.decoder = Same(torch.full((1, 16, 8, 8), content)), Same(gray)
        nn.init.zeros_(G.style.head.weight)
    terms = {t.name: t.weight * t.value.item() for t in play(method, batch)["G"].loss.terms}
    assert terms["image_a"] == pytest.approx(10 * 0.5)
    assert terms["image_b"] == pytest.approx(10 * 0.25)
    assert terms["cycle_a"] == pytest.approx(10 * 0.5)
    assert terms["cycle_b"] == pytest.approx(10 * 0.25)
    assert terms["content_a"] == terms["content_b"] == pytest.approx(3)


def test_a_blind_style_encoder_costs_the_mean_of_a_normal_variable(method: MUNIT, batch: Unpaired) -> None:
    """E|s| = sqrt(2 / pi); two independent styles differ by 2 / sqrt(pi). Below 0.6 a style encoder has learned."""
    torch.manual_seed(0)
    drawn, other = method.sample_style(20_000), method.sample_style(20_000)
    assert drawn.shape == (20_000, 8)
    assert drawn.abs().mean().item() == pytest.approx(0.7979, abs=5e-3)
    assert (drawn - other).abs().mean().item() == pytest.approx(1.1284, abs=7e-3)
    assert drawn.mean(0).abs().max() < 0.03
    for G in (method.G_a, method.G_b):
        nn.init.zeros_(G.style.head.weight)
    met: list[Tensor] = []
    method.G_a.mlp.register_forward_pre_hook(lambda _, args: met.append(args[0]))
    found = values(play(method, batch)["G"])["style_a"]
    assert found == pytest.approx(met[1][1:].abs().mean().item())  # of the pass of both: own style, then a drawn one


def test_own_reconstructions_need_no_loss(method: MUNIT, batch: Unpaired) -> None:
    """Perfect decoders: what comes out is what went in."""
    for G, x in ((method.G_a, batch.a), (method.G_b, batch.b)):
        G.decoder = Same(x)
    found = values(play(method, batch)["G"])
    assert [found[name] for name in ("image_a", "image_b", "cycle_a", "cycle_b")] == [0, 0, 0, 0]


Sizes = dict[str, list[int]]


def passes(method: MUNIT, batch: Unpaired) -> Sizes:
    """Images in each pass of a step, by network."""
    sizes: Sizes = {}
    for side in "ab":
        G, D = method.get_submodule(f"G_{side}"), method.get_submodule(f"D_{side}")
        for name, net in (("content", G.content), ("style", G.style), ("decoder", G.decoder), ("D", D)):
            of = sizes.setdefault(f"{name}_{side}", [])
            net.register_forward_pre_hook(lambda _, args, of=of: of.append(len(args[0])))
    play(method, batch)
    return sizes


@pytest.mark.parametrize(
    ("options", "content", "style", "decoder"),
    [
        ({"cycle": 0.0}, [1, 1], [1, 1], [1, 2]),
        ({"cycle": 10.0}, [1, 1], [1, 1], [1, 2, 1]),
        ({"cycle": 0.0, "image": 0.0}, [1, 1], [1], [1, 1]),
        ({"cycle": 0.0, "content": 0.0}, [1], [1, 1], [1, 2]),
        ({"cycle": 0.0, "style": 0.0}, [1, 1], [1], [1, 2]),
    ],
)
def test_passes(
    batch: Unpaired, options: dict[str, float], content: list[int], style: list[int], decoder: list[int]
) -> None:
    """For each domain: the content of an image once for both rounds, its style, the fake of the discriminators' round,
    reconstruction and translation together, the translation's content and style; the cycle only if it is on."""
    found = passes(build(tiny("munit", **options)), batch)  # type: ignore[arg-type]
    for side in "ab":
        assert found[f"content_{side}"] == content
        assert found[f"style_{side}"] == style
        assert found[f"decoder_{side}"] == decoder
        assert found[f"D_{side}"] == [2, 1]


def test_each_round_draws_its_own_styles(method: MUNIT, batch: Unpaired) -> None:
    met: dict[str, list[Tensor]] = {"G_a": [], "G_b": []}
    for name, styles in met.items():
        G = method.get_submodule(name)
        G.mlp.register_forward_pre_hook(lambda _, args, to=styles: to.append(args[0].detach()))
    torch.manual_seed(5)
    play(method, batch)
    torch.manual_seed(5)
    expected = [method.sample_style(1) for _ in range(4)]  # D's round: a, b; G's round: a, b
    assert torch.equal(met["G_a"][0], expected[0])
    assert torch.equal(met["G_b"][0], expected[1])
    assert torch.equal(met["G_a"][1][1:], expected[2])
    assert torch.equal(met["G_b"][1][1:], expected[3])
    own = method.G_a.style(batch.a)
    torch.testing.assert_close(met["G_a"][1][:1], own)
    torch.testing.assert_close(met["G_a"][2], own)  # back to the image in its own style


def test_discriminators_judge_their_domains(method: MUNIT, batch: Unpaired) -> None:
    met: dict[str, list[Tensor]] = {"D_a": [], "D_b": []}
    for name, inputs in met.items():
        method.get_submodule(name).register_forward_pre_hook(lambda _, args, to=inputs: to.append(args[0]))
    torch.manual_seed(5)
    play(method, batch)
    torch.manual_seed(5)
    for name, G, other, real, source in (
        ("D_a", method.G_a, method.G_b, batch.a, batch.b),
        ("D_b", method.G_b, method.G_a, batch.b, batch.a),
    ):
        of_D, of_G = met[name]
        assert not of_D.requires_grad
        assert of_G.requires_grad
        fake = G.decode(other.content(source), method.sample_style(1))
        torch.testing.assert_close(of_D, torch.cat([real, fake]), atol=1e-5, rtol=0)


def test_paths_of_the_gradients(method: MUNIT, batch: Unpaired) -> None:
    """The table of the losses: which term moves which part. The content that is to be found again is moved too."""
    expected = {
        "image_a": {"a.content", "a.style", "a.decoder", "a.mlp"},
        "style_a": {"a.style", "a.decoder", "a.mlp", "b.content"},
        "content_a": {"a.content", "b.content", "b.decoder", "b.mlp"},
        "gan_a": {"a.decoder", "a.mlp", "b.content"},
        "cycle_a": {"a.content", "a.style", "a.decoder", "a.mlp", "b.content", "b.decoder", "b.mlp"},
    }
    weights = {name: p for name, p in method.named_parameters() if name.startswith("G_")}
    terms = {t.name: t.value for t in play(method, batch)["G"].loss.terms}
    for name, parts in expected.items():
        grads = torch.autograd.grad(terms[name], list(weights.values()), allow_unused=True, retain_graph=True)
        moved = {n for n, g in zip(weights, grads, strict=True) if g is not None and g.any()}
        assert {".".join(n.removeprefix("G_").split(".")[:2]) for n in moved} == parts, name


def test_the_content_to_be_found_learns_too(batch: Unpaired) -> None:
    """With decoders that show nothing of it, the content is moved only as a target."""
    method = build(tiny("munit"))
    method.G_a.decoder = method.G_b.decoder = Same(torch.zeros(1, 3, 32, 32))
    (term,) = (t for t in play(method, batch)["G"].loss.terms if t.name == "content_a")  # type: ignore[arg-type]
    (g,) = torch.autograd.grad(term.value, method.G_a.content[1].weight)
    assert g.any()


def test_directions_and_styles(method: MUNIT, batch: Unpaired) -> None:
    style = torch.randn(1, 8)
    to_b, to_a = method.translate(batch.a, to="b", style=style), method.translate(batch.b, to="a", style=style)
    assert torch.equal(to_b, method.G_b.decode(method.G_a.content(batch.a), style))
    assert torch.equal(to_a, method.G_a.decode(method.G_b.content(batch.b), style))
    assert torch.equal(method.encode_style(batch.a, domain="a"), method.G_a.style(batch.a))
    assert torch.equal(method.encode_style(batch.b, domain="b"), method.G_b.style(batch.b))


def test_one_style_is_drawn_for_all_images(method: MUNIT, batch: Unpaired) -> None:
    twice = batch.a.expand(2, -1, -1, -1)
    torch.manual_seed(1)
    first, second = method.translate(twice)
    torch.manual_seed(2)
    other = method.translate(twice)[0]
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, other, atol=1e-4)


def test_vgg_is_no_part_of_the_method(run_directory: Callable[..., Path]) -> None:
    """Not of its networks, its checkpoints, its averages; and a model trained with it loads without its weights."""
    method = build(tiny("munit", perceptual=1.0))
    method.vgg.net = stand_in()
    assert {name for name, _ in method.named_children()} == {"G_a", "G_b", "D_a", "D_b"}
    assert not [name for name in method.state_dict() if "vgg" in name]
    run = run_directory("munit", perceptual=1.0)
    stored = read_tensors(run / "checkpoints" / "step-000000001" / "method.safetensors")
    assert {name.split(".")[0] for name in stored} == {"G_a", "G_b", "D_a", "D_b"}
    loaded, _ = load_method(run)
    assert loaded.vgg.net is None
    loaded.translate(torch.zeros(1, 3, 16, 16))


def test_perceptual_terms(batch: Unpaired) -> None:
    """Each translation is compared with the image it was made from; VGG is not asked if the weight is 0."""
    method = build(tiny("munit", perceptual=3.0))
    met: list[tuple[Tensor, Tensor]] = []
    method.vgg.distance = lambda out, source: met.append((out, source)) or out.mean()
    terms = {t.name: t for t in play(method, batch)["G"].loss.terms}  # type: ignore[arg-type]
    assert terms["perceptual_a"].weight == terms["perceptual_b"].weight == 3
    assert torch.equal(met[0][1], batch.b)
    assert torch.equal(met[1][1], batch.a)
    assert terms["perceptual_a"].value.item() == pytest.approx(met[0][0].mean().item())
    assert not [t for t in play(build(tiny("munit")), batch)["G"].loss.terms if "perceptual" in t.name]  # type: ignore[arg-type]


@pytest.mark.parametrize(("scales", "size", "fits"), [(3, 64, True), (3, 32, False), (2, 32, True), (1, 32, True)])
def test_size_that_the_discriminators_need(scales: int, size: int, fits: bool) -> None:
    config = tiny("munit", scales=scales)
    object.__setattr__(config.data, "size", size)
    method = build(config)
    if fits:
        assert method.check(config) == ""
    else:
        with pytest.raises(UserError, match=r"size=32: at 3 scales .* 61 px; .*method.scales"):
            method.check(config)


def test_note_on_the_weights_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    config = tiny("munit", perceptual=1.0)
    assert str(tmp_path) in build(config).check(config)


@pytest.mark.parametrize("flag", ["image", "cycle", "style_dim", "scales", "blocks"])
def test_options_out_of_bounds(flag: str) -> None:
    with pytest.raises(UserError, match=f"method.{flag} must be (at least|between)"):
        Config(**{flag: -1})


def test_a_style_encoder_that_nothing_trains() -> None:
    with pytest.raises(UserError, match="style encoders untrained"):
        Config(image=0.0, style=0.0)


def test_initial_weights(method: MUNIT) -> None:
    """Kaiming by fan in for encoders and decoders, N(0, 0.02) for discriminators, layer norms' scales in [0, 1]."""
    wide = build(tiny("munit", width=32))
    block = wide.G_a.decoder.blocks[0].first[1]
    assert block.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    deep = wide.D_a.nets[0][7]
    assert deep.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert not block.bias.any()
    scales = wide.G_a.decoder.out[1].weight
    assert 0 <= scales.min() < scales.max() <= 1

"""CUT and FastCUT as the paper and the authors' code have them."""

import copy
import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Unpaired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.schedule import linear
from instar.methods.cut import CUT, Config
from instar.methods.cut.attention import select
from instar.modules.init import normal
from instar.modules.vector_queue import VectorQueue
from instar.networks.light import augment
from instar.networks.resnet import ResnetGenerator
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import Constant, count, scramble, values

STEPS = 4
FAST = {"nce_x": 10.0, "nce_y": 0.0, "flip": True}
Features = dict[str, Tensor]


def encode(G: ResnetGenerator, x: Tensor, layers: tuple[str, ...]) -> Features:
    """Walk down the encoder and keep what stands in `layers`."""
    found = {}
    for name, layer in G.encoder.named_children():
        x = layer(x)
        if name in layers:
            found[name] = x
    return found


def head(H: nn.Module, name: str, feature: Tensor, ids: Tensor) -> Tensor:
    """The authors' PatchSampleF for one layer of one image, at places or attended: (S, 256)."""
    rows = feature[0].permute(1, 2, 0).flatten(0, 1)
    rows = rows[ids] if ids.dim() == 1 else ids.detach() @ rows
    v = H.get_submodule(f"heads.{name}")(rows)
    return v / (v.pow(2).sum(1, keepdim=True).sqrt() + 1e-7)


def attend(feature: Tensor, count: int) -> Tensor:
    """QS-Attn: the rows of the least entropy of an image's attention on itself."""
    rows = feature[0].detach().flatten(1).T
    attention = (rows @ rows.T).softmax(1)
    entropy = torch.stack([-(row[row > 0] * row[row > 0].log()).sum() for row in attention])
    return attention[sorted(range(len(rows)), key=lambda i: float(entropy[i]))[:count]]


def monce(q: Tensor, k: Tensor, tau: float, epsilon: float) -> Tensor:
    """The authors' MoNCE: Sinkhorn's algorithm on exponentials of cosines."""
    k, own = k.detach(), torch.eye(len(q), dtype=torch.bool)
    kernel = ((q @ k.T) / epsilon).exp().masked_fill(own, 0.0)
    v = torch.ones(len(q), dtype=q.dtype)
    for _ in range(50):
        u = 1 / (kernel @ v)
        v = 1 / (u @ kernel)
    weights = u[:, None] * kernel * v * (len(q) - 1)
    pairs = ((q @ k.T) / tau).exp()
    positive = pairs.diagonal()
    return -(positive / (positive + (weights * pairs).sum(1))).log().mean()


def hdce(q: Tensor, k: Tensor, tau: float, gamma: float) -> Tensor:
    k, losses = k.detach(), []
    for s in range(len(q)):
        others = [t for t in range(len(q)) if t != s]
        weights = torch.stack([(k[s] @ k[t] / gamma).exp() for t in others])
        weights = weights / weights.mean()
        pushed = sum(w * (q[s] @ k[t] / tau).exp() for w, t in zip(weights, others, strict=True))
        losses.append(-((q[s] @ k[s] / tau).exp() / pushed).log())
    return torch.stack(losses).mean()


def divergence(q: Tensor, k: Tensor) -> Tensor:
    after, before = (q @ q.T).softmax(1), (k @ k.T).detach().softmax(1)
    middle = (after + before) / 2
    return 0.5 * ((after * (after / middle).log()).sum() + (before * (before / middle).log()).sum())


def nce(q: Tensor, k: Tensor, tau: float, internal: bool, bank: Tensor | None) -> Tensor:
    """The authors' PatchNCELoss: the positive in front, its place among the negatives overwritten by -10."""
    k = k.detach()
    logits = [(q * k).sum(1, keepdim=True)]
    if internal:
        negatives = (q @ k.T).masked_fill(torch.eye(len(q), dtype=torch.bool), -10.0)
        logits.append(negatives)
    if bank is not None:
        logits.append(q @ bank.T)
    return nnf.cross_entropy(torch.cat(logits, 1) / tau, torch.zeros(len(q), dtype=torch.long))


class ByHand:
    """The authors' loop on copies of a method's networks, one image a step, every pass on its own."""

    def __init__(self, method: CUT) -> None:
        self.cfg = method.cfg
        self.G, self.D, self.H = (copy.deepcopy(net) for net in (method.G, method.D, method.H))
        external = self.cfg.negatives != "internal"
        self.slow = [copy.deepcopy(net.net) for net in (method.slow_G, method.slow_H)] if external else []
        self.banks = {name: cast(VectorQueue, bank).rows.clone() for name, bank in method.banks.items()}
        self.adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in self.nets]
        self.coins: list[bool] = []

    @property
    def nets(self) -> list[nn.Module]:
        return [self.D, self.G, self.H]

    def contrast(
        self, source: Tensor, output: Tensor, places: Features, mirrored: bool, at: int
    ) -> tuple[Tensor, Features, Tensor]:
        layers = self.cfg.layers
        queries = encode(self.G, output, layers)
        encoder, heads = self.slow or (self.G, self.H)
        keys = encode(encoder, source, layers)
        total, kept, relation = torch.zeros(()), {}, torch.zeros(())
        for name in layers:
            feature = torch.flip(queries[name], [3]) if mirrored else queries[name]
            where = attend(keys[name], self.cfg.patches) if name not in places else places[name]
            q, k = head(self.H, name, feature, where), head(heads, name, keys[name], where)
            kept[name] = k.detach()
            internal = self.cfg.negatives != "external"
            if self.cfg.contrast == "monce":
                total = total + monce(q, k, 0.07, self.cfg.epsilon)
            elif self.cfg.contrast == "src":
                total = total + hdce(q, k, 0.07, 50.0 - 40.0 * at / STEPS)
                relation = relation + divergence(q, k)
            else:
                total = total + nce(q, k, 0.07, internal, self.banks.get(name))
        return total / len(layers), kept, relation / len(layers)

    def step(self, x: Tensor, y: Tensor, at: int) -> None:
        cfg = self.cfg
        rate = 2e-4 * (1 - max(0, at + 1 - STEPS // 2) / (STEPS - STEPS // 2 + 1))
        for adam in self.adams:
            adam.param_groups[0]["lr"] = rate
        seed_step(0, at)
        mirrored = cfg.flip and bool(torch.rand(()) < 0.5)
        self.coins.append(mirrored)

        fake = self.G(x.flip(3) if mirrored else x)
        self.D.requires_grad_(True)
        self.adams[0].zero_grad()
        (0.5 * ((self.D(fake.detach()) ** 2).mean() + ((self.D(y) - 1) ** 2).mean())).backward()
        self.adams[0].step()

        self.D.requires_grad_(False)
        self.adams[1].zero_grad()
        self.adams[2].zero_grad()
        sides = {name: f.shape[2] * f.shape[3] for name, f in encode(self.G, x, cfg.layers).items()}
        drawn = [name for name in sides if cfg.queries == "random" or not name.startswith("block")]
        places = {name: torch.randperm(sides[name])[: min(cfg.patches, sides[name])] for name in drawn}
        contrast, keys, relation = self.contrast(x, fake, places, mirrored, at)
        contrast = cfg.nce_x * contrast
        if cfg.nce_y:
            same = self.G(y.flip(3) if mirrored else y)
            contrast = (contrast + cfg.nce_y * self.contrast(y, same, places, mirrored, at)[0]) * 0.5
        (((self.D(fake) - 1) ** 2).mean() + contrast + cfg.relation * relation).backward()
        self.adams[1].step()
        self.adams[2].step()
        self.follow(keys)

    def follow(self, keys: Features) -> None:
        """Drop the oldest rows for the new keys; move the slow copies."""
        if not self.slow:
            return
        for name, rows in self.banks.items():
            self.banks[name] = torch.cat([rows, keys[name]])[len(keys[name]) :]
        with torch.no_grad():
            for slow, net in zip(self.slow, (self.G, self.H), strict=True):
                for s, p in zip(slow.parameters(), net.parameters(), strict=True):
                    s.copy_(0.999 * s + 0.001 * p)


@pytest.mark.parametrize(
    "options",
    [
        {},
        FAST,
        {"flip": True, "nce_x": 0.5, "nce_y": 2.0},
        {"negatives": "external", "bank": 64},
        {"negatives": "both", "bank": 40, "layers": ("down1", "block1")},
        {"contrast": "monce"},
        {"contrast": "monce", "epsilon": 0.1, "nce_y": 0.0, "flip": True},
        {"contrast": "src", "nce_x": 0.1, "nce_y": 0.2, "relation": 0.5},
        {"queries": "attention"},
        {"queries": "attention", "contrast": "src", "flip": True},
        {"queries": "attention", "negatives": "both", "bank": 40},
    ],
    ids=[
        "cut",
        "fastcut",
        "flip-and-identity",
        "external",
        "both",
        "monce",
        "monce-flip",
        "src",
        "attention",
        "attention-src-flip",
        "attention-both",
    ],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("cut", {"steps": STEPS}, **options)
    method = cast(CUT, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before = [copy.deepcopy(net) for net in (method.D, method.G, method.H)]
    hand = ByHand(method)
    for step in range(STEPS):
        batch = source.batch(step)
        hand.step(batch.a, batch.b, step)
        play.train_step(batch)
    for old, expected, net in zip(before, hand.nets, (method.D, method.G, method.H), strict=True):
        for start, a, b in zip(old.parameters(), expected.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4
    if options.get("flip"):
        assert set(hand.coins) == {True, False}
    for name, rows in hand.banks.items():
        bank = cast(VectorQueue, method.banks[name])
        in_order = torch.roll(bank.rows, -int(bank.place), 0)  # oldest first
        torch.testing.assert_close(in_order, rows, atol=1e-9, rtol=0)
    for slow, net in zip(hand.slow, (method.slow_G, method.slow_H) if hand.slow else (), strict=True):
        for a, b in zip(slow.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


RESUMED: dict[str, dict[str, Any]] = {
    "fastcut": FAST,
    "both": {"negatives": "both", "bank": 40},
    "monce": {"contrast": "monce"},
    "src": {"contrast": "src"},
    "attention": {"queries": "attention"},
}


@pytest.mark.parametrize("options", RESUMED.values(), ids=RESUMED)
def test_resume(tmp_path: Path, options: dict[str, Any]) -> None:
    interrupted_equals_whole("cut", tmp_path, **options)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method = CUT(Config())
    parts = {name: count(one) for name, one in method.H.heads.items()}
    assert parts == {"pixels": 66_816, "down1": 98_816, "down2": 131_584, "block1": 131_584, "block5": 131_584}
    assert count(method.H) == 560_384
    assert (count(method.G), count(method.D)) == (11_378_179, 2_764_737)
    assert count(method) == 14_703_300
    through = list(method.G.encoder.named_children())
    last = [name for name, _ in through].index("block5")
    assert sum(count(layer) for _, layer in through[: last + 1]) == 6_279_296


def test_compared_features_at_256_px() -> None:
    with torch.device("meta"):
        method = CUT(Config())
        found = method.G.encode(torch.empty(1, 3, 256, 256), Config().layers)
    assert [tuple(f.shape[1:]) for f in found.values()] == [
        (3, 262, 262), (128, 256, 256), (256, 128, 128), (256, 64, 64), (256, 64, 64),
    ]  # fmt: skip


@pytest.fixture
def batch() -> Unpaired:
    return cast(Unpaired, Noise(Unpaired).batch(0))


def make(**options: Any) -> CUT:
    return cast(CUT, build(tiny("cut", **options)))


def play(method: CUT, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


def seed_of(mirrored: bool) -> int:
    """A seed whose first coin, the flip's, falls that way."""
    for seed in range(100):
        torch.manual_seed(seed)
        if bool(torch.rand(()) < 0.5) == mirrored:
            return seed
    raise AssertionError


@pytest.mark.parametrize(
    ("options", "mirrored", "encoded", "decoded"),
    [({}, False, [2, 2], [2]), (FAST, False, [1, 1], [1]), (FAST, True, [1, 1, 1], [1])],
    ids=["cut", "fastcut", "fastcut-mirrored"],
)
def test_passes_of_a_step(
    batch: Unpaired, options: dict[str, Any], mirrored: bool, encoded: list[int], decoded: list[int]
) -> None:
    """One pass through G, on x and y at once, and one of its encoder over the output.

    The keys are met on the way through G, unless that saw mirrored images.
    """
    method = make(**options)
    sizes: dict[str, list[int]] = {"encoder.stem": [], "decoder": []}
    for name, found in sizes.items():
        layer = method.G.get_submodule(name)
        layer.register_forward_pre_hook(lambda _, args, to=found: to.append(len(args[0])))
    torch.manual_seed(seed_of(mirrored))
    play(method, batch)
    assert sizes == {"encoder.stem": encoded, "decoder": decoded}


@pytest.mark.parametrize(("options", "total"), [({}, 0.7), (FAST, 7.0), ({"nce_y": 0.0}, 0.7)])
def test_two_contrasts_are_halved(
    monkeypatch: pytest.MonkeyPatch, batch: Unpaired, options: dict[str, Any], total: float
) -> None:
    method = make(**options)
    monkeypatch.setattr(method, "contrast", lambda *_: torch.tensor(0.7))
    method.D = Constant(1.0)  # whose adversarial term is 0
    assert play(method, batch)["G"].loss.total().item() == pytest.approx(total)


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 0.5, 1.0), (1.0, 0.5, 0.0), (0.5, 0.25, 0.25)])
def test_adversarial_values(batch: Unpaired, says: float, d: float, g: float) -> None:
    method = make()
    method.D = Constant(says)
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(d)
    assert values(played["G"])["gan"] == pytest.approx(g)


def test_where_gradients_of_the_contrast_go(batch: Unpaired) -> None:
    """The encoding of x gets none, whether it was met on the way or computed anew."""
    method = make(**FAST)
    places = {name: torch.arange(16) for name in method.cfg.layers}
    _, met = method.G.trace(batch.a, method.cfg.layers)
    assert all(feature.requires_grad for name, feature in met.items() if name != "pixels")
    for known in (met, None):
        assert not any(key.requires_grad for key in method.keys(method.input_features(batch.a, known), places).values())
    terms = {t.name: t.value for t in play(method, batch)["G"].loss.terms}
    inputs = [*method.G.parameters(), *method.H.parameters()]
    gradients = torch.autograd.grad(terms["nce_x"], inputs, allow_unused=True)
    reached = {name for name, g in zip(inputs, gradients, strict=True) if g is not None}
    assert reached == set(inputs)  # encoder and decoder of G, and the heads


def test_an_identity_map_has_positives_of_similarity_1(batch: Unpaired) -> None:
    method = make(width=16)  # wide enough that no feature vector is all 0
    for name in method.cfg.layers:
        method.H.heads[name] = nn.Identity()
    normal(method.G, 0.2)
    features = method.G.encode(batch.a, method.cfg.layers)
    places = {name: torch.arange(9) for name in features}
    query, key = (method.H.project(features, places) for _ in range(2))
    for name in features:
        torch.testing.assert_close((query[name] * key[name]).sum(2), torch.ones(1, 9), atol=1e-5, rtol=0)


class Pointwise(ResnetGenerator):
    """A generator of 1x1 convolutions: mirroring its input mirrors everything it computes."""

    def __init__(self) -> None:
        super().__init__(3, 4, 1, antialias=True)
        widths = (3, 3, 4, 8, 8, 16, 16, 16)
        convs = {
            name: nn.Conv2d(cin, cout, 1)
            for name, cin, cout in zip(self.channels, (3, *widths[1:-1]), widths[1:], strict=True)
        }
        self.channels = {name: conv.out_channels for name, conv in convs.items()}
        self.encoder = nn.Sequential()
        for name, conv in convs.items():
            self.encoder.add_module(name, conv)
        self.decoder = nn.Sequential(nn.Conv2d(16, 3, 1), nn.Tanh())


def test_flip_changes_nothing_for_a_pointwise_generator(batch: Unpaired) -> None:
    """With all places compared their order does not matter, so two seeds may be compared."""
    method = make(**FAST, patches=10**6)
    method.D = Constant(0.0)
    method.G = normal(Pointwise(), 0.3)
    normal(method.H, 0.1)
    for name in method.cfg.layers:
        method.H.heads[name][0] = nn.Linear(method.G.channels[name], 256)
    small = Unpaired(batch.a[:, :, :9, :8], batch.b[:, :, :9, :8])
    found = []
    for mirrored in (False, True):
        torch.manual_seed(seed_of(mirrored))
        found.append(values(play(method, small)["G"])["nce_x"])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0] != pytest.approx(math.log(72), abs=1e-3)  # not a contrast of equal features


def test_flip_shows_the_discriminator_the_mirrored_output(batch: Unpaired) -> None:
    method = make(**FAST)
    seen: list[Tensor] = []
    method.D.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    torch.manual_seed(seed_of(True))
    play(method, batch)
    fake = method.G(batch.a.flip(3))
    torch.testing.assert_close(seen[0], torch.cat([batch.b, fake]), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[1], fake, atol=1e-6, rtol=0)
    assert not seen[0].requires_grad
    assert seen[1].requires_grad


def test_a_batch_is_the_mean_of_its_images() -> None:
    """Negatives never cross images."""
    method = make(patches=10**6)
    both = Noise(Unpaired, size=2).batch(0)
    found = [values(play(method, cast(Unpaired, both))["G"])]
    for i in range(2):
        found.append(values(play(method, Unpaired(both.a[i : i + 1], both.b[i : i + 1]))["G"]))
    for name in ("nce_x", "nce_y"):
        assert found[0][name] == pytest.approx((found[1][name] + found[2][name]) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("preset", "epochs", "epoch", "factor"),
    [("paper", 400, 200, 1.0), ("paper", 400, 201, 0.99502), ("paper", 400, 400, 0.004975),
     ("fastcut", 200, 150, 1.0), ("fastcut", 200, 200, 0.0196)],
)  # fmt: skip
def test_learning_rate_table(preset: str, epochs: int, epoch: int, factor: float) -> None:
    optim = Config().optim
    hold = CUT.presets[preset].method.get("optim", {}).get("hold", optim.hold)
    assert (optim.lr, optim.betas) == (2e-4, (0.5, 0.999))
    assert linear(Progress(epoch - 1, epochs), hold) == pytest.approx(factor, rel=1e-3)
    assert CUT.presets[preset].train["steps"] == epochs * 1334


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.nce_x, cfg.nce_y, cfg.flip, cfg.patches, cfg.bank) == (1, 1, False, 256, 16_384)
    fast = CUT.presets["fastcut"].method
    assert (fast["nce_x"], fast["nce_y"], fast["flip"]) == (10, 0, True)


def test_a_layer_that_is_not_there() -> None:
    """As happens to the default layers when there are fewer blocks than they name."""
    with pytest.raises(UserError, match=r"method\.layers: with method\.blocks=4 there is no 'block5' in pixels, stem"):
        CUT(Config(blocks=4, width=2))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"contrast": "monce", "negatives": "both"}, r"method.contrast='?monce'? takes method.negatives='?internal"),
        ({"contrast": "src", "patches": 1}, r"method.contrast='?src'? takes .* method.patches=2 or more"),
        ({"queries": "attention", "layers": ("pixels", "down1")}, r"method.queries='?attention'? .* residual blocks"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Config(**options)


def test_negatives_grow_harder_over_the_run(batch: Unpaired, monkeypatch: pytest.MonkeyPatch) -> None:
    method = make(contrast="src", gamma=(50.0, 10.0), nce_y=0.0)
    seen: list[float] = []
    monkeypatch.setattr("instar.methods.cut.method.hard_nce", lambda q, k, gamma: seen.append(gamma) or q.sum())
    for step in (0, 5, 10):
        list(method.objectives(batch, Progress(step, 10)))
    assert seen == [gamma for gamma in (50.0, 30.0, 10.0) for _ in method.cfg.layers]


def test_attention_looks_at_the_input_in_residual_blocks_alone(batch: Unpaired) -> None:
    method = make(queries="attention")
    inputs = method.input_features(batch.a, None)
    places = method.choose(method.G.encode(method.G(batch.a), method.cfg.layers), inputs)
    assert {name: where.dim() for name, where in places.items()} == {"pixels": 1, "down1": 1, "down2": 1, "block1": 3}
    torch.testing.assert_close(places["block1"], select(inputs["block1"], 16))


def test_external_banks_at_full_size() -> None:
    with torch.device("meta"):
        banks = CUT(Config(negatives="external")).banks
    rows = [cast(VectorQueue, bank).rows for bank in banks.values()]
    assert [tuple(r.shape) for r in rows] == [(16_384, 256)] * 5
    assert sum(r.numel() * 4 for r in rows) == 80 * 2**20


@pytest.mark.slow
def test_fresh_networks_at_full_size() -> None:
    """Xavier with gain 0.02: G puts out gray, D says 0 everywhere."""
    torch.manual_seed(0)
    method = CUT(Config())
    x, y = (torch.rand(1, 3, 128, 128) * 2 - 1 for _ in range(2))
    with torch.no_grad():
        fake = method.G(x)
        d = 0.5 * ((method.D(y) - 1).square().mean() + method.D(fake).square().mean())
    assert 0.015 < fake.std().item() < 0.035
    assert d.item() == pytest.approx(0.5, abs=0.002)


def squared_slope(D: nn.Module, images: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(D(images).sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def test_steps_of_light_networks_equal_a_hand_written_loop(tmp_path: Path) -> None:
    """D on pairs, D on its slopes in each eighth step, G against the D of now and by the contrast."""
    steps, layers = 10, ("pixels", "stem", "middle")
    betas, hold = (0.0, 0.99), 1.0
    optim = Optim(lr=1e-3, betas=betas, hold=hold)
    config = tiny("cut", {"steps": steps, "batch": 2}, light=32, layers=layers, nce_x=0.7, nce_y=0.0, optim=optim)
    method = build(config).double()
    assert isinstance(method, CUT)
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    G, D, H = nets = [copy.deepcopy(net) for net in (method.G, method.D, method.H)]
    adams = [torch.optim.Adam(net.parameters(), lr=1e-3, betas=betas) for net in (G, H)]
    adam_d = torch.optim.Adam(D.parameters(), lr=2e-3 * 8 / 9, betas=(0.0, 0.99 ** (8 / 9)))
    for step in range(steps):
        batch = source.batch(step)
        play.train_step(batch)
        x, y = batch.a, batch.b
        seed_step(0, step)
        fake = G(x)
        real, made, unchanged = D(augment(torch.cat([y, fake.detach(), x]))).chunk(3)
        adam_d.zero_grad()
        (nnf.softplus(made - real).mean() + 0.5 * nnf.softplus(unchanged - real).mean()).backward()
        adam_d.step()
        if step % 8 == 0:
            slopes = [squared_slope(D, augment(images.detach()).requires_grad_()) for images in (y, fake)]
            adam_d.zero_grad()
            (8 * 0.2 / 2 * sum(slopes)).backward()
            adam_d.step()
        queries = G.encode(fake, layers)
        places = {name: torch.randperm(f.shape[2] * f.shape[3])[:16] for name, f in queries.items()}
        keys = H.project({name: f.detach() for name, f in G.encode(x, layers).items()}, places)
        found = H.project(queries, places)
        pairs = [(found[name][i], keys[name][i]) for name in layers for i in range(2)]
        contrast = torch.stack([nce(q, k, 0.07, True, None) for q, k in pairs]).mean()
        for adam in adams:
            adam.zero_grad()
        (nnf.softplus(real.detach() - D(augment(fake))).mean() + 0.7 * contrast).backward()
        for adam in adams:
            adam.step()
    for hand, net in zip(nets, (method.G, method.D, method.H), strict=True):
        for a, b in zip(hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0)


def test_light_networks_take_their_side() -> None:
    with pytest.raises(UserError, match=r"method.layers: .*no 'down1' in pixels, stem, down, middle"):
        CUT(Config(light=64))
    config = tiny("cut", light=64, layers=("middle",))
    with pytest.raises(UserError, match="these networks take 64 px"):
        build(config).check(config)

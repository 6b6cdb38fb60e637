"""U-GAT-IT's attention and adaptive norms in light networks."""

import copy
from pathlib import Path

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf
from torch.nn.functional import softplus

from instar.core.config import Optim
from instar.core.errors import UserError
from instar.methods.ugatit import UGATIT, Config
from instar.methods.ugatit.adalin import AdaLIN
from instar.methods.ugatit.light import EqualCAM, LightDiscriminator, LightGenerator
from instar.networks.light import augment
from instar.testing.runs import build, source_for, tiny, trainer


def test_attention_weights_twice_and_mixes() -> None:
    torch.manual_seed(0)
    cam, x = EqualCAM(5).double(), torch.randn(2, 5, 4, 4, dtype=torch.float64)
    attended, logits = cam(x)
    by_average, by_maximum = cam.classifiers
    weighted = torch.cat([x * by_average[:, None, None], x * by_maximum[:, None, None]], 1)
    torch.testing.assert_close(attended, cam.mix(weighted))
    torch.testing.assert_close(logits[:, 0], x.mean((2, 3)) @ by_average / 5**0.5)
    torch.testing.assert_close(logits[:, 1], x.amax((2, 3)) @ by_maximum / 5**0.5)


def test_attention_keeps_the_scale() -> None:
    torch.manual_seed(0)
    attended, _ = EqualCAM(256)(torch.randn(8, 256, 4, 4))
    assert attended.std().item() == pytest.approx(1, rel=0.25)


@pytest.mark.parametrize("channels", [1, 3])
def test_networks_fit_their_side(channels: int) -> None:
    torch.manual_seed(0)
    net, x, more = LightGenerator(channels, 64), torch.rand(2, channels, 64, 64), torch.rand(1, channels, 64, 64)
    out, logits = net.generate(x, more)
    torch.testing.assert_close(out, net(x))
    assert logits.shape == (3, 2)
    maps = net.heat_map(x)
    assert maps.shape == (2, 16, 16)
    assert maps.flatten(1).amin(1).tolist() == [0, 0]
    assert maps.flatten(1).amax(1).tolist() == [1, 1]
    assert LightDiscriminator(channels, 64)(x).shape == (2,)


def test_norms_are_those_of_the_layer_at_first() -> None:
    """Instance norm draws discs: a run starts without."""
    norms = [part for part in LightGenerator(3, 64).modules() if isinstance(part, AdaLIN)]
    assert len(norms) == 2
    assert not any(bool(norm.rho.any()) for norm in norms)


@pytest.mark.parametrize("setting", [{"attention": "none"}, {"norm": "adain"}, {"shared_cam": True}])
def test_what_light_networks_do_not_have_is_refused(setting: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"method.quick=64 takes method.attention=both"):
        Config(**{"quick": 64, "identity": 0.0, **setting})  # type: ignore[arg-type]


def test_sides() -> None:
    with pytest.raises(UserError, match=r"method.quick=48: take 0, 32, 64, 128 or 256"):
        Config(quick=48, identity=0.0)
    config = tiny("ugatit", quick=64, identity=0.0)
    with pytest.raises(UserError, match=r"these networks take 64 px; .*method.quick"):
        build(config).check(config)


def squared_slope(D: nn.Module, images: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(D(images).sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def bce(logits: Tensor, label: float) -> Tensor:
    return nnf.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def test_steps_equal_a_hand_written_loop(tmp_path: Path) -> None:
    """Both D on pairs, on their slopes in each eighth step, both G against the D of now, by cycles and classifiers."""
    steps = 10
    optim = Optim(lr=1e-3, betas=(0.0, 0.99), hold=1.0)
    weights = {"cycle": 0.7, "cam": 0.6, "rho_max": 0.002}
    config = tiny("ugatit", {"steps": steps, "batch": 2}, quick=32, identity=0.3, optim=optim, **weights)
    method = build(config).double()
    assert isinstance(method, UGATIT)
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    own = (method.G_st, method.G_ts, method.D_s["whole"], method.D_t["whole"])
    G_st, G_ts, D_s, D_t = nets = [copy.deepcopy(net) for net in own]
    generators = [*G_st.parameters(), *G_ts.parameters()]
    discriminators = [*D_s.parameters(), *D_t.parameters()]
    adam_g = torch.optim.Adam(generators, lr=1e-3, betas=(0.0, 0.99))
    adam_d = torch.optim.Adam(discriminators, lr=2e-3 * 8 / 9, betas=(0.0, 0.99 ** (8 / 9)))
    for step in range(steps):
        batch = source.batch(step)
        play.train_step(batch)
        s, t = batch.a, batch.b
        seed_step(0, step)
        fake_t, fake_s = G_st(s), G_ts(t)
        adam_d.zero_grad()
        kept = []
        for D, real, fake, other in ((D_t, t, fake_t, s), (D_s, s, fake_s, t)):
            on_real, made, unchanged = D(augment(torch.cat([real, fake.detach(), other]))).chunk(3)
            (softplus(made - on_real).mean() + 0.5 * softplus(unchanged - on_real).mean()).backward()
            kept.append(on_real.detach())
        adam_d.step()
        if step % 8 == 0:
            adam_d.zero_grad()
            for D, images in ((D_s, s), (D_s, fake_s), (D_t, t), (D_t, fake_t)):
                (8 * 0.2 / 2 * squared_slope(D, augment(images.detach()).requires_grad_())).backward()
            adam_d.step()
        loss = softplus(kept[1] - D_s(augment(fake_s))).mean() + softplus(kept[0] - D_t(augment(fake_t))).mean()
        loss = loss + 0.7 * (G_ts(fake_t) - s).abs().mean() + 0.7 * (G_st(fake_s) - t).abs().mean()
        loss = loss + 0.3 * (G_ts(s) - s).abs().mean() + 0.3 * (G_st(t) - t).abs().mean()
        for G, first, second in ((G_st, s, t), (G_ts, t, s)):
            logits = [G.cam(G.encode(x, ["middle"])["middle"])[1] for x in (first, second)]
            loss = loss + 0.6 * (bce(logits[0], 1) + bce(logits[1], 0))
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
        with torch.no_grad():
            for G in (G_st, G_ts):
                for block in G.styled:
                    block.norm.rho.clamp_(0, 0.002)
    for hand, net in zip(nets, own, strict=True):
        for a, b in zip(hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0)

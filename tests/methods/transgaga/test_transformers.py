import pytest
import torch
from torch import nn

from instar.methods.transgaga.networks import ConditionalVAE, LandmarkDetector
from instar.methods.transgaga.pca import PCA
from instar.methods.transgaga.per_domain import Both
from instar.methods.transgaga.transformers import Flow, Judges, Parts, Transformer, Transformers, code_discriminator
from methods.parts import count


def test_parameters() -> None:
    with torch.device("meta"):
        assert count(Transformer(16)) == 874_128
        assert count(Transformer(128)) == 888_576
        assert count(code_discriminator(16)) == 174_529
        assert count(code_discriminator(128)) == 181_697
        assert count(Transformers(16, 128)) == 874_128 + 888_576
        assert count(Judges(3, 16, 128)) == 2_764_737 + 174_529 + 181_697


def test_a_residual_transformer_starts_as_the_identity() -> None:
    z = torch.randn(3, 5)
    assert torch.equal(Transformer(5, 4, residual=True)(z), z)
    assert not torch.equal(Transformer(5, 4)(z), z)
    phi = Transformers(5, 7, 4)
    assert not phi.geometry.residual
    assert phi.appearance.residual


def test_codes_keep_their_size_at_first() -> None:
    torch.manual_seed(0)
    out = Transformer(16)(torch.randn(500, 16))
    assert 0.7 < out.std() < 2


def test_a_discriminator_is_small_at_first() -> None:
    torch.manual_seed(0)
    weights = torch.cat(
        [m.weight.flatten() for m in Judges(3, 16, 32).modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    )
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)


def test_judges() -> None:
    scores = Judges(3, 5, 7, 4)(torch.rand(2, 3, 32, 32), torch.randn(2, 5), torch.randn(2, 7))
    assert {kind: tuple(p.shape) for kind, p in scores.items()} == {
        "image": (2, 1, 2, 2),
        "geometry": (2, 1),
        "appearance": (2, 1),
    }


@pytest.fixture
def flow() -> Flow:
    torch.manual_seed(0)
    return Flow(
        Both(lambda: LandmarkDetector(3, 2, 5)),
        Both(lambda: ConditionalVAE(3, 4, 5, 7)),
        Both(lambda: Transformers(6, 7, 4)),
        Both(lambda: PCA(10, 6)),
    )


def test_apart(flow: Flow) -> None:
    x = torch.rand(2, 3, 32, 64)
    parts = flow.apart("b", x)
    assert torch.equal(parts.points, flow.E_g["b"](x)[0])
    assert torch.equal(parts.z, flow.pca["b"](parts.points.flatten(1)))
    mu, logvar = flow.vae["b"].appearance(x, parts.points)
    assert torch.equal(parts.a, mu)
    assert torch.equal(parts.logvar, logvar)


def test_over_takes_what_is_off_for_nothing_and_stays_inside(flow: Flow) -> None:
    flow.pca["a"].active[3:] = 0
    made = flow.over(100 * torch.randn(2, 6), torch.randn(2, 7), "a")
    assert made.z[:, :3].all()
    assert not made.z[:, 3:].any()
    assert made.points.abs().max() == 1
    assert not flow.over(torch.zeros(2, 6), torch.zeros(2, 7), "a").points.isnan().any()


def test_a_translation_has_nothing_to_draw_from(flow: Flow) -> None:
    made = flow.over(torch.randn(2, 6), torch.randn(2, 7), "a")
    assert torch.equal(made.noisy().a, made.a)


def test_noise_has_the_deviation_that_the_encoder_says() -> None:
    torch.manual_seed(0)
    nothing = torch.empty(0)
    a = (
        Parts(nothing, nothing, torch.full((4000, 1), 3.0), torch.full((4000, 1), 2 * torch.tensor(0.5).log()))
        .noisy()
        .a
    )
    assert a.mean().item() == pytest.approx(3, abs=0.03)
    assert a.std().item() == pytest.approx(0.5, abs=0.03)


def test_codes_carry_the_size_of_the_image(flow: Flow) -> None:
    x = torch.rand(2, 3, 32, 64)
    code = flow.encode("a", x)
    assert code.shape == (2, 13, 1, 2)
    parts = flow.apart("a", x)
    assert torch.equal(code[:, :, 0, 1], torch.cat([parts.z, parts.a], 1))
    made = flow.over(parts.z, parts.a, "b")
    torch.testing.assert_close(flow.decode(code, "b"), flow.draw("b", made, x.shape))


def test_geometry_has_no_gradient(flow: Flow) -> None:
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    z = flow.geometry("b", x)
    assert not z.requires_grad
    assert torch.equal(z, flow.apart("b", x).z)

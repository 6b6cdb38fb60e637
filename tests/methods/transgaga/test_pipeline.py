import pytest
import torch

from instar.methods.transgaga.networks import ConditionalVAE, LandmarkDetector
from instar.methods.transgaga.pca import PCA
from instar.methods.transgaga.per_domain import PerDomain
from instar.methods.transgaga.pipeline import Parts, Pipeline
from instar.methods.transgaga.transformers import Transformers


@pytest.fixture
def pipeline() -> Pipeline:
    torch.manual_seed(0)
    return Pipeline(
        PerDomain(lambda: LandmarkDetector(3, 2, 5)),
        PerDomain(lambda: ConditionalVAE(3, 4, 5, 7)),
        PerDomain(lambda: Transformers(6, 7, 4)),
        PerDomain(lambda: PCA(10, 6)),
    )


def test_disentangle(pipeline: Pipeline) -> None:
    x = torch.rand(2, 3, 32, 64)
    parts = pipeline.disentangle("b", x)
    assert torch.equal(parts.points, pipeline.E_g["b"](x)[0])
    assert torch.equal(parts.z, pipeline.pca["b"](parts.points.flatten(1)))
    mu, logvar = pipeline.vae["b"].appearance(x, parts.points)
    assert torch.equal(parts.a, mu)
    assert torch.equal(parts.logvar, logvar)


def test_transform_takes_what_is_off_for_nothing_and_stays_inside(pipeline: Pipeline) -> None:
    pipeline.pca["a"].active[3:] = 0
    made = pipeline.transform(100 * torch.randn(2, 6), torch.randn(2, 7), "a")
    assert made.z[:, :3].all()
    assert not made.z[:, 3:].any()
    assert made.points.abs().max() == 1
    assert not pipeline.transform(torch.zeros(2, 6), torch.zeros(2, 7), "a").points.isnan().any()


def test_a_translation_has_nothing_to_draw_from(pipeline: Pipeline) -> None:
    made = pipeline.transform(torch.randn(2, 6), torch.randn(2, 7), "a")
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


def test_codes_carry_the_size_of_the_image(pipeline: Pipeline) -> None:
    x = torch.rand(2, 3, 32, 64)
    code = pipeline.encode("a", x)
    assert code.shape == (2, 13, 1, 2)
    parts = pipeline.disentangle("a", x)
    assert torch.equal(code[:, :, 0, 1], torch.cat([parts.z, parts.a], 1))
    made = pipeline.transform(parts.z, parts.a, "b")
    torch.testing.assert_close(pipeline.decode(code, "b"), pipeline.draw("b", made, x.shape))


def test_geometry_has_no_gradient(pipeline: Pipeline) -> None:
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    z = pipeline.geometry("b", x)
    assert not z.requires_grad
    assert torch.equal(z, pipeline.disentangle("b", x).z)

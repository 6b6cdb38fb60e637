import pytest
import torch
from torch import Tensor, distributed

from instar.methods.transgaga.pca import PCA


def vectors(count: int = 500, dim: int = 60, rank: int = 60, dtype: torch.dtype = torch.float32) -> Tensor:
    chance = torch.Generator().manual_seed(0)
    spread = torch.linspace(1, 0.2, rank, dtype=dtype)
    basis = torch.randn(rank, dim, generator=chance, dtype=dtype) * spread[:, None]
    return torch.randn(count, rank, generator=chance, dtype=dtype) @ basis * 0.1 + 0.3


def test_all_components_go_there_and_back() -> None:
    u, pca = vectors(), PCA(60, 60)
    assert pca.fit(u) == 60
    torch.testing.assert_close(pca.inverse(pca(u)), u, atol=1e-5, rtol=0)


def test_as_many_components_as_the_data_has_dimensions() -> None:
    u, pca = vectors(rank=6), PCA(60, 6)
    assert pca.fit(u) == 6
    torch.testing.assert_close(pca.inverse(pca(u)), u, atol=1e-5, rtol=0)


def test_coefficients_are_white() -> None:
    u, pca = vectors(), PCA(60, 16)
    pca.fit(u)
    z = pca(u)
    assert z.shape == (500, 16)
    torch.testing.assert_close(z.mean(0), torch.zeros(16), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(16), atol=1e-3, rtol=0)
    torch.testing.assert_close(z.T @ z / 500, torch.eye(16), atol=1e-3, rtol=0)


def test_equals_a_singular_value_decomposition() -> None:
    u, pca = vectors(40, 5, 5, torch.float64), PCA(5, 3).double()
    pca.fit(u)
    _, s, v = torch.linalg.svd(u - u.mean(0), full_matrices=False)
    expected = (u - u.mean(0)) @ v[:3].T / (s[:3].square() / 40 + 1e-6).sqrt()
    torch.testing.assert_close(pca(u).abs(), expected.abs(), atol=1e-9, rtol=0)
    assert (pca.scale.diff() < 0).all()


def test_signs_do_not_depend_on_chance() -> None:
    u, pca, other = vectors(100, 6, 6), PCA(6, 6), PCA(6, 6)
    pca.fit(u)
    other.fit(u.flip(0))
    largest = pca.directions.gather(0, pca.directions.abs().argmax(0, keepdim=True))
    assert (largest > 0).all()
    torch.testing.assert_close(pca.directions, other.directions, atol=1e-4, rtol=0)


def test_components_without_variance_are_off() -> None:
    u, pca = vectors(rank=3), PCA(60, 8)
    assert pca.fit(u) == 3
    z = pca(u)
    assert not z[:, 3:].any()
    torch.testing.assert_close(pca.inverse(z), u, atol=1e-5, rtol=0)
    assert torch.equal(pca.inverse(torch.cat([z[:, :3], torch.randn(500, 5)], 1)), pca.inverse(z))


@pytest.mark.parametrize(("share", "count"), [(0.5, 1), (0.6, 2), (0.85, 2), (0.95, 3), (1.0, 4)])
def test_a_share_of_the_variance(share: float, count: int) -> None:
    """Variances 0.5, 0.35, 0.1 and 0.05 of the whole."""
    deviations = torch.tensor([0.5, 0.35, 0.1, 0.05], dtype=torch.float64).sqrt()
    corners = torch.cat([torch.diag(deviations), -torch.diag(deviations)])
    assert PCA(4, 4).double().fit(corners, share) == count
    assert PCA(4, 2).double().fit(corners, share) == min(count, 2)


def test_nothing_varies() -> None:
    pca = PCA(4, 2)
    assert pca.fit(torch.full((5, 4), 0.2)) == 1
    assert torch.equal(pca.inverse(pca(torch.full((3, 4), 0.2))), torch.full((3, 4), 0.2))


def test_distance_counts_what_is_on() -> None:
    pca = PCA(4, 4)
    pca.active.copy_(torch.tensor([1.0, 1.0, 0.0, 0.0]))
    z, other = torch.zeros(3, 4), torch.tensor([1.0, 3.0, 0.0, 0.0]).expand(3, 4)
    assert pca.distance(z, other).item() == pytest.approx(2.0)


def test_before_the_fit_it_takes_coordinates_as_they_are() -> None:
    u, pca = torch.randn(3, 6), PCA(6, 4)
    assert torch.equal(pca(u), u[:, :4])
    assert not pca.fitted


def test_state() -> None:
    u, pca, other = vectors(), PCA(60, 16), PCA(60, 16)
    pca.fit(u, 0.95)
    other.load_state_dict(pca.state_dict())
    assert torch.equal(pca(u), other(u))
    assert other.fitted
    assert list(pca.parameters()) == []


def test_gradients_and_full_precision_under_autocast() -> None:
    pca = PCA(6, 4)
    pca.fit(vectors(50, 6, 6))
    u = torch.randn(3, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = pca.inverse(pca(u))
    assert found.dtype == torch.float32
    assert torch.equal(found, pca.inverse(pca(u)))
    (slope,) = torch.autograd.grad(found[0, 0], u)
    kept = pca.directions @ pca.directions.T
    torch.testing.assert_close(slope[0], kept[0], atol=1e-5, rtol=0)


def test_processes_measure_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two processes has half of the vectors; what they add up is what one process finds on all."""
    u = vectors(60, 5, 5, torch.float64)
    whole = PCA(5, 3).double()
    whole.fit(u)
    sent: list[Tensor] = []
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "broadcast", lambda origin, _: origin.copy_(u[0]))
    monkeypatch.setattr(distributed, "all_reduce", lambda moments: sent.append(moments.clone()))
    for half in u.split([20, 40]):
        PCA(5, 3).double().fit(half)
    monkeypatch.setattr(distributed, "all_reduce", lambda moments: moments.copy_(sent[0] + sent[1]))
    for half in u.split([20, 40]):
        one = PCA(5, 3).double()
        one.fit(half)
        for name, value in whole.named_buffers():
            torch.testing.assert_close(one.get_buffer(name), value)

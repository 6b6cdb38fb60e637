import torch

from instar.methods.transgaga.transformers import Transformer, Transformers
from methods.parts import count


def test_parameters() -> None:
    with torch.device("meta"):
        assert count(Transformer(16)) == 874_128
        assert count(Transformer(128)) == 888_576
        assert count(Transformers(16, 128)) == 874_128 + 888_576


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

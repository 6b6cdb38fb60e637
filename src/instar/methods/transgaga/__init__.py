"""TransGaGa: Geometry-Aware Unsupervised Image-to-Image Translation."""

from instar.methods.transgaga.method import Config, TransGaGa

__all__ = ["Config", "TransGaGa"]

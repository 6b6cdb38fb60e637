"""DCLGAN and SimDCL: Dual Contrastive Learning for Unsupervised Image-to-Image Translation."""

from instar.methods.dclgan.method import DCLGAN, Config

__all__ = ["DCLGAN", "Config"]
